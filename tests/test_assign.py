"""Making an assignment: what is handed out, what is kept, and that nothing is written over."""

import json
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools" / "course"))
import assign  # noqa: E402
import key as keys  # noqa: E402


def label(grade_id, **flags):
    usual = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    return {"nbgrader": {**usual, **flags, "grade_id": grade_id}}


def master(chapter, number):
    """A master of two exercises, and a question to be marked by hand."""
    answer = f"def double(x):\n    ### BEGIN SOLUTION\n    return {number} * x\n    ### END SOLUTION"
    test = (
        f"assert callable(double)\n### BEGIN HIDDEN TESTS\nassert double(base) == {10 * number}, 'twice'\n"
        "### END HIDDEN TESTS"
    )
    part = "half = ...\n### BEGIN SOLUTION\nhalf = base / 2\n### END SOLUTION"
    cells = [
        new_markdown_cell("# Solutions: A chapter", id="title"),
        new_markdown_cell("Only for the solutions.", id="only", metadata={"tags": ["solutions-only"]}),
        new_code_cell("import sys", id="setup", metadata={"tags": ["setup"]}),
        new_code_cell(f"base = 10  # {chapter}", id="given"),
        new_markdown_cell("## 1 Twice\n\nDouble it.", id="text-1"),
        new_code_cell(answer, id=f"{chapter}-double", metadata=label(f"{chapter}-double", solution=True)),
        new_code_cell(test, id="test-1", metadata=label(f"{chapter}-double-check", grade=True, locked=True, points=2)),
        new_code_cell("raise SystemExit('slow, and not run')", id="shown", metadata={"tags": ["not-graded"]}),
        new_markdown_cell("A remark.\n\n## 2 Half\n\nHalve it.", id="text-2"),
        new_code_cell(part, id=f"{chapter}-half", metadata=label(f"{chapter}-half", solution=True)),
        new_code_cell(
            "### BEGIN HIDDEN TESTS\ngot = 0.5 * (half == 5)\n### END HIDDEN TESTS\nprint('tested')\n"
            "### BEGIN HIDDEN TESTS\ngot\n### END HIDDEN TESTS",
            id="test-2", metadata=label(f"{chapter}-half-check", grade=True, locked=True, points=1),
        ),
        new_markdown_cell("## 3 Why\n\nSay why.", id="text-3"),
        new_markdown_cell(
            "### BEGIN SOLUTION\nBecause.\n### END SOLUTION", id=f"{chapter}-why",
            metadata=label(f"{chapter}-why", grade=True, solution=True, points=3),
        ),
    ]  # fmt: skip
    return new_notebook(cells=cells)


@pytest.fixture
def masters(tmp_path):
    folder = tmp_path / "masters"
    folder.mkdir()
    for chapter, number in (("one", 2), ("two", 2)):
        nbformat.write(master(chapter, number), folder / f"{chapter}.ipynb")
    return folder


def make(masters, *wanted, to, **more):
    settings = {"title": "Sheet 3", "due": "2027-01-15 18:00", "seed": 41, "target": to, "folder": masters, **more}
    return assign.assign(wanted, **settings)


def test_what_is_handed_out(masters, tmp_path):
    released, key = make(masters, "two.half", "one", to=tmp_path / "a")
    notebook = nbformat.read(released, as_version=4)
    nbformat.validate(notebook)
    front = notebook.cells[0].source
    assert front.startswith("# Sheet 3\n\n**Due: 15 January 2027, 18:00.** 7 points in 4 exercises.")
    for row in ("| two.half | 1 |", "| one.double | 2 |", "| one.half | 1 |", "| one.why | 3 |"):
        assert row in front
    text = released.read_text()
    for secret in ("HIDDEN", "SOLUTION", "return 2", "Because", "twice", "Only for"):
        assert secret not in text
        assert secret in key.read_text() or secret == "Only for"
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert 'os.environ["AECORE_COURSE_SEED"] = "41"' in code[0]
    assert notebook.cells[1].metadata.nbgrader.locked
    assert code.count("import sys") == 1  # one chapter sets up for all
    places = [i for begin in ("base = 10  # two", "base = 10  # one", "half = ...") for i, source in enumerate(code)
              if source.startswith(begin)]  # fmt: skip
    assert places == sorted(places)
    assert len(places) == 4
    headings = [line for cell in notebook.cells for line in cell.source.splitlines() if line.startswith("## ")]
    assert headings == ["## 1 Half", "## 2 Twice", "## 3 Half", "## 4 Why"]
    assert "two-double" not in text


def test_nothing_is_written_over(masters, tmp_path):
    released, key = make(masters, "one", to=tmp_path / "a")
    released.write_text("a student's work")
    with pytest.raises(FileExistsError, match="nothing was written"):
        make(masters, "one", to=tmp_path / "a")
    assert released.read_text() == "a student's work"
    key.unlink()
    with pytest.raises(FileExistsError, match="--name"):
        make(masters, "one", to=tmp_path / "a")
    assert not key.exists()
    assert make(masters, "one", to=tmp_path / "a", name="beside")[0].name == "beside.ipynb"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wanted": ["three"]}, "There are: one.double, one.half, one.why, two.double"),
        ({"due": "15.1.2027"}, "wants the form 2027-01-15"),
        ({"seed": -1}, "course seed wants"),
    ],
)
def test_what_cannot_be_made_is_said(masters, change, message):
    settings = {"wanted": ["one"], "title": "T", "due": "2027-01-15", "seed": 1, "folder": masters, **change}
    with pytest.raises(ValueError, match=message):
        assign.make(**settings)


def test_the_key_is_not_taken_for_what_was_handed_out(masters, tmp_path):
    released, key = make(masters, "one", to=tmp_path / "a")
    loaded = keys.load(key)
    assert {name: loaded.points(name) for name in loaded.exercises} == {"one.double": 2, "one.half": 1, "one.why": 3}
    assert (loaded.title, loaded.seed) == ("Sheet 3", 41)
    with pytest.raises(ValueError, match="Take the key"):
        keys.load(released)


def test_every_exercise_of_the_book_can_be_assigned(tmp_path):
    known = assign.catalogue()
    released, key = assign.assign(list(known), "All", "2027-01-15", 5, tmp_path)
    loaded = keys.load(key)
    assert set(loaded.exercises) == set(known)
    for cell, kept in zip(loaded.released, loaded.cells, strict=True):
        assert cell.grade_id == kept.grade_id
    text = json.dumps(nbformat.read(released, as_version=4))
    assert "HIDDEN TESTS" not in text
    assert "BEGIN SOLUTION" not in text
