"""What happens around an epoch: a progress line, and a checkpoint to go on from."""

import json
import math
import os
import sys
import time
import warnings
from pathlib import Path

import keras
import numpy as np


class Progress(keras.callbacks.Callback):
    """One line that moves: epoch, time, and the book's names of the loss terms.

    In a notebook it is one output that is updated, so that a built page shows its last state only;
    in a terminal one line; where the output is a file, only the last line is written.
    """

    pause = 0.25  # seconds between two updates

    def on_train_begin(self, logs=None):
        self.start = time.perf_counter()
        self.drawn = 0.0
        self.epoch, self.logs, self.display = 0, {}, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        steps = self.params.get("steps") or 0
        self.draw(self.epoch + (batch + 1) / steps if steps else self.epoch)

    def on_epoch_end(self, epoch, logs=None):
        self.logs = dict(logs or {})
        self.draw(epoch + 1)

    def on_train_end(self, logs=None):
        self.draw(self.epoch + 1 if self.logs else self.epoch, last=True)

    def line(self, done):
        terms = " · ".join(f"{name} {value:.4g}" for name, value in self.logs.items())
        seconds = time.perf_counter() - self.start
        return f"epoch {int(done)}/{self.params['epochs']} · {seconds:.0f} s" + (f" · {terms}" if terms else "")

    def draw(self, done, last=False):
        now = time.perf_counter()
        if not last and now - self.drawn < self.pause:
            return
        self.drawn = now
        line = self.line(done)
        if _in_notebook():
            self.draw_in_notebook(line, done, last)
        elif sys.stdout.isatty():
            print("\r" + line, end="\n" if last else "", flush=True)
        elif last:
            print(line)

    def draw_in_notebook(self, line, done, last):
        from IPython.display import display

        bar = f'<progress max="{self.params["epochs"]}" value="{done:.3f}" aria-label="training"></progress> '
        bundle = {"text/plain": line, "text/html": f"<code>{'' if last else bar}{line}</code>"}
        if self.display is None:
            self.display = display(bundle, raw=True, display_id=True)
        else:
            self.display.update(bundle, raw=True)


def _in_notebook():
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


