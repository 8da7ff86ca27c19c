"""Outlines of sprites against areas, polygons drawn by scikit-image and symmetries; textures against their formulas."""

import numpy as np
import pytest
from skimage.draw import polygon2mask

from aecore import shapes

SIDE, FINE = 64, 8


def one(shape, angle=0.0, scale=24.0, **others):
    f = dict(shape=shapes.SHAPES.index(shape), angle=angle, scale=scale, **others)
    return {k: np.array([v], "float32" if isinstance(v, float) else None) for k, v in f.items()}


def apart(row, column, side=SIDE):
    grid = np.arange(side, dtype="float32")
    return (grid - row)[None, :, None], (grid - column)[None, None, :]


def covered(shape, angle=0.0, scale=24.0, row=31.5, column=31.5):
    return shapes.cover(one(shape, angle, scale), *apart(row, column))[0]


def ring(radii):
    angle = 2 * np.pi * np.arange(len(radii)) / len(radii) - np.pi / 2
    return np.asarray(radii)[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)  # (row, column)


def cross():
    a, b = 1 / np.hypot(1, 0.4), 0.4 / np.hypot(1, 0.4)
    return np.array([(b, a), (b, b), (a, b), (a, -b), (b, -b), (b, -a), (-b, -a), (-b, -b), (-a, -b), (-a, b), (-b, b),
                     (-b, a)])  # fmt: skip


TURNS = np.linspace(0, 2 * np.pi, 721)[:-1]
CURVES = {  # as (row, column), in a circle of radius 1
    "ellipse": np.stack([0.6 * np.sin(TURNS), np.cos(TURNS)], axis=1),
    "square": ring([1, 1, 1, 1]),
    "triangle": ring([1, 1, 1]),
    "star": ring([1, 0.45] * 5),
    "cross": cross(),
    "flower": (0.75 + 0.25 * np.cos(5 * TURNS))[:, None] * np.stack([np.sin(TURNS), np.cos(TURNS)], axis=1),
}


@pytest.mark.parametrize("shape", shapes.SHAPES)
@pytest.mark.parametrize("angle", [0.0, 0.7])
def test_a_pixel_is_covered_as_far_as_the_polygon_covers_it(shape, angle):
    """Every pixel is cut into 64 and each of these is asked of scikit-image."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])  # angles run from column to row
    corners = 24 * CURVES[shape] @ turn + 31.5
    fine = polygon2mask((SIDE * FINE, SIDE * FINE), (corners + 0.5) * FINE - 0.5)
    share = fine.reshape(SIDE, FINE, SIDE, FINE).mean(axis=(1, 3))
    error = np.abs(covered(shape, angle) - share)
    assert error.mean() < 0.004
    assert (error > 0.2).sum() <= 40  # at the corners, of 4,096 pixels
    assert covered(shape, angle).sum() == pytest.approx(share.sum(), rel=0.02)


@pytest.mark.parametrize(("shape", "period"), list(zip(shapes.SHAPES, (2, 4, 3, 5, 4, 5), strict=True)))
def test_a_shape_has_its_symmetry_and_no_smaller_one(shape, period):
    turn = 2 * np.pi / period
    a, b, c = (covered(shape, 0.3 + by) for by in (0, turn, turn / 2))
    assert np.abs(a - b).max() < 0.05  # a third of a turn lies between two of the directions that the table has
    assert np.abs(a - c).max() > 0.5


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_a_quarter_turn_and_a_shift_are_those_of_the_picture(shape):
    a = covered(shape, 0.3, 16.0)
    np.testing.assert_allclose(np.rot90(a, -1), covered(shape, 0.3 + np.pi / 2, 16.0), atol=0.02)
    np.testing.assert_allclose(np.roll(a, (5, -3), axis=(0, 1)), covered(shape, 0.3, 16.0, 36.5, 28.5), atol=1e-4)


def test_a_shape_reaches_its_outer_circle_and_no_farther():
    rows, columns = np.mgrid[:SIDE, :SIDE] - 31.5
    for shape in shapes.SHAPES:
        farthest = np.hypot(rows, columns)[covered(shape, 0.2) > 0.5].max()
        assert 22.5 < farthest < 24.5, shape


def test_radii_are_one_at_most_and_edges_are_one_pixel_soft():
    for scale in (4.0, 24.0):
        for shape in ("ellipse", "square"):
            soft = (covered(shape, 0.4, scale) % 1 > 0).sum()
            length = {"ellipse": 5.1, "square": 4 * np.sqrt(2)}[shape] * scale
            assert 0.8 * length < soft < 1.6 * length


COLOURS = np.array([[[0.9, 0.1, 0.0], [0.1, 0.5, 1.0]]], "float32")


def textured(name, angle=0.0, period=8.0, reach=16):
    f = {"texture": np.array([shapes.TEXTURES.index(name)]), "angle": np.float32([angle]),
         "period": np.float32([period]), "colours": COLOURS}  # fmt: skip
    x = shapes.surface(f, *apart(31.5, 31.5), reach)[0]
    return np.broadcast_to(x, (3, SIDE, SIDE))


def mixed(name, **arguments):
    """How far each pixel has gone from the first to the second colour; all three channels must say the same."""
    first, second = COLOURS[0, :, :, None, None]
    mix = (textured(name, **arguments) - first) / (second - first)
    np.testing.assert_allclose(mix, np.broadcast_to(mix[:1], mix.shape), atol=1e-5)
    return mix[0]


def test_plain_has_the_first_colour():
    assert not mixed("plain").any()


def test_a_gradient_rises_evenly_to_its_reach_along_its_angle():
    mix = mixed("gradient", angle=np.pi / 2)  # down
    wanted = np.clip(0.5 + (np.arange(SIDE) - 31.5) / 32, 0, 1)
    np.testing.assert_allclose(mix, np.repeat(wanted[:, None], SIDE, axis=1), atol=1e-5)


def test_stripes_checks_and_rings_have_their_period():
    stripes = mixed("stripes")
    assert np.ptp(stripes, axis=0).max() < 1e-5  # upright
    assert np.abs(stripes[:, 8:] - stripes[:, :-8]).max() < 1e-4
    assert np.abs(stripes[:, 4:] + stripes[:, :-4] - 1).max() < 1e-4  # half a period on, the other colour
    checks = mixed("checks")
    assert np.abs(checks[:, 4:] + checks[:, :-4] - 1).max() < 1e-4
    assert np.abs(checks[4:] + checks[:-4] - 1).max() < 1e-4
    rings = mixed("rings")
    np.testing.assert_allclose(rings, np.rot90(rings), atol=1e-4)
    rows, columns = np.mgrid[:SIDE, :SIDE] - 31.5
    at = lambda radius: rings[np.abs(np.hypot(rows, columns) - radius) < 0.4].mean()
    assert at(2) > 0.9 > 0.1 > at(6)  # sin(2 pi d / 8) is highest at 2, lowest at 6
    assert at(10) > 0.9


@pytest.mark.parametrize("name", shapes.TEXTURES)
def test_a_texture_turns_with_its_angle(name):
    a, b = (textured(name, angle=angle) for angle in (0.4, 0.4 + np.pi / 2))
    np.testing.assert_allclose(np.rot90(a, -1, axes=(1, 2)), b, atol=1e-3)
