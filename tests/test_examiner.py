"""The parts of grading: what crosses the pipe, which cell answers what, marks by hand, and the refusal."""

import json
import os
import sys
import threading
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools" / "course"))
import cells
import examine
import grade
import key as keys
import models
import sandbox
import tasks
import wire
from test_assign import make, masters  # noqa: F401 - a fixture


@pytest.fixture
def ends():
    """The examiner's end of a pipe, and at the other one a thread that answers as a student's process does."""
    theirs, ours = os.pipe(), os.pipe()
    space = {}

    def serve(op, fields):
        if op == "get":
            return space[fields["name"]]
        args = fields["args"]
        before = [np.array(a) if isinstance(a, np.ndarray) else None for a in args]
        value = fields["of"](*args, **fields["kwargs"])
        changed = {i: a for i, a in enumerate(args) if before[i] is not None and not np.array_equal(a, before[i])}
        return value, changed

    student = wire.Peer(theirs[0], ours[1], trusts=True, serve=serve)
    examiner = wire.Peer(ours[0], theirs[1], trusts=False, serve=lambda op, fields: (fields["of"](*fields["args"]), {}))

    def answer():
        while True:
            try:
                frame = student.receive()
            except wire.Gone:
                return
            student.answer(frame.pop("op"), frame)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield examiner, space, ours[1]
    os.close(theirs[1])
    thread.join(5)
    for fd in (theirs[0], *ours):
        os.close(fd)


VALUES = (
    None, True, 3, -2.5, "é", [1, [2, "x"]], (1, (2,)), {"a": 1, 2: (3,)}, {1, 2}, 1 + 2j, float("inf"),
    np.arange(6.0).reshape(2, 3), np.float32(2), np.array(["a", "bc"]), np.zeros((0, 3), "int8"), np.array(True),
)  # fmt: skip


def test_plain_data_arrives_as_it_was(ends):
    examiner, space, _ = ends
    for value in VALUES:
        space["v"] = value
        got = examiner.request("get", name="v")
        assert type(got) is type(value)
        np.testing.assert_equal(got, value)
        if isinstance(value, np.ndarray):
            assert got.dtype == value.dtype
            assert got.shape == value.shape
    space["v"] = keras.ops.convert_to_tensor([1.0, 2.0])
    got = examiner.request("get", name="v")
    assert keras.ops.is_tensor(got)
    assert keras.ops.convert_to_numpy(got).tolist() == [1, 2]


def test_functions_stay_where_they_are(ends):
    examiner, space, _ = ends

    def double(x, scale=2):
        x *= scale
        return x.sum(), {"n": len(x)}

    def fails(x):
        raise KeyError("lost")

    space.update(double=double, fails=fails, apply=lambda f, x: f(x) + 1)
    f, x = examiner.request("get", name="double"), np.ones(3)
    assert isinstance(f, wire.RemoteFunction)
    assert f(x, scale=4) == (12, {"n": 3})
    assert x.tolist() == [4, 4, 4]  # what it does to its argument is seen
    with pytest.raises(KeyError) as caught:
        examiner.request("get", name="fails")(1)
    assert isinstance(caught.value, wire.StudentError)
    assert examiner.request("get", name="apply")(lambda v: 10 * v, 2) == 21  # a function of the test is called back
    kind = type("Kind", (), {"__call__": lambda self, v: v + 1})()
    assert examiner.request("get", name="apply")(kind, 2) == 4  # and not copied, even where it is an object
    assert examiner.request("get", name="double") != f  # a stand-in is equal to nothing but itself


def test_what_calls_itself_equal_to_everything_is_not_equal_here(ends):
    examiner, space, _ = ends

    class Everything:
        __eq__ = lambda self, other: True
        __hash__ = None
        passed = True

    space["v"] = Everything()
    got = examiner.request("get", name="v")
    assert got != 3
    assert type(got).__name__ == "Everything"
    with pytest.raises(TypeError):
        float(got)


@pytest.mark.parametrize(("kind", "content"), [("pickle", [0, 0]), ("array", ["|O", [1], 0]), ("nonsense", 1)])
def test_the_examiner_unpickles_nothing(ends, kind, content):
    examiner, _, write = ends
    form = {"!": kind, "v": content}
    head = json.dumps({"!": "dict", "v": [["op", "value"], ["v", form]]}).encode()
    os.write(write, wire.LENGTHS.pack(len(head), 0) + head)
    with pytest.raises(wire.Gone, match="something of its own"):
        examiner.receive()


def test_a_frame_has_a_largest_size(ends):
    examiner, _, write = ends
    os.write(write, wire.LENGTHS.pack(2**32 - 1, 0))
    with pytest.raises(wire.Gone, match="at most 128 MB"):
        examiner.receive()


def test_a_model_is_built_again(build, x):
    ae = build(hidden=(5,))
    again = models.unpack(*models.pack(ae))
    np.testing.assert_allclose(again.reconstruct(x), ae.reconstruct(x), rtol=1e-6)


