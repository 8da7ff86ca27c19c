"""Functions of arrays that say how good a result is. Each states its direction.

Images are (n, h, w, c) in [0, 1], codes and features (n, d), labels (n,).
"""

import math
from typing import NamedTuple

import numpy as np


def squared_error(x, y):
    """Squared error per image, summed over its pixels: sum_i (x_i - y_i)^2. Lower is better.

    Args: x, y, (n, ...), the same shape.
    Returns: (n,), in squared pixel units.
    """
    x, y = _pair(x, y, "squared_error")
    return np.sum((x - y).reshape(len(x), -1) ** 2, axis=1)


def psnr(x, y):
    """Peak signal-to-noise ratio per image, for values in [0, 1]: -10 log10(mean squared error). Higher is better.

    Returns: (n,), in decibels; infinite where the images are equal.
    """
    x, y = _pair(x, y, "psnr")
    mse = np.mean((x - y).reshape(len(x), -1) ** 2, axis=1)
    with np.errstate(divide="ignore"):
        return -10 * np.log10(mse)


def ssim(x, y):
    """Structural similarity per image, for values in [0, 1], from scikit-image. Higher is better, 1 is equal.

    The window is 7 pixels, or the largest odd number that fits a smaller image.
    Returns: (n,). Raises: ValueError where x and y are no images, or smaller than 3 x 3.
    Source: Wang et al. 2004, with scikit-image's uniform window.
    """
    from skimage.metrics import structural_similarity

    x, y = _pair(x, y, "ssim")
    if x.ndim != 4:
        raise ValueError(f"ssim: wanted images of shape (n, h, w, c), got {x.shape}.")
    side = min(x.shape[1:3])
    if side < 3:
        raise ValueError(f"ssim: images must be at least 3 x 3 pixels, got {x.shape[1]} x {x.shape[2]}.")
    window = min(7, side - 1 + side % 2)
    # The examples are handed over as channels: one call for all of them, each compared by itself.
    n, h, w, c = x.shape
    as_channels = (np.moveaxis(a, 0, 2).reshape(h, w, n * c).astype("float64") for a in (x, y))
    _, full = structural_similarity(*as_channels, win_size=window, data_range=1.0, channel_axis=2, full=True)
    pad = (window - 1) // 2
    inner = full[pad : h - pad, pad : w - pad]
    return inner.mean(axis=(0, 1)).reshape(n, c).mean(axis=1)


