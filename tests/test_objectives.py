"""Likelihoods and penalties against scipy, loops, finite differences and closed forms."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from scipy import optimize, special, stats

from aecore.networks import mlp_encoder
from aecore.objectives import L1, L2, Bernoulli, Categorical, Contractive, Gaussian, KLSparsity, SquaredError

rng = np.random.default_rng(0)


def number(tensor):
    return np.asarray(ops.convert_to_numpy(tensor), "float64")


def images(*shape, low=0.0, high=1.0):
    return rng.uniform(low, high, shape).astype("float32")


def test_squared_error_is_summed_over_pixels_and_channels():
    x, params = images(3, 4, 5, 3), images(3, 4, 5, 3)
    wanted = [sum((x[i, r, c, k] - params[i, r, c, k]) ** 2 for r in range(4) for c in range(5) for k in range(3))
              for i in range(3)]  # fmt: skip
    np.testing.assert_allclose(number(SquaredError().nll(x, params)), wanted, rtol=1e-5)
    np.testing.assert_array_equal(number(SquaredError().mean(params)), params)


def test_bernoulli_is_the_log_of_the_binomial_probability_summed_over_channels():
    x = rng.integers(0, 2, (4, 5, 6, 3)).astype("float32")
    logits = images(4, 5, 6, 3, low=-8, high=8)
    wanted = -stats.bernoulli.logpmf(x, special.expit(logits.astype("float64"))).reshape(4, -1).sum(axis=1)
    np.testing.assert_allclose(number(Bernoulli().nll(x, logits)), wanted, rtol=1e-5)


def test_bernoulli_of_grey_values():
    x, logits = images(4, 6), images(4, 6, low=-5, high=5)
    p = special.expit(logits.astype("float64"))
    wanted = -(x * np.log(p) + (1 - x) * np.log1p(-p)).sum(axis=1)
    np.testing.assert_allclose(number(Bernoulli().nll(x, logits)), wanted, rtol=1e-5)
    np.testing.assert_allclose(number(Bernoulli().mean(logits)), p, rtol=1e-5)


@pytest.mark.parametrize("size", [90.0, 1000.0])
def test_bernoulli_is_exact_where_probabilities_are_0_and_1_in_float32(size):
    logits = np.array([[size], [size], [-size], [-size]], "float32")
    x = np.array([[0.0], [1.0], [0.0], [1.0]], "float32")
    np.testing.assert_array_equal(number(Bernoulli().nll(x, logits)), [size, 0, 0, size])


def test_bernoulli_is_least_where_the_probability_is_the_pixel():
    for pixel in (0.1, 0.5, 0.9):
        nll = lambda logit, pixel=pixel: number(Bernoulli().nll(np.float32([[pixel]]), np.float32([[logit]])))[0]
        best = optimize.minimize_scalar(nll, bounds=(-5, 5), method="bounded").x
        assert special.expit(best) == pytest.approx(pixel, abs=2e-3)


def test_gaussian_is_the_normal_log_density():
    x, mean = images(4, 3, 3, 2, low=-2, high=2), images(4, 3, 3, 2)
    for scale in (0.1, 1.0, 3.0):
        wanted = -stats.norm.logpdf(x, mean, scale).reshape(4, -1).sum(axis=1)
        np.testing.assert_allclose(number(Gaussian(scale).nll(x, mean)), wanted, rtol=1e-4)


def test_squared_error_is_the_gaussian_of_variance_one_half_without_its_constant():
    x, params = images(5, 7), images(5, 7)
    gaussian = number(Gaussian(math.sqrt(0.5)).nll(x, params)) - 7 / 2 * math.log(math.pi)
    np.testing.assert_allclose(number(SquaredError().nll(x, params)), gaussian, rtol=1e-4, atol=1e-5)


def test_a_learned_scale_becomes_the_standard_deviation_of_the_residual(build):
    signal = rng.standard_normal((256, 2)) @ rng.standard_normal((2, 16))
    x = (signal + 0.3 * rng.standard_normal((256, 16))).astype("float32")
    gaussian = Gaussian(1.0, learned=True)
    ae = build(shape=(16,), code_size=2, likelihood=gaussian, optimizer=keras.optimizers.Adam(0.03))
    ae.fit(x, epochs=300, batch_size=256, verbose=0)
    scale = float(np.exp(number(gaussian.log_scale)))
    assert scale == pytest.approx(np.sqrt(np.mean((x - ae.reconstruct(x)) ** 2)), rel=0.02)  # the optimum, closed form
    assert scale == pytest.approx(0.3 * math.sqrt(14 / 16), rel=0.05)  # the noise outside the two fitted directions
    assert not Gaussian(0.5).trainable_weights


def test_categorical_is_the_log_softmax_at_the_symbol():
    logits, x = images(3, 4, 5, low=-9, high=9), rng.integers(0, 5, (3, 4))
    wanted = np.zeros(3)
    for i in range(3):
        for j in range(4):
            wanted[i] -= logits[i, j, x[i, j]] - np.log(np.exp(logits[i, j].astype("float64")).sum())
    for symbols in (x, x.astype("float32"), x.astype("uint8")):
        np.testing.assert_allclose(number(Categorical(5).nll(symbols, logits)), wanted, rtol=1e-5)
    np.testing.assert_allclose(number(Categorical(5).mean(logits)), special.softmax(logits, axis=-1), rtol=1e-4)
    np.testing.assert_allclose(number(Categorical(5).nll(x, 100 * logits)) >= 0, True)  # finite, at logits of 900


def test_what_each_likelihood_can_be_asked_about():
    x = np.float32([0, 1, 2])
    assert SquaredError().fits(-x)
    assert Gaussian().fits(-x)
    assert Categorical(3).fits(x)
    assert Bernoulli().fits(x / 2)
    assert not any([Bernoulli().fits(x), Bernoulli().fits(-x / 2), Categorical(2).fits(x), Categorical(4).fits(x / 2),
                    Categorical(4).fits(-x)])  # fmt: skip


def test_l1_and_l2_are_sums_over_the_code():
    codes = images(4, 6, low=-2, high=2)
    for penalty, f in ((L1(0.1), abs), (L2(0.1), lambda v: v * v)):
        wanted = [sum(f(float(v)) for v in row) for row in codes]
        np.testing.assert_allclose(number(penalty.value(codes, None, None)), wanted, rtol=1e-5)


def test_kl_sparsity_is_the_divergence_of_two_coins():
    codes, rate = images(50, 3), 0.2
    wanted = sum(stats.entropy([rate, 1 - rate], [r, 1 - r]) for r in codes.mean(axis=0))
    np.testing.assert_allclose(number(KLSparsity(1.0, rate).value(codes, None, None)), np.full(50, wanted), rtol=1e-4)


def test_kl_sparsity_is_zero_at_the_rate_and_only_there():
    value = lambda mean: number(KLSparsity(1.0, 0.25).value(np.full((8, 2), mean, "float32"), None, None))
    np.testing.assert_array_equal(value(0.25), 0)
    assert (value(0.2) > 1e-3).all()
    assert (value(0.3) > 1e-3).all()
    assert np.isfinite(value(0.0)).all()
    assert np.isfinite(value(1.0)).all()


def test_contractive_is_rifais_closed_form_for_one_sigmoid_layer():
    encoder = mlp_encoder((6,), (), 4, code_activation="sigmoid")
    x = images(5, 6)
    h, W = number(encoder(x)), number(encoder.layers[-1].kernel)
    wanted = ((h * (1 - h)) ** 2 * (W**2).sum(axis=0)).sum(axis=1)  # Rifai et al. 2011, equation 4
    np.testing.assert_allclose(
        number(Contractive(1.0).value(None, ops.convert_to_tensor(x), encoder)), wanted, rtol=1e-4
    )


def test_contractive_agrees_with_finite_differences():
    encoder = mlp_encoder((2, 3, 1), (8,), 3, activation="tanh", seed=4)
    x, step = images(4, 2, 3, 1), 1e-2
    wanted = np.zeros(4)
    for r in range(2):
        for c in range(3):
            e = np.zeros((1, 2, 3, 1), "float32")
            e[0, r, c, 0] = step
            wanted += (((number(encoder(x + e)) - number(encoder(x - e))) / (2 * step)) ** 2).sum(axis=1)
    np.testing.assert_allclose(
        number(Contractive(1.0).value(None, ops.convert_to_tensor(x), encoder)), wanted, rtol=5e-3
    )


def test_a_weight_can_change_after_the_training_step_is_compiled(build, x):
    penalty = L2(0.0)
    ae = build(penalty=penalty, optimizer=keras.optimizers.SGD(0.0))
    first = ae.fit(x, batch_size=20, verbose=0).history
    compiled = ae.train_function
    assert first["loss"] == first["rec"]
    penalty.weight.assign(0.5)
    second = ae.fit(x, batch_size=20, verbose=0).history
    assert ae.train_function is compiled
    assert second["reg"][0] > 0.1
    assert second["loss"][0] == pytest.approx(second["rec"][0] + 0.5 * second["reg"][0], rel=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gaussian(0.0), "scale must be a positive number, got 0.0. Try 0.1"),
        (lambda: Gaussian(float("nan")), "scale must be a positive number, got nan"),
        (lambda: Categorical(1), "classes must be at least 2, got 1"),
        (lambda: L1(-1), "L1: weight must be a finite number >= 0, got -1"),
        (lambda: L2(float("inf")), "L2: weight must be a finite number >= 0, got inf"),
        (lambda: KLSparsity(1.0, rate=0.0), r"rate must lie in \(0, 1\), got 0.0"),
        (lambda: KLSparsity(1.0, rate=1.0), r"rate must lie in \(0, 1\), got 1.0"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
