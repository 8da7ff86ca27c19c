"""The program inside the sandbox: on order of the examiner it runs a student's cells and calls the student's functions.

    python student.py LIMITS      LIMITS is JSON: {"DATA": bytes, ...}, what the kernel is to limit

Orders come in by the standard input and answers go out by the standard output; what the student's code prints goes to
the standard error. Nothing here is secret and nothing here is believed: the tests are in another process (see wire.py).
"""

import importlib.abc
import importlib.util
import json
import os
import resource
import sys

import numpy as np
import wire
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


class QuietExercises(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Puts a quiet module in the place of aecore.exercises, whose checks know what is right."""

    def __init__(self, constants):
        self.constants = constants

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name == "aecore.exercises" else None

    def exec_module(self, module):
        module.given = lambda name: dict(self.constants[name])
        module.check = module.hint = module.solution = module.question = lambda *args, **kwargs: None


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
        sys.meta_path.insert(0, QuietExercises(given))

    def do_get(self, name):
        return self.shell.user_ns[name]

    def do_attribute(self, of, name):
        return getattr(of, name)

    def do_call(self, of, args, kwargs):
        """Returns: the value, and the array arguments that the call has changed, by their places."""
        before = {i: a.copy() for i, a in enumerate(args) if isinstance(a, np.ndarray)}
        value = of(*args, **kwargs)
        return value, {i: args[i] for i, a in before.items() if a.tobytes() != args[i].tobytes()}

    def do_gradient(self, **fields):
        return gradient(fields["of"], fields["args"], fields["kwargs"], fields["upstream"])


def gradient(function, args, kwargs, upstream):
    """d sum(upstream * function(args)) / d args, for the tensors among args; None where it does not depend."""
    import tensorflow as tf

    tensors = [a for a in args if wire.is_tensor(a)]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(*args, **kwargs)
    return tape.gradient(value, tensors, output_gradients=upstream[0])


def main():
    orders, answers = os.dup(0), os.dup(1)
    os.set_inheritable(orders, False)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    for what, most in json.loads(sys.argv[1]).items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{what}"), (most, most))
    os.nice(5)  # the watch goes first
    notebook = Notebook()
    peer = wire.Peer(orders, answers, trusts=True, serve=notebook.serve)
    peer.send("value", v="ready")
    while True:
        try:
            frame = peer.receive()
        except wire.Gone:
            return
        except Exception as error:  # something that cannot be had here, such as a part of the checks
            peer.send("error", name=type(error).__name__, message=wire.text(error), trace="")
            continue
        peer.answer(frame.pop("op"), frame)


if __name__ == "__main__":
    main()
