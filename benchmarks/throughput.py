"""How fast aecore trains, encodes and decodes, side by side with the same work written by hand.

    python benchmarks/throughput.py            all cases, a table, and results/throughput.json
    python benchmarks/throughput.py CASE       one case in this process, its figures as JSON

The work: an autoencoder 784-400-20-400-784 (ReLU), cross-entropy on logits, Adam 1e-3, batches of 128 out of
25,600 random pictures in memory, float32, shuffled anew in every epoch. Each case runs in a process of its own;
the cases take turns, three rounds of them, and the table shows medians. PyTorch is measured where it is installed.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

N, BATCH, EPOCHS, LEARNING_RATE = 25_600, 128, 6, 1e-3
RESULT = Path(__file__).parent / "results" / "throughput.json"


def pictures():
    return np.random.default_rng(0).random((N, 28, 28, 1), dtype=np.float32)


def median_pace(seconds):
    """Examples per second, from the seconds of every epoch but the first, which compiles."""
    return N / statistics.median(seconds[1:])


def pace(fn, x, least=1.0):
    """Examples per second of fn(x), repeated for at least a second."""
    fn(x)
    rounds, start = 0, time.perf_counter()
    while time.perf_counter() - start < least:
        fn(x)
        rounds += 1
    return rounds * len(x) / (time.perf_counter() - start)


def fit_pace(model, x):
    """Examples per second of aecore's `fit`."""
    import keras

    marks = []
    clock = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: marks.append(time.perf_counter()),
        on_epoch_end=lambda epoch, logs: marks.append(time.perf_counter()),
    )
    model.fit(x, epochs=EPOCHS, batch_size=BATCH, callbacks=[clock], verbose=0)
    return median_pace(np.diff(marks))


def aecore_case():
    import keras

    from aecore import Autoencoder, networks, objectives

    net = {"shape": (28, 28, 1), "hidden": (400,), "code_size": 20, "activation": "relu"}
    model = Autoencoder(networks.mlp_encoder(**net), networks.mlp_decoder(**net), likelihood=objectives.Bernoulli())
    model.compile(keras.optimizers.Adam(LEARNING_RATE))
    x = pictures()
    train = fit_pace(model, x)
    codes = model.encode(x)
    return {
        "train": train,
        "encode": pace(model.encode, x),
        "decode": pace(model.decode, codes),
        "encode, Keras predict": pace(lambda a: model.encoder.predict(a, batch_size=1024, verbose=0), x),
    }


def epochs(batches, step):
    """Examples per second of step(batch), over all batches, epoch after epoch."""
    seconds = []
    for _ in range(EPOCHS):
        start = time.perf_counter()
        for x in batches:
            loss = step(x)
        float(loss)
        seconds.append(time.perf_counter() - start)
    return median_pace(seconds)


def tf_function_case(jit_compile):
    import keras
    import tensorflow as tf
    from keras import layers

    net = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(400, "relu"), layers.Dense(20),
         layers.Dense(400, "relu"), layers.Dense(784), layers.Reshape((28, 28, 1))]
    )  # fmt: skip
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    optimizer.build(net.trainable_variables)

    @tf.function(jit_compile=jit_compile)
    def step(x):
        with tf.GradientTape() as tape:
            logits = net(x, training=True)
            nll = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)
            loss = tf.reduce_mean(tf.reduce_sum(nll, axis=(1, 2, 3)))
        optimizer.apply(tape.gradient(loss, net.trainable_variables), net.trainable_variables)
        return loss

    dataset = tf.data.Dataset.from_tensor_slices(pictures()).shuffle(N).batch(BATCH, drop_remainder=True).prefetch(8)
    return {"train": epochs(dataset, step)}


