"""Conditions as planes, output activations, spectral normalisation, the projection critic and the bridged network."""

import keras
import numpy as np
import pytest
from keras import ops

from aecore import _backend
from aecore.layers import SpectralNormalization
from aecore.networks import conv_decoder, conv_encoder, mlp_decoder, mlp_encoder, projection_critic, unet

numpy = ops.convert_to_numpy
RNG = np.random.default_rng(3)
X = RNG.random((5, 8, 12, 2)).astype("float32")
C = RNG.standard_normal((5, 3)).astype("float32")


def test_a_condition_is_constant_planes_behind_the_channels():
    net = conv_encoder((8, 12, 2), (4, 3), 6, condition_size=3, seed=1)
    plain = conv_encoder((8, 12, 5), (4, 3), 6, seed=1)
    plain.set_weights(net.get_weights())
    planes = np.broadcast_to(C[:, None, None], (5, 8, 12, 3))
    wanted = plain.predict_on_batch(np.concatenate([X, planes], axis=-1))
    np.testing.assert_allclose(net.predict_on_batch([X, C]), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("grid", [False, True])
def test_a_decoder_takes_its_condition_beside_the_code(grid):
    net = conv_decoder((8, 12, 2), (4, 3), 6, condition_size=3, grid=grid, seed=1)
    plain = conv_decoder((8, 12, 2), (4, 3), 9, grid=grid, seed=1)
    plain.set_weights(net.get_weights())
    codes = RNG.standard_normal((5, 2, 3, 6) if grid else (5, 6)).astype("float32")
    beside = np.broadcast_to(C[:, None, None], (5, 2, 3, 3)) if grid else C
    wanted = plain.predict_on_batch(np.concatenate([codes, beside], axis=-1))
    np.testing.assert_allclose(net.predict_on_batch([codes, C]), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [mlp_decoder, conv_decoder])
def test_the_output_activation_is_of_the_last_layer_alone(make):
    codes = RNG.standard_normal((5, 6)).astype("float32")
    nets = [make((8, 12, 2), (4, 3), 6, seed=1, output_activation=a) for a in (None, "sigmoid")]
    logits, pixels = (net.predict_on_batch(codes) for net in nets)
    np.testing.assert_allclose(pixels, 1 / (1 + np.exp(-logits)), rtol=1e-5, atol=1e-6)


# --- spectral normalisation ------------------------------------------------------------------------------


def largest(kernel):
    return np.linalg.svd(numpy(kernel).reshape(-1, kernel.shape[-1]), compute_uv=False)[0]


LAYERS = {
    "dense": (keras.layers.Dense(4, activation="tanh", bias_initializer="ones"), (6, 7)),
    "conv": (keras.layers.Conv2D(4, 3, 2, "same", activation="tanh", bias_initializer="ones"), (6, 9, 8, 3)),
}


@pytest.mark.parametrize(("layer", "shape"), LAYERS.values(), ids=LAYERS)
def test_the_kernel_is_divided_by_its_largest_singular_value(layer, shape):
    layer = type(layer).from_config(layer.get_config())
    net = SpectralNormalization(layer, seed=2)
    x = RNG.standard_normal(shape).astype("float32")
    net(x)
    layer.kernel.assign(5 * layer.kernel)
    for _ in range(200):
        net(x, training=True)
    after = numpy(net(x))
    layer.kernel.assign(layer.kernel / largest(layer.kernel))
    np.testing.assert_allclose(after, numpy(layer(x)), rtol=1e-4, atol=1e-5)


def test_without_training_the_estimate_stays():
    net = mlp_encoder((6,), (5,), 3, spectral=True)
    before = net.get_weights()
    net(RNG.random((4, 6)).astype("float32"), training=False)
    for v, w in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)
    assert len(net.trainable_variables) == 4
    assert len(net.non_trainable_variables) == 2


