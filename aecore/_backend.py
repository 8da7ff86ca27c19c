"""The one door to TensorFlow and JAX: what `keras.ops` does not offer."""

import contextlib
import itertools
import logging
import os
import sys
import tempfile

import numpy as np

# Before TensorFlow loads: its notes would stand on top of every page of the book.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextlib.contextmanager
def _notes_held_back():
    """Keep what C++ code writes to stderr while it loads, and show it only where loading fails.

    TensorFlow writes its first notes before it reads TF_CPP_MIN_LOG_LEVEL.
    """
    with tempfile.TemporaryFile() as notes:
        stderr = os.dup(2)
        os.dup2(notes.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            if failed:
                notes.seek(0)
                sys.stderr.write(notes.read().decode(errors="replace"))


with _notes_held_back():
    import keras

NAME = keras.backend.backend()

if NAME == "tensorflow":
    import tensorflow as tf

    # A notebook that trains many small models sets off an alarm meant for one function traced again and again.
    logging.getLogger("tensorflow").addFilter(lambda record: "tf.function retracing" not in record.getMessage())
elif NAME == "jax":
    import jax
else:
    raise ImportError(
        f"aecore runs on the Keras backends 'tensorflow' and 'jax', got {NAME!r}. "
        "Set the environment variable KERAS_BACKEND=tensorflow before Python starts."
    )


def accelerators():
    """Name the GPUs and TPUs that the backend sees.

    Returns: list of str, empty where there is only the CPU.
    """
    if NAME == "tensorflow":
        devices = tf.config.list_physical_devices("GPU") + tf.config.list_physical_devices("TPU")
        return [tf.config.experimental.get_device_details(d).get("device_name", d.name) for d in devices]
    return [d.device_kind for d in jax.devices() if d.platform != "cpu"]


def version():
    """Name the backend and its version, for example 'TensorFlow 2.21.0'."""
    return f"TensorFlow {tf.__version__}" if NAME == "tensorflow" else f"JAX {jax.__version__}"


def input_jacobian(fn, x):
    """Differentiate every output of `fn` by its own input, exactly.

        J[b, j] = d fn(x)[b, j] / d x[b]

    Args:
        fn: maps (b, ...) to (b, k), each example by itself (no batch normalisation).
        x: float tensor, (b, ...).
    Returns: J, (b, k, ...), itself differentiable.
    """
    if NAME == "tensorflow":
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = fn(x)
        return tape.batch_jacobian(y, x)
    y, pull_back = jax.vjp(fn, x)
    # One backward pass per output: pulling back e_j in every example gives row j of every J.
    rows = jax.numpy.eye(y.shape[-1], dtype=y.dtype)
    pull_row = lambda row: pull_back(jax.numpy.broadcast_to(row, y.shape))[0]
    return jax.numpy.moveaxis(jax.vmap(pull_row)(rows), 0, 1)  # (k, b, ...) -> (b, k, ...)


def input_gradient(fn, x):
    """Differentiate one number by the input: d fn(x) / d x.

    Args: fn, maps x to a scalar; x, a float tensor, or a list of them.
    Returns: (fn(x), its gradient, shaped as x).
    """
    if NAME == "tensorflow":
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = fn(x)
        return y, tape.gradient(y, x)
    return jax.value_and_grad(fn)(x)


def descend(costs, z, steps, learning_rate):
    """Lower the cost of each row of z by itself, by Adam (Kingma and Ba 2015, algorithm 1), in a compiled loop.

    Args: costs, maps (n, d) to (n,); z, (n, d), where it starts; steps, an int; learning_rate.
    Returns: where it ends, (n, d).
    """

    def move(i, state):
        z, m, v = state
        _, g = input_gradient(lambda z: keras.ops.sum(costs(z)), z)
        m, v, t = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * keras.ops.square(g), keras.ops.cast(i + 1, z.dtype)
        rate = learning_rate * keras.ops.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        return z - rate * m / (keras.ops.sqrt(v) + 1e-8), m, v

    return keras.ops.fori_loop(0, steps, move, (z, keras.ops.zeros_like(z), keras.ops.zeros_like(z)))[0]


def minimise(losses, players, optimizer, state):
    """Move each player down its own loss: all gradients at the same point, then one step of each optimizer.

    Args:
        losses: function without arguments -> dict, player -> its loss, a scalar. What it does to variables is kept.
        players: dict, player -> list of keras.Variable that are its to move.
        optimizer: player -> keras.optimizers.Optimizer, built, by `optimizer[player]`.
        state: list of every variable that `losses` may read or assign; for JAX, which has no other way to know.
    Returns: what `losses` returned.
    """
    if NAME == "tensorflow":
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            for variables in players.values():
                tape.watch([v.value for v in variables])
            values = losses()
        gradients = {name: tape.gradient(value, players[name]) for name, value in values.items()}
    else:
        moved = list({id(v): v for variables in players.values() for v in variables}.values())
        others = [v for v in state if not any(v is m for m in moved)]

        def pure(weights):
            mapping = [*zip(moved, weights, strict=True), *((v, v.value) for v in others)]
            with keras.StatelessScope(mapping) as scope:
                values = losses()
            return values, [scope.get_current_value(v) for v in (*moved, *others)]

        values, pull_back, after = jax.vjp(pure, [v.value for v in moved], has_aux=True)
        for variable, value in zip((*moved, *others), after, strict=True):
            variable.assign(value)
        place = {id(v): i for i, v in enumerate(moved)}
        gradients = {}
        for name in values:
            # One row of the Jacobian of all losses. What it says of other players' variables is never computed.
            (row,) = pull_back({n: jax.numpy.full_like(v, n == name) for n, v in values.items()})
            gradients[name] = [row[place[id(v)]] for v in players[name]]
    for name, gradient in gradients.items():
        optimizer[name].apply(gradient, players[name])
    return values


def train_step(model, step, *args):
    """Keras' `train_step`, which JAX wants without side effects, out of a function that has them.

    Args: model; step, batch -> logs, may assign to any variable of the model and of its optimizer; args, Keras'.
    """
    if NAME == "tensorflow":
        return step(*args)
    state, batch = args
    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    pairs = [pair for group, values in zip(groups, state, strict=True) for pair in zip(group, values, strict=True)]
    with keras.StatelessScope(pairs) as scope:
        logs = step(batch)
    return logs, tuple([scope.get_current_value(v) for v in group] for group in groups)


def compiled(net, then=lambda y: y):
    """Make then(net(x)) a fast function of NumPy arrays, in inference mode: (b, ...) -> (b, ...)."""
    return fast(lambda x: then(net(x, training=False)), net, *net.inputs)


def fast(fn, model, *inputs):
    """Make `fn`, a function of tensors that reads a model's variables, a fast function of NumPy arrays.

    TensorFlow traces it once for every batch size, JAX compiles it once for each.

    Args:
        fn: tensors -> tensor, or a nest of them. What it does to variables is not kept on JAX.
        model: Keras layer or model with every variable that `fn` reads.
        inputs: keras.KerasTensor for each argument: its shape, None where it may vary, and dtype.
    """
    if NAME == "tensorflow":
        forward = tf.function(fn, input_signature=[tf.TensorSpec(i.shape, i.dtype) for i in inputs])
        return lambda *args: keras.tree.map_structure(lambda t: t.numpy(), forward(*args))

    def pure(values, *args):
        with keras.StatelessScope(state_mapping=list(zip(model.variables, values, strict=True))):
            return fn(*args)

    forward = jax.jit(pure)
    return lambda *args: keras.tree.map_structure(np.asarray, forward([v.value for v in model.variables], *args))


def pipeline(batches, epoch):
    """Feed `training.Batches` to Keras from a given epoch on, as fast as the backend can take it.

    TensorFlow gathers the batches from the array itself, ahead of time, outside Python, and through all epochs
    without a stop: a generator in Python costs an eighth of a step's time, a new iterator 9 ms an epoch. JAX
    reads the batches as they are.

    Args: batches; epoch, the first one to draw.
    Returns: dict of arguments for Keras' `fit`.
    """
    if NAME != "tensorflow":
        return {"x": batches, "shuffle": False}  # else Keras shuffles the batches again, by Python's global state
    with tf.device("CPU"):
        arrays = keras.tree.map_structure(tf.constant, batches.arrays)
    of_any_length = lambda a: tf.TensorSpec((None, *a.shape[1:]), a.dtype)
    blocks = tf.data.Dataset.from_generator(
        lambda: (block for e in itertools.count(epoch) for block in batches.blocks(e)),
        output_signature=keras.tree.map_structure(of_any_length, next(batches.blocks(epoch))),
    )
    gathered = lambda rows, *noise: (*keras.tree.map_structure(lambda a: tf.gather(a, rows), arrays), *noise)
    dataset = blocks.unbatch().map(gathered).prefetch(8)
    return {"x": dataset, "shuffle": False, "steps_per_epoch": len(batches)}


def steps_per_execution(steps, most=32):
    """How many training steps to run between two looks by Python, for an epoch of `steps` steps.

    A divisor of the epoch, since Keras rounds the epoch up to a multiple of it. On TensorFlow the largest one
    up to `most`: each look costs 0.9 ms. JAX writes the steps out one after another and compiles them all: one.
    """
    if NAME != "tensorflow":
        return 1
    return max(d for d in range(1, most + 1) if steps % d == 0)


def held_out(arrays, batch_size):
    """Feed held-out arrays to Keras' `fit`, in order: a finished data set saves 23 ms an epoch on TensorFlow."""
    if NAME != "tensorflow":
        return arrays
    return tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size)
