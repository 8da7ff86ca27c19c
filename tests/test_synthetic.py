"""Sprites against areas, symmetries and their own factors; the toy densities against their definitions."""

import numpy as np
import pytest

from aecore import synthetic
from aecore.synthetic import COLOURS, render, sprites


def one(shape, row=24.0, column=24.0, scale=12.0, angle=0.0, colour=0):
    f = dict(present=True, shape=shape, row=row, column=column, scale=scale, angle=angle, colour=colour)
    return {k: np.array([[v]]) for k, v in f.items()}


def join(*objects):
    return {k: np.concatenate([o[k] for o in objects], axis=1) for k in objects[0]}


AREA = {0: 0.6 * np.pi, 1: 2.0, 2: 3 * np.sqrt(3) / 4}  # of an ellipse, square, triangle in a circle of radius 1


@pytest.mark.parametrize("shape", AREA)
@pytest.mark.parametrize("angle", [0.0, 0.4, 2.0])
def test_a_shape_covers_its_area_about_its_centre(shape, angle):
    s = render(one(shape, angle=angle, row=23.3, column=24.6), 48)
    assert s.masks.sum() == pytest.approx(AREA[shape] * 12**2, rel=0.03)
    assert (s.x[0].sum(axis=-1) / COLOURS[0].sum()).sum() == pytest.approx(AREA[shape] * 12**2, rel=0.03)
    rows, columns = np.nonzero(s.masks[0])
    weight = s.x[0].sum(axis=-1)
    for axis, centre in ((1, 23.3), (0, 24.6)):
        assert weight.sum(axis=axis) @ np.arange(48) / weight.sum() == pytest.approx(centre, abs=0.1)
    assert np.hypot(rows - 23.3, columns - 24.6).max() <= 12.5  # inside the outer circle
    assert np.hypot(rows - 23.3, columns - 24.6).max() >= 10.5  # and up to it


@pytest.mark.parametrize(("shape", "period"), [(0, np.pi), (1, np.pi / 2), (2, 2 * np.pi / 3)])
def test_a_shape_has_its_symmetry_and_no_smaller_one(shape, period):
    a, b, c = (render(one(shape, angle=t), 48).x for t in (0.3, 0.3 + period, 0.3 + period / 2))
    np.testing.assert_allclose(a, b, atol=1e-4)
    assert np.abs(a - c).max() > 0.5


@pytest.mark.parametrize("shape", AREA)
def test_a_turn_of_the_factors_is_a_turn_of_the_picture(shape):
    centre = dict(row=23.5, column=23.5)
    a, b = (render(one(shape, angle=t, **centre), 48).x[0] for t in (0.3, 0.3 + np.pi / 2))
    np.testing.assert_allclose(np.rot90(a, -1), b, atol=1e-4)  # angles run from the column axis to the row axis


@pytest.mark.parametrize("shape", AREA)
def test_a_shift_of_the_factors_is_a_shift_of_the_picture(shape):
    a, b = render(one(shape, angle=0.3), 64), render(one(shape, row=29.0, column=22.0, angle=0.3), 64)
    np.testing.assert_allclose(np.roll(a.x, (5, -2), axis=(1, 2)), b.x, atol=1e-5)
    np.testing.assert_array_equal(np.roll(a.masks, (5, -2), axis=(1, 2)), b.masks)


def test_a_later_object_lies_in_front():
    s = render(join(one(1, colour=2), one(1, column=32.0, colour=4)), 56)
    alone = render(one(1, column=32.0, colour=4), 56)
    behind = render(one(1, colour=2), 56)
    front = alone.masks == 1
    np.testing.assert_array_equal(s.masks == 2, front)
    np.testing.assert_array_equal(s.masks == 1, (behind.masks == 1) & ~front)
    assert ((behind.masks == 1) & front).any()
    np.testing.assert_allclose(s.x[0, 24, 32], COLOURS[4])
    np.testing.assert_allclose(s.x[0, 24, 18], COLOURS[2])


def test_an_absent_object_is_not_drawn():
    f = one(0)
    f["present"][:] = False
    s = render(f, 32)
    assert not s.x.any()
    assert not s.masks.any()


def test_masks_say_what_is_seen():
    s = sprites(40, size=40, objects=(2, 4), seed=3)
    assert (s.x.dtype, s.masks.dtype, s.x.shape) == (np.float32, np.uint8, (40, 40, 40, 3))
    assert s.x.min() >= 0
    assert s.x.max() <= 1
    nearest = np.concatenate([np.zeros((1, 3)), COLOURS])
    for i in range(40):
        for k in range(4):
            seen = s.masks[i] == k + 1
            assert not seen.any() or s.factors["present"][i, k]
            if seen.sum() > 30:
                colour = np.median(s.x[i][seen], axis=0)
                assert np.argmin(((nearest - colour) ** 2).sum(axis=1)) == s.factors["colour"][i, k] + 1


def test_without_overlap_no_pixel_belongs_to_two_objects():
    s = sprites(200, size=32, objects=(2, 3), overlap=False, scale=(0.1, 0.18), seed=1)
    f = s.factors
    for k in range(3):
        alone = render({name: v[:, k : k + 1] for name, v in f.items()}, 32)
        np.testing.assert_array_equal(alone.masks == 1, s.masks == k + 1)
    for i in range(200):
        for a in range(3):
            for b in range(a):
                if f["present"][i, a] and f["present"][i, b]:
                    apart = np.hypot(f["row"][i, a] - f["row"][i, b], f["column"][i, a] - f["column"][i, b])
                    assert apart >= f["scale"][i, a] + f["scale"][i, b] + 1
    assert sprites(200, size=32, objects=(3, 3), seed=1).masks.any()


