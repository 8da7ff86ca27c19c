"""Classifiers, contrasts and scores against closed forms of Gaussian data, loops and integrals."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, optimize, special, stats

from aecore import divergences as dv


def number(tensor):
    return np.asarray(ops.convert_to_numpy(tensor), "float64")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def kl_integral(p, q):
    return integrate.quad(lambda x: p.pdf(x) * (p.logpdf(x) - q.logpdf(x)), -12, 12, limit=200)[0]


def test_ratio_loss_is_the_cross_entropy_of_both_classes():
    a, b = 5 * normal(20), 5 * normal(20, seed=1)
    entropy = lambda target, logits: keras.losses.binary_crossentropy(
        np.full((20, 1), target, "float32"), special.expit(logits.astype("float64"))[:, None].astype("float32")
    )
    wanted = number(entropy(1.0, a)) + number(entropy(0.0, b))
    np.testing.assert_allclose(number(dv.ratio_loss(a, b)), wanted, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(number(dv.ratio_loss(np.zeros(3, "float32"), np.zeros(3, "float32"))), 2 * math.log(2))
    assert number(dv.ratio_loss(np.float32([-300]), np.float32([300]))) == pytest.approx(600)


def test_the_best_classifier_is_the_log_ratio_and_pays_for_the_divergence():
    # Between N(1, 1) and N(0, s^2) the log ratio is a quadratic: find the best one, compare its coefficients.
    s = 1.5
    x, y = 1 + normal(60_000), s * normal(60_000, seed=1)
    features = lambda v: np.stack([np.ones_like(v), v, v**2])
    loss = lambda w: number(dv.ratio_loss(*(np.float32(w @ features(v)) for v in (x, y)))).mean()
    slope = lambda w: (
        -(special.expit(-(w @ features(x))) * features(x)).mean(axis=1)
        + (special.expit(w @ features(y)) * features(y)).mean(axis=1)
    )
    best = optimize.minimize(loss, np.zeros(3), jac=slope, tol=1e-4)
    wanted = [math.log(s) - 0.5, 1.0, 1 / (2 * s**2) - 0.5]
    np.testing.assert_allclose(best.x, wanted, atol=0.04)
    js = number(dv.js_monte_carlo(*(np.float32(best.x @ features(v)) for v in (x, y))))
    assert best.fun == pytest.approx(2 * math.log(2) - 2 * js, abs=1e-5)
    p, q = stats.Normal(mu=1, sigma=1), stats.Normal(mu=0, sigma=s)
    average = stats.Mixture([p, q], weights=[0.5, 0.5])
    assert js == pytest.approx((kl_integral(p, average) + kl_integral(q, average)) / 2, abs=0.005)


def log_ratio_of_pairs(x, y, rho):
    """log p(y | x) - log p(y) of a standard bivariate normal, summed over d: (n, d), (n, d) -> (n, n)."""
    scale = math.sqrt(1 - rho**2)
    return (stats.norm.logpdf(y[None], rho * x[:, None], scale) - stats.norm.logpdf(y[None])).sum(axis=2)


def pairs(n, d, rho, seed):
    x, e = normal(2, n, d, seed=seed)
    return x, rho * x + math.sqrt(1 - rho**2) * e


def test_info_nce_is_its_formula_for_any_leading_axes():
    scores = normal(2, 3, 5, 5)
    wanted = np.zeros((2, 3, 5))
    for i, j, k in np.ndindex(wanted.shape):
        row = scores[i, j, k].astype("float64")
        wanted[i, j, k] = math.log(math.exp(row[k]) / np.mean(np.exp(row)))
    np.testing.assert_allclose(number(dv.info_nce(scores)), wanted, rtol=1e-4, atol=1e-6)


def test_info_nce_finds_the_information_of_a_bivariate_normal():
    rho, n = 0.8, 1000
    truth = -0.5 * math.log(1 - rho**2)
    found = [
        number(dv.info_nce(log_ratio_of_pairs(*pairs(n, 1, rho, s), rho).astype("float32"))).mean() for s in range(8)
    ]
    assert np.mean(found) == pytest.approx(truth, abs=0.03)
    worse = number(dv.info_nce(0.3 * log_ratio_of_pairs(*pairs(n, 1, rho, 0), rho).astype("float32"))).mean()
    assert worse < found[0] - 0.1  # a bound: worse scores give less


@pytest.mark.parametrize("n", [16, 64, 256])
def test_info_nce_is_capped_at_log_n(n):
    rho, d = 0.999, 8
    assert -d / 2 * math.log(1 - rho**2) > 24.8  # far more than can be found
    values = number(dv.info_nce(log_ratio_of_pairs(*pairs(n, d, rho, n), rho).astype("float32")))
    assert values.max() <= math.log(n) + 1e-5
    assert values.mean() == pytest.approx(math.log(n), abs=0.05)


def smoothed_score(x, sigma):
    """The score of N(1, 4) plus noise of scale sigma."""
    return (1 - x) / (4 + sigma**2)


def test_denoising_score_is_fisher_to_the_damage_and_a_denoisers_error():
    x, noise, sigma = normal(9, 4), normal(9, 4, seed=1), 0.7
    damaged = x + sigma * noise
    cleaned = np.tanh(damaged)
    score = (cleaned - damaged) / sigma**2
    found = number(dv.denoising_score(score, noise, sigma))
    np.testing.assert_allclose(found, ((cleaned - x) ** 2).sum(axis=1) / (2 * sigma**2), rtol=1e-4)
    target = (x - damaged) / sigma**2  # the score of the damage, N(x, sigma^2 I)
    both = zip(score, target, strict=True)
    wanted = [0.5 * sigma**2 * sum((a - b) ** 2 for a, b in zip(*rows, strict=True)) for rows in both]
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_the_least_denoising_score_is_the_score_of_the_damaged_density():
    # Gaussian data: among all lines a + b x the best is the smoothed density's score, not the clean one's.
    sigma, noise = 0.8, normal(200_000, 1, seed=1)
    x = 1 + 2 * normal(200_000, 1)
    damaged = x + sigma * noise
    loss = lambda w: float(number(dv.denoising_score((w[0] + w[1] * damaged).astype("float32"), noise, sigma)).mean())
    best = optimize.minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-7}).x
    wanted = smoothed_score(0, sigma), smoothed_score(1, sigma) - smoothed_score(0, sigma)
    np.testing.assert_allclose(best, wanted, atol=0.006)
    assert abs(best[1] - (-1 / 4)) > 0.02  # the clean density's slope


def test_denoising_and_explicit_score_matching_differ_by_a_constant():
    # Vincent 2011, equation 11: for every model the two objectives differ by the same number.
    sigma, noise = 0.8, normal(200_000, 1, seed=1)
    damaged = 1 + 2 * normal(200_000, 1) + sigma * noise
    gaps = []
    for model in (lambda v: -v, lambda v: np.tanh(v) - 0.3 * v, lambda v: np.zeros_like(v)):
        explicit = number(dv.fisher_divergence(smoothed_score(damaged, sigma), model(damaged))).mean() * sigma**2
        gaps.append(number(dv.denoising_score(model(damaged), noise, sigma)).mean() - explicit)
    np.testing.assert_allclose(gaps, gaps[0], atol=0.02)
    assert gaps[0] == pytest.approx(0.5 - 0.5 * sigma**2 / (4 + sigma**2), abs=0.01)


def test_fisher_divergence_of_two_normals_is_its_closed_form():
    x = 1 + 2 * normal(100_000, 1)
    found = number(dv.fisher_divergence((1 - x) / 4, -x)).mean()  # N(1, 4) from N(0, 1): linear in x
    assert found == pytest.approx(0.5 * ((1 - 1 / 4) ** 2 * 4 + 1), rel=0.02)
    np.testing.assert_array_equal(number(dv.fisher_divergence(x, x)), 0)
