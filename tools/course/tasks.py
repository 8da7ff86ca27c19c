"""A limit of the kernel's on how many processes and threads a sandbox may have, against code that forks without end.

A watch comes too late for that: in the tenth of a second between two looks there are thousands. The kernel keeps
RLIMIT_NPROC for ordinary users, but not for root; for root there is a control group.
"""

import contextlib
import os
import tempfile
import time
from pathlib import Path

ROOTS = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))  # version 1 and version 2 of control groups


def is_root():
    return os.geteuid() == 0


class Group:
    """A control group of at most `most` tasks, for use by root; for anybody else it does nothing."""

    def __init__(self, most):
        self.path = None
        for root in ROOTS if is_root() else ():
            with contextlib.suppress(OSError):
                path = Path(tempfile.mkdtemp(prefix="aecore-", dir=root))
                try:
                    (path / "pids.max").write_text(str(most))
                    self.path = path
                    return
                except OSError:
                    path.rmdir()
        if is_root():
            raise OSError("no control group can be made")

    def enter(self):
        """Move this process into the group; to be called in a new process before it becomes another program."""
        if self.path:
            (self.path / "cgroup.procs").write_text("0")

    def remove(self):
        """Remove the group; its processes have been killed, but may take a moment to go."""
        for _ in range(100):
            if not self.path:
                return
            with contextlib.suppress(FileNotFoundError):
                try:
                    self.path.rmdir()
                except OSError:
                    time.sleep(0.02)
                    continue
            self.path = None


def usable():
    """Whether forks can be limited here."""
    try:
        Group(16).remove()
    except OSError:
        return False
    return True
