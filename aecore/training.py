"""The base of the book's systems: Keras' `fit`, with the order of the data owned by a seed and a way to go on."""

import json
import zlib

import keras
import numpy as np
from keras import ops

from aecore import _backend
from aecore.callbacks import Checkpoint, FiniteLoss, Progress
from aecore.data import check_whole

EVALUATION_BATCH = 512
BLOCK = 64  # steps whose rows and noise are drawn at once
EQUAL_WEIGHTS = "aecore's models give every example the same weight: leave sample_weight out."


class Batches(keras.utils.PyDataset):
    """Shuffled batches whose order is a function of (seed, epoch) alone.

    The same on every backend, and the same after a resumed run as without the interruption. An epoch that
    does not divide into batches leaves out its last few examples: other ones in every epoch.

    Args:
        arrays: tuple of arrays with the same first axis, (n, ...), or of dicts of them.
        batch_size: b, at most n are used.
        seed: int >= 0.
        draw: the noise that comes with the batches, a function (step, steps) -> dict of arrays (steps, ...), from
            `step` on, counted from the first step of the first epoch; or None.
    """

    def __init__(self, arrays, batch_size, seed, draw=None):
        super().__init__()
        self.arrays = arrays
        self.seed = seed
        self.draw = draw
        self.examples = len(keras.tree.flatten(arrays)[0])
        self.batch_size = min(batch_size, self.examples)
        self.start(0)

    def order(self, epoch):
        """Rows of every batch of an epoch, (steps, b) integers."""
        rows = np.random.default_rng([self.seed, epoch]).permutation(self.examples)
        return rows[: self.examples - self.examples % self.batch_size].reshape(-1, self.batch_size)

    def blocks(self, epoch):
        """The steps of an epoch, up to `BLOCK` at a time: tuples of rows, (steps, b), and noise where there is some."""
        rows = self.order(epoch)
        for start in range(0, len(rows), BLOCK):
            yield self.block(epoch, rows, start)

    def block(self, epoch, rows, start):
        rows = rows[start : start + BLOCK]
        return (rows,) if self.draw is None else (rows, self.draw(epoch * len(self) + start, len(rows)))

    def start(self, epoch):
        self.epoch, self.rows, self.drawn = epoch, self.order(epoch), None

    def __len__(self):
        return self.examples // self.batch_size

    def __getitem__(self, step):
        start = step - step % BLOCK
        if self.drawn != start:
            self.drawn, self.now = start, self.block(self.epoch, self.rows, start)
        rows, *noise = keras.tree.map_structure(lambda a: a[step - start], self.now)
        return (*keras.tree.map_structure(lambda a: a[rows], self.arrays), *noise)


class Term(keras.metrics.Mean):
    """The mean of a loss term over an epoch, and for how many of the values in it that was finite."""

    def __init__(self, name):
        super().__init__(name=name)
        self.finite = self.add_variable((), "zeros", name="finite")

    def update_state(self, values, sample_weight=None):
        super().update_state(values, sample_weight)
        self.finite.assign(ops.where(ops.isfinite(self.total), self.count.value, self.finite.value))  # NaN stays


