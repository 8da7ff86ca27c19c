"""The page's networks beside Keras', layer by layer; and what a figure says when its state is spoilt."""

import json
import re
import time

import keras
import numpy as np
import pytest
from codes import small_flow, small_gan, small_vae, small_vq
from living import alone, saved
from shaped import pictures, trio
from slotted import discs, slot_model

from aecore import (
    export,
    synthetic,
    widgets,
    widgets_adversarial,
    widgets_codes,
    widgets_segmentation,
    widgets_slots,
)

pytestmark = pytest.mark.slow


# ---- the runtime beside Keras, for every kind of layer ----


@pytest.fixture
def blank(browser):
    """An empty page that loads nothing."""
    context = browser.new_context()
    context.route("**/*", lambda route: route.abort())
    yield context.new_page()
    context.close()


def networks():
    """Small networks with random weights, that together have every layer and activation the page can run."""
    k = keras.layers
    yield keras.Sequential([keras.Input((8, 8, 1)), k.Flatten(), *(k.Dense(9, a) for a in export.ACTIVATIONS)])
    for padding in ("same", "valid"):
        for size, stride in ((3, 1), (4, 2), (3, 2), (2, 3), ((3, 5), (2, 1))):
            convolution = dict(kernel_size=size, strides=stride, padding=padding, bias_initializer="random_normal")
            yield keras.Sequential([keras.Input((9, 7, 2)), k.Conv2D(3, **convolution), k.Activation("tanh")])
            yield keras.Sequential([keras.Input((3, 4, 2)), k.Conv2DTranspose(3, **convolution)])
    from aecore.layers import TopK
    from aecore.networks import conv_decoder, conv_encoder, mlp_encoder, tied_decoder

    yield conv_encoder((16, 16, 3), (4, 6), 5)
    yield conv_decoder((16, 16, 3), (4, 6), 5)
    yield tied_decoder(mlp_encoder((4, 4, 1), (7,), 3, dropout=0.3))
    grid = dict(shape=(8, 8, 3), filters=(4, 6), code_size=5, grid=True)
    yield conv_encoder(**grid)
    yield conv_decoder(**grid)
    yield keras.Sequential([keras.Input((6,)), k.Dense(8), TopK(3), k.Dense(5, use_bias=False)])


def test_every_layer_agrees_with_keras(blank):
    text = widgets._module("network")
    for model in networks():
        buffer = export.Buffer()
        spec = export.network(model, buffer)
        inputs = np.random.default_rng(1).normal(0, 2, (20, *model.input_shape[1:])).astype("f4")
        truth = keras.ops.convert_to_numpy(model(inputs)).reshape(20, -1)
        results = blank.evaluate(
            """async ([text, spec, bytes, inputs]) => {
              const module = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
              const net = module.network(spec, "net", new DataView(Uint8Array.from(bytes).buffer));
              return inputs.map((x) => Array.from(net.run(x)));
            }""",
            [text, spec, list(buffer.bytes), inputs.reshape(20, -1).tolist()],
        )
        names = [layer.name for layer in model.layers]
        np.testing.assert_allclose(results, truth, atol=1e-3 * max(1, np.abs(truth).max()), err_msg=str(names))


# ---- states that somebody has spoilt ----


