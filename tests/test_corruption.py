"""How much is damaged, where, and that nothing else is."""

import keras
import numpy as np
import pytest

from aecore.corruption import Blobs, GaussianNoise, Mask, SaltAndPepper, moved_copies

X = np.random.default_rng(0).uniform(0.2, 0.8, (20, 16, 24, 3)).astype("float32")


def damage(layer, x=X):
    return keras.ops.convert_to_numpy(layer(x))


def within_binomial_bounds(hits, share):
    return abs(hits.mean() - share) <= 4 * np.sqrt(share * (1 - share) / hits.size)


def test_noise_is_normal_of_the_scale():
    from scipy import stats

    noise = (damage(GaussianNoise(0.3)) - X).ravel()
    assert stats.kstest(noise / 0.3, "norm").pvalue > 1e-3
    assert damage(GaussianNoise(2.0)).min() < -1  # nothing is clipped
    np.testing.assert_array_equal(damage(GaussianNoise(0.0)), X)


def test_salt_and_pepper_in_equal_shares_on_whole_pixels():
    y = damage(SaltAndPepper(0.3))
    hit = (y != X).any(axis=-1)
    assert (hit == (y != X).all(axis=-1)).all()  # all channels together
    assert set(np.unique(y[hit])) == {0.0, 1.0}
    assert within_binomial_bounds(hit, 0.3)
    assert within_binomial_bounds(y[hit][:, 0], 0.5)
    np.testing.assert_array_equal(y[~hit], X[~hit])


@pytest.mark.parametrize("patch", [1, 4, np.int64(8)])
def test_masks_hide_whole_patches_of_the_grid(patch):
    y = damage(Mask(0.4, patch))
    hit = (y != X).any(axis=-1)
    np.testing.assert_array_equal(y, np.where(hit[..., None], 0, X))
    blocks = hit.reshape(20, 16 // patch, patch, 24 // patch, patch).transpose(0, 1, 3, 2, 4).reshape(-1, patch * patch)
    assert (blocks.all(axis=1) == blocks.any(axis=1)).all()
    assert within_binomial_bounds(blocks[:, 0], 0.4)


@pytest.mark.parametrize("make", [SaltAndPepper, Mask])
def test_shares_of_none_and_all(make):
    np.testing.assert_array_equal(damage(make(0.0)), X)
    assert (damage(make(1.0)) != X).all()


def test_blobs_add_and_remove_connected_shares():
    from skimage.measure import label

    x = np.repeat([0.0, 1.0], 20)[:, None, None, None] * np.ones((40, 32, 32, 1), "float32")
    y = damage(Blobs(0.5, grid=8), x)[..., 0]
    changed = (y != x[..., 0]).mean(axis=(1, 2))
    assert 0 <= changed.min() < 0.05 < 0.2 < changed.max() <= 0.25 + 1 / 1024  # half of the share: 0 -> 0 is no change
    assert set(np.unique(y)) == {0.0, 1.0}
    pixels = damage(SaltAndPepper(0.4), x)[..., 0]
    islands = lambda masks: np.mean([label(m).max() for m in masks])
    assert islands(y[:20]) < islands(pixels[:20]) / 5
    np.testing.assert_array_equal(damage(Blobs(0.0), x), x)
    grey = np.full((30, 24, 16, 2), 0.5, "float32")  # what is set is told from what is left
    hit = damage(Blobs(1.0), grey)
    high, low = (hit == 1).mean(axis=(1, 2)), (hit == 0).mean(axis=(1, 2))
    assert abs(high - low).max() <= 2 / 384
    assert abs(2 * high.mean() - 0.5) < 4 / (12 * 60) ** 0.5  # shares are uniform between 0 and 1
    assert abs(hit[:, :, :, 0] - hit[:, :, :, 1]).max() == 1


def test_moved_copies_keep_the_first_and_move_the_rest():
    mask = np.zeros((2, 24, 20), int)
    mask[0, 8:14, 6:10], mask[1, 4:20, 4:8] = 1, 2
    np.testing.assert_array_equal(moved_copies(mask, 1), mask)
    still = moved_copies(mask, 4, rotation=0, scale=0, shift=0, flip=False)
    np.testing.assert_array_equal(still, np.tile(mask, (4, 1, 1)))
    flipped = moved_copies(mask, 30, rotation=0, scale=0, shift=0).reshape(30, 2, 24, 20)
    turned = (flipped == mask[..., ::-1]).all(axis=(2, 3))
    assert ((flipped == mask).all(axis=(2, 3)) | turned).all()
    assert 0.2 < turned[1:].mean() < 0.8
    copies = moved_copies(mask, 30, seed=3).reshape(30, 2, 24, 20)
    np.testing.assert_array_equal(copies[0], mask)
    np.testing.assert_array_equal(copies, moved_copies(mask, 30, seed=3).reshape(30, 2, 24, 20))
    for i, value in enumerate((1, 2)):
        assert set(np.unique(copies[:, i])) == {0, value}
        areas = (copies[:, i] > 0).mean(axis=(1, 2)) / (mask[i] > 0).mean()
        assert 0.7 < areas.min() < 0.98 < 1.02 < areas.max() < 1.35
    far = moved_copies(mask, 40, rotation=0, scale=0, shift=0.1, flip=False, seed=1)[2:]
    rows = [np.flatnonzero(m.any(axis=1))[0] - 8 for m in far[::2]]
    assert -3 <= min(rows) <= -1 <= 1 <= max(rows) <= 3  # a tenth of 24 rows


MAKERS = (lambda seed: GaussianNoise(0.3, seed=seed), lambda seed: SaltAndPepper(0.3, seed=seed),
          lambda seed: Mask(0.3, patch=2, seed=seed), lambda seed: Blobs(0.6, grid=4, seed=seed))  # fmt: skip


@pytest.mark.parametrize("make", MAKERS)
def test_each_layer_owns_its_seed(make):
    layer = make(3)
    first, second = damage(layer), damage(layer)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first[0] != X[0], first[1] != X[1]) or isinstance(layer, GaussianNoise)
    keras.utils.set_random_seed(9)
    np.testing.assert_array_equal(damage(make(3)), first)
    assert not np.array_equal(damage(make(4)), first)


