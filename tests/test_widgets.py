"""The Python side of live figures: what a figure carries, what it refuses, and how its traits behave."""

import io
import re

import keras
import numpy as np
import pytest
from PIL import Image

from aecore import export, objectives, viz, widgets, widgets_adversarial, widgets_codes  # noqa: F401  (defines figures)
from aecore.exercises import quiz  # noqa: F401


def read(buffer, entry):
    """The array behind an entry, read as the page reads it: in NumPy, from the bytes."""
    kinds = {"i16": "<i2", "u8": "u1", "f32": "<f4", "file": "u1"}
    count = int(np.prod(entry["shape"]))
    raw = np.frombuffer(bytes(buffer), kinds[entry["dtype"]], count, entry["at"]).reshape(entry["shape"])
    if entry["dtype"] == "i16":
        return raw * read(buffer, entry["steps"])
    return raw / 255 if entry["dtype"] == "u8" else raw


# ---- what a figure carries ----


def test_numbers_come_back_within_half_a_step():
    buffer, rng = export.Buffer(), np.random.default_rng(0)
    columns = rng.normal(size=(50, 4)) * [1e-6, 1, 300, 0]
    entries = [buffer.pixels(np.array([0.5])), buffer.numbers(columns), buffer.exact(columns)]
    back = read(buffer.bytes, entries[1])
    assert (np.abs(back - columns) <= np.abs(columns).max(axis=0) / 32767 * 0.51).all()
    assert np.array_equal(read(buffer.bytes, entries[2]), columns.astype("f4"))
    assert abs(read(buffer.bytes, entries[0])[0] - 0.5) <= 0.5 / 255
    assert all(entry["at"] % 4 == 0 for entry in entries)


def test_weights_in_16_bits_are_closer_than_half_precision():
    weights = np.random.default_rng(0).normal(0, 0.1, (128, 64)).astype("f4")
    buffer = export.Buffer()
    ours = read(buffer.bytes, buffer.numbers(weights)) - weights
    assert np.sqrt(np.mean(ours**2)) < 0.5 * np.sqrt(np.mean((weights.astype("f2").astype("f4") - weights) ** 2))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        export.Buffer().numbers([1.0, bad])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        export.Buffer().pixels([0.5, bad])


def test_an_exported_network_has_the_models_numbers(build):
    ae = build(hidden=(5,), likelihood=objectives.Bernoulli())
    buffer = export.Buffer()
    spec = export.decoder(ae, buffer)
    kinds = [layer["kind"] for layer in spec["layers"]]
    assert kinds == ["dense", "activation", "dense", "reshape", "activation"]
    assert spec["layers"][-1]["activation"] == "sigmoid"
    z = np.random.default_rng(0).normal(size=(4, 3))
    h = z
    for layer in spec["layers"]:
        if layer["kind"] == "dense":
            h = h @ read(buffer.bytes, layer["kernel"]) + read(buffer.bytes, layer["bias"])
        elif layer["kind"] == "activation":
            h = np.tanh(h) if layer["activation"] == "tanh" else 1 / (1 + np.exp(-h))
    np.testing.assert_allclose(h.reshape(4, 8, 8, 1), ae.decode(z.astype("f4")), atol=1e-4)


def test_what_the_page_cannot_run_is_refused_by_name(build):
    k = keras.layers
    cases = {
        "bn": [k.Dense(3), k.BatchNormalization(name="bn")],
        "softmax": [k.Dense(3, "softmax")],
        "tall": [k.Reshape((4, 4, 1)), k.Conv2D(2, 2, dilation_rate=2, name="tall")],
    }
    for word, layers in cases.items():
        with pytest.raises(ValueError, match=word):
            export.network(keras.Sequential([keras.Input((16,)), *layers]), export.Buffer())
    inputs = keras.Input((4,))
    forked = keras.Model(inputs, k.Add(name="sum")([k.Dense(2, name="left")(inputs), k.Dense(2, name="right")(inputs)]))
    with pytest.raises(ValueError, match="chain"):
        export.network(forked, export.Buffer())
    with pytest.raises(ValueError, match="smaller"):
        export.network(keras.Sequential([keras.Input((2000,)), k.Dense(1001)]), export.Buffer())
    with pytest.raises(ValueError, match="Categorical"):
        export.decoder(build(likelihood=objectives.Categorical(3), code_size=2), export.Buffer())


# ---- figures ----


def test_code_plane_carries_codes_and_labels(build):
    codes = np.random.default_rng(0).normal(size=(30, 2)).astype("f4")
    labels = np.array(["ant", "bee", "cow"])[np.arange(30) % 3]
    plane = widgets.CodePlane(build(code_size=2), codes, labels)
    np.testing.assert_allclose(read(plane.data, plane.spec["codes"]), codes, atol=1e-4)
    assert [plane.spec["names"][i] for i in plane.spec["labels"]] == labels.tolist()
    low, high = plane.spec["range"]
    assert (codes > low).all()
    assert (codes < high).all()
    assert np.allclose(plane.code, np.median(codes, axis=0))


