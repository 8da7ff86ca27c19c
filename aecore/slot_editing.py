"""Edit a scene in its code: objects removed, moved, put into one another's place. Of slots.py, chapter 19.

In each function `slot` is one slot for all scenes, or one for each, (n,). Slot 0 is refused where it is the
background's.
"""

import numpy as np

from aecore.data import check_examples
from aecore.slot_layers import FRAME


def remove(slots, slot, background=True):
    """Take an object out: what it hid is painted by the slots that are left.

    Args: slots, (n, k, d + 4); slot; background, whether slot 0 is the background's.
    Returns: (n, k - 1, d + 4), the others in their order. Raises: ValueError where there is no such slot, or no other.
    """
    slots, slot = _start(slots, slot, background, "remove")
    if slots.shape[1] < 2:
        raise ValueError("remove: wanted two slots or more, got one: nothing would be left to paint the picture.")
    keep = np.arange(slots.shape[1]) != slot[:, None]
    return slots[keep].reshape(len(slots), -1, slots.shape[-1])


def move(slots, slot, by, background=True):
    """Move an object: its place is part of its code, so moving is adding.

    Args: slots, slot, background: as `remove`, of a model whose attention is relative, or nothing moves; by, how far
        down and to the right, as shares of the picture's height and width, (2,) or (n, 2).
    Returns: (n, k, d + 4). Raises: ValueError where there is no such slot.
    """
    slots, slot = _start(slots, slot, background, "move")
    by = np.asarray(by, "float32")
    if by.shape not in ((2,), (len(slots), 2)) or not np.isfinite(by).all():
        raise ValueError(f"move: by wants two finite numbers, down and right, for all scenes or for each; got {by}.")
    slots = slots.copy()
    slots[np.arange(len(slots)), slot, :2] += 2 * by
    return slots


def swap(slots, slot, other, background=True):
    """Put two objects into one another's place; each keeps its size and its features.

    Args: slots, slot, background: as `move`; other, as slot.
    Returns: (n, k, d + 4). Raises: ValueError where there is no such slot.
    """
    slots, slot = _start(slots, slot, background, "swap")
    _, other = _start(slots, other, background, "swap")
    new, rows = slots.copy(), np.arange(len(slots))
    new[rows, slot, :2], new[rows, other, :2] = slots[rows, other, :2], slots[rows, slot, :2]
    return new


def _start(slots, slot, background, name):
    slots = check_examples(slots, (None, None), name)
    n, k, size = slots.shape
    if size <= FRAME:
        raise ValueError(f"{name}: wanted slots of more than {FRAME} numbers, a frame and features; got {size}.")
    slot = np.asarray(slot)
    if slot.dtype.kind not in "ui" or slot.shape not in ((), (n,)):
        raise ValueError(f"{name}: slot wants a whole number, or {n} of them; got {slot.dtype} of shape {slot.shape}.")
    low = int(background)
    if slot.min() < low or slot.max() >= k:
        what = " (slot 0 is the background's)" if background else ""
        raise ValueError(f"{name}: slot must lie from {low} to {k - 1}{what}, got {slot.min()} to {slot.max()}.")
    return slots, np.broadcast_to(slot, (n,))
