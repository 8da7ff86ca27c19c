"""Kernels of pictures against double loops, and shared sources against exact sums."""

import numpy as np
import pytest
from fields import array, double_loop, problem, scene, softmax

from aecore import scenes
from aecore.dense import DenseCRF
from aecore.kernels import gaussian_kernel


@pytest.mark.parametrize(("position", "colour"), [(8.0, 8 / 255), (2.0, 0.5), (0.3, 0.1), (3.0, None)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_kernel_is_the_double_loops(position, colour, channels):
    _, pictures = problem(channels=channels)
    got = array(gaussian_kernel(pictures, position, colour))
    for k, picture in zip(got, pictures, strict=True):
        np.testing.assert_allclose(k, double_loop(picture, position, colour), atol=1e-4)
        assert np.all(np.diag(k) == 0)
        assert k.min() >= 0
        assert k.max() <= 1 + 1e-6


def test_only_the_centre_of_a_kernel_is_zero():
    k = array(gaussian_kernel(np.zeros((1, 5, 5, 1)), 2.0)).reshape(5, 5, 5, 5)
    assert np.all(k[2, 2] + (np.indices((5, 5)) == 2).all(0) > 0)


@pytest.mark.parametrize(("h", "w"), [(40, 40), (33, 47), (64, 64)])
def test_shared_sources_come_close_to_exact_sums(h, w):
    unary, pictures, disc = scene(2, h, w)
    q, shared = (array(DenseCRF(10, sources=s)([unary, pictures])) for s in (None, h * w // 4))
    assert np.abs(shared - q).mean() < 2e-3
    assert np.abs(softmax(-unary) - q).mean() > 0.1  # what the field changes
    assert np.mean((q[..., 1] > 0.5) == disc) > np.mean((unary[..., 1] < 0) == disc) + 0.1


def test_shared_sources_come_close_to_exact_sums_where_pictures_are_textured():
    drawn = scenes.objects(3, size=64, seed=7)
    score = 2.0 * (drawn.masks > 0) - 1 + 1.5 * np.random.default_rng(0).normal(size=drawn.masks.shape)
    unary = np.stack([score * 0, -score], -1).astype("float32")
    q, shared = (array(DenseCRF(10, sources=s)([unary, drawn.x])) for s in (None, 1024))
    assert np.abs(softmax(-unary) - q).mean() > 0.1
    assert np.abs(shared - q).mean() < 0.016


def test_as_many_sources_as_colours_are_exact_but_for_their_places():
    unary, _, disc = scene(1, 24, 24)
    pictures = np.repeat(disc[None, ..., None], 3, -1).astype("float32")
    q, shared = (array(DenseCRF(5, position=1e6, sources=s)([unary, pictures])) for s in (None, 16))
    np.testing.assert_allclose(shared, q, atol=1e-4)


def test_hidden_pixels_of_shared_sources_neither_speak_nor_listen():
    unary, pictures, _ = scene(2, 40, 40)
    known = np.ones((2, 40, 40), bool)
    known[:, 10:25, 12:30] = False
    q, shared = (
        array(field.infer(unary, field.kernels(pictures, known)))
        for field in (DenseCRF(5, sources=None), DenseCRF(5, sources=512))
    )
    np.testing.assert_allclose(shared[~known], softmax(-unary)[~known], atol=1e-6)
    assert np.abs(shared - q).mean() < 1e-2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gaussian_kernel(np.zeros((1, 65, 65, 3))), "0.07 GiB.*4096 pixels are the limit.*sources=1024"),
        (lambda: DenseCRF(sources=None).kernels(np.zeros((1, 128, 128, 3))), "1.00 GiB.*smaller pictures"),
        (lambda: DenseCRF().kernels(np.zeros((600, 32, 32, 3))), "2.3 GiB.*at most 512"),
        (lambda: DenseCRF().kernels(np.full((1, 8, 8, 3), 255, "uint8")), "Divide bytes by 255"),
        (lambda: DenseCRF().kernels(np.full((1, 8, 8, 3), np.nan)), "nan"),
        (lambda: DenseCRF().kernels(np.zeros((0, 8, 8, 3))), "got none"),
        (lambda: DenseCRF().kernels(np.zeros((8, 8, 3))), r"\(b, h, w, c\)"),
        (lambda: DenseCRF().kernels(np.zeros((1, 0, 8, 3))), r"\(b, h, w, c\)"),
    ],
)
def test_bad_input_is_refused_with_its_cure(call, words):
    with pytest.raises(ValueError, match=words):
        call()
