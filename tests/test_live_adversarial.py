"""Styles and classes, and paths of a flow, each alone on a page, beside Keras; and all figures of chapters 13 to 15."""

import re

import numpy as np
import pytest
from codes import small_flow, small_gan, small_vae
from living import alone, changes, saved
from test_live import PARITY
from test_live_codes import levels, seen, told
from test_live_game import choose, game, press  # noqa: F401  (game is a fixture)

from aecore.widgets_adversarial import FlowPaths, StyleGrid

pytestmark = pytest.mark.slow


# ---- styles and classes ----


def cell(live, row, column, rows, columns, side=8):
    """One picture of the grid, with one pixel between two."""
    sheet = seen(live.locator(".sheet canvas")).reshape(rows * (side + 1) - 1, columns * (side + 1) - 1)
    return sheet[row * (side + 1) :, column * (side + 1) :][:side, :side].ravel()


@pytest.mark.parametrize("kind", ["gan", "tanh", "vae"])
def test_the_grid_shows_what_the_model_makes(stand, kind):
    model = {
        "gan": lambda: small_gan(),
        "tanh": lambda: small_gan(output_activation="tanh"),
        "vae": lambda: small_vae(2, classes=3),
    }[kind]()
    half = kind == "tanh"
    figure = StyleGrid(model, styles=4, seed=2)
    styles = model.prior.sample(4, seed=2)
    truth = lambda z, k: levels(model.decode(z[None], np.array([k], "i4")) / (1 + half) + half / 2)
    with stand(figure) as (page, live, faults):
        assert max(page.evaluate(PARITY, 0)["decoder"].values()) < 1e-3
        page.wait_for_timeout(300)
        for row in range(4):
            for column in range(3):
                np.testing.assert_allclose(cell(live, row, column, 4, 3), truth(styles[row], column), atol=0.01)
        large = live.locator("canvas").nth(1)
        grid = live.locator(".sheet canvas")
        grid.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        np.testing.assert_allclose(seen(large), truth(styles[1], 1), atol=0.01)
        told(live, "style 2, class 1")
        live.get_by_label("style unit 2").press("End")
        moved = np.array([styles[1, 0], 3.0], "f4")
        np.testing.assert_allclose(seen(large), truth(moved, 1), atol=0.01)
        page.wait_for_timeout(300)
        np.testing.assert_allclose(cell(live, 1, 2, 4, 3), truth(moved, 2), atol=0.01)
        np.testing.assert_allclose(cell(live, 2, 2, 4, 3), truth(styles[2], 2), atol=0.01)
        live.get_by_label("share of it").press("End")
        np.testing.assert_allclose(seen(large), truth(moved, 2), atol=0.01)
        assert changes(live, lambda: live.get_by_label("share of it").press("ArrowLeft"))
        choose(live, "blend with class", "0")
        press(live, "New styles")
        press(live, "Reset")
        page.wait_for_timeout(300)
        np.testing.assert_allclose(cell(live, 1, 2, 4, 3), truth(styles[1], 2), atol=0.01)
    assert faults == []


def test_labels_can_be_mixed(stand):
    gan = small_gan()
    with stand(StyleGrid(gan, styles=1, seed=2)) as (_, live, faults):
        style = gan.prior.sample(1, seed=2)
        live.get_by_label("share of it").fill("0.25")
        mixed = gan.decode(style, np.array([[0.75, 0.25, 0.0]], "f4"))
        np.testing.assert_allclose(seen(live.locator("canvas").nth(1)), levels(mixed), atol=0.01)
        told(live, "class 0: 75 %, 1: 25 %")
        press(live, "Play")
        assert changes(live, lambda: live.page.wait_for_timeout(400))
        live.locator(".sheet canvas").click(position={"x": 5, "y": 5})
        assert not changes(live, lambda: live.page.wait_for_timeout(300)), "a choice ends the walk"
    assert faults == []


# ---- paths of a flow ----


@pytest.fixture(scope="module")
def paths(build, x):
    ae, flow = build(code_size=2), small_flow(classes=2)
    return flow, FlowPaths(
        {"first": flow, "second": small_flow(classes=2, seed=5)}, ae, ae.encode(x), np.arange(60) % 3
    )


def test_a_path_ends_where_the_flow_says(stand, paths, build):
    flow, figure = paths
    ends = lambda live: [float(n) for n in re.findall(r"-?\d+\.\d+", live.locator(".result").inner_text())]
    truth = lambda steps, label: flow.paths(np.array([[1.0, 0.5]], "f4"), steps, np.array([label], "i4"))[-1, 0]
    with stand(figure) as (page, live, faults):
        assert all(max(off.values()) < 1e-3 for off in page.evaluate(PARITY, 0).values())
        for key, steps in (("Home", 1), ("End", 100)):
            live.get_by_label("steps").press(key)
            assert live.get_by_label("steps").get_attribute("aria-valuetext") == str(steps)
            np.testing.assert_allclose(ends(live)[:2], truth(steps, 0), atol=0.011)
            np.testing.assert_allclose(ends(live)[2:4], truth(200, 0), atol=0.011)
            apart = np.linalg.norm(truth(steps, 0) - truth(200, 0))
            assert ends(live)[4] == pytest.approx(apart, rel=1e-3, abs=0.002)
        choose(live, "class", "1")
        np.testing.assert_allclose(ends(live)[:2], truth(100, 1), atol=0.011)
        decoded = live.locator("canvas").nth(1)
        np.testing.assert_allclose(seen(decoded), levels(build(code_size=2).decode(truth(100, 1)[None])), atol=0.01)
        choose(live, "flow", "second")
        assert not np.allclose(ends(live)[:2], truth(100, 1), atol=0.02)
    assert faults == []


