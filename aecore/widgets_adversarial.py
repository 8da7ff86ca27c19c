"""Live figures of games and of what comes after them: a GAN that trains in the page. Needs anywidget."""

import numpy as np
import traitlets

from aecore import export, networks
from aecore.widgets import Live, _module
from aecore.widgets_training import NETWORK, check_points, check_settings, fill, one_of

LOSSES = ("minimax", "non-saturating", "least squares", "Wasserstein", "hinge")  # as in live/game.js
PENALTIES = ("none", "gradient penalty", "R1", "clipping")
ACTIVATIONS = ("relu", "leaky_relu", "gelu", "tanh")  # those with a second derivative there
DRAWN = "your drawing"
POINTS, REACH = 1000, 1.6  # of one set, and of what a reader draws: how far from the origin it may lie


class GANInPage(Live):
    """Train a GAN on points of the plane and watch both players; or draw a distribution of your own.

    Noise of two normal numbers, batches of 64, Adam with beta_1 = 0.5 and Keras' other constants for both players.
    One step is `critic_steps` steps of the critic and one of the generator; either may also be trained alone. The
    page shows what the critic says of every place, and at each generated point the way in which its loss falls. The
    gradient penalty takes one mixing weight from U[0, 1] for each pair; R1 is half of the squared slope at data;
    clipping keeps the critic's weights within 0.1.

    Args:
        points: (n, 2) with 2 to 1000 finite points, about 1 in size; or dict name -> such points, the first is shown.
            The reader's own drawing is always offered beside them.
        modes: dict name -> (centres, scale) where the points are a mixture of equal Gaussians: centres (k, 2), at
            most 200, and their standard deviation. The page then counts modes as metrics.mode_coverage does.
        loss: minimax, non-saturating, least squares, Wasserstein or hinge.
        penalty: none, gradient penalty, R1 or clipping.
        penalty_weight: 0.001 to 100.
        critic_steps: 1 to 20.
        learning_rate: of both players, 0.0001 to 0.1.
        hidden: sizes of the hidden layers of both, at most three of at most 64.
        activation: of the hidden layers: relu, leaky_relu, gelu or tanh.
        seed: of the first weights, the batches and the noise, 0 to 999999.
        title: what the figure is, for screen readers.
    Traits: settings, all of the above, may be set from Python; steps, dict critic and generator; losses, dict of the
        same, over the shown points, empty where the run has diverged; weights, generator's then critic's, as in Keras
        but flat, whenever training rests; trained, the settings that they belong to; drawn, the reader's points, flat.
    Raises: ValueError where points or settings are out of range.
    Chapter 13.
    """

    _esm = _module("gan")
    settings = traitlets.Dict().tag(sync=True)
    steps = traitlets.Dict().tag(sync=True)
    losses = traitlets.Dict().tag(sync=True)
    weights = traitlets.List().tag(sync=True)
    trained = traitlets.Dict().tag(sync=True)
    drawn = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(self, points, modes=None, *, loss="non-saturating", penalty="none", penalty_weight=0.1, critic_steps=1,
                 learning_rate=2e-3, hidden=(32, 32), activation="leaky_relu", seed=0,
                 title="A GAN that trains in the page"):  # fmt: skip
        sets, modes, buffer = check_points("GANInPage", points, POINTS), dict(modes or {}), export.Buffer()
        if DRAWN in sets or set(modes) - set(sets):
            raise ValueError(
                f"GANInPage: wanted modes of the points {', '.join(sets)}, none of them named {DRAWN!r}; "
                f"got modes of {', '.join(modes) or 'nothing'}."
            )
        super().__init__(
            title,
            buffer,
            names=list(sets),
            points=[buffer.exact(x) for x in sets.values()],
            modes=[_mixture(name, *modes[name], buffer) if name in modes else None for name in sets],
        )
        self.settings = {
            "data": self.spec["names"][0], "loss": loss, "penalty": penalty, "penalty_weight": float(penalty_weight),
            "critic_steps": critic_steps, "learning_rate": float(learning_rate),
            "hidden": [int(units) for units in hidden], "activation": activation, "seed": int(seed),
        }  # fmt: skip

    @traitlets.validate("settings")
    def _check_settings(self, proposal):
        wanted = {
            "data": one_of([*self.spec["names"], DRAWN]),
            "loss": one_of(LOSSES),
            "penalty": one_of(PENALTIES),
            "penalty_weight": (lambda v: 1e-3 <= v <= 100, "from 0.001 to 100"),
            "critic_steps": (lambda v: v in range(1, 21), "a whole number from 1 to 20"),
            "learning_rate": (lambda v: 1e-4 <= v <= 0.1, "from 0.0001 to 0.1"),
            "activation": one_of(ACTIVATIONS),
            **NETWORK,
        }
        return check_settings("GANInPage", proposal["value"], wanted)

    @traitlets.validate("drawn")
    def _check_drawn(self, proposal):
        values = np.asarray(proposal["value"], "float64")
        if values.size % 2 or values.size > 2 * POINTS or not (np.abs(values) <= REACH).all():
            raise ValueError(
                f"GANInPage: drawn must be at most {POINTS} pairs of numbers within {REACH}, one after another, got "
                f"{values.size} numbers up to {np.abs(values).max(initial=0):.3g}."
            )
        return proposal["value"]

    def to_keras(self):
        """Generator, (b, 2) -> (b, 2), and critic, (b, 2) -> (b, 1), as they were when training last rested.

        Raises: ValueError where there are no weights: nobody has looked at the figure yet, or the run has diverged.
        """
        settings = self.trained or self.settings
        hidden, activation = settings["hidden"], settings["activation"]
        generator = networks.mlp_decoder((2,), hidden[::-1], 2, activation=activation)
        critic = networks.mlp_encoder((2,), hidden, 1, activation=activation)
        fill((generator, critic), self.weights)
        return generator, critic


def _mixture(name, centres, scale, buffer):
    """The entry of a mixture of equal Gaussians."""
    centres = np.asarray(centres, "float64")
    if centres.ndim != 2 or centres.shape[1] != 2 or not 1 <= len(centres) <= 200 or not np.isfinite(centres).all():
        raise ValueError(f"GANInPage: wanted 1 to 200 finite centres (k, 2) for {name!r}, got {centres.shape}.")
    if not 0 < scale < np.inf:
        raise ValueError(f"GANInPage: wanted a scale above 0 for {name!r}, got {scale}.")
    return {"centres": buffer.exact(centres), "scale": float(scale)}
