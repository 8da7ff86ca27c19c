"""Grid CRFs against enumeration, double loops and the laws that they obey."""

import maxflow.fastmin
import numpy as np
import pytest

from aecore import crf


def problem(h, w, n_labels, weight=1.0, seed=0, n=1):
    """Random unaries and edges of random pictures."""
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(n, h, w, n_labels))
    return u, crf.edges(rng.random((n, h, w, 3)), weight)


def exactly(u, edges):
    return crf.brute_force(u[0], crf.pairwise_matrix(edges)[0])


TINY = [(1, 1, 2), (1, 6, 2), (5, 1, 3), (2, 2, 4), (3, 3, 2), (3, 4, 2), (2, 4, 3), (3, 3, 1)]


@pytest.mark.parametrize(("h", "w", "n_labels"), TINY)
def test_enumeration_is_the_definition_itself(h, w, n_labels):
    u, edges = problem(h, w, n_labels)
    z, best, marginals = 0.0, np.inf, np.zeros((h, w, n_labels))
    for state in np.ndindex(*(n_labels,) * (h * w)):
        y = np.reshape(state, (h, w))
        e = sum(u[0, i, j, y[i, j]] for i in range(h) for j in range(w))
        e += sum(edges.right[0, i, j] * (y[i, j] != y[i, j + 1]) for i in range(h) for j in range(w - 1))
        e += sum(edges.down[0, i, j] * (y[i, j] != y[i + 1, j]) for i in range(h - 1) for j in range(w))
        assert crf.energy(y[None], u, edges)[0] == pytest.approx(e)
        z += np.exp(-e)
        marginals += np.exp(-e) * np.eye(n_labels)[y]
        if e < best:
            best, lowest = e, y
    truth = exactly(u, edges)
    assert truth.log_z == pytest.approx(np.log(z))
    np.testing.assert_allclose(truth.marginals, marginals / z)
    np.testing.assert_array_equal(truth.labels, lowest)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0, 5.0])
@pytest.mark.parametrize(("h", "w", "n_labels"), [t for t in TINY if t[2] <= 2])
def test_two_labels_are_cut_exactly(h, w, n_labels, weight):
    for seed in range(5):
        u, edges = problem(h, w, n_labels, weight, seed)
        np.testing.assert_array_equal(crf.graph_cut(u, edges)[0], exactly(u, edges).labels)


@pytest.mark.parametrize(("h", "w", "n_labels"), [t for t in TINY if t[2] > 2])
def test_expansion_keeps_its_bound_and_is_mostly_exact(h, w, n_labels):
    found = []
    for seed in range(10):
        u, edges = problem(h, w, n_labels, 1.0, seed)
        u -= u.min(-1, keepdims=True)  # the bound is for energies >= 0
        e, lowest = (crf.energy(y[None], u, edges)[0] for y in (crf.graph_cut(u, edges)[0], exactly(u, edges).labels))
        assert lowest - 1e-9 <= e <= 2 * lowest + 1e-9
        found.append(e <= lowest + 1e-9)
    assert np.mean(found) >= 0.8


def test_expansion_is_as_low_as_another_librarys_where_edges_are_alike():
    u = np.random.default_rng(3).normal(size=(1, 12, 15, 4))
    edges = crf.edges(np.zeros((1, 12, 15, 1)), 0.6)
    theirs = maxflow.fastmin.aexpansion_grid(u[0], 0.6 * (1 - np.eye(4)))
    ours, theirs = (crf.energy(y[None], u, edges)[0] for y in (crf.graph_cut(u, edges)[0], theirs))
    assert ours == pytest.approx(theirs, rel=2e-3)
    assert ours < crf.energy(u.argmin(-1), u, edges)[0] - 10


def test_mean_field_is_exact_at_weak_coupling_and_its_error_is_of_second_order():
    def error(weight):
        u, edges = problem(3, 4, 2, weight, seed=1)
        return np.abs(crf.mean_field(u, edges, 30)[-1, 0] - exactly(u, edges).marginals).max()

    assert error(0.05) < 1e-3
    assert error(0.05) / error(0.025) == pytest.approx(4, rel=0.2)
    assert error(2.0) > 0.05  # and no more than that