def test_draw_carries_ten_pictures_and_its_numbers(build, x):
    ae = build(hidden=(6,))
    figure = widgets.Draw(ae, x)
    np.testing.assert_allclose(read(figure.data, figure.spec["examples"]), x[:10], atol=0.5 / 255 + 1e-6)
    probe = figure.spec["probe"]["encoder"]
    n, i = np.ogrid[1:101, 1:65]
    inputs = np.concatenate([0.5 + 0.5 * np.sin(n * i**2), np.zeros((1, 64)), np.ones((1, 64))]).astype("f4")
    truth = ae.encode(inputs.reshape(-1, 8, 8, 1))[:, probe["places"]]
    np.testing.assert_allclose(read(figure.data, probe["outputs"]), truth, atol=1e-5)


def test_dial_holds_what_the_models_do(build, x):
    models = {0.1: build(seed=1), 0.2: build(seed=2)}
    dial = widgets.Dial(models, x[:5], {"rec": [1.0, 2.0]}, name="λ")
    assert dial.spec["settings"] == ["0.1", "0.2"]
    codes, rebuilt = (read(dial.data, dial.spec[key]) for key in ("codes", "reconstructions"))
    for i, model in enumerate(models.values()):
        np.testing.assert_allclose(codes[i], model.encode(x[:5]), atol=1e-3)
        np.testing.assert_allclose(rebuilt[i], model.reconstruct(x[:5]).clip(0, 1), atol=0.5 / 255 + 1e-6)


def test_frames_are_pictures_or_figures(x):
    frames = widgets.Frames(x[:3], ["a", "b", "c"])
    entry = frames.spec["frames"][1]
    picture = Image.open(io.BytesIO(read(frames.data, entry).tobytes()))
    np.testing.assert_allclose(np.asarray(picture) / 255, x[1, :, :, 0], atol=0.5 / 255 + 1e-6)
    drawn = widgets.Frames([viz.curves({"a": [1, 2]}), viz.curves({"a": [2, 1]})], ["up", "down"])
    files = [read(drawn.data, e).tobytes() for e in drawn.spec["frames"]]
    assert len({Image.open(io.BytesIO(file)).size for file in files}) == 1
    whole = io.BytesIO()
    viz.curves({"a": [1, 2]}).savefig(whole, dpi=110)
    assert len(files[0]) < len(whole.getvalue()) / 2
    with Image.open(io.BytesIO(files[0])) as seen, Image.open(whole) as wanted:
        off = np.abs(np.asarray(seen.convert("RGB"), int) - np.asarray(wanted.convert("RGB"), int))
    assert off.max() <= 24  # of 255, on the edges of lines
    assert drawn.spec["smooth"]
    assert not frames.spec["smooth"]


def test_figures_refuse_what_does_not_fit(build, x):
    two = build(code_size=2)
    with pytest.raises(ValueError, match="codes"):
        widgets.CodePlane(two, np.zeros((5, 3)), np.zeros(5))
    with pytest.raises(ValueError, match="labels"):
        widgets.CodePlane(two, np.zeros((5, 2)), np.zeros(4))
    with pytest.raises(ValueError, match="a code of 2"):
        widgets.CodePlane(build(code_size=3), np.zeros((5, 2)), np.zeros(5))
    with pytest.raises(ValueError, match="caption"):
        widgets.Frames(x[:3], ["a"])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        widgets.Frames(2 * x[:3] + 0.1, ["a", "b", "c"])
    with pytest.raises(ValueError, match="term"):
        widgets.Dial({1: two}, x[:2], {"rec": [1, 2]})
    with pytest.raises(ValueError, match="one size"):
        widgets.Dial({1: two, 2: build(code_size=3)}, x[:2], {})
    with pytest.raises(ValueError, match="64"):
        widgets.Draw(build(code_size=65), x)


def test_a_module_is_whole():
    for kind in widgets.Live.__subclasses__():
        assert "import {" not in kind._esm
        assert kind._esm.count("export default") == 1
        names = re.findall(r"^(?:export )?(?:const|let|function) (\w+)", kind._esm, re.MULTILINE)
        assert len(set(names)) == len(names), "two of its parts have one name in common"


def test_show_puts_both_tiers_into_one_output(build, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *args, **kwargs: shown.append((args, kwargs)))
    plane = widgets.CodePlane(build(code_size=2), np.zeros((5, 2)), np.zeros(5))
    viz.show(viz.curves({"a": [1, 2]}), alt="A line that goes up.", live=plane)
    ((bundle,), options) = shown[0]
    assert set(bundle) == {"image/png", "text/plain", viz.WIDGET}
    assert bundle[viz.WIDGET]["model_id"] == plane.model_id
    assert options["metadata"]["image/png"]["alt"] == "A line that goes up."


def test_controls_run_once_and_are_marked(monkeypatch):
    shown, runs = [], []
    monkeypatch.setattr("IPython.display.display", lambda *args, **kwargs: shown.append((args, kwargs)))
    widgets.controls(lambda size=2: runs.append(size), "Train", size=[1, 2, 4])
    assert runs == [2]
    ((bundle,), options) = shown[-1]
    assert options["metadata"][viz.WIDGET] == {"needs_kernel": True}
    assert "size" in bundle["text/plain"]
