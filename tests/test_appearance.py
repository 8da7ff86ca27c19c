"""Mixtures of colours against SciPy's densities and EM written as a loop; what is defined where there is nothing."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from aecore.appearance import PSEUDO, ColourMixture, Logits, SharedMixture, _features, _monomials, _planes, _slices

RNG = np.random.default_rng(0)
X = RNG.random((3, 6, 7, 3)).astype("float32")
Q = RNG.dirichlet([1, 1, 1], (3, 6, 7)).astype("float32")


def by_a_loop(picture, weights, counts, steps, regulariser):
    """EM for one label of one picture: colours (n, d), weights (n,), counts (m, n) -> log p (n,)."""
    d = picture.shape[1]
    whole_mean, whole_square = picture.mean(axis=0), picture.T @ picture / len(picture)  # q sums to one
    for step in range(steps + 1):
        mass = counts.sum(axis=1) + PSEUDO
        logs = []
        for m, row in enumerate(counts):
            mean = (row @ picture + PSEUDO * whole_mean) / mass[m]
            square = (picture.T @ (row[:, None] * picture) + PSEUDO * whole_square) / mass[m]
            density = multivariate_normal(mean, square - np.outer(mean, mean) + regulariser * np.eye(d))
            logs.append(density.logpdf(picture) + np.log(mass[m] / mass.sum()))
        if step < steps:
            shares = np.exp(logs - np.logaddexp.reduce(logs, axis=0))
            counts = shares * weights
    return np.logaddexp.reduce(logs, axis=0)


@pytest.mark.parametrize("position", [0.0, 0.7])
@pytest.mark.parametrize("components", [1, 3])
def test_all_pictures_and_labels_at_once_are_em_one_by_one(components, position):
    log_p = ColourMixture(components, steps=4, regulariser=0.01, position=position).fit_predict(X, Q)
    assert log_p.shape == (3, 6, 7, 3)
    assert log_p.dtype == "float32"
    features, weights = _features(X, position), _planes(Q)
    counts = _slices(_monomials(features), weights, components, 0.01)
    for b in range(3):
        for k in range(3):
            expected = by_a_loop(features[b].T.astype("float64"), weights[b, k], counts[b, k], 4, 0.01)
            np.testing.assert_allclose(log_p[b, ..., k].ravel(), expected, rtol=1e-3, atol=1e-3)


def test_components_start_as_slices_of_equal_weight_that_do_not_overlap():
    weights = _planes(Q)
    counts = _slices(_monomials(_features(X, 0)), weights, 4, 0.01)
    np.testing.assert_allclose(counts.sum(axis=2), weights, rtol=1e-6)
    shares = counts.sum(axis=3) / weights.sum(axis=2)[..., None]
    assert abs(shares - 1 / 4).max() < weights.max() / weights.sum(axis=2).min()
    assert ((counts > 0).sum(axis=2) == 1).all()


def test_two_colours_are_told_apart():
    masks = np.zeros((1, 12, 12), int)
    masks[:, 3:9, 3:9] = 1
    picture = np.where(masks[..., None], [0.9, 0.2, 0.1], [0.1, 0.3, 0.8]) + RNG.normal(0, 0.03, (1, 12, 12, 3))
    q = np.full((1, 12, 12, 2), 0.5, "float32")
    q[:, 4:8, 4:8] = 0.3, 0.7
    log_p = ColourMixture().fit_predict(np.clip(picture, 0, 1).astype("float32"), q)
    np.testing.assert_array_equal(log_p.argmax(axis=-1), masks)


def test_labels_are_exchangeable_and_pictures_alone():
    mixture = ColourMixture(3)
    log_p = mixture.fit_predict(X, Q)
    np.testing.assert_allclose(mixture.fit_predict(X, Q[..., [2, 0, 1]]), log_p[..., [2, 0, 1]], atol=2e-3)
    np.testing.assert_allclose(mixture.fit_predict(X[1:2], Q[1:2]), log_p[1:2], atol=2e-3)


def test_hidden_pixels_do_not_count():
    known = RNG.random((3, 6, 7)) < 0.6
    other = np.where(known[..., None], X, 0.5 * X).astype("float32")
    seen = ColourMixture(1).fit_predict(X, Q, known)
    blind = ColourMixture(1).fit_predict(X, Q * known[..., None])
    np.testing.assert_allclose(seen, blind, rtol=1e-6)
    changed = ColourMixture(1).fit_predict(other, Q, known)
    assert abs(changed - seen)[known].max() < 0.01 < abs(changed - seen)[~known].max()


@pytest.mark.parametrize(
    ("picture", "q"),
    [
        (np.full((1, 8, 8, 3), 0.3, "float32"), np.full((1, 8, 8, 2), 0.5, "float32")),  # one colour
        (
            RNG.random((1, 8, 8, 3), "float32"),
            np.stack([np.ones((1, 8, 8)), np.zeros((1, 8, 8))], -1).astype("float32"),
        ),
        (np.zeros((1, 8, 8, 1), "float32"), np.stack([np.ones((1, 8, 8)), np.zeros((1, 8, 8))], -1).astype("float32")),
        (np.repeat(np.eye(8, dtype="float32")[None, ..., None], 3, -1), np.full((1, 8, 8, 2), 0.5, "float32")),
    ],
)
def test_what_has_nothing_to_fit_is_finite(picture, q):
    log_p = ColourMixture().fit_predict(picture, q)
    assert np.isfinite(log_p).all()
    assert np.isfinite(ColourMixture().fit_predict(picture, q, np.zeros(q.shape[:3], bool))).all()


def test_a_picture_of_one_colour_says_nothing():
    q = RNG.dirichlet([1, 1], (1, 8, 8)).astype("float32")
    log_p = ColourMixture().fit_predict(np.full((1, 8, 8, 3), 0.3, "float32"), q)
    assert np.ptp(log_p) < 1e-2


def test_a_label_without_pixels_looks_like_the_whole_picture():
    q = np.zeros((1, 6, 7, 2), "float32")
    q[..., 0] = 1
    log_p = ColourMixture(1).fit_predict(X[:1], q)
    np.testing.assert_allclose(log_p[..., 1], log_p[..., 0], atol=1e-3)


def test_a_shared_mixture_of_one_picture_is_that_pictures_mixture():
    masks = RNG.integers(0, 2, (1, 6, 7))
    own = ColourMixture(2).fit_predict(X[:1], np.eye(2, dtype="float32")[masks])
    shared = SharedMixture(2).fit(X[:1], masks)
    np.testing.assert_allclose(shared.fit_predict(X[:1]), own, atol=2e-3)
    assert shared.fit_predict(X).shape == (3, 6, 7, 2)
    with pytest.raises(ValueError, match="it has seen no pictures yet"):
        SharedMixture().fit_predict(X)


def test_logits_of_a_network_become_log_probabilities():
    logit = RNG.normal(0, 3, (3, 6, 7, 1)).astype("float32")
    p = 1 / (1 + np.exp(-logit[..., 0]))
    np.testing.assert_allclose(np.exp(Logits(lambda x: logit).fit_predict(X)), np.stack([1 - p, p], -1), rtol=1e-4)
    many = RNG.normal(0, 3, (3, 6, 7, 4)).astype("float32")
    log_p = Logits(lambda x: many).fit_predict(X)
    np.testing.assert_allclose(np.exp(log_p).sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.diff(log_p), np.diff(many), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"components": 0}, "components wants a whole number >= 1, got 0"),
        ({"steps": 0}, "steps wants a whole number >= 1"),
        ({"regulariser": 0.0}, "regulariser must be a positive number, got 0.0"),
        ({"position": -1.0}, "position must be a finite number >= 0"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ColourMixture(**arguments)
