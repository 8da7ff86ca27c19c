"""Exercises of chapter 19, many objects."""

import numpy as np
from scipy.stats import multivariate_normal

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Choice, Function
from aecore.exercises._verdict import Mistake
from aecore.exercises.ch19_ari import ARI

# --- ch19.posterior -------------------------------------------------------------------------------


def layers(rng):
    for n, k, c, scale in ((5, 3, 3, 0.3), (8, 4, 2, 0.004)):  # with the second, all densities of a pixel can underflow
        logits = rng.normal(0, 2, (n, k))
        yield (
            logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)),
            rng.random((n, k, c)),
            rng.random((n, c)),
            scale,
        )


def log_joint(log_masks, colours, x, scale):
    """One pixel and one layer at a time."""
    density = lambda i, k: multivariate_normal.logpdf(x[i], colours[i, k], scale**2)
    return log_masks + np.array([[density(i, k) for k in range(log_masks.shape[1])] for i in range(len(x))])


def shares(log_values, axis=1):
    """Normalised over an axis, one logarithm at a time."""
    return np.exp(log_values - np.logaddexp.reduce(log_values, axis=axis, keepdims=True))


def posterior(log_masks, colours, x, scale):
    return shares(log_joint(log_masks, colours, x, scale))


def by_distance(log_masks, colours, x, scale, factor, fold=np.sum):
    return shares(log_masks - factor * fold((x[:, None] - colours) ** 2, axis=-1) / scale**2)


# --- ch19.competition -----------------------------------------------------------------------------


def heaps(rng):
    for n, c, k, sigma in ((20, 3, 4, 0.4), (12, 2, 3, 0.03)):
        x = rng.random((n, c))
        yield x, x[rng.choice(n, k, replace=False)] + 0.01 * rng.normal(size=(k, c)), sigma


def fits(x, centres, sigma, factor=0.5, norm=1.0):
    """-factor |x_i - s_k|^2 / sigma^2, (k, n), as dot products."""
    return (2 * centres @ x.T - norm * (centres**2).sum(axis=1)[:, None] - (x**2).sum(axis=1)) * factor / sigma**2


def moved(x, A):
    return np.array([np.average(x, axis=0, weights=row) for row in A])


def competition(x, centres, sigma):
    return moved(x, shares(fits(x, centres, sigma), axis=0))


def nearest(x, centres, sigma):
    best = fits(x, centres, sigma).argmax(axis=0)
    return np.array([x[best == k].mean(axis=0) if (best == k).any() else s for k, s in enumerate(centres)])


# --- ch19.starts ----------------------------------------------------------------------------------


def features(rng):
    for n, d, k in ((60, 3, 12), (90, 2, 16)):
        x, u = rng.normal(size=(n, d)) * rng.choice([0.3, 2.0], (n, 1)), rng.random(k)
        while starts(x, u[:1]) == starts(x, u[:1], first=False):  # it has to matter how one begins
            u[0] = rng.random()
        yield x, u


def starts(x, u, power=2, fold=min, first=True, kept=True):
    """Each pixel's way to all that has been chosen, measured anew for each draw."""
    chosen, places = [], [x.mean(axis=0)] if first else []
    for draw in u:
        if len(chosen) == 1 and not kept:
            places = places[1:]
        odds = np.array([fold([np.linalg.norm(p - q) ** power for q in places] or [1.0]) for p in x])
        chosen.append(int(np.searchsorted(np.cumsum(odds), draw * odds.sum(), side="right")))
        places.append(x[chosen[-1]])
    return np.array(chosen)


def from_the_last(x, u):
    chosen, place = [], x.mean(axis=0)
    for draw in u:
        odds = ((x - place) ** 2).sum(axis=1)
        chosen.append(int(np.searchsorted(np.cumsum(odds), draw * odds.sum(), side="right")))
        place = x[chosen[-1]]
    return np.array(chosen)


def farthest(x, u):
    places, chosen = [x.mean(axis=0)], []
    for _ in u:
        chosen.append(int(np.argmax([min(np.linalg.norm(p - q) for q in places) for p in x])))
        places.append(x[chosen[-1]])
    return np.array(chosen)


