"""What the experiments share: models come as weights, are built again, and are measured anew."""

import keras
import numpy as np

from aecore.ae import Autoencoder
from aecore.exercises._verdict import Mistake, Wrong
from aecore.metrics import squared_error
from aecore.networks import mlp_decoder, mlp_encoder


def entries(report, keys, length, names=()):
    """The entries of a report: report[key] is a list of `length` things, or with names a dict of such lists.

    Raises: Wrong where it is not.
    """
    if not isinstance(report, dict):
        raise Wrong(f"Wanted a dict, got {type(report).__name__}. Hand over what the function returns.")
    for key in keys:
        entry = report.get(key)
        if names and not (isinstance(entry, dict) and set(entry) == set(names)):
            raise Wrong(f"The report wants an entry {key!r}, a dict with the keys {', '.join(map(repr, names))}.")
        for row in entry.values() if names else [entry]:
            if not hasattr(row, "__len__") or len(row) != length:
                raise Wrong(f"The report wants {length} entries in every list of {key!r}, one for each run.")
    return [report[key] for key in keys]


def network(hidden, code_size, activation="gelu", code_activation=None, **parts):
    """An autoencoder of the digits, to put the weights of a report into."""
    net = {"shape": (8, 8, 1), "hidden": hidden, "code_size": code_size, "activation": activation}
    return Autoencoder(mlp_encoder(**net, code_activation=code_activation), mlp_decoder(**net), **parts)


def load(model, weights):
    """Put the weights of a report into a model. Raises: Wrong where they do not fit. Returns: the model."""
    weights = [np.asarray(w, "float32") for w in weights]
    got, wanted = [w.shape for w in weights], [tuple(w.shape) for w in model.weights]
    if got != wanted:
        code = wanted.index((model.code_size,)) - 1  # where the kernel of the code stands
        if len(got) == len(wanted) and got[code][1:] != wanted[code][1:] and got[:code] == wanted[:code]:
            raise Wrong(
                f"The code has {got[code][-1]} units, not the {model.code_size} that were asked for.",
                "A code size that is never used stands in many a script. Where does yours go?",
            )
        penalty = f" and a penalty {type(model.penalty).__name__}" if model.penalty else ""
        hidden = tuple(shape[1] for shape in wanted[0:code:2])
        raise Wrong(
            f"These are not the weights of an autoencoder with hidden={hidden}, code_size={model.code_size}{penalty}.",
            "Build both networks as the exercise says, and hand over `model.get_weights()`.",
        )
    model.set_weights(weights)
    return model


def run(model, x):
    """Codes, (n, d), and what the decoder puts out, as arrays; no compiling, which would take longer than it saves."""
    return {name: keras.ops.convert_to_numpy(value) for name, value in model(x).items()}


def error(pictures, x):
    """The book's squared error per picture."""
    return float(squared_error(pictures, x).mean())


def numbers(values):
    """Reported numbers as an array. Raises: Wrong where they are none."""
    try:
        return np.array([float(value) for value in values])
    except (TypeError, ValueError) as cause:
        raise Wrong(f"Wanted numbers, got {values!r}.") from cause


def close(reported, measured):
    """Whether reported numbers are measured ones, but for what two machines round differently."""
    return np.allclose(reported, measured, rtol=5e-3)


def columns(rows):
    """The measurements of several runs, one array for each, and whether two runs gave the same pictures."""
    table = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    pictures = table.pop("pictures")
    return table | {"copies": any(np.abs(a - b).max() < 1e-6 for i, a in enumerate(pictures) for b in pictures[:i])}


def either(test):
    """The effect of a mistake that was made under one of the names of a report, or under several."""
    return lambda found: any(test(run) for run in found["runs"].values())


def errors_are(key, factor=1.0):
    """The reported errors are those under `key`, and not what was wanted."""
    return either(lambda run: close(run["reported"], run[key] * factor) and not close(run["reported"], run["test"]))


SAME_RUN = Mistake(
    "Two of the runs are the same run: the seed does not reach the networks.",
    either(lambda run: run["copies"]),
    "`mlp_encoder(..., seed=seed)` draws the first weights, `fit(..., seed=seed)` the order of the pictures.",
)
ON_TRAINING = Mistake(
    "These are the errors on the training pictures. Wanted: those on the test pictures.",
    errors_are("train"),
    "Which pictures has the model never seen?",
)
AVERAGED = Mistake(
    "The errors are averaged over the pixels: 64 times too small for the book's squared error per picture.",
    errors_are("test", 1 / 64),
    "Sum over the pixels, average over the pictures.",
)
NOT_THEIRS = Mistake(
    "The reported errors are not those of these weights, measured again on the test pictures.",
    either(lambda run: not close(run["reported"], run["test"])),
    "Measure the very models whose weights you hand over, after training.",
)
