"""Encoders, decoders and critics: functions that return a keras.Model.

An encoder and a decoder that are given the same arguments mirror each other. A decoder ends in plain
numbers ("params"): what they mean, pixel or logit, is the likelihood's business. The generator of a GAN has no
likelihood: it is a decoder with an `output_activation`, and ends in pixels. Its critic is an encoder with one number.
"""

import math
from collections.abc import Iterable

import keras
from keras import layers

from aecore.data import check_whole
from aecore.layers import SpectralNormalization, TransposedDense


def mlp_encoder(
    shape, hidden, code_size, *, activation="gelu", code_activation=None, dropout=0.0, condition_size=0, spectral=False,
    seed=0,
):  # fmt: skip
    """A dense encoder: flatten, the hidden layers, the code.

    Args:
        shape: shape of one example, (h, w, c) or any other.
        hidden: sizes of the hidden layers, from the input to the code; () gives a linear encoder.
        code_size: d, >= 1.
        activation: of the hidden layers, as in Keras.
        code_activation: of the code, as in Keras, or a layer such as layers.TopK(4); None is linear.
        dropout: share of each hidden layer's units that are switched off in training, in [0, 1).
        condition_size: c > 0 adds a second input, (b, c), that is appended to the first.
        spectral: divide the kernel of every layer by its largest singular value (layers.SpectralNormalization).
        seed: owns the initial weights.
    Returns: keras.Model, (b, *shape) -> (b, d), or [(b, *shape), (b, c)] -> (b, d).
    Raises: ValueError where a size is not a positive integer.
    """
    shape, hidden, code_size = _check_sizes("mlp_encoder", shape, code_size, hidden=hidden)
    inputs = keras.Input(shape, name="x")
    inputs, h = _conditioned("mlp_encoder", inputs, layers.Flatten()(inputs), condition_size)
    h = _dense_stack(h, hidden, activation, dropout, seed, spectral)
    last = None if isinstance(code_activation, layers.Layer) else code_activation
    codes = _dense(code_size, last, seed + 99, spectral)(h)
    if isinstance(code_activation, layers.Layer):
        codes = code_activation(codes)
    return keras.Model(inputs, codes, name="encoder")


def mlp_decoder(
    shape, hidden, code_size, *, activation="gelu", params_per_value=1, output_activation=None, dropout=0.0,
    condition_size=0, seed=0,
):  # fmt: skip
    """The mirror image of `mlp_encoder`: the hidden layers in reverse order, then one number per pixel.

    Args: as `mlp_encoder`, and
        params_per_value: numbers that the likelihood needs for each pixel; more than one adds a last axis.
        output_activation: of those numbers, as in Keras: "sigmoid" makes pixels of them, for a generator.
    Returns: keras.Model, (b, d) -> (b, *shape), or (b, *shape, params_per_value).
    Raises: ValueError where a size is not a positive integer.
    """
    shape, hidden, code_size = _check_sizes("mlp_decoder", shape, code_size, hidden=hidden)
    (params_per_value,) = check_whole("mlp_decoder", params_per_value=params_per_value)
    inputs = keras.Input((code_size,), name="codes")
    inputs, h = _conditioned("mlp_decoder", inputs, inputs, condition_size)
    h = _dense_stack(h, hidden[::-1], activation, dropout, seed + 100)
    out = shape if params_per_value == 1 else (*shape, params_per_value)
    params = layers.Reshape(out)(_dense(math.prod(out), output_activation, seed + 199)(h))
    return keras.Model(inputs, params, name="decoder")


def conv_encoder(
    shape, filters, code_size, *, activation="gelu", code_activation=None, grid=False, condition_size=0, spectral=False,
    seed=0,
):  # fmt: skip
    """A convolutional encoder: each layer halves height and width, a dense layer gives the code.

    Args:
        shape: (h, w, c); h and w divisible by 2 ** len(filters).
        filters: channels of each layer, from the input to the code.
        code_size, activation, code_activation, spectral, seed: as in `mlp_encoder`.
        grid: keep height and width: a 3 x 3 convolution gives a code of d numbers at every place.
        condition_size: c > 0 adds a second input, (b, c), that is appended to the channels of every pixel.
    Returns: keras.Model, (b, h, w, c) -> (b, d), or (b, h / 2^m, w / 2^m, d) after m layers with grid.
    Raises: ValueError where a size does not halve evenly; says which sizes would.
    """
    shape, filters, code_size = _check_halving("conv_encoder", shape, filters, code_size)
    inputs = keras.Input(shape, name="x")
    inputs, h = _conditioned("conv_encoder", inputs, inputs, condition_size)
    for i, n in enumerate(filters):
        h = _conv(n, activation, seed + i, 4, 2, spectral=spectral)(h)
    last = None if isinstance(code_activation, layers.Layer) else code_activation
    if grid:
        codes = _conv(code_size, last, seed + 99, spectral=spectral)(h)
    else:
        codes = _dense(code_size, last, seed + 99, spectral)(layers.Flatten()(h))
    if isinstance(code_activation, layers.Layer):
        codes = code_activation(codes)
    return keras.Model(inputs, codes, name="encoder")


