"""Exercises of chapter 12, Discrete codes."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import log_softmax

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Choice, Function
from aecore.exercises._verdict import Mistake
from aecore.exercises.ch12_means import MEANS

# --- ch12.nearest ---------------------------------------------------------------------------------


def codebooks(rng):
    for n, k, d in ((30, 6, 3), (7, 12, 5)):  # vectors of very different lengths
        yield rng.normal(size=(n, d)), rng.normal(size=(k, d)) * rng.uniform(0.3, 3, (k, 1))


def nearest(z, codebook):
    return cdist(z, codebook).argmin(axis=1)


# --- ch12.fsq -------------------------------------------------------------------------------------


def numbered(rng):
    for levels in ((3, 4, 2), (8, 5, 5)):
        yield rng.integers(0, np.prod(levels), (6, 2)), levels


def written_out(tokens, levels, first=True, top=-1, low=-1.0):
    """The vectors of tokens by counting through the grid; `first`: the first number changes fastest."""
    order = levels[::-1] if first else levels
    every = np.array(list(np.ndindex(*order)))[:, :: -1 if first else 1]  # (k, d)
    return (low + (1 - low) * every / (np.array(levels) + top))[tokens]


# --- ch12.bits ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prior:
    """Stands for a trained prior: logits of each place, from the tokens before it. It can be sent."""

    scale: float
    words: int

    def __call__(self, tokens):
        before = np.concatenate([np.zeros_like(tokens[:, :1]), tokens[:, :-1] + 1], axis=1)  # (n, m)
        sums = np.cumsum(before, axis=1)[..., None] + np.arange(tokens.shape[1])[:, None]
        return self.scale * np.sin((1 + np.arange(self.words)) * sums)  # (n, m, words)


def sentences(rng):
    for n, m, words in ((6, 5, 4), (3, 9, 7)):
        yield Prior(rng.uniform(1, 3), words), rng.integers(0, words, (n, m))


def log2_probs(logits, tokens):
    """log2 p of each token, (n, m)."""
    return np.take_along_axis(log_softmax(logits, axis=-1), tokens[..., None], axis=-1)[..., 0] / np.log(2)


def bits(logits, tokens):
    return np.array([-sum(row) for row in log2_probs(logits(tokens), tokens)])


def expected_bits(logits, tokens):
    """The entropy of the predictions, summed over the places."""
    logs = log_softmax(logits(tokens), axis=-1)
    return -(np.exp(logs) * logs).sum(axis=(1, 2)) / np.log(2)


def moved(logits, tokens):
    """The logits of place i held against token i + 1."""
    return -log2_probs(logits(tokens)[:, :-1], tokens[:, 1:]).sum(axis=1)


EXERCISES = (
    Choice(
        name="ch12.names",
        points=1,
        section="A prior over the tokens",
        wants="the letter of one option, in quotes",
        hints=(
            "A token is a number. Is it a quantity, or a name?",
            "Follow a token through the decoder and through the prior. Where does it matter that 17 lies next to 18?",
        ),
        question="A trained autoencoder has a codebook of 64 vectors. You shuffle its rows, so that every token gets another "
        "number, and encode all pictures again. Then you train a new prior on the new tokens. What has changed?",
        right="nothing but the numbers: error, perplexity and, up to the chance of training, the bits of the prior stay",
        wrong={
            "the error rises, because the decoder has learned the old numbers": "The decoder never sees a number. It gets "
            "the row of the codebook, and the row moved with its number.",
            "the bits rise, because numbers that are close no longer stand for vectors that are close": "The prior looks "
            "each token up in a table of its own, one row for each number. It never learns that 17 is close to 18.",
            "the perplexity changes, because the most used tokens are elsewhere": "Perplexity adds up over all tokens. "
            "It does not matter in which order.",
        },
        after="Tokens are names. What can be said about them must not depend on which name is whose.",
    ),
    Function(
        name="ch12.nearest",
        points=2,
        section="The nearest vector",
        wants="a function of z, (n, d), and a codebook, (k, d), that returns n whole numbers: the tokens",
        hints=(
            "All distances at once: an array of shape (n, k).",
            "The squared distance is |z|² - 2 z·e + |e|². Which of the three parts may be left out?",
        ),
        cases=codebooks,
        truth=nearest,
        mistakes=(
            Mistake(
                "This takes the largest inner product: long vectors of the codebook win, whether they are near or not.",
                gives(lambda z, e: (z @ e.T).argmax(axis=1)),
                "Something has to be taken off for the length of e.",
            ),
            Mistake(
                "This is the vector that is furthest away.",
                gives(lambda z, e: cdist(z, e).argmax(axis=1)),
            ),
            Mistake(
                "The directions are compared, not the places: the smallest angle need not be the smallest distance.",
                gives(lambda z, e: cdist(z, e, "cosine").argmin(axis=1)),
            ),
            Mistake(
                "The wrong way round: for each vector of the codebook this is the nearest z.",
                gives(lambda z, e: cdist(z, e).argmin(axis=0)),
                "There has to be one token for each z.",
            ),
            Mistake(
                "|e|² is taken off whole. With the inner product once, half of it belongs to it.",
                gives(lambda z, e: (z @ e.T - (e**2).sum(axis=1)).argmax(axis=1)),
            ),
            Mistake(
                "These are the vectors themselves. The token is the number of the vector.",
                gives(lambda z, e: e[nearest(z, e)]),
            ),
        ),
    ),
    MEANS,
    Function(
        name="ch12.fsq",
        points=2,
        section="Rounding instead of searching",
        wants="a function of tokens, (n, m), and levels, a tuple of d numbers, that returns the vectors, (n, m, d), in [-1, 1]",
        hints=(
            "Like hours, minutes and seconds out of a number of seconds: `//` and `%`.",
            "The first number of the vector changes fastest: it is token % L_1.",
            "i = 0 belongs at -1, and i = L - 1 at 1.",
        ),
        cases=numbered,
        truth=written_out,
        mistakes=(
            Mistake(
                "The digits are in the wrong order: the first number should change fastest from token to token.",
                gives(lambda t, levels: written_out(t, levels, first=False)),
            ),
            Mistake(
                "The largest level does not reach 1: it is divided by L, not by L - 1.",
                gives(lambda t, levels: written_out(t, levels, top=0)),
            ),
            Mistake(
                "The values lie in [0, 1]. The chapter's lie in [-1, 1].",
                gives(lambda t, levels: written_out(t, levels, low=0.0)),
            ),
            Mistake(
                "These are the numbers of the levels, from 0 to L - 1. They still have to be moved to [-1, 1].",
                gives(lambda t, levels: (written_out(t, levels) + 1) / 2 * (np.array(levels) - 1)),
            ),
        ),
    ),
    Function(
        name="ch12.bits",
        points=3,
        section="A prior over the tokens",
        wants="a function of logits (a function of tokens) and tokens, (n, m), that returns n numbers: the bits of each row",
        hints=(
            "The logits at place i have been made from the tokens before i. Which token do they predict?",
            "Logits become probabilities by a softmax over the last axis; of those, take the one of the token that is there.",
            "np.take_along_axis(log_probs, tokens[..., None], axis=-1)",
        ),
        cases=sentences,
        truth=bits,
        mistakes=(
            Mistake(
                "These are nats. A bit is log 2 = 0.693 nats.",
                gives(lambda logits, t: bits(logits, t) * np.log(2)),
            ),
            Mistake(
                "This is the mean over the places. A message is as long as all of its parts: sum.",
                gives(lambda logits, t: bits(logits, t) / t.shape[1]),
            ),
            Mistake(
                "The sign is turned: these are log-probabilities. A length is not negative.",
                gives(lambda logits, t: -bits(logits, t)),
            ),
            Mistake(
                "The logits of place i are held against token i + 1. They are meant for token i: the prior has moved its "
                "input on by itself.",
                gives(moved),
            ),
            Mistake(
                "These are the logits of the tokens, not their log-probabilities: the softmax is missing.",
                gives(
                    lambda logits, t: -np.take_along_axis(logits(t), t[..., None], -1)[..., 0].sum(axis=1) / np.log(2)
                ),
            ),
            Mistake(
                "This is the entropy of the predictions: what the prior expects, not what the tokens that are there cost.",
                gives(expected_bits),
                "Nothing in it depends on the last token.",
            ),
        ),
        after="No other names have a shorter mean length, if the prior is right. If it is wrong, the difference is the divergence of the two.",
    ),
)