def spoilt(figure):
    """Ways to spoil a code plane's state, and a word that the message must have."""

    def change(*path, to):
        def apply(state):
            place = state["spec"]
            for key in path[:-1]:
                place = place[key]
            if to is None:
                del place[path[-1]]
            else:
                place[path[-1]] = to

        return apply

    yield change("decoder", to=None), "decoder"
    yield change("codes", to=None), "codes"
    yield change("codes", "shape", to=[7, 3]), "(any, 2)"
    yield change("codes", "shape", to=[10**9, 2]), "4000000"
    yield change("codes", "at", to=10**7), "bytes"
    yield change("codes", "at", to=-4), "place"
    yield change("codes", "dtype", to="f64"), "type"
    yield change("labels", to=[1, 2, 3]), "labels"
    yield change("range", to=[[0, 0], [0, 1]]), "empty"
    yield change("range", to="all"), "range"
    yield change("decoder", "layers", 0, "units", to=10**9), "units"
    yield change("decoder", "layers", 0, "kernel", "shape", to=[2, 3]), "kernel"
    yield change("decoder", "layers", 0, "kind", to="constructor"), "kind"
    yield change("decoder", "layers", to=[]), "output"
    yield change("decoder", "layers", -1, to={"kind": "reshape", "shape": [30000, 30000, 1]}), "shape"
    yield change("decoder", "input", to=[3]), "2"
    yield change("decoder", "input", to=[200000, 200000]), "at most"
    slow = {"kind": "conv", "units": 1, "size": [40, 40], "strides": [1, 1], "padding": "same"}
    weights = {
        name: {"dtype": "u8", "shape": size, "at": 0} for name, size in (("kernel", [40, 40, 1, 1]), ("bias", [1]))
    }
    yield change("decoder", to={"input": [1200, 1200, 1], "layers": [{**slow, **weights}]}), "multiplications"
    yield (lambda state: state.update(spec=None)), "spec"
    yield (lambda state: state.update(code=["a", "b"])), "code"
    yield (lambda state: state.update(_esm="not a module")), "started"
    yield (lambda state: state.pop("_esm")), "figure"


def code_plane(build):
    ae = build(code_size=2)
    return widgets.CodePlane(ae, np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 3)


