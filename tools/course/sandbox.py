"""A process for a student's code: shut off from files, network and other processes, and watched.

With bubblewrap the process sees Python, the libraries and aecore without its checks, read-only, and an empty folder in
memory. It sees no
home, no key, no other submission, no process but its own, and no network. bubblewrap needs Linux and user namespaces
(as root it works where they are refused to others); where it is not to be had `launcher` refuses.

The kernel limits the memory of one process, the size of a file and the number of processes; a watch ends everything
that runs beyond the time of a step, the memory of all processes together, their number, and the amount they print.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import tasks
import wire

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MB = 2**20
TASKS = 512
PROGRAM = ("student", "wire", "models")  # the files of this folder that run in the sandbox


@dataclass(frozen=True)
class Limits:
    """What a submission may use.

    cpu: seconds of CPU time for one cell, or for one test. idle: seconds in which a cell or a test only waits; neither
    depends on what else the machine has to do. total: seconds that pass for all of a submission, a last resort.
    memory, disk, printed: MB. processes: number; the kernel does not let there be more than TASKS, threads included.
    """

    cpu: float = 60
    idle: float = 60
    total: float = 1800
    memory: int = 4096
    disk: int = 512
    printed: int = 10
    processes: int = 32


def usable(bwrap):
    """Whether bubblewrap works here: it may be installed and yet be refused its namespaces."""
    try:
        probe = [bwrap, "--unshare-all", "--ro-bind", "/", "/", "true"]
        return subprocess.run(probe, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def launcher(isolation=True):
    """How students' code is started here: the path of bubblewrap, or None without isolation. Raises: SystemExit."""
    if not isolation:
        return None
    bwrap = shutil.which("bwrap")
    if bwrap and usable(bwrap):
        if tasks.usable():
            return bwrap
        raise SystemExit(
            "REFUSED: forks without end cannot be stopped here: this is root, and no control group can be made.\n"
            "Grade as an ordinary user; --no-isolation does without limits and isolation."
        )
    found = "is installed, but may not make its namespaces here" if bwrap else "was not found"
    raise SystemExit(
        f"REFUSED: students' code is run in isolation only, and bubblewrap {found}.\n"
        "  Debian, Ubuntu:  apt-get install bubblewrap      Fedora:  dnf install bubblewrap\n"
        "  Namespaces refused: allow them (sysctl kernel.unprivileged_userns_clone=1, or on Ubuntu\n"
        "  kernel.apparmor_restrict_unprivileged_userns=0), or grade on a Linux machine that you may lose.\n"
        "  macOS, Windows:  grade in a virtual Linux machine.\n"
        "--no-isolation runs them all the same, with your rights: they can read and delete whatever you can."
    )


