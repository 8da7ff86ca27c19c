"""The tools around the notebooks: the strict build, with and without solutions, the stamp, and Colab's first cell."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from html.parser import HTMLParser

import nbformat
import pytest
import yaml
from browsing import ROOT, SITE, tool
from nbclient import NotebookClient
from sphinx.util.matching import Matcher

URL = "https://github.com/someone/book"
CHAPTER = "01_pca_to_autoencoders.ipynb"
PARTS = ("[0-9]*.ipynb", "exercises/*.ipynb", "solutions/*.ipynb")
COLAB_NOTEBOOKS = sorted(str(path.relative_to(ROOT / "book")) for part in PARTS for path in (ROOT / "book").glob(part))
# The versions that Colab had on 2026-08-19; Python 3.13 there. What is not pinned comes along as it is now.
COLAB = (
    "tensorflow==2.20.0", "keras==3.13.2", "numpy==2.1.3", "jax==0.7.2", "matplotlib==3.10.0", "scikit-learn==1.6.1",
    "scikit-image", "opencv-python-headless", "ipywidgets==7.7.1", "ipython==7.34.0",
    "ipykernel==6.17.1", "anywidget==0.9.21", "setuptools>=77",
)  # fmt: skip


book, release, stamp = tool("build"), tool("release"), tool("stamp")


def run_tool(name, *arguments):
    command = [sys.executable, ROOT / "tools" / f"{name}.py", *arguments]
    return subprocess.run(command, text=True, capture_output=True, check=False, cwd=ROOT, timeout=7200)


@pytest.fixture
def copy(tmp_path):
    """The sources of the book, without what is built from them."""
    for name in ("book", "aecore", "_assets", "_ext", "_templates", "_config.yml", "_toc.yml", "requirements.txt",
                 "pyproject.toml", "README.md", "LICENSE"):  # fmt: skip
        ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


# ---- what decides whether a notebook is run again ----


def test_fingerprint_follows_package_and_profile(copy, monkeypatch):
    before = book.fingerprint(copy)
    assert book.fingerprint(copy) == before
    with monkeypatch.context() as patch:
        patch.setenv("AECORE_PROFILE", "full")
        assert book.fingerprint(copy) != before
    with monkeypatch.context() as patch:
        patch.setenv("AECORE_PROFILE", "")
        assert book.fingerprint(copy) == book.fingerprint(copy)
        assert book.settings()["AECORE_PROFILE"] == "quick"
    everything = book.everything(copy)
    page = copy / "book" / "bibliography.md"
    page.write_text(page.read_text("utf8") + "\nmore\n", "utf8")
    assert book.everything(copy) != everything
    assert book.fingerprint(copy) == book.fingerprint(copy)
    source = copy / "aecore" / "ae.py"
    source.write_text(source.read_text("utf8") + "\n# changed\n", "utf8")
    assert book.fingerprint(copy) != before


# ---- without solutions ----


def files(entry):
    """All pages that a table of contents names."""
    if isinstance(entry, list):
        return [file for part in entry for file in files(part)]
    own = [entry[key] for key in ("root", "file") if key in entry]
    return own + [file for value in entry.values() if isinstance(value, list) for file in files(value)]


def test_solutions_can_be_left_out(copy, monkeypatch):
    whole, config, inputs = book.derived_toc(copy), book.derived_config(copy, "cache"), book.everything(copy)
    assert whole == yaml.safe_load((copy / "_toc.yml").read_text("utf8"))
    assert "exclude_patterns" not in config
    monkeypatch.setenv("AECORE_SOLUTIONS", "no")
    toc, config = book.derived_toc(copy), book.derived_config(copy, "cache")
    assert (
        [file for file in files(whole) if file not in files(toc)] == [f for f in files(whole) if "solution" in f] != []
    )
    assert files(toc) == [file for file in files(whole) if "solution" not in file]
    assert {part["caption"] for part in whole["parts"]} - {part["caption"] for part in toc["parts"]} == {"Solutions"}
    # Not in the contents is not enough: Sphinx would read the pages, copy their sources and index their words.
    excluded = Matcher(config["exclude_patterns"])
    pages = [path.relative_to(copy).as_posix() for path in (copy / "book").rglob("*.ipynb")]
    out = [page for page in pages if excluded(page)]
    assert out
    assert sorted(out) == sorted(page for page in pages if "solutions" in page)
    assert book.everything(copy) != inputs  # the site is built again
    assert book.fingerprint(copy) == book.fingerprint(copy)
    left = "\n".join((copy / page).read_text("utf8") for page in pages if page not in out)
    assert "solutions/" not in left  # no link leads there
    monkeypatch.setenv("AECORE_SOLUTIONS", "never")
    with pytest.raises(SystemExit, match="AECORE_SOLUTIONS must be 'yes' or 'no'"):
        book.derived_toc(copy)


# ---- stamping ----


def first_lines(root):
    return {path: stamp.setup_line(path) for path in stamp.notebooks(root)}


def test_stamping_changes_one_line_and_can_be_undone(copy):
    assert stamp.main(["--clear"], root=copy) == 0
    unstamped = {path: path.read_text("utf8") for path in stamp.notebooks(copy)}
    settings = (copy / "_config.yml").read_text("utf8")
    assert stamp.main(["--check"], root=copy) == 0

    assert stamp.main(["--url", URL + ".git/", "--branch", "gh-pages", "--ref", "a" * 40], root=copy) == 0
    assert stamp.configured(copy) == (URL, "gh-pages")
    assert stamp.main(["--check"], root=copy) == 0
    assert set(first_lines(copy)) == set(unstamped)
    for path, old in unstamped.items():
        new = path.read_text("utf8")
        differ = [(a, b) for a, b in zip(old.split("\n"), new.split("\n"), strict=True) if a != b]
        assert len(differ) == 1
        assert f'REPOSITORY = \\"git+{URL}@{"a" * 40}\\"' in differ[0][1]
    once = {path: path.read_bytes() for path in stamp.notebooks(copy)}
    assert stamp.main(["--ref", "a" * 40], root=copy) == 0
    assert {path: path.read_bytes() for path in stamp.notebooks(copy)} == once
    assert release.outdated(copy) == []  # exercises and solutions are stamped alike

    assert stamp.main([], root=copy) == 0  # the address of _config.yml, its branch as the reference
    assert all(f'"git+{URL}@gh-pages"' in line for line in first_lines(copy).values())
    assert stamp.main(["--clear", "--branch", "main"], root=copy) == 0
    assert {path: path.read_text("utf8") for path in stamp.notebooks(copy)} == unstamped
    assert stamp.configured(copy)[0] == ""
    assert (copy / "_config.yml").read_text("utf8").replace("gh-pages", "main") == settings.replace("gh-pages", "main")


def test_a_wrong_stamp_is_noticed(copy):
    assert stamp.main(["--url", URL], root=copy) == 0
    assert stamp.main(["--check"], root=copy) == 0
    stamp.configure(copy, "https://github.com/someone/else", "main")
    assert stamp.main(["--check"], root=copy) == 1


@pytest.mark.parametrize(
    "address", ["github.com/a/b", "http://github.com/a/b", 'https://x/a/b" ; rm', "https://x y/a/b"]
)
def test_wrong_addresses_are_refused_and_nothing_is_written(copy, address):
    before = first_lines(copy)
    assert stamp.main(["--url", address], root=copy) == 2
    assert stamp.main(["--url", URL, "--ref", "main; rm"], root=copy) == 2
    assert first_lines(copy) == before


def test_without_an_address_there_is_nothing_to_stamp(copy, capsys):
    stamp.main(["--clear"], root=copy)
    assert stamp.main([], root=copy) == 2
    assert "--url" in capsys.readouterr().err


def test_launch_buttons_only_with_an_address(copy):
    stamp.main(["--clear"], root=copy)
    unstamped = book.derived_config(copy, copy / "cache")
    assert "launch_buttons" not in unstamped
    assert unstamped["execute"]["cache"] == str(copy / "cache")
    stamp.main(["--url", URL, "--branch", "gh-pages"], root=copy)
    stamped = book.derived_config(copy, copy / "cache")
    assert stamped["launch_buttons"] == {"colab_url": "https://colab.research.google.com"}
    assert stamped["repository"] == {"url": URL, "branch": "gh-pages"}
    stamp.main(["--url", "https://example.org/someone/book"], root=copy)
    assert "launch_buttons" not in book.derived_config(copy, copy / "cache")


# ---- Colab ----


def as_in_colab(notebook, cells=None, kernel="python3", **environment):
    """Run a notebook, or its first code cells, in a new kernel that says it is Colab. Returns: what they printed."""
    fake = nbformat.v4.new_code_cell(
        "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')"
    )
    code = [cell for cell in notebook.cells if cell.cell_type == "code"][:cells]
    last = nbformat.v4.new_code_cell("import aecore; print(aecore.__file__)")
    work = nbformat.v4.new_notebook(cells=[fake, *code, last], metadata=notebook.metadata)
    with tempfile.TemporaryDirectory() as elsewhere:  # a kernel that starts in our folder would find aecore there
        client = NotebookClient(work, timeout=900, kernel_name=kernel, resources={"metadata": {"path": elsewhere}})
        client.execute(env={**os.environ, **environment})
    return "".join(o.get("text", "") for cell in work.cells if cell.cell_type == "code" for o in cell.outputs)


def stamped(copy, chapter=CHAPTER):
    """Make `copy` a repository and stamp it with its own address. Returns: the chapter."""
    git = ["git", "-C", copy, "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "test"]):
        subprocess.run([*git, *command], check=True)
    assert stamp.main(["--url", f"file://{copy}", "--branch", "main"], root=copy) == 0
    return nbformat.read(copy / "book" / chapter, as_version=4)


def test_unstamped_notebook_says_in_colab_how_to_stamp_it(copy, monkeypatch):
    stamp.main(["--clear"], root=copy)
    notebook = nbformat.read(copy / "book" / CHAPTER, as_version=4)
    setup = next(cell for cell in notebook.cells if cell.cell_type == "code").source
    plain = "\n".join("        pass" if line.lstrip().startswith("%") else line for line in setup.split("\n"))
    monkeypatch.setitem(sys.modules, "google.colab", type(sys)("google.colab"))
    with pytest.raises(RuntimeError, match="make stamp"):
        exec(plain, {})


@pytest.mark.slow
def test_stamped_notebook_installs_aecore_from_its_own_repository(copy):
    target = copy / "installed"
    target.mkdir()
    # Into a folder that Python looks into first, with nothing fetched: this is what Colab does, less the network.
    pip = {"PIP_TARGET": str(target), "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "1"}
    printed = as_in_colab(stamped(copy), 2, PYTHONPATH=str(target), AECORE_PROFILE="quick", **pip)
    assert "profile   quick" in printed
    assert str(target / "aecore") in printed
    commit = json.loads(next(target.glob("aecore-*.dist-info/direct_url.json")).read_text())
    assert commit["url"] == f"file://{copy}"


@pytest.mark.slow
def test_nothing_is_installed_elsewhere(copy):
    notebook = stamped(copy)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"][:1]
    NotebookClient(notebook, timeout=300).execute(env={**os.environ, "PIP_NO_INDEX": "1"})
    assert "pip" not in str(notebook.cells[0].outputs)
    assert not list(copy.rglob("direct_url.json"))


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("AECORE_COLAB_TEST"), reason="`make colab-test` asks for it: it downloads a GB")
@pytest.mark.parametrize("chapter", COLAB_NOTEBOOKS)
def test_colab_versions(copy, monkeypatch, chapter):
    """A chapter from start to end with the versions that Colab has, aecore installed by its first cell."""
    folder = ROOT / "_build" / "colab"
    python = folder / "bin" / "python"
    wanted = "\n".join(COLAB)
    if not (folder / "versions").is_file() or (folder / "versions").read_text() != wanted:
        # Colab's own Python is 3.13: COLAB_PYTHON can name one.
        base = os.environ.get("COLAB_PYTHON", sys.executable)
        subprocess.run([base, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *COLAB], check=True)
        kernel = [python, "-m", "ipykernel", "install", "--prefix", folder, "--name", "colab"]
        subprocess.run(kernel, check=True)
        (folder / "versions").write_text(wanted)
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "aecore"], check=True)
    listing = [python, "-m", "pip", "freeze", "--exclude", "aecore"]
    before = subprocess.run(listing, check=True, capture_output=True).stdout
    monkeypatch.setenv("JUPYTER_PATH", str(folder / "share" / "jupyter"))
    printed = as_in_colab(stamped(copy, chapter), kernel="colab", AECORE_PROFILE="quick")
    after = subprocess.run(listing, check=True, capture_output=True).stdout
    assert "TensorFlow 2.20.0" in printed
    assert f"{folder}" in printed.strip().split("\n")[-1]
    assert set(before.split(b"\n")) <= set(after.split(b"\n"))  # nothing that Colab had was moved
    print(printed)


# ---- the strict build ----

SMALL = {
    "format": "jb-book",
    "root": "book/start",
    "chapters": [{"file": "book/broken"}],
}


def small_book(root, source):
    """A book of two pages, built by the same path as ours."""
    shutil.copytree(ROOT / "_ext", root / "_ext", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_assets", "_templates"):
        shutil.copytree(ROOT / name, root / name)
    (root / "_config.yml").write_text((ROOT / "_config.yml").read_text("utf8"), "utf8")
    (root / "_toc.yml").write_text(yaml.safe_dump(SMALL))
    (root / "book").mkdir()
    (root / ".venv").mkdir()
    (root / ".venv" / "readme.md").write_text("## No page of the book, and no good one\n")
    (root / "book" / "references.bib").write_text("")
    (root / "book" / "start.md").write_text("# Start\n")
    cells = [nbformat.v4.new_markdown_cell("# Page"), nbformat.v4.new_code_cell(source)]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), root / "book" / "broken.ipynb")
    return root


def build_small(root):
    return run_tool("build", "--root", root)


PICTURE = """import io
import matplotlib.pyplot as plt
from IPython.display import display
file = io.BytesIO()
plt.imsave(file, [[0, 1]], format="png")
png = file.getvalue()
display({"image/png": png, "text/plain": "x"}, raw=True, metadata={"image/png": METADATA})"""


@pytest.mark.slow
def test_a_failing_cell_fails_the_build_again_and_again(tmp_path):
    root = small_book(tmp_path, "raise ValueError('broken on purpose')")
    for _ in range(2):  # the second build must not believe that the page is up to date
        done = build_small(root)
        assert done.returncode == 1
        assert "broken on purpose" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import warnings; warnings.warn('something')", "stderr was found"),
        (PICTURE.replace("METADATA", "{'width': 10}"), "without a text alternative"),
    ],
)
def test_warnings_fail_the_build_again_and_again(tmp_path, source, message):
    root = small_book(tmp_path, source)
    for _ in range(2):
        done = build_small(root)
        assert done.returncode == 1
        assert message in done.stderr


@pytest.mark.slow
def test_a_good_page_builds_once(tmp_path):
    root = small_book(tmp_path, PICTURE.replace("METADATA", "{'alt': 'One point of grey.', 'width': 10}"))
    done = build_small(root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'alt="One point of grey."' in (root / "_build" / "html" / "book" / "broken.html").read_text("utf8")
    again = build_small(root)
    assert again.returncode == 0
    assert "Nothing has changed" in again.stdout
    (root / "book" / "start.md").write_text("# Start\n\nMore.\n")
    gone = root / "_build" / "html" / "book" / "gone.html"
    gone.write_text("a chapter that the book had once")
    third = build_small(root)
    assert not gone.exists()
    assert third.returncode == 0
    assert "Executing notebook" not in third.stdout
    assert "More." in (root / "_build" / "html" / "book" / "start.html").read_text("utf8")


class Links(HTMLParser):
    """What a page loads by itself, and its pictures."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.pictures, self.output = [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "img":
            self.pictures.append(found)
        if tag in ("script", "img", "iframe", "source", "video", "audio", "embed"):
            self.loaded.append(found.get("src") or "")
        if tag == "link" and found.get("rel") not in ("canonical", "search", "next", "prev", "author", "license"):
            self.loaded.append(found.get("href") or "")


