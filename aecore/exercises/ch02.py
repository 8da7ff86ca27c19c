"""Exercises of chapter 2, Deep and regularised autoencoders."""

from dataclasses import dataclass

import numpy as np
from scipy.special import rel_entr

from aecore.exercises._calling import gives
from aecore.exercises._kinds import Choice, Function
from aecore.exercises._verdict import Mistake
from aecore.exercises.ch02_sweep import SWEEP

# --- ch02.kl --------------------------------------------------------------------------------------


def sigmoid_codes(rng):
    for shape, rate in (((20, 5), 0.1), ((7, 12), 0.25)):
        yield rng.uniform(0.02, 0.9, shape), rate


def divergence(p, q):
    """KL between coins, p from q, in nats."""
    return rel_entr(p, q) + rel_entr(1 - p, 1 - q)


def kl(codes, rate):
    return divergence(rate, codes.mean(axis=0)).sum()


# --- ch02.denoise ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Blur:
    """Stands for a trained network: (n, h, w, c) -> (n, h, w, c). Named, and not a lambda, so that it can be sent."""

    strength: float

    def __call__(self, x):
        return np.tanh(self.strength * (x + np.roll(x, 1, axis=1) + np.roll(x, 1, axis=2)))


def damaged_pictures(rng):
    for shape, scale in (((6, 4, 5, 2), 0.3), ((9, 3, 3, 1), 1.7)):
        yield Blur(rng.uniform(0.2, 0.4)), rng.random(shape), rng.normal(size=shape), scale


def distance(a, b):
    """Squared, summed pixel by pixel."""
    return np.array([sum(np.square(p - q).flat) for p, q in zip(a, b, strict=True)])


def denoising_loss(reconstruct, x, noise, scale):
    return distance(x, np.stack([reconstruct((x + scale * noise)[i : i + 1])[0] for i in range(len(x))]))


# --- ch02.walk ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BestCleaner:
    """The best possible r for points from a Gaussian around `mean`: the mean of the clean ones, given the damaged."""

    mean: tuple
    spread: float
    sigma: float

    def __call__(self, x):
        trust = self.spread**2 / (self.spread**2 + self.sigma**2)
        return np.asarray(self.mean) + trust * (x - np.asarray(self.mean))

    def score(self, x):
        """The gradient of the log density of the damaged points, which are Gaussian too."""
        return (np.asarray(self.mean) - x) / (self.spread**2 + self.sigma**2)


def walkers(rng):
    for n, size, sigma, eta in ((12, 2, 0.3, 0.02), (5, 4, 0.7, 0.5)):
        cleaner = BestCleaner(tuple(rng.normal(size=size)), rng.uniform(0.5, 1.5), sigma)
        yield cleaner, rng.normal(size=(n, size)), rng.normal(size=(n, size)), sigma, eta


def langevin(reconstruct, x, noise, sigma, eta):
    return x + eta / 2 * reconstruct.score(x) + np.sqrt(eta) * noise


def walk(arrow, step=np.sqrt):
    """A walk with another arrow or another size of the noise."""
    return gives(lambda r, x, noise, sigma, eta: x + eta / 2 * arrow(r(x), x, sigma) + step(eta) * noise)


TWEEDIE = lambda r, x, sigma: (r - x) / sigma**2


