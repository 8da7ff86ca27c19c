"""The base of systems with several players, each with a loss, variables and an optimizer of its own. Chapter 13."""

import keras
import numpy as np
from keras import ops

from aecore import _backend
from aecore.training import Batches, Model


@keras.saving.register_keras_serializable("aecore")
class Optimizers(keras.optimizers.Optimizer):
    """The optimizers of several players, which are compiled, saved and resumed together.

    Args: parts, dict, player -> keras.optimizers.Optimizer.

    Example:
        Schedule(gan.optimizer["critic"].learning_rate, lambda epoch: 2e-4 * 0.9**epoch)
    """

    def __init__(self, parts, name="optimizers"):
        super().__init__(learning_rate=0.0, name=name)  # its own rate and count of steps are never read
        self.parts = parts

    def __getitem__(self, player):
        return self.parts[player]

    @property
    def learning_rate(self):
        raise AttributeError(
            "A game has no learning rate of its own, but one for each player: "
            f'model.optimizer["{next(iter(self.parts))}"].learning_rate. The players are {", ".join(self.parts)}.'
        )

    @learning_rate.setter
    def learning_rate(self, value):
        _ = self.learning_rate

    @property
    def variables(self):
        return [v for part in self.parts.values() for v in part.variables]

    def build(self, players):
        """Make the optimizers' variables. Args: players, dict, player -> list of keras.Variable."""
        self.players = players
        for player, part in self.parts.items():
            part.build(players[player])
        self.built = True

    def finalize_variable_values(self, var_list):
        """Keras calls it after training: an optimizer that averages its variables gives them the mean."""
        for player, part in self.parts.items():
            part.finalize_variable_values(self.players[player])

    def save_own_variables(self, store):
        """Nothing is its own: Keras finds the parts, and saves each of them."""

    def load_own_variables(self, store):
        """See `save_own_variables`."""

    def get_config(self):
        return {"parts": {k: keras.saving.serialize_keras_object(v) for k, v in self.parts.items()}, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        parts = {k: keras.saving.deserialize_keras_object(v) for k, v in config["parts"].items()}
        return cls(parts, config["name"])


class Game(Model):
    """A model of several players, each with a loss of its own. It reads like its paper's algorithm.

    A subclass has `players()`, who moves which variables; `draw(rng, steps, b)`, the noise of some steps; and
    `step(batch)`, one step of the algorithm, which calls

        self.minimise(lambda: {"critic": loss})                      one player moves
        self.minimise(lambda: {"critic": loss, "encoder": other})    several at once, from the same point

    with losses that `self.total(None, critic=(values, 1.0), penalty=(values, weight))` made and tracked.

    Noise is drawn by NumPy and comes with the batch: it is a function of the model's seed, the number of the step and
    the steps of an epoch, on every backend, and after a resumed run as without the interruption.

    Args:
        terms: names of the loss terms, in the order in which they are shown.
        seed: owns the noise of training, >= 0.
        batches_per_step: batches of examples that one step takes.
    """

    def __init__(self, terms, *, seed=0, batches_per_step=1, **kwargs):
        super().__init__(terms, **kwargs)
        self.seed, self.batches_per_step = seed, batches_per_step
        self.steps = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False, name="steps")

    def players(self):
        """Who moves what: dict, player -> list of keras.Variable. A variable may have several players."""
        raise NotImplementedError

    def draw(self, rng, steps, b):
        """The noise of some steps: dict of float32 arrays, (steps, ...). Args: rng, of NumPy; b, of a batch."""
        return {}

    def step(self, batch):
        """One step of the algorithm. Args: batch, dict of what `check` returned, rows of it, and what `draw` drew."""
        raise NotImplementedError

    def minimise(self, losses):
        """Each player that `losses()` names takes a step of its optimizer down its own loss.

        Args: losses, a function without arguments -> dict, player -> scalar.
        Returns: the losses.
        """
        state = [*self.variables, *self.optimizer.variables, *self.metrics_variables]
        return _backend.minimise(losses, self.players(), self.optimizer, state)

    def train_step(self, *args):
        return _backend.train_step(self, self._step, *args)

    def _step(self, batch):
        self.step({name: value for part in batch for name, value in part.items()})
        self.steps.assign_add(1)
        return {tracker.name: tracker.result() for tracker in self.trackers}

    def compile(self, *, jit_compile=None, **optimizers):
        """Choose the optimizers, one for each player.

        Args:
            optimizers: `critic_optimizer=...` and so on: a Keras optimizer or its name. None: Adam(2e-4, beta_1=0.5).
            jit_compile: let XLA fuse the step. None: as for every model (training.Model.compile), but not where there
                are convolutions and no accelerator: on a CPU, TensorFlow's own are half as fast again as XLA's.
        Raises: TypeError where there is no such player; ValueError where two players share an optimizer.
        """
        players = {f"{name}_optimizer": name for name in self.players()}
        odd = [name for name in optimizers if name not in players]
        if odd:
            raise TypeError(f"compile: {type(self).__name__} wants {', '.join(players)}; got {', '.join(odd)}.")
        default = lambda: keras.optimizers.Adam(2e-4, beta_1=0.5)
        given = {player: optimizers.get(name) for name, player in players.items()}
        parts = {player: default() if o is None else keras.optimizers.get(o) for player, o in given.items()}
        if len({id(part) for part in parts.values()}) < len(parts):
            raise ValueError(
                "compile: every player wants an optimizer of its own, got one for several. Make one for each."
            )
        convolutions = any(len(v.shape) == 4 for v in self.variables)
        if jit_compile is None and convolutions and _backend.NAME == "tensorflow" and not _backend.accelerators():
            jit_compile = False
        super().compile(Optimizers(parts), jit_compile=jit_compile)

    def compile_from_config(self, config):
        parts = keras.saving.deserialize_keras_object(config["optimizer"]).parts
        self.compile(**{f"{player}_optimizer": part for player, part in parts.items()})
        self.build_optimizer()

    def build_optimizer(self):
        self.optimizer.build(self.players())

    def fit(self, x, y=None, *, validation_data=None, **kwargs):
        """Train. Args: as `training.Model.fit`, but for validation_data."""
        if validation_data is not None:
            raise ValueError(f"fit: {NO_JUDGE} Leave validation_data out.")
        return super().fit(x, y, **kwargs)

    def evaluate(self, *args, **kwargs):
        """Refused: the losses of a game measure its players against one another, not the samples."""
        raise NotImplementedError(f"evaluate: {NO_JUDGE}")

    def batches(self, arrays, batch_size, seed):
        n, k = len(keras.tree.flatten(arrays)[0]), self.batches_per_step
        if n < k:
            raise ValueError(f"fit: a step takes {k} batches, so at least {k} examples are wanted, got {n}.")
        b = min(batch_size, n // k)
        return Batches(arrays, k * b, seed, draw=lambda step, steps: self.draw(self.noise(step), steps, b))

    def pipeline(self, batches, epoch):
        self.past = int(self.steps) - epoch * len(batches)  # steps of earlier runs
        return super().pipeline(batches, epoch)

    def noise(self, step):
        """The generator of the noise from a step of this run on."""
        return np.random.default_rng([self.seed, self.past + step, 1])  # not that of samples or of the data's order


def average_of(net):
    """A network of its own with the weights of another, to hold their running average. See `follow`."""
    twin = keras.models.clone_model(net)
    twin.set_weights(net.get_weights())
    twin.trainable = False
    return twin


def follow(average, net, decay, steps):
    """Move a running average of a network's weights on, after a step.

        average = r average + (1 - r) weight,   r = min(decay, (1 + steps) / (10 + steps))

    What is not trained, such as the moving statistics of batch normalisation, is copied.

    Args: average, net, of the same build; decay, in [0, 1); steps, how many came before.
    Source: Yazici et al. 2019; the start of r as in TensorFlow's ExponentialMovingAverage.
    """
    steps = ops.cast(steps, "float32")
    r = ops.minimum(decay, (1 + steps) / (10 + steps))
    trained = {id(v) for v in net.trainable_variables}
    for mean, v in zip(average.variables, net.variables, strict=True):
        mean.assign(r * mean + (1 - r) * v if id(v) in trained else v)


def output_range(net):
    """The range of a network's values, (least, most), where its last activation has bounds; else None."""
    for layer in reversed(net.layers):
        if isinstance(layer, keras.Model):
            return output_range(layer)
        if not isinstance(layer, (keras.layers.Reshape, keras.layers.Cropping2D)):
            name = getattr(getattr(layer, "activation", None), "__name__", None)
            return {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}.get(name)
    return None


def check_range(name, x, limits):
    """Raise a ValueError where data lie outside the range of the generator that has to learn them."""
    if limits is not None and not (limits[0] <= x.min() and x.max() <= limits[1]):
        raise ValueError(
            f"{name}: the generator's last activation gives values from {limits[0]:g} to {limits[1]:g}, the data go "
            f"from {x.min():.9g} to {x.max():.9g}. Rescale them, or give the generator another output_activation: "
            '"sigmoid" for [0, 1], "tanh" for [-1, 1], None for any numbers.'
        )


def check_inputs(name, what, net, wanted):
    """Raise a ValueError where a network has other inputs than a model gives it. Args: wanted, list of shapes."""
    got = [tuple(i.shape[1:]) for i in net.inputs]
    if got != wanted:
        raise ValueError(
            f"{name}: wanted the inputs {wanted} of the {what}, got {got}. A code is one row of numbers: leave out "
            "grid=True. Where there is an input too many, leave out condition_size."
        )


def check_no_batch_norm(name, critic, penalty):
    """Raise a ValueError where a critic under a penalty on its slope has batch normalisation."""
    for layer in critic.layers:
        if isinstance(layer, keras.Model):
            check_no_batch_norm(name, layer, penalty)
        elif isinstance(layer, keras.layers.BatchNormalization):
            raise ValueError(
                f"{name}: {type(penalty).__name__} bounds the slope at each example by itself, but the critic's layer "
                f"{layer.name!r}, a BatchNormalization, makes a logit depend on the whole batch. Leave it out, or use "
                "LayerNormalization."
            )


NO_JUDGE = (
    "the losses of players say how they stand against one another, not how good the samples are. "
    "Compare samples with held-out data: metrics.py."
)
