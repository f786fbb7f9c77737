"""Real models: none is called wrong, and each wrong rate is seen at its tensor."""

import pytest

from tests.power.trained import SUBJECTS, Subject, seen


def _check(subject: Subject, trial: int) -> None:
    right = seen(subject.factory, trial)
    assert right.failed == ()
    assert right.uses > 10
    assert subject.tensor in seen(subject.wrong(1.0), trial).failed


def test_a_mixture_of_experts() -> None:
    _check(SUBJECTS[3], 0)


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(2))
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_models(subject: Subject, trial: int) -> None:
    _check(subject, trial)
