"""Notebooks as graders see them: the exercises of a key, and a student's cells put beside them.

A key is a master notebook in nbgrader's format: answer cells (`solution`), test cells (`grade`), cells to mark by hand
(both) and other cells that students are not to change (`locked`). A student's notebook is read without any belief in
it: which cell answers what is found by nbgrader's grade_id, else by the cell's id, else by what the cell defines.
"""

import ast
import json
import re
from dataclasses import dataclass, field

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

NOT_RUN = "not-graded"  # the tag of a cell that shows something, and that no answer needs
MOST_BYTES = 64 * 2**20
BINDING = re.compile(r"^(?:def|class)\s+(\w+)|^(\w+)\s*=", re.MULTILINE)


@dataclass
class Cell:
    """A cell. role: "answer", "test", "manual", "locked" in a key, "shown" (not run for grades), and "other".

    position: its place in the notebook.
    """

    source: str
    kind: str = "code"
    role: str = "other"
    grade_id: str = ""
    ids: frozenset = frozenset()
    points: float = 0
    position: int = 0
    exercise: str = ""

    @property
    def code(self):
        return self.kind == "code"


def read(path):
    """Read a notebook, whoever saved it. Returns: list of Cell. Raises: ValueError that says what is wrong with it."""
    data = path.read_bytes()
    if len(data) > MOST_BYTES:
        raise ValueError(
            f"the file has {len(data) / 2**20:.0f} MB; notebooks up to {MOST_BYTES / 2**20:.0f} MB are read"
        )
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the file is no notebook: it is not JSON ({error})") from None
    if isinstance(notebook, dict) and "worksheets" in notebook:  # nbformat 3
        try:
            notebook = nbformat.reads(data.decode("utf-8-sig"), as_version=4)
        except Exception as error:
            raise ValueError(f"the file is no notebook that can be read: {error}") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise ValueError("the file is no notebook: it is JSON, but has no list of cells")
    cells = [cell_of(raw, i) for i, raw in enumerate(notebook["cells"]) if isinstance(raw, dict)]
    if not any(cell.code for cell in cells):
        raise ValueError("the notebook has no code cells")
    return cells


def cell_of(raw, position):
    source = raw.get("source", "")
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    meta = raw.get("metadata") if isinstance(raw.get("metadata"), dict) else {}
    nbgrader = meta.get("nbgrader") if isinstance(meta.get("nbgrader"), dict) else {}
    flag = lambda name: nbgrader.get(name) is True
    shown = isinstance(meta.get("tags"), list) and NOT_RUN in meta["tags"]
    role = (
        "manual" if flag("grade") and flag("solution")
        else "answer" if flag("solution") else "test" if flag("grade")
        else "locked" if flag("locked") else "shown" if shown else "other"
    )  # fmt: skip
    points = nbgrader.get("points")
    return Cell(
        source=source if isinstance(source, str) else "",
        kind=str(raw.get("cell_type")),
        role=role,
        grade_id=str(nbgrader.get("grade_id") or ""),
        ids=frozenset(str(i) for i in (raw.get("id"), meta.get("id")) if i),
        points=float(points) if isinstance(points, (int, float)) and flag("grade") else 0.0,
        position=position,
    )


def exercises(cells):
    """Give every answer, test and manual cell of a key the name of its exercise.

    An exercise is one or more answer cells and the test cells that follow them; a cell to mark by hand is an exercise
    of its own where no test precedes it. Its name is the grade_id of its first cell, "ch01-pca" as "ch01.pca".
    Returns: dict name -> its cells, in order.
    """
    found, name, tested = {}, None, True
    for cell in cells:
        if cell.role not in ("answer", "test", "manual"):
            continue
        if cell.role == "test" and name is None:
            raise ValueError(f"The key has a test cell before the first answer cell: {cell.grade_id!r}.")
        if cell.role == "manual" or (cell.role == "answer" and tested):
            name, tested = cell.grade_id.replace("-", ".", 1), False
            if name in found:
                raise ValueError(f"The key has two exercises of the name {name!r}: a grade_id must be there once.")
        tested = tested or cell.role in ("test", "manual")
        cell.exercise = name
        found.setdefault(name, []).append(cell)
    return found


def plain(source):
    """Python without IPython's magics. Raises: SyntaxError."""
    return TransformerManager().transform_cell(source)


def bound(source):
    """The names that a cell binds at its top level; where it is no Python, those that a line of it seems to bind."""
    try:
        tree = ast.parse(plain(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {a or b for a, b in BINDING.findall(source)}
    names, stack = set(), list(tree.body)
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
            continue
        if isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        stack.extend(ast.iter_child_nodes(node))
    return names


def imports(source):
    """The import statements at the top level of a cell, as source."""
    tree = ast.parse(plain(source))
    return "\n".join(ast.unparse(node) for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom)))


