"""Adversarial losses against closed forms on known densities, penalties against slopes that are known exactly."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.integrate import quad
from scipy.stats import norm

from aecore.adversarial import R1, GradientPenalty, Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein

numpy = keras.ops.convert_to_numpy
rng = np.random.default_rng(0)
P, Q = norm(0.7, 1.0), norm(-0.5, 1.3)  # data and samples
LOSSES = {
    Minimax: (lambda r, f: np.logaddexp(0, -r) + np.logaddexp(0, f), lambda f: -np.logaddexp(0, f)),
    NonSaturating: (lambda r, f: np.logaddexp(0, -r) + np.logaddexp(0, f), lambda f: np.logaddexp(0, -f)),
    LeastSquares: (lambda r, f: (r - 1) ** 2 / 2 + f**2 / 2, lambda f: (f - 1) ** 2 / 2),
    Wasserstein: (lambda r, f: f - r, lambda f: -f),
    Hinge: (lambda r, f: np.maximum(0, 1 - r) + np.maximum(0, 1 + f), lambda f: -f),
}


def tensor(a):
    return ops.convert_to_tensor(np.asarray(a, "float32"))


@pytest.mark.parametrize("kind", LOSSES, ids=lambda k: k.__name__)
def test_losses_are_those_of_float64_also_for_logits_that_are_sure(kind):
    real, fake = (
        np.float32([*3 * rng.standard_normal(20), 300, -300, 90]),
        np.float32([*rng.standard_normal(20), -300, 300, 0]),
    )
    critic, generator = LOSSES[kind]
    loss = kind()
    got = numpy(loss.critic(tensor(real), tensor(fake))), numpy(loss.generator(tensor(fake)))
    wanted = critic(real.astype("float64"), fake.astype("float64")), generator(fake.astype("float64"))
    for g, w in zip(got, wanted, strict=True):
        assert g.shape == (23,)
        np.testing.assert_allclose(g, w, rtol=1e-6, atol=1e-6)


def at_best(loss, logit):
    """The critic's mean loss with a given logit on P and Q, by quantiles in place of draws."""
    u = (np.arange(200_000) + 0.5) / 200_000
    return float(ops.mean(loss.critic(tensor(logit(P.ppf(u))), tensor(logit(Q.ppf(u))))))


def integral(fn):
    return quad(lambda x: fn(P.pdf(x), Q.pdf(x)), -9, 9, limit=200)[0]


def log_ratio(x):
    return P.logpdf(x) - Q.logpdf(x)


BEST = {  # the logit that is best, and what it then costs: a divergence
    Minimax: (log_ratio, lambda p, q: p * np.log1p(q / p) + q * np.log1p(p / q)),  # 2 log 2 - 2 JS
    LeastSquares: (lambda x: 1 / (1 + np.exp(-log_ratio(x))), lambda p, q: 0.5 * p * q / (p + q)),
    Hinge: (lambda x: np.sign(log_ratio(x)), lambda p, q: p + q - np.abs(p - q)),  # 2 - 2 TV
    Wasserstein: (lambda x: x, lambda p, q: 0.0),  # the slope is 1: it measures how far the means are apart
}


@pytest.mark.parametrize("kind", BEST, ids=lambda k: k.__name__)
def test_the_best_critic_of_two_known_densities_pays_a_divergence(kind):
    logit, paid = BEST[kind]
    wanted = Q.mean() - P.mean() if kind is Wasserstein else integral(paid)
    assert at_best(kind(), logit) == pytest.approx(wanted, abs=2e-4)
    if kind is not Wasserstein:  # any other logit pays more
        for other in (lambda x: 0.9 * logit(x), lambda x: logit(x) + 0.05, lambda x: logit(x) - 0.05 * x):
            assert at_best(kind(), other) > wanted + 1e-4


def test_only_the_minimax_generator_loses_its_gradient_before_a_sure_critic():
    """The slope by the logit at -15: a sigmoid, its complement, and constants."""
    slope = lambda kind: float(
        numpy(kind().generator(tensor([-15.01])) - kind().generator(tensor([-14.99])))[0] / -0.02
    )
    assert slope(Minimax) == pytest.approx(0, abs=1e-4)
    assert slope(NonSaturating) == pytest.approx(-1, abs=1e-2)
    assert slope(Wasserstein) == slope(Hinge) == pytest.approx(-1, abs=1e-2)
    assert slope(LeastSquares) == pytest.approx(-16, rel=1e-2)


# --- penalties ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0.0, 1e-4, 0.5, 1.0, 30.0])
@pytest.mark.parametrize("shape", [(6,), (2, 3, 1)])
def test_penalties_of_a_linear_critic_are_those_of_its_slope(length, shape):
    w = rng.standard_normal(shape)
    w *= length / np.linalg.norm(w)
    critic = lambda x: ops.sum(ops.reshape(x * tensor(w), (-1, 6)), axis=1)
    real, fake, mix = (tensor(a) for a in (*rng.standard_normal((2, 5, *shape)), rng.random(5)))
    got = [numpy(penalty.value(critic, real, fake, mix)) for penalty in (GradientPenalty(), R1(1.0))]
    np.testing.assert_allclose(got[0], np.full(5, (length - 1) ** 2), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[1], np.full(5, length**2 / 2), rtol=1e-5, atol=1e-12)


def test_every_example_has_a_mixing_weight_of_its_own():
    """D(x) = |x|^2 / 2 has the slope x: the penalty tells at which points it was taken."""
    critic = lambda x: 0.5 * ops.sum(ops.square(x), axis=(1, 2))
    real, fake, mix = rng.standard_normal((7, 3, 2)), rng.standard_normal((7, 3, 2)), rng.random(7)
    mix[:2] = 0, 1
    x = mix[:, None, None] * real + (1 - mix[:, None, None]) * fake
    wanted = (np.linalg.norm(x.reshape(7, -1), axis=1) - 1) ** 2
    got = GradientPenalty().value(critic, *map(tensor, (real, fake, mix)))
    np.testing.assert_allclose(numpy(got), wanted, rtol=1e-4, atol=1e-6)
    got = R1(1.0).value(critic, *map(tensor, (real, fake, mix)))
    np.testing.assert_allclose(numpy(got), (real**2).sum(axis=(1, 2)) / 2, rtol=1e-5)


def test_a_critic_of_pairs_has_one_slope_over_both():
    critic = lambda pair: 3 * pair[0][:, 0] + 4 * pair[1][:, 1]
    real, fake = ([tensor(rng.standard_normal((4, n))) for n in (2, 3)] for _ in range(2))
    mix = tensor(rng.random(4))
    np.testing.assert_allclose(numpy(GradientPenalty().value(critic, real, fake, mix)), 16, rtol=1e-6)
    np.testing.assert_allclose(numpy(R1(1.0).value(critic, real, fake, mix)), 12.5, rtol=1e-6)


@pytest.mark.parametrize("kind", [GradientPenalty, R1])
def test_weights_are_checked_and_losses_and_penalties_are_saved(kind):
    for weight in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"{kind.__name__}: weight must be a finite number >= 0, got {weight}"):
            kind(weight)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(kind(3.5)))
    assert type(again) is kind
    assert float(again.weight) == 3.5
    assert float(GradientPenalty().weight) == 10.0
    for loss in LOSSES:
        assert type(keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss()))) is loss
