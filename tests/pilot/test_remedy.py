"""One button for the fix where the wizard can do it, and the raw error on demand."""

from textual.widgets import Button, Input, Select, Static

from screens.messages import Looked, Opened
from screens.modals import RawModal
from screens.remedy import RemedyBar
from tests.pilot.test_screens import (
    CHANGE,
    Running,
    app_of,
    label,
    look,
    pilot,
    session_of,
    shown,
    step_of,
    until,
)
from wizard.errors import Problem, Remedy
from wizard.events import CheckFinished, CheckStatus, PlanMade, StepId, StepStarted, StepStatus
from wizard.services import _registry_errors

__all__ = ["pilot"]
ELSEWHERE = Problem(
    "bucket-elsewhere",
    "The bucket lives in us-east-2.",
    fix="Set connect.aws_region to us-east-2, or choose another bucket.name.",
    remedy=Remedy("set", "connect", "aws_region", "us-east-2"),
)
BUSY = Problem("aws-throttled", "AWS is busy.", raw="<Error>[red]Slow</Error>\x1b[31m", remedy=Remedy("wait"))


def bar(pilot: Running) -> RemedyBar:
    return pilot.app.screen.query_one(RemedyBar)


async def fail(pilot: Running, problem: Problem) -> None:
    """The look at the step ends with this."""
    pilot.app.post_message(Looked(step_of(pilot), None, problem, ()))
    await until(pilot, lambda: bar(pilot).display)


async def test_it_takes_no_line_where_there_is_nothing_to_offer(pilot: Running) -> None:
    await look(pilot)
    assert not bar(pilot).display


async def test_another_region_is_set_in_the_step_that_has_the_field(pilot: Running) -> None:
    await look(pilot, blockers=(ELSEWHERE,))
    assert label(pilot, "remedy") == "Set AWS region to us-east-2"
    pilot.app.screen.query_one("#remedy", Button).press()
    await until(pilot, lambda: step_of(pilot) is StepId.CONNECT)
    await until(pilot, lambda: getattr(pilot.app.focused, "id", "") == "field-connect-aws-region")
    assert session_of(pilot).document["connect"]["aws_region"] == "us-east-2"
    assert pilot.app.screen.query_one("#field-connect-aws-region", Input).value == "us-east-2"
    assert session_of(pilot).applied == []


async def test_an_answer_of_this_step_is_set_and_looked_at(pilot: Running) -> None:
    await look(pilot)
    before = len(session_of(pilot).looked)
    create = Problem(
        "bucket-missing", "It is not there.", remedy=Remedy("set", "bucket", "encryption", "keep")
    )
    await fail(pilot, create)
    pilot.app.screen.query_one("#remedy", Button).press()
    await until(pilot, lambda: len(session_of(pilot).looked) > before)
    assert session_of(pilot).document["bucket"]["encryption"] == "keep"


async def test_it_leads_to_the_answer_that_an_earlier_step_has(pilot: Running) -> None:
    await look(pilot)
    view = app_of(pilot).views[StepId.BUCKET]
    view.take(StepStarted(StepId.BUCKET))
    problem = Problem("x", "Not found.", fix="Correct connect.aws_profile or connect.aws_region.")
    view.take(CheckFinished(StepId.BUCKET, "a", "a check", CheckStatus.FAILED, problem=problem))
    view.is_running, view.status = False, StepStatus.FAILED
    screen = app_of(pilot).step_screen
    assert screen is not None
    screen.render_view()
    await until(pilot, lambda: bar(pilot).display)
    assert label(pilot, "remedy") == "Go to “AWS profile”"
    pilot.app.screen.query_one("#remedy", Button).press()
    await until(pilot, lambda: getattr(pilot.app.focused, "id", "") == "field-connect-aws-profile")


async def test_it_waits_and_tries_again(pilot: Running) -> None:
    await look(pilot)
    await fail(pilot, BUSY)
    assert label(pilot, "remedy") == "Wait 0 s and try again"
    before = len(session_of(pilot).looked)
    pilot.app.screen.query_one("#remedy", Button).press()
    await until(pilot, lambda: len(session_of(pilot).looked) > before)
    assert session_of(pilot).applied == [], "what was never planned is not applied"


async def test_the_raw_error_is_folded_and_can_be_copied(pilot: Running) -> None:
    await look(pilot)
    await fail(pilot, BUSY)
    assert "Slow" not in shown(pilot, "problem")
    pilot.app.screen.query_one("#raw", Button).press()
    await until(pilot, lambda: isinstance(pilot.app.screen, RawModal))
    raw = str(pilot.app.screen.query_one("#raw-text", Static).render())
    assert "[red]Slow" in raw
    assert "\x1b" not in raw
    await pilot.press("c")
    assert "Slow" in pilot.app.clipboard
    await pilot.press("escape")
    assert not isinstance(pilot.app.screen, RawModal)


async def test_another_way_to_renew_is_one_press_away(pilot: Running) -> None:
    """A warning stops nothing, and its button changes the answer only."""
    pilot.app.post_message(Opened("registry", session_of(pilot).document, StepId.CERTIFICATE))
    await until(pilot, lambda: step_of(pilot) is StepId.CERTIFICATE and pilot.app.screen.query("#remedy"))
    warning = Problem(
        "renewal-fails",
        "The web server will not be asked any more at the next renewal.",
        fix='Set certificate.renew_by to "dns-route53".',
        remedy=Remedy("set", "certificate", "renew_by", "dns-route53"),
    )
    plan = PlanMade(StepId.CERTIFICATE, (CHANGE,))
    pilot.app.post_message(Looked(StepId.CERTIFICATE, plan, None, (warning,)))
    await until(pilot, lambda: bar(pilot).display)
    assert label(pilot) == "Apply and verify"
    assert label(pilot, "remedy") == "Set Renew it by to dns-route53"
    pilot.app.screen.query_one("#remedy", Button).press()
    await until(pilot, lambda: session_of(pilot).document["certificate"]["renew_by"] == "dns-route53")
    shown_way = pilot.app.screen.query_one("#field-certificate-renew-by", Select)
    await until(pilot, lambda: shown_way.value == "dns-route53")
    assert session_of(pilot).applied == []


async def test_a_name_that_is_taken_has_a_button_to_its_field(pilot: Running) -> None:
    taken = Problem("bucket-taken", "The name is taken.", "", "Choose another bucket.name.")
    await look(pilot, blockers=(taken,))
    pilot.app.screen.query_one("#primary", Button).focus()
    assert label(pilot, "remedy") == "Another name"
    pilot.app.screen.query_one("#remedy", Button).press()
    await until(pilot, lambda: getattr(pilot.app.focused, "id", "") == "field-bucket-name")


async def test_what_the_registrys_key_may_not_do_is_put_right_in_its_step(pilot: Running) -> None:
    """The step sees that the policy is not as it should be, and shows the change before it is made."""
    app_of(pilot).open_step(StepId.PROOF)
    await until(pilot, lambda: step_of(pilot) is StepId.PROOF and pilot.app.screen.query("#remedy"))
    _, fix = _registry_errors._of_storage("s3aws: AccessDenied") or ("", "")
    await fail(pilot, Problem("registry-storage", "The registry refused to push.", "", fix))
    assert label(pilot, "remedy") == "Put the policy right"
    pilot.app.screen.query_one("#remedy", Button).press()
    await until(pilot, lambda: step_of(pilot) is StepId.USER)
    assert session_of(pilot).applied == []
