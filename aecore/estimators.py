"""Estimates of log p(x) for a model with latent variables, and of what its training signal is worth. In nats.

A model is a `vae.VAE` without a condition.
Chapter 11.
"""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from aecore import _backend
from aecore.data import check_examples, check_whole
from aecore.distributions import Normal
from aecore.divergences import importance_bound

AT_ONCE = 2**22  # numbers of one kind that are held at a time
ACCEPTED = 0.7  # share of moves that the step size aims at
WARM_UP = 30  # moves at the start of a pilot run, to find the first step size


class Estimate(NamedTuple):
    """An estimate of log p(x) of n examples, and what there is to judge it by. See `ais` and `importance_sampling`.

    log_prob: (n,), nats. ess: effective number of samples behind it, (sum w)^2 / sum w^2, (n,), from 1 to all of them.
    accepted: share of accepted moves, (n,); 1 where there are no moves. path: the way to it, or None.
    """

    log_prob: np.ndarray
    ess: np.ndarray
    accepted: np.ndarray
    path: object = None


class Path(NamedTuple):
    """What annealed importance sampling has seen on its way.

    betas: (t,). log_z: log of the normaliser of f_beta, (t, n). energy: E log(p(x, z) / start(z)) under f_beta, (t, n).
    """

    betas: np.ndarray
    log_z: np.ndarray
    energy: np.ndarray


def importance_sampling(model, x, samples=1000, seed=0):
    """log p(x) by importance sampling from the encoder, with the effective number of samples behind it.

    The same numbers as `model.log_prob(x, samples, seed)`: in expectation a lower bound. An effective number near 1
    says that a single code carries the estimate, and that more or better samples would raise it.

    Args: x, (n, *shape); samples, k; seed owns the draws.
    Returns: Estimate.
    """
    _examples(model, x, "importance_sampling")
    parts = [_estimate(w) for w in model.weigh("importance_sampling", x, samples, seed, None)]
    log_prob, ess = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Estimate(log_prob, ess, np.ones_like(ess))


def sigmoid_betas(steps, sharpness=4.0):
    """Temperatures from 0 to 1 in `steps` steps, dense at both ends: (steps + 1,).

    Source: Wu et al. 2017, appendix; a sigmoid from -sharpness to sharpness, stretched to [0, 1].
    """
    check_whole("sigmoid_betas", steps=steps)
    s = 1 / (1 + np.exp(-sharpness * np.linspace(-1, 1, steps + 1)))
    return (s - s[0]) / (s[-1] - s[0])


def geometric_betas(steps, first=1e-3):
    """Temperatures 0, first, ..., 1, each a fixed multiple of the one before: (steps + 1,). Dense at 0."""
    check_whole("geometric_betas", at_least=2, steps=steps)
    if not 0 < first < 1:
        raise ValueError(f"geometric_betas: first must lie in (0, 1), got {first}.")
    return np.concatenate([[0.0], np.geomspace(first, 1, steps)])


def ais(model, x, *, chains=16, betas=None, leapfrog=10, start=None, seed=0):
    """log p(x) by annealed importance sampling, with Hamiltonian Monte Carlo moves.

        f_beta(z) = start(z)^(1 - beta) p(x, z)^beta,   log w = sum_t (beta_t - beta_(t-1)) log(p(x, z_t) / start(z_t))

    Each chain starts at a code from `start`, goes through the temperatures, and is moved by Hamiltonian Monte Carlo
    after each. The mean of w over the chains is an unbiased estimate of p(x), so log_prob is in expectation a lower
    bound on log p(x), whatever the moves; good moves and many temperatures make it tight.

    Args:
        x: (n, *shape). chains: samples for each example.
        betas: rising from 0 to 1; None: sigmoid_betas(200).
        leapfrog: steps of a move, >= 1.
        start: Normal of mean and log_var, (n, d), such as model.encode(x), or None: the prior.
        seed: owns all that is drawn, the same on every backend.
    Returns: Estimate, with its path.
    Raises: ValueError where betas do not rise from 0 to 1, or shapes do not fit.
    Source: Neal 2001; Wu et al. 2017 for decoders. Differs: the step size of each example and temperature is found by a
        pilot run of two chains and then kept, since a step size that follows a chain's own past would cost the bound.
    """
    betas = sigmoid_betas(200) if betas is None else np.asarray(betas, "float64")
    if betas.ndim != 1 or len(betas) < 2 or betas[0] != 0 or betas[-1] != 1 or not (np.diff(betas) >= 0).all():
        raise ValueError("ais: betas must rise from 0 to 1. Try sigmoid_betas(200).")
    return _over_examples(model, x, None, chains, betas, leapfrog, start, seed)


class Sandwich(NamedTuple):
    """Stochastic bounds on log p(x) from below and from above, nats, (n,). See `bidirectional`."""

    below: np.ndarray
    above: np.ndarray


