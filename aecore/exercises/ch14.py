"""Exercises of chapter 14, Control."""

import numpy as np

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Choice, Function
from aecore.exercises._verdict import Mistake

# --- ch14.planes ----------------------------------------------------------------------------------


def labelled(rng):
    for n, h, w, c, k in ((3, 2, 4, 1, 5), (4, 3, 2, 2, 3)):
        yield rng.random((n, h, w, c)), rng.permutation(np.arange(n) % k), k


def planes(x, labels, classes, value=None, first=False):
    """By a loop over the examples; `value`: what stands in the label's plane in place of 1."""
    n, h, w, _ = x.shape
    added = np.zeros((n, h, w, classes))
    for i, c in enumerate(labels):
        added[i, :, :, c] = 1 if value is None else value(h, w)
    return np.concatenate([added, x] if first else [x, added], axis=-1)


def grey_plane(x, labels, classes):
    """The label as one plane with its number."""
    return np.concatenate([x, np.broadcast_to(labels[:, None, None, None], (*x.shape[:3], 1))], axis=-1)


# --- ch14.projection ------------------------------------------------------------------------------


def projected(rng):
    for n, d, k in ((6, 4, 3), (5, 3, 7)):
        yield rng.normal(size=(n, d)), rng.integers(0, k, n), rng.normal(size=(k, d)), rng.normal(size=d), rng.normal()


def projection(f, labels, V, w, b):
    return np.array([row @ w + b + row @ V[c] for row, c in zip(f, labels, strict=True)])


# --- ch14.regression ------------------------------------------------------------------------------


def ambiguous(rng):
    for n, d, k in ((21, 3, 3), (35, 2, 5)):
        group = rng.permutation(np.arange(n) % k)  # n / k is odd: the median is one of the targets
        yield rng.exponential(size=(n, d)) + group[:, None], group


def by_group(answer):
    return lambda y, group: np.array([answer(y[group == g]) for g in np.unique(group)])


def least_absolute(targets):
    """The one of the targets' own numbers with the smallest sum of absolute errors, in each column."""
    errors = np.abs(targets[:, None] - targets[None]).sum(axis=0)  # (candidates, d)
    return targets[errors.argmin(axis=0), np.arange(targets.shape[1])]


# --- ch14.patch -----------------------------------------------------------------------------------


def stacks(rng):
    yield [(4, 2), (4, 2), (4, 2), (4, 1), (4, 1)]  # the critic of pix2pix
    for _ in range(3):
        yield [(int(k), int(s)) for k, s in zip(rng.integers(2, 6, 4), rng.integers(1, 4, 4), strict=True)]


def seen(layers):
    """Pixels that one output depends on, in one direction, counted from the output back."""
    size = 1
    for kernel, stride in layers[::-1]:
        size = (size - 1) * stride + kernel
    return size


