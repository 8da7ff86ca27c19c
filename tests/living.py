"""What tests of live figures share: the pages that have some, and ways to find, reach and watch a figure."""

import json
import re
from contextlib import contextmanager

import ipywidgets.embed
import pytest
from browsing import ROOT, SITE, watch

FIGURES = ".live-figure"
STAND_IN = ":scope > a img, :scope > img, :scope > .output"  # a picture, or the text of a question
LOOK = "e => [...e.querySelectorAll('canvas, img')].map(c => c.src ?? c.toDataURL()).join()"


@pytest.fixture(scope="session")
def live_pages(pages):
    """The pages that have live figures."""
    found = [name for name in pages if 'class="live-figure' in (SITE / name).read_text("utf8")]
    assert len(found) >= 3, "chapters 1-3 have live figures"
    return found


def figures(page):
    """Bring every live figure of the page into view, one after another, and wait until it runs."""
    for figure in page.locator(FIGURES).all():
        figure.scroll_into_view_if_needed()
        figure.locator(".live").wait_for()
        yield figure


@contextmanager
def find(visit, live_pages, kind, **options):
    """The first figure of its kind in the book: the page, the figure, and the faults."""
    for name in live_pages:
        text = (SITE / name).read_text("utf8")
        state = json.loads(re.search(r'widget-state\+json">(.*?)</script>', text, re.DOTALL).group(1))["state"]
        views = re.findall(r'widget-view\+json">(.*?)</script>', text)
        kinds = [state[json.loads(view)["model_id"]]["state"]["_anywidget_id"].split(".")[-1] for view in views]
        if kind in kinds:
            with visit(name, **options) as (page, faults):
                figure = page.locator(FIGURES).nth(kinds.index(kind))
                figure.scroll_into_view_if_needed()
                figure.locator(".live").wait_for()
                yield page, figure, faults
            return
    raise AssertionError(f"no page has a {kind}")


def changes(figure, action):
    """Whether `action` changed what the figure shows."""
    before = figure.evaluate(LOOK)
    action()
    return figure.evaluate(LOOK) != before


def centre(locator):
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def saved(figure):
    """A figure's state as a notebook saves it."""
    state = ipywidgets.embed.embed_data(views=[figure], drop_defaults=False)["manager_state"]
    return state, figure.model_id


def alone(state, model_id):
    """A page with one figure and nothing else but the loader."""
    view = json.dumps({"version_major": 2, "version_minor": 0, "model_id": model_id})
    return (
        "<!doctype html><html lang=en><title>figure</title><meta name=viewport content='width=device-width'>"
        "<div class=live-figure><img alt='the picture'>"
        f'<script type="application/vnd.jupyter.widget-view+json">{view}</script></div>'
        f'<script type="application/vnd.jupyter.widget-state+json">{json.dumps(state)}</script>'
        f"<script>{(ROOT / '_assets' / 'live.js').read_text('utf8')}</script>"
    )


@pytest.fixture
def stand(browser):
    """A context manager: stand(figure, lang="en", **context) -> (page, the figure, faults)."""

    @contextmanager
    def stand(figure, lang="en", width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        try:
            faults = watch(context, "blob:")
            page = context.new_page()
            page.set_content(alone(*saved(figure)).replace("lang=en", f"lang={lang}"))
            page.locator(".live canvas").first.wait_for()
            yield page, page.locator(".live"), faults
        finally:
            context.close()

    return stand
