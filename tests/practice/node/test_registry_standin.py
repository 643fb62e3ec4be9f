"""The stand-in beside the real registry: what a client sees of one it sees of the other."""

import hashlib
import http.client
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bcrypt
import pytest
import requests

ALICE = ("alice", "right")
TIMEOUT_S = 60
Start = Callable[..., Any]
WaitFor = Callable[[Callable[[], Any], str], Any]

needs_skopeo = pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not on PATH")


def skopeo(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["skopeo", *args], capture_output=True, text=True, check=False, timeout=120)


def ask(method: str, url: str, **more: Any) -> requests.Response:
    more.setdefault("auth", ALICE)
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=TIMEOUT_S, allow_redirects=False, **more)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def push_blob(url: str, name: str, content: bytes) -> str:
    location = ask("POST", f"{url}/v2/{name}/blobs/uploads/").headers["Location"]
    done = ask("PUT", f"{location}&digest={digest_of(content)}", data=content)
    assert done.status_code == 201, done.text
    return digest_of(content)


def push_image(url: str, name: str, tag: str) -> str:
    content = json.dumps({"architecture": "amd64", "name": tag}).encode()
    config = {"digest": push_blob(url, name, content), "size": len(content), "mediaType": "application/json"}
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []}
    done = ask(
        "PUT",
        f"{url}/v2/{name}/manifests/{tag}",
        data=json.dumps(manifest),
        headers={"Content-Type": media_type},
    )
    assert done.status_code == 201, done.text
    return done.headers["Docker-Content-Digest"]


def code_of(response: requests.Response) -> str:
    return str(response.json()["errors"][0]["code"])


@needs_skopeo
def test_skopeo_pushes_inspects_pulls_and_deletes(
    start_registry: Start, bucket: Any, image: Path, tmp_path: Path
) -> None:
    registry = start_registry()
    there = f"docker://127.0.0.1:{registry.port}/team/app:v1"
    user = ("--creds", "alice:right", "--tls-verify=false")
    pushed = skopeo(
        "copy", "--dest-creds", "alice:right", "--dest-tls-verify=false", f"oci:{image}:it", there
    )
    assert pushed.returncode == 0, pushed.stderr
    seen = json.loads(skopeo("inspect", *user, there).stdout)
    assert seen["RepoTags"] == ["v1"]
    out = tmp_path / "out"
    pulled = skopeo("copy", "--src-creds", "alice:right", "--src-tls-verify=false", there, f"oci:{out}:it")
    assert pulled.returncode == 0, pulled.stderr
    assert sorted(p.name for p in (out / "blobs/sha256").iterdir()) == sorted(
        p.name for p in (image / "blobs/sha256").iterdir()
    )
    root = "docker/registry/v2"
    blobs = sorted(
        f"{root}/blobs/sha256/{p.name[:2]}/{p.name}/data" for p in (image / "blobs/sha256").iterdir()
    )
    assert [key for key in bucket.names() if key.startswith(f"{root}/blobs")] == blobs
    shape = sorted(re.sub(r"[0-9a-f]{64}", "*", key) for key in bucket.names() if "/repositories/" in key)
    assert shape == [
        f"{root}/repositories/team/app/_layers/sha256/*/link",
        f"{root}/repositories/team/app/_layers/sha256/*/link",
        f"{root}/repositories/team/app/_manifests/revisions/sha256/*/link",
        f"{root}/repositories/team/app/_manifests/tags/v1/current/link",
        f"{root}/repositories/team/app/_manifests/tags/v1/index/sha256/*/link",
    ]
    assert skopeo("delete", *user, there).returncode == 0
    assert skopeo("inspect", *user, there).returncode != 0


@needs_skopeo
def test_a_wrong_password_pushes_nothing(start_registry: Start, bucket: Any, image: Path) -> None:
    registry = start_registry()
    there = f"docker://127.0.0.1:{registry.port}/team/app:v1"
    refused = skopeo(
        "copy", "--dest-creds", "alice:wrong", "--dest-tls-verify=false", f"oci:{image}:it", there
    )
    assert refused.returncode != 0
    assert "authentication required" in refused.stderr
    assert bucket.names() == []


