"""Slot attention against its formulas in loops, decoders and editing against laws of symmetry."""

import keras
import numpy as np
import pytest
from slotted import D, K, discs, numbers, slot_model

from aecore import _backend, slot_editing
from aecore.slot_decoders import BroadcastDecoder
from aecore.slot_layers import FRAME, SlotAttention

rng = np.random.default_rng(0)
DECODERS = {
    "canvas": dict(),
    "coloured canvas": dict(parts=dict(colours=3)),
    "broadcast": dict(decoder=BroadcastDecoder, parts=dict(hidden=(8, 8))),
}


@pytest.fixture(scope="module")
def models():
    return {name: slot_model(**arguments) for name, arguments in DECODERS.items()}


@pytest.fixture(scope="module")
def pictures():
    return discs(4)


def test_without_positions_the_places_of_a_picture_are_a_set():
    attention = SlotAttention(D, 3, relative=False, background=False, spread=False)
    attention.build((None, 6, 6, 5))
    attention.objects.where.kernel.assign(np.zeros((D, 36)))
    kernel = numbers(attention.objects.cell.kernel).copy()
    kernel[D:] = 0  # what is seen but the sum of values
    attention.objects.cell.kernel.assign(kernel)
    features = rng.standard_normal((2, 36, 5)).astype("float32")
    slots = np.concatenate([np.tile([0, 0, 0.5, 0.5], (2, 3, 1)), rng.standard_normal((2, 3, D))], -1).astype("float32")
    order = rng.permutation(36)
    after, attended = (numbers(t) for t in attention(features.reshape(2, 6, 6, 5), slots=slots))
    twin, twin_attended = (numbers(t) for t in attention(features[:, order].reshape(2, 6, 6, 5), slots=slots))
    np.testing.assert_allclose(twin, after, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        twin_attended.reshape(2, 3, 36), attended.reshape(2, 3, 36)[..., order], rtol=1e-4, atol=1e-6
    )


def normal(x):
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)


def bells(r):
    return np.array([1, *np.exp(-((r - np.arange(-2, 3)) ** 2) / (2 * 0.36))])


def test_an_iteration_is_the_formula_in_loops(models, pictures):
    model = models["canvas"]
    layer, x = model.attention, pictures[:1]
    slots = model.encode(x, seed=1)
    features = numbers(model.call(x))[0].astype("float64")
    h, w, _ = features.shape
    flat = normal(features.reshape(h * w, -1))
    keys = normal(flat @ numbers(layer.key.kernel)).reshape(h, w, D)
    values = (flat @ numbers(layer.value.kernel)).reshape(h, w, D)
    logits, views = np.zeros((K, h, w)), np.zeros((K, h, w, 2))
    for k, s in enumerate(slots[0].astype("float64")):
        rules, query = (layer.ground if k == 0 else layer.objects), normal(s[FRAME:])
        ask = query @ numbers(rules.query.kernel)
        where = (query @ numbers(rules.where.kernel) + numbers(rules.where.bias)).reshape(6, 6)
        for i in range(h):
            for j in range(w):
                r = ((2 * i + 1) / h - 1 - s[0]) / s[2], ((2 * j + 1) / w - 1 - s[1]) / s[3]
                views[k, i, j] = r
                near = float(numbers(layer.ground_bias)) if k == 0 else -(min(r[0] ** 2, 9) + min(r[1] ** 2, 9)) / 2
                logits[k, i, j] = ask @ keys[i, j] / D**0.5 + bells(r[0]) @ where @ bells(r[1]) + near
    attention = np.exp(logits) / np.exp(logits).sum(axis=0)
    after, attended = layer(numbers(model.call(x)), slots=slots, iterations=1)
    np.testing.assert_allclose(numbers(attended)[0], attention, rtol=1e-3, atol=1e-5)
    k, a = 2, (attention[2] + 1e-6) / (attention[2] + 1e-6).sum()
    seen = np.zeros(3 * D + 36)
    place = np.zeros(2)
    for i in range(h):
        for j in range(w):
            r = np.clip(views[k, i, j], -3, 3)
            by = np.outer(bells(views[k, i, j, 0]), bells(views[k, i, j, 1])).ravel()
            seen += a[i, j] * np.concatenate([values[i, j], values[i, j] * r[0], values[i, j] * r[1], by])
            place += a[i, j] * np.array([(2 * i + 1) / h - 1, (2 * j + 1) / w - 1])
    cell = layer.objects.cell
    taken = numbers(cell(np.float32([seen]), [slots[0, [k], FRAME:]])[0])[0]
    hidden = np.maximum(0, normal(taken) @ numbers(layer.objects.wide.kernel) + numbers(layer.objects.wide.bias))
    taken = taken + hidden @ numbers(layer.objects.back.kernel) + numbers(layer.objects.back.bias)
    np.testing.assert_allclose(numbers(after)[0, k, FRAME:], taken, rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(numbers(after)[0, k, :2], place, atol=1e-4)
    np.testing.assert_array_equal(numbers(after)[0, 0, :FRAME], [0, 0, 0.5, 0.5])


def test_the_gradient_of_one_step_is_that_of_the_last_iteration():
    attention = SlotAttention(D, 3, background=False)
    attention.build((None, 6, 6, 5))
    features = rng.standard_normal((2, 6, 6, 5)).astype("float32")
    frames = np.concatenate([rng.uniform(-0.5, 0.5, (2, 3, 2)), np.full((2, 3, 2), 0.3)], axis=-1)
    slots = np.concatenate([frames, rng.standard_normal((2, 3, D))], axis=-1).astype("float32")
    weights = rng.standard_normal((2, 3, FRAME + D)).astype("float32")
    tensor = lambda a: keras.ops.convert_to_tensor(a)
    cost = lambda start, count: lambda f: keras.ops.sum(weights * attention(f, slots=start, iterations=count)[0])
    before = attention(features, slots=slots, iterations=2)[0]
    (value, gradient), (last, wanted) = (
        [numbers(t) for t in _backend.input_gradient(cost(start, count), tensor(features))]
        for start, count in ((tensor(slots), 3), (tensor(numbers(before)), 1))
    )
    np.testing.assert_allclose(value, last, rtol=1e-4)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max())
    straight = numbers(_backend.input_gradient(lambda s: cost(s, 3)(tensor(features)), tensor(slots))[1])
    last = numbers(_backend.input_gradient(lambda s: cost(s, 1)(tensor(features)), before)[1])
    np.testing.assert_allclose(straight, last, rtol=1e-3, atol=1e-5 * np.abs(last).max())


