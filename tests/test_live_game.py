"""A GAN that trains in the page, alone on a page: what its reader does, and what Python hears of it."""

import re

import keras
import numpy as np
import pytest
from living import centre, changes
from test_live_codes import told

from aecore import synthetic
from aecore.widgets_adversarial import GANInPage

pytestmark = pytest.mark.slow


def press(live, name):
    live.get_by_role("button", name=name, exact=True).click()


def choose(live, label, option):
    live.get_by_label(label, exact=True).select_option(option)


@pytest.fixture(scope="module")
def game():
    sets = {"ring": synthetic.ring_of_gaussians(200)[0], "moons": synthetic.moons(100)[0]}
    return GANInPage(sets, {"ring": (synthetic.ring_centres(), 0.05)}, hidden=(16, 16), seed=3)


def steps(live):
    """Of the critic and of the generator, as the page shows them."""
    return [int(n) for n in re.findall(r"\d+", live.locator(".result", has_text="steps").inner_text())[:2]]


def played(page, live, ms=700):
    press(live, "Play")
    page.wait_for_timeout(ms)
    press(live, "Pause")


def test_one_player_or_both_can_be_trained(stand, game):
    with stand(game) as (page, live, faults):
        readout = live.locator(".readout")
        start, look = readout.inner_text(), live.locator("canvas").first.evaluate("c => c.toDataURL()")
        assert re.fullmatch(r"critic 1\.\d+, generator [\d.]+; modes \d / 8, high quality \d+ %", start)
        press(live, "Critic step")
        assert steps(live) == [1, 0]
        press(live, "Generator step")
        assert steps(live) == [1, 1]
        choose(live, "critic steps", "5")
        press(live, "Step")
        assert steps(live) == [6, 2]
        choose(live, "Play trains", "critic only")
        played(page, live)
        critic, generator = steps(live)
        assert critic > 6
        assert generator == 2
        choose(live, "Play trains", "generator only")
        played(page, live)
        assert steps(live)[0] == critic
        assert steps(live)[1] > 2
        told(live, "Paused: critic")
        still = live.inner_text()
        page.wait_for_timeout(300)
        assert live.inner_text() == still, "it rests"
        press(live, "Reset")
        assert steps(live) == [0, 0]
        assert readout.inner_text() == start
        assert live.locator("canvas").first.evaluate("c => c.toDataURL()") == look
        press(live, "New weights")
        assert live.get_by_label("seed").input_value() == "4"
        assert readout.inner_text() != start
    assert faults == []


def test_choices_change_the_game(stand, game):
    with stand(game) as (_, live, faults):
        weight = live.get_by_label("penalty weight")
        assert not weight.is_visible()
        choose(live, "loss", "Wasserstein")
        assert live.get_by_label("penalty", exact=True).input_value() == "gradient penalty"
        assert weight.is_visible()
        for label, option in (("penalty", "R1"), ("hidden layers", "64"), ("activation", "gelu"), ("data", "moons")):
            before = live.locator(".readout").inner_text()
            choose(live, label, option)
            press(live, "Step")
            assert steps(live) == [1, 1]
            assert live.locator(".readout").inner_text() != before
        assert "modes" not in live.locator(".readout").inner_text(), "moons are no mixture of Gaussians"
        for name in ("critic's view", "arrows"):
            assert changes(live, lambda name=name: live.get_by_label(name).uncheck())
        live.get_by_label("learning rate").press("End")
        assert live.get_by_label("learning rate").get_attribute("aria-valuetext") == "0.1"
    assert faults == []


def drawn(live):
    return int(re.search(r"(\d+) points drawn", live.locator(".result", has_text="points drawn").inner_text()).group(1))


