"""What nbval's run leaves in the build's cache is what the build's own run would have left there."""

import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from browsing import ROOT, tool
from jupyter_cache import get_cache
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

CELLS = (
    "print('a'); print('b')\n1 + 1",
    "print('shown')\n'hidden';",
    "from IPython.display import clear_output, display\nline = display('epoch 1', display_id=True)\nprint('between')",
    "line.update('epoch 2')\nprint('gone')\nclear_output(wait=True)\nprint('stays')",
    "import ipywidgets\nbox = ipywidgets.IntSlider(3)\nbox.value = 4\ndisplay(box)",
)


@pytest.fixture
def book(tmp_path):
    """A folder with the tools, and notebooks that succeed, fail and have a cell that is left out."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    for name, more in {"good": (), "bad": ("1 / 0",), "skipped": ("# NBVAL_SKIP\nprint('not run')",)}.items():
        cells = [new_markdown_cell("Text."), *map(new_code_cell, (*CELLS, *more))]
        nbformat.write(new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
    return tmp_path


def content(notebook):
    """All that a run has left, with the widgets counted through in place of their random names."""
    state = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    text = str([cell.outputs for cell in notebook.cells if cell.cell_type == "code"]) + str(sorted(state.items()))
    text = re.sub(r"'execution_count': \w+", "", text)
    names = {name: str(sorted(values.items())) for name, values in state.items()}
    for i, name in enumerate(sorted(names, key=lambda name: re.sub("[0-9a-f]{32}", "", names[name]))):
        text = text.replace(name, f"widget {i}")
    return sorted(re.findall(r"[^ ,{}()\[\]]+", text))


@pytest.mark.slow
def test_what_nbval_ran_is_what_the_build_would_have_run(book):
    command = [sys.executable, "-m", "pytest", "-p", "tools.recording", "--nbval-lax", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *map(str, book.glob("*.ipynb"))], cwd=book, text=True, capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    assert "1 failed, 15 passed, 1 skipped" in done.stdout, done.stdout[-3000:]
    (recorded,) = (path for path in (book / "_build" / ".cache").iterdir() if any(path.iterdir()))
    notebook = nbformat.read(book / "good.ipynb", 4)
    kept = get_cache(str(recorded))
    assert len(kept.list_cache_records()) == 1
    ours = kept.get_cache_bundle(kept.match_cache_notebook(notebook).pk).nb

    tool("running").execute([book / "good.ipynb"], book / "own", tool("build").kernels(book)[1], 60)
    own = get_cache(str(book / "own"))
    theirs = own.get_cache_bundle(own.match_cache_notebook(notebook).pk).nb
    assert content(ours) == content(theirs)
    assert "'epoch 2'" in str(ours)
    assert "hidden" not in str([cell.outputs for cell in ours.cells if "outputs" in cell])
    assert "gone" not in str([cell.outputs for cell in ours.cells if "outputs" in cell])
