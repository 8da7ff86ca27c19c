"""Diagonal normal distributions, and the priors of a latent-variable model. Log densities in nats.

Whoever draws owns the seed and hands over the noise. Chapters 10 and 11.
"""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from aecore.data import check_examples, check_whole
from aecore.divergences import gaussian_kl

register = keras.saving.register_keras_serializable("aecore")
LOG_2PI = math.log(2 * math.pi)


class Normal(NamedTuple):
    """A normal distribution with independent coordinates along the last axis: N(mean, diag(exp(log_var))).

    Args: mean, log_var, (..., d), tensors or arrays. What the methods return are tensors.
    """

    mean: object
    log_var: object

    def sample(self, noise):
        """Move noise from N(0, I) here: mean + exp(log_var / 2) noise. Args: noise, (..., d)."""
        return self.mean + ops.exp(0.5 * self.log_var) * noise

    def log_prob(self, z):
        """log N(z | mean, exp(log_var)): (..., d) -> (...), nats."""
        distance = ops.square(z - self.mean) * ops.exp(-self.log_var)
        return -0.5 * ops.sum(distance + self.log_var + LOG_2PI, axis=-1)

    def kl(self):
        """KL divergence to N(0, I), in closed form: (...), nats."""
        return gaussian_kl(self.mean, self.log_var)


# --- priors: log_prob(z), (..., d) -> (...), and sample(n, seed), (n, d) ---------------------------------


class Prior(keras.layers.Layer):
    """p(z): a Keras layer only so that its numbers are tracked, trained and saved with the model.

    A subclass has `code_size`, `log_prob(z)` and `sampler()`, and says in `width` how many numbers `log_prob` holds for
    each code.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def use(self, encoder):
        """Take note of the model's encoder, where the prior is made of it."""

    def kl(self, q, z):
        """KL(q || p) by one sample z of q: log q(z) - log p(z), (..., d) -> (...), nats."""
        return q.log_prob(z) - self.log_prob(z)

    def sampler(self):
        """A function (rng, n) -> codes, (n, d), of the prior as it is now: no variable is read later. rng: NumPy's."""
        raise NotImplementedError

    def sample(self, n, seed=0):
        """n codes, (n, d), float32: NumPy's, so that a seed gives the same ones on every backend."""
        check_whole(type(self).__name__, n=n), check_whole(type(self).__name__, at_least=0, seed=seed)
        return self.sampler()(np.random.default_rng(seed), int(n))


@register
class StandardNormal(Prior):
    """p(z) = N(0, I): nothing to learn, and the only prior here whose KL has a closed form.

    Args: code_size, d. Chapter 10.
    """

    def __init__(self, code_size, **kwargs):
        super().__init__(**kwargs)
        (self.code_size,) = check_whole("StandardNormal", code_size=code_size)
        self.width = self.code_size

    def log_prob(self, z):
        return -0.5 * ops.sum(ops.square(z) + LOG_2PI, axis=-1)

    def kl(self, q, z):
        return q.kl()

    def sampler(self):
        return lambda rng, n: rng.standard_normal((n, self.code_size), "float32")

    def get_config(self):
        return {**super().get_config(), "code_size": self.code_size}


class _Mixture(Prior):
    """p(z) = sum_k w_k N(z | m_k, v_k). A subclass has `components()`: Normal (K, d), and log w, (K,), tensors."""

    def log_prob(self, z):
        normals, log_weights = self.components()
        return ops.logsumexp(log_weights + normals.log_prob(z[..., None, :]), axis=-1)  # (..., K) -> (...)

    def sampler(self):
        (mean, log_var), log_weights = keras.tree.map_structure(ops.convert_to_numpy, self.components())
        weights = np.exp(log_weights.astype("float64"))

        def draw(rng, n):
            k = rng.choice(len(weights), n, p=weights / weights.sum())
            return mean[k] + np.exp(0.5 * log_var[k]) * rng.standard_normal((n, self.code_size), "float32")

        return draw


@register
class MixturePrior(_Mixture):
    """A mixture of K normals whose weights, means and variances are learned with the model.

    Args: code_size, d; components, K >= 1; seed, which owns the means at the start, drawn from N(0, I).
    Chapter 10.
    """

    def __init__(self, code_size, components, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.code_size, k = check_whole("MixturePrior", code_size=code_size, components=components)
        self.config = {"code_size": self.code_size, "components": k, "seed": seed}
        self.width = k * self.code_size
        normal = keras.initializers.RandomNormal(stddev=1.0, seed=seed)
        self.means = self.add_weight(shape=(k, self.code_size), initializer=normal, name="means")
        self.log_vars = self.add_weight(shape=(k, self.code_size), initializer="zeros", name="log_vars")
        self.logits = self.add_weight(shape=(k,), initializer="zeros", name="logits")

    def components(self):
        as_tensor = ops.convert_to_tensor
        return Normal(as_tensor(self.means), as_tensor(self.log_vars)), ops.log_softmax(as_tensor(self.logits))

    def get_config(self):
        return {**super().get_config(), **self.config}


@register
class VampPrior(_Mixture):
    """The mixture of what the encoder says about K pseudo-inputs, which are learned with the model.

        p(z) = (1/K) sum_k q(z | u_k)

    Args: pseudo_inputs, u at the start, (K, *shape): some of the training examples, for instance.
    Source: Tomczak and Welling 2018, equation 9. Differs: u is not held inside [0, 1]. Chapter 10.
    """

    def __init__(self, pseudo_inputs, **kwargs):
        super().__init__(**kwargs)
        u = check_examples(pseudo_inputs, np.shape(pseudo_inputs)[1:], "VampPrior")
        self.pseudo_inputs = self.add_weight(shape=u.shape, initializer="zeros", name="pseudo_inputs")
        self.pseudo_inputs.assign(u)

    def use(self, encoder):
        wanted, got = tuple(encoder.inputs[0].shape[1:]), tuple(self.pseudo_inputs.shape[1:])
        if len(encoder.inputs) > 1 or wanted != got:
            raise ValueError(
                f"VampPrior: wanted pseudo-inputs (K, {', '.join(map(str, wanted))}) and an encoder of these alone, "
                f"got pseudo-inputs of shape {got} and an encoder of {len(encoder.inputs)} inputs. "
                "Take some training examples; for a conditional model use MixturePrior."
            )
        self.encoder = encoder
        self.code_size = encoder.output_shape[-1] // 2
        self.width = self.pseudo_inputs.shape[0] * self.code_size

    def components(self):
        u = ops.convert_to_tensor(self.pseudo_inputs)
        mean, log_var = ops.split(self.encoder(u, training=False), 2, axis=-1)
        return Normal(mean, log_var), ops.full((u.shape[0],), -math.log(u.shape[0]))

    def get_config(self):
        return {**super().get_config(), "shape": list(self.pseudo_inputs.shape)}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        return cls(np.zeros(config.pop("shape"), "float32"), **config)  # the file's weights fill them
