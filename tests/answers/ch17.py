"""Answers to the exercises of chapter 17."""

import math

import numpy as np

from aecore.exercises import EXERCISES
from answers import Answers

CHOICE = EXERCISES["ch17.copy"]
sigmoid = lambda u: 1 / (1 + np.exp(-u))


def unary_by_logits(log_p, s, a, lam):
    return a * np.diff(log_p, axis=-1)[..., 0] + lam * np.log(s / (1 - s))


def unary_by_products(log_p, s, a, lam):
    """The odds of the object, multiplied up."""
    odds = np.exp(log_p[..., 1]) ** a * s**lam
    return np.log(odds) - np.log(np.exp(log_p[..., 0]) ** a * (1 - s) ** lam)


def shape_alone(log_p, s, a, lam):
    return unary_by_logits(0 * log_p, s, a, lam)


def moments(colours, q, weights=None, centre=None):
    weights = q if weights is None else weights
    mean = weights @ colours / weights.sum()
    d = colours - (mean if centre is None else centre)
    return mean, np.einsum("n,ni,nj->ij", weights, d, d) / weights.sum()


def moments_by_loop(colours, q):
    mean = sum(w * c for w, c in zip(q, colours, strict=True)) / sum(q)
    return mean, sum(w * np.outer(c - mean, c - mean) for w, c in zip(q, colours, strict=True)) / sum(q)


def of_all(colours, q):
    n = len(q)
    mean = q @ colours / n
    return mean, np.einsum("n,ni,nj->ij", q, colours - mean, colours - mean) / n


def weights_twice(colours, q):
    mean, _ = moments(colours, q)
    d = q[:, None] * (colours - mean)
    return mean, d.T @ d / q.sum()


def terms(q, psi, s, kernel, a, lam):
    n = range(len(q))
    appearance = a * sum(q[i] * psi[i, 1] + (1 - q[i]) * psi[i, 0] for i in n)
    shape = -lam * sum(q[i] * math.log(s[i]) + (1 - q[i]) * math.log(1 - s[i]) for i in n)
    smooth = sum(kernel[i, j] * (q[i] * (1 - q[j]) + q[j] * (1 - q[i])) for i in n for j in n if i < j)
    return appearance, shape, smooth, sum(q[i] * math.log(q[i]) + (1 - q[i]) * math.log(1 - q[i]) for i in n)


def terms_by_arrays(q, psi, s, kernel, a, lam, twice=1.0):
    spin = 2 * q - 1
    smooth = twice * (kernel * (1 - np.outer(spin, spin))).sum() / 4
    cross = -(q * np.log(s) + (1 - q) * np.log1p(-s)).sum()
    return [
        a * (psi[:, 0] + q * (psi[:, 1] - psi[:, 0])).sum(),
        lam * cross,
        smooth,
        (q * np.log(q) + (1 - q) * np.log(1 - q)).sum(),
    ]


def swapped(part, by):
    """The right terms with one of them replaced."""

    def answer(*case):
        found = list(terms(*case))
        found[part] = by(found, *case)
        return found

    return answer


def agreeing(found, q, psi, s, kernel, a, lam):
    return kernel.sum() / 2 - found[2]


def rounded(q, psi, s, kernel, a, lam):
    """The energy of one mask."""
    y = (q > 0.5).astype(int)
    pairs = np.triu(kernel) * (y[:, None] != y)
    return a * psi[np.arange(len(y)), y].sum(), -lam * np.log(np.where(y, s, 1 - s)).sum(), pairs.sum(), 0.0


def visible(colour, shape, kernel, known, q):
    """With the pairs that may talk cut out of the kernel."""
    return sigmoid(shape + colour * known + (kernel * np.outer(known, known)) @ (2 * q - 1))


def visible_by_loop(colour, shape, kernel, known, q):
    new = []
    for i in range(len(q)):
        u = shape[i]
        if known[i]:
            u += colour[i] + sum(kernel[i, j] * (2 * q[j] - 1) for j in range(len(q)) if known[j])
        new.append(1 / (1 + math.exp(-u)))
    return new