def test_the_gradient_goes_through_the_singular_value():
    net = SpectralNormalization(keras.layers.Dense(3, use_bias=False))
    x, pull = RNG.standard_normal((4, 5)).astype("float32"), RNG.standard_normal((4, 3)).astype("float32")
    net.build((None, 5))
    kernel = RNG.standard_normal((5, 3))

    def value(w):  # as a function of the kernel, by the singular value itself
        return float((x @ w / np.linalg.svd(w, compute_uv=False)[0] * pull).sum())

    net.layer.kernel.assign(kernel)
    for _ in range(100):
        net(x, training=True)

    def loss(w):
        with keras.StatelessScope(state_mapping=[(net.layer.kernel, w)]):
            return ops.sum(net(x) * pull)

    _, gradient = _backend.input_gradient(loss, ops.convert_to_tensor(kernel.astype("float32")))
    steps = 1e-4 * np.eye(15).reshape(15, 5, 3)
    wanted = np.array([(value(kernel + s) - value(kernel - s)) / 2e-4 for s in steps]).reshape(5, 3)
    np.testing.assert_allclose(numpy(gradient), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("make", [mlp_encoder, conv_encoder])
def test_a_spectral_critic_is_lipschitz_and_is_kept_in_a_file(make, tmp_path):
    extra = {"grid": True} if make is conv_encoder else {}
    critic = make((8, 8, 1), (6, 5), 1, activation="leaky_relu", spectral=True, seed=4, **extra)
    x = RNG.random((64, 8, 8, 1)).astype("float32")
    for _ in range(50):
        critic(x, training=True)
    kinds = [layer for layer in critic.layers if isinstance(layer, SpectralNormalization)]
    assert len(kinds) == 3
    y = numpy(critic(x))
    most = 2 * 2 * 3 if make is conv_encoder else 1  # two layers of stride 2, and the grid's kernel of 3
    apart = lambda a: np.linalg.norm((a[:32] - a[32:]).reshape(32, -1), axis=1)
    assert (apart(y) <= most * apart(x) * 1.001).all()
    critic.save(tmp_path / "critic.keras")
    again = keras.models.load_model(tmp_path / "critic.keras")
    np.testing.assert_allclose(numpy(again(x)), y, rtol=1e-5, atol=1e-6)


def test_the_first_direction_belongs_to_the_seed():
    keras.utils.set_random_seed(1)
    first = lambda seed: [
        numpy(w) for w in mlp_encoder((6,), (5,), 3, spectral=True, seed=seed).non_trainable_variables
    ]
    a = first(7)
    keras.utils.set_random_seed(2)
    for u, v, w in zip(a, first(7), first(8), strict=True):
        np.testing.assert_array_equal(u, v)
        assert not np.allclose(u, w)


# --- the projection critic -------------------------------------------------------------------------------


def test_the_projection_critic_is_its_formula():
    features = mlp_encoder((4,), (6,), 5, code_activation="tanh", seed=1)
    critic = projection_critic(features, 3, seed=2)
    x, labels = RNG.standard_normal((7, 4)).astype("float32"), np.array([0, 1, 2, 2, 1, 0, 0])
    f = features.predict_on_batch(x)
    kernels = {tuple(w.shape): numpy(w) for w in critic.weights[len(features.weights) :]}
    V, w, b = kernels[3, 5], kernels[5, 1], kernels[1,]
    wanted = [[f[i] @ w[:, 0] + b[0] + V[c] @ f[i]] for i, c in enumerate(labels)]
    np.testing.assert_allclose(critic.predict_on_batch([x, np.eye(3)[labels]]), wanted, rtol=1e-4, atol=1e-5)
    assert critic.count_params() == features.count_params() + 5 + 1 + 15


def test_all_of_a_projection_critic_can_be_normalised():
    features = conv_encoder((8, 8, 1), (4,), 5, code_activation="leaky_relu", spectral=True)
    critic = projection_critic(features, 3, spectral=True)
    assert sum(isinstance(layer, SpectralNormalization) for layer in critic.layers) == 4


def test_the_projection_critic_refuses_other_features():
    for features in (mlp_encoder((4,), (), 5, condition_size=2), conv_encoder((8, 8, 1), (4,), 5, grid=True)):
        with pytest.raises(ValueError, match=r"projection_critic: features wants one input and an output .* grid"):
            projection_critic(features, 3)
    with pytest.raises(ValueError, match="classes wants a whole number >= 2, got 1"):
        projection_critic(mlp_encoder((4,), (), 5), 1)


# --- pictures to pictures --------------------------------------------------------------------------------


def test_bridges_carry_every_size_and_the_input():
    net = unet((8, 12, 2), (4, 6), 3, output_activation="sigmoid", seed=1)
    assert net.output_shape == (None, 8, 12, 3)
    joins = [layer.output.shape[1:] for layer in net.layers if isinstance(layer, keras.layers.Concatenate)]
    assert joins == [(4, 6, 4 + 4), (8, 12, 4 + 2)]
    down, up = 16 * (2 * 4 + 4 * 6) + 10, 16 * (6 * 4 + 8 * 4) + 8
    assert net.count_params() == down + up + 9 * 6 * 3 + 3
    pixels = net.predict_on_batch(X)
    assert 0 < pixels.min() < pixels.max() < 1


def test_more_convolutions_keep_the_sizes():
    net = unet((8, 12, 2), (4, 6), 3, convolutions=2, seed=1)
    joins = [layer.output.shape[1:] for layer in net.layers if isinstance(layer, keras.layers.Concatenate)]
    assert joins == [(4, 6, 4 + 4), (8, 12, 4 + 4)]  # the widest bridge has gone through a convolution
    kernels = 9 * (2 * 4 + 4 * 4 + 6 * 6 + 8 * 4 + 8 * 4 + 4 * 3) + 16 * (4 * 4 + 4 * 6 + 6 * 4 + 4 * 4)
    assert sum(int(np.prod(w.shape)) for w in net.weights if len(w.shape) == 4) == kernels
    with pytest.raises(ValueError, match="unet: convolutions wants a whole number >= 1, got 0"):
        unet((8, 8, 1), (4,), 1, convolutions=0)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_normalised_network_does_not_see_the_scale_of_its_kernels(batch_norm):
    net = unet((8, 12, 2), (4, 6), 3, convolutions=2, batch_norm=batch_norm, seed=1)
    before = numpy(net(X, training=True))
    for w in net.weights[:-2]:  # the last convolution has no norm
        if len(w.shape) == 4:
            w.assign(100 * w)
    after = numpy(net(X, training=True))
    assert np.allclose(before, after, atol=0.05) == batch_norm


def test_the_widest_bridge_is_the_input_itself():
    net = unet((8, 12, 2), (4,), 3, seed=1)
    *_, kernel, bias = net.weights
    for w in net.weights[:-2]:
        w.assign(np.zeros(w.shape))
    bias.assign([0.5, 0, 0])
    h = np.pad(X, ((0, 0), (1, 1), (1, 1), (0, 0)))
    K = numpy(kernel)[:, :, 4:]  # of the two channels that have come by the bridge
    wanted = sum(h[:, i : i + 8, j : j + 12] @ K[i, j] for i in range(3) for j in range(3)) + numpy(bias)
    np.testing.assert_allclose(net.predict_on_batch(X), wanted, rtol=1e-4, atol=1e-5)


def test_a_bridged_network_takes_a_condition_and_refuses_odd_sizes():
    net = unet((8, 12, 2), (4,), 3, condition_size=3, seed=1)
    a, b = net.predict_on_batch([X, C]), net.predict_on_batch([X, -C])
    assert np.abs(a - b).max() > 0.01
    with pytest.raises(ValueError, match=r"unet: 2 layers halve the image 2 times, .* got 10 x 8. Crop to 8 x 8"):
        unet((10, 8, 1), (4, 4), 1)
    with pytest.raises(ValueError, match="unet: channels wants a whole number >= 1, got 0"):
        unet((8, 8, 1), (4, 4), 0)