EXERCISES = (
    Choice(
        name="ch19.fooled",
        points=1,
        section="How well are objects found?",
        wants="the letter of one option, in quotes",
        hints=(
            "Which pixels does FG-ARI look at?",
            "An IoU divides by all the pixels that either has. Where does a part that covers ground have its pixels?",
        ),
        question="A model labels every object's pixels as the truth does, each object with a label of its own. It has no "
        "label for the ground: each pixel of the ground gets the label of the nearest object. Ground is four fifths of the "
        "picture. What do the three measures say?",
        right="FG-ARI is 1; ARI with the ground and mBO are low",
        wrong={
            "all three are low, since most pixels have a wrong label": "FG-ARI counts the objects' pixels only, and all of "
            "those are right.",
            "FG-ARI and mBO are 1, since each object has a label of its own; only ARI with the ground is low": "mBO is a "
            "mean of IoU. A part that covers an object and much ground shares with the object only a small part of what the "
            "two cover together.",
            "FG-ARI is the lowest, since it has no ground to help it": "It is the highest. The mistakes are all on the "
            "ground, and there it does not look.",
        },
        after="So a model without any outline can have the best FG-ARI of all. The other two tell.",
    ),
    Function(
        name="ch19.posterior",
        points=2,
        section="From one mask to many",
        wants="a function of log_masks, (n, k), colours, (n, k, c), x, (n, c), and scale, that returns q, (n, k)",
        hints=(
            "First the logarithm of the numerator: log m + log N. What does not depend on k may be left out.",
            "log N is minus the squared distance, summed over the channels, divided by twice the squared scale.",
            "Subtract the largest of each pixel before the exponential; then divide by the sum over k.",
        ),
        cases=layers,
        truth=posterior,
        mistakes=(
            Mistake(
                "The masks have no say: a layer that is not seen at a pixel may still own it.",
                gives(lambda m, colours, x, s: posterior(np.zeros_like(m), colours, x, s)),
            ),
            Mistake(
                "The colours have no say: these are the masks.",
                gives(lambda m, colours, x, s: np.exp(m)),
            ),
            Mistake(
                "The squared distance is divided by the squared scale, and not by twice that.",
                gives(lambda m, colours, x, s: by_distance(m, colours, x, s, 1.0)),
            ),
            Mistake(
                "The squared distance is a mean over the channels. Channels are independent: their logarithms add up.",
                gives(lambda m, colours, x, s: by_distance(m, colours, x, s, 0.5, np.mean)),
            ),
            Mistake(
                "The distance is divided by the scale, and not by its square.",
                gives(lambda m, colours, x, s: by_distance(m, colours, x, s, 0.5 * s)),
            ),
            Mistake(
                "These sum to one over the pixels. Each pixel has to belong to somebody: sum over the layers.",
                gives(lambda m, colours, x, s: shares(log_joint(m, colours, x, s), axis=0)),
            ),
            Mistake(
                "This gives each pixel to one layer entirely. Wanted is how likely each one is.",
                gives(lambda m, colours, x, s: np.eye(m.shape[1])[log_joint(m, colours, x, s).argmax(axis=1)]),
            ),
        ),
    ),
    Function(
        name="ch19.competition",
        points=2,
        section="A competition for pixels",
        wants="a function of x, (n, c), centres, (k, c), and sigma, that returns the new centres, (k, c)",
        hints=(
            "Logits first, (k, n): minus the squared distance of each pixel from each centre, divided by 2 sigma^2.",
            "The softmax is over the centres, which are the rows here.",
            "Then divide each row by its sum, so that a new centre is a mean of pixels, and multiply by x.",
        ),
        cases=heaps,
        truth=competition,
        mistakes=(
            Mistake(
                "The softmax is over the pixels: every centre looks where it likes, and none keeps another away.",
                gives(lambda x, s, sigma: moved(x, shares(fits(x, s, sigma), axis=1))),
            ),
            Mistake(
                "The shares of a centre do not sum to one, so the new centre is no mean of pixels.",
                gives(lambda x, s, sigma: shares(fits(x, s, sigma), axis=0) @ x),
                "Divide each row of A by its sum before the product with x.",
            ),
            Mistake(
                "Each pixel went to its nearest centre entirely. That is k-means; here a pixel belongs to all, by its shares.",
                gives(nearest),
            ),
            Mistake(
                "The squared length of a centre is missing. Without it long centres win pixels that are nearer to others.",
                gives(lambda x, s, sigma: moved(x, shares(fits(x, s, sigma, norm=0.0), axis=0))),
            ),
            Mistake(
                "The squared distance is divided by the squared sigma, and not by twice that.",
                gives(lambda x, s, sigma: moved(x, shares(fits(x, s, sigma, factor=1.0), axis=0))),
            ),
            Mistake(
                "These are the shares. Wanted are the centres that they make.",
                gives(lambda x, s, sigma: shares(fits(x, s, sigma), axis=0)),
            ),
        ),
    ),
    Function(
        name="ch19.starts",
        points=3,
        section="A competition for pixels",
        wants="a function of x, (n, d), and u, (k,), that returns k numbers of pixels, whole numbers",
        hints=(
            "Keep for each pixel its squared distance from the nearest of all that is chosen. It begins as that from the mean.",
            "np.cumsum of these distances; the chosen pixel is the first whose cumulated sum exceeds u times the whole sum.",
            "After each draw: np.minimum of what you keep, and the squared distances from the new start.",
        ),
        cases=features,
        truth=starts,
        mistakes=(
            Mistake(
                "The odds are distances. They should be squared distances.",
                gives(lambda x, u: starts(x, u, power=1)),
            ),
            Mistake(
                "Only the last start counts. What looks like an earlier one is chosen again.",
                gives(from_the_last),
            ),
            Mistake(
                "The distance is that from the farthest of the starts. A pixel is taken care of if it is near to *one*.",
                gives(lambda x, u: starts(x, u, fold=max)),
            ),
            Mistake(
                "The distances from all starts are added up. A pixel is taken care of if it is near to *one*.",
                gives(lambda x, u: starts(x, u, fold=sum)),
            ),
            Mistake(
                "The first start is drawn with equal odds. Then it mostly falls on the ground; begin with the distance from the mean.",
                gives(lambda x, u: starts(x, u, first=False)),
            ),
            Mistake(
                "After the first draw the mean is forgotten, and the ground is as good as new. It counts as a start all the way.",
                gives(lambda x, u: starts(x, u, kept=False)),
            ),
            Mistake(
                "The farthest pixel is taken each time, and u has no say. An outlier is then always a start.",
                gives(farthest),
            ),
        ),
    ),
    ARI,
)
