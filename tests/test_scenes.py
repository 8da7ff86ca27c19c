"""Generated scenes: what is drawn is what the masks say, at every size, from the seed alone."""

import numpy as np
import pytest

from aecore import scenes
from aecore.metrics_masks import iou
from aecore.regions import boxes


@pytest.mark.parametrize("size", [16, 32, 128])
def test_an_object_fills_its_box_and_the_margin_is_as_wide_as_asked(size):
    x, masks, kinds = scenes.objects(40, size, scenes.KINDS, seed=3)
    assert (x.shape, x.dtype, masks.dtype, kinds.shape) == ((40, size, size, 3), np.float32, np.uint8, (40, 1))
    assert x.min() >= 0
    assert x.max() <= 1
    assert set(np.unique(masks)) == {0, 1}
    margin = 0.15 / 1.3 * size
    wanted = np.array([margin, margin, size - margin, size - margin])
    # A pixel counts where more than half of it is covered: the tip of a leg may be missed where pixels are large.
    assert np.abs(boxes(masks) - wanted).max() <= (2.5 if size == 16 else 1.5)
    assert {0, 1, 2} == set(kinds.ravel())


def test_a_disc_is_a_disc():
    """One limb without length, others inside it: the covered share is an ellipse's area, pi / 4 of its box."""
    ends, radii = np.zeros((1, scenes.LIMBS, 2, 2), "float32"), np.full((1, scenes.LIMBS, 2), 0.7, "float32")
    box = [np.array([number]) for number in (20.0, 30.0, 24.0, 36.0)]  # middle at row 20, column 30; 24 high, 36 wide
    cover = scenes._cover(ends, radii, box, 64)[0]
    rows, columns = np.mgrid[:64, :64] + 0.5
    inside = ((rows - 20) / 12) ** 2 + ((columns - 30) / 18) ** 2 < 1
    assert cover.sum() == pytest.approx(np.pi / 4 * 24 * 36, rel=0.02)
    assert (inside != (cover > 0.5)).mean() < 0.005


def test_a_tapered_limb_by_brute_force():
    """Every pixel against a thousand discs along the limb."""
    ends = np.zeros((1, scenes.LIMBS, 2, 2), "float32")
    radii = np.full((1, scenes.LIMBS, 2), 0.3, "float32")
    ends[0, 1], radii[0, 1] = [[0.0, 0.0], [0.6, 1.5]], [0.3, 0.1]
    box = [np.array([number]) for number in (32.0, 32.0, 60.0, 60.0)]
    cover = scenes._cover(ends, radii, box, 64)[0]
    low, high = np.array([-0.3, -0.3]), np.array([0.7, 1.6])  # of the body, in its own units
    place = (np.mgrid[:64, :64] + 0.5 - 32).transpose(1, 2, 0) / (60 / (high - low)) + (low + high) / 2
    inside = np.zeros((64, 64), bool)
    for t in np.linspace(0, 1, 1001):
        inside |= np.hypot(*(place - t * np.array([0.6, 1.5])).transpose(2, 0, 1)) < 0.3 - 0.2 * t
    # A capsule whose radius is read at the nearest point of its axis is a little thinner than the union of the discs.
    assert (inside != (cover > 0.5)).mean() < 0.01


def test_the_seed_owns_everything():
    a, b = scenes.objects(300, seed=1), scenes.objects(300, seed=1)
    for first, second in zip(a, b, strict=True):
        np.testing.assert_array_equal(first, second)
    other = scenes.objects(300, seed=2)
    assert np.abs(a.x - other.x).mean() > 0.05
    assert iou(a.masks, other.masks).max() < 0.99
    assert len({mask.tobytes() for mask in a.masks}) == 300


