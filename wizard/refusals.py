"""What stops a run before anything is done: an answer or a consent that only the operator can give."""

from collections.abc import Sequence

from wizard.answers import ConsentAnswers
from wizard.errors import Problem, WizardError
from wizard.step import Consent


def consent_needed(consents: Sequence[Consent]) -> WizardError:
    """The first question that is still open, and the lines that answer all of them."""
    first, *others = consents
    more = f" {len(others)} more to decide: {' '.join(each.question for each in others)}" if others else ""
    return WizardError(
        Problem(
            "consent-needed",
            first.question,
            f"Only you can decide that.{more}",
            f"To agree, add to the answers: [consent] {'; '.join(_lines(consents))}",
        )
    )


def _lines(consents: Sequence[Consent]) -> list[str]:
    """As TOML: one line a key, lists with all their values."""
    defaults, lists, lines = ConsentAnswers(), dict[str, list[str]](), list[str]()
    for consent in consents:
        default = getattr(defaults, consent.key)
        if isinstance(default, list):
            lists.setdefault(consent.key, []).append(f'"{consent.value}"')
        elif isinstance(default, bool):
            lines.append(f"{consent.key} = {str(consent.value).lower()}")
        else:
            lines.append(f'{consent.key} = "{consent.value}"')
    return [*(f"{key} = [{', '.join(values)}]" for key, values in lists.items()), *lines]


def answer_missing(key: str) -> Problem:
    table, _, name = key.partition(".")
    return Problem(
        "answer-missing",
        f"The answer {key} is missing.",
        "It has no default that could be right.",
        f"Add {name} to the table [{table}] of the answers file.",
    )


def bucket_in_use(name: str, left: Sequence[str]) -> Problem:
    """`left`: the summaries of what undo could not take back."""
    return Problem(
        "bucket-in-use",
        f"The bucket {name} was left as it is: the registry may still run.",
        f"This could not be taken back: {left[0]}.",
        "Mend what undo tells of that, then run the same undo again.",
    )
