"""The total correlation of codes, and its price in a VAE's loss (beta-TCVAE)."""

import numpy as np
import pytest
from keras import ops
from scipy.special import logsumexp
from scipy.stats import norm

from aecore import VAE, metrics_codes
from aecore.divergences import total_correlation
from aecore.networks import mlp_decoder, mlp_encoder

rng = np.random.default_rng(0)


def model(**arguments):
    vae = VAE(mlp_encoder((6,), (8,), 6), mlp_decoder((6,), (8,), 3), **arguments)
    vae.compile("sgd")
    return vae


def test_total_correlation_is_the_double_loop():
    mean, log_var, z = rng.standard_normal((5, 3)), rng.uniform(-2, 0, (5, 3)), rng.standard_normal((2, 5, 3))
    found = ops.convert_to_numpy(total_correlation(*(a.astype("float32") for a in (z, mean, log_var))))
    for s in range(2):
        for i in range(5):
            each = np.array([norm.logpdf(z[s, i], m, np.exp(v / 2)) for m, v in zip(mean, log_var, strict=True)])
            wanted = logsumexp(each.sum(axis=1)) - np.log(5) - np.sum(logsumexp(each, axis=0) - np.log(5))
            assert found[s, i] == pytest.approx(wanted, abs=1e-5)


def test_its_mean_is_the_term_of_the_kl_divergence():
    mean = rng.standard_normal((60, 1)) * np.ones(3) + 0.3 * rng.standard_normal(
        (60, 3)
    )  # units that say nearly the same
    log_var = np.full((60, 3), -2.0)
    z = mean + np.exp(log_var / 2) * rng.standard_normal((300, 60, 3))
    found = ops.convert_to_numpy(total_correlation(*(a.astype("float32") for a in (z, mean, log_var)))).mean()
    wanted = metrics_codes.kl_terms(mean, log_var, draws=300).total_correlation
    assert wanted > 0.5
    assert found == pytest.approx(wanted, abs=0.02)


def test_the_loss_pays_for_dependence_and_says_how_much_there_is():
    x = (rng.uniform(size=(40, 6)) < 0.5).astype("float32")
    terms = model(dependence=5.0, beta=2.0).evaluate(x)
    assert terms["loss"] == pytest.approx(terms["rec"] + 2 * terms["kl"] + 5 * terms["tc"], rel=1e-5)
    assert "tc" not in model().evaluate(x)
    vae = model(dependence=5.0)
    vae.fit(x, epochs=2, verbose=0)
    again = VAE.from_config(vae.get_config())
    assert again.dependence == 5.0


def test_a_negative_price_is_refused():
    with pytest.raises(ValueError, match="dependence must be a finite number >= 0, got -1"):
        model(dependence=-1)
