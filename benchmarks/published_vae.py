"""Train the VAEs whose likelihoods on MNIST are published, and write ours beside theirs. Runs for hours; goes on
where it stopped.

    KERAS_BACKEND=jax python benchmarks/published_vae.py static --minutes 60
    python benchmarks/published_vae.py vae --minutes 60             Burda et al. 2016, one sample
    python benchmarks/published_vae.py iwae50 --minutes 60 --stages 5

A run stops after an epoch when its minutes are over, evaluates the test set, and writes results/published_NAME.json:
figure, seed, versions, device, time, how many of the epochs are done, and the training curve. Called again, it goes
on from its checkpoint, in the folder that --work names, to the same end as without the interruption.

static: 784-400-40-400-784, ReLU, on MNIST binarised once. pythae's protocol: 50,000 pictures to train on, batches of
100, Adam 1e-4 times 10^(-1/5) from epochs 200 and 350 on, 500 epochs, the weights of the epoch with the best bound on
the other 10,000, 200 importance samples. Differs: our own binarisation, with seed 0, in place of the published file.
vae, iwae5, iwae50: 784-200-200-50-200-200-784, tanh, pixels tossed anew at every look. Burda et al.: batches of 20,
Adam (eps 1e-4), stages i = 0..7 of 3^i epochs at 0.001 * 10^(-i/7), output bias at the logit of the pixels' means,
5,000 importance samples. With --stages n the first n stages spread over the whole fall of the rate.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import numpy as np
from throughput import versions

import aecore
from aecore import VAE, _backend, data, networks
from aecore.callbacks import Schedule

import keras  # isort: skip

RESULTS = Path(__file__).parent / "results"
BURDA = "Burda, Grosse and Salakhutdinov 2016, table 1, one stochastic layer"
PYTHAE = "pythae, table of reproduced results, VAE"
PUBLISHED = {  # name -> (nats on the test set, after so many epochs, where it is printed)
    "static": (89.78, 500, PYTHAE),
    "vae": (86.76, 3280, BURDA),
    "iwae5": (85.54, 3280, BURDA),
    "iwae50": (84.78, 3280, BURDA),
}
POINTS = 200  # of the curve that is written


def static(seed):
    net = {"shape": (28, 28, 1), "hidden": (400,), "activation": "relu", "seed": seed}
    model = VAE(networks.mlp_encoder(**net, code_size=80), networks.mlp_decoder(**net, code_size=40), seed=seed)
    model.compile(keras.optimizers.Adam(1e-4))
    rate = lambda epoch: 1e-4 * 10 ** (-((epoch >= 200) + (epoch >= 350)) / 5)
    return model, rate, {"epochs": 500, "batch_size": 100}


def burda(seed, samples, stages, pixel_means):
    net = {"shape": (28, 28, 1), "hidden": (200, 200), "activation": "tanh", "seed": seed}
    decoder = networks.mlp_decoder(**net, code_size=50)
    means = np.clip(pixel_means, 1e-3, 1 - 1e-3)
    decoder.layers[-2].bias.assign(np.log(means / (1 - means)).ravel())
    model = VAE(
        networks.mlp_encoder(**net, code_size=100), decoder, samples=samples, importance_weighted=samples > 1,
        binarise=True, seed=seed,
    )  # fmt: skip
    model.compile(keras.optimizers.Adam(1e-3, epsilon=1e-4))
    stage = lambda epoch: next(i for i in range(stages) if epoch < (3 ** (i + 1) - 1) // 2)
    rate = lambda epoch: 1e-3 * 10 ** (-stage(epoch) / max(1, stages - 1))
    return model, rate, {"epochs": (3**stages - 1) // 2, "batch_size": 20}


class Budget(keras.callbacks.Callback):
    """Stop after the epoch in which the time is over, and note what each epoch took, in seconds."""

    def __init__(self, seconds):
        super().__init__()
        self.end = time.perf_counter() + seconds
        self.took = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        now = time.perf_counter()
        self.took.append(now - self.begun)
        if now > self.end:
            self.model.stop_training = True


class Best(keras.callbacks.Callback):
    """Keep the weights of the epoch with the least validation loss in a file, as the checkpoint keeps the last ones."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_train_begin(self, logs=None):
        self.least = float(np.load(self.path)["loss"]) if self.path.exists() else np.inf

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_loss"] < self.least:
            self.least = logs["val_loss"]
            half = self.path.with_suffix(".part.npz")
            np.savez(half, *self.model.get_weights(), loss=self.least, epoch=epoch + 1)
            os.replace(half, self.path)

    def restore(self):
        """Give the model these weights. Returns: their epoch, from 1."""
        with np.load(self.path) as file:
            weights = [file[f"arr_{i}"] for i in range(len(self.model.get_weights()))]
            self.model.set_weights(weights)
            return int(file["epoch"])