def test_the_start_follows_pointer_and_keys(stand, paths):
    flow, figure = paths
    with stand(figure) as (page, live, faults):
        live.get_by_label("steps").press("Home")
        low, high = np.array(figure.spec["range"])
        plane = live.locator("canvas.plane")
        plane.click(position={"x": 200, "y": 100})
        place = low + (high - low) * [200 / 340, 1 - 100 / 340]
        noise = ((place - [0.5, -1.0]) / [2.0, 0.5]).astype("f4")[None]  # as small_flow says
        end = flow.paths(noise, 1, np.zeros(1, "i4"))[-1, 0]
        said = [float(n) for n in re.findall(r"-?\d+\.\d+", live.locator(".result").inner_text())[:2]]
        np.testing.assert_allclose(said, end, atol=0.02)
        plane.focus()
        assert changes(live, lambda: page.keyboard.press("ArrowLeft"))
        assert changes(live, lambda: page.keyboard.press("Shift+ArrowUp"))
        assert changes(live, lambda: live.get_by_label("time", exact=True).press("Home"))
        told(live, "The path ends at")
        assert changes(live, lambda: live.get_by_label("velocity at this time").check())
        assert changes(live, lambda: press(live, "New start"))
        press(live, "Play")
        assert changes(live, lambda: page.wait_for_timeout(500))
        press(live, "Pause")
        assert not changes(live, lambda: page.wait_for_timeout(300))
    assert faults == []


# ---- all three ----


WRONG = (  # figure, field, what it becomes, a word that the message must have
    ("game", "settings", {"hidden": [9999]}, "hidden layer"),
    ("game", "settings", {"penalty_weight": None}, "penalty_weight must be a number"),
    ("game", "settings", {"loss": "constructor"}, "loss must be one of"),
    ("game", "settings", {"critic_steps": 10**9}, "critic_steps must be"),
    ("game", "settings", {"data": "sun"}, "data must be one of ring, moons, your drawing"),
    ("game", "drawn", [0.5], "drawn must be a list of at most"),
    ("game", "drawn", ["a", 1], "A number in drawn must be a number"),
    ("grid", "spec", {"classes": ["a"]}, "number of classes"),
    ("grid", "spec", {"classes": ["a", "b"]}, "styles must have the shape"),
    ("grid", "spec", {"units": 13}, "units must be"),
    ("paths", "spec", {"flows": ["a"] * 5}, "At most 4 flows"),
    ("paths", "spec", {"classes": ["a"]}, "velocity_0 must take 4"),
    ("paths", "start", ["a", "b"], "start must be a number"),
)


@pytest.fixture(scope="module")
def grid():
    return StyleGrid(small_gan())


@pytest.mark.parametrize(("name", "field", "to", "words"), WRONG, ids=lambda v: str(v)[:20])
def test_a_spoilt_state_is_told_in_words(browser, request, name, field, to, words):
    figure = request.getfixturevalue(name)
    state, key = saved(figure[1] if isinstance(figure, tuple) else figure)
    values = state["state"][key]["state"]
    values[field] = {**values[field], **to} if isinstance(to, dict) else to
    page = browser.new_page()
    page.set_content(alone(state, key))
    message = page.locator("[role=alert]")
    message.wait_for(timeout=5000)
    assert words in message.inner_text()
    page.close()


@pytest.mark.parametrize(("name", "words"), [("game", "判别器"), ("grid", "风格"), ("paths", "路径")])
def test_every_figure_speaks_chinese_and_fits_a_phone(stand, request, name, words):
    figure = request.getfixturevalue(name)
    figure = figure[1] if isinstance(figure, tuple) else figure
    with stand(figure, lang="zh-CN", width=390, has_touch=True, is_mobile=True) as (page, live, faults):
        assert words in live.inner_text()
        names = r"leaky_relu|gelu|relu|tanh|ring|moons|first|second|Wasserstein"
        english = re.findall(r"[a-z]{4,}", re.sub(names, "", live.inner_text()))
        assert english == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        parts = "[...document.querySelectorAll('.live :is(input, select, canvas)')]"
        unnamed = f"{parts}.filter((e) => !e.labels?.length && !e.ariaLabel).length"
        assert page.evaluate(unnamed) == 0, "every control and picture has a name"
    assert faults == []