EXERCISES = (
    Choice(
        name="ch14.blind",
        points=1,
        section="One game for each label",
        wants="the letter of one option, in quotes",
        hints=(
            "What would raise the generator's loss if it threw the label away?",
            "Which distribution of pictures fools a critic that never sees a label?",
        ),
        question="A generator is given noise and a label. Its critic sees pictures alone, real ones of all classes and "
        "generated ones. The training goes well. Then you ask the generator for a hundred threes. What comes?",
        right="digits of all classes, about as often as they are in the data",
        wrong={
            "threes, because the generator has been told which digit is wanted": "It has been told a number. Nothing in "
            "its loss says what that number means: the critic never sees it.",
            "one and the same digit, a hundred times": "That would be mode collapse. It happens, but a critic that sees "
            "real digits of all classes punishes it. Here the training goes well.",
            "no digits: without labels the critic cannot tell real pictures from generated ones": "It can. The GANs of "
            "the chapter before had no labels at all.",
        },
        after="A condition works only where something in the loss reads it together with the picture.",
    ),
    Function(
        name="ch14.planes",
        points=2,
        section="Three critics",
        wants="a function of x, (n, h, w, c), n labels and the number of classes k, that returns (n, h, w, c + k)",
        hints=(
            "A row of the unit matrix for each label: `np.eye(classes)[labels]`, of shape (n, k).",
            "Two axes of length 1 between them, and `np.broadcast_to` makes planes of the rows.",
        ),
        cases=lambda rng: ((x, y, k) for x, y, k in labelled(rng)),
        truth=planes,
        mistakes=(
            Mistake(
                "The label stands in one plane, as a number. Then a nine is nine times as much as a one, and three lies "
                "between two and four.",
                gives(grey_plane),
                "Each class has a plane of its own.",
            ),
            Mistake(
                "The planes stand before the channels of the picture. They should come after them.",
                gives(lambda x, labels, k: planes(x, labels, k, first=True)),
            ),
            Mistake(
                "The planes are divided by the number of pixels. Each is 1 all over, or 0 all over.",
                gives(lambda x, labels, k: planes(x, labels, k, value=lambda h, w: 1 / (h * w))),
            ),
            Mistake(
                "These are the planes without the picture.",
                gives(lambda x, labels, k: planes(x, labels, k)[..., x.shape[-1] :]),
            ),
        ),
    ),
    Function(
        name="ch14.projection",
        points=2,
        section="Three critics",
        wants="a function of features (n, d), n labels, V (k, d), w (d,) and the number b, that returns n logits",
        hints=(
            "`V[labels]` has one row for each example: (n, d).",
            "Multiply it with the features and sum over the last axis: an inner product for each example.",
        ),
        cases=projected,
        truth=projection,
        mistakes=(
            Mistake(
                "This is the inner product with the label's vector alone. The part that needs no label is missing.",
                gives(lambda f, labels, V, w, b: (f * V[labels]).sum(axis=1)),
            ),
            Mistake(
                "These are logits for every class. The critic was told the label: one logit for each example.",
                gives(lambda f, labels, V, w, b: f @ V.T + (f @ w + b)[:, None]),
            ),
            Mistake(
                "The label has no effect: this is a critic of pictures alone.",
                gives(lambda f, labels, V, w, b: f @ w + b),
            ),
            Mistake("b is missing.", gives(lambda f, labels, V, w, b: projection(f, labels, V, w, 0))),
            Mistake(
                "The two parts are multiplied. They are added: a log-ratio for the picture, and one for the label given it.",
                gives(lambda f, labels, V, w, b: (f @ w + b) * (f * V[labels]).sum(axis=1)),
            ),
        ),
    ),
    Function(
        name="ch14.regression",
        points=2,
        section="A regression answers with an average",
        wants="a function of targets (n, d) and the number of each one's source, (n,), that returns one answer for each "
        "source, (k, d)",
        hints=(
            "Each source by itself, and each number of the target by itself.",
            "Move the answer up a little: how many of the absolute errors grow, and how many shrink? Where do the two balance?",
        ),
        cases=ambiguous,
        truth=by_group(least_absolute),
        mistakes=(
            Mistake(
                "These are the means, the best answers by *squared* error.",
                gives(by_group(lambda y: y.mean(axis=0))),
            ),
            Mistake(
                "All targets of a source are put in one pot: there has to be an answer for each of their d numbers.",
                gives(by_group(lambda y: np.full(y.shape[1], np.median(y)))),
            ),
            Mistake(
                "The source makes no difference: this is one answer for all.",
                gives(lambda y, group: np.tile(np.median(y, axis=0), (group.max() + 1, 1))),
            ),
            Mistake(
                "These are the answers for each example. Wanted is one for each source, in the order 0, 1, ...",
                gives(lambda y, group: by_group(least_absolute)(y, group)[group]),
            ),
        ),
        after="No critic has been asked. With it, an answer has to look like one of the targets.",
    ),
    Function(
        name="ch14.patch",
        points=3,
        section="A critic for pairs",
        wants="a function of a list of (kernel, stride), from the picture to the logits, that returns a whole number of pixels",
        hints=(
            "Start at one logit, and go back. Through a layer with kernel 4 and stride 1, it sees 4 places.",
            "Two neighbours of a layer with stride s look at windows that are s apart.",
            "`size` places of a layer's output see (size - 1) * stride + kernel places of its input.",
        ),
        cases=lambda rng: ((layers,) for layers in stacks(rng)),
        truth=seen,
        mistakes=(
            Mistake(
                "The order is turned round: what the layers next to the picture do counts most, and their strides count "
                "for all that follow.",
                gives(lambda layers: seen(layers[::-1])),
            ),
            Mistake(
                "The strides are left out: after a stride of 2, a step on the next layer is two pixels of the picture.",
                gives(lambda layers: seen([(k, 1) for k, _ in layers])),
            ),
            Mistake(
                "This is the product of the strides: how far apart the windows of two logits are, not how wide they are.",
                gives(lambda layers: int(np.prod([s for _, s in layers]))),
            ),
            Mistake(
                "A layer sees (size - 1) * stride + kernel places, not size * stride + kernel.",
                gives(lambda layers: wider(layers)),
            ),
        ),
        after="For the five layers of pix2pix it is 70: a PatchGAN of 70 x 70 pixels.",
    ),
)


def wider(layers):
    """The wrong formula size * stride + kernel."""
    size = 1
    for kernel, stride in layers[::-1]:
        size = size * stride + kernel
    return size
