"""Answers to the exercises of chapter 16."""

import itertools
import math

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion

from aecore import crf
from aecore.exercises import EXERCISES
from aecore.metrics_masks import boundary_f
from answers import Answers


def energy(y, u, right, down, pairs=1.0, unaries=1.0, differ=np.not_equal, below=1.0, beside=1.0):
    """With arrays and a switch for each mistake."""
    y = y.astype(int)
    own = np.take_along_axis(u, y[..., None], axis=-1).sum()
    cut = beside * (right * differ(y[:, 1:], y[:, :-1])).sum() + below * (down * differ(y[1:], y[:-1])).sum()
    return unaries * own + pairs * cut


def energy_by_aecore(y, u, right, down):
    return crf.energy(y[None], u[None], crf.Edges(right[None], down[None]))[0]


def exact(u, w, sign=-1.0, pairs=1.0, best=False):
    n, k = u.shape
    states = np.array(list(itertools.product(range(k), repeat=n)))
    costs = u[np.arange(n), states].sum(axis=1)
    for i, j in itertools.combinations(range(n), 2):
        costs = costs + pairs * w[i, j] * (states[:, i] != states[:, j])
    p = np.exp(sign * costs)
    marginals = np.stack([(p[:, None] * (states == label)).sum(axis=0) for label in range(k)], axis=1) / p.sum()
    return math.log(p.sum()), np.eye(k)[states[costs.argmin()]] if best else marginals


def exact_by_aecore(u, w):
    found = crf.brute_force(u[None], w)
    return found.log_z, found.marginals[0]


def z(u, w):
    log_z, marginals = exact(u, w)
    return math.exp(log_z), marginals


def free(u, w):
    log_z, marginals = exact(u, w)
    return -log_z, marginals


def sweep(q, u, w, damping, heard=1.0, unary=-1.0, share=None, axis=1):
    logits = unary * u + heard * w @ q
    new = np.exp(logits - logits.max())
    new = new / new.sum(axis=axis, keepdims=True)
    share = damping if share is None else share
    return share * q + (1 - share) * new


def sweep_by_cost(q, u, w, damping):
    """The 1 of w (1 - q) kept: it cancels."""
    return sweep(q, u + w.sum(axis=1, keepdims=True), w, damping)


def one_by_one(q, u, w, damping):
    new = q.copy()
    for i in range(len(q)):
        e = np.exp(-u[i] + w[i] @ new)
        new[i] = e / e.sum()
    return damping * q + (1 - damping) * new


def outline(truth, mask, tolerance, boundary=None, reach=None, value=lambda p, r: 2 * p * r / (p + r)):
    """By dilation, with a switch for each mistake."""
    boundary = boundary or (lambda m: m & ~binary_erosion(m, border_value=1))
    steps = np.arange(-int(tolerance), int(tolerance) + 1)
    disc = steps[:, None] ** 2 + steps**2 <= tolerance**2 if reach is None else reach(steps)
    edges = [boundary(m) for m in (truth, mask)]
    near = [binary_dilation(edge, disc) for edge in edges]
    recall, precision = (edges[0] & near[1]).sum() / edges[0].sum(), (edges[1] & near[0]).sum() / edges[1].sum()
    return value(precision, recall)


def outline_by_aecore(truth, mask, tolerance):
    return boundary_f(truth[None], mask[None], tolerance)[0]


def outer(m):
    return binary_dilation(m) & ~m


def thick(m):
    return outer(m) | (m & ~binary_erosion(m, border_value=1))


CHOICE = EXERCISES["ch16.temperature"]

ANSWERS = {
    "ch16.temperature": Answers(
        right=[*(k for k, v in CHOICE.options().items() if v == CHOICE.right), CHOICE.right + "\n"],
        wrong=[
            ("nothing: Z is doubled too, and the factor cancels", "squares every term"),
            ("the labelling of lowest energy becomes smoother, because edges are stronger", "doubling keeps an order"),
            (
                "the labelling of lowest energy stays, and the probabilities become more equal",
                "The differences have grown",
            ),
            ("everything", "one of the letters"),
        ],
    ),
    "ch16.energy": Answers(
        right=[energy, energy_by_aecore],
        wrong=[
            (lambda *case: energy(*case, differ=np.equal), "likes noise"),
            (lambda *case: -energy(*case), "score"),
            (lambda *case: energy(*case, pairs=-1.0), "count with a minus"),
            (lambda *case: energy(*case, pairs=2.0), "counted twice"),
            (lambda *case: energy(*case, unaries=0.0), "unaries are missing"),
            (lambda *case: energy(*case, below=0.0), "to the right"),
            (lambda *case: energy(*case, beside=0.0), "neighbours below"),
            (lambda *case: energy(*case, differ=lambda a, b: abs(a - b)), "names, not quantities"),
            (lambda y, u, right, down: u.sum(), "the numbers are not"),
        ],
    ),
    "ch16.enumerate": Answers(
        right=[exact, exact_by_aecore],
        wrong=[
            (lambda u, w: exact(u, w, sign=1.0), "the worst labelling"),
            (lambda u, w: exact(u, w, pairs=2.0), "charged twice"),
            (lambda u, w: exact(u, w, pairs=0.0), "left out"),
            (z, "This is Z"),
            (free, "-log Z"),
            (lambda u, w: exact(u, w, best=True), "single best"),
            (lambda u, w: exact(u, w)[1], "Wanted: one that"),
        ],
    ),
    "ch16.sweep": Answers(
        right=[sweep, sweep_by_cost],
        wrong=[
            (lambda *case: sweep(*case, heard=-1.0), "push away"),
            (lambda *case: sweep(*case, unary=1.0), "wrong sign"),
            (lambda *case: sweep(*case, share=0.0), "left out"),
            (lambda q, u, w, damping: sweep(q, u, w, damping, share=1 - damping), "belongs to the old one"),
            (lambda *case: sweep(*case, axis=0), "over the pixels"),
            (one_by_one, "come later"),
            (lambda q, u, w, damping: q @ q.T, "shape"),
        ],
    ),
    "ch16.outline": Answers(
        right=[outline, outline_by_aecore],
        wrong=[
            (lambda *case: outline(*case, value=lambda p, r: p), "the precision"),
            (lambda *case: outline(*case, value=lambda p, r: r), "the recall"),
            (lambda *case: outline(*case, value=lambda p, r: (p + r) / 2), "plain mean"),
            (lambda t, m, tolerance: outline(t, m, 0), "tolerance is not used"),
            (lambda *case: outline(*case, boundary=thick), "two pixels wide"),
            (lambda *case: outline(*case, boundary=outer), "outside of the object"),
            (lambda *case: outline(*case, reach=lambda s: np.ones((len(s), len(s)), bool)), "square"),
            (lambda t, m, tolerance: (t & m).sum() / (t | m).sum(), "the numbers are not"),
        ],
    ),
}