@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("weight", [0.1, 1.0, 10.0])
def test_free_energy_falls_with_every_chequered_sweep_and_bounds_log_z(n_labels, weight):
    u, edges = problem(3, 4 if n_labels == 2 else 3, n_labels, weight)
    free = np.array([crf.free_energy(q, u, edges)[0] for q in crf.mean_field(u, edges, 30)])
    assert np.all(np.diff(free) <= 1e-9)
    truth = exactly(u, edges)
    assert free[-1] >= -truth.log_z
    q = truth.marginals  # KL(q || P) = F + log Z, for q a product of pixels: here by visiting every labelling
    log_p = lambda y: -crf.energy(y[None], u, edges)[0] - truth.log_z
    states = [np.reshape(s, u.shape[1:3]) for s in np.ndindex(*(n_labels,) * u[0, ..., 0].size)]
    log_q = np.array([np.log(np.take_along_axis(q, y[..., None], 2)).sum() for y in states])
    kl = np.sum(np.exp(log_q) * (log_q - [log_p(y) for y in states]))
    assert crf.free_energy(q[None], u, edges)[0] + truth.log_z == pytest.approx(kl, abs=1e-8)


def test_all_pixels_at_once_swing_for_ever_where_edges_are_strong_unless_damped():
    chequerboard = np.indices((6, 6)).sum(0) % 2
    u = np.stack([chequerboard, 1 - chequerboard], -1)[None] * 2.0
    edges = crf.edges(np.zeros((1, 6, 6, 1)), 3.0)
    swing = lambda **how: np.abs(np.diff(crf.mean_field(u, edges, 60, **how), axis=0))[-1].max()
    assert swing(chequered=False) > 0.5
    assert swing(chequered=False, damping=0.5) < 1e-3
    assert swing() < 1e-3


def test_raising_the_score_of_a_label_raises_its_marginal():
    u, edges = problem(3, 3, 3)
    lower = u.copy()
    lower[0, 1, 1, 2] -= 1.0  # a lower energy is a higher score
    assert exactly(lower, edges).marginals[1, 1, 2] > exactly(u, edges).marginals[1, 1, 2]
    assert crf.mean_field(lower, edges)[-1, 0, 1, 1, 2] > crf.mean_field(u, edges)[-1, 0, 1, 1, 2]
    lower[0, 1, 1, 2] -= 20.0
    assert crf.graph_cut(lower, edges)[0, 1, 1] == 2


def test_edges_make_neighbours_agree():
    u = np.zeros((1, 1, 3, 2))
    u[0, 0, :, 0] = -1, 0.1, -1  # the pixel in the middle leans the other way
    flat = lambda weight: crf.edges(np.zeros((1, 1, 3, 1)), weight)
    assert crf.graph_cut(u, flat(0.01))[0, 0].tolist() == [0, 1, 0]
    assert crf.graph_cut(u, flat(0.5))[0, 0].tolist() == [0, 0, 0]


def test_without_edges_every_pixel_is_alone():
    u, edges = problem(4, 5, 3, weight=0.0)
    alone = np.exp(-u) / np.exp(-u).sum(-1, keepdims=True)
    np.testing.assert_allclose(crf.mean_field(u, edges, 3)[-1], alone)
    np.testing.assert_array_equal(crf.graph_cut(u, edges), u.argmin(-1))
    assert crf.free_energy(alone, u, edges)[0] == pytest.approx(-np.log(np.exp(-u).sum(-1)).sum())


def test_labels_may_change_their_names():
    u, edges = problem(6, 7, 3, 0.5, n=2)
    order = [2, 0, 1]
    np.testing.assert_allclose(crf.mean_field(u[..., order], edges), crf.mean_field(u, edges)[..., order])
    u, edges = problem(6, 7, 2, 0.5, n=2)
    np.testing.assert_array_equal(crf.graph_cut(u[..., ::-1], edges), 1 - crf.graph_cut(u, edges))


def test_a_larger_weight_never_lengthens_the_boundary():
    rng = np.random.default_rng(2)
    u, picture = rng.normal(size=(1, 16, 16, 2)), rng.random((1, 16, 16, 3))
    length = lambda y: crf.energy(y, 0 * u, crf.edges(picture, 1.0))[0]
    lengths = [length(crf.graph_cut(u, crf.edges(picture, w))) for w in np.linspace(0, 3, 25)]
    assert np.all(np.diff(lengths) <= 1e-9)
    assert lengths[0] > 10 * (lengths[-1] + 1)


