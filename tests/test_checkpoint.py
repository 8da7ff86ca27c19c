"""Runs that are interrupted, killed, damaged, mixed up or lost, and how they go on."""

import os

import keras
import numpy as np
import pytest

from aecore.corruption import GaussianNoise
from aecore.objectives import L2, Bernoulli
from aecore.training import fingerprint


def denoiser(build, **kwargs):
    arguments = dict(hidden=(5,), corruption=GaussianNoise(0.2, seed=1), dropout=0.2, penalty=L2(0.1))
    return build(**{**arguments, "optimizer": keras.optimizers.Adam(0.01), **kwargs})


RUN = dict(epochs=4, batch_size=13, seed=5, verbose=0)


@pytest.fixture(scope="module")
def whole(build, x, tmp_path_factory):
    """A run without interruption: model, history, checkpoint."""
    path = tmp_path_factory.mktemp("whole") / "run.npz"
    ae = denoiser(build)
    return ae, ae.fit(x, **RUN, validation_data=x[:9], checkpoint=path).history, path


class Interrupt(keras.callbacks.Callback):
    """Do something in the middle or at the end of the third epoch."""

    def __init__(self, where, do):
        super().__init__()
        self.where, self.do = where, do

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.where == "middle" and self.epoch == 2:
            self.do()

    def on_epoch_end(self, epoch, logs=None):
        if self.where == "end" and epoch == 2:
            self.do()


def interrupt(*args):
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["middle", "end"])
def test_an_interrupted_run_goes_on_to_the_same_weights(build, x, tmp_path, whole, same, where):
    path = tmp_path / "new" / "folder" / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        denoiser(build).fit(x, **RUN, validation_data=x[:9], checkpoint=path, callbacks=[Interrupt(where, interrupt)])
    ae = denoiser(build)
    ae.set_weights([w + 1 for w in ae.get_weights()])  # everything must come from the file
    history = ae.fit(x, **RUN, validation_data=x[:9], checkpoint=path).history
    same(ae, whole[0])
    assert history == whole[1]
    assert [p.name for p in path.parent.iterdir()] == ["run.npz"]


def killed(build, path):
    """What the next test runs in a process of its own."""
    from aecore import data

    x = data.digits().train.x[:60]
    kill = Interrupt("middle", lambda: os._exit(9))
    denoiser(build).fit(x, **RUN, validation_data=x[:9], checkpoint=path, callbacks=[kill])


def test_a_killed_process_is_gone_on_from(build, x, tmp_path, whole, same, python):
    path = tmp_path / "run.npz"
    code = (
        "import sys; sys.path.insert(0, 'tests'); import conftest, test_checkpoint; "
        "test_checkpoint.killed(conftest.small, sys.argv[1])"
    )
    python("-c", code, path, returncode=9, KERAS_BACKEND=keras.backend.backend())
    ae = denoiser(build)
    history = ae.fit(x, **RUN, validation_data=x[:9], checkpoint=path).history
    same(ae, whole[0])
    assert history == whole[1]


def test_a_finished_run_trains_nothing(build, x, whole, same):
    ae, written = denoiser(build), whole[2].read_bytes()
    history = ae.fit(x, **RUN, validation_data=x[:9], checkpoint=whole[2]).history
    same(ae, whole[0])
    assert history == whole[1]
    assert whole[2].read_bytes() == written


