"""Exercises of chapter 20, Objects that move."""

import math

import numpy as np

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Choice, Function
from aecore.exercises._verdict import Mistake
from aecore.exercises.ch20_switches import SWITCHES

# --- ch20.filter ----------------------------------------------------------------------------------


def worlds(rng):
    for s in (4, 7):
        move = rng.dirichlet(np.full(s, 0.5), s)
        yield rng.dirichlet(np.ones(s)), move, rng.normal(-900, 1.5, s)  # a frame has many pixels: exp(-900) is 0


def corrected(expected, log_p):
    return expected * np.exp(log_p - log_p.max())


def filtered(belief, move, log_p, gather=sum):
    """One sum over all pairs of states, (before, now)."""
    s = len(belief)
    odds = corrected(np.array([gather(belief[i] * move[i, j] for i in range(s)) for j in range(s)]), log_p)
    return odds / math.fsum(odds)


def normal(odds):
    return odds / odds.sum()


# --- ch20.gain ------------------------------------------------------------------------------------


def witnesses(rng):
    for m in (5, 2, 0):
        yield rng.normal(), rng.uniform(0.5, 3), rng.normal(2, 1, m), rng.uniform(0.5, 3)


def one_by_one(e, p, x, r2):
    """Each witness by itself, the last one's answer the next one's expectation."""
    for witness in x:
        g = p / (p + r2)
        e, p = e + g * (witness - e), (1 - g) * p
    return e, p


def middle(x):
    return x.mean() if len(x) else 0.0


def gain(p, m, r2):
    return m * p / (m * p + r2)


def lone(e, p, x, r2):
    g = p / (p + r2)
    return e + g * (middle(x) - e), (1 - g) * p


def turned(e, p, x, r2):
    g = gain(p, len(x), r2)
    return middle(x) + g * (e - middle(x)), (1 - g) * p


# --- ch20.carry -----------------------------------------------------------------------------------


def flows(rng):
    for h, w in ((6, 9), (8, 5)):
        flow = np.round(rng.normal(0, 2.5, (h, w, 2)), 1) + 0.03  # never half way between two pixels
        yield rng.integers(0, 4, (h, w)), flow


def carried(labels, flow, sign=1, turn=1, edge=np.clip, whole=round):
    """Pixel by pixel: the label at the place where it was."""
    h, w = labels.shape
    new = np.empty_like(labels)
    for i in range(h):
        for j in range(w):
            y, x = (whole(place + sign * by) for place, by in zip((i, j), flow[i, j][::turn], strict=True))
            new[i, j] = labels[edge(y, 0, h - 1), edge(x, 0, w - 1)]
    return new


def around(place, low, high):
    return place % (high + 1)


def emptied(labels, flow):
    """What comes from outside is ground."""
    h, w = labels.shape
    place = np.indices((h, w)) + np.rint(np.moveaxis(flow, -1, 0))
    inside = ((place >= 0) & (place < np.array([h, w])[:, None, None])).all(axis=0)
    return np.where(inside, carried(labels, flow), 0)


