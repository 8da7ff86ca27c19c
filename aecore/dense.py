"""A conditional random field in which every pixel is every other one's neighbour, by mean field, as a Keras layer.

    E(y; x) = sum_i u_i(y_i) + sum_{i<j} [y_i != y_j] (w_1 K_ij + w_2 S_ij)

K compares positions and colours, S positions alone, both as in `kernels`; lower energy is better. Unaries are those of
`crf.unary`.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from aecore.kernels import PIXELS, Exact, Separable, Shared, check_pictures, check_widths, features


class Kernels(NamedTuple):
    """What a DenseCRF knows of pictures: the kernel of positions and colours, and that of positions alone."""

    bilateral: Any
    spatial: Any


@keras.saving.register_keras_serializable("aecore")
class DenseCRF(keras.layers.Layer):
    """Mean field in a dense CRF: labels that agree with their unaries and, where pixels are alike, with one another.

        q_i(l)  proportional to  exp( -u_i(l) + w_1 sum_j K_ij q_j(l) + w_2 sum_j S_ij q_j(l) )

    `crf([unaries, pictures])` -> q, (b, h, w, l), sums to one over l. Under `fit` both weights learn, not the widths.
    Step by step: `kernels(pictures)` once, then `sweep` or `infer` with as many unaries as there are.

    Args:
        sweeps: how often q is renewed; 5-10 are usual.
        bilateral: w_1, >= 0, of the kernel of position and colour.
        spatial: w_2, >= 0, of the kernel of position alone.
        position, colour, spatial_width: their widths, pixels and pixel values; see `gaussian_kernel`.
        damping: how much of the old q each sweep keeps, in [0, 1): where strong fields swing to and fro.
        chequered: renew the black squares of a chequerboard first, then the white ones; twice the time of a sweep.
        sources: a picture with more pixels than this is approximated: pixels of a block share so many sources in all,
            means of alike pixels (`kernels.Shared`). None: exact sums always, up to 4096 pixels.
    Memory: 4 bytes for each pair of pixels, or of a pixel or source and a source: 4.2 MB for a picture of 32 x 32,
        22 MB for 64 x 64 with 1024 sources, 76 MB for 128 x 128. Kernels of more than 2 GiB in all are refused.
    Source: Kraehenbuehl and Koltun 2011, algorithm 1; as a layer, Zheng et al. 2015. Differs: exact sums or
        Nystroem's approximation in blocks instead of a lattice; one Potts weight for all labels. Chapter 16.
    """

    def __init__(self, sweeps=5, bilateral=2.0, spatial=0.0, *, position=8.0, colour=8 / 255, spatial_width=3.0,
                 damping=0.0, chequered=False, sources=1024, **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        if sweeps < 1 or not 0 <= damping < 1 or not (0 <= bilateral < np.inf and 0 <= spatial < np.inf):
            raise ValueError(
                "DenseCRF: wanted sweeps >= 1, damping in [0, 1) and finite weights >= 0, "
                f"got {sweeps}, {damping} and {bilateral}, {spatial}."
            )
        if sources is not None and not 16 <= sources <= PIXELS:
            raise ValueError(f"DenseCRF: wanted 16 to {PIXELS} sources, or None for exact sums, got {sources}.")
        check_widths("DenseCRF", position, colour)
        check_widths("DenseCRF", spatial_width)
        self.sweeps, self.position, self.colour, self.spatial_width = sweeps, position, colour, spatial_width
        self.damping, self.chequered, self.sources = damping, chequered, sources
        weight = lambda name, value: self.add_weight(
            (), keras.initializers.Constant(value), constraint=keras.constraints.NonNeg(), name=name
        )
        self.bilateral, self.spatial = weight("bilateral", bilateral), weight("spatial", spatial)
        self.built = True

    def __call__(self, inputs, *args, **kwargs):
        """See the class. Arrays are checked here, while they are arrays."""
        unaries, pictures = inputs
        if len(unaries.shape) != 4 or tuple(unaries.shape[1:3]) != tuple(pictures.shape[1:3]):
            raise ValueError(
                "DenseCRF: wanted unaries of shape (b, h, w, l) and pictures of shape (b, h, w, c), "
                f"got {tuple(unaries.shape)} and {tuple(pictures.shape)}."
            )
        check_unaries("DenseCRF", unaries)
        check_pictures("DenseCRF", pictures)
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs):
        unaries, pictures = inputs
        return self.infer(unaries, self.kernels(pictures))

    def compute_output_shape(self, shapes):
        return shapes[0]

    def kernels(self, pictures, known=None):
        """What the field needs to know of pictures, once for all sweeps.

        Args:
            pictures: (b, h, w, c) in [0, 1].
            known: bool, (b, h, w); the colour of a pixel that is not known has no say, and it hears of no other's.
        Returns: Kernels.
        Raises: ValueError where they would be too large, or where pictures are no numbers in [0, 1].
        """
        f, (h, w) = features("DenseCRF", pictures, self.position, self.colour), pictures.shape[1:3]
        if known is not None and tuple(known.shape[1:]) != (h, w):
            raise ValueError(f"DenseCRF: wanted known of shape (b, {h}, {w}), got {tuple(known.shape)}.")
        there = ops.ones((ops.shape(f)[0], h, w, 1)) if known is None else ops.cast(known, "float32")[..., None]
        exact = self.sources is None or h * w <= self.sources
        bilateral = Exact.of(f, there, "DenseCRF") if exact else Shared.of(f, there, self.sources, "DenseCRF")
        return Kernels(bilateral, Separable.of(h, w, self.spatial_width))

    def messages(self, kernels, q, last=False):
        """w_1 sum_j K_ij q_j(l) + w_2 sum_j S_ij q_j(l): (b, h, w, l) -> (b, h, w, l)."""
        return self.bilateral * kernels.bilateral.times(q, last) + self.spatial * kernels.spatial.times(q)

    def sweep(self, unary, kernels, q, last=False):
        """Renew q once: (b, h, w, l) -> (b, h, w, l).

        Args: unary, (b, h, w, l), nats; kernels; q; last, after it q is read: `kernels.Shared` is now finer.
        """
        renewed = lambda q: _softmax(self.messages(kernels, q, last) - unary)
        damped = lambda q: self.damping * q + (1 - self.damping) * renewed(q)
        if not self.chequered:
            return damped(q)
        black = np.indices(unary.shape[1:3]).sum(0)[..., None] % 2 == 0
        q = ops.where(black, damped(q), q)
        return ops.where(black, q, damped(q))

    def infer(self, unary, kernels, q=None):
        """All sweeps, from q or, without it, from what the unaries alone say: (b, h, w, l) -> (b, h, w, l)."""
        check_unaries("DenseCRF", unary)
        unary = ops.convert_to_tensor(unary, "float32")
        q = _softmax(-unary) if q is None else ops.convert_to_tensor(q, "float32")
        for i in range(self.sweeps):
            q = self.sweep(unary, kernels, q, last=i == self.sweeps - 1)
        return q

    def free_energy(self, q, unary, kernels):
        """F(q) = E_q[E] - H(q), never below -log Z; of one-hot labels it is their energy. Lower is better.

        Returns: (b,), nats.
        """
        q = ops.convert_to_tensor(q, "float32")
        m = self.messages(kernels, q)
        sums = lambda t: ops.sum(t, axis=(1, 2, 3))
        entropy = -sums(q * ops.log(ops.where(q > 0, q, 1.0)))
        return sums(ops.where(q > 0, q * unary, 0.0)) + sums(m * (1 - q)) / 2 - entropy

    def get_config(self):
        names = ("sweeps", "position", "colour", "spatial_width", "damping", "chequered", "sources")
        weights = {name: float(getattr(self, name)) for name in ("bilateral", "spatial")}
        return {**super().get_config(), **{name: getattr(self, name) for name in names}, **weights}


def check_unaries(name, unaries):
    """Refuse arrays of unaries that say nothing: inf may forbid some labels of a pixel, but not all of them."""
    if isinstance(unaries, np.ndarray) and not (unaries.size and np.all(np.isfinite(unaries.min(-1)))):
        raise ValueError(f"{name}: wanted unaries > -inf, one label of each pixel finite; got others, nan, or none.")


def _softmax(scores):
    """As of `ops`, which takes TensorFlow twice as long where labels are few."""
    p = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
    return p / ops.sum(p, axis=-1, keepdims=True)
