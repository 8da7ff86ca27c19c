"""Grade one submission: run the student's cells in a sandbox, and the tests here.

What a student's code can and cannot do about its grade. It cannot reach the tests: they, the reference and the
results are in this process, which runs none of the student's code and takes nothing but plain data from it (wire.py).
So replaced functions, forged output, an early exit, threads and forks left behind change nothing here; test cells in
the submission are never run at all. What remains is what every test leaves: a function that recognises the test
and answers right only then has answered right. Random data and a course seed that students do not know until they
have the assignment make that as much work as a solution. Somebody who breaks out of the kernel's namespaces,
or finds a fault in the JSON or array reader of this process, is not stopped here; see sandbox.py.
"""

import ast
import contextlib
import io
import random
import sys
import time
from dataclasses import asdict, dataclass, field

import cells
import numpy as np
import sandbox
import wire

RESTARTS = 12  # each costs the imports again; cells that ended a process are left out of the next run


@dataclass
class Score:
    """What became of one exercise. by_hand: points that a person gives; why: reasons, for the student."""

    name: str
    of: float
    points: float = 0.0
    by_hand: bool = False
    why: list = field(default_factory=list)
    feedback: str = ""
    answer: str = ""


class Examiner:
    """One submission of one key.

    Args: key, key.Key; plan, cells.Plan; bwrap, limits: as for sandbox.Sandbox; given, constants of the exercises.
    """

    def __init__(self, key, plan, bwrap, limits, given):
        self.key, self.plan, self.bwrap, self.limits, self.given = key, plan, bwrap, limits, given
        self.scores = {name: Score(name, key.points(name)) for name in key.exercises}
        for name, notes in plan.notes.items():
            if name in self.scores:
                self.scores[name].why += notes
        answers = [cell for cell in key.cells if cell.role in ("answer", "manual") and cell.code]
        # A module that a solution imports is imported here: the student's would be the student's word for it.
        self.imports = "\n".join(cells.imports(cell.source) for cell in answers)
        self.theirs = set().union(*(cells.bound(cell.source) for cell in answers)) - cells.bound(self.imports)
        self.helpers = needed(key.cells, self.theirs)
        self.done, self.dead, self.printed, self.most = set(), {}, [], 0.0
        self.deadline = time.monotonic() + limits.total

    def run(self):
        """Returns: dict name -> Score."""
        for name, own in self.key.exercises.items():
            self.manual(name, own)
        for _ in range(RESTARTS):
            if not self.tests_left():
                break
            if not self.sitting():
                break
        for i in self.tests_left():
            why = "the time for the submission was over, or too many of its cells had to be stopped"
            self.say(self.plan.steps[i][0].exercise, f"This was not tested: {why}.")
        return self.scores

    def tests_left(self):
        return [i for i, (cell, _) in enumerate(self.plan.steps) if cell and cell.role == "test" and i not in self.done]

    def say(self, exercise, sentence):
        sentence = sentence if len(sentence) < 2000 else f"{sentence[:2000]} ..."
        if sentence not in self.scores[exercise].why:
            self.scores[exercise].why.append(sentence)

    def manual(self, name, own):
        """Keep what a person is to mark; give up what was not attempted or is not there."""
        score = self.scores[name]
        answers = [
            (cell, source) for cell, source in self.plan.steps if cell in own and cell.role in ("answer", "manual")
        ]
        if score.why and any("not attempted" in why or "deleted?" in why for why in score.why):
            for i, (cell, _) in enumerate(self.plan.steps):
                if cell in own:
                    self.done.add(i)
        elif any(cell.role == "manual" for cell, _ in answers):
            score.by_hand = True
        score.answer = "\n\n".join(source or "" for _, source in answers)[:20_000]

    # one process of the student's

    def sitting(self):
        """Run the notebook in a new sandbox until all is tested or the process has to be ended.

        Returns: whether it makes sense to go on in another one.
        """
        space, i = {"__name__": "examiner"}, -1
        seed(self.key.seed)
        with sandbox.Sandbox(self.bwrap, self.limits, self.key.seed) as box:
            try:
                box.peer.request("exercises", given=self.given)
                exec(self.imports, space)
                for i, (cell, source) in enumerate(self.plan.steps):
                    if not self.tests_left() or i in self.dead:
                        continue
                    if time.monotonic() > self.deadline:
                        return False
                    if cell and cell.role == "test":
                        if i not in self.done:
                            self.test(i, cell, box, space)
                        continue
                    if cell and cell.code and any(cell is helper for helper in self.helpers):
                        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()), box.step():
                            list(self.execute(cell.source, box, space))
                    if cell is None or cell.code:
                        self.student_cell(i, cell, source, box)
                return True
            except wire.Gone as gone:
                self.gone(i, box.why or str(gone))
                return i >= 0
            finally:
                self.most = max(self.most, box.most)

    def student_cell(self, i, cell, source, box):
        source = source if source is not None else "" if cell.role in ("answer", "manual") else cell.source
        with box.step():
            error = box.peer.request("run", source=source)
        text = box.output()
        if text:
            self.printed.append((cell.exercise if cell else "", text))
        if error and error[0] == "MemoryError":
            raise wire.Gone(f"it ran out of memory ({error[1]})")  # what it keeps would be missing later on
        if error and cell and cell.exercise:
            self.say(cell.exercise, f"The answer cell stopped with {error[0]}: {error[1]}")
        elif error and (cell is None or cell.role == "other"):
            self.plan.note("", f"A cell stopped with {error[0]}: {error[1]}")

    def gone(self, i, why):
        """The process ended in step i: remember why, and leave the step out from now on."""
        cell = self.plan.steps[i][0] if i >= 0 else None
        if i < 0 or (cell and cell.role in ("locked", "other") and not cell.exercise):
            where = "before the first cell" if i < 0 else "in a cell that was handed out"
            self.plan.note("", f"The process ended {where}: {why}.")
        elif cell is None:
            self.plan.note("", f"A cell that was added was stopped: {why}. It was left out.")
        elif cell.role == "test":
            self.done.add(i)
            self.say(cell.exercise, f"Your code was stopped when it was tested: {why}.")
        else:
            self.say(cell.exercise, f"The answer cell was stopped: {why}.")
        self.dead[i] = why

    # the tests: here

    def execute(self, source, box, space):
        """Run one of the key's cells here, statement by statement.

        Yields: (value of an expression, None of anything else, and whether the statement is the last one).
        """
        for name in self.theirs & cells.read_names(source):
            space.pop(name, None)
            with contextlib.suppress(wire.StudentError):
                space[name] = box.peer.request("get", name=name)
        body = ast.parse(cells.plain(source)).body
        for node in body:
            if isinstance(node, ast.Expr):
                yield eval(compile(ast.Expression(node.value), "<key>", "eval"), space), node is body[-1]
            else:
                exec(compile(ast.Module([node], []), "<key>", "exec"), space)

    def test(self, i, cell, box, space):
        """Run a test cell. What it raises, and a reply of a check that is not "passed", are the end of its points."""
        score, printed, points = self.scores[cell.exercise], io.StringIO(), cell.points
        seed(self.key.seed)
        try:
            with contextlib.redirect_stdout(printed), box.step():
                for value, last in self.execute(cell.source, box, space):
                    if not isinstance(value, wire.Remote) and hasattr(value, "passed"):
                        score.feedback += f"{value}\n"
                        if value.passed is False:
                            points = 0.0
                            self.say(cell.exercise, str(getattr(value, "message", "A check did not pass.")))
                            break
                        if value.passed is None:
                            points, score.by_hand = 0.0, True
                    elif last and isinstance(value, (bool, np.bool_)):
                        points = cell.points * bool(value)
                    elif last and isinstance(value, (int, float, np.number)):  # partial credit, as nbgrader has it
                        points = min(max(float(value), 0.0), cell.points)
            if box.process.poll() is not None:
                raise wire.Gone(box.why or "the process ended")
        except Exception as error:
            points = 0.0
            self.say(cell.exercise, reason(error, self.theirs))
        finally:
            box.output()
        self.done.add(i)
        score.points += points
        score.feedback += printed.getvalue()[:5000]
        if points < cell.points and box.used()[1] > self.limits.memory / 2:
            raise wire.Gone("afterwards it kept more than half of the memory that it may use")  # others need it


