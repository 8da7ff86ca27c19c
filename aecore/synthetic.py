"""Generated data whose causes are known: sprites with their factors and masks, and 2-d toy densities."""

from typing import NamedTuple

import numpy as np

SHAPES = ("ellipse", "square", "triangle")
# Okabe and Ito's palette: told apart by colour-blind readers too.
COLOURS = np.array(
    [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [213, 94, 0], [204, 121, 167]], "float32"
) / np.float32(255)


class Sprites(NamedTuple):
    """Pictures of simple objects, with what made them.

    x: (n, h, w, 3) in [0, 1], black background.
    masks: (n, h, w) uint8, 0 background, i + 1 where object i is what one sees.
    factors: dict of (n, k) arrays, object i in column i: `present` (bool), `shape` (0 ellipse, 1 square,
        2 triangle), `row`, `column` (centre), `scale` (radius) in pixels, `angle` in radians, `colour`
        (index into COLOURS). A later object lies in front of an earlier one.
    """

    x: np.ndarray
    masks: np.ndarray
    factors: dict


def sprites(n, size=32, objects=(1, 1), overlap=True, scale=(0.12, 0.24), seed=0):
    """Draw n pictures with known factors, each factor uniform and independent (given that none overlap, if so asked).

    Args:
        n: pictures, >= 1.
        size: side of a picture in pixels, >= 8.
        objects: smallest and largest number of objects in a picture.
        overlap: whether objects may cover each other; without, their outer circles stay apart.
        scale: smallest and largest radius of an object as a share of the picture's side.
        seed: owns everything drawn.
    Returns: Sprites.
    Raises: ValueError where an argument is out of range, or objects do not find room without overlap.
    """
    low, high = objects
    if n < 1 or size < 8 or not 0 <= low <= high or high < 1:
        raise ValueError(
            f"sprites: wanted n >= 1, size >= 8 and 0 <= fewest <= most objects, most >= 1; "
            f"got n={n}, size={size}, objects={objects}."
        )
    if not 0 < scale[0] <= scale[1] <= 0.35:
        raise ValueError(f"sprites: scale must be two shares of the side, 0 < low <= high <= 0.35, got {scale}.")
    rng = np.random.default_rng(seed)
    factors = {
        "present": np.arange(high) < rng.integers(low, high + 1, (n, 1)),
        "shape": rng.integers(0, len(SHAPES), (n, high)),
        "angle": rng.uniform(0, 2 * np.pi, (n, high)),
        "colour": rng.integers(0, len(COLOURS), (n, high)),
    }
    factors["scale"], factors["row"], factors["column"] = _place(rng, size, scale, factors["present"], overlap)
    return render(factors, size)


def render(factors, size=32):
    """Draw the pictures of given factors (see `Sprites`), at `size` x `size` pixels.

    Returns: Sprites.
    """
    alpha = _inked(_distance(factors, size), factors)  # (n, k, h, w)
    x = np.zeros((len(alpha), size, size, 3), "float32")
    masks = np.zeros((len(alpha), size, size), "uint8")
    for i in range(alpha.shape[1]):
        a = alpha[:, i, :, :, None]
        x = x * (1 - a) + COLOURS[factors["colour"][:, i], None, None] * a
        masks[alpha[:, i] > 0.5] = i + 1
    return Sprites(x, masks, factors)


def outlines(factors, size=32, width=1.0):
    """Draw only the edges of what `render` fills, white on black: the source of a translation whose target is known.

    Args: factors, see `Sprites`; size, side of a picture in pixels; width of a line in pixels, > 0.
    Returns: (n, size, size, 1) float32 in [0, 1]. An object hides the lines behind it. No line tells the colour.
    Raises: ValueError where width is not positive.
    """
    if not width > 0:
        raise ValueError(f"outlines: width must be positive, got {width}.")
    distance = _distance(factors, size)
    inside = _inked(distance, factors)
    lines = _inked(np.abs(distance) - width / 2, factors)
    x = np.zeros((len(lines), size, size), "float32")
    for i in range(lines.shape[1]):
        x = np.maximum(x * (1 - inside[:, i]), lines[:, i])
    return x[..., None]


