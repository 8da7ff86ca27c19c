"""Answers to the exercises of chapter 19."""

import warnings

import numpy as np
from scipy.special import softmax
from sklearn.metrics import adjusted_rand_score, rand_score
from sklearn.mixture import GaussianMixture

from answers import Answers
from answers.ch18 import right_options, wrong_options


def joint(log_masks, colours, x, scale, fold=np.sum, twice=2):
    return log_masks - fold(np.square(x[:, None] - colours), axis=-1) / (twice * scale**2)


def posterior_by_loops(log_masks, colours, x, scale):
    q = np.empty_like(log_masks)
    for i, row in enumerate(joint(log_masks, colours, x, scale)):
        e = np.exp(row - max(row))
        q[i] = e / sum(e)
    return q


def underflowing(log_masks, colours, x, scale):
    with np.errstate(all="ignore"):
        e = np.exp(joint(log_masks, colours, x, scale))
        return e / e.sum(axis=1, keepdims=True)


def pull(x, centres, sigma, axis=0, half=0.5):
    return softmax(-half * np.square(x - centres[:, None]).sum(axis=-1) / sigma**2, axis=axis)


def means(A, x):
    return A / A.sum(axis=1, keepdims=True) @ x


def competition_by_em(x, centres, sigma):
    k = len(centres)
    given = {"weights_init": np.full(k, 1 / k), "means_init": centres, "precisions_init": np.full(k, sigma**-2)}
    with warnings.catch_warnings(action="ignore"):  # one step is not meant to converge
        return GaussianMixture(k, covariance_type="spherical", max_iter=1, **given).fit(x).means_


def without_norm(x, centres, sigma):
    return means(softmax(centres @ x.T / sigma**2, axis=0), x)


def hard(x, centres, sigma):
    best = np.square(x - centres[:, None]).sum(axis=-1).argmin(axis=0)
    return np.stack([x[best == k].mean(axis=0) for k in range(len(centres))])


def draw(odds, u):
    return np.argmax(np.cumsum(odds) > u * np.sum(odds))


def starts(x, u, square=np.square, fold=np.minimum, uniform=False, renew=False, pick=draw):
    away = lambda place: square(np.linalg.norm(x - place, axis=1))
    chosen, odds = [], np.ones(len(x)) if uniform else away(x.mean(axis=0))
    for i, each in enumerate(u):
        chosen.append(pick(odds, each))
        fresh = i == 0 and (renew or uniform)
        odds = away(x[chosen[-1]]) if fresh else fold(odds, away(x[chosen[-1]]))
    return np.array(chosen)


def starts_by_list(x, u):
    places, chosen = [x.mean(axis=0)], []
    for each in u:
        odds = [min(((p - q) ** 2).sum() for q in places) for p in x]
        chosen.append(int(draw(odds, each)))
        places.append(x[chosen[-1]])
    return chosen


def table(t, p):
    m = np.zeros((t.max() + 1, p.max() + 1))
    np.add.at(m, (t, p), 1)
    return m


def ari_by_table(truth, predicted, pairs=lambda m: m * (m - 1) / 2):
    m = table(truth[truth > 0], predicted[truth > 0])
    S, A, B = pairs(m).sum(), pairs(m.sum(axis=1)).sum(), pairs(m.sum(axis=0)).sum()
    E = A * B / pairs(m.sum())
    return (S - E) / ((A + B) / 2 - E)


def seen(truth, predicted):
    return truth[truth > 0], predicted[truth > 0]


def both_seen(truth, predicted):
    there = (truth > 0) & (predicted > 0)
    return adjusted_rand_score(truth[there], predicted[there])


ANSWERS = {
    "ch19.fooled": Answers(
        right=right_options("ch19.fooled"),
        wrong=wrong_options("ch19.fooled", "objects' pixels only", "mean of IoU", "It is the highest"),
    ),
    "ch19.posterior": Answers(
        right=[posterior_by_loops, lambda *case: softmax(joint(*case), axis=1)],
        wrong=[
            (lambda m, *rest: softmax(joint(0 * m, *rest), axis=1), "masks have no say"),
            (lambda m, *rest: softmax(m, axis=1), "colours have no say"),
            (lambda *case: softmax(joint(*case, twice=1), axis=1), "not by twice"),
            (lambda *case: softmax(joint(*case, fold=np.mean), axis=1), "mean over the channels"),
            (lambda m, mu, x, s: softmax(joint(m, mu, x, s**0.5), axis=1), "not by its square"),
            (lambda *case: softmax(joint(*case), axis=0), "over the pixels"),
            (lambda *case: np.eye(case[0].shape[1])[joint(*case).argmax(axis=1)], "entirely"),
            (underflowing, "NaN or infinity"),
        ],
    ),
    "ch19.competition": Answers(
        right=[lambda x, s, sigma: means(pull(x, s, sigma), x), competition_by_em],
        wrong=[
            (lambda x, s, sigma: means(pull(x, s, sigma, axis=1), x), "over the pixels"),
            (lambda x, s, sigma: pull(x, s, sigma) @ x, "do not sum to one"),
            (hard, "nearest centre entirely"),
            (without_norm, "squared length"),
            (lambda x, s, sigma: means(pull(x, s, sigma, half=1), x), "not by twice"),
            (pull, "These are the shares"),
        ],
    ),
    "ch19.starts": Answers(
        right=[starts, starts_by_list],
        wrong=[
            (lambda x, u: starts(x, u, square=np.abs), "should be squared"),
            (lambda x, u: starts(x, u, fold=lambda old, new: new), "Only the last"),
            (lambda x, u: starts(x, u, fold=np.maximum), "farthest of the starts"),
            (lambda x, u: starts(x, u, fold=np.add), "added up"),
            (lambda x, u: starts(x, u, uniform=True), "equal odds"),
            (lambda x, u: starts(x, u, renew=True), "mean is forgotten"),
            (lambda x, u: starts(x, u, pick=lambda odds, each: odds.argmax()), "u has no say"),
            (lambda x, u: starts(x, u) + 1, "the numbers are not"),
        ],
    ),
    "ch19.ari": Answers(
        right=[ari_by_table, lambda *labels: adjusted_rand_score(*seen(*labels))],
        wrong=[
            (lambda t, p: adjusted_rand_score(t.ravel(), p.ravel()), "ground's pixels are counted"),
            (lambda *labels: rand_score(*seen(*labels)), "Rand index"),
            (both_seen, "left out"),
            (lambda *labels: ari_by_table(*labels, pairs=np.square), "no pair with itself"),
            (lambda *labels: ari_by_table(*labels) + 0.1, "the numbers are not"),
        ],
    ),
}
