"""The checks accept right answers, however they are written, and tell wrong ones apart. See also test_experiments."""

import copy
import html
import importlib
import re
import sys

import numpy as np
import pytest
from masters import MASTERS, RELEASED, ROOT, answer, cell, release

from aecore.exercises import EXERCISES, check, find, given, hint, question, solution
from aecore.exercises._kinds import Choice, Text
from aecore.exercises._verdict import CHAPTERS

ANSWERS = {k: v for chapter in CHAPTERS for k, v in importlib.import_module(f"answers.{chapter}").ANSWERS.items()}
TRAINED = importlib.import_module("answers.trained").ANSWERS  # in test_experiments.py
RIGHT = [pytest.param(name, a, id=f"{name}-{i}") for name, those in ANSWERS.items() for i, a in enumerate(those.right)]
WRONG = [
    pytest.param(name, a, says, id=f"{name}-{i}")
    for name, those in ANSWERS.items()
    for i, (a, says) in enumerate(those.wrong)
]
passed = lambda reply: reply.passed is not False  # a text is kept for a person: None


def test_every_exercise_has_answers():
    assert set(ANSWERS) | set(TRAINED) == set(EXERCISES)
    assert not set(ANSWERS) & set(TRAINED)


@pytest.mark.parametrize("name", ANSWERS)
def test_there_are_enough_answers(name):
    assert len(ANSWERS[name].right) >= 2
    assert len(ANSWERS[name].wrong) >= 4


@pytest.mark.parametrize("name", ANSWERS)
def test_the_solution_passes_in_every_course(name, monkeypatch):
    for course in ("0", "1", "2026"):
        monkeypatch.setenv("AECORE_COURSE_SEED", course)
        right = answer(MASTERS, name)
        for seed in range(3):
            assert passed(check(name, right, seed=seed)), check(name, right, seed=seed)


@pytest.mark.parametrize(("name", "right"), RIGHT)
def test_another_right_answer_passes(name, right):
    for seed in range(3):
        assert passed(check(name, right, seed=seed)), check(name, right, seed=seed)


@pytest.mark.parametrize(("name", "wrong", "says"), WRONG)
def test_a_wrong_answer_is_told_what_is_wrong(name, wrong, says):
    for seed in range(3):
        reply = check(name, wrong, seed=seed)
        assert reply.passed is False
        assert says in reply.message
        assert "cannot read" not in reply.message
        assert reply.section


@pytest.mark.parametrize("name", EXERCISES)
def test_the_stub_is_rejected(name):
    reply = check(name, answer(RELEASED, name))
    assert reply.passed is False
    # What the functions to repair are told:
    broken = "another matrix|noise and all|Two things are wrong|ceiling is gone|asks each unit|terms are averages"
    assert re.search("no answer yet|returns nothing|" + broken, reply.message), reply


@pytest.mark.parametrize("name", [n for n in ANSWERS if hasattr(EXERCISES[n], "mistakes")])
def test_every_named_mistake_is_made_by_some_answer(name):
    messages = {check(name, wrong, seed=1).message for wrong, _ in ANSWERS[name].wrong}
    named = [mistake.message for mistake in EXERCISES[name].mistakes]
    assert len(set(named)) == len(named)
    assert set(named) <= messages


@pytest.mark.parametrize("name", [n for n, e in EXERCISES.items() if isinstance(e, Choice)])
def test_every_wrong_option_is_answered_and_the_order_is_the_courses(name, monkeypatch):
    orders = set()
    for course in range(8):
        monkeypatch.setenv("AECORE_COURSE_SEED", str(course))
        options = EXERCISES[name].options()
        replies = {text: check(name, letter) for letter, text in options.items()}
        assert [text for text, reply in replies.items() if reply] == [EXERCISES[name].right]
        assert len({reply.message for reply in replies.values()}) == len(options)
        orders.add(tuple(options.values()))
    assert len(orders) > 3


def test_constants_belong_to_the_course(monkeypatch):
    drawn = {}
    for course in ("", "1", "2"):
        monkeypatch.setenv("AECORE_COURSE_SEED", course)
        drawn[course] = [given(name) for name in EXERCISES if given(name)]
        assert drawn[course] == [given(name) for name in EXERCISES if given(name)]
    assert all(a != b != c != a for a, b, c in zip(*drawn.values(), strict=True))
    monkeypatch.setenv("AECORE_COURSE_SEED", "spring")
    with pytest.raises(ValueError, match="AECORE_COURSE_SEED must be a whole number"):
        given("ch01.compare")


def test_data_are_drawn_anew_and_the_same_for_a_seed():
    seen = []

    def spy(x, x_hat):
        seen.append(x.copy())
        return ((x - x_hat) ** 2).sum(axis=(1, 2, 3))

    for seed in (None, None, 7, 7):
        check("preface.error", spy, seed=seed)
    a, b, c, d = seen[::2]
    assert not np.array_equal(a, b)
    assert np.array_equal(c, d)
    replies = [check("preface.error", lambda x, y: x.sum(axis=(1, 2, 3)), seed=7) for _ in range(2)]
    assert replies[0] == replies[1]


def test_an_unknown_name_lists_the_known_ones():
    for ask in (lambda name: check(name, 1), hint, solution, question, given):
        with pytest.raises(ValueError, match=r"no exercise 'ch01.pcs'. There are: .*ch01.pca"):
            ask("ch01.pcs")


