"""The autoencoder with discrete codes, and a prior over its tokens. Chapter 12."""

import math

import keras
import numpy as np
from keras import ops

from aecore import _backend
from aecore.data import check_examples, check_whole
from aecore.layers import PastTokens
from aecore.objectives import Categorical, Likelihood, SquaredError
from aecore.quantisers import Quantiser
from aecore.training import Model, in_chunks

register = keras.saving.register_keras_serializable("aecore")


@register
class VQVAE(Model):
    """An autoencoder whose code is a grid of tokens.

        L = nll(x | decoder(q)) + commitment |z - stop_gradient(q)|^2,    z = encoder(x), q its quantised vectors

    Args:
        encoder: keras.Model, (b, *shape) -> (b, *grid, d), for example conv_encoder(..., grid=True).
        decoder: keras.Model, (b, *grid, d) -> the likelihood's params.
        quantiser: VectorQuantiser(k, d), or FSQ of d levels.
        likelihood: what the decoder's numbers mean (objectives.py).
    Raises: ValueError where the parts do not fit one another, TypeError where one is of another kind.
    Source: van den Oord et al. 2017. Chapter 12.

    Example:
        net = dict(shape=(8, 8, 1), filters=(32,), code_size=8, grid=True)
        model = VQVAE(conv_encoder(**net), conv_decoder(**net), VectorQuantiser(64, 8))
        model.compile("adam")
        model.fit(x)                    # x (n, 8, 8, 1) in [0, 1]
        tokens = model.encode(x)        # (n, 4, 4), integers 0..63
        model.decode(tokens)            # (n, 8, 8, 1)
    """

    def __init__(self, encoder, decoder, quantiser, *, likelihood=None, **kwargs):
        likelihood = SquaredError() if likelihood is None else likelihood
        _check_parts(encoder, decoder, quantiser, likelihood)
        super().__init__(terms=["rec", *quantiser.terms], **kwargs)
        self.encoder, self.decoder, self.quantiser, self.likelihood = encoder, decoder, quantiser, likelihood
        self.shape, self.grid = tuple(encoder.input_shape[1:]), tuple(encoder.output_shape[1:-1])
        self.encode_batch = _backend.compiled(encoder)
        self.decode_batch = _backend.compiled(decoder, then=likelihood.mean)
        self.built = True

    def call(self, x, training=False):
        quantised = self.quantiser(self.encoder(x, training=training), training=training)
        return {**quantised, "params": self.decoder(quantised["codes"], training=training)}

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        terms = {name: (y_pred[name], weight) for name, weight in self.quantiser.terms.items()}
        return self.total(sample_weight, rec=(self.likelihood.nll(x, y_pred["params"]), 1.0), **terms)

    def encode(self, x, batch_size=1024):
        """The tokens of examples: (n, *shape) -> (n, *grid), integers 0..k-1. batch_size: examples at a time."""
        tokens = lambda part: ops.convert_to_numpy(self.quantiser.tokens(self.encode_batch(part)))
        return in_chunks(tokens, check_examples(x, self.shape, "encode"), batch_size, "encode").astype("int32")

    def decode(self, tokens, batch_size=1024):
        """What tokens stand for, wherever they come from: (n, *grid) -> the likelihood's mean, (n, *shape)."""
        tokens = check_tokens(tokens, self.grid, self.quantiser.codes, "decode")
        pictures = lambda part: self.decode_batch(ops.convert_to_numpy(self.quantiser.vectors(part)))
        return in_chunks(pictures, tokens, batch_size, "decode")

    def reconstruct(self, x, batch_size=1024):
        """decode(encode(x)): (n, *shape) -> (n, *shape)."""
        return self.decode(self.encode(x, batch_size), batch_size)

    def check(self, x, y=None):
        if y is not None:
            raise ValueError("VQVAE: the target is the input. Leave y out.")
        x = check_examples(x, self.shape, "VQVAE")
        self.likelihood.check(x, "VQVAE")
        return (x,)

    def get_config(self):
        parts = {k: getattr(self, k) for k in ("encoder", "decoder", "quantiser", "likelihood")}
        return {**super().get_config(), **{k: keras.saving.serialize_keras_object(v) for k, v in parts.items()}}

    @classmethod
    def from_config(cls, config):
        return cls(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})


