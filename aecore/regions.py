"""Masks of objects and the boxes around them: checks at the door, crops, pictures and films with masks from a file."""

from pathlib import Path

import numpy as np


def check_masks(masks, name, labels=None):
    """Let masks in where they fit, and say what is wrong where they do not.

    Args: masks, what was given; name, who asks; labels, number of labels, or None where any number fits.
    Returns: masks, (n, h, w), uint8 (int32 above 255): whole numbers from 0 (ground) to labels - 1. True and False, and
        floats that are whole, are let in as the numbers they are.
    Raises: ValueError.
    """
    masks = np.asarray(masks)
    if masks.ndim != 3 or 0 in masks.shape:
        cure = " The channel axis is one too many: masks[..., 0]." if masks.ndim == 4 and masks.shape[-1] == 1 else ""
        cure = cure or (" One mask needs a batch axis too: mask[None]." if masks.ndim == 2 else "")
        raise ValueError(f"{name}: wanted masks of shape (n, h, w), got {masks.shape}.{cure}")
    if masks.dtype.kind == "f" and not (np.isfinite(masks).all() and (masks == np.round(masks)).all()):
        raise ValueError(
            f"{name}: masks want whole numbers, one label for each pixel, got values between. "
            "Make a probability a mask first: (p > 0.5)."
        )
    if masks.dtype.kind not in "fuib":
        raise ValueError(f"{name}: masks want whole numbers, got {masks.dtype}.")
    low, high = masks.min(), masks.max()
    if low < 0 or (labels is not None and high >= labels):
        cure = " Divide a mask of 0 and 255 first: masks > 0." if high == 255 else ""
        wanted = "labels >= 0" if labels is None else f"labels from 0 to {labels - 1}"
        raise ValueError(f"{name}: wanted {wanted}, got {low} to {high}.{cure}")
    return masks.astype("uint8" if high < 256 else "int32", copy=False)


def check_pairs(x, masks, name):
    """Let pictures with their masks in. Returns: x, (n, h, w, c) float32; masks as `check_masks`. Raises ValueError."""
    x, masks = np.asarray(x), check_masks(masks, name)
    if x.ndim != 4 or x.shape[:3] != masks.shape:
        raise ValueError(
            f"{name}: wanted pictures (n, h, w, c) and masks (n, h, w) of the same n, h and w, got {x.shape} and "
            f"{masks.shape}."
        )
    if x.dtype.kind != "f":
        raise ValueError(f"{name}: wanted pictures of floats in [0, 1], got {x.dtype}. Divide pixels by 255 first.")
    return x.astype("float32", copy=False), masks


def boxes(masks):
    """The smallest box around the object of each mask.

    Args: masks, (n, h, w); whatever is not 0 is object.
    Returns: (n, 4) int: first row, first column, one past the last row, one past the last column.
    Raises: ValueError where a mask is empty: it has no box.
    """
    masks = check_masks(masks, "boxes") > 0
    empty = np.flatnonzero(~masks.any(axis=(1, 2)))
    if len(empty):
        raise ValueError(
            f"boxes: {len(empty)} of {len(masks)} masks are empty, the first is number {empty[0]}, and have no box. "
            "Leave them out: masks[masks.any(axis=(1, 2))]."
        )
    sides = [masks.any(axis=axis) for axis in (2, 1)]  # rows, then columns, that the object touches
    first = [side.argmax(axis=1) for side in sides]
    last = [side.shape[1] - side[:, ::-1].argmax(axis=1) for side in sides]
    return np.stack(first + last, axis=1)


def crops(x, boxes, size, margin=0.15):
    """Cut boxes out of pictures, with a margin on every side, and stretch each to a square.

    Args:
        x: pictures, (n, h, w, c) floats, or a list of (h, w, c) of any sizes.
        boxes: (n, 4), as `boxes` gives them.
        size: side of a crop in pixels.
        margin: as a share of the box's height above and below, of its width left and right.
    Returns: (n, size, size, c), float32: the mean over what each pixel covers. Outside a picture its edge goes on.
        Crop a mask as a picture of one channel and cut it at 0.5.
    Raises: ValueError where a box is empty or numbers differ.
    """
    boxes = np.asarray(boxes)
    if boxes.shape != (len(x), 4) or (boxes[:, 2:] <= boxes[:, :2]).any():
        raise ValueError(
            f"crops: wanted one box for each of {len(x)} pictures, (top, left, bottom, right) with top < bottom and "
            f"left < right, got {boxes.shape}: {boxes[:2].tolist()} ..."
        )
    cut = []
    for picture, (top, left, bottom, right) in zip(x, boxes, strict=True):
        rows = _coverage(top, bottom, picture.shape[0], size, margin)
        columns = _coverage(left, right, picture.shape[1], size, margin)
        cut.append(np.einsum("rh,hwc,sw->rsc", rows, picture, columns, optimize=True))
    return np.stack(cut).astype("float32")


