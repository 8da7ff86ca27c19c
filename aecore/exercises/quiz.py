"""A question that is answered in the page itself, without a kernel and without its answer lying in the page's source."""

import base64
import hashlib
import html

from aecore import export
from aecore.exercises._kinds import Choice, course_seed
from aecore.viz import WIDGET
from aecore.widgets import Live, _module

ROUNDS = 20_000  # of the hash: a twentieth of a second for an answer, hours for all numbers up to a million


class Quiz(Live):
    """Choose an option, or write a number, and be told what is right or wrong about it.

    What is said to an answer is locked with that answer as the key: `key` and `lock`, the same as in live/quiz.js.

    Args: exercise, a Choice or a Number.
    """

    _esm = _module("quiz")

    def __init__(self, exercise):
        salt = f"{exercise.name} {course_seed()}"
        options = isinstance(exercise, Choice)
        locked = [
            lock(("✓ " if right else "✗ ") + said, key(salt, answer if options else canonical(answer)))
            for answer, (right, said) in exercise.replies().items()
        ]
        super().__init__(
            exercise.name,
            export.Buffer(),
            question=exercise.asked(),
            options=list(exercise.options().values()) if options else None,
            locked=sorted(locked),  # in no order that tells
            salt=salt,
            rounds=ROUNDS,
            otherwise=exercise.hints[0],
        )

    def bundle(self):
        """What a cell displays: text, the question for print and for pages without JavaScript, the quiz where it runs."""
        say, options = html.escape, self.spec["options"]
        items = "".join(f"<li>{say(option)}</li>" for option in options or ())
        text = f"<p>{say(self.spec['question'])}</p>" + (f'<ol type="a">{items}</ol>' if items else "")
        lines = [self.spec["question"], *(f"  {'abcdef'[i]})  {option}" for i, option in enumerate(options or ()))]
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {"text/plain": "\n".join(lines), "text/html": text, WIDGET: view}


def canonical(number):
    """A number as the key knows it: six digits, '1.23000e4', the same as in live/quiz.js."""
    digits, exponent = f"{number:.5e}".split("e")
    return f"{digits}e{int(exponent)}"


def key(salt, answer):
    """The 32 bytes that an answer opens its reply with."""
    state = hashlib.sha256(f"{salt}\n{answer}".encode()).digest()
    for _ in range(ROUNDS):
        state = hashlib.sha256(state).digest()
    return state


def lock(text, state):
    """A reply that only this key opens, in base64. What is opened begins with 'open'."""
    plain = b"open" + text.encode()
    blocks = (hashlib.sha256(state + bytes([i])).digest() for i in range(len(plain) // 32 + 1))
    return base64.b64encode(bytes(p ^ s for p, s in zip(plain, b"".join(blocks), strict=False))).decode()
