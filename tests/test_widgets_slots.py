"""The Python side of the figures of slots: what they carry, what they refuse, how their traits behave."""

import gzip
import json

import moving
import numpy as np
import pytest
from living import saved
from slotted import VARIANTS, D, K, discs, slot_model
from test_widgets import read

from aecore import sprites
from aecore.metrics_objects import identity, mbo
from aecore.networks import conv_encoder
from aecore.slot_decoders import CanvasDecoder
from aecore.slot_layers import FRAME, SlotAttention
from aecore.slots import SlotAutoencoder
from aecore.widgets_slots import SlotScene, SlotTracks

X = discs(3)
FILMS, MASKS = (part[:2] for part in moving.discs())


# ---- a scene ----


def test_a_scene_carries_slots_pictures_and_the_decoders_weights():
    model = slot_model()
    figure = SlotScene(model, X, slots=5, seed=2)
    spec, data = figure.spec, figure.data
    np.testing.assert_array_equal(read(data, spec["slots"]), model.encode(X, 5, seed=2))
    np.testing.assert_allclose(read(data, spec["pictures"]), X, atol=0.51 / 255)
    (layer,) = spec["objects"]["layers"]
    assert (spec["objects"]["input"], spec["ground"]["input"]) == ([FRAME + D], [D])
    decoder, features = model.decoder, model.encode(X)[0, 1:2, FRAME:]
    hidden = np.maximum(features @ read(data, layer["read_kernel"]) + read(data, layer["read_bias"]), 0)
    heads = (hidden @ read(data, layer["heads_kernel"]) + read(data, layer["heads_bias"]))[0]
    told = decoder.read(features)
    for part, (start, end) in {"stretch": (0, 2), "mask": (2, 146), "paints": (146, 149)}.items():
        np.testing.assert_allclose(heads[start:end], np.asarray(getattr(decoder, part)(told))[0], rtol=1e-5, atol=1e-5)
    assert (figure.picture, figure.slot, figure.codes, figure.out) == (0, -1, [], [])


def test_without_a_background_no_ground_is_carried():
    figure = SlotScene(slot_model(**VARIANTS["coloured canvas, no background"]), X)
    assert "ground" not in figure.spec
    assert set(figure.spec["probe"]) == {"objects"}
    assert figure.spec["objects"]["layers"][0]["colours"] == 3


def test_codes_are_checked():
    figure = SlotScene(slot_model(), X)
    figure.codes = figure_codes = [0.5] * (K * (FRAME + D))
    assert figure.codes == figure_codes
    with pytest.raises(ValueError, match=f"codes of {K * (FRAME + D)} numbers"):
        figure.codes = [0.5]


def test_errors_of_the_scene():
    model = slot_model()

    class Other(type(model.decoder)):
        pass

    other = slot_model()
    other.decoder.__class__ = Other
    assert SlotScene(other, X).spec["objects"], "what paints as a canvas does is one"
    other.decoder.__class__ = type(model.decoder).__base__
    cases = [
        (dict(model=slot_model(**VARIANTS["broadcast, no places, mean"])), "without places no object can be moved"),
        (dict(model=other), "CanvasDecoder or a BroadcastDecoder"),
        (dict(images=discs(13)), "at most 12 pictures"),
        (dict(images=2 * X), r"images in \[0, 1\]|in \[0, 1\]"),
        (dict(images=X[:, :8]), "16"),
        (dict(slots=17), "at most 16 slots, got 17"),
    ]
    for wrong, words in cases:
        with pytest.raises(ValueError, match=words):
            SlotScene(**{"model": model, "images": X, **wrong})
    with pytest.raises(TypeError, match="SlotAutoencoder"):
        SlotScene(None, X)


# ---- films ----


def test_tracks_are_the_models_labels_and_the_measures_of_them():
    video = moving.video()
    figure = SlotTracks({"carried": video, "alone": video.autoencoder, "truth": MASKS}, FILMS, MASKS)
    spec, data = figure.spec, figure.data
    labels = np.rint(255 * read(data, spec["labels"])).astype(int)
    np.testing.assert_array_equal(labels[0], video.predict(FILMS))
    frames = FILMS.reshape(-1, *moving.SHAPE)
    np.testing.assert_array_equal(labels[1].reshape(frames.shape[:3]), video.autoencoder.predict(frames))
    np.testing.assert_array_equal(labels[2], MASKS)
    np.testing.assert_allclose(read(data, spec["films"]), FILMS, atol=0.51 / 255)
    for k in range(3):
        for i in range(2):
            assert spec["kept"][k][i] == identity(MASKS[[i]], labels[k][[i]])
            assert spec["overlap"][k][i] == pytest.approx(mbo(MASKS, labels[k])[i])
    assert (spec["names"], figure.model, spec["first"]) == (["carried", "alone", "truth"], "carried", [1, 1, 1])
    assert (spec["kept"][2], spec["overlap"][2]) == ([1, 1], [1, 1])
    assert np.rint(255 * read(data, spec["ghosts"]))[2].max() == 0, "labels by themselves have no shapes"


