"""Build the book so that every warning and every failed cell is an error; serve it.

    python tools/build.py             build what has changed
    python tools/build.py --serve     the same, then serve it on this machine and open a browser

The default profile is quick; AECORE_PROFILE=full builds what is published. AECORE_SOLUTIONS=no, or --no-solutions,
leaves the solutions of the exercises out: their pages, their sources and their words in the search index.
"""

import argparse
import hashlib
import http.server
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import webbrowser
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from running import execute

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("tensorflow", "keras", "jax", "numpy", "scikit-learn", "scikit-image", "matplotlib")
DEFAULTS = {"AECORE_PROFILE": "quick", "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
SOLUTIONS = "book/solutions"
CACHES = 4  # executions kept for going back: another profile, another backend, a change undone
# Sphinx's and myst-nb's ways of saying that something is wrong. Jupyter Book can exit 0 after a failed cell.
FAULT = re.compile(r"\S: (WARNING|ERROR|CRITICAL): |Executing notebook failed|Notebook exception traceback")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# A page shows what Python prints, warnings included. What libraries write past Python (TensorFlow's notes at its
# start differ from machine to machine, and no setting silences them all) goes to the log of the build.
KERNEL = "c = get_config()\nc.IPKernelApp.capture_fd_output = False\nc.IPKernelApp.log_level = 'ERROR'\n"


def settings():
    """The environment variables that decide what the notebooks print."""
    return {name: os.environ.get(name) or value for name, value in DEFAULTS.items()}


def with_solutions():
    """Whether the site has the solutions of the exercises: AECORE_SOLUTIONS, yes unless it says no."""
    answer = os.environ.get("AECORE_SOLUTIONS") or "yes"
    if answer not in ("yes", "no"):
        raise SystemExit(f"AECORE_SOLUTIONS must be 'yes' or 'no', got {answer!r}.")
    return answer == "yes"


def digest(root, patterns, *more):
    """Hash the content and the names of files below `root`, and anything else that has a text."""
    total = hashlib.sha256(repr(more).encode())
    for path in sorted({p for pattern in patterns for p in root.glob(pattern) if p.is_file()}):
        if "__pycache__" in path.parts or ".ipynb_checkpoints" in path.parts:
            continue
        total.update(f"{path.relative_to(root).as_posix()} {path.stat().st_size} ".encode() + path.read_bytes())
    return total.hexdigest()[:16]


def fingerprint(root):
    """Hash what the outputs of the notebooks depend on apart from their own cells.

    jupyter-cache looks at code cells only: with this as its folder, a change of the package, of a library or of
    the profile runs the notebooks again.
    """
    patterns = ("aecore/**/*.py", "aecore/live/*", "aecore/weights/*", "requirements.txt", "benchmarks/results/*.json")
    return digest(root, patterns, [(p, importlib.metadata.version(p)) for p in PACKAGES], settings())


def everything(root):
    """Hash all that goes into the site."""
    patterns = ("book/**/*", "_config.yml", "_toc.yml", "_assets/**/*", "_ext/**/*", "_templates/**/*")
    return digest(root, patterns, fingerprint(root), with_solutions(), Path(__file__).read_bytes())


def derived_config(root, cache):
    """The book's settings with the place of the cache and, where the address is known, the links that need it."""
    config = yaml.safe_load((root / "_config.yml").read_text("utf8"))
    config.setdefault("execute", {})["cache"] = str(cache)
    extensions = config.get("sphinx", {}).get("local_extensions", {})
    for name, folder in extensions.items():
        extensions[name] = str(root / folder)  # they were relative to the file that this one replaces
    if not with_solutions():
        config["exclude_patterns"] = [*config.get("exclude_patterns", []), f"{SOLUTIONS}/**"]
    url = (config.get("repository") or {}).get("url")
    if url and urlsplit(url).hostname == "github.com":  # Colab opens notebooks from there only
        config["launch_buttons"] = {"colab_url": "https://colab.research.google.com"}
        config.setdefault("html", {}).update(use_repository_button=True, use_issues_button=True)
    return config


def derived_toc(root):
    """The book's contents; where the solutions are left out, without them and without a part that only they were in."""
    contents = yaml.safe_load((root / "_toc.yml").read_text("utf8"))
    if with_solutions():
        return contents

    def kept(entry):
        if not isinstance(entry, dict):
            return entry
        lists = {key: [kept(e) for e in value if wanted(e)] for key, value in entry.items() if isinstance(value, list)}
        return {key: lists.get(key, value) for key, value in entry.items() if lists.get(key, value) != []}

    def wanted(entry):
        if str(entry.get("file", "")).startswith(f"{SOLUTIONS}/"):
            return False
        return "file" in entry or kept(entry).keys() & {"chapters", "sections"} or "url" in entry

    return kept(contents)


def listed(contents):
    """The names of all pages in the book's contents, without their endings."""
    if isinstance(contents, list):
        return [name for entry in contents for name in listed(entry)]
    if not isinstance(contents, dict):
        return []
    own = [contents[key] for key in ("root", "file") if key in contents]
    return own + [name for value in contents.values() if isinstance(value, list) for name in listed(value)]


def run(command, environment):
    """Run `command`, pass its output on line by line. Returns: (exit status, the lines)."""
    lines = []
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    with subprocess.Popen(command, env=environment, **pipe) as process:
        for line in process.stdout:
            lines.append(COLOUR.sub("", line.rstrip()))
            print(lines[-1], flush=True)
    return process.returncode, lines


def kernels(root):
    """What the kernels of the book run with. Returns: the folder that keeps their outputs, and their environment."""
    cache = root / "_build" / ".cache" / fingerprint(root)
    profile = root / "_build" / ".ipython" / "profile_default"
    for folder in (cache, profile):
        folder.mkdir(parents=True, exist_ok=True)
    os.utime(cache)
    (profile / "ipython_kernel_config.py").write_text(KERNEL)
    return cache, {**os.environ, **settings(), "PYTHONUNBUFFERED": "1", "IPYTHONDIR": str(profile.parent)}


def build(root=ROOT):
    """Build the book below `root` into its `_build/html`. Returns: the number of faults, 0 where all is well."""
    folder = root / "_build"
    done = folder / ".done"
    inputs = everything(root)
    index = folder / "html" / "index.html"
    if done.is_file() and done.read_text() == inputs and index.is_file():
        print("Nothing has changed since the last build.")
        return 0
    # Everything but the executions is made anew: Sphinx neither repeats the warnings of pages that it believes to
    # be up to date, nor removes the pages of chapters that are gone. With all notebooks cached this takes seconds.
    done.unlink(missing_ok=True)
    for stale in ("html", ".doctrees", "jupyter_execute"):
        shutil.rmtree(folder / stale, ignore_errors=True)
    cache, environment = kernels(root)
    settled, contents = derived_config(root, cache), derived_toc(root)
    config = folder / "_config.yml"
    config.write_text(yaml.safe_dump(settled, allow_unicode=True), "utf8")
    toc = folder / "_toc.yml"
    toc.write_text(yaml.safe_dump(contents, allow_unicode=True, sort_keys=False), "utf8")
    print(f"Building with the profile {settings()['AECORE_PROFILE']}. Notebooks that have changed are run now.")
    notebooks = [path for path in (root / f"{name}.ipynb" for name in listed(contents)) if path.is_file()]
    execute(notebooks, cache, environment, settled["execute"]["timeout"])
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    where = ["--config", str(config), "--toc", str(toc)]
    status, lines = run([*jupyter_book, "build", str(root), "-W", "--keep-going", *where], environment)

    reports = folder / "html" / "reports"
    faults = [line for line in lines if FAULT.search(line)]
    for report in sorted(reports.rglob("*.err.log")):
        faults.append(f"{report.relative_to(reports)}: a cell failed:\n{report.read_text('utf8')[-2000:]}")
    if not faults and (status or not index.is_file()):
        faults.append(f"jupyter-book ended with status {status}" + ("" if index.is_file() else " and made no page"))
    if faults:
        print("\nThe book is not built: " + "\n".join(faults), file=sys.stderr)
        return len(faults)
    done.write_text(inputs)
    caches = sorted((folder / ".cache").iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in caches[CACHES:]:
        shutil.rmtree(old, ignore_errors=True)
    return 0


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass  # a line for each picture helps nobody


def listen(folder, port=8000):
    """Make a server of `folder`, for this machine only, on `port` or the next free one."""
    for candidate in range(port, port + 100):
        try:
            return http.server.ThreadingHTTPServer(("127.0.0.1", candidate), partial(Handler, directory=str(folder)))
        except OSError:
            continue
    raise SystemExit(f"No free port from {port} to {port + 99}: end a server that is still running.")


def serve(folder):
    server = listen(folder)
    address = f"http://127.0.0.1:{server.server_port}/"
    print(f"\nThe book is at {address}   (Ctrl+C ends)", flush=True)
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--serve", action="store_true", help="serve the book on this machine after the build")
    parser.add_argument("--no-solutions", action="store_true", help="leave the solutions of the exercises out")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder with _config.yml and _toc.yml")
    arguments = parser.parse_args()
    if arguments.no_solutions:
        os.environ["AECORE_SOLUTIONS"] = "no"
    root = arguments.root.resolve()
    if build(root):
        return 1
    if arguments.serve:
        serve(root / "_build" / "html")
    else:
        print(f"The book is in {os.path.relpath(root / '_build' / 'html' / 'index.html')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
