"""What `apply` would do now, as checks that have failed: that is what drifted since it was last done."""

from functools import partial

from wizard.errors import Problem
from wizard.step import Check, CheckResult, Plan


def drift_checks(plan: Plan) -> tuple[Check, ...]:
    """What `apply` would do now, as a failed check each: that is what drifted."""
    problems = [
        *plan.blockers,
        *(
            Problem(
                "drifted",
                f"This would have to be done again: {change.summary}",
                "It was changed or removed from outside, or never done.",
                "Run `kube-registry apply` for this setup to put it right.",
            )
            for change in plan.changes
        ),
        *(
            Problem("consent-needed", c.question, "", f'[consent] {c.key} = "{c.value}"')
            for c in plan.consents
        ),
    ]
    return tuple(
        Check(f"drift-{number}", "as the setup left it", partial(CheckResult.failed, problem))
        for number, problem in enumerate(problems)
    )
