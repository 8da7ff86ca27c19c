"""Answers to the exercises of chapter 2."""

import math

import keras
import numpy as np

from aecore.exercises import EXERCISES
from aecore.objectives import KLSparsity
from answers import Answers


def kl_by_aecore(codes, rate):
    z = keras.ops.convert_to_tensor(codes.astype("float32"))
    return KLSparsity(1.0, rate=rate).value(z, None, None)[0]


def kl_by_a_loop(codes, rate):
    total = 0.0
    for unit in codes.T:
        r = float(sum(unit) / len(unit))
        total += rate * math.log(rate / r) + (1 - rate) * math.log((1 - rate) / (1 - r))
    return total


def kl_by_cross_entropy(codes, rate):
    """Cross-entropy minus entropy."""
    r = codes.mean(axis=0)
    crossed = -rate * np.log(r) - (1 - rate) * np.log1p(-r)
    return crossed.sum() - len(r) * (-rate * np.log(rate) - (1 - rate) * np.log(1 - rate))


def one_sided(rate, r):
    return rate * np.log(rate / r)


def both_sides(rate, r):
    return one_sided(rate, r) + one_sided(1 - rate, 1 - r)


def squares(a, b):
    return np.square(a - b).reshape(len(a), -1).sum(axis=1)


def denoising_by_einsum(reconstruct, x, noise, scale):
    difference = x - reconstruct(x + noise * scale)
    return np.einsum("nhwc,nhwc->n", difference, difference)


def denoising_by_keras(reconstruct, x, noise, scale):
    cleaned = keras.ops.convert_to_tensor(reconstruct(x + scale * noise))
    return keras.ops.sum(keras.ops.square(cleaned - x), axis=(1, 2, 3))


def step(reconstruct, x, noise, sigma, eta, sign=1, power=2, half=0.5, root=True, wet=True, back=True):
    """One step with a switch for each mistake."""
    arrow = sign * (reconstruct(x) - (x if back else 0)) / sigma**power
    return x + half * eta * arrow + (np.sqrt(eta) if root else eta) * noise * wet


def step_by_mixing(reconstruct, x, noise, sigma, eta):
    share = eta / (2 * sigma**2)
    return (1 - share) * x + share * reconstruct(x) + noise * eta**0.5


def step_in_place(reconstruct, x, noise, sigma, eta):
    x += eta / 2 * (reconstruct(x) - x) / sigma**2 + np.sqrt(eta) * noise
    return x


def mistaken(**switches):
    return lambda *case: step(*case, **switches)


CHOICE = EXERCISES["ch02.loophole"]

ANSWERS = {
    "ch02.loophole": Answers(
        right=[*(k for k, v in CHOICE.options().items() if v == CHOICE.right), CHOICE.right + "\n"],
        wrong=[
            ("the codes shrink, and the error rises to that of a code with a few units", "listens more closely"),
            ("the codes keep their size, and the decoder's first matrix shrinks", "The penalty is on the codes"),
            ("most units of the code become exactly zero", "what L1 with a ReLU does"),
            ("abc", "one of the letters"),
            (["a"], "one of the letters"),
        ],
    ),
    "ch02.kl": Answers(
        right=[kl_by_aecore, kl_by_a_loop, kl_by_cross_entropy],
        wrong=[
            (lambda z, rate: -kl_by_a_loop(z, rate), "The sign is turned"),
            (lambda z, rate: both_sides(z.mean(axis=0), rate).sum(), "changed places"),
            (lambda z, rate: one_sided(rate, z.mean(axis=0)).sum(), "one side of the coin"),
            (lambda z, rate: both_sides(rate, z.mean(axis=0)).mean(), "mean over the units"),
            (lambda z, rate: both_sides(rate, z).mean(axis=0).sum(), "by itself"),
            (lambda z, rate: both_sides(rate, z.mean(axis=1)).sum(), "wrong axis"),
            (lambda z, rate: kl_by_a_loop(z, rate) / np.log(2), "base 2"),
            (lambda z, rate: both_sides(rate, z.mean(axis=0)), "Wanted: one that has the shape ()"),
            (lambda z, rate: 0.0, "the numbers are not"),
        ],
    ),
    "ch02.denoise": Answers(
        right=[denoising_by_einsum, denoising_by_keras],
        wrong=[
            (lambda r, x, e, s: squares(r(x + s * e), x + s * e), "copies its input"),
            (lambda r, x, e, s: squares(r(x), x), "never sees the damage"),
            (lambda r, x, e, s: squares(r(x), x + s * e), "wrong way round"),
            (lambda r, x, e, s: squares(r(x + s**2 * e), x), "not its variance"),
            (lambda r, x, e, s: squares(r(x + e), x), "whatever `scale` says"),
            (lambda r, x, e, s: squares(r(x + s * e), x) / x[0].size, "averaged over the pixels"),
            (lambda r, x, e, s: squares(r(x + s * e), x).mean(), "shape"),
            (lambda r, x, e, s: r(e), "shape"),
        ],
    ),
    "ch02.walk": Answers(
        right=[step, step_by_mixing],
        wrong=[
            (mistaken(sign=-1), "away from the data"),
            (mistaken(power=1), "variance, not of its standard deviation"),
            (mistaken(power=0), "not the score yet"),
            (mistaken(back=False), "starts at the origin"),
            (mistaken(half=1), "twice too long"),
            (mistaken(root=False), "standard deviation η"),
            (mistaken(wet=False), "no noise"),
            (step_in_place, "changes the array"),
            (lambda reconstruct, x, noise, sigma, eta: reconstruct(x), "the numbers are not"),
        ],
    ),
}
