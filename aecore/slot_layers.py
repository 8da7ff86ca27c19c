"""Slots: the attention that shares a picture out among them, and decoders that paint what each one holds. Chapter 19.

A slot is a row of numbers. The first four are its frame: row and column of its place, height and width of its size,
where the picture reaches from -1 to 1 both ways. The others, d of them, are its features: what it looks like.
Shapes: b batch, k slots, h w places, d features, c colour channels. A background slot is slot 0.
"""

import keras
import numpy as np
from keras import ops

from aecore.data import check_whole

register = keras.saving.register_keras_serializable("aecore")

FRAME = 4
WHOLE = (0.0, 0.0, 0.5, 0.5)  # the frame of all that has no place: seen from it, the picture reaches from -2 to 2
START = 0.25  # size of a slot before it has looked
SMALLEST, LARGEST = 0.08, 0.5
REACH = 3.0  # sizes, on either side of a place, within which a slot looks and paints
BELLS = 5
TRIES = 3  # candidates for each start


def middles(n):
    """The middles of n pixels in a row, where the picture reaches from -1 to 1: (n,) float32."""
    return ((2 * np.arange(n) + 1) / n - 1).astype("float32")


def seen_from(frames, height, width):
    """Rows and columns as seen from each slot: (b, k, >= 4) -> (b, k, h) and (b, k, w), in sizes from its place."""
    rows = (middles(height) - frames[..., 0:1]) / frames[..., 2:3]
    columns = (middles(width) - frames[..., 1:2]) / frames[..., 3:4]
    return rows, columns


def _bells(r):
    """1 and bumps at -2, -1, 0, 1, 2: (..., h) -> (..., h, BELLS + 1). Products of two tell where in a frame one is."""
    bumps = ops.exp(-ops.square(r[..., None] - np.linspace(-2, 2, BELLS, dtype="float32")) / (2 * 0.6**2))
    return ops.concatenate([ops.ones_like(r[..., None]), bumps], axis=-1)


def _hats(r, knots, reach):
    """Weights of linear interpolation between knots over [-reach, reach]: (..., h) -> (..., h, knots)."""
    places = np.linspace(-reach, reach, knots, dtype="float32")
    return ops.relu(1 - ops.abs(ops.clip(r, -reach, reach)[..., None] - places) / (places[1] - places[0]))


def _normal(x):
    """Features of mean 0 and variance 1: what follows is a dense layer, which has the scales."""
    x = x - ops.mean(x, axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-5)


def _dense(units, inputs, seed, activation=None, scale=1.0, use_bias=True):
    init = keras.initializers.VarianceScaling(scale, "fan_avg", "uniform", seed=seed)
    layer = keras.layers.Dense(units, activation, use_bias, kernel_initializer=init)
    layer.build((None, inputs))
    return layer


