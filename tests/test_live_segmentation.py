"""A segmenter to paint on, and rounds of inference, each alone on a page, by every way in."""

import re

import numpy as np
import pytest
from living import alone, changes, saved
from shaped import pictures, segmenter, trio
from test_live_codes import inks, seen, told
from test_live_game import choose, press

from aecore import metrics_masks
from aecore.widgets_segmentation import InferenceRounds, SegmenterInPage

pytestmark = pytest.mark.slow

X, MASKS = pictures()


@pytest.fixture(scope="module")
def segments(build):
    return trio(build)


@pytest.fixture(scope="module")
def figure(segments):
    return SegmenterInPage(segments, X, MASKS)


@pytest.fixture(scope="module")
def rounds(segments):
    return InferenceRounds({name: s.course(X) for name, s in segments.items()}, X, MASKS)


def numbers(text):
    return [float(n) for n in re.findall(r"-?\d+\.?\d*", text)]


def map_of(live, place=0):
    """The map of q, or another one, once it has been inferred."""
    live.page.wait_for_timeout(100)
    return seen(live.locator(".maps canvas").nth(place))


def test_the_picture_in_the_page_is_that_mask(stand, segments, figure):
    with stand(figure) as (_, live, faults):
        for name, truth in segments.items():
            choose(live, "shape prior", name)
            last = truth.course(X)[-1]
            for place, key in enumerate(("q", "prior")):
                np.testing.assert_allclose(map_of(live, place), last[key][0, ..., 1].ravel(), atol=0.01)
        live.get_by_role("button", name="picture 2").click()
        choose(live, "shape prior", "mean")
        q = segments["mean"].predict_proba(X)[1, ..., 1]
        np.testing.assert_allclose(map_of(live), q.ravel(), atol=0.01)
        said = live.locator(".readout").inner_text()
        overlap = metrics_masks.iou(MASKS[1:2], (q > 0.5)[None])[0]
        assert said.startswith("round 3, sweep 4: object ")
        assert numbers(said)[2:] == pytest.approx([100 * (q > 0.5).mean(), overlap], abs=0.51, rel=0)
        assert numbers(said)[3] == pytest.approx(overlap, abs=0.0051)
        terms = segments["mean"].energy(X, segments["mean"].predict(X))
        cells = live.locator("table tr", has_text="total").locator("td").all_inner_texts()
        assert float(cells[0]) == pytest.approx(terms["total"][1], abs=0.15)
    assert faults == []


# ---- painting ----


def share(live):
    """How much of the picture is object, percent, once it has been inferred."""
    live.page.wait_for_timeout(100)
    return int(re.search(r"object (\d+) %", live.locator(".readout").inner_text()).group(1))


def at(board, row, column):
    box = board.bounding_box()
    return box["x"] + (column + 0.5) * box["width"] / 8, box["y"] + (row + 0.5) * box["height"] / 8


def still(page):
    """Until a mask that settles has settled."""
    page.wait_for_timeout(1200)


def test_a_hint_is_painted_and_the_mask_settles(stand, figure):
    with stand(figure) as (page, live, faults):
        board = live.get_by_role("application")
        before = share(live)
        press(live, "background")
        page.mouse.move(*at(board, 2, 2))
        page.mouse.down()
        page.mouse.move(*at(board, 5, 5), steps=6)
        page.mouse.up()
        sweeps = {live.locator(".readout").inner_text() for _ in range(8) if not page.wait_for_timeout(60)}
        assert len(sweeps) > 2, "the mask is seen to settle"
        still(page)
        assert share(live) < before
        assert (map_of(live).reshape(8, 8)[[2, 3, 4, 5], [2, 3, 4, 5]] < 0.01).all()
        press(live, "object")
        page.mouse.click(*at(board, 7, 7))  # also at the border
        still(page)
        assert (map_of(live).reshape(8, 8)[6:, 6:] > 0.99).all()
        press(live, "erase")
        page.mouse.click(*at(board, 7, 7))
        still(page)
        assert map_of(live).reshape(8, 8)[7, 7] < 0.01
        press(live, "Clear")
        assert share(live) == before
        press(live, "hide")
        choose(live, "brush size", "5")
        assert changes(live, lambda: page.mouse.click(*at(board, 4, 4)))
        still(page)
        colours, middle = inks(board).astype(int), int(4.7 * len(inks(board)) / 8)
        assert (np.ptp(colours[middle, middle]) < 3).all(), "grey covers the picture there"
    assert faults == []