def test_hints_go_on_and_end(monkeypatch):
    monkeypatch.setattr("aecore.exercises._hints_given", type(sys.modules["aecore.exercises"]._hints_given)())
    hints = EXERCISES["ch01.pca"].hints
    said = [hint("ch01.pca").message for _ in range(len(hints) + 1)]
    assert all(text in s for text, s in zip(hints, said, strict=False))
    assert 'solution("ch01.pca")' in said[-1]
    assert said[-1] == said[-2]


def test_the_reply_is_told_in_text_and_in_html():
    reply = check("preface.error", lambda x, y: x[9])
    text = repr(reply)
    assert text.startswith("preface.error: ✗ not yet. Your code stopped with IndexError")
    assert "\nHint: " in text
    assert "\nReread: the preface, “Notation”." in text
    page = reply._repr_html_()
    assert page.count('role="status"') == 1
    assert not re.search("color", page.replace("border-left: 0.25em solid", ""))  # nothing is told by a colour
    words = lambda s: html.unescape(re.sub("<[^>]*>", " ", s)).replace("`", " ").split()
    assert words(page) == words(text)
    escaped = check("ch01.predict", "<script>")._repr_html_()
    assert "&lt;script&gt;" in escaped
    assert "<script>" not in escaped


def test_the_shown_solution_is_the_masters_and_passes(monkeypatch):
    for name in EXERCISES:
        master = cell(MASTERS[name.split(".")[0]], name, check=False)
        assert solution(name) in master.source.replace("    ### BEGIN SOLUTION\n", "").replace(
            "    ### END SOLUTION\n", ""
        )
        assert not re.search("SOLUTION|HIDDEN", solution(name))
        if name in ANSWERS:
            shown = {name.split(".")[0]: copy.deepcopy(MASTERS[name.split(".")[0]])}
            cell(shown[name.split(".")[0]], name, check=False).source = solution(name)
            assert passed(check(name, answer(shown, name)))
    assert solution("ch01.pca")._repr_markdown_().startswith("```python\ndef pca")
    monkeypatch.setattr("aecore.exercises.SOLUTIONS", "gone.json")
    assert "without solutions" in solution("ch01.pca")


def test_no_message_gives_the_solution_away():
    """No line of a solution's code stands in what the checks say."""
    for name, those in ANSWERS.items():
        code = [line.strip() for line in solution(name).splitlines() if re.search(r"[=(\[]", line)]
        code = [line for line in code if not line.startswith(("def ", '"', "#"))]
        for wrong, _ in those.wrong:
            reply = check(name, wrong, seed=2)
            assert not [line for line in code if line in reply.message + reply.hint], name
            if isinstance(find(name), Choice):
                assert find(name).right not in reply.message + reply.hint


def test_what_to_reread_is_there():
    stems = {chapter: "preface" if chapter == "preface" else f"{chapter[2:]}_*" for chapter in CHAPTERS}
    for exercise in EXERCISES.values():
        chapter = next((ROOT / "book").glob(stems[exercise.name.split(".")[0]] + ".ipynb")).read_text("utf8")
        mistakes = getattr(exercise, "mistakes", ())
        for section in {exercise.section, *(m.section for m in mistakes if m.section)}:
            assert re.search(rf'"#+ {re.escape(section)}(\\n)?"', chapter), (exercise.name, section)


def test_notebooks_and_package_agree_on_points_and_names():
    graded = {}
    for notebook in MASTERS.values():
        for c in notebook.cells:
            meta = release.graded(c)
            if meta.get("grade"):
                graded[meta["grade_id"].removesuffix("-check").replace("-", ".")] = meta["points"]
    assert graded == {name: exercise.points for name, exercise in EXERCISES.items()}


def test_the_released_notebooks_are_what_the_generator_makes():
    assert release.outdated(ROOT) == []
    assert release.main(["--check"]) == 0


def test_released_notebooks_hold_no_solution_and_no_hidden_test():
    for stem, notebook in RELEASED.items():
        text = "\n".join(c.source for c in notebook.cells)
        assert not re.search("SOLUTION|HIDDEN|assert|# Solutions", text), stem
        for name in (n for n in EXERCISES if n.startswith(stem + ".")):
            stub = cell(notebook, name, check=False)
            assert release.STUB in stub.source
            assert not {"hide-cell", "hide-input"} & set(stub.metadata.get("tags", ()))
            if not isinstance(EXERCISES[name], Text):
                verdict = cell(notebook, name, check=True)
                assert verdict.metadata["editable"] is False
                assert f'check("{name}", ' in verdict.source
        assert [c.id for c in notebook.cells] == [
            c.id for c in MASTERS[stem].cells if c.id in {d.id for d in notebook.cells}
        ]


def test_a_change_of_a_master_is_noticed(tmp_path):
    for part in ("book/solutions", "book/exercises", "aecore/exercises"):
        (tmp_path / part).mkdir(parents=True)
    source = ROOT / "book" / "solutions" / "preface.ipynb"
    (tmp_path / "book" / "solutions" / "preface.ipynb").write_bytes(source.read_bytes())
    orphan = tmp_path / "book" / "exercises" / "ch99.ipynb"
    orphan.write_text("{}")
    assert release.main(["--check"], tmp_path) == 1
    assert release.main([], tmp_path) == 0
    assert not orphan.exists()
    made = tmp_path / "book" / "exercises" / "preface.ipynb"
    assert made.read_bytes() == (ROOT / "book" / "exercises" / "preface.ipynb").read_bytes()
    made.write_text(made.read_text("utf8").replace("YOUR CODE", "MY CODE"), "utf8")
    assert release.main(["--check"], tmp_path) == 1