def test_edges_follow_the_contrast():
    picture = np.random.default_rng(0).random((2, 4, 5, 3))
    edges = crf.edges(picture, 2.0)
    for n in range(2):
        pairs = [((i, j), (i, j + 1)) for i in range(4) for j in range(4)] + [
            ((i, j), (i + 1, j)) for i in range(3) for j in range(5)
        ]
        squares = {(a, b): np.sum((picture[n][a] - picture[n][b]) ** 2) for a, b in pairs}
        mean = np.mean(list(squares.values()))
        for (a, b), d in squares.items():
            got = edges.right[n][a] if a[0] == b[0] else edges.down[n][a]
            assert got == pytest.approx(2 * np.exp(-d / (2 * mean)))
    np.testing.assert_array_equal(crf.edges(picture, 2.0, contrast=np.inf).right, 2.0)
    np.testing.assert_array_equal(crf.edges(np.ones((1, 3, 3, 1)), 2.0).down, 2.0)  # one colour


def test_a_unary_is_minus_log_p():
    p = np.array([[0.25, 0.75], [0.0, 1.0], [1e-30, 3.0]])
    floor = 12 * np.log(10)  # 2 log 1e6
    expected = [[2 * np.log(4), 2 * np.log(4 / 3)], [floor, 0], [floor, -2 * np.log(3)]]
    np.testing.assert_allclose(crf.unary(p, 2.0), expected, rtol=1e-6)
    assert crf.unary(p).dtype == np.float32


def test_pictures_of_a_batch_do_not_see_one_another():
    u, edges = problem(5, 4, 3, n=3)
    one = lambda a: a[1:2]
    np.testing.assert_array_equal(crf.graph_cut(one(u), crf.Edges(*map(one, edges)))[0], crf.graph_cut(u, edges)[1])
    np.testing.assert_array_equal(
        crf.mean_field(one(u), crf.Edges(*map(one, edges)))[:, 0], crf.mean_field(u, edges)[:, 1]
    )


def test_huge_unaries_stay_finite():
    u, edges = problem(3, 3, 2, 1e6)
    u = u * 1e30
    assert np.all(np.isfinite(crf.mean_field(u, edges)))
    assert np.all(np.isfinite(crf.free_energy(crf.mean_field(u, edges)[-1], u, edges)))
    np.testing.assert_array_equal(crf.graph_cut(u, edges), u.argmin(-1))
    assert np.isfinite(exactly(u, edges).log_z)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda u, e: crf.unary(np.array([0.5, -0.5])), "finite and >= 0"),
        (lambda u, e: crf.unary(np.array([0.5, np.nan])), "finite and >= 0"),
        (lambda u, e: crf.unary(np.zeros((0, 2))), "or none"),
        (lambda u, e: crf.edges(np.zeros((4, 4, 3)), 1.0), r"\(n, h, w, c\)"),
        (lambda u, e: crf.edges(np.full((1, 4, 4, 3), np.nan), 1.0), "nan"),
        (lambda u, e: crf.edges(np.zeros((1, 4, 4, 3)), -1.0), "weight >= 0"),
        (lambda u, e: crf.edges(np.zeros((1, 4, 4, 3)), 1.0, contrast=0.0), "contrast > 0"),
        (lambda u, e: crf.graph_cut(u[0], e), r"\(n, h, w, l\)"),
        (lambda u, e: crf.graph_cut(u[:, :2], e), "want edges of shapes"),
        (lambda u, e: crf.graph_cut(u + np.inf, e), "nan or inf"),
        (lambda u, e: crf.graph_cut(u[:0], e), "shape"),
        (lambda u, e: crf.graph_cut(u, crf.Edges(-e.right, e.down)), "no exact cut"),
        (lambda u, e: crf.energy(np.full((1, 3, 3), 2), u, e), "from 0 to 1"),
        (lambda u, e: crf.mean_field(u, e, damping=1.0), "damping"),
        (lambda u, e: crf.brute_force(np.zeros((5, 5, 2)), np.zeros((25, 25))), "labellings"),
        (lambda u, e: crf.brute_force(u[0], np.triu(np.ones((9, 9)))), "symmetric"),
    ],
)
def test_bad_input_is_refused_with_its_cure(call, words):
    with pytest.raises(ValueError, match=words):
        call(*problem(3, 3, 2))
