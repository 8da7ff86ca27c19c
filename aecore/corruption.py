"""Layers that damage an input in a known way, for denoising and restoration. Each owns its seed.

Unlike Keras' GaussianNoise and Dropout they damage whenever they are called, and never rescale or clip what
they leave: the caller decides when. Two calls give two different damages; a new layer with the same seed
starts again. The numbers differ between TensorFlow and JAX, whose generators differ.
"""

import keras
import numpy as np
from keras import ops

register = keras.saving.register_keras_serializable("aecore")


class _Corruption(keras.layers.Layer):
    def __init__(self, seed, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def uniform(self, shape):
        return keras.random.uniform(shape, seed=self.generator)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


def _check_share(name, share):
    if not 0 <= share <= 1:
        raise ValueError(f"{name}: share must lie in [0, 1], got {share}.")


def _rows_and_columns(name, x):
    if len(x.shape) != 4:
        raise ValueError(f"{name}: wanted images of shape (b, h, w, c), got {tuple(x.shape)}.")
    return ops.shape(x)[:3]


@register
class GaussianNoise(_Corruption):
    """x + scale * e, e ~ N(0, 1) for each value. The result leaves [0, 1].

    Args: scale, standard deviation in pixel units, >= 0; seed.
    Shapes: (b, ...) -> (b, ...). Raises: ValueError where scale is negative or not finite. Chapter 2.
    """

    def __init__(self, scale, seed=0, **kwargs):
        if not 0 <= scale < float("inf"):
            raise ValueError(f"GaussianNoise: scale must be a finite number >= 0, got {scale}.")
        super().__init__(seed, **kwargs)
        self.scale = scale

    def call(self, x):
        return x + self.scale * keras.random.normal(ops.shape(x), seed=self.generator)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@register
class SaltAndPepper(_Corruption):
    """A share of the pixels becomes 0 or 1, with equal odds; all channels of a pixel together.

    Args: share, in [0, 1]; seed.
    Shapes: (b, h, w, c) -> (b, h, w, c). Raises: ValueError where share is out of range. Chapter 2.
    """

    def __init__(self, share, seed=0, **kwargs):
        _check_share("SaltAndPepper", share)
        super().__init__(seed, **kwargs)
        self.share = share

    def call(self, x):
        b, h, w = _rows_and_columns("SaltAndPepper", x)
        u = self.uniform((b, h, w, 1))  # below share / 2 pepper, up to share salt
        return ops.where(u < self.share / 2, 0.0, ops.where(u < self.share, 1.0, x))

    def get_config(self):
        return {**super().get_config(), "share": self.share}


@register
class Mask(_Corruption):
    """Squares of a grid are hidden (set to zero), each with the odds `share`; all channels together.

    Args: share, in [0, 1]; patch, side of a square in pixels (1 hides single pixels); seed.
    Shapes: (b, h, w, c) -> (b, h, w, c). Raises: ValueError where share is out of range or the patch does not
        divide the image.
    Source: with patch 1 the masking noise of Vincent et al. 2008. Chapter 2.
    """

    def __init__(self, share, patch=1, seed=0, **kwargs):
        _check_share("Mask", share)
        if patch < 1:
            raise ValueError(f"Mask: patch must be a whole number >= 1, got {patch}.")
        super().__init__(seed, **kwargs)
        self.share = share
        self.patch = patch

    def call(self, x):
        b, h, w = _rows_and_columns("Mask", x)
        p = self.patch
        if h % p or w % p:
            raise ValueError(f"Mask: a patch of {p} pixels does not divide an image of {h} x {w}.")
        hidden = self.uniform((b, h // p, w // p, 1)) < self.share
        hidden = ops.repeat(ops.repeat(hidden, p, axis=1), p, axis=2)  # (b, h, w, 1)
        return ops.where(hidden, 0.0, x)

    def get_config(self):
        return {**super().get_config(), "share": self.share, "patch": self.patch}


def _spread(coarse, fine):
    """How much each of `fine` places takes of each of `coarse` ones: Gaussians about them, (fine, coarse)."""
    place = (np.arange(fine)[:, None] + 0.5) * coarse / fine - 0.5 - np.arange(coarse)
    return np.exp(-(place**2) / (2 * 0.6**2)).astype("float32")


@register
class Blobs(_Corruption):
    """Blobs are added to a mask and cut out of it: its largest flaws, as a segmenter makes them, not single pixels.

        noise on a coarse grid, made smooth; the highest a/2 of its pixels become 1, the lowest a/2 become 0

    Args:
        share: the largest share a of pixels that is set, in [0, 1]; each example draws its own from 0 to that.
        grid: rows and columns of the coarse grid, >= 2: 8 gives blobs of about an eighth of the picture's side.
        seed.
    Shapes: (b, h, w, c) -> (b, h, w, c); each channel gets its own blobs.
    Raises: ValueError where share or grid is out of range.
    Source: Larrazabal et al. 2020, who denoise label maps. Differs: smooth blobs in place of their shapes. Chapter 17.
    """

    def __init__(self, share=0.4, grid=8, seed=0, **kwargs):
        _check_share("Blobs", share)
        if grid < 2:
            raise ValueError(f"Blobs: grid must be a whole number >= 2, got {grid}.")
        super().__init__(seed, **kwargs)
        self.share = share
        self.grid = grid

    def call(self, x):
        b, h, w = _rows_and_columns("Blobs", x)
        coarse = keras.random.normal((b, self.grid, self.grid, x.shape[-1]), seed=self.generator)
        rows, columns = (_spread(self.grid, side) for side in x.shape[1:3])
        smooth = ops.einsum("yr,brsc,xs->byxc", rows, coarse, columns)  # no resize: XLA has none for bicubic
        half = self.share * self.uniform((b, 1, x.shape[-1])) / 2
        ranks = ops.sort(ops.reshape(smooth, (b, h * w, x.shape[-1])), axis=1)
        last = ops.cast(h * w - 1, "float32")
        at = lambda part: ops.take_along_axis(ranks, ops.cast(part * last, "int32"), axis=1)[:, None]  # (b, 1, 1, c)
        return ops.where(smooth < at(half), 0.0, ops.where(smooth > at(1 - half), 1.0, x))

    def get_config(self):
        return {**super().get_config(), "share": self.share, "grid": self.grid}


def moved_copies(masks, copies, *, rotation=10.0, scale=0.1, shift=0.06, flip=True, seed=0):
    """Copies of masks, each turned, scaled, moved and mirrored a little: more shapes for a prior to learn from.

    Args:
        masks: (n, h, w), whole numbers; or one channel of pictures, which moves as masks do under the same seed.
        copies: of each mask, >= 1. The first one is the mask itself.
        rotation: largest angle, degrees. scale: largest change of height and, on its own, of width, a share.
        shift: largest move, a share of the side. flip: whether half of the copies are mirrored, left to right.
        seed: owns the draws.
    Returns: (copies * n, h, w), of the same type, copies of all masks after one another; nearest neighbours, and what
        comes in from outside repeats the edge.
    Raises: ValueError where the shape or an argument does not fit.
    Chapter 17.
    """
    masks = np.asarray(masks)
    if masks.ndim != 3:
        raise ValueError(f"moved_copies: wanted masks of shape (n, h, w), got {masks.shape}.")
    if not (copies >= 1 and rotation >= 0 and 0 <= scale < 1 and 0 <= shift < 1):
        raise ValueError(
            "moved_copies: wanted copies >= 1, rotation >= 0 degrees, scale and shift in [0, 1), got "
            f"copies={copies}, rotation={rotation}, scale={scale}, shift={shift}."
        )
    (n, h, w), rng = masks.shape, np.random.default_rng(seed)
    middle = np.array([[(h - 1) / 2], [(w - 1) / 2]])
    grid = np.indices((h, w)).reshape(2, -1) - middle  # (2, h w), counted from the middle
    made = [masks]
    for _ in range(copies - 1):
        angle = np.deg2rad(rotation) * rng.uniform(-1, 1, n)
        turn = np.moveaxis(np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), -1, 0)
        sizes = 1 + scale * rng.uniform(-1, 1, (n, 2, 1))
        sizes[:, 1] *= np.where(flip & (rng.random((n, 1)) < 0.5), -1, 1)
        move = shift * rng.uniform(-1, 1, (n, 2, 1)) * [[h], [w]]
        place = turn @ (grid / sizes) + middle - move  # (n, 2, h w), where each pixel looks for its label
        row, column = (np.clip(place[:, i].round().astype(int), 0, side - 1) for i, side in enumerate((h, w)))
        made.append(np.take_along_axis(masks.reshape(n, -1), row * w + column, axis=1).reshape(n, h, w))
    return np.concatenate(made)
