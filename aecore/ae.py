"""The autoencoder: an encoder, a decoder, and what is asked of them. Chapters 1-3."""

import keras

from aecore import _backend
from aecore.data import check_examples
from aecore.networks import tied_decoder
from aecore.objectives import Likelihood, Penalty, SquaredError
from aecore.training import Model, check_kind, in_chunks


@keras.saving.register_keras_serializable("aecore")
class Autoencoder(Model):
    """Encode an example into a short code, and decode the code back.

        L = L_rec + lambda L_reg,   L_rec = nll(x | decoder(encoder(x~)))

    Its variants are arguments. Linear: networks without hidden layers. Deep: with some. Denoising: a
    corruption, x~ = corruption(x). Sparse, contractive: a penalty. k-sparse: an encoder that ends in TopK.
    Tied: no decoder.

    Args:
        encoder: keras.Model, (b, *shape) -> (b, d).
        decoder: keras.Model, (b, d) -> the likelihood's params, or None: the encoder's transpose.
        likelihood: what the decoder's numbers mean (objectives.py); its `nll` is L_rec.
        penalty: L_reg with its weight lambda (objectives.py), or None.
        corruption: a layer that is applied to the input, in training only (corruption.py), or None.
    Raises: ValueError where the decoder does not fit the encoder or the likelihood, TypeError where a part is
        of another kind.
    Source: Hinton and Salakhutdinov 2006; Vincent et al. 2008 for the corruption. Chapters 1 and 2.

    Example:
        net = dict(shape=(28, 28, 1), hidden=(400,), code_size=20)
        ae = Autoencoder(mlp_encoder(**net), mlp_decoder(**net), likelihood=Bernoulli())
        ae.compile("adam")
        ae.fit(x)                       # x (n, 28, 28, 1) in [0, 1]
        z = ae.encode(x)                # (n, 20)
        ae.decode(z)                    # (n, 28, 28, 1)
    """

    arguments = ("encoder", "likelihood", "penalty", "corruption")

    def __init__(self, encoder, decoder=None, *, likelihood=None, penalty=None, corruption=None, **kwargs):
        super().__init__(terms=["rec"] + ["reg"] * (penalty is not None), **kwargs)
        likelihood = SquaredError() if likelihood is None else likelihood
        check_kind("Autoencoder", "encoder", encoder, keras.Model, "mlp_encoder(shape, hidden, code_size)")
        check_kind("Autoencoder", "likelihood", likelihood, Likelihood, "Bernoulli()")
        if decoder is not None:
            check_kind("Autoencoder", "decoder", decoder, keras.Model, "mlp_decoder(shape, hidden, code_size)")
        if penalty is not None:
            check_kind("Autoencoder", "penalty", penalty, Penalty, "L1(0.01)")
        if corruption is not None:
            check_kind("Autoencoder", "corruption", corruption, keras.layers.Layer, "GaussianNoise(0.3)")
        self.tied = decoder is None
        self.encoder = encoder
        self.decoder = tied_decoder(encoder) if self.tied else decoder
        self.likelihood = likelihood
        self.penalty = penalty
        self.corruption = corruption
        self.shape = tuple(encoder.input_shape[1:])
        _check_fit(self.encoder, self.decoder, self.likelihood)
        self.encode_batch = _backend.compiled(self.encoder)
        self.decode_batch = _backend.compiled(self.decoder, then=self.likelihood.mean)
        self.built = True

    @property
    def code_size(self):
        """d, the number of units of the code."""
        return self.encoder.output_shape[-1]

    def call(self, x, training=False):
        if training and self.corruption is not None:
            x = self.corruption(x)
        codes = self.encoder(x, training=training)  # (b, d)
        return {"codes": codes, "params": self.decoder(codes, training=training)}

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        target = x if y is None else y
        terms = {"rec": (self.likelihood.nll(target, y_pred["params"]), 1.0)}
        if self.penalty is not None:
            values = self.penalty.value(y_pred["codes"], x, self.encoder)
            terms["reg"] = (values, self.penalty.weight)
        return self.total(sample_weight, **terms)

    def encode(self, x, batch_size=1024):
        """The codes of examples.

        Args: x, (n, *shape); batch_size, examples at a time.
        Returns: codes, (n, d), float32.
        """
        return in_chunks(self.encode_batch, check_examples(x, self.shape, "encode"), batch_size, "encode")

    def decode(self, codes, batch_size=1024):
        """What codes stand for, wherever the codes come from.

        Args: codes, (n, d); batch_size, codes at a time.
        Returns: the likelihood's mean, (n, *shape), float32: pixels, or probabilities of symbols.
        """
        codes = check_examples(codes, (self.code_size,), "decode")
        return in_chunks(self.decode_batch, codes, batch_size, "decode")

    def reconstruct(self, x, batch_size=1024):
        """decode(encode(x)): (n, *shape) -> (n, *shape)."""
        return self.decode(self.encode(x, batch_size), batch_size)

    def check(self, x, y=None):
        name = type(self).__name__
        arrays = (check_examples(x, self.shape, name),)
        if y is not None:
            arrays += (check_examples(y, self.shape, f"{name} (y: what to reconstruct, not labels)"),)
        target = arrays[-1]
        if len(target) != len(arrays[0]):
            raise ValueError(
                f"{name}: wanted one target per input, got {len(arrays[0])} inputs and {len(target)} targets."
            )
        self.likelihood.check(target, name)
        return arrays

    def get_config(self):
        decoder = None if self.tied else keras.saving.serialize_keras_object(self.decoder)
        return {**super().get_config(), "decoder": decoder}


def _check_fit(encoder, decoder, likelihood):
    d, wanted = encoder.output_shape[-1], decoder.input_shape[-1]
    if len(encoder.output_shape) != 2 or d != wanted:
        raise ValueError(
            f"Autoencoder: the encoder gives codes of shape {encoder.output_shape[1:]}, the decoder wants ({wanted},). "
            "Build both with the same code_size."
        )
    likelihood.check_decoder(encoder.input_shape[1:], decoder.output_shape[1:], "Autoencoder")
