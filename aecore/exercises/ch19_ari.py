"""Exercise ch19.ari: agreement on pairs of pixels, counted pair by pair."""

import numpy as np

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Function
from aecore.exercises._verdict import Mistake


def labellings(rng):
    for h, w, objects, slots in ((6, 8, 3, 4), (9, 7, 4, 3)):
        truth = rng.integers(0, objects + 1, (h, w))
        wrong = rng.random((h, w)) < 0.3
        yield truth, np.where(wrong, rng.integers(0, slots, (h, w)), (truth * 2 + 1) % slots)


def agreements(a, b):
    """Of all pairs: those together in both, in a alone, in b alone, in neither."""
    one, two = (v[:, None] == v for v in (np.ravel(a), np.ravel(b)))
    pairs = np.triu(np.ones_like(one), 1)
    return [int((pairs & s & t).sum()) for s, t in ((one, two), (one, ~two), (~one, two), (~one, ~two))]


def index(a, b):
    """From pairs, without a table."""
    both, ours, theirs, neither = agreements(a, b)
    rest = (both + ours) * (ours + neither) + (both + theirs) * (theirs + neither)
    return 2 * (both * neither - ours * theirs) / rest


def fg_ari(truth, predicted):
    return index(truth[truth > 0], predicted[truth > 0])


def rand(truth, predicted):
    both, ours, theirs, neither = agreements(truth[truth > 0], predicted[truth > 0])
    return (both + neither) / (both + ours + theirs + neither)


def of_both(truth, predicted):
    there = (truth > 0) & (predicted > 0)
    return index(truth[there], predicted[there])


def with_squares(truth, predicted):
    """n^2 in the place of the pairs among n."""
    t, p = truth[truth > 0], predicted[truth > 0]
    table = np.array([[((t == i) & (p == j)).sum() for j in range(p.max() + 1)] for i in range(t.max() + 1)]) ** 2.0
    same, a, b = table.sum(), (np.bincount(t) ** 2.0).sum(), (np.bincount(p) ** 2.0).sum()
    chance = a * b / len(t) ** 2
    return (same - chance) / ((a + b) / 2 - chance)


ARI = Function(
    name="ch19.ari",
    points=3,
    section="How well are objects found?",
    wants="a function of truth and predicted, (h, w) whole numbers each, that returns one number",
    hints=(
        "Keep only the pixels where truth > 0, of both.",
        "Count into a table n[i, j]; np.add.at(n, (truth, predicted), 1) does it. Pairs among n are n (n - 1) / 2.",
        "S from the table's entries, A and B from its sums over columns and rows, E = A B / pairs among all.",
    ),
    cases=labellings,
    truth=fg_ari,
    mistakes=(
        Mistake(
            "The ground's pixels are counted, too. This is ARI; of FG-ARI only the true objects' pixels are part.",
            gives(index),
        ),
        Mistake(
            "This is the Rand index. What chance alone would give has not been taken off.",
            gives(rand),
        ),
        Mistake(
            "Pixels of the objects that were predicted as label 0 have been left out. Labels of slots mean nothing: they count.",
            gives(of_both),
        ),
        Mistake(
            "n pixels make n (n - 1) / 2 pairs, and not n^2: a pixel is no pair with itself.",
            gives(with_squares),
        ),
    ),
)