def linear_probe(train_x, train_y, test_x, test_y):
    """Share of test labels that a logistic regression on the features gets right. Higher is better.

    The features are standardised with the training part's mean and scale; the regression is L2-regularised
    with scikit-learn's default C = 1.
    Returns: accuracy in [0, 1].
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return float(probe.fit(_flat(train_x), train_y).score(_flat(test_x), test_y))


def knn_accuracy(train_x, train_y, test_x, test_y, k=1):
    """Share of test labels given by the majority of the k nearest training features. Higher is better.

    Returns: accuracy in [0, 1].
    """
    from sklearn.neighbors import KNeighborsClassifier

    return float(KNeighborsClassifier(k).fit(_flat(train_x), train_y).score(_flat(test_x), test_y))


def cluster_accuracy(labels, clusters):
    """Share of examples whose cluster, named in the best one-to-one way, is their label. Higher is better.

    Args: labels, clusters, (n,), integers >= 0.
    Returns: accuracy in [0, 1]; clusters without a label of their own count as wrong.
    Source: the assignment is solved by the Hungarian method (scipy).
    """
    from scipy.optimize import linear_sum_assignment

    labels, clusters = np.asarray(labels), np.asarray(clusters)
    if labels.shape != clusters.shape or labels.ndim != 1 or len(labels) == 0:
        raise ValueError(
            f"cluster_accuracy: wanted two lists of the same length, got {labels.shape} and {clusters.shape}."
        )
    for a in (labels, clusters):
        if a.dtype.kind not in "ui" or a.min() < 0:
            raise ValueError(f"cluster_accuracy: wanted integers >= 0, got {a.dtype} from {a.min()}.")
    counts = np.zeros((clusters.max() + 1, labels.max() + 1), int)
    np.add.at(counts, (clusters, labels), 1)
    rows, columns = linear_sum_assignment(-counts)
    return float(counts[rows, columns].sum() / len(labels))


def frechet_distance(x, y):
    """Squared Frechet distance between the Gaussians fitted to two sets of features. Lower is better, 0 is equal.

        |m_x - m_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2))

    A figure belongs to one feature extractor, one reference set and one number of samples: the estimate is biased
    upwards, the more so the fewer samples there are.

    Args: x, (n, d), and y, (m, d), with n, m >= 2; other shapes are flattened.
    Returns: float, in squared feature units.
    Source: Heusel et al. 2017, equation 6. Differs: no matrix root. With centred features X / sqrt(n - 1) = Q R the
        trace of the root is the sum of the singular values of R_x R_y', defined for singular covariances too.
        Chapters 10, 11 and 12.
    """
    x, y = _features(x, y, "frechet_distance")
    triangles = [np.linalg.qr((a - a.mean(axis=0)) / np.sqrt(len(a) - 1), mode="r") for a in (x, y)]
    spread = sum(np.sum(r**2) for r in triangles)  # tr C_x + tr C_y
    shared = np.linalg.svd(triangles[0] @ triangles[1].T, compute_uv=False).sum()
    return float(np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2) + spread - 2 * shared)


def kernel_distance(x, y):
    """Kernel distance of two sets of features: the squared MMD with a cubic kernel, unbiased. Lower is better.

        mean_(i != j) k(x_i, x_j) + mean_(i != j) k(y_i, y_j) - 2 mean_(i, j) k(x_i, y_j),   k(a, b) = (a.b / d + 1)^3

    Its expectation does not depend on the number of samples, and is 0 where the distributions are equal; so a single
    value can be negative.

    Args: as `frechet_distance`.
    Returns: float.
    Source: Binkowski et al. 2018 (KID), equation 4. Differs: all examples at once, not a mean over subsets. Chapter 11.
    """
    x, y = _features(x, y, "kernel_distance")

    def kernel(a, b):
        k = a @ b.T / a.shape[1] + 1
        return k * k * k  # far faster than NumPy's power

    total = lambda a, b: sum(kernel(part, b).sum() for part in _parts(a))  # not all pairs in memory at once
    within = lambda a: (total(a, a) - np.sum((np.sum(a * a, axis=1) / a.shape[1] + 1) ** 3)) / (len(a) * (len(a) - 1))
    return float(within(x) + within(y) - 2 * total(x, y) / (len(x) * len(y)))


def precision_recall(real, generated, k=3):
    """Precision: the share of generated features where real ones are; recall: the reverse. Higher is better.

    A set's region is the union of balls around its points, each as large as the distance to its k-th neighbour.
    A generator that repeats one good picture has high precision and low recall.

    Args: real, (n, d), generated, (m, d), with n, m > k; k, neighbours, >= 1.
    Returns: (precision, recall), each in [0, 1].
    Source: Kynkaanniemi et al. 2019, equations 1 and 2. Chapter 11.
    """
    from scipy.spatial.distance import cdist

    real, generated = _features(real, generated, "precision_recall", at_least=k + 1)
    if k < 1:
        raise ValueError(f"precision_recall: k must be at least 1, got {k}.")

    def share(points, region):
        radius = np.concatenate([np.partition(cdist(part, region), k, axis=1)[:, k] for part in _parts(region)])
        return float(np.mean(np.concatenate([(cdist(p, region) <= radius).any(axis=1) for p in _parts(points)])))

    return share(generated, real), share(real, generated)


class Coverage(NamedTuple):
    """How many modes of a mixture samples cover, and the share of samples of high quality. See `mode_coverage`."""

    modes: int
    high_quality: float
    shares: np.ndarray


def mode_coverage(samples, centres, scale, at_least=1):
    """Which modes of a known mixture of equal Gaussians samples reach, and how many of them lie on one.

    A sample is of high quality within 3 scales of its nearest centre; a mode is covered by `at_least` such samples.
    In two dimensions the mixture's own samples reach 1 - exp(-9/2) = 98.9 % high quality.

    Args: samples, (n, d); centres, (k, d); scale, the Gaussians' standard deviation, > 0; at_least, >= 1.
    Returns: Coverage: modes, of k, higher is better; high_quality, in [0, 1], higher is better; shares, (k,), of all
        samples that are of high quality and near each mode.
    Source: Srivastava et al. 2017, section 5.1, at_least = 1 and n = 2,500. Chapter 13.
    """
    samples, centres = _features(samples, centres, "mode_coverage", at_least=1)
    if not (np.isfinite(scale) and scale > 0) or at_least < 1:
        raise ValueError(
            f"mode_coverage: wanted scale > 0 and at_least >= 1, got scale={scale} and at_least={at_least}."
        )
    away = nearest(samples, centres)
    counts = np.bincount(away.row[away.distance <= 3 * scale], minlength=len(centres))
    return Coverage(int((counts >= at_least).sum()), float(counts.sum() / len(samples)), counts / len(samples))


class Nearest(NamedTuple):
    """The nearest example of a reference set to each of others: its distance and its row, both (n,)."""

    distance: np.ndarray
    row: np.ndarray


def nearest(x, reference):
    """Find the reference example that is nearest to each x, by Euclidean distance.

    Args: x, (n, ...), reference, (m, ...): pictures, or better their features.
    Returns: Nearest, a copy has distance 0.
    """
    from sklearn.neighbors import NearestNeighbors

    x, reference = _features(x, reference, "nearest", at_least=1)
    row = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(reference).kneighbors(x, return_distance=False)[:, 0]
    # Measured again: a squared distance from |x|^2 - 2 x.y + |y|^2 rounds a copy's 0 up.
    away = [np.linalg.norm(a - reference[r], axis=1) for a, r in zip(_parts(x), _parts(row), strict=True)]
    return Nearest(np.concatenate(away), row)


def memorisation(generated, train, held_out):
    """Does a generator copy? How often a generated example is nearer to the training set than a held-out one is.

        P(d(g) < d(h)) + P(d(g) = d(h)) / 2,   d(x) the distance to the nearest training example

    New examples give 1/2, copies 1. Less than 1/2 says that the generated ones lie further from the training set than
    data do: poor, or more varied.

    Args: generated, (n, ...), train, (m, ...), held_out, (k, ...): pictures, or better their features.
    Returns: float, in [0, 1].
    Source: Meehan et al. 2020, section 3: the Mann-Whitney test of these distances. Differs: one minus their
        probability, in one cell, and not standardised. Chapter 13.
    """
    made, kept = (nearest(x, train).distance for x in (generated, held_out))
    kept = np.sort(kept)
    further = len(kept) - np.searchsorted(kept, made, side="right")
    equal = np.searchsorted(kept, made, side="right") - np.searchsorted(kept, made, side="left")
    return float(np.mean(further + equal / 2) / len(kept))


def _parts(x, rows=1024):
    return [x[i : i + rows] for i in range(0, len(x), rows)]


def _features(x, y, name, at_least=2):
    x, y = (_flat(a).astype("float64") for a in (x, y))
    if x.shape[1] != y.shape[1] or min(len(x), len(y)) < at_least:
        raise ValueError(
            f"{name}: wanted two sets of features of one size, each with at least {at_least} examples, "
            f"got {x.shape} and {y.shape}."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError(f"{name}: the features hold NaN or infinity.")
    return x, y


def _pair(x, y, name):
    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape or len(x) == 0:
        raise ValueError(f"{name}: wanted two arrays of one shape with at least one example, got {x.shape}, {y.shape}.")
    if x.dtype.kind != "f" or y.dtype.kind != "f":  # uint8 would wrap around: 5 - 250 = 11
        raise TypeError(f"{name}: wanted floating-point numbers, got {x.dtype} and {y.dtype}.")
    return x, y


def _flat(x):
    x = np.asarray(x)
    return x.reshape(len(x), math.prod(x.shape[1:]))
