"""An object of a real film, followed from its first mask: the segmenter in time beside simpler ways. Chapter 20.

    python benchmarks/davis.py                 all methods on all films, a table, and results/davis.json
    python benchmarks/davis.py --only "Farneback flow" "segmenter"

AECORE_DATA names the folder of davis_128x72.npz: ten films of DAVIS-2016, at 128 x 72 pixels. Every method is told the
true mask of the first frame and nothing else. The figures are means over the other frames of a film (IoU; boundary F
with a tolerance of one pixel), and of these the mean over films, so that a long film counts no more than a short one.
The segmenter's numbers were chosen on the films TUNED; the others, which are shown by themselves, were not looked at.
"""

import argparse
import json
import time
from functools import cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from published_vae import device
from throughput import versions

import aecore
from aecore import _backend, data
from aecore.gos import Segmenter
from aecore.gos_video import Tracker
from aecore.metrics_masks import boundary_f, iou
from aecore.motion import Likeness

RESULT = Path(__file__).parent / "results" / "davis.json"
TUNED = ("blackswan", "cows", "dance-twirl", "dog", "goat")


# --- methods: frames (t, h, w, 3), mask (h, w) of the first -> masks (t, h, w) ----------------------------------------


def copied(frames, mask):
    return np.broadcast_to(mask, frames.shape[:3])


def carried(carry, mend=lambda frame, mask: mask):
    """A carrier alone: what it says of a frame is cut at one half, mended, and goes on."""

    def follow(frames, mask):
        found = [mask]
        for before, now in pairwise(frames):
            q = np.eye(2, dtype="float32")[found[-1]]
            found.append(mend(now, carry(before[None], now[None], q[None])[0].argmax(axis=-1)))
        return np.stack(found)

    return follow


def flow(estimate):
    """A carrier by optical flow: each pixel's labels are those of the place it came from."""

    def carry(before, now, q):
        moved = []
        for a, b, shares in zip(before, now, q, strict=True):
            way = estimate(grey(b), grey(a))  # (h, w, 2), columns and rows
            columns, rows = np.meshgrid(*(np.arange(n, dtype="float32") for n in way.shape[1::-1]))
            place = columns + way[..., 0], rows + way[..., 1]
            moved.append(cv2.remap(shares, *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
        return np.stack(moved)

    return carry


def grey(picture):
    return cv2.cvtColor(np.round(255 * picture).astype("uint8"), cv2.COLOR_RGB2GRAY)


def farneback(a, b):
    return cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 15, 3, 5, 1.2, 0)


@cache
def dis():
    return cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def by_dis(a, b):
    return dis().calc(a, b, None)


def cut(picture, labels):
    """OpenCV's GrabCut, five rounds, from labels that are sure or probable; the probable ones where it gives up."""
    labels = labels.copy()
    cv2.setRNGSeed(0)
    try:
        bgr = np.ascontiguousarray(np.round(255 * picture[..., ::-1]).astype("uint8"))
        cv2.grabCut(bgr, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # no pixel is left to one of the two
        pass
    return labels % 2


def band(mask, width):
    """GrabCut's labels: near the mask's outline probable, beyond `width` pixels of it sure."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    mask = mask.astype("uint8")
    labels = np.where(mask, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype("uint8")
    labels[cv2.dilate(mask, disc) == 0] = cv2.GC_BGD
    labels[cv2.erode(mask, disc) == 1] = cv2.GC_FGD
    return labels


def grabcut(frames, mask):
    """Each frame by itself, from the box of the first mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    labels = np.full(mask.shape, cv2.GC_BGD, "uint8")
    labels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = cv2.GC_PR_FGD
    return np.stack([mask, *(cut(frame, labels) for frame in frames[1:])])


def segmenter(carry=None, **arguments):
    def follow(frames, mask):
        parts = Segmenter(border=0, appearance_weight=0.2, prior_weight=0, rounds=2).fit(mask[None])
        return Tracker(parts, carry, **arguments).predict(frames[None], mask[None])[0]

    return follow


METHODS = {
    "first mask copied": copied,
    "GrabCut, each frame": grabcut,
    "Farneback flow": carried(flow(farneback)),
    "DIS flow": carried(flow(by_dis)),
    "likeness": carried(Likeness()),
    "DIS flow + GrabCut in a band": carried(flow(by_dis), lambda frame, mask: cut(frame, band(mask, 3))),
    "segmenter": segmenter(),
    "segmenter, without memory": segmenter(memory=0),
    "segmenter, DIS flow": segmenter(flow(by_dis)),
}


def row(name):
    """A method on every film: its figures, and milliseconds a frame."""
    films, figures = data.davis(), {}
    start = time.perf_counter()
    for film, (x, y) in films.items():
        found = METHODS[name](x, y[0])
        figures[film] = {"iou": iou(y[1:], found[1:]).mean(), "boundary": boundary_f(y[1:], found[1:]).mean()}
    ms = 1000 * (time.perf_counter() - start) / sum(len(x) for x, _ in films.values())
    mean = lambda key, films: float(np.mean([figures[film][key] for film in films]))
    fresh = [film for film in films if film not in TUNED]
    means = {"iou": mean("iou", films), "iou of fresh films": mean("iou", fresh), "boundary": mean("boundary", films)}
    each = {film: round(float(f["iou"]), 3) for film, f in figures.items()}
    return {"method": name, **{key: round(value, 3) for key, value in means.items()}, "ms": round(ms, 1), "films": each}


def table(rows):
    lines = ["| method | IoU | of fresh films | boundary F | ms |", "|---|---|---|---|---|"]
    for r in rows:
        cells = [f"{r[key]:.3f}" for key in ("iou", "iou of fresh films", "boundary")]
        lines.append(f"| {r['method']} | {' | '.join(cells)} | {r['ms']:.0f} |")
    return "\n".join(lines)


def main(given):
    kept = {r["method"]: r for r in json.loads(RESULT.read_text())["rows"]} if RESULT.exists() else {}
    for name in given.only or METHODS:
        kept[name] = row(name)
        print(json.dumps(kept[name]), flush=True)
    rows = [kept[name] for name in METHODS if name in kept]
    record = {
        "figure": "intersection over union of the object, means over the frames but the first, then over ten films",
        "tuned": TUNED, "device": device(), "date": time.strftime("%Y-%m-%d"), "backend": _backend.version(),
        "versions": {"aecore": aecore.__version__, "opencv": cv2.__version__, **versions()}, "rows": rows,
    }  # fmt: skip
    RESULT.write_text(json.dumps(record, indent=1) + "\n")
    print(table(rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=METHODS)
    main(parser.parse_args())
