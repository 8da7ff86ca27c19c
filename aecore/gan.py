"""The generative adversarial network: a generator, and a critic that tells its samples from data. Chapters 13-15."""

import math

import keras
import numpy as np
from keras import ops

from aecore import _backend
from aecore.adversarial import AdversarialLoss, CriticPenalty, NonSaturating
from aecore.data import check_condition, check_examples, check_whole, class_shares, labels_of
from aecore.distributions import StandardNormal
from aecore.games import Game, average_of, check_inputs, check_no_batch_norm, check_range, follow, output_range
from aecore.objectives import sum_over_event
from aecore.training import check_kind, in_chunks


@keras.saving.register_keras_serializable("aecore")
class GAN(Game):
    """A generator turns noise into samples, x = G(z), z ~ N(0, I); a critic learns to tell them from data.

        critic:     L_D = loss.critic(D(x), D(G(z))) + weight * penalty
        generator:  L_G = loss.generator(D(G(z)))

    One step of training: `critic_steps` updates of the critic, each on data and noise of its own, then one of the
    generator, on the samples that the critic saw last. Its variants are arguments. WGAN-GP: Wasserstein() with
    GradientPenalty(). Spectral normalisation: of the critic's layers, `mlp_encoder(..., spectral=True)`. Conditional:
    `classes`; the condition is appended to the inputs (`condition_size`), or weighed against the critic's features
    (networks.projection_critic), or told by the critic (`auxiliary`).

    Reported while training, per example: `critic`, `generator`; with a penalty `penalty`, before its weight; with an
    auxiliary classifier `labels` and `labels_fake`, its cross-entropy in nats on data and on samples.

    Args:
        generator: keras.Model, (b, d) -> (b, *shape), or with classes [(b, d), (b, c)] -> (b, *shape). Where it ends in
            a sigmoid or a tanh, data outside its range are refused.
        critic: keras.Model, (b, *shape) -> (b, 1), or with classes [(b, *shape), (b, c)] -> (b, 1); with auxiliary
            (b, *shape) -> (b, 1 + c): the logit, then one for each class.
        loss: Minimax(), NonSaturating(), LeastSquares(), Wasserstein() or Hinge() (adversarial.py).
        penalty: GradientPenalty() or R1(weight) on the critic, or None.
        critic_steps: updates of the critic for one of the generator, >= 1; a step takes as many batches.
        average: decay of the running average of the generator's weights, in [0, 1), which `sample` and all other verbs
            then use; 0: none.
        classes: c >= 2, labels 0..c-1; `fit` and all verbs then want `condition`. None: no condition.
        auxiliary: weight >= 0 of the critic's second task, to tell the class.
        seed: owns the noise of training.
    Raises: ValueError where parts do not fit one another or a number is out of range, TypeError for a part of
        another kind.
    Source: Goodfellow et al. 2014, algorithm 1. Differs: no new noise for the generator's update, so that one pass
        through the generator serves both players. Mirza and Osindero 2014 (condition appended); Odena et al. 2017,
        equations 2 and 3 (auxiliary); Miyato and Koyama 2018 (projection).

    Example:
        generator = mlp_decoder((28, 28, 1), (256,), 64, output_activation="sigmoid")
        critic = mlp_encoder((28, 28, 1), (256,), 1, activation="leaky_relu")
        gan = GAN(generator, critic, loss=NonSaturating(), penalty=R1(1.0))
        gan.compile()
        gan.fit(x, epochs=20)           # x (n, 28, 28, 1) in [0, 1]
        gan.sample(16)                  # (16, 28, 28, 1)
    """

    arguments = ("generator", "critic", "loss", "penalty", "critic_steps", "average", "classes", "auxiliary", "seed")

    def __init__(
        self, generator, critic, *, loss=None, penalty=None, critic_steps=1, average=0.0, classes=None, auxiliary=0.0,
        seed=0, **kwargs,
    ):  # fmt: skip
        loss = NonSaturating() if loss is None else loss
        check_kind("GAN", "generator", generator, keras.Model, "mlp_decoder(shape, hidden, code_size)")
        check_kind("GAN", "critic", critic, keras.Model, "mlp_encoder(shape, hidden, code_size=1)")
        check_kind("GAN", "loss", loss, AdversarialLoss, "NonSaturating()")
        if penalty is not None:
            check_kind("GAN", "penalty", penalty, CriticPenalty, "GradientPenalty()")
        (critic_steps,), (seed,) = check_whole("GAN", critic_steps=critic_steps), check_whole("GAN", 0, seed=seed)
        if not 0 <= average < 1:
            raise ValueError(
                f"GAN: average must lie in [0, 1), got {average}. 0.999 averages about the last 1,000 steps."
            )
        if not (math.isfinite(auxiliary) and auxiliary >= 0):
            raise ValueError(f"GAN: auxiliary must be a finite number >= 0, got {auxiliary}.")
        _check_fit(generator, critic, classes, auxiliary)
        if penalty is not None:
            check_no_batch_norm("GAN", critic, penalty)
        terms = (
            ["critic", "generator"] + ["penalty"] * (penalty is not None) + ["labels", "labels_fake"] * (auxiliary > 0)
        )
        super().__init__(terms, seed=seed, batches_per_step=critic_steps, **kwargs)
        self.generator, self.critic, self.loss, self.penalty = generator, critic, loss, penalty
        self.critic_steps, self.average, self.classes, self.auxiliary = critic_steps, average, classes, auxiliary
        self.shape, self.code_size = tuple(generator.output_shape[1:]), generator.inputs[0].shape[-1]
        self.range = output_range(generator)
        self.sampler = average_of(generator) if average else generator
        self.prior = StandardNormal(self.code_size)
        self.built = True
        x, z, condition = (keras.KerasTensor((None, *s)) for s in (self.shape, (self.code_size,), (classes,)))
        condition = [] if classes is None else [condition]
        self.decode_batch = _backend.fast(lambda *z: _run(self.sampler, *z, training=False), self, z, *condition)
        self.criticise_batch = _backend.fast(
            lambda *x: self.judge(*x, training=False)[0], self, *([x] if auxiliary else [x, *condition])
        )
        starts, scalar = keras.KerasTensor((None, self.code_size)), lambda dtype: keras.KerasTensor((), dtype)
        self.search_batch = _backend.fast(self.search, self, starts, scalar("int32"), scalar("float32"), x, *condition)

    # --- the game, on tensors: x (b, *shape), z (b, d), condition (b, c) or None ---------------------------

    def players(self):
        return {"critic": self.critic.trainable_variables, "generator": self.generator.trainable_variables}

    def draw(self, rng, steps, b):
        shape = (steps, self.critic_steps, b)
        noise = {"z": rng.standard_normal((*shape, self.code_size), "float32")}
        return noise if self.penalty is None else {**noise, "mix": rng.random(shape, "float32")}

    def step(self, batch):
        k, z, mix = self.critic_steps, batch["z"], batch.get("mix", [None] * self.critic_steps)
        x = ops.reshape(batch["x"], (k, -1, *self.shape))
        condition = ops.reshape(batch["condition"], (k, -1, self.classes)) if self.classes else [None] * k
        for i in range(k - 1):
            self.critic_step(x[i], self.generate(z[i], condition[i]), condition[i], mix[i])
        self.generator_step(x[-1], z[-1], condition[-1], mix[-1])
        if self.average:
            follow(self.sampler, self.generator, self.average, self.steps)

    def critic_step(self, x, fake, condition, mix):
        def losses():
            (real_logits, real_labels), (fake_logits, fake_labels) = (self.judge(a, condition) for a in (x, fake))
            terms = {"critic": (self.loss.critic(real_logits, fake_logits), 1.0)}
            if self.penalty is not None:
                value = self.penalty.value(lambda a: self.judge(a, condition)[0], x, fake, mix)
                terms["penalty"] = (value, self.penalty.weight)
            if self.auxiliary:
                terms["labels"] = (_cross_entropy(condition, real_labels), self.auxiliary)
                terms["labels of samples"] = (_cross_entropy(condition, fake_labels), self.auxiliary)  # not shown
            return {"critic": self.total(None, **terms)}

        self.minimise(losses)

    def generator_step(self, x, z, condition, mix):
        def losses():
            fake = self.generate(z, condition)
            self.critic_step(x, ops.stop_gradient(fake), condition, mix)  # then the critic answers as it now is
            logits, labels = self.judge(fake, condition)
            terms = {"generator": (self.loss.generator(logits), 1.0)}
            if self.auxiliary:
                terms["labels_fake"] = (_cross_entropy(condition, labels), self.auxiliary)
            return {"generator": self.total(None, **terms)}

        self.minimise(losses)

    def generate(self, z, condition=None):
        """G(z), as in training."""
        return _run(self.generator, z, condition, training=True)

    def judge(self, x, condition=None, training=True):
        """The critic's logits, (b,), and those of the classes, (b, c), or (b, 0) without auxiliary classifier."""
        logits = _run(self.critic, x, None if self.auxiliary else condition, training=training)
        return logits[:, 0], logits[:, 1:]

    # --- verbs, on arrays -----------------------------------------------------------------------------------

    def fit(self, x, y=None, *, condition=None, **kwargs):
        """Train. Args: as `training.Model.fit`, without validation_data, and condition (or y), labels (n,)."""
        return super().fit(x, labels_of("fit", y, condition), **kwargs)

    def check(self, x, y=None):
        x = check_examples(x, self.shape, "GAN")
        check_range("GAN", x, self.range)
        condition = self.conditions("GAN", y, len(x))
        return ({"x": x, "condition": condition[0]} if condition else {"x": x},)

    def sample(self, n, seed=0, condition=None):
        """New examples, (n, *shape). Args: n; seed, which owns z; condition, (n,) labels, or (n, c) their shares."""
        return self.decode(self.prior.sample(n, seed), condition)

    def decode(self, codes, condition=None, batch_size=1024):
        """What codes stand for, G(z): (n, d) -> (n, *shape). condition: as `sample`."""
        codes = check_examples(codes, (self.code_size,), "decode")
        inputs = (codes, *self.conditions("decode", condition, len(codes)))
        return in_chunks(self.decode_batch, inputs, batch_size, "decode")

    def criticise(self, x, condition=None, batch_size=1024):
        """The critic's logits, large where it takes an example for data: (n, *shape) -> (n,).

        Args: x; condition, as `sample`; none where the critic tells it (auxiliary).
        """
        x = check_examples(x, self.shape, "criticise")
        if self.auxiliary and condition is not None:
            raise ValueError("criticise: a critic that tells the class is not told it. Leave condition out.")
        inputs = (x,) if self.auxiliary else (x, *self.conditions("criticise", condition, len(x)))
        return in_chunks(self.criticise_batch, inputs, batch_size, "criticise")

    def encode(self, x, condition=None, *, steps=200, starts=8, learning_rate=0.1, seed=0, batch_size=64):
        """The codes whose samples are nearest to examples, searched for: inversion of the generator.

            z = argmin |x - G(z)|^2,   the best of some starts z ~ N(0, I), each followed by Adam

        Args:
            x: (n, *shape). condition: as `sample`.
            steps, starts, learning_rate: of the search, >= 1, >= 1, > 0.
            seed: owns the starts, the same for every example, and not the codes that `sample` draws with this seed.
            batch_size: examples at a time.
        Returns: codes, (n, d), float32.
        Source: Zhu et al. 2016, section 3.1; Creswell and Bharath 2019. Chapter 15.
        """
        x = check_examples(x, self.shape, "encode")
        steps, starts = check_whole("encode", steps=steps, starts=starts)
        if not (math.isfinite(learning_rate) and learning_rate > 0):
            raise ValueError(f"encode: learning_rate must be a positive number, got {learning_rate}.")
        (seed,) = check_whole("encode", 0, seed=seed)
        z = self.prior.sampler()(np.random.default_rng([seed, 1]), starts)
        settings = np.int32(steps), np.float32(learning_rate)
        search = lambda *part: self.search_batch(z, *settings, *part)
        return in_chunks(search, (x, *self.conditions("encode", condition, len(x))), batch_size, "encode")

    def search(self, starts, steps, learning_rate, x, condition=None):
        """`encode` on tensors: starts (s, d), x (b, *shape) -> (b, d)."""
        s, b = ops.shape(starts)[0], ops.shape(x)[0]
        repeated = lambda a: ops.repeat(a, s, axis=0)  # (b, ...) -> (b s, ...)
        target, condition = repeated(x), None if condition is None else repeated(condition)

        def errors(z):
            return sum_over_event(ops.square(target - _run(self.sampler, z, condition, training=False)))

        z = _backend.descend(errors, ops.tile(starts, (b, 1)), steps, learning_rate)
        best = ops.argmin(ops.reshape(errors(z), (b, s)), axis=1)
        return ops.take_along_axis(ops.reshape(z, (b, s, self.code_size)), best[:, None, None], axis=1)[:, 0]

    def conditions(self, name, condition, n):
        """Labels, (n,), or shares of the classes, (n, c), as a tuple of one array (n, c); without classes ()."""
        if self.classes is None:
            return check_condition(condition, n, None, name)
        return (class_shares(condition, n, self.classes, name),)


