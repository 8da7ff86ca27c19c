"""Answers to the exercises of chapter 13."""

import keras
import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import expit

from aecore import adversarial, metrics
from aecore._backend import input_gradient
from aecore.exercises import EXERCISES, given
from answers import Answers

CHOICE = EXERCISES["ch13.half"]


def arrows_by_aecore(logits, slopes):
    loss = lambda v: keras.ops.sum(adversarial.NonSaturating().generator(v))
    _, by_logit = input_gradient(loss, keras.ops.convert_to_tensor(logits.astype("float32")))
    return -keras.ops.convert_to_numpy(by_logit)[:, None] * slopes


def arrows_in_a_loop(logits, slopes, factor=lambda v: expit(-v), sign=1.0):
    return np.array([sign * factor(v) * s for v, s in zip(logits, slopes, strict=True)])


def between(real, fake, rng, draw=lambda rng, n, d: rng.random((n, 1))):
    u = draw(rng, *real.shape)
    return fake + u * (real - fake)


def between_by_beta(real, fake, rng):
    u = rng.beta(1, 1, len(real))
    return np.einsum("n,nd->nd", u, real) + np.einsum("n,nd->nd", 1 - u, fake)


def coverage_by_cdist(samples, centres, scale, reach=3.0, power="euclidean", all_count=False):
    away = cdist(samples, centres, power)
    good = away.min(axis=1) <= reach * scale
    return len(np.unique(away.argmin(axis=1)[good | all_count])), good.mean()


def coverage_by_aecore(samples, centres, scale):
    return metrics.mode_coverage(samples, centres, scale)[:2]


A, B = given("ch13.friction").values()


def friction_by_search():
    """The least weight for which all eigenvalues are real, by halving."""
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        values = np.linalg.eigvals([[0, B / 2], [-A / 2, -A * middle]])
        low, high = (low, middle) if np.abs(values.imag).max() < 1e-12 else (middle, high)
    return high


ANSWERS = {
    "ch13.half": Answers(
        right=[*(k for k, v in CHOICE.options().items() if v == CHOICE.right), CHOICE.right],
        wrong=[
            ("the game has converged: the samples are distributed as the data", "if the critic were perfect"),
            ("the generator has collapsed to a few pictures", "at once, and pay less"),
            ("the generator is stuck, because minimax gradients vanish when D is 1/2", "the factor is 1/2"),
            ("z", "one of the letters"),
        ],
    ),
    "ch13.arrows": Answers(
        right=[arrows_by_aecore, arrows_in_a_loop],
        wrong=[
            (lambda v, s: arrows_in_a_loop(v, s, factor=expit), "minimax"),
            (lambda v, s: arrows_in_a_loop(v, s, sign=-1.0), "wrong way"),
            (lambda v, s: s, "The factor of the loss is missing"),
            (lambda v, s: arrows_in_a_loop(v, s) / len(v), "the mean loss"),
            (lambda v, s: arrows_in_a_loop(v, s, factor=lambda v: expit(v) * expit(-v)), "the derivative of D"),
            (lambda v, s: arrows_in_a_loop(v, s).mean(axis=0), "shape"),
            (lambda v, s: arrows_in_a_loop(v, s) * 1.3, "the numbers are not"),
        ],
    ),
    "ch13.between": Answers(
        right=[between, between_by_beta],
        wrong=[
            (lambda r, f, g: between(r, f, g, lambda g, n, d: g.standard_normal((n, d))), "Two things are wrong"),
            (lambda r, f, g: between(r, f, g, lambda g, n, d: g.standard_normal((n, 1))), "outside [0, 1]"),
            (lambda r, f, g: between(r, f, g, lambda g, n, d: g.random((n, d))), "on no line"),
            (lambda r, f, g: between(r, f, g, lambda g, n, d: g.random()), "All pairs have the same weight"),
            (lambda r, f, g: between(r, f, g, lambda g, n, d: g.random((n, 1)) ** 2), "not uniform"),
            (lambda r, f, g: between(r, f, g).mean(axis=1), "a point for each pair"),
            (lambda r, f, g: r / 0 * f, "NaN or infinity"),
            (0.5, "Wanted a function"),
        ],
    ),
    "ch13.coverage": Answers(
        right=[coverage_by_cdist, coverage_by_aecore],
        wrong=[
            (lambda *case: coverage_by_cdist(*case, all_count=True), "however far away"),
            (lambda *case: coverage_by_cdist(*case, reach=1.0), "Here it is one"),
            (lambda *case: coverage_by_cdist(*case, power="sqeuclidean"), "squared distance"),
            (
                lambda x, c, s: (coverage_by_cdist(x, c, s)[0] / len(c), coverage_by_cdist(x, c, s)[1]),
                "Wanted: how many",
            ),
            (lambda *case: coverage_by_cdist(*case)[::-1], "changed places"),
            (lambda *case: coverage_by_cdist(*case)[0], "shape"),
        ],
    ),
    "ch13.friction": Answers(
        right=[np.sqrt(B / A), friction_by_search()],
        wrong=[
            (1, "equal speeds"),
            (np.sqrt(A / B), "changed places"),
            (B / A, "the square"),
            (np.sqrt(A * B), "has not been multiplied"),
            (-1.0, "not the number"),
            ("gamma", "Wanted one number"),
        ],
    ),
}
