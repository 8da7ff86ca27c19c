"""Exercises of chapter 18, VAE and GAN priors, and little data."""

import numpy as np
from scipy.optimize import brentq

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Choice, Function
from aecore.exercises._verdict import Mistake
from aecore.exercises.ch18_central import CENTRAL

# --- ch18.latent ----------------------------------------------------------------------------------


def beliefs(rng):
    for n, pixels, d in ((4, 12, 3), (3, 30, 5)):
        logits = rng.normal(size=(n, pixels)) * rng.choice([1, 4, 60], (n, pixels))  # some far from zero
        yield rng.uniform(0.02, 0.98, (n, pixels)), logits, rng.normal(size=(n, d)), rng.uniform(0.3, 0.9)


def surprise(q, logits):
    """-log of the decoder's probability of each pixel's label, its mean under q, (n, pixels)."""
    return q * np.logaddexp(0, -logits) + (1 - q) * np.logaddexp(0, logits)


def code_energy(q, logits, z, weight, half=0.5, on_code=1.0):
    return np.array(
        [
            weight * sum(surprise(*row[:2])) + on_code * half * sum(c * c for c in row[2])
            for row in zip(q, logits, z, strict=True)
        ]
    )


def turned(q, logits, z, weight):
    """The cross-entropy of the decoder's probabilities under q's: q and s have changed places."""
    s = 1 / (1 + np.exp(-logits))
    return -weight * (s * np.log(q) + (1 - s) * np.log(1 - q)).sum(axis=1) + 0.5 * (z**2).sum(axis=1)


def entropy(q):
    return -(q * np.log(q) + (1 - q) * np.log(1 - q)).sum(axis=1)


# --- ch18.paired ----------------------------------------------------------------------------------


def scores(rng):
    for n in (12, 40):
        easy = rng.uniform(0.4, 0.9, n)  # a picture that is easy for one is easy for the other
        yield easy + rng.normal(0.02, 0.03, n), easy + rng.normal(0, 0.03, n)


def paired(a, b):
    """By the jackknife: leave out each picture in turn."""
    n, d = len(a), a - b
    without = np.array([np.delete(d, i).mean() for i in range(n)])
    return d.mean(), np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())


# --- ch18.crossing --------------------------------------------------------------------------------


def two_curves(rng):
    for sizes in ((10, 30, 100, 300), (8, 16, 64, 200, 1000)):
        k = rng.integers(1, len(sizes))  # they cross between k - 1 and k
        gap = np.where(np.arange(len(sizes)) < k, 1, -1) * rng.uniform(0.01, 0.06, len(sizes))
        a = 0.8 + 0.01 * np.arange(len(sizes))
        yield np.array(sizes, float), a, a - gap


def crossing(sizes, a, b, scale=np.log, back=np.exp):
    places = scale(sizes)
    return float(back(brentq(lambda p: np.interp(p, places, a - b), places[0], places[-1], xtol=1e-13)))


def first_above(sizes, a, b):
    return sizes[np.argmax(b > a)]


def before(sizes, a, b):
    return sizes[np.argmax(b > a) - 1]


