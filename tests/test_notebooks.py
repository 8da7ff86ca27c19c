"""What every notebook of the book has in common. Nothing is run here."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

BOOK = Path(__file__).parents[1] / "book"
NOTEBOOKS = sorted(path for path in BOOK.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
NAMES = [path.relative_to(BOOK).with_suffix("").as_posix() for path in NOTEBOOKS]
# The first code cell, word for word; only the address and the seed differ.
SETUP = re.compile(
    r"""REPOSITORY = "[^"]*"  # the address from which Colab installs aecore: `make stamp` writes it here

import sys

if "google\.colab" in sys\.modules:
    if not REPOSITORY:
        raise RuntimeError\(
            "This copy of the book does not know its own address, so Colab cannot install aecore\. "
            "Set repository: url in _config\.yml, run `make stamp`, and open the stamped notebook\."
        \)
    %pip install --quiet "aecore @ \{REPOSITORY\}"

import aecore

run = aecore\.start\(seed=\d+\)"""
)
MAKES_FIGURE = {"figure", "image_grid", "code_scatter", "curves"}
LOCAL_PATH = re.compile(r"(?<![\w.])/(home|root|tmp|work|Users|mnt)/|[A-Z]:\\\\")


@pytest.fixture(params=NOTEBOOKS, ids=NAMES)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def calls(source, names):
    """Calls viz.NAME(...) in a cell. Lines of IPython's own (%, !) are left out."""
    tree = ast.parse("\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n")))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return [c for c in found if getattr(c.func.value, "id", "") == "viz" and c.func.attr in names]


def words(node):
    """The number of words in a piece of text as it stands in the source, {...} of an f-string as one word."""
    parts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    values = sum(isinstance(n, ast.FormattedValue) for n in ast.walk(node))
    return sum(len(part.split()) for part in parts) + values


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_format(notebook):
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata  # GitHub cannot show it
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


def test_committed_without_outputs(notebook):
    for cell in code_cells(notebook):
        assert cell.execution_count is None
        if cell.outputs:
            assert "# NBVAL_CHECK_OUTPUT" in cell.source, "only the outputs that nbval compares are committed"
            assert {output.output_type for output in cell.outputs} == {"stream"}
            assert cell.metadata.get("keep_output"), "nbstripout would remove it: set keep_output in its metadata"


def test_first_and_last_cell(notebook):
    cells = code_cells(notebook)
    assert SETUP.fullmatch(cells[0].source)
    assert cells[-1].source.strip() in ("aecore.cost();", "aecore.cost()")
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.lstrip().startswith(("# ", "("))  # a title, or a label and then the title


def test_figures_have_text_alternatives(notebook):
    for cell in code_cells(notebook):
        if cell is code_cells(notebook)[0]:
            continue
        assert "plt.show" not in cell.source
        shown = calls(cell.source, {"show"})
        for call in shown:
            alt = [k.value for k in call.keywords if k.arg == "alt"] + call.args[1:]
            assert alt, f"viz.show without alt:\n{cell.source}"
            assert words(alt[0]) >= 4 or isinstance(alt[0], ast.Name), f"alt says too little:\n{cell.source}"
        if calls(cell.source, MAKES_FIGURE) and "def " not in cell.source:
            assert shown, f"a figure that is not shown by viz.show:\n{cell.source}"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert "![](" not in cell.source, "a picture without a text alternative"


def test_no_path_of_anyones_machine(notebook):
    for cell in notebook.cells:
        assert not LOCAL_PATH.search(cell.source), cell.source


def test_every_notebook_is_in_the_contents():
    contents = (BOOK.parent / "_toc.yml").read_text("utf8")
    assert [name for name in NAMES if not re.search(rf"\bbook/{name}\b", contents)] == []


def test_labels_of_exercises_are_given_once():
    given = [label for path in NOTEBOOKS for label in re.findall(r":label: ([\w-]+)", path.read_text("utf8"))]
    assert given
    assert {label for label in given if given.count(label) > 1} == set()
