"""Splits, patches and the check at every door."""

import hashlib

import numpy as np
import pytest
from skimage import color
from skimage import data as pictures

from aecore import data
from aecore.data import check_examples, check_whole


def rows(dataset):
    return [part.x.ravel().tolist() for part in dataset]


def test_a_split_is_disjoint_complete_and_pairs_x_with_y():
    x = np.arange(50)
    parts = data.split(x, -x, validation=7, test=11)
    assert [len(p.x) for p in parts] == [32, 7, 11]
    assert sorted(r for part in rows(parts) for r in part) == list(range(50))
    for part in parts:
        np.testing.assert_array_equal(part.y, -part.x)
    assert data.split(x, validation=0, test=0).train.y is None


def test_splits_are_the_same_for_ever():
    order = [r for part in rows(data.split(np.arange(1797), validation=300, test=400)) for r in part]
    digest = hashlib.sha256(np.asarray(order, "<i8").tobytes()).hexdigest()
    assert digest == "c203312155bcf8bc3b37ae1cc0c9b3ec72315bcab05752a4c2493b738d53a3d8"
    assert rows(data.split(np.arange(9), validation=2, test=2)) != rows(
        data.split(np.arange(9), validation=2, test=2, seed=1)
    )


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    digits = data.digits()
    assert [len(p.x) for p in digits] == [1097, 300, 400]
    for part in digits:
        assert (part.x.shape[1:], part.x.dtype, part.y.dtype) == ((8, 8, 1), np.float32, np.int64)
    ours = np.concatenate([np.column_stack([p.x.reshape(-1, 64) * 16, p.y]) for p in digits])
    theirs = np.column_stack([x, y])
    np.testing.assert_array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


def grey(name):
    picture = getattr(pictures, name)()
    return (color.rgb2gray(picture) if picture.ndim == 3 else picture / 255).astype("float32")


PARTS = (("astronaut", "chelsea", "coins", "grass", "brick", "page"), ("rocket", "gravel"), ("camera", "coffee"))


def test_patches_are_cut_from_the_pictures_of_their_part_alone():
    patches = data.patches(size=16, n=36)
    assert [len(p.x) for p in patches] == [36, 6, 6]
    for part, names in zip(patches, PARTS, strict=True):
        assert (part.x.shape[1:], part.x.dtype, part.y) == ((16, 16, 1), np.float32, None)
        assert part.x.min() >= 0
        assert part.x.max() <= 1
        each = len(part.x) // len(names)
        for i, name in enumerate(names):
            for patch in part.x[i * each : (i + 1) * each, ..., 0]:
                assert occurs(patch, grey(name)), name
    assert len({p.tobytes() for part in patches for p in part.x}) == 48
    again = data.patches(size=16, n=36)
    for a, b in zip(patches, again, strict=True):
        np.testing.assert_array_equal(a.x, b.x)


def occurs(patch, picture):
    """Whether the patch stands in the picture: candidates by the corner, then the whole patch."""
    h, w = patch.shape
    corners = np.argwhere(picture[: -h + 1, : -w + 1] == patch[0, 0])
    return any((picture[r : r + h, c : c + w] == patch).all() for r, c in corners)


