"""Answers to the exercises of chapter 3."""

import math

import numpy as np

from aecore.exercises import EXERCISES, given
from answers import Answers

n, d, k = given("ch03.message").values()
ESSAY = (
    "The likelihood of training codes rises with every component, that of validation codes has its best value at twenty "
    "and then drops steeply. So held-out likelihood reveals memorising. Nearest-neighbour distance alone does not: blurry "
    "decodings lie close to everything, even when nothing was memorised; only the comparison between both galleries helps."
)


def quantise_by_digitize(codes, reference, k):
    received = np.empty(codes.shape)
    for j, column in enumerate(reference.T):
        edges = np.linspace(column.min(), column.max(), k + 1)
        received[:, j] = (edges[:-1] + np.diff(edges) / 2)[np.digitize(codes[:, j], edges[1:-1])]
    return received


def quantise_by_rounding(codes, reference, k):
    """Clip the codes, not the cells, and round to the half."""
    low = reference.min(axis=0)
    width = np.ptp(reference, axis=0) / k
    place = np.clip((codes - low) / width, 0, k - 1e-9)
    return low + (np.rint(place - 0.5) + 0.5) * width


def quantise(codes, reference, k, place=0.5, clip=True, axis=0, own=False, cells=0):
    """The quantiser with a switch for each mistake."""
    ruler = codes if own else reference
    low, high = ruler.min(axis=axis), ruler.max(axis=axis)
    width = (high - low) / (k + cells)
    i = np.floor((codes - low) / width)
    return low + ((np.clip(i, 0, k - 1) if clip else i) + place) * width


def mistaken(**switches):
    return lambda *case: quantise(*case, **switches)


def change_by_two_means(encode, decode, left, right, b):
    return decode(encode(b) + encode(right).mean(axis=0) - encode(left).mean(axis=0))


def change_one_by_one(encode, decode, left, right, b):
    step = np.zeros(left.shape[1])
    for before, after in zip(left, right, strict=True):
        step += (encode(after[None])[0] - encode(before[None])[0]) / len(left)
    return [decode(encode(x[None]) + step)[0] for x in b]


ANSWERS = {
    "ch03.message": Answers(
        right=[
            n * d * math.log2(k) / 8,
            np.float32(n * d * math.log(k) / math.log(2) / 8),
            n * d * (k.bit_length() - 1) // 8,
        ],
        wrong=[
            (n * d * math.log2(k), "These are bits"),
            (d * math.log2(k) / 8, "one picture"),
            (n * d * k / 8, "do not take k bits"),
            (n * d * math.log(k) / 8, "nats"),
            (n * d * 4, "32-bit floats"),
            (n * math.log2(k) / 8, "One name for each picture"),
            (12345, "not the number"),
            ("1024", "Wanted one number"),
            ([n * d], "Wanted one number"),
            (True, "Wanted one number"),
        ],
    ),
    "ch03.quantise": Answers(
        right=[quantise_by_digitize, quantise_by_rounding],
        wrong=[
            (mistaken(place=0, clip=False), "Two things are wrong"),
            (mistaken(place=0), "half a cell too low"),
            (mistaken(clip=False), "cell of its own"),
            (mistaken(axis=None), "range of its own"),
            (mistaken(own=True), "the codes that are sent"),
            (mistaken(cells=-1), "k - 1 of them"),
            (lambda codes, reference, k: codes, "the numbers are not"),
            (lambda codes, reference, k: np.round(codes[0]), "shape"),
        ],
    ),
    "ch03.directions": Answers(
        right=[change_by_two_means, change_one_by_one],
        wrong=[
            (lambda f, g, x, y, b: g(f(b) + (f(x) - f(y)).mean(axis=0)), "from right to left"),
            (lambda f, g, x, y, b: g(f(b) + f(y)[0] - f(x)[0]), "single pair"),
            (lambda f, g, x, y, b: g(f(b) + f(y).sum(axis=0) - f(x).sum(axis=0)), "summed, not averaged"),
            (lambda f, g, x, y, b: g(f(b) + f(y.mean(axis=0)) - f(x.mean(axis=0))), "before they are encoded"),
            (lambda f, g, x, y, b: g(f(b) + f(y - x).mean(axis=0)), "as if it were a picture"),
            (lambda f, g, x, y, b: b + (y - x).mean(axis=0), "arithmetic with pixels"),
            (lambda f, g, x, y, b: f(b) + (f(y) - f(x)).mean(axis=0), "These are codes"),
            (lambda f, g, x, y, b: g(f(b)), "the numbers are not"),
            (lambda f, g, x, y, b: g((f(y) - f(x)).mean(axis=0)), "shape"),
            (lambda f, g, x, y, b: g(f(b) + f(y) - f(x)), "ValueError"),
        ],
    ),
    "ch03.copy": Answers(
        right=[ESSAY, ESSAY.upper() + "\n\nTwo paragraphs."],
        wrong=[
            ("", "no answer yet"),
            ("  ...  ", "no answer yet"),
            ("The validation score tells.", "too few"),
            ("word " * 200, "too few"),
            (
                EXERCISES["ch03.copy"].question * 3
                + "In my opinion the likelihood does so here, as everyone knows very well.",
                "words of the question",
            ),
            (42, "Wanted text"),
        ],
    ),
}
