"""The quiz that runs in a page: its locks open with the right key only, in Python and in JavaScript alike."""

import base64
import hashlib
import json
import shutil
import subprocess

import pytest

from aecore.exercises import EXERCISES, quiz

NAMES = [name for name, exercise in EXERCISES.items() if hasattr(exercise, "replies")]


def opened(entry, state):
    """Undo `lock`, byte by byte."""
    closed = base64.b64decode(entry)
    stream = lambda i: hashlib.sha256(state + bytes([i // 32])).digest()[i % 32]
    return bytes(b ^ stream(i) for i, b in enumerate(closed))


@pytest.fixture(params=NAMES)
def made(request):
    exercise = EXERCISES[request.param]
    return exercise, quiz.Quiz(exercise)


def test_every_answer_opens_its_own_reply_and_no_other(made):
    exercise, figure = made
    spec = figure.spec
    replies = exercise.replies()
    assert sum(right for right, _ in replies.values()) == 1
    assert len(spec["locked"]) == len(replies) >= 4
    for answer, (right, said) in replies.items():
        state = quiz.key(spec["salt"], answer if spec["options"] else quiz.canonical(answer))
        texts = [opened(entry, state) for entry in spec["locked"]]
        assert [text.decode() for text in texts if text.startswith(b"open")] == ["open" + "✗✓"[right] + " " + said]


def test_nothing_in_the_page_tells_which_answer_is_right(made):
    exercise, figure = made
    page = json.dumps([figure.spec, figure.bundle()], ensure_ascii=False)
    for said in (said for _, said in exercise.replies().values()):
        assert said not in page
    assert "✓" not in page
    assert '"right"' not in page
    if figure.spec["options"] is None:
        texts = [f"{number:g}" for number in exercise.replies()]
        assert not [text for text in texts if len(text) > 1 and text in page]  # single digits are on every page
    else:
        assert figure.spec["options"] == list(exercise.options().values())
        assert all(option in figure.bundle()["text/plain"] for option in exercise.options().values())


@pytest.mark.parametrize(
    ("number", "text"), [(12960, "1.29600e4"), (0.000123456789, "1.23457e-4"), (-1.0, "-1.00000e0")]
)
def test_numbers_have_one_form(number, text):
    assert quiz.canonical(number) == text


@pytest.mark.skipif(not shutil.which("node"), reason="runs the page's JavaScript outside a browser")
def test_javascript_opens_the_same_locks(made, tmp_path):
    exercise, figure = made
    answers = list(exercise.replies())
    (tmp_path / "quiz.mjs").write_text(figure._esm, "utf8")
    (tmp_path / "run.mjs").write_text(
        """
        import { canonical, key, sha256, unlock } from "./quiz.mjs";
        const { spec, answers, texts } = JSON.parse(process.argv[2]);
        const hex = (bytes) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
        const keys = answers.map((a) => key(spec.salt, typeof a === "number" ? canonical(a) : a, spec.rounds));
        console.log(JSON.stringify({
          hashes: texts.map((text) => hex(sha256(new TextEncoder().encode(text)))),
          said: keys.map((k) => spec.locked.map((entry) => unlock(entry, k)).filter((text) => text !== null)),
        }));
        """
    )
    texts = ["", "abc", "é" * 27, "x" * 55, "x" * 56, "x" * 64, "y" * 1000]
    given = json.dumps({"spec": figure.spec, "answers": answers, "texts": texts})
    done = subprocess.run(["node", tmp_path / "run.mjs", given], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["hashes"] == [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    assert result["said"] == [["✗✓"[right] + " " + said] for right, said in exercise.replies().values()]
