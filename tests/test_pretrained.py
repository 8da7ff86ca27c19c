"""Weights that come with the package: whole, what they say they are, refused where they do not fit, as good as said.

This file, run as a script under the other backend, loads them there and saves what the models say.
"""

import hashlib
import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aecore import networks, pretrained
from aecore.metrics_objects import ari, identity
from aecore.slots import slot_autoencoder
from aecore.slots_video import SlotVideo, object_boxes
from aecore.sprites import films, sprites

ROOT = Path(__file__).parents[1]
INDEX = json.loads((pretrained.FOLDER / "index.json").read_text())
BUILDERS = {"slot_autoencoder": slot_autoencoder, "SlotVideo": SlotVideo}
NAMES = sorted(INDEX)


def built(name):
    """The model that weights are for, as their entry says to build it."""
    return eval(pretrained.about(name)["model"], BUILDERS)


def some(name):
    """A few pictures or films that no model was trained on."""
    if built_for_films(name):
        return films(24, 8, seed=5)
    return sprites(64, textures=("stripes", "checks") if name == "slots_patterned" else ("plain",), seed=5)


def built_for_films(name):
    return INDEX[name]["model"].startswith("SlotVideo")


def hints(model, given):
    """What a hinted model is told of the first frames."""
    return {"hints": object_boxes(given.masks[:, 0], 4)} if getattr(model, "hinted", False) else {}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The weights in a folder of their own."""
    shutil.copytree(pretrained.FOLDER, tmp_path / "weights")
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "weights")
    return tmp_path / "weights"


@pytest.fixture(scope="module")
def pretrain():
    """The tool that trains."""
    sys.path.insert(0, str(ROOT / "tools"))
    return importlib.import_module("pretrain")


def test_every_file_is_in_the_index_small_and_whole():
    assert {p.name for p in pretrained.FOLDER.iterdir()} == {"index.json", *(f"{name}.npz" for name in INDEX)}
    for name, entry in INDEX.items():
        path = pretrained.FOLDER / f"{name}.npz"
        assert path.stat().st_size <= 2**20
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
        with np.load(path, allow_pickle=False) as file:
            assert all(a.dtype == "float32" and np.isfinite(a).all() for a in file.values())


def test_the_index_says_how_its_weights_were_trained(pretrain):
    assert set(pretrain.RECIPES) == set(INDEX)
    for name, recipe in pretrain.RECIPES.items():
        entry = pretrained.about(name)
        for key in ("what", "model", "training", "test"):
            assert entry[key] == getattr(recipe, key), f"{name} was trained by another recipe: {key}"
        assert entry["command"] == f"python tools/pretrain.py {name}"
        assert entry["minutes"] > 1
        assert all(entry[key] for key in ("seed", "steps", "device", "date", "backend", "versions", "figures"))


def test_what_is_made_is_what_is_loaded(folder, monkeypatch, pretrain):
    draws = np.random.default_rng(1)

    def train(model):
        model.set_weights([draws.standard_normal(w.shape).astype("float32") for w in model.weights])
        made.extend(model.get_weights())
        return 7

    made, code = [], "slot_autoencoder((8, 8, 3), 4, slots=3, seed=1)"
    recipe = pretrain.Recipe("it", code, "noise", train, "nothing", lambda model: {"figure": 0.5})
    entry = pretrain.make("small", recipe)
    assert entry == pretrained.about("small")
    assert (entry["seed"], entry["steps"], entry["figures"]) == (1, 7, {"figure": 0.5})
    assert json.loads((folder / "index.json").read_text()) == {**INDEX, "small": entry}
    model = pretrained.load(eval(entry["model"], BUILDERS), "small")
    for ours, theirs in zip(model.get_weights(), made, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    monkeypatch.setattr(pretrain, "MOST", 100)
    with pytest.raises(ValueError, match="wanted at most 100 bytes"):
        pretrain.packed(model)
    assert not list(folder.glob("*.part"))


def test_an_unknown_name_is_answered_with_those_that_there_are():
    with pytest.raises(ValueError, match=f"wanted one of {', '.join(NAMES)}; got 'slots'"):
        pretrained.about("slots")
    with pytest.raises(ValueError, match="wanted one of"):
        pretrained.load(None, "../slots_films")


def damaged(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (damaged, ValueError, r"patterned\.npz is damaged .* SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}\. Install aecore"),
        (lambda path: path.write_bytes(b""), ValueError, "got e3b0c442"),
        (Path.unlink, FileNotFoundError, r"slots_patterned\.npz is missing\. Install aecore again"),
        (lambda path: (path.parent / "index.json").unlink(), FileNotFoundError, r"index\.json is missing"),
    ],
    ids=["a bit", "empty", "missing", "no index"],
)
def test_an_incomplete_package_is_told_to_be_installed_again(folder, spoil, error, message):
    spoil(folder / "slots_patterned.npz")
    refused(slot_autoencoder((32, 32, 3), paint={"colours": 12}), error, message)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda: slot_autoencoder((32, 32, 3)),
            r"wants the shape \(64, 3\), got \(64, 432\), of '\d+ dense.*'\. Build the model .* slot_autoencoder\(",
        ),
        (lambda: networks.mlp_encoder((8, 8, 1), (), 3), r"wanted a model of 43 weights, got 2\. Build the model"),
    ],
    ids=["shape", "number"],
)
def test_a_model_that_does_not_fit_is_told_how_to_be_built(model, message):
    refused(model(), ValueError, message)


def refused(model, error, message):
    """Loading fails, and nothing was loaded."""
    before = model.get_weights()
    with pytest.raises(error, match=message):
        pretrained.load(model, "slots_patterned")
    for was, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_loaded_model_is_as_good_as_its_entry_says(name):
    given = some(name)
    if built_for_films(name):
        key, band, score = "identity", 0.12, lambda labels: identity(given.masks, labels)
    else:
        key, band, score = "ARI", 0.08, lambda labels: ari(given.masks, labels).mean()
    wanted = pretrained.about(name)["figures"][key]
    model = built(name)
    told = hints(model, given)
    untrained = score(model.predict(given.x, seed=1, **told))
    assert pretrained.load(model, name) is model
    assert abs(score(model.predict(given.x, seed=1, **told)) - wanted) < band < wanted - untrained


def said(name):
    """What a loaded model says of a few pictures or films: slots, and whose each pixel is."""
    model, given = pretrained.load(built(name), name), some(name)
    codes = model.encode(given.x, seed=1, **hints(model, given))
    return {"slots": codes, "labels": model.predict(given.x, codes=codes)}


def other_side(folder):
    for name in NAMES:
        np.savez(folder / f"{name}.npz", **said(name))


@pytest.mark.slow
def test_both_backends_load_the_same_model(elsewhere):
    folder = elsewhere(__file__, {})
    for name in NAMES:
        ours, theirs = said(name), np.load(folder / f"{name}.npz")
        np.testing.assert_allclose(ours["slots"], theirs["slots"], rtol=1e-3, atol=1e-3, err_msg=name)
        assert (ours["labels"] == theirs["labels"]).mean() > 0.999, name


@pytest.mark.slow
def test_an_installation_has_the_weights(tmp_path, python):
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(ROOT / "aecore", source / "aecore", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", target, source], check=True, timeout=300)
    code = (
        "from aecore import pretrained; from aecore.slots import slot_autoencoder; "
        "model = slot_autoencoder((32, 32, 3), paint={'colours': 12}); "
        "pretrained.load(model, 'slots_patterned'); print(pretrained.FOLDER)"
    )
    assert python("-P", "-c", code, PYTHONPATH=str(target)).stdout.strip() == str(target / "aecore" / "weights")


if __name__ == "__main__":
    other_side(Path(sys.argv[1]))
