"""Divergences against integrals, closed forms, double loops, scipy, and the laws they obey."""

import itertools
import math

import numpy as np
import pytest
from keras import ops
from scipy import integrate, spatial, special, stats

from aecore import divergences as dv

rng = np.random.default_rng(0)


def number(tensor):
    return np.asarray(ops.convert_to_numpy(tensor), "float64")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


# Two densities on the line with different tails and two modes, for the integrals.
MIXED = stats.Mixture([stats.Normal(mu=-1.0, sigma=0.5), stats.Normal(mu=1.5, sigma=1.0)], weights=[0.3, 0.7])
PLAIN = stats.Normal(mu=0.5, sigma=1.4)


def integral(f):
    return integrate.quad(f, -12, 12, points=[-1, 0, 1.5], epsabs=1e-10, limit=200)[0]


def kl_integral(p, q):
    return integral(lambda x: p.pdf(x) * (p.logpdf(x) - q.logpdf(x)))


# --- formulas -------------------------------------------------------------------------------------


def test_gaussian_kl_is_the_integral_summed_over_the_code():
    mean, log_var, mean_p, log_var_p = rng.normal(size=(4, 3, 2))
    wanted = np.zeros(3)
    for i, j in itertools.product(range(3), range(2)):
        q = stats.Normal(mu=mean[i, j], sigma=np.exp(log_var[i, j] / 2))
        p = stats.Normal(mu=mean_p[i, j], sigma=np.exp(log_var_p[i, j] / 2))
        wanted[i] += kl_integral(q, p)
    cast = [a.astype("float32") for a in (mean, log_var, mean_p, log_var_p)]
    np.testing.assert_allclose(number(dv.gaussian_kl(*cast)), wanted, rtol=1e-4)


def test_gaussian_kl_to_the_standard_normal_is_kingmas_formula_for_any_leading_axes():
    mean, log_var = normal(4, 5, 6), normal(4, 5, 6, seed=1)
    wanted = -0.5 * (1 + log_var - mean**2 - np.exp(log_var)).sum(axis=-1)
    np.testing.assert_allclose(number(dv.gaussian_kl(mean, log_var)), wanted, rtol=1e-4)
    np.testing.assert_allclose(
        number(dv.gaussian_kl(mean, log_var, 0.5, -1.0)),
        number(dv.gaussian_kl(mean, log_var, np.full(6, 0.5, "float32"), np.full(6, -1.0, "float32"))),
        rtol=1e-6,
    )


def test_gaussian_kl_is_zero_only_between_equals_and_exact_close_to_them():
    mean, log_var = normal(50, 3), normal(50, 3, seed=1)
    np.testing.assert_array_equal(number(dv.gaussian_kl(mean, log_var, mean, log_var)), 0)
    assert (number(dv.gaussian_kl(mean, log_var, normal(50, 3, seed=2), normal(50, 3, seed=3))) > 0).all()
    tiny = np.float32([[1e-3], [-1e-3]])  # v - 1 - log v is close to (log v)^2 / 2, far below float32's step at 1
    np.testing.assert_allclose(number(dv.gaussian_kl(np.zeros_like(tiny), tiny)), 0.25e-6, rtol=0.05)


