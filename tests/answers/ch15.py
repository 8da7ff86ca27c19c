"""Answers to the exercises of chapter 15."""

import numpy as np
from scipy.integrate import solve_ivp

from aecore.exercises import EXERCISES
from answers import Answers


def path_by_list(velocity, z, steps):
    way, h = [z], 1 / steps
    while len(way) <= steps:
        way.append(way[-1] + h * velocity(way[-1], (len(way) - 1) * h))
    return np.stack(way)


def path_by_array(velocity, z, steps):
    way = np.empty((steps + 1, *z.shape))
    way[0] = z
    for i, t in enumerate(np.linspace(0, 1, steps, endpoint=False)):
        way[i + 1] = way[i] + velocity(way[i], t) / steps
    return way


def path_with(velocity, z, steps, step, clock):
    way = [z]
    for i in range(steps):
        way.append(way[-1] + step(steps) * velocity(way[-1], clock(i, steps)))
    return np.stack(way)


def path_in_place(velocity, z, steps):
    z, way = z.copy(), []
    way.append(z)
    for i in range(steps):
        z += velocity(z, i / steps) / steps
        way.append(z)
    return np.stack(way)


def straight(velocity, z, steps):
    return z + np.linspace(0, 1, steps + 1)[:, None, None] * velocity(z, 0.0)


def exact_path(velocity, z, steps):
    flat = lambda t, y: velocity(y.reshape(z.shape), t).ravel()
    solved = solve_ivp(flat, (0, 1), z.ravel(), t_eval=np.linspace(0, 1, steps + 1), rtol=1e-8)
    return solved.y.T.reshape(steps + 1, *z.shape)


def best_by_take(codes, errors):
    return np.take_along_axis(codes, errors.argmin(axis=0)[None, :, None], axis=0)[0]


def best_by_sort(codes, errors):
    order = np.argsort(errors, axis=0)[0]
    return codes[order, np.arange(len(order))]


def score_by_code(v, z, t):
    """By way of the mean code, (z_t's density is that of t code plus noise of scale 1 - t)."""
    t = t[:, None]
    code = z + (1 - t) * v
    return (t * code - z) / (1 - t) ** 2


def score_by_rows(v, z, t):
    return [(s * velocity - place) / (1 - s) for velocity, place, s in zip(v, z, t, strict=True)]


def wrong_options(name, *said):
    choice = EXERCISES[name]
    return [(option, piece) for option, piece in zip(choice.wrong, said, strict=True)] + [("x", "one of the letters")]


def right_options(name):
    choice = EXERCISES[name]
    return [*(k for k, v in choice.options().items() if v == choice.right), choice.right]


one = lambda steps: 1 / steps

ANSWERS = {
    "ch15.step": Answers(
        right=right_options("ch15.step"),
        wrong=wrong_options("ch15.step", "paired at random", "no list of codes", "its own velocity"),
    ),
    "ch15.pairs": Answers(
        right=right_options("ch15.pairs"),
        wrong=wrong_options("ch15.pairs", "same crowds", "still open", "They can"),
    ),
    "ch15.path": Answers(
        right=[path_by_list, path_by_array],
        wrong=[
            (lambda v, z, n: path_with(v, z, n, lambda n: 1.0, lambda i, n: i / n), "too long"),
            (lambda v, z, n: path_with(v, z, n, one, lambda i, n: 1 - i / n), "backwards"),
            (lambda v, z, n: path_with(v, z, n, one, lambda i, n: (i + 1) / n), "at the end of each step"),
            (lambda v, z, n: path_with(v, z, n, one, lambda i, n: i), "number of the step"),
            (straight, "always that of the start"),
            (lambda v, z, n: path_by_list(v, z, n)[-1], "where the path ends"),
            (lambda v, z, n: path_by_list(v, z, n)[1:], "n + 1 places"),
            (path_in_place, "All places are the same"),
            (exact_path, "the numbers are not"),
            (lambda v, z, n: path_by_list(v, z, n).sum(axis=-1), "shape"),
        ],
    ),
    "ch15.starts": Answers(
        right=[best_by_take, best_by_sort],
        wrong=[
            (lambda codes, errors: codes[np.argmin(errors.mean(axis=1))], "One start is taken"),
            (lambda codes, errors: np.mean(codes, axis=0), "the mean over the starts"),
            (lambda codes, errors: best_by_take(codes, -errors), "the worst start"),
            (lambda codes, errors: np.argmin(errors, axis=0), "numbers of the starts"),
            (lambda codes, errors: codes[errors.argmin(axis=0)], "shape"),
            (lambda codes, errors: best_by_take(codes, errors) + 1, "the numbers are not"),
        ],
    ),
    "ch15.score": Answers(
        right=[score_by_code, score_by_rows],
        wrong=[
            (lambda v, z, t: -score_by_code(v, z, t), "The sign is turned"),
            (lambda v, z, t: t[:, None] * v - z, "divided by the noise's scale"),
            (lambda v, z, t: score_by_code(v, z, t) / (1 - t)[:, None], "once is enough"),
            (lambda v, z, t: v.copy(), "This is the velocity"),
            (lambda v, z, t: (1 - t)[:, None] * v, "scaled by t"),
            (lambda v, z, t: -(z + (1 - t)[:, None] * v) / t[:, None], "changed places"),
            (lambda v, z, t: score_by_code(v, z, t).sum(axis=1), "shape"),
            (lambda v, z, t: v - z, "the numbers are not"),
        ],
    ),
}
