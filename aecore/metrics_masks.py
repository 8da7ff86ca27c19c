"""How well a mask agrees with the true one. All are 1 where they are equal, and higher is better.

Masks are (n, h, w), whole numbers; whatever is not 0 is the object, except in `mean_iou`, which looks at every label.
Where truth and prediction are both empty they agree: 1. Where one of them is empty: 0.
"""

import numpy as np

from aecore.regions import check_masks


def iou(truth, predicted, accumulated=False):
    """Intersection over union, |T and P| / |T or P|, also called Jaccard's index.

    Args: truth, predicted, masks, (n, h, w); accumulated, whether intersections and unions are summed over all pictures
        before they are divided (large objects then count more).
    Returns: (n,), in [0, 1]; one float where accumulated.
    Raises: ValueError where the masks do not fit one another. Source: Everingham et al. 2010. Chapter 16.
    """
    both, either, _ = _counts(truth, predicted, "iou")
    if accumulated:
        both, either = both.sum(), either.sum()
    share = _share(both, either)
    return float(share) if accumulated else share


def dice(truth, predicted):
    """Dice's coefficient, 2 |T and P| / (|T| + |P|), the F-measure of pixels: 2 IoU / (1 + IoU).

    Returns: (n,), in [0, 1]. Raises: as `iou`. Source: Dice 1945. Chapter 16.
    """
    both, _, total = _counts(truth, predicted, "dice")
    return _share(2 * both, total)


def mean_iou(truth, predicted, labels=None):
    """Mean over labels, the ground's too, of the IoU accumulated over all pictures.

    The ground is large and easy, so its IoU is high, and this figure with it: never set it beside `iou`.

    Args: truth, predicted, masks of labels 0 to labels - 1; labels, their number, or None: the highest one's + 1.
    Returns: float, in [0, 1]; labels that neither has are left out.
    Raises: as `iou`. Source: the measure of PASCAL VOC, Everingham et al. 2010. Chapter 16.
    """
    truth, predicted = _pair(truth, predicted, "mean_iou", labels)
    labels = labels or int(max(truth.max(), predicted.max())) + 1
    table = np.bincount(truth.ravel().astype("int64") * labels + predicted.ravel(), minlength=labels**2)
    table = table.reshape(labels, labels)  # how many pixels of label i are called j
    both = np.diag(table)
    either = table.sum(axis=0) + table.sum(axis=1) - both
    return float(np.mean(both[either > 0] / either[either > 0]))


def boundary_f(truth, predicted, tolerance=1.0):
    """F-measure of the boundaries: how much of each lies within `tolerance` pixels of the other.

        2 P R / (P + R),   P = share of the predicted boundary near the true one, R = share of the true one near it

    A boundary pixel belongs to the object and has a neighbour, of four, that does not; the picture's edge is none.

    Args: truth, predicted, masks, (n, h, w); tolerance, in pixels, >= 0: state it with the figure, at 32 x 32 one pixel
        is already 3 % of the side.
    Returns: (n,), in [0, 1]; an object that fills its picture has no boundary and counts as empty.
    Raises: ValueError where masks do not fit or tolerance is negative.
    Source: Martin et al. 2004; Perazzi et al. 2016 (F).  Differs: all pixels within the tolerance count as found,
        without a one-to-one matching. Chapter 16.
    """
    from scipy.ndimage import binary_dilation

    if not 0 <= tolerance < float("inf"):
        raise ValueError(f"boundary_f: tolerance must be a number of pixels >= 0, got {tolerance}.")
    edges = [_boundary(masks > 0) for masks in _pair(truth, predicted, "boundary_f")]
    reach = int(tolerance)
    grid = np.arange(-reach, reach + 1)
    disc = (grid[:, None] ** 2 + grid**2 <= tolerance**2)[None]
    near = [binary_dilation(edge, disc) for edge in edges]
    found = lambda edge, other: (edge & other).sum(axis=(1, 2)) / np.maximum(edge.sum(axis=(1, 2)), 1)
    recall, precision = found(edges[0], near[1]), found(edges[1], near[0])
    f = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return np.where(~edges[0].any(axis=(1, 2)) & ~edges[1].any(axis=(1, 2)), 1.0, f)


def _boundary(inside):
    """Pixels of the object that have a neighbour, of four, outside of it: (n, h, w) bool."""
    padded = np.pad(inside, ((0, 0), (1, 1), (1, 1)), mode="edge")
    core = padded[:, :-2, 1:-1] & padded[:, 2:, 1:-1] & padded[:, 1:-1, :-2] & padded[:, 1:-1, 2:]
    return inside & ~core


def _pair(truth, predicted, name, labels=None):
    truth, predicted = check_masks(truth, name, labels), check_masks(predicted, name, labels)
    if truth.shape != predicted.shape:
        raise ValueError(f"{name}: truth and prediction differ in shape: {truth.shape} and {predicted.shape}.")
    return truth, predicted


def _counts(truth, predicted, name):
    """Pixels in both, in either, and in the two together, (n,) each."""
    truth, predicted = (masks > 0 for masks in _pair(truth, predicted, name))
    both, total = (truth & predicted).sum(axis=(1, 2)), truth.sum(axis=(1, 2)) + predicted.sum(axis=(1, 2))
    return both, total - both, total


def _share(part, whole):
    return np.where(whole > 0, part / np.maximum(whole, 1), 1.0)