def test_importance_bound_is_the_log_of_the_mean_weight():
    log_w = rng.normal(size=(5, 7)).astype("float32")
    wanted = [math.log(sum(math.exp(w) for w in row) / 7) for row in log_w]
    np.testing.assert_allclose(number(dv.importance_bound(log_w)), wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(number(dv.importance_bound(log_w.T, axis=0)), wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(number(dv.importance_bound(log_w - 500)), np.subtract(wanted, 500), rtol=1e-6)


def test_importance_bound_rises_with_its_samples_from_the_elbo_to_the_evidence():
    # z ~ N(0, 1), x | z ~ N(z, 1): log p(x) = log N(x; 0, 2), and log p(x) - ELBO = KL(q || N(x / 2, 1 / 2)).
    x, q = 1.2, stats.norm(0.2, 1.0)
    z = q.rvs((4000, 64), random_state=1)
    log_w = (stats.norm.logpdf(z) + stats.norm.logpdf(x, z, 1) - q.logpdf(z)).astype("float32")
    means = [number(dv.importance_bound(log_w[:, :k])).mean() for k in (1, 4, 16, 64)]
    evidence = stats.norm.logpdf(x, 0, math.sqrt(2))
    gap = 0.5 * (2 + (0.2 - x / 2) ** 2 * 2 - 1 - math.log(2))
    assert means[0] == pytest.approx(evidence - gap, abs=0.05)
    assert (np.diff(means) > 0).all()
    assert means[-1] == pytest.approx(evidence, abs=0.02)
    assert means[-1] < evidence


def test_discrete_divergences_are_scipys_with_empty_cells():
    p, q = (special.softmax(rng.normal(size=(6, 9)), axis=1) for _ in range(2))
    p[:, 2] = q[:, 3] = 0
    p, q = (a / a.sum(axis=1, keepdims=True) for a in (p, q))
    cast = [a.astype("float32") for a in (p, q)]
    assert np.isinf(number(dv.kl_discrete(*cast))).all()  # p has what q rules out
    p[:, 3] = 0
    p /= p.sum(axis=1, keepdims=True)
    cast[0] = p.astype("float32")
    np.testing.assert_allclose(number(dv.kl_discrete(*cast)), stats.entropy(p, q, axis=1), rtol=1e-4)
    wanted = spatial.distance.jensenshannon(p, q, axis=1) ** 2
    np.testing.assert_allclose(number(dv.js_discrete(*cast)), wanted, rtol=1e-4)


def test_laws_of_discrete_divergences():
    p, q = (special.softmax(3 * rng.normal(size=(200, 5)), axis=1).astype("float32") for _ in range(2))
    kl, js = number(dv.kl_discrete(p, q)), number(dv.js_discrete(p, q))
    assert (kl > 0).all()
    np.testing.assert_allclose(js, number(dv.js_discrete(q, p)), rtol=1e-4)
    assert ((js > 0) & (js < math.log(2))).all()
    np.testing.assert_allclose(number(dv.js_discrete(p, p)), 0, atol=1e-7)
    np.testing.assert_allclose(number(dv.kl_discrete(p, p)), 0, atol=1e-7)
    np.testing.assert_allclose(number(dv.js_discrete(np.float32([1, 0]), np.float32([0, 1]))), math.log(2), rtol=1e-6)
    faint = np.float32([[1, 1e-40, 0], [1, 1e-44, 1e-38]])  # below what float32 holds in full
    np.testing.assert_allclose(number(dv.js_discrete(faint, faint[::-1])), 0, atol=1e-6)
    np.testing.assert_allclose(number(dv.kl_discrete(faint, faint[:1])), 0, atol=1e-6)
    assert (js <= np.sqrt(kl)).all()  # JS is bounded by both KLs, and they are not equal to one another
    assert not np.allclose(kl, number(dv.kl_discrete(q, p)), rtol=0.1)


def test_monte_carlo_estimates_meet_the_integrals():
    levels = (np.arange(4000) + 0.5) / 4000
    x, y = MIXED.icdf(levels), PLAIN.icdf(levels)  # the most even samples there are
    ratio = lambda v: (MIXED.logpdf(v) - PLAIN.logpdf(v)).astype("float32")
    kl = number(dv.kl_monte_carlo(MIXED.logpdf(x).astype("float32"), PLAIN.logpdf(x).astype("float32")))
    assert kl == pytest.approx(kl_integral(MIXED, PLAIN), rel=0.005)
    backward = number(dv.kl_monte_carlo(PLAIN.logpdf(y).astype("float32"), MIXED.logpdf(y).astype("float32")))
    assert backward == pytest.approx(kl_integral(PLAIN, MIXED), rel=0.005)
    average = stats.Mixture([MIXED.components[0], MIXED.components[1], PLAIN], weights=[0.15, 0.35, 0.5])
    wanted = (kl_integral(MIXED, average) + kl_integral(PLAIN, average)) / 2
    js = number(dv.js_monte_carlo(ratio(x), ratio(y)))
    assert js == pytest.approx(wanted, rel=0.005)
    assert number(dv.js_monte_carlo(-ratio(y), -ratio(x))) == pytest.approx(js, rel=1e-5)  # symmetric
    # Any other classifier gives less: too sure, not sure enough, biased.
    assert all(number(dv.js_monte_carlo(*f)) < js for f in ((2 * ratio(x), 2 * ratio(y)), (ratio(x) / 2, ratio(y) / 2),
                                                            (ratio(x) + 0.5, ratio(y) + 0.5)))  # fmt: skip


def test_monte_carlo_is_taken_along_the_asked_axis():
    a, b = normal(3, 40), normal(3, 40, seed=1)
    np.testing.assert_allclose(number(dv.kl_monte_carlo(a.T, b.T, axis=0)), (a - b).mean(axis=1), rtol=1e-4)
    wide = number(dv.js_monte_carlo(a, b))
    np.testing.assert_allclose(number(dv.js_monte_carlo(a.T, b.T, axis=0)), wide, rtol=1e-5)
    assert wide.shape == (3,)


# --- samples --------------------------------------------------------------------------------------


def kernel_loop(name, a, b, h):
    square = sum((u - v) ** 2 for u, v in zip(a.tolist(), b.tolist(), strict=True))
    return math.exp(-square / (2 * h * h)) if name is dv.gaussian_kernel else h * h / (h * h + square)


@pytest.mark.parametrize("kernel", [dv.gaussian_kernel, dv.multiquadratic_kernel])
def test_mmd_is_the_double_loop(kernel):
    x, y, h = normal(6, 3), 1 + normal(5, 3, seed=1), 0.8
    mean = lambda pairs: sum(kernel_loop(kernel, a, b, h) for a, b in pairs) / len(pairs)
    cross = 2 * mean([(a, b) for a in x for b in y])
    unbiased = sum(mean([(a[i], a[j]) for i in range(len(a)) for j in range(len(a)) if i != j]) for a in (x, y))
    biased = sum(mean([(b, c) for b in a for c in a]) for a in (x, y))
    assert number(dv.mmd(x, y, h, kernel)) == pytest.approx(unbiased - cross, rel=1e-4, abs=1e-6)
    assert number(dv.mmd(x, y, h, kernel, unbiased=False)) == pytest.approx(biased - cross, rel=1e-4, abs=1e-6)
    assert number(dv.mmd(x + 1000, y + 1000, h, kernel)) == pytest.approx(unbiased - cross, abs=2e-3)
    assert number(dv.mmd(y, x, h, kernel)) == pytest.approx(number(dv.mmd(x, y, h, kernel)), rel=1e-4)


def test_mmd_between_normals_is_its_closed_form():
    # E k(x, y) for x ~ N(a, s^2 I), y ~ N(b, t^2 I): (h^2 / v)^(d/2) exp(-|a - b|^2 / (2 v)), v = h^2 + s^2 + t^2.
    h, d, s, shift = 1.3, 3, 0.6, 0.5
    expected = lambda s, t, gap: (
        (h**2 / (h**2 + s**2 + t**2)) ** (d / 2) * math.exp(-d * gap**2 / (2 * (h**2 + s**2 + t**2)))
    )
    wanted = expected(1, 1, 0) + expected(s, s, 0) - 2 * expected(1, s, shift)
    x, y = normal(3000, d), shift + s * normal(3000, d, seed=1)
    assert number(dv.mmd(x, y, h)) == pytest.approx(wanted, rel=0.1)


def test_mmd_of_equals_is_zero_in_expectation_only_where_unbiased():
    draws = {True: [], False: []}
    for seed in range(200):
        x, y = normal(2, 20, 2, seed=seed)
        for unbiased, values in draws.items():
            values.append(float(number(dv.mmd(x, y, 1.0, unbiased=unbiased))))
    error = lambda v: np.std(v) / math.sqrt(len(v))
    assert abs(np.mean(draws[True])) < 3 * error(draws[True])
    assert min(draws[True]) < 0 < max(draws[True])
    k = 1 / 3  # E k(x, x') in closed form, as above
    assert np.mean(draws[False]) == pytest.approx((2 - 2 * k) / 20, abs=4 * error(draws[False]))
    assert min(draws[False]) >= 0


@pytest.mark.parametrize("m", [9, 2])
def test_median_distance_is_numpys(m):
    x, y = normal(7, 3), normal(m, 3, seed=1) + (100 if m == 9 else 0)
    wanted = np.median([np.linalg.norm(a - b) for a in x for b in y])
    assert number(dv.median_distance(x, y)) == pytest.approx(wanted, rel=1e-4)


def test_mmd_says_what_is_wrong():
    x = normal(4, 2)
    for bandwidth in (0, -1.0, math.nan, math.inf, None):
        with pytest.raises(ValueError, match="bandwidth must be a positive number"):
            dv.mmd(x, x, bandwidth)
    with pytest.raises(ValueError, match="at least two samples of each distribution, got 4 and 1"):
        dv.mmd(x, x[:1], 1.0)
