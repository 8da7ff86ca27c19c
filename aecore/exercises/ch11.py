"""Exercises of chapter 11, Tighter bounds and honest evaluation."""

import numpy as np
from scipy.special import logsumexp

from aecore.exercises._calling import gives, parts
from aecore.exercises._kinds import Choice, Function
from aecore.exercises._verdict import Mistake


def lost(value, *case):
    """A number has become NaN or infinite on the way."""
    return not all(np.isfinite(part).all() for part in parts(value, value))


# --- ch11.ess -------------------------------------------------------------------------------------


def log_weights(rng):
    for k, n, spread in ((40, 6, 1.0), (7, 5, 3.0)):
        yield (rng.normal(-800, 100, n) + spread * rng.normal(size=(k, n)),)


def ess(log_w):
    """By the inverse of the sum of the squared shares."""
    shares = np.exp(log_w - logsumexp(log_w, axis=0))
    return 1 / np.sum(shares**2, axis=0)


# --- ch11.walk ------------------------------------------------------------------------------------


def walks(rng):
    for t, c, n in ((5, 8, 3), (9, 4, 6)):
        betas = np.concatenate([[0.0], np.sort(rng.uniform(0.02, 0.9, t - 1)), [1.0]])
        yield betas, rng.normal(-900, 30, (1, 1, n)) + 4 * rng.normal(size=(t, c, n))


def chains(betas, log_ratios):
    """The log weight of every chain, (c, n)."""
    return np.tensordot(np.diff(betas), log_ratios, axes=1)


def log_mean(log_w):
    return logsumexp(log_w, axis=0) - np.log(len(log_w))


# --- ch11.mig -------------------------------------------------------------------------------------


def tables(rng):
    for d, k in ((6, 4), (5, 3)):
        yield (rng.uniform(0, 0.9, (d, k)),)


def gaps(shares):
    """Best minus second best in every column."""
    return np.array([(lambda s: s[0] - s[1])(sorted(column, reverse=True)) for column in shares.T])


