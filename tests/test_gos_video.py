"""The tracker's energy against its terms, its answers where they are known, and films that are refused."""

import numpy as np
import pytest

from aecore import scenes
from aecore.appearance import ColourMixture
from aecore.dense import DenseCRF
from aecore.gos import Segmenter
from aecore.gos_video import Tracker
from aecore.inference import CLIP, HINT
from aecore.metrics_masks import iou
from aecore.motion import Likeness
from aecore.priors import FLAW, MeanShape

SIZE, T = 24, 5


@pytest.fixture(scope="module")
def films():
    """Three films of 5 frames in which an object, cut out of one picture, crosses another; and their masks."""
    made = scenes.objects(6, size=16, clutter=0.3, seed=1)
    ground = np.pad(made.x[3:], [(0, 0), (4, 4), (4, 4), (0, 0)], mode="reflect")
    x, masks = np.repeat(ground[:, None], T, axis=1), np.zeros((3, T, SIZE, SIZE), "uint8")
    for t in range(T):
        here = (slice(None), t, slice(t, t + 16), slice(2 * t, 2 * t + 16))
        masks[here] = made.masks[:3]
        x[here] = np.where(made.masks[:3, ..., None] > 0, made.x[:3], x[here])
    return x, masks


@pytest.fixture(scope="module")
def segmenter(films):
    return Segmenter(border=0, appearance_weight=0.2, prior_weight=0, rounds=2).fit(films[1][:, 0])


def test_costs_are_hints_that_count_as_much_as_is_said(films):
    x, masks = films[0][:, 0], films[1][:, 0]
    segmenter = Segmenter(border=0, rounds=2).fit(masks)
    labels = np.full(masks.shape, -1)
    labels[:, 3:9, 3:9], labels[:, 15:, 15:] = 1, 0
    costs = np.float32(HINT) * ((labels[..., None] >= 0) & (labels[..., None] != np.arange(2)))
    np.testing.assert_array_equal(segmenter.predict_proba(x, hints=labels), segmenter.predict_proba(x, hints=costs))
    costs = np.random.default_rng(0).normal(size=(*masks.shape, 2)).astype("float32")
    q = np.random.default_rng(1).dirichlet([1, 1], masks.shape).astype("float32")
    terms = segmenter.energy(x, q, hints=costs)
    np.testing.assert_allclose(terms["hints"], (q * costs).sum(axis=(1, 2, 3)), rtol=1e-4)
    without = segmenter.energy(x, q)
    np.testing.assert_allclose(terms["total"], without["total"] + terms["hints"], rtol=1e-4)
    higher = costs + np.array([1.0, 0.0], "float32")
    assert (
        segmenter.predict_proba(x, hints=higher)[..., 1] >= segmenter.predict_proba(x, hints=costs)[..., 1]
    ).mean() > 0.99


def test_a_frame_is_labelled_by_the_sum_of_what_speaks_for_it(films):
    """Without neighbours and with one round, q is a softmax of the three terms, each computed here by itself."""
    x, first = films[0][:, :2], films[1][:, 0]
    alone = Segmenter(border=0, prior_weight=0, rounds=1, crf=DenseCRF(1, bilateral=0.0)).fit(first)
    got = Tracker(alone, weight=0.7, memory=0.3).predict_proba(x, first)
    labels = np.eye(2, dtype="float32")[first]
    np.testing.assert_array_equal(got[:, 0], labels)
    phi = -np.log(FLAW + (1 - 2 * FLAW) * Likeness()(x[:, 0], x[:, 1], labels))
    high = lambda log_p: np.minimum(log_p.max(axis=-1, keepdims=True) - log_p, CLIP)
    tall = np.concatenate([x[:, 0], x[:, 1]], axis=1)  # one above the other, of which the lower one counts nothing
    known = np.ones(tall.shape[:3], bool)
    known[:, SIZE:] = False
    chi = high(ColourMixture().fit_predict(tall, np.concatenate([labels, labels], axis=1), known)[:, SIZE:])
    start = np.exp(MeanShape(first).log_s - 0.7 * phi - 0.3 * chi)
    psi = high(ColourMixture().fit_predict(x[:, 1], start / start.sum(axis=-1, keepdims=True)))
    q = np.exp(-0.4 * psi - 0.7 * phi - 0.3 * chi)
    np.testing.assert_allclose(got[:, 1], q / q.sum(axis=-1, keepdims=True), atol=2e-3)


