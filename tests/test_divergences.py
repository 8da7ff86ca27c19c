"""Divergences against integrals, closed forms, double loops, scipy, and the laws they obey."""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, optimize, spatial, special, stats

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


def test_median_distance_is_numpys():
    x, y = normal(7, 3), normal(9, 3, seed=1) + 100
    wanted = np.median([np.linalg.norm(a - b) for a in x for b in y])
    assert number(dv.median_distance(x, y)) == pytest.approx(wanted, rel=1e-4)


def test_mmd_says_what_is_wrong():
    x = normal(4, 2)
    for bandwidth in (0, -1.0, math.nan, math.inf, None):
        with pytest.raises(ValueError, match="bandwidth must be a positive number"):
            dv.mmd(x, x, bandwidth)
    with pytest.raises(ValueError, match="at least two samples of each distribution, got 4 and 1"):
        dv.mmd(x, x[:1], 1.0)


# --- classifiers and scores -------------------------------------------------------------------------


def test_ratio_loss_is_the_cross_entropy_of_both_classes():
    a, b = 5 * normal(20), 5 * normal(20, seed=1)
    entropy = lambda target, logits: keras.losses.binary_crossentropy(
        np.full((20, 1), target, "float32"), special.expit(logits.astype("float64"))[:, None].astype("float32")
    )
    wanted = number(entropy(1.0, a)) + number(entropy(0.0, b))
    np.testing.assert_allclose(number(dv.ratio_loss(a, b)), wanted, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(number(dv.ratio_loss(np.zeros(3, "float32"), np.zeros(3, "float32"))), 2 * math.log(2))
    assert number(dv.ratio_loss(np.float32([-300]), np.float32([300]))) == pytest.approx(600)


def test_the_best_classifier_is_the_log_ratio_and_pays_for_the_divergence():
    # Between N(1, 1) and N(0, s^2) the log ratio is a quadratic: find the best one, compare its coefficients.
    s = 1.5
    x, y = 1 + normal(60_000), s * normal(60_000, seed=1)
    features = lambda v: np.stack([np.ones_like(v), v, v**2])
    loss = lambda w: number(dv.ratio_loss(*(np.float32(w @ features(v)) for v in (x, y)))).mean()
    slope = lambda w: (
        -(special.expit(-(w @ features(x))) * features(x)).mean(axis=1)
        + (special.expit(w @ features(y)) * features(y)).mean(axis=1)
    )
    best = optimize.minimize(loss, np.zeros(3), jac=slope, tol=1e-4)
    wanted = [math.log(s) - 0.5, 1.0, 1 / (2 * s**2) - 0.5]
    np.testing.assert_allclose(best.x, wanted, atol=0.04)
    js = number(dv.js_monte_carlo(*(np.float32(best.x @ features(v)) for v in (x, y))))
    assert best.fun == pytest.approx(2 * math.log(2) - 2 * js, abs=1e-5)
    p, q = stats.Normal(mu=1, sigma=1), stats.Normal(mu=0, sigma=s)
    average = stats.Mixture([p, q], weights=[0.5, 0.5])
    assert js == pytest.approx((kl_integral(p, average) + kl_integral(q, average)) / 2, abs=0.005)


def log_ratio_of_pairs(x, y, rho):
    """log p(y | x) - log p(y) of a standard bivariate normal, summed over d: (n, d), (n, d) -> (n, n)."""
    scale = math.sqrt(1 - rho**2)
    return (stats.norm.logpdf(y[None], rho * x[:, None], scale) - stats.norm.logpdf(y[None])).sum(axis=2)


def pairs(n, d, rho, seed):
    x, e = normal(2, n, d, seed=seed)
    return x, rho * x + math.sqrt(1 - rho**2) * e


def test_info_nce_is_its_formula_for_any_leading_axes():
    scores = normal(2, 3, 5, 5)
    wanted = np.zeros((2, 3, 5))
    for i, j, k in np.ndindex(wanted.shape):
        row = scores[i, j, k].astype("float64")
        wanted[i, j, k] = math.log(math.exp(row[k]) / np.mean(np.exp(row)))
    np.testing.assert_allclose(number(dv.info_nce(scores)), wanted, rtol=1e-4, atol=1e-6)


def test_info_nce_finds_the_information_of_a_bivariate_normal():
    rho, n = 0.8, 1000
    truth = -0.5 * math.log(1 - rho**2)
    found = [
        number(dv.info_nce(log_ratio_of_pairs(*pairs(n, 1, rho, s), rho).astype("float32"))).mean() for s in range(8)
    ]
    assert np.mean(found) == pytest.approx(truth, abs=0.03)
    worse = number(dv.info_nce(0.3 * log_ratio_of_pairs(*pairs(n, 1, rho, 0), rho).astype("float32"))).mean()
    assert worse < found[0] - 0.1  # a bound: worse scores give less


@pytest.mark.parametrize("n", [16, 64, 256])
def test_info_nce_is_capped_at_log_n(n):
    rho, d = 0.999, 8
    assert -d / 2 * math.log(1 - rho**2) > 24.8  # far more than can be found
    values = number(dv.info_nce(log_ratio_of_pairs(*pairs(n, d, rho, n), rho).astype("float32")))
    assert values.max() <= math.log(n) + 1e-5
    assert values.mean() == pytest.approx(math.log(n), abs=0.05)


def smoothed_score(x, sigma):
    """The score of N(1, 4) plus noise of scale sigma."""
    return (1 - x) / (4 + sigma**2)


def test_denoising_score_is_fisher_to_the_damage_and_a_denoisers_error():
    x, noise, sigma = normal(9, 4), normal(9, 4, seed=1), 0.7
    damaged = x + sigma * noise
    cleaned = np.tanh(damaged)
    score = (cleaned - damaged) / sigma**2
    found = number(dv.denoising_score(score, noise, sigma))
    np.testing.assert_allclose(found, ((cleaned - x) ** 2).sum(axis=1) / (2 * sigma**2), rtol=1e-4)
    target = (x - damaged) / sigma**2  # the score of the damage, N(x, sigma^2 I)
    both = zip(score, target, strict=True)
    wanted = [0.5 * sigma**2 * sum((a - b) ** 2 for a, b in zip(*rows, strict=True)) for rows in both]
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_the_least_denoising_score_is_the_score_of_the_damaged_density():
    # Gaussian data: among all lines a + b x the best is the smoothed density's score, not the clean one's.
    sigma, noise = 0.8, normal(200_000, 1, seed=1)
    x = 1 + 2 * normal(200_000, 1)
    damaged = x + sigma * noise
    loss = lambda w: float(number(dv.denoising_score((w[0] + w[1] * damaged).astype("float32"), noise, sigma)).mean())
    best = optimize.minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-7}).x
    wanted = smoothed_score(0, sigma), smoothed_score(1, sigma) - smoothed_score(0, sigma)
    np.testing.assert_allclose(best, wanted, atol=0.006)
    assert abs(best[1] - (-1 / 4)) > 0.02  # the clean density's slope


