"""What a code holds, against closed forms, integrals over a grid, and codes of which everything is known."""

import numpy as np
import pytest

from aecore import metrics_codes

rng = np.random.default_rng(0)


def posterior(n=3, d=2):
    return rng.standard_normal((n, d)), rng.uniform(-2, 0, (n, d))


def density(grid, mean, log_var):
    return np.exp(-0.5 * ((grid - mean) ** 2 / np.exp(log_var) + log_var + np.log(2 * np.pi)))


def test_kl_terms_are_the_integrals():
    mean, log_var = posterior()
    grid = np.linspace(-6, 6, 601)
    cell = (grid[1] - grid[0]) ** 2
    units = np.stack(
        [[density(grid, m, v) for m, v in zip(*row, strict=True)] for row in zip(mean, log_var, strict=True)]
    )
    each = units[:, 0, :, None] * units[:, 1, None, :]  # q(z | x) on the grid, (n, 601, 601)
    q, alone = each.mean(axis=0), units.mean(axis=0)
    product, prior = np.outer(*alone), np.outer(*[density(grid, 0, 0)] * 2)
    kl = lambda p, q: np.sum(p * (np.log(p + 1e-300) - np.log(q + 1e-300))) * cell
    wanted = [
        np.mean([kl(p, prior) for p in each]),
        np.mean([kl(p, q) for p in each]),
        kl(q, product),
        kl(product, prior),
    ]
    found = metrics_codes.kl_terms(mean, log_var, draws=40000)
    np.testing.assert_allclose(found, wanted, atol=0.015)
    assert found.rate == pytest.approx(found.information + found.total_correlation + found.dimension_wise)


def test_kl_terms_of_codes_whose_units_say_the_same_or_nothing():
    mean = np.repeat(rng.standard_normal((500, 1)), 2, axis=1)
    same = metrics_codes.kl_terms(mean, np.full((500, 2), -2.0))
    assert same.total_correlation > 0.5
    apart = metrics_codes.kl_terms(rng.standard_normal((500, 2)), np.full((500, 2), -2.0))
    assert abs(apart.total_correlation) < 0.12
    np.testing.assert_allclose(metrics_codes.kl_terms(np.zeros((9, 2)), np.zeros((9, 2))), 0, atol=1e-12)


def test_mutual_information_holds_the_closed_form_between_its_two_estimates():
    a, s = np.array([1.0, 0.5]), np.array([0.6, 0.8])
    true = 0.5 * np.sum(np.log(1 + a**2 / s**2))  # x ~ N(0, I), z_j = a_j x_j + s_j noise
    lows, highs = [], []
    for seed in range(600):  # few examples each, so that the two are apart
        x = np.random.default_rng(seed).standard_normal((12, 2))
        low, high = metrics_codes.mutual_information(a * x, np.full((12, 2), 2 * np.log(s)), draws=9, seed=seed)
        lows.append(low)
        highs.append(high)
    assert np.mean(lows) < true < np.mean(highs)
    x = np.random.default_rng(0).standard_normal((3000, 2))
    both = metrics_codes.mutual_information(a * x, np.full((3000, 2), 2 * np.log(s)))
    np.testing.assert_allclose(both, true, atol=0.05)
    low, high = metrics_codes.mutual_information(10.0 * np.arange(50)[:, None], np.zeros((50, 1)))  # all told apart
    assert low == pytest.approx(np.log(50), abs=1e-4)
    assert high > 40


def test_codes_that_say_nothing_have_no_information():
    low, high = metrics_codes.mutual_information(np.zeros((20, 3)), np.zeros((20, 3)))
    assert abs(low) < 1e-12
    assert abs(high) < 1e-12


def test_active_units_are_those_that_move():
    mean = np.concatenate([rng.standard_normal((400, 3)), 0.05 * rng.standard_normal((400, 2)) + 7], axis=1)
    assert metrics_codes.active_units(mean).tolist() == [True, True, True, False, False]
    assert metrics_codes.active_units(mean, threshold=1e-4).all()


def test_code_entropy():
    assert metrics_codes.code_entropy(np.arange(8).repeat(5).reshape(4, 10), 8) == pytest.approx(np.log(8))
    assert metrics_codes.code_entropy(np.full(10, 3), 8) == 0
    assert metrics_codes.code_entropy([0, 0, 0, 1], 512) == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25))


FACTORS = {"row": rng.uniform(size=4000), "size": rng.uniform(size=4000), "shape": rng.integers(0, 3, 4000)}
TRUE = np.stack(list(FACTORS.values()), axis=1)


def rotated(codes):
    z = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    return z @ (np.eye(3) - 2 / 3)  # a reflection that mixes all three: rows of 1/3, -2/3, -2/3


