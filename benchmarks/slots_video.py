"""Do slots keep their objects through a film, and know where they go? Beside the model that sees each frame by itself.

    python benchmarks/slots_video.py --minutes 60                 what is missing, with three seeds
    python benchmarks/slots_video.py --only hinted --seeds 0

Every run: 4,000 films of 6 frames, 32 x 32, in which 3 to 4 sprites move, bounce and pass behind one another
(sprites.films, its defaults). A slot autoencoder is trained on their frames by themselves (benchmarks/slots.py), then
with its transition on films. Reported are means over 256 other films of 10 frames, four frames longer than any that was
seen in training: `identity`, share of the tracks that keep one slot, of all tracks and of those that were hidden in
between; ARI, FG-ARI and mBO of whole films; `next`, the squared error of the frame that is expected after each one from
the third on, and of the third one after it, beside copying the last frame that is known.

"frame by frame" is the same slot autoencoder without time: each frame by itself, from the same noise; its slots are
matched with those of the frame before by the overlap of their masks, which is the best it can do; what it expects of
the next frame is the frame it sees.

A call stops after an epoch when its minutes are over and writes results/slots_video.json after every run. Called again
it does what is missing; half-finished runs go on from their checkpoints.
"""

import argparse
import json
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import slots
from published_vae import Budget, device
from scipy.optimize import linear_sum_assignment
from throughput import versions

import aecore
from aecore import _backend
from aecore.metrics_objects import ari, consistency, identity, mbo
from aecore.slots import adam
from aecore.slots_video import SlotVideo, object_boxes
from aecore.sprites import films

RESULT = Path(__file__).parent / "results" / "slots_video.json"
FILMS, FRAMES, BATCH, STEPS, RATE, WARM = 4_000, 6, 16, 1_250, 1e-3, 200
TESTED, LONG = 256, 10
VARIANTS = {  # arguments of SlotVideo
    "slots in time": {},
    "hinted": dict(hinted=True),
    "no patience": dict(patience=0.0),
    "no foresight": dict(foresight=0.0),
}
ALONE = "frame by frame"


