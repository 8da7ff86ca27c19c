"""The same slots, pictures and training on TensorFlow and on JAX: noise is drawn by NumPy, so nothing need differ.

This file, run as a script under the other backend, loads each variant, trains it and saves what it found.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from slotted import VARIANTS, discs, numbers, slot_model

RATE = 1e-5


def seen(model):
    slots, attention = model.encode(discs()[:6], seed=3, attention=True)
    return {"slots": slots, "attention": attention, "picture": model.decode(slots)}


def trained(model):
    model.compile(keras.optimizers.SGD(RATE))
    history = model.fit(discs(), epochs=2, batch_size=8, verbose=0).history
    return {"loss": np.array(history["rec"]), **{str(i): numbers(w) for i, w in enumerate(model.trainable_weights)}}


def other_side(folder):
    for name in VARIANTS:
        model = keras.saving.load_model(folder / f"{name}.keras")
        before = seen(model)
        np.savez(folder / f"{name}.npz", **before, **trained(model))


@pytest.fixture(scope="module")
def folder(elsewhere):
    models = {name: slot_model(**arguments) for name, arguments in VARIANTS.items()}
    for model in models.values():
        model.build_optimizer()
    return elsewhere(__file__, models)


@pytest.mark.parametrize("name", VARIANTS)
def test_both_backends_agree(name, folder):
    model = keras.saving.load_model(folder / f"{name}.keras")
    start = [numbers(w) for w in model.trainable_weights]
    theirs = np.load(folder / f"{name}.npz")
    for key, value in seen(model).items():
        np.testing.assert_allclose(value, theirs[key], rtol=1e-3, atol=1e-4, err_msg=key)
    ours = trained(model)
    assert set(ours) | {"slots", "attention", "picture"} == set(theirs.files)
    np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-4)
    for i, was in enumerate(start):
        moved, wanted = ours[str(i)] - was, theirs[str(i)] - was
        np.testing.assert_allclose(moved, wanted, atol=2e-3 * np.abs(wanted).max() + 1e-6, err_msg=str(i))


if __name__ == "__main__":
    other_side(Path(sys.argv[1]))
