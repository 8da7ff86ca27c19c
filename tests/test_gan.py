"""The GAN against its algorithm in NumPy, against densities that are known, after files and interruptions; refusals."""

import keras
import numpy as np
import pytest
from keras import layers

from aecore.adversarial import GradientPenalty, Wasserstein
from aecore.games import Game
from aecore.gan import GAN
from aecore.networks import mlp_decoder, mlp_encoder

D, d, CLASSES = 3, 2, 4
numpy = keras.ops.convert_to_numpy
rng = np.random.default_rng(0)
X = (rng.standard_normal((37, D)) * 0.5 + (0.4, -0.3, 0.1)).astype("float32")
LABELS = np.arange(37) % CLASSES


def linear(optimizer=None, conditional=False, **arguments):
    """A GAN of a linear generator and a linear critic."""
    c, more = CLASSES * conditional, arguments.get("auxiliary", 0) and CLASSES
    generator = mlp_decoder((D,), (), d, condition_size=c)
    critic = mlp_encoder((D,), (), 1 + more, condition_size=0 if more else c)
    gan = GAN(generator, critic, classes=c or None, **arguments)
    rates = optimizer or (lambda: keras.optimizers.SGD(0.05))
    gan.compile(generator_optimizer=rates(), critic_optimizer=rates())
    return gan


# --- the game -------------------------------------------------------------------------------------------


