"""What it costs to grade a class: time, memory and cores for the submissions of the test of grading.

    python benchmarks/grading.py

Writes results/grading.json. Each submission is a notebook with four exercises of chapter 1; the honest ones show what a
usual submission costs, the hostile ones what it costs to stop them (their limits are those of the test).
"""

import contextlib
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import psutil

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "grading.json"
SEED = 2027
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ["AECORE_COURSE_SEED"] = str(SEED)

from attacks import SHEET  # noqa: E402
from submissions import everybody  # noqa: E402
from test_grading import LIMITS  # noqa: E402

from aecore import _backend, exercises  # noqa: E402

COURSE = [sys.executable, str(ROOT / "tools" / "course")]


def memory(process):
    """MB of a process and all below it; what several share counts once."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += one.memory_full_info().pss
    return total / 2**20


def grade(folder, key, target):
    """Grade a folder. Returns: dict of seconds and of the largest memory at one moment, looked at twice a second."""
    began, most = time.perf_counter(), 0.0
    command = [*COURSE, "grade", folder, "--key", key, "--to", target, *LIMITS]
    with subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):
                most = max(most, memory(psutil.Process(process.pid)))
            time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"grading ended with {process.returncode}")
    seconds = time.perf_counter() - began
    results = json.loads((target / "grades.json").read_text())
    each = sorted(result["seconds"] for result in results)
    return {
        "submissions": len(results), "seconds": round(seconds, 1), "gigabytes": round(most / 1024, 2),
        "seconds_of_one": {"median": each[len(each) // 2], "largest": each[-1]},
        "gigabytes_of_one": round(max(result["megabytes"] for result in results) / 1024, 2),
    }  # fmt: skip


def main():
    predict = exercises.find("ch01.predict")
    letter = next(letter for letter, text in predict.options().items() if text == predict.right)
    with tempfile.TemporaryDirectory() as base:
        base = Path(base)
        sheet = [*SHEET, "--title", "Sheet", "--due", "2027-01-15", "--seed", str(SEED), "--to", str(base / "sheet")]
        subprocess.run([*COURSE, "assign", *sheet], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        released = json.loads((base / "sheet/release/sheet.ipynb").read_text())
        key = base / "sheet/key/sheet.ipynb"
        (base / "canary").mkdir()
        students = everybody(released, letter, str(base / "canary"), str(key), 9)
        rows = {}
        for name, some in (("all", students), ("honest", [s for s in students if not s.points])):
            for student in some:
                student.write(base / name)
            print(f"{len(some)} submissions ...", end=" ", flush=True)
            rows[name] = grade(base / name, key, base / f"{name}-graded")
            print(f"{rows[name]['seconds']:.0f} s, {rows[name]['gigabytes']} GB")
    versions = f"Python {platform.python_version()}, Keras {keras.__version__}, {_backend.version()}"
    head = {"cores": len(os.sched_getaffinity(0)), "versions": versions, "date": datetime.date.today().isoformat()}
    RESULTS.write_text(json.dumps({**head, **rows}, indent=1) + "\n", "utf8")


if __name__ == "__main__":
    main()
