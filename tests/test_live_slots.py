"""A scene of slots and films with their tracks, each alone on a page, by every way in."""

import re

import moving
import numpy as np
import pytest
from living import alone, changes, saved
from slotted import K, discs, slot_model
from test_live_codes import inks, seen, told
from test_live_game import choose, press

from aecore import slot_editing
from aecore.widgets_slots import SlotScene, SlotTracks

pytestmark = pytest.mark.slow

X = np.rint(255 * discs(3)).astype("float32") / 255  # as pictures travel
FILMS, MASKS = (part[:2] for part in moving.discs())


@pytest.fixture(scope="module")
def model():
    return slot_model()


@pytest.fixture(scope="module")
def figure(model):
    return SlotScene(model, X)


@pytest.fixture(scope="module")
def video():
    return moving.video()


@pytest.fixture(scope="module")
def films(video):
    return SlotTracks({"carried": video, "alone": video.autoencoder}, FILMS, MASKS)


# ---- picking, moving, taking out ----


def error(live):
    """The mean squared error that is shown."""
    return float(live.locator(".result").get_by_text("mean squared error").inner_text().split()[-1])


def test_a_moved_object_is_the_one_that_python_moves(stand, model, figure):
    with stand(figure) as (page, live, faults):
        live.get_by_role("button", name="picture 2").click()
        press(live, "slot 2")
        live.get_by_role("application").focus()
        for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
            page.keyboard.press(key)
        slots = slot_editing.move(model.encode(X)[1:2], 2, (-1 / 16, 2 / 16))
        masks = model.layers_of(slots).masks[0]
        shown = live.locator(".maps canvas")
        np.testing.assert_allclose(seen(shown.nth(1)), masks[..., 2].ravel(), atol=0.005)
        np.testing.assert_allclose(seen(shown.nth(0)), X[1, ..., 0].ravel(), atol=0.005)
        off = ((model.decode(slots)[0] - X[1]) ** 2).mean()
        assert error(live) == pytest.approx(off, abs=6e-5)
        assert live.locator(".readout").inner_text() == f"slot 2: {100 * masks[..., 2].mean():.1f} % of the picture"
    assert faults == []


def pixel(board, row, column):
    box = board.bounding_box()
    return box["x"] + (column + 0.5) * box["width"] / 16, box["y"] + (row + 0.5) * box["height"] / 16


def test_an_object_is_picked_and_dragged_by_mouse_and_finger(stand, model, figure):
    labels, slots = model.layers_of(model.encode(X)).masks[0].argmax(axis=-1), model.encode(X)[0]
    owner = max(range(1, K), key=lambda k: (labels == k).sum())
    row, column = np.argwhere(labels == owner)[0]
    for touch in (False, True):
        with stand(figure, has_touch=touch) as (page, live, faults):
            board = live.get_by_role("application")
            place = lambda: [float(v) for v in live.locator(".dials output").all_inner_texts()[:2]]
            if touch:
                page.touchscreen.tap(*pixel(board, row, column))
            else:
                page.mouse.click(*pixel(board, row, column))
            assert live.get_by_role("button", name=f"slot {owner}").get_attribute("aria-pressed") == "true"
            assert place() == pytest.approx((slots[owner, :2] + 1) / 2 * 16 - 0.5, abs=0.051)
            start = place()
            page.mouse.move(*pixel(board, row, column))
            page.mouse.down()
            way = 1 if row < 8 else -1
            assert changes(live, lambda: page.mouse.move(*pixel(board, row + way, column + 1), steps=4))  # noqa: B023
            page.mouse.up()
            assert np.subtract(place(), start) == pytest.approx([way, 1], abs=0.11)
            here = place()
            page.mouse.move(5, 5)
            assert place() == here, "the button is up"
        assert faults == []