def test_the_door_asks_for_a_password(start_registry: Start) -> None:
    registry = start_registry()
    closed = ask("GET", f"{registry.url}/v2/", auth=None)
    assert closed.status_code == 401
    assert closed.headers["Www-Authenticate"] == 'Basic realm="Practice"'
    assert code_of(closed) == "UNAUTHORIZED"
    opened = ask("GET", f"{registry.url}/v2/")
    assert (opened.status_code, opened.json()) == (200, {})
    assert opened.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert ask("GET", f"{registry.url}/", auth=None).status_code == 200


def test_a_new_user_gets_in_without_a_restart(
    start_registry: Start, settings: dict[str, str], wait_for: WaitFor
) -> None:
    registry = start_registry()
    assert ask("GET", f"{registry.url}/v2/").status_code == 200
    assert ask("GET", f"{registry.url}/v2/", auth=("bob", "new")).status_code == 401
    htpasswd = Path(settings["REGISTRY_AUTH_HTPASSWD_PATH"])
    line = b"bob:" + bcrypt.hashpw(b"new", bcrypt.gensalt(4)).replace(b"$2b$", b"$2y$", 1) + b"\n"
    fresh = htpasswd.with_suffix(".new")
    fresh.write_bytes(line)
    fresh.replace(htpasswd)
    wait_for(lambda: ask("GET", f"{registry.url}/v2/", auth=("bob", "new")).ok, "bob to get in")
    assert ask("GET", f"{registry.url}/v2/").status_code == 401


def test_an_upload_goes_on_at_another_replica(start_registry: Start) -> None:
    first, second = start_registry(), start_registry()
    content = bytes(range(256)) * 1024
    location = ask("POST", f"{first.url}/v2/team/app/blobs/uploads/").headers["Location"]
    sent = ask("PATCH", location, data=content[:1000])
    assert (sent.status_code, sent.headers["Range"]) == (202, "0-999")
    there = sent.headers["Location"].replace(str(first.port), str(second.port))
    sent = ask("PATCH", there, data=content[1000:])
    assert sent.headers["Range"] == f"0-{len(content) - 1}"
    digest = digest_of(content)
    done = ask("PUT", f"{sent.headers['Location']}&digest={digest}")
    assert done.status_code == 201, done.text
    assert ask("GET", f"{first.url}/v2/team/app/blobs/{digest}").content == content


def test_replicas_with_other_http_secrets_do_not_believe_each_other(start_registry: Start) -> None:
    first, second = start_registry(), start_registry(REGISTRY_HTTP_SECRET="another")
    location = ask("POST", f"{first.url}/v2/team/app/blobs/uploads/").headers["Location"]
    refused = ask("PATCH", location.replace(str(first.port), str(second.port)), data=b"x")
    assert (refused.status_code, code_of(refused)) == (404, "BLOB_UPLOAD_INVALID")


def test_a_piece_that_is_sent_twice_is_refused(start_registry: Start) -> None:
    registry = start_registry()
    location = ask("POST", f"{registry.url}/v2/team/app/blobs/uploads/").headers["Location"]
    assert ask("PATCH", location, data=b"piece").status_code == 202
    again = ask("PATCH", location, data=b"piece")
    assert (again.status_code, code_of(again)) == (404, "BLOB_UPLOAD_INVALID")