class _Rules(keras.layers.Layer):
    """How slots of one kind ask, and how they take in what they were shown."""

    def __init__(self, size, seen, seed, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.query = _dense(size, size, seed, use_bias=False)
        self.where = _dense((BELLS + 1) ** 2, size, seed + 1, scale=0.01)
        init = lambda i: keras.initializers.GlorotUniform(seed=seed + i)
        self.cell = keras.layers.GRUCell(size, kernel_initializer=init(2), recurrent_initializer=init(3))
        self.cell.build((None, seen))
        self.wide = _dense(2 * size, size, seed + 4, "relu")
        self.back = _dense(size, 2 * size, seed + 5, scale=0.1)
        self.built = True

    def ask(self, features):
        """What a slot looks for, (b, k, d), and where in its frame, (b, k, BELLS + 1, BELLS + 1)."""
        features = _normal(features)
        shape = ops.shape(features)
        return self.query(features), ops.reshape(self.where(features), (*shape[:2], BELLS + 1, BELLS + 1))

    def take(self, features, seen):
        """The features of slots, (b, k, d), that were shown (b, k, m)."""
        shape = ops.shape(features)
        rows = lambda a: ops.reshape(a, (-1, a.shape[-1]))
        features = ops.reshape(self.cell(rows(seen), [rows(features)])[0], shape)
        return features + self.back(self.wide(_normal(features)))


@register
class SlotAttention(keras.layers.Layer):
    """Slots compete for the places of a picture, and each takes in what it has won; a soft k-means that is learned.

        logit_ki = q(s_k) . key_i / sqrt(d) + sum_rs where(s_k)_rs bell_r(row_i) bell_s(column_i) - |r_ki|^2 / 2
        A_ki = exp(logit_ki) / sum_l exp(logit_li),   a_ki = A_ki / sum_j A_kj
        s_k <- gated update by sum_i a_ki value_i (1, row_i, column_i) and sum_i a_ki bell_r(row_i) bell_s(column_i)

    Rows and columns, r, are seen from the slot's frame. With `relative` the frame follows: its place is the mean of
    the positions under a_k, its size their standard deviation; the same object elsewhere then has the same features.
    Without, every slot's frame is the whole picture's. The last term, a bell about the slot's place, is then left out.
    A background has a learned number in its place.

    Args:
        size: d, features of a slot.
        iterations: >= 1.
        relative: whether objects' slots have a place.
        background: whether slot 0 is the background's, with rules of its own and without a place.
        one_step: whether the gradient goes through the last iteration alone, as at a fixed point, and from there
            straight to the slots' start. Through all of them it is dearer.
        spread: how slots start where none are given: at places drawn by greedy k-means++, so that no two start on what
            looks the same; or, False, at any place, with features drawn from a normal distribution.
        seed: owns the initial weights.
    Shapes: features (b, h, w, m), and either noise (b, k, d + 2), uniform in [0, 1) in the first two and normal in the
        others, from which the objects' slots are drawn, or slots (b, k, d + 4) to start from -> slots (b, k, d + 4) and
        attention A, (b, k, h, w), which sums to 1 over k.
    Raises: ValueError where a number is out of range.
    Source: Locatello et al. 2020, algorithm 1; Biza et al. 2023 (frames); Arthur and Vassilvitskii 2007 (spread);
        Chang et al. 2022 (one step), Jia et al. 2023 (straight to the start).
        Differs: the position enters keys by bells and values by moments, in place of an MLP of every slot's grid: it
        costs nothing; the bell about a slot's place; no learned scales of normalisation. Chapter 19.
    """

    def __init__(
        self, size=32, iterations=3, relative=True, background=True, spread=True, one_step=True, seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        self.size, self.iterations = check_whole("SlotAttention", size=size, iterations=iterations)
        self.relative, self.background, self.spread = relative, background, spread
        self.one_step, self.seed = one_step, seed

    def build(self, features_shape):
        d, m, seed = self.size, features_shape[-1], self.seed
        self.key, self.value = _dense(d, m, seed, use_bias=False), _dense(d, m, seed + 1, use_bias=False)
        self.first = _dense(d, d, seed + 2)
        seen = 3 * d + (BELLS + 1) ** 2
        self.objects = _Rules(d, seen, seed + 10)
        self.deviation = self.add_weight((d,), initializer=keras.initializers.Constant(0.3), name="deviation")
        if self.background:
            self.ground = _Rules(d, seen, seed + 20)
            init = keras.initializers.RandomNormal(stddev=1.0, seed=seed + 3)
            self.ground_start = self.add_weight((d,), initializer=init, name="ground_start")
            self.ground_bias = self.add_weight((), initializer=keras.initializers.Constant(-2.0), name="ground_bias")
        self.built = True

    def call(self, features, noise=None, slots=None, iterations=None):
        h, w = features.shape[1:3]
        flat = _normal(ops.reshape(features, (-1, h * w, features.shape[-1])))
        keys, values = _normal(self.key(flat)), self.value(flat)
        if slots is None:
            slots = self.start(keys, noise, h, w)
        values = ops.reshape(values, (-1, h, w, self.size))
        first, count = slots, self.iterations if iterations is None else iterations
        for i in range(count):
            if self.one_step and i == count - 1:  # the values of the last slots, the gradient of the first
                slots = ops.stop_gradient(slots - first) + first
            slots, attention = self.look(slots, keys, values)
        return slots, attention

    def start(self, keys, noise, h, w):
        """Slots before they look, (b, k, d + 4): the background's, then one for each row of noise."""
        b, k = ops.shape(noise)[0], noise.shape[1]
        k -= self.background
        places, features = 1.7 * noise[:, :k, :2] - 0.85, self.deviation * noise[:, :k, 2:]
        if self.spread:
            places, nearest = self._spread(keys, noise[:, :k, 0], h, w)
            features = features + self.first(nearest)
        frames = ops.concatenate([places, ops.full_like(places, START)], axis=-1)
        if not self.relative:
            frames = ops.broadcast_to(ops.convert_to_tensor(WHOLE), ops.shape(frames))
        slots = ops.concatenate([frames, features], axis=-1)
        if self.background:
            ground = ops.concatenate([ops.convert_to_tensor(WHOLE), self.ground_start], axis=0)
            slots = ops.concatenate([ops.broadcast_to(ground, (b, 1, FRAME + self.size)), slots], axis=1)
        return slots

    def _spread(self, keys, u, h, w):
        """Places drawn one after another, (b, k, 2), and their keys, (b, k, d), by k-means++: with odds by the squared
        distance of their keys from all before, the best of TRIES. The first is that from the mean, mostly ground."""
        fixed, rows = ops.stop_gradient(keys)[:, None], lambda a, i: ops.take_along_axis(a, i[..., None], axis=1)
        far = ops.sum(ops.square(fixed[:, 0] - ops.mean(fixed, axis=2)), axis=-1)  # (b, n)
        places, nearest = [], []
        for j in range(u.shape[1]):
            odds = ops.cumsum(far, axis=1)
            drawn = odds[:, -1:] * ((u[:, j : j + 1] + np.arange(TRIES, dtype="float32") / TRIES) % 1)  # (b, tries)
            tried = ops.minimum(ops.sum(ops.cast(odds[:, None] < drawn[..., None], "int32"), axis=-1), h * w - 1)
            near = ops.sum(ops.square(fixed - rows(fixed[:, 0], tried)[:, :, None]), axis=-1)  # (b, tries, n)
            left = ops.minimum(far[:, None], near)
            best = ops.argmin(ops.sum(left, axis=-1), axis=1)[:, None]  # (b, 1)
            i, far = ops.take_along_axis(tried, best, axis=1), rows(left, best)[:, 0]
            places.append(ops.concatenate([ops.take(middles(h), i // w), ops.take(middles(w), i % w)], axis=-1))
            nearest.append(rows(keys, i))
        return ops.stack(places, axis=1), ops.concatenate(nearest, axis=1)

    def look(self, slots, keys, values):
        """One iteration: slots (b, k, d + 4), keys (b, n, d), values (b, h, w, d) -> slots, attention (b, k, h, w)."""
        h, w = values.shape[1:3]
        frames, features = slots[..., :FRAME], slots[..., FRAME:]
        rows, columns = seen_from(frames, h, w)
        down, across = _bells(rows), _bells(columns)  # (b, k, h, r), (b, k, w, s)
        query, where = self._each(lambda rules, s: rules.ask(s), features)
        logits = ops.einsum("bkd,bnd->bkn", query, keys) / self.size**0.5
        logits = ops.reshape(logits, (-1, ops.shape(logits)[1], h, w))
        logits = logits + ops.einsum("bkhr,bkrs,bkws->bkhw", down, where, across)
        near = ops.zeros_like(logits)
        if self.relative:
            bell = lambda r: -ops.minimum(ops.square(r), REACH**2) / 2
            near = bell(rows)[..., None] + bell(columns)[..., None, :]
        if self.background:
            near = ops.concatenate([ops.zeros_like(near[:, :1]) + self.ground_bias, near[:, 1:]], axis=1)
        attention = ops.softmax(logits + near, axis=1)
        a = attention + 1e-6
        a = a / ops.sum(a, axis=(2, 3), keepdims=True)
        seen = self._moments(a, values, rows, columns, down, across)
        features = self._each(lambda rules, s, m: rules.take(s, m), features, seen)
        return ops.concatenate([self._frames(frames, a), features], axis=-1), attention

    def _moments(self, a, values, rows, columns, down, across):
        """What slots are shown, (b, k, 3 d + r s): the values' sums and first moments, and the shape of a."""
        clip = lambda r: ops.clip(r, -REACH, REACH)
        by_row = ops.einsum("bkhw,bhwd->bkhd", a, values)
        shape = ops.einsum("bkhr,bkhw,bkws->bkrs", down, a, across)
        return ops.concatenate([
            ops.sum(by_row, axis=2), ops.einsum("bkhd,bkh->bkd", by_row, clip(rows)),
            ops.einsum("bkhw,bhwd->bkd", a * clip(columns)[..., None, :], values),
            ops.reshape(shape, (-1, ops.shape(a)[1], (BELLS + 1) ** 2)),
        ], axis=-1)  # fmt: skip

    def _frames(self, frames, a):
        """Places and sizes of the attention, (b, k, 4); the background's stays."""
        if not self.relative:
            return frames
        h, w = a.shape[2:]
        means, deviations = [], []
        for share, x in ((ops.sum(a, axis=3), middles(h)), (ops.sum(a, axis=2), middles(w))):
            means.append(ops.sum(share * x, axis=-1))
            variance = ops.sum(share * ops.square(x - means[-1][..., None]), axis=-1)
            deviations.append(ops.clip(ops.sqrt(variance + 1e-4), SMALLEST, LARGEST))
        moved = ops.stack([*means, *deviations], axis=-1)
        return ops.concatenate([frames[:, :1], moved[:, 1:]], axis=1) if self.background else moved

    def _each(self, fn, *arrays):
        """fn(rules, arrays) by the background's rules for slot 0 and by the objects' for the others."""
        if not self.background:
            return fn(self.objects, *arrays)
        parts = [fn(self.ground, *(a[:, :1] for a in arrays)), fn(self.objects, *(a[:, 1:] for a in arrays))]
        return keras.tree.map_structure(lambda *p: ops.concatenate(p, axis=1), *parts)

    def get_config(self):
        names = ("size", "iterations", "relative", "background", "spread", "one_step", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
