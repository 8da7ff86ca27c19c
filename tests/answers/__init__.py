"""Answers to the exercises: right ones, written in other ways than the book's, and wrong ones that people give.

Each module has ANSWERS, a dict name of exercise -> Answers.
"""

from typing import Any, NamedTuple


class Answers(NamedTuple):
    """right: list of answers. wrong: list of (answer, a piece of what the check must say)."""

    right: list[Any]
    wrong: list[tuple[Any, str]]
