"""How well predicted labels find the objects of a picture, and keep them through a film. Higher is better for all.

Truth: whole numbers, 0 the ground and i + 1 object i. Predictions: whole numbers >= 0 in any order, such as slots. Both
are (n, h, w), or films, (n, t, h, w), where a number is the same object, or slot, in all frames.
"""

import numpy as np

from aecore.regions import check_masks


def ari(truth, predicted, background=True):
    """Adjusted Rand index of each picture: agreement on which pairs of pixels belong together, beyond chance.

        (S - E) / ((A + B) / 2 - E),   S = sum_ij C(m_ij, 2),   A = sum_i C(a_i, 2),   B = sum_j C(b_j, 2),
        E = A B / C(m, 2),   m_ij pixels of truth i and prediction j, a and b their sums over j and i, m over both

    Args: truth, predicted, (n, h, w) or (n, t, h, w): a film is one picture of t h w pixels; background, whether the
        ground's pixels count (FG-ARI: False). Without them nothing is said of an object's outline: report both.
    Returns: (n,): 1 where the parts are the same, about 0 for random ones, and below for worse. Where no pixel counts,
        or just one: 1.
    Raises: ValueError where labels do not fit. Source: Hubert and Arabie 1985; scikit-learn's. Chapter 19.
    """
    table = _table(*_pair(truth, predicted, "ari")).astype("float64")
    if not background:
        table = table[:, 1:]
    pairs = lambda m: m * (m - 1) / 2
    same = pairs(table).sum(axis=(1, 2))
    ours, theirs = (pairs(table.sum(axis=axis)).sum(axis=1) for axis in (2, 1))
    chance = ours * theirs / np.maximum(pairs(table.sum(axis=(1, 2))), 1)
    most = (ours + theirs) / 2
    return np.where(most == chance, 1.0, (same - chance) / np.where(most == chance, 1.0, most - chance))


def mbo(truth, predicted):
    """Mean best overlap of each picture: the mean IoU of the true objects with the predicted parts they are matched to.

        max over matchings of 1/K sum_i IoU(object i, part of i):   one to one, by the Hungarian method

    Args: truth, predicted, (n, h, w), or (n, t, h, w): the IoU of a film is that of tubes through all its frames.
    Returns: (n,), in [0, 1]. The ground is no object, but part of the pixels: an object's part that covers ground is
        worse for it. An object without a part counts 0, one without a pixel not at all; no object at all: 1.
    Raises: ValueError where labels do not fit.
    Source: Pont-Tuset et al. 2017 (MBO).  Differs: one to one, so no part stands for two objects. Chapter 19.
    """
    from scipy.optimize import linear_sum_assignment

    table = _table(*_pair(truth, predicted, "mbo"))
    size = table.sum(axis=2)[:, 1:]  # (n, objects)
    overlap = table[:, 1:] / np.maximum(size[:, :, None] + table.sum(axis=1)[:, None] - table[:, 1:], 1)
    best = np.array([each[linear_sum_assignment(each, maximize=True)].sum() for each in overlap])
    objects = (size > 0).sum(axis=1)
    return np.where(objects, best / np.maximum(objects, 1), 1.0)


def identity(truth, predicted, seen=0.25, hidden=False):
    """Share of the tracks that keep one slot through the film.

    An object is seen in a frame where it shows at least `seen` of the pixels that it shows at most. Its slot there is
    the one that has most of them. Its track is kept where that slot is the same in all frames in which it is seen, and
    neither the ground nor another object that is seen has it in any frame.

    Nothing is said of outlines: a slot may have half the ground too, as long as another one has more. See `mbo`.

    Args: truth, predicted, (n, t, h, w); seen, in (0, 1]; hidden, whether only those tracks count that are not seen in
        between two frames in which they are.
    Returns: float in [0, 1]: kept tracks out of all that are seen in two frames at least; 1 where there is none.
    Raises: ValueError where labels are no films or do not fit, or seen is out of range. Chapter 20.
    """
    truth, predicted = _pair(truth, predicted, "identity", films=True)
    there = holders(truth, predicted, seen)
    has = there[..., None] == np.arange(predicted.max() + 1)  # (n, t, labels, slots)
    ever = has.any(axis=1)  # (n, labels, slots): which slots a label has in the film
    alone = ~(ever & (ever.sum(axis=1, keepdims=True) > 1)).any(axis=2)
    kept = (alone & (ever.sum(axis=2) == 1))[:, 1:]
    there = there[:, :, 1:] >= 0
    counts = there.sum(axis=1) > 1
    if hidden:
        first, last = there.argmax(axis=1), there.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
        counts &= there.sum(axis=1) < last - first + 1
    return float(kept[counts].mean()) if counts.any() else 1.0


