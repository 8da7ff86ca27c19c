"""Exercise ch18.central: which of several masks stands best for all of them."""

import numpy as np

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Function
from aecore.exercises._verdict import Mistake


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def to_others(samples, likeness):
    """The mean likeness of each sample to the others, (s,)."""
    s = len(samples)
    return np.array([np.mean([likeness(samples[i], samples[j]) for j in range(s) if j != i]) for i in range(s)])


def central(samples):
    return to_others(samples, overlap).argmax()


def by_pixels(samples):
    return to_others(samples, lambda a, b: (a == b).mean()).argmax()


def fullest(samples):
    return samples.sum(axis=(1, 2)).argmax()


def loneliest(samples):
    return to_others(samples, overlap).argmin()


def draws(rng):
    """Samples in which each way of choosing takes another one."""
    ways = (central, by_pixels, fullest, loneliest, lambda samples: central(samples) + 1)
    for s, side in ((6, 5), (8, 7)):
        while True:
            chance = rng.uniform(0, 0.9, (side, side)) ** 2
            samples = rng.random((s, side, side)) < chance * rng.uniform(0.3, 1.5, (s, 1, 1))
            if not samples.any(axis=(1, 2)).all():
                continue
            second, first = np.sort(to_others(samples, overlap))[-2:]
            if first > second + 1e-6 and len({way(samples) for way in ways}) == len(ways):
                yield (samples,)
                break


CENTRAL = Function(
    name="ch18.central",
    points=3,
    section="Several answers",
    wants="a function of samples, (s, h, w), true in the object, that returns one whole number: which sample to show",
    hints=(
        "First the IoU of every pair of samples, an array (s, s).",
        "Intersections of all pairs at once: flatten the samples to numbers, (s, h w), and multiply by the transpose. The "
        "union is the two sizes minus the intersection.",
        "Each sample has an IoU of 1 with itself. That is the same for all, so it does not matter for the choice.",
    ),
    cases=draws,
    truth=central,
    mistakes=(
        Mistake(
            "The pixels that agree have been counted. Most of them are background: the IoU leaves these out.",
            gives(by_pixels),
        ),
        Mistake(
            "This is the largest sample.",
            gives(fullest),
        ),
        Mistake(
            "This is the sample that agrees least with the others.",
            gives(loneliest),
        ),
        Mistake(
            "This is the number of the sample, counted from 1.",
            gives(lambda samples: central(samples) + 1),
        ),
        Mistake(
            "This is the sample itself. Wanted is its number.",
            gives(lambda samples: samples[central(samples)]),
        ),
        Mistake(
            "This is a new mask, of the pixels that most samples agree on. It need not be a shape that the prior would "
            "ever draw: wanted is one of the samples.",
            gives(lambda samples: samples.mean(axis=0) > 0.5),
        ),
    ),
    after="If the samples are right, no other of them has a higher expected IoU with the unknown mask.",
)
