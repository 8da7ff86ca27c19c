"""What a code holds: how much, in which units, and about which known factors. Each function states its direction.

A posterior q(z | x) is given by its means and log variances, (n, d); codes are (n, d), factors a dict of (n,).
"""

from typing import NamedTuple

import numpy as np

LOG_2_PI = np.log(2 * np.pi)


def active_units(mean, threshold=0.01):
    """Which units of a code depend on the input: the variance of their posterior means over the examples is large.

    Args: mean, of q(z | x), (n, d), n >= 2; threshold, in squared code units; the prior's variance is taken as 1.
    Returns: bool, (d,); its sum is the number of active units.
    Source: Burda et al. 2016, section 5.2. Chapters 10 and 11.
    """
    mean = _codes(mean, "active_units")
    return np.var(mean, axis=0, ddof=1) > threshold


def mutual_information(mean, log_var, draws=1, seed=0):
    """How much a code says about which example it belongs to, I(x; z), between two estimates. Neither is better.

        low  = E log q(z | x) - E log (1/n) sum_j q(z | x_j)
        high = E log q(z | x) - E log (1/(n-1)) sum_(j: x_j not x) q(z | x_j),   z ~ q(z | x)

    In expectation over the n examples, `low` is below the information about the source they come from, and `high` above
    it. `low` cannot exceed log n: where it comes near, take more examples.

    Args: mean, log_var, (n, d); draws, codes for each example; seed owns them.
    Returns: (low, high), nats.
    Source: Poole et al. 2019, equations 11 and 13, with the exact q(z | x). Chapter 11.
    """
    low, high = [], []
    for rows, _, z_given_x, all_given in _densities(mean, log_var, draws, seed, "mutual_information"):
        joint = all_given.sum(axis=2)  # log q(z_s | x_j), (s, n)
        low.append(z_given_x - _log_mean(joint))
        joint[np.arange(len(rows)), rows] = -np.inf
        high.append(z_given_x - _log_mean(joint, joint.shape[1] - 1))
    return float(np.mean(np.concatenate(low))), float(np.mean(np.concatenate(high)))


class KLTerms(NamedTuple):
    """The mean KL divergence to N(0, I) and the three terms it is the sum of, nats. See `kl_terms`."""

    rate: float
    information: float
    total_correlation: float
    dimension_wise: float


def kl_terms(mean, log_var, draws=1, seed=0):
    """Split the mean KL divergence of a VAE's codes, its rate, into what it pays for.

        E KL(q(z|x) || p(z)) = I(x; z)  +  KL(q(z) || prod_j q(z_j))  +  sum_j KL(q(z_j) || p(z_j))

    with q(z) = (1/n) sum_i q(z | x_i), the aggregate posterior of these n examples, computed exactly (no minibatch
    weighting); the expectation over z is by sampling. The first term says how much the code tells about the example (at
    most log n), the second how much its units depend on one another, the third how far each unit is from the prior.

    Args: mean, log_var, (n, d); draws, codes for each example; seed owns them. The prior is N(0, I).
    Returns: KLTerms, nats. Time and memory grow as draws n^2 d.
    Source: Chen et al. 2018, equation 2. Chapter 11.
    """
    information, dependence, mismatch = [], [], []
    for _, z, z_given_x, all_given in _densities(mean, log_var, draws, seed, "kl_terms"):
        q = _log_mean(all_given.sum(axis=2))
        q_units = _log_mean(all_given).sum(axis=1)
        information.append(z_given_x - q)
        dependence.append(q - q_units)
        mismatch.append(q_units + 0.5 * np.sum(z**2 + LOG_2_PI, axis=1))
    terms = [float(np.mean(np.concatenate(part))) for part in (information, dependence, mismatch)]
    return KLTerms(sum(terms), *terms)


