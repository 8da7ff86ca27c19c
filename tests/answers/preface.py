"""Answers to the exercise of the preface."""

import keras
import numpy as np

from answers import Answers


def by_rows(x, x_hat):
    return np.square(x - x_hat).reshape(len(x), -1).sum(axis=1)


def by_a_loop(x, x_hat):
    return [float(np.linalg.norm(a - b) ** 2) for a, b in zip(x, x_hat, strict=True)]


def by_keras(x, x_hat):
    return keras.ops.sum(keras.ops.square(x - x_hat), axis=(1, 2, 3))


def in_place(x, x_hat):
    x -= x_hat
    return (x**2).sum(axis=(1, 2, 3))


def crashes(x, x_hat):
    return (x - x_hat) ** 2 @ np.ones(17)


def leaves(x, x_hat):
    raise SystemExit("enough")


ANSWERS = {
    "preface.error": Answers(
        right=[by_rows, by_a_loop, by_keras],
        wrong=[
            (lambda x, y: ((x - y) ** 2).mean(axis=(1, 2, 3)), "mean over the pixels"),
            (lambda x, y: np.sum((x - y) ** 2), "one number for all pictures"),
            (lambda x, y: np.sum((x - y) ** 2, axis=(1, 2, 3)).mean(), "one number for all pictures"),
            (lambda x, y: (x - y).sum(axis=(1, 2, 3)), "not squared: errors of opposite sign"),
            (lambda x, y: (y - x).sum(axis=(1, 2, 3)), "the sign turned"),
            (lambda x, y: np.abs(x - y).sum(axis=(1, 2, 3)), "absolute differences"),
            (lambda x, y: np.sqrt(((x - y) ** 2).sum(axis=(1, 2, 3))), "square root"),
            (lambda x, y: ((x - y) ** 2).sum(axis=0), "summed over the pictures"),
            (lambda x, y: ((x - y) ** 2).sum(axis=-1), "Not every axis"),
            (lambda x, y: ((x - y) ** 2).sum(axis=(1, 2, 3)) * np.nan, "NaN"),
            (lambda x, y: np.full(len(x), 3.25), "the numbers are not"),
            (lambda x, y: "four", "is a str"),
            (in_place, "changes the array"),
            (crashes, "`return (x - x_hat) ** 2 @ np.ones(17)`"),
            (leaves, "SystemExit"),
            (lambda x: x, "TypeError"),
            (by_rows(np.ones((2, 1, 1, 1)), np.zeros((2, 1, 1, 1))), "Wanted a function"),
        ],
    ),
}
