"""How alike the pixels of a picture are: Gaussian kernels, exact or by sources that pixels share, and their products.

    k_ij = exp( -|p_i - p_j|^2 / (2 position^2) - |c_i - c_j|^2 / (2 colour^2) ),   k_ii = 0
    K = D^(-1/2) k D^(-1/2),   d_i = max( sum_j k_ij, 1e-3 )

The scaling makes the strength of a field independent of the picture's size. A kernel's `times(q)` is
sum_j K_ij q_j(l), (b, h, w, l) -> (b, h, w, l).
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

PIXELS = 4096  # that exact sums take: the kernel of 64 x 64 pixels has 67 MB
MEMORY = 2.0  # GiB, for the kernels of all pictures together
ALONE = 1e-3  # a pixel with less likeness than this to all others together has no neighbours
PER_BLOCK = 64  # sources; a pixel has as many weights
RIDGE = 1e-3  # on the diagonal, 1, of the kernel of a block's sources, which may be equal


def gaussian_kernel(pictures, position=8.0, colour=8 / 255):
    """The matrix K itself.

    Args:
        pictures: (n, h, w, c) in [0, 1], h w <= 4096.
        position: width in pixels, >= 0.1.
        colour: width in pixel values, >= 1/255; None compares positions alone.
    Returns: K, (n, h w, h w), symmetric, in [0, 1], pixels in rows from the top.
    Raises: ValueError where the kernel would be too large; says its size and the cure.
    Source: Kraehenbuehl and Koltun 2011, equation 3; normalised as in Kraehenbuehl and Koltun 2013. Differs: sums are
        exact, and over the other pixels only. Chapter 16.
    """
    f = features("gaussian_kernel", pictures, position, colour)
    _refuse_large("gaussian_kernel", f.shape[0], f.shape[1], f.shape[1])
    k = _gaussian(f, f) * (1.0 - ops.eye(f.shape[1]))
    scale = _scale(1.0, ops.sum(k, axis=-1))
    return k * scale[:, :, None] * scale[:, None, :]


class Exact(NamedTuple):
    """All pairs of pixels.

    k: (b, h w, h w). own: its diagonal, 1 but for rounding; scale: d_i^(-1/2), 0 where hidden; both (b, h, w, 1).
    """

    k: Any
    own: Any
    scale: Any

    @classmethod
    def of(cls, f, there, name):
        """From features, (b, h w, d), and 1 where a pixel is known, (b, h, w, 1)."""
        _refuse_large(name, f.shape[0], f.shape[1], f.shape[1])
        k = _gaussian(f, f)
        plain = cls(k, ops.reshape(ops.diagonal(k, axis1=1, axis2=2), ops.shape(there)), there)
        return plain._replace(scale=_scale(there, plain.times(there)))

    def times(self, q, last=False):
        """K q."""
        at = self.scale * q
        flat = ops.reshape(at, (-1, self.k.shape[1], q.shape[3]))
        return self.scale * (ops.reshape(ops.matmul(self.k, flat), ops.shape(q)) - self.own * at)


class Shared(NamedTuple):
    """Pixels of a block share sources, the means of pixels that are alike (k-means): the Nystroem approximation.

        k_ij is about  g_i k(sources) g_j',    g_i = k(i, sources) (k(sources) + r I)^(-1)  of the sources of its block

    In the last product of several, every pixel hears the sources of all blocks with its own features.

    k: between sources, (b, s, s). share: g, (b, blocks, pixels, sources), 0 where hidden. heard: k between pixels and
    sources, (b, h w, s). own, own_heard: of a pixel with itself, by `share` and by `heard`; scale: d_i^(-1/2), 0 where
    hidden; all (b, h, w, 1).
    """

    k: Any
    share: Any
    heard: Any
    own: Any
    own_heard: Any
    scale: Any

    @classmethod
    def of(cls, f, there, sources, name):
        """As `Exact.of`, with at most so many sources in a picture."""
        h, w = there.shape[1:3]
        _refuse_large(name, f.shape[0], h * w + 2 * sources, sources)
        blocks = max(1, round((sources / PER_BLOCK) ** 0.5)) ** 2
        x, inside = _cut_up(ops.reshape(f, (-1, h, w, f.shape[2])), blocks), _cut_up(there, blocks)
        c = _centres(x, inside, sources // blocks)
        near, within = _gaussian(x, c), _gaussian(c, c)
        everywhere = ops.reshape(c, (-1, blocks * c.shape[2], c.shape[3]))
        share = inside * ops.matmul(near, ops.inv(within + RIDGE * ops.eye(c.shape[2])))
        own = lambda t: _put_together(ops.sum(t * share, axis=-1, keepdims=True), h, w)
        k, heard = _gaussian(everywhere, everywhere), _gaussian(f, everywhere)
        plain = cls(k, share, heard, own(ops.matmul(share, within)), own(near), there)
        return plain._replace(scale=_scale(there, plain.times(there)))

    def times(self, q, last=False):
        """K q."""
        at = self.scale * q
        if last:  # and once more d, as heard
            at = ops.concatenate([at, ops.ones_like(self.scale)], axis=-1)
        h, w, n = at.shape[1:]
        sums = ops.matmul(ops.swapaxes(self.share, -1, -2), _cut_up(at, self.share.shape[1]))
        flat = ops.reshape(sums, (-1, self.k.shape[1], n))  # what the sources say, (b, s, l)
        if last:
            around = ops.reshape(ops.matmul(self.heard, flat), ops.shape(at)) - self.own_heard * at
            return _scale(ops.sign(self.scale), around[..., -1:]) * around[..., :-1]
        mixed = ops.matmul(self.share, ops.reshape(ops.matmul(self.k, flat), ops.shape(sums)))
        return self.scale * (_put_together(mixed, h, w) - self.own * at)


class Separable(NamedTuple):
    """A kernel of positions alone, exact: the product of rows, (h, h), and columns, (w, w); scale, (1, h, w, 1)."""

    rows: Any
    columns: Any
    scale: Any

    @classmethod
    def of(cls, h, w, width):
        """Of a picture's size and the width in pixels."""
        line = lambda n: np.exp(-((np.arange(n)[:, None] - np.arange(n)) ** 2) / (2 * width**2))
        rows, columns = line(h), line(w)
        scale = np.maximum(np.outer(rows.sum(1), columns.sum(1)) - 1, ALONE) ** -0.5
        return cls(*(ops.convert_to_tensor(t.astype("float32")) for t in (rows, columns, scale[None, ..., None])))

    def times(self, q, last=False):
        """K q."""
        at = self.scale * q
        n, (h, w, n_labels) = ops.shape(q)[0], q.shape[1:]
        down = ops.matmul(self.rows, ops.reshape(at, (n, h, w * n_labels)))
        across = ops.matmul(self.columns, ops.reshape(down, (n, h, w, n_labels)))
        return self.scale * (across - at)


