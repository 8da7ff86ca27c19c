"""Exercises of chapter 3, Inference and decoding."""

import math
from dataclasses import dataclass

import numpy as np

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Function, Number, Text
from aecore.exercises._verdict import Mistake
from aecore.exercises.ch03_dead import DEAD

BITS = "Codes in bits"

# --- ch03.message ---------------------------------------------------------------------------------


def draw_message(rng):
    return {
        "pictures": 8 * int(rng.integers(50, 200)),
        "units": int(rng.integers(5, 25)),
        "levels": 2 ** int(rng.choice([3, 6, 7])),
    }


# --- ch03.quantise --------------------------------------------------------------------------------


def codes_to_quantise(rng):
    """Codes, some of which leave the range of the reference, and units of different spread."""
    for n, d, k in ((40, 3, 8), (25, 5, 4)):
        spread = np.geomspace(0.3, 3, d)
        yield spread * rng.uniform(-1.3, 1.3, (n, d)), spread * rng.uniform(-1, 1, (60, d)), k


def nearest_middle(codes, reference, k):
    """By search: of all middles of a unit's cells, the one that lies nearest."""
    received = np.empty_like(codes)
    for j in range(codes.shape[1]):
        edges = np.linspace(reference[:, j].min(), reference[:, j].max(), k + 1)
        middles = (edges[:-1] + edges[1:]) / 2
        received[:, j] = middles[np.abs(codes[:, j, None] - middles).argmin(axis=1)]
    return received


def quantiser(place=0.5, clip=True, axis=0, source=None, cells=0):
    """The same by arithmetic, with a switch for each mistake."""

    def quantise(codes, reference, k):
        ruler = codes if source == "codes" else reference
        low, high = ruler.min(axis=axis), ruler.max(axis=axis)
        width = (high - low) / (k + cells)
        number = np.floor((codes - low) / width)
        return low + ((number.clip(0, k - 1) if clip else number) + place) * width

    return gives(quantise)


# --- ch03.directions ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Squash:
    """Stands for an encoder or a decoder: bends, and keeps what it does to itself. Named, so that it can be sent."""

    slope: float
    offset: float

    def __call__(self, x):
        return np.tanh(self.slope * x + self.offset) + 0.1 * x


def moves(rng):
    for many, few, size in ((15, 4, 3), (6, 9, 5)):
        halves = (Squash(*rng.uniform(0.4, 1.2, 2)) for _ in range(2))
        yield *halves, rng.normal(size=(many, size)), rng.normal(size=(many, size)), rng.normal(size=(few, size))


def moved(encode, decode, left, right, b):
    step = sum(encode(r) - encode(x) for r, x in zip(right, left, strict=True)) / len(left)
    return np.array([decode(encode(x) + step) for x in b])