def conv_decoder(
    shape, filters, code_size, *, activation="gelu", params_per_value=1, output_activation=None, grid=False,
    condition_size=0, seed=0,
):  # fmt: skip
    """The mirror image of `conv_encoder`. A kernel of 4 with stride 2 leaves no checkerboard.

    Args: as `conv_encoder`, and params_per_value and output_activation as in `mlp_decoder`.
    Returns: keras.Model, (b, d), or a grid of them, -> (b, h, w, c), or (b, h, w, c, params_per_value).
    Raises: ValueError where a size does not halve evenly; says which sizes would.
    """
    shape, filters, code_size = _check_halving("conv_decoder", shape, filters, code_size)
    (params_per_value,) = check_whole("conv_decoder", params_per_value=params_per_value)
    height, width, channels = shape
    small = (height >> len(filters), width >> len(filters), filters[-1])
    inputs = keras.Input((*small[:2], code_size) if grid else (code_size,), name="codes")
    inputs, h = _conditioned("conv_decoder", inputs, inputs, condition_size)
    if grid:
        h = _conv(filters[-1], activation, seed + 100)(h)
    else:
        h = layers.Reshape(small)(_dense(math.prod(small), activation, seed + 100)(h))
    for i, n in enumerate([*filters[-2::-1], channels * params_per_value]):
        last = i == len(filters) - 1
        h = _twice(n, output_activation if last else activation, seed + 101 + i)(h)
    params = h if params_per_value == 1 else layers.Reshape((*shape, params_per_value))(h)
    return keras.Model(inputs, params, name="decoder")


def unet(
    shape, filters, channels, *, convolutions=1, batch_norm=False, activation="gelu", output_activation=None,
    condition_size=0, seed=0,
):  # fmt: skip
    """A network from picture to picture: a convolutional encoder and decoder with bridges from each size to its like.

    What a bridge carries need not pass through the small middle, so that edges stay where they are. The widest bridge
    joins the input itself to the last layer, a 3 x 3 convolution.

    Args:
        shape: (h, w, c) of the pictures that come in; h and w divisible by 2 ** len(filters).
        filters: channels of each halving, from the input to the middle.
        channels: k, of the pictures that come out.
        convolutions: at each size, >= 1; the first one changes the size, those that follow are 3 x 3 and keep it.
        batch_norm: normalise what each convolution gives over the batch, before its activation; a trained network by
            running means of the last ten batches or so: in short trainings Keras' hundred lag behind.
        activation, output_activation, condition_size, seed: as in `conv_encoder` and `conv_decoder`.
    Returns: keras.Model, (b, h, w, c) -> (b, h, w, k), or [(b, h, w, c), (b, condition_size)] -> (b, h, w, k).
    Raises: ValueError where a size does not halve evenly; says which sizes would.
    Source: Ronneberger et al. 2015, who have two convolutions at each size. Differs: a stride of 2 in place of pooling,
        and the bridge from the input, without which the last size of a network with one would have none. Chapter 14.
    """
    shape, filters, _ = _check_halving("unet", shape, filters, 1)
    channels, convolutions = check_whole("unet", channels=channels, convolutions=convolutions)
    inputs = keras.Input(shape, name="x")
    inputs, h = _conditioned("unet", inputs, inputs, condition_size)

    def through(h, make, n, at, *args):
        """One convolution or its transpose, by `make`, with its norm and activation."""
        if not batch_norm:
            return make(n, activation, seed + at, *args)(h)
        normed = layers.BatchNormalization(momentum=0.9)(make(n, None, seed + at, *args)(h))
        return layers.Activation(activation)(normed)

    def keep(h, n, at):
        for i in range(1, convolutions):
            h = through(h, _conv, n, at + 10 * i)
        return h

    h, bridges = keep(h, filters[0], 200), []
    for i, n in enumerate(filters):
        bridges.append(h)
        h = keep(through(h, _conv, n, i, 4, 2), n, 300 + i)
    for i, n in enumerate([*filters[-2::-1], filters[0]]):
        h = layers.Concatenate()([through(h, _twice, n, 101 + i), bridges.pop()])
        h = keep(h, n, 400 + i)
    return keras.Model(inputs, _conv(channels, output_activation, seed + 199)(h), name="unet")


