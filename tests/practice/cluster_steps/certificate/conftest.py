"""The world around the certificate step: CA, web server, DNS and proxy beside cluster and AWS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.practice.cluster_steps.certificate.support import DOMAIN, HostedZone, MakeRig, Rig, World
from wizard.endpoints import Endpoints
from wizard.practice.acme import AcmeServer
from wizard.practice.aws import AwsServer
from wizard.practice.dns import DnsServer
from wizard.practice.ledger import Ledger
from wizard.practice.network import Network
from wizard.practice.pki import Authority
from wizard.practice.proxy import ProxyServer
from wizard.practice.web import WebServer, port_out_of_the_way
from wizard.services.cluster import Cluster


@pytest.fixture(scope="module")
def name_server(aws: AwsServer, network: Network) -> Iterator[DnsServer]:
    aws.seed("practice.test")
    server = DnsServer(aws, network)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def network() -> Network:
    return Network()


@pytest.fixture
def world(
    authority: Authority,
    ledger: Ledger,
    network: Network,
    name_server: DnsServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    webroot = tmp_path / "webroot"
    own_port = port_out_of_the_way()
    web = WebServer(webroot, network, passes_to=own_port)
    proxy = ProxyServer(name_server.resolve, network, ledger)
    acme = AcmeServer(
        authority, name_server.resolve, network, ledger, txt=name_server.txt, caa=name_server.caa
    )
    acme.settings.validation_delay_s = 0.0
    for server in (web, proxy, acme):
        server.start()
    root = tmp_path / "roots.pem"
    root.write_bytes(authority.root_pem)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    endpoints = Endpoints(
        nameservers=(f"127.0.0.1:{name_server.port}",),
        proxy=proxy.url,
        ca_file=str(root),
        acme_directory=acme.directory_url,
        http_listen=f"127.0.0.1:{own_port}",
    )
    yield World(acme, web, webroot, endpoints, network)
    for server in (acme, proxy, web):
        server.stop()


@pytest.fixture
def zone(aws: AwsServer, name_server: DnsServer) -> Iterator[HostedZone]:
    """The zone practice.test, put back as it was after the test."""
    assert name_server.port
    found = HostedZone(aws, "practice.test")
    before = found.records()
    yield found
    found.put_back(before)


@pytest.fixture
def rig_for(make_rig: MakeRig, world: World, cluster: Cluster) -> MakeRig:
    """`rig_for(method=...)` is a setup with these answers; the namespace is emptied after the test."""
    assert cluster.namespace == "default"

    def make(*, journal: str = "journal.jsonl", consent: dict[str, Any] | None = None, **more: Any) -> Rig:
        wanted = {"domain": DOMAIN, "agree_tos": True, "webroot": str(world.webroot), **more}
        rig = make_rig(journal=journal, certificate=wanted, consent=consent or {})
        rig.services.endpoints = world.endpoints
        return rig

    return make
