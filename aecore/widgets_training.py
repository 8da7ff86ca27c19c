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
        buffer, sets = export.Buffer(), check_points("TrainInPage", points, MOST)
        super().__init__(title, buffer, names=list(sets), points=[buffer.exact(x) for x in sets.values()])
        self.settings = {
            "data": self.spec["names"][0], "hidden": [int(units) for units in hidden], "code_size": int(code_size),
            "activation": activation, "optimiser": "adam", "learning_rate": float(learning_rate),
            "noise": float(noise), "seed": int(seed),
        }  # fmt: skip

    @traitlets.validate("settings")
    def _check_settings(self, proposal):
        wanted = {
            "data": one_of(self.spec["names"]),
            **NETWORK,
            "code_size": (lambda v: v in (1, 2), "1 or 2"),
            "activation": one_of(ACTIVATIONS),
            "optimiser": (lambda v: v in ("adam", "sgd"), "adam or sgd"),
            "learning_rate": (lambda v: 1e-4 <= v <= 1, "from 0.0001 to 1"),
            "noise": (lambda v: 0 <= v <= 1, "from 0 to 1"),
        }
        return check_settings("TrainInPage", proposal["value"], wanted)

    def to_keras(self):
        """The network as it was when training last rested, as an Autoencoder of points, shape (2,).

        Raises: ValueError where there are no weights: nobody has looked at the figure yet, or the run has diverged.
        """
        settings = self.trained or self.settings
        net = {"shape": (2,), **{key: settings[key] for key in ("hidden", "code_size", "activation")}}
        model = Autoencoder(networks.mlp_encoder(**net), networks.mlp_decoder(**net))
        fill((model.encoder, model.decoder), self.weights)
        return model


def one_of(options):
    """A setting's rule: one of these texts."""
    return lambda v: v in options, f"one of {', '.join(options)}"


NETWORK = {
    "hidden": (lambda v: len(v) <= 3 and all(n in range(1, 65) for n in v), "at most three sizes from 1 to 64"),
    "seed": (lambda v: v in range(1000000), "a whole number from 0 to 999999"),
}


def check_settings(figure, given, wanted):
    """The settings of a figure that trains, where they keep all rules, name -> (function, the rule in words)."""
    if set(given) != set(wanted):
        raise ValueError(f"{figure}: wanted the settings {', '.join(wanted)}, got {', '.join(given)}.")
    for name, (holds, text) in wanted.items():
        if not holds(given[name]):
            raise ValueError(f"{figure}: {name} must be {text}, got {given[name]!r}.")
    return given


def check_points(figure, points, most):
    """Points, or a dict of them, as a dict name -> array, (n, 2), of points about 1 in size."""
    sets = points if isinstance(points, dict) else {"data": points}
    if not sets:
        raise ValueError(f"{figure}: wanted points, (n, 2), or a dict of them, got an empty dict.")
    checked = {}
    for name, given in sets.items():
        values = checked[str(name)] = np.asarray(given, "float64")
        if values.ndim != 2 or values.shape[1] != 2 or not 2 <= len(values) <= most:
            raise ValueError(f"{figure}: wanted {name!r} of shape (n, 2), n from 2 to {most}, got {values.shape}.")
        spread = values.std()
        if not (0.05 <= spread <= 20 and np.abs(values).max() <= 100):  # false for NaN too
            raise ValueError(
                f"{figure}: wanted finite points about 1 in size, got {name!r} with a standard deviation of "
                f"{spread:.3g} and a mean of {values.mean():.3g}. Subtract the mean, divide by the standard deviation."
            )
    return checked


def fill(models, weights):
    """Give Keras models, one after another, the flat weights that a figure has sent."""
    if not weights:
        raise ValueError("to_keras: the figure has sent no weights. Show it, press Play and Pause, and try again.")
    flat = iter(weights)
    for model in models:
        model.set_weights([np.reshape(next(flat), w.shape) for w in model.weights])
