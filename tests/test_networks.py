"""Shapes, numbers of weights, tied weights, seeds and refusals of the encoders and decoders."""

from itertools import pairwise

import keras
import numpy as np
import pytest
from keras import layers
from scipy import special

from aecore.layers import TopK
from aecore.networks import conv_decoder, conv_encoder, mlp_decoder, mlp_encoder, tied_decoder


def weights(model):
    return [keras.ops.convert_to_numpy(w) for w in model.weights]


@pytest.mark.parametrize(("shape", "hidden"), [((8, 8, 1), ()), ((6, 10, 3), (12, 7)), ((17,), (9,))])
def test_dense_networks_mirror_each_other_and_have_the_counted_weights(shape, hidden):
    encoder, decoder = mlp_encoder(shape, hidden, 4), mlp_decoder(shape, hidden, 4)
    sizes = [int(np.prod(shape)), *hidden, 4]
    assert [w.shape for w in encoder.weights] == [s for m, k in pairwise(sizes) for s in ((m, k), (k,))]
    sizes = sizes[::-1]
    assert [w.shape for w in decoder.weights] == [s for m, k in pairwise(sizes) for s in ((m, k), (k,))]
    assert (encoder.output_shape, decoder.output_shape) == ((None, 4), (None, *shape))


@pytest.mark.parametrize(("shape", "filters"), [((8, 8, 1), (5,)), ((4, 12, 3), (6, 4)), ((32, 16, 2), (2, 3, 4))])
def test_convolutional_networks_mirror_each_other_and_have_the_counted_weights(shape, filters):
    encoder, decoder = conv_encoder(shape, filters, 3), conv_decoder(shape, filters, 3)
    maps = [layer.output.shape[1:] for layer in encoder.layers if isinstance(layer, (layers.InputLayer, layers.Conv2D))]
    h, w, c = shape
    assert maps == [shape] + [(h >> i + 1, w >> i + 1, n) for i, n in enumerate(filters)]
    kinds = (layers.Reshape, layers.Conv2DTranspose)
    assert [layer.output.shape[1:] for layer in decoder.layers if isinstance(layer, kinds)] == maps[::-1]
    channels, small = (c, *filters), int(np.prod(maps[-1]))
    assert encoder.count_params() == sum(16 * m * k + k for m, k in pairwise(channels)) + small * 3 + 3
    assert decoder.count_params() == sum(16 * m * k + m for m, k in pairwise(channels)) + small * 3 + small


def test_a_decoder_can_give_several_numbers_per_pixel():
    assert mlp_decoder((4, 4, 2), (3,), 2, params_per_value=5).output_shape == (None, 4, 4, 2, 5)
    decoder = conv_decoder((4, 4, 2), (3,), 2, params_per_value=5)
    assert decoder.output_shape == (None, 4, 4, 2, 5)
    assert decoder.layers[-2].filters == 10


def test_without_hidden_layers_the_encoder_is_an_affine_map():
    x = np.random.default_rng(0).standard_normal((5, 3, 2, 1)).astype("float32")
    encoder = mlp_encoder((3, 2, 1), (), 2)
    W, b = weights(encoder)
    np.testing.assert_allclose(encoder.predict_on_batch(x), x.reshape(5, 6) @ W + b, rtol=1e-5, atol=1e-6)


def test_the_activations_are_where_they_were_asked_for():
    x = 3 * np.random.default_rng(0).standard_normal((50, 6)).astype("float32")
    encoder = mlp_encoder((6,), (4,), 3, activation="relu", code_activation="sigmoid")
    W1, b1, W2, b2 = weights(encoder)
    wanted = 1 / (1 + np.exp(-(np.maximum(x @ W1 + b1, 0) @ W2 + b2)))
    np.testing.assert_allclose(encoder.predict_on_batch(x), wanted, rtol=1e-5, atol=1e-6)
    images = x.reshape(25, 2, 2, 3)
    codes = conv_encoder((2, 2, 3), (3,), 5, code_activation=TopK(2)).predict_on_batch(images)
    np.testing.assert_array_equal((codes != 0).sum(axis=1), 2)


