"""Exercises of chapter 10, Variational autoencoders."""

import math

import numpy as np
from scipy import stats
from scipy.special import log_expit, logsumexp, softmax

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Choice, Function
from aecore.exercises._verdict import Mistake

SCALE = "What the output scale does"
BASE_2 = "The logarithm has base 2: these are bits. The book measures in nats."

# --- ch10.loss ------------------------------------------------------------------------------------


def batches(rng):
    """Black and white pictures, logits that can be so large that a probability is 0 or 1, and q(z | x)."""
    for n, side, d, size in ((5, 3, 4, 2.0), (3, 4, 2, 300.0)):
        x = (rng.random((n, side, side, 1)) < 0.4).astype("float64")
        yield x, size * rng.normal(size=x.shape), rng.normal(size=(n, d)), rng.normal(-0.5, 0.7, (n, d))


def reconstruction(x, logits):
    """-log p(x | z) of every pixel."""
    return -(x * log_expit(logits) + (1 - x) * log_expit(-logits))


def divergence(mean, log_var):
    """KL to the standard normal of every coordinate: cross-entropy less entropy."""
    deviation = np.exp(log_var / 2)
    return 0.5 * (math.log(2 * math.pi) + deviation**2 + mean**2) - stats.norm(scale=deviation).entropy()


def loss(x, logits, mean, log_var, over_pixels=np.sum, over_code=np.sum, sign=1):
    rec = over_pixels(reconstruction(x, logits).reshape(len(x), -1), axis=1)
    return rec + sign * over_code(divergence(mean, log_var), axis=1)


def with_slip(**how):
    return gives(lambda *case: loss(*case, **how))


# --- ch10.draws -----------------------------------------------------------------------------------


def landscapes(rng):
    """A normal, noise, and the slope of a function of the code."""
    for k, d in ((7, 3), (4, 2)):
        a, b = rng.normal(size=(d, d)), rng.normal(size=d)
        slope = lambda z, a=a, b=b: np.cos(z @ a + b) @ a.T
        yield rng.normal(size=d), rng.normal(size=d), rng.normal(size=(k, d)), slope


def pathwise(mean, log_var, noise, slope, step=1e-6):
    """The chain rule, by numbers: how far each draw moves where a parameter moves a little."""
    draws = lambda m, v: m + np.exp(v / 2) * noise
    z, slopes = draws(mean, log_var), slope(draws(mean, log_var))
    moved = (
        (draws(mean + step, log_var) - z) / step,
        (draws(mean, log_var + step) - draws(mean, log_var - step)) / (2 * step),
    )
    return tuple(np.mean(slopes * m, axis=0) for m in moved)


def paths(at="draws", times=0.5, over=np.mean, turned=False, spread=True):
    """The two gradients with a switch for each mistake, as an effect."""

    def gradients(mean, log_var, noise, slope):
        moved = np.exp(log_var / 2) * noise
        slopes = slope(mean + moved if at == "draws" else np.broadcast_to(mean, noise.shape))
        both = over(slopes, axis=0), over(slopes * times * (moved if spread else noise), axis=0)
        return both[::-1] if turned else both

    return gives(gradients)


# --- ch10.sigma -----------------------------------------------------------------------------------


def pictures(rng):
    """Examples, and several pictures decoded for each of them."""
    for k, n, size in ((4, 6, 5), (9, 3, 7)):
        x = rng.random((n, size))
        yield x, x + rng.normal(0, 0.2, (k, n, size)) + rng.normal(0, 0.1, (n, size))


def best_scale(x, decoded):
    """The scale that a normal distribution is given by the residuals of all draws."""
    return stats.norm.fit((decoded - x).ravel(), floc=0)[1]


# --- ch10.bayes -----------------------------------------------------------------------------------


def evidence(rng):
    """Log-likelihoods under each label, small enough to be zero outside the logarithm, and counts of the labels."""
    for n, c, far in ((6, 3, -3.0), (4, 5, -2000.0)):
        yield far + rng.normal(0, 1.5, (n, c)), rng.integers(5, 60, c)


def bayes(log_likelihood, counts):
    return softmax(log_likelihood + np.log(counts), axis=1)