def test_painting_by_keyboard_and_finger(stand, figure):
    with stand(figure, has_touch=True, reduced_motion="reduce") as (page, live, faults):
        board = live.get_by_role("application")
        before = share(live)
        press(live, "background")
        board.focus()
        assert changes(live, lambda: page.keyboard.press("ArrowLeft"))
        assert share(live) == before, "the brush is up"
        page.keyboard.press("Space")
        for _ in range(3):
            page.keyboard.press("ArrowUp")
        assert share(live) < before
        page.keyboard.press("Space")
        page.keyboard.press("Delete")
        assert share(live) == before
        press(live, "object")
        x, y = at(board, 1, 6)
        assert changes(live, lambda: page.touchscreen.tap(x, y))
        assert share(live) > before
        told(live, "this mask")
        assert live.get_by_role("button", name="object", exact=True).get_attribute("aria-pressed") == "true"
    assert faults == []


# ---- dials and sweeps ----


def test_every_dial_counts_and_they_go_back(stand, figure):
    with stand(figure) as (page, live, faults):
        choose(live, "shape prior", "mean")
        start = map_of(live)
        names = live.locator(".dials .slider label").all_inner_texts()
        assert len(names) == 7
        for name in set(names) - {"damping"}:  # where it settles, damping does not change
            live.get_by_label(name).press("End")
            assert not np.array_equal(map_of(live), start), name
            press(live, "Dials back")
            np.testing.assert_array_equal(map_of(live), start)
        live.get_by_label("damping").press("End")
        live.get_by_label("sweep", exact=True).press("Home")
        assert live.locator(".readout").inner_text().startswith("round 1, sweep 0")
        first = map_of(live)
        live.get_by_label("sweep", exact=True).press("ArrowRight")
        slow = np.abs(map_of(live) - first).max()
        press(live, "Dials back")
        live.get_by_label("sweep", exact=True).press("Home")
        live.get_by_label("sweep", exact=True).press("ArrowRight")
        assert slow < np.abs(map_of(live) - first).max()
        press(live, "Play")
        still(page)
        assert live.locator(".readout").inner_text().startswith("round 3, sweep 4")
        assert live.get_by_role("button", name="Play").is_visible(), "it ends by itself"
        assert changes(live, lambda: live.get_by_label("outline of the true mask").check())
    assert faults == []


def test_without_shape_or_neighbours_each_pixel_is_alone(stand, figure):
    with stand(figure) as (_, live, faults):
        for name in ("prior weight", "bilateral weight", "spatial weight", "damping"):
            live.get_by_label(name).press("Home")
        logits = np.clip(segmenter().appearance.log_p[0, ..., 1], -8, 8)
        odds = 1 / (1 + np.exp(-figure.settings["appearance_weight"] * logits))
        odds[[0, -1]] = odds[:, [0, -1]] = 0  # the border
        np.testing.assert_allclose(map_of(live), odds.ravel(), atol=0.01)
    assert faults == []


# ---- rounds ----