def features(name, pictures, position, colour):
    """Positions and colours in units of their widths, about their middle, where float32 is finest: (b, h w, 2 + c)."""
    check_widths(name, position, colour)
    check_pictures(name, pictures)
    x = ops.convert_to_tensor(pictures, "float32")
    b, (h, w, c) = ops.shape(x)[0], x.shape[1:]
    middle = np.array([h - 1, w - 1]) / 2
    places = ((np.indices((h, w)).reshape(2, -1).T - middle) / position).astype("float32")
    places = ops.broadcast_to(places[None], (b, h * w, 2))
    if colour is None:
        return places
    return ops.concatenate([places, ops.reshape((x - 0.5) / colour, (b, h * w, c))], axis=-1)


def check_pictures(name, pictures):
    """Refuse what is no batch of pictures; of arrays, also values outside [0, 1]."""
    if len(pictures.shape) != 4 or None in pictures.shape[1:] or 0 in pictures.shape[1:]:
        raise ValueError(f"{name}: wanted pictures of shape (b, h, w, c), got {tuple(pictures.shape)}.")
    kind = keras.backend.standardize_dtype(pictures.dtype)
    if "float" not in kind:
        raise ValueError(f"{name}: wanted floats in [0, 1], got {kind}. Divide bytes by 255.")
    if isinstance(pictures, np.ndarray) and not (pictures.size and 0 <= pictures.min() <= pictures.max() <= 1):
        raise ValueError(f"{name}: wanted values in [0, 1], got none, others or nan. Divide bytes by 255.")


