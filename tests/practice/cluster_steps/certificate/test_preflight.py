"""What DNS and web servers say before the CA is asked: told through the step, and no order is made."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.practice.cluster_steps.certificate.support import (
    DOMAIN,
    STEP,
    HostedZone,
    MakeRig,
    World,
    issue,
)
from wizard.endpoints import Endpoints
from wizard.errors import Problem, WizardError
from wizard.events import CheckFinished, CheckStatus
from wizard.practice.network import Network
from wizard.practice.web import Fault, WebServer
from wizard.services import web
from wizard.services.resolver import Resolver

IPV6 = "2001:db8::1"


def told(work: Callable[[], object]) -> Problem:
    with pytest.raises(WizardError) as caught:
        work()
    return caught.value.problem


class Late(Resolver):
    """One of two name servers of the zone does not know of the name yet."""

    def authoritative(
        self, zone: str, name: str, rdtype: str, *, name_servers: Sequence[str]
    ) -> dict[str, tuple[str, ...]]:
        found = super().authoritative(zone, name, rdtype, name_servers=name_servers)
        return {**found, "late.practice.test": ()}


def test_name_servers_that_do_not_agree_are_told(rig_for: MakeRig, world: World) -> None:
    rig = rig_for()
    rig.services._resolver = Late(world.endpoints)
    problem = rig.plan(STEP).blockers[0]
    assert problem.code == "address-not-everywhere"
    assert problem.what == (
        f"The name servers of {DOMAIN} do not agree: late.practice.test knows no address of it."
    )
    assert problem.fix.startswith("Wait until all of the zone's name servers know the record")


def test_a_name_that_no_name_server_answers_for_is_told(rig_for: MakeRig) -> None:
    problem = rig_for(domain="registry.nowhere.test").plan(STEP).blockers[0]
    assert problem.code == "zone-not-delegated"
    assert problem.what == "No name server of the world answers for registry.nowhere.test."
    assert problem.fix.startswith("At the domain's registrar, set the name servers of its DNS host.")


def test_a_hosted_zone_that_the_world_does_not_ask_is_told(rig_for: MakeRig) -> None:
    """A copy of the zone, made later: the name servers of the first are those at the registrar."""
    rig = rig_for(method="dns-route53")
    client = rig.services.dns_aws.client("route53")
    copy = client.create_hosted_zone(Name="practice.test", CallerReference="copy")["HostedZone"]["Id"]
    try:
        rig.answers.dns.hosted_zone_id = copy.rpartition("/")[2]
        problem = rig.plan(STEP).blockers[0]
    finally:
        client.delete_hosted_zone(Id=copy)
    assert problem.code == "zone-not-delegated"
    assert problem.what.startswith("The world does not ask the hosted zone practice.test")
    assert problem.why.startswith("It asks ns-")
    assert "set the name servers of practice.test to ns-" in problem.fix


class Led(HTTPAdapter):
    """Requests go to a port of this machine, as if it were port 80 of another one."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:  # type: ignore[override]
        address = urlsplit(request.url or "")
        request.headers.setdefault("Host", str(address.netloc))
        wanted, request.url = request.url, f"http://127.0.0.1:{self._port}{address.path}"
        answer = super().send(request, **more)
        answer.url = str(wanted)
        return answer


@pytest.fixture
def lead(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """`lead(port)`: no proxy is there; the name is the world's web server, its IPv6 address that port."""
    found, session = world.endpoints, web.session

    def made(endpoints: Endpoints, port: int, **more: Any) -> requests.Session:
        opened = session(endpoints, **more)
        opened.mount(f"http://{DOMAIN}/", Led(world.web.port))
        opened.mount(f"http://[{IPV6}]/", Led(port))
        return opened

    def lead(port: int) -> None:
        world.endpoints = Endpoints(
            nameservers=found.nameservers, ca_file=found.ca_file, acme_directory=found.acme_directory
        )
        monkeypatch.setattr(web, "session", lambda endpoints, **more: made(endpoints, port, **more))

    return lead


def check_of(rig: Any) -> CheckFinished:
    return next(
        each for each in rig.events if isinstance(each, CheckFinished) and each.check == "before-stale-aaaa"
    )


def test_an_aaaa_record_that_leads_to_another_server_is_told(
    rig_for: MakeRig, world: World, zone: HostedZone, lead: Callable[[int], None], tmp_path: Any
) -> None:
    """It answers 200 to everything, which says nothing: what it answers with is compared."""
    zone.put(DOMAIN, "AAAA", IPV6)
    other = WebServer(tmp_path / "other", Network())
    other.start()
    other.fail(Fault(200, b"welcome"))
    lead(other.port)
    try:
        problem = told(lambda: issue(rig_for()))
    finally:
        other.stop()
    assert problem.code == "stale-aaaa"
    assert problem.what == f"The AAAA record of {DOMAIN} leads to {IPV6}, which does not serve the file."
    assert problem.why.startswith("The server there answers with something else than the file.")
    assert world.ordered() == 0


def test_an_aaaa_record_that_leads_to_the_same_server_passes(
    rig_for: MakeRig, world: World, zone: HostedZone, lead: Callable[[int], None]
) -> None:
    zone.put(DOMAIN, "AAAA", IPV6)
    lead(world.web.port)
    rig = rig_for()
    issue(rig)
    assert (check_of(rig).status, check_of(rig).detail) == (CheckStatus.PASSED, IPV6)


def test_an_aaaa_record_behind_a_proxy_is_not_said_to_be_right(rig_for: MakeRig, zone: HostedZone) -> None:
    zone.put(DOMAIN, "AAAA", IPV6)
    rig = rig_for()
    issue(rig)
    assert check_of(rig).status is CheckStatus.SKIPPED
    assert "a proxy stands in between" in check_of(rig).detail
