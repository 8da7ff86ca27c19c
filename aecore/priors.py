"""What shapes are likely: log s of every pixel and label, of a mean shape or of a trained model. Chapters 17 and 18.

A shape prior has `shape(q, known, z, weight)`: from what is believed of the labels, q (b, h, w, k), to the shape that
it takes them for, log s (b, h, w, k), and the code z of that shape, or None; `draw(q, known, rng)`, the same with a
code drawn where it knows how; and `surprise(z)`, what the code costs.
"""

import math

import keras
import numpy as np
from keras import ops

from aecore import _backend
from aecore.data import check_whole
from aecore.distributions import Normal
from aecore.regions import check_masks

FLAW = 0.0067  # the odds, for each label, that a pixel differs from its shape: a logit of two labels stays within +-5


class MeanShape:
    """The mean of masks, whatever is believed of this one: how often each pixel has each label.

        s_i(l) = (masks with y_i = l, and one more for every label) / (n + k)

    Args: masks, (n, h, w), whole numbers below labels, or (n, h, w, k), their shares; labels, k >= 2. Chapter 17.
    """

    def __init__(self, masks, labels=2):
        shares = masks if np.ndim(masks) == 4 else np.eye(labels)[check_masks(masks, "MeanShape", labels)]
        self.log_s = np.log((shares.sum(axis=0) + 1) / (len(shares) + labels)).astype("float32")
        self.size = self.log_s.shape[:2]

    def shape(self, q, known=None, z=None, weight=1.0):
        """The mean shape for each example: log s (b, h, w, k), None."""
        return np.broadcast_to(self.log_s, q.shape), None

    def draw(self, q, known, rng):
        """As `shape`: there is nothing to draw."""
        return self.shape(q)

    def surprise(self, z):
        """R(z): there is no code, so 0."""
        return 0.0


