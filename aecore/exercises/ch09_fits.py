"""The experiment of chapter 9: one Gaussian, fitted to two islands on a line by both directions of KL."""

import numpy as np
from scipy import optimize
from scipy.special import logsumexp

from aecore.exercises._kinds import Report
from aecore.exercises._verdict import Mistake, Wrong

LINE = np.linspace(-12, 12, 2401)
CLOSE = 2e-3  # nats above the best possible


def draw(rng):
    heavy = float(f"{rng.uniform(0.58, 0.75):.2f}")
    weights = [heavy, round(1 - heavy, 2)][:: rng.choice([1, -1])]
    centres = [float(f"{side * rng.uniform(1.6, 2.6):.1f}") for side in (-1, 1)]
    return {"weights": weights, "centres": centres, "scale": float(f"{rng.uniform(0.4, 0.6):.2f}")}


def normal(mean, scale):
    return -0.5 * ((LINE - mean) / scale) ** 2 - np.log(scale * np.sqrt(2 * np.pi))


def log_islands(weights, centres, scale):
    return logsumexp([np.log(w) + normal(c, scale) for w, c in zip(weights, centres, strict=True)], axis=0)


def kl(log_p, log_q):
    return np.sum(np.exp(log_p) * (log_p - log_q)) * (LINE[1] - LINE[0])


def divergences(given):
    """dict "forward", "reverse" -> the divergence of a Gaussian (mean, scale) from the islands."""
    log_p = log_islands(**given)
    return {
        "forward": lambda mean, scale: kl(log_p, normal(mean, scale)),
        "reverse": lambda mean, scale: kl(normal(mean, scale), log_p),
    }


def valleys(reverse, given):
    """The lowest points of reverse KL that a search finds from each island, (2, 2): mean and scale."""
    best = lambda centre: optimize.minimize(
        lambda v: reverse(v[0], np.exp(v[1])), [centre, np.log(given["scale"])], method="Nelder-Mead"
    )
    found = [best(centre).x for centre in given["centres"]]
    return np.array([(mean, np.exp(log_scale)) for mean, log_scale in found])


def collect(report, rng, given):
    if not isinstance(report, dict) or set(report) != {"forward", "reverse"}:
        raise Wrong('Wanted a dict with the two keys "forward" and "reverse".')
    fits = {}
    for name, pair in report.items():
        try:
            fits[name] = np.asarray(pair, "float64")
        except (TypeError, ValueError):
            fits[name] = np.empty(0)
        if fits[name].shape != (2,) or not np.isfinite(fits[name]).all() or fits[name][1] <= 0:
            raise Wrong(f'"{name}" wants two numbers, the mean and the standard deviation (> 0), got {pair!r}.')
        fits[name][1] = max(fits[name][1], 0.01)  # thinner than the line's steps nothing can be measured
    of = divergences(given)
    at = valleys(of["reverse"], given)
    weights, centres = np.array(given["weights"]), np.array(given["centres"])
    mean = weights @ centres
    moments = np.array([mean, np.sqrt(weights @ (centres - mean) ** 2 + given["scale"] ** 2)])
    heavy = int(weights.argmax())
    return {"fits": fits, "of": of, "best": {"forward": moments, "reverse": at[heavy]}, "other valley": at[1 - heavy]}


def excess(found, name, fit):
    """How much larger than the best possible the divergence of a fit is, nats."""
    return found["of"][name](*fit) - found["of"][name](*found["best"][name])


def is_variance(found):
    """Some fit is right once its second number is replaced by its root, and was not before."""
    rooted = {name: (mean, np.sqrt(scale)) for name, (mean, scale) in found["fits"].items()}
    return any(excess(found, name, found["fits"][name]) > CLOSE > excess(found, name, rooted[name]) for name in rooted)


FITS = Report(
    name="ch09.fits",
    points=3,
    section="Reverse KL: make no mistake",
    wants='a dict with "forward" and "reverse", each a pair: mean and standard deviation of the fitted Gaussian',
    hints=(
        "For one of the two the chapter has the answer in closed form. For the other, compute the divergence on a fine grid.",
        "`scipy.optimize.minimize(..., method='Nelder-Mead')` finds the lowest point near its start. Where do you start?",
        "Reverse KL has a valley at each island. Search from both, and compare what you found.",
    ),
    draw=draw,
    collect=collect,
    mistakes=(
        Mistake(
            "The two fits have changed places: forward KL is the one whose mean is over the data.",
            lambda found: (
                max(
                    excess(found, "forward", found["fits"]["reverse"]),
                    excess(found, "reverse", found["fits"]["forward"]),
                )
                < CLOSE
            ),
        ),
        Mistake(
            "The reverse fit lies in a valley, but not in the deepest one.",
            lambda found: (
                excess(found, "reverse", found["fits"]["reverse"])
                > CLOSE
                > abs(
                    found["of"]["reverse"](*found["fits"]["reverse"]) - found["of"]["reverse"](*found["other valley"])
                )
            ),
            "Which of the two islands costs less? Compare the divergences.",
        ),
        Mistake("The second number of a fit is a variance. Wanted: the standard deviation.", is_variance),
        Mistake(
            "The forward fit is not the best one: another Gaussian gives the data a higher likelihood.",
            lambda found: excess(found, "forward", found["fits"]["forward"]) > CLOSE,
            "Mean and variance of a sum of islands: do not forget the width of the islands themselves.",
            "Likelihood: cover everything",
        ),
        Mistake(
            "The reverse fit is not at the bottom of a valley.",
            lambda found: excess(found, "reverse", found["fits"]["reverse"]) > CLOSE,
            "Let the search run longer, or start it nearer to an island.",
        ),
    ),
    after="The forward fit has its peak where hardly any data are; the reverse one knows of one island only.",
)
