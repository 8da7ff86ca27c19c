"""How fast the code plane answers in the page, and what the live figures weigh.

    python benchmarks/live.py            needs the built book (make html) and a browser

Speed: 300 moves of the mouse over the plane. `draw` is the time from the event's own stamp until the figure has
drawn into its canvases; `frame` until the browser begins the next frame, which shows it. Written to results/live.json.
"""

import datetime
import gzip
import json
import math
import os
import statistics
import sys
from pathlib import Path

from pages import chromium
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
PAGE = "book/01_pca_to_autoencoders.html"
RESULTS = ROOT / "benchmarks" / "results" / "live.json"
# The first listener hears a move before the figure does, the second after it.
LISTEN = """() => {
  window.times = [];
  let stamp;
  window.addEventListener("pointermove", (event) => { stamp = event.timeStamp; }, true);
  window.addEventListener("pointermove", () => {
    const from = stamp, draw = performance.now() - from;
    requestAnimationFrame(() => window.times.push([draw, performance.now() - from]));
  });
}"""


def measure(page, moves=300):
    """Drag the point in circles. Returns: list of (draw, frame), milliseconds."""
    for figure in page.locator(".live-figure").all():  # a figure starts when it comes near the window
        figure.scroll_into_view_if_needed()
        figure.locator(".live").wait_for()
    plane = page.locator("canvas.plane").first
    plane.scroll_into_view_if_needed()
    page.evaluate(LISTEN)
    box = plane.bounding_box()
    place = lambda i: [
        box[a] + box[b] * (0.5 + 0.4 * f(i / 7)) for a, b, f in (("x", "width", math.cos), ("y", "height", math.sin))
    ]
    page.mouse.move(*place(0))
    page.mouse.down()
    for i in range(moves):
        page.mouse.move(*place(i))
    page.mouse.up()
    page.wait_for_timeout(200)
    return page.evaluate("window.times")


def main():
    path, version, flags = chromium()
    if not (SITE / PAGE).is_file():
        sys.exit("The book is not built: run `make html` first.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags.split())
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto((SITE / PAGE).as_uri())
        times = measure(page)
        browser.close()
    draw, frame = zip(*times, strict=True)
    from aecore import widgets, widgets_training  # noqa: F401

    size = lambda content: round(len(gzip.compress(content)) / 1000, 1)
    result = {
        "date": datetime.date.today().isoformat(), "cores": os.cpu_count(), "browser": version,
        "moves": len(times), "draw_ms": {"median": round(statistics.median(draw), 2), "worst": round(max(draw), 2)},
        "frame_ms": {"median": round(statistics.median(frame), 2), "worst": round(max(frame), 2)},
        "loader_kb_gzipped": size((ROOT / "_assets" / "live.js").read_bytes()),
        "modules_kb_gzipped": {kind.__name__: size(kind._esm.encode()) for kind in widgets.Live.__subclasses__()},
    }  # fmt: skip
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", "utf8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