def code_entropy(tokens, size):
    """Entropy of discrete codes, from how often each is used: -sum_k f_k log f_k. Higher uses the codebook better.

    Its exponential, the perplexity, is the number of codes that would give the same entropy if used equally often.
    The estimate is too low by about (codes in use - 1) / (2 tokens).

    Args: tokens, integers in 0..size-1, any shape; size, number of codes.
    Returns: float, nats, in [0, log size]. Chapter 12.
    """
    tokens = np.asarray(tokens)
    if tokens.dtype.kind not in "ui" or not tokens.size or tokens.min() < 0 or tokens.max() >= size:
        raise ValueError(f"code_entropy: wanted integers in 0..{size - 1}, got {tokens.dtype} of shape {tokens.shape}.")
    return float(_entropy(np.bincount(tokens.ravel(), minlength=size) / tokens.size))


# --- known factors ----------------------------------------------------------------------------------


def factor_information(codes, factors, bins=20):
    """How much each unit of a code tells about each known factor, as a share of the factor's entropy: higher, more.

    Real numbers are put into bins of equal counts; integers are classes as they are. The plug-in estimate of a mutual
    information is too high by about (bins - 1)^2 / (2 n).

    Args: codes, (n, d); factors, dict name -> (n,), integers or real numbers; bins, >= 2.
    Returns: (d, k), in [0, 1], a column for each factor.
    Raises: ValueError where lengths differ, or a factor has only one value.
    Source: Chen et al. 2018, section 4.1. Differs: bins of equal counts. Chapter 11.
    """
    codes, factors = _codes(codes, "factor_information"), _factors(codes, factors, "factor_information")
    if bins < 2:
        raise ValueError(f"factor_information: bins must be at least 2, got {bins}.")
    units = [_classes(unit, bins) for unit in codes.T]
    shares = np.empty((len(units), len(factors)))
    for j, (name, values) in enumerate(factors.items()):
        factor = _classes(values, bins)
        if not factor.any():
            raise ValueError(f"factor_information: factor {name!r} has only one of {bins} bins. Give more bins.")
        for i, unit in enumerate(units):
            table = np.zeros((unit.max() + 1, factor.max() + 1))
            np.add.at(table, (unit, factor), 1 / len(codes))
            whole = _entropy(table.sum(axis=0))
            shares[i, j] = (whole + _entropy(table.sum(axis=1)) - _entropy(table.ravel())) / whole
    return shares


def mig(codes, factors, bins=20):
    """Mutual information gap: does one unit alone know each factor? Higher is better, 1 is perfect.

        mean over factors of  I(best unit; factor) - I(second best; factor),  as a share of the factor's entropy

    It asks for one unit per factor, not for one factor per unit: a unit that knows two factors is not punished.

    Args: as `factor_information`, d >= 2.
    Returns: float, in [0, 1].
    Source: Chen et al. 2018, equation 6. Chapter 11.
    """
    shares = np.sort(factor_information(codes, factors, bins), axis=0)
    if len(shares) < 2:
        raise ValueError("mig: wanted a code of at least 2 units, to compare the best with the second best.")
    return float(np.mean(shares[-1] - shares[-2]))


class DCI(NamedTuple):
    """Disentanglement, completeness, informativeness, in [0, 1], and the importances, (d, k). See `dci`."""

    disentanglement: float
    completeness: float
    informativeness: float
    importance: np.ndarray


