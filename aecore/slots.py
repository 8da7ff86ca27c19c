"""The slot autoencoder: a picture as a set of layers, one for each object, found without any label. Chapter 19."""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from aecore import _backend
from aecore.data import check_examples, check_whole
from aecore.networks import conv_encoder
from aecore.slot_decoders import CanvasDecoder, _Decoder
from aecore.slot_layers import FRAME, SlotAttention
from aecore.training import EVALUATION_BATCH, Batches, Model, check_kind, in_chunks


class Layers(NamedTuple):
    """What slots paint: colours, (n, k, h, w, c), and masks, (n, h, w, k), which sum to 1 over k."""

    colours: np.ndarray
    masks: np.ndarray


@keras.saving.register_keras_serializable("aecore")
class SlotAutoencoder(Model):
    """A picture is encoded into a set of slots; each slot paints a layer, and masks say whose pixel each pixel is.

        p(x | s) = prod_i sum_k m_ik N(x_i; mu_ik, scale^2 I)        a mixture: every pixel has one painter
        p(x | s) = prod_i N(x_i; sum_k m_ik mu_ik, scale^2 I)        mixture=False: the painters' colours are mixed
        L = -log p(x | s),   s = attention(encoder(x - 1/2), noise)

    Whose pixel it is, given the picture, is the mixture's posterior, q_i(k) proportional to
    m_ik N(x_i; mu_ik, scale^2 I): what `predict` tells. A picture with more objects than slots is encoded too: then
    slots hold several.
    Reported while training, per picture: `rec`, -log p(x | s), nats; `mse`, the mean squared error of a value.

    Args:
        encoder: keras.Model, (b, H, W, c) -> a grid of features, (b, h, w, m): conv_encoder(..., grid=True).
        attention: slot_layers.SlotAttention(...).
        decoder: slot_decoders.CanvasDecoder(...) or BroadcastDecoder(...), of the same size and background.
        slots: K, the background's among them, in training; verbs take another number.
        scale: standard deviation of a pixel's colour, > 0.
        mixture: see above.
        seed: owns the noise of training.
    Raises: ValueError where parts do not fit one another or a number is out of range, TypeError for a part of
        another kind.
    Source: Locatello et al. 2020; the mixture of Greff et al. 2019 (IODINE), equation 2. Chapter 19.

    Example:
        model = slot_autoencoder((32, 32, 3))
        model.compile(keras.optimizers.Adam(1e-3))
        model.fit(x)                        # x (n, 32, 32, 3) in [0, 1]
        slots = model.encode(x)             # (n, 5, 36)
        model.decode(slots)                 # (n, 32, 32, 3)
        model.predict(x)                    # (n, 32, 32), 0 background, 1 to 4
    """

    arguments = ("encoder", "attention", "decoder", "slots", "scale", "mixture", "seed")

    def __init__(self, encoder, attention, decoder, *, slots=5, scale=0.15, mixture=True, seed=0, **kwargs):
        super().__init__(terms=["rec", "mse"], **kwargs)
        check_kind("SlotAutoencoder", "encoder", encoder, keras.Model, "conv_encoder(shape, (32,), 32, grid=True)")
        check_kind("SlotAutoencoder", "attention", attention, SlotAttention, "SlotAttention(32)")
        check_kind("SlotAutoencoder", "decoder", decoder, _Decoder, "CanvasDecoder((32, 32, 3), 32)")
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"SlotAutoencoder: scale must be a finite number > 0, got {scale}.")
        (seed,) = check_whole("SlotAutoencoder", at_least=0, seed=seed)
        _check_fit(encoder, attention, decoder)
        self.encoder, self.attention, self.decoder = encoder, attention, decoder
        self.scale, self.mixture, self.seed = scale, mixture, seed
        self.shape, self.code_size = decoder.shape, FRAME + attention.size
        self.slots = self._count("SlotAutoencoder", slots)
        if not attention.built:
            attention.build(tuple(encoder.output_shape))
        self.built = True
        x, s = (keras.KerasTensor((None, *shape)) for shape in (self.shape, (None, self.code_size)))
        self.paint_batch = _backend.fast(lambda s: self.painted(s)[1:], self, s)
        self.decode_batch = _backend.fast(lambda s: self.mean(*self.painted(s)[1:]), self, s)
        self.weigh_batch = _backend.fast(lambda x, s: self.log_joint(x, *self.painted(s)), self, x, s)
        self.encoders = {}
        self.noise = self.draw(np.random.default_rng(seed), EVALUATION_BATCH, self.slots)

    # --- the model, on tensors: x (b, H, W, c), slots (b, k, d + 4), masks (b, k, H, W) ----------------------

    def found(self, x, noise=None, slots=None, training=False):
        """Slots, (b, k, d + 4), and attention, (b, k, h, w), from noise or from slots to start with."""
        return self.attention(self.call(x, training), noise=noise, slots=slots)

    def painted(self, slots):
        """Log masks and masks, (b, k, H, W), and colours, (b, k, H, W, c)."""
        logits, colours = self.decoder(slots)
        log_masks = ops.log_softmax(logits, axis=1)
        return log_masks, ops.exp(log_masks), colours

    def mean(self, masks, colours):
        """The mean of p(x | s): (b, H, W, c)."""
        return ops.sum(masks[..., None] * colours, axis=1)

    def log_joint(self, x, log_masks, masks, colours):
        """log p(x_i, k | s) = log m_ik + log N(x_i; mu_ik, scale^2 I), nats: (b, k, H, W)."""
        c = self.shape[-1]
        error = ops.sum(ops.square(x[:, None] - colours), axis=-1)
        return log_masks - error / (2 * self.scale**2) - c * math.log(self.scale * math.sqrt(2 * math.pi))

    def call(self, x, training=False):
        """Features of pictures, (b, h, w, m). The encoder is shown x - 1/2, values about zero."""
        return self.encoder(x - 0.5, training=training)

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        y = self.evaluation_noise(ops.shape(x)[0]) if y is None else y
        slots, _ = self.attention(y_pred, noise=y)
        rec, mse = self.errors(x, slots)
        return self.total(sample_weight, rec=(rec, 1.0), mse=(mse, 0.0))

    def errors(self, x, slots):
        """-log p(x | s), nats, and the mean squared error of a value: (b,) each."""
        log_masks, masks, colours = self.painted(slots)
        squared = ops.square(x - self.mean(masks, colours))
        if self.mixture:
            rec = -ops.sum(ops.logsumexp(self.log_joint(x, log_masks, masks, colours), axis=1), axis=(1, 2))
        else:
            constant = math.prod(self.shape) * math.log(self.scale * math.sqrt(2 * math.pi))
            rec = ops.sum(squared, axis=(1, 2, 3)) / (2 * self.scale**2) + constant
        return rec, ops.mean(squared, axis=(1, 2, 3))

    def evaluation_noise(self, n):
        """In evaluation every batch has the same noise: (n, slots, d + 2)."""
        return ops.take(self.noise, ops.arange(n) % EVALUATION_BATCH, axis=0)

    # --- training: noise is drawn by NumPy, a function of the seed and the step, the same on every backend ----

    def draw(self, rng, n, slots):
        """Noise from which the slots of n pictures start, (n, k, d + 2): uniform, uniform, d times normal."""
        noise = rng.standard_normal((n, slots, self.code_size - 2), "float32")
        noise[..., :2] = rng.random((n, slots, 2), "float32")
        return noise

    def check(self, x, y=None):
        if y is not None:
            raise ValueError("SlotAutoencoder: pictures are all that is learned from; leave y out.")
        return (self._pictures(x, "SlotAutoencoder"),)

    def batches(self, arrays, batch_size, seed):
        b = min(batch_size, len(arrays[0]))

        def draw(step, steps):
            rng = np.random.default_rng([self.seed, self.past + step, 1])
            return self.draw(rng, steps * b, self.slots).reshape(steps, b, self.slots, -1)

        return Batches(arrays, batch_size, seed, draw)

    def pipeline(self, batches, epoch):
        self.past = int(self.optimizer.iterations) - epoch * len(batches)  # steps of earlier runs
        return super().pipeline(batches, epoch)

    # --- verbs, on arrays ---------------------------------------------------------------------------------------

    def encode(self, x, slots=None, initial=None, seed=0, attention=False, batch_size=256):
        """The slots of pictures.

        Args:
            x: (n, H, W, c). slots: how many, the background's among them; None: as in training.
            initial: slots to start from, (n, k, d + 4), in place of drawn ones.
            seed: owns the draws. attention: whether to return it too.
        Returns: slots, (n, k, d + 4); with attention also A, (n, h, w, k), which sums to 1 over k.
        """
        x = self._pictures(x, "encode")
        if initial is not None:
            initial = self._codes(initial, "encode")
            if len(initial) != len(x) or (slots or initial.shape[1]) != initial.shape[1]:
                raise ValueError(
                    f"encode: initial wants ({len(x)}, {slots or 'k'}, {self.code_size}) for these pictures, got "
                    f"{initial.shape}."
                )
            given, kind = initial, "slots"
        else:
            k = self._count("encode", self.slots if slots is None else slots)
            (seed,) = check_whole("encode", at_least=0, seed=seed)
            given, kind = self.draw(np.random.default_rng(seed), len(x), k), "noise"
        key = f"{kind} {given.shape[1]}"
        if key not in self.encoders:
            inputs = [keras.KerasTensor((None, *a.shape[1:])) for a in (x, given)]
            self.encoders[key] = _backend.fast(lambda x, given: self.found(x, **{kind: given}), self, *inputs)
        codes, shares = in_chunks(self.encoders[key], (x, given), batch_size, "encode")
        return (codes, np.moveaxis(shares, 1, -1)) if attention else codes

    def layers_of(self, slots, batch_size=256):
        """What each slot paints: Layers. Args: slots, (n, k, d + 4)."""
        masks, colours = in_chunks(self.paint_batch, self._codes(slots, "layers_of"), batch_size, "layers_of")
        return Layers(colours, np.moveaxis(masks, 1, -1))

    def decode(self, slots, batch_size=256):
        """The picture that slots paint together, the mean of p(x | s): (n, k, d + 4) -> (n, H, W, c)."""
        return in_chunks(self.decode_batch, self._codes(slots, "decode"), batch_size, "decode")

    def reconstruct(self, x, slots=None, seed=0):
        """decode(encode(x)): (n, H, W, c) -> (n, H, W, c)."""
        return self.decode(self.encode(x, slots, seed=seed))

    def predict_proba(self, x, slots=None, codes=None, seed=0, batch_size=256):
        """Whose pixel each pixel is, the mixture's posterior q: (n, H, W, k), which sums to 1 over k.

        Args: x; slots, how many, and seed, as `encode`; codes, (n, k, d + 4), where they are known already.
        """
        log_joint = self._weighed(x, slots, codes, seed, "predict_proba", batch_size)
        e = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))
        return np.moveaxis(e / e.sum(axis=1, keepdims=True), 1, -1)

    def predict(self, x, slots=None, codes=None, seed=0, batch_size=256):
        """The slot of each pixel, (n, H, W), 0 to k - 1. Args: as `predict_proba`."""
        return self._weighed(x, slots, codes, seed, "predict", batch_size).argmax(axis=1)

    def energy(self, x, slots=None, codes=None, seed=0, batch_size=256):
        """-log p(x | s) of the mixture, in parts: it is the free energy F = E_q[E] - H(q) of the pixels' labels.

            colour = sum_i E_q[-log N(x_i; mu_ik, scale^2 I)],  mask = sum_i E_q[-log m_ik],  entropy = -sum_i H(q_i)

        Args: as `predict_proba`.
        Returns: dict of "colour", "mask", "entropy" and their sum "total", (n,), nats.
        """
        x = self._pictures(x, "energy")
        codes = self.encode(x, slots, seed=seed) if codes is None else codes
        joint = self._weighed(x, None, codes, seed, "energy", batch_size).astype("float64")
        log_q = joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)
        masks = np.moveaxis(self.layers_of(codes).masks, -1, 1).astype("float64")
        over = lambda values: (np.exp(log_q) * values).sum(axis=(1, 2, 3))
        parts = {"mask": over(-np.log(np.maximum(masks, 1e-30))), "entropy": over(log_q)}
        parts["colour"] = over(-joint) - parts["mask"]
        return {**parts, "total": sum(parts.values())}

    def _weighed(self, x, slots, codes, seed, name, batch_size):
        x = self._pictures(x, name)
        codes = self.encode(x, slots, seed=seed) if codes is None else self._codes(codes, name)
        if len(codes) != len(x):
            raise ValueError(f"{name}: wanted the codes of {len(x)} pictures, got {len(codes)}.")
        return in_chunks(self.weigh_batch, (x, codes), batch_size, name)

    # --- what fits -------------------------------------------------------------------------------------------------

    def _pictures(self, x, name):
        x = check_examples(x, self.shape, name)
        if x.min() < 0 or x.max() > 1:
            raise ValueError(f"{name}: wanted pictures in [0, 1], got {x.min():.9g} to {x.max():.9g}. Rescale.")
        return x

    def _codes(self, slots, name):
        slots = check_examples(slots, (None, self.code_size), name)
        self._count(name, slots.shape[1])
        return slots

    def _count(self, name, slots):
        least = 1 + self.attention.background
        (slots,) = check_whole(name, slots=slots)
        if slots < least:
            raise ValueError(f"{name}: wanted {least} slots or more, the background's and an object's; got {slots}.")
        return slots


