"""The kinds of exercises: what each asks for, and how it judges an answer."""

import os
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aecore.exercises._calling import call, parts, same, shapes, told
from aecore.exercises._verdict import Reply, Wrong

COURSE_VARIABLE = "AECORE_COURSE_SEED"


def course_seed():
    """The seed that varies constants and data from course to course: AECORE_COURSE_SEED, or else 0."""
    text = os.environ.get(COURSE_VARIABLE) or "0"
    if not text.isdecimal():
        raise ValueError(f"{COURSE_VARIABLE} must be a whole number >= 0, got {text!r}. Unset it outside a course.")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """What all kinds have in common.

    name: "ch01.pca". points: for the grade. section: heading to reread. wants: what an answer is, in words.
    question: where it is asked by the package. hints: from a nudge to nearly the way. draw: constants of a course,
    rng -> dict. after: what to say when it is passed.
    """

    name: str
    points: int
    section: str
    wants: str
    hints: tuple
    question: str = ""
    draw: Callable = lambda rng: {}
    after: str = ""

    def rng(self, *more):
        return np.random.default_rng([course_seed(), zlib.crc32(self.name.encode()), *more])

    def given(self):
        """The constants that this course works with."""
        return self.draw(self.rng())

    def asked(self):
        """The question with the numbers of this course."""
        return self.question.format(**self.given())

    def ask(self):
        """All that is asked, as text."""
        return self.asked() or f"Given: {self.given()}"

    def judge(self, answer, seed):
        """Returns: Reply."""
        try:
            if answer is None or answer is Ellipsis:
                raise Wrong(f"There is no answer yet. Wanted: {self.wants}.")
            done = self.examine(answer, self.rng(seed))
        except Wrong as wrong:
            first = self.hints[0] if self.hints else ""
            return Reply(self.name, False, wrong.message, wrong.hint or first, wrong.section or self.section)
        except Exception as error:  # an answer so odd that the check stumbles over it
            message = f"The check cannot read this answer ({type(error).__name__}: {error}). Wanted: {self.wants}."
            return Reply(self.name, False, message, section=self.section)
        return done if done is not None else Reply(self.name, True, f"Right. {self.after}".strip())

    def examine(self, answer, rng):
        """Raise Wrong where the answer is wrong."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Function(Exercise):
    """Write or repair a function: it is called with random arguments, and compared with a truth found another way.

    cases: rng -> the argument tuples. truth: (*case) -> what is right. mistakes: effect(value, *case).
    """

    cases: Callable
    truth: Callable
    mistakes: tuple

    def examine(self, answer, rng):
        for case in self.cases(rng):
            self.compare(call(answer, case, self.wants), case)

    def compare(self, value, case):
        right = self.truth(*case)
        if same(value, right):
            return
        for mistake in self.mistakes:
            if mistake.effect(value, *case):
                raise mistake.wrong()
        got, wanted = shapes(value, right), shapes(right, right)
        if got != wanted:
            raise Wrong(f"The result {got}. Wanted: one that {wanted}. The function {told(case)}.")
        if not all(np.isfinite(part).all() for part in parts(value, right)):
            raise Wrong(f"The result holds NaN or infinity. The function {told(case)}.")
        raise Wrong(f"The shape is right, the numbers are not. The function {told(case)}. Wanted: {self.wants}.")


@dataclass(frozen=True, kw_only=True)
class Report(Exercise):
    """Run an experiment, or write a function that has laws to obey: no single result is right, properties are.

    collect: (answer, rng, given) -> evidence, found by looking at the answer anew. mistakes: effect(evidence), in
    the order in which they are told; an answer that shows none of them has passed.
    """

    collect: Callable
    mistakes: tuple

    def examine(self, answer, rng):
        evidence = self.collect(answer, rng, self.given())
        for mistake in self.mistakes:
            if mistake.effect(evidence):
                raise mistake.wrong()


@dataclass(frozen=True, kw_only=True)
class Choice(Exercise):
    """Predict, then run: one option is right. Their order differs from course to course.

    right: the option. wrong: dict option -> what to say to who chooses it.
    """

    right: str
    wrong: dict

    def options(self):
        """dict letter -> option."""
        texts = [self.right, *self.wrong]
        return {"abcdef"[i]: texts[k] for i, k in enumerate(self.rng().permutation(len(texts)))}

    def replies(self):
        """dict option -> (whether it is right, what is said to who chooses it)."""
        return {self.right: (True, f"Right. {self.after}".strip())} | {
            t: (False, said) for t, said in self.wrong.items()
        }

    def ask(self):
        return "\n".join([self.asked(), *(f"  {letter})  {text}" for letter, text in self.options().items())])

    def examine(self, answer, rng):
        options = self.options()
        chosen = answer.strip() if isinstance(answer, str) else ""
        chosen = options.get(chosen.rstrip(")").lower(), chosen)  # an option's text is as good as its letter
        if chosen not in options.values():
            raise Wrong(f"Wanted one of the letters {', '.join(options)} in quotes, got {answer!r}.")
        if chosen != self.right:
            raise Wrong(self.wrong[chosen])


@dataclass(frozen=True, kw_only=True)
class Number(Exercise):
    """Predict a number from constants that differ from course to course.

    truth: (**given) -> the number. mistakes: effect(value, **given). tolerance: relative.
    """

    truth: Callable
    mistakes: tuple
    tolerance: float = 1e-6

    def replies(self):
        """dict number -> (whether it is right, what is said to who writes it), for all that is known by a name."""
        given = self.given()
        known = {mistake.effect.wrong(**given): (False, mistake.message) for mistake in self.mistakes}
        return known | {self.truth(**given): (True, f"Right. {self.after}".strip())}

    def examine(self, answer, rng):
        given = self.given()
        if (
            isinstance(answer, (bool, np.bool_))
            or np.ndim(answer)
            or not np.issubdtype(np.asarray(answer).dtype, np.number)
        ):
            raise Wrong(f"Wanted one number, got {answer!r}.")
        if np.isclose(answer, self.truth(**given), rtol=self.tolerance, atol=0):
            return
        for mistake in self.mistakes:
            if mistake.effect(answer, **given):
                raise mistake.wrong()
        raise Wrong("That is not the number.")


@dataclass(frozen=True, kw_only=True)
class Text(Exercise):
    """An answer in words, marked by hand: only its form is checked.

    words: at least so many different ones.
    """

    words: int

    def examine(self, answer, rng):
        if not isinstance(answer, str):
            raise Wrong(f"Wanted text in quotes, got {type(answer).__name__}.")
        if not answer.strip() or answer.strip() == "...":
            raise Wrong(f"There is no answer yet. Wanted: {self.wants}.")
        used = set(re.findall(r"\w+", answer.lower()))
        if len(used - set(re.findall(r"\w+", self.ask().lower()))) < self.words / 2 <= len(used):
            raise Wrong("These are mostly the words of the question. Say what you found, and why.")
        if len(used) < self.words:
            raise Wrong(
                f"The text has {len(used)} different words: too few for an explanation.", "Say why, not only what."
            )
        return Reply(
            self.name, None, f"{len(answer.split())} words, kept for the person who marks this exercise by hand."
        )
