"""Autoencoders with a critic: of codes, of pictures, or of pairs of both. Chapter 15."""

import math

import keras
from keras import ops

from aecore import _backend
from aecore.adversarial import AdversarialLoss, CriticPenalty, NonSaturating
from aecore.data import check_examples, check_whole
from aecore.distributions import Normal, Prior, StandardNormal
from aecore.games import Game, check_inputs, check_no_batch_norm, check_range, output_range
from aecore.objectives import Likelihood, SquaredError, sum_over_event
from aecore.training import check_kind, in_chunks

register = keras.saving.register_keras_serializable("aecore")


class Hybrid(Game):
    """An encoder, a decoder and a critic, with the codes' prior p(z). A subclass says what each player minimises.

    An encoder that gives 2d numbers, for a decoder of d, gives the means and log variances of q(z | x); else the code.
    `sees` says what the critic is shown: "pictures", "codes" or both.

    Args:
        encoder: keras.Model, (b, *shape) -> (b, d) or (b, 2d).
        decoder: keras.Model, (b, d) -> (b, *shape).
        critic: keras.Model, what it sees -> (b, 1). mlp_encoder(..., code_size=1, activation="leaky_relu").
        loss: NonSaturating() or another one of adversarial.py. penalty: R1(weight) or GradientPenalty(), or None.
        prior: a Prior (distributions.py), which stays as it is. None: N(0, I).
        seed: owns the noise of training.
    Raises: ValueError where parts do not fit one another, TypeError for a part of another kind.
    """

    arguments = ("encoder", "decoder", "critic", "loss", "penalty", "prior", "seed")
    terms = sees = ()

    def __init__(self, encoder, decoder, critic, *, loss=None, penalty=None, prior=None, seed=0, **kwargs):
        name, loss = type(self).__name__, NonSaturating() if loss is None else loss
        check_kind(name, "encoder", encoder, keras.Model, "mlp_encoder(shape, hidden, code_size=d)")
        check_kind(name, "decoder", decoder, keras.Model, "mlp_decoder(shape, hidden, code_size=d)")
        check_kind(name, "critic", critic, keras.Model, "mlp_encoder(shape, hidden, code_size=1)")
        check_kind(name, "loss", loss, AdversarialLoss, "NonSaturating()")
        if penalty is not None:
            check_kind(name, "penalty", penalty, CriticPenalty, "GradientPenalty()")
            check_no_batch_norm(name, critic, penalty)
        check_whole(name, at_least=0, seed=seed)
        super().__init__([*self.terms, *["penalty"] * (penalty is not None)], seed=seed, **kwargs)
        self.encoder, self.decoder, self.critic, self.loss, self.penalty = encoder, decoder, critic, loss, penalty
        self.shape, self.code_size = tuple(encoder.inputs[0].shape[1:]), decoder.inputs[0].shape[-1]
        self.prior = StandardNormal(self.code_size) if prior is None else prior
        check_kind(name, "prior", self.prior, Prior, "MixturePrior(code_size, components)")
        self.stochastic = encoder.output_shape[-1] == 2 * self.code_size
        self.seen = [{"pictures": self.shape, "codes": (self.code_size,)}[what] for what in self.sees]
        _check_fit(self, name)
        self.built = True
        x, z, *seen = (keras.KerasTensor((None, *s)) for s in (self.shape, (self.code_size,), *self.seen))
        self.encode_batch = _backend.fast(lambda x: self.code(x, training=False), self, x)
        self.decode_batch = _backend.fast(lambda z: self.picture(self.decoder(z, training=False)), self, z)
        self.criticise_batch = _backend.fast(lambda *seen: self.judge(*seen, training=False), self, *seen)

    # --- the game, on tensors: x (b, *shape), z and noise (b, d) -----------------------------------------------------

    def posterior(self, x, training=True):
        """q(z | x) of an encoder that gives means and log variances: a Normal of shape (b, d)."""
        return Normal(*ops.split(self.encoder(x, training=training), 2, axis=-1))

    def code(self, x, noise=None, training=True):
        """The code of x, (b, d): drawn from q(z | x) with noise, its mean without."""
        if not self.stochastic:
            return self.encoder(x, training=training)
        q = self.posterior(x, training)
        return q.mean if noise is None else q.sample(noise)

    def picture(self, decoded):
        """What the decoder's numbers stand for."""
        return decoded

    def judge(self, *seen, training=True):
        """The critic's logits of what it sees, (b,): large for what it takes for real."""
        return self.critic(list(seen) if len(seen) > 1 else seen[0], training=training)[:, 0]

    def players(self):
        return {part: getattr(self, part).trainable_variables for part in ("encoder", "decoder", "critic")}

    def step(self, batch):
        self.minimise(lambda: self.objectives(**batch))

    def objectives(self, x, z, noise=None, mix=None):
        """What the players minimise who move at once, from the same point: dict, player -> scalar."""
        raise NotImplementedError

    def critic_loss(self, logits, real, fake, mix):
        """What the critic pays, with its penalty. Args: logits of real and of fake; both, lists; mix, (b,)."""
        terms = {"critic": (self.loss.critic(*logits), 1.0)}
        if self.penalty is not None:
            value = self.penalty.value(lambda seen: self.judge(*seen), real, fake, mix)
            terms["penalty"] = (value, self.penalty.weight)
        return self.total(None, **terms)

    def batches(self, *args):
        self.prior_codes = self.prior.sampler()  # now: while it trains, JAX cannot read a variable
        return super().batches(*args)

    def draw(self, rng, steps, b):
        noise = {"z": self.prior_codes(rng, steps * b).reshape(steps, b, self.code_size)}
        if self.stochastic:
            noise["noise"] = rng.standard_normal((steps, b, self.code_size), "float32")
        return noise if self.penalty is None else {**noise, "mix": rng.random((steps, b), "float32")}

    # --- verbs, on arrays -----------------------------------------------------------------------------------

    def check(self, x, y=None):
        name = type(self).__name__
        if y is not None:
            raise ValueError(f"{name}: it learns from x alone. Leave y out.")
        x = check_examples(x, self.shape, name)
        check_range(name, x, output_range(self.decoder))
        return ({"x": x},)

    def encode(self, x, batch_size=1024):
        """The codes of examples, or the means of q(z | x): (n, *shape) -> (n, d)."""
        return in_chunks(self.encode_batch, check_examples(x, self.shape, "encode"), batch_size, "encode")

    def decode(self, codes, batch_size=1024):
        """What codes stand for: (n, d) -> (n, *shape)."""
        codes = check_examples(codes, (self.code_size,), "decode")
        return in_chunks(self.decode_batch, codes, batch_size, "decode")

    def reconstruct(self, x, batch_size=1024):
        """decode(encode(x)): (n, *shape) -> (n, *shape)."""
        return self.decode(self.encode(x, batch_size), batch_size)

    def sample(self, n, seed=0):
        """Decode codes drawn from the prior: (n, *shape). Args: n; seed."""
        return self.decode(self.prior.sample(n, seed))

    def criticise(self, *seen, batch_size=1024):
        """The critic's logits, (n,). Args: what it sees, in this order: pictures (n, *shape), codes (n, d)."""
        if len(seen) != len(self.seen):
            raise ValueError(f"criticise: this critic sees {' and '.join(self.sees)}, got {len(seen)} arrays.")
        arrays = tuple(check_examples(a, shape, "criticise") for a, shape in zip(seen, self.seen, strict=True))
        if len({len(a) for a in arrays}) > 1:
            raise ValueError(f"criticise: wanted pairs, got {' and '.join(str(len(a)) for a in arrays)} examples.")
        return in_chunks(self.criticise_batch, arrays, batch_size, "criticise")


