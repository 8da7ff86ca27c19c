"""Call a student's function, explain what it raises, and compare what it returns."""

import copy
import linecache

import numpy as np

from aecore.exercises._verdict import Wrong


def call(function, case, wants):
    """Call the student's function with copies of the arguments. Returns: its result. Raises: Wrong."""
    if not callable(function):
        raise Wrong(
            f"Wanted a function, got {type(function).__name__}. Hand over the function itself: its name, without brackets.",
            f"Wanted: {wants}.",
        )
    handed = copy.deepcopy(case)
    try:
        value = function(*handed)
    except (Exception, SystemExit) as error:
        raise Wrong(explained(error, function, case), f"Wanted: {wants}.") from error
    if value is None or value is Ellipsis:
        raise Wrong(f"The function returns nothing. Wanted: {wants}.", "Does its last line begin with `return`?")
    for before, after in zip(case, handed, strict=True):
        if isinstance(before, np.ndarray) and not np.array_equal(before, after):
            raise Wrong(
                "The function changes the array that it is given: the caller's data are no longer what they were.",
                "`x -= mean` works in place, `x = x - mean` makes a new array.",
            )
    return value


def explained(error, function, case):
    """Say what went wrong in the student's code, in which of its lines, and what it was called with."""
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    line, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            text = linecache.getline(file, trace.tb_lineno).strip()
            line = f", in line {trace.tb_lineno}" + (f": `{text}`" if text else "")
        trace = trace.tb_next
    return f"Your code stopped with {type(error).__name__}: {error}{line}. It {told(case)}."


def told(case):
    """The arguments of a call in words: arrays by their shapes, small things by their values."""
    say = lambda a: (
        f"an array of shape {a.shape}" if isinstance(a, np.ndarray) else "a function" if callable(a) else repr(a)
    )
    return "was called with " + ", ".join(say(a) for a in case)


def parts(value, like):
    """A result as a list of arrays: as many as `like` has where that is a tuple, else one; [] where it does not fit."""
    several = isinstance(like, tuple)
    if several and not (isinstance(value, (tuple, list)) and len(value) == len(like)):
        return []
    try:
        return [np.asarray(part, "float64") for part in (value if several else [value])]
    except (TypeError, ValueError):
        return []


def shapes(value, like):
    """Shape of a result, in words."""
    found = [str(part.shape) for part in parts(value, like)]
    size = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
    return f"has the shape {' and '.join(found)}" if found else f"is a {type(value).__name__}{size}"


def same(value, right, rtol=1e-4):
    """Whether a result is equal to another but for rounding: the number of its parts, their shapes, their numbers."""
    a, b = parts(value, right), parts(right, right)
    if [p.shape for p in a] != [q.shape for q in b]:
        return False
    return all(np.allclose(p, q, rtol=rtol, atol=rtol * np.abs(q).max(initial=0)) for p, q in zip(a, b, strict=True))


def gives(wrong):
    """The effect of a mistake whose result is known: the answer's value equals that of the function `wrong`."""

    def effect(value, *case, **given):
        return same(value, wrong(*case, **given))

    effect.wrong = wrong
    return effect
