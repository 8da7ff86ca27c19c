"""Answers to the exercises of chapter 20."""

import itertools

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.special import logsumexp, softmax

from aecore.exercises import EXERCISES
from answers import Answers

CHOICE = EXERCISES["ch20.score"]


def filter_in_logs(belief, move, log_p):
    odds = logsumexp(np.log(belief)[:, None] + np.log(np.maximum(move, 1e-300)), axis=0) + log_p
    return np.exp(odds - logsumexp(odds))


def filter_by_arrays(belief, move, log_p):
    p = (move.T @ belief) * np.exp(log_p - np.max(log_p))
    return (p / p.sum()).tolist()


relative = lambda log_p: np.exp(log_p - log_p.max())


def overflowing(belief, move, log_p):
    p = (belief @ move) * np.exp(log_p)
    with np.errstate(all="ignore"):
        return p / p.sum()


def by_precision(e, p, x, r2):
    precision = 1 / p + len(x) / r2
    return (e / p + np.sum(x) / r2) / precision, 1 / precision


def by_gain(e, p, x, r2):
    m = len(x)
    g = m / (m + r2 / p)
    return (e + g * (np.mean(x) - e), p * (1 - g)) if m else (e, p)


def gain_with(variance=None, mean=None):
    def answer(e, p, x, r2):
        right = by_gain(e, p, x, r2)
        return mean(e, p, x, r2) if mean else right[0], variance(e, p, x, r2) if variance else right[1]

    return answer


def all_at_once(e, p, x, r2):
    g = p / (p + r2)
    return (1 - g) * e + g * (np.mean(x) if len(x) else 0), (1 - g) * p


def turned(e, p, x, r2):
    x_mean, (_, left) = np.mean(x) if len(x) else 0, by_gain(e, p, x, r2)
    return left / p * x_mean + (1 - left / p) * e


def carried(labels, flow):
    rows, columns = np.indices(labels.shape) + np.rint(np.moveaxis(flow, -1, 0)).astype(int)
    return labels[rows.clip(0, len(labels) - 1), columns.clip(0, labels.shape[1] - 1)]


def carried_by_library(labels, flow, mode="nearest"):
    place = np.indices(labels.shape) + np.moveaxis(flow, -1, 0)
    return map_coordinates(labels, place, order=0, mode=mode)


def wrapped(labels, flow):
    (h, w), (rows, columns) = labels.shape, np.indices(labels.shape) + np.rint(np.moveaxis(flow, -1, 0)).astype(int)
    return labels[rows % h, columns % w]


def cut_off(labels, flow):
    here = np.moveaxis(np.indices(labels.shape), 0, -1)
    return carried(labels, np.trunc(here + flow) - here)


def from_nowhere(labels, flow):
    wide = np.pad(labels, 20)
    rows, columns = np.indices(labels.shape) + np.rint(np.moveaxis(flow, -1, 0)).astype(int) + 20
    return wide[rows, columns]


def slots_of(truth, predicted, label):
    """The slot in each frame, -1 where the label is not seen."""
    best = lambda t: np.bincount(predicted[t][truth[t] == label]).argmax() if (truth[t] == label).any() else -1
    return np.array([best(t) for t in range(len(truth))])


def switches(truth, predicted, of=lambda slots: np.count_nonzero(np.diff(slots[slots >= 0])), labels=None):
    return sum(of(slots_of(truth, predicted, i)) for i in labels or range(1, truth.max() + 1))


def by_counts(truth, predicted):
    total = 0
    for i in np.setdiff1d(truth, 0):
        last = None
        for there, slots in zip(truth == i, predicted, strict=True):
            if there.any():
                values, counts = np.unique(slots[there], return_counts=True)
                now = values[counts.argmax()]
                total += last is not None and now != last
                last = now
    return int(total)


def neighbours(slots):
    return sum(a != b for a, b in itertools.pairwise(slots) if min(a, b) >= 0)


kept = lambda slots: slots[slots >= 0]

ANSWERS = {
    "ch20.score": Answers(
        right=[*(k for k, v in CHOICE.options().items() if v == CHOICE.right), CHOICE.right],
        wrong=[
            *zip(CHOICE.wrong, ("name is all", "No true number", "different frames"), strict=True),
            ("x", "one of the letters"),
        ],
    ),
    "ch20.filter": Answers(
        right=[filter_in_logs, filter_by_arrays],
        wrong=[
            (lambda b, m, log_p: filter_by_arrays(b, m.T, log_p), "taken backwards"),
            (lambda b, m, log_p: softmax(np.log(b) + log_p) @ m, "corrects first"),
            (lambda b, m, log_p: softmax(np.log(b) + log_p), "has not gone on"),
            (lambda b, m, log_p: m.T @ b, "no say"),
            (lambda b, m, log_p: relative(log_p) * (b @ m), "These are odds"),
            (lambda b, m, log_p: softmax(np.log((b[:, None] * m).max(axis=0)) + log_p), "best way"),
            (overflowing, "NaN or infinity"),
            (lambda b, m, log_p: sum(filter_by_arrays(b, m, log_p)), "shape"),
        ],
    ),
    "ch20.gain": Answers(
        right=[by_precision, by_gain],
        wrong=[
            (gain_with(mean=turned), "turned round"),
            (all_at_once, "count as one"),
            (gain_with(lambda e, p, x, r2: p), "still that of the expectation"),
            (gain_with(lambda e, p, x, r2: p - by_gain(e, p, x, r2)[1]), "is g P"),
            (gain_with(lambda e, p, x, r2: p + r2 / max(1, len(x))), "have been added"),
            (gain_with(lambda *case: by_precision(*case)[1] ** 0.5), "standard deviation"),
            (gain_with(mean=lambda e, p, x, r2: np.mean([e, *x])), "as much as one witness"),
            (lambda *case: by_gain(*case)[0], "Wanted: one that has the shape"),
            (gain_with(mean=lambda e, p, x, r2: e), "the numbers are not"),
        ],
    ),
    "ch20.carry": Answers(
        right=[carried, carried_by_library],
        wrong=[
            (lambda labels, flow: carried(labels, -flow), "the wrong way"),
            (lambda labels, flow: carried(labels, flow[..., ::-1]), "changed places"),
            (wrapped, "comes in on the other"),
            (cut_off, "cut off"),
            (from_nowhere, "become ground"),
            (lambda labels, flow: 1 * labels, "nothing has moved"),
            (lambda labels, flow: carried(labels, flow) + 1, "the numbers are not"),
        ],
    ),
    "ch20.switches": Answers(
        right=[switches, by_counts],
        wrong=[
            (lambda a, b: switches(a, b, neighbours), "follow one another"),
            (lambda a, b: switches(a, b, lambda slots: np.count_nonzero(np.diff(slots))), "slot of its own"),
            (lambda a, b: switches(a, b, labels=range(a.max() + 1)), "ground has been followed"),
            (lambda a, b: switches(a, b, lambda s: int(np.ptp(kept(s)) > 0)), "switch at all"),
            (lambda a, b: switches(a, b, lambda s: len(np.unique(kept(s))) - 1), "other slots"),
            (lambda a, b: switches(a, b, lambda s: np.count_nonzero(kept(s) != kept(s)[0])), "first slot"),
            (lambda a, b: switches(a, b) + 1000, "the numbers are not"),
            (lambda a, b: [switches(a, b)], "shape"),
        ],
    ),
}
