"""A conditional random field in which every pixel is every other one's neighbour, by mean field, as a Keras layer.

    E(y; x) = sum_i u_i(y_i) + sum_{i<j} [y_i != y_j] (w_1 k_1(f_i, f_j) + w_2 k_2(p_i, p_j))

k_1 compares positions and colours, k_2 positions alone; lower energy is better. Unaries are those of `crf.unary`.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

PIXELS = 4096  # that exact sums take: a kernel of 64 x 64 pixels has 67 MB
MEMORY = 2.0  # GiB, for the kernels of all pictures together
ALONE = 1e-3  # a pixel with less likeness than this to all others together has no neighbours


def gaussian_kernel(pictures, position=8.0, colour=8 / 255):
    """How alike all pairs of pixels are, each row and column scaled by what it sums to.

        k_ij = exp( -|p_i - p_j|^2 / (2 position^2) - |c_i - c_j|^2 / (2 colour^2) ),   k_ii = 0
        K = D^(-1/2) k D^(-1/2),   d_i = max( sum_j k_ij, 1e-3 )

    The scaling makes the strength of the field independent of the picture's size.

    Args:
        pictures: (n, h, w, c) in [0, 1], h w <= 4096.
        position: width in pixels, >= 0.1.
        colour: width in pixel values, >= 1/255; None compares positions alone.
    Returns: K, (n, h w, h w), symmetric, in [0, 1], pixels in rows from the top.
    Raises: ValueError where the kernel would be too large; says its size and the cure.
    Source: Kraehenbuehl and Koltun 2011, equation 3; normalised as in Kraehenbuehl and Koltun 2013. Differs: sums
        are exact, and over the other pixels only. Chapter 16.
    """
    features = _features("gaussian_kernel", pictures, position, colour)
    _refuse_large("gaussian_kernel", *features.shape[:2])
    k = _gaussian(features) * (1.0 - ops.eye(features.shape[1]))
    scale = 1 / ops.sqrt(ops.maximum(ops.sum(k, axis=-1), ALONE))
    return k * scale[:, :, None] * scale[:, None, :]


class Kernels(NamedTuple):
    """What a DenseCRF knows of pictures; see `DenseCRF.kernels`.

    similar: of sources, k(f_s, f_t), (b, s, s). share: the part that each pixel has in the sources of its block,
    (b, blocks, pixels, sources), or None where each pixel is its own source. scale: d_i^(-1/2), 0 where hidden,
    (b, h, w, 1). rows, columns: the two factors of k_2, (h, h) and (w, w). spatial_scale: (1, h, w, 1).
    """

    similar: Any
    share: Any
    scale: Any
    rows: Any
    columns: Any
    spatial_scale: Any


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
        sources: pictures with more pixels than this are approximated: pixels of a block of 4 x 4 (8 x 8, ... in larger
            pictures) that are alike share a source, found by k-means, and K is that of the sources. None: exact sums
            always, up to 4096 pixels.
    Memory: 4 bytes for each pair of sources (or of pixels, when exact): 4.2 MB a picture with 1024.
    Source: Kraehenbuehl and Koltun 2011, algorithm 1; as a layer, Zheng et al. 2015. Differs: exact sums or k-means
        instead of a lattice; one Potts weight for all labels. Chapter 16.
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
        _check_widths("DenseCRF", position, colour)
        _check_widths("DenseCRF", spatial_width, None)
        self.sweeps, self.position, self.colour, self.spatial_width = sweeps, position, colour, spatial_width
        self.damping, self.chequered, self.sources = damping, chequered, sources
        weight = lambda name, value: self.add_weight(
            (), keras.initializers.Constant(value), constraint=keras.constraints.NonNeg(), name=name
        )
        self.bilateral, self.spatial = weight("bilateral", bilateral), weight("spatial", spatial)
        self.built = True

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
        features = _features("DenseCRF", pictures, self.position, self.colour)
        b, (h, w) = ops.shape(features)[0], pictures.shape[1:3]
        there = ops.ones((b, h, w, 1)) if known is None else ops.cast(known, "float32")[..., None]
        share, sources, own = None, features, there
        if self.sources is not None and h * w > self.sources:
            share, sources = _shared(ops.reshape(features, (b, h, w, features.shape[-1])), there, self.sources)
        _refuse_large("DenseCRF", *sources.shape[:2])
        kernels = Kernels(_gaussian(sources), share, there, *self._spatial(h, w))
        return kernels._replace(scale=there / ops.sqrt(ops.maximum(_similar(kernels, own), ALONE)))

    def _spatial(self, h, w):
        line = lambda n: np.exp(-((np.arange(n)[:, None] - np.arange(n)) ** 2) / (2 * self.spatial_width**2))
        rows, columns = line(h), line(w)
        around = np.maximum(np.outer(rows.sum(1), columns.sum(1)) - 1, ALONE)
        tensors = (rows, columns, around[None, ..., None] ** -0.5)
        return [ops.convert_to_tensor(t.astype("float32")) for t in tensors]

    def messages(self, kernels, q):
        """w_1 sum_j K_ij q_j(l) + w_2 sum_j S_ij q_j(l): (b, h, w, l) -> (b, h, w, l)."""
        at = kernels.spatial_scale * q
        near = ops.einsum("yr,brcl,cx->byxl", kernels.rows, at, kernels.columns) - at
        like = kernels.scale * _similar(kernels, kernels.scale * q)
        return self.bilateral * like + self.spatial * kernels.spatial_scale * near

    def sweep(self, unary, kernels, q):
        """Renew q once: (b, h, w, l) -> (b, h, w, l). Args: unary, (b, h, w, l); kernels; q."""
        renewed = lambda q: ops.softmax(self.messages(kernels, q) - unary)
        damped = lambda q: self.damping * q + (1 - self.damping) * renewed(q)
        if not self.chequered:
            return damped(q)
        black = np.indices(unary.shape[1:3]).sum(0)[..., None] % 2 == 0
        q = ops.where(black, damped(q), q)
        return ops.where(black, q, damped(q))

    def infer(self, unary, kernels, q=None):
        """All sweeps, from q or, without it, from what the unaries alone say: (b, h, w, l) -> (b, h, w, l)."""
        unary = ops.convert_to_tensor(unary, "float32")
        q = ops.softmax(-unary) if q is None else ops.convert_to_tensor(q, "float32")
        for _ in range(self.sweeps):
            q = self.sweep(unary, kernels, q)
        return q

    def free_energy(self, q, unary, kernels):
        """F(q) = E_q[E] - H(q), never below -log Z; of one-hot labels it is their energy. Lower is better.

        Returns: (b,), nats.
        """
        q = ops.convert_to_tensor(q, "float32")
        m = self.messages(kernels, q)
        sums = lambda t: ops.sum(t, axis=(1, 2, 3))
        entropy = -sums(q * ops.log(ops.where(q > 0, q, 1.0)))
        return sums(q * unary) + sums(m * (1 - q)) / 2 - entropy

    def get_config(self):
        names = ("sweeps", "position", "colour", "spatial_width", "damping", "chequered", "sources")
        weights = {name: float(getattr(self, name)) for name in ("bilateral", "spatial")}
        return {**super().get_config(), **{name: getattr(self, name) for name in names}, **weights}


def _similar(kernels, q):
    """sum_{j != i} k(f_i, f_j) q_j: (b, h, w, l) -> (b, h, w, l)."""
    b, (h, w, n_labels) = ops.shape(q)[0], q.shape[1:]
    if kernels.share is None:
        flat = ops.reshape(q, (b, h * w, n_labels))
        return ops.reshape(ops.matmul(kernels.similar, flat), (b, h, w, n_labels)) - q
    blocks, side = kernels.share.shape[1], int(kernels.share.shape[2] ** 0.5)
    of_sources = ops.matmul(ops.transpose(kernels.share, (0, 1, 3, 2)), _cut_up(q, side))  # (b, blocks, sources, l)
    mixed = ops.matmul(kernels.similar, ops.reshape(of_sources, (b, -1, n_labels)))
    mixed = ops.matmul(kernels.share, ops.reshape(mixed, (b, blocks, -1, n_labels)))  # (b, blocks, pixels, l)
    return _put_together(mixed, h, w, side) - q


def _cut_up(x, side):
    """Blocks of a picture, filled up with zeros: (b, h, w, d) -> (b, blocks, side side, d)."""
    b, (h, w, d) = ops.shape(x)[0], x.shape[1:]
    x = ops.pad(x, ((0, 0), (0, -h % side), (0, -w % side), (0, 0)))
    x = ops.reshape(x, (b, x.shape[1] // side, side, x.shape[2] // side, side, d))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (b, -1, side * side, d))


def _put_together(blocks, h, w, side):
    b, d = ops.shape(blocks)[0], blocks.shape[-1]
    x = ops.reshape(blocks, (b, -(-h // side), -(-w // side), side, side, d))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (b, -(-h // side) * side, -(-w // side) * side, d))[:, :h, :w]


def _shared(features, there, limit, rounds=3):
    """k-means in every block of a picture at once: (share, features of the sources, (b, s, d))."""
    h, w, d = features.shape[1:]
    side = 4
    while (count := limit // (-(-h // side) * -(-w // side))) < 4:
        side *= 2
    x, inside = _cut_up(features, side), _cut_up(there, side)  # (b, blocks, pixels, d)
    order = ops.argsort(ops.argsort(ops.sum(x[..., 2:], axis=-1), axis=-1), axis=-1)  # from dark to light
    nearest = order * count // (side * side)
    for i in range(rounds + 1):
        share = ops.one_hot(nearest, count) * inside
        mass = ops.sum(share, axis=2)[..., None]  # (b, blocks, sources, 1)
        centres = ops.matmul(ops.transpose(share, (0, 1, 3, 2)), x) / ops.maximum(mass, 1.0)
        if i < rounds:
            squares = ops.sum(centres**2, axis=-1) + ops.where(mass[..., 0] > 0, 0.0, 1e9)
            nearest = ops.argmin(squares[:, :, None] - 2 * ops.matmul(x, ops.transpose(centres, (0, 1, 3, 2))), axis=-1)
    return share, ops.reshape(centres, (ops.shape(features)[0], -1, d))


def _gaussian(features):
    """exp(-|f_i - f_j|^2 / 2): (b, n, d) -> (b, n, n)."""
    half = ops.sum(features**2, axis=-1) / 2
    inner = ops.matmul(features, ops.transpose(features, (0, 2, 1)))
    return ops.exp(ops.minimum(inner - half[:, :, None] - half[:, None, :], 0.0))


def _features(name, pictures, position, colour):
    """Positions and colours in units of their widths, about their middle, where float32 is finest: (b, h w, 2 + c)."""
    _check_widths(name, position, colour)
    if len(pictures.shape) != 4 or None in pictures.shape[1:] or 0 in pictures.shape[1:]:
        raise ValueError(f"{name}: wanted pictures of shape (b, h, w, c), got {tuple(pictures.shape)}.")
    if isinstance(pictures, np.ndarray) and not (pictures.size and 0 <= pictures.min() <= pictures.max() <= 1):
        raise ValueError(f"{name}: wanted values in [0, 1], got none, others or nan. Divide bytes by 255.")
    x = ops.convert_to_tensor(pictures, "float32")
    b, (h, w, c) = ops.shape(x)[0], x.shape[1:]
    middle = np.array([h - 1, w - 1]) / 2
    places = ((np.indices((h, w)).reshape(2, -1).T - middle) / position).astype("float32")
    places = ops.broadcast_to(places[None], (b, h * w, 2))
    if colour is None:
        return places
    return ops.concatenate([places, ops.reshape((x - 0.5) / colour, (b, h * w, c))], axis=-1)


def _check_widths(name, position, colour):
    if not 0.1 <= position < np.inf or not (colour is None or 1 / 256 <= colour < np.inf):
        raise ValueError(
            f"{name}: wanted finite widths of at least 0.1 pixels and 1/255 of a colour, got {position} and {colour}."
        )


def _refuse_large(name, pictures, sources):
    gib = 4 * sources**2 / 2**30
    if sources > PIXELS:
        raise ValueError(
            f"{name}: exact sums over {sources} pixels take {gib:.2f} GiB a picture, more than the {PIXELS} pixels "
            "allowed: let DenseCRF share sources (sources=1024), take smaller pictures, or the grid CRF of aecore.crf."
        )
    if isinstance(pictures, int) and pictures * gib > MEMORY:
        raise ValueError(
            f"{name}: the kernels of {pictures} pictures take {pictures * gib:.1f} GiB, more than {MEMORY:.0f}: "
            f"give at most {int(MEMORY / gib)} at a time, or smaller pictures."
        )
