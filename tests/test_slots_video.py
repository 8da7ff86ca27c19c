"""Slots in time against their formulas in NumPy, motion whose course is known, laws of symmetry, and broken input."""

import keras
import numpy as np
import pytest
from moving import CODE, HINTED, SHAPE, VARIANTS, D, K, T, discs, hints, video

from aecore import regions
from aecore.slot_layers import FRAME, WHOLE
from aecore.slots_video import Inertia, SlotVideo, object_boxes

CLOSE = dict(rtol=2e-4, atol=2e-5)


@pytest.fixture(scope="module")
def models():
    return {name: video(**arguments) for name, arguments in VARIANTS.items()}


@pytest.fixture(scope="module")
def films():
    return discs()


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_inertia_is_its_formula():
    layer, draws = Inertia(D, 8), np.random.default_rng(0)
    for w in layer.trainable_weights:
        w.assign(draws.standard_normal(w.shape))
    now, before = draws.standard_normal((2, 3, K, CODE)).astype("float32")
    w, b, v, c = (numbers(a) for a in layer.trainable_weights)
    got = numbers(layer(now, before))
    for i in range(3):
        for k in range(K):
            s, change = now[i, k], now[i, k] - before[i, k]
            expected = s + np.maximum(np.concatenate([s, change]) @ w + b, 0) @ v + c
            expected[:2] += change[:2]
            np.testing.assert_allclose(got[i, k], expected, rtol=1e-4, atol=1e-5)


def test_without_what_is_learned_slots_move_straight_on():
    model = video()
    for w in model.transition.back.trainable_weights:
        w.assign(0 * w)
    slots = np.random.default_rng(0).uniform(-0.4, 0.4, (2, 2, K, CODE)).astype("float32")
    slots[..., 2:FRAME] = 0.2
    slots[:, :, 0, :FRAME] = WHOLE
    ahead = model.forecast(slots, 5)
    way = slots[:, 1, :, :2] - slots[:, 0, :, :2]
    for t in range(5):
        np.testing.assert_allclose(ahead[:, t, 1:, :2], (slots[:, 1, :, :2] + (t + 1) * way)[:, 1:], **CLOSE)
        np.testing.assert_array_equal(ahead[:, t, 0, :FRAME], np.broadcast_to(np.float32(WHOLE), (2, FRAME)))
    np.testing.assert_allclose(ahead[..., 2:], slots[:, 1:, :, 2:].repeat(5, axis=1), **CLOSE)
    np.testing.assert_allclose(model.forecast(slots[:, :1], 2), slots[:, :1].repeat(2, axis=1), **CLOSE)  # no way known


@pytest.mark.parametrize("name", VARIANTS)
def test_encoding_is_expectation_and_correction_in_turn(name, models, films):
    model, (x, masks) = models[name], (films[0][:3], films[1][:3])
    slots = model.encode(x, hints=hints(model, masks), seed=3)
    assert slots.shape == (3, T, K, CODE)
    still, attention = model.autoencoder, model.autoencoder.attention
    if not model.hinted:
        np.testing.assert_allclose(slots[:, 0], still.encode(x[:, 0], seed=3), **CLOSE)
    for t in range(1, T):
        e = model.forecast(slots[:, max(t - 2, 0) : t], 1)[:, 0]
        moved, shares = attention(still.call(x[:, t]), slots=e, iterations=model.iterations)
        seen = numbers(shares).sum(axis=(2, 3))[..., None]
        gain = seen / (seen + model.patience)
        np.testing.assert_allclose(slots[:, t], (1 - gain) * e + gain * numbers(moved), **CLOSE)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_loss_is_the_energy_of_what_is_found_and_of_what_is_expected(name, models, films):
    model, (x, masks) = models[name], films
    given = hints(model, masks)
    loss = model.evaluate(x, given)
    still, slots = model.autoencoder, model.encode(x, hints=given)
    if not model.hinted:
        found = [numbers(still.found(x[:, 0], noise=still.noise[: len(x)])[0])]
        for t in range(1, T):
            found.append(model.correct_batch(x[:, t], model.expect_batch(found[-1], found[max(t - 2, 0)])))
        slots = np.stack(found, axis=1)
    frames = lambda a: a.reshape(-1, *a.shape[2:])
    squared = np.square(x - model.decode(slots))
    assert loss["mse"] == pytest.approx(squared.mean(), rel=1e-3)

    def nats(x, slots):
        if still.mixture:
            return still.energy(frames(x), codes=frames(slots))["total"].mean()
        squared = np.square(frames(x) - still.decode(frames(slots))).sum(axis=(1, 2, 3)).mean()
        return squared / (2 * still.scale**2) + x[0, 0].size * np.log(still.scale * np.sqrt(2 * np.pi))

    assert loss["rec"] == pytest.approx(nats(x, slots), rel=1e-3, abs=0.5)
    assert ("ahead" in loss) == (model.foresight > 0)
    if model.foresight:
        ahead = np.stack([model.forecast(slots[:, max(t - 2, 0) : t], 1)[:, 0] for t in range(1, T)], axis=1)
        assert loss["ahead"] == pytest.approx(nats(x[:, 1:], ahead), rel=1e-3, abs=0.5)
        assert loss["loss"] == pytest.approx(loss["rec"] + loss["ahead"], rel=1e-4)


