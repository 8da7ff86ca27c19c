"""Generated pictures of several sprites, and films in which they move, with the mask of every object.

Sprites of `synthetic` lie on black and differ in colour. Here they cover one another on a ground, and both may carry
patterns, in the same colours if so asked: then colour alone finds no object.
"""

from typing import NamedTuple

import numpy as np

from aecore.data import check_whole
from aecore.shapes import SHAPES, TEXTURES, cover, surface

ROWS = 256  # pictures drawn at a time: their fields stay in the processor's cache
MOST = 32  # objects in a picture: hues of more could not be told apart


class Sprites(NamedTuple):
    """Pictures of sprites, and all that made them: `render(factors, ground, size)` draws them again.

    x: (n, h, w, 3), float32 in [0, 1].
    masks: (n, h, w), uint8: 0 ground, i + 1 where object i is what one sees. A later object lies in front.
    factors: dict of arrays, object i in column i: `shape` and `texture`, (n, k), index into SHAPES and TEXTURES, -1
        where a picture has fewer objects; and, NaN there, `position`, (n, k, 2), row and column of the centre, `scale`,
        (n, k), the outer radius, and `period`, (n, k), of the texture, in pixels; `angle`, (n, k), in radians;
        `colours`, (n, k, 2, 3), of the texture: a plain object has the first.
    ground: the same of the ground, without the axis k, and without shape and scale.
    """

    x: np.ndarray
    masks: np.ndarray
    factors: dict
    ground: dict


class Films(NamedTuple):
    """Films of sprites: as `Sprites`, with an axis t of frames.

    x, (n, t, h, w, 3); masks, (n, t, h, w): a number is the same object in all frames; visible, (n, t, k) bool: whether
    one sees a pixel of object i; factors, as in `Sprites`, but for `position`, (n, t, k, 2); ground.
    """

    x: np.ndarray
    masks: np.ndarray
    visible: np.ndarray
    factors: dict
    ground: dict


def sprites(
    n, size=32, count=(3, 4), shapes=SHAPES[:3], textures=("plain",), grounds=("plain", "gradient"), clutter=0.0,
    scale=(0.12, 0.24), overlap=0.5, seed=0,
):  # fmt: skip
    """Draw n pictures of several objects.

    Args:
        n: pictures, >= 1.
        size: side of a picture in pixels, 16 to 128.
        count: smallest and largest number of objects in a picture.
        shapes, textures, grounds: names out of SHAPES, TEXTURES and TEXTURES, from which each object's outline, what
            fills it, and the ground are drawn with equal odds.
        clutter: how far the colours are shared, 0 (each object has a hue of its own, the ground is grey) to 1 (the
            ground has two objects' colours, and an object's second colour is another one's).
        scale: smallest and largest outer radius of an object as a share of the picture's side.
        overlap: how near two objects may come, 0 (their outer circles stay apart) to 1 (anywhere): their centres are
            at least (1 - overlap) of the sum of their radii apart.
        seed: owns everything drawn.
    Returns: Sprites.
    Raises: ValueError where an argument is out of range, or objects find no room.
    Source: the sprites of Multi-dSprites, Burgess et al. 2019.  Differs: shapes, textures, distinct hues. Chapter 19.
    """
    rng = np.random.default_rng(seed)
    return render(*_draw("sprites", rng, n, size, count, shapes, textures, grounds, clutter, scale, overlap), size)


def films(
    n, frames=6, size=32, count=(3, 4), shapes=SHAPES[:3], textures=("plain",), grounds=("plain", "gradient"),
    clutter=0.0, scale=(0.12, 0.24), overlap=0.5, speed=(0.04, 0.1), crossing=0.0, passing=0.0, seed=0,
):  # fmt: skip
    """Draw n films of objects that move straight on, bounce at the walls, and pass behind one another.

    Args:
        frames: of each film, t >= 2.
        speed: smallest and largest way of an object from frame to frame as a share of the picture's side, >= 0. Those
            that cross or pass are as fast as they need to be.
        crossing: share of the films in which the first object is behind the last one halfway, centre on centre where
            the walls let it.
        passing: share of the objects for which there are no walls: half of them are inside in the first frame and
            outside in the last, the others come in.
        others: as `sprites`; `overlap` holds in the first frame (for an object that comes in: in its last).
    Returns: Films.
    Raises: ValueError where an argument is out of range, or objects find no room. Chapter 20.
    """
    rng = np.random.default_rng(seed)
    factors, ground = _draw("films", rng, n, size, count, shapes, textures, grounds, clutter, scale, overlap)
    frames = check_whole("films", at_least=2, frames=frames)[0]
    if not 0 <= speed[0] <= speed[1] < np.inf:
        raise ValueError(f"films: speed must be two shares of the side, 0 <= low <= high, got {speed}.")
    _check_shares("films", crossing=crossing, passing=passing)
    time = np.arange(frames)[:, None, None]  # (t, 1, 1): before k objects and two coordinates
    walled = _bounce(rng, factors["position"], factors["scale"], size, speed, crossing, time)
    through = _pass(rng, factors["position"], factors["scale"], size, time)
    chosen = rng.random(factors["scale"].shape) < passing
    position = np.where(chosen[:, None, :, None], through, walled).astype("float32")  # (n, t, k, 2)
    each = lambda part: {key: np.repeat(a, frames, axis=0) for key, a in part.items()}  # frame
    x, masks, *_ = render({**each(factors), "position": position.reshape(n * frames, -1, 2)}, each(ground), size)
    x, masks = (a.reshape(n, frames, *a.shape[1:]) for a in (x, masks))
    visible = [(masks == i + 1).any(axis=(2, 3)) for i in range(chosen.shape[1])]
    return Films(x, masks, np.stack(visible, axis=-1), {**factors, "position": position}, ground)