EXERCISES = (
    Choice(
        name="ch11.ruler",
        points=1,
        section="More samples, a tighter bound",
        wants="the letter of one option, in quotes",
        hints=(
            "What has been trained between the two readings?",
            "Compare the rising line in the chapter's first figure: what is different from point to point?",
        ),
        question="Somebody evaluates a trained VAE on the test digits with `log_prob(x, samples=10)`, and the week after, "
        "the same weights and digits, with `log_prob(x, samples=1000)`. The second number is 1.3 nats higher, many times "
        "its standard error. What has improved?",
        right="the estimate: its bound is tighter",
        wrong={
            "the model: it makes the test digits more likely": "The weights are the same, and so is the likelihood that "
            "they give to the digits. Only how we look at it has changed.",
            "the encoder: its codes fit the digits better": "The encoder is the same too. It is asked more often, which "
            "makes up for some of its faults.",
            "nothing: both readings are unbiased, so the difference is chance": "A weight is unbiased for the likelihood. "
            "Its logarithm is not unbiased for the log-likelihood: by Jensen's inequality it is too low, the less so the "
            "more weights are averaged.",
        },
        after="A number without its k is half a number: two models are compared with the same k, or better with AIS.",
    ),
    Function(
        name="ch11.ess",
        points=2,
        section="Annealing: a likelihood that does not trust the encoder",
        wants="a function of log weights, (k, n), that returns n numbers: the effective number of samples of each example",
        hints=(
            "A factor that all weights of an example share cancels. Which factor keeps the numbers in range?",
            "Subtract from the logarithms the largest one of each example, before you take exponentials.",
            "Then the squared sum over the sum of squares, both along the samples.",
        ),
        cases=log_weights,
        truth=ess,
        mistakes=(
            Mistake(
                "The result holds NaN or infinity: weights near exp(-800) are 0 in the computer.",
                lost,
                "Each example has a scale of its own: one shift for all of them is not enough.",
            ),
            Mistake("The sums run over the examples. They belong along the samples.", gives(lambda w: ess(w.T))),
            Mistake(
                "This is 1 for every example: the shares sum to one. Something has to be squared before it is summed.",
                gives(lambda w: np.ones(w.shape[1])),
            ),
            Mistake(
                "The logarithms are taken for the weights themselves.",
                gives(lambda w: w.sum(axis=0) ** 2 / (w**2).sum(axis=0)),
            ),
            Mistake(
                "This is the share of samples that count, not their number.",
                gives(lambda w: ess(w) / len(w)),
            ),
            Mistake(
                "This is the inverse: the larger, the worse.",
                gives(lambda w: 1 / ess(w)),
            ),
        ),
        after="An effective number near 1 says that one lucky code carries the estimate.",
    ),
    Function(
        name="ch11.walk",
        points=2,
        section="Annealing: a likelihood that does not trust the encoder",
        wants="a function of betas, (t + 1,), and log ratios, (t, c, n), that returns n numbers: the log of the estimate of p(x)",
        hints=(
            "First each chain's own log weight, (c, n). Then the log of the mean weight, (n,).",
            "How much of the ratio does a chain collect when the temperature rises by a little?",
            "The mean is one of weights, and they are near exp(-900): shift the logarithms before you take exponentials.",
        ),
        cases=walks,
        truth=lambda betas, ratios: log_mean(chains(betas, ratios)),
        mistakes=(
            Mistake("The result holds NaN or infinity: weights near exp(-900) are 0 in the computer.", lost),
            Mistake(
                "This is the mean of the logarithms. It is a bound too, but a looser one: the mean belongs inside.",
                gives(lambda b, r: chains(b, r).mean(axis=0)),
            ),
            Mistake(
                "The weights are summed and not averaged: more chains would make the data more likely.",
                gives(lambda b, r: logsumexp(chains(b, r), axis=0)),
            ),
            Mistake(
                "Every step counts alike here. A step counts by how far the temperature rises.",
                gives(lambda b, r: log_mean(r.mean(axis=0))),
            ),
            Mistake(
                "The ratios are weighted with the temperatures themselves, not with their rise.",
                gives(lambda b, r: log_mean(np.tensordot(b[1:], r, axes=1))),
            ),
            Mistake(
                "Only the last temperature counts here: this is importance sampling from the end of the walk.",
                gives(lambda b, r: log_mean(r[-1])),
            ),
            Mistake(
                "The sign is turned: this is the negative log-likelihood.",
                gives(lambda b, r: -log_mean(chains(b, r))),
            ),
        ),
        after="With two temperatures, 0 and 1, this is plain importance sampling from the start.",
    ),
    Function(
        name="ch11.mig",
        points=2,
        section="Do the units mean anything?",
        wants="a function of a table of shares, (d units, k causes), that returns one number: the mutual information gap",
        hints=(
            "Write down in words what is compared with what, and for each what.",
            "A code that gives each cause two units of its own should score 0. What does the function say?",
            "The gap is between units, one gap for each cause.",
        ),
        cases=tables,
        truth=lambda shares: gaps(shares).mean(),
        mistakes=(
            Mistake(
                "This asks each unit for its best cause. The gap asks each cause for its best unit.",
                gives(lambda s: gaps(s.T).mean()),
                "Two units that both know the row, and nothing else, get a perfect score here.",
            ),
            Mistake(
                "This is what the best unit knows. How much does the next one know?",
                gives(lambda s: s.max(axis=0).mean()),
            ),
            Mistake(
                "The best is compared with the worst unit. It is the second best that tells whether the cause is split.",
                gives(lambda s: np.ptp(s, axis=0).mean()),
            ),
            Mistake(
                "The best is compared with the mean of all units.",
                gives(lambda s: (s.max(axis=0) - s.mean(axis=0)).mean()),
            ),
            Mistake("The gaps are summed. The measure is their mean.", gives(lambda s: gaps(s).sum())),
            Mistake(
                "This is the largest gap alone. The measure is the mean over the causes.",
                gives(lambda s: gaps(s).max()),
            ),
        ),
        after="The repaired gap still does not mind a unit that serves two causes: that is what D of DCI asks.",
    ),
)
