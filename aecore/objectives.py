"""What an autoencoder is asked to do: likelihoods, and penalties on the code.

Every function returns one number per example: summed over the event (pixels, channels, code units),
never over the batch. Chapter 1 derives the likelihoods, chapter 2 the penalties.
"""

import math

import keras
from keras import ops

from aecore._backend import input_jacobian

register = keras.saving.register_keras_serializable("aecore")


def sum_over_event(per_value):
    """Sum everything but the batch axis: (b, ...) -> (b,)."""
    return ops.sum(ops.reshape(per_value, (ops.shape(per_value)[0], -1)), axis=1)


class _Part(keras.layers.Layer):
    """A piece of an objective: a Keras layer only so that its numbers are tracked and saved with the model."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def scalar(self, value, name, trainable=False):
        return self.add_weight(shape=(), initializer=keras.initializers.Constant(value), trainable=trainable, name=name)


# --- likelihoods: nll(x, params) -> (b,) and mean(params) -> what to show ---------------------------


class Likelihood(_Part):
    """What a decoder's numbers mean. A subclass has `nll` and `mean`, and says which x it can be asked about."""

    params_per_value = 1
    wants = "real numbers"

    def fits(self, x):
        """Whether all of x, an array, are values that the likelihood knows."""
        return True

    def check(self, x, name):
        """Raise a ValueError where x, an array, holds values that the likelihood does not know. name: who asks."""
        if not self.fits(x):
            raise ValueError(
                f"{name}: a {type(self).__name__} likelihood wants {self.wants}, got values from "
                f"{x.min():.9g} to {x.max():.9g}. Rescale or round the data, or use SquaredError()."
            )

    def check_decoder(self, shape, output, name):
        """Raise a ValueError where a decoder's output shape does not give the params for examples of a shape."""
        k = self.params_per_value
        wanted = tuple(shape) + ((k,) if k > 1 else ())
        if tuple(output) != wanted:
            raise ValueError(
                f"{name}: for inputs {tuple(shape)} a {type(self).__name__} likelihood wants a decoder with output "
                f"{wanted}, got {tuple(output)}. Build it with the encoder's shape and params_per_value={k}."
            )


@register
class SquaredError(Likelihood):
    """The squared error of an example, summed over its pixels.

        nll(x, params) = sum_i (x_i - params_i)^2

    It is the Gaussian likelihood with variance 1/2, without its constant (D / 2) log(pi).

    Shapes: x and params (b, ...); nll (b,) in squared pixel units. x may be any real number.
    Chapter 1.
    """

    def nll(self, x, params):
        return sum_over_event(ops.square(x - params))

    def mean(self, params):
        return params


@register
class Bernoulli(Likelihood):
    """Each pixel is a coin: the decoder gives its logit, and the loss is the cross-entropy.

        nll(x, logits) = sum_i softplus(logits_i) - x_i logits_i

    Written on logits because log(sigmoid(l)) is -inf in float32 from l = -104 on.
    For grey values in (0, 1) it is still a loss whose best answer is x, but no longer a likelihood:
    its floor is then the pixels' own entropy, not 0.

    Shapes: x in [0, 1] and logits (b, ...); nll (b,) in nats.
    Chapter 1.
    """

    wants = "pixels in [0, 1]"

    def fits(self, x):
        return x.min() >= 0 and x.max() <= 1

    def nll(self, x, params):
        return sum_over_event(ops.softplus(params) - x * params)

    def mean(self, params):
        return ops.sigmoid(params)


@register
class Gaussian(Likelihood):
    """Each pixel is the decoder's mean plus noise of one scale, shared by all pixels.

        nll(x, mean) = sum_i (x_i - mean_i)^2 / (2 scale^2) + log(scale) + log(2 pi) / 2

    Args:
        scale: the standard deviation, > 0, in pixel units; where `learned`, its value at the start.
        learned: let training move the scale.
    Shapes: x and mean (b, ...); nll (b,) in nats (of a density: it can be negative).
    Raises: ValueError where scale is not a positive number.
    Source: for the learned scale, Rybkin et al. 2021 (sigma-VAE), section 3.
    Chapter 1.
    """

    def __init__(self, scale=1.0, learned=False, **kwargs):
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"Gaussian: scale must be a positive number, got {scale}. Try 0.1 for pixels in [0, 1].")
        super().__init__(**kwargs)
        self.config = {"scale": scale, "learned": learned}
        self.log_scale = self.scalar(math.log(scale), "log_scale", trainable=learned)

    def nll(self, x, params):
        residual = (x - params) * ops.exp(-self.log_scale)
        return sum_over_event(0.5 * ops.square(residual) + self.log_scale + 0.5 * math.log(2 * math.pi))

    def mean(self, params):
        return params

    def get_config(self):
        return {**super().get_config(), **self.config}