def fitted(model, path, x, steps, batch, end, **arguments):
    """Train, or go on. Returns: the minutes that it took in all."""
    clock, start = path.with_suffix(".seconds"), time.perf_counter()
    before = float(clock.read_text()) if clock.exists() and path.exists() else 0.0
    epochs = -(-steps // (len(x) // batch))
    hooks = [Budget(end - start)]
    history = model.fit(x, epochs=epochs, batch_size=batch, checkpoint=path, callbacks=hooks, verbose=0, **arguments)
    seconds = before + time.perf_counter() - start
    clock.write_text(f"{seconds:.1f}")
    if len(history.history["loss"]) < epochs:
        sys.exit("The minutes are over. Call again to go on.")
    return seconds / 60


def frames_of(a):
    return a.reshape(-1, *a.shape[2:])


def hints(model, masks):
    return object_boxes(masks[:, 0], model.autoencoder.slots - 1) if model.hinted else None


def squared(a, b):
    return float(f"{np.square(a - b).mean():.3g}")


def of_films(labels, truth):
    """Figures of labels, (n, t, h, w)."""
    values = {"identity": identity(truth, labels), "identity, hidden": identity(truth, labels, hidden=True)}
    values |= {"FG-ARI": ari(truth, labels, background=False).mean(), "ARI": ari(truth, labels).mean()}
    values |= {"mBO": mbo(truth, labels).mean(), "consistency": consistency(labels).mean()}
    return {key: round(float(value), 3) for key, value in values.items()}


def in_time(model, test):
    given = hints(model, test.masks)
    codes = model.encode(test.x, hints=given, seed=1)
    row = of_films(model.predict(test.x, codes=codes), test.masks)
    row["mse"] = squared(model.decode(codes), test.x)
    known = range(3, LONG - 2)  # frames that are known when the next ones are asked for
    ahead = np.stack([model.decode(model.forecast(codes[:, :t], 3)) for t in known])
    for name, i in {"next": 0, "third": 2}.items():
        row[name] = squared(ahead[:, :, i], np.stack([test.x[:, t + i] for t in known]))
        row[f"{name}, copied"] = squared(*(np.stack([test.x[:, t + j] for t in known]) for j in (-1, i)))
    return row


def frame_by_frame(still, test):
    codes = still.encode(frames_of(test.x), seed=1)
    labels = still.predict(frames_of(test.x), codes=codes).reshape(test.masks.shape)
    for film in labels:
        for before, now in pairwise(film):  # `before` has its numbers already
            k = still.slots
            overlap = np.bincount((before * k + now).ravel(), minlength=k * k).reshape(k, k)
            now[:] = np.argsort(linear_sum_assignment(overlap, maximize=True)[1])[now]
    pictures = still.decode(codes).reshape(test.x.shape)
    row = {**of_films(labels, test.masks), "mse": squared(pictures, test.x)}
    known = range(3, LONG - 2)
    for name, i in {"next": 0, "third": 2}.items():
        row[name] = squared(*(np.stack([a[:, t + j] for t in known]) for a, j in ((pictures, -1), (test.x, i))))
    return row


def run(name, seed, end, given):
    made, test = films(FILMS, FRAMES, seed=11), films(TESTED, LONG, seed=12)
    work = given.work / f"slots_video_{seed}"
    work.mkdir(parents=True, exist_ok=True)
    still, x = slots.model(seed), frames_of(made.x)
    still.compile(adam(slots.RATE, given.still, WARM))
    minutes = {"still": fitted(still, work / "still.npz", x, given.still, slots.BATCH, end, seed=seed)}
    about = {"name": name, "seed": seed, "still steps": given.still}
    if name == ALONE:
        row = frame_by_frame(still, test)
    else:
        model = SlotVideo(still, seed=seed, **VARIANTS[name])
        model.compile(adam(RATE, given.steps, WARM))
        path, extra = work / f"{list(VARIANTS).index(name)}.npz", {"hints": hints(model, made.masks)}
        minutes["video"] = fitted(model, path, made.x, given.steps, BATCH, end, seed=seed, **extra)
        about |= {"steps": given.steps, "parameters": model.count_params()}
        row = in_time(model, test)
    return {**about, "minutes": {key: round(value, 1) for key, value in minutes.items()}, **row}


def medians(rows):
    for name in (ALONE, *VARIANTS):
        ours = [row for row in rows if row["name"] == name]
        if ours:
            keys = [key for key, value in ours[0].items() if isinstance(value, float)]
            cells = [f"{key} {statistics.median(row[key] for row in ours):.3g}" for key in keys]
            print(f"{name:16}{len(ours)} seeds: " + "  ".join(cells))


def main(given):
    end = time.perf_counter() + 60 * given.minutes
    rows = json.loads(RESULT.read_text())["rows"] if RESULT.exists() else []
    for seed in given.seeds:
        for name in given.only or (ALONE, *VARIANTS):
            if not any((row["name"], row["seed"]) == (name, seed) for row in rows):
                print(name, seed, flush=True)
                rows.append(run(name, seed, end, given))
                print(rows[-1], flush=True)
                record = {
                    "figure": "identity: share of tracks that keep one slot through ten frames; higher is better",
                    "training": f"{FILMS} films of {FRAMES} frames, batches of {BATCH}, Adam {RATE}, cosine",
                    "device": device(), "date": time.strftime("%Y-%m-%d"), "backend": _backend.version(),
                    "versions": {"aecore": aecore.__version__, **versions()}, "rows": rows,
                }  # fmt: skip
                RESULT.parent.mkdir(exist_ok=True)
                RESULT.write_text(json.dumps(record, indent=1) + "\n")
    medians(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="of training in this call")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=(ALONE, *VARIANTS))
    parser.add_argument("--still", type=int, default=slots.STEPS, help="steps of the slot autoencoder")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps on films")
    parser.add_argument("--work", type=Path, default=Path("~/.cache/aecore").expanduser(), help="for checkpoints")
    main(parser.parse_args())