def bidirectional(model, x, z, *, chains=16, betas=None, leapfrog=10, start=None, seed=0):
    """Bounds on log p(x) from both sides, for data that the model itself has made.

    Where z is the code that x was drawn from, it is an exact sample of p(z | x). Annealed importance sampling
    backwards from it estimates 1 / p(x): minus its log is in expectation an upper bound. Where both sides meet, both
    are right.

    Args: x, (n, *shape), and z, (n, d), drawn together: z from the prior, x from p(x | z). The others as `ais`.
    Returns: Sandwich. Source: Grosse et al. 2015.
    """
    betas = sigmoid_betas(200) if betas is None else np.asarray(betas, "float64")
    same = {"chains": chains, "leapfrog": leapfrog, "start": start, "seed": seed}
    z = check_examples(z, (model.code_size,), "bidirectional")
    above = _over_examples(model, x, z, betas=betas[::-1], **same)
    below = ais(model, x, betas=betas, **same)
    return Sandwich(below.log_prob, -above.log_prob)


def rate_distortion(path):
    """The rate and the distortion that a decoder allows, from annealed importance sampling that started at the prior.

    f_beta is the best encoder at the exchange rate beta: it makes rate + beta distortion least, with
        distortion D = E -log p(x | z),   rate R = KL(f_beta || p(z)) = -beta D - log Z_beta
    A trained encoder lies above the curve: by its gap.

    Args: path, of `ais(..., start=None)`.
    Returns: (rate, distortion), nats per example, each (t,), in the order of path.betas.
    Source: Huang et al. 2020, section 4. Differs: weighted means over the chains, no bounds for the distortion.
    """
    distortion = -path.energy.mean(axis=1)
    return -path.betas * distortion - path.log_z.mean(axis=1), distortion


class Signal(NamedTuple):
    """Signal-to-noise ratio of the gradient for the weights of encoder and decoder. See `gradient_signal`."""

    encoder: float
    decoder: float


def gradient_signal(model, x, samples, repeats=200, seed=0):
    """How much of a step's gradient is signal when training on the importance-weighted bound with k samples.

        mean over weights of |mean of the gradient| / its standard deviation, over fresh noise on the same examples

    Args: model, a VAE; x, one batch, (b, *shape); samples, k; repeats, at least 2; seed owns the noise.
    Returns: Signal. Source: Rainforth et al. 2018, section 3.
    """
    x = _examples(model, x, "gradient_signal")
    (samples,), (repeats,) = (
        check_whole("gradient_signal", samples=samples),
        check_whole("gradient_signal", 2, repeats=repeats),
    )
    encoder, decoder = model.encoder.trainable_variables, model.decoder.trainable_variables
    weights, of_encoder = encoder + decoder, sum(math.prod(v.shape) for v in encoder)

    def gradients(noise, x):
        def bound(values):
            with keras.StatelessScope(state_mapping=list(zip(weights, values, strict=True))):
                return ops.mean(importance_bound(model.log_weights(noise, x), axis=0))

        _, slopes = _backend.input_gradient(bound, [ops.convert_to_tensor(v.value) for v in weights])
        return ops.concatenate([ops.reshape(slope, (-1,)) for slope in slopes])

    shape = (samples, len(x), model.code_size)
    compiled = _backend.fast(gradients, model, keras.KerasTensor(shape), keras.KerasTensor(x.shape))
    rng, mean, square = np.random.default_rng(seed), 0.0, 0.0
    for _ in range(repeats):
        slope = compiled(rng.standard_normal(shape, "float32"), x).astype("float64")
        mean, square = mean + slope / repeats, square + slope**2 / repeats
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    ratio = np.where(spread > 0, np.abs(mean) / np.where(spread > 0, spread, 1), np.nan)  # no noise: nothing to compare
    return Signal(float(np.nanmean(ratio[:of_encoder])), float(np.nanmean(ratio[of_encoder:])))


def _examples(model, x, name):
    """x, where it is what the model's likelihood is about."""
    if model.classes is not None:
        raise ValueError(f"{name}: wanted a model without a condition, got one with {model.classes} classes.")
    return model.checked(name, x, None, tossed=True)[0]