def test_patches_of_awkward_numbers():
    assert [len(p.x) for p in data.patches(size=4, n=7)] == [7, 1, 1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.patches(size=3), "size must lie between 4 and 128 pixels, got 3"),
        (lambda: data.patches(size=129), "size must lie between 4 and 128 pixels, got 129"),
        (lambda: data.patches(n=5), "n must be at least 6, got 5"),
        (lambda: data.split(np.zeros(5), validation=2, test=3), r"\(2\) and test \(3\) must leave some of the 5"),
        (lambda: data.split(np.zeros(5), validation=-1, test=3), "must leave some"),
        (lambda: data.split(np.zeros(5), np.zeros(6), validation=1, test=1), "got 5 examples and 6 labels"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- check_examples -----------------------------------------------------------------------------------

GOOD = np.zeros((3, 4, 5, 1), "float32")


def spoiled(value, *at):
    x = GOOD.copy()
    x[at] = value
    return x


def test_what_fits_comes_in_as_it_is():
    assert check_examples(GOOD, (4, 5, 1), "f") is GOOD
    assert check_examples(GOOD, (None, 5, 1), "f") is GOOD
    for other in (GOOD.astype("float64"), GOOD.astype("float16"), GOOD.tolist()):
        x = check_examples(other, (4, 5, 1), "f")
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x, GOOD)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (spoiled(np.nan, 1, 2, 3), ValueError, "f: 1 of 3 examples hold NaN or infinity, the first is number 1. Drop"),
        (spoiled(np.inf, slice(1, 3)), ValueError, "2 of 3 examples hold NaN or infinity, the first is number 1"),
        (spoiled(-np.inf, 2), ValueError, "1 of 3 examples hold NaN or infinity, the first is number 2"),
        (GOOD.reshape(3, 20), ValueError, r"f: wanted shape \(n, 4, 5, 1\), got \(3, 20\)\.$"),
        (GOOD[..., 0], ValueError, r"got \(3, 4, 5\). The channel axis is missing: x\[..., None\]"),
        (GOOD[0], ValueError, r"got \(4, 5, 1\). One example needs a batch axis too: x\[None\]"),
        (GOOD[:, ::-1, :4], ValueError, r"wanted shape \(n, 4, 5, 1\), got \(3, 4, 4, 1\)\.$"),
        (GOOD[:0], ValueError, r"wanted at least one example, got none \(shape \(0, 4, 5, 1\)\)"),
        (GOOD.astype("uint8"), TypeError, r"got uint8. Divide pixels by 255 first: x.astype"),
        (GOOD.astype("int64"), TypeError, r"got int64. .*Convert other numbers: x.astype\('float32'\)"),
        (GOOD.astype(object), TypeError, "wanted floating-point numbers, got object.$"),
        (GOOD.astype(bool), TypeError, "wanted floating-point numbers, got bool.$"),
        (GOOD.astype(complex), TypeError, "wanted floating-point numbers, got complex128.$"),
        (None, TypeError, "wanted floating-point numbers, got object.$"),
        (0.5, ValueError, r"wanted shape \(n, 4, 5, 1\), got \(\)\.$"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_a_cure(x, error, message):
    with pytest.raises(error, match=message):
        check_examples(x, (4, 5, 1), "f")


def test_the_cure_for_nan_works_and_no_cure_is_offered_that_does_not():
    x = spoiled(np.nan, 1)
    assert len(check_examples(x[np.isfinite(x).all(axis=(1, 2, 3))], (4, 5, 1), "f")) == 2
    with pytest.raises(ValueError, match=r"wanted shape \(n, 4, 5, 3\), got \(3, 4, 5\)\.$"):
        check_examples(GOOD[..., 0], (4, 5, 3), "f")
    with pytest.raises(ValueError, match=r"wanted shape \(n, 3\), got \(5,\)\.$"):
        check_examples(np.zeros(5), (3,), "f")


def test_whole_numbers_come_in_as_python_integers():
    values = check_whole("f", a=np.int64(3), b=np.uint8(1), c=7)
    assert values == [3, 1, 7]
    assert {type(v) for v in values} == {int}
    assert check_whole("f", at_least=0, a=0) == [0]
    for bad in (0, -1, 2.0, True, "3", None):
        with pytest.raises(ValueError, match=f"f: a wants a whole number >= 1, got {bad!r}"):
            check_whole("f", a=bad)


def test_bent_copies_of_a_slope_are_slopes():
    # Linear interpolation is exact on a linear picture: x(p) = g . p has the copy (A' g) . p about the middle.
    h, w, amount = 15, 21, 0.2
    rows, columns = np.indices((h, w))
    g = np.array([0.03, -0.02])
    slope = (0.5 + g[0] * (rows - 7) + g[1] * (columns - 10)).astype("float32")
    copies = data.bent_copies(np.tile(slope[None, :, :, None], (50, 1, 1, 1)), amount, seed=3)[..., 0]
    inner = copies[:, 4:-4, 5:-5]
    assert np.allclose(copies[:, 7, 10], 0.5, atol=1e-6)  # the middle stays
    down, across = np.diff(inner, axis=1), np.diff(inner, axis=2)
    assert np.allclose(down, down[:, :1, :1], atol=1e-6)
    assert np.allclose(across, across[:, :1, :1], atol=1e-6)
    bend = np.random.default_rng(3).uniform(-amount, amount, (50, 2, 2)) + np.eye(2)
    wanted = np.einsum("nij,i->nj", bend, g)
    assert np.allclose(np.stack([down[:, 0, 0], across[:, 0, 0]], axis=1), wanted, atol=1e-6)


def test_bent_copies_without_bending_are_copies():
    x = data.digits().train.x[:20]
    assert np.array_equal(data.bent_copies(x, 0.0), x)
    assert not np.array_equal(data.bent_copies(x, seed=1), data.bent_copies(x, seed=2))
    with pytest.raises(ValueError, match=r"amount must lie in \[0, 0.5\), got 0.7"):
        data.bent_copies(x, 0.7)
    with pytest.raises(ValueError, match=r"channel axis is missing|wanted shape"):
        data.bent_copies(x[..., 0])