@register
class CodePrior(Model):
    """How likely a grid of tokens is: each token, given those before it, row by row.

        log p(t) = sum_i log p(t_i | t_1 ... t_{i-1}),    L = -log p(t)

    A small transformer whose attention looks back only. Its input is moved on by one place, so that the logits of
    place i depend on the tokens before i alone.

    Args:
        grid: shape of one example's tokens, for example (4, 4).
        codes: k >= 2; tokens are integers 0..k-1.
        width: numbers that stand for a place inside the network, a multiple of `heads`.
        heads, blocks: of the attention, >= 1.
        dropout: share of values switched off in training, in [0, 1).
        seed: owns the initial weights and the dropout.
    Raises: ValueError where a size does not fit.
    Source: van den Oord et al. 2017, section 3.3. Differs: a transformer (Vaswani et al. 2017; normalised before each
        part) instead of a PixelCNN, in the same raster order. Chapter 12.

    Example:
        prior = CodePrior(model.grid, model.quantiser.codes)
        prior.compile("adam")
        prior.fit(model.encode(x), epochs=20)
        model.decode(prior.sample(10))  # ten new pictures
    """

    def __init__(self, grid, codes, *, width=64, heads=4, blocks=2, dropout=0.0, seed=0, **kwargs):
        grid = tuple(check_whole("CodePrior", **{f"grid[{i}]": n for i, n in enumerate(grid)}))
        (codes,) = check_whole("CodePrior", at_least=2, codes=codes)
        width, heads, blocks = check_whole("CodePrior", width=width, heads=heads, blocks=blocks)
        if not grid or width % heads:
            raise ValueError(
                f"CodePrior: wanted a grid such as (4, 4), and a width that {heads} heads can share, "
                f"got grid={grid} and width={width}."
            )
        super().__init__(terms=["nll"], **kwargs)
        self.grid, self.codes = grid, codes
        self.config = {"grid": grid, "codes": codes, "width": width, "heads": heads, "blocks": blocks}
        self.config |= {"dropout": dropout, "seed": seed}
        self.network = _transformer(math.prod(grid), codes, width, heads, blocks, dropout, seed)
        self.likelihood = Categorical(codes)
        self.logits_batch = _backend.compiled(self.network)
        self.built = True

    def call(self, tokens, training=False):
        return {"logits": self.network(self.row(tokens), training=training)}  # (b, places, k)

    def row(self, tokens):
        """Tokens one after another, as the network takes them: (b, *grid) -> (b, places), float32."""
        return ops.cast(ops.reshape(tokens, (-1, math.prod(self.grid))), "float32")

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        return self.total(sample_weight, nll=(self.likelihood.nll(self.row(x), y_pred["logits"]), 1.0))

    def log_prob(self, tokens, batch_size=1024):
        """log p(tokens), exactly: (n, *grid) -> (n,), in nats. Divide by -log 2 for bits."""
        nll = lambda part: ops.convert_to_numpy(self.likelihood.nll(part, self.logits_batch(part)))
        rows = self.check(tokens)[0].reshape(len(tokens), -1).astype("float32")
        return -in_chunks(nll, rows, batch_size, "log_prob")

    def sample(self, n, seed=0, batch_size=1024):
        """New grids of tokens, one place after another: (n, *grid), integers 0..k-1. seed owns the draws."""
        n, batch_size = check_whole("sample", n=n, batch_size=batch_size)
        rng = np.random.default_rng(seed)

        def draw(tokens):
            for i in range(tokens.shape[1]):
                logits = self.logits_batch(tokens)[:, i]
                tokens[:, i] = np.argmax(logits + rng.gumbel(size=logits.shape), axis=-1)  # a draw from softmax(logits)
            return tokens

        blank = np.zeros((n, math.prod(self.grid)), "float32")
        return in_chunks(draw, blank, batch_size, "sample").astype("int32").reshape(n, *self.grid)

    def check(self, x, y=None):
        if y is not None:
            raise ValueError("CodePrior: it learns the tokens alone. Leave y out.")
        return (check_tokens(x, self.grid, self.codes, "CodePrior"),)

    def get_config(self):
        return {**super().get_config(), **self.config}