def _run(net, values, condition=None, *, training):
    return net(values if condition is None else [values, condition], training=training)


def _cross_entropy(shares, logits):
    """-log p(class), in nats: shares (b, c) of the classes, logits (b, c) -> (b,)."""
    return ops.logsumexp(logits, axis=-1) - ops.sum(shares * logits, axis=-1)


def _check_fit(generator, critic, classes, auxiliary):
    if classes is not None:
        check_whole("GAN", at_least=2, classes=classes)
    elif auxiliary:
        raise ValueError(f"GAN: auxiliary={auxiliary} wants classes that the critic can tell. Give classes=c.")
    for what, net, wanted in (("generator", generator, classes), ("critic", critic, None if auxiliary else classes)):
        conditions = [tuple(i.shape[1:]) for i in net.inputs[1:]]
        if conditions != [(wanted,)] * (wanted is not None):
            raise ValueError(
                f"GAN: with classes={classes}, auxiliary={auxiliary} the {what} wants {'a' if wanted else 'no'} second "
                f"input{f' of shape ({wanted},)' if wanted else ''}, got {conditions}. Build it with "
                f"condition_size={wanted or 0}."
            )
    given = [(generator.inputs[0].shape[-1],), *[(classes,)] * (classes is not None)]
    check_inputs("GAN", "generator", generator, given)
    made, seen = tuple(generator.output_shape[1:]), tuple(critic.inputs[0].shape[1:])
    if made != seen:
        raise ValueError(f"GAN: the generator gives {made}, the critic takes {seen}. Build both with the same shape.")
    logits = 1 + (classes if auxiliary else 0)
    if tuple(critic.output_shape[1:]) != (logits,):
        raise ValueError(
            f"GAN: wanted a critic with output ({logits},), the logit{' and one for each class' if auxiliary else ''}, "
            f"got {tuple(critic.output_shape[1:])}. Build it with code_size={logits}."
        )
