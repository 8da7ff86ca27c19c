"""Training in the page: learn.js beside Keras in double precision, and what Python gives and hears."""

import keras
import numpy as np
import pytest

from aecore import metrics, synthetic, widgets
from aecore.widgets_training import ACTIVATIONS, TrainInPage

LOAD = """async (text) => {
  window.m = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
}"""
ARRAYS = "const arrays = (lists) => lists.map((list) => Float64Array.from(list.flat(2)));"


@pytest.fixture(scope="module")
def learn(browser):
    """A function that runs JavaScript with learn.js as `m` and Python's argument as `a`."""
    page = browser.new_page()
    page.evaluate(LOAD, widgets._module("learn"))
    yield lambda code, a=None: page.evaluate(f"(a) => {{ {ARRAYS} {code} }}", a)
    page.close()


@pytest.fixture(scope="module")
def double():
    """Keras in double precision."""
    before, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")  # what layers take, once one has been made
    yield
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(policy)


def keras_net(spec, weights, optimizer):
    layers = [keras.layers.Dense(n, a) for n, a in zip(spec["sizes"][1:], spec["activations"], strict=True)]
    net = keras.Sequential([keras.Input((spec["sizes"][0],)), *layers])
    net.set_weights([np.reshape(w, v.shape) for w, v in zip(weights, net.weights, strict=True)])
    net.compile(optimizer, lambda x, y: keras.ops.sum((x - y) ** 2, axis=-1), run_eagerly=True)
    return net


def close(ours, theirs, tolerance=1e-5):
    """Whether each array is within `tolerance` of the other, or of its largest number where that is above one."""
    theirs = [np.ravel(w) for w in theirs]
    return all(np.abs(a - b).max() <= tolerance * max(1, np.abs(b).max()) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("code_size", [1, 2])
@pytest.mark.parametrize("hidden", [[], [5], [6, 4]], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_those_of_keras(learn, double, activation, hidden, code_size):
    spec = learn("return m.layout(2, ...a)", [hidden, code_size, activation])
    assert spec["sizes"] == [2, *hidden, code_size, *hidden[::-1], 2]
    rng = np.random.default_rng(len(hidden))
    for scale, spread in ((1, 1), (3, 1), (1, 1e3), (30, 30)):  # the last two are hostile
        shapes = [s for n, k in zip(spec["sizes"], spec["sizes"][1:], strict=False) for s in ((n, k), (k,))]
        weights = [scale * rng.normal(size=s) / np.sqrt(s[0]) * (len(s) == 2 or scale > 1) for s in shapes]
        x, target = spread * rng.normal(size=(2, 7, 2))
        x[0] = 0  # where biases are zero too, relu is at its kink
        given = {"w": [w.tolist() for w in weights], "x": [x.tolist(), target.tolist()], "spec": spec}
        ours = learn(
            "const [x, target] = arrays(a.x); const found = m.gradients(arrays(a.w), x, a.spec, target);"
            "return { loss: found.loss, gradients: found.gradients.map((g) => [...g]) }",
            given,
        )
        net = keras_net(spec, weights, keras.optimizers.SGD(1.0))  # one step of rate one: the way gone is the gradient
        loss = net.train_on_batch(x, target)
        theirs = [w - after for w, after in zip(weights, net.get_weights(), strict=True)]
        assert np.isclose(ours["loss"], loss, rtol=1e-6)
        assert close(ours["gradients"], theirs), (activation, scale, spread)
        assert max(np.abs(g).max() for g in theirs) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "optimiser"), [*((a, "adam") for a in ACTIVATIONS), ("tanh", "sgd")])
