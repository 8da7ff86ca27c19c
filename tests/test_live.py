"""The live figures of the built book: what test_pages asks of every one of them, and what stands in their place."""

import gzip
import re

import pytest
from browsing import ROOT, SITE
from living import FIGURES, STAND_IN, figures

from aecore import (  # noqa: F401  (these define figures)
    widgets,
    widgets_adversarial,
    widgets_codes,
    widgets_segmentation,
    widgets_slots,
    widgets_training,
)
from aecore.exercises import quiz  # noqa: F401

pytestmark = pytest.mark.slow

# A figure's own module out of the page's saved state, by the place of the figure on the page.
MODULE = """async (i) => {
  const scripts = (what) => document.querySelectorAll(`script[type="application/vnd.jupyter.widget-${what}+json"]`);
  const { state } = JSON.parse(scripts("state")[0].textContent), view = scripts("view")[i];
  const saved = state[JSON.parse(view.textContent).model_id];
  const bytes = Uint8Array.from(atob(saved.buffers.find((b) => b.path[0] === "data").data), (c) => c.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([saved.state._esm], { type: "text/javascript" }));
  return { module: await import(url), spec: saved.state.spec, data: new DataView(bytes.buffer) };
}"""
# Differences between what a page's networks give and what Keras gave, for the inputs of export.probe.
PARITY = """async (i) => {
  const { module, spec, data } = await (MODULE)(i);
  const found = {};
  for (const [name, { ends: [low, high], places, outputs }] of Object.entries(spec.probe ?? {})) {
    const net = module.network(spec[name], name, data), truth = module.array(outputs, "outputs", data);
    const inputs = Array.from({ length: 100 }, (_, n) => low.map((l, i) =>
      Math.fround((l + high[i]) / 2 + ((high[i] - l) / 2) * Math.sin((n + 1) * (i + 1) ** 2))));
    const results = [...inputs, low, high].map((x) => { const y = net.run(x); return places.map((p) => y[p]); }).flat();
    const off = (from, to) => Math.max(...results.slice(from, to).map((y, k) => Math.abs(y - truth[from + k])));
    found[name] = { random: off(0, 100 * places.length), extreme: off(100 * places.length) };
  }
  return found;
}""".replace("MODULE", MODULE)
DRAWN = """e => [...e.querySelectorAll("canvas")].every(c =>
  new Set(new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer)).size > 1)"""


def faults_of(figure):
    """What is wrong with a figure that should run in place of its picture, in words."""
    found = {
        "does not run": "live-running" not in figure.get_attribute("class"),
        "tells of a fault": figure.locator(".fault").count(),
        "stands beside its picture": figure.locator(STAND_IN).first.is_visible(),
        "has a canvas on which nothing is drawn": not figure.evaluate(DRAWN),
    }
    return [words for words, wrong in found.items() if wrong]


def misses(page, place):
    """Networks of a figure that give other numbers in the page than Keras gave."""
    return [f"{name}: {off}" for name, off in page.evaluate(PARITY, place).items() if max(off.values()) >= 1e-3]


def in_chinese(route):
    page = route.fetch()
    route.fulfill(response=page, body=page.text().replace('<html lang="en"', '<html lang="zh-CN"'))


def test_every_figure_speaks_the_language_of_its_page(visit, live_pages):
    for name in live_pages:
        with visit(name, locale="zh-CN", rewrite=in_chinese) as (page, faults):
            for figure in figures(page):
                assert faults_of(figure) == [], name
                assert re.search("[一-鿿]", figure.inner_text()), "no word in the page's language"
        assert faults == []


def test_the_picture_stays_without_javascript(visit, live_pages):
    for name in live_pages:
        with visit(name, java_script_enabled=False) as (page, _):
            for figure in page.locator(FIGURES).all():
                stand_in = figure.locator(STAND_IN)
                assert stand_in.is_visible()
                assert len((stand_in.get_attribute("alt") or stand_in.inner_text()).split()) > 6


def test_pages_hold_what_keras_computed(live_pages):
    """Numbers to compare with: test_pages asks every figure for them."""
    assert sum('"probe"' in (SITE / name).read_text("utf8") for name in live_pages) >= 3


def test_controls_that_need_a_kernel_are_a_sentence(visit):
    with visit("book/01_pca_to_autoencoders.html") as (page, faults):
        note = page.locator("p.needs-kernel")
        assert note.count() == 1
        assert "JupyterLab" in note.inner_text()
        assert page.locator(".widget-dropdown, .jupyter-widgets").count() == 0
    assert faults == []


def test_a_live_page_is_light(site, live_pages):
    """In bytes as a host sends them, compressed: the loader and the largest module, and the whole page."""
    loader = gzip.compress((ROOT / "_assets" / "live.js").read_bytes())
    modules = [gzip.compress(kind._esm.encode()) for kind in widgets.Live.__subclasses__()]
    assert len(loader) + max(map(len, modules)) < 30_000
    for name in live_pages:
        assert len(gzip.compress((SITE / name).read_bytes())) < 400_000, name