@register
class AdversarialAutoencoder(Hybrid):
    """An autoencoder whose codes a critic compares with the prior: they take its shape, whatever it is.

        autoencoder:  L_rec = nll(x | decoder(z)),   z = encoder(x)
        critic:       loss.critic(D(z_p), D(z)) + weight * penalty,   z_p ~ p(z)
        encoder:      loss.generator(D(z))

    One step of training is one update of each, in this order, each by an optimizer of its own. Reported while training,
    per example: `rec`, `critic`, `encoder`, and with a penalty `penalty`.

    Args: as `Hybrid`, with a critic of codes, mlp_encoder((d,), hidden, 1), and
        likelihood: what the decoder's numbers mean (objectives.py); None: SquaredError().
    Source: Makhzani et al. 2016, section 2: the two phases of training. Differs: the likelihood is an argument.

    Example:
        critic = mlp_encoder((2,), (128, 128), 1, activation="leaky_relu")
        aae = AdversarialAutoencoder(mlp_encoder(**net, code_size=2), mlp_decoder(**net, code_size=2), critic)
        aae.compile(autoencoder_optimizer="adam")       # the two others stay Adam(2e-4, beta_1=0.5)
        aae.fit(x, epochs=50)
    """

    arguments = (*Hybrid.arguments, "likelihood")
    terms, sees = ("rec", "critic", "encoder"), ("codes",)

    def __init__(self, encoder, decoder, critic, *, likelihood=None, **kwargs):
        likelihood = SquaredError() if likelihood is None else likelihood
        check_kind("AdversarialAutoencoder", "likelihood", likelihood, Likelihood, "Bernoulli()")
        super().__init__(encoder, decoder, critic, **kwargs)
        self.likelihood = likelihood
        likelihood.check_decoder(self.shape, decoder.output_shape[1:], "AdversarialAutoencoder")

    def players(self):
        trained = lambda *parts: [v for part in parts for v in part.trainable_variables]
        autoencoder = trained(self.encoder, self.decoder, self.likelihood)
        return {"autoencoder": autoencoder, "critic": trained(self.critic), "encoder": trained(self.encoder)}

    def step(self, batch):
        x, z_p, noise, mix = (batch.get(name) for name in ("x", "z", "noise", "mix"))
        rec = lambda: self.likelihood.nll(x, self.decoder(self.code(x, noise), training=True))
        opposed = lambda: self.loss.generator(self.judge(self.code(x, noise)))
        self.minimise(lambda: {"autoencoder": self.total(None, rec=(rec(), 1.0))})
        z = self.code(x, noise)
        self.minimise(lambda: {"critic": self.critic_loss((self.judge(z_p), self.judge(z)), [z_p], [z], mix)})
        self.minimise(lambda: {"encoder": self.total(None, encoder=(opposed(), 1.0))})

    def picture(self, decoded):
        return self.likelihood.mean(decoded)

    def check(self, x, y=None):
        arrays = super().check(x, y)
        self.likelihood.check(arrays[0]["x"], "AdversarialAutoencoder")
        return arrays


