"""Exercises of chapter 15, Where they meet."""

from dataclasses import dataclass

import numpy as np

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Choice, Function
from aecore.exercises._verdict import Mistake

# --- ch15.path ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Velocity:
    """Stands for a trained flow: codes (n, d) and a time -> velocities (n, d). It can be sent."""

    turn: float
    pull: float

    def __call__(self, z, t):
        return self.pull * (1 + t) * np.roll(z, 1, axis=-1) + np.sin(self.turn * t + z)


def flows(rng):
    for n, d, steps in ((5, 3, 4), (2, 2, 7)):
        yield Velocity(*rng.uniform(0.5, 1.5, 2)), rng.normal(size=(n, d)), steps


def path(velocity, z, steps, size=None, time=lambda i, steps: i / steps, frozen=False):
    """Euler's steps with a switch for each mistake, (steps + 1, n, d)."""
    places = [z]
    for i in range(steps):
        there = velocity(z, 0.0) if frozen else velocity(places[-1], time(i, steps))
        places.append(places[-1] + (1 / steps if size is None else size) * there)
    return np.array(places)


def on_the_spot(velocity, z, steps):
    """One array moved on and appended again and again: all entries are the last."""
    return np.broadcast_to(path(velocity, z, steps)[-1], (steps + 1, *z.shape))


# --- ch15.starts ----------------------------------------------------------------------------------


def inversions(rng):
    for starts, n, d in ((4, 6, 3), (7, 5, 2)):
        yield rng.normal(size=(starts, n, d)), rng.gamma(2.0, size=(starts, n))


def best(codes, errors):
    return np.array([codes[min(range(len(codes)), key=lambda s: errors[s, i]), i] for i in range(codes.shape[1])])


# --- ch15.score -----------------------------------------------------------------------------------


def places(rng):
    """Velocities, places and times of a flow towards three known codes, which are equally likely."""
    for n, d in ((6, 2), (4, 5)):
        known, t = 2 * rng.normal(size=(3, d)), rng.uniform(0.05, 0.9, n)
        z = (1 - t)[:, None] * rng.normal(size=(n, d)) + t[:, None] * known[rng.integers(0, 3, n)]
        distances = ((z[:, None] - t[:, None, None] * known) ** 2).sum(axis=-1) / (1 - t)[:, None] ** 2  # (n, 3)
        share = np.exp(-0.5 * (distances - distances.min(axis=1, keepdims=True)))
        clean = share @ known / share.sum(axis=1, keepdims=True)  # E[code | z]
        yield (clean - z) / (1 - t)[:, None], z, t


def noise(v, z, t):
    """E[noise | z]."""
    return z - t[:, None] * v


def score(v, z, t):
    return -noise(v, z, t) / (1 - t)[:, None]


