"""Outlines of sprites against perimeters, the filled pictures and each other."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from scipy.special import ellipe

from aecore.synthetic import outlines, render, sprites


def one(shape, row=24.0, column=24.0, scale=12.0, angle=0.0):
    f = dict(present=True, shape=shape, row=row, column=column, scale=scale, angle=angle, colour=0)
    return {k: np.array([[v]]) for k, v in f.items()}


PERIMETER = {0: 4 * ellipe(1 - 0.6**2), 1: 4 * np.sqrt(2), 2: 3 * np.sqrt(3)}  # in a circle of radius 1


@pytest.mark.parametrize("shape", PERIMETER)
@pytest.mark.parametrize("width", [1.0, 2.0])
def test_an_outline_is_as_long_as_the_perimeter_and_as_wide_as_asked(shape, width):
    x = outlines(one(shape, angle=0.4, row=23.3, column=24.6), 48, width)
    assert (x.dtype, x.shape) == (np.float32, (1, 48, 48, 1))
    assert 0 <= x.min() <= x.max() <= 1
    assert x.sum() == pytest.approx(PERIMETER[shape] * 12 * width, rel=0.05)


@pytest.mark.parametrize("shape", PERIMETER)
def test_the_line_lies_on_the_edge(shape):
    f = one(shape, angle=0.4)
    line, mask = outlines(f, 48)[0, ..., 0], render(f, 48).masks[0] == 1
    from_edge = np.where(mask, distance_transform_edt(mask), distance_transform_edt(~mask))
    assert not line[from_edge > 2.5].any()
    assert (line[mask & (from_edge == 1)] > 0).all()


def test_the_thickness_of_an_ellipse_is_the_same_all_around():
    x = outlines(one(0, row=32.0, column=32.0, scale=24.0), 65, 3.0)[0, ..., 0]
    assert x[32, 33:].sum() == pytest.approx(3, abs=0.05)  # along the long axis
    assert x[33:, 32].sum() == pytest.approx(3, abs=0.05)  # along the short one


def test_an_object_in_front_hides_lines():
    behind, front = one(1), one(0, column=32.0)
    both = {k: np.concatenate([behind[k], front[k]], axis=1) for k in behind}
    x = outlines(both, 56)[0, ..., 0]
    inside = render(front, 56).masks[0] == 1
    alone = outlines(front, 56)[0, ..., 0]
    np.testing.assert_allclose(x[inside], alone[inside], atol=0.5)  # half-covered pixels at the edge show both
    deep = np.hypot(np.arange(56)[:, None] - 24, np.arange(56)[None] - 32) < 5
    assert not x[deep].any()
    assert outlines(behind, 56)[0, ..., 0][deep].any()
    both["present"][:, 1] = False
    np.testing.assert_array_equal(outlines(both, 56), outlines(behind, 56))


def test_the_colour_leaves_no_trace():
    f = sprites(20, size=16, seed=1).factors
    other = {**f, "colour": (f["colour"] + 1) % 6}
    np.testing.assert_array_equal(outlines(f, 16), outlines(other, 16))
    assert np.abs(render(f, 16).x - render(other, 16).x).max() > 0.3


def test_a_line_without_width_is_refused():
    with pytest.raises(ValueError, match="outlines: width must be positive, got 0"):
        outlines(one(0), 48, 0)