def test_a_spoilt_state_is_a_message_in_the_figures_place(blank, build):
    figure = code_plane(build)
    state, key = saved(figure)
    blank.set_content(alone(state, key))
    blank.locator(".live canvas").first.wait_for()
    cases = [(what, word, lambda s: s) for what, word in spoilt(figure)]
    cases.append((lambda state: None, "bytes", lambda s: {**s, key: {**s[key], "buffers": []}}))
    nan = lambda s: {
        **s,
        key: {**s[key], "buffers": [{**b, "data": "//9/" * (len(b["data"]) // 4)} for b in s[key]["buffers"]]},
    }
    cases.append((lambda state: None, "finite", nan))
    cases.append((lambda state: None, "not hold", lambda s: {}))
    wrong = []
    for spoil, word, more in cases:
        copy = json.loads(json.dumps(state))
        spoil(copy["state"][key]["state"])
        copy["state"] = more(copy["state"])
        started = time.monotonic()
        blank.set_content(alone(copy, key))
        message = blank.locator("[role=alert]")
        message.wait_for(timeout=5000)
        if word not in message.inner_text():
            wrong.append((word, message.inner_text()))
        assert blank.locator("img").is_visible(), "the picture stays"
        assert blank.locator("canvas").count() == 0
        assert time.monotonic() - started < 5, "the page froze"
    assert not wrong


def test_a_page_without_its_state_says_so(blank, build):
    state, key = saved(code_plane(build))
    blank.set_content(alone(state, key).replace("widget-state+json", "lost", 1))
    assert "does not hold" in blank.locator("[role=alert]").inner_text()


def others(build, x):
    """A figure of each other kind of aecore.widgets; test_train_in_page and test_quiz spoil the others."""
    three = build(hidden=(4,))
    yield widgets.Draw(three, x)
    yield widgets.Dial({1: three, 2: build(seed=2, hidden=(4,))}, x[:3], {"rec": [2.0, 1.0]})
    yield widgets.Frames(x[:3], ["a", "b", "c"])
    yield from of_codes(x)
    points = synthetic.ring_of_gaussians(50)[0]
    yield widgets_adversarial.GANInPage({"ring": points}, {"ring": (synthetic.ring_centres(), 0.05)})
    yield widgets_adversarial.StyleGrid(small_gan())
    plane = build(code_size=2)
    yield widgets_adversarial.FlowPaths(small_flow(classes=2), plane, plane.encode(x), np.arange(60) % 3)
    scenes, segmenters = pictures(), trio(build)
    yield widgets_segmentation.SegmenterInPage(segmenters, *scenes)
    yield widgets_segmentation.InferenceRounds(segmenters["ae"].course(scenes[0]), *scenes)
    yield widgets_slots.SlotScene(slot_model(), discs(2))
    film = np.random.default_rng(0).random((1, 2, 8, 8, 3))
    yield widgets_slots.SlotTracks(np.ones((1, 2, 8, 8), int), film, np.ones((1, 2, 8, 8), int))


def of_codes(x):
    """The plane with ellipses, the traversals, and the tokens."""
    vae, vq = small_vae(2), small_vq()
    yield widgets.CodePlane(vae, vae.encode(x), np.arange(60) % 3, pictures=x)
    yield widgets_codes.Traversals(small_vae(4), x)
    yield widgets_codes.Tokens(vq, x, samples=vq.encode(x[:3]))


OPTIONAL = {"title", "probe", "name", "smooth"}


def test_every_field_that_is_missing_is_named(blank, build, x):
    crashes = []
    blank.on("pageerror", lambda error: crashes.append(str(error)))
    for figure in [code_plane(build), *others(build, x)]:
        state, key = saved(figure)
        for field in set(figure.spec) - OPTIONAL:
            for spoilt_value in (None, {}, [], -1, "x"):
                if (field, spoilt_value) == ("terms", {}):  # a dial without curves
                    continue
                copy = json.loads(json.dumps(state))
                copy["state"][key]["state"]["spec"][field] = spoilt_value
                blank.set_content(alone(copy, key))
                message = blank.locator("[role=alert]")
                blank.locator("[role=alert], canvas, .live img").first.wait_for(timeout=5000)
                assert message.count(), (type(figure).__name__, field, spoilt_value, "was drawn all the same")
                text = message.inner_text()
                assert re.search(r"must|missing|needs|empty|unknown|has", text), (type(figure).__name__, field, text)
                assert not re.search(r"undefined|not a function|Cannot read|not iterable", text), (
                    field,
                    spoilt_value,
                    text,
                )
    assert crashes == []


WRONG = (  # figure, field, what it becomes, a word that the message must have
    (0, ("log_var", "shape"), [3, 2], "log_var"),
    (0, ("pictures", "shape"), [60, 8, 8, 3], "pictures"),
    (1, ("mean", "shape"), [10, 3], "mean"),
    (1, ("order",), [0, 99], "order"),
    (1, ("ranges", 0), [1, 1], "empty"),
    (1, ("steps",), 1000, "steps"),
    (2, ("decoder", "layers", 0, "codes"), 5, "table"),
    (2, ("decoder", "layers", 0, "units"), 10**9, "units"),
    (2, ("decoder", "input"), [400, 400], "1024"),
    (2, ("decoder", "input"), [16], "picture"),
    (2, ("tokens", "at"), 10**7, "bytes"),
    (2, ("samples", "shape"), [3, 8, 2], "samples"),
    (2, ("patches", "shape"), [9, 2, 2, 3], "patches"),
)


def test_what_is_wrong_with_codes_is_named(blank, x):
    crashes = []
    blank.on("pageerror", lambda error: crashes.append(str(error)))
    states = [saved(figure) for figure in of_codes(x)]
    cases = [(json.loads(json.dumps(states[i][0])), states[i][1], field, to, word) for i, field, to, word in WRONG]
    for state, key, field, to, _ in cases:
        place = state["state"][key]["state"]["spec"]
        for part in field[:-1]:
            place = place[part]
        place[field[-1]] = to
    for state, key in states:
        for buffer in state["state"][key]["buffers"]:
            buffer["data"] = "//9/" * (len(buffer["data"]) // 4)
        cases.append((state, key, "weights", "NaN", "finite"))
    for state, key, field, to, word in cases:
        blank.set_content(alone(state, key))
        blank.locator("[role=alert], canvas").first.wait_for(timeout=5000)
        message = blank.locator("[role=alert]")
        assert message.count(), (field, to, "was drawn all the same")
        assert word in message.inner_text(), (field, to, message.inner_text())
        assert blank.locator("canvas").count() == 0
    assert crashes == []