def read_names(source):
    """The names that a cell reads, in its functions too."""
    return {n.id for n in ast.walk(ast.parse(plain(source))) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


@dataclass
class Plan:
    """What to run of a submission: the key's cells in the key's order, each followed by what the student added to it.

    steps: list of (key cell or None, source of the student or None). notes: what was restored or could not be found,
    dict exercise (or "") -> list of sentences. unanswered: exercises of which no answer cell has an answer.
    """

    steps: list
    notes: dict = field(default_factory=dict)
    unanswered: set = field(default_factory=set)

    def note(self, exercise, sentence):
        self.notes.setdefault(exercise, []).append(sentence)


def same(a, b):
    squeeze = lambda text: "\n".join(line.rstrip() for line in text.strip().splitlines())
    return squeeze(a) == squeeze(b)


def plan(key, released, submission):
    """Put a submission's cells beside those of the key.

    Args: key and released, the same cells with and without solutions and hidden tests; submission: lists of Cell.
    Returns: Plan.
    """
    graded = [(k, r) for k, r in zip(key, released, strict=True) if k.role != "other" or k.code]
    mine, notes = match(graded, submission)
    result = Plan([], notes)
    owner, extras = {id(cell): i for i, cell in mine.items()}, {}
    anchor = -1
    for cell in submission:
        if id(cell) in owner:
            anchor = owner[id(cell)]
        elif cell.code and cell.source.strip():
            extras.setdefault(anchor, []).append(cell)
    add = lambda i: result.steps.extend((None, extra.source) for extra in extras.get(i, ()))
    add(-1)
    answered = set()
    for i, (cell, handed_out) in enumerate(graded):
        there = mine.get(i)
        if cell.role in ("answer", "manual"):
            if there is None:
                result.note(cell.exercise, f"The answer cell {cell.grade_id!r} is not in the notebook: deleted?")
            elif same(there.source, handed_out.source):
                result.note(cell.exercise, "The answer cell is as it was handed out: not attempted.")
            else:
                answered.add(cell.exercise)
            result.steps.append((cell, there.source if there else None))
        elif cell.role in ("test", "locked"):
            what = "test cell" if cell.role == "test" else "locked cell"
            if there is None:
                result.note(cell.exercise, f"The {what} {cell.grade_id!r} was deleted; the original one was run.")
            elif not same(there.source, handed_out.source):
                result.note(cell.exercise, f"The {what} {cell.grade_id!r} was changed; the original one was run.")
            result.steps.append((cell, None))
        elif cell.role != "shown":  # code that is given, and that a student may change
            result.steps.append((cell, there.source if there else cell.source))
        add(i)
    result.unanswered = {cell.exercise for cell in key if cell.exercise} - answered
    return result


def match(graded, submission):
    """Find the cell of the submission for each cell of the key.

    Returns: dict place in `graded` -> Cell, and the notes.
    """
    mine, taken, notes = {}, set(), {}

    def take(i, cell):
        mine[i] = cell
        taken.add(id(cell))

    kinds = lambda k, cell: cell.kind == k.kind or k.role == "manual"
    for agree in (
        lambda k, r, cell: k.grade_id and cell.grade_id == k.grade_id,
        lambda k, r, cell: bool(k.ids & cell.ids),
        lambda k, r, cell: k.role not in ("answer", "manual") and same(r.source, cell.source),
    ):
        for i, (k, r) in enumerate(graded):
            if i not in mine:
                fits = [c for c in submission if id(c) not in taken and kinds(k, c) and agree(k, r, c)]
                # of several copies that have one id, the one that defines what was asked for
                fits.sort(key=lambda c: not bound(r.source) <= bound(c.source) if k.role == "answer" else 0)
                if fits:
                    take(i, fits[0])
    answers = [i for i, (k, _) in enumerate(graded) if k.role == "answer"]
    asked = lambda i: bound(graded[i][1].source) - {"_"}
    for i in answers:
        cell = mine.get(i)
        if asked(i) and not (cell and asked(i) <= bound(cell.source)):
            # A cell with a wrong label, or none, that defines what was asked for, and no other cell does.
            labels = {id(c): j for j, c in mine.items()}
            others = [
                c for c in submission
                if c is not cell and c.code and asked(i) <= bound(c.source)
                and (id(c) not in labels or not asked(labels[id(c)]) <= bound(c.source) or not asked(labels[id(c)]))
            ]  # fmt: skip
            if others:
                mine.pop(labels.get(id(others[0])), None)
                mine[i] = others[0]
                sentence = "The answer cell has lost its label (metadata); it was found by what it defines."
                notes.setdefault(graded[i][0].exercise, []).append(sentence)
    return mine, notes