def projection_critic(features, classes, *, spectral=False, seed=0):
    """A critic of pictures with their labels: what it sees, f(x), is projected on a vector of the label.

        logit(x, c) = w . f(x) + b + v_c . f(x)

    Args:
        features: f, keras.Model, (b, *shape) -> (b, d): an encoder with a code_activation.
        classes: k >= 2; the label comes in as a row of k numbers, 1 at c.
        spectral: normalise w and V as well (layers.SpectralNormalization).
        seed: owns the initial weights of w and V.
    Returns: keras.Model, [(b, *shape), (b, k)] -> (b, 1).
    Raises: ValueError where features has several inputs, or its output is no row of numbers.
    Source: Miyato and Koyama 2018, equation 9. Chapter 14.
    """
    (classes,) = check_whole("projection_critic", at_least=2, classes=classes)
    if len(features.inputs) != 1 or len(features.output.shape) != 2:
        raise ValueError(
            f"projection_critic: features wants one input and an output (b, d), got {len(features.inputs)} inputs and "
            f"output {features.output_shape}. Use an encoder without condition_size and without grid."
        )
    f, condition = features.output, keras.Input((classes,), name="condition")
    v = _dense(f.shape[-1], None, seed + 98, spectral, use_bias=False)(condition)  # (b, d): row c of V
    logits = layers.Add()([_dense(1, None, seed + 99, spectral)(f), layers.Dot(1)([f, v])])
    return keras.Model([*features.inputs, condition], logits, name="critic")


def tied_decoder(encoder):
    """A decoder with the encoder's kernels, transposed, and biases of its own: tied weights.

    Args:
        encoder: made by `mlp_encoder`, with no layer on its code.
    Returns: keras.Model, (b, d) -> (b, *shape).
    Raises: ValueError where the encoder has layers that cannot be transposed.
    """
    kinds = (layers.InputLayer, layers.Flatten, layers.Dense, layers.Dropout)
    odd = [layer.name for layer in encoder.layers if not isinstance(layer, kinds)]
    dense = [layer for layer in encoder.layers if isinstance(layer, layers.Dense)]
    if odd or not dense:
        raise ValueError(f"tied_decoder: only dense encoders can be transposed, got the layers {odd}. Use mlp_encoder.")
    inputs = keras.Input((dense[-1].units,), name="codes")
    h = inputs
    for i in range(len(dense) - 1, -1, -1):
        h = TransposedDense(dense[i], activation=dense[i - 1].activation if i else None)(h)
    return keras.Model(inputs, layers.Reshape(encoder.input_shape[1:])(h), name="decoder")


def _init(seed):
    return keras.initializers.GlorotUniform(seed=seed)


def _conditioned(name, inputs, h, condition_size):
    """The inputs of a network, and its first values: with a condition, these are appended to it, at every place."""
    (size,) = check_whole(name, at_least=0, condition_size=condition_size)
    if not size:
        return inputs, h
    condition = appended = keras.Input((size,), name="condition")
    if len(h.shape) == 4:  # constant planes, (b, h, w, c)
        height, width = h.shape[1:3]
        appended = layers.Reshape((height, width, size))(layers.RepeatVector(height * width)(condition))
    return [inputs, condition], layers.Concatenate()([h, appended])


def _dense(units, activation, seed, spectral=False, **kwargs):
    layer = layers.Dense(units, activation=activation, kernel_initializer=_init(seed), **kwargs)
    return SpectralNormalization(layer, seed=seed) if spectral else layer


def _conv(channels, activation, seed, kernel=3, stride=1, spectral=False):
    layer = layers.Conv2D(channels, kernel, stride, "same", activation=activation, kernel_initializer=_init(seed))
    return SpectralNormalization(layer, seed=seed) if spectral else layer


def _twice(channels, activation, seed):
    """A transposed convolution that doubles height and width."""
    return layers.Conv2DTranspose(channels, 4, 2, "same", activation=activation, kernel_initializer=_init(seed))


def _dense_stack(h, sizes, activation, dropout, seed, spectral=False):
    for i, size in enumerate(sizes):
        h = _dense(size, activation, seed + i, spectral)(h)
        if dropout:
            h = layers.Dropout(dropout, seed=seed + i)(h)
    return h


def _check_sizes(name, shape, code_size, **layers):
    """Shape, layer sizes and code size as Python integers."""
    checked = []
    for what, values in {"shape": shape, **layers}.items():
        if not isinstance(values, Iterable):
            raise ValueError(f"{name}: {what} wants a list of whole numbers, got {values!r}. Write ({values},).")
        checked.append(tuple(check_whole(name, **{what: v})[0] for v in values))
    if not checked[0]:
        raise ValueError(f"{name}: shape is empty. Give the shape of one example, for example (28, 28, 1).")
    return *checked, *check_whole(name, code_size=code_size)


def _check_halving(name, shape, filters, code_size):
    shape, filters, code_size = _check_sizes(name, shape, code_size, filters=filters)
    if len(shape) != 3:
        raise ValueError(f"{name}: shape must be (height, width, channels), got {shape}. Add the channel axis.")
    if not filters:
        raise ValueError(f"{name}: filters is empty. Give the channels of each layer, for example (32, 64).")
    step = 2 ** len(filters)
    if shape[0] % step or shape[1] % step:
        down, up = ([max(step, (n + r) // step * step) for n in shape[:2]] for r in (0, step - 1))
        raise ValueError(
            f"{name}: {len(filters)} layers halve the image {len(filters)} times, so height and width must be "
            f"divisible by {step}, got {shape[0]} x {shape[1]}. Crop to {down[0]} x {down[1]}, pad to "
            f"{up[0]} x {up[1]}, or use fewer layers."
        )
    return shape, filters, code_size
