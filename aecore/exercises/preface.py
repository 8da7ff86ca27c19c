"""The exercise of the preface, to learn how exercises work."""

import numpy as np

from aecore.exercises._calling import gives, same
from aecore.exercises._kinds import Function
from aecore.exercises._verdict import Mistake


def pairs(rng):
    """Pictures and their reconstructions, of two sizes."""
    for shape in ((4, 5, 3, 2), (7, 2, 6, 1)):
        yield rng.random(shape), rng.random(shape)


def by_loops(x, x_hat):
    return np.array(
        [sum((p - q) ** 2 for p, q in zip(a.flat, b.flat, strict=True)) for a, b in zip(x, x_hat, strict=True)]
    )


def pixels(x):
    return x[0].size


EXERCISES = (
    Function(
        name="preface.error",
        points=1,
        section="Notation",
        wants="a function of two arrays of pictures, (n, h, w, c) each, that returns n numbers: the squared error of "
        "each picture, summed over its pixels",
        hints=(
            "“Losses are sums over the pixels of an example”: for each picture one number, however large it is.",
            "Make one row of numbers out of each picture first: `(x - x_hat).reshape(len(x), -1)`.",
            "Square, then sum over `axis=1`. `np.mean` would divide by the number of pixels.",
        ),
        cases=pairs,
        truth=by_loops,
        mistakes=(
            Mistake(
                "This is the mean over the pixels. The book sums over them: a mean is smaller by the number of pixels.",
                gives(lambda x, y: by_loops(x, y) / pixels(x)),
                "Which function adds up without dividing?",
            ),
            Mistake(
                "This is one number for all pictures together. Wanted: one for each.",
                lambda value, x, y: any(same(value, f(by_loops(x, y))) for f in (np.sum, np.mean)),
                "Leave the first axis, the one that counts the pictures, out of the sum.",
            ),
            Mistake(
                "The differences are summed, but not squared: errors of opposite sign cancel.",
                gives(lambda x, y: (x - y).sum(axis=(1, 2, 3))),
            ),
            Mistake(
                "The same with the sign turned: the differences are not squared.",
                gives(lambda x, y: (y - x).sum(axis=(1, 2, 3))),
            ),
            Mistake(
                "These are absolute differences. Wanted: their squares.",
                gives(lambda x, y: np.abs(x - y).sum(axis=(1, 2, 3))),
            ),
            Mistake(
                "This is the square root of the squared error: the distance, not its square.",
                gives(lambda x, y: np.sqrt(by_loops(x, y))),
            ),
            Mistake(
                "You have summed over the pictures: axis 0 counts them. Wanted: the sum over all other axes.",
                lambda value, x, y: np.shape(value) == x.shape[1:],
                "What is left after the sum should have the length `len(x)`.",
            ),
            Mistake(
                "Not every axis of a picture is summed: height, width and channels all belong to one picture.",
                lambda value, x, y: np.ndim(value) > 1 and np.shape(value) != x.shape,
            ),
        ),
    ),
)
