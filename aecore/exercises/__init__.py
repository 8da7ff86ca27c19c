"""The book's exercises: `check` an answer, ask for a `hint`, look at the `solution`.

    from aecore.exercises import check, hint, solution

    check("ch01.pca", my_function)      # says what is right, or what is wrong and what to reread
    hint("ch01.pca")                    # one more hint with each call
    solution("ch01.pca")                # when you have tried

The checks call an answer with random data, or look at the properties of a result, so that no number can be copied.
"""

import importlib.util
import itertools
import json
from collections import Counter
from importlib import resources

from aecore.callbacks import _in_notebook as in_notebook
from aecore.exercises import (
    ch01,
    ch02,
    ch03,
    ch09,
    ch10,
    ch11,
    ch12,
    ch13,
    ch14,
    ch15,
    ch16,
    ch17,
    ch18,
    ch19,
    ch20,
    preface,
)
from aecore.exercises._verdict import Reply

MODULES = (preface, ch01, ch02, ch03, ch09, ch10, ch11, ch12, ch13, ch14, ch15, ch16, ch17, ch18, ch19, ch20)
EXERCISES = {exercise.name: exercise for module in MODULES for exercise in module.EXERCISES}
SOLUTIONS = "solutions.json"  # made by tools/release.py; a course's copy of the package may leave it out
_calls = itertools.count()
_hints_given = Counter()


def find(name):
    """The exercise of this name. Raises: ValueError with the known ones."""
    if name not in EXERCISES:
        raise ValueError(f"There is no exercise {name!r}. There are: {', '.join(EXERCISES)}.")
    return EXERCISES[name]


def check(name, answer, seed=None):
    """Judge an answer and say why.

    Args: name, for example "ch01.pca"; answer, what the exercise asks for; seed, of the random data, int >= 0, where
        the verdict must be the same again; without one every call draws other data.
    Returns: Reply, true where the answer is right.
    Raises: ValueError where there is no such exercise.
    """
    return find(name).judge(answer, next(_calls) if seed is None else seed)


def question(name):
    """Show what an exercise asks, with the numbers of this course (the environment variable AECORE_COURSE_SEED).

    A prediction can be answered right there, in a notebook and on the published page; elsewhere it is printed.
    """
    exercise = find(name)
    if not (in_notebook() and hasattr(exercise, "replies") and importlib.util.find_spec("anywidget")):
        print(exercise.ask())
        return
    from IPython.display import display

    from aecore.exercises.quiz import Quiz

    display(Quiz(exercise).bundle(), raw=True)


def given(name):
    """The constants of an exercise in this course, a dict."""
    return find(name).given()


def hint(name):
    """The next hint: each call says a little more. Returns: Reply."""
    hints = find(name).hints
    i = min(_hints_given[name], len(hints) - 1)
    _hints_given[name] += 1
    left = len(hints) - 1 - i
    more = f"{left} more." if left else f'That was the last one. solution("{name}") shows a solution.'
    return Reply(name, None, f"Hint {i + 1}: {hints[i]} {more}")


class Source(str):
    """Python code that shows itself as code."""

    def __repr__(self):
        return str(self)

    def _repr_markdown_(self):
        return f"```python\n{self}\n```"


def solution(name):
    """The code of a solution, for self-study. Other solutions are right too: `check` decides. Returns: str."""
    find(name)
    file = resources.files(__package__) / SOLUTIONS
    if not file.is_file():
        return Source("# This copy of aecore comes without solutions.")
    return Source(json.loads(file.read_text("utf8"))[name])
