"""Each kind of live figure in the built book does what its reader asks, by mouse, finger and keyboard."""

import re

import numpy as np
import pytest
from living import LOOK, centre, changes, find
from test_live_codes import inks

from aecore import widgets

pytestmark = pytest.mark.slow

INK = """c => [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data].filter((v, i) => i % 4 == 0)"""


# ---- code plane ----


def test_code_plane_follows_mouse_keys_and_sliders(visit, live_pages):
    with find(visit, live_pages, "CodePlane") as (page, figure, faults):
        plane = figure.locator("canvas.plane")
        said = lambda: [float(v) for v in figure.locator("output").all_inner_texts()]
        assert changes(figure, lambda: plane.click(position={"x": 60, "y": 60}))
        here = said()
        plane.hover(position={"x": 60, "y": 60})
        page.mouse.down()
        assert changes(figure, lambda: page.mouse.move(*centre(plane), steps=3))
        page.mouse.up()
        assert said()[0] > here[0]
        assert said()[1] < here[1]
        assert not changes(figure, lambda: page.mouse.move(5, 5)), "the button is up"
        assert not changes(figure, lambda: plane.click(button="right", position={"x": 100, "y": 60}))

        plane.focus()
        here = said()
        assert changes(figure, lambda: page.keyboard.press("ArrowRight"))
        look = figure.evaluate(LOOK)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        assert figure.evaluate(LOOK) == look, "nothing of an older place stays"
        page.keyboard.press("ArrowUp")
        step = np.subtract(said(), here)
        assert (step > 0).all()
        page.keyboard.press("Shift+ArrowRight")
        assert said()[0] - here[0] == pytest.approx(11 * step[0], rel=0.1)
        for _ in range(200):
            page.keyboard.press("Shift+ArrowLeft")
        assert said()[0] == pytest.approx(float(figure.locator("input").first.get_attribute("min")), abs=0.01)

        figure.locator("input").nth(1).focus()
        assert changes(figure, lambda: page.keyboard.press("Home"))
        page.wait_for_function(
            "e => /\\d/.test(e.querySelector('[role=status]').textContent)", arg=figure.element_handle()
        )
    assert faults == []


def test_code_plane_follows_a_finger(visit, live_pages):
    with find(visit, live_pages, "CodePlane", width=390, has_touch=True, is_mobile=True) as (page, figure, faults):
        plane = figure.locator("canvas.plane")
        assert changes(figure, lambda: page.touchscreen.tap(*np.add(centre(plane), 30)))
        send = page.context.new_cdp_session(page).send
        x, y = centre(plane)
        touch = lambda kind, *at: send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in at]}
        )
        touch("touchStart", (x, y))
        top = page.evaluate("scrollY")
        assert changes(figure, lambda: touch("touchMove", (x + 60, y - 60)))
        touch("touchEnd")
        assert page.evaluate("scrollY") == top, "the finger moves the point, not the page"
    assert faults == []


def test_code_plane_plays_the_way_between_two_points(visit, live_pages):
    with find(visit, live_pages, "CodePlane") as (page, figure, faults):
        plane, strip = figure.locator("canvas.plane"), figure.locator(".strip")
        assert not strip.is_visible()
        figure.get_by_role("button", name="Pick two points").click()
        plane.click(position={"x": 40, "y": 50})
        plane.focus()
        for _ in range(20):
            page.keyboard.press("Shift+ArrowDown")
        page.keyboard.press("Enter")
        assert strip.is_visible()
        pictures = strip.locator("canvas").evaluate_all("all => all.map(c => c.toDataURL())")
        assert len(set(pictures)) == 9
        strip.get_by_role("button", name="Play").click()
        assert changes(figure, lambda: page.wait_for_timeout(500))
        strip.get_by_role("button", name="Pause").click()
        assert not changes(figure, lambda: page.wait_for_timeout(300))
        first = figure.locator("output").all_inner_texts()
        figure.get_by_role("button", name="Pick two points").click()
        assert not strip.is_visible()
        assert figure.locator("output").all_inner_texts() == first
    assert faults == []


# ---- draw and reconstruct ----


def error_of(figure):
    return float(re.search(r"[\d.]+", figure.locator(".result").inner_text()).group())


