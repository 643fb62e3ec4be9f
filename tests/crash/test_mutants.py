"""The matrix can fail: a program that writes things down in the wrong order does not converge."""

import pytest

from tests.crash.cells import Cell, Phase, Reference, try_apply
from tests.crash.script import Fault, Slot
from tests.crash.stand import Stand

pytestmark = pytest.mark.e2e
KEY_MADE = Cell(
    Phase.APPLY,
    Slot("iam", "CreateAccessKey registry-access", is_after_change=True),
    Fault.KILLED_AFTER,
)
SECRET_WRITTEN = Cell(
    Phase.APPLY,
    Slot(
        "kubernetes", "PUT /api/v1/namespaces/default/secrets/registry-s3-credentials", is_after_change=True
    ),
    Fault.KILLED_BEFORE,
)


@pytest.mark.parametrize(
    ("mutant", "cell"),
    [
        ("act_before_intent", KEY_MADE),
        ("no_flush", KEY_MADE),
        ("secret_after_report", SECRET_WRITTEN),
    ],
)
def test_a_wrong_order_of_writing_is_found(mutant: str, cell: Cell) -> None:
    with Stand(mutant) as stand:
        verdict = try_apply(stand, Reference.of(stand), cell)
    assert verdict.struck == 1
    assert [trouble for trouble in verdict.troubles if "another inventory" in trouble], verdict


def test_the_program_itself_converges_there() -> None:
    with Stand() as stand:
        reference = Reference.of(stand)
        for cell in (KEY_MADE, SECRET_WRITTEN):
            verdict = try_apply(stand, reference, cell)
            assert verdict.struck == 1
            assert verdict.troubles == ()
            assert stand.run(("undo", "--yes", "--json")).ran.code == 0
            stand.forget()
