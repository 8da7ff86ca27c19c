"""Estimates of log p(x) on models whose log-likelihood is known: a linear VAE is a Gaussian, a 1-d code an integral."""

import keras
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from aecore import estimators, networks
from aecore.distributions import MixturePrior
from aecore.objectives import Bernoulli, Gaussian
from aecore.vae import VAE

SCALE, D = 0.4, 3


def linear(code_size=2, seed=0, **parts):
    """A VAE without hidden layers: p(x) = N(b, W W' + scale^2 I). Its encoder is untrained: a bad guess."""
    net = dict(shape=(D,), hidden=(), seed=seed)
    parts = {"likelihood": Gaussian(SCALE), **parts}
    decoder = networks.mlp_decoder(**net, code_size=code_size)
    rng = np.random.default_rng(7)  # the same on both backends
    decoder.set_weights([rng.standard_normal(w.shape) for w in decoder.get_weights()])
    encoder = networks.mlp_encoder(**net, code_size=2 * code_size)
    encoder.set_weights([0.3 * rng.standard_normal(w.shape) for w in encoder.get_weights()])
    return VAE(encoder, decoder, **parts)


MODEL = linear()
W, B = MODEL.decoder.get_weights()  # (2, 3), (3,)


def simulate(n, seed=1):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, 2))
    x = z @ W + B + SCALE * rng.standard_normal((n, D))
    return x.astype("float32"), z.astype("float32"), multivariate_normal(B, W.T @ W + SCALE**2 * np.eye(D)).logpdf(x)


X, Z, EXACT = simulate(200)


@pytest.fixture(scope="module")
def from_prior():
    return estimators.ais(MODEL, X)


@pytest.mark.parametrize("start", ["prior", "encoder"])
def test_ais_is_the_exact_log_likelihood_where_few_importance_samples_are_far_below(start, from_prior):
    found = from_prior if start == "prior" else estimators.ais(MODEL, X, start=MODEL.encode(X))
    assert abs(np.mean(found.log_prob - EXACT)) < 0.04
    assert np.abs(found.log_prob - EXACT).max() < 0.8
    assert np.mean(found.ess) > 9
    assert 0.5 < found.accepted.mean() < 0.9
    assert np.mean(estimators.importance_sampling(MODEL, X, 10).log_prob - EXACT) < -0.3


def test_ais_is_unbiased_for_the_likelihood_even_with_bad_moves():
    x = np.repeat(X[:2], 3000, axis=0)
    found = estimators.ais(MODEL, x, chains=2, betas=np.linspace(0, 1, 6), leapfrog=2)
    ratio = np.exp(found.log_prob - np.repeat(EXACT[:2], 3000)).reshape(2, 3000)
    error = ratio.std(axis=1) / np.sqrt(3000)
    assert (np.abs(ratio.mean(axis=1) - 1) < 4 * error).all()
    assert error.max() < 0.05
    assert np.mean(np.log(ratio)) < -0.05  # and therefore the logarithm is too low


def test_ais_in_parts_is_ais(monkeypatch, from_prior):
    monkeypatch.setattr(estimators, "AT_ONCE", 16 * D * 64)  # 64 examples at a time: the last part is filled up
    found = estimators.ais(MODEL, X, betas=estimators.sigmoid_betas(100))
    assert found.log_prob.shape == EXACT.shape
    assert found.path.energy.shape == (101, 200)
    assert abs(np.mean(found.log_prob - EXACT)) < 0.04