def test_rounds_show_the_course(stand, segments, rounds):
    with stand(rounds) as (page, live, faults):
        maps = live.locator(".course canvas")
        assert maps.count() == 12
        for key, r in (("Home", 0), ("End", 2)):
            live.get_by_label("round", exact=True).press(key)
            for k, truth in enumerate(segments.values()):
                believed = truth.course(X)[r]
                np.testing.assert_allclose(seen(maps.nth(4 * k + 1)), believed["prior"][0, ..., 1].ravel(), atol=0.035)
                np.testing.assert_allclose(seen(maps.nth(4 * k + 2)), believed["q"][0, ..., 1].ravel(), atol=0.035)
                overlap = metrics_masks.iou(MASKS[:1], believed["q"].argmax(-1)[:1])[0]
                text = live.locator(".course .row").nth(k).inner_text()
                assert text.startswith(f"{list(segments)[k]} IoU")
                assert numbers(text) == pytest.approx([overlap, believed["free_energy"][0]], abs=0.51)
                assert numbers(text)[0] == pytest.approx(overlap, abs=0.0051)
            told(live, f"round {r + 1}. mean: IoU")
        assert changes(live, lambda: live.get_by_role("button", name="picture 2").click())
        believed = segments["ae"].course(X)[2]["q"][1, ..., 1].ravel()
        np.testing.assert_allclose(seen(maps.nth(6)), believed, atol=0.035)
        assert changes(live, lambda: live.get_by_label("outline of the true mask").check())
        press(live, "Play")
        assert changes(live, lambda: page.wait_for_timeout(900))
        press(live, "Pause")
        assert not changes(live, lambda: page.wait_for_timeout(900))
    assert faults == []


WRONG = (  # figure, field, what it becomes, a word that the message must have
    ("figure", "spec", {"priors": ["a"]}, "means must have the shape (1"),
    ("figure", "spec", {"rounds": 10**9}, "rounds must be"),
    ("figure", "spec", {"spatial_width": 0}, "spatial_width must be from"),
    ("figure", "spec", {"pictures": None}, "field pictures is missing"),
    ("figure", "spec", {"scores": [None] * 3}, "components must be a number"),
    ("figure", "spec", {"encoder_1": None}, "field encoder_1 is missing"),
    ("figure", "settings", {"bilateral": 1e9}, "bilateral must be from 0 to 10"),
    ("figure", "settings", {"damping": None}, "damping must be a number"),
    ("figure", "hints", [1, 2], "hints must be a list of 64"),
    ("figure", "hints", [7] * 64, "A hint must be a whole number from -2 to 1"),
    ("figure", "prior", "constructor", "prior must be one of mean, ae, vae"),
    ("figure", "picture", 9, "picture must be"),
    ("rounds", "spec", {"names": ["a"]}, "q must have the shape (1"),
    ("rounds", "spec", {"free_energy": [[1]]}, "free_energy must be a list of 3"),
    ("rounds", "round", 9, "round must be"),
)


@pytest.mark.parametrize(("name", "field", "to", "words"), WRONG, ids=lambda v: str(v)[:20])
def test_a_spoilt_state_is_told_in_words(browser, request, name, field, to, words):
    state, key = saved(request.getfixturevalue(name))
    values = state["state"][key]["state"]
    values[field] = {**values[field], **to} if isinstance(to, dict) else to
    page = browser.new_page()
    page.set_content(alone(state, key))
    message = page.locator("[role=alert]")
    message.wait_for(timeout=5000)
    assert words in message.inner_text()
    page.close()


@pytest.mark.parametrize(("name", "words"), [("figure", "画笔"), ("rounds", "轮次")])
def test_figures_speak_chinese_and_fit_a_phone(stand, request, name, words):
    figure = request.getfixturevalue(name)
    with stand(figure, lang="zh-CN", width=390, has_touch=True, is_mobile=True) as (page, live, faults):
        assert words in live.inner_text()
        assert re.findall(r"[a-z]{4,}", re.sub("mean", "", live.inner_text())) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        parts = "[...document.querySelectorAll('.live :is(input, select, canvas)')]"
        unnamed = f"{parts}.filter((e) => !e.labels?.length && !e.ariaLabel).length"
        assert page.evaluate(unnamed) == 0, "every control and picture has a name"
    assert faults == []
