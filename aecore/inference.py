"""Some pictures while their labels are inferred: what a belief q about the labels costs, and how the CRF moves it.

Of `gos.Segmenter`, chapter 17. Shapes: pictures (b, h, w, c), q (b, h, w, k).
"""

from functools import cached_property

import numpy as np
from keras import ops

from aecore.data import check_examples

CLIP = 8.0  # nats: one pixel's colours say no more than this for one label against another
HINT = 20.0  # nats: what a label costs that a hint or the border excludes


class Scene:
    """Pictures, which of their pixels are seen, and which labels are excluded.

    A hidden pixel's colour says nothing of it, nor of its neighbours: only its shape counts.

    Args:
        pictures: (b, h, w, c). labels: k.
        known: (b, h, w), False where hidden, or None. hints: (b, h, w), a label or -1, or (b, h, w, k), what the labels
            cost, or None.
        border: share of the side along each edge that is background where no hint gives a label.
        appearance, crf: of the segmenter.
    """

    def __init__(self, pictures, labels, known, hints, border, appearance, crf):
        self.pictures, self.known, self.appearance, self.crf = pictures, known, appearance, crf
        b, h, w = pictures.shape[:3]
        costs = hints if np.ndim(hints) == 4 else 0.0
        given = np.full((b, h, w), -1) if np.ndim(hints) != 3 else hints.astype("int64")
        edge, (top, left) = np.ones((h, w), bool), (int(border * side) for side in (h, w))
        edge[top : h - top, left : w - left] = False
        given[edge & (given < 0)] = 0
        self.excluded = np.float32(HINT) * ((given[..., None] >= 0) & (given[..., None] != np.arange(labels))) + costs

    @cached_property
    def kernels(self):
        return self.crf.kernels(self.pictures, self.known)

    def psi(self, q):
        """The appearance's energy of each label, before its weight: q -> (b, h, w, k), nats, 0 for the likeliest."""
        log_p = self.appearance.fit_predict(self.pictures, q, self.known)
        psi = np.minimum(log_p.max(axis=-1, keepdims=True) - log_p, CLIP)
        return psi if self.known is None else psi * self.known[..., None]

    def sweep(self, unary, q):
        """All sweeps of the CRF, from q on, under energies of single pixels."""
        return ops.convert_to_numpy(self.crf.infer(unary, self.kernels, q))

    def free_energy(self, q, unary):
        """E_Q[E] - H(Q) of single pixels and pairs, (b,), nats."""
        return ops.convert_to_numpy(self.crf.free_energy(q, unary, self.kernels))

    def pairs(self, q):
        """The expected energy of all pairs of pixels that differ, (b,), nats."""
        entropy = -(q * np.log(np.where(q > 0, q, 1))).sum(axis=(1, 2, 3))
        return self.free_energy(q, np.zeros_like(q)) + entropy


def softmax(logits):
    """Shares that sum to 1 along the last axis."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def check_pictures(images, name):
    """Let pictures in, (n, h, w, c) in [0, 1], of 8 pixels a side and more, and say what is wrong with others."""
    x = check_examples(images, (None, None, None), name)
    if x.min() < 0 or x.max() > 1:
        raise ValueError(f"{name}: wanted images in [0, 1], got {x.min():.9g} to {x.max():.9g}. Rescale.")
    if min(x.shape[1:3]) < 8:
        raise ValueError(f"{name}: wanted images of 8 x 8 pixels and more, got {x.shape[1]} x {x.shape[2]}.")
    return x


def check_map(values, shape, kinds, what, name, low=False, high=True):
    """Let one value for each pixel in, or None. Args: shape, wanted; kinds, of NumPy's types; low and high, bounds."""
    if values is None:
        return None
    values = np.asarray(values)
    if values.shape != shape or values.dtype.kind not in kinds:
        kind = "booleans" if kinds == "b" else "whole numbers"
        raise ValueError(f"{name}: {what} wants {kind} of shape {shape}, got {values.dtype} of shape {values.shape}.")
    if values.min() < low or values.max() > high:
        raise ValueError(f"{name}: {what} wants {low} to {high}, got {values.min()} to {values.max()}.")
    return values


def check_hints(hints, shape, name):
    """Let hints in, a label for each pixel or what every label costs there, or None. Args: shape, wanted of costs."""
    if np.ndim(hints) != 4:
        return check_map(hints, shape[:3], "iu", "hints", name, -1, shape[3] - 1)
    costs = check_examples(hints, shape[1:], f"{name} (hints)")
    if len(costs) != shape[0]:
        raise ValueError(f"{name}: {shape[0]} images want hints for each, got {len(costs)}.")
    return costs