def test_denoising_and_explicit_score_matching_differ_by_a_constant():
    # Vincent 2011, equation 11: for every model the two objectives differ by the same number.
    sigma, noise = 0.8, normal(200_000, 1, seed=1)
    damaged = 1 + 2 * normal(200_000, 1) + sigma * noise
    gaps = []
    for model in (lambda v: -v, lambda v: np.tanh(v) - 0.3 * v, lambda v: np.zeros_like(v)):
        explicit = number(dv.fisher_divergence(smoothed_score(damaged, sigma), model(damaged))).mean() * sigma**2
        gaps.append(number(dv.denoising_score(model(damaged), noise, sigma)).mean() - explicit)
    np.testing.assert_allclose(gaps, gaps[0], atol=0.02)
    assert gaps[0] == pytest.approx(0.5 - 0.5 * sigma**2 / (4 + sigma**2), abs=0.01)


def test_fisher_divergence_of_two_normals_is_its_closed_form():
    x = 1 + 2 * normal(100_000, 1)
    found = number(dv.fisher_divergence((1 - x) / 4, -x)).mean()  # N(1, 4) from N(0, 1): linear in x
    assert found == pytest.approx(0.5 * ((1 - 1 / 4) ** 2 * 4 + 1), rel=0.02)
    np.testing.assert_array_equal(number(dv.fisher_divergence(x, x)), 0)
