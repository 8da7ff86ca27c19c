"""The ladder of chapters 16 to 18 on photographs of horses: every way to find an object, on the same pictures.

    python benchmarks/horses.py run --minutes 60                 what is missing, until the time is over
    python benchmarks/horses.py run --sizes 32 --seeds 0 --groups denoising unet --masks 10
    python benchmarks/horses.py ladder FILE.npz --size 32        on other horses, with all of ours to learn from
    python benchmarks/horses.py table                            of results/horses.json

AECORE_DATA names the folder of horses_64.npz: 228 of the Weizmann horses, cut to their boxes plus 15 %. 60 of them are
the test, always the same ones; each seed deals the other 168 anew into 140 to learn from and 28 to stop and choose on,
and owns the first weights. ENERGY, COLOURS and NEAR were chosen by learning from 108 of these 168 and looking at the
other 60, on no test picture.

One piece is a group of methods that share a model x seed x size x number of masks; after each one results/horses.json
is written anew. Rows: method, seed, size, masks (from which was learnt), condition (clean; `hole known`, `hole
unknown`: a patch of 35 % of the side, its middle on the horse, is covered), iou (mean over pictures), error (its
standard error over pictures), accumulated (IoU of all pixels), boundary (F, tolerance 1 pixel), inside (IoU inside the
patch), ms (a picture, batches of 16), minutes (of training). FILE.npz holds images (n, h, w, 3) and masks (n, h, w),
cut in the same way; the command prints the table, and `ladder(path, size)` returns its rows.
"""

import argparse
import fcntl
import json
import os
import time
from pathlib import Path

import numpy as np
from published_vae import device
from throughput import versions

import aecore
from aecore import VAE, Autoencoder, _backend, crf, data, networks, regions, scenes
from aecore.adversarial import R1
from aecore.appearance import ColourMixture, Logits
from aecore.corruption import Blobs, moved_copies
from aecore.dense import DenseCRF
from aecore.gan import GAN
from aecore.gos import Segmenter
from aecore.inference import Scene
from aecore.metrics_masks import boundary_f, iou
from aecore.objectives import Bernoulli
from aecore.priors import MeanShape, as_pictures

import keras  # isort: skip

RESULTS = Path(__file__).parent / "results" / "horses.json"
WORK = Path("~/.cache/aecore").expanduser()  # trained models
FILTERS = {16: (32, 64), 32: (32, 64, 64), 64: (32, 64, 64, 64), 128: (32, 64, 64, 64, 64)}
LITTLE = (10, 40)  # masks, besides all of them
CURVES = ("mean", "vae", "unet")  # groups whose little-data curves are drawn
OCCLUDED = ("mean", "plain", "denoising", "vae", "unet")
HOLE = 0.35
ENERGY = {"appearance_weight": 0.4, "prior_weight": 0.6, "rounds": 6, "border": 0.125}
COLOURS = {"components": 3, "steps": 3, "regulariser": 2e-5, "position": 1.5}  # of ColourMixture
NEAR = {"sweeps": 3, "position": 8.0}  # of DenseCRF at 32 x 32
COPIES, PASSES, BATCH = 40, 15, 64  # of each of 140 masks, and of all copies; fewer masks get more copies


class Horses:
    """Pictures and masks to learn from, to stop and choose on, and to test on, at one size."""

    def __init__(self, size, seed=0, masks=None, test=None):
        ours = data.horses(size)
        x, y = (np.concatenate([getattr(part, a) for part in (ours.train, ours.validation)]) for a in ("x", "y"))
        order = np.random.default_rng([seed, 168]).permutation(len(x))
        rows = order[28:][:masks]
        self.size, self.seed, self.masks = size, seed, len(rows)
        self.x, self.y, self.validation = x[rows], y[rows], (x[order[:28]], y[order[:28]])
        self.test = tuple(ours.test) if test is None else test

    def moved(self, copies):
        """Pictures and masks, each several times, moved."""
        copies *= round(140 / self.masks)
        move = lambda planes: moved_copies(planes, copies, seed=self.seed)
        return np.stack([move(c) for c in np.moveaxis(self.x, -1, 0)], axis=-1), move(self.y)


# --- models, each trained once for (group, size, seed, masks) and then kept in a folder -------------------------------


def coders(horses, codes, code, **arguments):
    net = dict(shape=(horses.size, horses.size, 1), filters=FILTERS[horses.size], seed=horses.seed)
    return networks.conv_encoder(**net, code_size=codes), networks.conv_decoder(**net, code_size=code, **arguments)


def plain(horses, corruption=None):
    return with_adam(Autoencoder(*coders(horses, 32, 32), likelihood=Bernoulli(), corruption=corruption), horses)


