"""Every page of the built book in a browser without a network: light and dark, on a phone and on a desk."""

import pytest
from browsing import HEIGHT
from living import STAND_IN, figures
from test_live import faults_of, misses

pytest_plugins = ["browsing"]
pytestmark = pytest.mark.slow

axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
STATES = (("light", 1280), ("dark", 390))
SHARES = 4  # of the pages: two processes have about as much to do each
OPTIONS = {
    "resultTypes": ["violations"],
    "preload": False,  # it would fetch the style sheets again, for a rule that is off
    "rules": {"label-content-name-mismatch": {"enabled": True}},
}
# Everything that a reader can open is opened, and every live figure is brought near, where it starts.
UNFOLD = """async () => {
  document.querySelectorAll("details").forEach(e => { e.open = true });
  document.querySelectorAll(".toggle-hidden > button.toggle-button").forEach(e => e.click());
  const figures = [...document.querySelectorAll(".live-figure")];
  for (const e of figures) {
    e.scrollIntoView();
    for (let i = 0; i < 200 && !e.matches(".live-running, .live-failed"); i++)
      await new Promise(done => setTimeout(done, 25));
  }
  scrollTo(0, 0);
  return figures.filter(e => !e.matches(".live-running")).map(e => "does not start: " + e.outerHTML.slice(0, 200));
}"""
# Half-way through a fade, colours are those of neither state.
STILL = """() => Promise.race([new Promise(done => setTimeout(done, 2000)), Promise.all(document.getAnimations()
  .filter(e => e.effect.getComputedTiming().endTime < 1e4).map(e => e.finished.catch(() => {})))])"""
# 0.3 s after a resize the theme lets keys reach what scrolls. Printing, where nothing does, has undone that.
RESIZED = """() => new Promise(done => { dispatchEvent(new Event("resize")); setTimeout(done, 400) })"""
# Spans of code of one class on one ground look alike: the first stands for all. Thousands of them took axe 8 seconds
# a page. The formulas are left as they are, and the page is thrown away.
ONE_OF_A_KIND = """() => {
  const seen = new Set(), again = [];
  for (const span of document.querySelectorAll("pre span[class]")) {
    if (span.querySelector("span[class]")) continue;
    const paper = getComputedStyle(span.closest("pre")).backgroundColor;
    const kind = [span.className, getComputedStyle(span).color, paper].join("|");
    if (seen.has(kind)) again.push(span);
    seen.add(kind);
  }
  for (const span of again) span.replaceWith(...span.childNodes);
  document.querySelectorAll("pre").forEach(pre => pre.normalize());
}"""
# Pictures of any kind without a name for those who do not see them; MathJax's drawings have the formula beside them.
NAMELESS = """[...document.querySelectorAll("img, canvas, svg, [role=img]")].filter(e =>
  !e.getAttribute("alt") && !e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby")
  && !e.querySelector(":scope > title") && !e.closest("[aria-hidden=true], mjx-container, svg svg")
).map(e => "no text alternative: " + e.outerHTML.slice(0, 200))"""
WIDER = """(() => { const e = document.documentElement;
  return e.scrollWidth > e.clientWidth ? [`scrolls sideways: ${e.scrollWidth} in ${e.clientWidth} px`] : [] })()"""
LOADED = """async () => {
  for (const img of document.images) { img.loading = "eager"; await img.decode().catch(() => {}) }
  return [...document.images].filter(e => !e.naturalWidth).map(e => "no picture: " + e.src)
}"""


def violations(page):
    """Returns: what axe-core finds serious or critical, one line for each element."""
    found = axe.run(page, options=OPTIONS).response["violations"]
    grave = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    return [f"{rule['impact']} {rule['id']}: {node['html'][:200]}" for rule in grave for node in rule["nodes"]]


def move(page, theme, width):
    page.set_viewport_size({"width": width, "height": HEIGHT[width]})
    page.emulate_media(color_scheme=theme)
    page.wait_for_function("theme => document.documentElement.dataset.theme == theme", arg=theme)
    page.evaluate(RESIZED)
    page.evaluate(STILL)


def unreadable(page, theme, width):
    """What a reader cannot use or see on a page in one theme at one width."""
    move(page, theme, width)
    return [f"{theme}, {width}: {fault}" for fault in (*page.evaluate(WIDER), *violations(page))]


def wrong_figures(page):
    """What is wrong with the live figures of a page, which are brought to run; and with its print."""
    running = list(figures(page))
    found = [fault for figure in running for fault in faults_of(figure)]
    found += [fault for i in range(len(running)) for fault in misses(page, i)]
    page.emulate_media(media="print")
    for figure in running:
        if not figure.locator(STAND_IN).first.is_visible() or figure.locator(".live").is_visible():
            found.append("a live figure is printed")
    page.emulate_media(media="screen")
    return found


@pytest.mark.parametrize("share", range(SHARES))
def test_every_page_is_clean(visit, pages, share):
    """Each page is loaded on a desk or on a phone, and moves to the other, and to the other theme: by turns."""
    wrong = {}
    for i, name in list(enumerate(pages))[share::SHARES]:
        first, second = STATES if i // SHARES % 2 else STATES[::-1]
        with visit(name, *first) as (page, faults):
            found = wrong_figures(page) + page.evaluate(UNFOLD)
            page.evaluate(ONE_OF_A_KIND)
            found += unreadable(page, *first) + unreadable(page, *second) + page.evaluate(NAMELESS)
        wrong[name] = faults + found
    assert not {name: found for name, found in wrong.items() if found}