def test_top_k_keeps_the_largest_units():
    codes = np.random.default_rng(1).standard_normal((20, 7)).astype("float32")
    wanted = np.zeros_like(codes)
    for row, best in zip(wanted, np.argsort(codes, axis=1)[:, -3:], strict=True):
        row[best] = 1
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(TopK(3)(codes)), wanted * codes)
    tie = np.float32([[2, 1, 1, 0]])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(TopK(2)(tie)), tie)


def test_dropout_is_in_the_hidden_layers_and_in_training_only():
    encoder = mlp_encoder((6,), (50,), 3, dropout=0.5)
    x = np.ones((4, 6), "float32")
    a, b = (keras.ops.convert_to_numpy(encoder(x, training=True)) for _ in range(2))
    assert not np.allclose(a, b)
    W1, b1, W2, b2 = weights(mlp_encoder((6,), (50,), 3))
    h = x @ W1 + b1
    wanted = h * special.ndtr(h) @ W2 + b2  # the exact gelu
    np.testing.assert_allclose(encoder.predict_on_batch(x), wanted, rtol=1e-4, atol=1e-5)


def test_a_tied_decoder_is_the_transpose_and_owns_only_biases(build, x):
    ae = build(hidden=(7,), code_size=3, tied=True, optimizer=keras.optimizers.Adam(0.01))
    ae.fit(x, epochs=2, batch_size=20, verbose=0)
    W1, b1, W2, b2 = weights(ae.encoder)
    assert ae.count_params() == 64 * 7 + 7 + 7 * 3 + 3 + 7 + 64
    own = [w for w in ae.decoder.weights if not any(w is v for v in ae.encoder.weights)]
    c2, c1 = (keras.ops.convert_to_numpy(w) for w in own)
    assert (c2.shape, c1.shape) == ((7,), (64,))
    assert np.abs(c1).min() > 0  # trained
    z = ae.encode(x)
    np.testing.assert_allclose(z, np.tanh(x.reshape(-1, 64) @ W1 + b1) @ W2 + b2, rtol=1e-4, atol=1e-5)
    wanted = np.tanh(z @ W2.T + c2) @ W1.T + c1
    np.testing.assert_allclose(ae.decode(z).reshape(-1, 64), wanted, rtol=1e-4, atol=1e-5)