def denoising(horses):
    return plain(horses, Blobs(0.4, seed=horses.seed))


def vae(horses):
    return with_adam(VAE(*coders(horses, 64, 32), corruption=Blobs(0.4, seed=horses.seed), seed=horses.seed), horses)


def gan(horses):
    critic, _ = coders(horses, 1, 1)
    _, generator = coders(horses, 16, 16, output_activation="sigmoid")
    model = GAN(generator, critic, average=0.999, penalty=R1(1.0), seed=horses.seed)
    model.compile()
    return fitted(model, horses)


def with_adam(model, horses):
    steps = PASSES * (len(horses.moved(COPIES)[1]) // BATCH)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)))
    return fitted(model, horses)


def fitted(model, horses):
    masks = as_pictures(horses.moved(COPIES)[1])
    model.fit(masks, epochs=PASSES, batch_size=BATCH, seed=horses.seed, verbose=0)
    return model


def unet(horses):
    """A U-Net on the same pictures with their masks, moved alike and recoloured; the pass that is best on the
    validation part, and the mean over a picture and its mirror image."""
    size, passes, batch = horses.size, 12, 32
    filters = [min(96, 24 * 2**i) for i in range(len(FILTERS[size]))]
    net = networks.unet((size, size, 3), filters, 1, convolutions=2, batch_norm=True, seed=horses.seed)
    x, y = horses.moved(20)
    x = recoloured(x, y, horses.seed)
    steps = passes * (len(x) // batch)
    net.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryIoU([1], threshold=0.0, name="iou")],
    )
    best = keras.callbacks.EarlyStopping("val_iou", mode="max", patience=passes, restore_best_weights=True)
    masks = lambda y: y[..., None].astype("float32")
    held_out = (horses.validation[0], masks(horses.validation[1]))
    keras.utils.set_random_seed(horses.seed)  # Keras' own order of the batches
    net.fit(x, masks(y), epochs=passes, batch_size=batch, validation_data=held_out, callbacks=[best], verbose=0)
    inputs, mirror = keras.Input(x.shape[1:]), lambda h: keras.ops.flip(h, axis=2)
    return keras.Model(inputs, (net(inputs) + mirror(net(mirror(inputs)))) / 2)


def recoloured(x, y, seed):
    """Pictures, each in other colours; in half of them the horse on its own, as if it stood elsewhere."""
    n, rng = len(x), np.random.default_rng(seed)
    draw = lambda low, high, channels: rng.uniform(low, high, (n, 1, 1, channels)).astype("float32")

    def shaded():
        mean = x.mean(axis=(1, 2), keepdims=True)
        return (x - mean) * draw(0.6, 1.4, 3) * draw(0.6, 1.4, 1) + mean + draw(-0.1, 0.1, 3) + draw(-0.25, 0.25, 1)

    new = np.where((y[..., None] > 0) & (draw(0, 1, 1) < 0.5), shaded(), shaded())
    new = np.take_along_axis(new, rng.random((n, 1, 1, 3)).argsort(axis=-1), axis=-1)  # channels in any order
    return np.clip(new + draw(0, 0.05, 1) * rng.standard_normal(x.shape, "float32"), 0, 1)


def model(make, horses, work):
    """A trained model, from the folder where it is there. Returns: it, and the minutes that its training took."""
    path = work / "horses" / f"{make.__name__}_{horses.size}_{horses.seed}_{horses.masks}.keras"
    if not path.exists():
        start = time.perf_counter()
        made = make(horses)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".minutes").write_text(f"{(time.perf_counter() - start) / 60:.2f}")
        half = path.with_name(f"half_{path.name}")
        made.save(half)
        os.replace(half, path)
    return keras.saving.load_model(path, compile=False), float(path.with_suffix(".minutes").read_text())


# --- groups of methods: horses, work -> minutes of training, and by name functions (pictures, known) -> masks ---------


def field(size, **arguments):
    return DenseCRF(**{**NEAR, "position": NEAR["position"] * size / 32, **arguments})


def segmenter(horses, prior=None, **arguments):
    """The segmenter with our settings, as a function of pictures and known."""
    parts = {"crf": field(horses.size), "appearance": ColourMixture(**COLOURS), **ENERGY, "seed": horses.seed}
    made = Segmenter(prior, **{**parts, **arguments})
    return made.fit(horses.y).predict


