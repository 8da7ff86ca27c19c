"""Answers to the exercises of chapter 12."""

import math

import keras
import numpy as np

from aecore.exercises import EXERCISES
from aecore.objectives import Categorical
from aecore.quantisers import FSQ, VectorQuantiser
from answers import Answers

numpy = keras.ops.convert_to_numpy


def nearest_by_loop(z, codebook):
    return [min(range(len(codebook)), key=lambda i: sum((v - codebook[i]) ** 2)) for v in z]


def nearest_by_aecore(z, codebook):
    place = keras.initializers.Constant(codebook.astype("float32"))
    return VectorQuantiser(*codebook.shape, initializer=place).tokens(z.astype("float32"))


def product(z, e, offset=0.5):
    return np.argmax(z @ e.T - offset * np.sum(e * e, axis=1), axis=1)


def directions(z, e):
    return np.argmax(z @ (e / np.linalg.norm(e, axis=1, keepdims=True)).T, axis=1)


def step(codebook, usage, z, tokens, decay, fair=True, old=False, last=False, gone=False):
    """The chapter's formula with a switch for each mistake."""
    k = len(codebook)
    chosen = np.eye(k)[tokens]  # (m, k)
    n, s = chosen.sum(axis=0), chosen.T @ z
    if last:
        n, s = np.zeros(k), np.zeros_like(codebook)
        n[tokens], s[tokens] = 1, z
    if fair:
        n, s = n * k / len(z), s * k / len(z)
    new = decay * usage + (1 - decay) * n
    moved = codebook + (1 - decay) * (s - n[:, None] * codebook) / (usage if old else new)[:, None]
    return (np.where(n[:, None] > 0, moved, 0.0) if gone else moved), new


def step_by_aecore(codebook, usage, z, tokens, decay):
    place = keras.initializers.Constant(codebook.astype("float32"))
    layer = VectorQuantiser(*codebook.shape, decay=decay, initializer=place)
    layer.usage.assign(usage)
    layer.follow(keras.ops.convert_to_tensor(z.astype("float32")), keras.ops.convert_to_tensor(tokens))
    return numpy(layer.codebook), numpy(layer.usage)


def batch_mean(codebook, usage, z, tokens, decay):
    new = codebook.copy()
    for i in set(tokens.tolist()):
        new[i] = np.mean(z[tokens == i], axis=0)
    return new, step(codebook, usage, z, tokens, decay)[1]


def constant_step(codebook, usage, z, tokens, decay):
    target, used = batch_mean(codebook, usage, z, tokens, decay)
    return codebook + (1 - decay) * (target - codebook), used


def step_in_place(codebook, usage, z, tokens, decay):
    new, used = step(codebook, usage, z, tokens, decay)
    codebook[:] = new
    return codebook, used


def vectors(tokens, levels, order=1, divide=-1, scale=2.0, shift=1.0):
    """Digit by digit."""
    rest, digits = tokens.copy(), []
    for n in levels[::order]:
        digits.append(scale * (rest % n) / (n + divide) - shift)
        rest //= n
    return np.stack(digits[::order], axis=-1)


def vectors_by_unravel(tokens, levels):
    digits = np.unravel_index(tokens, levels, order="F")
    return np.stack([np.linspace(-1, 1, n)[i] for n, i in zip(levels, digits, strict=True)], axis=-1)


def places(tokens, levels):
    return np.stack(np.unravel_index(tokens, levels, order="F"), axis=-1)


def rate(logits, tokens):
    """By loops and powers of e."""
    values, lengths = logits(tokens), []
    for row, words in zip(values, tokens, strict=True):
        lengths.append(
            sum(math.log2(sum(math.e ** float(v - p[t]) for v in p)) for p, t in zip(row, words, strict=True))
        )
    return np.array(lengths)


def rate_by_aecore(logits, tokens):
    return Categorical(logits.words).nll(tokens, keras.ops.convert_to_tensor(logits(tokens))) / math.log(2)