def _place(rng, size, scale, present, overlap, tries=2000):
    """Radius, row and column of every object, each (n, k), in pixels; drawn again where objects meet."""
    n, k = present.shape
    placed = np.empty((3, n, k))
    first, second = np.triu_indices(k, 1)
    todo = np.arange(n)
    for _ in range(tries):
        radius = rng.uniform(*scale, (len(todo), k)) * size
        row, column = rng.uniform(radius, size - 1 - radius, (2, len(todo), k))
        placed[:, todo] = radius, row, column
        if overlap:
            return placed
        distance = np.hypot(row[:, first] - row[:, second], column[:, first] - column[:, second])  # (n, pairs)
        meets = distance < radius[:, first] + radius[:, second] + 1
        todo = todo[(meets & present[todo][:, first] & present[todo][:, second]).any(axis=1)]
        if not len(todo):
            return placed
    raise ValueError(
        f"sprites: {len(todo)} pictures have no room for their objects without overlap. "
        "Ask for fewer or smaller objects, or overlap=True."
    )


def _inked(distance, factors):
    """How much of each pixel is covered, in [0, 1], (n, k, h, w), where ink ends at distance 0: one pixel soft."""
    return (np.clip(0.5 - distance, 0, 1) * factors["present"][:, :, None, None]).astype("float32")


def _distance(factors, size):
    """Signed distance of each pixel to the edge of each object, in pixels, negative inside, (n, k, h, w)."""
    f = {key: value[:, :, None, None] for key, value in factors.items()}
    grid = np.arange(size, dtype="float32")
    dy, dx = grid[:, None] - f["row"], grid[None, :] - f["column"]
    cos, sin = np.cos(f["angle"]), np.sin(f["angle"])
    u, v = cos * dx + sin * dy, -sin * dx + cos * dy  # the object's own axes
    r = f["scale"]
    # The ellipse's distance is exact near the edge only: how far q = |(u, v / 0.6)| is from r, over q's slope.
    q = np.maximum(np.hypot(u, v / 0.6), 1e-6)
    ellipse = (q - r) * q / np.maximum(np.hypot(u, v / 0.36), 1e-6)
    square = np.maximum(np.abs(u), np.abs(v)) - r / np.sqrt(2)
    triangle = np.maximum(np.abs(u) * np.sqrt(3) / 2 + v / 2, -v) - r / 2
    return np.select([f["shape"] == 0, f["shape"] == 1], [ellipse, square], triangle)


def moons(n, noise=0.05, seed=0):
    """Two interleaved half circles. Returns: points, (n, 2) float32, and which half, (n,)."""
    rng = np.random.default_rng(seed)
    half = rng.integers(0, 2, n)
    t = rng.uniform(0, np.pi, n)
    points = np.stack([np.cos(t) + half - 0.5, np.sin(t) * (1 - 2 * half) + 0.5 * half - 0.25], axis=1)
    return (points + noise * rng.standard_normal((n, 2))).astype("float32"), half


def spiral(n, noise=0.02, turns=1.5, seed=0):
    """A spiral from near the origin to radius 1. Returns: points, (n, 2) float32, and places on it in [0, 1], (n,)."""
    rng = np.random.default_rng(seed)
    t = np.sqrt(rng.uniform(0.02, 1, n))  # evenly along the curve, not along the angle
    points = np.stack([t * np.cos(2 * np.pi * turns * t), t * np.sin(2 * np.pi * turns * t)], axis=1)
    return (points + noise * rng.standard_normal((n, 2))).astype("float32"), t


def ring_centres(modes=8):
    """The centres of `ring_of_gaussians`, evenly on the unit circle: (modes, 2) float32."""
    angle = 2 * np.pi * np.arange(modes) / modes
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype("float32")


def grid_centres(side=5, spacing=0.5):
    """The centres of `grid_of_gaussians`, a square lattice around the origin: (side^2, 2) float32, row by row."""
    line = spacing * (np.arange(side) - (side - 1) / 2)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype("float32")


def ring_of_gaussians(n, modes=8, scale=0.05, seed=0):
    """A mixture of equal Gaussians on the unit circle. Returns: points, (n, 2) float32, and which one, (n,)."""
    return _gaussians(n, ring_centres(modes), scale, seed)


def grid_of_gaussians(n, side=5, spacing=0.5, scale=0.025, seed=0):
    """A mixture of side^2 equal Gaussians on a square lattice. Returns: points, (n, 2) float32, and which one, (n,)."""
    return _gaussians(n, grid_centres(side, spacing), scale, seed)


def _gaussians(n, centres, scale, seed):
    rng = np.random.default_rng(seed)
    mode = rng.integers(0, len(centres), n)
    return (centres[mode] + scale * rng.standard_normal((n, 2))).astype("float32"), mode