def shapeless_group(horses, work):
    """What learns nothing: all are told the box, and nothing else."""
    size = horses.size

    def without_shape(**arguments):
        made = Segmenter(prior_weight=0, border=ENERGY["border"], **arguments)
        made.mean_shape = MeanShape(np.full((1, size, size, 2), 0.5))
        return made.predict

    def grid(x, known):
        scene = Scene(x, 2, known, None, ENERGY["border"], Segmenter().appearance, None)
        q = np.where(scene.excluded > 0, 0, 0.5).astype("float32")
        for _ in range(5):
            costs = 0.4 * scene.psi(q / q.sum(axis=-1, keepdims=True)) + scene.excluded
            labels = crf.graph_cut(costs, crf.edges(x, 1.0))
            q = np.eye(2, dtype="float32")[labels]
        return labels

    return 0.0, {
        "Otsu's threshold": otsu, "k-means": k_means, "GrabCut": grabcut, "mixture + grid CRF": grid,
        "colour mixture": without_shape(crf=field(size, bilateral=0.0), appearance_weight=1.0),
        "mixture + dense CRF": without_shape(crf=field(size), appearance_weight=ENERGY["appearance_weight"]),
    }  # fmt: skip


def mean_group(horses, work):
    mean = horses.y.mean(axis=0) > 0.5
    alone = lambda x, known: np.broadcast_to(mean, x.shape[:3])
    return 0.0, {"mean shape alone": alone, "mean shape": segmenter(horses)}


def plain_group(horses, work):
    prior, minutes = model(plain, horses, work)
    return minutes, {"plain autoencoder": segmenter(horses, prior)}


def denoising_group(horses, work):
    prior, minutes = model(denoising, horses, work)
    return minutes, {"denoising autoencoder": segmenter(horses, prior)}


def vae_group(horses, work):
    prior, minutes = model(vae, horses, work)
    return minutes, {"VAE": segmenter(horses, prior), "VAE, search": segmenter(horses, prior, latent="map")}


def gan_group(horses, work):
    prior, minutes = model(gan, horses, work)
    return minutes, {"GAN, search": segmenter(horses, prior)}


def unet_group(horses, work):
    (net, minutes), (prior, _) = model(unet, horses, work), model(vae, horses, work)
    ask = lambda x, known=None: (net.predict(x, verbose=0)[..., 0] > 0).astype(int)
    whole = lambda x, known=None: prior.reconstruct(ask(x)[..., None].astype("float32"))[..., 0] > 0.5
    both = segmenter(horses, prior, appearance=Logits(net), appearance_weight=1.0)
    return minutes, {"U-Net": ask, "U-Net, projected by the VAE": whole, "U-Net + VAE": both}


GROUPS = {name.removesuffix("_group"): group for name, group in list(globals().items()) if name.endswith("_group")}


def otsu(x, known=None):
    """Brighter or darker than Otsu's threshold, whichever the margin is less."""
    from skimage.filters import threshold_otsu

    grey = x.mean(axis=-1)
    bright = grey > np.array([threshold_otsu(g) for g in grey])[:, None, None]
    return inward(bright)


def k_means(x, known=None):
    """The one of two clusters of colours that has less of the margin."""
    from sklearn.cluster import KMeans

    fit = lambda picture: (
        KMeans(2, n_init=3, random_state=0).fit_predict(picture.reshape(-1, 3)).reshape(picture.shape[:2])
    )
    return inward(np.stack([fit(picture) for picture in x]) > 0)


def inward(masks):
    """The mask or its complement, whichever has less of the margin, without the margin: (n, h, w)."""
    side = int(ENERGY["border"] * masks.shape[1])
    inside = np.zeros(masks.shape[1:], bool)
    inside[side:-side, side:-side] = True
    turned = masks[:, ~inside].mean(axis=1) > 0.5
    return ((masks != turned[:, None, None]) & inside).astype(int)


def grabcut(x, known=None):
    """OpenCV's, five rounds from the box; on pictures as small as these it often finds no object."""
    import cv2

    side, found = int(ENERGY["border"] * x.shape[1]), []
    for picture in np.ascontiguousarray((255 * x[..., ::-1]).round().astype("uint8")):
        mask, box = np.zeros(picture.shape[:2], "uint8"), (side, side, *(n - 2 * side for n in picture.shape[1::-1]))
        cv2.setRNGSeed(0)
        cv2.grabCut(picture, mask, box, np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_RECT)
        found.append(mask % 2)
    return np.stack(found).astype(int)


# --- pieces, rows, tables ---------------------------------------------------------------------------------------------


