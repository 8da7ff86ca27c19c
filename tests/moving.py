"""What the tests of slots in time share: films of two discs, and small models of every kind."""

import keras
import numpy as np

from aecore.networks import conv_encoder
from aecore.slot_decoders import CanvasDecoder
from aecore.slot_layers import FRAME, SlotAttention
from aecore.slots import SlotAutoencoder
from aecore.slots_video import Inertia, SlotVideo, object_boxes

SHAPE, D, K, T = (16, 16, 3), 6, 4, 3
CODE = FRAME + D


def still(relative=True, background=True, spread=True, mixture=True):
    attention = SlotAttention(D, 2, relative=relative, background=background, spread=spread)
    decoder = CanvasDecoder(SHAPE, D, background=background)
    return SlotAutoencoder(conv_encoder(SHAPE, (5,), 7, grid=True), attention, decoder, slots=K, mixture=mixture)


def video(parts=None, **kwargs):
    """A small model whose weights are all far from zero, so that every part of it is seen to work."""
    model = SlotVideo(still(**(parts or {})), Inertia(D, 8), **kwargs)
    draws = np.random.default_rng(1)
    for w in model.trainable_weights:
        w.assign(w + 0.1 * draws.standard_normal(w.shape))
    model.compile(keras.optimizers.Adam(3e-3))
    return model


VARIANTS = {
    "plain": dict(),
    "hinted, no patience": dict(hinted=True, patience=0.0, iterations=2),
    "hinted, no background, places or foresight": dict(
        parts=dict(background=False, relative=False, spread=False, mixture=False), hinted=True, foresight=0.0
    ),
}
HINTED = [name for name in VARIANTS if name.startswith("hinted")]


def hints(model, masks):
    """Boxes where the model takes them."""
    k = K - model.autoencoder.attention.background
    return object_boxes(masks[:, 0], k) if model.hinted else None


def discs():
    """Two discs that move straight on over a plain ground, (12, 3, 16, 16, 3), and their masks."""
    draws = np.random.default_rng(2)
    x = np.broadcast_to(0.3 * draws.random((12, 1, 1, 1, 3)), (12, T, *SHAPE)).astype("float32")
    masks = np.zeros(x.shape[:4], "uint8")
    row, column = np.mgrid[:16, :16]
    for i in range(2):
        start, way = draws.uniform(4, 11, (12, 1, 2)), draws.uniform(-1.2, 1.2, (12, 1, 2))
        y, z = np.moveaxis(start + way * np.arange(T)[:, None], -1, 0)[..., None, None]
        disc = (row - y) ** 2 + (column - z) ** 2 < 9
        x = np.where(disc[..., None], np.roll((1.0, 0.4, 0.1), i), x).astype("float32")
        masks[disc] = i + 1
    return x, masks