def slot_autoencoder(shape, size=32, *, slots=5, paint=None, mixture=True, seed=0, **attention):
    """A small SlotAutoencoder, whose parts fit one another: an encoder of two convolutions, and a canvas for each slot.

    Args: shape, (h, w, c), h and w even; size, d, features of a slot and of a place; paint, arguments of CanvasDecoder;
        attention, arguments of SlotAttention; slots, mixture and seed, as in SlotAutoencoder.
    """
    background = attention.setdefault("background", True)
    return SlotAutoencoder(
        conv_encoder(shape, (size,), size, activation="relu", grid=True, seed=seed),
        SlotAttention(size, seed=seed, **attention),
        CanvasDecoder(shape, size, background=background, seed=seed, **(paint or {})),
        slots=slots, mixture=mixture, seed=seed,
    )  # fmt: skip


def adam(rate, steps, warm):
    """Adam whose rate rises for `warm` steps, then falls along a cosine to 0; gradients clipped, nats per picture."""
    schedule = keras.optimizers.schedules.CosineDecay(0.0, steps - warm, warmup_target=rate, warmup_steps=warm)
    return keras.optimizers.Adam(schedule, global_clipnorm=1000.0)


def _check_fit(encoder, attention, decoder):
    if tuple(encoder.input_shape[1:]) != decoder.shape or len(encoder.output_shape) != 4:
        raise ValueError(
            f"SlotAutoencoder: wanted an encoder from {decoder.shape}, what the decoder paints, to a grid (h, w, m); "
            f"got {tuple(encoder.input_shape[1:])} to {tuple(encoder.output_shape[1:])}. "
            "Use conv_encoder(..., grid=True)."
        )
    (height, width), (h, w) = decoder.shape[:2], encoder.output_shape[1:3]
    if height % h or width % w:
        raise ValueError(
            f"SlotAutoencoder: wanted a grid that divides the picture's {height} x {width} pixels, got {h} x {w}."
        )
    ours, theirs = (attention.size, attention.background), (decoder.size, decoder.background)
    if ours != theirs:
        raise ValueError(
            f"SlotAutoencoder: attention and decoder differ in size or background: {ours} and {theirs}. "
            "Give both the same."
        )
