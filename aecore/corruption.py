"""Layers that damage an input in a known way, for denoising and restoration. Each owns its seed.

Unlike Keras' GaussianNoise and Dropout they damage whenever they are called, and never rescale or clip what
they leave: the caller decides when. Two calls give two different damages; a new layer with the same seed
starts again. The numbers differ between TensorFlow and JAX, whose generators differ.
"""

import keras
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
