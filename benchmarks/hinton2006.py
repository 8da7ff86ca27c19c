"""Train the autoencoder of Hinton and Salakhutdinov (2006), 784-1000-500-250-30, on MNIST for as long as it pays.

    python benchmarks/hinton2006.py [--epochs 400]

Writes results/hinton2006.json: the squared error per test picture (the paper's figure 2B: 3.00; PCA-30: 13.87),
with seed, versions, device and time. It can be stopped at any moment and started again: it goes on from its last
checkpoint. Nothing is chosen by looking at the test set: the run is the one that the arguments name, to its end.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import keras
import numpy as np

import aecore
from aecore import Autoencoder, _backend, data, metrics, networks, objectives

RESULT = Path(__file__).parent / "results" / "hinton2006.json"
BATCH, SEED = 200, 2


class Clock(keras.callbacks.Callback):
    """Seconds of every epoch: the time of a run that was interrupted counts what it computed, not the pause."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs["seconds"] = time.perf_counter() - self.start


def main(epochs, learning_rate, weight_decay):
    parts = data.mnist()
    x = np.concatenate([parts.train.x, parts.validation.x])  # the paper's 60,000
    net = {"shape": (28, 28, 1), "hidden": (1000, 500, 250), "code_size": 30, "seed": SEED}
    model = Autoencoder(networks.mlp_encoder(**net), networks.mlp_decoder(**net), likelihood=objectives.Bernoulli())
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * (len(x) // BATCH))
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=weight_decay))
    checkpoint = Path("checkpoints") / f"hinton2006-{_backend.NAME}-{epochs}-{learning_rate}-{weight_decay}.npz"
    history = model.fit(
        x, epochs=epochs, batch_size=BATCH, seed=SEED, callbacks=[Clock()], checkpoint=checkpoint
    ).history
    error = {name: metrics.squared_error(model.reconstruct(part), part).mean()
             for name, part in (("train", x[:10_000]), ("test", parts.test.x))}  # fmt: skip
    devices = _backend.accelerators()
    result = {
        "test_squared_error": round(float(error["test"]), 3),
        "train_squared_error_first_10000": round(float(error["train"]), 3),
        "epochs": epochs,
        "seconds": round(sum(history["seconds"])),
        "recipe": f"60,000 pictures, GELU, cross-entropy on logits, AdamW {learning_rate} with weight decay "
        f"{weight_decay}, cosine to 0, batch {BATCH}",
        "seed": SEED,
        "device": devices[0] if devices else f"CPU, {os.cpu_count()} cores",
        "versions": {"backend": _backend.version(), "keras": keras.__version__, "aecore": aecore.__version__,
                     "python": platform.python_version()},
        "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--weight-decay", type=float, default=1e-3)
    arguments = parser.parse_args()
    main(arguments.epochs, arguments.learning_rate, arguments.weight_decay)