@pytest.mark.parametrize("name", HINTED)
def test_slots_are_a_set_and_keep_the_order_of_their_hints(name, models, films):
    model, (x, masks) = models[name], (films[0][:4], films[1][:4])
    given, b = hints(model, masks), int(model.autoencoder.attention.background)
    order = np.array([2, 0, 1, 3][: K - b])
    slots, permuted = model.encode(x, hints=given), model.encode(x, hints=given[:, order])
    np.testing.assert_allclose(permuted[:, :, b:], slots[:, :, b:][:, :, order], rtol=1e-3, atol=1e-4)
    assert np.abs(slots[:, :, b:] - slots[:, :, b:][:, :, order]).max() > 0.01  # else the order would say nothing


def test_shares_sum_to_one_and_labels_are_their_largest(models, films):
    model, x = models["plain"], films[0][:3]
    codes = model.encode(x, slots=6, seed=1)
    q = model.predict_proba(x, codes=codes)
    assert q.shape == (3, T, 16, 16, 6)
    np.testing.assert_allclose(q.sum(axis=-1), 1, rtol=1e-4)
    np.testing.assert_array_equal(model.predict(x, slots=6, seed=1), q.argmax(axis=-1))
    np.testing.assert_allclose(q[:, 2], model.autoencoder.predict_proba(x[:, 2], codes=codes[:, 2]), rtol=1e-4)
    np.testing.assert_array_equal(model.reconstruct(x, slots=6, seed=1), model.decode(codes))


def test_a_film_of_one_frame_is_a_picture(models, films):
    model, x = models["plain"], films[0][:3, :1]
    np.testing.assert_allclose(model.encode(x, seed=2)[:, 0], model.autoencoder.encode(x[:, 0], seed=2), **CLOSE)
    assert model.predict(x).shape == (3, 1, 16, 16)


def test_boxes_are_those_of_each_object_by_itself(films):
    masks = films[1][:, 0].copy()
    masks[3][masks[3] == 2] = 0
    found = object_boxes(masks, 3)
    assert np.isnan(found[:, 2]).all()
    assert np.isnan(found[3, 1]).all()
    for n in range(len(masks)):
        for i in range(2):
            if (n, i) != (3, 1):
                np.testing.assert_array_equal(found[n, i], regions.boxes(masks[n : n + 1] == i + 1)[0])


def test_a_hint_is_the_place_and_size_of_its_object(models):
    """Of a full box the mean and standard deviation of its rows and columns, where the picture goes from -1 to 1."""
    model = models[HINTED[0]]
    given = np.full((1, 3, 4), np.nan)
    given[0, 1] = 2, 4, 8, 14
    (rows, columns) = (np.linspace(-1, 1, 3201)[lo * 200 : hi * 200 + 1] for lo, hi in ((2, 8), (4, 14)))
    made = model._hints(given, np.zeros((1, 2, *SHAPE)), "test")["hints"]
    wanted = [rows.mean(), columns.mean(), rows.std(), columns.std(), 1]
    np.testing.assert_allclose(made[0, 1], wanted, atol=2e-3)
    np.testing.assert_array_equal(made[0, [0, 2]], 0)
    start = model.hint_batch(made)
    np.testing.assert_allclose(start[0, 2, :FRAME], made[0, 1, :FRAME], rtol=1e-5)
    np.testing.assert_array_equal(start[0, [0, 1, 3], :FRAME], np.float32([WHOLE] * 3))


def test_training_is_the_same_from_the_same_seed(films):
    x = films[0]
    ends = []
    for _ in range(2):
        model = video(seed=5)
        model.fit(x, epochs=2, batch_size=4, seed=1, verbose=0)
        ends.append(model.encode(x))
    np.testing.assert_allclose(*ends, **CLOSE)


