"""Normals and priors against scipy, numerical integration and brute force."""

import keras
import numpy as np
import pytest
from scipy import integrate, stats

from aecore.distributions import MixturePrior, Normal, StandardNormal, VampPrior
from aecore.networks import mlp_encoder

rng = np.random.default_rng(1)
MEAN, LOG_VAR = (rng.standard_normal((5, 3)).astype("float32") for _ in range(2))
numpy = keras.ops.convert_to_numpy


def density(mean, log_var):
    return stats.multivariate_normal(mean, np.diag(np.exp(log_var)))


def test_the_density_of_a_normal_is_scipys():
    z = rng.standard_normal((7, 5, 3)).astype("float32")
    wanted = np.stack([density(MEAN[i], LOG_VAR[i]).logpdf(z[:, i]) for i in range(5)], axis=1)
    np.testing.assert_allclose(Normal(MEAN, LOG_VAR).log_prob(z), wanted, rtol=1e-5, atol=1e-5)


def test_the_kl_is_the_integral():
    for mean, log_var in ((0.0, 0.0), (1.3, -1.0), (-0.4, 2.0), (0.0, -6.0)):
        q, scale = stats.norm(mean, np.exp(log_var / 2)), np.exp(log_var / 2)
        integrand = lambda z, q=q: q.pdf(z) * (q.logpdf(z) - stats.norm.logpdf(z))
        wanted = integrate.quad(integrand, mean - 12 * scale, mean + 12 * scale, epsabs=1e-10)[0]
        got = Normal(np.float32([[mean]]), np.float32([[log_var]])).kl()
        assert float(got[0]) == pytest.approx(wanted, rel=1e-5, abs=1e-6)


def test_samples_have_the_mean_and_the_variance():
    z = numpy(Normal(MEAN, LOG_VAR).sample(rng.standard_normal((100_000, 5, 3)).astype("float32")))
    scale = np.exp(LOG_VAR / 2)
    assert np.abs((z.mean(axis=0) - MEAN) / scale).max() < 5 / np.sqrt(1e5)
    assert np.abs(z.var(axis=0) / scale**2 - 1).max() < 5 * np.sqrt(2 / 1e5)


def vamp():
    encoder = mlp_encoder((4,), (6,), 4, seed=3)
    prior = VampPrior(rng.standard_normal((5, 4)).astype("float32"))
    prior.use(encoder)
    return prior, encoder


def mixture():
    prior = MixturePrior(2, 4, seed=5)
    for w in prior.weights:
        w.assign(numpy(w) + rng.standard_normal(w.shape))
    return prior


def components(prior):
    """Weights, means and variances of a prior, worked out from its weights alone."""
    if isinstance(prior, MixturePrior):
        logits = numpy(prior.logits)
        weights = np.exp(logits) / np.exp(logits).sum()
        return weights, numpy(prior.means), np.exp(numpy(prior.log_vars))
    if isinstance(prior, VampPrior):
        mean, log_var = np.split(numpy(prior.encoder(prior.pseudo_inputs)), 2, axis=1)
        return np.full(5, 0.2), mean, np.exp(log_var)
    return np.ones(1), np.zeros((1, 2)), np.ones((1, 2))


@pytest.mark.parametrize("make", [lambda: StandardNormal(2), mixture, lambda: vamp()[0]], ids=["n", "mix", "vamp"])
def test_a_prior_is_a_density_and_its_samples_come_from_it(make):
    prior = make()
    weights, means, variances = mixed = components(prior)
    z = rng.standard_normal((3, 50, 2)).astype("float32") * 2
    parts = [w * stats.multivariate_normal(m, np.diag(v)).pdf(z) for w, m, v in zip(*mixed, strict=True)]
    np.testing.assert_allclose(prior.log_prob(z), np.log(sum(parts)), rtol=1e-4, atol=1e-4)

    q = Normal(MEAN[:, :2], LOG_VAR[:, :2])
    noise = rng.standard_normal((200_000, 5, 2)).astype("float32")
    codes = numpy(q.sample(noise))
    wanted = np.mean(numpy(q.log_prob(codes)) - numpy(prior.log_prob(codes)), axis=0)
    got = numpy(prior.kl(q, codes)).reshape(-1, 5).mean(axis=0)  # one number where it has a closed form
    np.testing.assert_allclose(got, wanted, atol=0.03)

    draws = prior.sample(200_000, seed=3)
    assert draws.shape == (200_000, 2)
    assert draws.dtype == np.float32
    mean = weights @ means
    second = weights @ (variances + means**2)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.03)
    np.testing.assert_allclose((draws**2).mean(axis=0), second, rtol=0.03)
    np.testing.assert_array_equal(draws, prior.sample(200_000, seed=3))
    assert not np.array_equal(prior.sample(5, seed=3), prior.sample(5, seed=4))


def test_a_mixture_of_one_standard_normal_is_the_standard_normal():
    prior = MixturePrior(2, 1)
    prior.means.assign(np.zeros((1, 2)))
    z = rng.standard_normal((9, 2)).astype("float32")
    np.testing.assert_allclose(prior.log_prob(z), StandardNormal(2).log_prob(z), rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StandardNormal(0), "code_size wants a whole number >= 1, got 0"),
        (lambda: MixturePrior(2, 0), "components wants a whole number >= 1, got 0"),
        (lambda: StandardNormal(2).sample(0), "n wants a whole number >= 1, got 0"),
        (lambda: StandardNormal(2).sample(3, seed=-1), "seed wants a whole number >= 0, got -1"),
        (lambda: VampPrior(np.full((3, 4), np.nan)), "3 of 3 examples hold NaN"),
        (lambda: vamp()[0].use(mlp_encoder((5,), (), 4)), r"wanted pseudo-inputs \(K, 5\) .* got .* shape \(4,\)"),
        (lambda: vamp()[0].use(mlp_encoder((4,), (), 4, condition_size=2)), "an encoder of 2 inputs"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
