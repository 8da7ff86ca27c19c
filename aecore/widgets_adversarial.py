"""Live figures of generators: a GAN that trains in the page, styles and classes, paths of a flow. Needs anywidget."""

import keras
import numpy as np
import traitlets

from aecore import export, networks
from aecore.data import check_whole
from aecore.flow import Flow
from aecore.viz import CLASSES
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


class StyleGrid(Live):
    """Pictures of a conditional generator: each row is one style, the same noise; each column is one class.

    Whoever reads chooses a picture, moves its style, or blends its class with another.

    Args:
        model: GAN or VAE with `classes`, of images of 1 or 3 channels; its generator or decoder takes the condition
            appended to the code (`condition_size`).
        classes: their names, as many as the model has; None: 0, 1, 2 ...
        styles: rows, 1 to 12.
        units: how many numbers of the code get a slider, 0 to 12; a smaller code has fewer.
        seed: owns the styles, the codes that the model's `sample` decodes.
        title: what the figure is, for screen readers.
    Traits: code, the d numbers of the chosen picture's style; condition, its shares of the classes.
    Raises: ValueError where the model has no classes, numbers do not fit, or the page cannot run the generator.
    Chapter 14.
    """

    _esm = _module("styles")
    code = traitlets.List(traitlets.Float()).tag(sync=True)
    condition = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(self, model, classes=None, *, styles=5, units=4, seed=0, title="Styles and classes"):
        if getattr(model, "classes", None) is None:
            raise ValueError("StyleGrid: wanted a model with classes, got one without. Build it with classes=c.")
        names = [str(name) for name in (range(model.classes) if classes is None else classes)]
        (styles,) = check_whole("StyleGrid", styles=styles)
        units, seed = check_whole("StyleGrid", 0, units=units, seed=seed)
        if len(names) != model.classes or len(names) > 20 or styles > 12 or units > 12:
            raise ValueError(
                f"StyleGrid: wanted {model.classes} names of classes, at most 20, at most 12 styles and at most 12 "
                f"units, got {len(names)}, {styles} and {units}."
            )
        buffer, c = export.Buffer(), model.classes
        decoder, decode = export.conditional(model, buffer)
        ends = np.array([[-3.0] * model.code_size + [0.0] * c, [3.0] * model.code_size + [1.0] * c])
        super().__init__(
            title,
            buffer,
            decoder=decoder,
            classes=names,
            styles=buffer.exact(model.prior.sample(styles, seed)),
            units=min(units, model.code_size),
            probe={"decoder": export.probe(decode, ends, buffer)},
        )


class FlowPaths(Live):
    """The way from noise to a code of two numbers, step by step, with the pictures along it and a cloud that goes too.

    Args:
        flows: Flow on codes of 2 numbers, or dict name -> Flow, at most 4, with the same classes; fitted.
        autoencoder: Autoencoder or VAE with a code of 2, of images of 1 or 3 channels.
        codes: codes of data, shown behind the paths, (n, 2).
        labels: their labels, (n,).
        classes: names of the flows' classes, where they have some; None: 0, 1, 2 ...
        cloud: other starts in noise, 1 to 300.
        seed: owns them.
        title: what the figure is, for screen readers.
    Traits: start, where the path begins, in noise: a point of N(0, I); end, its code after the chosen steps.
    Raises: ValueError where shapes do not fit, a flow is not fitted, or the page cannot run a network.
    Chapter 15.
    """

    _esm = _module("flow")
    start = traitlets.List(traitlets.Float(), [1.0, 0.5], 2, 2).tag(sync=True)
    end = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(self, flows, autoencoder, codes, labels, *, classes=None, cloud=120, seed=0, title="Paths of a flow"):
        flows = flows if isinstance(flows, dict) else {"flow": flows}
        codes, labels = np.asarray(codes), np.asarray(labels)
        fit = [isinstance(flow, Flow) and flow.shape == (2,) and flow.fitted for flow in flows.values()]
        if not 1 <= len(flows) <= 4 or not all(fit):
            raise ValueError(
                f"FlowPaths: wanted 1 to 4 fitted flows of codes of 2 numbers, got {len(flows)}, of which {sum(fit)} "
                "are. Build Flow on (2,), and fit it."
            )
        known = {flow.classes or 0 for flow in flows.values()}
        names = [str(name) for name in (range(max(known)) if classes is None else classes)]
        if known != {len(names)}:
            raise ValueError(
                f"FlowPaths: wanted flows of the same classes, and a name for each, got {known} and {names}."
            )
        if codes.ndim != 2 or codes.shape[1] != 2 or len(codes) != len(labels) or not len(codes):
            raise ValueError(f"FlowPaths: wanted codes (n, 2) and n labels, got {codes.shape} and {labels.shape}.")
        if autoencoder.code_size != 2:
            raise ValueError(f"FlowPaths: wanted a code of 2 numbers, got {autoencoder.code_size}. Train one with 2.")
        (cloud,), buffer = check_whole("FlowPaths", cloud=cloud), export.Buffer()
        if cloud > 300:
            raise ValueError(f"FlowPaths: wanted at most 300 starts, got cloud={cloud}.")
        units = [[keras.ops.convert_to_numpy(v) for v in (flow.mean, flow.scale)] for flow in flows.values()]
        mean, scale = np.stack(units, axis=1)  # (flows, 2) each
        centre, reach = mean.mean(axis=0), 3 * scale.max(axis=0)
        ends = np.stack([np.minimum(codes.min(axis=0), centre - reach), np.maximum(codes.max(axis=0), centre + reach)])
        noise = np.array([[-3.0, -3.0, 0.0] + [0.0] * len(names), [3.0, 3.0, 1.0] + [1.0] * len(names)])
        kinds, numbers = np.unique(labels, return_inverse=True)
        velocities = {f"velocity_{k}": flow.velocity for k, flow in enumerate(flows.values())}
        super().__init__(
            title,
            buffer,
            decoder=export.decoder(autoencoder, buffer),
            **{name: export.network(net, buffer) for name, net in velocities.items()},
            flows=[str(name) for name in flows],
            classes=names,
            mean=buffer.exact(mean),
            scale=buffer.exact(scale),
            noise=buffer.exact(np.random.default_rng(seed).standard_normal((cloud, 2))),
            codes=buffer.numbers(codes),
            labels=numbers.tolist(),
            names=[str(kind) for kind in kinds],
            range=ends.tolist(),
            colours=CLASSES,
            probe={
                "decoder": export.probe(autoencoder.decode, ends, buffer),
                **{name: export.probe(_joined(net), noise, buffer) for name, net in velocities.items()},
            },
        )


def _joined(velocity):
    """A velocity as a function of one array: the place, then the time and the class."""
    return lambda x: keras.ops.convert_to_numpy(velocity([x[:, :2], x[:, 2:]], training=False))


def _mixture(name, centres, scale, buffer):
    """The entry of a mixture of equal Gaussians."""
    centres = np.asarray(centres, "float64")
    if centres.ndim != 2 or centres.shape[1] != 2 or not 1 <= len(centres) <= 200 or not np.isfinite(centres).all():
        raise ValueError(f"GANInPage: wanted 1 to 200 finite centres (k, 2) for {name!r}, got {centres.shape}.")
    if not 0 < scale < np.inf:
        raise ValueError(f"GANInPage: wanted a scale above 0 for {name!r}, got {scale}.")
    return {"centres": buffer.exact(centres), "scale": float(scale)}
