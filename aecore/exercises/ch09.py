"""Exercises of chapter 9, What is a generative objective?"""

import math

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import log_expit, logsumexp

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Choice, Function
from aecore.exercises._verdict import Mistake
from aecore.exercises.ch09_fits import FITS

RATIO = "Similar to the data, dissimilar to other data"

# --- ch09.judge -----------------------------------------------------------------------------------


def verdicts(rng):
    """Logits at data and at others; in the last case so sure that a probability is 0 or 1 in floating point."""
    for n, m, scale in ((40, 25, 1.5), (9, 30, 400.0)):
        yield rng.normal(0.8, scale, n), rng.normal(-0.8, scale, m)


def judged(data, others):
    """The mean of log 2 D over the data and of log 2 (1 - D) over the others, D the judge's probability."""
    return np.log(2) + (log_expit(data).mean() + log_expit(-others).mean()) / 2


def paid(data, others, sign=1):
    """What the judge pays for the data and for the others, two means."""
    return np.mean(np.logaddexp(0, -sign * data)), np.mean(np.logaddexp(0, sign * others))


# --- ch09.nce -------------------------------------------------------------------------------------


def games(rng):
    for n, scale, offset in ((6, 1.0, 0.0), (9, 3.0, 800.0)):
        yield (rng.normal(offset, scale, (n, n)) + scale * np.eye(n),)


def nce(scores):
    """By the share of the right partner, pair by pair."""
    n = len(scores)
    return np.array(
        [math.log(n) - math.log(math.fsum(math.exp(s - row[i]) for s in row)) for i, row in enumerate(scores)]
    )


def without_partner(scores):
    n = len(scores)
    return np.log(n) + np.diag(scores) - logsumexp(scores[~np.eye(n, dtype=bool)].reshape(n, n - 1), axis=1)


# --- ch09.mmd -------------------------------------------------------------------------------------


def two_samples(rng):
    for n, m, d, h in ((12, 9, 2, 0.7), (7, 15, 4, 1.6)):
        yield rng.normal(size=(n, d)), rng.normal(0.5, 1.3, (m, d)), h


def similarity(h, power="sqeuclidean", factor=2):
    return lambda a, b: np.exp(-cdist(a, b, power) / (factor * h**2))


def discrepancy(x, y, kernel, biased=False, cross=2):
    pairs = lambda a: kernel(a, a)[~np.eye(len(a), dtype=bool)]
    within = (kernel(x, x).mean() + kernel(y, y).mean()) if biased else (pairs(x).mean() + pairs(y).mean())
    return within - cross * kernel(x, y).mean()


def slipped(**how):
    """The estimate with one slip in the kernel or in the sum."""
    of_kernel = {key: how.pop(key) for key in ("power", "factor") if key in how}
    return gives(lambda x, y, h: discrepancy(x, y, similarity(h, **of_kernel), **how))