def test_a_permuted_copy_of_the_factors_is_perfect():
    codes = np.exp(-TRUE[:, [2, 0, 1]])  # another order, scale and sign do not matter
    shares = metrics_codes.factor_information(codes, FACTORS)
    np.testing.assert_allclose(shares, np.eye(3)[[2, 0, 1]], atol=0.02)
    assert metrics_codes.mig(codes, FACTORS) > 0.97
    found = metrics_codes.dci(codes, FACTORS)
    assert min(found[:3]) > 0.99
    np.testing.assert_allclose(found.importance, np.eye(3)[[2, 0, 1]], atol=0.01)


def test_a_rotated_copy_knows_as_much_and_is_not_disentangled():
    assert metrics_codes.mig(rotated(TRUE), FACTORS) < 0.1
    found = metrics_codes.dci(rotated(TRUE), FACTORS)
    assert found.disentanglement < 0.5
    assert found.completeness < 0.5
    assert found.informativeness > 0.85


def test_a_factor_split_over_two_units_is_disentangled_and_incomplete():
    doubled = np.concatenate([TRUE, TRUE], axis=1)  # six units, two for each factor
    assert metrics_codes.mig(doubled, FACTORS) < 1e-9
    found = metrics_codes.dci(doubled, FACTORS)
    assert found.disentanglement > 0.99
    assert found.completeness < 0.7
    merged = {"row": FACTORS["row"], "size": FACTORS["row"] * 2, "shape": FACTORS["shape"]}  # one unit, two factors
    codes = np.stack([FACTORS["row"], FACTORS["shape"], rng.uniform(size=4000)], axis=1)
    assert metrics_codes.mig(codes, merged) > 0.97
    assert metrics_codes.dci(codes, merged).disentanglement < 0.8


def test_factor_information_is_the_plug_in_formula():
    unit, factor = rng.integers(0, 3, 200), rng.integers(0, 4, 200)
    factor = (factor + unit) % 4
    wanted = 0.0
    for i in range(3):
        for j in range(4):
            p = np.mean((unit == i) & (factor == j))
            wanted += p * np.log(p / np.mean(unit == i) / np.mean(factor == j))
    entropy = -sum(np.mean(factor == j) * np.log(np.mean(factor == j)) for j in range(4))
    found = metrics_codes.factor_information(np.stack([unit, 0 * unit], axis=1), {"f": factor}, bins=500)
    np.testing.assert_allclose(found, [[wanted / entropy], [0]], atol=1e-12)


def test_rare_events_are_seen():
    """A unit that is on for 4 % of the examples knows the factor that is, and noise does not."""
    on = rng.uniform(size=2000) < 0.04
    codes = np.stack([1.0 * on, rng.uniform(size=2000)], axis=1)
    shares = metrics_codes.factor_information(codes, {"on": on.astype(int), "size": on * rng.uniform(0.5, 1, 2000)})
    np.testing.assert_allclose(shares[0], 1, atol=1e-9)
    assert shares[1].max() < 0.1


CODES, LABEL = np.zeros((4, 2)), {"f": np.arange(4)}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics_codes.active_units(np.zeros(4)), r"active_units: wanted finite numbers of shape \(n, d\)"),
        (lambda: metrics_codes.kl_terms(CODES, CODES[:3]), r"kl_terms: wanted mean and log_var of one shape"),
        (lambda: metrics_codes.mutual_information(CODES, CODES, draws=0), "draws >= 1"),
        (lambda: metrics_codes.kl_terms(CODES * np.nan, CODES), "finite numbers"),
        (lambda: metrics_codes.code_entropy([0, 8], 8), r"integers in 0\.\.7"),
        (lambda: metrics_codes.mig(CODES, {"f": np.zeros(4)}), "factor 'f' must be 4 finite numbers.*Leave out"),
        (lambda: metrics_codes.mig(CODES, {"f": np.arange(3)}), r"got int64 of shape \(3,\)"),
        (lambda: metrics_codes.mig(CODES[:, :1], LABEL), "at least 2 units"),
        (lambda: metrics_codes.dci(CODES, LABEL), "2 units and 2 factors, got 2 units and 1 factors"),
        (lambda: metrics_codes.factor_information(CODES, LABEL, bins=1), "bins must be at least 2"),
        (lambda: metrics_codes.mig(CODES, {"f": np.array([0, 1, np.nan, 2])}), "4 finite numbers"),
        (lambda: metrics_codes.mig(CODES, {"f": np.array([0.0, 1, 1, 1])}, bins=2), "'f' has only one of 2 bins"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