EXERCISES = (
    Choice(
        name="ch02.loophole",
        points=1,
        section="All of them, measured",
        wants="the letter of one option, in quotes",
        hints=(
            "The penalty sees the code, and nothing but the code. Who can undo what it asks for?",
            "An untied network can halve the code and double the decoder's first matrix. What does the picture say to that?",
        ),
        question="The over-complete network of the chapter, 64 pixels and a code of 80 units, is trained with an L2 "
        "penalty on the code: once with its λ, once with ten times as much. Encoder and decoder have weights of their own. "
        "With the larger λ",
        right="the codes shrink, the decoder's first matrix grows, and the error rises only a little",
        wrong={
            "the codes shrink, and the error rises to that of a code with a few units": "L2 makes units small, not "
            "zero, and a small code still says everything, if the decoder listens more closely.",
            "the codes keep their size, and the decoder's first matrix shrinks": "The penalty is on the codes: their "
            "size is what it makes costly. The decoder's matrix is free.",
            "most units of the code become exactly zero": "That is what L1 with a ReLU does. The slope of a square "
            "fades near zero, so nothing pushes a unit the last bit of the way.",
        },
        after="The penalty is paid for by scale alone. Tied weights, or weight decay beside the penalty, close the loophole.",
    ),
    Function(
        name="ch02.kl",
        points=2,
        section="On the code",
        wants="a function of codes, (n, d) in (0, 1), and the wanted rate that returns one number: the divergence, "
        "summed over the units, in nats",
        hints=(
            "First the mean of each unit over the batch, then the divergence, then the sum over the units.",
            "Two coins are compared: one term for heads, one for tails.",
            "The wanted rate stands in front of the logarithm, and above the fraction bar within it.",
        ),
        cases=sigmoid_codes,
        truth=kl,
        mistakes=(
            Mistake(
                "The sign is turned. A divergence is never negative, and training makes the loss smaller: it would drive "
                "the units away from their rate.",
                gives(lambda z, rate: -kl(z, rate)),
            ),
            Mistake(
                "The two coins have changed places: this is the divergence of the wanted rate from the measured one.",
                gives(lambda z, rate: divergence(z.mean(axis=0), rate).sum()),
                "The formula weighs each logarithm with the *wanted* probability.",
            ),
            Mistake(
                "Only one side of the coin is counted: how often a unit is on. The other half is missing.",
                gives(lambda z, rate: rel_entr(rate, z.mean(axis=0)).sum()),
            ),
            Mistake(
                "This is the mean over the units. The penalty sums over them.",
                gives(lambda z, rate: divergence(rate, z.mean(axis=0)).mean()),
            ),
            Mistake(
                "Each example is held to the rate by itself. Wanted: the mean of each unit over the batch, and then the divergence.",
                gives(lambda z, rate: divergence(rate, z).mean(axis=0).sum()),
                "The mean belongs inside the logarithm.",
            ),
            Mistake(
                "The mean is taken along the wrong axis: over the units of an example, not over the examples of a unit.",
                gives(lambda z, rate: divergence(rate, z.mean(axis=1)).sum()),
            ),
            Mistake(
                "The logarithm has base 2: these are bits. The book measures in nats.",
                gives(lambda z, rate: kl(z, rate) / np.log(2)),
            ),
        ),
    ),
    Function(
        name="ch02.denoise",
        points=2,
        section="On the input",
        wants="a function of reconstruct, x, noise and scale that returns n numbers: the denoising loss of each picture",
        hints=(
            "What goes in, and what should come out? Write both down before you look at the code.",
            "A network that returns its input unchanged must *not* get the loss zero.",
            "Only the input is damaged. The target is the picture as it was.",
        ),
        cases=damaged_pictures,
        truth=denoising_loss,
        mistakes=(
            Mistake(
                "The result is compared with the damaged picture: a network that copies its input, noise and all, would be perfect.",
                gives(lambda r, x, noise, s: distance(r(x + s * noise), x + s * noise)),
                "What is the network asked to give back?",
            ),
            Mistake(
                "The network never sees the damage: this is the loss of a plain autoencoder.",
                gives(lambda r, x, noise, s: distance(r(x), x)),
            ),
            Mistake(
                "The clean picture goes in and the damaged one is asked for: the wrong way round.",
                gives(lambda r, x, noise, s: distance(r(x), x + s * noise)),
            ),
            Mistake(
                "The noise has the wrong strength: `scale` is its standard deviation, not its variance.",
                gives(lambda r, x, noise, s: distance(r(x + s**2 * noise), x)),
            ),
            Mistake(
                "The noise has strength 1, whatever `scale` says.",
                gives(lambda r, x, noise, s: distance(r(x + noise), x)),
            ),
            Mistake(
                "The loss is averaged over the pixels. The book sums over them.",
                gives(lambda r, x, noise, s: denoising_loss(r, x, noise, s) / x[0].size),
                section="What you need from before",
            ),
        ),
    ),
    SWEEP,
    Function(
        name="ch02.walk",
        points=3,
        section="What a denoising autoencoder learns",
        wants="a function of reconstruct, x, noise, sigma and eta that returns the points after one step, (n, D)",
        hints=(
            "Two parts: a little way along the score, and a little noise. Find the score in the chapter.",
            "The score at x points from x towards r(x). How is its length measured out?",
            "Independent steps add their variances, so the noise of a step of size η has the variance η.",
        ),
        cases=walkers,
        truth=langevin,
        mistakes=(
            Mistake(
                "The arrow points away from the data: the points climb down the density.",
                walk(lambda r, x, sigma: -TWEEDIE(r, x, sigma)),
                "From the damaged point to the clean one, not back.",
            ),
            Mistake(
                "The arrow has the wrong length: the score is measured in units of the noise's variance, not of its standard deviation.",
                walk(lambda r, x, sigma: (r - x) / sigma),
            ),
            Mistake(
                "This is r(x) - x, which is not the score yet: something divides it.",
                walk(lambda r, x, sigma: r - x),
            ),
            Mistake(
                "The arrow starts at the origin: from r(x) something has to be taken away.",
                walk(lambda r, x, sigma: r / sigma**2),
            ),
            Mistake(
                "The step along the score is twice too long for the noise that comes with it.",
                walk(lambda r, x, sigma: 2 * TWEEDIE(r, x, sigma)),
            ),
            Mistake(
                "The noise has the standard deviation η. Its variance should be η.",
                walk(TWEEDIE, step=lambda eta: eta),
                "Which is larger for a small step, η or its root?",
            ),
            Mistake(
                "There is no noise in the step: all points would end at the densest places.",
                walk(TWEEDIE, step=lambda eta: 0),
            ),
        ),
        after="Many small steps of this kind draw from the density of the damaged points.",
    ),
)