def test_slots_start_on_different_things():
    """On a ground with three spots of other features the three places are the spots."""
    attention = SlotAttention(D, background=False)
    attention.build((None, 8, 8, 5))
    features = np.tile(np.float32([0, 0, 0, 0, 3]), (1, 8, 8, 1))
    spots = [(1, 1), (6, 2), (3, 7)]
    for i, spot in enumerate(spots):
        features[0][spot] = 3 * np.eye(5)[i]
    noise = np.concatenate([rng.random((1, 3, 2)), np.zeros((1, 3, D))], axis=-1).astype("float32")
    keys = normal(normal(features.reshape(1, 64, 5)) @ numbers(attention.key.kernel))
    start = numbers(attention.start(keys.astype("float32"), noise, 8, 8))
    places = {tuple(np.round((p + 1) * 4 - 0.5).astype(int)) for p in start[0, :, :2]}
    assert places == set(spots)  # ground is next to the mean from which the first distance is taken


def test_starts_are_those_of_greedy_k_means_in_loops():
    attention = SlotAttention(D, background=False)
    attention.build((None, 4, 6, 5))
    keys = rng.standard_normal((3, 24, D)).astype("float32")
    noise = np.concatenate([rng.random((3, 4, 2)), np.zeros((3, 4, D))], axis=-1).astype("float32")
    found = numbers(attention.start(keys, noise, 4, 6))[..., :2]
    for key, draws, places in zip(keys.astype("float64"), noise[..., 0].astype("float64"), found, strict=True):
        before = [key.mean(axis=0)]
        for u, place in zip(draws, places, strict=True):
            far = np.array([min(((z - b) ** 2).sum() for b in before) for z in key])
            tries = [np.searchsorted(np.cumsum(far) / far.sum(), (u + t / 3) % 1) for t in range(3)]
            left = [sum(min(f, ((z - key[i]) ** 2).sum()) for f, z in zip(far, key, strict=True)) for i in tries]
            i = tries[int(np.argmin(left))]
            before.append(key[i])
            np.testing.assert_allclose(place, [(2 * (i // 6) + 1) / 4 - 1, (2 * (i % 6) + 1) / 6 - 1], atol=1e-6)


@pytest.mark.parametrize("name", ["canvas", "coloured canvas", "broadcast"])
def test_a_moved_object_is_the_same_object_elsewhere(name, models, pictures):
    model = models[name]
    slots = model.encode(pictures[:4])
    moved = slot_editing.move(slots, 2, (3 / 16, -2 / 16))
    (was, colour), (now, now_colour) = ([numbers(t) for t in model.decoder(s)] for s in (slots, moved))
    np.testing.assert_allclose(now[:, 2, 3:, :-2], was[:, 2, :-3, 2:], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(now_colour[:, 2, 3:, :-2], colour[:, 2, :-3, 2:], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(np.delete(now, 2, axis=1), np.delete(was, 2, axis=1))
    back = slot_editing.move(moved, 2, (-3 / 16, 2 / 16))
    np.testing.assert_allclose(back, slots, atol=1e-6)


def test_a_removed_object_leaves_its_pixels_to_the_others(models, pictures):
    model = models["canvas"]
    slots = model.encode(pictures[:4])
    which = np.array([1, 2, 3, 1])
    left = slot_editing.remove(slots, which)
    masks = model.layers_of(slots).masks
    for i, k in enumerate(which):
        rest = np.delete(masks[i], k, axis=-1)
        rest = rest / rest.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(model.layers_of(left).masks[i], rest, atol=1e-3)
    both = slot_editing.remove(slot_editing.remove(slots, 2), 1)
    np.testing.assert_array_equal(both, slot_editing.remove(slot_editing.remove(slots, 1), 1))


def test_swapping_twice_changes_nothing(models, pictures):
    slots = models["canvas"].encode(pictures[:4])
    swapped = slot_editing.swap(slots, 1, np.array([2, 3, 2, 3]))
    np.testing.assert_array_equal(swapped[0, 1, :2], slots[0, 2, :2])
    np.testing.assert_array_equal(swapped[1, 3, :2], slots[1, 1, :2])
    np.testing.assert_array_equal(swapped[..., 2:], slots[..., 2:])
    np.testing.assert_array_equal(slot_editing.swap(swapped, np.array([2, 3, 2, 3]), 1), slots)
