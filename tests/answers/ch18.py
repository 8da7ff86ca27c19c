"""Answers to the exercises of chapter 18."""

import numpy as np
from sklearn.metrics import jaccard_score

from aecore.exercises import EXERCISES
from answers import Answers

row = lambda values: np.sum(values, axis=1)


def energy_by_softplus(q, logits, z, weight):
    return weight * row(np.logaddexp(0, logits) - q * logits) + row(z**2) / 2


def energy_by_list(q, logits, z, weight):
    pixel = lambda p, ell: max(ell, 0) - p * ell + np.log1p(np.exp(-abs(ell)))
    return [weight * sum(map(pixel, *pair)) + code @ code / 2 for *pair, code in zip(q, logits, z, strict=True)]


def energy_with(q, logits, z, weight, on_pixels=row, on_code=0.5):
    return weight * on_pixels(np.logaddexp(0, logits) - q * logits) + on_code * row(z**2)


def one_sided(q, logits, z, weight):
    return weight * row(q * np.logaddexp(0, -logits)) + row(z**2) / 2


def turned(q, logits, z, weight):
    s = 1 / (1 + np.exp(-logits))
    return -weight * row(s * np.log(q / (1 - q)) + np.log(1 - q)) + row(z**2) / 2


def divergence(q, logits, z, weight):
    return energy_by_softplus(q, logits, z, weight) + weight * row(q * np.log(q) + (1 - q) * np.log(1 - q))


def overflowing(q, logits, z, weight):
    s = 1 / (1 + np.exp(-logits))
    with np.errstate(all="ignore"):
        return -weight * row(q * np.log(s) + (1 - q) * np.log(1 - s)) + row(z**2) / 2


def paired_by_sums(a, b):
    n, d = len(a), a - b
    return sum(d) / n, np.sqrt((np.sum(d**2) - np.sum(d) ** 2 / n) / (n - 1) / n)


paired_by_std = lambda a, b: ((a - b).mean(), (a - b).std(ddof=1) / len(a) ** 0.5)
unpaired = lambda a, b: ((a - b).mean(), np.hypot(a.std(ddof=1), b.std(ddof=1)) / len(a) ** 0.5)


def crossing_by_share(sizes, a, b):
    i = np.flatnonzero(a < b)[0]
    (d0, d1), (n0, n1) = (a - b)[i - 1 : i + 1], sizes[i - 1 : i + 1]
    return n0 * (n1 / n0) ** (d0 / (d0 - d1))


def crossing_by_interp(sizes, a, b):
    i = np.flatnonzero(a < b)[0]
    pair = slice(i - 1, i + 1)
    return np.exp(np.interp(0, (b - a)[pair], np.log(sizes)[pair]))


def crossing_over_sizes(sizes, a, b):
    i = np.flatnonzero(a < b)[0]
    return np.interp(0, (b - a)[i - 1 : i + 1], sizes[i - 1 : i + 1])


def at(sizes, a, b, step):
    return sizes[np.flatnonzero(a < b)[0] + step]


def agreement(samples):
    x = samples.reshape(len(samples), -1).astype(float)
    both = x @ x.T
    return (both / (np.diag(both)[:, None] + np.diag(both) - both)).sum(axis=1)


def central_by_library(samples):
    flat = samples.reshape(len(samples), -1)
    return int(np.argmax([sum(jaccard_score(b, a) for b in flat) for a in flat]))


def nearest_to_the_mean(samples):
    return np.square(samples - samples.mean(axis=0)).sum(axis=(1, 2)).argmin()


def wrong_options(name, *said):
    choice = EXERCISES[name]
    return [(option, piece) for option, piece in zip(choice.wrong, said, strict=True)] + [("x", "one of the letters")]


def right_options(name):
    choice = EXERCISES[name]
    return [*(k for k, v in choice.options().items() if v == choice.right), choice.right]


ANSWERS = {
    "ch18.starts": Answers(
        right=right_options("ch18.starts"),
        wrong=wrong_options("ch18.starts", "does not know the true mask", "No start knows", "one valley"),
    ),
    "ch18.latent": Answers(
        right=[energy_by_softplus, energy_by_list],
        wrong=[
            (lambda *a: energy_with(*a, on_pixels=lambda v: v.mean(axis=1)), "mean over the pixels"),
            (lambda q, ell, z, w: w * energy_with(q, ell, z, 1), "multiplies the code's price"),
            (lambda *a: energy_with(*a, on_code=1), "whole squared length"),
            (lambda *a: energy_with(*a, on_code=0), "pays nothing"),
            (one_sided, "Only the object's pixels"),
            (turned, "changed places"),
            (lambda *a: -energy_by_softplus(*a), "sign is turned"),
            (divergence, "entropy of q"),
            (lambda *a: sum(energy_by_softplus(*a)), "one number for all"),
            (overflowing, "NaN or infinity"),
            (lambda q, ell, z, w: energy_by_softplus(q, ell, z, w) + 1, "the numbers are not"),
        ],
    ),
    "ch18.paired": Answers(
        right=[paired_by_sums, paired_by_std],
        wrong=[
            (unpaired, "two different sets"),
            (lambda a, b: ((a - b).mean(), (a - b).std(ddof=1)), "spread of the differences"),
            (lambda a, b: ((a - b).mean(), np.sqrt(np.mean((a - b - (a - b).mean()) ** 2) / len(a))), "not by n - 1"),
            (lambda a, b: ((a - b).mean(), (a - b).std(ddof=1) / len(a)), "root of n"),
            (lambda a, b: paired_by_std(b, a), "wrong way round"),
            (lambda a, b: (a - b).mean(), "shape"),
        ],
    ),
    "ch18.crossing": Answers(
        right=[crossing_by_share, crossing_by_interp],
        wrong=[
            (crossing_over_sizes, "over the size"),
            (lambda *a: at(*a, 0), "b is ahead"),
            (lambda *a: at(*a, -1), "a is ahead"),
            (lambda *a: np.sqrt(at(*a, 0) * at(*a, -1)), "middle of two sizes"),
            (lambda *a: np.log(crossing_by_share(*a)), "logarithm of the size"),
            (lambda *a: crossing_by_share(*a) + 1, "the numbers are not"),
        ],
    ),
    "ch18.central": Answers(
        right=[lambda samples: agreement(samples).argmax(), central_by_library],
        wrong=[
            (nearest_to_the_mean, "Most of them are background"),
            (lambda samples: np.count_nonzero(samples, axis=(1, 2)).argmax(), "largest sample"),
            (lambda samples: agreement(samples).argmin(), "agrees least"),
            (lambda samples: agreement(samples).argmax() + 1, "counted from 1"),
            (lambda samples: samples[agreement(samples).argmax()], "sample itself"),
            (lambda samples: np.median(samples + 0.0, axis=0) > 0.5, "need not be a shape"),
        ],
    ),
}
