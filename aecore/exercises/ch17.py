"""Exercises of chapter 17, An autoencoder that knows shapes."""

import numpy as np
from scipy.special import expit, logit, xlogy

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Choice, Function
from aecore.exercises._verdict import Mistake

# --- ch17.unary -----------------------------------------------------------------------------------


def opinions(rng):
    """Log-densities of the colours under background and object, and a decoder's probabilities."""
    for h, w in ((4, 6), (5, 3)):
        yield (
            rng.normal(-3, 2, (h, w, 2)),
            rng.uniform(0.05, 0.95, (h, w)),
            rng.uniform(0.2, 0.5),
            rng.uniform(0.6, 0.9),
        )


def unary(log_p, s, a, lam, sign=1):
    """From the energies of the two labels."""
    psi, phi = -a * log_p, -lam * np.log(np.stack([1 - s, s], axis=-1))
    energy = sign * psi + phi  # (h, w, 2)
    return energy[..., 0] - energy[..., 1]


# --- ch17.colours ---------------------------------------------------------------------------------


def weighted_colours(rng):
    for n in (40, 25):
        yield rng.uniform(0, 1, (n, 3)), rng.uniform(0.02, 0.98, n)


def gaussian(c, q):
    """By NumPy's own weighted moments."""
    return np.average(c, axis=0, weights=q), np.cov(c.T, aweights=q, ddof=0)


def counted_all(c, q):
    """Divided by the number of pixels."""
    mean = (q[:, None] * c).sum(axis=0) / len(c)
    return mean, (q[:, None] * (c - mean)).T @ (c - mean) / len(c)


def off_centre(c, q):
    """The covariance about the mean of all pixels."""
    d = c - c.mean(axis=0)
    return gaussian(c, q)[0], (q[:, None] * d).T @ d / q.sum()


# --- ch17.free ------------------------------------------------------------------------------------


def states(rng):
    for n in (6, 9):
        kernel = rng.uniform(0, 1, (n, n))
        kernel = (kernel + kernel.T) * (1 - np.eye(n))
        numbers = (rng.uniform(0.05, 0.95, n), rng.gamma(2, 1, (n, 2)), rng.uniform(0.05, 0.95, n), kernel)
        yield *numbers, rng.uniform(0.2, 0.5), rng.uniform(0.6, 0.9)


def free_energy(q, psi, s, kernel, a, lam, entropy=-1.0, pairs=0.5, differ=True):
    """Four terms by a sum over the labels of every pixel and of every pair."""
    both = np.stack([1 - q, q], axis=-1)  # (n, 2)
    shape = -np.log(np.stack([1 - s, s], axis=-1))
    alike = both @ both.T  # (n, n): the chance that two pixels have one label
    smooth = pairs * (kernel * (1 - alike if differ else alike)).sum()
    return a * (both * psi).sum(), lam * (both * shape).sum(), smooth, -entropy * xlogy(both, both).sum()


# --- ch17.hidden ----------------------------------------------------------------------------------


def hidden_places(rng):
    for n in (7, 10):
        kernel = rng.uniform(0, 1, (n, n))
        kernel = (kernel + kernel.T) / n * (1 - np.eye(n))
        known = rng.permutation(np.arange(n) < n - 3)
        yield rng.normal(0, 2, n), rng.normal(0, 2, n), kernel, known, rng.uniform(0.05, 0.95, n)


def sweep(colour, shape, kernel, known, q, send=False, receive=False, coloured=False, spin=lambda q: 2 * q - 1):
    """One sweep with a switch for each mistake: what hidden pixels still do."""
    nobody = np.zeros_like(known)
    from_whom = known | (~known if send else nobody)
    messages = kernel @ (spin(q) * from_whom)
    return expit(shape + np.where(known | coloured, colour, 0) + np.where(known | receive, messages, 0))