EXERCISES = (
    Choice(
        name="ch20.score",
        points=1,
        section="Where it breaks",
        wants="the letter of one option, in quotes",
        hints=(
            "ARI asks of every pair of pixels whether they are together. Which pairs are there in a frame, and which in a film?",
            "Identity asks for one and the same number through the film.",
        ),
        question="The true labels of a film are handed in as an answer, but the numbers of the parts are dealt out anew, at "
        "random, in each frame. Three scores: the ARI of each frame, averaged; the ARI of the whole film, as one long "
        "picture; and identity. What do they say, beside those of the truth?",
        right="the averaged ARI of frames stays 1, the ARI of the film and identity fall",
        wrong={
            "all three stay as they are, since a number is only a name": "Within a frame it is. Through a film the name is "
            "all that says which part of one frame is which of the next.",
            "all three fall, since most numbers are wrong": "No true number enters the ARI of a frame: it asks only which "
            "pixels are together, and those are right.",
            "both ARI stay 1, and identity falls": "A film as one picture has pairs of pixels in different frames, too. "
            "Are these still together?",
        },
        after="A score of frames cannot see a track. Ask of every table whether its score was taken over frames or over films.",
    ),
    Function(
        name="ch20.filter",
        points=2,
        section="Expect, then correct",
        wants="a function of belief, (s,), move, (s, s), and log_p, (s,), that returns the new belief, (s,)",
        hints=(
            "Expect first: the sum over the states before, belief[i] * move[i, j]. As a product of arrays, belief @ move.",
            "Then multiply by the likelihood, and divide by the sum, so that the new belief sums to 1.",
            "exp(-900) is 0 in the computer. A number that is added to all of log_p drops out in the division: take off the largest.",
        ),
        cases=worlds,
        truth=filtered,
        mistakes=(
            Mistake(
                "The transitions have been taken backwards: move[i, j] leads from i to j, and the sum is over where it came from.",
                gives(lambda b, move, log_p: normal(corrected(move @ b, log_p))),
            ),
            Mistake(
                "This corrects first, and expects then. The frame is seen after the state has gone on.",
                gives(lambda b, move, log_p: normal(corrected(b, log_p)) @ move),
            ),
            Mistake(
                "The state has not gone on: what was believed of the frame before is multiplied by what is seen now.",
                gives(lambda b, move, log_p: normal(corrected(b, log_p))),
            ),
            Mistake(
                "The frame has had no say: this is what was expected.",
                gives(lambda b, move, log_p: b @ move),
            ),
            Mistake(
                "These are odds. A belief sums to 1.",
                gives(lambda b, move, log_p: corrected(b @ move, log_p)),
            ),
            Mistake(
                "Only the best way to each state has been counted. A state is as probable as all the ways together.",
                gives(lambda b, move, log_p: filtered(b, move, log_p, gather=max)),
            ),
        ),
        after="With `max` in place of the sum it finds the likeliest path, and is called Viterbi's algorithm.",
    ),
    Function(
        name="ch20.gain",
        points=2,
        section="How far to correct",
        wants="a function of e, P, x, (m,), and r2 that returns two numbers: the corrected mean, and its variance",
        hints=(
            "The mean of m witnesses has the variance r2 / m. The gain is P / (P + r2 / m).",
            "Written as m P / (m P + r2) the gain needs no special case where m is 0, but the mean of no witnesses does.",
            "Precisions, one over the variances, add up: 1 / P + m / r2. The variance that is left is (1 - g) P.",
        ),
        cases=witnesses,
        truth=one_by_one,
        mistakes=(
            Mistake(
                "The gain is turned round: this moves from what is seen towards what was expected.",
                gives(turned),
            ),
            Mistake(
                "All the witnesses together count as one. The more there are, the larger the gain.",
                gives(lone),
            ),
            Mistake(
                "The variance is still that of the expectation. What has been seen makes it smaller.",
                gives(lambda e, p, x, r2: (one_by_one(e, p, x, r2)[0], p)),
            ),
            Mistake(
                "The variance is g P: it would be zero where nothing is seen, and largest where everything is.",
                gives(lambda e, p, x, r2: (one_by_one(e, p, x, r2)[0], gain(p, len(x), r2) * p)),
            ),
            Mistake(
                "The variances have been added. That is the variance of the difference of the two, not of their compromise.",
                gives(lambda e, p, x, r2: (one_by_one(e, p, x, r2)[0], p + r2 / max(len(x), 1))),
            ),
            Mistake(
                "The second number is a standard deviation.",
                gives(lambda e, p, x, r2: (one_by_one(e, p, x, r2)[0], one_by_one(e, p, x, r2)[1] ** 0.5)),
            ),
            Mistake(
                "The expectation counts as much as one witness. How much it counts is the business of P and r2.",
                gives(lambda e, p, x, r2: ((e + sum(x)) / (1 + len(x)), one_by_one(e, p, x, r2)[1])),
            ),
        ),
        after="Between two frames the variance grows again, since no rule of motion is exact. A Kalman filter is this, and that growth.",
    ),
    Function(
        name="ch20.carry",
        points=2,
        section="A mask carried through a film",
        wants="a function of labels, (h, w), and flow, (h, w, 2), that returns the labels of the new frame, (h, w)",
        hints=(
            "For each pixel of the new frame: where was it, and which label is there? Nothing is sent, everything is fetched.",
            "np.indices((h, w)) gives rows and columns; add flow[..., 0] to the rows and flow[..., 1] to the columns.",
            "np.rint rounds, np.clip keeps a place in the frame, and labels[rows, columns] fetches all of them at once.",
        ),
        cases=flows,
        truth=carried,
        mistakes=(
            Mistake(
                "The flow has been followed the wrong way. It says where a pixel *was*: add it.",
                gives(lambda labels, flow: carried(labels, flow, sign=-1)),
            ),
            Mistake(
                "Rows and columns have changed places. flow[..., 0] belongs to the rows.",
                gives(lambda labels, flow: carried(labels, flow, turn=-1)),
            ),
            Mistake(
                "What leaves the frame on one side comes in on the other. A negative index counts from the end.",
                gives(lambda labels, flow: carried(labels, flow, edge=around)),
            ),
            Mistake(
                "Places have been cut off, not rounded to the nearest pixel.",
                gives(lambda labels, flow: carried(labels, flow, whole=int)),
            ),
            Mistake(
                "What comes from outside has become ground. Wanted is the label of the nearest pixel of the edge.",
                gives(emptied),
            ),
            Mistake(
                "These are the labels of the frame before: nothing has moved.",
                gives(lambda labels, flow: labels),
            ),
        ),
        after="A pixel that was covered before was nowhere. The flow has a value for it all the same, and this label is a guess.",
    ),
    SWITCHES,
)
