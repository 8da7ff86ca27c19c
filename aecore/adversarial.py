"""What a generator and its critic are asked to do: losses in pairs, and penalties on the critic. Chapter 13.

Pure functions of logits, one number for each example. A critic's logit is large where it takes an example for data.
"""

import keras
from keras import ops

from aecore._backend import input_gradient
from aecore.objectives import Penalty, sum_over_event

register = keras.saving.register_keras_serializable("aecore")
TINY = 1e-12  # a squared slope below it counts as this one: the square root has no gradient at zero


class AdversarialLoss:
    """A pair of losses. A subclass has both.

    `critic(real, fake)`: what the critic pays for its logits of data and of samples, (b,) each -> (b,).
    `generator(fake)`: what the generator pays for the critic's logits of its samples, (b,) -> (b,).
    """

    def mirrored(self, logits):
        """The logits of a critic that takes data for samples and samples for data: (b,) -> (b,)."""
        return -logits

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@register
class Minimax(AdversarialLoss):
    """The game as it is defined: the generator maximises what the critic minimises.

        critic:     -log D(x) - log(1 - D(G(z))),   D = sigmoid(logit)
        generator:  log(1 - D(G(z)))

    Returns: nats. A critic that is sure of itself leaves the generator without a gradient.
    Source: Goodfellow et al. 2014, equation 1. Chapter 13.
    """

    def critic(self, real, fake):
        return ops.softplus(-real) + ops.softplus(fake)

    def generator(self, fake):
        return -ops.softplus(fake)


@register
class NonSaturating(Minimax):
    """The critic of `Minimax`; the generator makes its samples' probability large instead: -log D(G(z)), nats.

    Source: Goodfellow et al. 2014, section 3. Chapter 13.
    """

    def generator(self, fake):
        return ops.softplus(-fake)


@register
class LeastSquares(AdversarialLoss):
    """Regression on the labels 1, data, and 0, samples.

        critic:     (D(x) - 1)^2 / 2 + D(G(z))^2 / 2,   D the logit itself
        generator:  (D(G(z)) - 1)^2 / 2

    Source: Mao et al. 2017, equation 9. Chapter 13.
    """

    def critic(self, real, fake):
        return 0.5 * (ops.square(real - 1) + ops.square(fake))

    def generator(self, fake):
        return 0.5 * ops.square(fake - 1)

    def mirrored(self, logits):
        return 1 - logits


@register
class Wasserstein(AdversarialLoss):
    """The critic's mean difference between data and samples. Wants a critic of bounded slope: a penalty.

        critic:     D(G(z)) - D(x)
        generator:  -D(G(z))

    Source: Arjovsky et al. 2017, equation 2 and algorithm 1. Chapter 13.
    """

    def critic(self, real, fake):
        return fake - real

    def generator(self, fake):
        return -fake


@register
class Hinge(Wasserstein):
    """The critic pays only for logits inside the margin; the generator as in `Wasserstein`.

        critic:     max(0, 1 - D(x)) + max(0, 1 + D(G(z)))

    Source: Lim and Ye 2017; Miyato et al. 2018, equations 16 and 17. Chapter 13.
    """

    def critic(self, real, fake):
        return ops.relu(1 - real) + ops.relu(1 + fake)


# --- penalties on the critic: L = L_critic + weight * value ------------------------------------------------


class CriticPenalty(Penalty):
    """A term of the critic's loss that keeps its slope, the gradient by its input, within bounds.

    `weight` is a variable: `penalty.weight.assign(1.0)` takes effect in the middle of training.

    Args:
        weight: >= 0.
    Raises: ValueError where weight is negative or not finite.

    A subclass has one method, `value(critic, real, fake, mix)`: the penalty of each example before it is weighted,
    (b,). `critic` maps examples to logits (b,), each by itself; real and fake are tensors (b, ...), or lists of some
    where the critic looks at several things at once; mix are numbers in [0, 1], (b,).
    """


@register
class GradientPenalty(CriticPenalty):
    """(|slope| - 1)^2 at points on the lines between data and samples, one per line.

        x = mix real + (1 - mix) fake,   mix ~ U[0, 1], one for each example

    Source: Gulrajani et al. 2017, equation 3, weight 10 (WGAN-GP). Chapter 13.
    """

    def __init__(self, weight=10.0, **kwargs):
        super().__init__(weight, **kwargs)

    def value(self, critic, real, fake, mix):
        def between(a, b):
            t = ops.reshape(mix, (-1, *[1] * (len(a.shape) - 1)))
            return t * a + (1 - t) * b

        squares = _squared_slope(critic, keras.tree.map_structure(between, real, fake))
        return ops.square(ops.sqrt(ops.maximum(squares, TINY)) - 1)


@register
class R1(CriticPenalty):
    """|slope|^2 / 2 at the data.

    Source: Mescheder et al. 2018, equation 9; the weight is their gamma. Chapter 13.
    """

    def value(self, critic, real, fake, mix):
        return 0.5 * _squared_slope(critic, real)


def _squared_slope(critic, x):
    """|d critic(x) / d x|^2 of each example, over all that x consists of: (b,)."""
    _, slopes = input_gradient(lambda x: ops.sum(critic(x)), x)
    return sum(sum_over_event(ops.square(s)) for s in keras.tree.flatten(slopes))
