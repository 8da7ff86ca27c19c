"""The slot autoencoder against its formulas in NumPy loops, laws of symmetry, and broken input."""

import keras
import numpy as np
import pytest
from scipy.stats import norm
from slotted import SHAPE, VARIANTS, D, K, discs, numbers, slot_model

from aecore import slot_editing
from aecore.networks import conv_encoder, mlp_encoder
from aecore.slot_decoders import BroadcastDecoder, CanvasDecoder
from aecore.slot_layers import FRAME, SlotAttention
from aecore.slots import SlotAutoencoder


@pytest.fixture(scope="module")
def models():
    return {name: slot_model(**arguments) for name, arguments in VARIANTS.items()}


@pytest.fixture(scope="module")
def pictures():
    return discs()


@pytest.mark.parametrize("name", VARIANTS)
def test_slots_are_a_set(name, models, pictures):
    model, x = models[name], pictures[:3]
    order = np.array([0, 3, 1, 2]) if model.attention.background else np.array([2, 3, 1, 0])
    start = model.encode(x, seed=4)
    slots, attention = model.encode(x, initial=start, attention=True)
    permuted, permuted_attention = model.encode(x, initial=start[:, order], attention=True)
    close = dict(rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(permuted, slots[:, order], **close)
    np.testing.assert_allclose(permuted_attention, attention[..., order], **close)
    np.testing.assert_allclose(model.decode(permuted), model.decode(slots), **close)
    layers, permuted_layers = model.layers_of(slots), model.layers_of(slots[:, order])
    np.testing.assert_allclose(permuted_layers.masks, layers.masks[..., order], **close)
    np.testing.assert_allclose(permuted_layers.colours, layers.colours[:, order], **close)
    np.testing.assert_allclose(model.energy(x, codes=permuted)["total"], model.energy(x, codes=slots)["total"], 1e-4)
    assert np.abs(slots - slots[:, order]).max() > 0.01  # else the order would say nothing


@pytest.mark.parametrize("name", VARIANTS)
def test_shares_sum_to_one_and_pictures_are_their_layers(name, models, pictures):
    model, x = models[name], pictures[:5]
    slots, attention = model.encode(x, attention=True)
    layers = model.layers_of(slots)
    for shares in (attention, layers.masks, model.predict_proba(x)):
        assert shares.min() >= 0
        np.testing.assert_allclose(shares.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(model.decode(slots), np.einsum("nhwk,nkhwc->nhwc", *layers[::-1]), atol=1e-5)
    np.testing.assert_allclose(model.reconstruct(x), model.decode(slots), atol=1e-5)
    np.testing.assert_array_equal(model.predict(x), model.predict_proba(x).argmax(axis=-1))


def test_energy_and_labels_are_those_of_the_mixture(models, pictures):
    model, x = models["canvas"], pictures[:3]
    slots = model.encode(x)
    colours, masks = model.layers_of(slots)
    density = norm.pdf(x[:, None], colours, model.scale).astype("float64").prod(axis=-1)  # (n, k, h, w)
    joint = np.moveaxis(masks, -1, 1) * density
    energy = model.energy(x, codes=slots)
    np.testing.assert_allclose(energy["total"], -np.log(joint.sum(axis=1)).sum(axis=(1, 2)), rtol=1e-4)
    q = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(x, codes=slots), np.moveaxis(q, 1, -1), atol=1e-4)
    np.testing.assert_allclose(energy["colour"], -(q * np.log(density)).sum(axis=(1, 2, 3)), rtol=1e-3)
    np.testing.assert_allclose(sum(energy[k] for k in ("colour", "mask", "entropy")), energy["total"], rtol=1e-6)
    assert (energy["entropy"] <= 0).all()
    drawn = numbers(model.found(x, noise=model.noise[:3])[0])
    evaluated = model.evaluate(x)
    assert evaluated["rec"] == pytest.approx(model.energy(x, codes=drawn)["total"].mean(), rel=1e-4)
    assert evaluated["loss"] == pytest.approx(evaluated["rec"])


def test_without_a_mixture_the_loss_is_that_of_the_mixed_picture(models, pictures):
    model, x = models["broadcast, no places, mean"], pictures[:3]
    reconstruction = model.decode(numbers(model.found(x, noise=model.noise[:3])[0]))
    nll = -norm.logpdf(x, reconstruction, model.scale).sum(axis=(1, 2, 3))
    evaluated = model.evaluate(x)
    assert evaluated["rec"] == pytest.approx(nll.mean(), rel=1e-4)
    assert evaluated["mse"] == pytest.approx(np.square(x - reconstruction).mean(), rel=1e-4)


def test_any_number_of_slots_is_found_by_the_same_weights(models, pictures):
    model, x = models["canvas"], pictures[:3]
    for k in (2, 7):
        assert model.encode(x, slots=k).shape == (3, k, FRAME + D)
        assert model.predict(x, slots=k).max() < k
        assert np.isfinite(model.energy(x, slots=k)["total"]).all()


def test_a_resumed_run_ends_as_one_without_interruption(tmp_path, pictures, same):
    whole, halves = slot_model(), slot_model()
    whole.fit(pictures, epochs=2, batch_size=8, validation_data=pictures[:4], verbose=0)
    halves.fit(pictures, epochs=1, batch_size=8, checkpoint=tmp_path / "run.npz", verbose=0)
    halves = slot_model()
    halves.fit(pictures, epochs=2, batch_size=8, checkpoint=tmp_path / "run.npz", verbose=0)
    same(whole, halves)


def test_noise_is_a_function_of_seed_and_step(pictures):
    model = slot_model(seed=5)
    model.build_optimizer()
    arrays = model.check(pictures)
    model.past = 0
    batches = model.batches(arrays, 8, seed=2)
    (_, first), (_, again), (_, later) = batches[0], model.batches(arrays, 8, seed=3)[0], batches[1]
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - later).max() > 0.1
    assert 0 <= first[..., :2].min() <= first[..., :2].max() < 1


