"""How far two distributions are apart, by a formula, from samples, or through a classifier. In nats where it says so.

Everything is vectorised over leading axes: a formula about examples returns one number for each of them, one about
two sets of samples one number for the pair of sets. Chapter 9 derives all of it.
"""

from keras import ops


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
