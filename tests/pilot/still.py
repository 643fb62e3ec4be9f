"""Screens that stand still: a wizard without a world, its steps filled by events, its clock stopped."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input

from screens.app import WizardApp
from screens.fields import FieldRow
from screens.frame import StepScreen
from screens.messages import Opened
from screens.people import PeopleScreen
from screens.view import StepView
from tests.pilot.test_screens import StillSession
from tests.pilot.waiting import until
from wizard.errors import Problem
from wizard.events import (
    ChangeFinished,
    ChangeStarted,
    ChangeView,
    CheckFinished,
    CheckRow,
    ChecksPlanned,
    CheckStarted,
    CheckStatus,
    PlanMade,
    StepFinished,
    StepId,
    StepStarted,
    StepStatus,
    Verb,
    WaitStarted,
)

STATES = ("fresh", "invalid", "running", "failed", "done", "read-only")
NOW_S = 1000.0
ACCOUNT = "123456789012"
WRONG = Problem(
    "bad-answer", "This cannot be used.", "It has a character that is not allowed.", "Correct it."
)
REFUSED = Problem(
    "access-denied",
    "This key may not do that.",
    f"arn:aws:iam::{ACCOUNT}:user/admin has no policy that allows it.",
    "Add the action to its policy, then press F5.",
)
ANSWERS = {
    ("bucket", "name"): "acme-registry-images",
    ("certificate", "domain"): "registry.example.com",
    ("certificate", "email"): "ops@example.com",
    ("htpasswd", "users"): ["alice", "bob"],
}
CREATED: dict[StepId, tuple[ChangeView, ...]] = {
    StepId.CONNECT: (
        ChangeView(
            Verb.CREATE,
            "namespace",
            "registry",
            "Namespace registry in the cluster of production",
            command="kubectl create namespace registry",
        ),
    ),
    StepId.BUCKET: (
        ChangeView(
            Verb.CREATE,
            "bucket",
            "acme-registry-images",
            "Create the bucket acme-registry-images in eu-west-1",
            "about 0.023 USD per GB and month",
            "aws s3api create-bucket --bucket acme-registry-images",
        ),
        ChangeView(Verb.CHANGE, "lifecycle", "acme-registry-images", "Clear broken uploads after 7 days"),
    ),
    StepId.USER: (
        ChangeView(Verb.CREATE, "user", "registry-access", "Create the IAM user registry-access"),
        ChangeView(Verb.ADOPT, "policy", "registry-policy", "Take over the policy registry-policy"),
        ChangeView(Verb.CREATE, "secret", "registry-s3-credentials", "Secret registry-s3-credentials"),
    ),
    StepId.CERTIFICATE: (
        ChangeView(Verb.CREATE, "certificate", "registry.example.com", "Order registry.example.com"),
    ),
    StepId.HTPASSWD: (ChangeView(Verb.CREATE, "secret", "htpasswd-file", "Put alice, bob in the file"),),
    StepId.DEPLOY: (
        ChangeView(Verb.CREATE, "service", "kube-registry", "Service kube-registry", "0.025 USD an hour"),
        ChangeView(Verb.CREATE, "workload", "kube-registry", "Deployment kube-registry, 2 replicas"),
    ),
    StepId.DNS: (
        ChangeView(Verb.CHANGE, "record", "registry.example.com", "Alias registry.example.com to a balancer"),
    ),
    StepId.PROOF: (),
}
TITLES = ("the name leads to it", "it answers as it should", "nobody else can read it")


class PosedSession(StillSession):
    """A setup in which all is answered; at the end it has commands to give."""

    def __init__(self, app: WizardApp) -> None:
        super().__init__(app)
        for (table, key), value in ANSWERS.items():
            self.document[table][key] = value

    def snippets(self) -> tuple[str, ...]:
        return (
            "skopeo login registry.example.com --username alice",
            "skopeo copy docker://docker.io/library/alpine docker://registry.example.com/alpine",
        )


def stop_time(patch: pytest.MonkeyPatch) -> None:
    """No elapsed time moves on, no cursor blinks, and no setting of this machine is seen."""
    still = SimpleNamespace(monotonic=lambda: NOW_S)
    patch.setattr("screens.frame.time", still)
    patch.setattr("screens.view.time", still)
    patch.setattr(Input, "_toggle_cursor", lambda _self: None)
    for name in ("NO_COLOR", "KUBE_REGISTRY_THEME", "KUBE_REGISTRY_ASCII", "LC_CTYPE", "LANG"):
        patch.delenv(name, raising=False)
    patch.setenv("LC_ALL", "C.UTF-8")


@asynccontextmanager
async def posed(step: StepId, size: tuple[int, int]) -> AsyncIterator[Pilot[int]]:
    """The wizard at this step, those before it done."""
    app = WizardApp(Path, is_practice=False)
    app.session = PosedSession(app)
    async with app.run_test(size=size) as pilot:
        app.post_message(Opened("registry", app.session.document, step))
        await until(pilot, lambda: app.step_screen is not None and app.step_screen.query(Button))
        await pilot.pause()
        yield pilot


async def pose(pilot: Pilot[int], step: StepId, state: str) -> None:
    """The step's screen in one of STATES."""
    app = pilot.app
    assert isinstance(app, WizardApp)
    view = StepView()
    fill(view, step, state)
    app.views[step] = view
    screen = app.step_screen
    assert screen is not None
    mark_answers(screen, is_wrong=state == "invalid")
    screen.render_view()
    await pilot.pause()
    if state in {"failed", "done"}:
        screen.show_finished()
    await pilot.pause()


def fill(view: StepView, step: StepId, state: str) -> None:
    """As the engine's events would."""
    changes = CREATED[step]
    plan = PlanMade(step, changes)
    if state in {"fresh", "invalid"}:
        view.plan = plan
        return
    if state == "read-only":
        view.plan, view.status = PlanMade(step, ()), StepStatus.DONE
        return
    view.take(StepStarted(step))
    view.take(plan)
    for change in changes[:1]:
        view.take(ChangeStarted(step, change.summary))
    if state == "running":
        view.take(WaitStarted(step, "the change to be seen everywhere", 120.0))
        view.wait_began_s = NOW_S - 45.0
        return
    for change in changes:
        if change is not changes[0]:
            view.take(ChangeStarted(step, change.summary))
        view.take(ChangeFinished(step, change.summary, 0.4))
    view.take(ChecksPlanned(step, tuple(CheckRow(str(n), title) for n, title in enumerate(TITLES))))
    for number, title in enumerate(TITLES):
        is_bad = state == "failed" and number == 1
        status = CheckStatus.FAILED if is_bad else CheckStatus.PASSED
        view.take(CheckStarted(step, str(number), title))
        problem = REFUSED if is_bad else None
        view.take(CheckFinished(step, str(number), title, status, "", problem, 0.2))
    view.take(StepFinished(step, StepStatus.FAILED if state == "failed" else StepStatus.DONE))


def mark_answers(screen: StepScreen, *, is_wrong: bool) -> None:
    """The first answer of the form breaks a rule, or none does."""
    if isinstance(screen, PeopleScreen):
        screen._tell(WRONG if is_wrong else None)
        return
    row = screen.query(FieldRow).first()
    row.show_problem(WRONG if is_wrong else None)
