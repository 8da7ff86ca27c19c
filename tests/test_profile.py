"""Which profile is chosen, and what is printed."""

import os
import time

import keras
import pytest

from aecore import _backend, cost, profile, start


@pytest.mark.parametrize(
    ("variable", "gpus", "chosen", "reason"),
    [
        (None, [], "quick", "no GPU was found"), (None, ["H200"], "full", "a GPU was found"),
        ("", [], "quick", "no GPU was found"),
        ("quick", ["H200"], "quick", "set by AECORE_PROFILE"), ("full", [], "full", "set by AECORE_PROFILE"),
    ],
)  # fmt: skip
def test_the_variable_chooses_and_else_the_device(variable, gpus, chosen, reason, monkeypatch, capsys):
    monkeypatch.delenv("AECORE_PROFILE", raising=False)
    if variable is not None:
        monkeypatch.setenv("AECORE_PROFILE", variable)
    monkeypatch.setattr(_backend, "accelerators", lambda: gpus)
    run = start(seed=3)
    assert run == (chosen, gpus[0] if gpus else "CPU", 3)
    assert run.full == (chosen == "full")
    assert run.pick(quick=1, full=2) == (2 if chosen == "full" else 1)
    lines = capsys.readouterr().out.splitlines()
    other = {"quick": "full", "full": "quick"}[chosen]
    assert lines[0] == f"profile   {chosen} ({reason}; AECORE_PROFILE={other} chooses the other)"
    assert lines[1] == f"device    {gpus[0] if gpus else 'CPU'}, {os.cpu_count()} CPU cores"
    name = {"tensorflow": "TensorFlow", "jax": "JAX"}[keras.backend.backend()]
    assert f"Keras {keras.__version__}, {name} " in lines[2]
    assert lines[3:] == ["seed      3"]


def test_an_unknown_profile_is_refused(monkeypatch):
    monkeypatch.setenv("AECORE_PROFILE", "fast")
    with pytest.raises(
        ValueError, match=r"AECORE_PROFILE must be 'quick' or 'full', got 'fast'. Unset it to let the dev"
    ):
        start()


def test_the_cost_is_counted_from_the_start(capsys, monkeypatch):
    start()
    monkeypatch.setattr(profile, "_started", time.perf_counter() - 100)
    seconds, gigabytes = cost()
    assert seconds == pytest.approx(100, abs=5)
    with open("/proc/self/status") as file:
        peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 2**20  # kB
    assert gigabytes == pytest.approx(peak, rel=0.05)
    assert f"took {seconds:.0f} s and at most {gigabytes:.1f} GB of memory." in capsys.readouterr().out


def test_other_backends_are_refused(python):
    done = python("-c", "import aecore", returncode=1, KERAS_BACKEND="numpy")
    assert "aecore runs on the Keras backends 'tensorflow' and 'jax', got 'numpy'. Set the environment" in done.stderr
