"""Garbage at every practice server: an answer that is no fault of its own, no hang, the next is served."""

import base64
import json
import socket
import struct
import time
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import dns.message
import dns.query
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.asking import TIMEOUT_S, Door, status_of
from tests.fuzz.garbage import JSON_VALUES, TOKENS, laughs
from wizard.practice.aws.callers import AwsKeys
from wizard.practice.world import DOMAIN, World

HTTP = ("aws", "kubernetes", "acme", "web", "proxy", "control")
SCRAPS = st.one_of(st.lists(TOKENS, max_size=14).map(b"".join), st.binary(max_size=400))


def doors(world: World, ca_file: str) -> dict[str, Door]:
    def port(url: str) -> int:
        return int(urlsplit(url).port or 0)

    return {
        "aws": Door(port(world.aws.url)),
        "kubernetes": Door(port(world.cluster.url), ca_file),
        "acme": Door(port(world.acme.directory_url), ca_file),
        "web": Door(world.web.port),
        "proxy": Door(port(world.proxy.url)),
        "control": Door(port(world.control.url)),
    }


def assert_alive(world: World, ca_file: str) -> None:
    """Each server still does what it is there for."""
    assert "practice.test." in str(aws_call(world, "GET", "/2013-04-01/hostedzone", "route53", b"").text)
    with requests.Session() as session:
        session.trust_env = False
        bearer = {"Authorization": f"Bearer {world.cluster.user_token}"}
        asked = session.get(
            f"{world.cluster.url}/api/v1/namespaces/default",
            headers=bearer,
            verify=ca_file,
            timeout=TIMEOUT_S,
        )
        assert asked.status_code == 200
        assert session.get(world.acme.directory_url, verify=ca_file, timeout=TIMEOUT_S).ok
        page = session.get(f"http://{DOMAIN}/", proxies={"http": world.proxy.url}, timeout=TIMEOUT_S)
        assert "practice web server" in page.text
    question = dns.message.make_query(DOMAIN, "A")
    for ask in (dns.query.udp, dns.query.tcp):
        assert ask(question, "127.0.0.1", TIMEOUT_S, world.dns.port).answer


def aws_call(world: World, method: str, path: str, service: str, body: bytes, **headers: str) -> Any:
    """A request with a right signature."""
    from botocore.auth import S3SigV4Auth, SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    admin: AwsKeys = world.aws.admin
    credentials = Credentials(admin.access_key_id, admin.secret_access_key)
    asked = AWSRequest(method, world.aws.url + path, headers=headers, data=body)
    if service == "s3":
        S3SigV4Auth(credentials, service, world.aws.region).add_auth(asked)
    else:
        SigV4Auth(credentials, service, world.aws.region).add_auth(asked)
    with requests.Session() as session:
        session.trust_env = False
        return session.request(
            method,
            world.aws.url + path,
            headers=dict(asked.headers),
            data=body,
            timeout=TIMEOUT_S,
            allow_redirects=False,
        )


@pytest.mark.parametrize("name", HTTP)
def test_scraps_are_no_fault_of_a_server(world: World, ca_file: str, name: str) -> None:
    door = doors(world, ca_file)[name]

    @given(SCRAPS)
    def throw(raw: bytes) -> None:
        answer = door.throw(raw)
        assert status_of(answer) != 500, answer[:300]

    throw()
    assert_alive(world, ca_file)


@pytest.mark.parametrize("name", HTTP)
def test_heads_are_bounded(world: World, ca_file: str, name: str) -> None:
    """A request line, a header, and a number of headers that no one sends."""
    door = doors(world, ca_file)[name]
    for raw in (
        b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 300_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(20_000)) + b"\r\n",
    ):
        assert status_of(door.throw(raw)) in {0, 400, 401, 403, 413, 414, 431}
    assert_alive(world, ca_file)


@pytest.mark.parametrize("name", HTTP)
def test_silent_connections_keep_nobody_out(world: World, ca_file: str, name: str) -> None:
    """As many as a class of fifty might leave open, each in the middle of a request."""
    door = doors(world, ca_file)[name]
    silent = [socket.create_connection(("127.0.0.1", door.port), TIMEOUT_S) for _ in range(100)]
    try:
        for connection in silent:
            connection.sendall(b"GET / HT")
        assert_alive(world, ca_file)
    finally:
        for connection in silent:
            connection.close()


