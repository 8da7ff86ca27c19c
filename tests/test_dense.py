"""The dense CRF against double loops, enumeration, and its own laws; the same on TensorFlow and JAX."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from fields import array, by_loops, problem, scene, softmax

from aecore import crf
from aecore.dense import DenseCRF

OTHER = {"tensorflow": "jax", "jax": "tensorflow"}[keras.backend.backend()]


@pytest.mark.parametrize("n_labels", [1, 2, 4])
def test_sweeps_are_those_of_double_loops(n_labels):
    unary, pictures = problem(n_labels=n_labels)
    field = DenseCRF(4, 1.5, 0.7, colour=0.1, spatial_width=1.5)
    for q, u, picture in zip(array(field([unary, pictures])), unary, pictures, strict=True):
        np.testing.assert_allclose(q, by_loops(field, u, picture, 4)[0], atol=2e-5)


def test_hidden_pixels_neither_speak_nor_listen():
    unary, pictures = problem()
    known = np.random.default_rng(1).random((2, 5, 6)) < 0.6
    field = DenseCRF(4, 2.0, 0.5, colour=0.1)
    q = array(field.infer(unary, field.kernels(pictures, known)))
    for n in range(2):
        np.testing.assert_allclose(q[n], by_loops(field, unary[n], pictures[n], 4, known[n])[0], atol=2e-5)
    field = DenseCRF(4, 2.0, 0.0, colour=0.1)
    other = np.where(known[..., None], pictures, 1 - pictures)
    q = array(field.infer(unary, field.kernels(pictures, known)))
    np.testing.assert_array_equal(q, array(field.infer(unary, field.kernels(other, known))))
    np.testing.assert_allclose(q[~known], softmax(-unary)[~known], atol=1e-6)


def test_marginals_are_the_enumerated_ones_at_weak_coupling():
    unary, pictures = problem(1, 3, 4)

    def error(weight):
        field = DenseCRF(20, weight, weight / 2, colour=0.3)
        matrix = by_loops(field, unary[0], pictures[0], 0)[1]
        truth, kernels = crf.brute_force(unary[0], matrix), field.kernels(pictures)
        free = lambda q: array(field.free_energy(q, unary, kernels))[0]
        q = field.infer(unary, kernels)
        assert free(q) >= -truth.log_z - 1e-5
        y = truth.labels.ravel()
        energy = unary[0].reshape(12, 2)[np.arange(12), y].sum() + matrix[y[:, None] != y].sum() / 2
        assert free(np.eye(2)[truth.labels][None]) == pytest.approx(energy, abs=1e-4)
        return np.abs(array(q)[0] - truth.marginals).max()

    assert error(0.1) < 1e-3
    assert error(3.0) > 1e-2


def test_damped_sweeps_lower_the_free_energy_and_end_where_it_stands_still():
    unary, pictures = problem(3, 6, 6, n_labels=3)
    field = DenseCRF(damping=0.5, bilateral=4.0, spatial=2.0, colour=0.2)
    kernels, q = field.kernels(pictures), softmax(-unary)
    course = []
    for _ in range(60):
        q = field.sweep(unary, kernels, q)
        course.append(array(field.free_energy(q, unary, kernels)))
    assert np.all(np.diff(course, axis=0) < 1e-4)
    still = array(q)
    for seed in range(3):  # no neighbour of the fixed point is lower
        other = softmax(np.log(still + 1e-9) + 0.05 * np.random.default_rng(seed).normal(size=still.shape))
        assert np.all(array(field.free_energy(other.astype("float32"), unary, kernels)) >= course[-1] - 1e-4)


def test_all_pixels_at_once_swing_where_the_kernel_is_narrow_and_strong():
    squares = np.indices((6, 6)).sum(0) % 2
    unary = np.stack([squares, 1 - squares], -1)[None].astype("float32")
    pictures = np.zeros((1, 6, 6, 1), "float32")

    def swing(**how):
        field = DenseCRF(40, 0.0, 8.0, spatial_width=0.4, **how)
        kernels = field.kernels(pictures)
        q = field.infer(unary, kernels)
        return np.abs(array(field.sweep(unary, kernels, q)) - array(q)).max()

    assert swing() > 0.5
    assert swing(damping=0.5) < 1e-3
    assert swing(chequered=True) < 1e-3


def test_without_weights_every_pixel_is_alone():
    unary, pictures = problem(n_labels=3)
    np.testing.assert_allclose(array(DenseCRF(3, 0.0, 0.0)([unary, pictures])), softmax(-unary), atol=1e-6)


def test_labels_may_change_their_names_and_a_higher_score_raises_its_marginal():
    unary, pictures = problem(n_labels=3)
    field = DenseCRF(colour=0.2)
    q = array(field([unary, pictures]))
    np.testing.assert_allclose(array(field([unary[..., [2, 0, 1]], pictures])), q[..., [2, 0, 1]], atol=1e-6)
    lower = unary.copy()
    lower[:, 2, 3, 1] -= 1.0  # a lower energy is a higher score
    more = array(field([lower, pictures]))[..., 1] - q[..., 1]
    assert np.all(more[:, 2, 3] > 1e-3)
    assert np.all(more >= -1e-6)  # and alike pixels follow


def test_a_mirrored_picture_gives_mirrored_labels():
    unary, pictures = problem(2, 6, 9, n_labels=2)
    field = DenseCRF(5, 2.0, 1.0, colour=0.1)
    q = array(field([unary, pictures]))
    np.testing.assert_allclose(array(field([unary[:, ::-1], pictures[:, ::-1]])), q[:, ::-1], atol=1e-5)
    turned = [a.transpose(0, 2, 1, 3) for a in (unary, pictures, q)]
    np.testing.assert_allclose(array(field(turned[:2])), turned[2], atol=1e-5)


def model(size=8, **arguments):
    inputs = keras.Input((size, size, 2)), keras.Input((size, size, 3))
    field = DenseCRF(3, 0.5, 0.1, **{"colour": 0.2, "damping": 0.1, **arguments})
    net = keras.Model(inputs, field(list(inputs)))
    net.compile(keras.optimizers.SGD(0.2), "categorical_crossentropy")
    return net, field


def lesson(size=8):
    unary, pictures, disc = scene(16, size, size, seed=1)
    return [unary, pictures], np.eye(2, dtype="float32")[disc.astype(int)][None].repeat(16, 0)


@pytest.mark.parametrize("sources", [1024, 32])
def test_weights_learn_along_the_gradient_of_finite_differences(sources):
    x, y = lesson()

    def loss(bilateral, spatial):
        field = model(sources=sources)[1]
        field.bilateral.assign(bilateral)
        field.spatial.assign(spatial)
        return -np.mean(np.sum(y * np.log(array(field(x))), axis=-1))

    net, field = model(sources=sources)
    net.fit(x, y, batch_size=16, verbose=0)
    slope = lambda f: (f(1e-2) - f(-1e-2)) / 2e-2
    assert float(field.bilateral.value) == pytest.approx(0.5 - 0.2 * slope(lambda d: loss(0.5 + d, 0.1)), abs=2e-4)
    assert float(field.spatial.value) == pytest.approx(0.1 - 0.2 * slope(lambda d: loss(0.5, 0.1 + d)), abs=2e-4)


def test_learnt_weights_stay_positive_and_are_saved(tmp_path):
    x, y = lesson()
    net, field = model()
    net.fit(x, np.random.default_rng(0).permutation(y.reshape(-1, 2)).reshape(y.shape), epochs=20, verbose=0)
    assert float(field.bilateral.value) >= 0
    assert float(field.spatial.value) >= 0
    net.save(tmp_path / "crf.keras")
    again = keras.models.load_model(tmp_path / "crf.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), net.predict(x, verbose=0))
    assert DenseCRF.from_config(field.get_config()).get_config() == field.get_config()


def answers():
    """What both backends must agree on: marginals, exact and with shared sources, a free energy, learnt weights."""
    unary, pictures, _ = scene(2, 24, 24)
    exact, shared = DenseCRF(5, spatial=1.0), DenseCRF(5, spatial=1.0, sources=128)
    q = [array(field([unary, pictures])) for field in (exact, shared)]
    net, field = model()
    net.fit(*lesson(), batch_size=16, epochs=3, verbose=0)
    free = array(exact.free_energy(q[0], unary, exact.kernels(pictures)))
    return {"exact": q[0], "shared": q[1], "free": free, "weights": np.array([*map(float, field.get_weights())])}


def test_tensorflow_and_jax_agree(tmp_path, python):
    python(__file__, tmp_path / "other.npz", KERAS_BACKEND=OTHER, PYTHONPATH=str(Path(__file__).parents[1]))
    theirs, ours = np.load(tmp_path / "other.npz"), answers()
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], rtol=1e-4, atol=1e-3 if name == "shared" else 2e-5)


def test_odd_pictures_are_finite():
    for h, w, channels in ((1, 1, 3), (1, 50, 1), (40, 1, 3), (2, 2000, 1)):
        unary = np.random.default_rng(0).normal(size=(2, h, w, 2)).astype("float32")
        q = array(DenseCRF(3, 2.0, 1.0)([unary, np.full((2, h, w, channels), 0.5, "float32")]))
        assert np.all(np.isfinite(q))
        np.testing.assert_allclose(q.sum(-1), 1, atol=1e-5)
    alone = array(DenseCRF(5, 1e3)([np.array([[[[0.0, 1.0]]]]), np.zeros((1, 1, 1, 3))]))
    np.testing.assert_allclose(alone.ravel(), softmax(np.array([0.0, -1.0])), rtol=1e-5)


def test_pixels_unlike_all_others_hear_nobody():
    unary, _ = problem(1, 24, 24)
    levels = np.random.default_rng(0).permutation(24 * 24).reshape(1, 24, 24)
    pictures = np.stack([levels // 64, levels // 8 % 8, levels % 8], -1) / 9  # no colour occurs twice
    for sources in (1024, 512):
        q = array(DenseCRF(5, 10.0, colour=1 / 255, sources=sources)([unary, pictures]))
        different = np.abs(q - softmax(-unary)).max(-1) > 1e-3
        assert np.mean(different) <= (0 if sources == 1024 else 0.2)  # those that must share


def test_a_picture_of_one_colour_and_huge_unaries_stay_finite():
    unary, pictures = problem(n_labels=3)
    for scale in (0.0, 1e4, 1e30):
        field = DenseCRF(10, 1e3, 1e3)
        kernels = field.kernels(np.full_like(pictures, 0.3))
        q = field.infer(unary * scale, kernels)
        assert np.all(np.isfinite(array(q)))
        assert np.all(np.isfinite(array(field.free_energy(q, unary * scale, kernels))))


def test_a_label_may_be_forbidden():
    unary, pictures = problem(n_labels=3)
    unary[:, 2:, :, 1] = np.inf
    field = DenseCRF()
    kernels = field.kernels(pictures)
    q = array(field.infer(unary, kernels))
    assert np.all(q[:, 2:, :, 1] == 0)
    assert np.all(q[:, :2, :, 1] > 0)
    assert np.all(np.isfinite(array(field.free_energy(q, unary, kernels))))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: DenseCRF()([np.zeros((1, 8, 8, 2)), np.full((1, 8, 8, 3), np.nan)]), "nan"),
        (lambda: DenseCRF()([np.zeros((1, 8, 8, 2)), np.zeros((1, 8, 8, 3), "uint8")]), "Divide bytes by 255"),
        (lambda: DenseCRF()([np.full((1, 8, 8, 2), np.nan), np.zeros((1, 8, 8, 3))]), "one label of each pixel"),
        (lambda: DenseCRF()([np.full((1, 8, 8, 2), np.inf), np.zeros((1, 8, 8, 3))]), "one label of each pixel"),
        (lambda: DenseCRF()([np.zeros((1, 8, 8, 0)), np.zeros((1, 8, 8, 3))]), "or none"),
        (lambda: DenseCRF().kernels(np.zeros((1, 8, 8, 3)), np.ones((1, 8, 9))), "known"),
        (lambda: DenseCRF(damping=1.0), "damping"),
        (lambda: DenseCRF(bilateral=-1.0), ">= 0"),
        (lambda: DenseCRF(colour=0.0), "widths"),
        (lambda: DenseCRF(spatial_width=0.0), "widths"),
        (lambda: DenseCRF(sources=5000), "16 to 4096"),
        (lambda: DenseCRF()([np.zeros((1, 8, 9, 2)), np.zeros((1, 8, 8, 3))]), "unaries"),
        (lambda: DenseCRF()([np.zeros((1, 8, 8)), np.zeros((1, 8, 8, 3))]), "unaries"),
    ],
)
def test_bad_input_is_refused_with_its_cure(call, words):
    with pytest.raises(ValueError, match=words):
        call()


if __name__ == "__main__":
    np.savez(sys.argv[1], **answers())