def _coverage(low, high, length, size, margin, fine=16):
    """How much each of `size` pixels takes of each of `length` old ones, (size, length), rows sum to one."""
    margin *= high - low
    place = np.linspace(low - margin, high + margin, size * fine + 1)
    middle = np.clip((place[:-1] + place[1:]) / 2 - 0.5, 0, length - 1)  # sixteen samples a pixel, between old pixels
    left = np.minimum(middle.astype(int), length - 2) if length > 1 else np.zeros(len(middle), int)
    share = middle - left
    weights = np.zeros((size, length))
    rows = np.repeat(np.arange(size), fine)
    np.add.at(weights, (rows, left), (1 - share) / fine)
    np.add.at(weights, (rows, np.minimum(left + 1, length - 1)), share / fine)
    return weights


def pairs(path, size=None):
    """Read pictures and masks of objects from an .npz file with the arrays `images` and `masks`.

    Args: path; size, side in pixels to which they are reduced, a divisor of the file's, or None for the file's own.
    Returns: x, (n, size, size, 3) float32 in [0, 1], the mean over what a pixel covers; masks, (n, size, size) uint8, 0
        and 1: object where it covers more than half.
    Raises: FileNotFoundError where there is no such file; ValueError where it holds something else.
    """
    images, masks = _arrays(path, images="(n, h, w, 3) uint8", masks="(n, h, w) bool, of objects cut by regions.crops")
    x, masks = _pictures(images, masks, path)
    side = x.shape[1]
    if size is None or size == side == x.shape[2]:
        return x, masks
    if x.shape[2] != side or not 1 <= size <= side or side % size:
        raise ValueError(f"{path}: size must divide the file's side, {x.shape[1]} x {x.shape[2]} pixels, got {size}.")
    step = side // size
    blocks = lambda a: a.reshape(len(a), size, step, size, step, -1).mean(axis=(2, 4))
    return blocks(x).astype("float32"), (blocks(masks.astype("float32"))[..., 0] > 0.5).astype("uint8")


def sequences(path):
    """Read films with the mask of one object from an .npz file.

    Args: path, of a file with the arrays `frames` and `masks`, those of a film following one another, and, of each
        film, `sequences`, its name, and `lengths`, its number of frames.
    Returns: dict, from name to x, (t, h, w, 3) float32 in [0, 1], and masks, (t, h, w) uint8, 0 and 1.
    Raises: FileNotFoundError where there is no such file; ValueError where it holds something else.
    """
    frames, masks, names, lengths = _arrays(
        path, frames="(n, h, w, 3) uint8", masks="(n, h, w) bool", sequences="(m,) names", lengths="(m,) frames of each"
    )
    x, masks = _pictures(frames, masks, path)
    if len(names) != len(lengths) or (lengths < 1).any() or lengths.sum() != len(x):
        raise ValueError(f"{path}: {len(x)} frames are no {len(names)} films of {lengths.tolist()} frames.")
    ends = np.cumsum(lengths)
    return {str(name): (x[e - t : e], masks[e - t : e]) for name, e, t in zip(names, ends, lengths, strict=True)}


def _arrays(path, **wanted):
    """The arrays of an .npz file by the names that are wanted, each with what it holds, for the message."""
    path = Path(path)
    if not path.exists():
        holds = ", and ".join(f"`{name}`, {what}" for name, what in wanted.items())
        raise FileNotFoundError(
            f"There is no file {path}. It holds {holds}; or use the quick profile, which needs no file: "
            "AECORE_PROFILE=quick."
        )
    with np.load(path, allow_pickle=False) as file:
        if not set(wanted) <= set(file.files):
            raise ValueError(f"{path}: wanted the arrays {' and '.join(wanted)}, got {sorted(file.files)}.")
        return [file[name] for name in wanted]


def _pictures(images, masks, path):
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"{path}: wanted pictures (n, h, w, 3) of uint8, got {images.shape} of {images.dtype}.")
    return check_pairs(images.astype("float32") / 255, check_masks(masks, str(path), labels=2), str(path))
