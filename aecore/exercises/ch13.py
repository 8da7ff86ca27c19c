"""Exercises of chapter 13, Generative adversarial networks."""

import numpy as np
from scipy import stats
from scipy.special import expit

from aecore.exercises._calling import call, gives
from aecore.exercises._kinds import Choice, Function, Number, Report
from aecore.exercises._verdict import Mistake, Wrong

# --- ch13.arrows ----------------------------------------------------------------------------------


def verdicts(rng):
    """Logits and slopes at samples; in the last case a critic that is sure of itself."""
    for n, scale in ((30, 1.5), (12, 300.0)):
        yield rng.normal(-0.5, scale, n), rng.normal(size=(n, 2))


def pulled(logits, slopes, factor=lambda logits: expit(-logits), sign=1):
    return sign * factor(logits)[:, None] * slopes


def arrow(**how):
    return gives(lambda logits, slopes: pulled(logits, slopes, **how))


# --- ch13.between ---------------------------------------------------------------------------------


def weights(function, rng, _):
    """The weights of real and fake that a function has drawn, for 2,000 pairs in three dimensions, (n, d)."""
    n, d = 2000, 3
    real, fake = rng.normal(size=(n, d)), rng.normal(size=(n, d)) + 8.0  # far apart in every coordinate
    draws = np.random.default_rng(rng.integers(2**32))
    points = np.asarray(call(function, (real, fake, draws), BETWEEN), "float64")
    if points.shape != (n, d):
        raise Wrong(f"The result has the shape {points.shape}. Wanted: a point for each pair, {(n, d)}.")
    if not np.isfinite(points).all():
        raise Wrong("The result holds NaN or infinity.")
    u = (points - fake) / (real - fake)
    return {
        "outside": bool(((u < -1e-6) | (u > 1 + 1e-6)).any()),
        "off": bool(np.ptp(u, axis=1).max() > 1e-6),
        "shared": bool(np.ptp(u[:, 0]) < 1e-6),
        "uneven": stats.kstest(u[:, 0], "uniform").pvalue < 1e-6,
    }


BETWEEN = "a function of real and fake, (n, d) each, and rng, a generator of NumPy, that returns points, (n, d)"

# --- ch13.coverage --------------------------------------------------------------------------------


def mixtures(rng):
    for k, scale, n in ((6, 0.2, 60), (4, 1.3, 90)):
        centres = 12 * scale * np.stack([np.arange(k), rng.normal(size=k)], axis=1)
        near = centres[rng.integers(0, k - 1, n)]  # nothing was drawn from the last one
        samples = near + rng.uniform(0.3, 3.0, (n, 1)) * scale * rng.normal(size=(n, 2))
        samples[:2] = centres[-1] + 4.5 * scale * np.array([(0.6, 0.8), (1.0, 0.0)])  # nearest to it, and too far away
        yield samples, centres, scale


def covered(samples, centres, scale, reach=3, good=True, share=False):
    """By a loop over samples."""
    found, high = set(), 0
    for x in samples:
        away = [np.hypot(*(x - c)) for c in centres]
        is_good = min(away) <= reach * scale
        high += is_good
        if is_good or not good:
            found.add(int(np.argmin(away)))
    return (len(found) / len(centres) if share else len(found)), high / len(samples)


def slipped(**how):
    return gives(lambda *case: covered(*case, **how))


# --- ch13.friction --------------------------------------------------------------------------------


def rates(rng):
    return {"critic": float(rng.choice([2.0, 3.0, 5.0])), "generator": float(rng.choice([0.3, 0.6, 0.8]))}


