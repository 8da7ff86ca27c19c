"""Answers to the exercises of chapter 9."""

import keras
import numpy as np
from scipy import optimize, stats
from scipy.special import expit, logsumexp

from aecore import divergences
from aecore.exercises import EXERCISES, given
from answers import Answers

softplus = lambda v: np.maximum(v, 0) + np.log1p(np.exp(-np.abs(v)))


def judged_by_aecore(data, others):
    return divergences.js_monte_carlo(data, others)


def judged(data, others, sign=1, log_2=1.0, half=0.5, turn=1, unit=1.0):
    """The estimate with a switch for each mistake."""
    paid = softplus(-sign * data).mean() + softplus(sign * others).mean()
    return turn * (log_2 * np.log(2) - half * paid) / unit


def judged_by_probabilities(data, others):
    """As the formula says it; stops being a number where the judge is sure."""
    with np.errstate(divide="ignore"):
        return np.log(2) + (np.log(expit(data)).mean() + np.log(1 - expit(others)).mean()) / 2


def thrown_together(data, others):
    return np.log(2) - softplus(np.concatenate([-data, others])).mean()


def nce_by_aecore(scores):
    return divergences.info_nce(scores)


def nce_by_cross_entropy(scores):
    n = len(scores)
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.log(n) - np.asarray(keras.losses.sparse_categorical_crossentropy(np.arange(n), shifted, from_logits=True))


def nce_in_a_loop(scores, axis=1, log_n=True, among=None):
    found = []
    for i in range(len(scores)):
        row = scores[i] if axis == 1 else scores[:, i]
        rivals = row if among is None else np.delete(row, i)
        found.append(np.log(len(row)) * log_n + scores[i, i] - logsumexp(rivals))
    return np.array(found)


def careless(scores):
    with np.errstate(over="ignore", invalid="ignore"):
        return np.log(len(scores) * np.diag(np.exp(scores)) / np.exp(scores).sum(axis=1))


def mmd_in_a_loop(x, y, h, same=False, cross=2, kernel=lambda d2, h: np.exp(-d2 / (2 * h * h)), count=-1):
    total = 0.0
    for a in (x, y):
        n = len(a)
        values = [kernel(np.sum((a[i] - a[j]) ** 2), h) for i in range(n) for j in range(n) if same or i != j]
        total += sum(values) / (n * n if same or count == 0 else n * (n - 1))
    return total - cross * np.mean([kernel(np.sum((a - b) ** 2), h) for a in x for b in y])


def mmd_by_aecore(x, y, h):
    return divergences.mmd(x.astype("float32"), y.astype("float32"), h)


def mmd_by_triangles(x, y, h):
    together = np.concatenate([x, y])
    gram = np.exp(-((together[:, None] - together) ** 2).sum(axis=2) / (2 * h**2))
    n = len(x)
    above = lambda g: g[np.triu_indices(len(g), 1)].mean()
    return above(gram[:n, :n]) + above(gram[n:, n:]) - 2 * gram[:n, n:].mean()


# --- ch09.fits ------------------------------------------------------------------------------------

WEIGHTS, CENTRES, SCALE = (np.array(v) for v in given("ch09.fits").values())
HEAVY = int(WEIGHTS.argmax())
ISLANDS = stats.Mixture([stats.Normal(mu=c, sigma=SCALE) for c in CENTRES], weights=WEIGHTS)
MIDDLE, WIDE = float(ISLANDS.mean()), float(ISLANDS.standard_deviation())
FORWARD = (MIDDLE, WIDE)


def valley(island):
    """Reverse KL by quantiles of the fit instead of a grid, from one island."""
    z = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    reverse = lambda v: np.mean(-0.5 * z**2 - v[1] - 0.5 * np.log(2 * np.pi) - ISLANDS.logpdf(v[0] + np.exp(v[1]) * z))
    mean, log_scale = optimize.minimize(reverse, [CENTRES[island], np.log(SCALE)], method="Nelder-Mead").x
    return float(mean), float(np.exp(log_scale))


REVERSE, LIGHT = valley(HEAVY), valley(1 - HEAVY)
fits = lambda forward=FORWARD, reverse=REVERSE: {"forward": forward, "reverse": reverse}

CHOICE = EXERCISES["ch09.omission"]

