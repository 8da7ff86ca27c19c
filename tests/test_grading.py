"""A batch of submissions, honest and hostile: who gets points, what is touched, what is said, and how it goes on."""

import csv
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from attacks import SHEET
from submissions import everybody

ROOT = Path(__file__).parents[1]
COURSE = [sys.executable, str(ROOT / "tools" / "course")]
SEED = 2027
LIMITS = ["--cpu", "8", "--idle", "5", "--memory", "2000"]

pytestmark = pytest.mark.slow


def course(*arguments, **more):
    return subprocess.run(
        [*COURSE, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False, **more
    )


def grades(folder):
    with (folder / "grades.csv").open(newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def stored(folder, student):
    return json.loads((folder / "results" / f"{student}.json").read_text())


def fingerprint(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return [(str(p.relative_to(folder)), hashlib.sha256(p.read_bytes()).hexdigest()) for p in files]


@pytest.fixture(scope="module")
def bubblewrap():
    if not shutil.which("bwrap") and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "bubblewrap"], capture_output=True, check=False)
    if not shutil.which("bwrap"):
        pytest.skip("NO TEST OF GRADING: bubblewrap is not installed, and cannot be installed from here")


@pytest.fixture(scope="module")
def right_option():
    """The letter of ch01.predict in this course."""
    code = "from aecore.exercises import EXERCISES as E; e = E['ch01.predict']"
    code += "; print(*[letter for letter, text in e.options().items() if text == e.right])"
    environment = {**os.environ, "AECORE_COURSE_SEED": str(SEED)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture(scope="module")
def batch(bubblewrap, right_option, tmp_path_factory):
    """A graded class, with what it was not to touch watched."""
    base = tmp_path_factory.mktemp("course")
    made = course("assign", *SHEET, "--title", "Sheet", "--due", "2027-01-15", "--seed", SEED, "--to", base / "sheet")
    assert made.returncode == 0, made.stderr
    key, folder, canary = base / "sheet" / "key" / "sheet.ipynb", base / "handed-in", base / "canary"
    canary.mkdir()
    (canary / "bird").write_text("sings")
    connections, listener = [], socket.create_server(("127.0.0.1", 0))

    def listen():
        while True:
            try:
                connections.append(listener.accept())
            except OSError:
                return

    threading.Thread(target=listen, daemon=True).start()
    released = json.loads((base / "sheet" / "release" / "sheet.ipynb").read_text())
    students = everybody(released, right_option, str(canary), str(key), listener.getsockname()[1])
    for student in students:
        student.write(folder)
    (folder / "link.ipynb").symlink_to(key)
    before = [fingerprint(place) for place in (base / "sheet", folder, canary)]
    bystander = subprocess.Popen(["sleep", "3600"])
    done = course("grade", folder, "--key", key, "--to", base / "graded", *LIMITS, timeout=3000)
    after = [fingerprint(place) for place in (base / "sheet", folder, canary)]
    alive = bystander.poll() is None
    bystander.kill()
    listener.close()
    return SimpleNamespace(
        base=base, key=key, folder=folder, graded=base / "graded", students=students, done=done, before=before,
        after=after, alive=alive, connections=connections,
    )  # fmt: skip


def test_everybody_gets_what_is_due(batch):
    assert batch.done.returncode == 0, batch.done.stdout[-2000:] + batch.done.stderr[-3000:]
    assert len(batch.students) >= 30
    rows = grades(batch.graded)
    assert set(rows) == {student.name for student in batch.students} | {"link"}
    got = {s.name: {name: float(rows[s.name][name]) for name in SHEET} for s in batch.students}
    assert got == {s.name: s.wanted() for s in batch.students}
    assert float(rows["link"]["total"]) == 0


def test_the_report_says_why(batch):
    rows = grades(batch.graded)
    silent = {s.name: rows[s.name] for s in batch.students if s.why not in rows[s.name]["why"] + rows[s.name]["status"]}
    assert not silent
    assert {s.name for s in batch.students if not s.points and not s.why} >= {
        "ada",
        "ben",
        "cem",
        "dora",
        "eli",
        "colab",
    }
    for student in batch.students:
        page = (batch.graded / "feedback" / f"{student.name}.html").read_text()
        assert f"<h1>Sheet: {student.name}</h1>" in page
        assert "<script" not in page
        assert "np.linalg.qr" not in page  # of a hidden test
        assert all(f"<h2>{name}</h2>" in page for name in SHEET)


def test_nobody_touches_or_sees_anything(batch):
    assert batch.after == batch.before
    assert batch.alive
    assert not batch.connections
    printed = dict(stored(batch.graded, "harms")["printed"])["ch01.pca"]
    assert "FOUND" in printed
    for secret in ("CONNECTED", "BEGIN HIDDEN", "bird", "root:x", "handed-in/"):
        assert secret not in printed


def test_no_attack_costs_much_memory(batch):
    used = {student.name: stored(batch.graded, student.name)["megabytes"] for student in batch.students}
    # Between two looks of the watch several processes can each take a part of what one of them is allowed.
    assert {name: megabytes for name, megabytes in used.items() if megabytes > 2 * 2000} == {}


def test_an_interrupted_batch_goes_on_and_gives_the_same_grades(batch):
    names = ("ada", "colab", "wrong")
    folder, target = batch.base / "again", batch.base / "graded-again"
    for student in batch.students:
        if student.name in names:
            student.write(folder)
    command = ["grade", folder, "--key", batch.key, "--to", target, "--workers", "1", *LIMITS]
    with subprocess.Popen([*COURSE, *map(str, command)], cwd=ROOT, stderr=subprocess.PIPE, text=True) as first:
        results = target / "results"
        while first.poll() is None and not (results.is_dir() and list(results.glob("[!.]*.json"))):
            time.sleep(0.05)
        first.send_signal(signal.SIGINT)
        assert "goes on from here" in first.communicate(timeout=60)[1]
    assert first.returncode == 130
    done = {path.name: path.stat().st_mtime_ns for path in results.glob("[!.]*.json")}
    assert 1 <= len(done) < len(names)
    assert not (target / "grades.csv").exists()

    second = course(*command)
    assert second.returncode == 0, second.stderr
    assert f"{len(names)} submissions, {len(done)} of them graded already" in second.stdout
    assert all((results / name).stat().st_mtime_ns == stamp for name, stamp in done.items())
    for name in names:
        new, old = (stored(place, name) for place in (target, batch.graded))
        assert new["exercises"] == old["exercises"]
        assert new["notes"] == old["notes"]

    assert course(*command, "--regrade").returncode == 0
    assert all((results / name).stat().st_mtime_ns != stamp for name, stamp in done.items())
    assert [stored(target, name)["exercises"] for name in names] == [
        stored(batch.graded, name)["exercises"] for name in names
    ]


def test_every_exercise_of_the_book_can_be_graded(bubblewrap, tmp_path):
    chapters = sorted(path.stem for path in (ROOT / "book" / "solutions").glob("*.ipynb"))
    made = course("assign", *chapters, "--title", "All", "--due", "2027-01-15", "--seed", 0, "--to", tmp_path / "all")
    assert made.returncode == 0, made.stderr
    key = tmp_path / "all" / "key" / "all.ipynb"
    (tmp_path / "in").mkdir()
    shutil.copy(key, tmp_path / "in" / "reference.ipynb")  # the key answers its own questions
    done = course("grade", tmp_path / "in", "--key", key, "--to", tmp_path / "out", "--cpu", "300", timeout=3000)
    assert done.returncode == 0, done.stderr
    missed = {
        e["name"]: e["why"]
        for e in stored(tmp_path / "out", "reference")["exercises"]
        if e["points"] != e["of"] and not e["by_hand"]
    }
    assert missed == {}