@pytest.fixture(scope="session")
def pages():
    """The book, built strictly where `make html` builds it, so that unchanged notebooks are not run again."""
    done = run_tool("build")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    found = {path: Links(path.read_text("utf8")) for path in SITE.rglob("*.html")}
    assert len(found) > 5
    return found


@pytest.mark.slow
def test_second_build_does_nothing(pages):
    again = run_tool("build")
    assert again.returncode == 0
    assert "Nothing has changed" in again.stdout


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere(pages):
    outside = re.compile(r"(https?:)?//")
    loaded = {str(path): [x for x in links.loaded if outside.match(x)] for path, links in pages.items()}
    assert not any(loaded.values()), loaded
    scripts = "".join(path.read_text("utf8") for path in pages)
    assert not re.search(r"cdn\.|cdnjs|unpkg|googleapis", scripts)


@pytest.mark.slow
def test_pictures_have_text_alternatives(pages):
    figures = [p for links in pages.values() for p in links.pictures if "_images/" in p.get("src", "")]
    assert figures
    assert [p["src"] for p in figures if len((p.get("alt") or "").split()) < 4] == []


@pytest.mark.slow
def test_no_page_shows_an_object_where_a_result_belongs(pages):
    shown = re.compile(r"&lt;[\w. ]+ at 0x[0-9a-f]+")
    assert {p.name: found for p in pages if (found := shown.findall(p.read_text("utf8")))} == {}