ANSWERS = {
    "ch09.omission": Answers(
        right=[*(k for k, v in CHOICE.options().items() if v == CHOICE.right), CHOICE.right + "\n"],
        wrong=[
            ("KL(p || q) and Jensen-Shannon, but not KL(q || p)", "a mean over the data"),
            ("Jensen-Shannon alone", "never looks at the left-out island"),
            ("all three, since only a part is missing", "A single region"),
            ("abc", "one of the letters"),
            (["a"], "one of the letters"),
        ],
    ),
    "ch09.judge": Answers(
        right=[judged, judged_by_aecore],
        wrong=[
            (lambda a, b: judged(a, b, log_2=0, half=-1), "not the divergence"),
            (lambda a, b: judged(a, b, log_2=2, half=1), "twice the divergence"),
            (lambda a, b: judged(a, b, turn=-1), "The sign is turned"),
            (lambda a, b: judged(a, b, log_2=0), "Something constant"),
            (lambda a, b: judged(a, b, sign=-1), "changed places"),
            (thrown_together, "thrown together"),
            (lambda a, b: judged(a, b, unit=np.log(2)), "base 2"),
            (judged_by_probabilities, "NaN or infinity"),
            (lambda a, b: np.log(2) - softplus(-a) / 2, "Wanted: one that has the shape ()"),
        ],
    ),
    "ch09.nce": Answers(
        right=[nce_by_aecore, nce_by_cross_entropy, nce_in_a_loop],
        wrong=[
            (lambda s: nce_in_a_loop(s, among="others"), "The ceiling is gone"),
            (lambda s: nce_in_a_loop(s, axis=0), "the other way round"),
            (lambda s: nce_in_a_loop(s, log_n=False), "number of players"),
            (lambda s: -nce_in_a_loop(s, log_n=False), "the loss of a classifier"),
            (lambda s: -nce_in_a_loop(s), "The sign is turned"),
            (lambda s: nce_in_a_loop(s).mean(), "The mean is taken already"),
            (lambda s: nce_in_a_loop(s) / np.log(2), "base 2"),
            (careless, "NaN or infinity"),
            (lambda s: s, "shape"),
        ],
    ),
    "ch09.mmd": Answers(
        right=[mmd_in_a_loop, mmd_by_aecore, mmd_by_triangles],
        wrong=[
            (lambda x, y, h: mmd_in_a_loop(x, y, h, same=True), "compared with themselves"),
            (lambda x, y, h: mmd_in_a_loop(x, y, h, count=0), "not out of their number"),
            (lambda x, y, h: mmd_in_a_loop(x, y, h, cross=1), "counted once"),
            (lambda x, y, h: mmd_in_a_loop(x, y, h, cross=-2), "sign of the mean"),
            (lambda x, y, h: mmd_in_a_loop(x, y, h, kernel=lambda d, h: np.exp(-(d**0.5) / (2 * h * h))), "its square"),
            (lambda x, y, h: mmd_in_a_loop(x, y, h, kernel=lambda d, h: np.exp(-d / h**2)), "lacks the 2"),
            (lambda x, y, h: np.sqrt(np.abs(mmd_in_a_loop(x, y, h))), "square root"),
            (lambda x, y, h: mmd_in_a_loop(x, y, h, kernel=lambda d, h: 1 / (1 + d)), "the numbers are not"),
            (lambda x, y, h: x @ y.T, "shape"),
        ],
    ),
    "ch09.fits": Answers(
        right=[fits(), fits(forward=np.array(FORWARD), reverse=list(REVERSE))],
        wrong=[
            (fits(REVERSE, FORWARD), "changed places"),
            (fits(reverse=LIGHT), "not in the deepest one"),
            (fits(forward=(MIDDLE, WIDE**2)), "a variance"),
            (fits(reverse=(REVERSE[0], REVERSE[1] ** 2)), "a variance"),
            (fits(forward=(float(CENTRES.mean()), WIDE)), "The forward fit is not the best"),
            (fits(forward=(MIDDLE, float(np.abs(CENTRES).mean()))), "The forward fit is not the best"),
            (fits(reverse=(REVERSE[0], 1.5 * REVERSE[1])), "not at the bottom"),
            (fits(reverse=(REVERSE[0], 0.0)), "standard deviation (> 0)"),
            (fits(forward=MIDDLE), "wants two numbers"),
            ({"forward": FORWARD}, "the two keys"),
            (FORWARD, "the two keys"),
        ],
    ),
}