def device():
    return ", ".join(_backend.accelerators()) or f"CPU, {os.cpu_count()} cores, {platform.machine()}"


def run(name, minutes, seed, stages, examples, work):
    mnist = data.mnist()
    x = np.concatenate([mnist.train.x, mnist.validation.x])
    test = data.binarised(mnist.test.x, seed=1)[:examples]
    held_out, hooks, chosen = None, [], None
    if name == "static":
        x, samples = data.binarised(x, seed=0), 200
        x, held_out = x[:50_000], x[50_000:]
        model, rate, protocol = static(seed)
        hooks.append(Best(work / f"{name}_best.npz"))
    else:  # nothing is chosen: all 60,000 are for training
        samples = 5000
        model, rate, protocol = burda(seed, int(name[4:] or 1) if name != "vae" else 1, stages, x.mean(axis=0))
    result = RESULTS / f"published_{name}.json"
    budget = Budget(60 * minutes)
    hooks += [Schedule(model.optimizer.learning_rate, rate), budget]
    history = model.fit(
        x, **protocol, validation_data=held_out, seed=seed, checkpoint=work / f"{name}.npz", callbacks=hooks
    ).history
    if not budget.took and result.exists():
        print(f"{name}: all epochs are done, {result.name} stands")
        return
    if held_out is not None:
        chosen = hooks[0].restore()
    nll = -model.log_prob(test, samples)
    figure, epochs, source = PUBLISHED[name]
    done = len(history["loss"])
    shown = np.unique(np.linspace(1, done, min(done, POINTS)).round().astype(int))
    record = {
        "figure": "negative log-likelihood of the MNIST test set, nats per picture, an upper bound",
        "published": figure, "source": source, "ours": float(nll.mean()),
        "standard_error": float(nll.std() / len(nll) ** 0.5), "importance_samples": samples, "test_pictures": len(nll),
        "epochs": done, "chosen_epoch": chosen, **{f"protocol_{k}": v for k, v in protocol.items()},
        "published_epochs": epochs,
        "seconds_per_epoch": round(float(np.median(budget.took)), 1), "seed": seed,
        "data": f"MNIST, {len(x):,} for training, binarised {'once' if name == 'static' else 'anew at every look'}",
        "device": device(), "backend": _backend.version(), "versions": {"aecore": aecore.__version__, **versions()},
        "date": time.strftime("%Y-%m-%d"), "curve": {"epoch": shown.tolist(),
        **{term: [round(history[term][i - 1], 3) for i in shown] for term in ("loss", "val_loss") if term in history}},
    }  # fmt: skip
    result.parent.mkdir(exist_ok=True)
    result.write_text(json.dumps(record, indent=1) + "\n")
    print(f"{name}: {nll.mean():.2f} nats after {done} of {protocol['epochs']} epochs, published {figure}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=PUBLISHED)
    parser.add_argument("--minutes", type=float, default=60.0, help="of training in this call")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stages", type=int, default=8, help="of Burda's schedule, 1 to 8")
    parser.add_argument("--examples", type=int, default=10_000, help="test pictures to evaluate")
    parser.add_argument("--work", type=Path, default=Path("~/.cache/aecore").expanduser(), help="for checkpoints")
    given = parser.parse_args()
    run(given.name, given.minutes, given.seed, given.stages, given.examples, given.work)