def readable():
    """What the sandbox may read, and no more: Python, its libraries, aecore, and the two programs of this folder."""
    places = {"/usr", sys.prefix, sys.base_prefix, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    places |= {"/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/etc/alternatives"}
    places |= {str(ROOT / "aecore"), *(str(HERE / f"{name}.py") for name in PROGRAM), os.environ.get("AECORE_DATA", "")}
    return sorted(place for place in places if place and os.path.exists(place))


def environment(course_seed, home):
    """A small environment, the same for everybody; one thread, so that one student does not slow down the next."""
    ours = {name: os.environ[name] for name in ("AECORE_DATA", "KERAS_BACKEND", "LANG") if name in os.environ}
    return {
        "PATH": "/usr/bin:/bin", "HOME": home, "TMPDIR": home, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "agg", "AECORE_PROFILE": "quick", "TF_CPP_MIN_LOG_LEVEL": "3",
        "AECORE_COURSE_SEED": str(course_seed), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **ours,
    }  # fmt: skip


def command(bwrap, limits, home):
    """The command line that starts student.py."""
    most = {"DATA": limits.memory * MB, "FSIZE": limits.disk * MB, "CORE": 0, "NOFILE": 1024}
    if bwrap:
        most["NPROC"] = TASKS  # without a namespace of its own everything that its user runs would count
    program = [sys.executable, str(HERE / "student.py"), json.dumps(most)]
    if not bwrap:
        return program
    line = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--uid", "1000", "--gid", "1000"]
    for place in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if os.path.islink(place):
            line += ["--symlink", os.readlink(place), place]
        elif os.path.isdir(place):
            line += ["--ro-bind", place, place]
    line += ["--size", str(limits.disk * MB), "--tmpfs", "/tmp"]  # first: what is bound below /tmp comes on top
    for place in readable():
        line += ["--ro-bind", place, place]
    line += ["--tmpfs", str(ROOT / "aecore" / "exercises")]  # the checks know what is right
    line += ["--dev", "/dev", "--size", str(16 * MB), "--tmpfs", "/dev/shm", "--remount-ro", "/dev", "--proc", "/proc"]
    return [*line, "--dir", home, "--chdir", home, "--remount-ro", "/", *program]


class Sandbox:
    """A student's process and the pipe to it. Use it in a `with`, from the main thread.

    Args: bwrap, path or None (no isolation); limits; course_seed.
    Attributes: peer; why, the reason for which it was ended, "" while it runs; most, MB that it has used at once.
    """

    def __init__(self, bwrap, limits, course_seed):
        self.limits, self.why, self.printed, self.text, self.most = limits, "", 0, bytearray(), 0.0
        self._folder = None if bwrap else tempfile.TemporaryDirectory(prefix="submission-")
        home = self._folder.name if self._folder else "/tmp/home"
        self._step, self._group = None, tasks.Group(TASKS)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0}
        self.process = subprocess.Popen(
            command(bwrap, limits, home), env=environment(course_seed, home), start_new_session=True,
            cwd=home if self._folder else "/", preexec_fn=self._group.enter, **pipes,
        )  # fmt: skip
        self.peer = wire.Peer(
            self.process.stdout.fileno(), self.process.stdin.fileno(), trusts=False, serve=self._serve
        )
        self._lock = threading.Lock()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()

    def __enter__(self):
        with self.step():
            if self.peer.receive().get("v") != "ready":
                raise wire.Gone("the process did not start")
        return self

    def __exit__(self, *_):
        self.end("")
        self._watch.join(10)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()
        if self._folder:
            self._folder.cleanup()
        self._group.remove()

    def _serve(self, op, fields):
        """What the student's code may ask of the tests: to call a function that a test has handed over."""
        if op == "call" and callable(fields.get("of")) and not isinstance(fields["of"], wire.Remote):
            return fields["of"](*fields["args"], **fields["kwargs"]), {}
        raise ValueError(f"the student's process asks for {op!r}")

    def family(self):
        """The processes of the sandbox."""
        try:
            children = psutil.Process(self.process.pid).children(recursive=True)
            return [*children, psutil.Process(self.process.pid)]
        except psutil.Error:
            return []

    def used(self):
        """CPU seconds so far, memory in MB, number of processes, and whether one of them wants to compute."""
        seconds, memory, family, busy = 0.0, 0, self.family(), False
        for process in family[: self.limits.processes + 1]:
            with contextlib.suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                seconds += times.user + times.system + times.children_user + times.children_system
                memory += process.memory_info().rss
                busy = busy or process.status() in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
        if memory > self.limits.memory * MB and 1 < len(family) <= self.limits.processes:
            # What they share counts once: exact, but slow.
            with contextlib.suppress(psutil.Error):
                memory = sum(process.memory_full_info().pss for process in family)
        return seconds, memory / MB, len(family), busy

    def step(self):
        """A `with` around one order: its time is limited."""
        return Step(self)

    def _look(self):
        """The watch, in a thread of its own: reads what is printed and looks at what is used."""
        looked = time.monotonic()
        while self.process.poll() is None:
            if select.select([self.process.stderr], [], [], 0.1)[0] and not self._drain():
                time.sleep(0.1)
            now = time.monotonic()
            if now - looked > 0.1:
                self._judge(now - looked)
                looked = now

    def _drain(self):
        """Read what is printed, and keep the beginning. Returns: whether there can be more."""
        with self._lock:
            while select.select([self.process.stderr], [], [], 0)[0]:
                chunk = os.read(self.process.stderr.fileno(), 65536)
                if not chunk:
                    return False
                self.printed += len(chunk)
                self.text += chunk[: max(0, 20_000 - len(self.text))]
                if self.printed > self.limits.printed * MB:
                    self.end(f"it printed more than {self.limits.printed} MB")
                    return False
        return True

    def _judge(self, passed):
        seconds, memory, number, busy = self.used()
        step, limits = self._step, self.limits
        if number > limits.processes:
            self.end(f"it started more than {limits.processes} processes")
            return
        self.most = max(self.most, memory)
        if memory > limits.memory:
            self.end(f"it used more than {limits.memory} MB of memory")
        elif step and not step.cpu:
            step.cpu = step.last = seconds
        elif step:
            if self.peer.waiting and not busy and seconds == step.last:
                step.idle += passed
            step.last = seconds
            if seconds - step.cpu > limits.cpu:
                self.end(f"it computed for more than {limits.cpu:g} s, perhaps in an endless loop")
            elif step.idle > limits.idle:
                self.end(f"it did nothing for {limits.idle:g} s, perhaps waiting for something")

    def end(self, why):
        """Kill all processes of the sandbox."""
        self.why = self.why or why
        for process in self.family():  # in bubblewrap its first process takes all others with it
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def output(self):
        """What the student's code has printed since the last call; the beginning of it, where it is much."""
        self._drain()
        text, self.text = bytes(self.text).decode("utf8", "replace"), bytearray()
        return text


class Step:
    """One order to the student's process; what it has used: CPU seconds before and last, seconds of doing nothing."""

    def __init__(self, sandbox):
        self.sandbox = sandbox

    def __enter__(self):
        self.cpu = self.last = self.idle = 0.0
        self.sandbox._step = self

    def __exit__(self, *_):
        self.sandbox._step = None
