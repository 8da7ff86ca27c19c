"""The checks of the experiments: right reports pass, however they were made, and wrong ones are told what is wrong."""

import pytest
from answers.trained import ANSWERS
from masters import MASTERS, answer

from aecore.exercises import EXERCISES, check

pytestmark = pytest.mark.slow  # some trainings each


@pytest.fixture(scope="module", params=ANSWERS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def report(name):
    """The report of the solution notebook."""
    return answer(MASTERS, name)


def test_the_solution_passes(name, report):
    assert check(name, report), check(name, report)


def test_wrong_reports_are_told_what_is_wrong(name, report):
    said = set()
    for wrong, says in ANSWERS[name].wrong(report):
        reply = check(name, wrong)
        assert reply.passed is False
        assert says in reply.message
        assert "cannot read" not in reply.message
        said.add(reply.message)
    named = {mistake.message for mistake in EXERCISES[name].mistakes}
    assert len(named) >= 4
    assert named <= said


@pytest.mark.parametrize("which", [0, 1])
def test_a_report_made_otherwise_passes(name, which):
    reply = check(name, ANSWERS[name].right[which]())
    assert reply, reply


def test_a_report_of_another_course_is_noticed(name, report, monkeypatch):
    monkeypatch.setenv("AECORE_COURSE_SEED", "3")
    reply = check(name, report)
    assert reply.passed is False