EXERCISES = (
    Number(
        name="ch03.message",
        points=1,
        section=BITS,
        wants="one number: the bytes of the message",
        hints=(
            "How many bits name one of k levels? How many such names are in a picture's code?",
            "A unit takes log2(k) bits. Units per picture, pictures, and eight bits to the byte.",
        ),
        question="A sender has {pictures} pictures. Each code has {units} units, and each unit is rounded to one of "
        "k = {levels} levels. How many bytes is the message, if every unit has a name of the same length?",
        draw=draw_message,
        truth=lambda pictures, units, levels: pictures * units * math.log2(levels) / 8,
        mistakes=(
            Mistake(
                "These are bits. Wanted: bytes.",
                gives(lambda pictures, units, levels: pictures * units * math.log2(levels)),
            ),
            Mistake(
                "This is the message for one picture.",
                gives(lambda pictures, units, levels: units * math.log2(levels) / 8),
            ),
            Mistake(
                "k levels do not take k bits: how many different names can be made of b bits?",
                gives(lambda pictures, units, levels: pictures * units * levels / 8),
            ),
            Mistake(
                "These are nats, divided by eight. Bits need the logarithm to the base 2.",
                gives(lambda pictures, units, levels: pictures * units * math.log(levels) / 8),
            ),
            Mistake(
                "This is the message with 32-bit floats, before any rounding.",
                gives(lambda pictures, units, levels: pictures * units * 4),
            ),
            Mistake(
                "One name for each picture is not enough: every unit has one.",
                gives(lambda pictures, units, levels: pictures * math.log2(levels) / 8),
            ),
        ),
    ),
    Function(
        name="ch03.quantise",
        points=2,
        section=BITS,
        wants="a function of codes, reference and k that returns what the receiver takes for each unit, (n, d)",
        hints=(
            "Try it with one unit, the range from 0 to 1 and k = 2: what should 0.1, 0.9 and 1.3 become?",
            "Where in the cell does the receiver put a code? And what becomes of a code outside the range?",
            "The number of a cell is at least 0 and at most k - 1; the middle of cell i lies at i + 1/2 widths.",
        ),
        cases=codes_to_quantise,
        truth=nearest_middle,
        mistakes=(
            Mistake(
                "Two things are wrong: every code lands on the left edge of its cell, and a code outside the range gets "
                "a cell that the receiver does not know.",
                quantiser(place=0, clip=False),
            ),
            Mistake(
                "Every code lands on the left edge of its cell: on average half a cell too low.",
                quantiser(place=0),
                "Where in its cell is a code to be expected?",
            ),
            Mistake(
                "A code outside the range of the reference gets a cell of its own. There are only k, and the receiver knows no others.",
                quantiser(clip=False),
                "It is sent as the nearest end cell.",
            ),
            Mistake(
                "One range is used for all units. Each unit has a range of its own.",
                quantiser(axis=None),
                "Along which axis are the smallest and the largest value looked for?",
            ),
            Mistake(
                "The range is that of the codes that are sent. The receiver has never seen them: both sides know the reference only.",
                quantiser(source="codes"),
            ),
            Mistake(
                "The cells are too wide: the range is cut into k - 1 of them.",
                quantiser(cells=-1),
                "k cells have k + 1 edges.",
            ),
        ),
    ),
    Function(
        name="ch03.directions",
        points=2,
        section="Arithmetic with codes",
        wants="a function of encode, decode, left, right and b that returns pictures, as many as b",
        hints=(
            "Encode first: the step lives in the space of codes, not of pixels.",
            "One step for each pair, then the mean over the pairs. Which axis counts the pairs?",
            "Add the mean step to every code of b, and let the decoder draw.",
        ),
        cases=moves,
        truth=moved,
        mistakes=(
            Mistake(
                "The step goes from right to left.",
                gives(lambda f, g, left, right, b: g(f(b) - (f(right) - f(left)).mean(axis=0))),
            ),
            Mistake(
                "The step is that of a single pair. Wanted: the mean over all pairs.",
                gives(lambda f, g, left, right, b: g(f(b) + f(right[:1]) - f(left[:1]))),
            ),
            Mistake(
                "The steps are summed, not averaged: with many pairs the code leaves the map.",
                gives(lambda f, g, left, right, b: g(f(b) + (f(right) - f(left)).sum(axis=0))),
            ),
            Mistake(
                "The pictures are averaged before they are encoded. The encoder bends: the code of a mean is not the mean of the codes.",
                gives(lambda f, g, left, right, b: g(f(b) + f(right.mean(axis=0)) - f(left.mean(axis=0)))),
            ),
            Mistake(
                "The difference of two pictures is encoded as if it were a picture.",
                gives(lambda f, g, left, right, b: g(f(b) + f(right - left).mean(axis=0))),
            ),
            Mistake(
                "This is arithmetic with pixels. Encoder and decoder have no part in it.",
                gives(lambda f, g, left, right, b: b + (right - left).mean(axis=0)),
            ),
            Mistake(
                "These are codes. Wanted: what the decoder makes of them.",
                gives(lambda f, g, left, right, b: f(b) + (f(right) - f(left)).mean(axis=0)),
            ),
        ),
    ),
    DEAD,
    Text(
        name="ch03.copy",
        points=3,
        section="Can an autoencoder invent pictures?",
        wants="a text of about 60 to 150 words: what you measured, what you saw, what follows",
        question="Fit mixtures with 5, 20, 80 and 320 Gaussians to the training codes. Which measurement tells that a mixture "
        "has begun to copy, and which does not? Give your numbers, and say why.",
        hints=(
            "A mixture that copies knows the training codes better than others: compare `mixture.score` on training and on "
            "validation codes.",
            "Samples that are copies lie nearer to training pictures than to validation pictures. Smooth samples lie "
            "nearer to both.",
        ),
        words=40,
    ),
)
