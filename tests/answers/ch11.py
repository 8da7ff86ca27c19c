"""Answers to the exercises of chapter 11."""

import math

import keras
import numpy as np

from aecore.divergences import importance_bound
from aecore.exercises import EXERCISES
from answers import Answers


def ess_by_the_squared_sum(log_w):
    w = np.exp(log_w - log_w.max(axis=0))
    return w.sum(axis=0) ** 2 / (w**2).sum(axis=0)


def ess_by_a_loop(log_w):
    counts = []
    for logs in log_w.T:
        w = [math.exp(v - max(logs)) for v in logs]
        counts.append(sum(w) ** 2 / sum(v * v for v in w))
    return counts


def ess_of_raw_weights(log_w):
    with np.errstate(all="ignore"):
        w = np.exp(log_w)
        return w.sum(axis=0) ** 2 / (w**2).sum(axis=0)


def weights(betas, log_ratios):
    return sum((high - low) * r for low, high, r in zip(betas, betas[1:], log_ratios, strict=False))


def walk_by_aecore(betas, log_ratios):
    return importance_bound(keras.ops.convert_to_tensor(weights(betas, log_ratios)), axis=0)


def walk_by_logaddexp(betas, log_ratios):
    return np.logaddexp.reduce(weights(betas, log_ratios)) - math.log(log_ratios.shape[1])


def of_chains(log_w):
    return np.logaddexp.reduce(log_w) - math.log(len(log_w))


def raw_walk(betas, log_ratios):
    with np.errstate(all="ignore"):
        return np.log(np.exp(weights(betas, log_ratios)).mean(axis=0))


def mig_by_sorting(shares):
    ordered = np.sort(shares, axis=0)
    return np.mean(ordered[-1] - ordered[-2])


def mig_by_a_loop(shares):
    total = 0.0
    for column in shares.T:
        best = int(np.argmax(column))
        total += column[best] - max(v for i, v in enumerate(column) if i != best)
    return total / shares.shape[1]


CHOICE = EXERCISES["ch11.ruler"]

ANSWERS = {
    "ch11.ruler": Answers(
        right=[*(k for k, v in CHOICE.options().items() if v == CHOICE.right), CHOICE.right + " "],
        wrong=[
            ("the model: it makes the test digits more likely", "The weights are the same"),
            ("the encoder: its codes fit the digits better", "The encoder is the same too"),
            ("nothing: both readings are unbiased, so the difference is chance", "Jensen"),
            ("abc", "one of the letters"),
        ],
    ),
    "ch11.ess": Answers(
        right=[ess_by_the_squared_sum, ess_by_a_loop],
        wrong=[
            (ess_of_raw_weights, "NaN or infinity"),
            (lambda w: ess_by_the_squared_sum(w.T), "over the examples"),
            (lambda w: np.exp(w - np.logaddexp.reduce(w)).sum(axis=0), "1 for every example"),
            (lambda w: w.sum(axis=0) ** 2 / (w**2).sum(axis=0), "for the weights themselves"),
            (lambda w: ess_by_the_squared_sum(w) / w.shape[0], "share of samples"),
            (lambda w: 1 / ess_by_the_squared_sum(w), "the inverse"),
            (lambda w: ess_by_the_squared_sum(w).mean(), "shape"),
            (lambda w: w[0], "the numbers are not"),
        ],
    ),
    "ch11.walk": Answers(
        right=[walk_by_aecore, walk_by_logaddexp],
        wrong=[
            (raw_walk, "NaN or infinity"),
            (lambda b, r: weights(b, r).mean(axis=0), "mean of the logarithms"),
            (lambda b, r: np.logaddexp.reduce(weights(b, r)), "summed and not averaged"),
            (lambda b, r: of_chains(r.mean(axis=0)), "Every step counts alike"),
            (lambda b, r: of_chains((b[1:, None, None] * r).sum(axis=0)), "not with their rise"),
            (lambda b, r: of_chains(r[-1]), "Only the last temperature"),
            (lambda b, r: -walk_by_logaddexp(b, r), "sign is turned"),
            (lambda b, r: weights(b, r), "shape"),
            (lambda b, r: r[0, 0], "the numbers are not"),
        ],
    ),
    "ch11.mig": Answers(
        right=[mig_by_sorting, mig_by_a_loop],
        wrong=[
            (lambda s: mig_by_sorting(s.T), "asks each unit"),
            (lambda s: s.max(axis=0).mean(), "what the best unit knows"),
            (lambda s: (s.max(axis=0) - s.min(axis=0)).mean(), "with the worst unit"),
            (lambda s: (s.max(axis=0) - s.mean(axis=0)).mean(), "with the mean of all units"),
            (lambda s: mig_by_sorting(s) * s.shape[1], "gaps are summed"),
            (lambda s: max(mig_by_sorting(c[:, None]) for c in s.T), "largest gap alone"),
            (lambda s: np.diff(np.sort(s, axis=0)[-2:], axis=0)[0], "shape"),
            (lambda s: 0.0, "the numbers are not"),
        ],
    ),
}
