"""Answers to the exercises of chapter 10."""

import numpy as np
from scipy.special import expit, softmax

from aecore import divergences
from aecore.exercises import EXERCISES
from aecore.objectives import Bernoulli
from answers import Answers

CHOICE = EXERCISES["ch10.scale"]


def loss_by_aecore(x, logits, mean, log_var):
    return np.asarray(Bernoulli().nll(x, logits)) + np.asarray(divergences.gaussian_kl(mean, log_var))


def loss(x, logits, mean, log_var, pixels=np.sum, code=np.sum, sign=1, turn=1, unit=1.0, power=1):
    """The loss with a switch for each mistake."""
    rec = pixels(np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits))) - x * logits, axis=(1, 2, 3))
    variance = np.exp(log_var) ** power
    return turn * (rec + sign * code(variance + mean**2 - 1 - np.log(variance), axis=1) / 2) / unit


def loss_by_probabilities(x, logits, mean, log_var):
    p = expit(logits)
    with np.errstate(all="ignore"):
        rec = -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=(1, 2, 3))
    return rec + np.sum(np.exp(log_var) + mean**2 - 1 - log_var, axis=1) / 2


def gradients(mean, log_var, noise, slope, factor=0.5, divide=True, at_mean=False):
    """In a loop over the draws."""
    deviation, sums = np.sqrt(np.exp(log_var)), [0.0, 0.0]
    for e in noise:
        s = slope((mean if at_mean else mean + deviation * e)[None])[0]
        sums = [sums[0] + s, sums[1] + s * factor * deviation * e]
    return tuple(a / len(noise) if divide else a for a in sums)


def by_deviation(mean, log_var, noise, slope):
    s = slope(mean + np.exp(log_var / 2) * noise)
    return s.mean(axis=0), (s * noise).mean(axis=0)


def sigma_in_a_loop(x, decoded):
    return np.sqrt(sum(((y - x) ** 2).sum() for y in decoded) / decoded.size)


def bayes_in_a_loop(log_likelihood, counts, stable=True):
    rows = []
    for row in log_likelihood:
        with np.errstate(all="ignore"):
            weights = counts * np.exp(row - row.max() if stable else row)
            rows.append(weights / weights.sum())
    return np.array(rows)


ANSWERS = {
    "ch10.scale": Answers(
        right=[*(k for k, v in CHOICE.options().items() if v == CHOICE.right), CHOICE.right + "\n"],
        wrong=[
            ("beta is multiplied by 2", "the square of the scale"),
            ("beta is divided by 4", "makes errors cheaper"),
            ("none: the scale is a constant, and has no gradient", "one term and not the other"),
            ("abc", "one of the letters"),
        ],
    ),
    "ch10.loss": Answers(
        right=[loss, loss_by_aecore],
        wrong=[
            (lambda *c: loss(*c, pixels=np.mean, code=np.mean), "Both terms are averages"),
            (lambda *c: loss(*c, pixels=np.mean), "reconstruction is still averaged"),
            (lambda *c: loss(*c, code=np.mean), "KL is still averaged"),
            (lambda *c: loss(*c, sign=-1), "The KL has the wrong sign"),
            (lambda *c: loss(*c, turn=-1), "The sign is turned"),
            (lambda *c: loss(*c, power=2), "log of the standard deviation"),
            (lambda *c: loss(*c).mean(), "mean over the batch"),
            (lambda *c: loss(*c, unit=np.log(2)), "base 2"),
            (loss_by_probabilities, "NaN or infinity"),
            (lambda x, logits, mean, log_var: mean, "shape"),
        ],
    ),
    "ch10.draws": Answers(
        right=[gradients, lambda *c: list(gradients(*c))],
        wrong=[
            (lambda *c: gradients(*c)[::-1], "changed places"),
            (lambda *c: gradients(*c, at_mean=True), "at the mean"),
            (lambda *c: gradients(*c, factor=1), "Half of the second"),
            (by_deviation, "with respect to the standard deviation"),
            (lambda *c: gradients(*c, divide=False), "draws are summed"),
            (lambda *c: gradients(*c)[0], "Wanted"),
        ],
    ),
    "ch10.sigma": Answers(
        right=[sigma_in_a_loop, lambda x, y: np.linalg.norm(y - x) / np.sqrt(y.size)],
        wrong=[
            (lambda x, y: sigma_in_a_loop(x, y.mean(axis=0)[None]), "averaged before the error"),
            (lambda x, y: sigma_in_a_loop(x, y) ** 2, "a variance"),
            (lambda x, y: sigma_in_a_loop(x, y) * np.sqrt(x.shape[1]), "summed"),
            (lambda x, y: sigma_in_a_loop(x, y) / np.sqrt(2), "The 2 of the exponent"),
            (lambda x, y: np.abs(y - x).sum() / y.size, "absolute errors"),
            (lambda x, y: y.std(axis=0), "shape"),
        ],
    ),
    "ch10.bayes": Answers(
        right=[bayes_in_a_loop, lambda a, n: softmax(a + np.log(n / n.sum()), axis=1)],
        wrong=[
            (lambda a, n: bayes_in_a_loop(a, np.ones_like(n)), "equally frequent"),
            (lambda a, n: bayes_in_a_loop((a + np.log(n)).T, 1).T, "over the examples"),
            (lambda a, n: np.log(bayes_in_a_loop(a, n)), "logarithms of the probabilities"),
            (lambda a, n: bayes_in_a_loop(a, np.exp(n / n.sum())), "Its logarithm belongs there"),
            (lambda a, n: bayes_in_a_loop(a, n, stable=False), "NaN or infinity"),
            (lambda a, n: bayes_in_a_loop(a, n).argmax(axis=1), "shape"),
        ],
    ),
}
