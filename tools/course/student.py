"""The program inside the sandbox: it runs a student's cells and calls the student's functions, on order of the examiner.

    python student.py LIMITS      LIMITS is JSON: {"memory": bytes, "file": bytes}

Orders come in by the standard input and answers go out by the standard output; what the student's code prints goes to
the standard error. Nothing here is secret and nothing here is believed: the tests are in another process (see wire.py).
"""

import json
import os
import resource
import sys
import types

import numpy as np
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import wire


def limit(memory, file):
    """Set the limits that the kernel keeps; those of time and of the number of processes are the watch's business."""
    for what, most in (
        (resource.RLIMIT_DATA, memory), (resource.RLIMIT_FSIZE, file), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 1024),
    ):  # fmt: skip
        resource.setrlimit(what, (most, most))


class Notebook:
    """The student's notebook, cell after cell."""

    def __init__(self):
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "NoColor"
        config.InteractiveShell.xmode = "Plain"
        self.shell = InteractiveShell.instance(config=config)

    def serve(self, op, fields):
        return getattr(self, f"do_{op}")(**fields)

    def do_run(self, source):
        """Run a cell. Returns: None, or what stopped it: [name of the exception, message]."""
        done = self.shell.run_cell(source, store_history=True)
        sys.stdout.flush()
        sys.stderr.flush()
        error = done.error_before_exec or done.error_in_exec
        return error and [type(error).__name__, wire.text(error)]

    def do_exercises(self, given):
        """Put a quiet aecore.exercises in the place of the real one, whose checks know what is right."""
        quiet = types.ModuleType("aecore.exercises")
        quiet.given = lambda name: dict(given[name])
        quiet.check = quiet.hint = quiet.solution = quiet.question = lambda *args, **kwargs: None
        sys.modules["aecore.exercises"] = quiet

    def do_get(self, name):
        return self.shell.user_ns[name]

    def do_attribute(self, of, name):
        return getattr(of, name)

    def do_call(self, of, args, kwargs):
        """Returns: the value, and the array arguments that the call has changed, by their places."""
        before = {i: a.copy() for i, a in enumerate(args) if isinstance(a, np.ndarray)}
        value = of(*args, **kwargs)
        return value, {
            i: args[i] for i, a in before.items() if not np.array_equal(a, args[i], equal_nan=a.dtype.kind in "fc")
        }

    def do_gradient(self, **fields):
        return wire.gradient(fields["of"], fields["args"], fields["kwargs"], fields["upstream"])


def main():
    orders, answers = os.dup(0), os.dup(1)
    os.set_inheritable(orders, False)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    limit(**json.loads(sys.argv[1]))
    notebook = Notebook()
    peer = wire.Peer(orders, answers, trusts=True, serve=notebook.serve)
    peer.send("value", v="ready")
    while True:
        try:
            frame = peer.receive()
        except wire.Gone:
            return
        peer.answer(frame.pop("op"), frame)


if __name__ == "__main__":
    main()