@pytest.mark.slow
def test_training_lowers_the_error_of_what_is_seen_and_of_what_is_expected(films):
    x, masks = films
    model = video(hinted=True)
    given = hints(model, masks)
    before = model.evaluate(x, given)
    model.fit(x, given, epochs=60, batch_size=12, verbose=0)
    after = model.evaluate(x, given)
    assert after["rec"] < before["rec"] - 200
    assert after["ahead"] < before["ahead"] - 200


@pytest.mark.parametrize("name", VARIANTS)
def test_a_saved_model_is_the_same_model(name, tmp_path, models, films, same):
    model, (x, masks) = models[name], (films[0][:4], films[1][:4])
    given = hints(model, masks)
    model.fit(x, given, batch_size=4, verbose=0)
    model.save(tmp_path / "video.keras")
    again = keras.saving.load_model(tmp_path / "video.keras")
    np.testing.assert_array_equal(again.encode(x, hints=given), model.encode(x, hints=given))
    same(model, again)
    assert again.evaluate(x, given) == pytest.approx(model.evaluate(x, given))


BLACK = np.zeros((2, 3, *SHAPE), "float32")


def test_strange_films_give_finite_answers(models):
    for x in (BLACK, BLACK + 1, np.random.default_rng(0).random(BLACK.shape, "float32")):
        for name in ("plain", HINTED[0]):
            q = models[name].predict_proba(x, hints=np.full((2, 3, 4), np.nan) if name in HINTED else None)
            assert np.isfinite(q).all()


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda m, h: SlotVideo(m.transition), TypeError, "autoencoder wants a SlotAutoencoder"),
        (lambda m, h: SlotVideo(m.autoencoder, max), TypeError, r"transition wants a Layer such as Inertia\(d\)"),
        (lambda m, h: SlotVideo(m.autoencoder, patience=-1), ValueError, "patience must be a finite number >= 0"),
        (lambda m, h: SlotVideo(m.autoencoder, foresight=np.nan), ValueError, "foresight must be a finite number >= 0"),
        (lambda m, h: SlotVideo(m.autoencoder, iterations=0), ValueError, "iterations wants a whole number >= 1"),
        (lambda m, h: Inertia(0), ValueError, "size wants a whole number >= 1, got 0"),
        (lambda m, h: m.fit(BLACK[:, :0]), ValueError, "at least one film of at least one frame"),
        (lambda m, h: m.fit([BLACK[0], BLACK[0, :2]]), ValueError, "different sizes"),
        (lambda m, h: m.encode([[BLACK[0, 0], BLACK[0, 0, :8]]]), ValueError, "frames all have one size"),
        (lambda m, h: m.encode(BLACK[:, :, :8]), ValueError, r"wanted shape \(n, None, 16, 16, 3\)"),
        (lambda m, h: m.encode(BLACK[0]), ValueError, "One film needs a batch axis"),
        (lambda m, h: m.encode(BLACK * np.nan), ValueError, "NaN or infinity"),
        (lambda m, h: m.predict(BLACK, slots=0), ValueError, "slots wants a whole number >= 1, got 0"),
        (lambda m, h: m.predict(BLACK, slots=1), ValueError, "wanted 2 slots or more"),
        (lambda m, h: m.decode(np.zeros((2, 3, K, CODE - 1), "float32")), ValueError, "decode: wanted shape"),
        (lambda m, h: m.forecast(np.zeros((2, 3, K, CODE), "float32"), 0), ValueError, "frames wants a whole number"),
        (lambda m, h: m.predict(BLACK, codes=np.zeros((2, 2, K, CODE), "float32")), ValueError, "for each of 3 frames"),
        (lambda m, h: m.encode(BLACK, hints=np.zeros((2, 3, 4))), ValueError, "this model takes no hints"),
        (lambda m, h: h.encode(BLACK), ValueError, "this model wants hints, boxes of 3 objects of 2 films"),
        (lambda m, h: h.fit(BLACK, np.zeros((2, 5, 4))), ValueError, r"\(2, 3, 4\), got \(2, 5, 4\)"),
        (lambda m, h: h.encode(BLACK, hints=np.ones((2, 3, 4))), ValueError, "top < bottom and left < right"),
        (lambda m, h: object_boxes(np.zeros((2, 8, 8), int), 0), ValueError, "objects wants a whole number"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(use, error, message, models):
    with pytest.raises(error, match=message):
        use(models["plain"], models[HINTED[0]])
