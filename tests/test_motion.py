"""Labels carried from frame to frame against sums written out and known motions; films that are refused."""

import numpy as np
import pytest

from aecore.motion import Likeness, check_films

RNG = np.random.default_rng(0)
BEFORE, NOW = RNG.random((2, 2, 9, 10, 3), "float32")
Q = RNG.dirichlet([1, 1, 1], (2, 9, 10)).astype("float32")


@pytest.mark.parametrize("patch", [1, 3])
def test_the_mean_is_that_of_a_double_loop(patch):
    carry = Likeness(2, patch=patch, colour=0.3, position=1.5)
    got = carry(BEFORE, NOW, Q)
    half, r = patch // 2, 2
    edge = lambda a, n: np.pad(a, [(n, n), (n, n), (0, 0)], mode="edge").astype("float64")
    for b in range(2):
        before, q = edge(BEFORE[b], r), edge(Q[b], r)
        difference = lambda i, j, y, x: np.square(NOW[b, i, j] - before[i + y, j + x]).mean()  # noqa: B023
        inner = lambda size: range(half, size - half)  # away from the edge, where patches are whole
        for i in inner(9):
            for j in inner(10):
                sums = np.zeros(4)
                for y in range(2 * r + 1):
                    for x in range(2 * r + 1):
                        patches = np.mean([difference(i + v, j + u, y, x) for v in range(-half, half + 1)
                                           for u in range(-half, half + 1)])  # fmt: skip
                        k = np.exp(-patches / (2 * 0.3**2) - ((y - r) ** 2 + (x - r) ** 2) / (2 * 1.5**2))
                        sums += k * np.array([1, *q[i + y, j + x]])
                np.testing.assert_allclose(got[b, i, j], sums[1:] / sums[0], rtol=1e-4)


def test_what_moves_takes_its_label_along():
    ground = RNG.random((1, 24, 24, 3), "float32")
    labels = np.eye(4, dtype="float32")[RNG.integers(0, 4, (1, 24, 24))]
    for y, x in ((0, 0), (2, -3), (-4, 4)):
        moved = Likeness(4, colour=0.01, position=50.0)(ground, np.roll(ground, (y, x), (1, 2)), labels)
        inside = (slice(None), slice(6, -6), slice(6, -6))
        np.testing.assert_allclose(moved[inside], np.roll(labels, (y, x), (1, 2))[inside], atol=1e-3)


def test_shares_stay_shares_and_labels_are_exchangeable():
    carry = Likeness(3)
    p = carry(BEFORE, NOW, Q)
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(carry(BEFORE, NOW, Q[..., [2, 0, 1]]), p[..., [2, 0, 1]], rtol=1e-5)
    np.testing.assert_allclose(carry(BEFORE[1:], NOW[1:], Q[1:]), p[1:], rtol=1e-5)  # films do not mix


def test_many_films_are_taken_in_turn(monkeypatch):
    whole = Likeness(3)(BEFORE, NOW, Q)
    monkeypatch.setattr("aecore.motion.AT_ONCE", 1)
    np.testing.assert_array_equal(Likeness(3)(BEFORE, NOW, Q), whole)


def test_what_looks_like_nothing_before_keeps_its_place():
    q = np.eye(2, dtype="float32")[(np.arange(10) < 5).astype(int)][None, None].repeat(9, axis=1)
    p = Likeness(3, colour=1e-3, position=0.5)(np.zeros((1, 9, 10, 3), "float32"), np.ones((1, 9, 10, 3), "float32"), q)
    assert np.isfinite(p).all()
    np.testing.assert_array_equal(p.argmax(axis=-1), q.argmax(axis=-1))


FILM = np.zeros((2, 3, 8, 8, 3), "float32")


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: check_films([FILM[0], FILM[0, :2]], "f"),
            "frames or films of different sizes. Resize the frames",
        ),
        (lambda: check_films([[FILM[0, 0], FILM[0, 0, :4]]], "f"), "all have one size"),
        (lambda: check_films(FILM[0], "f"), r"got \(3, 8, 8, 3\). One film needs a batch axis: film\[None\]"),
        (lambda: check_films(FILM[:, :0], "f"), "at least one film of at least one frame"),
        (lambda: check_films(FILM[:0], "f"), "at least one film of at least one frame"),
        (lambda: check_films(FILM + 2, "f"), r"wanted films in \[0, 1\], got 2 to 2"),
        (lambda: check_films(FILM * np.nan, "f"), "NaN or infinity"),
        (lambda: check_films(FILM, "f", (16, 16, 3)), r"wanted shape \(n, None, 16, 16, 3\)"),
        (lambda: Likeness(0), "reach wants a whole number >= 1, got 0"),
        (lambda: Likeness(patch=4), "patch wants an odd number"),
        (lambda: Likeness(colour=0), "colour wants a positive width, got 0"),
        (lambda: Likeness(position=np.inf), "position wants a positive width, got inf"),
    ],
)
def test_what_cannot_be_is_refused(act, message):
    with pytest.raises(ValueError, match=message):
        act()


def test_bytes_are_refused():
    with pytest.raises(TypeError, match="Divide pixels by 255"):
        check_films((255 * FILM).astype("uint8"), "f")
