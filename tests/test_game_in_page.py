"""A GAN that trains in the page: game.js beside aecore's own GAN, finite differences, and Keras' Adam."""

import keras
import numpy as np
import pytest
from test_learn import ARRAYS, LOAD, close, double, keras_net  # noqa: F401  (double is a fixture)

from aecore import metrics, networks, synthetic, widgets
from aecore.adversarial import R1, GradientPenalty, Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein
from aecore.gan import GAN
from aecore.training import Batches
from aecore.widgets_adversarial import ACTIVATIONS, LOSSES, PENALTIES

pytestmark = pytest.mark.slow
PAIRS = dict(zip(LOSSES, (Minimax, NonSaturating, LeastSquares, Wasserstein, Hinge), strict=True))
PARTS = {"none": lambda weight: None, "gradient penalty": GradientPenalty, "R1": R1}
RATE, STEPS, BATCH = 0.1, 4, 32
REPLAY = """
  const specs = m.players(a), generator = arrays(a.generator), critic = arrays(a.critic);
  const down = (weights, slopes) => weights.forEach((w, k) => w.forEach((_, i) => { w[i] -= a.rate * slopes[k][i]; }));
  const settings = { loss: a.loss, penalty: a.penalty, penalty_weight: 0.7 }, told = [];
  for (const { real, z, mix } of a.steps) {
    mix.forEach((shares, k) => {
      const made = m.forward(generator, Float64Array.from(z[k].flat()), specs.generator).at(-1).values;
      const found = m.criticGradients(critic, Float64Array.from(real[k].flat()), made, shares, specs.critic, settings);
      down(critic, found.gradients);
      told.push(found.loss);
    });
    const found = m.generatorGradients(generator, critic, Float64Array.from(z.at(-1).flat()), specs, a.loss);
    down(generator, found.gradients);
  }
  return [...generator, ...critic].map((w) => [...w]);
"""


@pytest.fixture(scope="module")
def game(browser):
    """A function that runs JavaScript with the figure's module as `m` and Python's argument as `a`."""
    page = browser.new_page()
    page.evaluate(LOAD, widgets._module("gan"))
    yield lambda code, a=None: page.evaluate(f"(a) => {{ {ARRAYS} {code} }}", a)
    page.close()


def flat(weights):
    return [np.ravel(w).tolist() for w in weights]


@pytest.mark.parametrize(
    ("loss", "penalty", "activation", "critic_steps"),
    [
        *((loss, "none", "leaky_relu", 1) for loss in LOSSES),
        *(("Wasserstein", "gradient penalty", activation, 2) for activation in ACTIVATIONS),
        ("non-saturating", "R1", "gelu", 1),
        ("hinge", "R1", "tanh", 3),
    ],
)
def test_the_game_of_the_page_is_aecores_gan(game, loss, penalty, activation, critic_steps):
    net = dict(shape=(2,), activation=activation)
    generator = networks.mlp_decoder(**net, hidden=(6, 5), code_size=2)
    critic = networks.mlp_encoder(**net, hidden=(5, 6), code_size=1)
    rng = np.random.default_rng(3)
    for model in (generator, critic):  # biases that are not zero, and slopes that a penalty has something to say to
        model.set_weights([w + 0.3 * rng.standard_normal(w.shape) for w in model.get_weights()])
    first = [flat(generator.get_weights()), flat(critic.get_weights())]
    gan = GAN(generator, critic, loss=PAIRS[loss](), penalty=PARTS[penalty](0.7), critic_steps=critic_steps)
    gan.compile(critic_optimizer=keras.optimizers.SGD(RATE), generator_optimizer=keras.optimizers.SGD(RATE))
    x = synthetic.ring_of_gaussians(BATCH * critic_steps)[0]
    gan.fit(x, epochs=STEPS, batch_size=BATCH, seed=5, verbose=0)
    rows = [Batches((x,), len(x), 5).order(epoch)[0].reshape(critic_steps, BATCH) for epoch in range(STEPS)]
    noise = [gan.draw(np.random.default_rng([gan.seed, step, 1]), 1, BATCH) for step in range(STEPS)]
    no_mix = np.zeros((1, critic_steps, BATCH))
    steps = [
        {"real": x[row].tolist(), "z": drawn["z"][0].tolist(), "mix": drawn.get("mix", no_mix)[0].tolist()}
        for row, drawn in zip(rows, noise, strict=True)
    ]
    given = {"loss": loss, "penalty": penalty, "activation": activation, "hidden": [5, 6], "rate": RATE, "steps": steps}
    ours = game(REPLAY, {**given, "generator": first[0], "critic": first[1]})
    theirs = [*gan.generator.get_weights(), *gan.critic.get_weights()]
    assert close(ours, theirs), max(np.abs(a - np.ravel(b)).max() for a, b in zip(ours, theirs, strict=True))
    assert not close(ours, [*first[0], *first[1]], 1e-2), "they have moved"


