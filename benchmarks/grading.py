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
import statistics
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
    """Grade a folder. Returns: seconds, and the largest memory in GB at one moment, looked at every two seconds."""
    began, most = time.perf_counter(), 0.0
    command = [*COURSE, "grade", folder, "--key", key, "--to", target, *LIMITS]
    with subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):
                most = max(most, memory(psutil.Process(process.pid)))
            time.sleep(2)
    if process.returncode:
        raise SystemExit(f"grading ended with {process.returncode}")
    return time.perf_counter() - began, most / 1024


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
        for student in students:
            student.write(base / "in")
        seconds, gigabytes = grade(base / "in", key, base / "out")
        results = {result["student"]: result for result in json.loads((base / "out/grades.json").read_text())}
    honest = [results[student.name] for student in students if not student.points]
    versions = f"Python {platform.python_version()}, Keras {keras.__version__}, {_backend.version()}"
    head = {"cores": len(os.sched_getaffinity(0)), "versions": versions, "date": datetime.date.today().isoformat()}
    figures = {
        "submissions": len(results),
        "honest": len(honest),
        "seconds": round(seconds, 1),
        "gigabytes": round(gigabytes, 2),
        "seconds_of_an_honest_one": statistics.median(result["seconds"] for result in honest),
        "gigabytes_of_an_honest_one": round(statistics.median(result["megabytes"] for result in honest) / 1024, 2),
    }
    RESULTS.write_text(json.dumps({**head, **figures}, indent=1) + "\n", "utf8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
