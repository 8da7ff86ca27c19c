"""Trained networks and arrays in the form that a page can carry: a plain description and one buffer of numbers."""

import keras
import numpy as np

from aecore.layers import TopK, TransposedDense
from aecore.objectives import Bernoulli, Gaussian, SquaredError

# What `live/network.js` can compute. Keras' gelu is the exact one, by the error function.
ACTIVATIONS = ("linear", "relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "softplus", "tanh")
INACTIVE = (keras.layers.InputLayer, keras.layers.Dropout, keras.layers.GaussianNoise)  # when not training
MOST = 2_000_000  # weights: 4 MB, and more than a page should carry


class Buffer:
    """Numbers of a figure, one after another, in as few bytes as will do.

    Each method takes an array and returns its entry for the description: dtype, shape and place.
    """

    def __init__(self):
        self.bytes = bytearray()

    def numbers(self, values):
        """Real numbers in 16 bits: steps of max / 32767, with a max of its own at each place of the last axis.

        For weights that is more than twice as close as half precision, in as many bytes.
        Raises: ValueError where a value is not finite.
        """
        values = np.asarray(values, "f4")
        if not np.isfinite(values).all():
            raise ValueError("a figure carries finite numbers only; the array has NaN or infinity. Is it trained?")
        most = np.abs(values).max(axis=tuple(range(values.ndim - 1)), initial=0)
        step = (np.where(most > 0, most, 1) / 32767).astype("f4")
        return {**self._add("i16", np.rint(values / step).astype("<i2")), "steps": self.exact(step)}

    def exact(self, values):
        """Real numbers in 32 bits."""
        return self._add("f32", np.asarray(values, "<f4"))

    def pixels(self, values):
        """Steps of 1/255 for values in [0, 1]. Raises: ValueError where some are not."""
        values = np.asarray(values)
        if values.size and not (values.min() >= -1e-6 and values.max() <= 1 + 1e-6):
            raise ValueError(
                f"pixels must be in [0, 1], got {values.min():.3g} to {values.max():.3g}. Rescale or clip."
            )
        return self._add("u8", np.rint(np.clip(values, 0, 1) * 255).astype("u1"))

    def file(self, content):
        """A file, as it is."""
        return self._add("file", np.frombuffer(content, "u1"))

    def _add(self, kind, values):
        self.bytes += b"\0" * (-len(self.bytes) % 4)
        entry = {"dtype": kind, "shape": list(values.shape), "at": len(self.bytes)}
        self.bytes += values.tobytes()
        return entry


def network(model, buffer, activation=None):
    """Describe a trained network so that `live/network.js` can run it. Its weights go into `buffer`, in 16 bits.

    Args:
        model: keras.Model, a chain of dense layers, convolutions, transposed convolutions, TopK, reshapes and
            activations. What acts in training only (dropout, noise) is left out. A condition that is appended to a
            row of numbers at the beginning (`condition_size` in networks.py) is described as one longer row.
        buffer: Buffer.
        activation: name of a function to apply to the last layer's values: what turns logits into a picture.
    Returns: dict with the input shape and the layers.
    Raises: ValueError for a layer, an activation or a size that the page cannot run; names it.
    """
    if model.count_params() > MOST:
        raise ValueError(
            f"network: a page can carry {MOST} weights, got {model.count_params()}. Train a smaller network."
        )
    described, before, size, layers = [], None, list(model.input_shape[1:]), model.layers
    if len(model.inputs) > 1:
        before, layers = _appended(model)
        size = list(before.shape[1:])
    for layer in layers:
        if before is not None and layer.input is not before:
            raise ValueError(
                f"network: layer {layer.name!r} does not follow the one before it; only a chain can be run."
            )
        before = layer.output
        if not isinstance(layer, INACTIVE):
            described += _describe(layer, buffer)
    if activation is not None:
        described.append(_activation(activation, model.name))
    return {"input": size, "layers": described}


def _appended(model):
    """The row of numbers that a model makes of its two inputs, and the layers that follow."""
    kinds, first = [type(layer) for layer in model.layers], (keras.layers.InputLayer, keras.layers.Flatten)
    place = kinds.index(keras.layers.Concatenate) if keras.layers.Concatenate in kinds else 0
    join = model.layers[place]
    rows = place and len(model.inputs) == 2 and len(join.output.shape) == 2 and join.input[1] is model.inputs[1]
    if not rows or not all(issubclass(kind, first) for kind in kinds[:place]):
        raise ValueError(
            f"network: the page appends a condition to a row of numbers, once, at the beginning; {model.name!r} does "
            "something else with its inputs. Build it with condition_size."
        )
    return join.output, model.layers[place + 1 :]


def _describe(layer, buffer):
    kinds = keras.layers
    if isinstance(layer, (kinds.Flatten, kinds.Reshape)):
        return [{"kind": "reshape", "shape": list(layer.output.shape[1:])}]
    if isinstance(layer, TopK):
        return [{"kind": "top_k", "k": layer.k}]
    if isinstance(layer, kinds.Activation):
        return [_activation(layer.activation, layer.name)]
    if isinstance(layer, TransposedDense):
        kernel, bias = keras.ops.transpose(layer.dense.kernel), layer.bias
        entry = {"kind": "dense"}
    elif isinstance(layer, kinds.Dense) and len(layer.input.shape) == 2:
        kernel, bias = layer.kernel, layer.bias
        entry = {"kind": "dense"}
    elif isinstance(layer, (kinds.Conv2D, kinds.Conv2DTranspose)) and _plain(layer):
        kernel, bias = layer.kernel, layer.bias
        kind = "conv_transpose" if isinstance(layer, kinds.Conv2DTranspose) else "conv"
        entry = {
            "kind": kind,
            "size": list(layer.kernel_size),
            "strides": list(layer.strides),
            "padding": layer.padding,
        }
    else:
        raise ValueError(
            f"network: the page cannot run the layer {layer.name!r}, a {type(layer).__name__} as it is set."
        )
    units = int(layer.output.shape[-1])
    bias = np.zeros(units) if bias is None else keras.ops.convert_to_numpy(bias)
    entry.update(units=units, kernel=buffer.numbers(keras.ops.convert_to_numpy(kernel)), bias=buffer.numbers(bias))
    last = _activation(layer.activation, layer.name)
    return [entry] if last["activation"] == "linear" else [entry, last]


def _plain(conv):
    """No dilation, groups or padding of its own, and channels last."""
    usual = conv.data_format == "channels_last" and conv.padding in ("same", "valid") and set(conv.dilation_rate) == {1}
    return usual and getattr(conv, "groups", 1) == 1 and getattr(conv, "output_padding", None) is None


def _activation(activation, where):
    name = keras.activations.serialize(keras.activations.get(activation))
    if name not in ACTIVATIONS:
        raise ValueError(f"network: the page has no activation {name!r} of {where!r}; it has {', '.join(ACTIVATIONS)}.")
    return {"kind": "activation", "activation": name}


def posterior(codes):
    """Mean and log variance of what `encode` gave, (n, d) each. Plain codes have no variance: None."""
    if hasattr(codes, "log_var"):
        return tuple(keras.ops.convert_to_numpy(part) for part in (codes.mean, codes.log_var))
    return np.asarray(codes), None


def probe(function, ends, buffer):
    """What a network gives for a hundred inputs and two extreme ones. It travels with the figure (about 3 kB),
    so that the tests can hold every page to what Keras computed.

        x_ni = m_i + r_i sin(n i^2), n = 1..100, i = 1..d,   m, r the middle and half the width of `ends`; then the ends

    Args:
        function: inputs (n, d) -> outputs (n, ...), an array. At most eight of the outputs are kept.
        ends: lowest and highest input, (2, d).
        buffer: Buffer.
    Returns: dict with the ends, the places of the outputs that are kept, and those outputs, (102, places).
    """
    ends = np.asarray(ends, "f8")
    n, i = np.ogrid[1:101, 1 : ends.shape[1] + 1]
    inputs = ends.mean(axis=0) + (ends[1] - ends[0]) / 2 * np.sin(n * i**2)
    outputs = np.asarray(function(np.concatenate([inputs, ends]).astype("f4"))).reshape(102, -1)
    places = np.unique(np.linspace(0, outputs.shape[1] - 1, 8).round().astype(int))
    return {"ends": ends.tolist(), "places": places.tolist(), "outputs": buffer.exact(outputs[:, places])}


def check_unconditional(model):
    """Raise a ValueError where the decoder wants more than a code."""
    if len(model.decoder.inputs) > 1:
        raise ValueError(
            "decoder: the page gives a decoder a code alone; this one wants a condition too. Train one without."
        )


def decoder(autoencoder, buffer):
    """Describe an autoencoder's decoder followed by its likelihood's mean: what `decode` computes.

    Args and raises: as `network`. Returns: as `network`.
    """
    check_unconditional(autoencoder)
    return _likelihood_mean(autoencoder, buffer)


def conditional(model, buffer):
    """Describe what a conditional model's `decode` computes, for a code and then the shares of the classes.

    Args: model, with classes: GAN, whose pictures are brought to [0, 1], or VAE; buffer, Buffer.
    Returns: (as `network`, the same function in Keras: (n, d + c) -> (n, *shape), an array).
    Raises: as `network`.
    """
    generator = getattr(model, "sampler", None)
    net = generator or model.decoder
    if generator is None:
        described, finish = _likelihood_mean(model, buffer), model.likelihood.mean
    else:
        described, finish = network(generator, buffer), lambda x: x
        if model.range == (-1, 1):
            described["layers"].append({"kind": "activation", "activation": "unit"})
            finish = lambda x: (x + 1) / 2
    split = lambda x: [x[:, : model.code_size], x[:, model.code_size :]]
    return described, lambda x: keras.ops.convert_to_numpy(finish(net(split(np.asarray(x, "f4")), training=False)))


def _likelihood_mean(autoencoder, buffer):
    likelihood = autoencoder.likelihood
    if not isinstance(likelihood, (SquaredError, Gaussian, Bernoulli)) or likelihood.params_per_value != 1:
        raise ValueError(
            f"decoder: the page has no mean for {type(likelihood).__name__}; it has one value per pixel only."
        )
    return network(autoencoder.decoder, buffer, "sigmoid" if isinstance(likelihood, Bernoulli) else None)


def token_decoder(model, buffer):
    """Describe what a VQVAE's `decode` computes: vectors in the place of tokens, then `decoder`.

    Args and raises: as `network`. Returns: as `network`; the input is a grid of tokens.
    """
    codes, size = int(model.quantiser.codes), int(model.quantiser.size)
    table = keras.ops.convert_to_numpy(model.quantiser.vectors(np.arange(codes, dtype="i4")))
    first = {"kind": "embedding", "codes": codes, "units": size, "table": buffer.numbers(table)}
    described = decoder(model, buffer)
    return {"input": described["input"][:-1], "layers": [first, *described["layers"]]}
