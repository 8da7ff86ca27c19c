"""How well slots find objects that nobody showed them: sprites with overlap, each choice of chapter 19 taken back once.

    python benchmarks/slots.py --minutes 60                      what is missing, with three seeds
    python benchmarks/slots.py --only "all choices" --seeds 0

Every run: 20,000 pictures of 3 to 4 sprites (sprites.sprites, its defaults), 32 x 32, batches of 64, Adam with warm-up
and a cosine down to 0, the same number of steps. Reported are means over 320 other pictures: FG-ARI, ARI with ground,
mBO and the squared error, of labels from the posterior and of labels from the masks alone; the same on 5 to 6 sprites
with 7 slots; and on shapes that were never shown. The row "some shapes" is trained on ellipses and squares alone.

A call stops after an epoch when its minutes are over and writes results/slots.json after every run. Called again it
does what is missing; half-finished runs go on from their checkpoints, in the folder that --work names.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from published_vae import Budget, device
from throughput import versions

import aecore
from aecore import _backend
from aecore.metrics_objects import ari, mbo
from aecore.slot_decoders import BroadcastDecoder
from aecore.slots import SlotAutoencoder, adam, slot_autoencoder
from aecore.sprites import sprites

import keras  # isort: skip

RESULT = Path(__file__).parent / "results" / "slots.json"
SHAPE, PICTURES, BATCH = (32, 32, 3), 20_000, 64
STEPS, RATE, WARM = 1_248, 2e-3, 200
KNOWN, NEW = ("ellipse", "square"), ("triangle",)


def model(seed, centred=True, broadcast=False, **arguments):
    slots = slot_autoencoder(SHAPE, seed=seed, **arguments)
    encoder, attention, decoder = slots.encoder, slots.attention, slots.decoder
    if not centred:  # the model shows it x - 1/2
        x = keras.Input(SHAPE)
        encoder = keras.Model(x, encoder(keras.layers.Rescaling(1.0, 0.5)(x)))
    if broadcast:
        decoder = BroadcastDecoder(SHAPE, attention.size, background=attention.background, seed=seed)
    return SlotAutoencoder(encoder, attention, decoder, slots=slots.slots, mixture=slots.mixture, seed=seed)


PLAIN = dict(broadcast=True, mixture=False, relative=False, background=False, spread=False, one_step=False)
VARIANTS = {  # what is taken back -> arguments of `model`
    "all choices": {},
    "pictures shown from 0 to 1": dict(centred=False),
    "no background slot": dict(background=False),
    "no places": dict(relative=False),
    "starts drawn anywhere": dict(spread=False),
    "gradient through all iterations": dict(one_step=False),
    "colours at every pixel": dict(paint=dict(colours=12)),
    "broadcast decoder": dict(broadcast=True),
    "colours mixed": dict(mixture=False),
    "none of them": PLAIN,
    "some shapes": {},
}


COLOURS = "k-means of colours"


def agreement_of(masks, labels, suffix=""):
    """Means over pictures, by name."""
    values = {"FG-ARI": ari(masks, labels, background=False), "ARI": ari(masks, labels), "mBO": mbo(masks, labels)}
    return {name + suffix: round(float(value.mean()), 3) for name, value in values.items()}


def figures(slots, data, count):
    """Of a model with so many slots, on sprites."""
    codes = slots.encode(data.x, count, seed=1)
    masks = slots.layers_of(codes).masks.argmax(axis=-1)
    mse = float(np.square(slots.decode(codes) - data.x).mean())
    row = agreement_of(data.masks, slots.predict(data.x, codes=codes)) | agreement_of(data.masks, masks, " of masks")
    return {**row, "mse": float(f"{mse:.3g}")}


def k_means(data, count, seed):
    """Of clusters of each picture's colours, which know of no place: what a look at the colours alone is worth."""
    from sklearn.cluster import KMeans

    fit = lambda picture: KMeans(count, n_init=1, random_state=seed).fit_predict(picture.reshape(-1, SHAPE[-1]))
    return agreement_of(data.masks, np.stack([fit(picture) for picture in data.x]).reshape(data.masks.shape))


def clusters(seed):
    return {"name": COLOURS, "seed": seed, **{key: k_means(*given, seed) for key, given in test_sets().items()}}


def test_sets(**shown):
    """Pictures, and how many slots they are given: name -> (sprites, count)."""
    sets = {"3-4 sprites": (sprites(320, seed=2, **shown), 5), "5-6 sprites": (sprites(320, count=(5, 6), seed=3), 7)}
    return sets | ({"new shapes": (sprites(320, shapes=NEW, seed=4), 5)} if shown else {})


def run(name, seed, end, work):
    shown = {"shapes": KNOWN} if name == "some shapes" else {}
    x = sprites(PICTURES, seed=1, **shown).x
    slots = model(seed, **VARIANTS[name])
    slots.compile(adam(RATE, STEPS, WARM))
    epochs = -(-STEPS // (PICTURES // BATCH))
    path = work / f"slots_{list(VARIANTS).index(name)}_{seed}.npz"
    clock, start = path.with_suffix(".seconds"), time.perf_counter()
    before = float(clock.read_text()) if clock.exists() and path.exists() else 0.0
    print(name, seed, flush=True)
    hooks = [Budget(end - start)]
    history = slots.fit(x, epochs=epochs, batch_size=BATCH, seed=seed, checkpoint=path, callbacks=hooks)
    seconds = before + time.perf_counter() - start
    clock.write_text(f"{seconds:.1f}")
    if len(history.history["loss"]) < epochs:
        sys.exit("The minutes are over. Call again to go on.")
    sets = test_sets(**shown)
    about = {"name": name, "seed": seed, "steps": int(slots.optimizer.iterations), "minutes": round(seconds / 60, 1)}
    return {**about, "parameters": slots.count_params(), **{key: figures(slots, *given) for key, given in sets.items()}}


def medians(rows):
    for name in (COLOURS, *VARIANTS):
        ours = [row["3-4 sprites"] for row in rows if row["name"] == name]
        if ours:
            cells = [f"{key} {statistics.median(row[key] for row in ours):.3f}" for key in ours[0]]
            print(f"{name:26}{len(ours)} seeds: " + "  ".join(cells))


def main(given):
    end = time.perf_counter() + 60 * given.minutes
    rows = json.loads(RESULT.read_text())["rows"] if RESULT.exists() else []
    for seed in given.seeds:
        for name in given.only or (*VARIANTS, COLOURS):
            if not any((row["name"], row["seed"]) == (name, seed) for row in rows):
                rows.append(clusters(seed) if name == COLOURS else run(name, seed, end, given.work))
                print(rows[-1], flush=True)
                record = {
                    "figure": "agreement of labels with the true masks, means over 320 pictures; higher is better",
                    "training": f"{PICTURES} pictures, batches of {BATCH}, Adam {RATE}, warm-up {WARM} steps, cosine",
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
    parser.add_argument("--only", nargs="+", choices=(*VARIANTS, COLOURS))
    parser.add_argument("--work", type=Path, default=Path("~/.cache/aecore").expanduser(), help="for checkpoints")
    main(parser.parse_args())