MAKERS = {
    "mlp_encoder": lambda seed: mlp_encoder((4, 4, 1), (6, 6), 3, seed=seed),
    "mlp_decoder": lambda seed: mlp_decoder((4, 4, 1), (6, 6), 3, seed=seed),
    "conv_encoder": lambda seed: conv_encoder((4, 4, 1), (2, 3), 3, seed=seed),
    "conv_decoder": lambda seed: conv_decoder((4, 4, 1), (2, 3), 3, seed=seed),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_initial_weights_are_owned_by_the_seed(make):
    keras.utils.set_random_seed(1)
    a = weights(make(5))
    keras.utils.set_random_seed(2)
    b, c = weights(make(5)), weights(make(6))
    for u, v, w in zip(a, b, c, strict=True):
        np.testing.assert_array_equal(u, v)
        assert u.ndim == 1 or not np.allclose(u, w)  # biases start at 0


def test_layers_of_one_shape_start_differently():
    _, _, a, _, b, _, *_ = weights(mlp_encoder((4,), (6, 6, 6), 6))
    assert not np.allclose(a, b)


def test_numpy_integers_are_sizes():
    n = np.int64
    assert mlp_encoder((n(4), n(4), n(1)), np.array([6]), n(3)).output_shape == (None, 3)
    assert mlp_decoder([4, 4, 1], [n(6)], n(3), params_per_value=n(2)).output_shape == (None, 4, 4, 1, 2)
    assert conv_encoder((n(4), 4, 1), np.array([2, 3]), n(3)).output_shape == (None, 3)
    assert conv_decoder(np.array([4, 4, 1]), [2, 3], n(3)).output_shape == (None, 4, 4, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda f: f((30, 28, 1), (4, 4, 4), 2),
            "must be divisible by 8, got 30 x 28. Crop to 24 x 24, pad to 32 x 32, or",
        ),
        (lambda f: f((2, 9, 1), (4, 4), 2), "divisible by 4, got 2 x 9. Crop to 4 x 8, pad to 4 x 12"),
        (lambda f: f((28, 28), (4,), 2), r"\(height, width, channels\), got \(28, 28\). Add the channel axis."),
        (lambda f: f((8, 8, 1), (), 2), r"filters is empty. Give the channels of each layer, for example \(32, 64\)"),
        (lambda f: f((8, 8, 1), (4,), 0), "code_size wants a whole number >= 1, got 0"),
        (lambda f: f((8, 8, 1), (-4,), 2), "filters wants a whole number >= 1, got -4"),
        (lambda f: f((8, 8, 1), 4, 2), r"filters wants a list of whole numbers, got 4. Write \(4,\)"),
    ],
)
@pytest.mark.parametrize("f", [conv_encoder, conv_decoder])
def test_convolutional_networks_refuse_with_a_cure(f, make, message):
    with pytest.raises(ValueError, match=f"{f.__name__}: .*{message}"):
        make(f)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: f((8, 8, 1), (4,), 0), "code_size wants a whole number >= 1, got 0"),
        (lambda f: f((8, 8, 1), (4,), True), "code_size wants a whole number >= 1, got True"),
        (lambda f: f((8, 8, 1), (4, 0), 2), "hidden wants a whole number >= 1, got 0"),
        (lambda f: f((8, 8, 1), (4.0,), 2), "hidden wants a whole number >= 1, got 4.0"),
        (lambda f: f((8, -8, 1), (4,), 2), "shape wants a whole number >= 1, got -8"),
        (lambda f: f((8, 8, 1), 400, 2), r"hidden wants a list of whole numbers, got 400. Write \(400,\)"),
        (lambda f: f(64, (4,), 2), r"shape wants a list of whole numbers, got 64. Write \(64,\)"),
        (lambda f: f((), (4,), 2), r"shape is empty. Give the shape of one example, for example \(28, 28, 1\)"),
    ],
)
@pytest.mark.parametrize("f", [mlp_encoder, mlp_decoder])
def test_dense_networks_refuse_with_a_cure(f, make, message):
    with pytest.raises(ValueError, match=f"{f.__name__}: .*{message}"):
        make(f)


def test_decoders_refuse_a_wrong_number_of_params():
    for f in (mlp_decoder, conv_decoder):
        with pytest.raises(ValueError, match=f"{f.__name__}: params_per_value wants a whole number >= 1, got 0"):
            f((8, 8, 1), (4,), 2, params_per_value=0)


def test_only_dense_encoders_can_be_tied():
    with pytest.raises(ValueError, match=r"only dense encoders can be transposed, got the layers \['conv.*Use mlp_enc"):
        tied_decoder(conv_encoder((8, 8, 1), (2,), 2))
    with pytest.raises(ValueError, match="only dense encoders can be transposed"):
        tied_decoder(mlp_encoder((4,), (), 3, code_activation=TopK(2)))
    with pytest.raises(ValueError, match="only dense encoders can be transposed"):
        tied_decoder(keras.Sequential([keras.Input((4,)), layers.Flatten()]))


@pytest.mark.parametrize("k", [0, -1, 4])
def test_top_k_refuses_what_does_not_fit(k):
    with pytest.raises(ValueError, match=f"TopK: k must lie between 1 and the code size 3, got {k}"):
        mlp_encoder((4,), (), 3, code_activation=TopK(k))
    with pytest.raises(ValueError, match=f"TopK: k must lie between 1 and the code size 3, got {k}"):
        TopK(k)(np.zeros((2, 3), "float32"))


def test_a_top_k_layer_used_again_is_checked_again():
    layer = TopK(3)
    mlp_encoder((4,), (), 3, code_activation=layer)
    with pytest.raises(ValueError, match="TopK: k must lie between 1 and the code size 2, got 3"):
        mlp_encoder((4,), (), 2, code_activation=layer)