def render(factors, ground, size=32):
    """Draw the pictures of given factors (see `Sprites`), at `size` x `size` pixels.

    Returns: Sprites. An object whose shape is -1 is not drawn.
    """
    parts = []
    for start in range(0, len(factors["shape"]), ROWS):
        rows = slice(start, start + ROWS)
        parts.append(_paint({k: a[rows] for k, a in factors.items()}, {k: a[rows] for k, a in ground.items()}, size))
    x, masks = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Sprites(x, masks, factors, ground)


def _draw(name, rng, n, size, count, shapes, textures, grounds, clutter, scale, overlap):
    """Check the arguments, then draw the factors of objects and ground."""
    n = check_whole(name, n=n)[0]
    if check_whole(name, at_least=16, size=size)[0] > 128:
        raise ValueError(f"{name}: size must lie between 16 and 128 pixels, got {size}.")
    low, k = check_whole(name, count=count[0])[0], check_whole(name, count=count[1])[0]
    if not low <= k <= MOST:
        raise ValueError(f"{name}: count wants fewest <= most objects <= {MOST}, got {count}.")
    if not 0 < scale[0] <= scale[1] <= 0.35:
        raise ValueError(f"{name}: scale must be two shares of the side, 0 < low <= high <= 0.35, got {scale}.")
    _check_shares(name, overlap=overlap, clutter=clutter)
    shapes, textures = _chosen(name, "shapes", shapes, SHAPES), _chosen(name, "textures", textures, TEXTURES)
    grounds = _chosen(name, "grounds", grounds, TEXTURES)
    if clutter and min(grounds) < TEXTURES.index("stripes"):
        raise ValueError(
            f"{name}: with clutter a plain ground, or a gradient, has an object's colour, which then cannot be seen. "
            f"Take grounds out of {TEXTURES[2:]}, or clutter=0."
        )
    present = np.arange(k) < rng.integers(low, k + 1, (n, 1))
    coats, theirs = _colours(rng, n, k, clutter)
    skin = lambda names, *shape: {
        "texture": rng.choice(names, shape),
        "angle": rng.uniform(0, 2 * np.pi, shape),
        "period": rng.uniform(0.12, 0.2, shape) * size,
    }
    factors = {"shape": rng.choice(shapes, (n, k)), **skin(textures, n, k), "colours": coats}
    factors["scale"], factors["position"] = _place(name, rng, size, scale, present, overlap)
    for key, a in factors.items():
        a[~present] = -1 if a.dtype.kind == "i" else np.nan
        factors[key] = a if a.dtype.kind == "i" else a.astype("float32")
    ground = {**skin(grounds, n), "colours": theirs, "position": rng.uniform(0, size - 1, (n, 2))}
    return factors, {key: a if a.dtype.kind == "i" else a.astype("float32") for key, a in ground.items()}


def _check_shares(name, **shares):
    for what, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name}: {what} must lie in [0, 1], got {share}.")


def _chosen(name, what, names, known):
    names = (names,) if isinstance(names, str) else tuple(names)
    if not names or not set(names) <= set(known):
        raise ValueError(f"{name}: {what} wants one or more of {known}, got {names}.")
    return [known.index(each) for each in names]


def _place(name, rng, size, scale, present, overlap, tries=16, rounds=200):
    """Radius, (n, k), and centre, (n, k, 2), of every object, in pixels.

    One after another lands where it keeps away from those before; where one cannot, all of its picture start again.
    """
    n, k = present.shape
    radius, centre = np.empty((n, k)), np.empty((n, k, 2))
    todo = np.arange(n)
    for _ in range(rounds):
        radius[todo] = rng.uniform(*scale, (len(todo), k)) * size
        fits = np.ones(len(todo), bool)
        for i in range(k):
            r = radius[todo, i, None]
            tried = rng.uniform(r[..., None], size - 1 - r[..., None], (len(todo), tries, 2))
            apart = np.linalg.norm(tried[:, :, None] - centre[todo, None, :i], axis=-1)  # (m, tries, i)
            free = (apart >= (1 - overlap) * (r + radius[todo, :i])[:, None]).all(axis=2)
            centre[todo, i] = tried[np.arange(len(todo)), free.argmax(axis=1)]
            fits &= free.any(axis=1) | ~present[todo, i]
        todo = todo[~fits]
        if not len(todo):
            return radius, centre
    raise ValueError(
        f"{name}: {len(todo)} pictures have no room for their objects. Ask for fewer or smaller ones, or more overlap."
    )