def test_ais_meets_the_integral_of_a_model_that_is_not_gaussian():
    net = dict(shape=(6,), hidden=(8,), activation="tanh", seed=3)
    prior = MixturePrior(1, 2, seed=1)
    encoder, decoder = networks.mlp_encoder(**net, code_size=2), networks.mlp_decoder(**net, code_size=1)
    model = VAE(encoder, decoder, likelihood=Bernoulli(), prior=prior)
    rng = np.random.default_rng(0)
    for net in (model.decoder, prior):
        net.set_weights([w + rng.standard_normal(w.shape) for w in net.get_weights()])
    wide = model.encoder.get_weights()
    model.encoder.set_weights([*(0 * w for w in wide[:-1]), np.array([0.0, 3.0])])  # an encoder that misses nothing
    x = (rng.uniform(size=(40, 6)) < 0.5).astype("float32")
    grid = np.linspace(-12, 12, 4001, dtype="float32")[:, None, None]
    joint = keras.ops.convert_to_numpy(model.log_joint(x, np.broadcast_to(grid, (4001, 40, 1)))).astype("float64")
    exact = np.log(np.sum(np.exp(joint), axis=0) * 24 / 4000)
    np.testing.assert_allclose(estimators.ais(model, x, chains=64).log_prob, exact, atol=0.15)
    np.testing.assert_allclose(estimators.importance_sampling(model, x, 20000).log_prob, exact, atol=0.15)


def test_bidirectional_bounds_hold_the_truth_between_them_and_close_with_more_temperatures():
    gaps = []
    for steps in (8, 200):
        found = estimators.bidirectional(MODEL, X, Z, betas=estimators.sigmoid_betas(steps), chains=4)
        assert np.mean(found.below) < np.mean(EXACT) + 0.01
        assert np.mean(found.above) > np.mean(EXACT) - 0.01
        gaps.append(np.mean(found.above - found.below))
    assert gaps[1] < 0.1 < 0.5 < gaps[0]


def test_rate_and_distortion_are_the_closed_forms(from_prior):
    rate, distortion = estimators.rate_distortion(from_prior.path)
    for t in (50, 100, 150, 200):
        beta = from_prior.path.betas[t]
        covariance = np.linalg.inv(np.eye(2) + beta * W @ W.T / SCALE**2)  # of f_beta, a normal
        mean = (X - B) @ W.T @ covariance * beta / SCALE**2
        kl = 0.5 * (np.trace(covariance) + np.sum(mean**2, axis=1) - 2 - np.linalg.slogdet(covariance)[1])
        missed = np.sum((X - B - mean @ W) ** 2, axis=1) + np.trace(W.T @ covariance @ W)
        nll = missed / (2 * SCALE**2) + D * np.log(SCALE * np.sqrt(2 * np.pi))
        assert rate[t] == pytest.approx(kl.mean(), abs=0.12)
        assert distortion[t] == pytest.approx(nll.mean(), abs=0.12)
    assert rate[0] == pytest.approx(0, abs=1e-6)
    assert rate[-1] + distortion[-1] == pytest.approx(-from_prior.log_prob.mean(), abs=1e-4)


def test_importance_sampling_is_the_models_own_and_counts_its_samples():
    found = estimators.importance_sampling(MODEL, X, 50, seed=3)
    np.testing.assert_allclose(found.log_prob, MODEL.log_prob(X, 50, seed=3), atol=1e-4)
    assert (found.ess >= 1 - 1e-9).all()
    assert (found.ess <= 50 + 1e-9).all()
    assert estimators.importance_sampling(MODEL, X, 1).ess == pytest.approx(1)


def test_the_exact_posterior_makes_all_weights_equal():
    covariance = np.linalg.inv(np.eye(1) + W[:1] @ W[:1].T / SCALE**2)
    one = linear(code_size=1)
    one.decoder.set_weights([W[:1], B])
    slope = (W[:1].T @ covariance) / SCALE**2
    one.encoder.set_weights([np.hstack([slope, 0 * slope]), np.array([*(-B @ slope), np.log(covariance[0, 0])])])
    found = estimators.importance_sampling(one, X, 50)
    np.testing.assert_allclose(found.ess, 50, rtol=1e-3)
    exact = multivariate_normal(B, W[:1].T @ W[:1] + SCALE**2 * np.eye(D)).logpdf(X)
    np.testing.assert_allclose(found.log_prob, exact, atol=1e-3)


def test_the_signal_of_the_encoder_fades_with_more_samples_and_the_decoders_grows():
    few, many = (estimators.gradient_signal(MODEL, X[:4], k, repeats=400) for k in (4, 400))
    assert many.encoder < 0.7 * few.encoder
    assert many.decoder > 2 * few.decoder


