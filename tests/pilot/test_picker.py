"""Lists to pick from: long ones, slow ones, and those that cannot be read."""

import threading
from collections.abc import Iterator

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from screens.fields import FieldRow, ListButton
from screens.picker import PickerModal
from screens.picker_list import ChoiceList
from tests.pilot.waiting import field_of, until
from wizard.events import StepId
from wizard.practice.aws import moto_parts
from wizard.practice.world import World

Running = Pilot[int]
MANY = 10_000
PAGES = 20
Reply = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="module")
def many_buckets(world: World) -> Iterator[None]:
    s3 = moto_parts.backend("s3", world.aws.account_number, "")
    for number in range(MANY):
        s3.create_bucket(f"bucket-{number:05}", "eu-west-1")
    yield
    for number in range(MANY):
        s3.delete_bucket(f"bucket-{number:05}")


async def open_list(pilot: Running, step: StepId, key: str) -> PickerModal:
    field = await field_of(pilot, step, key)
    pilot.app.screen.set_focus(field)
    await pilot.press("f7")
    return await opened(pilot)


async def opened(pilot: Running) -> PickerModal:
    await until(pilot, lambda: isinstance(pilot.app.screen, PickerModal) and pilot.app.screen.is_mounted)
    assert isinstance(pilot.app.screen, PickerModal)
    return pilot.app.screen


def choices_of(pilot: Running) -> ChoiceList:
    return pilot.app.screen.query_one(ChoiceList)


def state(pilot: Running) -> str:
    return " ".join(str(pilot.app.screen.query_one("#picker-state", Static).render()).split())


def field_value(pilot: Running, name: str) -> str:
    return pilot.app.screen.query_one(f"#field-{name}", Input).value


@pytest.mark.usefixtures("many_buckets")
async def test_ten_thousand_buckets_are_opened_narrowed_and_picked(wizard: Running) -> None:
    modal = await open_list(wizard, StepId.BUCKET, "name")
    await until(wizard, lambda: not modal.is_loading)
    assert state(wizard) == f"{MANY:,} in all"
    await wizard.press(*"77 BUCKET-09")
    await until(wizard, lambda: state(wizard) == f"19 match, of {MANY:,} in all")
    await wizard.press("down", "enter")
    await until(wizard, lambda: wizard.app.screen is not modal)
    assert field_value(wizard, "bucket-name") == "bucket-09177"
    row = wizard.app.screen.query_one("#field-bucket-name").ancestors[1]
    assert isinstance(row, FieldRow)
    await until(wizard, lambda: row._session.document["bucket"]["name"] == "bucket-09177")
    await until(wizard, lambda: row.look and row.look.word == "yours")


@pytest.mark.usefixtures("many_buckets")
async def test_a_closed_list_is_not_loaded_on(wizard: Running, world: World) -> None:
    asked, opened = list[str](), threading.Event()

    def hold_the_second(_service: str, operation: str) -> Reply | None:
        if operation == "ListBuckets":
            asked.append(operation)
            if len(asked) > 1:
                opened.wait(60)
        return None

    world.aws.settings.fault = hold_the_second
    modal = await open_list(wizard, StepId.BUCKET, "name")
    await until(wizard, lambda: len(asked) == 2 and choices_of(wizard).total == MANY // PAGES)
    assert "so far, … loading" in state(wizard)
    await wizard.press("escape")
    await until(wizard, lambda: wizard.app.screen is not modal)
    opened.set()
    await until(wizard, lambda: not any(each.name == "picker" for each in threading.enumerate()))
    assert len(asked) == 2


async def test_a_list_that_may_not_be_read_says_so(wizard: Running, world: World) -> None:
    body = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
    world.aws.settings.fault = lambda _service, name: (403, {}, body) if name == "ListUsers" else None
    modal = await open_list(wizard, StepId.USER, "name")
    await until(wizard, lambda: not modal.is_loading)
    assert "iam:ListUsers" in state(wizard)


async def test_the_mouse_opens_and_picks(wizard: Running) -> None:
    row = (await field_of(wizard, StepId.CONNECT, "namespace")).ancestors[1]
    button = row.query_one(ListButton)
    wizard.app.screen.set_focus(wizard.app.screen.query_one("#primary"))
    await until(wizard, lambda: button.region)
    await wizard.pause()
    await wizard.click(button)
    modal = await opened(wizard)
    await until(wizard, lambda: choices_of(wizard).total > 1)
    await wizard.press(*"kube-system")
    await until(wizard, lambda: choices_of(wizard).matching == 1)
    await wizard.click(ChoiceList, offset=(3, 0))
    await until(wizard, lambda: wizard.app.screen is not modal)
    assert field_value(wizard, "connect-namespace") == "kube-system"


async def test_the_present_answer_is_the_chosen_one(wizard: Running) -> None:
    await open_list(wizard, StepId.CONNECT, "namespace")
    await until(wizard, lambda: choices_of(wizard).total)
    chosen = choices_of(wizard).chosen
    assert chosen
    assert chosen.value == "default"


async def test_the_hint_names_the_key_only_where_there_is_a_list(wizard: Running) -> None:
    def hints() -> str:
        return str(wizard.app.screen.query_one("#hints", Static).render())

    domain = await field_of(wizard, StepId.CERTIFICATE, "domain")
    wizard.app.screen.set_focus(domain)
    await until(wizard, lambda: "F7 List" in hints())
    wizard.app.screen.set_focus(wizard.app.screen.query_one("#field-certificate-email"))
    await until(wizard, lambda: "F7 List" not in hints())