def test_a_distribution_is_drawn_by_mouse_and_keys(stand, game):
    with stand(game) as (page, live, faults):
        plane = live.locator("canvas").first
        assert plane.get_attribute("role") == "img"
        assert plane.get_attribute("tabindex") is None
        choose(live, "data", "your drawing")
        assert plane.get_attribute("role") == "application"
        press(live, "Play")
        told(live, "Draw some points")
        assert live.get_by_role("button", name="Play", exact=True).is_visible()
        x, y = centre(plane)
        page.mouse.move(x - 80, y)
        page.mouse.down()
        page.mouse.move(x + 80, y - 40, steps=8)
        page.mouse.up()
        mouse = drawn(live)
        assert mouse >= 12
        plane.focus()
        assert changes(live, lambda: page.keyboard.press("ArrowUp"))
        page.keyboard.press("Space")
        assert drawn(live) == mouse + 10
        played(page, live)
        assert steps(live)[0] > 0
        press(live, "Play")
        plane.click(position={"x": 300, "y": 300})  # while it learns
        press(live, "Pause")
        assert drawn(live) > mouse + 10
        plane.focus()
        page.keyboard.press("Delete")
        assert drawn(live) == 0
        assert steps(live) == [0, 0]
        choose(live, "data", "ring")
        assert not changes(live, lambda: plane.click()), "data that are given stay as they are"
    assert faults == []


def test_a_critic_without_bounds_is_told_to_have_diverged(stand, game):
    with stand(game) as (page, live, faults):
        choose(live, "loss", "Wasserstein")
        choose(live, "penalty", "none")
        choose(live, "Play trains", "critic only")
        live.get_by_label("learning rate").press("End")
        press(live, "Play")
        live.get_by_role("alert").wait_for(timeout=60000)
        assert "has diverged" in live.get_by_role("alert").inner_text()
        press(live, "Step")
        assert live.get_by_role("alert").count() == 1
        live.get_by_label("learning rate").press("Home")
        press(live, "Start again")
        assert live.get_by_role("alert").count() == 0
        press(live, "Step")
        assert steps(live) == [1, 1]
        page.evaluate("document.querySelector('.live').remove()")
    assert faults == []


def test_keras_and_python_hear_of_the_game(browser):
    figure = GANInPage(synthetic.moons(100)[0], hidden=(8,), activation="gelu")
    page = browser.new_page()
    page.evaluate(
        """async ([text, spec, settings, bytes]) => {
          window.m = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
          const data = new DataView(Uint8Array.from(bytes).buffer), listeners = {};
          const values = { spec, settings, data, drawn: [] };
          window.values = values;
          window.python = (name, value) => { values[name] = value; listeners[`change:${name}`](); };
          m.default.render({ el: document.body, model: { get: (name) => values[name], save_changes() {},
            set: (name, value) => { values[name] = value; }, on: (event, then) => { listeners[event] = then; } } });
        }""",
        [figure._esm, figure.spec, figure.settings, list(figure.data)],
    )
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(800)
    page.get_by_role("button", name="Pause").click()
    weights, trained, told_losses, counts = page.evaluate(
        "[values.weights, values.trained, values.losses, values.steps]"
    )
    assert counts["critic"] == counts["generator"] > 0
    figure.weights, figure.trained, figure.losses = weights, trained, told_losses
    generator, critic = figure.to_keras()
    z = np.random.default_rng(0).normal(size=(6, 2))
    ours = page.evaluate(
        """([z, x]) => {
          const arrays = values.weights.map((w) => Float64Array.from(w)), specs = m.players(values.trained);
          const last = (layers) => [...layers.at(-1).values];
          const run = (weights, points, spec) => last(m.forward(weights, Float64Array.from(points.flat()), spec));
          return [run(arrays.slice(0, 4), z, specs.generator), run(arrays.slice(4), x, specs.critic)];
        }""",
        [z.tolist(), z.tolist()],
    )
    for net, theirs in zip((generator, critic), ours, strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(net(z)).ravel(), theirs, atol=1e-5)
    page.evaluate("python('settings', { ...values.settings, loss: 'hinge', seed: 9 })")
    assert page.get_by_label("seed").input_value() == "9"
    assert page.get_by_label("loss", exact=True).input_value() == "hinge"
    page.close()
