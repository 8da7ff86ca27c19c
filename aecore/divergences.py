"""How far two distributions are apart, by a formula, from samples, or through a classifier. In nats where it says so.

Everything is vectorised over leading axes: a formula about examples returns one number for each of them, one about
two sets of samples one number for the pair of sets. Chapter 9 derives all of it.
"""

import math
from numbers import Real

from keras import ops

LOG_2 = math.log(2)
TINY = 2.4e-38  # its half is the smallest number that float32 holds in full


def gaussian_kl(mean, log_var, prior_mean=0.0, prior_log_var=0.0):
    """KL divergence from a diagonal normal q = N(mean, exp(log_var)) to another, p; by default to N(0, I).

        KL(q || p) = sum_j [ v_j / w_j + (mean_j - prior_mean_j)^2 / w_j - 1 - log(v_j / w_j) ] / 2

    with v = exp(log_var) and w = exp(prior_log_var).

    Args: mean, log_var, (..., d); prior_mean, prior_log_var, numbers or whatever broadcasts to (..., d).
    Returns: (...), nats, >= 0.
    Source: Kingma and Welling 2014, appendix B, for p = N(0, I). Chapters 9 and 10.
    """
    log_ratio = log_var - prior_log_var
    distance = ops.square(mean - prior_mean) * ops.exp(-ops.convert_to_tensor(prior_log_var, log_var.dtype))
    # expm1: where the variances nearly agree, v / w - 1 - log(v / w) is a small difference of numbers near 1.
    return 0.5 * ops.sum(ops.expm1(log_ratio) - log_ratio + distance, axis=-1)


def importance_bound(log_weights, axis=-1):
    """Lower bound on log p(x) from k importance samples z_s ~ q(z | x): the log of the mean weight.

        log (1/k) sum_s w_s,   log w_s = log p(x, z_s) - log q(z_s | x)

    With k = 1 it is the evidence lower bound. Its expectation grows with k, towards log p(x).

    Args: log_weights, (..., k), nats; axis, along which the samples lie.
    Returns: (...), nats.
    Source: Burda et al. 2016, equation 8. Chapters 9 and 11.
    """
    k = ops.cast(ops.shape(log_weights)[axis], log_weights.dtype)
    return ops.logsumexp(log_weights, axis=axis) - ops.log(k)


def kl_monte_carlo(log_q, log_p, axis=-1):
    """KL(q || p) from samples of q, where both densities are known: the mean of log q(x_s) - log p(x_s).

    Unbiased; a single estimate can be negative.

    Args: log_q, log_p, densities of q and p at samples of *q*, (..., s), nats; axis, along which the samples lie.
    Returns: (...), nats. Chapter 9.
    """
    return ops.mean(log_q - log_p, axis=axis)


def js_monte_carlo(log_ratio_p, log_ratio_q, axis=-1):
    """Jensen-Shannon divergence from the log ratio r(x) = log p(x) - log q(x) at samples of p and at samples of q.

        JS = log 2 - [ E_p softplus(-r) + E_q softplus(r) ] / 2

    With any other r in place of the log ratio, a classifier's logit for example, the expectation is a lower bound.

    Args: log_ratio_p, (..., s), at samples of p; log_ratio_q, (..., t), at samples of q; axis of the samples.
    Returns: (...), nats, at most log 2.
    Source: Goodfellow et al. 2014, section 4.1. Chapter 9.
    """
    missed = ops.mean(ops.softplus(-log_ratio_p), axis=axis) + ops.mean(ops.softplus(log_ratio_q), axis=axis)
    return LOG_2 - missed / 2


def kl_discrete(p, q):
    """KL(p || q) = sum_i p_i log(p_i / q_i) between probabilities, also those of the cells of a grid.

    Args: p, q, (..., k), >= 0, with the sum 1 over k. Less than 2.4e-38 counts as zero.
    Returns: (...), nats; infinite where q rules out what p can bring. Chapter 9.
    """
    there = p > TINY  # a term with p = 0 is zero, whatever q
    terms = p * (ops.log(ops.where(there, p, 1.0)) - ops.log(ops.where(there, q, 1.0)))
    return ops.sum(terms, axis=-1)


def js_discrete(p, q):
    """Jensen-Shannon divergence between probabilities: the mean KL divergence of p and q from their average.

    Args: p, q, (..., k), >= 0, with the sum 1 over k.
    Returns: (...), nats, in [0, log 2]. Source: Lin 1991, equation 3.9 with equal weights. Chapter 9.
    """
    average = (p + q) / 2
    return (kl_discrete(p, average) + kl_discrete(q, average)) / 2


def total_correlation(z, mean, log_var):
    """How much the coordinates of a batch's codes depend on one another, as if the batch were all the data.

        log q(z) - sum_j log q(z_j),   q(z) = (1/b) sum_i N(z | mean_i, exp(log_var_i)),   z ~ q

    Its mean over codes drawn from q is KL(q(z) || prod_j q(z_j)).

    Args: z, codes, (..., d); mean, log_var, of the batch's posteriors, (b, d).
    Returns: (...), nats.
    Source: Chen et al. 2018, equation 2 and section 4.1. Differs: their minibatch weights divide by b times the number
        of examples, which adds a constant and leaves the gradient as it is. Chapter 11.
    """
    log_q = -0.5 * (ops.square(z[..., None, :] - mean) * ops.exp(-log_var) + log_var + math.log(2 * math.pi))
    alone = importance_bound(log_q, axis=-2)  # the log of the mean density, for each coordinate: (..., d)
    return importance_bound(ops.sum(log_q, axis=-1)) - ops.sum(alone, axis=-1)


# --- from samples alone -----------------------------------------------------------------------------


