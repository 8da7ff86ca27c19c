"""Weights that come with the package, of models that take more than a minute to train.

`tools/pretrain.py` trained them, and wrote beside them how, with which seed, and what they are worth.
"""

import hashlib
import io
import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "weights"


def about(name):
    """Say where weights come from and what they are worth.

    Args: name, "slots_patterned" for example; another one raises an error that says which there are.
    Returns: dict of `what` they are, `model`, the code that builds what they fit, `training`, `seed`, `steps`,
        `minutes`, `device`, `date`, `backend`, `versions`, `figures`, what these were measured on, `test`, the
        `command` that trains them anew, and `sha256` of their file.
    Raises: ValueError for an unknown name, FileNotFoundError where the package is incomplete. Chapters 19 and 20.
    """
    index = json.loads(_content("index.json"))
    if name not in index:
        raise ValueError(f"pretrained: wanted one of {', '.join(sorted(index))}; got {name!r}.")
    return index[name]


def load(model, name):
    """Put weights that come with the package into a model: all of them, or none where something does not fit.

    Args: model, a keras.Model built as `about(name)["model"]` says, with any seed; name, as `about`.
    Returns: the model.
    Raises: ValueError where the name is unknown, the file is not the one that was published, or weights do not fit the
        model; FileNotFoundError where the file is missing. All say what to do. Chapters 19 and 20.

    Example:
        model = slot_autoencoder((32, 32, 3), paint={"colours": 12})
        load(model, "slots_patterned").predict(x)       # x (n, 32, 32, 3) in [0, 1]
    """
    wanted = about(name)
    content = _content(f"{name}.npz")
    got = hashlib.sha256(content).hexdigest()
    if got != wanted["sha256"]:
        raise ValueError(
            f"{FOLDER / name}.npz is damaged or of another version: wanted SHA-256 {wanted['sha256']}, got {got}. "
            "Install aecore again."
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        values = {key: file[key] for key in file.files}
    cure = f"Build the model as the weights {name!r} want it: {wanted['model']}."
    if len(values) != len(model.weights):
        raise ValueError(f"pretrained: wanted a model of {len(values)} weights, got {len(model.weights)}. {cure}")
    for weight, (key, value) in zip(model.weights, values.items(), strict=True):
        if tuple(weight.shape) != value.shape:
            raise ValueError(
                f"pretrained: the model's weight {weight.path} wants the shape {tuple(weight.shape)}, got "
                f"{value.shape}, of {key!r}. {cure}"
            )
    model.set_weights(list(values.values()))
    return model


def _content(file):
    try:
        return (FOLDER / file).read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{FOLDER / file} is missing. Install aecore again.") from error
