"""The figure that trains in the page, on a page as the book's build writes it, opened from the disk."""

import json
import re

import pytest
from browsing import ROOT, watch
from ipywidgets.embed import dependency_state
from playwright.sync_api import expect

from aecore import synthetic
from aecore.widgets_training import TrainInPage

pytestmark = pytest.mark.slow
REACHED = "(epoch) => parseInt(document.querySelector('.readout').textContent.match(/\\d+/)) >= epoch"
FRAMES = """async () => {
  const asked = requestAnimationFrame;
  let frames = 0;
  window.requestAnimationFrame = (then) => { frames++; return asked(then); };
  await new Promise((done) => setTimeout(done, 300));
  window.requestAnimationFrame = asked;
  return frames;
}"""


@pytest.fixture(scope="module")
def figure():
    return TrainInPage({"moons": synthetic.moons(200)[0], "ring": synthetic.ring_of_gaussians(150)[0]}, seed=4)


def page_of(state, folder):
    """A page as the book's build writes it, with one figure."""
    data = {"state": state, "version_major": 2, "version_minor": 0}
    figure = next(key for key, model in state.items() if "_esm" in model["state"])
    view = {"version_major": 2, "version_minor": 0, "model_id": figure}
    scripts = [(json.dumps(d).replace("<", "\\u003c"), kind) for d, kind in ((data, "state"), (view, "view"))]
    states, views = (f'<script type="application/vnd.jupyter.widget-{k}+json">{d}</script>' for d, k in scripts)
    path = folder / "page.html"
    loader = (ROOT / "_assets" / "live.js").as_uri()
    body = f'{states}<div class="live-figure">{views}</div><script src="{loader}"></script>'
    path.write_text(f'<!doctype html><html lang="en"><meta charset="utf-8"><body>{body}</body></html>', "utf8")
    return path.as_uri()


@pytest.fixture
def opened(browser, figure, tmp_path):
    """A function that opens the figure on a page, its state changed by `edit`; no error may reach the console."""
    contexts = []

    def opened(edit=lambda state: None, **options):
        state = json.loads(json.dumps(dependency_state([figure], drop_defaults=False)))
        edit(state[figure.model_id]["state"])
        context = browser.new_context(**options)
        contexts.append((context, watch(context, "file:")))
        page = context.new_page()
        page.goto(page_of(state, tmp_path))
        page.locator(".live").wait_for()
        return page

    yield opened
    for context, faults in contexts:
        context.close()
        assert faults == []


def numbers(page):
    """Epoch, loss and PCA's loss as the page shows them."""
    return [float(n) for n in re.findall(r"[\d.]+(?:e-\d+)?", page.locator(".readout").text_content())]


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def test_play_bends_the_curve_below_pca(opened):
    page = opened(viewport={"width": 390, "height": 800}, has_touch=True)
    pictures = lambda: page.evaluate("[...document.querySelectorAll('.live canvas')].map((c) => c.toDataURL())")
    first, (epoch, start, pca) = pictures(), numbers(page)
    assert (epoch, round(pca, 3)) == (0, 0.179)
    assert start > pca
    page.get_by_role("button", name="Play").tap()
    page.wait_for_function(REACHED, arg=60, timeout=20000)
    page.get_by_role("button", name="Pause").tap()
    expect(page.get_by_role("status").last).to_contain_text("Paused: epoch")
    still = numbers(page)
    assert still[1] < 0.6 * pca
    assert all(a != b for a, b in zip(first, pictures(), strict=True))
    page.wait_for_timeout(200)
    assert numbers(page) == still  # it rests
    press(page, "Reset")
    assert numbers(page) == [0, start, pca]
    assert pictures() == first
    press(page, "New weights")
    assert page.get_by_label("seed").input_value() == "5"
    assert numbers(page)[1] != start
    page.get_by_label("seed").fill("4")
    page.get_by_label("seed").press("Enter")
    assert numbers(page) == [0, start, pca]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_keys_move_everything(opened):
    page = opened()
    start = numbers(page)
    page.get_by_role("button", name="Step").press("Enter")
    assert (numbers(page)[0], numbers(page)[1] != start[1]) == (0, True)
    page.get_by_role("button", name="Epoch").press(" ")
    assert numbers(page)[0] == 1
    rate = page.get_by_label("learning rate")
    rate.press("ArrowRight")
    assert rate.get_attribute("aria-valuetext") == "0.013"
    for label, choice in (("data", "ring"), ("hidden layers", "32"), ("activation", "tanh"), ("code size", "2")):
        before = numbers(page)
        page.get_by_label(label, exact=True).select_option(choice)
        assert numbers(page)[0] == 0
        assert numbers(page) != before
        press(page, "Epoch")
        assert numbers(page)[0] == 1
    assert numbers(page)[2] == 0  # with two numbers PCA loses nothing
    page.get_by_label("noise on the input").press("End")
    press(page, "Step")
    page.get_by_role("button", name="Play").focus()
    page.keyboard.press("Enter")
    page.wait_for_function(REACHED, arg=3)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Play")).to_be_focused()


def test_a_run_that_diverges_says_so(opened):
    page = opened()
    page.get_by_label("optimiser").select_option("sgd")
    page.get_by_label("learning rate").press("End")
    press(page, "Play")
    expect(page.get_by_role("alert")).to_contain_text("The run has diverged")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    press(page, "Step")
    expect(page.get_by_role("alert")).to_have_count(1)
    page.get_by_label("learning rate").press("Home")
    press(page, "Start again")
    expect(page.get_by_role("alert")).to_have_count(0)
    press(page, "Epoch")
    assert numbers(page)[0] == 1


def test_it_stops_where_nobody_looks(opened):
    page = opened()
    press(page, "Play")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    press(page, "Play")
    assert page.evaluate(FRAMES) > 0
    page.evaluate("document.querySelector('.live').remove()")
    page.wait_for_timeout(200)
    assert page.evaluate(FRAMES) == 0


HOSTILE = {
    "no settings": (lambda s: s.update(settings=None), "settings is missing"),
    "a code of three": (lambda s: s["settings"].update(code_size=3), "code_size must be a whole number from 1 to 2"),
    "a huge network": (lambda s: s["settings"].update(hidden=[9999]), "hidden layer must be"),
    "an endless rate": (lambda s: s["settings"].update(learning_rate=None), "learning_rate must be a number"),
    "other data": (lambda s: s["settings"].update(data="sun"), "data must be one of moons, ring"),
    "no points": (lambda s: s["spec"].update(points=[None, None]), "points of moons is missing"),
    "wrong points": (lambda s: s["spec"]["points"][0].update(shape=[400]), "points of moons must have the shape"),
    "many points": (lambda s: s["spec"]["points"][0].update(shape=[4000000, 2]), "points of moons has 8000000 numbers"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_state_is_told_in_words(opened, name):
    edit, told = HOSTILE[name]
    expect(opened(edit).get_by_role("alert")).to_contain_text(told)