def test_factors_are_uniform_and_within_their_ranges():
    from scipy import stats

    n = 3000
    f = sprites(n, size=20, objects=(0, 3), scale=(0.1, 0.2), seed=5).factors
    for name, kinds in (("shape", 3), ("colour", 6)):
        assert stats.chisquare(np.bincount(f[name].ravel(), minlength=kinds)).pvalue > 1e-3
    assert stats.chisquare(np.bincount(f["present"].sum(axis=1), minlength=4)).pvalue > 1e-3
    assert not (f["present"][:, 1:] & ~f["present"][:, :-1]).any()
    assert stats.kstest(f["angle"].ravel(), stats.uniform(0, 2 * np.pi).cdf).pvalue > 1e-3
    assert stats.kstest(f["scale"].ravel(), stats.uniform(2, 2).cdf).pvalue > 1e-3
    for name in ("row", "column"):
        place = (f[name] - f["scale"]) / (19 - 2 * f["scale"])  # share of the room that there is
        assert stats.kstest(place.ravel(), "uniform").pvalue > 1e-3
    assert abs(stats.spearmanr(f["angle"][:, 0], f["scale"][:, 0]).statistic) < 0.06


def test_the_seed_owns_the_pictures():
    a, b, c = sprites(5, seed=1), sprites(5, seed=1), sprites(5, seed=2)
    np.testing.assert_array_equal(a.x, b.x)
    assert not np.array_equal(a.x, c.x)
    np.testing.assert_array_equal(render(a.factors).x, a.x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(n=0), "wanted n >= 1, .*got n=0"),
        (dict(n=1, size=7), "size >= 8 .*size=7"),
        (dict(n=1, objects=(2, 1)), r"fewest <= most objects.*objects=\(2, 1\)"),
        (dict(n=1, objects=(0, 0)), "most >= 1"),
        (dict(n=1, scale=(0.2, 0.1)), r"0 < low <= high <= 0.35, got \(0.2, 0.1\)"),
        (dict(n=1, scale=(0.1, 0.4)), r"got \(0.1, 0.4\)"),
        (dict(n=3, objects=(9, 9), overlap=False, scale=(0.3, 0.3)), "no room .* Ask for fewer or smaller objects"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        sprites(**arguments)


def test_moons_are_two_half_circles():
    points, half = synthetic.moons(2000, noise=0.0, seed=1)
    for k, centre in enumerate([(-0.5, -0.25), (0.5, 0.25)]):
        moon = points[half == k] - centre
        np.testing.assert_allclose(np.hypot(*moon.T), 1, atol=1e-5)
        assert ((moon[:, 1] >= -1e-5) if k == 0 else (moon[:, 1] <= 1e-5)).all()
    assert abs(half.mean() - 0.5) < 0.05
    noisy, _ = synthetic.moons(2000, noise=0.1, seed=1)
    assert (noisy - points).std() == pytest.approx(0.1, rel=0.05)


def test_the_spiral_winds_evenly():
    points, t = synthetic.spiral(4000, noise=0.0, turns=2.0, seed=1)
    np.testing.assert_allclose(np.hypot(*points.T), t, atol=1e-5)
    turn = np.exp(2j * np.pi * 2.0 * t)
    np.testing.assert_allclose(points[:, 0] + 1j * points[:, 1], t * turn, atol=1e-5)
    assert 0 <= t.min() <= t.max() <= 1
    assert (t > np.sqrt(0.51)).mean() == pytest.approx(0.5, abs=0.03)


def test_the_ring_has_its_modes():
    points, mode = synthetic.ring_of_gaussians(8000, modes=5, scale=0.05, seed=1)
    for k in range(5):
        centre = np.array([np.cos(2 * np.pi * k / 5), np.sin(2 * np.pi * k / 5)])
        cloud = points[mode == k]
        np.testing.assert_allclose(cloud.mean(axis=0), centre, atol=0.01)
        np.testing.assert_allclose(cloud.std(axis=0), 0.05, rtol=0.1)
        assert len(cloud) == pytest.approx(1600, abs=160)


def test_the_grid_has_its_modes():
    points, mode = synthetic.grid_of_gaussians(9000, side=3, spacing=0.7, scale=0.02, seed=1)
    for k in range(9):
        row, column = divmod(k, 3)
        cloud = points[mode == k]
        np.testing.assert_allclose(cloud.mean(axis=0), [0.7 * (column - 1), 0.7 * (row - 1)], atol=0.005)
        np.testing.assert_allclose(cloud.std(axis=0), 0.02, rtol=0.1)
        assert len(cloud) == pytest.approx(1000, abs=130)
    wanted = [(0.5 * (j - 2), 0.5 * (i - 2)) for i in range(5) for j in range(5)]
    np.testing.assert_allclose(synthetic.grid_centres(), wanted, atol=1e-6)
    np.testing.assert_allclose(synthetic.ring_centres(4), [(1, 0), (0, 1), (-1, 0), (0, -1)], atol=1e-6)


TOYS = [synthetic.moons, synthetic.spiral, synthetic.ring_of_gaussians, synthetic.grid_of_gaussians]


@pytest.mark.parametrize("make", TOYS)
def test_the_seed_owns_the_points(make):
    a, b, c = make(50, seed=1), make(50, seed=1), make(50, seed=2)
    np.testing.assert_array_equal(a[0], b[0])
    assert not np.allclose(a[0], c[0])
    assert a[0].dtype == np.float32