def test_ghosts_are_shapes_that_others_have_won_much_of():
    labels = np.zeros((1, 2, 8, 8), int)
    labels[0, :, 2:6, 2:6] = 2  # in front
    shapes = np.zeros((*labels.shape, 3), bool)
    shapes[0, :, 2:6, 2:6, 1] = True
    shapes[0, 0, 2:6, 3:7, 0] = True  # behind it, but for one column
    shapes[0, 1, 2:6, 5:8, 0] = True  # beside it, but for one column: a third is hidden
    shapes[0, 1, 0:2, 0:8, 2] = True  # over the ground, which is no other object
    films = np.zeros((1, 2, 8, 8, 3))
    figure = SlotTracks((labels, shapes), films)
    bits = np.rint(255 * read(figure.data, figure.spec["ghosts"]))[0, 0].astype(int)
    np.testing.assert_array_equal(bits & 1, shapes[0, ..., 0])
    np.testing.assert_array_equal(bits & 6, 0)
    shapes[0, 1, 2:6, 4, 0], shapes[0, 1, 2:6, 5, 0] = False, False  # now nothing of it is hidden
    again = SlotTracks((labels, shapes), films)
    assert np.rint(255 * read(again.data, again.spec["ghosts"]))[0, 0, 1].max() == 0
    assert "truth" not in figure.spec


def test_a_videos_ghosts_are_where_it_would_win_against_the_ground():
    video = moving.video()
    figure = SlotTracks(video, FILMS)
    labels, codes = video.predict(FILMS), video.encode(FILMS)
    bits = np.rint(255 * read(figure.data, figure.spec["ghosts"]))[0].astype(int)
    for i, t in np.ndindex(labels.shape[:2]):
        masks = video.autoencoder.layers_of(codes[i, t][None]).masks[0]
        for k in range(1, moving.K):
            shape = masks[..., k] > masks[..., 0]
            lost = shape & ~np.isin(labels[i, t], (0, k))
            wanted = shape if lost.sum() > 0.25 * shape.sum() else np.zeros_like(shape)
            np.testing.assert_array_equal((bits[i, t] >> (k - 1)) & 1, wanted)


@pytest.mark.parametrize("name", moving.HINTED)
def test_a_hinted_model_is_told_the_first_frames_boxes(name):
    video = moving.video(**moving.VARIANTS[name])
    figure = SlotTracks(video, FILMS, MASKS)
    ground = int(video.autoencoder.attention.background)
    found = np.rint(255 * read(figure.data, figure.spec["labels"]))[0]
    np.testing.assert_array_equal(found, video.predict(FILMS, hints=moving.hints(video, MASKS)) + 1 - ground)
    assert figure.spec["first"] == [ground]
    with pytest.raises(ValueError, match="wants hints"):
        SlotTracks(video, FILMS)


def test_errors_of_the_tracks():
    shapes = np.zeros((*MASKS.shape, 2), bool)
    cases = [
        (({}, FILMS), "wanted 1 to 4 tracks, got 0"),
        ((dict.fromkeys("abcde", MASKS), FILMS), "wanted 1 to 4 tracks, got 5"),
        ((MASKS[:1], FILMS), "wanted labels"),
        ((MASKS, FILMS, MASKS[:1]), "wanted masks"),
        ((MASKS + 8, FILMS), "labels from 0 to 8"),
        (((MASKS, shapes[:1]), FILMS), "wanted bool shapes"),
        (((MASKS, shapes.astype(int)), FILMS), "wanted bool shapes"),
        ((MASKS, 2 * FILMS), r"films in \[0, 1\]"),
        ((MASKS[:, :1], FILMS[:, :1]), "of 2 to 40 frames"),
        ((np.repeat(MASKS, 300, axis=0), np.repeat(FILMS, 300, axis=0)), "at most 12 films"),
    ]
    for given, words in cases:
        with pytest.raises(ValueError, match=words):
            SlotTracks(*given)


def test_a_page_has_room_for_both_figures():
    """In bytes as a host sends them: six pictures and a decoder, and four films of twelve frames, of 32 x 32."""
    x, films = sprites.sprites(6, seed=1).x, sprites.films(4, frames=12, seed=1)
    parts = conv_encoder((32, 32, 3), (8,), 8, grid=True), SlotAttention(32), CanvasDecoder((32, 32, 3), 32)
    scene, tracks = (
        SlotScene(SlotAutoencoder(*parts), x),
        SlotTracks({"a": films.masks, "b": films.masks}, films.x, films.masks),
    )
    states = [state["state"][key] for state, key in map(saved, (scene, tracks))]
    weights = [len(gzip.compress(json.dumps(state).encode())) for state in states]
    assert sum(weights) < 200_000, weights
