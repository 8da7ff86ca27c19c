"""Pictures of one kind into pictures of another, learned from pairs: a regression, and a critic that sees the pair."""

import math

import keras
from keras import ops

from aecore import _backend
from aecore.adversarial import AdversarialLoss, CriticPenalty, NonSaturating
from aecore.data import check_examples, check_whole
from aecore.distributions import StandardNormal
from aecore.games import Game, check_no_batch_norm, check_range, output_range
from aecore.training import check_kind, in_chunks


@keras.saving.register_keras_serializable("aecore")
class Translator(Game):
    """A generator turns a source x into a target y; a critic learns to tell the pairs (x, G(x)) from true ones.

        critic:     L_D = loss.critic(D(x, y), D(x, G(x))) + weight of the penalty * penalty
        generator:  L_G = weight * mean |y - G(x)| + loss.generator(D(x, G(x)))

    Without a critic the first term of L_G is left, a regression. A critic with a grid of logits (a PatchGAN) judges
    windows of the pair, one by one: its losses are means over the windows. The absolute error is a mean over a
    picture's values, so that the paper's weight of 100 means the same here.

    Reported while training, per example: `l1`, before its weight; with a critic `critic` and `generator`; with a
    penalty `penalty`, before its weight.

    Args:
        generator: keras.Model, (b, h, w, c) -> (b, h, w, k), such as networks.unet; or [(b, h, w, c), (b, d)] ->
            (b, h, w, k), with d numbers of noise, z ~ N(0, I). Where it ends in a sigmoid or a tanh, targets outside
            its range are refused.
        critic: keras.Model, (b, h, w, c + k) -> logits, (b, 1) or a grid (b, i, j, 1); it is shown source and target
            one behind the other, as channels of one picture. None: the regression alone.
        loss: a pair of losses (adversarial.py); None: NonSaturating().
        weight: of the absolute error, >= 0.
        penalty: GradientPenalty() or R1(weight) on the slope of the critic's mean logit by the pair, or None.
        seed: owns the noise of training.
    Raises: ValueError where parts do not fit one another or a number is out of range, TypeError for a part of
        another kind.
    Source: Isola et al. 2017 (pix2pix), equations 1 to 4. Differs: noise, where it is wanted, is an input, not dropout;
        the critic's loss is not halved; the penalty is not theirs. Chapter 14.

    Example:
        generator = unet((32, 32, 1), (32, 64), 3, output_activation="sigmoid")
        critic = conv_encoder((32, 32, 4), (32, 64), 1, activation="leaky_relu", grid=True)
        translator = Translator(generator, critic)
        translator.compile()
        translator.fit(edges, pictures, epochs=20)  # (n, 32, 32, 1) and (n, 32, 32, 3)
        translator.translate(edges[:8])             # (8, 32, 32, 3)
    """

    arguments = ("generator", "critic", "loss", "weight", "penalty", "seed")

    def __init__(self, generator, critic=None, *, loss=None, weight=100.0, penalty=None, seed=0, **kwargs):
        loss = NonSaturating() if loss is None else loss
        check_kind("Translator", "generator", generator, keras.Model, "unet(shape, filters, channels)")
        check_kind("Translator", "loss", loss, AdversarialLoss, "NonSaturating()")
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"Translator: weight must be a finite number >= 0, got {weight}.")
        (seed,) = check_whole("Translator", at_least=0, seed=seed)
        _check_fit(generator, critic)
        _check_penalty(critic, penalty)
        terms = ["l1"] + ["critic", "generator"] * (critic is not None) + ["penalty"] * (penalty is not None)
        super().__init__(terms, seed=seed, **kwargs)
        self.generator, self.critic, self.loss, self.weight, self.penalty = generator, critic, loss, weight, penalty
        self.source_shape, self.target_shape = (tuple(t.shape[1:]) for t in (generator.inputs[0], generator.output))
        self.prior = StandardNormal(generator.inputs[1].shape[-1]) if len(generator.inputs) == 2 else None
        self.range = output_range(generator)
        self.built = True
        self.translate_batch = _backend.fast(lambda *x: self.made(*x, training=False), self, *generator.inputs)

    # --- the game, on tensors: source (b, h, w, c), target (b, h, w, k), z (b, d) or none ------------------

    def players(self):
        critic = {} if self.critic is None else {"critic": self.critic.trainable_variables}
        return {**critic, "generator": self.generator.trainable_variables}

    def draw(self, rng, steps, b):
        noise = {} if self.prior is None else {"z": rng.standard_normal((steps, b, self.prior.code_size), "float32")}
        return noise if self.penalty is None else {**noise, "mix": rng.random((steps, b), "float32")}

    def step(self, batch):
        source, target = batch["source"], batch["target"]
        z = () if self.prior is None else (batch["z"],)
        if self.critic is not None:
            fake = self.made(source, *z)
            self.minimise(lambda: {"critic": self.critic_loss(source, target, fake, batch.get("mix"))})
        self.minimise(lambda: {"generator": self.generator_loss(source, target, self.made(source, *z))})

    def critic_loss(self, source, target, fake, mix=None):
        real, fake = self.pair(source, target), self.pair(source, fake)
        terms = {"critic": (_mean_over_event(self.loss.critic(self.judged(real), self.judged(fake))), 1.0)}
        if self.penalty is not None:
            value = self.penalty.value(lambda pair: _mean_over_event(self.judged(pair)), real, fake, mix)
            terms["penalty"] = (value, self.penalty.weight)
        return self.total(None, **terms)

    def generator_loss(self, source, target, fake):
        terms = {"l1": (_mean_over_event(ops.abs(target - fake)), self.weight)}
        if self.critic is not None:
            terms["generator"] = (_mean_over_event(self.loss.generator(self.judged(self.pair(source, fake)))), 1.0)
        return self.total(None, **terms)

    def made(self, source, *z, training=True):
        """G(x), or G(x, z)."""
        return self.generator([source, *z] if z else source, training=training)

    def pair(self, source, target):
        return ops.concatenate([source, target], axis=-1)  # (b, h, w, c + k)

    def judged(self, pair):
        """The critic's logits of pairs, (b, 1) or (b, i, j, 1)."""
        return self.critic(pair, training=True)

    # --- on arrays ----------------------------------------------------------------------------------------

    def fit(self, source, target=None, **kwargs):
        """Train on pairs. Args: source, (n, h, w, c); target, (n, h, w, k); the rest as `training.Model.fit`."""
        return super().fit(source, target, **kwargs)

    def check(self, source, target=None):
        if target is None:
            raise ValueError("fit: a translation is learned from pairs: fit(source, target), got the sources alone.")
        source = check_examples(source, self.source_shape, "source")
        target = check_examples(target, self.target_shape, "target")
        if len(source) != len(target):
            raise ValueError(f"fit: wanted a target for each source, got {len(source)} and {len(target)}.")
        check_range("fit", target, self.range)
        return ({"source": source, "target": target},)

    def translate(self, source, seed=0, batch_size=1024):
        """Turn sources into targets: (n, h, w, c) -> (n, h, w, k). seed: owns the noise, where there is some."""
        source = check_examples(source, self.source_shape, "translate")
        z = () if self.prior is None else (self.prior.sample(len(source), seed),)
        return in_chunks(self.translate_batch, (source, *z), batch_size, "translate")