def test_a_large_upload_in_pieces_arrives_whole(start_registry: Start) -> None:
    registry = start_registry()
    content = bytes(range(256)) * (6 * 2**20 // 256)
    location = ask("POST", f"{registry.url}/v2/team/app/blobs/uploads/").headers["Location"]
    for piece in (content, content, content[:77]):
        location = ask("PATCH", location, data=iter([piece[:1000], piece[1000:]])).headers["Location"]
    whole = content + content + content[:77]
    done = ask("PUT", f"{location}&digest={digest_of(whole)}")
    assert done.status_code == 201, done.text
    found = ask("GET", f"{registry.url}/v2/team/app/blobs/{digest_of(whole)}")
    assert digest_of(found.content) == digest_of(whole)


def test_a_wrong_digest_is_refused_and_leaves_no_blob(start_registry: Start, bucket: Any) -> None:
    registry = start_registry()
    location = ask("POST", f"{registry.url}/v2/team/app/blobs/uploads/").headers["Location"]
    refused = ask("PUT", f"{location}&digest={digest_of(b'other')}", data=b"this")
    assert (refused.status_code, code_of(refused)) == (400, "DIGEST_INVALID")
    assert not [key for key in bucket.names() if "/blobs/" in key]


def test_an_upload_can_be_given_up(start_registry: Start) -> None:
    registry = start_registry()
    location = ask("POST", f"{registry.url}/v2/team/app/blobs/uploads/").headers["Location"]
    assert ask("DELETE", location).status_code == 204
    assert ask("PATCH", location, data=b"x").status_code == 404


def test_a_part_of_a_blob_can_be_read(start_registry: Start) -> None:
    registry = start_registry()
    blob = f"{registry.url}/v2/team/app/blobs/{push_blob(registry.url, 'team/app', b'0123456789')}"
    part = ask("GET", blob, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    assert part.headers["Content-Range"] == "bytes 2-4/10"
    assert ask("GET", blob, headers={"Range": "bytes=-3"}).content == b"789"
    head = ask("HEAD", blob)
    assert (head.status_code, head.headers["Content-Length"]) == (200, "10")


def test_a_blob_is_mounted_from_another_repository(start_registry: Start) -> None:
    registry = start_registry()
    digest = push_blob(registry.url, "team/app", b"shared")
    uploads = f"{registry.url}/v2/team/other/blobs/uploads/"
    mounted = ask("POST", f"{uploads}?mount={digest}&from=team/app")
    assert mounted.status_code == 201
    assert ask("GET", f"{registry.url}/v2/team/other/blobs/{digest}").content == b"shared"
    assert ask("POST", f"{uploads}?mount={digest_of(b'none')}&from=team/app").status_code == 202


def test_tags_catalog_and_what_is_not_there(start_registry: Start) -> None:
    registry = start_registry()
    for tag in ("v2", "v1"):
        push_image(registry.url, "team/app", tag)
    url = registry.url
    assert ask("GET", f"{url}/v2/team/app/tags/list").json() == {"name": "team/app", "tags": ["v1", "v2"]}
    assert ask("GET", f"{url}/v2/_catalog").json() == {"repositories": ["team/app"]}
    for path, code in (
        ("team/none/tags/list", "NAME_UNKNOWN"),
        ("team/app/manifests/none", "MANIFEST_UNKNOWN"),
        (f"team/app/blobs/{digest_of(b'none')}", "BLOB_UNKNOWN"),
    ):
        missing = ask("GET", f"{url}/v2/{path}")
        assert (missing.status_code, code_of(missing)) == (404, code)
    assert ask("GET", f"{url}/v2/team/app/referrers/{digest_of(b'none')}").status_code == 404


def test_a_manifest_whose_blobs_are_missing_is_refused(start_registry: Start) -> None:
    registry = start_registry()
    media_type = "application/vnd.oci.image.manifest.v1+json"
    config = {"digest": digest_of(b"none"), "size": 4, "mediaType": "application/json"}
    manifest = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []}
    url = f"{registry.url}/v2/team/app/manifests/v1"
    refused = ask("PUT", url, data=json.dumps(manifest), headers={"Content-Type": media_type})
    assert (refused.status_code, code_of(refused)) == (400, "MANIFEST_BLOB_UNKNOWN")
    refused = ask("PUT", url, data="not JSON", headers={"Content-Type": media_type})
    assert (refused.status_code, code_of(refused)) == (400, "MANIFEST_INVALID")


def test_blobs_and_manifests_can_be_deleted_where_that_is_enabled(start_registry: Start) -> None:
    registry, strict = start_registry(), start_registry(REGISTRY_STORAGE_DELETE_ENABLED="false")
    digest = push_image(registry.url, "team/app", "v1")
    blob = push_blob(registry.url, "team/app", b"short-lived")
    for path in (f"manifests/{digest}", f"blobs/{blob}"):
        refused = ask("DELETE", f"{strict.url}/v2/team/app/{path}")
        assert (refused.status_code, code_of(refused)) == (405, "UNSUPPORTED")
        assert ask("DELETE", f"{registry.url}/v2/team/app/{path}").status_code == 202
        assert ask("GET", f"{registry.url}/v2/team/app/{path}").status_code == 404


def test_pulls_are_redirected_to_s3_unless_that_is_disabled(start_registry: Start) -> None:
    registry = start_registry(REGISTRY_STORAGE_REDIRECT_DISABLE="false")
    digest = push_blob(registry.url, "team/app", b"in S3")
    sent_on = ask("GET", f"{registry.url}/v2/team/app/blobs/{digest}")
    assert sent_on.status_code == 307
    assert ask("GET", sent_on.headers["Location"], auth=None).content == b"in S3"


def test_everything_answers_503_while_the_storage_fails(
    start_registry: Start, bucket: Any, wait_for: WaitFor
) -> None:
    registry = start_registry(
        REGISTRY_HEALTH_STORAGEDRIVER_ENABLED="true",
        REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL="1s",
        REGISTRY_HEALTH_STORAGEDRIVER_THRESHOLD="1",
    )
    assert ask("GET", f"{registry.url}/", auth=None).status_code == 200
    bucket.remove()
    wait_for(lambda: ask("GET", f"{registry.url}/", auth=None).status_code == 503, "the failure to be seen")
    assert code_of(ask("GET", f"{registry.url}/v2/")) == "UNAVAILABLE"
    bucket.create()
    wait_for(lambda: ask("GET", f"{registry.url}/", auth=None).status_code == 200, "the recovery")


def test_the_settings_it_will_not_start_with(
    spawn: Callable[[Mapping[str, str]], Any], settings: dict[str, str], tmp_path: Path
) -> None:
    missing = str(tmp_path / "none.crt")
    wrong: list[tuple[dict[str, str], int, str]] = [
        ({"REGISTRY_STORAGE": "nope"}, 2, "panic: StorageDriver not registered: nope"),
        ({"REGISTRY_STORAGE_S3_BUCKET": ""}, 2, "panic: no bucket parameter provided"),
        ({"REGISTRY_STORAGE_S3_REGION": ""}, 2, "panic: no region parameter provided"),
        (
            {"REGISTRY_STORAGE_S3_REGION": "nowhere", "REGISTRY_STORAGE_S3_REGIONENDPOINT": ""},
            2,
            "panic: invalid region provided: nowhere",
        ),
        (
            {"REGISTRY_STORAGE_S3_CHUNKSIZE": "100"},
            2,
            "panic: the chunksize 100 parameter should be a number between 5242880 and 5368709120",
        ),
        (
            {"REGISTRY_AUTH_HTPASSWD_REALM": "123"},
            2,
            '(htpasswd): "realm" must be set for htpasswd access controller',
        ),
        (
            {"REGISTRY_AUTH": "nope"},
            2,
            "unable to configure authorization (nope): no access controller registered with name: nope",
        ),
        (
            {"REGISTRY_HTTP_TLS_CERTIFICATE": missing, "REGISTRY_HTTP_TLS_KEY": missing},
            1,
            f'msg="open {missing}: no such file or directory"',
        ),
    ]
    started = []
    for change, code, sentence in wrong:
        env = settings | change
        if "REGISTRY_STORAGE" in change or "REGISTRY_AUTH" in change:
            prefix = f"{next(iter(change))}_"
            env = {name: value for name, value in env.items() if not name.startswith(prefix)}
        started.append((spawn(env), code, sentence))
    for running, code, sentence in started:
        assert running.process.wait(TIMEOUT_S) == code, running.log()
        assert sentence in running.log()


def test_garbage_is_answered_and_the_next_client_is_served(start_registry: Start) -> None:
    registry = start_registry()
    for garbage in (b"\x16\x03\x01 not HTTP\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", registry.port), TIMEOUT_S) as client:
            client.sendall(garbage)
            assert client.recv(100)[:10] in {b"HTTP/1.1 4", b"HTTP/1.1 5"}
    for method, path in (
        ("GET", "/v2/UPPER/blobs/uploads/"),
        ("PATCH", "/v2/a/blobs/uploads/00000000-0000-0000-0000-000000000000?_state=%00"),
        ("PUT", "/v2/a/manifests/" + "x" * 200),
    ):
        assert 400 <= ask(method, registry.url + path, data=b"{}").status_code < 502
    assert ask("GET", f"{registry.url}/v2/").status_code == 200


def test_a_client_that_leaves_in_the_middle_can_come_back(start_registry: Start, wait_for: WaitFor) -> None:
    registry = start_registry()
    location = urlsplit(ask("POST", f"{registry.url}/v2/team/app/blobs/uploads/").headers["Location"])
    leaving = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=TIMEOUT_S)
    leaving.putrequest("PATCH", f"{location.path}?{location.query}")
    leaving.putheader("Content-Length", "1000")
    leaving.putheader("Authorization", requests.auth._basic_auth_str(*ALICE))
    leaving.endheaders(b"half of it")
    leaving.close()
    wait_for(lambda: ask("GET", f"{registry.url}/v2/").ok, "the registry to go on")