@register
class Categorical(Likelihood):
    """Each value is one of k symbols: the decoder gives k logits for it.

        nll(x, logits) = sum_i logsumexp(logits_i) - logits_i[x_i]

    Args:
        classes: k, >= 2.
    Shapes: x, integers in 0..k-1 (any dtype), (b, ...); logits (b, ..., k); nll (b,) in nats;
        mean: the probabilities, (b, ..., k).
    Raises: ValueError where classes < 2.
    Chapter 3 (quantised grey levels), chapter 4 (text).
    """

    def __init__(self, classes, **kwargs):
        if classes < 2:
            raise ValueError(f"Categorical: classes must be at least 2, got {classes}.")
        super().__init__(**kwargs)
        self.params_per_value = classes
        self.wants = f"symbols, whole numbers from 0 to {classes - 1}"

    def fits(self, x):
        return x.min() >= 0 and x.max() < self.params_per_value and (x == x.round()).all()

    def nll(self, x, params):
        x = ops.one_hot(ops.cast(x, "int32"), self.params_per_value, dtype=params.dtype)  # (b, ..., k)
        return sum_over_event(ops.logsumexp(params, axis=-1) - ops.sum(x * params, axis=-1))

    def mean(self, params):
        return ops.softmax(params, axis=-1)

    def get_config(self):
        return {**super().get_config(), "classes": self.params_per_value}


# --- penalties: L = L_rec + weight * penalty ------------------------------------------------------


class Penalty(_Part):
    """A term that is added to the reconstruction error with a weight, lambda.

    `weight` is a variable: `penalty.weight.assign(0.1)` takes effect in the middle of training.

    Args:
        weight: lambda, >= 0.
    Raises: ValueError where weight is negative or not finite.

    A subclass has one method, `value(codes, x, encoder)`: the penalty of each example before it is weighted,
    (b,), from codes = encoder(x), (b, d), the input x, (b, ...), and the function between them.
    """

    def __init__(self, weight, **kwargs):
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"{type(self).__name__}: weight must be a finite number >= 0, got {weight}.")
        super().__init__(**kwargs)
        self.initial_weight = weight
        self.weight = self.scalar(weight, "weight")

    def get_config(self):
        return {**super().get_config(), "weight": self.initial_weight}


@register
class L2(Penalty):
    """sum_j z_j^2: keeps codes near the origin. Chapter 2."""

    def value(self, codes, x, encoder):
        return ops.sum(ops.square(codes), axis=-1)


@register
class L1(Penalty):
    """sum_j |z_j|: a sparse code, most units near zero. Chapter 2."""

    def value(self, codes, x, encoder):
        return ops.sum(ops.abs(codes), axis=-1)


@register
class KLSparsity(Penalty):
    """Ask that each code unit be on in a share `rate` of the examples.

        sum_j rate log(rate / r_j) + (1 - rate) log((1 - rate) / (1 - r_j)),   r_j = mean of z_j over the batch

    The only penalty that belongs to a batch and not to an example: every example gets the same number.

    Args:
        weight: lambda, >= 0.
        rate: wanted mean activation, in (0, 1). The encoder must end in a sigmoid: codes in [0, 1].
    Returns: nats. r_j is held at least 1e-6 away from 0 and 1, where the logarithm has no value.
    Raises: ValueError where rate is outside (0, 1).
    Source: Ng 2011, CS294A notes on sparse autoencoders, section 3. Chapter 2.
    """

    def __init__(self, weight, rate=0.05, **kwargs):
        if not 0 < rate < 1:
            raise ValueError(f"KLSparsity: rate must lie in (0, 1), got {rate}.")
        super().__init__(weight, **kwargs)
        self.rate = rate

    def value(self, codes, x, encoder):
        r = ops.clip(ops.mean(codes, axis=0), 1e-6, 1 - 1e-6)  # (d,)
        p = self.rate
        kl = ops.sum(p * ops.log(p / r) + (1 - p) * ops.log((1 - p) / (1 - r)))
        return kl * ops.ones_like(codes[:, 0])

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


@register
class Contractive(Penalty):
    """|d z / d x|^2, the squared Frobenius norm of the encoder's Jacobian: small moves of x hardly move z.

    Exact, by one backward pass per code unit: meant for codes of up to some dozens of units.
    Source: Rifai et al. 2011, equation 4. Differs: for any encoder, not only one sigmoid layer. Chapter 2.
    """

    def value(self, codes, x, encoder):
        return sum_over_event(ops.square(input_jacobian(encoder, x)))