def test_dns_survives_garbage(world: World, ca_file: str) -> None:
    port = world.dns.port
    real = dns.message.make_query(DOMAIN, "A", use_edns=0).to_wire()
    mutated = st.lists(st.tuples(st.integers(0, len(real) - 1), st.integers(0, 255)), max_size=8)

    @given(st.one_of(st.binary(max_size=600), mutated.map(lambda spots: _changed(real, spots))))
    def throw(wire: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(wire, ("127.0.0.1", port))
        _is_answered_or_closed(port, struct.pack("!H", len(wire) & 0xFFFF) + wire)
        _is_answered_or_closed(port, wire)

    throw()
    assert_alive(world, ca_file)


def _changed(wire: bytes, spots: list[tuple[int, int]]) -> bytes:
    found = bytearray(wire)
    for place, value in spots:
        found[place] = value
    return bytes(found)


def _is_answered_or_closed(port: int, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as tcp:
        tcp.sendall(raw)
        tcp.shutdown(socket.SHUT_WR)
        began = time.monotonic()
        try:
            while tcp.recv(65536):
                pass
        except ConnectionError:
            return
        assert time.monotonic() - began < TIMEOUT_S


def test_acme_refuses_what_is_no_signed_request(world: World, ca_file: str) -> None:
    base = world.acme.directory_url.removesuffix("/directory")
    part = st.one_of(
        st.text(max_size=30),
        st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("=")),
        JSON_VALUES.map(
            lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
        ),
        HEADERS.map(lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")),
    )
    bodies = st.one_of(
        st.binary(max_size=200),
        JSON_VALUES.map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries({"protected": part, "payload": part, "signature": part}).map(
            lambda value: json.dumps(value).encode()
        ),
        st.integers(1, 20_000).map(lambda depth: b'{"protected":' + b"[" * depth),
    )
    paths = st.sampled_from(
        ["newAccount", "newOrder", "order/1", "keyChange", "revokeCert", "finalize/1", "x/%00/\xff"]
    )
    with requests.Session() as session:
        session.trust_env = False
        session.verify = ca_file
        known = list(session.get(f"{base}/directory", timeout=TIMEOUT_S).json().values())
        urls = st.one_of(
            st.sampled_from([url for url in known if isinstance(url, str)]),
            paths.map(lambda path: f"{base}/{quote(path)}"),
        )

        @given(urls, bodies)
        def throw(url: str, body: bytes) -> None:
            headers = {"Content-Type": "application/jose+json"}
            answer = session.post(url, data=body, headers=headers, timeout=TIMEOUT_S)
            assert 400 <= answer.status_code < 500, answer.text
            assert "urn:ietf:params:acme:error" in answer.text

        throw()
    assert_alive(world, ca_file)


HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["ES256", "RS256", "none", "HS256", "", 7]) | JSON_VALUES,
        "nonce": st.text(max_size=10) | JSON_VALUES,
        "url": st.text(max_size=10) | JSON_VALUES,
        "kid": st.text(max_size=10) | JSON_VALUES,
        "jwk": JSON_VALUES
        | st.fixed_dictionaries(
            {
                "kty": st.sampled_from(["EC", "RSA", "oct", "OKP", 1]),
                "crv": st.sampled_from(["P-256", "P-521", ""]),
            },
            optional={
                key: st.sampled_from(["", "AQAB", "AA", "!", "A" * 43]) | JSON_VALUES for key in "xyne"
            },
        ),
    },
)

MEDIA = (
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/apply-patch+yaml",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "",
    'a/b; c="',
)
KUBE_PATHS = (
    "/api/v1/namespaces/default/secrets",
    "/api/v1/namespaces/default/secrets/a",
    "/api/v1/namespaces/default/pods/a/log",
    "/apis/apps/v1/namespaces/default/deployments/a/scale",
    "/api/v1/namespaces/default/services/a/status",
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/coordination.k8s.io/v1/namespaces/default/leases",
    "/api/v1/namespaces/default/configmaps",
    "/api/v1/namespaces",
    "/openapi/v3",
    "/version",
    "/api",
    "/apis/%2F/..",
)
QUERIES = (
    "limit",
    "continue",
    "labelSelector",
    "fieldSelector",
    "watch",
    "resourceVersion",
    "timeoutSeconds",
    "dryRun",
    "fieldManager",
    "force",
    "fieldValidation",
    "propagationPolicy",
    "tailLines",
    "sinceSeconds",
    "pretty",
)


def test_kubernetes_answers_every_body_with_a_status(world: World, ca_file: str) -> None:
    bodies = st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=200).map(lambda raw: b"k8s\0" + raw),
        JSON_VALUES.map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries(
            {
                "kind": st.sampled_from(["Secret", "ConfigMap", "Lease"]),
                "metadata": JSON_VALUES,
                "data": JSON_VALUES,
                "spec": JSON_VALUES,
            }
        ).map(lambda value: json.dumps(value).encode()),
        st.integers(1, 50_000).map(lambda depth: b"[" * depth),
        st.integers(1, 5_000).map(lambda depth: b"{a: " * depth),
        st.just(laughs(5).encode()),
    )
    queries = st.dictionaries(
        st.sampled_from(QUERIES).filter(lambda name: name != "watch"),
        st.text(max_size=12) | st.just("-1"),
        max_size=3,
    )
    methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
    with requests.Session() as session:
        session.trust_env = False
        session.verify = ca_file
        session.headers["Authorization"] = f"Bearer {world.cluster.user_token}"

        @given(methods, st.sampled_from(KUBE_PATHS), queries, bodies, st.sampled_from(MEDIA))
        def throw(method: str, path: str, query: dict[str, str], body: bytes, media: str) -> None:
            if method == "DELETE" and path == "/api/v1/namespaces":
                return
            url = world.cluster.url + path
            try:
                answer = session.request(
                    method, url, params=query, data=body, headers={"Content-Type": media}, timeout=TIMEOUT_S
                )
            except UnicodeEncodeError:
                return  # requests itself cannot say it
            assert answer.status_code < 500, answer.text

        throw()
    assert_alive(world, ca_file)


