"""How fast and how well CRFs of aecore find objects, beside GrabCut and the random walker: the same pictures and boxes.

    python benchmarks/crf_speed.py            all cases, a table, and results/crf_speed.json
    python benchmarks/crf_speed.py CASE       one case in this process, its figures as JSON

Pictures: generated ones (scenes.objects), and horses where the file is there, at 32 x 32 and 64 x 64, each cut to the
object's box plus 15 % on every side. Everybody is told this box and nothing else, and no shape is learnt. aecore's
fields and the walker start from the same unaries: colour mixtures of five components (scikit-learn), one fitted inside
the box, one outside, four times anew from the labels found, as GrabCut does it. Only the field or walker is timed, not
the mixtures; GrabCut is timed with its own, five rounds. "dense, exact" has the exact sums, "dense" shares sources
where a picture has more than 1024 pixels; both with ten sweeps, kernels included, all pictures as one batch.
Medians of three processes; milliseconds for each picture; IoU of the object, mean over the pictures; `off`, how far
the field's q lies from that of the exact sums under the same unaries, mean over pixels.
"""

import time
from functools import cache
from pathlib import Path

import numpy as np
from throughput import medians_of_rounds, start, write

N, REFITS, REPEATS = 24, 4, 5
MARGIN = 0.15
RESULT = Path(__file__).parent / "results" / "crf_speed.json"


def boxed(side):
    """The object's box in a picture: first and last pixel of either axis."""
    edge = round(side * MARGIN / (1 + 2 * MARGIN))
    return edge, side - edge


@cache
def pictures(name):
    from aecore import data, scenes

    kind, side = name.split()
    if kind == "scenes":
        drawn = scenes.objects(N, size=int(side), seed=7)
        return drawn.x, drawn.masks > 0
    test = data.horses(int(side)).test
    return test.x[:N], test.y[:N] > 0


def sets():
    for name in ("scenes 32", "scenes 64", "horses 32", "horses 64"):
        try:
            pictures(name)
        except FileNotFoundError:
            continue
        yield name


def inside(x):
    """Labels that call all of the box object: (n, h, w)."""
    low, high = boxed(x.shape[1])
    labels = np.zeros(x.shape[:3], int)
    labels[:, low:high, low:high] = 1
    return labels


def colour_unaries(x, labels):
    """Costs of background and object by their colours, where `labels` say what is what: (n, h, w, 2)."""
    from sklearn.mixture import GaussianMixture

    u = np.zeros((*labels.shape, 2), "float32")
    for picture, label, box, cost in zip(x, labels, inside(x), u, strict=True):
        pixels = picture.reshape(-1, 3)
        for i in range(2):
            mine = pixels[label.ravel() == i]
            if len(mine) > 5:
                mixture = GaussianMixture(5, reg_covar=1e-3, random_state=0, max_iter=20, tol=1e-2).fit(mine)
                cost[..., i] = -0.4 * mixture.score_samples(pixels).reshape(label.shape)
        cost -= cost.min(axis=-1, keepdims=True)
        cost[:] = np.minimum(cost, 4)
        cost[box == 0] = 0, 10
    return u


def measured(infer):
    """Milliseconds a picture and IoU of `infer(pictures, unaries) -> labels` on every set of pictures."""
    import warnings

    from aecore.metrics_masks import iou

    warnings.filterwarnings("ignore", module="sklearn")  # twenty steps of EM need not converge
    figures = {}
    for name in sets():
        x, truth = pictures(name)
        labels = inside(x)
        for _ in range(REFITS):
            u = colour_unaries(x, labels)
            labels = infer(x, u)
        times = []
        for _ in range(REPEATS):
            begun = time.perf_counter()
            infer(x, u)
            times.append(time.perf_counter() - begun)
        figures[f"{name}, ms"] = 1e3 * min(times) / len(x)
        figures[f"{name}, IoU"] = float(np.mean(iou(truth, labels)))
    return figures


def dense(**how):
    from keras import KerasTensor

    from aecore import _backend
    from aecore.dense import DenseCRF

    @cache
    def compiled(shapes, **how):
        field = DenseCRF(10, **how)
        return _backend.fast(lambda u, x: field([u, x]), field, *map(KerasTensor, shapes))

    def proba(x, u, **how):
        return compiled((u.shape, x.shape), **how)(u, x)

    figures = measured(lambda x, u: proba(x, u, **how).argmax(-1))
    for name in sets():
        x, _ = pictures(name)
        u = colour_unaries(x, inside(x))
        figures[f"{name}, off"] = float(abs(proba(x, u, **how) - proba(x, u, sources=None)).mean())
    return figures


def grid():
    from aecore.crf import edges, graph_cut

    return measured(lambda x, u: graph_cut(u, edges(x, 2.0)))


def unaries_alone():
    return measured(lambda x, u: u.argmin(-1))


def grab_cut():
    import cv2

    def one(picture, box):
        mask, background, ground = np.zeros(picture.shape[:2], "uint8"), np.zeros((1, 65)), np.zeros((1, 65))
        try:
            cv2.grabCut(picture, mask, box, background, ground, 5, cv2.GC_INIT_WITH_RECT)
        except cv2.error:  # no pixel is left to one of the two: GrabCut gives up
            return np.zeros(mask.shape, int)
        return mask % 2  # definite and probable object are 1 and 3

    def infer(x, u):
        low, high = boxed(x.shape[1])
        box = (low, low, high - low, high - low)
        return np.stack([one(picture, box) for picture in np.round(255 * x).astype("uint8")])

    return measured(infer)


def walker():
    from skimage.segmentation import random_walker

    def one(picture, cost):
        seeds = np.where(cost[..., 1] - cost[..., 0] > 2, 1, np.where(cost[..., 0] - cost[..., 1] > 2, 2, 0))
        if len(np.unique(seeds)) < 3:
            return (cost[..., 1] < cost[..., 0]).astype(int)
        return random_walker(picture, seeds, beta=130, mode="cg_j", channel_axis=-1) - 1

    return measured(lambda x, u: np.stack([one(*pair) for pair in zip(x, u, strict=True)]))


CASES = {
    "colours alone": ("tensorflow", unaries_alone),
    "graph cut": ("tensorflow", grid),
    "dense, TensorFlow": ("tensorflow", dense),
    "dense, JAX": ("jax", dense),
    "dense, exact, TensorFlow": ("tensorflow", lambda: dense(sources=None)),
    "GrabCut, OpenCV": ("tensorflow", grab_cut),
    "random walker, scikit-image": ("tensorflow", walker),
}


def main():
    medians = medians_of_rounds(__file__, CASES)
    names = [key for key in medians["dense, TensorFlow"] if key != "peak memory, GB"]
    print(f"{'case':30}" + "".join(f"{name:>16}" for name in names))
    for case, m in medians.items():
        print(f"{case:30}" + "".join(f"{m[name]:16.4f}" if name in m else " " * 16 for name in names))
    write(RESULT, medians)


if __name__ == "__main__":
    start(CASES, main, __doc__)