class CodedShape:
    """A trained autoencoder, VAE or GAN of masks as a shape prior.

        project:   z = encoder(q)                                             (of a VAE, the mean)
        search:    z = argmin_z sum_i CE(q_i, s_i(z)) + R(z) / lam,           Adam, from the encoder's z on
        both:      s_i(l) = eps + (1 - k eps) decoder(z)_i(l),   R(z) = log p(0) - log p(z), with N(0, I) |z|^2 / 2

    The projection is no minimiser: what the model was trained to give back from such a q, be it a copy or the nearest
    whole shape, is its answer. A GAN has no encoder and is always searched, from `starts` codes drawn from its prior,
    which all go on from round to round; the best one answers. An autoencoder has no p(z): R = 0.

    Args:
        model: trained on masks, (n, h, w, 1) of zeros and ones, or (n, h, w, k) with one channel for each label. It
            has `encode` and `decode`, and for a search what Autoencoder, VAE and GAN have.
        search: descend in the code. steps, learning_rate: of Adam, each time. starts: of a GAN. seed: owns the starts.
    Raises: TypeError where the model has no encode or decode; ValueError where a number is out of range.
    Source: Oktay et al. 2018, Painchaud et al. 2020 (projection); Creswell and Bharath 2019 (search). Chapter 18.
    """

    def __init__(self, model, search=False, *, steps=20, starts=8, learning_rate=0.1, seed=0):
        if not (hasattr(model, "encode") and hasattr(model, "decode")):
            raise TypeError(
                f"CodedShape: a shape prior wants a model with encode and decode, such as Autoencoder, got {model!r}."
            )
        self.steps, self.starts = check_whole("CodedShape", steps=steps, starts=starts)
        self.model, self.learning_rate, self.seed = model, learning_rate, seed
        self.inverted = not hasattr(model, "encoder")  # a GAN
        self.searched = search or self.inverted
        self.p_z = getattr(model, "prior", None)
        *self.size, self.channels = model.shape if hasattr(model, "shape") else model.decoder.output_shape[1:]
        if self.searched:
            b, d = (None, None, model.code_size), (None, *model.shape)
            self.search_batch = _backend.fast(
                self._search, model, keras.KerasTensor(b), keras.KerasTensor(d), keras.KerasTensor((*d[:-1], 1)),
                keras.KerasTensor((), "int32"), keras.KerasTensor(()), keras.KerasTensor(()),
            )  # fmt: skip

    def shape(self, q, known=None, z=None, weight=1.0):
        """The shape that q is taken for.

        Args: q, (b, h, w, k); known, (b, h, w), False for pixels that a search disregards, or None; z, where a search
            starts, as it was returned before, or None; weight, lam, > 0, of a search.
        Returns: log s, (b, h, w, k), and z, (b, s, d), the best first.
        """
        x = q if self.channels > 1 else q[..., 1:]
        if z is None or not self.searched:
            z = self.starting(len(q)) if self.inverted else self.encode(x).mean[:, None]
        if self.searched:
            weights = np.ones((*q.shape[:3], 1), "float32") if known is None else known[..., None].astype("float32")
            rate, steps = np.float32(self.learning_rate), np.int32(self.steps)
            z = self.search_batch(z, x, weights, steps, rate, np.float32(1 / weight))
        return self.decode(z[:, 0]), z

    def draw(self, q, known, rng):
        """As `shape`, with z drawn from the encoder's q(z | x); of a search, which has none, its answer."""
        if self.inverted:
            return self.shape(q, known)
        codes = self.encode(q if self.channels > 1 else q[..., 1:])
        z = codes.mean + np.exp(codes.log_var / 2) * rng.standard_normal(codes.mean.shape, "float32")
        return self.decode(z), z[:, None]

    def encode(self, x):
        """q(z | x), a Normal, of variance 0 where the model gives a code alone."""
        codes = getattr(self.model, "encode_batch", self.model.encode)(x)
        return codes if isinstance(codes, Normal) else Normal(codes, np.full_like(codes, -np.inf))

    def decode(self, z):
        """log s, (b, h, w, k), of codes, (b, d)."""
        return ops.convert_to_numpy(ops.log(self._shares(self.model.decode(z))))

    def surprise(self, z):
        """R(z) of codes, (b, s, d), the best ones: (b,), nats. None, as it is before the first code, gives 0."""
        if self.p_z is None or z is None:
            return 0.0
        return ops.convert_to_numpy(self._surprise(ops.convert_to_tensor(z[:, 0])))

    def starting(self, b):
        z = np.random.default_rng([self.seed, 18]).standard_normal((self.starts, self.model.code_size), "float32")
        return np.broadcast_to(z, (b, *z.shape))

    def _shares(self, s):
        s = ops.concatenate([1 - s, s], axis=-1) if self.channels == 1 else s / ops.sum(s, axis=-1, keepdims=True)
        return FLAW + (1 - s.shape[-1] * FLAW) * s

    def _surprise(self, z):
        return self.p_z.log_prob(ops.zeros_like(z)) - self.p_z.log_prob(z)

    def _search(self, starts, x, weights, steps, learning_rate, inverse_weight):
        """starts (b, s, d), x (b, h, w, c), weights (b, h, w, 1) -> codes (b, s, d), the best first."""
        b, s, d = ops.shape(starts)[0], ops.shape(starts)[1], self.model.code_size
        q = ops.concatenate([1 - x, x], axis=-1) if self.channels == 1 else x
        target = ops.repeat(q * weights, s, axis=0)  # (b s, h, w, k)

        def costs(z):
            if hasattr(self.model, "sampler"):
                pixels = self.model.sampler(z, training=False)
            else:
                pixels = self.model.likelihood.mean(self.model.decoder(z, training=False))
            cost = -ops.sum(target * ops.log(self._shares(pixels)), axis=(1, 2, 3))
            return cost if self.p_z is None else cost + inverse_weight * self._surprise(z)

        z = _backend.descend(costs, ops.reshape(starts, (-1, d)), steps, learning_rate)
        order = ops.argsort(ops.reshape(costs(z), (b, s)), axis=1)
        return ops.take_along_axis(ops.reshape(z, (b, s, d)), order[..., None], axis=1)


def as_pictures(masks, labels=2):
    """Masks as the examples that a shape model is trained on.

    Args: masks, (n, h, w), whole numbers below labels; labels, k.
    Returns: float32 zeros and ones, (n, h, w, 1) for two labels, else (n, h, w, k), one channel for each label.
    """
    shares = np.eye(labels, dtype="float32")[check_masks(masks, "as_pictures", labels)]
    return shares[..., 1:] if labels == 2 else shares


def centred(size, labels=2, width=0.5):
    """A first guess of a mean shape where no mask is given: objects are in the middle, and label k as good as another.

    Args: size, (h, w); labels, k; width, radius as a share of half the side, at which both are as likely.
    Returns: shares of the labels, (h, w, k), float32.
    """
    rows, columns = (np.linspace(-1, 1, n) for n in size)
    radius = np.hypot(rows[:, None], columns)
    inside = 1 / (1 + np.exp(6 * np.clip(radius - width, -math.inf, 1)))
    return np.stack([1 - inside, *[inside / (labels - 1)] * (labels - 1)], axis=-1).astype("float32")