@pytest.mark.parametrize("penalty", ["gradient penalty", "R1"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_finite_differences(game, penalty, activation):
    rng = np.random.default_rng(1)
    shapes = [(2, 5), (5,), (5, 4), (4,), (4, 1), (1,)]
    weights = [rng.normal(size=s).ravel().tolist() for s in shapes]
    real, made = rng.normal(size=(2, 7, 2)).tolist()
    given = {"hidden": [5, 4], "activation": activation, "penalty": penalty, "weights": weights}
    given |= {"real": real, "made": made, "mix": rng.random(7).tolist()}
    ours, differences = game(
        """const spec = m.players(a).critic, weights = arrays(a.weights), [real, made] = arrays([a.real, a.made]);
        const settings = { loss: "non-saturating", penalty: a.penalty, penalty_weight: 2 };
        const look = () => m.criticGradients(weights, real, made, a.mix, spec, settings);
        const total = () => { const { loss, penalty } = look(); return loss + penalty; };
        const slopes = weights.map((w) => Array.from(w, (value, i) => {
          const at = (offset) => { w[i] = value + offset; const sum = total(); w[i] = value; return sum; };
          return (at(1e-5) - at(-1e-5)) / 2e-5;
        }));
        return [look().gradients.map((g) => [...g]), slopes];""",
        given,
    )
    # The page's erf is within 1.5e-7, and so smooth as that: gelu's differences are less exact than its slopes.
    assert close(ours, differences, 2e-4 if activation == "gelu" else 1e-7)
    assert max(np.abs(g).max() for g in differences) > 0.1


def test_adam_forgets_as_soon_as_keras_does(game, double):  # noqa: F811
    spec = {"sizes": [2, 6, 2], "activations": ["tanh", "linear"]}
    weights = game("return m.init(a.sizes, 3).map((w) => [...w])", spec)
    x = synthetic.moons(32, seed=1)[0].astype("float64")
    ours = game(
        "const weights = arrays(a.w), x = Float64Array.from(a.x.flat()), state = {};"
        "for (let i = 0; i < 50; i++)"
        "  m.OPTIMISERS.adam(weights, m.gradients(weights, x, a.spec).gradients, state, 0.01, 0.5);"
        "return weights.map((w) => [...w])",
        {"w": weights, "x": x.tolist(), "spec": spec},
    )
    net = keras_net(spec, weights, keras.optimizers.Adam(0.01, beta_1=0.5))
    for _ in range(50):
        net.train_on_batch(x, x)
    assert close(ours, net.get_weights())


def test_a_whole_game_finds_all_modes_and_is_owned_by_its_seed(game):
    x, centres = synthetic.ring_of_gaussians(500)[0], synthetic.ring_centres()
    play = (
        "const x = Float64Array.from(a.x.flat());"
        "const run = m.game({ hidden: [32, 32], activation: 'leaky_relu', seed: a.seed });"
        "const settings = { loss: 'non-saturating', penalty: a.penalty, penalty_weight: 0.1, learning_rate: 0.002 };"
        "for (let i = 0; i < a.steps; i++) { run.critic(x, settings); run.generator(settings); }"
        "const made = run.make(run.noise(2500)), largest = (w) => Math.max(...w.map(Math.abs));"
        "const found = m.coverage(made, { centres: Float64Array.from(a.centres.flat()), scale: 0.05 });"
        "return [[...made], found, Math.max(...run.weights.critic.map(largest))]"
    )
    given = {"x": x.tolist(), "centres": centres.tolist(), "seed": 2, "penalty": "none"}
    made, ours, _ = game(play, {**given, "steps": 1500})
    theirs = metrics.mode_coverage(np.reshape(made, (-1, 2)), centres, 0.05)
    assert (ours["modes"], ours["of"]) == (theirs.modes, 8)
    assert np.isclose(ours["quality"], theirs.high_quality)
    assert theirs.modes == 8
    assert theirs.high_quality > 0.4
    first, again, other = (game(play, {**given, "steps": 20, "seed": seed})[0] for seed in (5, 5, 6))
    assert first == again != other
    clipped = game(play, {**given, "steps": 20, "penalty": "clipping"})[2]
    assert clipped <= 0.1 + 1e-12


def test_an_arrow_is_the_slope_of_the_generators_loss(game):
    """What moves a single point in the page: minus the derivative of its own loss by where it lies."""
    rng = np.random.default_rng(2)
    given = {
        "hidden": [6],
        "activation": "tanh",
        "weights": [rng.normal(size=s).ravel().tolist() for s in ((2, 6), (6,), (6, 1), (1,))],
    }
    given["points"] = rng.normal(size=10).tolist()
    for loss in LOSSES:
        slopes, differences = game(
            """const spec = m.players(a).critic, weights = arrays(a.weights), x = Float64Array.from(a.points);
            const value = () => Array.from(m.pushes(weights, x, spec, a.loss).logits, m.LOSSES[a.loss].generator.value);
            const found = Array.from(x, (old, i) => {
              const at = (offset) => { x[i] = old + offset; const now = value()[i >> 1]; x[i] = old; return now; };
              return (at(1e-5) - at(-1e-5)) / 2e-5;
            });
            return [[...m.pushes(weights, x, spec, a.loss).slopes], found];""",
            {**given, "loss": loss},
        )
        np.testing.assert_allclose(slopes, differences, atol=1e-7)


def test_python_and_the_page_have_the_same_lists(game):
    lists = game("return [Object.keys(m.LOSSES), Object.keys(m.PENALTIES), m.CURVED]")
    assert lists == [list(LOSSES), list(PENALTIES), list(ACTIVATIONS)]