def torch_case():
    import torch
    from torch import nn

    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 20), nn.Linear(20, 400), nn.ReLU(),
                        nn.Linear(400, 784))  # fmt: skip
    optimizer = torch.optim.Adam(net.parameters(), LEARNING_RATE)
    x = torch.from_numpy(pictures().reshape(N, 784))
    seconds = []
    for _ in range(EPOCHS):
        start = time.perf_counter()
        order = torch.randperm(N)
        for i in range(0, N, BATCH):
            batch = x[order[i : i + BATCH]]
            optimizer.zero_grad()
            loss = nn.functional.binary_cross_entropy_with_logits(net(batch), batch, reduction="sum") / BATCH
            loss.backward()
            optimizer.step()
        loss.item()
        seconds.append(time.perf_counter() - start)
    with torch.inference_mode():
        encode = pace(lambda a: [net[:4](part) for part in a.split(1024)], x)
        decode = pace(lambda a: [torch.sigmoid(net[4:](part)) for part in a.split(1024)], net[:4](x))
    return {"train": median_pace(seconds), "encode": encode, "decode": decode}


def pca_case():
    x = pictures().reshape(N, 784)
    mean, basis = x.mean(axis=0), np.linalg.qr(np.random.default_rng(0).normal(size=(784, 20)))[0].astype("float32")
    codes = (x - mean) @ basis
    return {"encode": pace(lambda a: (a - mean) @ basis, x), "decode": pace(lambda z: z @ basis.T + mean, codes)}


def import_case(name):
    start = time.perf_counter()
    __import__(name)
    return {"import, s": time.perf_counter() - start}


CASES = {
    "aecore, TensorFlow": ("tensorflow", aecore_case),
    "aecore, JAX": ("jax", aecore_case),
    "hand-written tf.function": ("tensorflow", lambda: tf_function_case(False)),
    "hand-written tf.function, XLA": ("tensorflow", lambda: tf_function_case(True)),
    "PyTorch, eager": ("tensorflow", torch_case),
    "PCA, NumPy": ("tensorflow", pca_case),
    "import keras": ("tensorflow", lambda: import_case("keras")),
    "import aecore": ("tensorflow", lambda: import_case("aecore")),
}


def run_case(cases, name):
    os.environ["KERAS_BACKEND"] = cases[name][0]
    result = cases[name][1]()
    result["peak memory, GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(result))


def versions():
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("tensorflow", "keras", "jax", "numpy", "torch", "pythae"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def medians_of_rounds(script, names, rounds=3):
    """Run `script NAME` for each name in a process of its own, the names taking turns: name -> figure -> median."""
    seen = {name: [] for name in names}
    for i in range(rounds):
        for name in names:
            print(f"round {i + 1}: {name}", file=sys.stderr, flush=True)
            done = subprocess.run([sys.executable, script, name], capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
            seen[name].append(json.loads(done.stdout.splitlines()[-1]))
    return {
        name: {key: statistics.median(r[key] for r in results) for key in results[0]} for name, results in seen.items()
    }


def write(path, medians):
    machine = {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()}
    path.parent.mkdir(exist_ok=True)
    result = {"date": time.strftime("%Y-%m-%d"), **machine, **versions(), "medians": medians}
    path.write_text(json.dumps(result, indent=1) + "\n")


def start(cases, main, about):
    """Run the case that the command line names in this process, or all of them by `main`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="?", choices=cases)
    case = parser.parse_args().case
    run_case(cases, case) if case else main()


def main():
    names = [name for name in CASES if name != "PyTorch, eager" or find_spec("torch")]
    medians = medians_of_rounds(__file__, names)
    base = medians["hand-written tf.function"]["train"]
    print(f"{'case':32}{'train':>12}{'ratio':>8}{'encode':>12}{'decode':>12}{'import':>9}{'peak':>9}")
    print(f"{'':32}{'examples/s':>12}{'':>8}{'examples/s':>12}{'examples/s':>12}{'s':>9}{'GB':>9}")
    for name, m in medians.items():
        cells = [m.get("train"), m["train"] / base if "train" in m else None, m.get("encode"), m.get("decode")]
        shown = [f"{cells[0]:12,.0f}" if cells[0] else " " * 12, f"{cells[1]:8.2f}" if cells[1] else " " * 8]
        shown += [f"{c:12,.0f}" if c else " " * 12 for c in cells[2:]]
        shown += [f"{m['import, s']:9.2f}" if "import, s" in m else " " * 9, f"{m['peak memory, GB']:9.2f}"]
        print(f"{name:32}" + "".join(shown))
    write(RESULT, medians)


if __name__ == "__main__":
    start(CASES, main, __doc__)
