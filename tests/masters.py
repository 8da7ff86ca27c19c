"""The solution notebooks and the exercises made of them, cell by cell, as answers that can be checked."""

import ast
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import release  # noqa: E402

MASTERS = {
    path.stem: nbformat.read(path, as_version=4) for path in sorted((ROOT / "book" / "solutions").glob("*.ipynb"))
}
RELEASED = {stem: release.released(master) for stem, master in MASTERS.items()}


def cell(notebook, name, check):
    """The cell of an exercise: where it is checked, or where it is answered."""
    if check:
        return next(c for c in notebook.cells if f'check("{name}", ' in c.source)
    return next(c for c in notebook.cells if c.id == name.replace(".", "-"))


def answer(notebooks, name):
    """Run the imports of a notebook and the cell that answers an exercise. Returns: what its check is called with."""
    notebook = notebooks[name.split(".")[0]]
    imports = next(c.source for c in notebook.cells if "from aecore.exercises import" in c.source)
    space = {}
    exec(imports, space)
    exec(cell(notebook, name, check=False).source, space)
    calls = [
        node for node in ast.walk(ast.parse(cell(notebook, name, check=True).source)) if isinstance(node, ast.Call)
    ]
    handed = next(node.args[1].id for node in calls if getattr(node.func, "id", "") == "check")
    return space[handed]