@register
class VAEGAN(Hybrid):
    """A variational autoencoder that is judged by a critic of pictures, and compares pictures by the critic's features.

        encoder:  KL(q(z | x) || p(z)) + s,   s = |f(x) - f(x')|^2 / (2 scale^2),   x' = decoder(z),   z ~ q(z | x)
        decoder:  weight * s + mean of loss.generator(D(x')) and loss.generator(D(x_p)), x_p = decoder(z_p), z_p ~ p(z)
        critic:   mean of loss.critic(D(x), D(x')) and loss.critic(D(x), D(x_p)) + weight of the penalty * penalty

    f are the values from which the critic's last layer makes its logit: s is the negative log-likelihood of a Gaussian
    with that scale, without its constant. All three move at once. Reported while training, per example: `kl` in nats,
    `similarity` s, `decoder` without s, `critic`, and with a penalty `penalty`.

    Args: as `Hybrid`, with an encoder of means and log variances, (b, 2d), a critic of pictures, and
        weight: of s in the decoder's loss, >= 0 (the paper's gamma); scale: of the Gaussian, > 0, in units of f.
    Source: Larsen et al. 2016, algorithm 1. Differs: the critic's two kinds of samples count one half each; a scale.

    Example:
        decoder = mlp_decoder(**net, code_size=16, output_activation="sigmoid")
        critic = mlp_encoder(**net, code_size=1, activation="leaky_relu")
        model = VAEGAN(mlp_encoder(**net, code_size=32), decoder, critic)
    """

    arguments = (*Hybrid.arguments, "weight", "scale")
    terms, sees = ("kl", "similarity", "decoder", "critic"), ("pictures",)

    def __init__(self, encoder, decoder, critic, *, weight=1.0, scale=1.0, **kwargs):
        super().__init__(encoder, decoder, critic, **kwargs)
        if not self.stochastic:
            raise ValueError(f"VAEGAN: wanted means and log variances: an encoder of code_size={2 * self.code_size}.")
        if not (0 <= weight < math.inf and 0 < scale < math.inf):
            raise ValueError(f"VAEGAN: weight must be a finite number >= 0, got {weight}, and scale > 0, got {scale}.")
        self.weight, self.scale = weight, scale
        self.look = keras.Model(critic.inputs, [critic.layers[-1].input, critic.output])

    def objectives(self, x, z, noise=None, mix=None):
        q, z_p = self.posterior(x), z
        z = q.sample(noise)
        made = self.decoder(ops.concatenate([z, z_p]), training=True)  # (2b, *shape)
        features, logits = self.look(ops.concatenate([x, made]), training=True)
        f, f_rec, _ = ops.split(features, 3)
        real, *fake = ops.split(logits[:, 0], 3)
        s, fake = 0.5 * sum_over_event(ops.square((f - f_rec) / self.scale)), ops.stack(fake)  # (b,), (2, b)
        opposed = ops.mean(self.loss.generator(fake), axis=0)
        return {
            "encoder": self.total(None, kl=(self.prior.kl(q, z), 1.0), similarity=(s, 1.0)),
            "decoder": self.total(None, decoder=(opposed, 1.0), pull=(s, self.weight)),
            "critic": self.critic_loss((real, fake), [x], [ops.split(made, 2)[1]], mix),
        }