def test_gradient_signal_is_what_a_loop_over_finite_differences_finds():
    model, k, b, repeats, step = linear(), 3, 2, 6, 1e-2
    rng = np.random.default_rng(5)
    noises = [rng.standard_normal((k, b, 2), "float32") for _ in range(repeats)]
    kernel = model.encoder.get_weights()
    slopes = np.empty((repeats, kernel[1].size))
    bound = lambda noise: np.mean(np.logaddexp.reduce(model.weigh_batch(noise, X[:b]).astype("f8"), axis=0))
    for r, noise in enumerate(noises):
        for j in range(kernel[1].size):
            sides = []
            for sign in (1, -1):
                moved = kernel[1].copy()
                moved[j] += sign * step
                model.encoder.set_weights([kernel[0], moved])
                sides.append(bound(noise))
            slopes[r, j] = (sides[0] - sides[1]) / (2 * step)
    model.encoder.set_weights(kernel)
    wanted = np.mean(np.abs(slopes.mean(axis=0)) / slopes.std(axis=0))
    frozen = [v for v in model.encoder.trainable_variables if len(v.shape) == 2]
    for v in frozen:
        v.trainable = False  # the biases alone
    found = estimators.gradient_signal(model, X[:b], k, repeats=repeats, seed=5)
    assert found.encoder == pytest.approx(wanted, rel=0.02)


def test_temperatures_rise_from_0_to_1():
    for betas in (estimators.sigmoid_betas(50), estimators.geometric_betas(50, first=1e-4)):
        assert betas.shape == (51,)
        assert (betas[0], betas[-1]) == (0, pytest.approx(1))
        assert (np.diff(betas) > 0).all()
    ratios = betas[2:] / betas[1:-1]
    np.testing.assert_allclose(ratios, ratios[0])
    sigmoid = estimators.sigmoid_betas(100)
    assert np.diff(sigmoid)[0] < 0.3 * np.diff(sigmoid)[50]
    np.testing.assert_allclose(sigmoid + sigmoid[::-1], 1)


def untrained(c, **parts):
    net = dict(shape=(3,), hidden=(), condition_size=c)
    return VAE(networks.mlp_encoder(**net, code_size=4), networks.mlp_decoder(**net, code_size=2), **parts)


COINS, CHOSEN = untrained(0, binarise=True), untrained(2, likelihood=Gaussian(), classes=2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: estimators.ais(MODEL, X, betas=[0, 0.5]), "betas must rise from 0 to 1. Try sigmoid_betas"),
        (lambda: estimators.ais(MODEL, X, betas=[0, 0.7, 0.5, 1]), "betas must rise from 0 to 1"),
        (lambda: estimators.ais(MODEL, X, betas=[0, np.nan, 1]), "betas must rise from 0 to 1"),
        (lambda: estimators.ais(MODEL, X, chains=0), "ais: chains wants a whole number >= 1, got 0"),
        (lambda: estimators.ais(MODEL, X[:, :2]), r"ais: wanted shape \(n, 3\)"),
        (lambda: estimators.ais(MODEL, X, start=MODEL.encode(X[:5])), "a start for each of the 200 examples"),
        (lambda: estimators.bidirectional(MODEL, X, Z[:5]), "for each of the 200 examples"),
        (lambda: estimators.gradient_signal(MODEL, X, 5, repeats=1), "repeats wants a whole number >= 2, got 1"),
        (lambda: estimators.ais(COINS, 1.5 + 0 * X), "ais: a Bernoulli likelihood is one of zeros and ones"),
        (lambda: estimators.gradient_signal(COINS, X, 5), "gradient_signal: a Bernoulli likelihood"),
        (lambda: estimators.importance_sampling(CHOSEN, X), "importance_sampling: wanted a model without a condition"),
        (lambda: estimators.geometric_betas(9, first=1.0), "first must lie in"),
        (lambda: estimators.sigmoid_betas(0), "steps wants a whole number >= 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
