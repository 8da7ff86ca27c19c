"""Decoders that paint each slot as a layer of a picture: its colours, and a logit of every pixel. Chapter 19.

A layer of the picture is (b, k, h, w, c) colours and (b, k, h, w) logits; the softmax of the logits over k is the mask.
A background slot is slot 0; it has no place, so its ground is painted from its features alone.
"""

from itertools import pairwise

import keras
import numpy as np
from keras import ops

from aecore.data import check_whole
from aecore.slot_layers import BELLS, FRAME, REACH, _bells, _dense, _hats, middles, register, seen_from

OUTSIDE = -8.0  # logit of a slot beyond its canvas


class _Decoder(keras.layers.Layer):
    """Slots (b, k, d + 4) -> logits (b, k, h, w), colours (b, k, h, w, c), by `paint` and `paint_ground`."""

    names = ("shape", "size", "background", "seed")

    def __init__(self, shape, size=32, background=True, seed=0, **kwargs):
        super().__init__(**kwargs)
        if len(tuple(shape)) != 3:
            raise ValueError(f"{type(self).__name__}: shape must be (height, width, channels), got {tuple(shape)}.")
        self.shape = tuple(check_whole(type(self).__name__, **{f"shape[{i}]": n for i, n in enumerate(shape)}))
        (self.size,) = check_whole(type(self).__name__, size=size)
        self.background, self.seed = background, seed

    def call(self, slots):
        if not self.background:
            return self.paint(slots)
        ground = self.paint_ground(slots[:, 0, FRAME:])
        return tuple(ops.concatenate(pair, axis=1) for pair in zip(ground, self.paint(slots[:, 1:]), strict=True))

    def get_config(self):
        return {**super().get_config(), **{name: getattr(self, name) for name in self.names}}


@register
class CanvasDecoder(_Decoder):
    """Each slot paints a small canvas, which is hung at the slot's place in the slot's size; the ground is a slow one.

        logit_k(y, x) = sum_rs hat_r((y - row_k) / height_k) hat_s((x - column_k) / width_k) canvas_k[r, s]

    Heights and widths are those of the frame, times factors that the slot says. Beyond REACH sizes from its place a
    slot has no pixel. An object moved by whole pixels is the same object, and painting is a product of three small
    matrices, where a network of 32 and 32 units at every pixel costs forty times as much.

    Args:
        shape: (h, w, c).
        size: d of the slots.
        canvas: side p of the canvas of logits, in knots of linear interpolation.
        colours: side of the canvas of colours: 1 is a single colour, the prior knowledge that objects are plain.
        ground: side of the ground's colours, over the whole picture: 2 is a gradient, more a texture.
        hidden: units between features and canvas.
        background, seed: as in slot_layers.SlotAttention.
    Source: Jaderberg et al. 2015 (spatial transformer), Eslami et al. 2016 (AIR), which paint so. Chapter 19.
    """

    names = (*_Decoder.names, "canvas", "colours", "ground", "hidden")

    def __init__(self, shape, size=32, canvas=12, colours=1, ground=4, hidden=64, background=True, seed=0, **kwargs):
        super().__init__(shape, size, background, seed, **kwargs)
        (self.canvas,) = check_whole("CanvasDecoder", 4, canvas=canvas)
        (self.ground,) = check_whole("CanvasDecoder", 2, ground=ground)
        self.colours, self.hidden = check_whole("CanvasDecoder", colours=colours, hidden=hidden)
        p, c = self.canvas, self.shape[-1]
        self.read = _dense(self.hidden, self.size, seed + 100, "relu")
        self.stretch = _dense(2, self.hidden, seed + 101, scale=0.01)
        self.mask = _dense(p * p, self.hidden, seed + 102, scale=0.1)
        knots = np.linspace(-REACH, REACH, p)
        start = 1.4 - 0.4 * (knots[:, None] ** 2 + knots**2)  # an object in the middle
        self.mask.bias.assign(start.ravel().astype("float32"))
        self.paints = _dense(self.colours**2 * c, self.hidden, seed + 103)
        if background:
            self.read_ground = _dense(self.hidden, self.size, seed + 104, "relu")
            self.paint_all = _dense(self.ground**2 * c, self.hidden, seed + 105)
        self.built = True

    def paint(self, slots):
        (h, w, c), p, m = self.shape, self.canvas, self.colours
        k = ops.shape(slots)[1]
        read = self.read(slots[..., FRAME:])
        frames = ops.concatenate([slots[..., :2], slots[..., 2:FRAME] * ops.exp(self.stretch(read))], axis=-1)
        rows, columns = seen_from(frames, h, w)
        inside = np.pad(np.ones((p - 2, p - 2), bool), 1)
        canvas = ops.where(inside, ops.reshape(self.mask(read), (-1, k, p, p)), OUTSIDE)
        logits = ops.einsum("bkhr,bkrs,bkws->bkhw", _hats(rows, p, REACH), canvas, _hats(columns, p, REACH))
        colours = ops.reshape(self.paints(read), (-1, k, m, m, c)) + 0.5
        if m == 1:
            return logits, ops.broadcast_to(colours, (*ops.shape(colours)[:2], h, w, c))
        hung = ops.einsum("bkhr,bkrsc,bkws->bkhwc", _hats(rows, m, REACH), colours, _hats(columns, m, REACH))
        return logits, hung

    def paint_ground(self, features):
        (h, w, c), m = self.shape, self.ground
        colours = ops.reshape(self.paint_all(self.read_ground(features)), (-1, m, m, c)) + 0.5
        colours = ops.einsum("hr,brsc,ws->bhwc", _hats(middles(h), m, 1.0), colours, _hats(middles(w), m, 1.0))
        return ops.zeros_like(colours[:, None, ..., 0]), colours[:, None]


