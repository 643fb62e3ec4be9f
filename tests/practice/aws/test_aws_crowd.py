"""What an account holds besides slows nothing down that is asked of one zone: counted, not timed."""

from collections.abc import Iterator

import pytest

from wizard.practice.aws import AwsServer
from wizard.practice.aws import zones as zones_module
from wizard.practice.dnslookup import Lookup
from wizard.practice.ledger import Ledger
from wizard.practice.network import Network

ACCOUNT = "777777777777"
CROWD = 300


@pytest.fixture
def aws() -> Iterator[AwsServer]:
    server = AwsServer(Ledger(), account=ACCOUNT)
    server.start()
    server.seed("practice.test")
    for number in range(CROWD):
        server.add_zone(f"zone-{number}.crowd.test")
    yield server
    server.stop()


def test_zones_are_read_again_only_where_records_have_changed(
    aws: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = aws.zone_book()
    read: list[str] = []
    original = zones_module.record_sets

    def counted(zone: object) -> object:
        read.append(zone.name)  # type: ignore[attr-defined]
        return original(zone)

    monkeypatch.setattr(zones_module, "record_sets", counted)
    for name in ("registry.practice.test.", "no.such.name.", "zone-7.crowd.test."):
        Lookup(aws.zone_book(), Network()).answer(name, "A")
    assert aws.zone_book() is before
    assert read == []
    aws.add_zone("one-more.test")
    assert aws.zone_book().public["one-more.test."]
    assert read == ["one-more.test."]


def test_the_nearest_parent_of_all_is_where_a_lookup_begins(aws: AwsServer) -> None:
    """As the world does: a zone below another one counts only where that delegates to it."""
    aws.add_zone("below.practice.test")
    found = Lookup(aws.zone_book(), Network()).zone_of("a.below.practice.test.")
    assert found is not None
    assert found.name == "practice.test."
    assert Lookup(aws.zone_book(), Network()).zone_of("crowd.test.") is None