def test_the_frame_of_the_pages_is_clean_in_either_theme(visit):
    """What all pages share differs most between a desk and a phone: the other two states, on one page."""
    with visit("book/01_pca_to_autoencoders.html", "dark", 1280) as (page, faults):
        page.evaluate(ONE_OF_A_KIND)
        assert unreadable(page, "dark", 1280) + unreadable(page, "light", 390) == []
    assert faults == []


@pytest.mark.parametrize("share", range(SHARES))
def test_every_page_opens_from_a_file(visit, pages, share):
    wrong = {}
    for name in pages[share::SHARES]:
        with visit(name, file=True) as (page, faults):
            found = page.evaluate(LOADED) + [fault for figure in figures(page) for fault in faults_of(figure)]
        wrong[name] = faults + found
    assert not {name: found for name, found in wrong.items() if found}


def test_faults_are_noticed(visit):
    """The same questions to a page on which everything is wrong."""
    with visit("book/glossary.html", width=390) as (page, faults):
        assert faults == []
        assert violations(page) == page.evaluate(WIDER) == page.evaluate(NAMELESS) == page.evaluate(LOADED) == []
        page.evaluate("""async () => {
          document.querySelector("article").innerHTML +=
            "<img src='gone.png'><p style='width: 3000px; color: #eee'>pale</p><canvas></canvas>";
          console.error("a message");
          await fetch("https://example.org/").catch(() => {});
          setTimeout(() => { throw new Error("thrown") });
          await new Promise(done => setTimeout(done, 200));
        }""")
        assert {line.split()[1] for line in violations(page)} == {"image-alt:", "color-contrast:"}
        assert len(page.evaluate(NAMELESS)) == 2
        assert len(page.evaluate(LOADED)) == len(page.evaluate(WIDER)) == 1
    for sign in ("404 ", "console error: a message", "asks for https://example.org/", "error: thrown"):
        assert any(fault.startswith(sign) for fault in faults), (sign, faults)


# ---- what the theme offers still works on the slimmed pages ----


def test_search_finds_a_page(visit):
    with visit("book/glossary.html") as (page, faults):
        page.keyboard.press("Control+k")
        page.keyboard.type("principal")
        page.keyboard.press("Enter")
        page.wait_for_selector("#search-results li a")
        assert "book/01_pca_to_autoencoders.html" in page.inner_html("#search-results")
    assert faults == []


def test_theme_button_changes_the_colours(visit):
    with visit("book/glossary.html") as (page, faults):
        colour = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(colour)
        for _ in range(3):  # as the system says, light, dark, in a circle
            page.click("button.theme-switch-button")
            if page.evaluate("document.documentElement.dataset.theme") == "dark":
                break
        assert page.evaluate(colour) != light
    assert faults == []


def test_contents_open_on_a_phone(visit):
    with visit("book/glossary.html", width=390) as (page, faults):
        link = page.locator(".bd-sidebar-primary a", has_text="1. From PCA to autoencoders")
        assert not link.is_visible()
        page.click("button.primary-toggle")
        link.click()
        page.wait_for_url("**/01_pca_to_autoencoders.html")
    assert faults == []


def test_code_can_be_copied_and_unfolded(visit):
    with visit("book/01_pca_to_autoencoders.html", permissions=["clipboard-read", "clipboard-write"]) as (page, faults):
        summary = page.locator("details summary").first
        code = page.locator("details pre").first
        assert not code.is_visible()
        summary.click()
        assert code.is_visible()
        page.locator("details button.copybtn").first.click()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.strip() == code.inner_text().strip()
    assert faults == []


def test_icons_are_drawn(visit):
    """Each icon has a glyph of its own in the font that came with the page: no box, and no font of the system."""
    with visit("book/01_pca_to_autoencoders.html") as (page, faults):
        icons = page.evaluate("""() => [...document.querySelectorAll("i[class*=fa-], span[class*=fa-]")].map(e => {
          const style = getComputedStyle(e, "::before"), text = style.content.replaceAll('"', "");
          return [e.className, text.length, document.fonts.check(`${style.fontWeight} 16px ${style.fontFamily}`, text)];
        })""")
        faces = page.evaluate("[...document.fonts].filter(f => f.family.includes('Awesome')).map(f => f.status)")
    assert len(icons) > 5
    assert [name for name, length, loaded in icons if length != 1 or not loaded] == []
    assert "loaded" in faces
    assert "error" not in faces
    assert faults == []


def test_pictures_keep_their_place_until_they_are_loaded(visit):
    with visit("book/01_pca_to_autoencoders.html", width=1280) as (page, faults):
        boxes = "[...document.querySelectorAll('article img')].map(e => [e.clientWidth, e.clientHeight])"
        waiting = page.evaluate("[...document.images].some(e => !e.complete)")
        before = page.evaluate(boxes)
        assert page.evaluate(LOADED) == []
        assert waiting
        assert page.evaluate(boxes) == before
        shapes = page.evaluate(
            "[...document.querySelectorAll('article img')].map(e => e.naturalWidth / e.naturalHeight)"
        )
    for (width, height), shape in zip(before, shapes, strict=True):
        assert width / height == pytest.approx(shape, rel=0.02)
    assert faults == []
