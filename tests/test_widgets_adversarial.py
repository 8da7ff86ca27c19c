"""The Python side of the figures of chapters 13 to 15: what they carry, what they refuse, how their traits behave."""

import keras
import numpy as np
import pytest
from codes import small_flow, small_gan, small_vae
from test_widgets import read

from aecore import export, networks, synthetic
from aecore.objectives import Bernoulli
from aecore.widgets_adversarial import FlowPaths, GANInPage, StyleGrid

RING, CENTRES = synthetic.ring_of_gaussians(100)[0], synthetic.ring_centres()


# ---- a condition in the page ----


@pytest.mark.parametrize(
    "model",
    [small_gan(), small_gan(output_activation="tanh", average=0.9), small_vae(2, classes=3, likelihood=Bernoulli())],
    ids=["gan", "tanh", "vae"],
)
def test_a_conditional_model_is_described_as_one_row(model):
    described, decode = export.conditional(model, export.Buffer())
    assert described["input"] == [5]
    codes, labels = np.random.default_rng(0).normal(size=(6, 2)).astype("f4"), np.arange(6, dtype="i4") % 3
    truth = model.decode(codes, labels)
    if getattr(model, "range", None) == (-1, 1):
        truth = (truth + 1) / 2
        assert described["layers"][-1]["activation"] == "unit"
    given = np.concatenate([codes, np.eye(3)[labels]], axis=1)
    np.testing.assert_allclose(decode(given), truth, atol=1e-6)
    assert decode(given).min() >= 0
    assert decode(given).max() <= 1


def test_dense_and_convolutional_generators_become_rows():
    for net in (
        networks.mlp_decoder((8, 8, 1), (5,), 2, condition_size=3),
        networks.conv_decoder((8, 8, 1), (4, 6), 2, condition_size=3),
        networks.mlp_encoder((2,), (5,), 2, condition_size=3),
    ):
        described = export.network(net, buffer := export.Buffer())
        assert described["input"] == [5]
        kernel = read(buffer.bytes, described["layers"][0]["kernel"])
        np.testing.assert_allclose(kernel, net.get_weights()[0], atol=1e-4)


def test_other_uses_of_a_second_input_are_refused():
    first, second = keras.Input((4,)), keras.Input((2,))
    late = keras.layers.Concatenate()([keras.layers.Dense(3)(first), second])
    turned = keras.layers.Concatenate()([second, first])
    added = keras.layers.Add()([first, keras.layers.Dense(4)(second)])
    for output in (late, turned, added):
        with pytest.raises(ValueError, match="appends a condition to a row"):
            export.network(keras.Model([first, second], output), export.Buffer())
    with pytest.raises(ValueError, match="appends a condition to a row"):
        export.network(networks.conv_encoder((8, 8, 1), (4,), 2, condition_size=3), export.Buffer())


# ---- a GAN in the page ----


def test_the_game_carries_points_and_modes():
    figure = GANInPage({"ring": RING, "moons": synthetic.moons(80)[0]}, {"ring": (CENTRES, 0.05)}, loss="hinge")
    assert figure.spec["names"] == ["ring", "moons"]
    np.testing.assert_array_equal(read(figure.data, figure.spec["points"][0]), RING)
    mixture, nothing = figure.spec["modes"]
    np.testing.assert_array_equal(read(figure.data, mixture["centres"]), CENTRES)
    assert (mixture["scale"], nothing) == (0.05, None)
    assert (figure.settings["data"], figure.settings["loss"]) == ("ring", "hinge")
    figure.settings = {**figure.settings, "data": "your drawing"}


@pytest.mark.parametrize(
    ("points", "modes", "more", "message"),
    [
        (np.zeros((10, 3)), None, {}, r"shape \(n, 2\), n from 2 to 1000"),
        (RING, {"sun": (CENTRES, 0.05)}, {}, "wanted modes of the points data"),
        ({"your drawing": RING}, None, {}, "none of them named 'your drawing'"),
        (RING, {"data": (CENTRES[:, :1], 0.05)}, {}, r"centres \(k, 2\) for 'data', got \(8, 1\)"),
        (RING, {"data": (CENTRES, 0)}, {}, "a scale above 0 for 'data', got 0"),
        (RING, None, {"loss": "magic"}, "loss must be one of minimax, non-saturating"),
        (RING, None, {"penalty": "R2"}, "penalty must be one of none, gradient penalty"),
        (RING, None, {"penalty_weight": -1}, "penalty_weight must be from 0.001 to 100, got -1"),
        (RING, None, {"critic_steps": 0}, "critic_steps must be a whole number from 1 to 20, got 0"),
        (RING, None, {"learning_rate": 1}, "learning_rate must be from 0.0001 to 0.1"),
        (RING, None, {"hidden": (65,)}, "hidden must be at most three sizes"),
        (RING, None, {"activation": "linear"}, "activation must be one of relu"),
        (RING, None, {"seed": -1}, "seed must be a whole number"),
    ],
)
def test_errors_of_the_game(points, modes, more, message):
    with pytest.raises(ValueError, match=message):
        GANInPage(points, modes, **more)


