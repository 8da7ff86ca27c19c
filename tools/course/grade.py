"""Grade a folder of submissions, in parallel, and go on where an interrupted batch stopped.

A result is stored under a fingerprint of all that it depends on: the submission, the key, aecore, these tools, the
limits. What is stored under the same fingerprint is not graded again, unless that is asked for.
"""

import contextlib
import csv
import hashlib
import importlib.metadata
import io
import itertools
import json
import multiprocessing
import os
import signal
import time
from dataclasses import asdict
from multiprocessing.connection import wait
from pathlib import Path

import feedback
import key as keys
import psutil
import sandbox

LIBRARIES = ("tensorflow", "keras", "numpy")
FORMULA = ("=", "+", "-", "@", "\t")
HAND = "by_hand.csv"
HAND_FIELDS = ("student", "exercise", "of", "points", "comment")


def submissions(folder, name):
    """Find the notebooks: one file for each student, or one folder with the notebook in it.

    Args: folder; name of the assignment, which decides where a student's folder has several notebooks.
    Returns: dict student -> path of what was handed in.
    """
    found = {}
    for path in sorted(p for p in folder.iterdir() if not p.name.startswith(".")):
        student, chosen = path.stem if path.is_file() else path.name, path
        if path.is_dir() and not path.is_symlink():
            inside = sorted(
                p for p in path.rglob("*.ipynb") if not p.is_symlink() and ".ipynb_checkpoints" not in p.parts
            )
            named = [p for p in inside if p.stem == name]
            chosen = (named or inside or [path])[0] if len(inside) == 1 or len(named) == 1 or not inside else path
        found[student if student not in found else path.name] = chosen
    return found