@register
class BroadcastDecoder(_Decoder):
    """Each slot is told to every pixel, with the pixel's place in the slot's frame, and a network paints it there.

        (logit, colour)_k(y, x) = f( s_k, (y - row_k) / height_k, (x - column_k) / width_k )

    Args: shape, size, background, seed: as in `CanvasDecoder`; hidden, units of f's layers.
    Source: Watters et al. 2019 (spatial broadcast decoder). Differs: kernels of 1 x 1, so that no pixel knows of the
        picture's edge; the place enters by bells. Chapter 19.
    """

    names = (*_Decoder.names, "hidden")

    def __init__(self, shape, size=32, hidden=(32, 32), background=True, seed=0, **kwargs):
        super().__init__(shape, size, background, seed, **kwargs)
        self.hidden = tuple(check_whole("BroadcastDecoder", **{f"hidden[{i}]": n for i, n in enumerate(hidden)}))
        self.objects = self._network(seed + 100)
        if background:
            self.ground = self._network(seed + 200)
        self.built = True

    def _network(self, seed):
        width = self.hidden[0]
        first = [_dense(width, self.size, seed), _dense(width, 2 * (BELLS + 1), seed + 1, use_bias=False)]
        layers = [_dense(n, m, seed + 2 + i, "relu") for i, (m, n) in enumerate(pairwise(self.hidden))]
        return [*first, *layers, _dense(1 + self.shape[-1], self.hidden[-1], seed + 99)]

    def paint(self, slots):
        return self._painted(self.objects, slots)

    def paint_ground(self, features):
        whole = ops.broadcast_to(ops.convert_to_tensor(np.float32([[0, 0, 0.5, 0.5]])), (ops.shape(features)[0], FRAME))
        return self._painted(self.ground, ops.concatenate([whole, features], axis=-1)[:, None])

    def _painted(self, network, slots):
        told, placed, *layers = network
        rows, columns = (_bells(r) for r in seen_from(slots, *self.shape[:2]))  # (b, k, h, r), (b, k, w, s)
        # (row, column) W = row W_rows + column W_columns: no pixel's place is written out
        by_row, by_column = ops.split(ops.convert_to_tensor(placed.kernel), 2)
        rows, columns = ops.matmul(rows, by_row), ops.matmul(columns, by_column)
        x = told(slots[..., FRAME:])[:, :, None, None] + rows[..., None, :] + columns[:, :, None]
        x = ops.relu(x)
        for layer in layers:
            x = layer(x)
        return x[..., 0], x[..., 1:] + 0.5
