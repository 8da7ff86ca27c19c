"""Outlines and textures of sprites: how much of each pixel a shape covers, and which colour it has there."""

import numpy as np

ANGLES = 4096  # directions in which a shape's radius is known; a power of two, so that a mask of bits wraps them
SHAPES = ("ellipse", "square", "triangle", "star", "cross", "flower")
TEXTURES = ("plain", "gradient", "stripes", "checks", "rings")


def cover(f, dy, dx):
    """How much of each pixel an object covers, its edge one pixel soft.

    Args: f, dict of `shape`, index into SHAPES, `angle` in radians and `scale`, the outer radius in pixels, (n,) each;
        dy, (n, h, 1), and dx, (n, 1, w), how far rows and columns lie from its centre, in pixels.
    Returns: (n, h, w), float32 in [0, 1].
    """
    turn = (np.arctan2(dy, dx) - f["angle"][:, None, None]) / (2 * np.pi)
    place = ((turn + 2) * ANGLES + 0.5).astype("int32") & (ANGLES - 1)  # a number that is cut must not be negative
    outline = f["shape"][:, None, None] * ANGLES + place
    beyond = np.sqrt(dy * dy + dx * dx) - f["scale"][:, None, None] * _RADIUS[outline]
    return np.clip(0.5 - beyond * _LEAN[outline], 0, 1)


def surface(f, dy, dx, reach):
    """Colours of a texture at each pixel.

    Args: f, dict of `texture`, (n,) index into TEXTURES, `angle`, `period` in pixels, and `colours`, (n, 2, 3), of
        which plain has the first; dy and dx as `cover`; reach, where a gradient ends, in pixels, a number or (n, 1, 1).
    Returns: (n, 3, h, w), or (n, 3, 1, 1) where all are plain, float32.
    """
    first, second = f["colours"].transpose(1, 0, 2)[..., None, None]  # (n, 3, 1, 1) each
    if not f["texture"].any():
        return first
    cos, sin = np.cos(f["angle"])[:, None, None], np.sin(f["angle"])[:, None, None]
    u, v = cos * dx + sin * dy, cos * dy - sin * dx  # along the texture's own axes
    wave = lambda d: np.sin(d * (2 * np.pi / f["period"])[:, None, None])
    sharp = lambda field: np.clip(0.5 + 1.5 * field, 0, 1)
    mixes = [np.clip(0.5 + 0.5 * u / reach, 0, 1), *map(sharp, (wave(u), wave(u) * wave(v), wave(np.hypot(u, v))))]
    mix = np.select([(f["texture"] == i)[:, None, None] for i in range(1, len(TEXTURES))], mixes, 0)
    return first + mix[:, None].astype("float32") * (second - first)


def _star(corners):
    """Radius in ANGLES directions of the polygon with these corners, (m, 2) as (x, y), all of them seen from 0."""
    corners = np.asarray(corners)[np.argsort(np.arctan2(*np.transpose(corners)[::-1]) % (2 * np.pi))]
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    edge = np.searchsorted(np.arctan2(corners[:, 1], corners[:, 0]) % (2 * np.pi), angle, "right") - 1
    a, b = corners[edge], corners[(edge + 1) % len(corners)]
    cross = lambda p, q: p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
    return cross(a, b) / cross(np.stack([np.cos(angle), np.sin(angle)], axis=1), b - a)


def _ring(radii):
    """Corners at equal angles and these radii, the first at the top: (m, 2)."""
    angle = 2 * np.pi * np.arange(len(radii)) / len(radii) - np.pi / 2
    return np.stack([radii * np.cos(angle), radii * np.sin(angle)], axis=1)


def _outlines():
    """Of every shape, in units of its outer radius: radius in ANGLES directions, and how far it leans there.

    A point at distance d from the centre, in a direction where the radius is r, lies about (d - r) * lean beyond the
    outline, lean = 1 / sqrt(1 + (r' / r)^2): the cosine between direction and normal.
    """
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    arm = np.array([[1, 0.4], [0.4, 0.4], [0.4, 1]]) / np.hypot(1, 0.4)
    quarter = np.array([[0, -1], [1, 0]])
    radius = np.stack([
        0.6 / np.hypot(0.6 * np.cos(angle), np.sin(angle)),
        _star(_ring(np.ones(4))),
        _star(_ring(np.ones(3))),
        _star(_ring(np.tile([1, 0.45], 5))),
        _star(np.concatenate([arm @ np.linalg.matrix_power(quarter, i) for i in range(4)])),
        0.75 + 0.25 * np.cos(5 * angle),
    ])  # fmt: skip
    slope = (np.roll(radius, -1, axis=1) - np.roll(radius, 1, axis=1)) * ANGLES / (4 * np.pi)
    return [a.astype("float32").ravel() for a in (radius, 1 / np.sqrt(1 + (slope / radius) ** 2))]


_RADIUS, _LEAN = _outlines()
