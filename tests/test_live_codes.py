"""The figures of codes, each alone on a page: ellipses of q(z|x), traversals, tokens. Keras says what is right."""

import base64
import io
import re

import numpy as np
import pytest
from codes import small_vae, small_vq
from living import centre, changes
from PIL import Image
from test_live import PARITY

from aecore import widgets, widgets_codes
from aecore.distributions import Normal
from aecore.quantisers import FSQ

pytestmark = pytest.mark.slow

# A copy on white paper is read: the figure's own canvas keeps its ways.
INK = """c => {
  const copy = Object.assign(document.createElement("canvas"), { width: c.width, height: c.height });
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, c.width, c.height);
  context.drawImage(c, 0, 0);
  return copy.toDataURL().split(",")[1];
}"""
DECODE = """async ([text, spec, bytes, inputs]) => {
  const module = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
  const net = module.network(spec, "net", new DataView(Uint8Array.from(bytes).buffer));
  return inputs.map((x) => Array.from(net.run(x)));
}"""


def inks(canvas):
    """Its colours, (h, w, 3), from 0 to 255."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(canvas.evaluate(INK)))))[..., :3].astype(int)


def told(live, words):
    """Wait until a screen reader is told something with these words."""
    live.get_by_role("status").filter(has_text=words).wait_for(state="attached")


def seen(canvas):
    """The grey values of a picture, in [0, 1], row by row."""
    return inks(canvas)[..., 0].ravel() / 255


def levels(pictures):
    return np.clip(pictures, 0, 1).ravel()


def numbers(figure):
    return [float(text) for text in figure.locator("output").all_inner_texts()]


# ---- ellipses on the code plane ----

MEANS = np.array([[-1.5, 0.0], [1.4, 0.5], [0.0, -1.5]], "f4")
SIZES = np.array([[0.5, 0.25], [0.2, 0.6], [0.3, 0.3]], "f4")


@pytest.fixture(scope="module")
def plane(x):
    vae = small_vae(2)
    q = Normal(MEANS, 2 * np.log(SIZES))
    return vae, widgets.CodePlane(vae, q, ["a", "b", "c"], pictures=x[:3])


def at(figure, code):
    """Where a code is on the plane, in pixels from the left and from the top."""
    low, high = np.array(figure.spec["range"])
    right, up = 320 * (np.array(code) - low) / (high - low)
    return {"x": right, "y": 320 - up}


def colour_at(figure, canvas, code):
    place = at(figure, code)
    return inks(canvas)[round(place["y"]), round(place["x"])]


def test_the_ellipse_of_the_nearest_example_is_shown(stand, plane, x):
    vae, figure = plane
    with stand(figure) as (_, live, faults):
        canvas = live.locator("canvas.plane")
        wanted = [[0, 114, 178], [230, 159, 0], [0, 158, 115]]
        for i, (mean, size) in enumerate(zip(MEANS, SIZES, strict=True)):
            canvas.click(position=at(figure, mean + 0.2 * size))
            text = live.locator("p.result").nth(1).inner_text()
            assert f"label {'abc'[i]}" in text
            code = np.array(numbers(live))
            far, kl = np.hypot(*((code - mean) / size)), np.sum((mean**2 + size**2 - 1) / 2 - np.log(size))
            assert float(re.search(r"lies ([\d.]+)", text).group(1)) == pytest.approx(far, abs=0.1)
            assert float(re.search(r"prior ([\d.]+) nats", text).group(1)) == pytest.approx(kl, abs=0.01)
            for sign in (-1, 1):
                for edge in ([2 * sign * size[0], 0], [0, 2 * sign * size[1]]):
                    np.testing.assert_allclose(colour_at(figure, canvas, mean + edge), wanted[i], atol=75)
                    beyond = colour_at(figure, canvas, mean + 1.15 * np.array(edge))
                    assert min(beyond) > 200, "nothing beyond two sigma"
            np.testing.assert_allclose(seen(live.locator("canvas").nth(1)), x[i].ravel(), atol=0.01)
            decoded = seen(live.locator("canvas").nth(2))
            np.testing.assert_allclose(decoded, levels(vae.decode(code[None].astype("f4"))), atol=0.02)
        assert changes(live, lambda: live.get_by_role("combobox").select_option("one per label"))
        assert changes(live, lambda: live.get_by_role("combobox").select_option("nearest example"))
        first = inks(canvas)
        live.get_by_role("button", name="New draws").click()
        assert (inks(canvas) != first).any()
        told(live, "lies")
    assert faults == []


def test_draws_come_from_the_ellipse(stand, x):
    vae = small_vae(2)
    for log_var, spread in ((-20.0, False), (1.0, True)):
        q = Normal(MEANS, np.full((3, 2), log_var, "f4"))
        figure = widgets.CodePlane(vae, q, ["a", "b", "c"])
        with stand(figure) as (_, live, faults):
            live.locator("canvas.plane").click(position=at(figure, MEANS[1]))
            draws = [seen(canvas) for canvas in live.locator(".draws canvas").all()]
            assert len(draws) == 8
            off = [np.abs(draw - levels(vae.decode(MEANS[1:2]))).max() for draw in draws]
            assert (max(off) > 0.02) == spread
        assert faults == []


# ---- traversals ----


@pytest.fixture(scope="module")
def walk(x):
    vae = small_vae(4)
    return vae, vae.encode(x).mean, widgets_codes.Traversals(vae, x, steps=5)


def strip_of(live, row, step):
    """One picture of a strip, with gaps of one pixel between them."""
    strip = live.locator(".track canvas").nth(row)
    return seen(strip).reshape(8, -1)[:, 9 * step : 9 * step + 8].ravel()


def test_traversals_move_one_latent(stand, walk):
    vae, means, figure = walk
    order, ranges = figure.spec["order"], np.array(figure.spec["ranges"])
    decode = lambda code: levels(vae.decode(np.array([code], "f4")))
    with stand(figure) as (page, live, faults):
        now = live.locator(".stay canvas").nth(1)
        for example in (0, 3):
            live.locator("button.pair").nth(example).click()
            assert live.locator("button[aria-pressed=true]").get_attribute("aria-label") == f"example {example + 1}"
            np.testing.assert_allclose(numbers(live), means[example][order], atol=0.006)
            np.testing.assert_allclose(seen(now), decode(means[example]), atol=0.01)
        page.wait_for_timeout(200)  # strips are drawn a few ms in each frame
        for row, latent in enumerate(order):
            for step, value in enumerate(np.linspace(*ranges[latent], 5)):
                code = means[3].copy()
                code[latent] = value
                np.testing.assert_allclose(strip_of(live, row, step), decode(code), atol=0.01)
        live.locator("input").nth(1).focus()
        assert changes(live, lambda: page.keyboard.press("End"))
        moved = means[3].copy()
        moved[order[1]] = ranges[order[1]][1]
        np.testing.assert_allclose(seen(now), decode(moved), atol=0.01)
        page.wait_for_timeout(200)
        moved_along = moved.copy()
        moved_along[order[0]] = ranges[order[0]][0]
        np.testing.assert_allclose(strip_of(live, 0, 0), decode(moved_along), atol=0.01)
        told(live, "unit")
        live.locator(".track canvas").nth(0).click(position={"x": 10, "y": 10})
        np.testing.assert_allclose(seen(now), decode(moved_along), atol=0.01)
        live.get_by_role("button", name="Back to the example").click()
        np.testing.assert_allclose(seen(now), decode(means[3]), atol=0.01)
    assert faults == []


def test_traversals_say_which_latent_is_in_use(stand, walk, build, x):
    _, _, figure = walk
    with stand(figure) as (_, live, faults):
        said = [float(re.search(r"KL ([\d.]+)", text).group(1)) for text in live.locator(".measure").all_inner_texts()]
        assert said == sorted(said, reverse=True)
        np.testing.assert_allclose(said, [figure.spec["activity"][j] for j in figure.spec["order"]], atol=0.006)
    assert faults == []
    with stand(widgets_codes.Traversals(build(code_size=3), x)) as (_, live, faults):
        assert live.locator(".measure").first.inner_text().startswith("variance")
    assert faults == []


# ---- tokens ----


@pytest.fixture(scope="module")
def board(x):
    model = small_vq()
    samples = np.random.default_rng(0).integers(0, 9, (3, 4, 4)).astype("int32")
    return model, samples, widgets_codes.Tokens(model, x, samples=samples)


@pytest.mark.parametrize("quantiser", [None, FSQ((3, 2, 4))], ids=["vq", "fsq"])
def test_tokens_are_decoded_as_keras_decodes_them(stand, quantiser, x):
    model = small_vq(quantiser)
    figure, tokens = widgets_codes.Tokens(model, x), model.encode(x)
    with stand(figure) as (page, _, faults):
        inputs = [
            widgets._module("network"),
            figure.spec["decoder"],
            list(figure.data),
            tokens.reshape(60, -1).tolist(),
        ]
        np.testing.assert_allclose(page.evaluate(DECODE, inputs), model.decode(tokens).reshape(60, -1), atol=1e-3)
    assert faults == []


def decoded(live):
    """The middles of the pixels of the large decoded picture."""
    canvas = live.locator(".grids canvas").nth(1)
    side = int(canvas.get_attribute("width"))
    at = ((np.arange(8) + 0.5) * side / 8).astype(int)
    return seen(canvas).reshape(side, side)[np.ix_(at, at)].ravel()


def test_a_token_is_changed_by_pointer_and_keys(stand, board, x):
    model, _, figure = board
    tokens = model.encode(x)[0]
    order = sorted(range(model.quantiser.codes), key=lambda k: (-figure.spec["used"][k], k))
    truth = lambda grid: levels(model.decode(grid[None]))
    with stand(figure) as (page, live, faults):
        grid, sentence, boxes = live.locator(".grids canvas").first, live.locator("p.result").first, tokens.copy()
        np.testing.assert_allclose(decoded(live), truth(tokens), atol=0.01)
        grid.click(position={"x": 80, "y": 30})  # row 1, column 2
        assert sentence.inner_text().startswith(f"row 1, column 2: token {tokens[0, 1]}.")
        other = next(k for k in order if k != tokens[0, 1])
        boxes[0, 1] = other
        live.get_by_role("radio", name=re.compile(rf"token {other},")).click()
        np.testing.assert_allclose(decoded(live), truth(boxes), atol=0.01)
        off = np.abs(model.decode(boxes[None]) - model.decode(tokens[None])) > 0.05
        assert f"token {other} (was {tokens[0, 1]})" in sentence.inner_text()
        assert f"1 of 16 cells changed, {off.sum()} of 64 pixels changed" in sentence.inner_text()

        grid.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert sentence.inner_text().startswith("row 2, column 1")
        place = order.index(tokens[1, 0])
        key, step = ("-", -1) if place else ("+", 1)
        page.keyboard.press(key)
        boxes[1, 0] = order[place + step]
        np.testing.assert_allclose(decoded(live), truth(boxes), atol=0.01)
        page.keyboard.press("Delete")
        boxes[1, 0] = tokens[1, 0]
        np.testing.assert_allclose(decoded(live), truth(boxes), atol=0.01)

        live.get_by_role("radio", checked=True).focus()
        page.keyboard.press("ArrowRight" if place == 0 else "ArrowLeft")
        boxes[1, 0] = order[place + step]
        np.testing.assert_allclose(decoded(live), truth(boxes), atol=0.01)
        assert live.get_by_role("radio", checked=True).get_attribute("aria-label").startswith(f"token {boxes[1, 0]},")
        live.locator("input").first.focus()
        page.keyboard.press("End")
        assert sentence.inner_text().startswith("row 4, column 4")
        told(live, "row 4")
        live.get_by_role("button", name="Back to the example").click()
        np.testing.assert_allclose(decoded(live), truth(tokens), atol=0.01)
    assert faults == []


def test_samples_and_examples_can_be_called_up(stand, board, x):
    model, samples, figure = board
    with stand(figure, width=390, has_touch=True, is_mobile=True) as (page, live, faults):
        for i in (0, 1, 2, 0):
            live.get_by_role("button", name="Next sample of the prior").click()
            np.testing.assert_allclose(decoded(live), levels(model.decode(samples[i : i + 1])), atol=0.01)
            assert f"before this page was made: {i + 1} / 3" in live.inner_text()
            assert live.locator("button[aria-pressed=true]").count() == 0
        live.locator("button.pair").nth(4).click()
        np.testing.assert_allclose(decoded(live), levels(model.decode(model.encode(x[4:5]))), atol=0.01)
        page.touchscreen.tap(*np.subtract(centre(live.locator(".grids canvas").first), 90))
        assert live.locator("p.result").first.inner_text().startswith("row 1, column 1")
    assert faults == []


@pytest.mark.parametrize(("name", "words"), [("plane", "最近的样本"), ("walk", "单元"), ("board", "词元")])
def test_every_figure_computes_as_keras_speaks_chinese_and_fits_a_phone(stand, request, name, words):
    figure = request.getfixturevalue(name)[-1]
    with stand(figure, lang="zh-CN", width=390, has_touch=True, is_mobile=True) as (page, live, faults):
        assert words in live.inner_text()
        assert max(page.evaluate(PARITY, 0)["decoder"].values()) < 1e-3
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        area = live.locator("canvas.plane, .track canvas, .grids canvas").first
        area.scroll_into_view_if_needed()
        assert changes(live, lambda: page.touchscreen.tap(*np.subtract(centre(area), (60, 0))))
    assert faults == []
