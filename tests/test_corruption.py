"""How much is damaged, where, and that nothing else is."""

import keras
import numpy as np
import pytest

from aecore.corruption import GaussianNoise, Mask, SaltAndPepper

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


MAKERS = (lambda seed: GaussianNoise(0.3, seed=seed), lambda seed: SaltAndPepper(0.3, seed=seed),
          lambda seed: Mask(0.3, patch=2, seed=seed))  # fmt: skip


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
        (lambda: Mask(0.1, patch=0), "Mask: patch must be a whole number >= 1, got 0"),
        (lambda: Mask(0.1, patch=5)(X), "a patch of 5 pixels does not divide an image of 16 x 24"),
        (lambda: Mask(0.1)(X[:, :, 0, 0]), r"Mask: wanted images of shape \(b, h, w, c\), got \(20, 16\)"),
        (lambda: SaltAndPepper(0.1)(X[..., 0]), r"wanted images of shape \(b, h, w, c\), got \(20, 16, 24\)"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