def test_an_object_is_taken_out_and_brought_back(stand, model, figure):
    slots = model.encode(X)[:1]
    with stand(figure) as (page, live, faults):
        press(live, "slot 3")
        before = live.locator(".maps canvas").nth(1).evaluate("c => c.toDataURL()")
        press(live, "Take out")
        assert live.locator(".readout").inner_text() == "slot 3 is taken out"
        assert live.get_by_label("row", exact=True).is_disabled()
        off = ((model.decode(slot_editing.remove(slots, 3))[0] - X[0]) ** 2).mean()
        assert error(live) == pytest.approx(off, abs=6e-5)
        live.get_by_role("button", name="slot 1").click()
        masks = model.layers_of(slot_editing.remove(slots, 3)).masks[0]
        np.testing.assert_allclose(seen(live.locator(".maps canvas").nth(1)), masks[..., 1].ravel(), atol=0.005)
        press(live, "slot 3: out")
        live.get_by_role("application").focus()
        page.keyboard.press("Delete")
        assert live.locator(".maps canvas").nth(1).evaluate("c => c.toDataURL()") == before
        live.get_by_label("height", exact=True).press("End")
        assert live.locator(".maps canvas").nth(1).evaluate("c => c.toDataURL()") != before
        page.keyboard.press("Tab")
        press(live, "As encoded")
        assert live.locator(".maps canvas").nth(1).evaluate("c => c.toDataURL()") == before
        told(live, "slot 3: ")
        press(live, "ground")
        assert live.get_by_role("button", name="Take out").is_disabled()
        assert not changes(live, lambda: live.get_by_role("application").press("ArrowLeft"))
        live.get_by_role("application").press("Enter")
        assert live.get_by_role("button", name="slot 1").get_attribute("aria-pressed") == "true"
        assert changes(live, lambda: live.get_by_label("every slot's number and outline").check())
    assert faults == []


def test_something_is_always_left_to_paint(stand):
    figure = SlotScene(slot_model(background=False), X)
    with stand(figure) as (_, live, faults):
        for j in range(K):
            live.get_by_role("button", name=re.compile(f"^slot {j}")).click()
            press(live, "Take out")
        assert live.locator(".readout").inner_text().startswith(f"slot {K - 1}: 100.0 %")
    assert faults == []


def test_what_python_has_set_is_shown(stand, model):
    figure = SlotScene(model, X)
    moved = slot_editing.move(model.encode(X)[2:], 1, (0.2, -0.1))[0]
    figure.picture, figure.slot, figure.codes, figure.out = 2, 1, moved.ravel().tolist(), [2]
    with stand(figure) as (_, live, faults):
        masks = model.layers_of(np.delete(moved[None], 2, axis=1)).masks[0]
        np.testing.assert_allclose(seen(live.locator(".maps canvas").nth(1)), masks[..., 1].ravel(), atol=0.005)
        assert live.get_by_role("button", name="slot 2: out").is_visible()
    assert faults == []


# ---- films ----


def test_frames_are_scrubbed_and_played(stand, films):
    with stand(films) as (page, live, faults):
        frame, boards = live.get_by_label("frame", exact=True), live.locator(".screens canvas")
        assert boards.count() == 3
        for key, t in (("Home", 0), ("ArrowRight", 1), ("End", moving.T - 1)):
            frame.press(key)
            for place, part in enumerate((FILMS, None, MASKS)):
                if part is None:
                    continue
                colours = inks(boards.nth(place))
                at = lambda row, column: colours[tuple(int((v + 0.5) * len(colours) / 16) for v in (row, column))]  # noqa: B023
                for corner in ((0, 0), (15, 0), (0, 15)):
                    assert abs(at(*corner) / 255 - FILMS[(0, t, *corner)]).max() < 0.01
        assert live.locator("output").first.inner_text() == f"{moving.T} / {moving.T}"
        told(live, f"frame {moving.T}. A: ")
        press(live, "Play")
        assert changes(live, lambda: page.wait_for_timeout(900))
        press(live, "Pause")
        assert not changes(live, lambda: page.wait_for_timeout(900))
    assert faults == []


def test_outlines_tracks_and_measures_are_the_models(stand, films, video):
    alone = video.autoencoder.predict(FILMS.reshape(-1, *moving.SHAPE)).reshape(MASKS.shape)
    labels = {"carried": video.predict(FILMS), "alone": alone}
    with stand(films) as (_, live, faults):
        for k, (name, found) in enumerate(labels.items()):
            choose(live, "model", name)
            for i in range(2):
                live.get_by_role("button", name=f"film {i + 1}").click()
                for t in range(moving.T):
                    live.locator(".tracks canvas").click(position={"x": 30 + 26 * (t + 0.5), "y": 30})
                    said = live.locator(".screens canvas").nth(1).get_attribute("aria-label")
                    slots = re.search(r"slots found: ([\d, ]*)", said).group(1)
                    assert slots == ", ".join(map(str, sorted(set(found[i, t].ravel()) - {0})))
                    text = live.locator(".readout").inner_text()
                    for n, letter in ((1, "A"), (2, "B")):
                        inside = found[i, t][MASKS[i, t] == n]
                        most = (MASKS[i] == n).sum(axis=(1, 2)).max()
                        slot = np.bincount(inside).argmax() if len(inside) >= most / 4 else -1
                        wanted = {-1: "hidden", 0: "ground"}.get(slot, f"slot {slot}")
                        assert f"{letter}: {wanted}" in text
                kept, overlap = films.spec["kept"][k][i], films.spec["overlap"][k][i]
                line = live.get_by_text("tracks kept").inner_text()
                assert line == f"tracks kept: {round(100 * kept)} %, overlap {overlap:.2f} in this film"
    assert faults == []


