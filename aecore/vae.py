"""The variational autoencoder: codes with a distribution, and a bound on the likelihood. Chapters 10 and 11."""

import math

import keras
import numpy as np
from keras import ops

from aecore import _backend
from aecore.data import check_condition, check_examples, check_whole, labels_of
from aecore.distributions import Normal, Prior, StandardNormal
from aecore.divergences import gaussian_kl, importance_bound, total_correlation
from aecore.objectives import Bernoulli, Likelihood, SquaredError
from aecore.training import Model, check_kind, in_chunks

AT_ONCE = 2**22  # numbers of one kind that `log_prob` holds at a time: 16 MB


@keras.saving.register_keras_serializable("aecore")
class VAE(Model):
    """A decoder p(x | z) under a prior p(z), and an encoder q(z | x) that guesses which code made x.

        L = E_q[-log p(x | z)] + beta KL(q(z | x) || p(z)),   a mean over s samples z = mean + exp(log_var / 2) noise

    With beta = 1 it is the negative evidence lower bound: -L <= log p(x). Its variants are arguments. beta-VAE: a beta;
    a schedule assigns `vae.beta` (callbacks.Schedule). Importance-weighted (IWAE): the log of the mean weight of the
    s samples in place of the mean of their logs. Free bits: a KL below `free_bits` in a coordinate is not pushed
    further down. Conditional: `classes`. A learned or fixed output scale belongs to the likelihood: Gaussian(0.1) or
    Gaussian(0.1, learned=True); the decoder gives means alone.

    Reported while training, in nats per example: `rec`, -log p(x | z); `kl`; with importance weights also `gain`, by
    how much they tighten the bound: L = rec + beta kl - gain.

    Args:
        encoder: keras.Model, (b, *shape) -> (b, 2d): d means, then d log variances. mlp_encoder(..., code_size=2 * d).
        decoder: keras.Model, (b, d) -> the likelihood's params.
        likelihood: Bernoulli(), Gaussian(...) or Categorical(k) (objectives.py): log p(x | z), with its constants.
        prior: a Prior (distributions.py), or None: N(0, I).
        beta: >= 0, where it starts.
        free_bits: nats per coordinate, >= 0, of the batch's mean KL; with the prior N(0, I) only.
        samples: s, codes drawn for each example in a training step, >= 1.
        importance_weighted: train on the tighter bound of s samples.
        dependence: a further price, >= 0, per nat of total correlation, estimated on the batch. With beta = 1 and
            dependence = w - 1 it is the beta-TCVAE with weight w. Reported as `tc`.
        classes: c >= 2, labels 0..c-1 given to encoder and decoder, each of which then has a second input (b, c)
            (`condition_size=c` in networks.py); `fit` and all verbs want `condition`. None: no condition.
        binarise: toss each grey pixel anew whenever `fit` or `evaluate` sees it (dynamic binarisation).
        grey: let grey pixels to a Bernoulli likelihood as they are. The loss is then no bound on a likelihood.
        corruption: a layer that is applied to what the encoder sees, in training only (corruption.py), or None:
            -L is then a bound on log p(x) still, with the encoder q(z | corruption(x)).
        seed: owns the noise of training.
    Raises: ValueError where parts do not fit one another or a number is out of range, TypeError for a part of
        another kind.
    Source: Kingma and Welling 2014; Higgins et al. 2017 (beta); Burda et al. 2016 (importance weights); Kingma et al.
        2016, equation 15 (free bits, each coordinate a group of its own); Chen et al. 2018, equation 4 (dependence);
        Sohn et al. 2015 (conditional); Im et al. 2017 (denoising).

    Example:
        net = dict(shape=(28, 28, 1), hidden=(400,))
        vae = VAE(mlp_encoder(**net, code_size=40), mlp_decoder(**net, code_size=20))
        vae.compile("adam")
        vae.fit(x)                      # x (n, 28, 28, 1), zeros and ones
        mean, log_var = vae.encode(x)   # (n, 20) each
        vae.sample(16)                  # (16, 28, 28, 1), probabilities
        vae.log_prob(x, samples=1000)   # (n,), nats
    """

    arguments = ("encoder", "decoder", "likelihood", "prior", "free_bits", "samples", "importance_weighted",
                 "dependence", "classes", "binarise", "grey", "corruption", "seed")  # fmt: skip

    def __init__(
        self, encoder, decoder, *, likelihood=None, prior=None, beta=1.0, free_bits=0.0, samples=1,
        importance_weighted=False, dependence=0.0, classes=None, binarise=False, grey=False, corruption=None,
        seed=0, **kwargs,
    ):  # fmt: skip
        terms = ["rec", "kl"] + ["gain"] * importance_weighted + ["tc"] * (dependence > 0)
        super().__init__(terms=terms, **kwargs)
        likelihood = Bernoulli() if likelihood is None else likelihood
        check_kind("VAE", "encoder", encoder, keras.Model, "mlp_encoder(shape, hidden, code_size=2 * d)")
        check_kind("VAE", "decoder", decoder, keras.Model, "mlp_decoder(shape, hidden, code_size=d)")
        check_kind("VAE", "likelihood", likelihood, Likelihood, "Bernoulli()")
        if corruption is not None:
            check_kind("VAE", "corruption", corruption, keras.layers.Layer, "Blobs()")
        for name, value in {"beta": beta, "free_bits": free_bits, "dependence": dependence}.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"VAE: {name} must be a finite number >= 0, got {value}.")
        (samples,), (seed,) = check_whole("VAE", samples=samples), check_whole("VAE", at_least=0, seed=seed)
        _check_fit(encoder, decoder, likelihood, classes)
        self.encoder, self.decoder, self.likelihood = encoder, decoder, likelihood
        self.shape, self.code_size = tuple(encoder.inputs[0].shape[1:]), decoder.inputs[0].shape[-1]
        self.prior = StandardNormal(self.code_size) if prior is None else prior
        check_kind("VAE", "prior", self.prior, Prior, "MixturePrior(code_size, components)")
        self.prior.use(encoder)
        self.width = max(math.prod(self.shape), math.prod(decoder.output_shape[1:]), self.prior.width)  # for each code
        _check_bound(self.prior, self.code_size, free_bits, importance_weighted)
        self.beta_at_start, self.free_bits, self.samples, self.dependence = beta, free_bits, samples, dependence
        self.importance_weighted, self.classes = importance_weighted, classes
        self.binarise, self.grey, self.corruption, self.seed = binarise, grey, corruption, seed
        self.beta = self.add_weight(shape=(), initializer=keras.initializers.Constant(beta), trainable=False)
        self.noise = keras.random.SeedGenerator(seed)
        self.built = True
        x, z, noise = (keras.KerasTensor((None, *s)) for s in (self.shape, (self.code_size,), (None, self.code_size)))
        labels = [] if classes is None else [keras.KerasTensor((None,), "int32")]
        self.encode_batch = _backend.fast(self.posterior, self, x, *labels)
        self.decode_batch = _backend.fast(lambda *z: self.likelihood.mean(self.params(*z)), self, z, *labels)
        self.weigh_batch = _backend.fast(self.log_weights, self, noise, x, *labels)

    # --- the model, on tensors: x (b, *shape), condition (b,), z (..., b, d) ------------------------------

    def posterior(self, x, condition=None, training=False):
        """q(z | x): a Normal of shape (b, d)."""
        return Normal(*ops.split(self._run(self.encoder, x, condition, training), 2, axis=-1))

    def params(self, z, condition=None, training=False):
        """The params of p(x | z), all leading axes in one: (..., b, d) -> (rows, ...)."""
        if condition is not None:
            condition = ops.reshape(ops.broadcast_to(condition, ops.shape(z)[:-1]), (-1,))
        return self._run(self.decoder, ops.reshape(z, (-1, self.code_size)), condition, training)

    def log_joint(self, x, z, condition=None):
        """log p(x, z) = log p(x | z) + log p(z): (..., b), nats."""
        return self.prior.log_prob(z) - self._nll(x, self.params(z, condition), ops.shape(z)[:-1])

    def log_weights(self, noise, x, condition=None):
        """log p(x, z) - log q(z | x) at the codes z that the noise, (..., b, d), makes: (..., b), nats."""
        q = self.posterior(x, condition)
        z = q.sample(noise)
        return self.log_joint(x, z, condition) - q.log_prob(z)

    def _run(self, net, values, condition, training):
        return net(values if condition is None else [values, ops.one_hot(condition, self.classes)], training=training)

    def _nll(self, x, params, leading):
        x = ops.reshape(ops.broadcast_to(x, (*leading, *self.shape)), (-1, *self.shape))
        return ops.reshape(self.likelihood.nll(x, params), leading)

    # --- training -----------------------------------------------------------------------------------------

    def call(self, inputs, training=False):
        x, condition = (inputs["x"], inputs["condition"]) if self.classes else (inputs, None)
        if self.binarise:
            x = ops.cast(keras.random.uniform(ops.shape(x), seed=self.noise) < x, x.dtype)
        seen = self.corruption(x) if training and self.corruption is not None else x
        q = self.posterior(seen, condition, training)  # (b, d)
        z = q.sample(keras.random.normal((self.samples, *ops.shape(q.mean)), seed=self.noise))  # (s, b, d)
        return {"x": x, "q": q, "z": z, "params": self.params(z, condition, training)}

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        q, z = y_pred["q"], y_pred["z"]
        rec = self._nll(y_pred["x"], y_pred["params"], ops.shape(z)[:-1])  # (s, b)
        if self.importance_weighted:
            kl = Prior.kl(self.prior, q, z)  # (s, b)
            log_weights = -rec - self.beta * kl
            gain = importance_bound(log_weights, axis=0) - ops.mean(log_weights, axis=0)
            terms = {"gain": (gain, -1.0)}
        else:
            kl = self.prior.kl(q, z)  # (b,) in closed form, else (s, b)
            terms = {}
        kl = ops.mean(ops.reshape(kl, (-1, ops.shape(rec)[1])), axis=0)
        if self.dependence:
            tc = total_correlation(z, q.mean, q.log_var)  # (s, b)
            terms["tc"] = (ops.mean(tc, axis=0), self.dependence)
        if self.free_bits:
            each = ops.mean(gaussian_kl(q.mean[..., None], q.log_var[..., None]), axis=0)  # (d,)
            terms["free"] = (ops.sum(ops.relu(self.free_bits - each)), self.beta)
        return self.total(sample_weight, rec=(ops.mean(rec, axis=0), 1.0), kl=(kl, self.beta), **terms)

    def fit(self, x, y=None, *, condition=None, **kwargs):
        """Train. Args: as `Model.fit`, and condition (or y), labels (n,); then validation_data is (x, labels)."""
        return super().fit(x, labels_of("fit", y, condition), **kwargs)

    def evaluate(self, x, y=None, *, condition=None, **kwargs):
        """The mean of every loss term over examples, as a dict, with fresh noise. Args: as `fit`."""
        return super().evaluate(x, labels_of("evaluate", y, condition), **kwargs)

    def check(self, x, y=None):
        x, *labels = self.checked("VAE", x, y)
        return ({"x": x, "condition": labels[0]} if labels else x,)

    def checked(self, name, x, condition, tossed=False):
        """Check x, which has to be `tossed` already where a likelihood is computed as it is, and the labels."""
        x = check_examples(x, self.shape, name)
        strict = isinstance(self.likelihood, Bernoulli) and not self.grey and (tossed or not self.binarise)
        if strict and not ((x == 0) | (x == 1)).all():
            raise ValueError(
                f"{name}: a Bernoulli likelihood is one of zeros and ones, got values from {x.min():.9g} to "
                f"{x.max():.9g}. Toss grey pixels once, data.binarised(x), or at every look, VAE(..., binarise=True); "
                "or use Gaussian(0.1, learned=True). VAE(..., grey=True) takes grey pixels as they are: its loss is "
                "then no likelihood."
            )
        self.likelihood.check(x, name)
        return x, *check_condition(condition, len(x), self.classes, name)

    # --- verbs, on arrays ---------------------------------------------------------------------------------

    def encode(self, x, condition=None, batch_size=1024):
        """q(z | x) of examples: a Normal of mean and log_var, (n, d) each. Args: x, (n, *shape); condition, (n,)."""
        return in_chunks(self.encode_batch, self.checked("encode", x, condition), batch_size, "encode")

    def decode(self, codes, condition=None, batch_size=1024):
        """The mean of p(x | z): codes (n, d) -> pixels or probabilities, (n, *shape)."""
        codes = check_examples(codes, (self.code_size,), "decode")
        inputs = (codes, *check_condition(condition, len(codes), self.classes, "decode"))
        return in_chunks(self.decode_batch, inputs, batch_size, "decode")

    def reconstruct(self, x, condition=None, batch_size=1024):
        """Decode the mean of q(z | x): (n, *shape) -> (n, *shape)."""
        return self.decode(self.encode(x, condition, batch_size).mean, condition, batch_size)

    def sample(self, n, seed=0, condition=None):
        """Decode codes drawn from the prior: the mean of p(x | z), (n, *shape). Args: n; seed; condition, (n,)."""
        return self.decode(self.prior.sample(n, seed), condition)

    def bound(self, x, samples=100, seed=0, condition=None):
        """The evidence lower bound, E_q[log p(x, z) - log q(z | x)], whatever beta. Args and returns: as `log_prob`."""
        weights = self.weigh("bound", x, samples, seed, condition)
        return np.concatenate([w.mean(axis=0) for w in weights]).astype("float32")

    def log_prob(self, x, samples=1000, seed=0, condition=None):
        """A lower bound on log p(x) by importance sampling from the encoder, close for many samples.

            log (1/k) sum_s p(x, z_s) / q(z_s | x)

        Args:
            x: (n, *shape). condition: labels (n,).
            samples: k, codes drawn for each example; an estimate is to be reported with it.
            seed: owns the draws, which are the same on every backend.
        Returns: (n,), nats. In expectation it grows with k and is never above log p(x).
        Source: Burda et al. 2016, equation 8. Memory is bounded but for the k weights of one example.
        """
        weights = self.weigh("log_prob", x, samples, seed, condition)
        sums = np.concatenate([np.logaddexp.reduce(w, axis=0) for w in weights])
        return (sums - math.log(samples)).astype("float32")

    def weigh(self, name, x, samples, seed, condition):
        """Yield the log weights of some examples after another, (samples, b), in float64: they are summed up."""
        inputs = self.checked(name, x, condition, tossed=True)
        (samples,), (seed,) = check_whole(name, samples=samples), check_whole(name, at_least=0, seed=seed)
        k = min(samples, rows := max(1, AT_ONCE // self.width))
        b = min(rows // k, len(inputs[0]))
        rng = np.random.default_rng(seed)
        for i in range(0, len(inputs[0]), b):
            # One shape for all calls, so that they share one compiled function: rows that are too many are dropped.
            part = [np.resize(a[i : i + b], (b, *a.shape[1:])) for a in inputs]
            draws = (rng.standard_normal((k, b, self.code_size), "float32") for _ in range(0, samples, k))
            log_weights = np.concatenate([self.weigh_batch(noise, *part).astype("float64") for noise in draws])
            yield log_weights[:samples, : len(inputs[0]) - i]

    def get_config(self):
        return {**super().get_config(), "beta": self.beta_at_start}


def _check_fit(encoder, decoder, likelihood, classes):
    if isinstance(likelihood, SquaredError):
        raise ValueError(
            "VAE: SquaredError() leaves out the constants of a likelihood. Gaussian(0.5**0.5) is the same loss with "
            "them; for pixels in [0, 1] try Gaussian(0.1, learned=True)."
        )
    if classes is not None:
        check_whole("VAE", at_least=2, classes=classes)
    for what, net in {"encoder": encoder, "decoder": decoder}.items():
        conditions = [tuple(i.shape[1:]) for i in net.inputs[1:]]
        if conditions != [(classes,)] * (classes is not None):
            raise ValueError(
                f"VAE: with classes={classes} the {what} wants {'a' if classes else 'no'} second input"
                f"{f' of shape ({classes},)' if classes else ''}, got {conditions}. Build it with "
                f"condition_size={classes or 0}."
            )
    d, got = decoder.inputs[0].shape[-1], tuple(encoder.output_shape[1:])
    if got != (2 * d,):
        raise ValueError(
            f"VAE: the decoder wants codes of size {d}, so the encoder must give {d} means and {d} log variances, "
            f"({2 * d},), got {got}. Build it with code_size={2 * d}."
        )
    likelihood.check_decoder(encoder.inputs[0].shape[1:], decoder.output_shape[1:], "VAE")


def _check_bound(prior, code_size, free_bits, importance_weighted):
    if prior.code_size != code_size:
        raise ValueError(f"VAE: wanted a prior of codes of size {code_size}, got {prior.code_size}.")
    if free_bits and (importance_weighted or not isinstance(prior, StandardNormal)):
        raise ValueError(
            "VAE: free_bits are counted on the closed-form KL to N(0, I); got "
            f"{'importance weights' if importance_weighted else type(prior).__name__}. Leave free_bits at 0."
        )
