"""What tests in a browser share: the built book on a server of its own, and pages that report what goes wrong on them.

A test module takes the fixtures with `pytest_plugins = ["browsing"]`:

    def test_something(visit):
        with visit("book/glossary.html", theme="dark", width=390) as (page, faults):
            ...                 # page: a page of playwright
        assert faults == []     # console errors, failed and foreign requests, in words
"""

import importlib.util
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SITE = ROOT / "_build" / "html"
HEIGHT = {390: 844, 1280: 900}


def tool(name):
    spec = importlib.util.spec_from_file_location(f"book_{name}", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def site():
    """The address of the book, built where `make html` builds it (nothing is done twice) and served from here."""
    build = tool("build")
    assert build.build(ROOT) == 0, "the book is not built; the output above says why"
    server = build.listen(SITE, port=8800)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def pages(site):
    """The names of all pages of the book, without the one that only forwards to the first."""
    names = (path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
    found = sorted(name for name in names if not name.startswith("_static/") and name != "index.html")
    assert len(found) > 5
    return found


@pytest.fixture(scope="session")
def browser():
    """One Chromium for all tests. It resolves no name, so that nothing in it can reach the network."""
    finder = tool("browser")
    path, reason = finder.find()
    if not path:
        warnings.warn(f"NO PAGE WAS TESTED IN A BROWSER: {reason}", stacklevel=1)
        pytest.skip(f"NO BROWSER COULD BE INSTALLED: {reason}")
    with finder.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, args=[*finder.FLAGS, "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        )
        yield chromium
        chromium.close()


def watch(context, allowed):
    """Let `context` load what begins with `allowed` and nothing else. Returns: the list of faults, which grows."""
    faults = []

    def gate(route):
        if route.request.url.startswith((allowed, "data:", "blob:")):
            route.continue_()
        else:
            faults.append(f"asks for {route.request.url}")
            route.abort()

    def answer(response):
        if response.status >= 400:
            faults.append(f"{response.status} {response.url}")

    def console(message):
        if message.type in ("error", "warning"):
            faults.append(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    context.route("**/*", gate)
    context.on("response", answer)
    context.on("console", console)
    context.on("weberror", lambda error: faults.append(f"error: {error.error}"))
    return faults


@pytest.fixture(scope="session")
def visit(site, browser):
    """A context manager: visit(page, theme="light", width=1280, file=False, rewrite=None, **context) -> (page, faults).

    The page is loaded, its formulas set, when it is handed over. `file` opens it from the disk, without the server;
    `rewrite` answers the requests for pages, as playwright's `route` wants it; `context` are options of its
    `new_context`, such as has_touch or locale.
    """

    @contextmanager
    def visit(name, theme="light", width=1280, file=False, rewrite=None, **options):
        base = f"{SITE.as_uri()}/" if file else site
        viewport = {"width": width, "height": HEIGHT.get(width, 900)}
        context = browser.new_context(viewport=viewport, color_scheme=theme, **options)
        try:
            faults = watch(context, base)
            if rewrite:
                context.route("**/*.html", rewrite)
            page = context.new_page()
            page.goto(base + name, wait_until="load")
            page.evaluate("async () => { await window.formulas; await document.fonts.ready }")
            yield page, faults
        finally:
            context.close()

    return visit