@register
class BiGAN(Hybrid):
    """A GAN with an encoder that never sees a reconstruction: the critic tells pairs of picture and code apart.

        critic:   loss.critic(D(x, encoder(x)), D(decoder(z), z)) + weight * penalty,   z ~ p(z)
        decoder:  loss.generator(D(decoder(z), z))
        encoder:  the same with data and samples exchanged: loss.generator(loss.mirrored(D(x, encoder(x))))

    Where no critic can tell the pairs apart, encoder and decoder are each other's inverse. With an encoder of means and
    log variances, from which the code is drawn, it is ALI. All three move at once. Reported: their losses.

    Args: as `Hybrid`, with a critic of both, mlp_encoder(shape, hidden, 1, condition_size=d).
    Source: Donahue et al. 2017, equation 3 and section 3.4; Dumoulin et al. 2017 (ALI), algorithm 1.

    Example:
        decoder = mlp_decoder(**net, code_size=8, output_activation="sigmoid")
        critic = mlp_encoder(**net, code_size=1, condition_size=8, activation="leaky_relu")
        model = BiGAN(mlp_encoder(**net, code_size=8), decoder, critic)
    """

    terms, sees = ("critic", "encoder", "decoder"), ("pictures", "codes")

    def objectives(self, x, z, noise=None, mix=None):
        data, sample = [x, self.code(x, noise)], [self.decoder(z, training=True), z]
        real, fake = self.judge(*data), self.judge(*sample)
        return {
            "critic": self.critic_loss((real, fake), data, sample, mix),
            "encoder": self.total(None, encoder=(self.loss.generator(self.loss.mirrored(real)), 1.0)),
            "decoder": self.total(None, decoder=(self.loss.generator(fake), 1.0)),
        }


def _check_fit(model, name):
    d, shape, critic = model.code_size, model.shape, model.critic
    check_inputs(name, "encoder", model.encoder, [shape]), check_inputs(name, "decoder", model.decoder, [(d,)])
    codes, made = tuple(model.encoder.output_shape[1:]), tuple(model.decoder.output_shape[1:])
    if codes not in ((d,), (2 * d,)):
        raise ValueError(f"{name}: wanted an encoder of code_size {d}, the decoder's, or {2 * d}, got {codes}.")
    if "pictures" in model.sees and made != shape:
        raise ValueError(f"{name}: wanted an encoder and a decoder of one shape, got {shape} and {made}.")
    if (size := getattr(model.prior, "code_size", None)) != d:  # a VampPrior has none before it is used
        raise ValueError(f"{name}: wanted a prior of codes of size {d}, got {size}.")
    seen, logit = [tuple(i.shape[1:]) for i in critic.inputs], tuple(critic.output_shape[1:])
    if seen != model.seen or logit != (1,):
        raise ValueError(
            f"{name}: wanted a critic of {' and '.join(model.sees)}, {model.seen} -> (1,), got {seen} -> {logit}."
        )