def reason(error, theirs):
    """Why a test failed, in words for the student; of the test itself only its message is shown."""
    if isinstance(error, wire.StudentError):
        return f"Your code stopped with {type(error).__name__}: {error}\n{error.trace}".strip()
    if isinstance(error, NameError) and error.name in theirs:
        return f"`{error.name}` is not defined: the cell that defines it is missing, or did not run."
    if error.args and hasattr(error.args[0], "passed"):  # assert reply, reply
        return str(error.args[0])
    if isinstance(error, AssertionError):
        return f"A test did not pass: {error}" if str(error) else "A test did not pass."
    return f"A test could not read the answer ({type(error).__name__}: {str(error)[:300]})."


def seed(number):
    """The same random numbers for every submission, however often it is graded."""
    random.seed(number)
    np.random.seed(number % 2**32)
    keras = sys.modules.get("keras")
    if keras:
        keras.utils.set_random_seed(number % 2**32)


def needed(key_cells, theirs):
    """The given cells of a key that define something the tests read, or something that such a cell reads.

    Returns: list of Cell.
    """
    wanted, found = set(), []
    for cell in reversed(key_cells):
        if not cell.code or cell.role in ("answer", "manual"):
            continue
        if cell.role == "test":
            wanted |= cells.read_names(cell.source)
        elif (cells.bound(cell.source) - theirs) & wanted:
            found.append(cell)
            wanted |= cells.read_names(cell.source)
    return found


def examine(path, key, bwrap, limits):
    """Grade the notebook at `path`. Returns: dict, as it is stored."""
    began = time.perf_counter()
    result = {"status": "graded", "notes": [], "megabytes": 0}
    scores = {name: Score(name, key.points(name)) for name in key.exercises}
    try:
        if path.is_dir():
            raise ValueError(f"the folder wants one notebook, or one of the name {key.name}.ipynb")
        if path.is_symlink() or not path.is_file():
            raise ValueError("it is a link or the like, and not a file")
        plan = cells.plan(key.cells, key.released, cells.read(path))
    except (ValueError, OSError, RecursionError) as error:
        result["status"] = f"cannot be read: {error}"
        for score in scores.values():
            score.why.append("There is no notebook that can be read.")
    else:
        examiner = Examiner(key, plan, bwrap, limits, constants(key))
        scores = examiner.run()
        result["notes"] = plan.notes.get("", [])
        result["megabytes"] = round(examiner.most)
        result["printed"] = [(exercise, text[:4000]) for exercise, text in examiner.printed]
    return {
        **result,
        "exercises": [asdict(s) for s in scores.values()],
        "seconds": round(time.perf_counter() - began, 1),
    }


def constants(key):
    """The constants of the book's exercises in this course."""
    try:
        from aecore import exercises
    except ImportError:
        return {}
    return {name: exercises.given(name) for name in exercises.EXERCISES if name in key.exercises}
