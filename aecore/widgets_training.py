"""A live figure that trains: a small autoencoder learns points of the plane in the page itself. Needs anywidget."""

import numpy as np
import traitlets

from aecore import export, networks
from aecore.ae import Autoencoder
from aecore.widgets import Live, _module

ACTIVATIONS = ("linear", "relu", "gelu", "tanh")  # those that live/network.js can go back through
MOST = 500  # points: an epoch has to fit into a few frames


class TrainInPage(Live):
    """Train an autoencoder on points of the plane and watch its curve (or grid) bend; PCA stands beside it.

    The loss is the squared error, summed over the two coordinates, mean over the points; batches of 32; Adam with
    Keras' constants, or plain gradient descent. Whoever reads may change all settings.

    Args:
        points: (n, 2) with 2 to 500 finite points, about 1 in size; or dict name -> such points, the first is shown.
        hidden: sizes of the encoder's hidden layers, at most three of at most 64; the decoder has them reversed.
        activation: of the hidden layers: linear, relu, gelu or tanh.
        code_size: 1 or 2.
        learning_rate: 0.0001 to 1.
        noise: standard deviation of the noise on the input, 0 to 1: above 0 it trains a denoising autoencoder.
        seed: of the first weights, the batches and the noise, 0 to 999999.
        title: what the figure is, for screen readers.
    Traits: settings, all of the above and the optimiser, may be set from Python; epoch; loss, over all points, None
        where the run has diverged; weights, as in Keras but flat, whenever training rests; trained, the settings
        that they belong to.
    Raises: ValueError where points or settings are out of range.
    Chapter 1.
    """

    _esm = _module("train")
    settings = traitlets.Dict().tag(sync=True)
    epoch = traitlets.Int(0).tag(sync=True)
    loss = traitlets.Float(None, allow_none=True).tag(sync=True)
    weights = traitlets.List().tag(sync=True)
    trained = traitlets.Dict().tag(sync=True)

    def __init__(self, points, *, hidden=(16, 16), activation="gelu", code_size=1, learning_rate=0.01, noise=0.0,
                 seed=0, title="Train in the page"):  # fmt: skip
        sets = points if isinstance(points, dict) else {"data": points}
        if not sets:
            raise ValueError("TrainInPage: wanted points, (n, 2), or a dict of them, got an empty dict.")
        buffer = export.Buffer()
        entries = [buffer.exact(_check_points(name, values)) for name, values in sets.items()]
        super().__init__(title, buffer, names=[str(name) for name in sets], points=entries)
        self.settings = {
            "data": self.spec["names"][0], "hidden": [int(units) for units in hidden], "code_size": int(code_size),
            "activation": activation, "optimiser": "adam", "learning_rate": float(learning_rate),
            "noise": float(noise), "seed": int(seed),
        }  # fmt: skip

    @traitlets.validate("settings")
    def _check_settings(self, proposal):
        given = proposal["value"]
        wanted = {
            "data": (lambda v: v in self.spec["names"], f"one of {', '.join(self.spec['names'])}"),
            "hidden": (lambda v: len(v) <= 3 and all(n in range(1, 65) for n in v), "at most three sizes from 1 to 64"),
            "code_size": (lambda v: v in (1, 2), "1 or 2"),
            "activation": (lambda v: v in ACTIVATIONS, f"one of {', '.join(ACTIVATIONS)}"),
            "optimiser": (lambda v: v in ("adam", "sgd"), "adam or sgd"),
            "learning_rate": (lambda v: 1e-4 <= v <= 1, "from 0.0001 to 1"),
            "noise": (lambda v: 0 <= v <= 1, "from 0 to 1"),
            "seed": (lambda v: v in range(1000000), "a whole number from 0 to 999999"),
        }
        if set(given) != set(wanted):
            raise ValueError(f"TrainInPage: wanted the settings {', '.join(wanted)}, got {', '.join(given)}.")
        for name, (holds, text) in wanted.items():
            if not holds(given[name]):
                raise ValueError(f"TrainInPage: {name} must be {text}, got {given[name]!r}.")
        return given

    def to_keras(self):
        """The network as it was when training last rested, as an Autoencoder of points, shape (2,).

        Raises: ValueError where there are no weights: nobody has looked at the figure yet, or the run has diverged.
        """
        if not self.weights:
            raise ValueError("to_keras: the figure has sent no weights. Show it, press Play and Pause, and try again.")
        net = {"shape": (2,), **{key: self.trained[key] for key in ("hidden", "code_size", "activation")}}
        model = Autoencoder(networks.mlp_encoder(**net), networks.mlp_decoder(**net))
        halves = [(model.encoder, 0), (model.decoder, len(self.weights) // 2)]
        for half, start in halves:
            shapes = [w.shape for w in half.weights]
            half.set_weights([np.reshape(w, s) for w, s in zip(self.weights[start:], shapes, strict=False)])
        return model


def _check_points(name, values):
    """Points as an array, (n, 2)."""
    values = np.asarray(values, "float64")
    if values.ndim != 2 or values.shape[1] != 2 or not 2 <= len(values) <= MOST:
        raise ValueError(f"TrainInPage: wanted {name!r} of shape (n, 2), n from 2 to {MOST}, got {values.shape}.")
    spread = values.std()
    if not (0.05 <= spread <= 20 and np.abs(values).max() <= 100):  # false for NaN too
        raise ValueError(
            f"TrainInPage: wanted finite points about 1 in size, got {name!r} with a standard deviation of {spread:.3g}"
            f" and a mean of {values.mean():.3g}. Subtract the mean and divide by the standard deviation."
        )
    return values