AWS_TARGETS: tuple[tuple[str, str, str], ...] = (
    ("s3", "PUT", "/fuzzed"),
    ("s3", "PUT", "/fuzzed?tagging"),
    ("s3", "PUT", "/fuzzed?policy"),
    ("s3", "PUT", "/fuzzed?lifecycle"),
    ("s3", "PUT", "/fuzzed?encryption"),
    ("s3", "PUT", "/fuzzed?publicAccessBlock"),
    ("s3", "POST", "/fuzzed?delete"),
    ("s3", "POST", "/fuzzed/a?uploads"),
    ("s3", "POST", "/fuzzed/a?uploadId=x"),
    ("s3", "GET", "/fuzzed?list-type=2&max-keys=x"),
    ("s3", "PUT", "/fuzzed/a?partNumber=x&uploadId=y"),
    ("s3", "GET", "/fuzzed/a"),
    ("s3", "PUT", "/fuzzed?versioning"),
    ("s3", "PUT", "/fuzzed?ownershipControls"),
    ("iam", "POST", "/"),
    ("sts", "POST", "/"),
    ("ec2", "POST", "/"),
    ("elasticloadbalancing", "POST", "/"),
    ("route53", "POST", "/2013-04-01/hostedzone"),
    ("route53", "POST", "/2013-04-01/hostedzone/Z1/rrset"),
    ("route53", "GET", "/2013-04-01/change/x"),
)
ACTIONS = (
    "CreateUser",
    "CreatePolicy",
    "CreateAccessKey",
    "AttachUserPolicy",
    "SimulatePrincipalPolicy",
    "GetUser",
    "TagUser",
    "GetCallerIdentity",
    "AssumeRole",
    "DescribeInstances",
    "DescribeLoadBalancers",
    "Nothing",
)
PARAMETERS = (
    "UserName",
    "PolicyName",
    "PolicyDocument",
    "PolicyArn",
    "Tags.member.1.Key",
    "Tags.member.x",
    "ActionNames.member.1",
    "PolicySourceArn",
    "Path",
    "Version",
    "MaxItems",
    "Marker",
    "InstanceId.1",
)


def test_aws_refuses_garbage_in_its_own_words(world: World, ca_file: str) -> None:
    """With a right signature, for without one nothing gets behind the gate."""
    xml = st.sampled_from(
        [
            b"<",
            b"<a>",
            b"<Tagging><TagSet/></Tagging>",
            b"<Delete/>",
            b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            b"<LifecycleConfiguration><Rule/></LifecycleConfiguration>",
            b"<a/>" * 50,
            b"{}",
            b"[]",
            b"null",
            b'{"Version":1}',
            b"<CompleteMultipartUpload/>",
            b"<VersioningConfiguration/>",
            b"<ChangeResourceRecordSetsRequest/>",
        ]
    )
    form = st.fixed_dictionaries(
        {"Action": st.sampled_from(ACTIONS)},
        optional={
            name: st.text(max_size=15)
            | st.sampled_from(["{}", "[]", "null", '{"Statement":[1]}', "a" * 2000, "/"])
            for name in PARAMETERS
        },
    ).map(lambda fields: urlencode(fields, errors="replace").encode())
    bodies = st.one_of(st.binary(max_size=100), xml, form)
    assert aws_call(world, "PUT", "/fuzzed", "s3", b"").status_code < 500

    @given(st.sampled_from(AWS_TARGETS), bodies)
    def throw(target: tuple[str, str, str], body: bytes) -> None:
        service, method, path = target
        media = "application/xml" if service in {"s3", "route53"} else "application/x-www-form-urlencoded"
        answer = aws_call(world, method, path, service, body, **{"Content-Type": media})
        assert answer.status_code < 500, (target, body, answer.text)

    throw()
    assert_alive(world, ca_file)


PATHS = st.lists(
    st.sampled_from(
        [
            "..",
            ".",
            "%2e%2e",
            "%2f",
            "/",
            "//",
            "\\",
            "%5c",
            "%00",
            "etc",
            "passwd",
            ".well-known",
            "~",
            "%ff",
        ]
    ),
    max_size=8,
).map("/".join)


def test_nothing_outside_the_webroot_is_served(world: World, ca_file: str) -> None:
    door = doors(world, ca_file)["web"]

    @given(PATHS)
    def look(path: str) -> None:
        answer = door.throw(f"GET /{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        assert b"root:" not in answer
        assert b"PRIVATE KEY" not in answer
        assert status_of(answer) in {200, 400, 404}

    look()