def test_training_separates_discs(pictures):
    model = slot_model(slots=3, scale=0.2)
    before = model.evaluate(pictures)
    model.fit(pictures, epochs=40, batch_size=12, verbose=0)
    after = model.evaluate(pictures)
    assert after["rec"] < before["rec"] - 50
    assert after["mse"] < 0.7 * before["mse"]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_saved_model_is_the_same_model(name, tmp_path, models, pictures, same):
    model = models[name]
    model.fit(pictures[:8], batch_size=8, verbose=0)
    model.save(tmp_path / "slots.keras")
    again = keras.saving.load_model(tmp_path / "slots.keras")
    np.testing.assert_array_equal(again.encode(pictures[:4]), model.encode(pictures[:4]))
    np.testing.assert_array_equal(again.reconstruct(pictures[:4]), model.reconstruct(pictures[:4]))
    same(model, again)
    assert again.evaluate(pictures[:4]) == pytest.approx(model.evaluate(pictures[:4]))


def thirds():
    """An encoder whose grid does not divide the picture."""
    return keras.Sequential([keras.Input(SHAPE), keras.layers.Conv2D(7, 3, 3, "same")])


def fit_parts(**given):
    encoder = conv_encoder(SHAPE, (5,), 7, grid=True)
    parts = dict(encoder=encoder, attention=SlotAttention(D), decoder=CanvasDecoder(SHAPE, D))
    keywords = {k: given.pop(k) for k in ("slots", "scale", "mixture") if k in given}
    return SlotAutoencoder(*{**parts, **given}.values(), **keywords)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fit_parts(slots=0), ValueError, "slots wants a whole number >= 1, got 0"),
        (lambda: fit_parts(slots=1), ValueError, "wanted 2 slots or more, the background's and an object's; got 1"),
        (lambda: fit_parts(scale=0.0), ValueError, "scale must be a finite number > 0"),
        (lambda: fit_parts(encoder=thirds()), ValueError, "divides the picture.s 16 x 16 pixels, got 6 x 6"),
        (lambda: fit_parts(encoder=mlp_encoder(SHAPE, (), 7)), ValueError, r"Use conv_encoder\(..., grid=True\)"),
        (lambda: fit_parts(encoder=conv_encoder((8, 8, 3), (5,), 7, grid=True)), ValueError, "what the decoder paints"),
        (lambda: fit_parts(decoder=CanvasDecoder(SHAPE, D + 1)), ValueError, "Give both the same"),
        (lambda: fit_parts(decoder=CanvasDecoder(SHAPE, D, background=False)), ValueError, "Give both the same"),
        (lambda: fit_parts(attention=None), TypeError, r"attention wants a SlotAttention such as SlotAttention\(32\)"),
        (lambda: SlotAttention(0), ValueError, "size wants a whole number >= 1"),
        (lambda: SlotAttention(4, iterations=0), ValueError, "iterations wants a whole number >= 1"),
        (lambda: CanvasDecoder((16, 16), D), ValueError, r"shape must be \(height, width, channels\)"),
        (lambda: BroadcastDecoder(SHAPE, D, hidden=(0,)), ValueError, r"hidden\[0\] wants a whole number"),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda m, x, s: m.fit(x * 2), ValueError, r"wanted pictures in \[0, 1\]"),
        (lambda m, x, s: m.fit(x, x), ValueError, "leave y out"),
        (lambda m, x, s: m.encode(x[:, :8]), ValueError, r"wanted shape \(n, 16, 16, 3\)"),
        (lambda m, x, s: m.encode(x[:0]), ValueError, "wanted at least one example"),
        (lambda m, x, s: m.encode(x, slots=1), ValueError, "wanted 2 slots or more"),
        (lambda m, x, s: m.encode(x, initial=s[:2]), ValueError, "initial wants"),
        (lambda m, x, s: m.encode(x, slots=9, initial=s), ValueError, "initial wants"),
        (lambda m, x, s: m.decode(s[..., 1:]), ValueError, r"decode: wanted shape"),
        (lambda m, x, s: m.predict(x, codes=s[:2]), ValueError, "wanted the codes of 4 pictures, got 2"),
        (lambda m, x, s: m.encode(x * np.nan), ValueError, "NaN"),
        (lambda m, x, s: slot_editing.move(s, 0, (0, 0)), ValueError, "slot 0 is the background's"),
        (lambda m, x, s: slot_editing.move(s, 1, (0, np.nan)), ValueError, "two finite numbers"),
        (lambda m, x, s: slot_editing.remove(s, K), ValueError, "slot must lie from 1 to 3"),
        (lambda m, x, s: slot_editing.remove(s[:, :1], 0, background=False), ValueError, "nothing would be left"),
        (lambda m, x, s: slot_editing.swap(s, 1, [2, 3]), ValueError, "whole number, or 4 of them"),
        (lambda m, x, s: slot_editing.move(s[..., :4], 1, (0, 0)), ValueError, "more than 4 numbers"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit_are_refused(use, error, message, models, pictures):
    with pytest.raises(error, match=message):
        use(models["canvas"], pictures[:4], models["canvas"].encode(pictures[:4]))
