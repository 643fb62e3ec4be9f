"""What stops a run before anything is done: an answer or a consent that only the operator can give."""

from wizard.answers import ConsentAnswers
from wizard.errors import Problem, WizardError
from wizard.step import Plan


def consent_needed(plan: Plan) -> WizardError:
    """The first question that is still open, with the key that answers it."""
    consent = plan.consents[0]
    value = getattr(ConsentAnswers(), consent.key)
    shown = f'["{consent.value}"]' if isinstance(value, list) else str(consent.value).lower()
    shown = shown if isinstance(value, list | bool) else f'"{consent.value}"'
    return WizardError(
        Problem(
            "consent-needed",
            consent.question,
            "Only you can decide that.",
            f"To agree, add to the answers: [consent] {consent.key} = {shown}",
        )
    )


def answer_missing(key: str) -> Problem:
    table, _, name = key.partition(".")
    return Problem(
        "answer-missing",
        f"The answer {key} is missing.",
        "It has no default that could be right.",
        f"Add {name} to the table [{table}] of the answers file.",
    )