def check_widths(name, position, colour=None):
    """Refuse widths that float32 cannot tell from nothing."""
    if not 0.1 <= position < np.inf or not (colour is None or 1 / 256 <= colour < np.inf):
        raise ValueError(
            f"{name}: wanted finite widths of at least 0.1 pixels and 1/255 of a colour, got {position} and {colour}."
        )


def _gaussian(f, g):
    """exp(-|f_i - g_j|^2 / 2): (..., n, d), (..., m, d) -> (..., n, m)."""
    return ops.exp(_exponent(f, g))


def _exponent(f, g):
    """-|f_i - g_j|^2 / 2, by one product."""
    half = lambda t: -ops.sum(t**2, axis=-1, keepdims=True) / 2
    one = lambda t: ops.ones_like(t[..., :1])
    left, right = ops.concatenate([f, half(f), one(f)], axis=-1), ops.concatenate([g, one(g), half(g)], axis=-1)
    return ops.matmul(left, ops.swapaxes(right, -1, -2))


def _scale(there, around):
    return there / ops.sqrt(ops.maximum(around, ALONE))


def _centres(x, inside, k):
    """One round of k-means in each block: (b, blocks, pixels, d), 1 where known -> means, (b, blocks, k, d)."""
    seeds = ops.take(x, np.random.default_rng(0).permutation(x.shape[2])[:k], axis=2)  # pixels from all over a block
    near = _exponent(x, seeds)
    members = inside * ops.cast(near == ops.max(near, axis=-1, keepdims=True), "float32")
    number = ops.sum(members, axis=2)[..., None]
    return ops.where(number > 0, ops.matmul(ops.swapaxes(members, -1, -2), x) / ops.maximum(number, 1.0), seeds)


def _blocks(h, w, blocks):
    """Rows and columns of blocks, and of the pixels of one."""
    grid = round(blocks**0.5)
    return grid, -(-h // grid), -(-w // grid)


def _cut_up(x, blocks):
    """The blocks of a picture, filled up with zeros: (b, h, w, d) -> (b, blocks, pixels, d)."""
    h, w, d = x.shape[1:]
    grid, rows, columns = _blocks(h, w, blocks)
    x = ops.pad(x, ((0, 0), (0, grid * rows - h), (0, grid * columns - w), (0, 0)))
    x = ops.transpose(ops.reshape(x, (-1, grid, rows, grid, columns, d)), (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, blocks, rows * columns, d))


def _put_together(x, h, w):
    """The picture of blocks: (b, blocks, pixels, d) -> (b, h, w, d)."""
    grid, rows, columns = _blocks(h, w, x.shape[1])
    x = ops.transpose(ops.reshape(x, (-1, grid, grid, rows, columns, x.shape[3])), (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, grid * rows, grid * columns, x.shape[5]))[:, :h, :w]


def _refuse_large(name, pictures, pixels, sources):
    gib = 4 * pixels * sources / 2**30
    if sources > PIXELS:
        raise ValueError(
            f"{name}: exact sums over {sources} pixels take {gib:.2f} GiB a picture; {PIXELS} pixels are the limit. "
            "Let DenseCRF share sources (sources=1024), take smaller pictures, or the grid CRF of aecore.crf."
        )
    if isinstance(pictures, int) and pictures * gib > MEMORY:
        raise ValueError(
            f"{name}: the kernels of {pictures} pictures take {pictures * gib:.1f} GiB, more than {MEMORY:.0f}. "
            f"Give at most {int(MEMORY / gib)} at a time, or smaller pictures."
        )
