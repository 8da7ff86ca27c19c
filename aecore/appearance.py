"""What object and background look like: log p(colour | label) of every pixel. Chapters 16-18.

An appearance has one verb, `fit_predict(pictures, q, known)`: pictures (b, h, w, c) and what is believed of the labels,
q (b, h, w, k), give log p(x_i | y_i = l), (b, h, w, k). `ColourMixture` is fitted anew to each picture and each q;
`SharedMixture` was learnt from pictures with masks, `Logits` asks a network: both disregard q.
"""

import math

import numpy as np

from aecore.data import check_whole
from aecore.regions import check_masks, check_pairs

PSEUDO = 1.0  # pixels of the whole picture that every component has seen beforehand: an empty label stays finite


class ColourMixture:
    """A mixture of Gaussians for the colours of each label in each picture, weighted by what is believed of the labels.

        p(c | y = l) = sum_m pi_lm N(c; mu_lm, S_lm),   pixel i counts q_i(l) for label l

    Fitted by EM to all pictures and labels at once: a component's log density is a product of the quadratic monomials
    of c with its coefficients. The components start as slices of equal weight along the label's widest direction in
    colour space, so that nothing is drawn at random. A label that no pixel has looks like the whole picture, and a
    picture of one colour says nothing about labels.

    Args:
        components: m, of each label, >= 1.
        steps: of EM, >= 1.
        regulariser: variance that is added to every channel, > 0: no component is narrower.
        position: > 0 appends row and column, from -position to position, to the colours; 0: colours alone.
    Raises: ValueError where an argument is out of range.
    Source: Rother et al. 2004 (GrabCut), section 3.1. Differs: soft counts in place of hard assignments. Chapter 16.

    Example:
        log_p = ColourMixture().fit_predict(pictures, q)    # (b, h, w, k)
    """

    def __init__(self, components=5, *, steps=5, regulariser=1e-3, position=0.0):
        self.components, self.steps = check_whole("ColourMixture", components=components, steps=steps)
        if not (math.isfinite(regulariser) and regulariser > 0):
            raise ValueError(f"ColourMixture: regulariser must be a positive number, got {regulariser}.")
        if not (math.isfinite(position) and position >= 0):
            raise ValueError(f"ColourMixture: position must be a finite number >= 0, got {position}.")
        self.regulariser, self.position = regulariser, position

    def fit_predict(self, pictures, q, known=None):
        """Fit the mixtures, and ask them for every pixel.

        Args:
            pictures: (b, h, w, c) in [0, 1].
            q: (b, h, w, k), shares of the labels.
            known: (b, h, w), False where the pixel is hidden and counts for no label; or None.
        Returns: log p(c | label), (b, h, w, k), float32, nats.
        """
        weights = q if known is None else q * known[..., None]
        moments = _monomials(_features(pictures, self.position))  # (b, p, n)
        mixture = fit_mixture(moments, _planes(weights), self.components, self.steps, self.regulariser)
        return log_density(moments, mixture).transpose(0, 2, 1).reshape(q.shape)


class SharedMixture(ColourMixture):
    """One mixture for the colours of each label in all pictures, learnt from pictures with masks.

        p(c | y = l) = sum_m pi_lm N(c; mu_lm, S_lm),   the same for every picture

    A generative model of what objects and backgrounds look like in general: it knows that grass is green, and not that
    this horse is white. Ask `fit` first.

    Args: as `ColourMixture`.
    Raises: as `ColourMixture`, and ValueError where it is asked before it was fitted. Chapter 17.
    """

    mixture = None

    def fit(self, pictures, masks, labels=2):
        """Learn from pictures, (n, h, w, c), and masks, (n, h, w), whole numbers below `labels`. Returns: itself."""
        pictures, masks = check_pairs(pictures, check_masks(masks, "SharedMixture", labels), "SharedMixture")
        q = np.eye(labels, dtype="float32")[masks]
        moments = np.concatenate(_monomials(_features(pictures, self.position)), axis=-1)[None]  # (1, p, n h w)
        weights = np.concatenate(_planes(q), axis=-1)[None]
        self.mixture = fit_mixture(moments, weights, self.components, self.steps, self.regulariser)
        return self

    def fit_predict(self, pictures, q=None, known=None):
        """log p(c | label), (b, h, w, k), of the mixtures that `fit` has learnt. Args: pictures; q, known: not used."""
        if self.mixture is None:
            raise ValueError("SharedMixture: it has seen no pictures yet. Call fit(pictures, masks) first.")
        moments = _monomials(_features(pictures, self.position))
        mixture = np.broadcast_to(self.mixture, (len(pictures), *self.mixture.shape[1:]))
        return log_density(moments, mixture).transpose(0, 2, 1).reshape(*pictures.shape[:3], -1)