EXERCISES = (
    Choice(
        name="ch15.step",
        points=1,
        section="A flow on the codes",
        wants="the letter of one option, in quotes",
        hints=(
            "At t = 0 the flow sees the noise alone. What does the noise say about the code at the other end of its line?",
            "The best guess of a number about which one knows nothing is its mean.",
        ),
        question="A flow has been trained to perfection. You draw 1,000 codes of noise and take a single Euler step, from "
        "t = 0 to t = 1. Where are they?",
        right="all at one place, the mean of the codes",
        wrong={
            "at 1,000 different codes, only less exact than after many steps": "Different places would have to come from "
            "different guesses. The lines were drawn between noise and codes that were paired at random, so the noise tells "
            "nothing about its code.",
            "each at the training code that was nearest to it": "The flow has no list of codes. At t = 0 its velocity is a "
            "mean over all codes that the noise may have been paired with, and it was paired with any.",
            "where they were: the velocity is zero on average": "On average, perhaps. But each point moves by its own "
            "velocity, and that is the mean of the codes minus the point.",
        },
        after="So the first step of a flow is towards the mean, whatever the noise; only later, when the place begins to "
        "tell which codes are possible, do the paths part.",
    ),
    Choice(
        name="ch15.pairs",
        points=1,
        section="A critic that looks at pairs",
        wants="the letter of one option, in quotes",
        hints=(
            "Let a pair of networks be perfect. Now shuffle which code the encoder gives to which picture. Who notices?",
            "Two lists of the same people, by height and by weight, do not say who weighs what.",
        ),
        question="Somebody replaces the critic of pairs by two critics: one compares real with generated pictures, the other "
        "compares codes of real pictures with codes from the prior. After training neither can tell its two sides apart. "
        "Is decode(encode(x)) then x?",
        right="not necessarily: the codes may be dealt to the pictures in any order",
        wrong={
            "yes: the pictures are right and the codes are right, so the pairs are right": "Give picture 1 the code of "
            "picture 2 and the reverse. Both critics see the same crowds as before.",
            "yes, but only if the decoder is deterministic": "A deterministic decoder makes one picture of each code. Which "
            "picture gets which code is still open.",
            "no: two critics cannot both be fooled at once": "They can. The decoder can make exactly the real pictures from "
            "the prior, and the encoder can give exactly the prior.",
        },
        after="To know who belongs to whom, a critic has to see both at once. An autoencoder does it with the "
        "reconstruction error instead.",
    ),
    Function(
        name="ch15.path",
        points=2,
        section="A flow on the codes",
        wants="a function of velocity (itself a function of codes and a time), z, (n, d), and steps, that returns the places "
        "on the way, (steps + 1, n, d), the start first",
        hints=(
            "Step i begins at time i / steps and is 1 / steps long.",
            "Each step asks for the velocity at the place that the last one has reached.",
            "np.stack of a list of arrays puts a new axis in front.",
        ),
        cases=flows,
        truth=path,
        mistakes=(
            Mistake(
                "The steps are too long: each goes the whole way. After n steps the time has to be 1.",
                gives(lambda v, z, steps: path(v, z, steps, size=1.0)),
            ),
            Mistake(
                "The clock runs backwards: t = 0 is noise, and the path begins there.",
                gives(lambda v, z, steps: path(v, z, steps, time=lambda i, n: 1 - i / n)),
            ),
            Mistake(
                "The velocity is asked for at the end of each step. Euler's step takes it where the step begins.",
                gives(lambda v, z, steps: path(v, z, steps, time=lambda i, n: (i + 1) / n)),
            ),
            Mistake(
                "The time is given as the number of the step. It goes from 0 to 1.",
                gives(lambda v, z, steps: path(v, z, steps, time=lambda i, n: float(i))),
            ),
            Mistake(
                "The velocity is always that of the start. A path bends because it is asked for anew at every place.",
                gives(lambda v, z, steps: path(v, z, steps, frozen=True)),
            ),
            Mistake(
                "This is where the path ends. Wanted are all its places, the start first.",
                gives(lambda v, z, steps: path(v, z, steps)[-1]),
            ),
            Mistake(
                "The start is missing: after n steps there are n + 1 places.",
                gives(lambda v, z, steps: path(v, z, steps)[1:]),
            ),
            Mistake(
                "All places are the same: one array was moved on and put into the list again and again.",
                gives(on_the_spot),
                "`z = z + ...` makes a new array, `z += ...` moves the one that is in the list already.",
            ),
        ),
    ),
    Function(
        name="ch15.starts",
        points=2,
        section="An encoder for a trained generator",
        wants="a function of codes, (s, n, d), and errors, (s, n), that returns the best code of each picture, (n, d)",
        hints=(
            "Every picture has its own best start.",
            "errors.argmin(axis=0) has one number for each picture. How do you pick codes[that number, picture]?",
            "codes[errors.argmin(axis=0), np.arange(n)]",
        ),
        cases=inversions,
        truth=best,
        mistakes=(
            Mistake(
                "One start is taken for all pictures, the best on average. Another start may be better for the next picture.",
                gives(lambda codes, errors: codes[errors.sum(axis=1).argmin()]),
            ),
            Mistake(
                "This is the mean over the starts. Between two codes that give the picture there need be none that does.",
                gives(lambda codes, errors: codes.mean(axis=0)),
            ),
            Mistake(
                "This is the worst start of each picture.",
                gives(lambda codes, errors: best(codes, -errors)),
            ),
            Mistake(
                "These are the numbers of the starts. Wanted are the codes that they lead to.",
                gives(lambda codes, errors: errors.argmin(axis=0)),
            ),
        ),
    ),
    Function(
        name="ch15.score",
        points=3,
        section="A flow is a denoiser",
        wants="a function of velocities, (n, d), places z, (n, d), and times t, (n,), all below 1, that returns the scores, (n, d)",
        hints=(
            "From z = (1 - t) noise + t code and velocity = code - noise: what is the noise, in terms of z, t and the velocity?",
            "Given the code, z is normal around t code, with standard deviation 1 - t. The score is the mean of the slope of "
            "its log density over the codes that are possible at z.",
            "That slope is -(z - t code) / (1 - t)^2 = -noise / (1 - t).",
        ),
        cases=places,
        truth=score,
        mistakes=(
            Mistake(
                "The sign is turned: the score points to where the density is higher, away from the noise.",
                gives(lambda v, z, t: -score(v, z, t)),
            ),
            Mistake(
                "This is the mean noise with its sign turned. To be a score it has to be divided by the noise's scale.",
                gives(lambda v, z, t: -noise(v, z, t)),
                "How far does the noise spread at time t?",
            ),
            Mistake(
                "It is divided by the variance (1 - t)^2. The noise was scaled by 1 - t already: once is enough.",
                gives(lambda v, z, t: score(v, z, t) / (1 - t)[:, None]),
            ),
            Mistake(
                "This is the velocity. It leads to the codes at t = 1; the score climbs the density of time t.",
                gives(lambda v, z, t: v),
            ),
            Mistake(
                "This is the mean code minus the place. The code has been scaled by t on its way to z.",
                gives(lambda v, z, t: (1 - t)[:, None] * v),
                "The density at time t is that of t code + (1 - t) noise.",
            ),
            Mistake(
                "Noise and code have changed places: it is the noise that has spread 1 - t, not t.",
                gives(lambda v, z, t: -(z + (1 - t)[:, None] * v) / t[:, None]),
            ),
        ),
        after="So a flow, a denoiser and a score are one network, read in three ways.",
    ),
)