def test_a_body_is_in_one_piece_and_looks_both_ways():
    from scipy.ndimage import label

    masks = scenes.objects(100, 64, scenes.KINDS, seed=5).masks
    pieces = [np.bincount(label(mask, np.ones((3, 3)))[0].ravel())[1:] for mask in masks]
    assert np.mean([p.max() / p.sum() for p in pieces]) > 0.98  # a head may be cut off by less than a pixel
    mean = scenes.objects(2000, seed=6).masks.mean(axis=0)
    assert np.abs(mean - mean[:, ::-1]).max() < 0.08  # as many to the left as to the right
    assert 0.1 < (mean > 0.5).mean() < 0.3  # a mean shape is there, and far from all there is
    assert iou(scenes.objects(200, seed=7).masks, np.repeat((mean > 0.5)[None], 200, axis=0)).mean() < 0.7


def test_without_noise_or_clutter_colours_tell_ground_and_object_apart_and_clutter_takes_that_away():
    """The share of ground that lies nearer to the object's mean colour than to the ground's grows with the clutter."""

    def mistaken(clutter):
        x, masks, _ = scenes.objects(200, clutter=clutter, seed=8)
        inside = masks[..., None]
        ours, theirs = ((x * m).sum(axis=(1, 2), keepdims=True) / m.sum(axis=(1, 2), keepdims=True) for m in
                        (inside, 1 - inside))  # fmt: skip
        nearer = ((x - ours) ** 2).sum(axis=-1) < ((x - theirs) ** 2).sum(axis=-1)
        return (nearer & (masks == 0)).sum() / (masks == 0).sum()

    assert mistaken(0.0) + 0.05 < mistaken(1.0) < 0.5


def test_several_objects_are_numbered_and_the_later_one_is_in_front():
    x, masks, kinds = scenes.several(60, 64, (1, 3), seed=4)
    assert x.shape == (60, 64, 64, 3)
    assert set((kinds >= 0).sum(axis=1)) == {1, 2, 3}
    for mask, kind in zip(masks, kinds, strict=True):
        assert set(np.unique(mask)) - {0} <= set(np.flatnonzero(kind >= 0) + 1)
        assert (kind >= 0).sum() in np.unique(mask)  # nothing covers the last object
    assert any(
        len(np.unique(mask)) - 1 < (kind >= 0).sum() or mask.max() > 1 for mask, kind in zip(masks, kinds, strict=True)
    )


def test_a_patch_covers_the_object_and_the_rest_stays():
    x, masks, _ = scenes.objects(50, seed=9)
    covered, known = scenes.occlude(x, masks, share=0.4, seed=1)
    assert (~known).sum(axis=(1, 2)).tolist() == [13 * 13] * 50
    np.testing.assert_array_equal(covered[known], x[known])
    for picture, seen, mask in zip(covered, known, masks, strict=True):
        assert len(np.unique(picture[~seen], axis=0)) == 1
        assert (mask[~seen] > 0).any()
    np.testing.assert_array_equal(known, scenes.occlude(x, masks, share=0.4, seed=1).known)
    assert (scenes.occlude(x, np.zeros_like(masks), share=0.2).known.mean(axis=(1, 2)) < 1).all()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: scenes.objects(0), "n wants a whole number >= 1"),
        (lambda: scenes.objects(2, 8), "size"),
        (lambda: scenes.objects(2, 200), "between 16 and 128"),
        (lambda: scenes.objects(2, kinds=("cat",)), "one or more of"),
        (lambda: scenes.objects(2, kinds=()), "one or more of"),
        (lambda: scenes.objects(2, clutter=2), "clutter"),
        (lambda: scenes.objects(2, margin=-0.1), "margin"),
        (lambda: scenes.several(2, count=(3, 2)), "fewest <= most"),
        (lambda: scenes.several(2, scale=(0.5, 0.2)), "scale"),
        (lambda: scenes.occlude(np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8), int), share=0), "share"),
        (lambda: scenes.occlude(np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 7), int)), "same n, h and w"),
    ],
)
def test_bad_arguments_are_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_two_thousand_pictures_a_second():
    """The promise is 2,000; a machine that others use too is allowed a quarter of that."""
    from time import perf_counter

    start = perf_counter()
    scenes.objects(1000)
    assert 1000 / (perf_counter() - start) > 500