def _mean_over_event(values):
    """(b, ...) -> (b,)."""
    return ops.mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=1)


def _check_fit(generator, critic):
    """Raise where generator and critic do not fit each other."""
    source, target = generator.inputs[0].shape[1:], generator.output.shape[1:]
    second = [i.shape[1:] for i in generator.inputs[1:]]
    fits = len(source) == len(target) == 3 and source[:2] == target[:2]
    if not fits or len(second) > 1 or any(len(s) != 1 for s in second):
        raise ValueError(
            f"Translator: wanted a generator from pictures (h, w, c), and at most one row of noise, to pictures of the "
            f"same height and width, got {[tuple(i.shape[1:]) for i in generator.inputs]} -> {tuple(target)}. "
            "Use networks.unet."
        )
    if critic is None:
        return
    check_kind("Translator", "critic", critic, keras.Model, "conv_encoder(shape, filters, 1, grid=True)")
    wanted = (*source[:2], source[2] + target[2])
    if [tuple(i.shape[1:]) for i in critic.inputs] != [wanted] or critic.output.shape[-1] != 1:
        raise ValueError(
            f"Translator: the critic sees source and target as one picture, {wanted}, and gives one logit, or a grid "
            f"of them, (i, j, 1); got {[tuple(i.shape[1:]) for i in critic.inputs]} -> "
            f"{tuple(critic.output.shape[1:])}."
        )


def _check_penalty(critic, penalty):
    if penalty is None:
        return
    check_kind("Translator", "penalty", penalty, CriticPenalty, "R1(1.0)")
    if critic is None:
        raise ValueError("Translator: a penalty is one on the critic, got none. Give a critic, or leave penalty out.")
    check_no_batch_norm("Translator", critic, penalty)
