"""Metrics against loops and against other libraries, image by image."""

from itertools import permutations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from aecore import metrics

rng = np.random.default_rng(0)


def pair(*shape):
    x = rng.uniform(size=shape).astype("float32")
    return x, np.clip(x + 0.2 * rng.standard_normal(shape), 0, 1).astype("float32")


@pytest.mark.parametrize("shape", [(4, 9, 8, 3), (3, 7, 7, 1), (5, 12)])
def test_squared_error_and_psnr_image_by_image(shape):
    x, y = pair(*shape)
    wanted = [
        sum((float(a) - float(b)) ** 2 for a, b in zip(p.ravel(), q.ravel(), strict=True))
        for p, q in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose(metrics.squared_error(x, y), wanted, rtol=1e-4)
    wanted = [peak_signal_noise_ratio(p, q, data_range=1.0) for p, q in zip(x, y, strict=True)]
    np.testing.assert_allclose(metrics.psnr(x, y), wanted, rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "window"), [((4, 16, 12, 3), 7), ((3, 8, 8, 1), 7), ((3, 6, 9, 2), 5), ((2, 3, 3, 1), 3)]
)
def test_ssim_image_by_image(shape, window):
    x, y = pair(*shape)
    wanted = [
        structural_similarity(p.astype("f8"), q.astype("f8"), win_size=window, data_range=1.0, channel_axis=-1)
        for p, q in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose(metrics.ssim(x, y), wanted, rtol=1e-6)


def test_directions():
    x, y = pair(3, 8, 8, 1)
    worse = (x + 3 * (y - x)).astype("float32")
    assert (metrics.squared_error(x, x) == 0).all()
    assert np.isposinf(metrics.psnr(x, x)).all()
    np.testing.assert_allclose(metrics.ssim(x, x), 1)
    assert (metrics.squared_error(x, worse) > metrics.squared_error(x, y)).all()
    assert (metrics.psnr(x, worse) < metrics.psnr(x, y)).all()
    assert (metrics.ssim(x, worse) < metrics.ssim(x, y)).all()


def test_knn_accuracy_is_the_loop():
    train, test = rng.standard_normal((40, 3)), rng.standard_normal((25, 3))
    a, b = rng.integers(0, 3, 40), rng.integers(0, 3, 25)
    right = sum(a[np.argmin([((t - u) ** 2).sum() for u in train])] == label for t, label in zip(test, b, strict=True))
    assert metrics.knn_accuracy(train, a, test, b) == right / 25
    votes = lambda t: np.bincount(a[np.argsort([((t - u) ** 2).sum() for u in train])[:5]], minlength=3).argmax()
    right = sum(votes(t) == label for t, label in zip(test, b, strict=True))
    assert metrics.knn_accuracy(train, a, test, b, k=5) == right / 25
    assert metrics.knn_accuracy(train.reshape(40, 3, 1), a, train.reshape(40, 3, 1), a) == 1


def test_the_linear_probe_standardises_and_fits_lines_alone():
    x = rng.standard_normal((400, 2)) * [1000, 0.001] + [5000, 0]
    line = ((x[:, 0] - 5000) / 1000 + x[:, 1] / 0.001 > 0).astype(int)
    ring = (((x[:, 0] - 5000) / 1000) ** 2 + (x[:, 1] / 0.001) ** 2 > 1.4).astype(int)
    assert metrics.linear_probe(x[:300], line[:300], x[300:], line[300:]) > 0.95
    assert metrics.linear_probe(x[:300], ring[:300], x[300:], ring[300:]) < 0.75
    assert metrics.linear_probe(x[:300], line[:300], x[300:], 1 - line[300:]) < 0.05  # of the test labels


def test_cluster_accuracy_is_the_best_of_all_namings():
    labels, clusters = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    best = max(np.mean(np.array(p)[clusters] == labels) for p in permutations(range(4)))
    assert metrics.cluster_accuracy(labels, clusters) == pytest.approx(best)
    for p in permutations(range(4)):
        assert metrics.cluster_accuracy(labels, np.array(p)[clusters]) == pytest.approx(best)
        assert metrics.cluster_accuracy(labels, np.array(p)[labels]) == 1


def test_clusters_without_a_label_are_wrong():
    assert metrics.cluster_accuracy([0, 0, 0, 0, 1, 1], [0, 0, 1, 2, 3, 3]) == pytest.approx(4 / 6)
    assert metrics.cluster_accuracy([0, 1, 2, 3], [0, 0, 0, 0]) == 0.25


def test_frechet_distance_is_the_formula_with_a_matrix_root():
    x, y = rng.standard_normal((500, 6)) @ rng.standard_normal((6, 6)), rng.standard_normal((300, 6)) + 1
    root = sqrtm(np.cov(x.T) @ np.cov(y.T)).real
    wanted = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(np.cov(x.T) + np.cov(y.T) - 2 * root)
    assert metrics.frechet_distance(x, y) == pytest.approx(wanted, rel=1e-8)
    assert metrics.frechet_distance(y, x) == pytest.approx(wanted, rel=1e-8)


def test_frechet_distance_of_equal_covariances_is_the_squared_distance_of_the_means():
    x = rng.standard_normal((40, 60))  # fewer examples than features: the covariances are singular
    move = rng.standard_normal(60)
    assert metrics.frechet_distance(x, x + move) == pytest.approx(move @ move, rel=1e-8)
    assert metrics.frechet_distance(x, 3 * x) == pytest.approx(
        4 * np.sum(x.mean(0) ** 2) + 4 * np.trace(np.cov(x.T)), rel=1e-8
    )


def test_kernel_distance_is_the_double_loop_and_has_no_bias():
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((5, 3)) + 0.5
    k = lambda a, b: (a @ b / 3 + 1) ** 3
    wanted = np.mean([k(a, b) for a, b in permutations(x, 2)]) + np.mean([k(a, b) for a, b in permutations(y, 2)])
    wanted -= 2 * np.mean([k(a, b) for a in x for b in y])
    assert metrics.kernel_distance(x, y) == pytest.approx(wanted, rel=1e-10)
    assert metrics.kernel_distance(np.repeat(x, 400, axis=0), np.repeat(y, 400, axis=0)) == pytest.approx(
        np.mean([k(a, b) for a in x for b in x]) + np.mean([k(a, b) for a in y for b in y])
        - 2 * np.mean([k(a, b) for a in x for b in y]), rel=0.02,
    )  # fmt: skip
    few = [metrics.kernel_distance(*rng.standard_normal((2, 10, 3))) for _ in range(2000)]
    assert abs(np.mean(few)) < 4 * np.std(few) / np.sqrt(2000)  # equal distributions: 0 in the mean, also of 10 samples
    assert min(few) < 0


def test_precision_and_recall_of_sets_that_we_know():
    real = rng.standard_normal((200, 2)) + 20 * rng.integers(0, 2, (200, 1))  # two clusters, around 0 and 20
    assert metrics.precision_recall(real, real) == (1, 1)
    one = real[real[:, 0] < 10]
    precision, recall = metrics.precision_recall(real, one)
    assert precision == 1
    assert recall == pytest.approx(len(one) / 200)  # the other cluster is never generated
    collapsed = one[:1] + 1e-3 * rng.standard_normal((100, 2))
    precision, recall = metrics.precision_recall(real, collapsed)
    assert precision == 1
    assert recall <= 0.02
    assert metrics.precision_recall(real, real + 100) == (0, 0)
    few = rng.standard_normal((30, 2)), rng.standard_normal((25, 2)) + 0.5
    gap = lambda a, b: np.sqrt(((a - b) ** 2).sum())
    inside = lambda p, region: any(gap(p, c) <= sorted(gap(c, o) for o in region)[2] for c in region)
    wanted = np.mean([inside(p, few[0]) for p in few[1]]), np.mean([inside(p, few[1]) for p in few[0]])
    assert metrics.precision_recall(*few, k=2) == pytest.approx(wanted)


def test_coverage_of_mixtures_that_we_know():
    centres, scale = np.array([(0, 0), (1, 0), (0, 1), (5, 5)]), 0.1
    modes = rng.integers(0, 3, 30_000)  # the fourth is never reached
    found = metrics.mode_coverage(centres[modes] + scale * rng.standard_normal((30_000, 2)), centres, scale)
    assert found.modes == 3
    assert found.high_quality == pytest.approx(1 - np.exp(-4.5), abs=0.002)  # |x| <= 3 in the plane
    np.testing.assert_allclose(found.shares, (1 - np.exp(-4.5)) * np.array([1, 1, 1, 0]) / 3, atol=0.01)
    edge = np.array([(0.2999, 0), (0.3001, 0), (0.7, 0.0), (5, 5.29), (20, 20)])  # 3 scales are 0.3
    assert metrics.mode_coverage(edge, centres, scale)[:2] == (3, 3 / 5)
    np.testing.assert_allclose(metrics.mode_coverage(edge, centres, scale).shares, [0.2, 0.2, 0, 0.2])
    few = np.repeat(centres, [5, 4, 1, 0], axis=0)
    assert [metrics.mode_coverage(few, centres, scale, at_least=k).modes for k in (1, 2, 5, 6)] == [3, 2, 1, 0]


def test_nearest_is_the_loop_and_a_copy_is_at_zero():
    x, reference = 100 + rng.standard_normal((1500, 3, 2)), 100 + rng.standard_normal((40, 3, 2))
    x[7] = reference[11]
    away = [[np.sqrt(((a - b) ** 2).sum()) for b in reference] for a in x[:60]]
    found = metrics.nearest(x, reference)
    np.testing.assert_array_equal(found.row[:60], np.argmin(away, axis=1))
    np.testing.assert_allclose(found.distance[:60], np.min(away, axis=1), rtol=1e-12)
    assert (found.distance[7], found.row[7]) == (0, 11)
    np.testing.assert_array_equal(metrics.nearest(x, reference).row[1400:], metrics.nearest(x[1400:], reference).row)


def test_memorisation_counts_who_is_nearer():
    train, held_out, new = rng.standard_normal((3, 60, 4))
    d = lambda x: np.array([min(np.linalg.norm(a - t) for t in train) for a in x])
    wins = [(a < b) + (a == b) / 2 for a in d(new) for b in d(held_out)]
    assert metrics.memorisation(new, train, held_out) == pytest.approx(np.mean(wins))
    assert metrics.memorisation(train, train, held_out) == 1
    assert metrics.memorisation(held_out, train, held_out) == 0.5
    assert metrics.memorisation(held_out + 50, train, held_out) == 0
    half = np.concatenate([train[:20], train[:20] + 90])  # half copies, half noise
    assert metrics.memorisation(half, train, held_out) == 0.5
    assert metrics.memorisation(train[:20], train, train[20:]) == 0.5  # copies on both sides tie


GREY = np.zeros((2, 8, 8, 1), "float32")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: metrics.squared_error(GREY, GREY[:1]), ValueError, r"squared_error: wanted two arrays of one"),
        (lambda: metrics.psnr(GREY[:0], GREY[:0]), ValueError, "with at least one example"),
        (lambda: metrics.psnr(GREY.astype("u1"), GREY), TypeError, "psnr: wanted floating-point .*uint8 and"),
        (lambda: metrics.squared_error(GREY, GREY > 0), TypeError, "got float32 and bool"),
        (lambda: metrics.mode_coverage(np.zeros((4, 2)), np.zeros((3, 2)), 0.0), ValueError, "wanted scale > 0"),
        (lambda: metrics.mode_coverage(np.zeros((4, 2)), np.zeros((3, 2)), 1.0, 0), ValueError, "and at_least=0"),
        (lambda: metrics.mode_coverage(np.zeros((4, 2)), np.zeros((3, 3)), 1.0), ValueError, "features of one size"),
        (lambda: metrics.nearest(np.zeros((4, 2)), np.zeros((0, 2))), ValueError, "each with at least 1 examples"),
        (lambda: metrics.memorisation(*np.full((3, 4, 2), np.nan)), ValueError, "NaN or infinity"),
        (lambda: metrics.ssim(GREY[:, :2], GREY[:, :2]), ValueError, "must be at least 3 x 3 pixels, got 2 x 8"),
        (lambda: metrics.ssim(GREY[..., 0], GREY[..., 0]), ValueError, r"ssim: wanted images of shape \(n, h, w, c\)"),
        (lambda: metrics.cluster_accuracy([0, 1], [0]), ValueError, r"same length, got \(2,\) and \(1,\)"),
        (lambda: metrics.cluster_accuracy([], []), ValueError, "two lists of the same length"),
        (lambda: metrics.cluster_accuracy([0, 1], [-1, 0]), ValueError, "wanted integers >= 0, got int64 from -1"),
        (lambda: metrics.cluster_accuracy([0.0, 1], [1, 0]), ValueError, "wanted integers >= 0, got float64"),
        (lambda: metrics.frechet_distance(GREY, GREY[:1]), ValueError, r"at least 2 examples, got \(2, 64\) and \(1"),
        (lambda: metrics.kernel_distance(GREY, GREY[:, :4]), ValueError, "kernel_distance: wanted two sets of"),
        (lambda: metrics.frechet_distance(GREY / np.nan, GREY), ValueError, "features hold NaN or infinity"),
        (lambda: metrics.precision_recall(GREY, GREY), ValueError, "at least 4 examples"),
        (lambda: metrics.precision_recall(GREY, GREY, k=0), ValueError, "k must be at least 1, got 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