EXERCISES = (
    Choice(
        name="ch13.half",
        points=1,
        section="What the losses do not say",
        wants="the letter of one option, in quotes",
        hints=(
            "What does a critic pay that answers D = 1/2 to everything? And which critics answer so?",
            "The chapter has a critic that pays 1.386 to the end. What did its samples look like?",
        ),
        question="You train a GAN on pictures. From step 500 on the critic pays 1.386, which is 2 log 2, on every batch, and "
        "its D is 1/2 everywhere. What do you know?",
        right="this critic cannot tell these samples from data; how good they are, the loss does not say",
        wrong={
            "the game has converged: the samples are distributed as the data": "That would be so if the critic were "
            "perfect. A critic that is too weak, or that has stopped learning, pays the same.",
            "the generator has collapsed to a few pictures": "A critic that can see would tell a few pictures, repeated, "
            "from data at once, and pay less.",
            "the generator is stuck, because minimax gradients vanish when D is 1/2": "They vanish where D is near 0 at "
            "the samples. At 1/2 the factor is 1/2, for both losses.",
        },
        after="Compare samples with held-out data, in a space of features, and say which.",
    ),
    Function(
        name="ch13.arrows",
        points=2,
        section="When the critic is too good",
        wants="a function of logits, (n,), and slopes, (n, d), that returns the arrows, (n, d)",
        hints=(
            "The arrow is minus the derivative of the sample's own loss by the sample. The chain rule: the loss by the "
            "logit, times the logit by the sample.",
            "The derivative of -log D by the logit is D - 1, with D = 1 / (1 + exp(-logit)).",
            "A critic that is sure, logit -800, must pull with its full slope: 1 - D is 1 there. "
            "`scipy.special.expit` does not overflow.",
        ),
        cases=verdicts,
        truth=pulled,
        mistakes=(
            Mistake(
                "These are the arrows of the minimax loss: they vanish where the critic is sure that a sample is none of the "
                "data.",
                arrow(factor=expit),
                "Which loss does not saturate?",
            ),
            Mistake(
                "The arrows point the wrong way: this is the direction in which the loss grows.",
                arrow(sign=-1),
            ),
            Mistake(
                "This is the critic's slope alone, as for the Wasserstein loss. The factor of the loss is missing.",
                arrow(factor=np.ones_like),
            ),
            Mistake(
                "These are the arrows of the mean loss over the samples. Wanted: of each sample's own loss.",
                gives(lambda logits, slopes: pulled(logits, slopes) / len(logits)),
            ),
            Mistake(
                "The factor is D (1 - D), the derivative of D. Wanted: that of log D.",
                arrow(factor=lambda logits: expit(logits) * expit(-logits)),
            ),
        ),
        after="It is what the live figure draws at every sample.",
    ),
    Report(
        name="ch13.between",
        points=2,
        section="Wasserstein: how far must the sand be carried?",
        wants=BETWEEN,
        hints=(
            "Where do the points lie that belong to one pair? Draw a few hundred for one pair, and plot them.",
            "Count the random numbers: how many are there for each pair, and from which distribution do they come?",
            "A shape of (n, 1) is stretched over all coordinates.",
        ),
        collect=weights,
        mistakes=(
            Mistake(
                "Two things are wrong: some points lie beyond the pair, and the coordinates of one point have different "
                "weights.",
                lambda found: found["outside"] and found["off"],
            ),
            Mistake(
                "Some points lie beyond the example or beyond the sample: there are weights outside [0, 1].",
                lambda found: found["outside"],
                "Which distribution has all its values between 0 and 1?",
            ),
            Mistake(
                "The points lie on no line from an example to its sample: each coordinate has a weight of its own.",
                lambda found: found["off"],
            ),
            Mistake(
                "All pairs have the same weight. Each wants one of its own.",
                lambda found: found["shared"],
            ),
            Mistake(
                "The weights lie in [0, 1], but they are not uniform there.",
                lambda found: found["uneven"],
            ),
        ),
    ),
    Function(
        name="ch13.coverage",
        points=2,
        section="Which modes are found?",
        wants="a function of samples, (n, 2), centres, (k, 2), and scale that returns two numbers: how many modes are covered, "
        "and the share of samples of high quality",
        hints=(
            "All distances at once: an array of shape (n, k).",
            "First the nearest centre of each sample, then whether it is near enough, then how many different centres are left.",
            "np.unique counts different values.",
        ),
        cases=mixtures,
        truth=covered,
        mistakes=(
            Mistake(
                "A mode counts as soon as it is the nearest one to some sample, however far away that sample lies.",
                slipped(good=False),
            ),
            Mistake(
                "A sample has to lie within three standard deviations. Here it is one.",
                slipped(reach=1),
            ),
            Mistake(
                "The squared distance is compared with three standard deviations.",
                gives(lambda x, c, s: covered(x, c, s, reach=np.sqrt(3 * s) / s)),
            ),
            Mistake(
                "The first number is a share of the modes. Wanted: how many.",
                slipped(share=True),
            ),
            Mistake(
                "The two numbers have changed places.",
                gives(lambda *case: covered(*case)[::-1]),
            ),
        ),
        after="`metrics.mode_coverage` does the same, and can ask for more than one sample in a mode.",
    ),
    Number(
        name="ch13.friction",
        points=2,
        section="Why the players circle",
        wants="one number, the weight gamma",
        hints=(
            "Write the 2 by 2 matrix with the two rates in it: the row of the generator is multiplied by the one, the row of "
            "the critic, friction and all, by the other.",
            "Its eigenvalues solve lambda² + a gamma lambda + a b / 4 = 0, with the critic's rate a and the generator's b.",
            "The players stop circling where the square root in the solution is zero.",
        ),
        question="In the smallest game, with the non-saturating loss and R1, the critic moves at {critic} times the speed of "
        "the chapter's equation, and the generator at {generator} times. From which weight gamma on do the players, near "
        "the solution, go straight to it, that is, with real eigenvalues?",
        draw=rates,
        truth=lambda critic, generator: float(np.sqrt(generator / critic)),
        mistakes=(
            Mistake(
                "That is the weight for equal speeds, as in the chapter.",
                gives(lambda critic, generator: 1.0),
            ),
            Mistake(
                "The two speeds have changed places.",
                gives(lambda critic, generator: float(np.sqrt(critic / generator))),
            ),
            Mistake(
                "That is the square of the weight.",
                gives(lambda critic, generator: generator / critic),
            ),
            Mistake(
                "The friction has not been multiplied by the critic's speed. It is part of the critic's gradient.",
                gives(lambda critic, generator: float(np.sqrt(critic * generator))),
            ),
        ),
        after="A faster critic needs less friction: another reason to give it a larger learning rate, or more steps.",
    ),
)