def test_more_epochs_are_added_to_a_finished_run(build, x, tmp_path, whole, same):
    path = tmp_path / "run.npz"
    for epochs in (1, 4):
        ae = denoiser(build)
        ae.fit(x, **{**RUN, "epochs": epochs}, validation_data=x[:9], checkpoint=path)
    same(ae, whole[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(x=lambda x: x[::-1]), "belongs to another run: it has {'data': "),
        (dict(x=lambda x: x[:50]), "it has {'examples': 60, 'data': .*wanted {'examples': 50"),
        (dict(y=lambda x: 1 - x), "it has {'data': "),
        (dict(seed=6), "it has {'seed': 5}, wanted {'seed': 6}"),
        (dict(batch_size=12), "it has {'batch_size': 13}, wanted {'batch_size': 12}"),
        (dict(epochs=3), "has done 4 epochs, wanted 3"),
        (dict(model=dict(hidden=(6,))), "it has {'model': "),
        (dict(model=dict(activation="relu")), "it has {'model': "),  # weights of the same shapes
        (dict(model=dict(likelihood=Bernoulli())), "it has {'model': "),
        (dict(model=dict(penalty=L2(0.2))), "it has {'model': "),
        (dict(model=dict(seed=1)), "it has {'model': "),
        (dict(model=dict(optimizer=keras.optimizers.SGD(0.01))), "another model or optimizer"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_another_run_is_refused(build, x, whole, change, message):
    before = whole[2].read_bytes()
    targets = [change["y"](x)] if "y" in change else []
    run = {**RUN, **{k: v for k, v in change.items() if k in RUN}}
    ae = denoiser(build, **change.get("model", {}))
    weights = ae.get_weights()
    with pytest.raises(ValueError, match=f"{message}.*Delete .* to start again, or give another file name"):
        ae.fit(change.get("x", lambda x: x)(x), *targets, **run, checkpoint=whole[2])
    assert whole[2].read_bytes() == before
    for was, now in zip(weights, ae.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


DAMAGE = {
    "cut": lambda b: b[: len(b) // 2],
    "empty": lambda b: b"",
    "text": lambda b: b"nonsense",
    "one bit": lambda b: b[:2000] + bytes([b[2000] ^ 1]) + b[2001:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_is_refused_and_kept(build, x, tmp_path, whole, damage):
    path = tmp_path / "run.npz"
    path.write_bytes(damage(whole[2].read_bytes()))
    damaged = path.read_bytes()
    with pytest.raises(ValueError, match=f"{path} cannot be read .*Delete {path} to start again"):
        denoiser(build).fit(x, **RUN, checkpoint=path)
    assert path.read_bytes() == damaged


def test_a_checkpoint_that_is_a_plain_array_is_refused(build, x, tmp_path):
    with open(tmp_path / "run.npz", "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="cannot be read"):
        build().fit(x, **RUN, checkpoint=tmp_path / "run.npz")


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_an_interruption_while_writing_leaves_the_old_file(build, x, tmp_path, whole, same, monkeypatch, step):
    path = tmp_path / "run.npz"
    denoiser(build).fit(x, **{**RUN, "epochs": 2}, validation_data=x[:9], checkpoint=path)
    old = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, step, interrupt)
        with pytest.raises(KeyboardInterrupt):
            denoiser(build).fit(x, **RUN, validation_data=x[:9], checkpoint=path)
    assert path.read_bytes() == old
    ae = denoiser(build)
    ae.fit(x, **RUN, validation_data=x[:9], checkpoint=path)
    same(ae, whole[0])


def test_a_place_that_cannot_be_written_is_refused_before_training(build, x, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Cannot write the checkpoint .*Name a file elsewhere"):
        build().fit(x, **RUN, checkpoint=tmp_path / "file" / "run.npz")
    with pytest.raises(ValueError, match=f"is a folder. Name a file in it: {tmp_path}/run.npz"):
        build().fit(x, **RUN, checkpoint=tmp_path)


def test_numpy_integers_and_the_home_folder_are_understood(build, x, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    n = np.int64
    build().fit(x, epochs=n(1), batch_size=n(30), seed=n(3), verbose=0, checkpoint="~/run.npz")
    assert (tmp_path / "run.npz").exists()


def test_a_fingerprint_is_of_the_settings_and_not_of_the_names(build, tmp_path):
    ae = denoiser(build)
    ae.save(tmp_path / "ae.keras")
    assert fingerprint(ae) == fingerprint(denoiser(build))
    assert fingerprint(ae) == fingerprint(keras.saving.load_model(tmp_path / "ae.keras"))
    assert fingerprint(build()) != fingerprint(build(code_activation="relu"))


def test_a_lost_loss_stops_training_and_is_not_kept(build, x, tmp_path):
    path = tmp_path / "run.npz"
    ae = build()
    ae.fit(x, epochs=1, batch_size=6, verbose=0, checkpoint=path)
    good = path.read_bytes()

    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 1e6

    with pytest.raises(FloatingPointError, match=r"in epoch 2 the loss is no longer a finite .*lower the learning"):
        ae.fit(x, epochs=3, batch_size=6, verbose=0, checkpoint=path, callbacks=[Spoil()])
    assert path.read_bytes() == good
