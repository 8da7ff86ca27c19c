"""What the tests share: small data, small models, and a way to run Python in another process."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")
# JAX compiles every operation for every shape: half of the time of these tests, which are about numbers, not speed.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import keras
import numpy as np
import pytest

from aecore import Autoencoder, data
from aecore.networks import mlp_decoder, mlp_encoder

ROOT = Path(__file__).parents[1]
pytest_plugins = ["browsing", "living"]  # of the tests in a browser
# Files whose tests compute nothing with Keras, or the same on any backend: `make test` runs them once.
ANY_BACKEND = (
    "assign", "book", "crf", "data", "downloads", "metrics", "metrics_codes", "metrics_masks", "metrics_objects",
    "notebooks", "outlines", "quiz", "recording", "regions", "scenes", "shapes", "sprites", "structure", "synthetic",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem.removeprefix("test_") in ANY_BACKEND:
            item.add_marker("any_backend")
        if "elsewhere" in item.fixturenames:  # these run the other backend themselves, and compare the two
            item.add_marker("any_backend")
            item.add_marker("slow")


@pytest.fixture(scope="session")
def x():
    """60 digits, (60, 8, 8, 1) in [0, 1]."""
    return data.digits().train.x[:60]


def small(hidden=(), code_size=3, shape=(8, 8, 1), activation="tanh", code_activation=None, dropout=0.0, seed=0,
          optimizer=None, tied=False, **parts):  # fmt: skip
    """Build and compile a small dense autoencoder, by default of 8 x 8 grey images."""
    net = dict(shape=shape, hidden=hidden, code_size=code_size, activation=activation, dropout=dropout, seed=seed)
    k = parts["likelihood"].params_per_value if parts.get("likelihood") else 1
    encoder = mlp_encoder(**net, code_activation=code_activation)
    ae = Autoencoder(encoder, None if tied else mlp_decoder(**net, params_per_value=k), **parts)
    ae.compile(optimizer or keras.optimizers.SGD(1e-3))
    return ae


@pytest.fixture(scope="session")
def build():
    """The function that builds a small model."""
    return small


@pytest.fixture(scope="session")
def same():
    """A function that asserts that two models, optimizers included, are in the same state to the last bit."""

    def same(a, b):
        ours, theirs = ([*m.weights, *m.optimizer.variables] for m in (a, b))
        assert len(ours) == len(theirs)
        for v, w in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(v), keras.ops.convert_to_numpy(w), err_msg=v.path)

    return same


@pytest.fixture(scope="session")
def python():
    """A function that runs Python in a new process: python("-c", code, KERAS_BACKEND="jax") -> CompletedProcess."""

    def python(*args, returncode=0, **environment):
        done = subprocess.run(
            [sys.executable, *map(str, args)], cwd=ROOT, env={**os.environ, **environment}, text=True,
            capture_output=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == returncode, done.stderr[-3000:]
        return done

    return python


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory, python):
    """A function that hands models to the other backend: elsewhere(__file__, {name: model}) -> folder.

    They lie in the folder as name.keras while the file runs as a script, in a process of its own; it is told the
    folder, and leaves there what it found. JAX compiles with all optimisations, as for a reader, unless `fast` is said.
    """
    other = {"tensorflow": "jax", "jax": "tensorflow"}[keras.backend.backend()]

    def elsewhere(script, models, fast=False):
        if importlib.util.find_spec(other) is None:
            pytest.skip(f"NO PARITY WAS TESTED: {other} is not installed")
        folder = tmp_path_factory.mktemp("parity")
        for name, model in models.items():
            model.save(folder / f"{name}.keras")
        settings = {"JAX_DISABLE_MOST_OPTIMIZATIONS": str(int(fast)), "PYTHONPATH": str(ROOT)}
        python(script, folder, KERAS_BACKEND=other, **settings)
        return folder

    return elsewhere