def _over_examples(model, x, codes, chains, betas, leapfrog, start, seed):
    """Anneal some examples after another, from `codes`, (n, d), or from `start`. Returns: Estimate."""
    x = _examples(model, x, "ais")
    chains, leapfrog = check_whole("ais", chains=chains, leapfrog=leapfrog)
    d, n = model.code_size, len(x)
    normal = () if start is None else tuple(check_examples(part, (d,), "ais (start)") for part in start)
    if any(len(part) != n for part in (*normal, *([] if codes is None else [codes]))):
        raise ValueError(f"ais: wanted a start for each of the {n} examples. Try start=model.encode(x).")
    at_once = min(n, max(1, AT_ONCE // (chains * model.width)))
    run, rng, parts = _compiled(model, leapfrog, bool(normal)), np.random.default_rng(seed), []
    for i in range(0, n, at_once):
        # One shape for all calls, so that they share one compiled function: rows that are too many are dropped.
        rows = np.resize(np.arange(i, min(i + at_once, n)), at_once)
        given = (x[rows], *(part[rows] for part in normal))

        def begin(count, rows=rows, given=given):
            if codes is not None:
                return np.broadcast_to(codes[rows], (count, len(rows), d))
            if not normal:
                draws = model.prior.sample(count * len(rows), int(rng.integers(2**31)))
                return draws.reshape(count, len(rows), d)
            noise = rng.standard_normal((count, len(rows), d), "float32")
            return given[1] + np.exp(0.5 * given[2]) * noise

        pilot = np.concatenate([np.repeat(betas[:1], WARM_UP), betas])
        steps = _anneal(*run, begin(2), given, pilot, rng)[1][WARM_UP:]
        parts.append([a[..., : n - i] for a in _anneal(*run, begin(chains), given, betas, rng, steps)[0]])
    log_prob, ess, accepted, log_z, energy = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    return Estimate(log_prob, ess, accepted, Path(betas, log_z, energy))


def _compiled(model, leapfrog, from_normal):
    """Two fast functions: the log densities of start and joint at z, (c, b) each, and a move of z at a temperature."""

    def densities(z, x, *normal):
        start = Normal(*normal) if normal else model.prior
        return start.log_prob(z), model.log_joint(x, z)

    def move(z, momentum, log_u, step, beta, *given):
        def slope_at(z):
            def log_density(z):  # each code has its own: the slope of the sum is each one's slope
                start, joint = densities(z, *given)
                return ops.sum((1 - beta) * start + beta * joint)

            return _backend.input_gradient(log_density, z)[1]

        def leap(_, state):
            z, p, slope = state
            p = p + 0.5 * step * slope
            z = z + step * p
            slope = slope_at(z)
            return z, p + 0.5 * step * slope, slope

        step = step[..., None]  # (c, b, 1)
        new, p, _ = ops.fori_loop(0, leapfrog, leap, (z, momentum, slope_at(z)))
        (start, joint), (new_start, new_joint) = densities(z, *given), densities(new, *given)
        gain = (1 - beta) * (new_start - start) + beta * (new_joint - joint)
        gain = gain + 0.5 * ops.sum(ops.square(momentum) - ops.square(p), axis=-1)  # (c, b)
        gain = ops.where(ops.isnan(gain), -math.inf, gain)  # a step so large that the densities have no value
        taken = log_u < gain
        pick = lambda new, old: ops.where(taken, new, old)
        moved = ops.where(taken[..., None], new, z), pick(new_start, start), pick(new_joint, joint)
        return *moved, ops.exp(ops.minimum(gain, 0.0))

    codes, per_code = keras.KerasTensor((None, None, model.code_size)), keras.KerasTensor((None, None))
    given = [keras.KerasTensor((None, *model.shape))] + [keras.KerasTensor((None, model.code_size))] * 2 * from_normal
    return (
        _backend.fast(densities, model, codes, *given),
        _backend.fast(move, model, codes, codes, per_code, per_code, keras.KerasTensor(()), *given),
    )


def _anneal(densities, move, z, given, betas, rng, steps=None):
    """Take the codes z, (c, b, d), through the temperatures. Without `steps`, (t, b), step sizes follow acceptance.

    Returns: (log_prob, ess, accepted, log_z, energy), as in Estimate and Path, and the steps, (t, b).
    """
    c, b, _ = z.shape
    start, joint = densities(z.astype("float32"), *given)
    log_w, log_step, rates = np.zeros((c, b)), np.full((c, b), math.log(0.1)), []
    log_z, energy, used = [np.zeros(b)], [(joint - start).mean(axis=0)], []
    for t in range(1, len(betas)):
        log_w += (betas[t] - betas[t - 1]) * (joint.astype("float64") - start)
        log_z.append(_log_mean(log_w))
        used.append(log_step.mean(axis=0) if steps is None else steps[t - 1])
        now = log_step if steps is None else np.broadcast_to(used[-1], (c, b))
        noise, log_u = rng.standard_normal(z.shape, "float32"), np.log1p(-rng.uniform(size=(c, b)))
        arguments = (a.astype("float32") for a in (z, noise, log_u, np.exp(now), betas[t]))
        z, start, joint, rate = move(*arguments, *given)
        energy.append(np.sum(np.exp(log_w - np.logaddexp.reduce(log_w)) * (joint - start), axis=0))
        log_step += 0.3 * (rate - ACCEPTED)
        rates.append(rate.mean(axis=0))
    return (*_estimate(log_w)[:2], np.mean(rates, axis=0), np.stack(log_z), np.stack(energy)), np.stack(used)


def _estimate(log_w):
    """log of the mean weight and effective number of samples, of log weights (samples, n)."""
    log_w = log_w.astype("float64")
    return _log_mean(log_w), np.exp(2 * np.logaddexp.reduce(log_w) - np.logaddexp.reduce(2 * log_w))


def _log_mean(log_w):
    return np.logaddexp.reduce(log_w) - math.log(len(log_w))
