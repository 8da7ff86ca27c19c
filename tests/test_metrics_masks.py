"""Measures of masks against scikit-learn, scikit-image and brute force; what empty masks score."""

import numpy as np
import pytest
from skimage.segmentation import find_boundaries
from sklearn.metrics import f1_score, jaccard_score

from aecore import metrics_masks as mm
from aecore import scenes

RNG = np.random.default_rng(0)
TRUTH = scenes.objects(20, 32, seed=1).masks
GUESS = np.where(RNG.random(TRUTH.shape) < 0.1, 1 - TRUTH, TRUTH)
LABELS = RNG.integers(0, 4, (2, 10, 12, 9))


def test_iou_and_dice_are_scikit_learns():
    pairs = [(t.ravel(), g.ravel()) for t, g in zip(TRUTH, GUESS, strict=True)]
    np.testing.assert_allclose(mm.iou(TRUTH, GUESS), [jaccard_score(*pair) for pair in pairs])
    np.testing.assert_allclose(mm.dice(TRUTH, GUESS), [f1_score(*pair) for pair in pairs])
    assert mm.iou(TRUTH, GUESS, accumulated=True) == pytest.approx(jaccard_score(TRUTH.ravel(), GUESS.ravel()))
    np.testing.assert_allclose(mm.dice(TRUTH, GUESS), 2 / (1 + 1 / mm.iou(TRUTH, GUESS)))


def test_mean_iou_is_scikit_learns_mean_over_labels():
    truth, guess = LABELS
    wanted = jaccard_score(truth.ravel(), guess.ravel(), average="macro")
    assert mm.mean_iou(truth, guess) == pytest.approx(wanted)
    assert mm.mean_iou(truth, guess, labels=9) == pytest.approx(wanted)  # labels that nobody has are left out
    shuffle = np.array([2, 0, 3, 1])
    assert mm.mean_iou(shuffle[truth], shuffle[guess]) == pytest.approx(wanted)
    assert mm.mean_iou(TRUTH, TRUTH) == 1
    ground = mm.mean_iou(TRUTH, np.zeros_like(TRUTH), labels=2)
    assert ground == pytest.approx((TRUTH == 0).mean() / 2)  # finds nothing, and scores more than a third
    assert ground > 1 / 3


def brute_force_f(truth, guess, tolerance):
    """Every boundary pixel against every other: scikit-image's inner boundaries of 4 neighbours."""
    edges = [np.argwhere(find_boundaries(mask > 0, connectivity=1, mode="inner")) for mask in (truth, guess)]
    apart = np.hypot(*(edges[0][:, None] - edges[1][None]).transpose(2, 0, 1))
    recall, precision = (apart.min(axis=1) <= tolerance).mean(), (apart.min(axis=0) <= tolerance).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize("tolerance", [0, 1, 1.5, 3])
def test_boundary_f_by_brute_force(tolerance):
    moved = np.roll(TRUTH, (1, 2), axis=(1, 2))
    for guess in (GUESS, moved):
        wanted = [brute_force_f(t, g, tolerance) for t, g in zip(TRUTH, guess, strict=True)]
        np.testing.assert_allclose(mm.boundary_f(TRUTH, guess, tolerance), wanted, atol=1e-9)
    np.testing.assert_allclose(mm.boundary_f(TRUTH, TRUTH, tolerance), 1)


def test_a_mask_moved_by_one_pixel_is_perfect_within_one_pixel_for_a_square_only_along_its_sides():
    square = np.zeros((1, 20, 20), int)
    square[0, 5:15, 5:15] = 1
    moved = np.roll(square, 1, axis=2)
    assert mm.boundary_f(square, moved, 1) == 1
    assert mm.boundary_f(square, moved, 0) < 0.6
    assert mm.iou(square, moved) == pytest.approx(90 / 110)


def test_empty_masks_have_a_stated_value():
    empty, full = np.zeros((1, 8, 8), int), np.ones((1, 8, 8), int)
    some = np.zeros((1, 8, 8), int)
    some[0, 2:5, 2:5] = 1
    for measure in (mm.iou, mm.dice, mm.boundary_f):
        assert measure(empty, empty) == 1
        assert measure(empty, some) == measure(some, empty) == 0
    assert mm.boundary_f(full, empty) == 1  # an object that fills its picture has no boundary
    assert mm.iou(empty, empty, accumulated=True) == 1


def test_order_does_not_matter():
    for measure in (mm.iou, mm.dice, mm.boundary_f):
        np.testing.assert_allclose(measure(TRUTH, GUESS), measure(GUESS, TRUTH))


@pytest.mark.parametrize("measure", [mm.iou, mm.dice, mm.mean_iou, mm.boundary_f])
def test_masks_that_do_not_fit_are_named(measure):
    with pytest.raises(ValueError, match="differ in shape"):
        measure(TRUTH, TRUTH[:, :-1])
    with pytest.raises(ValueError, match="probability"):
        measure(TRUTH, np.full(TRUTH.shape, 0.3))
    with pytest.raises(ValueError, match="batch axis"):
        measure(TRUTH[0], TRUTH[0])


def test_a_tolerance_is_a_number_of_pixels():
    with pytest.raises(ValueError, match="tolerance"):
        mm.boundary_f(TRUTH, TRUTH, -1)
