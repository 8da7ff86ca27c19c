"""Make the exercises out of the solutions, so that the two cannot part.

    python tools/release.py              book/solutions/*.ipynb -> book/exercises/*.ipynb, and the package's solutions
    python tools/release.py --check      change nothing; status 1 where a file is not what would be made

A solution notebook is a master in nbgrader's format: what stands between ### BEGIN SOLUTION and ### END SOLUTION
becomes a stub, what stands between ### BEGIN HIDDEN TESTS and ### END HIDDEN TESTS goes away; points and other
metadata stay. Cells tagged `solutions-only` are left out. `solution()` of aecore.exercises reads the same cells,
collected in aecore/exercises/solutions.json.
"""

import argparse
import copy
import json
import re
import sys
from pathlib import Path

import nbformat
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.preprocessors import ClearHiddenTests, ClearOutput, ClearSolutions, ComputeChecksums, LockCells
from traitlets.config import Config

ROOT = Path(__file__).resolve().parents[1]
PACKAGED = Path("aecore/exercises/solutions.json")
STUB = "# YOUR CODE HERE"
FOLDS = {"hide-cell", "hide-input"}  # a fold over a solution; an exercise has nothing to hide
MARKER = re.compile(r"^[ ]*### (BEGIN|END) SOLUTION\n?", re.MULTILINE)
WHOLE = re.compile(r"^### BEGIN SOLUTION\n(.*)^### END SOLUTION", re.MULTILINE | re.DOTALL)


def graded(cell):
    """nbgrader's metadata of a cell, {} where it has none."""
    return cell.metadata.get("nbgrader", {})


def released(master):
    """The exercise notebook of a solution notebook. Returns: a new notebook."""
    notebook = copy.deepcopy(master)
    notebook.cells = [cell for cell in notebook.cells if "solutions-only" not in cell.metadata.get("tags", ())]
    first = notebook.cells[0]
    if not first.source.startswith("# Solutions"):
        raise ValueError(f"A solution notebook begins with '# Solutions', got {first.source[:40]!r}.")
    first.source = first.source.replace("# Solutions", "# Exercises", 1)
    for cell in notebook.cells:
        if graded(cell) and "tags" in cell.metadata:
            cell.metadata.tags = [tag for tag in cell.metadata.tags if tag not in FOLDS]
            if not cell.metadata.tags:
                del cell.metadata["tags"]
    MetadataValidator().validate_nb(notebook)
    config = Config({"ClearSolutions": {"code_stub": {"python": STUB}}})
    for step in (LockCells, ClearSolutions, ClearOutput, ClearHiddenTests, ComputeChecksums):
        notebook, _ = step(config=config).preprocess(notebook, {})
    return notebook


def solutions(master):
    """What a solution notebook answers: dict "ch01.pca" -> code.

    A region inside a function is shown with the cell around it; one that stands by itself, without the broken
    function or the empty variable that it replaces.
    """
    found = {}
    for cell in master.cells:
        if graded(cell).get("solution"):
            whole = WHOLE.search(cell.source)
            code = whole[1] if whole else MARKER.sub("", cell.source)
            found[graded(cell)["grade_id"].replace("-", ".")] = code.strip()
    return found


def made(root):
    """Everything that is generated. Returns: dict path -> text."""
    files, answers = {}, {}
    for path in sorted((root / "book" / "solutions").glob("*.ipynb")):
        master = nbformat.read(path, as_version=4)
        files[root / "book" / "exercises" / path.name] = nbformat.writes(released(master)) + "\n"
        answers |= solutions(master)
    files[root / PACKAGED] = json.dumps(answers, indent=1, ensure_ascii=False) + "\n"
    return files


def outdated(root):
    """Returns: the generated files that are missing, or differ from what would be made, or have no master."""
    files = made(root)
    orphans = [path for path in (root / "book" / "exercises").glob("*.ipynb") if path not in files]
    return orphans + [p for p, text in files.items() if not p.is_file() or p.read_text("utf8") != text]


def main(arguments=None, root=ROOT):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 where something is out of date")
    options = parser.parse_args(arguments)
    old = outdated(root)
    if options.check:
        print("\n".join(f"not what would be made: {path.relative_to(root)}" for path in old) or "All is up to date.")
        return 1 if old else 0
    files = made(root)
    for path in old:
        if path not in files:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], "utf8")
    print("\n".join(f"written: {path.relative_to(root)}" for path in old) or "All was up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