class Model(keras.Model):
    """A Keras model whose loss is a sum of named terms.

    A subclass writes `call`, which says what it computed (a dict), and `compute_loss`, which says what is
    wanted: it hands its terms to `total`, which also tracks each of them under the book's name. In `arguments`
    it names what its constructor was given and keeps under the same name, so that a file can hold it.

    Args:
        terms: names of the loss terms, in the order in which they are shown.
    """

    arguments = ()

    def __init__(self, terms, **kwargs):
        super().__init__(**kwargs)
        self.trackers = [Term(name) for name in terms]

    def total(self, sample_weight, **terms):
        """Track each term, (b,), and return the mean over the batch of their weighted sum, a scalar.

        Each term is (values, weight): the tracker shows the values, the loss takes weight * values.
        """
        if sample_weight is not None:
            raise ValueError(EQUAL_WEIGHTS)
        for tracker in self.trackers:
            if tracker.name in terms:
                tracker.update_state(terms[tracker.name][0])
        return ops.mean(sum(weight * values for values, weight in terms.values()))

    def check(self, x, y=None):
        """Raise a ValueError where the data do not fit the model. A subclass says what fits.

        Returns: the arrays to train on, (x,) or (x, y), float32.
        """
        return tuple(np.asarray(a, "float32") for a in (x, y) if a is not None)

    def compile(self, optimizer="adam", *, jit_compile=None):
        """Choose the optimizer. The loss is the model's own.

        Args:
            optimizer: a Keras optimizer or its name.
            jit_compile: let XLA fuse the step. None: where the model has at least 100,000 weights; below that,
                compiling takes longer than it saves in some minutes. JAX always compiles.
        """
        if jit_compile is None:
            jit_compile = _backend.NAME == "jax" or self.count_params() >= 100_000
        super().compile(optimizer=optimizer, jit_compile=jit_compile)

    def compile_from_config(self, config):
        # Not its jit_compile: whether compiling pays off is the business of the machine that loads the model.
        self.compile(keras.saving.deserialize_keras_object(config["optimizer"]))
        self.build_optimizer()

    def build_optimizer(self):
        """Make the optimizer's variables."""
        self.optimizer.build(self.trainable_variables)

    def batches(self, arrays, batch_size, seed):
        """The batches of a run, from what `check` returned."""
        return Batches(arrays, batch_size, seed)

    def pipeline(self, batches, epoch):
        """What Keras' `fit` is to draw batches from, from an epoch on: dict of its arguments."""
        return _backend.pipeline(batches, epoch)

    def fit(
        self, x, y=None, *, epochs=1, batch_size=128, validation_data=None, seed=0, checkpoint=None,
        callbacks=(), verbose=1,
    ):  # fmt: skip
        """Train on arrays.

        Args:
            x: inputs, (n, ...), float32.
            y: targets, where they are not the inputs (restoration), (n, ...).
            epochs: how many in all; a resumed run does what is missing.
            batch_size: examples per step; what is left over of an epoch waits for the next one.
            validation_data: held-out x, or (x, y), evaluated after every epoch; with y where `fit` has a y.
            seed: owns the order of the examples.
            checkpoint: a file name (.npz). Written after each epoch; where it exists, training goes on from it
                and ends at the same weights as a run without interruption.
            callbacks: further Keras callbacks.
            verbose: 1 shows one line of progress, 0 nothing.
        Returns: keras.callbacks.History; after a resume it holds all epochs.
        Raises: ValueError where the data do not fit the model, or the checkpoint belongs to another run;
            FloatingPointError where the loss becomes NaN or infinite.
        """
        if not self.compiled:
            raise ValueError('fit: the model has no optimizer yet. Call compile(optimizer="adam") first.')
        epochs, batch_size = check_whole("fit", epochs=epochs, batch_size=batch_size)
        (seed,) = check_whole("fit", at_least=0, seed=seed)
        arrays = self.check(x, y)
        if validation_data is not None:
            held_out = validation_data if isinstance(validation_data, tuple) else (validation_data,)
            if not len(arrays) <= len(held_out) <= 2:
                raise ValueError(
                    f"fit: validation_data wants x or (x, y), with y where fit has one; got {len(held_out)} arrays."
                )
            validation_data = _backend.held_out(self.check(*held_out), EVALUATION_BATCH)
        batches = self.batches(arrays, batch_size, seed)
        self.build_optimizer()
        steps = _backend.steps_per_execution(len(batches))
        if steps != self.steps_per_execution:
            self.steps_per_execution, self.train_function, self.test_function = steps, None, None
        follow = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.start(epoch))
        hooks = [follow, FiniteLoss(), *callbacks]
        first, saver = 0, None
        if checkpoint is not None:
            run = {
                "examples": batches.examples,
                "data": checksum(arrays),
                "batch_size": batches.batch_size,
                "seed": seed,
            }
            run["model"] = fingerprint(self)
            saver = Checkpoint(checkpoint, run)
            first = saver.restore(self, epochs)
            hooks.append(saver)
        if verbose:
            hooks.append(Progress())
        history = super().fit(
            **self.pipeline(batches, first), epochs=epochs, initial_epoch=first, validation_data=validation_data,
            validation_batch_size=EVALUATION_BATCH, callbacks=hooks, verbose=0,
        )  # fmt: skip
        if saver is not None:
            history.history = saver.history
        return history

    def evaluate(self, x, y=None, *, batch_size=EVALUATION_BATCH, verbose=0, return_dict=True, **kwargs):
        """The mean of every loss term over arrays, as a dict. See `fit` for x and y."""
        if kwargs.get("sample_weight") is not None:
            raise ValueError(EQUAL_WEIGHTS)
        arrays = (x, y)
        if hasattr(x, "shape") or isinstance(x, (list, tuple)):  # else a data set that `fit` made of checked arrays
            (kwargs["batch_size"],) = check_whole("evaluate", batch_size=batch_size)
            arrays = self.check(x, y)
        return super().evaluate(*arrays, verbose=verbose, return_dict=return_dict, **kwargs)

    def get_config(self):
        given = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in self.arguments}
        return {**super().get_config(), **given}

    @classmethod
    def from_config(cls, config):
        return cls(**{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()})


def checksum(arrays):
    """CRC-32 of the arrays' bytes, to tell two data sets apart."""
    crc = 0
    for a in keras.tree.flatten(arrays):
        crc = zlib.crc32(np.ascontiguousarray(a), crc)
    return crc


def fingerprint(model):
    """CRC-32 of a model's settings, to tell apart models whose weights have the same shapes.

    Returns: int; None where a part of the model cannot say its settings.
    """
    # Names that Keras counts up differ between two builds of one model, a lambda's bytes between two sessions.
    counted = ("name", "keras_history", "input_layers", "output_layers", "build_config")

    def settings(config):
        if isinstance(config, dict):
            if config.get("class_name") == "__lambda__":
                return "lambda"
            return {key: settings(value) for key, value in config.items() if key not in counted}
        return [settings(value) for value in config] if isinstance(config, (list, tuple)) else str(config)

    try:
        return zlib.crc32(json.dumps(settings(model.get_config()), sort_keys=True).encode())
    except (NotImplementedError, TypeError):
        return None


def in_chunks(fn, arrays, batch_size, name):
    """Apply a function to all rows of an array, or of several, a chunk at a time: (n, ...) -> (n, ...), NumPy."""
    (batch_size,) = check_whole(name, batch_size=batch_size)
    arrays = arrays if isinstance(arrays, tuple) else (arrays,)
    chunks = [fn(*(a[i : i + batch_size] for a in arrays)) for i in range(0, len(arrays[0]), batch_size)]
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *chunks) if len(chunks) > 1 else chunks[0]


def check_kind(name, what, part, kind, example):
    """Raise a TypeError where a part of a model is of another kind, and say what would do."""
    if not isinstance(part, kind):
        raise TypeError(f"{name}: {what} wants a {kind.__name__} such as {example}, got {part!r}.")
