"""Shape priors: means counted by hand, projections as the model itself makes them, searches against SciPy's minimum."""

import keras
import numpy as np
import pytest
from scipy.optimize import minimize

from aecore import VAE, Autoencoder
from aecore.gan import GAN
from aecore.networks import mlp_decoder, mlp_encoder
from aecore.objectives import Bernoulli
from aecore.priors import FLAW, CodedShape, MeanShape, as_pictures, centred

RNG = np.random.default_rng(1)
Q = RNG.dirichlet([0.4, 0.4], (5, 8, 8)).astype("float32")


def autoencoder(channels=1):
    net = dict(shape=(8, 8, channels), hidden=(), code_size=3, seed=4)
    return Autoencoder(mlp_encoder(**net), mlp_decoder(**net), likelihood=Bernoulli())


@pytest.fixture(scope="module")
def vae():
    net = dict(shape=(8, 8, 1), hidden=(), seed=5)
    return VAE(mlp_encoder(**net, code_size=6), mlp_decoder(**net, code_size=3))


@pytest.fixture(scope="module")
def gan():
    generator = mlp_decoder((8, 8, 1), (), 3, output_activation="sigmoid", seed=6)
    return GAN(generator, mlp_encoder((8, 8, 1), (4,), 1, seed=7))


def test_the_mean_shape_counts_every_label_once_more():
    masks = np.array([[[0, 1], [2, 2]], [[0, 1], [1, 2]], [[0, 0], [0, 2]]])
    log_s, z = MeanShape(masks, 3).shape(np.ones((4, 2, 2, 3)))
    assert z is None
    assert log_s.shape == (4, 2, 2, 3)
    expected = np.array([[[4, 1, 1], [2, 3, 1]], [[2, 2, 2], [1, 1, 4]]]) / 6
    np.testing.assert_allclose(np.exp(log_s[3]), expected, rtol=1e-6)
    shares = np.eye(3)[masks]
    np.testing.assert_allclose(MeanShape(shares, 3).log_s, log_s[0], rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_projection_is_what_the_model_gives_back(channels):
    model = autoencoder(channels)
    q = Q if channels == 1 else RNG.dirichlet([1, 1, 1], (5, 8, 8)).astype("float32")
    log_s, z = CodedShape(model).shape(q)
    seen = q[..., 1:] if channels == 1 else q
    np.testing.assert_allclose(z[:, 0], model.encode(seen), atol=1e-5)
    back = model.decode(z[:, 0])
    back = np.concatenate([1 - back, back], -1) if channels == 1 else back / back.sum(-1, keepdims=True)
    k = back.shape[-1]
    np.testing.assert_allclose(np.exp(log_s), FLAW + (1 - k * FLAW) * back, rtol=1e-4)
    np.testing.assert_allclose(np.exp(log_s).sum(axis=-1), 1, rtol=1e-5)


def cost(model, z, q, weights, over_lam):
    """sum_i w_i CE(q_i, s_i(z)) + |z|^2 / (2 lam), of one example."""
    s = model.decode(z[None].astype("float32"))[0, ..., 0].astype("float64")
    s = FLAW + (1 - 2 * FLAW) * np.stack([1 - s, s], axis=-1)
    return -(weights[..., None] * q * np.log(s)).sum() + over_lam * (z @ z) / 2


@pytest.mark.parametrize("lam", [0.5, 4.0])
def test_a_search_finds_the_minimum(vae, lam):
    known = RNG.random((5, 8, 8)) < 0.7
    _, z = CodedShape(vae, search=True, steps=400, learning_rate=0.05).shape(Q, known, weight=lam)
    assert z.shape == (5, 1, 3)
    for i in range(5):
        f = lambda z, i=i: cost(vae, z, Q[i], known[i], 1 / lam)
        best = minimize(f, z[i, 0], options={"eps": 1e-3})
        assert f(z[i, 0]) <= best.fun + 1e-2


def test_a_search_goes_downhill_from_the_encoder_and_on_from_where_it_was(vae):
    few = CodedShape(vae, search=True, steps=5)
    _, first = few.shape(Q)
    _, second = few.shape(Q, None, first)
    mean = vae.encode_batch(Q[..., 1:]).mean
    ones = np.ones((8, 8))
    costs = [
        np.mean([cost(vae, z, q, ones, 1) for z, q in zip(zs, Q, strict=True)])
        for zs in (mean, first[:, 0], second[:, 0])
    ]
    assert costs[0] > costs[1] > costs[2]


def test_an_autoencoder_has_no_price_of_a_code():
    shapes = CodedShape(autoencoder(), search=True, steps=300)
    _, cheap = shapes.shape(Q, weight=1e6)
    _, dear = shapes.shape(Q, weight=1e-3)
    np.testing.assert_array_equal(cheap, dear)
    assert shapes.surprise(cheap) == 0


def test_hidden_pixels_do_not_pull(vae):
    known = RNG.random((5, 8, 8)) < 0.5
    other = np.where(known[..., None], Q, Q[..., ::-1])
    shapes, start = CodedShape(vae, search=True), np.zeros((5, 1, 3), "float32")
    np.testing.assert_array_equal(shapes.shape(Q, known, start)[1], shapes.shape(other, known, start)[1])
    assert abs(shapes.shape(Q, None, start)[1] - shapes.shape(other, None, start)[1]).max() > 0.1


def test_a_gan_is_searched_from_several_starts_and_the_best_comes_first(gan):
    shapes = CodedShape(gan, starts=6, steps=3)
    log_s, z = shapes.shape(Q)
    assert z.shape == (5, 6, 3)
    for i in range(5):
        costs = [cost(gan, code, Q[i], np.ones((8, 8)), 1) for code in z[i]]
        assert (np.diff(costs) > -1e-3).all()
    np.testing.assert_allclose(log_s, shapes.decode(z[:, 0]))
    again = CodedShape(gan, starts=6, steps=3).shape(Q)[1]
    np.testing.assert_array_equal(again, z)
    assert abs(CodedShape(gan, starts=6, steps=3, seed=1).shape(Q)[1] - z).max() > 0.1


def test_the_surprise_of_a_code_is_half_its_square(vae, gan):
    z = RNG.normal(0, 2, (5, 4, 3)).astype("float32")
    for model in (vae, gan):
        np.testing.assert_allclose(CodedShape(model).surprise(z), (z[:, 0] ** 2).sum(-1) / 2, rtol=1e-4)
        assert CodedShape(model).surprise(None) == 0


def test_draws_spread_as_the_encoder_says(vae):
    q = np.broadcast_to(Q[:1], (4000, 8, 8, 2))
    _, z = CodedShape(vae).draw(q, None, np.random.default_rng(0))
    posterior = vae.encode_batch(Q[:1, ..., 1:])
    spread = np.exp(posterior.log_var[0] / 2)
    np.testing.assert_allclose(z[:, 0].mean(axis=0), posterior.mean[0], atol=5 * spread.max() / 4000**0.5)
    np.testing.assert_allclose(z[:, 0].std(axis=0), spread, rtol=0.06)
    shapes = CodedShape(autoencoder())
    np.testing.assert_array_equal(shapes.draw(Q, None, np.random.default_rng(0))[0], shapes.shape(Q)[0])


def test_masks_as_pictures():
    masks = np.array([[[0, 1], [2, 1]]])
    assert as_pictures(masks, 3).shape == (1, 2, 2, 3)
    np.testing.assert_array_equal(as_pictures(masks, 3).argmax(-1), masks)
    np.testing.assert_array_equal(as_pictures(masks > 0)[..., 0], masks > 0)
    with pytest.raises(ValueError, match="labels from 0 to 1"):
        as_pictures(masks)


def test_the_first_guess_is_a_disc_in_the_middle():
    s = centred((16, 20), labels=3)
    np.testing.assert_allclose(s.sum(axis=-1), 1, rtol=1e-6)
    np.testing.assert_allclose(s, s[::-1, ::-1], atol=1e-6)
    assert s[8, 10, 0] < 0.1 < 0.9 < s[0, 0, 0]
    np.testing.assert_array_equal(s[..., 1], s[..., 2])


def test_what_cannot_be_is_refused(vae):
    with pytest.raises(TypeError, match="a shape prior wants a model with encode and decode"):
        CodedShape(keras.layers.Dense(3))
    with pytest.raises(ValueError, match="steps wants a whole number >= 1, got 0"):
        CodedShape(vae, steps=0)