def rate_one_on(logits, tokens):
    return rate(lambda t: logits(tokens)[:, :-1], tokens[:, 1:])


def predicted(logits, tokens):
    p = np.exp(logits(tokens))
    p = p / p.sum(axis=-1, keepdims=True)
    return -(p * np.log2(p)).sum(axis=-1).sum(axis=-1)


def raw(logits, tokens):
    return -(logits(tokens) * np.eye(logits.words)[tokens]).sum(axis=(1, 2)) / math.log(2)


CHOICE = EXERCISES["ch12.names"]

ANSWERS = {
    "ch12.names": Answers(
        right=[*(k for k, v in CHOICE.options().items() if v == CHOICE.right), CHOICE.right + "\n"],
        wrong=[
            ("the error rises, because the decoder has learned the old numbers", "never sees a number"),
            (
                "the bits rise, because numbers that are close no longer stand for vectors that are close",
                "one row for each",
            ),
            ("the perplexity changes, because the most used tokens are elsewhere", "in which order"),
            ("everything", "one of the letters"),
        ],
    ),
    "ch12.nearest": Answers(
        right=[nearest_by_loop, nearest_by_aecore, product],
        wrong=[
            (lambda z, e: product(z, e, 0), "largest inner product"),
            (lambda z, e: np.argmax(((z[:, None] - e) ** 2).sum(axis=-1), axis=1), "furthest away"),
            (directions, "directions are compared"),
            (lambda z, e: nearest_by_loop(e, z), "wrong way round"),
            (lambda z, e: product(z, e, 1), "taken off whole"),
            (lambda z, e: e[product(z, e)], "vectors themselves"),
            (lambda z, e: np.abs(z[:, None] - e).min(axis=-1).argmin(axis=1), "the numbers are not"),
            (lambda z, e: ((z[:, None] - e) ** 2).sum(axis=-1), "shape"),
        ],
    ),
    "ch12.means": Answers(
        right=[step, step_by_aecore],
        wrong=[
            (batch_mean, "jumps to the mean"),
            (constant_step, "however often"),
            (lambda e, u, z, t, decay: step(e, u, z, t, 1 - decay), "on the wrong side"),
            (lambda *case: step(*case, fair=False), "fair shares"),
            (lambda *case: step(*case, gone=True), "gone to zero"),
            (lambda *case: step(*case, old=True), "the new one"),
            (lambda *case: step(*case, last=True), "Only one vector"),
            (step_in_place, "changes the array"),
            (lambda *case: step(*case)[0], "Wanted: one that has the shape"),
        ],
    ),
    "ch12.fsq": Answers(
        right=[vectors, vectors_by_unravel, lambda t, levels: FSQ(levels).vectors(t)],
        wrong=[
            (lambda t, levels: vectors(t, levels, order=-1), "wrong order"),
            (lambda t, levels: vectors(t, levels, divide=0), "does not reach 1"),
            (lambda t, levels: vectors(t, levels, scale=1.0, shift=0.0), "lie in [0, 1]"),
            (places, "numbers of the levels"),
            (lambda t, levels: vectors(t, levels)[..., 0], "shape"),
            (lambda t, levels: -vectors(t, levels), "the numbers are not"),
        ],
    ),
    "ch12.bits": Answers(
        right=[rate, rate_by_aecore],
        wrong=[
            (lambda f, t: rate(f, t) * math.log(2), "These are nats"),
            (lambda f, t: rate(f, t) / t.shape[1], "mean over the places"),
            (lambda f, t: -rate(f, t), "The sign is turned"),
            (rate_one_on, "token i + 1"),
            (raw, "the softmax is missing"),
            (predicted, "entropy of the predictions"),
            (lambda f, t: rate(f, t).mean(), "shape"),
            (lambda f, t: np.full(len(t), t.shape[1] * math.log2(f.words)), "the numbers are not"),
        ],
    ),
}
