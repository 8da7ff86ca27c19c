"""Answers to the exercises of chapter 14."""

import itertools

import keras
import numpy as np

from aecore.exercises import EXERCISES
from aecore.networks import conv_encoder, mlp_encoder, projection_critic
from answers import Answers


def planes(x, labels, classes):
    rows = np.eye(classes)[labels][:, None, None]
    return np.concatenate([x, np.broadcast_to(rows, (*x.shape[:3], classes))], axis=-1)


def planes_by_keras(x, labels, classes):
    """The first layer of a conditional network, taken out."""
    net = conv_encoder((*x.shape[1:3], x.shape[3]), (1,), 1, condition_size=classes) if x.shape[1] % 2 == 0 else None
    if net is None:
        return planes(x, labels, classes)
    join = next(layer for layer in net.layers if isinstance(layer, keras.layers.Concatenate))
    return keras.Model(net.inputs, join.output).predict_on_batch([x, np.eye(classes)[labels]])


def one_plane(x, labels, classes):
    return np.concatenate([x, labels[:, None, None, None] * np.ones_like(x[..., :1])], axis=-1)


def projection(f, labels, V, w, b):
    return f @ w + b + np.einsum("nd,nd->n", f, V[labels])


def projection_by_aecore(f, labels, V, w, b):
    features = mlp_encoder((f.shape[1],), (), f.shape[1])
    critic = projection_critic(features, len(V))
    for layer in critic.layers:
        if isinstance(layer, keras.layers.Dense):
            k = layer.kernel.shape
            if layer.bias is None:
                layer.set_weights([V])
            elif k[1] == 1:
                layer.set_weights([w[:, None], np.array([b])])
            else:
                layer.set_weights([np.eye(k[0]), np.zeros(k[1])])
    return critic.predict_on_batch([f, np.eye(len(V))[labels]])[:, 0]


def medians(y, group):
    return np.stack([np.median(y[group == g], axis=0) for g in range(group.max() + 1)])


def middles(y, group):
    return np.array([np.sort(y[group == g], axis=0)[(group == g).sum() // 2] for g in sorted(set(group))])


def from_the_picture(layers):
    """Counted from the picture on: every layer adds kernel - 1 steps, as long as the strides before it."""
    jumps = itertools.accumulate((s for _, s in layers), lambda a, b: a * b, initial=1)
    return 1 + sum((k - 1) * j for (k, _), j in zip(layers, jumps, strict=False))


def by_touch(layers):
    """Which pixels a logit depends on, found by marking them."""
    marked = {0}
    for kernel, stride in layers[::-1]:
        marked = {i * stride + j for i in marked for j in range(kernel)}
    return max(marked) - min(marked) + 1


def with_length(layers):
    size = 1
    for kernel, stride in reversed(layers):
        size = stride * size + kernel
    return size


CHOICE = EXERCISES["ch14.blind"]

ANSWERS = {
    "ch14.blind": Answers(
        right=[*(k for k, v in CHOICE.options().items() if v == CHOICE.right), CHOICE.right + "\n"],
        wrong=[
            ("threes, because the generator has been told which digit is wanted", "never sees it"),
            ("one and the same digit, a hundred times", "mode collapse"),
            ("no digits: without labels the critic cannot tell real pictures from generated ones", "no labels at all"),
            ("threes", "one of the letters"),
        ],
    ),
    "ch14.planes": Answers(
        right=[planes, planes_by_keras],
        wrong=[
            (one_plane, "as a number"),
            (lambda x, y, k: np.roll(planes(x, y, k), k, axis=-1), "before the channels"),
            (
                lambda x, y, k: planes(x, y, k) / np.r_[np.ones(x.shape[-1]), np.full(k, x.shape[1] * x.shape[2])],
                "number of pixels",
            ),
            (lambda x, y, k: planes(x, y, k)[..., -k:], "without the picture"),
            (lambda x, y, k: np.concatenate([x, np.zeros((*x.shape[:3], k))], axis=-1), "the numbers are not"),
            (lambda x, y, k: np.eye(k)[y], "shape"),
        ],
    ),
    "ch14.projection": Answers(
        right=[projection, projection_by_aecore],
        wrong=[
            (lambda f, y, V, w, b: np.einsum("nd,nd->n", f, V[y]), "needs no label"),
            (lambda f, y, V, w, b: f @ (V + w).T + b, "for every class"),
            (lambda f, y, V, w, b: f @ w + b, "pictures alone"),
            (lambda f, y, V, w, b: projection(f, y, V, w, 0.0), "b is missing"),
            (lambda f, y, V, w, b: (f @ w + b) * projection(f, y, V, 0 * w, 0.0), "multiplied"),
            (lambda f, y, V, w, b: projection(f, y, V, w, b)[:, None], "shape"),
            (lambda f, y, V, w, b: projection(f, y, -V, w, b), "the numbers are not"),
        ],
    ),
    "ch14.regression": Answers(
        right=[medians, middles],
        wrong=[
            (lambda y, g: np.stack([y[g == i].mean(axis=0) for i in np.unique(g)]), "squared"),
            (lambda y, g: np.stack([np.full(y.shape[1], np.median(y[g == i])) for i in np.unique(g)]), "one pot"),
            (lambda y, g: np.tile(np.median(y, axis=0), (len(np.unique(g)), 1)), "makes no difference"),
            (lambda y, g: medians(y, g)[g], "for each example"),
            (lambda y, g: medians(y, g)[0], "shape"),
            (lambda y, g: medians(y, g) + 1, "the numbers are not"),
        ],
    ),
    "ch14.patch": Answers(
        right=[from_the_picture, by_touch],
        wrong=[
            (lambda layers: by_touch(layers[::-1]), "turned round"),
            (lambda layers: sum(k for k, _ in layers) - len(layers) + 1, "left out"),
            (lambda layers: int(np.prod([s for _, s in layers])), "product of the strides"),
            (with_length, "not size * stride"),
            (lambda layers: from_the_picture(layers) ** 2, "the numbers are not"),
            (lambda layers: [k for k, _ in layers], "shape"),
        ],
    ),
}