def rows_of(group, horses, work):
    """Train a group's model, and measure its methods on the test pictures, clean and covered: a list of rows."""
    minutes, methods = GROUPS[group](horses, work)
    x, y = horses.test
    covered = scenes.occlude(x, y, share=HOLE, seed=7)
    conditions = {"clean": (x, None)}
    if group in OCCLUDED:
        conditions |= {"hole known": covered, "hole unknown": (covered.x, None)}
    rows = []
    for method, find in methods.items():
        find(x[:16], None)  # traced and warm
        for condition, (pictures, known) in conditions.items():
            start = time.perf_counter()
            found = find(pictures, known)
            ms = 1000 * (time.perf_counter() - start) / len(x)
            each = iou(y, found)
            figures = {"iou": each.mean(), "error": each.std(ddof=1) / len(x) ** 0.5}
            figures |= {"accumulated": iou(y, found, accumulated=True), "boundary": boundary_f(y, found).mean()}
            if condition != "clean":
                figures["inside"] = iou(y * ~covered.known, found * ~covered.known).mean()
            figures = {name: round(float(value), 4) for name, value in figures.items()}
            about = {"method": method, "condition": condition, "size": horses.size, "masks": horses.masks}
            rows.append(
                {"group": group, **about, "seed": horses.seed, **figures, "ms": round(ms, 1), "minutes": minutes}
            )
    return rows


def ladder(path, size=32, seeds=(0, 1, 2), work=WORK):
    """The ladder on pictures that were kept aside, learnt from our 140 of each seed.

    Args: path, an .npz with images (n, h, w, 3) and masks (n, h, w), h and w multiples of size; size; seeds; work, the
        folder of trained models, which are trained where they are not there.
    Returns: list of rows.
    """
    test = regions.pairs(path, size)
    return [row for seed in seeds for group in GROUPS for row in rows_of(group, Horses(size, seed, test=test), work)]


def table(rows):
    """One line for each method, size, number of masks and condition: means over the seeds, and their errors."""
    cases = {}
    for row in rows:
        cases.setdefault((row["size"], row["condition"], row["masks"], row["method"]), []).append(row)
    lines = [
        "| size | pictures | masks | method | IoU | over pictures | boundary F | inside | ms | seeds |",
        "|" + "---|" * 10,
    ]
    for (size, condition, masks, method), same in sorted(cases.items()):
        mean = lambda name, same=same: np.mean([row.get(name, np.nan) for row in same])
        spread = np.std([row["iou"] for row in same], ddof=1) / len(same) ** 0.5 if len(same) > 1 else np.nan
        figures = (
            f"{mean('iou'):.3f} ± {spread:.3f} | ± {mean('error'):.3f} | {mean('boundary'):.3f} | {mean('inside'):.3f}"
        )
        lines.append(f"| {size} | {condition} | {masks} | {method} | {figures} | {mean('ms'):.0f} | {len(same)} |")
    return "\n".join(lines)


def merge(rows):
    """Put rows into the file of results, in one stroke, also where several processes do."""
    RESULTS.parent.mkdir(exist_ok=True)
    with open(RESULTS.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        key = lambda row: tuple(row[name] for name in ("size", "masks", "group", "method", "condition", "seed"))
        kept = {key(row): row for row in [*done(), *rows]}
        record = {
            "figure": "intersection over union of the horse, mean over 60 test pictures; `error` is its standard error",
            "masks": "learnt from so many; 28 others to stop and choose on", "hole": f"{HOLE} of the side",
            "energy": ENERGY, "colours": COLOURS, "field": NEAR, "device": device(),
            "date": time.strftime("%Y-%m-%d"), "backend": _backend.version(),
            "versions": {"aecore": aecore.__version__, **versions()}, "rows": [kept[k] for k in sorted(kept)],
        }  # fmt: skip
        half = RESULTS.with_suffix(".half")
        half.write_text(json.dumps(record, indent=1) + "\n")
        os.replace(half, RESULTS)


def done():
    return json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []


def pieces(given):
    """(group, size, seed, masks) of all that is asked for and not done."""
    had = {(row["group"], row["size"], row["seed"], row["masks"]) for row in done()}
    for size in given.sizes:
        for seed in given.seeds:
            for masks in given.masks:
                for group in given.groups:
                    asked = masks == 140 or (group in CURVES and size == 32)
                    if asked and (group, size, seed, masks) not in had:
                        yield group, size, seed, masks


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "ladder", "table"))
    parser.add_argument("file", nargs="?", help="for ladder: an .npz with images and masks")
    parser.add_argument("--size", type=int, default=32, help="for ladder")
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--masks", type=int, nargs="+", default=[140, *LITTLE])
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--minutes", type=float, default=60.0, help="after which no new piece is begun")
    parser.add_argument("--work", type=Path, default=WORK, help="for trained models")
    given = parser.parse_args()
    if given.what == "ladder":
        print(table(ladder(given.file, given.size, given.seeds, given.work)))
    if given.what == "run":
        end = time.perf_counter() + 60 * given.minutes
        for group, size, seed, masks in pieces(given):
            if time.perf_counter() > end:
                break
            print(group, size, seed, masks, flush=True)
            merge(rows_of(group, Horses(size, seed, masks), given.work))
    if given.what != "ladder":
        print(table(done()))