def _bounce(rng, start, radius, size, speed, crossing, time):
    """Straight on from `start`, folded back at the walls: (n, t, k, 2)."""
    n, k = radius.shape
    way, angle = rng.uniform(*speed, (n, k)) * size, rng.uniform(0, 2 * np.pi, (n, k))
    velocity = way[..., None] * np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    low = radius[:, None, :, None]
    room = size - 1 - 2 * low
    at = lambda time: low + room - np.abs((start[:, None] - low + velocity[:, None] * time) % (2 * room) - room)
    half = len(time) // 2
    meets = np.flatnonzero(rng.random(n) < crossing)
    last = np.isfinite(radius[meets]).sum(axis=1) - 1
    there = np.clip(at(half)[meets, 0, last], low[meets, 0, 0], (low + room)[meets, 0, 0])
    velocity[meets, 0] = (there - start[meets, 0]) / half
    return at(time)


def _pass(rng, inside, radius, size, time):
    """From inside through a wall, or the other way round: (n, t, k, 2). Where time ends no pixel is touched."""
    n, k = radius.shape
    beyond = rng.uniform(0, size - 1, (n, k, 2))
    side, axis = rng.integers(0, 2, (2, n, k))
    wall = np.where(side, size + radius, -1 - radius)
    outside = np.where(np.arange(2) == axis[..., None], wall[..., None], beyond)
    last = len(time) - 1
    gone = rng.integers((last + 1) // 2, last + 1, (n, 1, k, 1))  # the frame that has nothing of it any more
    back = rng.random((n, 1, k, 1)) < 0.5
    share = np.where(back, last - time, time) / gone
    return inside[:, None] + (outside - inside)[:, None] * share


def _colours(rng, n, k, clutter):
    """Two colours of each object, (n, k, 2, 3), hues well apart, and of the ground, (n, 2, 3)."""
    hue = rng.permuted(np.tile(np.arange(k), (n, 1)), axis=1) + rng.uniform(0, 0.5, (n, k))
    hue = hue / k + rng.random((n, 1))
    first = _rgb(hue, rng.uniform(0.65, 1, (n, k)), rng.uniform(0.75, 1, (n, k)))
    other = (np.arange(k) + rng.integers(1, max(k, 2), (n, k))) % k  # of objects; of one object itself
    second = 0.4 * first
    second += clutter * (np.take_along_axis(first, other[..., None], axis=1) - second)
    ground = _rgb(rng.random((n, 1)), rng.uniform(0, 0.25, (n, 1)), rng.uniform((0.1, 0.4), (0.3, 0.6), (n, 2)))
    theirs = rng.permuted(np.tile(np.arange(k), (n, 1)), axis=1)[:, np.array([0, 1]) % k]
    ground += clutter * (np.take_along_axis(first, theirs[..., None], axis=1) - ground)
    return np.stack([first, second], axis=2), ground


def _rgb(hue, saturation, value):
    """Colours in red, green and blue: (..., 3). Source: Smith 1978, as one formula."""
    place = (np.array([5, 3, 1]) + 6 * hue[..., None]) % 6
    ramp = np.clip(np.minimum(place, 4 - place), 0, 1)
    return value[..., None] * (1 - saturation[..., None] * ramp)


def _paint(factors, ground, size):
    """Ground, then one object after another: pictures, (n, h, w, 3), and masks, (n, h, w)."""
    n, k = factors["shape"].shape
    x = np.empty((n, 3, size, size), "float32")  # colours first: the pixels of a colour lie side by side
    x[:] = surface(ground, *_apart(ground["position"], size), size)
    masks = np.zeros((n, size, size), "uint8")
    for i in range(k):
        rows = np.flatnonzero(factors["shape"][:, i] >= 0)
        f = {key: a[rows, i] for key, a in factors.items()}
        dy, dx = _apart(f["position"], size)
        share = cover(f, dy, dx)
        x[rows] += share[:, None] * (surface(f, dy, dx, f["scale"][:, None, None]) - x[rows])
        masks[rows] = np.where(share > 0.5, np.uint8(i + 1), masks[rows])
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)), masks


def _apart(position, size):
    """How far rows and columns lie from a place: (n, h, 1) and (n, 1, w)."""
    grid = np.arange(size, dtype="float32")
    return (grid - position[:, :1])[:, :, None], (grid - position[:, 1:])[:, None, :]
