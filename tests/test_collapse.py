"""Collapse that is known, noticed and named."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

from aecore.callbacks import Collapse
from aecore.gan import GAN
from aecore.networks import mlp_encoder


def on_modes(modes, n=1000, scale=0.05):
    rng = np.random.default_rng(modes)
    angle = 2 * np.pi * rng.integers(0, modes, n) / 8
    return (np.c_[np.cos(angle), np.sin(angle)] + scale * rng.standard_normal((n, 2))).astype("float32")


def watched(watch, samples, epochs=5):
    """What a callback finds while a generator gives these samples in every epoch."""
    watch.set_model(SimpleNamespace(sample=lambda n, seed, **_: samples[:n], stop_training=False))
    logs = [{} for _ in range(epochs)]
    for epoch, log in enumerate(logs):
        watch.on_epoch_end(epoch, log)
    return logs[-1]


def test_collapse_is_noticed_and_named():
    healthy = Collapse(on_modes(8))
    assert watched(healthy, on_modes(8, 999)) == pytest.approx({"spread": 1.0, "modes": 1.0}, abs=0.15)
    assert healthy.found is None
    for modes, ratio in ((1, 0.2), (2, 0.39)):
        few = Collapse(on_modes(8), spread=0.0)
        with pytest.warns(UserWarning, match=r"collapse in epoch 3, for 3 epochs: the samples cover few modes"):
            assert watched(few, on_modes(modes))["modes"] == pytest.approx(ratio, abs=0.06)
        assert "few modes" in few.found
    alike = Collapse(on_modes(8), patience=2, stop=True)
    with pytest.warns(
        UserWarning, match="collapse in epoch 2, for 2 epochs: all samples are nearly alike: they vary 0 ti"
    ):
        watched(alike, np.ones((1000, 2)))
    assert alike.model.stop_training


def test_collapse_needs_to_last_and_asks_for_the_labels_of_data():
    seen = []
    sample = lambda n, seed, condition: seen.append(condition) or np.ones((n, 2))
    labels = np.arange(1000) % 3
    watch = Collapse(on_modes(8), labels, samples=50)
    watch.set_model(SimpleNamespace(sample=sample, stop_training=False))
    for epoch in range(2):
        watch.on_epoch_end(epoch)
    watch.model.sample = lambda n, seed, condition: on_modes(8)[:n]
    watch.on_epoch_end(2)
    assert watch.found is None
    assert len(seen[0]) == 50
    assert set(seen[0]) == {0, 1, 2}
    for arguments in (dict(samples=1), dict(patience=0), dict(x=np.ones((3, 2))), dict(spread=-1), dict(modes=2)):
        with pytest.raises(ValueError, match="Collapse: "):
            Collapse(**{"x": on_modes(8), **arguments})
    with pytest.raises(ValueError, match="Collapse: wanted data that vary, got 9 equal ones"):
        Collapse(np.full((9, 2), 0.1, "float32"))


def test_a_generator_that_cannot_vary_is_noticed_in_training():
    z = keras.Input((2,))
    gan = GAN(keras.Model(z, layers.Dense(2, kernel_initializer="zeros")(0.0 * z)), mlp_encoder((2,), (8,), 1))
    gan.compile()
    watch = Collapse(on_modes(8), patience=2, stop=True)
    with pytest.warns(UserWarning, match="all samples are nearly alike"):
        history = gan.fit(on_modes(8), epochs=9, verbose=0, callbacks=[watch]).history
    assert history["spread"] == pytest.approx([0.0, 0.0], abs=1e-9)
