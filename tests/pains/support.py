"""What the tests of pains share: an error is right when its sentence and its fix are."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from wizard.errors import Problem, WizardError
from wizard.events import CheckStatus
from wizard.step import CheckResult


def told(work: Callable[[], object]) -> Problem:
    """What the error of `work` says."""
    with pytest.raises(WizardError) as caught:
        work()
    return caught.value.problem


def failed(results: Mapping[str, CheckResult]) -> Problem:
    """What the first check that failed says."""
    for result in results.values():
        if result.status is CheckStatus.FAILED and result.problem is not None:
            return result.problem
    pytest.fail(f"no check failed: {dict(results)}")


def warned(result: CheckResult) -> Problem:
    """What a check warns of."""
    assert result.status is CheckStatus.WARNING, result
    assert result.problem is not None
    return result.problem


def only(problems: Any) -> Problem:
    """The one problem that there is."""
    (problem,) = problems
    assert isinstance(problem, Problem)
    return problem