def gaussian_kernel(x, y, bandwidth):
    """exp(-|x_i - y_j|^2 / (2 bandwidth^2)): (n, d), (m, d) -> (n, m). Chapter 9."""
    return ops.exp(-_squared_distances(x, y) / (2 * bandwidth**2))


def multiquadratic_kernel(x, y, bandwidth):
    """bandwidth^2 / (bandwidth^2 + |x_i - y_j|^2): (n, d), (m, d) -> (n, m). Far points still feel one another.

    Source: Tolstikhin et al. 2018, section 4, with their C = bandwidth^2. Chapter 9.
    """
    return bandwidth**2 / (bandwidth**2 + _squared_distances(x, y))


def median_distance(x, y):
    """The median of the distances |x_i - y_j|, a common bandwidth: (n, d), (m, d) -> a number. Chapter 9."""
    return ops.median(ops.sqrt(_squared_distances(x, y)))


def mmd(x, y, bandwidth, kernel=gaussian_kernel, unbiased=True):
    """Squared maximum mean discrepancy between two sets of samples.

        MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y)

    Args:
        x, y: samples of the two distributions, (n, d) and (m, d), each at least 2.
        bandwidth: of the kernel, > 0, in the units of x.
        kernel: a function such as gaussian_kernel.
        unbiased: leave out the pairs of a sample with itself. The expectation is then exactly MMD^2, and an estimate
            can be negative; else it is >= 0, and too large by about (2 - 2 E k) / n.
    Returns: a number, without unit.
    Raises: ValueError where there are fewer than two samples, or the bandwidth is not positive.
    Source: Gretton et al. 2012, equations 3 and 5. Chapter 9.
    """
    n, m = x.shape[0], y.shape[0]
    if n < 2 or m < 2:
        raise ValueError(f"mmd: wanted at least two samples of each distribution, got {n} and {m}.")
    if not isinstance(bandwidth, Real) or not 0 < bandwidth < float("inf"):
        raise ValueError(
            f"mmd: bandwidth must be a positive number, got {bandwidth}. Try float(median_distance(x, y))."
        )
    within = [_mean_of_pairs(kernel(a, a, bandwidth), a.shape[0], unbiased) for a in (x, y)]
    return sum(within) - 2 * ops.mean(kernel(x, y, bandwidth))


def _mean_of_pairs(gram, n, unbiased):
    if not unbiased:
        return ops.mean(gram)
    return (ops.sum(gram) - ops.sum(ops.diagonal(gram))) / (n * (n - 1))


def _squared_distances(x, y):
    x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
    centre = ops.mean(x, axis=0)  # far from the origin the products would drown the differences
    x, y = x - centre, y - centre
    squares = ops.sum(ops.square(x), axis=1)[:, None] + ops.sum(ops.square(y), axis=1)  # (n, m)
    return ops.maximum(squares - 2 * ops.matmul(x, ops.transpose(y)), 0.0)


# --- through a classifier, or a score ---------------------------------------------------------------


def ratio_loss(logits_data, logits_other):
    """Similar to the data, dissimilar to other data: what a classifier of the two pays, for each pair of examples.

        softplus(-l(x)) + softplus(l(y)),   x ~ p the data, y ~ q the others

    It is least where the logit is the log density ratio, l(x) = log p(x) - log q(x); its mean is then 2 log 2 - 2 JS.

    Args: logits_data, logits_other, (b,), logits for "is data", at as many examples of p as of q.
    Returns: (b,), nats; 2 log 2 for a classifier that cannot tell.
    Source: Gutmann and Hyvarinen 2010, equation 3, where q is known noise. Chapter 9.
    """
    return ops.softplus(-logits_data) + ops.softplus(logits_other)


def info_nce(scores):
    """Mutual information of pairs from a game: find the partner of each among n.

        log n + scores_ii - logsumexp_j scores_ij

    Its mean is, in expectation, a lower bound on I(x; y) for any scores, but never more than log n. The best scores are
    log p(y | x) - log p(y), up to a term that depends on x alone.

    Args: scores, (..., n, n): how well x_i and y_j go together, any real number; the pairs are on the diagonal.
    Returns: (..., n), nats, each at most log n.
    Source: van den Oord et al. 2018, equation 4; Poole et al. 2019, section 2.3. Chapter 9.
    """
    n = ops.cast(ops.shape(scores)[-1], scores.dtype)
    return ops.log(n) + ops.diagonal(scores, axis1=-2, axis2=-1) - ops.logsumexp(scores, axis=-1)


def fisher_divergence(score_p, score_q):
    """Half the squared distance of two scores, the gradients of log p and log q; its mean over p is the divergence.

    Args: score_p, score_q, (..., d), at the same points.
    Returns: (...), in units of 1 / x^2, not nats.
    Source: Hyvarinen 2005, equation 2. Chapter 9.
    """
    return 0.5 * ops.sum(ops.square(score_p - score_q), axis=-1)


def denoising_score(score, noise, scale):
    """What a score is worth at damaged examples x + scale * noise: fisher_divergence from the score of the damage.

        scale^2 / 2 |score + noise / scale|^2

    Over many examples it is least where `score` is the gradient of the log density of the damaged data. For a denoiser
    r, with score = (r(x~) - x~) / scale^2, it is its squared error |r(x~) - x|^2 / (2 scale^2).

    Args: score, at the damaged examples, (..., d); noise, standard normal, (..., d); scale, > 0, in units of x.
    Returns: (...), without unit.
    Source: Vincent 2011, equation 9. Differs: times scale^2, so that all strengths of noise weigh alike. Chapter 9.
    """
    return scale**2 * fisher_divergence(score, -noise / scale)