def test_what_moves_is_followed(films, segmenter):
    x, masks = films
    found = Tracker(segmenter).predict(x, masks[:, 0])
    np.testing.assert_array_equal(found[:, 0], masks[:, 0])
    score = lambda a: iou(masks[:, -1], a).mean()
    copied, alone = masks[:, 0], segmenter.predict(x[:, -1])
    assert score(found[:, -1]) > max(score(copied), score(alone)) + 0.15


def test_a_film_of_one_picture_keeps_its_mask(films, segmenter):
    x, masks = films
    still = np.repeat(x[:, :1], 4, axis=1)
    found = Tracker(segmenter, weight=2.0).predict(still, masks[:, 0])
    assert iou(masks[:, 0], found[:, -1]).min() > 0.85


def test_labels_are_exchangeable(films):
    x, masks = films
    halves = np.where(masks & (np.arange(SIZE) < 12), 2, masks)[:, 0]
    swap = np.array([0, 2, 1])
    a, b = (
        Tracker(Segmenter(border=0, prior_weight=0, rounds=2, labels=3).fit(first)).predict_proba(x[:, :3], first)
        for first in (halves, swap[halves])
    )
    np.testing.assert_allclose(a, b[..., [0, 2, 1]], atol=5e-3)


def test_the_parts_are_those_that_were_given(films, segmenter):
    x, masks = films
    where = []

    def stay(before, now, q):
        where.append((before, now))
        return q

    Tracker(segmenter, stay, memory=0).predict(x, masks[:, 0])
    for t, (before, now) in enumerate(where):
        np.testing.assert_array_equal(before, x[:, t])
        np.testing.assert_array_equal(now, x[:, t + 1])
    assert len(where) == T - 1


STRANGE = {
    "black": np.zeros((1, 3, SIZE, SIZE, 3), "float32"),
    "one frame": np.random.default_rng(0).random((1, 1, SIZE, SIZE, 3), "float32"),
    "noise": np.random.default_rng(0).random((1, 3, SIZE, SIZE, 3), "float32"),
    "one channel": np.random.default_rng(0).random((1, 3, SIZE, SIZE, 1), "float32"),
}


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("value", [0, 1])
def test_strange_films_give_finite_answers(name, value, segmenter):
    x = STRANGE[name]
    first = np.full((1, SIZE, SIZE), value)
    q = Tracker(segmenter).predict_proba(x, first)
    assert q.shape == (*x.shape[:4], 2)
    assert np.isfinite(q).all()
    np.testing.assert_allclose(q.sum(axis=-1), 1, rtol=1e-4)


X, Y = np.zeros((2, 3, SIZE, SIZE, 3), "float32"), np.zeros((2, SIZE, SIZE), int)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda s: Tracker(s, weight=-1), "weight must be a finite number >= 0, got -1"),
        (lambda s: Tracker(s, memory=np.nan), "memory must be a finite number >= 0, got nan"),
        (lambda s: Tracker(s).predict(X[:, :0], Y), "at least one film of at least one frame"),
        (lambda s: Tracker(s).predict([X[0], X[1, :2]], Y), "different sizes"),
        (lambda s: Tracker(s).predict(X[0], Y), "One film needs a batch axis"),
        (
            lambda s: Tracker(s).predict(X, Y[:1]),
            r"first mask for each, of shape \(2, 24, 24\), got \(1, 24, 24\)",
        ),
        (lambda s: Tracker(s).predict(X, Y[:, 1:]), "want a first mask for each"),
        (lambda s: Tracker(s).predict(X, Y + 2), "wanted labels from 0 to 1, got 2 to 2"),
        (lambda s: Tracker(s).predict(X[:, :, :8], Y[:, :8]), "learnt at 24 x 24 pixels"),
        (lambda s: s.predict(X[:, 0], hints=np.zeros((1, SIZE, SIZE, 2))), "2 images want hints for each, got 1"),
        (lambda s: s.predict(X[:, 0], hints=np.zeros((2, SIZE, SIZE, 3))), r"wanted shape \(n, 24, 24, 2\)"),
        (lambda s: s.predict(X[:, 0], hints=np.full((2, SIZE, SIZE, 2), np.inf)), "NaN or infinity"),
    ],
)
def test_what_cannot_be_is_refused(act, message, segmenter):
    with pytest.raises(ValueError, match=message):
        act(segmenter)