def test_training_is_algorithm_1_of_wgan_gp_in_numpy():
    """Linear nets: x = z G + g, D(x) = x w + v. All gradients by hand, every row and every draw of noise named."""
    k, b, epochs, rate, weight = 2, 5, 3, 0.05, 10.0
    gan = linear(loss=Wasserstein(), penalty=GradientPenalty(weight), critic_steps=k, seed=4, average=0.6)
    (G, g), (w, v) = (tuple(a.astype("float64") for a in n.get_weights()) for n in (gan.generator, gan.critic))
    mean = [G, g]
    history = gan.fit(X, epochs=epochs, batch_size=b, seed=9, verbose=0).history
    t, losses = 0, []
    for epoch in range(epochs):
        order = np.random.default_rng([9, epoch]).permutation(37)
        paid = []
        for step in range(37 // (k * b)):
            if step % 64 == 0:  # noise comes in blocks of 64 steps
                draws, n = np.random.default_rng([4, t, 1]), 37 // (k * b)
                z = draws.standard_normal((n, k, b, d), "float32").astype("float64")
            rows = order[step * k * b : (step + 1) * k * b].reshape(k, b)
            for i in range(k):
                real, fake = X[rows[i]].astype("float64"), z[step, i] @ G + g
                length = np.linalg.norm(w)
                paid.append((fake - real) @ w[:, 0])
                slope = (fake - real).mean(axis=0)[:, None] + weight * 2 * (length - 1) * w / length
                w = w - rate * slope  # v has no gradient
            G, g = G + rate * z[step, -1].mean(axis=0)[:, None] @ w.T, g + rate * w[:, 0]
            r = min(0.6, (1 + t) / (10 + t))
            mean = [r * m + (1 - r) * p for m, p in zip(mean, (G, g), strict=True)]
            t += 1
        losses.append(np.mean(paid))
    assert [int(gan.optimizer[player].iterations) for player in ("generator", "critic")] == [t, k * t]
    assert int(gan.steps) == t
    for got, wanted in zip(gan.generator.get_weights() + gan.critic.get_weights(), (G, g, w, v), strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5)
    for got, wanted in zip(gan.sampler.get_weights(), mean, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5)
    np.testing.assert_allclose(history["critic"], losses, atol=1e-5)
    assert set(history) == {"critic", "generator", "penalty"}


class Bilinear(Game):
    """Two numbers: a minimises a b, b minimises -a b."""

    def __init__(self, together):
        super().__init__(["a", "b"])
        self.a, self.b = (self.add_weight(shape=(), initializer="ones") for _ in range(2))
        self.together, self.built = together, True

    def players(self):
        return {"a": [self.a], "b": [self.b]}

    def check(self, x, y=None):
        return ({"x": x},)

    def step(self, batch):
        one = lambda: {"a": self.total(None, a=(self.a * self.b * batch["x"], 1.0))}
        other = lambda: {"b": self.total(None, b=(-self.a * self.b * batch["x"], 1.0))}
        if self.together:
            self.minimise(lambda: one() | other())
        else:
            self.minimise(one)
            self.minimise(other)


@pytest.mark.parametrize("together", [True, False])
def test_players_move_one_after_another_or_at_once(together):
    """At once, the circle of the bilinear game widens by sqrt(1 + rate^2) in every step; in turns it stays."""
    game = Bilinear(together)
    game.compile(a_optimizer=keras.optimizers.SGD(0.1), b_optimizer=keras.optimizers.SGD(0.1))
    game.fit(np.ones((200, 1), "float32"), batch_size=1, verbose=0)
    a = b = 1.0
    for _ in range(200):
        old, a = a, a - 0.1 * b
        b = b + 0.1 * (old if together else a)
    assert (float(game.a), float(game.b)) == pytest.approx((a, b), abs=1e-4)
    assert np.hypot(a, b) / np.sqrt(2) == pytest.approx(1.01**100 if together else 1, rel=0.1)


def test_a_critic_learns_the_log_density_ratio():
    """Data N(m, I) against samples N(0, I): the best logit is m x - |m|^2 / 2."""
    m = np.float32([0.8, -0.5])
    x = np.random.default_rng(1).standard_normal((4096, 2), "float32") + m
    gan = GAN(mlp_decoder((2,), (), 2), mlp_encoder((2,), (), 1))
    gan.generator.set_weights([np.eye(2), np.zeros(2)])
    gan.compile(generator_optimizer=keras.optimizers.SGD(0.0), critic_optimizer=keras.optimizers.Adam(0.005))
    gan.fit(x, epochs=100, batch_size=512, verbose=0)
    points = np.random.default_rng(2).standard_normal((200, 2), "float32")
    np.testing.assert_allclose(gan.criticise(points), points @ m - m @ m / 2, atol=0.25)


def test_a_step_takes_as_many_batches_as_the_critic_takes_steps():
    gan = linear(critic_steps=3)
    gan.fit(X, epochs=2, batch_size=6, verbose=0)
    assert int(gan.steps) == 2 * (37 // 18)
    gan.fit(X, batch_size=1000, verbose=0)  # 12 examples for each of the three
    assert int(gan.steps) == 5
    with pytest.raises(ValueError, match="a step takes 3 batches, so at least 3 examples are wanted, got 2"):
        gan.fit(X[:2], verbose=0)


def test_a_second_fit_goes_on_with_new_noise():
    class Noise(Bilinear):
        def draw(self, rng, steps, b):
            return {"z": rng.standard_normal((steps, b), "float32")}

        def step(self, batch):
            self.minimise(lambda: {"a": self.total(None, a=(self.a * batch["z"], 1.0))})

    game, seen = Noise(True), []
    game.compile(a_optimizer=keras.optimizers.SGD(1.0))
    for _ in range(2):
        before = float(game.a)
        game.fit(np.ones((3, 1), "float32"), batch_size=1, verbose=0)
        seen.append(before - float(game.a))
    wanted = [np.random.default_rng([0, start, 1]).standard_normal((3, 1), "float32").sum() for start in (0, 3)]
    np.testing.assert_allclose(seen, wanted, atol=1e-5)


# --- conditions -----------------------------------------------------------------------------------------


def test_labels_and_their_shares_mean_the_same():
    gan = linear(conditional=True)
    z, labels = gan.prior.sample(37, 3), LABELS
    weights, bias = gan.generator.get_weights()
    shares = np.eye(CLASSES, dtype="float32")[labels]
    np.testing.assert_allclose(gan.decode(z, labels), np.c_[z, shares] @ weights + bias, atol=1e-5)
    np.testing.assert_array_equal(gan.decode(z, shares), gan.decode(z, labels))
    np.testing.assert_array_equal(gan.sample(37, 3, labels), gan.decode(z, labels))
    half = gan.decode(z, np.full((37, CLASSES), 1 / CLASSES, "float32"))
    np.testing.assert_allclose(half, z @ weights[:d] + weights[d:].mean(axis=0) + bias, atol=1e-5)
    weights, bias = gan.critic.get_weights()
    np.testing.assert_allclose(gan.criticise(X, labels), (np.c_[X, shares] @ weights + bias)[:, 0], atol=1e-5)


def test_an_auxiliary_classifier_is_asked_about_data_and_samples():
    """One step by hand: the critic's gradient of -log p(c | x) at both, the generator's at its samples."""
    weight, rate = 0.7, 0.05
    gan = linear(conditional=True, auxiliary=weight, loss=Wasserstein(), seed=2)
    (G, g), (W, v) = (tuple(a.astype("float64") for a in n.get_weights()) for n in (gan.generator, gan.critic))
    history = gan.fit(X, condition=LABELS, batch_size=37, verbose=0).history
    rows = np.random.default_rng([0, 0]).permutation(37)
    z = np.random.default_rng([2, 0, 1]).standard_normal((37, d), "float32").astype("float64")
    c = np.eye(CLASSES)[LABELS[rows]]
    real, fake = X[rows].astype("float64"), np.c_[z, c] @ G + g

    def residual(x):  # d -log p(c | x) / d logits
        logits = x @ W[:, 1:] + v[1:]
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return p - c, -np.log((p * c).sum(axis=1))

    paid = residual(real)[1].mean()
    dw = sum(x.T @ residual(x)[0] for x in (real, fake)) / 37 * weight
    dv = sum(residual(x)[0].mean(axis=0) for x in (real, fake)) * weight
    dlogit = (fake - real).mean(axis=0)
    W, v = W - rate * np.c_[dlogit, dw], v - rate * np.r_[0, dv]
    dx = (-W[:, 0] + weight * residual(fake)[0] @ W[:, 1:].T) / 37
    paid_by_generator = residual(fake)[1].mean()
    G, g = G - rate * np.c_[z, c].T @ dx, g - rate * dx.sum(axis=0)
    for got, wanted in zip(gan.critic.get_weights() + gan.generator.get_weights(), (W, v, G, g), strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5)
    assert history["labels"][0] == pytest.approx(paid, abs=1e-5)
    assert history["labels_fake"][0] == pytest.approx(paid_by_generator, abs=1e-5)


# --- inversion ------------------------------------------------------------------------------------------


def test_inversion_finds_the_least_squares_code():
    gan = linear()
    weights, bias = gan.generator.get_weights()
    wanted = np.linalg.lstsq(weights.T, (X - bias).T, rcond=None)[0].T
    np.testing.assert_allclose(gan.encode(X, steps=1000, starts=2, batch_size=10), wanted, atol=1e-3)


def test_inversion_keeps_the_best_of_its_starts():
    """z^3 - 3 z reaches 2.5 right of 2 alone. Who starts left of 1 ends on the hill at -1, which is 2 high."""
    z = keras.Input((1,))
    hill = GAN(keras.Model(z, layers.Lambda(lambda z: z**3 - 3 * z)(z)), mlp_encoder((1,), (), 1))
    error = lambda starts: abs(
        hill.decode(hill.encode(np.float32([[2.5]]), steps=400, starts=starts, seed=4)) - 2.5
    ).item()
    starts = np.random.default_rng([4, 1]).standard_normal((16, 1), "float32")  # not the codes of samples
    assert starts[0] < 1 < starts.max()
    assert error(1) == pytest.approx(0.5, abs=1e-2)
    assert error(16) < 1e-3