def sources():
    """A hash of everything but submission and key that decides a grade."""
    files = [*(keys.ROOT / "aecore").rglob("*.py"), *keys.HERE.glob("*.py"), keys.ROOT / "tools" / "release.py"]
    total = hashlib.sha256(repr([(name, importlib.metadata.version(name)) for name in LIBRARIES]).encode())
    for file in sorted(files):
        total.update(str(file.relative_to(keys.ROOT)).encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def write(path, text):
    """Write a file so that it is there wholly, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, "utf8")
    os.replace(part, path)


def job(student, path, key_path, bwrap, limits, fingerprint, target):
    """Grade one submission in a process of its own, forked from one that has TensorFlow loaded."""
    import resource

    import examine

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the batch ends its processes itself
    most = 2 * limits.memory * sandbox.MB + 4 * 2**30
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    key = keys.load(key_path)
    os.environ["AECORE_COURSE_SEED"] = str(key.seed)
    result = examine.examine(path, key, bwrap, limits)
    head = {"student": student, "file": path.name, "fingerprint": fingerprint}
    write(target, json.dumps({**head, **result}, indent=1, ensure_ascii=False))


class Batch:
    """All submissions of a folder.

    Args: folder, of submissions; key_path; target, folder for the results; workers; limits; isolation.
    """

    def __init__(self, folder, key_path, target, workers, limits, isolation=True, say=print):
        self.bwrap = sandbox.launcher(isolation)
        self.key, self.key_path, self.target, self.limits, self.say = keys.load(key_path), key_path, target, limits, say
        if target.resolve().is_relative_to(folder.resolve()):
            raise SystemExit(
                f"The results cannot go to {target}: it is among the submissions. Choose a folder with --to."
            )
        for place, path in itertools.product(sandbox.readable(), (folder, key_path, target)):
            if self.bwrap and path.resolve().is_relative_to(Path(place).resolve()):
                raise SystemExit(f"{path} is below {place}, which students' code can read. Move it elsewhere.")
        self.students = submissions(folder, self.key.name)
        if not self.students:
            raise SystemExit(f"There is no submission in {folder}.")
        self.workers, common = workers, f"{self.key.digest} {sources()} {asdict(limits)} {bool(self.bwrap)}"
        self.fingerprints = {
            student: hashlib.sha256(
                (common + path.name).encode() + (path.read_bytes() if path.is_file() else b"")
            ).hexdigest()
            for student, path in self.students.items()
        }

    def stored(self, student):
        """The result of an earlier run, None where it does not hold any more."""
        try:
            result = json.loads(self.place(student).read_text("utf8"))
        except (OSError, ValueError):
            return None
        return result if result.get("fingerprint") == self.fingerprints[student] else None

    def place(self, student):
        return self.target / "results" / f"{student}.json"

    def run(self, regrade=False):
        """Grade what has no result yet. Returns: list of results, sorted by student."""
        waiting = [s for s in self.students if regrade or self.stored(s) is None]
        for student in waiting:
            self.place(student).unlink(missing_ok=True)
        self.say(f"{len(self.students)} submissions, {len(self.students) - len(waiting)} of them graded already.")
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["aecore", "aecore.exercises", "examine", "key"])
        running = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    student = waiting.pop(0)
                    arguments = (student, self.students[student], self.key_path, self.bwrap, self.limits,
                                 self.fingerprints[student], self.place(student))  # fmt: skip
                    process = context.Process(target=job, args=arguments, daemon=False)
                    process.start()
                    running[student] = process, time.monotonic()
                wait([process.sentinel for process, _ in running.values()], timeout=1)
                for student, (process, began) in list(running.items()):
                    late = time.monotonic() - began > self.limits.total + 60
                    if late:
                        stop(process)
                    if late or not process.is_alive():
                        process.join()
                        del running[student]
                        self.tell(student, "it took too long" if late else f"its process ended with {process.exitcode}")
        finally:
            for process, _ in running.values():
                stop(process)
        return [self.stored(student) or self.failed(student, "no result") for student in self.students]

    def tell(self, student, otherwise):
        result = self.stored(student)
        if result is None:
            write(self.place(student), json.dumps({**self.failed(student, otherwise), "fingerprint": ""}))
            self.say(f"{student}: NOT GRADED, {otherwise}")
            return
        got, of = (sum(e[key] for e in result["exercises"]) for key in ("points", "of"))
        self.say(f"{student}: {got:g} of {of:g}" + ("" if result["status"] == "graded" else f"  ({result['status']})"))

    def failed(self, student, why):
        """What the lists say of a submission that could not be graded: the fault lies here, not with the student."""
        empty = {"points": 0.0, "by_hand": False, "why": [f"Not graded: {why}."], "feedback": "", "answer": ""}
        own = [{"name": name, "of": self.key.points(name), **empty} for name in self.key.exercises]
        head = {"student": student, "file": self.students[student].name, "status": f"not graded: {why}"}
        return {**head, "notes": [], "exercises": own, "seconds": 0, "megabytes": 0}

    def publish(self, results):
        """Write the lists and the pages."""
        marks = self.marks(results)
        for result in results:
            for exercise in result["exercises"]:
                mark = marks.get((result["student"], exercise["name"]))
                if exercise["by_hand"] and mark and mark["points"].strip():
                    exercise["points"] += float(mark["points"])
                    exercise["comment"], exercise["by_hand"] = mark["comment"], False
            write(self.target / "feedback" / f"{result['student']}.html", feedback.page(self.key, result))
        write(self.target / "grades.json", json.dumps(results, indent=1, ensure_ascii=False))
        write(self.target / "grades.csv", table(self.key, results))

    def marks(self, results):
        """The marks given by hand, from the file kept for them; what is to be marked is added to it, nothing removed.

        Returns: dict (student, exercise) -> row.
        """
        path = self.target / HAND
        rows = list(csv.DictReader(path.open(newline="", encoding="utf8"))) if path.is_file() else []
        plain = lambda name: (
            name[1:] if name[:1] == "'" and name[1:].startswith(FORMULA) else name
        )  # as `lines` wrote it
        rows = [{**row, "student": plain(row["student"]), "comment": plain(row["comment"])} for row in rows]
        marks = {(row["student"], row["exercise"]): row for row in rows}
        for result in results:
            for e in result["exercises"]:
                if e["by_hand"]:
                    empty = {
                        "student": result["student"],
                        "exercise": e["name"],
                        "of": e["of"],
                        "points": "",
                        "comment": "",
                    }
                    marks.setdefault((result["student"], e["name"]), empty)
        if marks:
            write(path, lines(HAND_FIELDS, marks.values()))
        return marks


def stop(process):
    """End an examiner and the student's processes below it."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        family = []
    process.kill()
    for child in family:
        with contextlib.suppress(psutil.Error):
            child.kill()
    process.join()


def lines(fields, rows):
    """CSV as text. A value that a spreadsheet would take for a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fields, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    safe = lambda v: f"'{v}" if isinstance(v, str) and v.startswith(FORMULA) else v
    writer.writerows({key: safe(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def table(key, results):
    """One line for each student: the points of each exercise, their sum, what is to be marked by hand, and remarks."""
    rows = []
    for result in results:
        row = {"student": result["student"], "status": result["status"]}
        for e in result["exercises"]:
            row[e["name"]] = "" if e["by_hand"] else f"{e['points']:g}"
        row["total"] = f"{sum(e['points'] for e in result['exercises']):g}"
        row["of"] = f"{sum(e['of'] for e in result['exercises']):g}"
        row["by hand"] = " ".join(e["name"] for e in result["exercises"] if e["by_hand"])
        reasons = [f"{e['name']}: {' '.join(e['why'])}" for e in result["exercises"] if e["why"]]
        row["why"] = " | ".join([*result["notes"], *reasons]).replace("\n", " ")
        rows.append(row)
    return lines(["student", *key.exercises, "total", "of", "by hand", "status", "why"], rows)
