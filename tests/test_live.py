"""Every live figure of the built book: it runs in place of its picture, and computes what Keras computed."""

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


def in_chinese(route):
    page = route.fetch()
    route.fulfill(response=page, body=page.text().replace('<html lang="en"', '<html lang="zh-CN"'))


@pytest.mark.parametrize("options", [{}, {"theme": "dark", "width": 390}, {"file": True}, {"locale": "zh-CN"}], ids=str)
def test_every_figure_runs_in_place_of_its_picture(visit, live_pages, options):
    for name in live_pages:
        with visit(name, **options) as (page, faults):
            if "locale" in options:
                page.route("**/*.html", in_chinese)
                page.reload()
            for figure in figures(page):
                assert "live-running" in figure.get_attribute("class")
                assert not figure.locator(".fault").count()
                assert not figure.locator(STAND_IN).first.is_visible()
                assert figure.evaluate(DRAWN)
                if "locale" in options:
                    assert re.search("[一-鿿]", figure.inner_text()), "no word in the page's language"
        assert faults == []


def test_the_picture_stays_for_print_and_without_javascript(visit, live_pages):
    for name in live_pages:
        with visit(name, java_script_enabled=False) as (page, _):
            for figure in page.locator(FIGURES).all():
                stand_in = figure.locator(STAND_IN)
                assert stand_in.is_visible()
                assert len((stand_in.get_attribute("alt") or stand_in.inner_text()).split()) > 6
        with visit(name) as (page, faults):
            found = list(figures(page))
            page.emulate_media(media="print")
            for figure in found:
                assert figure.locator(STAND_IN).first.is_visible()
                assert not figure.locator(".live").is_visible()
        assert faults == []


def test_controls_that_need_a_kernel_are_a_sentence(visit):
    with visit("book/01_pca_to_autoencoders.html") as (page, faults):
        note = page.locator("p.needs-kernel")
        assert note.count() == 1
        assert "JupyterLab" in note.inner_text()
        assert page.locator(".widget-dropdown, .jupyter-widgets").count() == 0
    assert faults == []


def test_the_page_computes_what_keras_computed(visit, live_pages):
    seen = 0
    for name in live_pages:
        with visit(name) as (page, _):
            for i in range(page.locator(FIGURES).count()):
                for network, off in page.evaluate(PARITY, i).items():
                    assert max(off["random"], off["extreme"]) < 1e-3, (name, network, off)
                    seen += 1
    assert seen >= 3


def test_a_live_page_is_light(site, live_pages):
    """In bytes as a host sends them, compressed: the loader and the largest module, and the whole page."""
    loader = gzip.compress((ROOT / "_assets" / "live.js").read_bytes())
    modules = [gzip.compress(kind._esm.encode()) for kind in widgets.Live.__subclasses__()]
    assert len(loader) + max(map(len, modules)) < 30_000
    for name in live_pages:
        assert len(gzip.compress((SITE / name).read_bytes())) < 400_000, name
