"""A CA's limits: what is left of them, and its word on when to come again (Retry-After) respected."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from wizard import attempts
from wizard.attempts import Attempts
from wizard.errors import Problem, WizardError
from wizard.services.acme import RateLimited
from wizard.step import Context


def what_is_left(ctx: Context) -> tuple[str, ...]:
    """A sentence each, for Let's Encrypt and what stands in for it; other CAs do not tell their limits."""
    wanted, endpoints = ctx.answers.certificate, ctx.services.endpoints
    limits = {"production": attempts.PRODUCTION, "staging": attempts.STAGING}.get(wanted.directory)
    if limits is None:
        return ()
    return Attempts(ctx.journal.path).left(endpoints.directory(wanted.directory), wanted.names, limits)


def problem_now(ctx: Context, directory: str) -> Problem | None:
    """Why the CA must not be asked now, None where it may."""
    until = Attempts(ctx.journal.path).limited_until(directory)
    return _limited(directory, until) if until else None


def refuse_if_limited(ctx: Context, directory: str) -> None:
    """Raises WizardError while the CA has asked to be left alone."""
    if problem := problem_now(ctx, directory):
        raise WizardError(problem)


@contextmanager
def limits_remembered(ctx: Context, directory: str) -> Iterator[None]:
    """Keeps when the CA wants to be asked again, for the next run too."""
    try:
        yield
    except RateLimited as error:
        if error.until and error.until > datetime.now(UTC):
            Attempts(ctx.journal.path).note(attempts.LIMITED, directory, until=error.until.isoformat())
        raise


def _limited(directory: str, until: datetime) -> Problem:
    return Problem(
        "rate-limited",
        f"The CA has asked to be left alone until {until:%Y-%m-%d %H:%M} UTC.",
        f"{directory} said so (Retry-After); asking earlier may only prolong it.",
        'Run the same command again after that; for tries, set [certificate] directory = "staging".',
    )