def test_fifty_steps_lead_to_the_weights_of_keras(learn, double, activation, optimiser):
    spec = learn("return m.layout(2, [8, 6], 1, a)", activation)
    weights = learn("return m.init(a.sizes, 3).map((w) => [...w])", spec)
    x = synthetic.moons(96, seed=1)[0].reshape(3, 32, 2).astype("float64")
    ours = learn(
        "const weights = arrays(a.w), batches = arrays(a.x), state = {};"
        "for (let i = 0; i < 50; i++) m.OPTIMISERS[a.optimiser](weights,"
        "  m.gradients(weights, batches[i % 3], a.spec).gradients, state, 0.01);"
        "return weights.map((w) => [...w])",
        {"w": weights, "x": x.tolist(), "spec": spec, "optimiser": optimiser},
    )
    net = keras_net(spec, weights, {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[optimiser](0.01))
    for i in range(50):
        net.train_on_batch(x[i % 3], x[i % 3])
    assert close(ours, net.get_weights())
    assert not close(ours, weights, 1e-2)  # they have moved


@pytest.mark.slow
def test_first_weights_are_glorot_uniform_and_owned_by_the_seed(learn):
    first, again, other = (learn("return m.init([30, 50], a).map((w) => [...w])", seed) for seed in (5, 5, 6))
    limit = np.sqrt(6 / 80)
    assert first == again != other
    assert set(first[1]) == {0}
    kernel = np.sort(first[0]) / limit
    uniform = np.linspace(-1, 1, kernel.size)
    assert np.abs(kernel).max() <= 1
    assert np.abs(kernel - uniform).max() < 2 * 1.63 / np.sqrt(kernel.size)  # Kolmogorov and Smirnov, 1 %
    means = [np.mean(learn("return m.init([30, 50], a).map((w) => [...w])", seed)[0]) for seed in range(20)]
    assert np.std(means) < 2 * limit / np.sqrt(3 * 1500)


@pytest.mark.slow
@pytest.mark.parametrize("points", [synthetic.moons(200)[0], synthetic.ring_of_gaussians(150, modes=3)[0]])
def test_a_linear_network_reaches_pca(learn, points):
    points = points.astype("float64")
    variances, directions = np.linalg.eigh(np.cov(points.T, bias=True))
    pca, loss, ends = learn(
        "const x = Float64Array.from(a.flat()), pca = m.pca(x);"
        "const run = m.training(x, { hidden: [], code_size: 1, activation: 'linear', seed: 1 });"
        "for (const learning_rate of [0.03, 0.003, 0.0003]) for (let i = 0; i < 200 * run.perEpoch; i++)"
        "  run.step({ optimiser: 'adam', learning_rate, noise: 0 });"
        "const loss = m.squaredError(run.outputs(run.codes()), x, x.length / 2);"
        "return [pca, loss, [...run.outputs(Float64Array.of(-1, 1))]]",
        points.tolist(),
    )
    way = np.subtract(ends[2:], ends[:2]) / np.linalg.norm(np.subtract(ends[2:], ends[:2]))
    np.testing.assert_allclose(pca["mean"], points.mean(axis=0), atol=1e-9)
    assert np.isclose(pca["loss"], variances[0])
    assert np.isclose(abs(np.dot(pca["direction"], directions[:, 1])), 1)
    assert variances[0] * (1 - 1e-9) <= loss < 1.01 * variances[0]
    assert abs(way @ directions[:, 1]) > 0.995


@pytest.mark.slow
def test_python_hears_of_it_and_can_go_on(browser):
    x = synthetic.moons(200)[0]
    figure = TrainInPage(x)
    page = browser.new_page()
    page.evaluate(LOAD, figure._esm)
    page.evaluate(
        """([spec, settings, bytes]) => {
          const values = { spec, settings, data: new DataView(Uint8Array.from(bytes).buffer) }, listeners = {};
          window.values = values; window.saved = 0;
          window.python = (name, value) => { values[name] = value; listeners[`change:${name}`](); };
          m.default.render({ el: document.body, model: {
            get: (name) => values[name], set: (name, value) => { values[name] = value; }, save_changes() { saved++; },
            on: (event, listener) => { listeners[event] = listener; } } });
          window.saved = 0;
        }""",
        [figure.spec, figure.settings, list(figure.data)],
    )
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Pause").click()
    saved, epoch, loss, sent = page.evaluate("[saved, values.epoch, values.loss, [values.weights, values.trained]]")
    assert 2 <= saved <= 6  # a few a second
    assert epoch > 1
    with pytest.raises(ValueError, match="has sent no weights"):
        figure.to_keras()
    figure.weights, figure.trained = sent
    figure.settings = {**figure.settings, "activation": "tanh", "hidden": [3]}  # not those of the weights
    assert np.isclose(metrics.squared_error(figure.to_keras().reconstruct(x), x).mean(), loss, rtol=1e-4)
    page.evaluate("python('settings', { ...values.settings, code_size: 2, seed: 77 })")
    assert (page.get_by_label("seed").input_value(), page.get_by_label("code size").input_value()) == ("77", "2")
    assert page.evaluate("[values.epoch, values.weights.length]") == [0, 12]
    page.close()


@pytest.mark.parametrize(
    ("points", "more", "message"),
    [
        (np.zeros((10, 3)), {}, r"shape \(n, 2\), n from 2 to 500, got \(10, 3\)"),
        (np.zeros((501, 2)), {}, r"got \(501, 2\)"),
        (np.zeros((10, 2)), {}, "standard deviation of 0"),
        (np.full((10, 2), np.nan), {}, "finite points"),
        ({}, {}, "empty dict"),
        (None, {"hidden": (100,)}, "hidden must be at most three sizes"),
        (None, {"activation": "selu"}, "activation must be one of linear, relu, gelu, tanh"),
        (None, {"code_size": 3}, "code_size must be 1 or 2, got 3"),
        (None, {"learning_rate": 2}, "learning_rate must be from 0.0001 to 1, got 2"),
        (None, {"noise": -1}, "noise must be"),
        (None, {"seed": -1}, "seed must be a whole number"),
    ],
)
def test_errors_at_the_door(points, more, message):
    with pytest.raises(ValueError, match=message):
        TrainInPage(synthetic.moons(50)[0] if points is None else points, **more)


def test_settings_from_python_are_checked():
    figure = TrainInPage(synthetic.moons(50)[0])
    with pytest.raises(ValueError, match="optimiser must be adam or sgd"):
        figure.settings = {**figure.settings, "optimiser": "magic"}
    with pytest.raises(ValueError, match="wanted the settings data, hidden"):
        figure.settings = {"seed": 1}
    assert figure.settings["optimiser"] == "adam"
