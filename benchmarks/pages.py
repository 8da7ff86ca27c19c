"""Ask Lighthouse about every page of a built book, as on a phone, and note the medians.

    python benchmarks/pages.py                      _build/html, three runs a page
    python benchmarks/pages.py --runs 5 01 03       pages whose file names begin so
    python benchmarks/pages.py --site FOLDER --compare     print, and write nothing

Lighthouse comes from npm and is no part of this project: `npm install lighthouse` anywhere and name its program in
LIGHTHOUSE (node_modules/.bin/lighthouse); without that, npx runs one that is installed. The server compresses text
with gzip, as hosts of static pages do. A figure replaces the older one of the same page in results/pages.json.
"""

import argparse
import datetime
import gzip
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "pages.json"
TEXT = {".html", ".css", ".js", ".json", ".svg"}
KINDS = ("Document", "Stylesheet", "Script", "Image", "Font")


class Gzip(SimpleHTTPRequestHandler):
    """Serve a folder; text compressed, pictures and fonts as they are."""

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if path.suffix not in TEXT or not path.is_file():
            return super().do_GET()
        content = gzip.compress(path.read_bytes())
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return self.wfile.write(content)

    def log_message(self, *args):
        pass


def lighthouse():
    """Returns: the command that starts Lighthouse."""
    named = os.environ.get("LIGHTHOUSE")
    command = [named] if named else ["npx", "--no-install", "lighthouse"]
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=120, check=False)
    except OSError as error:
        done = subprocess.CompletedProcess(command, 1, "", str(error))
    if done.returncode:
        raise SystemExit(
            f"wanted Lighthouse, but `{' '.join(command)} --version` failed: {done.stderr.strip()[-300:]}\n"
            "Install it with `npm install lighthouse` in some folder, and set LIGHTHOUSE to that folder's "
            "node_modules/.bin/lighthouse"
        )
    return command, done.stdout.strip().split("\n")[-1]


def chromium():
    """Returns: the path of a browser and its version."""
    spec = importlib.util.spec_from_file_location("browser", ROOT / "tools" / "browser.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    path, reason = tool.find()
    if not path:
        raise SystemExit(f"No browser: {reason}")
    return path, tool.works(path), " ".join(tool.FLAGS)


def ask(command, address, flags):
    """Returns: Lighthouse's report on one loading of a page."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--quiet", "--output=json", f"--output-path={report}", f"--chrome-flags={flags}",
                   "--only-categories=performance,accessibility"]  # fmt: skip
        done = subprocess.run([*command, address, *options], capture_output=True, text=True, timeout=300, check=False)
        if done.returncode or not report.is_file():
            raise SystemExit(f"Lighthouse failed on {address}:\n{done.stderr[-2000:]}")
        return json.loads(report.read_text("utf8"))


def figures(report):
    """Returns: what is noted of a report; scores 0-100, KiB as transferred, times in seconds on a slow phone."""
    audits = report["audits"]
    requests = [r for r in audits["network-requests"]["details"]["items"] if r["url"].startswith("http")]
    kib = lambda kinds: round(sum(r["transferSize"] for r in requests if r.get("resourceType") in kinds) / 1024, 1)
    return {
        "performance": round(100 * report["categories"]["performance"]["score"]),
        "accessibility": round(100 * report["categories"]["accessibility"]["score"]),
        "kib": round(sum(r["transferSize"] for r in requests) / 1024, 1),
        **{f"kib_{kind.lower()}": kib([kind]) for kind in KINDS},
        "requests": len(requests),
        "first_paint": round(audits["first-contentful-paint"]["numericValue"] / 1000, 2),
        "largest_paint": round(audits["largest-contentful-paint"]["numericValue"] / 1000, 2),
        "blocked": round(audits["total-blocking-time"]["numericValue"] / 1000, 2),
        "shift": round(audits["cumulative-layout-shift"]["numericValue"], 3),
    }


def measure(command, address, flags, runs):
    rows = [figures(ask(command, address, flags)) for _ in range(runs)]
    return {key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="beginnings of pages' file names; all where there is none")
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html", help="the built book")
    parser.add_argument("--runs", type=int, default=3, help="runs a page, of which the median is noted")
    parser.add_argument("--compare", action="store_true", help="print the figures and write nothing")
    options = parser.parse_args()
    pages = [path for path in sorted(options.site.rglob("*.html")) if "_static" not in path.parts]
    pages = [
        path
        for path in pages
        if path != options.site / "index.html" and path.name.startswith(tuple(options.names) or "")
    ]
    if not pages:
        raise SystemExit(f"No page in {options.site}: build the book with `make html`, or name its folder with --site.")
    command, version = lighthouse()
    browser, browser_version, flags = chromium()
    os.environ["CHROME_PATH"] = browser
    versions = f"Lighthouse {version}, {browser_version}"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Gzip, directory=str(options.site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for path in pages:
        name = path.relative_to(options.site).as_posix()
        row = measure(command, f"http://127.0.0.1:{server.server_port}/{name}", flags, options.runs)
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        if options.compare:
            continue
        row = {"page": name, **row, "runs": options.runs, "cores": os.cpu_count(), "versions": versions,
               "date": datetime.date.today().isoformat()}  # fmt: skip
        old = json.loads(RESULTS.read_text("utf8")) if RESULTS.exists() else []
        rows = sorted([*(r for r in old if r["page"] != name), row], key=lambda r: r["page"])
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n", "utf8")
    server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