def test_what_was_drawn_is_checked():
    figure = GANInPage(RING)
    figure.drawn = [0.5, -1.2, 1.6, 0.0]
    for wrong in ([0.5], [2.0, 0.0], [0.0] * 2002):
        with pytest.raises(ValueError, match="drawn must be at most 1000 pairs"):
            figure.drawn = wrong
    assert figure.drawn == [0.5, -1.2, 1.6, 0.0]


def test_the_players_come_back_as_keras_models():
    figure = GANInPage(RING, hidden=(5, 4), activation="tanh")
    with pytest.raises(ValueError, match="has sent no weights"):
        figure.to_keras()
    shapes = [(2, 5), (5,), (5, 4), (4,), (4, 2), (2,), (2, 5), (5,), (5, 4), (4,), (4, 1), (1,)]
    weights = [np.random.default_rng(i).normal(size=shape) for i, shape in enumerate(shapes)]
    figure.weights, figure.trained = [w.ravel().tolist() for w in weights], dict(figure.settings)
    figure.settings = {**figure.settings, "hidden": [3]}  # not those of the weights
    x = RING[:5]
    for net, part in zip(figure.to_keras(), (weights[:6], weights[6:]), strict=True):
        h = np.tanh(np.tanh(x @ part[0] + part[1]) @ part[2] + part[3])
        np.testing.assert_allclose(keras.ops.convert_to_numpy(net(x)), h @ part[4] + part[5], atol=1e-5)


# ---- styles and classes ----


def test_styles_are_those_that_the_model_samples():
    gan = small_gan()
    figure, same, other = (StyleGrid(gan, styles=12, seed=seed) for seed in (1, 1, 2))
    styles = read(figure.data, figure.spec["styles"])
    np.testing.assert_array_equal(styles, gan.prior.sample(12, seed=1))
    assert bytes(figure.data) == bytes(same.data) != bytes(other.data)
    assert (figure.spec["classes"], figure.spec["units"]) == (["0", "1", "2"], 2)
    assert StyleGrid(gan, "abc").spec["classes"] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        (small_gan(classes=None), {}, "wanted a model with classes"),
        (small_gan(), {"classes": "ab"}, "wanted 3 names of classes"),
        (small_gan(), {"styles": 13}, "at most 12 styles"),
        (small_gan(), {"units": 13}, "at most 12 units"),
        (small_gan(), {"styles": 0}, "styles"),
        (small_gan(), {"seed": -1}, "seed"),
    ],
)
def test_errors_of_the_grid(model, more, message):
    with pytest.raises(ValueError, match=message):
        StyleGrid(model, **more)


# ---- paths of a flow ----


def test_the_paths_carry_flows_and_their_units(build, x):
    ae, first, second = build(code_size=2), small_flow(), small_flow(seed=4)
    second.mean.assign([0.0, 0.0])
    codes = ae.encode(x)
    figure = FlowPaths({"one": first, "two": second}, ae, codes, np.arange(60) % 3, cloud=9)
    spec, data = figure.spec, figure.data
    assert (spec["flows"], spec["classes"], spec["velocity_1"]["input"]) == (["one", "two"], [], [3])
    np.testing.assert_array_equal(read(data, spec["mean"]), [[0.5, -1.0], [0.0, 0.0]])
    np.testing.assert_array_equal(read(data, spec["scale"]), [[2.0, 0.5]] * 2)
    assert read(data, spec["noise"]).shape == (9, 2)
    low, high = np.array(spec["range"])
    assert (low <= np.minimum(codes.min(axis=0), [-5.5, -2])).all()
    assert (high >= np.maximum(codes.max(axis=0), [6.0, 0.5])).all()


def test_errors_of_the_paths(build, x):
    ae, flow, labels = build(code_size=2), small_flow(), np.zeros(60)
    codes = ae.encode(x)
    fresh = small_flow()
    fresh.scale.assign([0.0, 0.0])
    for flows in ({}, {str(i): flow for i in range(5)}, fresh, ae, {"a": flow, "b": fresh}):
        with pytest.raises(ValueError, match="wanted 1 to 4 fitted flows"):
            FlowPaths(flows, ae, codes, labels)
    cases = [
        ((small_flow(classes=2), ae, codes, labels), {"classes": "abc"}, "flows of the same classes"),
        (({"a": flow, "b": small_flow(classes=2)}, ae, codes, labels), {}, "flows of the same classes"),
        ((flow, ae, codes[:, :1], labels), {}, r"codes \(n, 2\) and n labels"),
        ((flow, ae, codes, labels[:3]), {}, r"codes \(n, 2\) and n labels"),
        ((flow, build(code_size=3), codes, labels), {}, "a code of 2 numbers, got 3"),
        ((flow, ae, codes, labels), {"cloud": 301}, "at most 300 starts"),
    ]
    for given, more, message in cases:
        with pytest.raises(ValueError, match=message):
            FlowPaths(*given, **more)
