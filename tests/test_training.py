"""The order of the data, the number of steps, the reported numbers, and refusals. Checkpoints: test_checkpoint.py."""

import keras
import numpy as np
import pytest

from aecore import Autoencoder
from aecore.networks import mlp_decoder
from aecore.objectives import L1, Bernoulli
from aecore.training import Batches


class Recorder(keras.layers.Layer):
    """Pass x through and keep the first value of every example of every training step."""

    def __init__(self, steps, batch):
        super().__init__()
        self.seen = self.add_weight(shape=(steps, batch), initializer="zeros", trainable=False)
        self.step = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False)

    def call(self, x, training=False):
        if training:
            now = keras.ops.arange(self.seen.shape[0])[:, None] == keras.ops.convert_to_tensor(self.step)
            self.seen.assign(keras.ops.where(now, x[None, :, 0], keras.ops.convert_to_tensor(self.seen)))
            self.step.assign_add(1)
        return x


@pytest.mark.parametrize(
    ("n", "batch", "epochs"),
    [(11, 4, 3), (8, 8, 2), (5, 128, 2), (37, 1, 2), (1, 1, 2), (66, 2, 2), (64, 2, 1)],
)
def test_every_step_sees_the_rows_that_seed_and_epoch_say(n, batch, epochs):
    size, steps = min(batch, n), n // min(batch, n)
    recorder = Recorder(epochs * steps + 3, size)
    inputs = keras.Input((1,))
    encoder = keras.Model(inputs, keras.layers.Dense(1)(recorder(inputs)))
    ae = Autoencoder(encoder, mlp_decoder((1,), (), 1))
    ae.compile(keras.optimizers.SGD(0.0))
    ae.fit(np.arange(n, dtype="float32")[:, None], epochs=epochs, batch_size=batch, seed=7, verbose=0)

    assert int(recorder.step) == int(ae.optimizer.iterations) == epochs * steps
    seen = keras.ops.convert_to_numpy(recorder.seen)[: epochs * steps].reshape(epochs, steps * size)
    for epoch in range(epochs):
        wanted = np.random.default_rng([7, epoch]).permutation(n)[: steps * size]
        np.testing.assert_array_equal(seen[epoch], wanted)
        assert len(set(seen[epoch])) == steps * size  # nobody twice


def test_the_order_depends_on_seed_and_epoch_alone():
    a, b, c = (Batches((np.zeros(100),), 10, seed) for seed in (0, 0, 1))
    b.start(5)
    np.testing.assert_array_equal(a.order(3), b.order(3))
    assert not (a.order(3) == a.order(4)).all()
    assert not (a.order(3) == c.order(3)).all()
    left_out = [set(range(100)) - set(Batches((np.zeros(100),), 33, 0).order(e).ravel()) for e in range(20)]
    assert len(set().union(*left_out)) > 10  # other ones in every epoch


# --- what is reported ---------------------------------------------------------------------------------


def test_reported_terms_are_the_means_over_the_examples(build, x):
    ae = build(hidden=(5,), likelihood=Bernoulli(), penalty=L1(0.3), optimizer=keras.optimizers.SGD(0.0))
    logits = ae.predict(x, verbose=0)["params"].astype("float64")
    rec = (np.logaddexp(0, logits) - x * logits).sum(axis=(1, 2, 3)).mean()
    reg = np.abs(ae.encode(x)).sum(axis=1).mean()
    wanted = {"loss": rec + 0.3 * reg, "rec": rec, "reg": reg}
    history = ae.fit(x, batch_size=12, validation_data=x, verbose=0).history
    assert {k: v[0] for k, v in history.items()} == pytest.approx(
        {**wanted, **{f"val_{k}": v for k, v in wanted.items()}}, rel=1e-5
    )
    for batch_size in (512, 60, 7):  # the last batch is smaller: means over examples, not over batches
        assert ae.evaluate(x, batch_size=batch_size) == pytest.approx(wanted, rel=1e-5)


def test_validation_numbers_are_those_of_evaluate(build, x, monkeypatch):
    monkeypatch.setattr("aecore.training.EVALUATION_BATCH", 7)  # more batches than one call of Keras runs
    ae = build(hidden=(5,), optimizer=keras.optimizers.Adam(0.01))
    history = ae.fit(x, epochs=2, batch_size=12, validation_data=(x, 1 - x), verbose=0).history
    assert history["val_rec"][-1] == pytest.approx(ae.evaluate(x, 1 - x)["rec"], rel=1e-5)
    assert history["val_rec"][0] != pytest.approx(history["val_rec"][1], rel=1e-3)


def test_progress_writes_its_last_line_to_a_file(build, x, capsys):
    history = build().fit(x, epochs=2, batch_size=60).history
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("epoch 2/2 · ")
    assert f"rec {history['rec'][-1]:.4g}" in lines[0]


# --- refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(epochs=0), ValueError, "fit: epochs wants a whole number >= 1, got 0"),
        (dict(epochs=-2), ValueError, "fit: epochs wants a whole number >= 1, got -2"),
        (dict(batch_size=0), ValueError, "fit: batch_size wants a whole number >= 1, got 0"),
        (dict(batch_size=-5), ValueError, "fit: batch_size wants a whole number >= 1, got -5"),
        (dict(batch_size=2.5), ValueError, "fit: batch_size wants a whole number >= 1, got 2.5"),
        (dict(seed=-1), ValueError, "fit: seed wants a whole number >= 0, got -1"),
        (dict(validation_data=np.zeros((5, 8, 8))), ValueError, r"got \(5, 8, 8\). The channel axis is missing"),
    ],
)  # fmt: skip
def test_a_fit_that_cannot_be_is_refused(build, x, arguments, error, message):
    with pytest.raises(error, match=message):
        build().fit(x, **{"verbose": 0, **arguments})


def test_validation_data_need_targets_where_training_has_them(build, x):
    for held_out in (x, (x,), (x, x, x)):
        with pytest.raises(ValueError, match=r"validation_data wants x or \(x, y\), with y where fit has one; got"):
            build().fit(x, x, validation_data=held_out)


def test_an_optimizer_is_wanted(build, x):
    ae = build()
    fresh = Autoencoder(ae.encoder, ae.decoder)
    with pytest.raises(ValueError, match=r'the model has no optimizer yet. Call compile\(optimizer="adam"\) first'):
        fresh.fit(x)