def holders(truth, predicted, seen=0.25):
    """Which predicted label has most of the pixels of each true one, frame by frame: the tracks that `identity` judges.

    Args: as `identity`.
    Returns: (n, t, labels): the ground first, then object i at i + 1; -1 where it is not seen.
    Raises: as `identity`. Chapter 20.
    """
    truth, predicted = _pair(truth, predicted, "identity", films=True)
    if not 0 < seen <= 1:
        raise ValueError(f"identity: seen must be a share in (0, 1], got {seen}.")
    n, t = truth.shape[:2]
    frames = lambda labels: labels.reshape(n * t, *labels.shape[2:])
    table = _table(frames(truth), frames(predicted))
    table = table.reshape(n, t, *table.shape[1:])  # (n, t, labels, slots)
    size = table.sum(axis=3)
    there = (size > 0) & (size >= seen * size.max(axis=1, keepdims=True))  # (n, t, labels)
    return np.where(there, table.argmax(axis=3), -1)


def consistency(labels):
    """How still the parts of each film stand: the mean IoU of a part with itself in the next frame.

    What moves overlaps itself less, so set it beside the truth's own: above it, a slot stays where its object left.

    Args: labels, true or predicted ones, (n, t, h, w). All parts count, the ground too: a prediction does not say which
        of its slots that is.
    Returns: (n,), in [0, 1]: over all pairs of frames and all labels that are in one of the two.
    Raises: ValueError where labels are no films. Chapter 20.
    """
    labels = _labels(labels, "consistency", films=True)
    here, there = (
        np.stack([part == i for i in range(int(labels.max()) + 1)]) for part in (labels[:, :-1], labels[:, 1:])
    )
    both, either = ((fn(here, there)).sum(axis=(3, 4)) for fn in (np.logical_and, np.logical_or))  # (labels, n, t - 1)
    return (both / np.maximum(either, 1)).sum(axis=(0, 2)) / (either > 0).sum(axis=(0, 2))


def _table(truth, predicted):
    """How many pixels of each true label have each predicted one, (n, labels, slots)."""
    n, i, j = len(truth), int(truth.max()) + 1, int(predicted.max()) + 1
    place = (np.arange(n)[:, None] * i + truth.reshape(n, -1)) * j + predicted.reshape(n, -1)
    return np.bincount(place.ravel(), minlength=n * i * j).reshape(n, i, j)


def _labels(labels, name, films=False):
    """Let labels in: (n, h, w) or (n, t, h, w), the latter alone, of two frames at least, where films are wanted."""
    labels = np.asarray(labels)
    if labels.ndim != 4 and not films:
        return check_masks(labels, name)
    if labels.ndim != 4 or 0 in labels.shape or (films and labels.shape[1] < 2):
        wanted = "films (n, t, h, w) of two frames at least" if films else "labels (n, h, w) or films (n, t, h, w)"
        raise ValueError(f"{name}: wanted {wanted}, got shape {labels.shape}.")
    return check_masks(labels.reshape(-1, *labels.shape[2:]), name).reshape(labels.shape)


def _pair(truth, predicted, name, films=False):
    truth, predicted = _labels(truth, name, films), _labels(predicted, name, films)
    if truth.shape != predicted.shape:
        raise ValueError(f"{name}: truth and prediction differ in shape: {truth.shape} and {predicted.shape}.")
    return truth, predicted
