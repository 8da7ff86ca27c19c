"""Generated pictures of jointed bodies in patterned coats on clutter, with the mask of every object.

A body is the union of eight limbs, each a tapered capsule; a pose is drawn joint by joint. Shape is what tells the
object from the clutter: the ground has patches of the coat's own colours, and a coat has patches of others.
"""

from typing import NamedTuple

import numpy as np

from aecore.data import check_whole
from aecore.regions import check_pairs

KINDS = ("horse", "person", "bird")
LIMBS = 8
ROWS = 256  # pictures drawn at a time: their fields stay in the processor's cache


class Scenes(NamedTuple):
    """Pictures with what is to be found in them.

    x: (n, h, w, 3), float32 in [0, 1].
    masks: (n, h, w), uint8: 0 ground, i + 1 where object i is what one sees. A later object lies in front.
    kinds: (n, k), index into KINDS of object i in column i; -1 where a picture has fewer objects.
    """

    x: np.ndarray
    masks: np.ndarray
    kinds: np.ndarray


class Occluded(NamedTuple):
    """Pictures of which a patch is covered: x, (n, h, w, 3), and known, (n, h, w) bool, False below the patch."""

    x: np.ndarray
    known: np.ndarray


def objects(n, size=32, kinds=("horse",), clutter=1.0, margin=0.15, seed=0):
    """Draw n pictures of one object each, cut to its box as `regions.crops` cuts photographs.

    Args:
        n: pictures, >= 1.
        size: side of a picture in pixels, 16 to 128.
        kinds: names out of KINDS from which each object is drawn with equal odds.
        clutter: how much the ground looks like the object, 0 (colours of its own) to 1 (patches of the coat's).
        margin: ground on each side of the object's box, as a share of the box; 0 to 0.5.
        seed: owns everything drawn.
    Returns: Scenes with one object in each picture: masks hold 0 and 1.
    Raises: ValueError where an argument is out of range.
    Differs: a photograph's box is stretched to a square, and so is this one. Chapters 16 to 18.
    """
    rng, chosen = _start("objects", n, size, kinds, clutter, seed)
    if not 0 <= margin <= 0.5:
        raise ValueError(f"objects: margin must lie in [0, 0.5], got {margin}.")
    kind = rng.choice(chosen, (n, 1))
    side = np.full((n, 1), size / (1 + 2 * margin))
    middle = np.full((n, 1), size / 2)
    return _draw(rng, kind, (middle, middle), (side, side), size, clutter)


def several(n, size=64, count=(2, 4), kinds=KINDS, clutter=0.5, scale=(0.3, 0.5), seed=0):
    """Draw n pictures of several objects, which may cover one another.

    Args: count, smallest and largest number of objects; scale, smallest and largest side of an object's box as a share
        of the picture's; the others as `objects`.
    Returns: Scenes, instance masks.
    Raises: ValueError where an argument is out of range.
    """
    rng, chosen = _start("several", n, size, kinds, clutter, seed)
    low, high = check_whole("several", count=count[0])[0], check_whole("several", count=count[1])[0]
    if low > high:
        raise ValueError(f"several: count wants fewest <= most objects, got {count}.")
    if not 0 < scale[0] <= scale[1] <= 1:
        raise ValueError(f"several: scale must be two shares of the side, 0 < low <= high <= 1, got {scale}.")
    kind = np.where(np.arange(high) < rng.integers(low, high + 1, (n, 1)), rng.choice(chosen, (n, high)), -1)
    height, width = rng.uniform(*scale, (2, n, high)) * size
    middle = [rng.uniform(side / 2, size - side / 2) for side in (height, width)]
    return _draw(rng, kind, middle, (height, width), size, clutter)