EXERCISES = (
    Choice(
        name="ch09.omission",
        points=1,
        section="What each one measures",
        wants="the letter of one option, in quotes",
        hints=(
            "For each divergence ask: over whose points is the mean taken?",
            "At a point of the left-out island p is positive and q is zero. Who draws that point, and what does its logarithm say?",
        ),
        question="The data have two islands. A model gets one of them exactly right and leaves the other out: there its "
        "density is exactly zero. Which divergences between the data p and the model q are finite?",
        right="KL(q || p) and Jensen-Shannon, but not KL(p || q)",
        wrong={
            "KL(p || q) and Jensen-Shannon, but not KL(q || p)": "KL(p || q) is a mean over the data, and log(p / q) is "
            "infinite on the island that the model leaves out.",
            "Jensen-Shannon alone": "One of the two directions never looks at the left-out island: no point of its mean "
            "lies there.",
            "all three, since only a part is missing": "A single region where the mean meets log(p / 0) is enough to make it "
            "infinite.",
        },
        after="So likelihood punishes an omission without limit, and the reverse direction hardly notices: it pays log(1 / w), "
        "w the weight of the island that is kept.",
    ),
    Function(
        name="ch09.judge",
        points=2,
        section=RATIO,
        wants="a function of the logits at data and of those at others that returns one number: the estimate of the "
        "Jensen-Shannon divergence, in nats",
        hints=(
            "The chapter says what the best judge pays, in terms of the divergence. Solve for it.",
            "A judge who knows nothing has all logits zero and pays 2 log 2. The divergence must then be zero.",
            "log(1 + exp(l)) is `np.logaddexp(0, l)`, which does not overflow.",
        ),
        cases=verdicts,
        truth=judged,
        mistakes=(
            Mistake(
                "This is what the judge pays, not the divergence: it is largest where nothing can be told apart.",
                gives(lambda a, b: sum(paid(a, b))),
            ),
            Mistake(
                "This is twice the divergence.",
                gives(lambda a, b: 2 * np.log(2) - sum(paid(a, b))),
                "What is the largest value that Jensen-Shannon can have?",
            ),
            Mistake(
                "The sign is turned: a better judge must give a larger divergence.",
                gives(lambda a, b: sum(paid(a, b)) / 2 - np.log(2)),
            ),
            Mistake(
                "Something constant is missing: with all logits zero the divergence has to be zero.",
                gives(lambda a, b: -sum(paid(a, b)) / 2),
            ),
            Mistake(
                "Data and others have changed places: a positive logit says that a point is of the data.",
                gives(lambda a, b: np.log(2) - sum(paid(a, b, sign=-1)) / 2),
            ),
            Mistake(
                "The two groups are thrown together before the mean: the larger one then counts more.",
                gives(lambda a, b: np.log(2) - (len(a) * paid(a, b)[0] + len(b) * paid(a, b)[1]) / (len(a) + len(b))),
                "One mean over the data, one over the others, and each counts half.",
            ),
            Mistake(
                "The logarithm has base 2: these are bits. The book measures in nats.",
                gives(lambda a, b: 1 - sum(paid(a, b)) / 2 / np.log(2)),
            ),
        ),
    ),
    Function(
        name="ch09.nce",
        points=2,
        section="InfoNCE: find the partner",
        wants="a function of scores, (n, n), that returns n numbers: the InfoNCE of each pair, in nats",
        hints=(
            "What is the largest value that each of your numbers can have? And what should it be?",
            "Among how many is the partner looked for? Count the terms of your sum.",
            "Take the largest score out before the exponential, or use `scipy.special.logsumexp`.",
        ),
        cases=games,
        truth=nce,
        mistakes=(
            Mistake(
                "The ceiling is gone: the right partner is missing from the sum, and a good score can claim any number of nats.",
                gives(without_partner),
            ),
            Mistake(
                "The game is played the other way round: here each y looks for its x. Row i belongs to x_i.",
                gives(lambda s: np.log(len(s)) + np.diag(s) - logsumexp(s, axis=0)),
            ),
            Mistake(
                "The number of players is missing: blind guessing must give zero, not a negative number.",
                gives(lambda s: nce(s) - np.log(len(s))),
            ),
            Mistake(
                "This is the loss of a classifier, which is to be small. Wanted is the information, which is large for good scores.",
                gives(lambda s: np.log(len(s)) - nce(s)),
            ),
            Mistake(
                "The sign is turned: good scores have to give a large number.",
                gives(lambda s: -nce(s)),
            ),
            Mistake("The mean is taken already. Wanted: one number for each pair.", gives(lambda s: nce(s).mean())),
            Mistake(
                "The logarithm has base 2: these are bits. The book measures in nats.",
                gives(lambda s: nce(s) / np.log(2)),
            ),
        ),
        after="No number can now be larger than log n, however good the scores.",
    ),
    Function(
        name="ch09.mmd",
        points=3,
        section="MMD: compare samples, without a judge",
        wants="a function of x, (n, d), y, (m, d), and the bandwidth h that returns one number: the unbiased estimate of MMD²",
        hints=(
            "Three means of kernel values: within x, within y, and between the two.",
            "A point compared with itself has the kernel value 1, however different the clouds are. Leave these pairs out.",
            "Without its diagonal an n by n matrix has n (n - 1) entries.",
        ),
        cases=two_samples,
        truth=lambda x, y, h: discrepancy(x, y, similarity(h)),
        mistakes=(
            Mistake(
                "Points are compared with themselves: this estimate is too large even between equal clouds.",
                slipped(biased=True),
            ),
            Mistake(
                "The pairs of a point with itself are left out of the sum, but not out of their number.",
                gives(lambda x, y, h: discrepancy(x, y, similarity(h), biased=True) - 1 / len(x) - 1 / len(y)),
                "How many entries does the matrix have without its diagonal?",
            ),
            Mistake(
                "The mean between the two clouds is counted once. It stands there twice, as in (a - b)² = a² + b² - 2ab.",
                slipped(cross=1),
            ),
            Mistake("The sign of the mean between the two clouds is turned.", slipped(cross=-2)),
            Mistake(
                "The kernel has the distance in its exponent. Wanted: its square.",
                slipped(power="euclidean"),
            ),
            Mistake("The kernel lacks the 2 under its h².", slipped(factor=1)),
            Mistake(
                "This is a square root. Wanted: MMD² itself, which can be a little below zero.",
                gives(lambda x, y, h: np.sqrt(np.abs(discrepancy(x, y, similarity(h))))),
            ),
        ),
    ),
    FITS,
)
