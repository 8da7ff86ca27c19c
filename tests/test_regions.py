"""Boxes, crops, pairs from a file and the check of masks, against loops and scikit-image."""

import numpy as np
import pytest
from skimage.measure import regionprops

from aecore import data, regions, scenes


def test_boxes_are_scikit_images():
    masks = scenes.objects(30, 32, scenes.KINDS, seed=1).masks
    assert regions.boxes(masks).tolist() == [list(regionprops(mask)[0].bbox) for mask in masks]


def test_a_crop_that_only_cuts_keeps_every_pixel():
    rng = np.random.default_rng(0)
    x = rng.random((3, 20, 24, 3)).astype("float32")
    boxes = np.array([[2, 3, 10, 11], [0, 0, 8, 8], [12, 16, 20, 24]])
    for cut, picture, (top, left, bottom, right) in zip(regions.crops(x, boxes, 8, 0), x, boxes, strict=True):
        exact = picture[top:bottom, left:right]
        # Each pixel is sampled between its neighbours, with its own weight of three quarters along each axis.
        assert np.abs(cut - exact).mean() < 0.5 * np.abs(exact - exact.mean()).mean()
        assert cut.mean() == pytest.approx(exact.mean(), abs=0.03)


def test_a_ramp_stays_a_ramp_and_goes_on_outside_at_its_edge():
    """Linear interpolation and means keep a linear picture linear: each new pixel is the ramp at its middle."""
    ramp = np.broadcast_to(np.arange(40.0)[:, None, None] / 40, (40, 30, 1))
    box = np.array([[8, 5, 24, 25]])  # 16 high: the margin of a quarter is 4 rows
    cut = regions.crops([ramp], box, 12, 0.25)[0, :, :, 0]
    middle = 4 + (np.arange(12) + 0.5) * 24 / 12 - 0.5
    np.testing.assert_allclose(cut, np.repeat(middle[:, None] / 40, 12, axis=1), atol=1e-5)
    beyond = regions.crops([ramp], np.array([[0, 0, 16, 30]]), 12, 0.25)[0, :, 0, 0]
    np.testing.assert_allclose(beyond[:2], 0, atol=1e-6)  # rows -4 to 0 repeat the first


def test_a_cropped_object_lies_as_in_the_file_of_horses():
    """A mask cropped by its own box touches a box of 1 / 1.3 of the side, the margin 15 % on each side."""
    _, masks, _ = scenes.several(20, 96, (1, 1), seed=2)
    cut = regions.crops(masks[..., None].astype("float32"), regions.boxes(masks), 64) > 0.5
    sides = regions.boxes(cut[..., 0]) - np.array([[7.38, 7.38, 56.6, 56.6]])
    assert np.abs(sides).max() <= 2.5


def test_horses_are_read_from_a_file_and_reduced(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    images, masks = rng.integers(0, 256, (12, 64, 64, 3), "uint8"), rng.random((12, 64, 64)) < 0.4
    np.savez(tmp_path / "horses_64.npz", images=images, masks=masks)
    monkeypatch.setenv("AECORE_DATA", str(tmp_path))
    parts = data.horses(16, validation=3, test=4)
    assert [(len(p.x), p.x.shape[1:], p.y.shape[1:], p.y.dtype) for p in parts] == [
        (n, (16, 16, 3), (16, 16), np.uint8) for n in (5, 3, 4)
    ]
    x, y = regions.pairs(tmp_path / "horses_64.npz", 16)
    place = np.unravel_index(5, (12,))[0]
    for row, column in ((0, 0), (3, 15)):
        block = slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4)
        np.testing.assert_allclose(x[place, row, column], images[place][block].mean(axis=(0, 1)) / 255, atol=1e-6)
        assert y[place, row, column] == (masks[place][block].mean() > 0.5)
    whole, _ = regions.pairs(tmp_path / "horses_64.npz")
    assert whole.shape == (12, 64, 64, 3)
    together = np.concatenate([p.x for p in parts])
    np.testing.assert_allclose(np.sort(together.sum(axis=(1, 2, 3))), np.sort(x.sum(axis=(1, 2, 3))), rtol=1e-5)
    with pytest.raises(ValueError, match="must divide"):
        data.horses(24)