def visible_with(rows, columns, colours, spin=lambda q: 2 * q - 1):
    """One sweep; each argument makes a mask of what may take part, of `known`."""

    def answer(colour, shape, kernel, known, q):
        pairs = np.outer(rows(known), columns(known))
        return sigmoid(shape + colour * colours(known) + (kernel * pairs) @ spin(q))

    return answer


same, every = lambda known: known, np.ones_like

ANSWERS = {
    "ch17.copy": Answers(
        right=[*(k for k, v in CHOICE.options().items() if v == CHOICE.right), CHOICE.right],
        wrong=[
            *zip(CHOICE.wrong, ("no list of training masks", "ignores its input", "pairwise term"), strict=True),
            ("all of them", "one of the letters"),
        ],
    ),
    "ch17.unary": Answers(
        right=[unary_by_logits, unary_by_products],
        wrong=[
            (lambda *case: -unary_by_logits(*case), "The sign is turned"),
            (lambda p, s, a, lam: unary_by_logits(p[..., ::-1], s, a, lam), "pull against each other"),
            (lambda p, s, a, lam: a * (p[..., 1] - p[..., 0]) + lam * s, "as a probability"),
            (lambda p, s, a, lam: a * (p[..., 1] - p[..., 0]) + lam * np.log(s), "log s alone"),
            (lambda p, s, a, lam: unary_by_logits(p, s, lam, a), "changed places"),
            (lambda p, s, a, lam: unary_by_logits(p, s, 1, 1), "weights are missing"),
            (shape_alone, "the numbers are not"),
            (lambda p, s, a, lam: a * p + lam * np.log(np.stack([1 - s, s], -1)), "shape"),
        ],
    ),
    "ch17.colours": Answers(
        right=[moments, moments_by_loop],
        wrong=[
            (of_all, "number of all pixels"),
            (lambda c, q: moments(c[q > 0.5], np.ones(sum(q > 0.5))), "either in or out"),
            (lambda c, q: (np.mean(c, axis=0), np.cov(c, rowvar=False, bias=True)), "counts alike"),
            (lambda c, q: moments(c, 1 - q), "background"),
            (lambda c, q: moments(c, q, centre=c.mean(axis=0)), "the mean of all pixels"),
            (weights_twice, "occurs twice"),
            (lambda c, q: moments(c, q)[0], "Wanted: one that has the shape"),
            (lambda c, q: (moments(c, q)[0], np.cov(c, rowvar=False, aweights=q)), "the numbers are not"),
        ],
    ),
    "ch17.free": Answers(
        right=[terms, terms_by_arrays],
        wrong=[
            (lambda *case: terms_by_arrays(*case, twice=2.0), "counts twice"),
            (swapped(2, agreeing), "pairs that agree"),
            (swapped(3, lambda found, *case: -found[3]), "it is taken off"),
            (lambda q, psi, s, kernel, a, lam: terms(q, psi, s, kernel, 1, 1), "weights a and lam"),
            (lambda q, psi, *rest: terms(q, psi[:, ::-1], *rest), "column 0 is the background"),
            (rounded, "rounds to"),
            (lambda *case: sum(terms(*case)), "Wanted: one that has the shape"),
            (swapped(1, lambda found, *case: 0.0), "the numbers are not"),
        ],
    ),
    "ch17.hidden": Answers(
        right=[visible, visible_by_loop],
        wrong=[
            (visible_with(same, same, every), "colours of hidden pixels still count"),
            (visible_with(same, every, same), "still send messages"),
            (visible_with(every, same, same), "still receive messages"),
            (visible_with(every, every, same), "still send and receive"),
            (visible_with(np.logical_not, np.logical_not, np.logical_not), "other way round"),
            (lambda c, s, k, known, q: np.where(known, visible(c, s, k, known, q), q), "keep the q"),
            (visible_with(same, same, same, spin=lambda q: q), "kernel @ q"),
            (lambda *case: np.log(visible(*case) / (1 - visible(*case))), "sigmoid is missing"),
            (lambda c, s, k, known, q: visible(c, 0 * s, k, known, q), "the numbers are not"),
            (lambda *case: visible(*case)[:-1], "shape"),
        ],
    ),
}
