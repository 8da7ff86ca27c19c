"""Slots carried in time: what is expected of a frame is corrected by what is seen of it, and goes on. Chapter 20."""

import math

import keras
import numpy as np
from keras import ops

from aecore import _backend
from aecore.data import check_examples, check_whole
from aecore.motion import check_films
from aecore.regions import boxes, check_masks
from aecore.slot_layers import FRAME, LARGEST, SMALLEST, WHOLE, _dense, register
from aecore.slots import SlotAutoencoder
from aecore.training import Batches, Model, check_kind, in_chunks


@register
class Inertia(keras.layers.Layer):
    """What slots are expected to be in the next frame: they move on as they moved, but for what is learned beyond it.

        e = s + (s - s', of place) + MLP(s, s - s'),   s now, s' one frame before, each slot by itself

    Args: size, d, features of a slot; width, of the hidden layer; seed, which owns the initial weights.
    Shapes: now and before, (b, k, d + 4) each -> (b, k, d + 4).
    Source: the predictor of Kipf et al. 2022 (SAVi). Differs: an MLP of each slot in place of a transformer of all,
        since slots have a place, whose velocity is known. Chapter 20.
    """

    def __init__(self, size, width=64, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.size, self.width = check_whole("Inertia", size=size, width=width)
        self.seed = seed
        self.wide = _dense(width, 2 * (FRAME + size), seed, "relu")
        self.back = _dense(FRAME + size, width, seed + 1, scale=0.01)
        self.built = True

    def call(self, now, before):
        change = now - before
        beyond = self.back(self.wide(ops.concatenate([now, change], axis=-1)))
        moved = ops.concatenate([change[..., :2], ops.zeros_like(change[..., 2:])], axis=-1)
        return now + moved + beyond

    def get_config(self):
        return {**super().get_config(), "size": self.size, "width": self.width, "seed": self.seed}


@register
class SlotVideo(Model):
    """The slots of a film: found in its first frame, then in each frame expected, and corrected by what is seen.

        s_1 = attention(x_1, noise or hints)
        e_t = transition(s_(t-1), s_(t-2)),   s_t = e_t + g_t (attention(x_t, from e_t on) - e_t)
        g_tk = m_tk / (m_tk + patience),   m_tk = sum_i A_tki      how much of the frame slot k has won
        L = mean_t -log p(x_t | s_t) + foresight * mean_(t>1) -log p(x_t | e_t)

    A slot keeps its object: its number is the object's identity. One that sees little of its object, since another one
    covers it, believes what it expected, and so finds it where it comes out again.
    Reported while training: `rec`, -log p(x_t | s_t), and `ahead`, -log p(x_t | e_t), nats per frame; `mse`, of s_t.

    Args:
        autoencoder: SlotAutoencoder, best one that was trained on frames by themselves; its parts are trained further.
        transition: keras layer, (now, before), (b, k, d + 4) each -> (b, k, d + 4), expected; None: Inertia(d).
        hinted: whether slots start from boxes around the objects of the first frame in place of noise.
        iterations: of the attention in every frame but the first, >= 1.
        patience: >= 0, places of the encoder's grid; 0: what is seen replaces what was expected.
        foresight: >= 0.
        seed: owns the noise of training.
    Raises: ValueError where a number is out of range, TypeError for a part of another kind.
    Source: Kipf et al. 2022 (SAVi). Differs: pixels in place of optical flow as the target; the gain g, as in a Kalman
        filter; what is expected is trained to paint the frame as well. Chapter 20.

    Example:
        video = SlotVideo(autoencoder)
        video.compile(keras.optimizers.Adam(5e-4))
        video.fit(films)                                # (n, t, 32, 32, 3)
        slots = video.encode(films)                     # (n, t, 5, 36)
        video.predict(films)                            # (n, t, 32, 32): the same number, the same object
        video.decode(video.forecast(slots, 3))          # (n, 3, 32, 32, 3): the next three frames
    """

    arguments = ("autoencoder", "transition", "hinted", "iterations", "patience", "foresight", "seed")

    def __init__(
        self, autoencoder, transition=None, *, hinted=False, iterations=1, patience=1.0, foresight=1.0, seed=0, **kwargs
    ):
        super().__init__(terms=["rec", *["ahead"] * (foresight > 0), "mse"], **kwargs)
        check_kind("SlotVideo", "autoencoder", autoencoder, SlotAutoencoder, "SlotAutoencoder(...)")
        for name, value in {"patience": patience, "foresight": foresight}.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"SlotVideo: {name} must be a finite number >= 0, got {value}.")
        (self.iterations,), (self.seed,) = (
            check_whole("SlotVideo", iterations=iterations),
            check_whole("SlotVideo", at_least=0, seed=seed),
        )
        size = autoencoder.attention.size
        self.transition = Inertia(size) if transition is None else transition
        check_kind("SlotVideo", "transition", self.transition, keras.layers.Layer, "Inertia(d)")
        self.autoencoder, self.hinted, self.patience, self.foresight = autoencoder, hinted, patience, foresight
        if hinted:
            self.hint = [_dense(size, FRAME + 1, self.seed, "relu"), _dense(size, size, self.seed + 1)]
            attention = autoencoder.attention
            for unused in (attention.deviation, *attention.first.weights):  # no slot starts from noise
                unused.trainable = False
        self.built = True
        x, s = (keras.KerasTensor((None, *shape)) for shape in (autoencoder.shape, (None, autoencoder.code_size)))
        self.expect_batch = _backend.fast(self.expected, self, s, s)
        self.correct_batch = _backend.fast(lambda x, e: self.corrected(autoencoder.call(x), e), self, x, s)
        if hinted:
            self.hint_batch = _backend.fast(self.hinted_slots, self, keras.KerasTensor((None, None, FRAME + 1)))

    # --- the model, on tensors: x (b, t, H, W, c), slots (b, k, d + 4) -----------------------------------------

    def expected(self, now, before):
        """e of the next frame, from the slots of two frames: (b, k, d + 4)."""
        e = self.transition(now, before)
        attention = self.autoencoder.attention
        sizes = ops.clip(e[..., 2:FRAME], SMALLEST, LARGEST)
        e = ops.concatenate([e[..., :2], sizes, e[..., FRAME:]], axis=-1)
        placeless = lambda e, s: ops.concatenate([s[..., :FRAME], e[..., FRAME:]], axis=-1)
        if not attention.relative:
            return placeless(e, now)
        return ops.concatenate([placeless(e[:, :1], now[:, :1]), e[:, 1:]], axis=1) if attention.background else e

    def corrected(self, features, e):
        """s of a frame, from its features, (b, h, w, m), and what was expected of it."""
        s, shares = self.autoencoder.attention(features, slots=e, iterations=self.iterations)
        if not self.patience:
            return s
        seen = ops.sum(shares, axis=(2, 3))[..., None]  # (b, k, 1)
        return e + seen / (seen + self.patience) * (s - e)

    def hinted_slots(self, hints):
        """Slots to start from: hints (b, o, 5), frames and 1, or zeros where there is no object -> (b, k, d + 4)."""
        attention, (wide, back) = self.autoencoder.attention, self.hint
        there = hints[..., FRAME:] * float(attention.relative)
        frames = there * hints[..., :FRAME] + (1 - there) * ops.convert_to_tensor(WHOLE)
        slots = ops.concatenate([frames, back(wide(hints))], axis=-1)
        if not attention.background:
            return slots
        ground = ops.concatenate([ops.convert_to_tensor(WHOLE), attention.ground_start], axis=0)
        return ops.concatenate([ops.broadcast_to(ground, (ops.shape(slots)[0], 1, ground.shape[0])), slots], axis=1)

    def call(self, inputs, training=False):
        x = inputs["films"]
        features = self.autoencoder.call(ops.reshape(x, (-1, *x.shape[2:])), training)
        return ops.reshape(features, (-1, x.shape[1], *features.shape[1:]))

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        films, features = x["films"], y_pred
        y = self.autoencoder.evaluation_noise(ops.shape(films)[0]) if y is None else y
        given = {"slots": self.hinted_slots(x["hints"])} if self.hinted else {"noise": y}
        slots, expected = [self.autoencoder.attention(features[:, 0], **given)[0]], []
        for t in range(1, films.shape[1]):
            expected.append(self.expected(slots[-1], slots[max(t - 2, 0)]))
            slots.append(self.corrected(features[:, t], expected[-1]))
        rec, mse = self._errors(films, slots)
        terms = {"rec": (rec, 1.0), "mse": (mse, 0.0)}
        if self.foresight and expected:
            terms["ahead"] = (self._errors(films[:, 1:], expected)[0], self.foresight)
        return self.total(sample_weight, **terms)

    def _errors(self, films, slots):
        """-log p(x | s), nats, and the mean squared error, means over the frames of each film: (b,) each."""
        t, rows = films.shape[1], lambda a: ops.reshape(a, (-1, *a.shape[2:]))
        x, s = rows(films), rows(ops.stack(slots, axis=1))
        return [ops.mean(ops.reshape(values, (-1, t)), axis=1) for values in self.autoencoder.errors(x, s)]

    # --- training ---------------------------------------------------------------------------------------------

    def fit(self, films, hints=None, **kwargs):
        """Train. Args: films, (n, t, H, W, c); hints, boxes (n, o, 4), of a hinted model; others as `Model.fit`."""
        return super().fit(films, hints, **kwargs)

    def check(self, x, y=None):
        x = self._films(x, "SlotVideo")
        return ({"films": x, **self._hints(y, x, "SlotVideo")},)

    def batches(self, arrays, batch_size, seed):
        b, k = min(batch_size, len(arrays[0]["films"])), self.autoencoder.slots

        def draw(step, steps):
            rng = np.random.default_rng([self.seed, self.past + step, 1])
            return self.autoencoder.draw(rng, steps * b, k).reshape(steps, b, k, -1)

        return Batches(arrays, batch_size, seed, draw)

    def pipeline(self, batches, epoch):
        self.past = int(self.optimizer.iterations) - epoch * len(batches)  # steps of earlier runs
        return super().pipeline(batches, epoch)

    # --- verbs, on arrays: films (n, t, H, W, c), slots (n, t, k, d + 4) ----------------------------------------

    def encode(self, films, slots=None, hints=None, seed=0, batch_size=256):
        """The slots of all frames; slot k is the same object in each of them.

        Args:
            films: (n, t, H, W, c). slots: how many, the background's among them; None: as in training.
            hints: boxes (n, o, 4) around the objects of the first frame, as `object_boxes` gives them, NaN where there
                is none: object i gets slot i + 1, or i where there is no background slot. For hinted models.
            seed: owns the draws.
        Returns: (n, t, k, d + 4).
        """
        x = self._films(films, "encode")
        given = self._hints(hints, x, "encode")
        initial = in_chunks(self.hint_batch, given["hints"], batch_size, "encode") if given else None
        found = [self.autoencoder.encode(x[:, 0], slots, initial, seed, batch_size=batch_size)]
        for t in range(1, x.shape[1]):
            e = in_chunks(self.expect_batch, (found[-1], found[max(t - 2, 0)]), batch_size, "encode")
            found.append(in_chunks(self.correct_batch, (x[:, t], e), batch_size, "encode"))
        return np.stack(found, axis=1)

    def forecast(self, slots, frames):
        """What is expected of the frames after a film: slots, (n, t, k, d + 4) -> (n, frames, k, d + 4)."""
        s, (frames,) = self._codes(slots, "forecast"), check_whole("forecast", frames=frames)
        ahead = [s[:, max(s.shape[1] - 2, 0)], s[:, -1]]
        for _ in range(frames):
            ahead.append(self.expect_batch(ahead[-1], ahead[-2]))
        return np.stack(ahead[2:], axis=1)

    def decode(self, slots):
        """The frames that slots paint: (n, t, k, d + 4) -> (n, t, H, W, c)."""
        return self._each_frame(self.autoencoder.decode, self._codes(slots, "decode"))

    def reconstruct(self, films, slots=None, hints=None, seed=0):
        """decode(encode(films)): (n, t, H, W, c) -> (n, t, H, W, c)."""
        return self.decode(self.encode(films, slots, hints, seed))

    def predict_proba(self, films, slots=None, hints=None, codes=None, seed=0):
        """Whose pixel each pixel is: (n, t, H, W, k), which sums to 1 over k. Args: as `encode`; codes, if known."""
        x = self._films(films, "predict_proba")
        codes = self.encode(x, slots, hints, seed) if codes is None else self._codes(codes, "predict_proba")
        if codes.shape[:2] != x.shape[:2]:
            raise ValueError(
                f"predict_proba: {len(x)} films want codes for each of {x.shape[1]} frames, got {codes.shape}."
            )
        return self._each_frame(lambda x, codes: self.autoencoder.predict_proba(x, codes=codes), x, codes)

    def predict(self, films, slots=None, hints=None, codes=None, seed=0):
        """The slot of each pixel of each frame, (n, t, H, W), 0 to k - 1. Args: as `predict_proba`."""
        return self.predict_proba(films, slots, hints, codes, seed).argmax(axis=-1)

    def _each_frame(self, verb, *arrays):
        n, t = arrays[0].shape[:2]
        values = verb(*(a.reshape(n * t, *a.shape[2:]) for a in arrays))
        return values.reshape(n, t, *values.shape[1:])

    # --- what fits ------------------------------------------------------------------------------------------------

    def _films(self, films, name):
        return check_films(films, name, self.autoencoder.shape)

    def _codes(self, slots, name):
        return check_examples(slots, (None, None, self.autoencoder.code_size), name)

    def _hints(self, hints, films, name):
        """Hints as the model takes them, {"hints": (n, k, 5)}, or {} where it takes none."""
        if not self.hinted:
            if hints is not None:
                raise ValueError(f"{name}: this model takes no hints. Leave them out, or build it with hinted=True.")
            return {}
        k = self.autoencoder.slots - self.autoencoder.attention.background
        given = np.asarray(np.nan if hints is None else hints, "float32")
        if given.shape != (len(films), k, 4):
            raise ValueError(
                f"{name}: this model wants hints, boxes of {k} objects of {len(films)} films, NaN where there is none, "
                f"({len(films)}, {k}, 4), got {given.shape}. object_boxes(masks[:, 0], {k}) makes them of masks."
            )
        there = np.isfinite(given).all(axis=-1)
        low, high = np.split(np.where(there[..., None], given, 0) / np.tile(films.shape[2:4], 2), 2, axis=-1)
        if (there & (high <= low).any(axis=-1)).any():
            raise ValueError(f"{name}: hints want boxes (top, left, bottom, right), top < bottom and left < right.")
        sizes = np.clip((high - low) / 3**0.5, SMALLEST, LARGEST)  # the standard deviation of a box's rows and columns
        frames = [low + high - 1, sizes, np.ones_like(low[..., :1])]
        return {"hints": (np.concatenate(frames, axis=-1) * there[..., None]).astype("float32")}


def object_boxes(masks, objects):
    """Boxes around the objects of masks, to hint at.

    Args: masks, (n, h, w): 0 ground, i + 1 object i; objects, how many.
    Returns: (n, objects, 4) float32, as `regions.boxes` has them; NaN where a mask has no such object.
    """
    masks, (objects,) = check_masks(masks, "object_boxes"), check_whole("object_boxes", objects=objects)
    found = np.full((len(masks), objects, 4), np.nan, "float32")
    for i in range(objects):
        own = masks == i + 1
        there = own.any(axis=(1, 2))
        if there.any():
            found[there, i] = boxes(own[there])
    return found
