"""Exercises of chapter 1, From PCA to autoencoders."""

import numpy as np

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Choice, Function
from aecore.exercises._verdict import Mistake
from aecore.exercises.ch01_compare import COMPARE

PCA = "PCA: the best straight answer"
BY_HAND = "A linear autoencoder, by hand"
AECORE = "The same with `aecore`"
LOSS = "What a loss assumes"


# --- ch01.pca -------------------------------------------------------------------------------------


def clouds(rng):
    """Points far from the origin, in clouds with axes of different length."""
    for n, size, d in ((30, 6, 2), (25, 8, 3)):
        scale = np.geomspace(3, 0.3, size)
        turn = np.linalg.qr(rng.normal(size=(size, size)))[0]
        yield rng.normal(size=(n, size)) * scale @ turn + rng.uniform(2, 5, size), d


def on_the_axes(x, directions):
    """Project centred rows onto the columns of `directions`."""
    return x @ directions @ directions.T


def by_covariance(x, d, which=slice(None, None, -1)):
    """PCA the other way: the eigenvectors of the covariance, where a solution has the singular value decomposition."""
    mean = x.mean(axis=0)
    vectors = np.linalg.eigh(np.cov(x.T))[1][:, which][:, :d]
    return mean + on_the_axes(x - mean, vectors)


def uncentred(x, d):
    return on_the_axes(x, np.linalg.eigh(x.T @ x)[1][:, ::-1][:, :d])


def by_example(x, d):
    mean = x.mean(axis=1, keepdims=True)
    return mean + uncentred(x - mean, d)


# --- ch01.gradient --------------------------------------------------------------------------------


def linear_autoencoders(rng):
    for n, size, d in ((12, 5, 2), (9, 7, 3)):
        yield rng.normal(size=(n, size)), rng.normal(0, 0.5, (size, d)), rng.normal(0, 0.5, (d, size))


def loss(X, E, G):
    return np.sum((X @ E @ G - X) ** 2) / len(X)


def measured_slopes(X, E, G, h=1e-4):
    """Both slopes by moving one weight at a time: exact for a loss that is quadratic in each of the matrices."""
    slopes = []
    for which, weights in enumerate((E, G)):
        slope = np.empty_like(weights)
        for place in np.ndindex(weights.shape):
            up, down = (weights.copy() for _ in range(2))
            up[place] += h
            down[place] -= h
            pair = [(X, m, G) if which == 0 else (X, E, m) for m in (up, down)]
            slope[place] = (loss(*pair[0]) - loss(*pair[1])) / (2 * h)
        slopes.append(slope)
    return tuple(slopes)


def scaled(factor):
    return gives(lambda X, E, G: tuple(factor(X) * slope for slope in measured_slopes(X, E, G)))


def one_right(which):
    """Whether only one of the two slopes is right."""
    return lambda value, *case: (
        isinstance(value, tuple) and len(value) == 2 and np.shape(value[which]) == np.shape(case[1 + which])
        and np.allclose(value[which], measured_slopes(*case)[which], rtol=1e-4, atol=1e-6)
    )  # fmt: skip


# --- ch01.turn ------------------------------------------------------------------------------------


def weights_to_turn(rng):
    for size, d in ((7, 3), (6, 6)):
        encoder = rng.normal(size=(size, d)), rng.normal(size=d)
        decoder = rng.normal(size=(d, size)), rng.normal(size=size)
        yield *encoder, *decoder, np.linalg.qr(rng.normal(size=(d, d)))[0]


def turned(W, b, V, c, A):
    """Found from what is asked: where the origin and the axes are to go, and what the decoder must undo."""
    origin = (np.zeros(len(W)) @ W + b) @ A
    axes = (np.eye(len(W)) @ W + b) @ A - origin
    return axes, origin, np.linalg.solve(A, V), c


