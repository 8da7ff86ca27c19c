"""How a verdict is told: the reply, the end of a judging, and a mistake that people make."""

import html
import re
from collections.abc import Callable
from typing import NamedTuple

CHAPTERS = {"preface": "the preface"} | {
    f"ch{n:02d}": f"chapter {n}" for n in (1, 2, 3, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)
}
VERDICTS = {True: "✓ passed", False: "✗ not yet", None: "noted"}


class Reply(NamedTuple):
    """What the checks say about an answer. True where it passed; it shows itself as text, and as HTML in a notebook.

    name: of the exercise. passed: None where a person decides. message, hint: in words. section: what to reread.
    """

    name: str
    passed: bool | None
    message: str
    hint: str = ""
    section: str = ""

    def __bool__(self):
        return self.passed is True

    def lines(self):
        yield f"{self.name}: {VERDICTS[self.passed]}.", self.message
        if self.hint:
            yield "Hint:", self.hint
        if self.section:
            yield "Reread:", f"{CHAPTERS[self.name.split('.')[0]]}, “{self.section}”."

    def __repr__(self):
        return "\n".join(f"{head} {text}" for head, text in self.lines())

    def _repr_html_(self):
        mark = lambda text: re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text)).replace("\n", "<br>")
        body = "".join(f"<p><strong>{head}</strong> {mark(text)}</p>" for head, text in self.lines())
        return f'<div role="status" style="border-left: 0.25em solid; padding-left: 0.75em">{body}</div>'


class Wrong(Exception):  # noqa: N818 - it is a verdict, not an error
    """Ends the judging of an answer: Wrong(message, hint="", section="")."""

    def __init__(self, message, hint="", section=""):
        super().__init__(message)
        self.message, self.hint, self.section = message, hint, section


class Mistake(NamedTuple):
    """A wrong answer that people give, known by what it brings about and not by how it is written.

    message: what is wrong, without the answer. effect: whether an answer shows the mistake; what it is called with
    is the business of each kind of exercise. hint, section: better ones than the exercise's own.
    """

    message: str
    effect: Callable
    hint: str = ""
    section: str = ""

    def wrong(self):
        return Wrong(self.message, self.hint, self.section)