EXERCISES = (
    Choice(
        name="ch18.starts",
        points=1,
        section="A prior without an encoder",
        wants="the letter of one option, in quotes",
        hints=(
            "The best of sixteen numbers, against the best of eight of them.",
            "Which of the two, energy and IoU, does the search look at?",
        ),
        question="A generator of masks is searched for the code with the lowest energy, from 8 random starts for each picture; "
        "the best of the 8 is kept. You add 8 more starts and keep the best of all 16. What can be said, picture by picture?",
        right="the energy falls or stays; the IoU with the true mask may rise, stay or fall",
        wrong={
            "the energy falls or stays, and the IoU rises or stays": "The search does not know the true mask. Where the "
            "picture's colours mislead, the code with the lower energy can be the worse mask.",
            "the energy may rise, because the starts compete with each other": "No start knows of another. The best of all "
            "16 cannot be worse than the best of the first 8.",
            "nothing changes: each start ends in the same lowest place": "That would need an energy with one valley. A "
            "generator's has many, and a search ends in the one where it began.",
        },
        after="A better search is a fairer test of the energy. Whether the energy is right is another question.",
    ),
    Function(
        name="ch18.latent",
        points=2,
        section="Read the code, or search for it",
        wants="a function of q, (n, p), logits, (n, p), z, (n, d), and a weight, that returns n energies",
        hints=(
            "For one pixel: -q log s - (1 - q) log(1 - s), with s = 1 / (1 + exp(-logit)). Then the sum over the pixels.",
            "The weight belongs to the cross-entropy. The code pays half its squared length, whatever the weight.",
            "-log s = log(1 + exp(-logit)), and np.logaddexp(0, -logit) is just that without an overflow.",
        ),
        cases=beliefs,
        truth=code_energy,
        mistakes=(
            Mistake(
                "This is a mean over the pixels. The energy is a sum: with a mean the code's own price counts p times as much.",
                gives(lambda q, t, z, w: w * surprise(q, t).mean(axis=1) + 0.5 * (z**2).sum(axis=1)),
            ),
            Mistake(
                "The weight multiplies the code's price as well.",
                gives(lambda q, t, z, w: code_energy(q, t, z, w, on_code=w)),
                "Only what the prior says of the mask is weighed. Which term is that?",
            ),
            Mistake(
                "The code pays its whole squared length. -log N(z; 0, I) is half of it, plus a constant.",
                gives(lambda q, t, z, w: code_energy(q, t, z, w, half=1.0)),
            ),
            Mistake(
                "The code pays nothing. Without its price this is the search of a plain autoencoder.",
                gives(lambda q, t, z, w: code_energy(q, t, z, w, on_code=0.0)),
            ),
            Mistake(
                "Only the object's pixels pay. A pixel of the background that the decoder calls object has to pay too.",
                gives(lambda q, t, z, w: w * (q * np.logaddexp(0, -t)).sum(axis=1) + 0.5 * (z**2).sum(axis=1)),
            ),
            Mistake(
                "q and s have changed places: the mean is over q's labels, the logarithm is of the decoder's s.",
                gives(turned),
            ),
            Mistake(
                "The sign is turned: this is a score. An energy is low where the code fits.",
                gives(lambda q, t, z, w: -code_energy(q, t, z, w)),
            ),
            Mistake(
                "The entropy of q has been taken off, which makes a divergence of it. It has the same best code, but it is "
                "not the energy.",
                gives(lambda q, t, z, w: code_energy(q, t, z, w) - w * entropy(q)),
            ),
            Mistake(
                "This is one number for all of them. Every picture has its own energy.",
                gives(lambda q, t, z, w: code_energy(q, t, z, w).sum()),
            ),
        ),
    ),
    Function(
        name="ch18.paired",
        points=2,
        section="Little data",
        wants="a function of a and b, (n,) each, that returns two numbers: the mean difference a - b, and its standard error",
        hints=(
            "Take the difference picture by picture, before anything else.",
            "The standard error of a mean of n numbers is their standard deviation, with n - 1, divided by the root of n.",
        ),
        cases=scores,
        truth=paired,
        mistakes=(
            Mistake(
                "This error belongs to two different sets of pictures. Here both methods have seen the same ones, and what "
                "makes a picture hard is in both scores: it drops out of the difference.",
                gives(lambda a, b: ((a - b).mean(), np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / len(a)))),
            ),
            Mistake(
                "This is the spread of the differences. The mean of n of them is surer than one of them.",
                gives(lambda a, b: ((a - b).mean(), (a - b).std(ddof=1))),
            ),
            Mistake(
                "The standard deviation has been divided by n and not by n - 1: the mean was fitted to the same numbers.",
                gives(lambda a, b: ((a - b).mean(), (a - b).std() / np.sqrt(len(a)))),
                "np.std has an argument for it, ddof.",
            ),
            Mistake(
                "It is divided by n. The error of a mean falls with the root of n only.",
                gives(lambda a, b: ((a - b).mean(), (a - b).std(ddof=1) / len(a))),
            ),
            Mistake(
                "The difference is the wrong way round: wanted is by how much a is above b.",
                gives(lambda a, b: ((b - a).mean(), paired(a, b)[1])),
            ),
        ),
        after="Twice this error is about what chance can do. It does not hold the chance of training: for that, train again with other seeds.",
    ),
    Function(
        name="ch18.crossing",
        points=2,
        section="Little data",
        wants="a function of sizes, a and b, (k,) each, that returns one number: the size at which b overtakes a",
        hints=(
            "Find the two sizes between which a - b changes its sign.",
            "Between them the difference falls in a straight line over log(size): from d0 to d1 it is zero after the share d0 / (d0 - d1).",
            "np.exp of log(n0) + share * (log(n1) - log(n0)).",
        ),
        cases=two_curves,
        truth=crossing,
        mistakes=(
            Mistake(
                "The lines have been drawn over the size. On the chapter's plot they are straight over its logarithm.",
                gives(lambda n, a, b: crossing(n, a, b, scale=lambda v: v, back=lambda v: v)),
            ),
            Mistake(
                "This is the first size at which b is ahead. They meet before it.",
                gives(first_above),
            ),
            Mistake(
                "This is the last size at which a is ahead. They meet after it.",
                gives(before),
            ),
            Mistake(
                "This is the middle of two sizes. How near they meet to the one or the other depends on the differences there.",
                gives(lambda n, a, b: np.sqrt(first_above(n, a, b) * before(n, a, b))),
            ),
            Mistake(
                "This is the logarithm of the size.",
                gives(lambda n, a, b: np.log(crossing(n, a, b))),
            ),
        ),
    ),
    CENTRAL,
)