def test_a_ghost_is_drawn_and_can_be_left_out(stand):
    labels = np.zeros((1, 2, 8, 8), int)
    labels[0, :, 2:6, 2:6] = 2
    shapes = np.zeros((*labels.shape, 2), bool)
    shapes[0, 0, 2:6, 3:7, 0] = True
    with stand(SlotTracks((labels, shapes), np.zeros((1, 2, 8, 8, 3)))) as (_, live, faults):
        board = live.locator(".screens canvas").nth(1)
        assert board.get_attribute("aria-label") == "slots found: 2; ghost: 1"
        assert live.locator(".readout").inner_text() == "slot 2; ghost: 1"
        colours = inks(board)
        assert colours[int(2.5 * len(colours) / 8), int(6.5 * len(colours) / 8)].max() > 40, "tinted"
        assert live.locator(".screens canvas").count() == 2
        assert live.locator(".tracks").count() == 0
        assert changes(live, lambda: live.get_by_label("ghosts of hidden objects").uncheck())
        live.get_by_label("frame", exact=True).press("End")
        assert live.locator(".readout").inner_text() == "slot 2"
    assert faults == []


# ---- states that somebody has spoilt; other languages, small screens ----

WRONG = (  # figure, field, what it becomes, a word that the message must have
    ("figure", "spec", {"objects": None}, "field objects is missing"),
    ("figure", "spec", {"ground": None}, "field ground is missing"),
    ("figure", "spec", {"objects": {"input": [10], "layers": [{"kind": "canvas"}]}}, "shape of what a slot paints"),
    ("figure", "spec", {"objects": {"input": [10], "layers": []}}, "must turn 10 numbers into (16, 16, 4)"),
    ("figure", "spec", {"slots": {"shape": [3, 99, 10]}}, "number of slots must be"),
    ("figure", "codes", [1, 2], "codes must be a list of 40"),
    ("figure", "codes", ["a"] * 40, "A number of the codes must be"),
    ("figure", "out", [0], "taken out must be a whole number from 1 to 3"),
    ("figure", "out", "x", "out must be a list"),
    ("figure", "slot", 9, "slot must be"),
    ("figure", "picture", 9, "picture must be"),
    ("films", "spec", {"labels": None}, "field labels is missing"),
    ("films", "spec", {"names": ["a"]}, "first must be a list of 1"),
    ("films", "spec", {"first": [0, 2]}, "A number in first must be"),
    ("films", "spec", {"holders": [[1]]}, "holders must be a list of 2"),
    ("films", "spec", {"kept": [[1, None], [1, 1]]}, "A number of kept must be"),
    ("films", "spec", {"pause": 0}, "pause must be"),
    ("films", "frame", 9, "frame must be"),
    ("films", "film", -1, "film must be"),
    ("films", "model", "constructor", "model must be one of carried, alone"),
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


@pytest.mark.parametrize(("name", "words"), [("figure", "槽"), ("films", "轨迹")])
def test_figures_speak_chinese_and_fit_a_phone(stand, request, name, words):
    figure = request.getfixturevalue(name)
    with stand(figure, lang="zh-CN", width=390, has_touch=True, is_mobile=True) as (page, live, faults):
        assert words in live.inner_text()
        assert re.findall(r"[a-z]{4,}", re.sub("carried|alone", "", live.inner_text())) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        parts = "[...document.querySelectorAll('.live :is(input, select, canvas)')]"
        unnamed = f"{parts}.filter((e) => !e.labels?.length && !e.ariaLabel).length"
        assert page.evaluate(unnamed) == 0, "every control and picture has a name"
    assert faults == []