EXERCISES = (
    Choice(
        name="ch17.copy",
        points=1,
        section="What the autoencoder has to learn",
        wants="the letter of one option, in quotes",
        hints=(
            "What does such an autoencoder answer when it is shown a mask that is half wrong?",
            "Put decode(encode(q)) = q into the unary, and read the sum again.",
        ),
        question="An autoencoder has a code with as many numbers as a mask has pixels. It was trained without corruption until "
        "it returns every picture as it came. You use it as the shape prior with lam = 0.5. Compared with the same rounds "
        "without a prior (lam = 0), what do you get?",
        right="much the same masks, with probabilities closer to 0 and 1",
        wrong={
            "the training mask that is nearest to each object": "It has no list of training masks. A mask that is no object "
            "at all goes through it unchanged.",
            "the mean shape, whatever is in the picture": "That would be an autoencoder that ignores its input. This one "
            "repeats it.",
            "smoother outlines, because a network cannot draw sharp ones": "This one returns every picture as it came, "
            "sharp or not. Smoothing is the pairwise term's business.",
        },
        after="The prior repeats what q already says, so that q's opinion is counted once more in each round. It adds no "
        "knowledge, only confidence.",
    ),
    Function(
        name="ch17.unary",
        points=2,
        section="The energy with a shape in it",
        wants="a function of log_p, (h, w, 2), s, (h, w), a and lam that returns the unaries u, (h, w)",
        hints=(
            "u is the energy of label 0 minus the energy of label 1, of appearance and of shape.",
            "An energy is a negative log-probability: what is more probable under `object` makes u larger.",
            "The shape says log s of the object, and log(1 - s) of the background.",
        ),
        cases=opinions,
        truth=unary,
        mistakes=(
            Mistake(
                "The sign is turned: where the object is likely, this u is low, and q = sigmoid(u) says background.",
                gives(lambda *case: -unary(*case)),
            ),
            Mistake(
                "Colours and shape pull against each other: one of them has the wrong sign.",
                gives(lambda *case: unary(*case, sign=-1)),
                "log_p[..., 0] belongs to the background, log_p[..., 1] to the object.",
            ),
            Mistake(
                "The shape enters as a probability. Energies are logarithms of probabilities.",
                gives(lambda p, s, a, lam: unary(p, np.full_like(s, 0.5), a, lam) + lam * s),
            ),
            Mistake(
                "This is log s alone. The background has an opinion of the shape too: log(1 - s) has to be taken off.",
                gives(lambda p, s, a, lam: a * (p[..., 1] - p[..., 0]) + lam * np.log(s)),
            ),
            Mistake(
                "The two weights have changed places: a belongs to the colours, lam to the shape.",
                gives(lambda p, s, a, lam: unary(p, s, lam, a)),
            ),
            Mistake(
                "The weights are missing.",
                gives(lambda p, s, a, lam: unary(p, s, 1.0, 1.0)),
            ),
        ),
    ),
    Function(
        name="ch17.colours",
        points=2,
        section="Inference, one block at a time",
        wants="a function of colours, (n, 3), and q, (n,), that returns the mean, (3,), and the covariance, (3, 3)",
        hints=(
            "A pixel with q = 0.3 counts as three tenths of a pixel.",
            "Divide by the number of object pixels that there are, counted in the same way.",
            "The covariance is measured about the mean of the object's own colours.",
        ),
        cases=weighted_colours,
        truth=gaussian,
        mistakes=(
            Mistake(
                "This divides by the number of all pixels. The object does not have so many.",
                gives(counted_all),
                "How many pixels does the object have, where each counts with q?",
            ),
            Mistake(
                "The pixels are either in or out. What q says of the doubtful ones is lost.",
                gives(lambda c, q: gaussian(c[q > 0.5], np.ones((q > 0.5).sum()))),
            ),
            Mistake(
                "Every pixel counts alike: this Gaussian is that of the whole picture.",
                gives(lambda c, q: gaussian(c, np.ones_like(q))),
            ),
            Mistake(
                "These are the colours of the background: the weights are 1 - q.",
                gives(lambda c, q: gaussian(c, 1 - q)),
            ),
            Mistake(
                "The mean is right. The covariance is measured about the mean of all pixels.",
                gives(off_centre),
            ),
            Mistake(
                "The mean is right. In the covariance each weight occurs twice.",
                gives(
                    lambda c, q: (
                        gaussian(c, q)[0],
                        (q[:, None] ** 2 * (c - gaussian(c, q)[0])).T @ (c - gaussian(c, q)[0]) / q.sum(),
                    )
                ),
            ),
        ),
        after="With several Gaussians for each label, the same step is done for each of them, with q times its share.",
    ),
    Function(
        name="ch17.free",
        points=3,
        section="Inference, one block at a time",
        wants="a function of q, psi, s, kernel, a and lam that returns four numbers: appearance, shape, smoothness, minus the entropy",
        hints=(
            "An expectation over independent pixels: a sum over the pixels of q times the value at 1 plus 1 - q times that at 0.",
            "Two pixels differ with probability q_i (1 - q_j) + (1 - q_i) q_j.",
            "The kernel has every pair twice, as (i, j) and as (j, i).",
        ),
        cases=states,
        truth=free_energy,
        mistakes=(
            Mistake(
                "Every pair counts twice in the smoothness.",
                gives(lambda *case: free_energy(*case, pairs=1.0)),
            ),
            Mistake(
                "The smoothness adds up the pairs that agree. The price is on pairs that differ.",
                gives(lambda *case: free_energy(*case, differ=False)),
            ),
            Mistake(
                "The last number is the entropy. In F it is taken off.",
                gives(lambda *case: free_energy(*case, entropy=1.0)),
                "F = E_Q[E] - H(Q), and the four numbers shall sum to F.",
            ),
            Mistake(
                "The weights a and lam are missing.",
                gives(lambda q, psi, s, kernel, a, lam: free_energy(q, psi, s, kernel, 1.0, 1.0)),
            ),
            Mistake(
                "The columns of psi have changed places: column 0 is the background.",
                gives(lambda q, psi, *rest: free_energy(q, psi[:, ::-1], *rest)),
            ),
            Mistake(
                "This is the energy of the mask that q rounds to. The expectation is over all masks, with the odds of q.",
                gives(lambda q, *rest: free_energy((q > 0.5) * 1.0, *rest)),
            ),
        ),
    ),
    Function(
        name="ch17.hidden",
        points=3,
        section="What is hidden",
        wants="a function of colour, shape, kernel, known and q that returns the new q, (n,)",
        hints=(
            "Of the three opinions about a hidden pixel, which are about the object, and which about what hides it?",
            "A hidden pixel sends nothing and receives nothing: two different places in the product kernel @ (2 q - 1).",
            "known[:, None] & known is a table of the pairs that may talk.",
        ),
        cases=hidden_places,
        truth=sweep,
        mistakes=(
            Mistake(
                "The colours of hidden pixels still count. They are the colours of what hides the object.",
                gives(lambda *case: sweep(*case, coloured=True)),
            ),
            Mistake(
                "Hidden pixels receive nothing, but still send messages to the pixels that are seen.",
                gives(lambda *case: sweep(*case, send=True)),
            ),
            Mistake(
                "Hidden pixels send nothing, but still receive messages from pixels whose colours happen to be like theirs.",
                gives(lambda *case: sweep(*case, receive=True)),
            ),
            Mistake(
                "Hidden pixels still send and receive messages, by a kernel made of colours that are not the object's.",
                gives(lambda *case: sweep(*case, send=True, receive=True)),
            ),
            Mistake(
                "`known` is read the other way round: True is a pixel that is seen.",
                gives(lambda c, s, k, known, q: sweep(c, s, k, ~known, q)),
            ),
            Mistake(
                "Hidden pixels keep the q that they had. The shape has an opinion of them.",
                gives(lambda c, s, k, known, q: np.where(known, sweep(c, s, k, known, q), q)),
            ),
            Mistake(
                "The messages are kernel @ q. A pixel that is surely background has to push towards background: 2 q - 1.",
                gives(lambda *case: sweep(*case, spin=lambda q: q)),
            ),
            Mistake(
                "These are unaries plus messages. The sigmoid is missing.",
                gives(lambda *case: logit(sweep(*case))),
            ),
        ),
        after="So a hidden pixel is decided by the shape alone; and the shape by the pixels that are seen.",
    ),
)
