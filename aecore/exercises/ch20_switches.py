"""Exercise ch20.switches: how often objects change their slots."""

from itertools import pairwise

import numpy as np

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Function
from aecore.exercises._verdict import Mistake


def course(truth, predicted, label):
    """The slot that has most of a label in each frame; None where the label is not seen."""
    slots = []
    for there, labels in zip(truth == label, predicted, strict=True):
        count = np.bincount(labels[there]) if there.any() else []
        slots.append(int(np.argmax(count)) if len(count) else None)
    return slots


def changes(slots):
    return sum(a != b for a, b in pairwise(slots))


def seen(slots):
    return [slot for slot in slots if slot is not None]


def counted(truth, predicted, of=lambda slots: changes(seen(slots)), first=1):
    return sum(of(course(truth, predicted, label)) for label in range(first, truth.max() + 1))


def in_pairs(slots):
    """Changes between frames that follow one another."""
    return sum(a != b for a, b in pairwise(slots) if None not in (a, b))


def tracks(truth, predicted):
    return counted(truth, predicted, lambda slots: changes(seen(slots)) > 0)


def others(truth, predicted):
    return counted(truth, predicted, lambda slots: len(set(seen(slots))) - 1)


def away(truth, predicted):
    return counted(truth, predicted, lambda slots: sum(slot != seen(slots)[0] for slot in seen(slots)))


def with_ground(truth, predicted):
    return counted(truth, predicted, first=0)


def with_gaps(truth, predicted):
    return counted(truth, predicted, changes)


def followed(truth, predicted):
    return counted(truth, predicted, in_pairs)


WAYS = (counted, followed, with_gaps, with_ground, tracks, others, away)


def films(rng, frames=9, side=6):
    """Films in which each way of counting ends at another number: three objects, columns of a picture, with gaps."""
    while True:
        truth, predicted = np.zeros((2, frames, side, side), int)
        for t in range(frames):
            slots = rng.permutation(5)
            for label in range(4):
                part = (t, slice(None), [0, 5] if label == 0 else label + rng.integers(0, 2))
                if label and rng.random() < 0.3:
                    continue
                truth[part] = label
                predicted[part] = label if rng.random() < 0.6 else slots[label]
        noise = rng.random(truth.shape) < 0.1
        predicted = np.where(noise, rng.integers(0, 5, truth.shape), predicted)
        if all((truth == label).any() for label in range(4)) and not tied(truth, predicted):
            yield truth, predicted
            return


def tied(truth, predicted):
    """Whether two slots have equally many pixels of an object in a frame, or two ways of counting agree."""
    for label in range(4):
        for there, labels in zip(truth == label, predicted, strict=True):
            count = np.sort(np.bincount(labels[there], minlength=2))
            if there.any() and count[-1] == count[-2]:
                return True
    return len({way(truth, predicted) for way in WAYS}) < len(WAYS)


def cases(rng):
    for side in (6, 7):
        yield from films(rng, side=side)


SWITCHES = Function(
    name="ch20.switches",
    points=3,
    section="What a film adds",
    wants="a function of truth and predicted, (t, h, w) whole numbers each, that returns one whole number, the switches",
    hints=(
        "For one object and one frame: predicted[t][truth[t] == i] are the slots of its pixels, np.bincount counts them, and "
        "argmax names the most frequent one.",
        "Make a list of the object's slots, of the frames in which it is seen alone. A switch is a difference of two neighbours "
        "in that list.",
        "The objects are 1 to truth.max(). The ground, 0, is none.",
    ),
    cases=cases,
    truth=counted,
    mistakes=(
        Mistake(
            "Only frames that follow one another have been compared. Where an object is not seen in between, its slot before "
            "the gap and after it have to be.",
            gives(followed),
        ),
        Mistake(
            "A gap has been counted as a slot of its own: vanishing and coming back with the same slot is no switch.",
            gives(with_gaps),
        ),
        Mistake(
            "The ground has been followed, too.",
            gives(with_ground),
        ),
        Mistake(
            "This is how many objects switch at all. One that switches twice counts twice.",
            gives(tracks),
        ),
        Mistake(
            "This is how many other slots an object has had. One that goes back to its first slot switches again.",
            gives(others),
        ),
        Mistake(
            "All frames in which an object is not in its first slot have been counted. A switch is counted once, where it happens.",
            gives(away),
        ),
    ),
    after="Identity asks whether a track is kept at all; switches ask how often it breaks. A long film needs the second.",
)