def _transformer(places, codes, width, heads, blocks, dropout, seed):
    """A network whose output at a place sees the tokens before it: (b, places) -> logits (b, places, codes)."""
    layers, seeds = keras.layers, iter(range(seed, seed + 10 * blocks + 10))
    init = lambda: keras.initializers.GlorotUniform(seed=next(seeds))
    drop = lambda h: layers.Dropout(dropout, seed=next(seeds))(h)
    inputs = keras.Input((places,), name="tokens")
    h = drop(PastTokens(codes, width, seed=next(seeds))(inputs))  # (b, places, width)
    for _ in range(blocks):
        a = layers.LayerNormalization()(h)
        attention = layers.MultiHeadAttention(heads, width // heads, kernel_initializer=init())
        h = h + drop(attention(a, a, use_causal_mask=True))
        for part in (attention.query_dense, attention.key_dense, attention.value_dense):
            part.kernel.assign(init()(part.kernel.shape))  # Keras gives all three the same numbers of one seed
        m = layers.Dense(4 * width, "gelu", kernel_initializer=init())(layers.LayerNormalization()(h))
        h = h + drop(layers.Dense(width, kernel_initializer=init())(m))
    h = layers.LayerNormalization()(h)
    return keras.Model(inputs, layers.Dense(codes, kernel_initializer="zeros")(h), name="prior")


def check_tokens(tokens, grid, codes, name):
    """Let tokens in where they are integers 0..codes-1 of shape (n, *grid), and say what is wrong where not.

    Returns: tokens, (n, *grid), int32. Raises: TypeError where they are no integers, else ValueError.
    """
    tokens = np.asarray(tokens)
    if tokens.dtype.kind not in "ui":
        raise TypeError(f"{name}: wanted tokens, integers 0..{codes - 1}, got {tokens.dtype}. Does encode give them?")
    if tokens.shape[1:] != tuple(grid) or tokens.ndim != len(grid) + 1 or not len(tokens):
        raise ValueError(f"{name}: wanted tokens of shape (n, {', '.join(map(str, grid))}), got {tokens.shape}.")
    if tokens.min() < 0 or tokens.max() >= codes:
        raise ValueError(f"{name}: wanted tokens 0..{codes - 1}, got {tokens.min()} to {tokens.max()}.")
    return tokens.astype("int32")


def _check_parts(encoder, decoder, quantiser, likelihood):
    kinds = {"encoder": keras.Model, "decoder": keras.Model, "quantiser": Quantiser, "likelihood": Likelihood}
    for (what, kind), part in zip(kinds.items(), (encoder, decoder, quantiser, likelihood), strict=True):
        if not isinstance(part, kind):
            raise TypeError(f"VQVAE: {what} wants a {kind.__name__}, got {part!r}.")
    given, wanted = encoder.output_shape[1:], decoder.input_shape[1:]
    if len(given) < 2 or given[-1] != quantiser.size or given != wanted:
        raise ValueError(
            f"VQVAE: wanted an encoder that gives a grid of vectors of the quantiser's size, (..., {quantiser.size}), "
            f"and a decoder that takes it; the encoder gives {given}, the decoder takes {wanted}. Build both "
            f"with grid=True and code_size={quantiser.size}."
        )
    likelihood.check_decoder(encoder.input_shape[1:], decoder.output_shape[1:], "VQVAE")
