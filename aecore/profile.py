"""Which profile a notebook runs in, on which device, from which seed: said once, at its start."""

import os
import platform
import sys
import time
from typing import NamedTuple

import keras

from aecore import _backend

PROFILE_VARIABLE = "AECORE_PROFILE"
_started = time.perf_counter()


class Run(NamedTuple):
    """What `start` found.

    profile: "quick" (embedded and generated data, about a minute) or "full" (published data sets).
    device: name of the GPU, or "CPU".
    seed: the seed that the notebook's random choices start from.
    """

    profile: str
    device: str
    seed: int

    @property
    def full(self):
        return self.profile == "full"

    def pick(self, *, quick, full):
        """The value for this run's profile: epochs = run.pick(quick=20, full=60)."""
        return full if self.full else quick


def start(seed=0):
    """Choose the profile, print it with device, versions and seed, and return it.

    The environment variable AECORE_PROFILE chooses; where it is not set, a GPU means full and none quick.
    Nothing global is seeded: pass `run.seed` on.

    Args: seed, int >= 0.
    Returns: Run.
    Raises: ValueError where AECORE_PROFILE is neither quick nor full.
    """
    global _started
    _started = time.perf_counter()
    gpus = _backend.accelerators()
    profile = os.environ.get(PROFILE_VARIABLE, "")
    reason = f"set by {PROFILE_VARIABLE}"
    if not profile:
        profile, reason = ("full", "a GPU was found") if gpus else ("quick", "no GPU was found")
    if profile not in ("quick", "full"):
        raise ValueError(
            f"{PROFILE_VARIABLE} must be 'quick' or 'full', got {profile!r}. Unset it to let the device choose."
        )
    device = gpus[0] if gpus else "CPU"
    other = "quick" if profile == "full" else "full"
    print(f"profile   {profile} ({reason}; {PROFILE_VARIABLE}={other} chooses the other)")
    print(f"device    {device}, {os.cpu_count()} CPU cores")
    print(f"versions  Python {platform.python_version()}, Keras {keras.__version__}, {_backend.version()}")
    print(f"seed      {seed}")
    return Run(profile, device, seed)


def cost():
    """Print what the notebook took since `start`: seconds, and the process's largest memory in GB (2**30 bytes).

    Returns: (seconds, gigabytes); gigabytes is None on Windows, which does not tell.
    """
    seconds = time.perf_counter() - _started
    try:
        import resource
    except ImportError:
        print(f"This notebook took {seconds:.0f} s.")
        return seconds, None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes on Linux
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
    print(f"This notebook took {seconds:.0f} s and at most {gigabytes:.1f} GB of memory.")
    return seconds, gigabytes
