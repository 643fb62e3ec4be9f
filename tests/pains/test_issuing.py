"""Pains on the way to a certificate: provoked in the practice world, told by sentence and fix."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.pains.support import only, told
from tests.practice.cluster_steps.certificate.conftest import name_server, network, rig_for, world, zone
from tests.practice.cluster_steps.certificate.support import DOMAIN, STEP, World, files, issue
from tests.practice.cluster_steps.certificate.test_importing import _trust, _with_issuer_address
from tests.practice.cluster_steps.conftest import (
    authority,
    aws,
    cluster,
    denied,
    forbidden,
    kubeconfig,
    kubernetes,
    ledger,
    make_rig,
)
from tests.unit.test_certificate_preflight import IPV6, REFUSED, Names, session
from wizard.endpoints import Endpoints
from wizard.errors import Problem
from wizard.practice.network import Network
from wizard.practice.web import Fault, WebServer
from wizard.services import web
from wizard.steps._acme_preflight import look_for, stale_ipv6

__all__ = [
    "authority",
    "aws",
    "cluster",
    "denied",
    "forbidden",
    "kubeconfig",
    "kubernetes",
    "ledger",
    "make_rig",
    "name_server",
    "network",
    "rig_for",
    "world",
    "zone",
]
MakeRig = Callable[..., Any]
OVERRIDE = ' If you know better, add "{}" to [certificate] overridden.'


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[WebServer]:
    """Reached without a proxy, as most web servers are."""
    server = WebServer(tmp_path / "served", Network())
    server.start()
    yield server
    server.stop()


def fetched(host: str, *, patience: float = 1.0) -> Problem:
    endpoints = Endpoints(patience=patience)
    with web.session(endpoints) as client:
        problem = look_for(client, endpoints, host, "token", "content")
    assert problem is not None
    return problem


def test_14_the_intermediate_is_missing(rig_for: MakeRig, tmp_path: Path) -> None:
    leaf, _, root, key_pem = _with_issuer_address(f"http://{DOMAIN}/absent.der")
    _trust(tmp_path, root)
    problem = only(rig_for(**files(tmp_path, leaf.public_bytes(Encoding.PEM), key_pem)).plan(STEP).blockers)
    assert problem.what == f"Clients would refuse the certificate in {tmp_path}/cert.pem."
    assert "absent.der" in problem.why
    assert problem.fix.startswith("Put the intermediate certificates after it")


# 18: http-01 fails, each way its own sentence


def test_18_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
    problem = fetched(host)
    assert problem.what == f"http://{host}/ cannot be reached."
    assert problem.why == "Its address refuses connections on port 80: no web server listens there."
    assert problem.fix.startswith("Start the web server, and open port 80 for everybody.")
    assert "hairpin NAT" in problem.fix


def test_18_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        problem = fetched(host, patience=0.02)
    assert problem.what == f"http://{host}/ cannot be reached."
    assert problem.fix


def test_18_wrong_content(rig_for: MakeRig, world: World) -> None:
    world.web.fail_content(b"<html>welcome</html>")
    problem = told(lambda: issue(rig_for()))
    assert problem.what == f"The web server of {DOMAIN} answers with something else than the file."
    fix = "Set [certificate] webroot to the directory that this name is served from."
    assert problem.fix == fix + OVERRIDE.format("probe")


def test_18_another_webroot(rig_for: MakeRig, world: World) -> None:
    world.web.fail(Fault(404))
    problem = told(lambda: issue(rig_for()))
    assert problem.what == f"The web server of {DOMAIN} answers 404 for a file in the webroot."
    assert problem.fix.startswith("Set [certificate] webroot to the directory")


def test_18_redirect(rig_for: MakeRig, world: World) -> None:
    world.web.fail_redirect("http://www.practice.test:8080{path}")
    problem = told(lambda: issue(rig_for()))
    assert DOMAIN in problem.what
    assert problem.fix


def test_18_redirect_to_another_port(web_server: WebServer) -> None:
    host = f"127.0.0.1:{web_server.port}"
    web_server.fail_redirect(f"http://{host}/elsewhere")
    problem = fetched(host)
    assert problem.what == f"http://{host}/ leads elsewhere: to http://{host}/elsewhere"
    assert problem.why == "The CA follows redirects to the ports 80 and 443 only."
    assert problem.fix == f"Let the web server answer http://{host}/.well-known/acme-challenge/ itself."


def test_18_stale_ipv6() -> None:
    """On loopback no port 80 of another machine can be staged: the line to it is canned."""
    domain = "registry.example.com"
    names = Names(Endpoints())
    problem = stale_ipv6(session({IPV6: REFUSED}), Endpoints(), names, domain, "token", "content").problem
    assert problem is not None
    assert problem.what == f"The AAAA record of {domain} leads to 2001:db8::1, which does not serve the file."
    assert problem.fix == f"Correct or remove the AAAA record of {domain}."


def test_18_behind_a_proxy(rig_for: MakeRig, world: World) -> None:
    world.web.refuse()
    problem = told(lambda: issue(rig_for()))
    assert problem.what == f"http://{DOMAIN}/ cannot be reached through the proxy."
    assert problem.fix.startswith(f"Check that {DOMAIN} leads to a web server that runs")


def test_8_1_the_web_server_is_another_machine(rig_for: MakeRig) -> None:
    problem = only(rig_for(webroot="/nowhere/here").plan(STEP).blockers)
    assert problem.what == "The webroot /nowhere/here is not a directory of this machine."
    assert problem.fix == (
        'Run the wizard there, or set webroot = "manual" to be shown the file to put there.'
    )