@pytest.mark.slow
def test_chapters_have_the_numbers_of_their_files(pages):
    chapters = {path: int(path.name[:2]) for path in pages if re.match(r"\d\d_", path.name)}
    assert len(chapters) >= 3
    for path, number in chapters.items():
        text = path.read_text("utf8")
        first, *sections = re.findall(r'<h[12]><span class="section-number">([\d.]+) </span>', text)
        assert first == f"{number}."
        assert sections == [f"{number}.{i}." for i in range(1, len(sections) + 1)]


@pytest.mark.slow
def test_formulas_are_served_from_the_site(pages):
    with_formulas = [p for p in pages if 'class="math' in p.read_text("utf8")]
    assert with_formulas
    for page in with_formulas:
        scripts = [src for src in pages[page].loaded if re.search("mathjax|formulas", src.lower())]
        assert len(scripts) == 1
        script = page.parent / scripts[0].split("?")[0]
        assert all(path.is_file() for path in (script, script.parent / "mathjax" / "tex-chtml.js"))


@pytest.mark.slow
def test_book_is_served_on_this_machine(pages):
    server = book.listen(SITE)
    other = book.listen(SITE)  # the next free port
    try:
        assert other.server_port > server.server_port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/book/bibliography.html") as answer:
            assert b"Bibliography" in answer.read()
    finally:
        server.shutdown()
        server.server_close()
        other.server_close()