def test_a_model_of_unknown_parts_is_not():
    spy = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda v: v)])
    with pytest.raises(ValueError, match="Lambda"):
        models.pack(spy)
    for module, name in (
        ("os", "system"),
        ("builtins", "eval"),
        ("keras.layers", "TFSMLayer"),
        ("aecore.downloads", "fetch"),
    ):
        with pytest.raises(ValueError, match=name):
            models.allowed({"layers": [{"module": module, "class_name": name, "registered_name": None}]})


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(x):\n    y = 1\nclass C: pass", {"f", "C"}),
        ("a, (b, *c) = 1, (2, 3)\nif a:\n    d = [e for e in c]", {"a", "b", "c", "d"}),
        ("import numpy as np, os.path\nfrom x import y as z", {"np", "os", "z"}),
        ("%time q = 1\n!ls", set()),
        ("def broken(:\n    x = 1\nvalue = 3", {"broken", "value"}),
    ],
)
def test_names_that_a_cell_binds(source, names):
    assert cells.bound(source) == names


@pytest.fixture
def course(masters, tmp_path):  # noqa: F811
    released, key = make(masters, "one", to=tmp_path / "a")
    return nbformat.read(released, as_version=4), keys.load(key), tmp_path


def examined(course, **answers):
    notebook, key, folder = course
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "").removeprefix("one-")
        cell.source = answers.get(name, cell.source)
    path = folder / "student.ipynb"
    nbformat.write(notebook, path)
    result = examine.examine(path, key, None, sandbox.Limits())
    assert result["notes"] == []  # what is only shown was not run
    return {e["name"]: e for e in result["exercises"]}


def test_points_in_part_and_marks_by_hand(course):
    got = examined(course, double="def double(x):\n    return x + x", half="half = 5.0", why="For *this* reason.")
    assert {name: e["points"] for name, e in got.items()} == {"one.double": 2, "one.half": 0.5, "one.why": 0}
    assert [name for name, e in got.items() if e["by_hand"]] == ["one.why"]
    assert got["one.why"]["answer"] == "For *this* reason."


def test_modules_of_a_solution_are_the_examiners(course):
    key = course[1]
    for cell in key.cells:
        if cell.role == "answer":
            cell.source = f"import math\n{cell.source}"
        if cell.grade_id == "one-double-check":
            cell.source = "assert math.isclose(double(2), 4)"
    forged = "import types\nmath = types.SimpleNamespace(isclose=lambda a, b: True)\ndouble = lambda x: 0"
    assert examined(course, double=forged)["one.double"]["points"] == 0
    assert examined(course, double="double = lambda x: 2 * x")["one.double"]["points"] == 2


def test_what_went_wrong_is_said(course):
    got = examined(course, double="def double(x):\n    return 3 * x", half="half = missing")
    assert got["one.double"]["why"] == ["A test did not pass: twice"]
    assert got["one.half"]["why"][0] == "The answer cell stopped with NameError: name 'missing' is not defined"
    assert got["one.why"]["why"] == ["The answer cell is as it was handed out: not attempted."]
    assert not any(e["points"] for e in got.values())


def test_marks_by_hand_are_kept_and_counted(course, tmp_path):
    key = course[1]
    batch = object.__new__(grade.Batch)
    batch.key, batch.target = key, tmp_path / "graded"
    result = {"student": "=cmd", "file": "x", "status": "graded", "notes": [], "exercises": list(
        examined(course, why="Since <b>it</b> is.").values())}  # fmt: skip
    batch.publish([json.loads(json.dumps(result))])
    hand = batch.target / grade.HAND
    assert hand.read_text().splitlines()[1:] == ["'=cmd,one.why,3.0,,"]  # a name that a spreadsheet would compute
    hand.write_text(hand.read_text().replace("3.0,,", "3.0,2.5,well put"))
    for _ in range(2):
        batch.publish([json.loads(json.dumps(result))])
        assert hand.read_text().splitlines()[1:] == ["'=cmd,one.why,3.0,2.5,well put"]
        assert "'=cmd,0,0,2.5,2.5,6,,graded" in (batch.target / "grades.csv").read_text()
    page = (batch.target / "feedback" / "=cmd.html").read_text()
    assert "well put" in page
    assert "Since &lt;b&gt;it&lt;/b&gt; is." in page


def test_without_isolation_nothing_is_run(monkeypatch):
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"REFUSED.*bubblewrap was not found"):
        sandbox.launcher()
    assert sandbox.launcher(isolation=False) is None
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: "/bin/false")
    with pytest.raises(SystemExit, match="may not make its namespaces"):
        sandbox.launcher()


def test_without_a_limit_of_forks_nothing_is_run(monkeypatch):
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: "/bin/true")
    monkeypatch.setattr(tasks, "is_root", lambda: True)
    monkeypatch.setattr(tasks, "ROOTS", ())
    with pytest.raises(SystemExit, match="forks without end cannot be stopped"):
        sandbox.launcher()