def test_drawing_is_encoded_and_decoded(visit, live_pages):
    with find(visit, live_pages, "Draw") as (page, figure, faults):
        paper = figure.locator("canvas").first
        codes = lambda: figure.locator("output").all_inner_texts()
        first = codes()
        figure.get_by_role("button", name="Next example").click()
        assert codes() != first
        figure.get_by_role("button", name="Clear").click()
        empty = codes()
        x, y = centre(paper)
        page.mouse.move(x, y - 70)
        page.mouse.down()
        assert changes(figure, lambda: page.mouse.move(x, y + 70, steps=10))
        page.mouse.up()
        assert codes() != empty
        seen = figure.locator("canvas").nth(1)
        column = np.reshape(seen.evaluate(INK), (-1, int(seen.get_attribute("width")))).sum(axis=0)
        assert column.argmax() in (len(column) // 2 - 1, len(column) // 2), "the line is where it was drawn"
        figure.locator("input").first.focus()  # the pen's mark goes
        drawn, pictures = codes(), figure.locator("canvas").evaluate_all("all => all.map(c => c.toDataURL())")
        page.keyboard.press("End")
        page.keyboard.press("ArrowLeft")
        moved = figure.locator("canvas").evaluate_all("all => all.map(c => c.toDataURL())")
        assert [a == b for a, b in zip(pictures, moved, strict=True)] == [True, True, False, False]
        assert codes()[1:] == drawn[1:]
        assert codes()[0] != drawn[0]
    assert faults == []


def test_drawing_by_keyboard_and_finger(visit, live_pages):
    with find(visit, live_pages, "Draw", has_touch=True) as (page, figure, faults):
        paper = figure.locator("canvas").first
        codes = lambda: figure.locator("output").all_inner_texts()
        paper.focus()
        page.keyboard.press("Delete")
        empty = codes()
        for key in ("ArrowUp", "ArrowUp"):
            page.keyboard.press(key)
        assert codes() == empty, "the pen is up"
        page.keyboard.press("Space")
        for _ in range(4):
            page.keyboard.press("Shift+ArrowDown")
        down = codes()
        assert down != empty
        page.keyboard.press("Space")
        page.keyboard.press("Shift+ArrowLeft")
        assert codes() == down
        assert changes(figure, lambda: page.touchscreen.tap(*np.subtract(centre(paper), 40)))
        assert codes() != down
        assert error_of(figure) > 0
    assert faults == []


# ---- dial and frames ----


def test_dial_turns(visit, live_pages):
    with find(visit, live_pages, "Dial") as (page, figure, faults):
        value = lambda: figure.locator("output").inner_text()
        names = figure.locator("tr > th").all_inner_texts()
        terms = lambda: dict(zip(names, map(float, figure.locator("td").all_inner_texts()), strict=True))
        first, before = value(), terms()
        figure.locator("input").focus()
        assert changes(figure, lambda: page.keyboard.press("ArrowRight"))
        page.keyboard.press("End")
        assert value() != first
        after = terms()
        assert after["squared error"] > before["squared error"]
        assert after["L1 penalty"] < before["L1 penalty"]
        pressed = figure.locator("button[aria-pressed=true]")
        assert pressed.get_attribute("aria-label").endswith(" 1")
        assert changes(figure, lambda: figure.locator("button.pair").nth(3).click())
        assert pressed.get_attribute("aria-label").endswith(" 4")
        assert terms() == after
    assert faults == []


def test_a_dial_has_one_scale_for_all_settings(stand, build, x):
    strong, weak = build(code_size=4), build(code_size=4)
    for weight in weak.encoder.layers[-1].weights:
        weight.assign(0.01 * weight)
    codes = strong.encode(x[:3])
    in_use = np.sum(np.abs(codes[0]) > 0.05 * np.abs(codes).max())
    with stand(widgets.Dial({1: strong, 2: weak}, x[:3], {"rec": [1.0, 2.0]})) as (page, live, faults):
        said = lambda: live.locator("figcaption").first.inner_text()
        ink = lambda: np.sum(np.ptp(inks(live.locator("figure canvas").first), axis=2) > 50)  # coloured: the bars
        assert in_use
        assert f"{in_use} / 4 units in use, largest {np.abs(codes[0]).max():.2f}" in said()
        tall = ink()
        live.locator("input").focus()
        page.keyboard.press("End")
        assert f"0 / 4 units in use, largest {0.01 * np.abs(codes[0]).max():.2f}" in said()
        assert ink() < 0.1 * tall
    assert faults == []


def test_frames_slide_play_and_step(visit, live_pages):
    with find(visit, live_pages, "Frames") as (page, figure, faults):
        caption = lambda: figure.locator("figcaption").inner_text()
        first = caption()
        figure.locator("input").focus()
        assert changes(figure, lambda: page.keyboard.press("ArrowRight"))
        assert caption() != first
        assert figure.locator(".live img").get_attribute("alt") == caption()
        page.keyboard.press("End")
        last = caption()
        page.keyboard.press("ArrowRight")
        assert caption() == last, "no frame after the last"
        figure.get_by_role("button", name="Play").click()
        page.wait_for_function(
            "([e, old]) => e.querySelector('figcaption').textContent != old", arg=[figure.element_handle(), last]
        )
        figure.get_by_role("button", name="Pause").click()
        assert not changes(figure, lambda: page.wait_for_timeout(900))
        figure.locator("input").focus()
        assert changes(figure, lambda: page.keyboard.press("Home") or page.keyboard.press("ArrowRight"))
    assert faults == []
