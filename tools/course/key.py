"""The instructor's key: a notebook with solutions and hidden tests, and what it hands out."""

import copy
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import cells
import nbformat

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import release  # noqa: E402 - the generator of the book's exercises

LEFT_OUT = "solutions-only"


@dataclass
class Key:
    """name, title, due, seed: of the assignment. cells, released: lists of cells.Cell, side by side."""

    name: str
    title: str
    due: str
    seed: int
    cells: list
    released: list
    exercises: dict
    digest: str

    def points(self, exercise):
        return sum(cell.points for cell in self.exercises[exercise])


def handed_out(key):
    """The notebook that students get: stubs for solutions, no hidden tests; made as the book's exercises are."""
    notebook = copy.deepcopy(key)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# Solutions"))  # the generator wants this title
    notebook = release.released(notebook)
    del notebook.cells[0]
    return notebook


def load(path):
    """Read a key: one that `assign` made, or any master in nbgrader's format. Returns: Key. Raises: ValueError."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if LEFT_OUT not in cell.metadata.get("tags", ())]
    course = notebook.metadata.get("aecore", {})
    both = [as_cells(n) for n in (notebook, handed_out(notebook))]
    exercises = cells.exercises(both[0])
    if not any(cell.points for cell in both[0]):
        raise ValueError(f"{path} has no test cells with points: is it the key, or the notebook that was handed out?")
    if not any(mark in cell.source for cell in both[0] for mark in ("BEGIN SOLUTION", "BEGIN HIDDEN TESTS")):
        raise ValueError(f"{path} has neither solutions nor hidden tests. Take the key, not what was handed out.")
    return Key(
        name=path.stem,
        title=course.get("title", path.stem),
        due=course.get("due", ""),
        seed=int(course.get("seed", 0)),
        cells=both[0],
        released=both[1],
        exercises=exercises,
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def as_cells(notebook):
    return [cells.cell_of(raw, i) for i, raw in enumerate(json.loads(nbformat.writes(notebook))["cells"])]