class FiniteLoss(keras.callbacks.Callback):
    """Stop with an error where the loss is no longer a number, before a checkpoint keeps such weights.

    The error names the term that was the first to go: an update by it has made all others NaN since.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self.finite = None

    def on_test_begin(self, logs=None):  # evaluation starts the trackers anew
        self.finite = self.steps()

    def steps(self):
        """For how many steps of this epoch each term has been finite."""
        steps = self.params["steps"]
        return {t.name: int(steps * float(t.finite) // max(float(t.count), 1.0)) for t in self.model.trackers}

    def on_epoch_end(self, epoch, logs=None):
        lost = {name: value for name, value in (logs or {}).items() if not math.isfinite(value)}
        if lost:
            finite = self.steps() if self.finite is None else self.finite
            least = min(finite.values())
            first = " and ".join(name for name, steps in finite.items() if steps == least)
            raise FloatingPointError(
                f"fit: in epoch {epoch + 1} the loss is no longer a finite number: {lost}. The first to go was "
                f"{first}, in step {least + 1}. The weights are lost: build the model again and lower the learning "
                "rate, or scale the data to about 1."
            )


class Schedule(keras.callbacks.Callback):
    """Give a variable a new value before every epoch: the weight of a term, a learning rate.

    Args:
        variable: keras.Variable such as `vae.beta`, or `model.optimizer.learning_rate`.
        value: function of the epoch, from 0. A resumed run asks for the epoch that it goes on with.

    Example:
        vae.fit(x, epochs=50, callbacks=[Schedule(vae.beta, lambda epoch: min(1.0, epoch / 10))])
    """

    def __init__(self, variable, value):
        super().__init__()
        if not isinstance(variable, keras.Variable):
            raise TypeError(f"Schedule: wanted a keras.Variable such as vae.beta, got {variable!r}.")
        self.variable, self.value = variable, value

    def on_epoch_begin(self, epoch, logs=None):
        self.variable.assign(self.value(epoch))


class Checkpoint(keras.callbacks.Callback):
    """Write the whole state of a training run after an epoch, so that it can go on after an interruption.

    Weights, optimizer, random states and history go into one .npz file, which replaces the old one in one
    step: an interruption while writing leaves the old file whole.

    Args:
        path: the .npz file; its folder is made where it is missing, and ~ is the home folder.
        run: dict that names the run (data, batch size, seed); resuming a different run is refused.
        every: at least this many seconds between two writes; the last epoch is always written.
    """

    def __init__(self, path, run, every=0.0):
        super().__init__()
        self.path = Path(path).expanduser()
        self.run = run
        self.every = every
        self.history = {}
        self.written = time.perf_counter()

    def variables(self, model):
        return [*model.variables, *model.optimizer.variables]

    def restore(self, model, epochs):
        """Load the state where the file exists. Returns: the number of epochs it has done, 0 without a file.

        Raises: ValueError where the file is damaged, holds another model or run, or has done more than `epochs`;
            OSError where its folder cannot be made. Says what to do.
        """
        if self.path.is_dir():
            raise ValueError(f"The checkpoint {self.path} is a folder. Name a file in it: {self.path / 'run.npz'}.")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)  # before an epoch's work, not after it
        except OSError as error:
            raise OSError(f"Cannot write the checkpoint {self.path} ({error}). Name a file elsewhere.") from error
        if not self.path.exists():
            return 0
        cure = f"Delete {self.path} to start again, or give another file name."
        try:
            with np.load(self.path, allow_pickle=False) as file:
                meta = json.loads(str(file["meta"]))
                values = [file[f"variable_{i}"] for i in range(meta["variables"])]
        except Exception as error:  # a damaged zip file raises any of a dozen kinds
            raise ValueError(f"The checkpoint {self.path} cannot be read ({error}). {cure}") from error
        different = [k for k in self.run if meta["run"].get(k) != self.run[k]]
        if different:
            was, now = ({k: run.get(k) for k in different} for run in (meta["run"], self.run))
            raise ValueError(f"The checkpoint {self.path} belongs to another run: it has {was}, wanted {now}. {cure}")
        if meta["epochs"] > epochs:
            raise ValueError(f"The checkpoint {self.path} has done {meta['epochs']} epochs, wanted {epochs}. {cure}")
        variables = self.variables(model)
        shapes = [tuple(v.shape) for v in variables]
        if shapes != [v.shape for v in values]:
            raise ValueError(
                f"The checkpoint {self.path} belongs to another model or optimizer: it has {len(values)} "
                f"variables, wanted {len(shapes)}, or their shapes differ. {cure}"
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        self.history = meta["history"]
        return meta["epochs"]

    def on_epoch_end(self, epoch, logs=None):
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        now = time.perf_counter()
        if epoch + 1 == self.params["epochs"] or now - self.written >= self.every:
            self.write(epoch + 1)
            self.written = now

    def write(self, epochs):
        arrays = {f"variable_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(self.variables(self.model))}
        meta = {"epochs": epochs, "history": self.history, "run": self.run, "variables": len(arrays)}
        half = self.path.with_name(self.path.name + ".part")
        with open(half, "wb") as file:
            np.savez(file, meta=json.dumps(meta), **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, self.path)


class Collapse(keras.callbacks.Callback):
    """Notice where a generator collapses, say how, and stop where that is wanted.

        spread = variance of the samples / variance of the data, both summed over all pixels
        modes  = different data that are nearest to some sample / the same for as many other data in their place

    Both are near 1 for a good generator, and stand in the history. All samples alike: the spread goes to 0. A few
    modes: the samples are nearest to a few of the data, over and over; one of eight equal modes gives about 0.2, two
    of them 0.4.

    Args:
        x: data, (n, ...), n >= 4. Half of what is used is to be nearest to, half is put in the samples' place.
        condition: labels of x, (n,), where the model is conditional: the samples have those of the second half.
        samples: how many to draw after every epoch; at most n / 2 are.
        spread, modes: what is less is a collapse, in [0, 1].
        patience: epochs in a row that it must have lasted: in the first epochs every generator is poor.
        stop: end the training as well.
        seed: owns the choice of data, and the samples' codes.
    Raises: ValueError where a number is out of range, or all data are equal.
    After training, `found` says in which epoch which collapse was noticed, or is None. A run that was resumed from a
    checkpoint looks anew: `found` knows of its own epochs alone.

    Example:
        gan.fit(x, epochs=50, callbacks=[Collapse(x)])
    """

    def __init__(self, x, condition=None, *, samples=256, spread=0.1, modes=0.5, patience=3, stop=False, seed=0):
        super().__init__()
        if len(x) < 4 or samples < 2 or patience < 1:
            raise ValueError(
                f"Collapse: wanted at least 4 data, 2 samples and a patience of 1, got {len(x)}, {samples}, {patience}."
            )
        if not (0 <= spread <= 1 and 0 <= modes <= 1):
            raise ValueError(f"Collapse: spread and modes must lie in [0, 1], got {spread} and {modes}.")
        rows = np.random.default_rng(seed).permutation(len(x))[: 2 * samples]
        near, instead = rows[: len(rows) // 2], rows[len(rows) // 2 :][: len(rows) // 2]
        flat = np.reshape(x, (len(x), -1)).astype("float64")
        self.data, self.variance = flat[near], flat.var(axis=0).sum()
        if (flat == flat[0]).all():
            raise ValueError(f"Collapse: wanted data that vary, got {len(x)} equal ones.")
        self.usual = self.share(flat[instead])
        self.condition = None if condition is None else np.asarray(condition)[instead]
        self.least = {"spread": spread, "modes": modes}
        self.patience, self.stop, self.seed = patience, stop, seed
        self.poor, self.found = dict.fromkeys(self.least, 0), None

    def share(self, samples):
        """Share of the data that are nearest to at least one sample."""
        squares = (self.data**2).sum(axis=1) - 2 * samples @ self.data.T  # |sample|^2 is the same for all data
        return len(np.unique(squares.argmin(axis=1))) / len(self.data)

    def measure(self, samples):
        """The two ratios of some samples, (n, ...): dict of `spread` and `modes`."""
        flat = np.reshape(samples, (len(samples), -1)).astype("float64")
        return {"spread": flat.var(axis=0).sum() / self.variance, "modes": self.share(flat) / self.usual}

    def on_epoch_end(self, epoch, logs=None):
        more = {} if self.condition is None else {"condition": self.condition}
        ratios = self.measure(self.model.sample(len(self.data), seed=self.seed, **more))
        if logs is not None:
            logs.update(ratios)
        for name, ratio in ratios.items():
            self.poor[name] = self.poor[name] + 1 if ratio < self.least[name] else 0
        lasting = [name for name, epochs in self.poor.items() if epochs >= self.patience]
        if lasting and self.found is None:
            kind = {
                "spread": f"all samples are nearly alike: they vary {ratios['spread']:.2g} times as much as the data",
                "modes": f"the samples cover few modes: they are nearest to {ratios['modes']:.2g} times as many of the "
                "data as other data are",
            }[lasting[0]]
            self.found = f"collapse in epoch {epoch + 1}, for {self.patience} epochs: {kind}."
            cure = "Try a penalty on the critic (R1 or GradientPenalty), another seed or lower learning rates."
            warnings.warn(f"{self.found} {cure}", stacklevel=2)
            self.model.stop_training = self.model.stop_training or self.stop