@pytest.mark.parametrize("make", MAKERS)
def test_a_config_makes_the_same_layer(make):
    layer = make(3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(damage(again), damage(layer))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianNoise(-0.1), "scale must be a finite number >= 0, got -0.1"),
        (lambda: GaussianNoise(float("nan")), "scale must be a finite number >= 0, got nan"),
        (lambda: GaussianNoise(float("inf")), "scale must be a finite number >= 0, got inf"),
        (lambda: SaltAndPepper(1.1), r"SaltAndPepper: share must lie in \[0, 1\], got 1.1"),
        (lambda: SaltAndPepper(float("nan")), "got nan"),
        (lambda: Mask(-0.1), r"Mask: share must lie in \[0, 1\], got -0.1"),
        (lambda: Blobs(1.5), r"Blobs: share must lie in \[0, 1\], got 1.5"),
        (lambda: Blobs(grid=1), "grid must be a whole number >= 2, got 1"),
        (lambda: moved_copies(np.zeros((3, 4, 4, 1)), 2), r"wanted masks of shape \(n, h, w\), got \(3, 4, 4, 1\)"),
        (lambda: moved_copies(np.zeros((3, 4, 4)), 0), "wanted copies >= 1"),
        (lambda: Mask(0.1, patch=0), "Mask: patch must be a whole number >= 1, got 0"),
        (lambda: Mask(0.1, patch=5)(X), "a patch of 5 pixels does not divide an image of 16 x 24"),
        (lambda: Mask(0.1)(X[:, :, 0, 0]), r"Mask: wanted images of shape \(b, h, w, c\), got \(20, 16\)"),
        (lambda: SaltAndPepper(0.1)(X[..., 0]), r"wanted images of shape \(b, h, w, c\), got \(20, 16, 24\)"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