def dci(codes, factors, trees=30, seed=0):
    """Disentanglement: each unit serves one factor. Completeness: each factor needs one unit. Higher is better.

    A random forest predicts each factor from all units; R_ij is the importance of unit i for factor j. With the rows of
    R as probabilities, D_i = 1 - H(row i) / log k, and D is their mean, weighted by the rows' sums; with the columns,
    C_j = 1 - H(column j) / log d. Informativeness is how well the forests predict a quarter of the examples that they
    have not seen: accuracy for integers, R^2 (at least 0) for real numbers, mean over the factors.

    Args: codes, (n, d), d >= 2; factors, dict name -> (n,), at least 2; trees in a forest; seed owns it.
    Returns: DCI.
    Source: Eastwood and Williams 2018, section 2. Differs: informativeness is a score, not an error. Chapter 11.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    codes, factors = _codes(codes, "dci"), _factors(codes, factors, "dci")
    if codes.shape[1] < 2 or len(factors) < 2:
        raise ValueError(
            f"dci: wanted at least 2 units and 2 factors, got {codes.shape[1]} units and {len(factors)} factors."
        )
    order = np.random.default_rng(seed).permutation(len(codes))
    seen, held = order[: len(codes) * 3 // 4], order[len(codes) * 3 // 4 :]
    columns, scores = [], []
    for values in factors.values():
        kind = RandomForestClassifier if values.dtype.kind in "iub" else RandomForestRegressor
        # All units at every split: else a unit is used, and counts, only because better ones were not on offer.
        forest = kind(trees, max_features=None, min_samples_leaf=3, random_state=seed).fit(codes[seen], values[seen])
        columns.append(forest.feature_importances_)
        scores.append(max(0.0, forest.score(codes[held], values[held])))
    importance = np.stack(columns, axis=1)  # (d, k)
    units, one_unit_each = importance.sum(axis=1), _concentration(importance.T)
    share = units / units.sum() if units.any() else units  # nothing predicts anything: nothing is disentangled
    return DCI(
        float(_concentration(importance) @ share), float(one_unit_each.mean()), float(np.mean(scores)), importance
    )


def _concentration(table):
    """1 - H(row) / log(its length), rows taken as probabilities: 1 where one entry has all, 0 where none has any."""
    p = table / np.maximum(table.sum(axis=1, keepdims=True), 1e-300)
    return np.where(p.any(axis=1), 1 - np.array([_entropy(row) for row in p]) / np.log(table.shape[1]), 0.0)


def _entropy(p):
    return -np.sum(p * np.log(np.where(p > 0, p, 1)))


def _log_mean(logs, count=None):
    """Log of the mean over axis 1, of `count` entries where the others are -inf on purpose."""
    top = logs.max(axis=1, keepdims=True)
    return np.log(np.exp(logs - top).sum(axis=1) / (count or logs.shape[1])) + top[:, 0]


def _densities(mean, log_var, draws, seed, name):
    """Draw codes z ~ q(z | x_i), some rows i at a time.

    Yields: rows, (s,); z, (s, d); log q(z | x_i), (s,); log q(z_d | x_j) for every example j and unit, (s, n, d).
    """
    mean, log_var = _codes(mean, name), _codes(log_var, name)
    if mean.shape != log_var.shape or draws < 1:
        raise ValueError(
            f"{name}: wanted mean and log_var of one shape and draws >= 1, got {mean.shape}, {log_var.shape}, {draws}."
        )
    n, d = mean.shape
    # Not default_rng(seed): whoever has drawn the data with this seed would meet the same numbers as noise.
    rng, at_once = np.random.default_rng([seed, n, d]), max(1, 2**23 // (n * d))
    everything = np.tile(np.arange(n), draws)
    for rows in (everything[i : i + at_once] for i in range(0, len(everything), at_once)):
        z = mean[rows] + np.exp(0.5 * log_var[rows]) * rng.standard_normal((len(rows), d))
        units = -0.5 * ((z[:, None] - mean) ** 2 * np.exp(-log_var) + log_var + LOG_2_PI)  # (s, n, d)
        yield rows, z, units[np.arange(len(rows)), rows].sum(axis=1), units


def _classes(values, bins):
    """Integers as 0..k-1; real numbers as the number of their bin, bins of equal counts. Equal values stay together."""
    if values.dtype.kind == "f":
        ranks = np.searchsorted(np.sort(values), values)
        values = ranks * bins // len(values)
    return np.unique(values, return_inverse=True)[1]


def _codes(codes, name):
    codes = np.asarray(codes, "float64")
    if codes.ndim != 2 or len(codes) < 2 or not np.isfinite(codes).all():
        raise ValueError(f"{name}: wanted finite numbers of shape (n, d) with n >= 2, got shape {codes.shape}.")
    return codes


def _factors(codes, factors, name):
    factors = {key: np.asarray(values) for key, values in factors.items()}
    for key, values in factors.items():
        numbers = values.shape == (len(codes),) and values.dtype.kind in "iubf" and np.isfinite(values).all()
        if not numbers or len(np.unique(values)) < 2:
            raise ValueError(
                f"{name}: factor {key!r} must be {len(codes)} finite numbers, one for each code, with at least 2 "
                f"different values; got {values.dtype} of shape {values.shape}. Leave out factors that do not vary."
            )
    return factors