def occlude(x, masks, share=0.4, seed=0):
    """Cover a square patch of every picture, its middle on the object, with a plain board of a random colour.

    Args: x, (n, h, w, c) in [0, 1]; masks, (n, h, w), 0 where there is ground; share, the patch's side as a share of
        the picture's shorter side, in (0, 1); seed, which owns place and colour.
    Returns: Occluded. A picture without an object is covered anywhere.
    Raises: ValueError where masks do not fit the pictures, or share is out of range.
    """
    x, masks = check_pairs(x, masks, "occlude")
    if not 0 < share < 1:
        raise ValueError(f"occlude: share must lie in (0, 1), got {share}.")
    n, h, w = masks.shape
    rng = np.random.default_rng(seed)
    side = max(1, round(share * min(h, w)))
    odds = rng.random((n, h * w)) + (masks.reshape(n, -1) > 0)  # the highest lies on the object where there is one
    row, column = np.divmod(odds.argmax(axis=1), w)
    top = np.clip(row - side // 2, 0, h - side)[:, None]
    left = np.clip(column - side // 2, 0, w - side)[:, None]
    down, across = np.arange(h) - top, np.arange(w) - left  # (n, h), (n, w), counted from the patch's corner
    hidden = ((down >= 0) & (down < side))[:, :, None] & ((across >= 0) & (across < side))[:, None]
    colour = rng.random((n, 1, 1, x.shape[-1]), "float32")
    return Occluded(np.where(hidden[..., None], colour, x), ~hidden)


def _start(name, n, size, kinds, clutter, seed):
    check_whole(name, n=n)
    if check_whole(name, at_least=16, size=size)[0] > 128:
        raise ValueError(f"{name}: size must lie between 16 and 128 pixels, got {size}.")
    kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    if not kinds or not set(kinds) <= set(KINDS):
        raise ValueError(f"{name}: kinds wants one or more of {KINDS}, got {kinds}.")
    if not 0 <= clutter <= 1:
        raise ValueError(f"{name}: clutter must lie in [0, 1], got {clutter}.")
    return np.random.default_rng(seed), [KINDS.index(kind) for kind in kinds]


def _draw(rng, kind, middle, sides, size, clutter):
    n, k = kind.shape
    limbs = pose(rng, kind.ravel())
    limbs = [a.reshape(n, k, *a.shape[1:]) for a in limbs]
    parts = []
    for start in range(0, n, ROWS):
        rows = slice(start, start + ROWS)
        parts.append(
            _paint(rng, kind[rows], [a[rows] for a in limbs], [a[rows] for a in (*middle, *sides)], size, clutter)
        )
    x, masks = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Scenes(x, masks, kind)


def _paint(rng, kind, limbs, box, size, clutter):
    """Ground, then one object after another, then the camera's noise: pictures, (n, h, w, 3), and masks, (n, h, w)."""
    n, k = kind.shape
    colours = rng.uniform(0.05, 0.95, (n, k, 2, 3)).astype("float32")  # of each object: its coat's, its patches'
    ground = rng.uniform(0.05, 0.95, (n, 3, 3)).astype("float32")
    tried = rng.uniform(0.05, 0.95, (n, 3, 1, 3)).astype(
        "float32"
    )  # the best of three, or some objects could not be seen
    apart = np.linalg.norm(tried - colours[:, None, :, 0], axis=-1).min(axis=2)  # from the coat that is nearest
    ground[:, 0] = tried[np.arange(n), apart.argmax(axis=1), 0]
    theirs = colours[np.arange(n), rng.integers(0, k, n)]  # the object after whose coat the ground takes
    ground[:, 1:] += clutter * (theirs - ground[:, 1:]) * np.array([0.85, 0.6], "float32")[:, None]
    x = _mix(ground, [_field(rng, n, size, cells) + bias for cells, bias in ((4, 0.7), (5, -0.2), (8, -0.2))], 4.0)
    masks = np.zeros((n, size, size), "uint8")
    for i in range(k):
        cover = _cover(limbs[0][:, i], limbs[1][:, i], [a[:, i] for a in box], size)
        cover *= (kind[:, i] >= 0)[:, None, None]
        patches = 0.5 * _field(rng, n, size, 6) - 0.45
        coat = _mix(colours[:, i], [-patches, patches], 6.0)
        x += cover[..., None] * (coat - x)
        masks[cover > 0.5] = i + 1
    light = 1 + 0.12 * _field(rng, n, size, 3)
    x = x * light[..., None] + 0.04 * rng.standard_normal(x.shape, "float32")
    return np.clip(x, 0, 1), masks


def _mix(colours, fields, sharpness):
    """Colours, (n, m, 3), each where its field is the highest, with soft edges: (n, h, w, 3)."""
    odds = np.exp(sharpness * np.clip(np.stack(fields, axis=1), -4, 4))  # (n, m, h, w)
    odds /= odds.sum(axis=1, keepdims=True)
    return np.einsum("nmhw,nmc->nhwc", odds, colours, optimize=True)


def _field(rng, n, size, cells):
    """Smooth random numbers of mean 0 and scale about 1, (n, size, size): noise on a grid, interpolated linearly."""
    place = np.linspace(0, cells, size, dtype="float32")[:, None]
    hat = np.maximum(0, 1 - np.abs(place - np.arange(cells + 1, dtype="float32")))  # (size, cells + 1)
    noise = 1.4 * rng.standard_normal((n, cells + 1, cells + 1), "float32")
    return hat @ noise @ hat.T


def _cover(ends, radii, box, size):
    """How much of each pixel a body covers, (n, h, w), where its bounding box is stretched to `box`.

    Args: ends, (n, LIMBS, 2, 2), the two ends of each limb as (row, column); radii, (n, LIMBS, 2), at these ends;
        box, four (n,) arrays in pixels: its middle's row and column, height and width.
    """
    low = (ends - radii[..., None]).min(axis=(1, 2))  # (n, 2)
    high = (ends + radii[..., None]).max(axis=(1, 2))
    middle, sides = np.stack(box[:2], axis=1), np.stack(box[2:], axis=1)
    scale = (sides / (high - low)).astype("float32")  # pixels in one unit of the body, down and across
    place = (np.arange(size)[None, :, None] + 0.5 - middle[:, None]) / scale[:, None] + (low + high)[:, None] / 2
    y, x = place.astype("float32").transpose(2, 0, 1)  # (n, size) each: every row and column in the body's own units
    y, x = y[:, :, None], x[:, None, :]
    distance = np.full((len(ends), size, size), np.inf, "float32")
    for limb in range(LIMBS):
        (ay, ax), (by, bx) = ends[:, limb].transpose(1, 2, 0)[..., None, None]
        ra, rb = radii[:, limb].T[..., None, None]
        dy, dx = by - ay, bx - ax
        along = np.clip(((y - ay) * dy + (x - ax) * dx) / (dy * dy + dx * dx + 1e-6), 0, 1)
        reach = np.hypot(y - ay - along * dy, x - ax - along * dx) - (ra + along * (rb - ra))
        np.minimum(distance, reach, out=distance)
    return np.clip(0.5 - distance * np.sqrt(scale.prod(axis=1))[:, None, None], 0, 1)  # one pixel soft


def pose(rng, kinds):
    """Draw the joints of one body for each kind (index into KINDS), in units of about half a body.

    Returns: ends of the limbs, (n, LIMBS, 2, 2), as (row, column), rows downwards; their radii, (n, LIMBS, 2).
        Half of the bodies look left, half right, all are tilted a little.
    """
    n = len(kinds)
    ends, radii = np.zeros((n, LIMBS, 2, 2), "float32"), np.ones((n, LIMBS, 2), "float32")
    for kind, body in enumerate((_horse, _person, _bird)):
        rows = np.flatnonzero(kinds == kind)
        if len(rows):
            limbs = body(lambda low, high, m=rows.size: rng.uniform(low, high, m))
            for i, (a, b, ra, rb) in enumerate(limbs):
                columns = np.stack([np.broadcast_to(number, len(rows)) for number in (*a, *b, ra, rb)], axis=-1)
                ends[rows, i], radii[rows, i] = columns[:, :4].reshape(-1, 2, 2), columns[:, 4:]
    tilt = rng.normal(0, 0.1, n).astype("float32")
    cos, sin = np.cos(tilt)[:, None, None], np.sin(tilt)[:, None, None]
    row, column = ends[..., 0], ends[..., 1] * rng.choice(np.array([-1, 1], "float32"), n)[:, None, None]
    return np.stack([cos * row - sin * column, sin * row + cos * column], axis=-1), radii


def _step(start, angle, length):
    """The point at `length` from start, in the direction `angle`: 0 forwards, pi / 2 up, - pi / 2 down."""
    return start[0] - length * np.sin(angle), start[1] + length * np.cos(angle)


def _horse(u):
    half, thick = u(0.55, 0.75), u(0.27, 0.36)
    rump, chest = (u(-0.05, 0.05), -half), (u(-0.05, 0.05), half)
    raised = u(-0.5, 1.3)
    poll = _step(chest, raised, u(0.5, 0.75))
    nose = _step(poll, raised - u(1.0, 1.7), u(0.3, 0.4))
    tail = _step(rump, u(2.3, 4.2), u(0.55, 0.8))
    limbs = [(rump, chest, thick, thick * u(0.85, 1)), (chest, poll, 0.2, 0.13), (poll, nose, 0.14, 0.09)]
    for hip, sign in ((rump, -1), (rump, -1), (chest, 1), (chest, 1)):
        hip = hip[0] + 0.1, hip[1] + 0.05 * sign
        limbs.append((hip, _step(hip, -np.pi / 2 + u(-0.6, 0.6), u(0.85, 1)), 0.13, 0.07))
    return [*limbs, (rump, tail, 0.07, 0.09)]


def _person(u):
    neck, hip = (-0.45, u(-0.1, 0.1)), (0.25, u(-0.1, 0.1))
    limbs = [(neck, hip, u(0.2, 0.26), 0.17)]
    head = neck[0] - 0.45, neck[1] + u(-0.08, 0.08)
    limbs.append((head, head, 0.18, 0.18))
    for side in (0, np.pi):
        shoulder = neck[0], neck[1] + 0.15 * np.cos(side)
        lift = u(-1.3, 1.0)
        bend = lift + u(0, 1.2)
        elbow = _step(shoulder, np.where(side, np.pi - lift, lift), 0.4)
        limbs += [
            (shoulder, elbow, 0.1, 0.08),
            (elbow, _step(elbow, np.where(side, np.pi - bend, bend), 0.35), 0.08, 0.07),
        ]
    for side in (-1, 1):
        start = hip[0], hip[1] + 0.08 * side
        limbs.append((start, _step(start, -np.pi / 2 + side * u(0, 0.6), u(0.85, 1)), 0.13, 0.08))
    return limbs


def _bird(u):
    rump, breast = (u(-0.1, 0.15), -0.4), (0.0, 0.3)
    head = _step(breast, u(0.4, 1.5), u(0.45, 0.6))
    turn = u(-0.6, 0.2)
    limbs = [
        (rump, breast, 0.18, u(0.26, 0.34)),
        (breast, head, 0.15, 0.16),
        (head, _step(head, turn, 0.36), 0.1, 0.03),
    ]
    limbs.append((rump, _step(rump, np.pi + u(-0.5, 0.4), u(0.4, 0.6)), 0.1, 0.16))
    lift = u(0.2, 2.6)
    shoulder, tip = (0.0, 0.0), _step((0.0, 0.0), lift, u(0.7, 1.0))
    limbs.append((shoulder, tip, 0.2, 0.12))
    limbs.append((tip, _step(tip, lift + u(0.2, 0.9), u(0.25, 0.4)), 0.12, 0.04))
    for column in (-0.12, 0.12):
        hip = 0.2, column
        limbs.append((hip, _step(hip, -np.pi / 2 + u(-0.3, 0.3), u(0.55, 0.65)), 0.06, 0.05))
    return limbs
