"""Fields that are checked while they are typed, against the practice world."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from screens.fields import FieldRow
from screens.live import LookLine
from tests.pilot.waiting import field_of, until
from wizard.events import StepId
from wizard.looks import Verdict
from wizard.practice.aws.server import TAKEN_BUCKET
from wizard.practice.world import DOMAIN, World

Running = Pilot[int]
Reply = tuple[int, dict[str, str], bytes]
DENIED: Reply = (
    403,
    {},
    b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>",
)


@dataclass
class Gate:
    """Holds the calls of one operation while it is closed; counts all."""

    operation: str
    is_closed: bool = False
    held: int = 0
    asked: int = 0
    opened: threading.Event = field(default_factory=threading.Event)

    def __call__(self, _service: str, operation: str) -> Reply | None:
        if operation == self.operation:
            self.asked += 1
            if self.is_closed:
                self.held += 1
                self.opened.wait(60)
        return None


@pytest.fixture
def gate(world: World) -> Iterator[Callable[[str], Gate]]:
    made: list[Gate] = []

    def make(operation: str) -> Gate:
        made.append(Gate(operation))
        world.aws.settings.fault = made[0]
        return made[0]

    yield make
    for each in made:
        each.opened.set()
    world.aws.settings.fault = None


async def go_to(pilot: Running, step: StepId, key: str) -> FieldRow:
    """The field of that step has the focus."""
    control = await field_of(pilot, step, key)
    pilot.app.screen.set_focus(control)
    row = control.ancestors[1]
    assert isinstance(row, FieldRow)
    return row


async def type_over(pilot: Running, row: FieldRow, text: str) -> None:
    control = row.query_one(Input)
    control.clear()
    await pilot.press(*text)
    await until(pilot, lambda: control.value == text)


def told(row: FieldRow) -> str:
    line = row.query_one(LookLine)
    return " ".join(str(line.render()).split()) if line.has_class("-told") else ""


def looked_at(row: FieldRow) -> bool:
    return row.look is not None


async def test_a_bucket_name_is_looked_at_while_it_is_typed(wizard: Running) -> None:
    row = await go_to(wizard, StepId.BUCKET, "name")
    await type_over(wizard, row, "live-free-name")
    await until(wizard, lambda: told(row) == "✓ free It will be made in eu-west-1.")
    await type_over(wizard, row, TAKEN_BUCKET)
    await until(wizard, lambda: "✗ taken Somebody else has a bucket of this name." in told(row))
    assert "→ Type another name." in told(row)


async def test_what_stood_there_goes_with_the_next_key(wizard: Running, gate: Callable[[str], Gate]) -> None:
    heads = gate("HeadBucket")
    row = await go_to(wizard, StepId.BUCKET, "name")
    await type_over(wizard, row, "live-free-name")
    await until(wizard, lambda: row.look)
    heads.is_closed = True
    await wizard.press("x")
    assert row.look is None
    assert told(row) == "… looking"


async def test_a_broken_rule_is_told_at_once_and_asks_nobody(
    wizard: Running, gate: Callable[[str], Gate]
) -> None:
    heads = gate("HeadBucket")
    row = await go_to(wizard, StepId.BUCKET, "name")
    await type_over(wizard, row, "Upper")
    assert row.has_class("-invalid")
    await until(wizard, lambda: row._pause is not None and not row._is_asking)
    assert heads.asked == 0


async def test_an_older_answer_never_overwrites_a_newer_one(
    wizard: Running, gate: Callable[[str], Gate]
) -> None:
    heads = gate("HeadBucket")
    heads.is_closed = True
    row = await go_to(wizard, StepId.BUCKET, "name")
    control = row.query_one(Input)
    control.value = TAKEN_BUCKET  # at once: slow typing would have its parts looked at too
    await until(wizard, lambda: heads.held)
    heads.is_closed = False
    control.value = "the-newer-name"
    await until(wizard, lambda: row.look and row.look.word == "free")
    heads.opened.set()
    await until(wizard, lambda: not any(each.name == "look" for each in threading.enumerate()))
    assert row.look
    assert row.look.word == "free"


async def test_focus_back_and_forth_asks_once(wizard: Running, gate: Callable[[str], Gate]) -> None:
    users = gate("GetUser")
    row = await go_to(wizard, StepId.USER, "name")
    for _ in range(3):
        await until(wizard, lambda: row.look)
        wizard.app.screen.set_focus(wizard.app.screen.query_one("#primary"))
        await until(wizard, lambda: row.look is None)
        wizard.app.screen.set_focus(row.control)
    assert users.asked == 1


async def test_a_look_that_is_not_allowed_is_no_fault(wizard: Running, world: World) -> None:
    row = await go_to(wizard, StepId.USER, "name")
    world.aws.settings.fault = lambda _service, operation: DENIED if operation == "GetUser" else None
    await type_over(wizard, row, "someone")
    await until(wizard, lambda: row.look)
    assert row.look
    assert row.look.verdict is Verdict.UNKNOWN
    assert "You may not look at this (iam:GetUser)" in told(row)


async def test_the_domain_is_suggested_from_the_hosted_zones(wizard: Running) -> None:
    row = await go_to(wizard, StepId.CERTIFICATE, "domain")
    await until(wizard, lambda: row.query_one(Input).value == DOMAIN)
    await until(wizard, lambda: row._session.document["certificate"]["domain"] == DOMAIN)
    await until(wizard, lambda: "hosted zone practice.test is yours and delegated" in told(row))


async def test_what_was_typed_is_not_overwritten(wizard: Running, gate: Callable[[str], Gate]) -> None:
    zones = gate("ListHostedZones")
    zones.is_closed = True
    row = await go_to(wizard, StepId.CERTIFICATE, "domain")
    await until(wizard, lambda: zones.held)
    await type_over(wizard, row, "my.example.org")
    zones.opened.set()
    await until(wizard, lambda: not any(each.name == "default" for each in threading.enumerate()))
    await wizard.pause()
    assert row.query_one(Input).value == "my.example.org"


async def test_another_answer_of_the_form_has_the_field_looked_at_again(wizard: Running) -> None:
    row = await go_to(wizard, StepId.CONNECT, "namespace")
    await type_over(wizard, row, "brand-new")
    await until(wizard, lambda: "✗ absent There is no namespace brand-new." in told(row))
    wizard.app.screen.set_focus(wizard.app.screen.query_one("#field-connect-create-namespace"))
    await wizard.press("space")
    await until(wizard, lambda: row._session.document["connect"]["create_namespace"])
    await until(wizard, lambda: told(row) == "")


async def test_nothing_is_changed_by_a_look(wizard: Running, world: World) -> None:
    before = world.ledger.snapshot()["mutating_total"]
    for step, key in ((StepId.CONNECT, "aws_profile"), (StepId.USER, "policy"), (StepId.USER, "secret_name")):
        row = await go_to(wizard, step, key)
        await until(wizard, partial(looked_at, row))
    assert world.ledger.snapshot()["mutating_total"] == before
