"""Slots in time: the same weights and films give the same slots, losses and gradients on TensorFlow and on JAX."""

import sys
from pathlib import Path

import keras
import numpy as np
from moving import VARIANTS, discs, hints, video


def seen(model, x, masks):
    given = hints(model, masks)
    before = model.encode(x, hints=given)
    history = model.fit(x, given, epochs=2, batch_size=6, seed=2, verbose=0).history
    return {"before": before, "after": model.encode(x, hints=given), **{f"loss {k}": v for k, v in history.items()}}


def other_side(folder):
    for name in VARIANTS:
        np.savez(folder / f"{name}.npz", **seen(keras.saving.load_model(folder / f"{name}.keras"), *discs()))


def test_both_backends_agree(elsewhere):
    made = {name: video(**arguments) for name, arguments in VARIANTS.items()}
    for model in made.values():
        model.compile(keras.optimizers.SGD(1e-5))
        model.build_optimizer()
    folder = elsewhere(__file__, made)
    for name, model in made.items():
        theirs = np.load(folder / f"{name}.npz")
        for key, value in seen(model, *discs()).items():
            np.testing.assert_allclose(value, theirs[key], rtol=1e-3, atol=1e-3, err_msg=f"{name}, {key}")


if __name__ == "__main__":
    other_side(Path(sys.argv[1]))