class Logits:
    """A network's opinion of every pixel in place of a model of colours.

        log p(x_i | y_i = l) = log p(y_i = l | x) + a constant:   Bayes' rule where all labels are equally frequent

    Args: network, pictures (b, h, w, c) -> logits (b, h, w, 1) of label 1 against label 0, or (b, h, w, k): a
        keras.Model with `predict`, such as networks.unet trained on masks, or any function of arrays.
    Source: Krähenbühl and Koltun 2011, section 5 (unaries of a classifier). Chapter 18.
    """

    def __init__(self, network):
        self.ask = (lambda x: network.predict(x, verbose=0)) if hasattr(network, "predict") else network

    def fit_predict(self, pictures, q=None, known=None):
        """log p(label | x), (b, h, w, k), float32. Args: pictures; q, known: not used."""
        logits = np.asarray(self.ask(pictures), "float32")
        if logits.shape[-1] == 1:
            logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
        return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def fit_mixture(moments, weights, components, steps, regulariser):
    """Fit mixtures of Gaussians by EM to weighted points, for all pictures and labels at once.

    Args:
        moments: quadratic monomials of the points, (b, p, n): 1, the d features, and their products.
        weights: of the points, >= 0, (b, k, n).
        components: m, of each label. steps: of EM. regulariser: variance added to each feature.
    Returns: coefficients of the log densities with their log shares, (b, k, m, p).
    """
    (b, k, n), m = weights.shape, components
    points = moments.transpose(0, 2, 1)
    whole = _whole(moments, weights)[:, None]  # (b, 1, 1, p)
    counts = _slices(moments, weights, components, regulariser)  # (b, k, m, n)
    for step in range(steps + 1):
        sums = (counts.reshape(b, k * m, n) @ points).reshape(b, k, m, -1)
        mixture = _coefficients(sums + whole, regulariser)
        if step < steps:
            logs = (mixture.reshape(b, k * m, -1) @ moments).reshape(b, k, m, n)
            logs -= logs.max(axis=2, keepdims=True)
            counts = np.exp(logs, out=logs)
            counts *= (weights / counts.sum(axis=2))[:, :, None]
    return mixture


def log_density(moments, mixture):
    """log sum_m pi_m N(c; mu_m, S_m): moments (b, p, n), mixture (b, k, m, p) -> (b, k, n), nats."""
    b, k, m, p = mixture.shape
    logs = (mixture.reshape(b, k * m, p) @ moments).reshape(b, k, m, -1)
    most = logs.max(axis=2)
    return most + np.log(np.exp(logs - most[:, :, None]).sum(axis=2))


def _planes(q):
    """(b, h, w, k) -> (b, k, n)."""
    return np.ascontiguousarray(q.reshape(len(q), -1, q.shape[-1]).transpose(0, 2, 1))


def _features(pictures, position):
    """The numbers that describe a pixel, about their middle: (b, h, w, c) -> (b, d, n)."""
    x = _planes(pictures) - np.float32(0.5)
    if not position:
        return x
    grid = np.stack(np.meshgrid(*(np.linspace(-position, position, n) for n in pictures.shape[1:3]), indexing="ij"))
    return np.concatenate(
        [x, np.broadcast_to(grid.reshape(1, 2, -1), (len(x), 2, x.shape[-1]))], axis=1, dtype="float32"
    )


def _monomials(x):
    """1, x_i, and x_i x_j for i <= j: (b, d, n) -> (b, p, n), p = 1 + d + d (d + 1) / 2."""
    i, j = np.triu_indices(x.shape[1])
    return np.concatenate([np.ones_like(x[:, :1]), x, x[:, i] * x[:, j]], axis=1)


def _whole(moments, weights):
    """What the pixels that count for any label are like, PSEUDO of them: (b, 1, p). Defined where none does, too."""
    shares = weights.sum(axis=1, keepdims=True) + 1e-3
    return (PSEUDO * shares / shares.sum(axis=-1, keepdims=True)) @ moments.transpose(0, 2, 1)


def _gaussian(sums, regulariser):
    """Count, mean and regularised covariance from sums of monomials: (..., p) -> (...), (..., d), (..., d, d)."""
    d = (math.isqrt(8 * sums.shape[-1] + 1) - 3) // 2
    count = sums[..., 0].astype("float64")
    mean = sums[..., 1 : d + 1] / count[..., None]
    i, j = np.triu_indices(d)
    covariance = np.empty((*count.shape, d, d))
    covariance[..., i, j] = covariance[..., j, i] = sums[..., d + 1 :] / count[..., None]
    covariance -= mean[..., :, None] * mean[..., None, :]
    return count, mean, covariance + regulariser * np.eye(d)


def _coefficients(sums, regulariser):
    """log(pi N(x)) as coefficients of the monomials of x: sums (b, k, m, p) -> (b, k, m, p)."""
    count, mean, covariance = _gaussian(sums, regulariser)
    precision = np.linalg.inv(covariance)
    pull = (precision @ mean[..., None])[..., 0]
    i, j = np.triu_indices(mean.shape[-1])
    square = -0.5 * precision[..., i, j] * np.where(i == j, 1, 2)
    log_share = np.log(count / count.sum(axis=-1, keepdims=True))
    log_det = np.linalg.slogdet(2 * np.pi * covariance)[1]
    constant = log_share - 0.5 * log_det - 0.5 * (pull * mean).sum(axis=-1)
    return np.concatenate([constant[..., None], pull, square], axis=-1).astype("float32")


def _slices(moments, weights, components, regulariser):
    """Deal every label's points to components by their rank along its widest direction: (b, k, m, n)."""
    sums = weights @ moments.transpose(0, 2, 1) + _whole(moments, weights)  # (b, k, p)
    _, mean, covariance = _gaussian(sums, regulariser)
    d = mean.shape[-1]
    widest = np.linalg.eigh(covariance)[1][..., -1].astype("float32")  # (b, k, d)
    widest *= np.sign(np.take_along_axis(widest, np.abs(widest).argmax(-1)[..., None], -1))  # LAPACK's sign is any
    order = (widest @ moments[:, 1 : d + 1]).argsort(axis=-1, kind="stable")  # (b, k, n)
    passed = np.take_along_axis(weights, order, axis=-1).cumsum(axis=-1)
    slots = np.minimum((components * passed / (passed[..., -1:] + 1e-9)).astype("int64"), components - 1)
    slot = np.empty_like(slots)
    np.put_along_axis(slot, order, slots, axis=-1)
    return weights[:, :, None] * (slot[:, :, None] == np.arange(components)[:, None])
