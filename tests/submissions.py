"""A class of students for the tests of grading: honest ones, whatever became of their files, and others.

Who attacks (attacks.py) does so in ch01.pca and answers the rest of the sheet honestly: the attack is to cost its own
exercise, and nothing else.
"""

import copy
import json
from dataclasses import dataclass, field

from attacks import ATTACKS, HONEST, OTHER_WAYS, SHEET


@dataclass
class Submission:
    """What is handed in, and what is to become of it.

    points: of the exercises that do not get all of theirs. why: stands in the report.
    """

    name: str
    content: bytes
    points: dict = field(default_factory=dict)
    why: str = ""
    folder: bool = False

    def write(self, target):
        path = target / self.name / "sheet.ipynb" if self.folder else target / f"{self.name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content)

    def wanted(self):
        return {**SHEET, **self.points}


def answered(notebook, answers):
    """A copy of the notebook (as JSON) with these answers, dict exercise -> code, in its answer cells."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook["cells"]:
        name = label(cell).replace("-", ".", 1)
        if name in answers:
            cell["source"] = answers[name]
    return notebook


def label(cell):
    return cell["metadata"].get("nbgrader", {}).get("grade_id", "")


def cells_of(notebook, ending):
    return [cell for cell in notebook["cells"] if label(cell).endswith(ending)]


def dump(notebook):
    return json.dumps(notebook).encode()


def everybody(released, letter, canary, key, port):
    """All submissions.

    Args: released, the notebook that was handed out, as JSON; letter, the right option of ch01.predict; canary, a
        folder that nobody may touch; key, the path of the key; port, where somebody listens.
    Returns: list of Submission.
    """
    good = {**HONEST, "ch01.predict": f'prediction = "{letter}"'}
    full = answered(released, good)
    nothing = dict.fromkeys(SHEET, 0)
    found = [
        Submission(name, dump(answered(released, {**good, "ch01.pca": code}))) for name, code in OTHER_WAYS.items()
    ]
    for name, (code, why) in ATTACKS.items():
        if name == "harms":
            code = code.replace("{canary!r}", repr(canary)).replace("{key!r}", repr(key)).replace("{port}", str(port))
        found.append(
            Submission(name, dump(answered(released, {**good, "ch01.pca": "import os\n" + code})), {"ch01.pca": 0}, why)
        )

    def variant(name, change, points=None, why="", folder=False, start=full):
        notebook = copy.deepcopy(start)
        change(notebook)
        found.append(Submission(name, dump(notebook), points or {}, why, folder))

    def drop(*labels):
        return lambda n: n.update(cells=[cell for cell in n["cells"] if label(cell) not in labels])

    def colab(n):
        n.update(nbformat=4, nbformat_minor=0)
        n["metadata"] = {
            "colab": {"provenance": []},
            "kernelspec": {"name": "python3"},
            "widgets": {"application/x": {"a": 1}},
        }
        for i, cell in enumerate(n["cells"]):
            cell.pop("id", None)
            cell["metadata"] = {"id": f"x{i}Yz", "nbgrader": cell["metadata"].get("nbgrader", {})}

    def bare(n):
        for cell in n["cells"]:
            cell["metadata"] = {}
            cell.pop("id", None)

    def swapped(n):
        (answer,), (test,) = cells_of(n, "-pca"), cells_of(n, "-pca-check")
        answer["metadata"], test["metadata"] = test["metadata"], answer["metadata"]
        n["cells"][0]["metadata"] = {"nbgrader": "not a dict"}

    def helped(n):
        (answer,) = cells_of(n, "-pca")
        answer["source"] = "def pca(x, d):\n    m = x.mean(0)\n    V = rows(x - m, d)\n    return m + (x - m) @ V.T @ V"
        helper = code_cell("def rows(x, d):\n    return decompose(x, False)[2][:d]")
        n["cells"].insert(n["cells"].index(answer) + 1, helper)
        n["cells"].insert(2, code_cell("from numpy.linalg import svd as decompose"))

    def edited(n):
        for cell in cells_of(n, "-check"):
            cell["source"] = "print('2 of 2 points')\n2.0"

    def shuffled(n):
        n["cells"] = n["cells"][:8] + n["cells"][:7:-1]

    def twice(n):
        (answer,) = cells_of(n, "-pca")
        first_try = {**copy.deepcopy(answer), "source": "def pca(x, d):\n    return x"}
        n["cells"].insert(n["cells"].index(answer), first_try)

    variant("colab", colab)
    variant("lost_metadata", bare)
    variant("wrong_metadata", swapped)
    variant("helper_cells", helped)
    variant("edited_tests", edited, why="was changed")
    variant("deleted_tests", drop(*(f"{name.replace('.', '-')}-check" for name in SHEET)), why="was deleted")
    variant("shuffled", shuffled, folder=True)
    variant("copied_cell", twice)
    variant("deleted_answer", drop("ch01-pca"), {"ch01.pca": 0}, "deleted?")
    poor = answered(released, {"ch01.predict": good["ch01.predict"], "ch01.pca": "pca = 1", "ch01.turn": "turn = 1"})
    variant("edited_and_wrong", edited, {**nothing, "ch01.predict": 1}, "was changed", start=poor)
    variant("untouched", lambda n: None, nothing, "not attempted", start=released)
    for name, content, why in (
        ("text", b"Dear instructor, here is my notebook.", "not JSON"),
        ("picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not JSON"),
        ("other_json", b'{"cells": "none"}', "no list of cells"),
        ("deep_json", b"[" * 200_000, "not JSON"),
        ("empty", b"", "not JSON"),
    ):
        found.append(Submission(name, content, nothing, why))
    return found


def code_cell(source):
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
