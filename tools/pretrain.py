"""Train the models whose weights come with aecore, and write beside them how, and what they are worth.

    python tools/pretrain.py                   all of them
    python tools/pretrain.py slots_films       one

For each name aecore/weights gets NAME.npz, float32, an array for each weight in the model's order, and an entry of
index.json, which `aecore.pretrained` reads. The figures are those of benchmarks/slots.py and benchmarks/slots_video.py.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from joblib import cpu_count

import aecore
from aecore import _backend, pretrained
from aecore.slots import adam, slot_autoencoder
from aecore.slots_video import SlotVideo
from aecore.sprites import films, sprites

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from slots import agreement_of
from slots_video import frames_of, hints, in_time
from throughput import versions

MOST = 2**20  # bytes of a file: it comes with every installation
BUILDERS = {"slot_autoencoder": slot_autoencoder, "SlotVideo": SlotVideo}


class Recipe(NamedTuple):
    """How to train a model, and what to say of it.

    what, training, test: what it is, what it learned from, what it was measured on: a sentence each, without a full
    stop. model: the code that builds it. train: model -> steps; judge: model -> figures.
    """

    what: str
    model: str
    training: str
    train: Callable
    test: str
    judge: Callable


def fit(model, x, epochs, batch, rate, warm=200, **arguments):
    """Train. Returns: the steps that it took."""
    steps = epochs * (len(x) // batch)
    model.compile(adam(rate, steps, warm))
    model.fit(x, epochs=epochs, batch_size=batch, seed=model.seed, **arguments)
    return steps


def patterned(n, seed):
    return sprites(n, textures=("stripes", "checks"), seed=seed)


def agreement(draw):
    """Of labels with true masks, on 320 pictures."""

    def judge(model):
        test = draw(320, seed=2)
        return agreement_of(test.masks, model.predict(test.x, seed=1))

    return judge


def train_films(model):
    x = films(4_000, 6, seed=11).x
    still = fit(model.autoencoder, frames_of(x), epochs=4, batch=64, rate=2e-3)
    return {"frames by themselves": still, "films": fit(model, x, epochs=5, batch=16, rate=1e-3)}


def train_hinted(model):
    before = pretrained.load(SlotVideo(slot_autoencoder((32, 32, 3))), "slots_films")
    model.autoencoder.set_weights(before.autoencoder.get_weights())
    model.transition.set_weights(before.transition.get_weights())
    made = films(4_000, 6, seed=11)
    return fit(model, made.x, epochs=3, batch=16, rate=1e-3, hints=hints(model, made.masks))


RECIPES = {
    "slots_plain": Recipe(
        what="a slot autoencoder of plain objects",
        model="slot_autoencoder((32, 32, 3), seed=19)",
        training="sprites(20_000, seed=1), batches of 64, adam(2e-3, steps, 200)",
        train=lambda model: fit(model, sprites(20_000, seed=1).x, epochs=4, batch=64, rate=2e-3),
        test="sprites(320, seed=2), predict(x, seed=1)",
        judge=agreement(sprites),
    ),
    "slots_patterned": Recipe(
        what="a slot autoencoder of objects with patterns",
        model='slot_autoencoder((32, 32, 3), paint={"colours": 12}, seed=19)',
        training='sprites(20_000, textures=("stripes", "checks"), seed=1), batches of 64, adam(2e-3, steps, 200)',
        train=lambda model: fit(model, patterned(20_000, seed=1).x, epochs=8, batch=64, rate=2e-3),
        test='sprites(320, textures=("stripes", "checks"), seed=2), predict(x, seed=1)',
        judge=agreement(patterned),
    ),
    "slots_films": Recipe(
        what="slots in time, of films in which objects pass behind one another",
        model="SlotVideo(slot_autoencoder((32, 32, 3), seed=20), seed=20)",
        training="films(4_000, 6, seed=11): the slot autoencoder on their frames by themselves, batches of 64, "
        "adam(2e-3, steps, 200), then all of it on films, batches of 16, adam(1e-3, steps, 200)",
        train=train_films,
        test="films(128, 10, seed=12), encode(x, seed=1)",
        judge=lambda model: in_time(model, films(128, 10, seed=12)),
    ),
    "slots_hinted": Recipe(
        what="slots in time that are told boxes of the first frame",
        model="SlotVideo(slot_autoencoder((32, 32, 3), seed=20), hinted=True, seed=20)",
        training="slots_films, and then the same films with their boxes, batches of 16, adam(1e-3, steps, 200)",
        train=train_hinted,
        test="films(128, 10, seed=12), encode(x, hints, seed=1)",
        judge=lambda model: in_time(model, films(128, 10, seed=12)),
    ),
}


def packed(model):
    """A model's weights as the bytes of an .npz file."""
    content = io.BytesIO()
    pairs = zip(model.weights, model.get_weights(), strict=True)
    np.savez_compressed(content, **{f"{i:03} {w.path}": a.astype("float32") for i, (w, a) in enumerate(pairs)})
    if content.tell() > MOST:
        raise ValueError(
            f"pretrain: wanted at most {MOST:,} bytes of weights, got {content.tell():,}. Take a smaller model."
        )
    return content.getvalue()


def replace(path, content):
    """Write a file in one step: an interruption leaves the old one whole."""
    half = path.with_name(path.name + ".part")
    half.write_bytes(content)
    os.replace(half, path)


def make(name, recipe):
    """Train a recipe, and write its weights and its entry. Returns: the entry."""
    model = eval(recipe.model, BUILDERS)
    start = time.perf_counter()
    steps = recipe.train(model)
    minutes = (time.perf_counter() - start) / 60
    content = packed(model)
    entry = {
        "what": recipe.what, "model": recipe.model, "training": recipe.training, "seed": model.seed, "steps": steps,
        "minutes": round(minutes, 1),
        "device": ", ".join(_backend.accelerators())
        or f"CPU, {cpu_count()} of {os.cpu_count()} cores, {platform.machine()}",
        "date": time.strftime("%Y-%m-%d"), "backend": _backend.version(),
        "versions": {"aecore": aecore.__version__, **versions()}, "test": recipe.test, "figures": recipe.judge(model),
        "command": f"python tools/pretrain.py {name}", "sha256": hashlib.sha256(content).hexdigest(),
    }  # fmt: skip
    index = pretrained.FOLDER / "index.json"
    entries = json.loads(index.read_text()) if index.exists() else {}
    replace(index.with_name(f"{name}.npz"), content)
    replace(index, (json.dumps({**entries, name: entry}, indent=1) + "\n").encode())
    return entry


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(RECIPES)}; none: all")
    names = parser.parse_args().names or list(RECIPES)
    if not set(names) <= set(RECIPES):
        parser.error(f"wanted names of {', '.join(RECIPES)}; got {', '.join(names)}.")
    for name in names:
        print(name, flush=True)
        print(json.dumps(make(name, RECIPES[name]), indent=1), flush=True)