EXERCISES = (
    Choice(
        name="ch01.predict",
        points=1,
        section="The same with `aecore`",
        wants="the letter of one option, in quotes",
        hints=(
            "64 pixels, 64 numbers in the code: which singular values are left to be dropped?",
            "PCA is computed in one step, the linear autoencoder walks there. Does a walk of 200 epochs arrive exactly?",
        ),
        question="The squared error on the training digits (8 × 8 pixels) with a code of 64 numbers, for PCA and for a "
        "linear autoencoder after 200 epochs of Adam:",
        right="PCA's is zero but for rounding; the autoencoder's is small, but not zero",
        wrong={
            "both are zero but for rounding": "PCA drops nothing, that is right. But the autoencoder is still walking "
            "downhill when it is stopped: how near it has come depends on the steps.",
            "PCA's is about 1.6, as with 8 numbers; the autoencoder's is smaller, because it is trained": "With as many "
            "components as pixels there is nothing left for PCA to drop. And no linear map beats PCA on the data it was fitted to.",
            "both are clearly above zero: a code always loses something": "A code loses what does not fit through. "
            "Here the code is as large as the picture.",
        },
        after="Nothing is dropped by PCA, and gradient descent only comes closer with every step.",
    ),
    Function(
        name="ch01.pca",
        points=2,
        section=PCA,
        wants="a function of x, (n, D), and d that returns what PCA with d components makes of x, (n, D)",
        hints=(
            "Three steps: take away the mean picture, keep d directions, put the mean picture back.",
            "`np.linalg.svd(X, full_matrices=False)` gives U, S and the transpose of V; its rows are sorted, the most "
            "important first.",
            "With `V = Vt[:d].T`, encoding multiplies the centred pictures by V, and decoding multiplies by its transpose.",
        ),
        cases=clouds,
        truth=by_covariance,
        mistakes=(
            Mistake(
                "The data are not centred: your directions point from the origin to the cloud, not along it.",
                gives(uncentred),
                "What has to happen to x before its singular value decomposition is PCA?",
            ),
            Mistake(
                "The reconstructions are centred: they lie around zero, the pictures do not.",
                gives(lambda x, d: by_covariance(x, d) - x.mean(axis=0)),
                "What was taken away at first has to come back at the end.",
            ),
            Mistake(
                "These are the directions in which the data vary least.",
                gives(lambda x, d: by_covariance(x, d, which=slice(None))),
                "In which order do `eigh` and `svd` return what they find?",
            ),
            Mistake(
                "You have divided by the standard deviations: PCA of standardised data is another question, with other directions.",
                gives(lambda x, d: x.std(axis=0) * by_covariance(x / x.std(axis=0), d)),
                "Subtract the mean, and leave the scale as it is.",
            ),
            Mistake(
                "The mean is taken along the wrong axis: the mean of each picture's pixels, not the mean picture.",
                gives(by_example),
                "The mean picture has as many numbers as a picture: which axis of (n, D) has to go?",
            ),
            Mistake(
                "These are the codes. Wanted: the pictures that are rebuilt from them.",
                lambda value, x, d: np.shape(value) == (len(x), d),
                "Encoder: multiply by V. What does the decoder do?",
            ),
        ),
    ),
    Function(
        name="ch01.gradient",
        points=2,
        section=BY_HAND,
        wants="a function of X, E and G that returns two arrays: the slope of the loss in E and that in G",
        hints=(
            "Check it as the chapter does: move one weight a little, and compare. Which of the two slopes is wrong?",
            "The complaint R goes back through the *decoder* before it reaches the encoder's weights.",
            "Compare your lines with the chapter's two formulas for the slopes, letter by letter: matrix, transpose, factor.",
        ),
        cases=linear_autoencoders,
        truth=measured_slopes,
        mistakes=(
            Mistake(
                "Both slopes point uphill the wrong way: the sign of the residual is turned.",
                scaled(lambda X: -1),
                "R is what comes out minus what should come out.",
            ),
            Mistake(
                "Both slopes are half of what is measured: a square has a derivative with a factor.",
                scaled(lambda X: 1 / 2),
            ),
            Mistake(
                "The slopes belong to the sum over the pictures; the loss is the mean over them.",
                scaled(len),
                "Where has 1/n gone?",
            ),
            Mistake(
                "The slopes belong to a mean over pictures *and* pixels. The book's loss sums over the pixels.",
                scaled(lambda X: 1 / X.shape[1]),
                section=LOSS,
            ),
            Mistake(
                "The two slopes have changed places. Wanted: first that in E, then that in G.",
                gives(lambda X, E, G: measured_slopes(X, E, G)[::-1]),
            ),
            Mistake(
                "The slope in G is right, that in E is not: the way back from the pixels to the code goes through another matrix.",
                one_right(1),
                "Two matrices have a shape that fits there. Which one did the signal pass on its way from the code to the pixels?",
            ),
            Mistake("The slope in E is right, that in G is not.", one_right(0)),
        ),
    ),
    Function(
        name="ch01.turn",
        points=2,
        section=AECORE,
        wants="a function of W, b, V, c and A that returns the four new arrays W, b, V, c: every code is multiplied by A, "
        "no reconstruction changes",
        hints=(
            "Write the code as x W + b, and multiply all of it by A. What are the new W and b?",
            "The decoder receives z A in place of z. It must begin by undoing A.",
            "For an orthogonal matrix the inverse is the transpose. Is it to stand left or right of V?",
        ),
        cases=weights_to_turn,
        truth=turned,
        mistakes=(
            Mistake(
                "The encoder's offset is not turned with the rest: every code is wrong by the same vector.",
                gives(lambda W, b, V, c, A: (W @ A, b, A.T @ V, c)),
                "The code is x W + b, and all of it is to be turned.",
            ),
            Mistake(
                "The codes are right, the reconstructions change: the decoder turns once more where it should turn back.",
                gives(lambda W, b, V, c, A: (W @ A, b @ A, A @ V, c)),
                "What undoes a rotation?",
            ),
            Mistake(
                "The codes are right, but the decoder does not know that they were turned: the reconstructions change.",
                gives(lambda W, b, V, c, A: (W @ A, b @ A, V, c)),
            ),
            Mistake(
                "No reconstruction changes, but the codes are multiplied by the transpose of A, not by A.",
                gives(lambda W, b, V, c, A: (W @ A.T, b @ A.T, A @ V, c)),
            ),
            Mistake("Nothing is turned: these are the old weights.", gives(lambda W, b, V, c, A: (W, b, V, c))),
        ),
    ),
    COMPARE,
)