EXERCISES = (
    Choice(
        name="ch10.scale",
        points=1,
        section=SCALE,
        wants="the letter of one option, in quotes",
        hints=(
            "Write down the loss with its scale, and look for the factor between the squared error and the KL.",
            "Multiply the loss by twice the squared scale. What stands before the KL?",
        ),
        question="A Gaussian VAE has the fixed output scale 0.1. You set it to 0.2 and train it again. To which change of "
        "beta, at the old scale, does that come?",
        right="beta is multiplied by 4",
        wrong={
            "beta is multiplied by 2": "The error is divided by the square of the scale, not by the scale.",
            "beta is divided by 4": "A larger scale makes errors cheaper, and the KL dearer beside them.",
            "none: the scale is a constant, and has no gradient": "A constant that multiplies one term and not the other "
            "changes the balance of the two.",
        },
        after="So a scale that nobody chose is a beta that nobody chose.",
    ),
    Function(
        name="ch10.loss",
        points=2,
        section="Four common mistakes",
        wants="a function of x and logits, (n, h, w, c), and of mean and log_var, (n, d), that returns n numbers: -ELBO, in nats",
        hints=(
            "Over which axes is summed, and over which is averaged?",
            "A pixel more is a term more in log p(x | z), and a coordinate more is a term more in the KL.",
            "-log p of a pixel is `np.logaddexp(0, l) - x * l` for a logit l.",
        ),
        cases=batches,
        truth=loss,
        mistakes=(
            Mistake(
                "Both terms are averages: this is the loss with a beta of D / d, divided by D.",
                with_slip(over_pixels=np.mean, over_code=np.mean),
            ),
            Mistake("The reconstruction is still averaged over the pixels.", with_slip(over_pixels=np.mean)),
            Mistake("The KL is still averaged over the coordinates of the code.", with_slip(over_code=np.mean)),
            Mistake("The KL has the wrong sign: a cloud far from the prior must cost, not gain.", with_slip(sign=-1)),
            Mistake("The sign is turned: this is the ELBO, which is to be large.", gives(lambda *case: -loss(*case))),
            Mistake(
                "log_var is taken for the log of the standard deviation.",
                gives(lambda x, logits, m, v: loss(x, logits, m, 2 * v)),
                "exp(log_var) is the variance already.",
            ),
            Mistake(
                "The mean over the batch is taken already. Wanted: one number for each example.",
                gives(lambda *case: loss(*case).mean()),
            ),
            Mistake(BASE_2, gives(lambda *case: loss(*case) / np.log(2))),
        ),
    ),
    Function(
        name="ch10.draws",
        points=2,
        section="Training through a random number",
        wants="a function of mean, log_var, (d,), noise, (k, d), and slope that returns a pair of arrays (d,): the "
        "gradients of the average with respect to mean and to log_var",
        hints=(
            "Write z as a function of mean, log_var and noise. How does z move when one of the two moves?",
            "The chain rule: the slope at z, times how z moves. Then the mean over the draws.",
            "The derivative of exp(v / 2) with respect to v is exp(v / 2) / 2.",
        ),
        cases=landscapes,
        truth=pathwise,
        mistakes=(
            Mistake("The two gradients have changed places.", paths(turned=True)),
            Mistake(
                "The slope is taken at the mean. Every draw has a place, and a slope, of its own.", paths(at="mean")
            ),
            Mistake("Half of the second gradient is missing, or twice too much.", paths(times=1)),
            Mistake(
                "This is the gradient with respect to the standard deviation. Wanted: log_var.",
                paths(times=1, spread=False),
            ),
            Mistake("The draws are summed. Wanted: the gradient of their mean.", paths(over=np.sum)),
        ),
        after="No derivative of a density is needed, only a slope at each draw.",
    ),
    Function(
        name="ch10.sigma",
        points=2,
        section=SCALE,
        wants="a function of x, (n, m), and decoded, (k, n, m), that returns one number > 0: the scale with the largest bound",
        hints=(
            "Set the derivative of the loss with respect to the scale to zero. The KL does not depend on it.",
            "The loss holds an average over draws of the squared error, not the squared error of an average picture.",
        ),
        cases=pictures,
        truth=best_scale,
        mistakes=(
            Mistake(
                "The draws are averaged before the error is taken. The bound averages errors, and these are larger.",
                gives(lambda x, y: np.sqrt(np.mean((y.mean(axis=0) - x) ** 2))),
            ),
            Mistake("This is the square of the scale, a variance.", gives(lambda x, y: np.mean((y - x) ** 2))),
            Mistake(
                "The squared errors of an example are summed. Every pixel has noise of its own: divide by their number.",
                gives(lambda x, y: np.sqrt(np.mean(np.sum((y - x) ** 2, axis=2)))),
            ),
            Mistake(
                "The 2 of the exponent has stayed: the scale is wrong by a factor of the root of 2.",
                gives(lambda x, y: np.sqrt(np.mean((y - x) ** 2) / 2)),
            ),
            Mistake("This is the mean of the absolute errors.", gives(lambda x, y: np.mean(np.abs(y - x)))),
        ),
    ),
    Function(
        name="ch10.bayes",
        points=3,
        section="A condition",
        wants="a function of log_likelihood, (n, c), and counts, (c,), that returns p(label | x), (n, c)",
        hints=(
            "Bayes' rule: the likelihood times the share of the label, divided by the sum over the labels.",
            "exp(-2000) is zero in floating point. What may be subtracted from a row without changing the answer?",
        ),
        cases=evidence,
        truth=bayes,
        mistakes=(
            Mistake(
                "The labels are taken to be equally frequent. Their counts say otherwise.",
                gives(lambda a, n: softmax(a, axis=1)),
            ),
            Mistake(
                "The probabilities add up to one over the examples. They should for each example, over the labels.",
                gives(lambda a, n: softmax(a + np.log(n), axis=0)),
            ),
            Mistake(
                "These are logarithms of the probabilities.",
                gives(lambda a, n: a + np.log(n) - logsumexp(a + np.log(n), axis=1, keepdims=True)),
            ),
            Mistake(
                "The share of a label is added to the log-likelihood. Its logarithm belongs there.",
                gives(lambda a, n: softmax(a + n / n.sum(), axis=1)),
            ),
        ),
    ),
)
