"""Small slot autoencoders, and pictures for them, that several files of tests share."""

import keras
import numpy as np

from aecore.networks import conv_encoder
from aecore.slot_decoders import BroadcastDecoder, CanvasDecoder
from aecore.slot_layers import SlotAttention
from aecore.slots import SlotAutoencoder

SHAPE, D, K = (16, 16, 3), 6, 4


def slot_model(decoder=CanvasDecoder, relative=True, background=True, spread=True, iterations=2, parts=None, **kwargs):
    """A small slot autoencoder whose weights are all far from zero, so that every part of it is seen to work."""
    attention = SlotAttention(D, iterations, relative=relative, background=background, spread=spread)
    model = SlotAutoencoder(
        conv_encoder(SHAPE, (5,), 7, grid=True), attention,
        decoder(SHAPE, D, background=background, **(parts or {})), **{"slots": K, **kwargs},
    )  # fmt: skip
    draws = np.random.default_rng(1)
    for w in model.trainable_weights:
        w.assign(w + 0.1 * draws.standard_normal(w.shape))
    model.compile(keras.optimizers.Adam(3e-3))
    return model


VARIANTS = {
    "canvas": {},
    "coloured canvas, no background": dict(parts=dict(colours=3), background=False),
    "broadcast, no places, mean": dict(decoder=BroadcastDecoder, relative=False, spread=False, mixture=False),
}


def discs(n=24):
    """Two discs on a plain ground, (n, 16, 16, 3)."""
    draws = np.random.default_rng(2)
    x = np.broadcast_to(draws.random((n, 1, 1, 3)), (n, *SHAPE))
    row, column = np.mgrid[:16, :16]
    for _ in range(2):
        y, z = draws.uniform(4, 12, (2, n, 1, 1))
        x = np.where(((row - y) ** 2 + (column - z) ** 2 < 9)[..., None], draws.random((n, 1, 1, 3)), x)
    return x.astype("float32")


def numbers(tensor):
    """A tensor as a NumPy array."""
    return keras.ops.convert_to_numpy(tensor)