def test_films_of_davis_are_read_from_a_file(tmp_path, monkeypatch):
    rng = np.random.default_rng(4)
    films = dict(frames=rng.integers(0, 256, (9, 6, 8, 3), "uint8"), masks=rng.random((9, 6, 8)) < 0.4,
                 sequences=np.array(["cows", "dog", "a-long-name"]), lengths=np.array([4, 2, 3]))  # fmt: skip
    path = tmp_path / "davis_128x72.npz"
    np.savez(path, **films)
    monkeypatch.setenv("AECORE_DATA", str(tmp_path))
    parts = data.davis()
    assert list(parts) == ["cows", "dog", "a-long-name"]
    assert {type(name) for name in parts} == {str}
    for part, rows in zip(parts.values(), (slice(0, 4), slice(4, 6), slice(6, 9)), strict=True):
        assert (part.x.dtype, part.y.dtype) == (np.float32, np.uint8)
        np.testing.assert_allclose(part.x * 255, films["frames"][rows], atol=1e-4)
        np.testing.assert_array_equal(part.y, films["masks"][rows])
    for lengths in ([4, 2, 2], [4, 5], [9, 0, 0]):
        np.savez(path, **{**films, "lengths": np.array(lengths)})
        with pytest.raises(ValueError, match=r"9 frames are no 3 films of"):
            data.davis()
    np.savez(path, frames=films["frames"])
    with pytest.raises(ValueError, match="wanted the arrays frames and masks and sequences and lengths, got"):
        data.davis()
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"davis_128x72.npz. It holds `frames`, .* quick profile"):
        data.davis()


def test_a_file_that_is_not_there_or_holds_something_else_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("AECORE_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="quick profile"):
        data.horses()
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 8, 8, 3), "uint8"))
    with pytest.raises(ValueError, match="wanted the arrays images and masks"):
        regions.pairs(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", images=np.zeros((2, 8, 8, 3), "uint8"), masks=np.full((2, 8, 8), 255, "uint8"))
    with pytest.raises(ValueError, match="masks > 0"):
        regions.pairs(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", images=np.zeros((2, 8, 8, 3), "uint8"), masks=np.zeros((2, 8, 6), bool))
    with pytest.raises(ValueError, match="same n, h and w"):
        regions.pairs(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", images=np.zeros((2, 8, 8, 3)), masks=np.zeros((2, 8, 8), bool))
    with pytest.raises(ValueError, match="uint8"):
        regions.pairs(tmp_path / "d.npz")


@pytest.mark.parametrize(
    ("masks", "labels", "says"),
    [
        (np.zeros((8, 8)), None, r"batch axis too: mask\[None\]"),
        (np.zeros((2, 8, 8, 1)), None, r"masks\[..., 0\]"),
        (np.zeros((0, 8, 8)), None, "wanted masks of shape"),
        (np.full((2, 8, 8), 0.5), None, "probability"),
        (np.full((2, 8, 8), np.nan), None, "whole numbers"),
        (np.full((2, 8, 8), -1), None, "labels >= 0"),
        (np.full((2, 8, 8), 2), 2, "from 0 to 1"),
        (np.full((2, 8, 8), 255), 2, "masks > 0"),
        (np.full((2, 8, 8), "a"), None, "whole numbers"),
    ],
)
def test_masks_that_do_not_fit_are_named(masks, labels, says):
    with pytest.raises(ValueError, match=says):
        regions.check_masks(masks, "here", labels)


def test_masks_that_fit_are_let_in_as_what_they_are():
    for kind in ("bool", "float32", "int64", "uint8"):
        mask = np.eye(4, dtype=kind)[None]
        np.testing.assert_array_equal(regions.check_masks(mask, "here", 2), np.eye(4, dtype="uint8")[None])
    assert regions.check_masks(np.full((1, 2, 2), 300), "here").max() == 300


def test_an_empty_mask_has_no_box_and_an_empty_box_no_crop():
    masks = np.zeros((3, 8, 8), int)
    masks[0, 2, 3] = 1
    with pytest.raises(ValueError, match="2 of 3 masks are empty, the first is number 1"):
        regions.boxes(masks)
    assert regions.boxes(masks[:1]).tolist() == [[2, 3, 3, 4]]
    with pytest.raises(ValueError, match="top < bottom"):
        regions.crops(np.zeros((1, 8, 8, 3)), np.array([[4, 4, 4, 6]]), 8)
    with pytest.raises(ValueError, match="one box for each"):
        regions.crops(np.zeros((2, 8, 8, 3)), np.array([[4, 4, 6, 6]]), 8)
