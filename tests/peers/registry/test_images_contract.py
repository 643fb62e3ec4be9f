"""Manifests, tags, the catalog and deletion: of the stand-in and of real registries."""

import json
from urllib.parse import urljoin

import pytest

from tests.peers.registry.conftest import Released, Start
from tests.peers.registry.running import DOCKER, INDEX, LIST, OCI, Running, digest_of, index_of, said

pytestmark = pytest.mark.peers
LONGEST_WALK = 100
NONE = digest_of(b"there is no such manifest")


def pages(registry: Running, path: str, key: str) -> list[str]:
    """All items, page by page, as a client walks them."""
    found: list[str] = []
    for _ in range(LONGEST_WALK):
        answer = registry("GET", path)
        assert answer.status_code == 200, answer.text
        found += answer.json()[key] or ()
        if "next" not in answer.links:
            return found
        path = urljoin(registry.url, answer.links["next"]["url"])
    pytest.fail(f"the pages of {path} do not end")


# Manifests


@pytest.mark.parametrize("media_type", [OCI, DOCKER])
def test_an_image_by_tag_and_by_digest(registry: Running, name: str, media_type: str) -> None:
    manifest = registry.image(name, "v1", media_type)
    digest = digest_of(manifest)
    for reference in ("v1", digest):
        answer = registry.get(name, reference, media_type)
        assert (answer.status_code, answer.content) == (200, manifest)
        assert answer.headers["Content-Type"] == media_type
        assert answer.headers["Docker-Content-Digest"] == digest
        assert answer.headers["Etag"] == f'"{digest}"'
        asked = registry.get(name, reference, media_type, method="HEAD")
        assert (asked.status_code, asked.headers["Content-Length"]) == (200, str(len(manifest)))
        assert (asked.headers["Docker-Content-Digest"], asked.headers["Content-Type"]) == (digest, media_type)


def test_a_manifest_is_stored_under_its_digest(registry: Running, name: str) -> None:
    manifest = registry.image(name, "v1")
    for reference in ("v1", "v2", digest_of(manifest)):
        answer = registry.put(name, reference, manifest, OCI)
        assert answer.status_code == 201
        assert answer.headers["Docker-Content-Digest"] == digest_of(manifest)
        assert answer.headers["Location"] == f"{registry.url}/v2/{name}/manifests/{digest_of(manifest)}"
    wrong = registry.put(name, NONE, manifest, OCI)
    assert said(wrong) == (400, "DIGEST_INVALID")


def test_a_tag_moves_on(registry: Running, name: str) -> None:
    first, second = registry.image(name, "v1"), registry.image(name, "v2")
    assert registry.put(name, "latest", first, OCI).status_code == 201
    assert registry.put(name, "latest", second, OCI).status_code == 201
    assert registry.get(name, "latest", OCI).content == second
    assert registry.get(name, digest_of(first), OCI).content == first


@pytest.mark.parametrize(("media_type", "part"), [(INDEX, OCI), (LIST, DOCKER)])
def test_an_index_of_images(registry: Running, name: str, media_type: str, part: str) -> None:
    index = index_of(media_type, part, registry.image(name, "amd64", part))
    assert registry.put(name, "all", index, media_type).status_code == 201
    answer = registry.get(name, "all", media_type, part)
    assert (answer.status_code, answer.content) == (200, index)
    assert answer.headers["Content-Type"] == media_type
    dangling = index_of(media_type, part, b"{}")
    assert said(registry.put(name, "bad", dangling, media_type)) == (400, "MANIFEST_BLOB_UNKNOWN")


def test_a_list_becomes_an_image_for_a_client_that_knows_no_lists(registry: Running, name: str) -> None:
    manifest = registry.image(name, "amd64", DOCKER)
    registry.put(name, "all", index_of(LIST, DOCKER, manifest), LIST)
    answer = registry.get(name, "all", DOCKER)
    assert (answer.status_code, answer.content) == (200, manifest)
    assert answer.headers["Docker-Content-Digest"] == digest_of(manifest)
    assert said(registry.get(name, "all", "text/html")) == (400, "MANIFEST_INVALID")


@pytest.mark.parametrize("accept", ["*/*", DOCKER, "text/html"])
def test_an_oci_image_is_only_for_clients_that_ask_for_one(registry: Running, name: str, accept: str) -> None:
    registry.image(name, "v1")
    assert said(registry.get(name, "v1", accept)) == (404, "MANIFEST_UNKNOWN")


def test_an_oci_index_for_clients_that_do_not_ask_for_one(
    registry: Running, name: str, released: Released
) -> None:
    registry.put(name, "all", index_of(INDEX, OCI, registry.image(name, "amd64")), INDEX)
    answer = registry.get(name, "all", "*/*")
    assert said(answer) == released((404, "MANIFEST_UNKNOWN"), (200, ""))


def test_a_manifest_whose_blobs_are_missing_is_refused(registry: Running, name: str) -> None:
    part = {"mediaType": f"{OCI}", "digest": NONE, "size": 1}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI, "config": part, "layers": []}).encode()
    assert said(registry.put(name, "v1", manifest, OCI)) == (400, "MANIFEST_BLOB_UNKNOWN")
    elsewhere = registry.image(f"{name}/other", "v1")
    assert said(registry.put(name, "v1", elsewhere, OCI)) == (400, "MANIFEST_BLOB_UNKNOWN")


def test_all_missing_blobs_are_told_at_once(registry: Running, name: str) -> None:
    refused = registry.put(name, "v1", registry.image(f"{name}/other", "v1"), OCI)
    assert {each["code"] for each in refused.json()["errors"]} == {"MANIFEST_BLOB_UNKNOWN"}
    assert len(refused.json()["errors"]) == 2


def test_missing_blobs_can_be_told_one_after_the_other(registry: Running, name: str) -> None:
    """A client pushes what it is told, or all: either way the image is there in the end."""
    manifest = json.loads(registry.image(f"{name}/other", "v1"))
    for part in (manifest["config"], *manifest["layers"]):
        refused = registry.put(name, "v1", json.dumps(manifest).encode(), OCI)
        assert part["digest"] in [each["detail"] for each in refused.json()["errors"]]
        mount = f"mount={part['digest']}&from={name}/other"
        assert registry("POST", f"/v2/{name}/blobs/uploads/?{mount}").status_code == 201
    assert registry.put(name, "v1", json.dumps(manifest).encode(), OCI).status_code == 201


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"not JSON", OCI),
        (b"", OCI),
        (b"[]", OCI),
        (b'{"schemaVersion": 2, "annotations": {"a": "' + b"x" * 4 * 2**20 + b'"}}', OCI),
        (b"{}", ""),
        (b"{}", "application/json"),
        (b'{"schemaVersion": 1}', "application/vnd.docker.distribution.manifest.v1+json"),
    ],
    ids=["text", "nothing", "a list", "too large", "of no type", "of another type", "of version 1"],
)
def test_what_is_no_manifest_is_refused(
    registry: Running, name: str, content: bytes, media_type: str
) -> None:
    assert said(registry.put(name, "v1", content, media_type)) == (400, "MANIFEST_INVALID")
    assert registry("GET", "/v2/").status_code == 200


def test_a_manifest_has_to_be_of_the_type_it_is_sent_as(registry: Running, name: str) -> None:
    manifest = registry.image(name, "v1")
    assert said(registry.put(name, "v2", manifest, DOCKER)) == (400, "MANIFEST_INVALID")
    assert registry.put(name, "v2", manifest, f"{OCI}; charset=utf-8").status_code == 201


def test_manifests_that_are_not_there(registry: Running, name: str) -> None:
    registry.image(name, "v1")
    for path in (f"{name}/manifests/none", f"{name}/manifests/{NONE}", f"{name}/other/manifests/v1"):
        assert said(registry("GET", f"/v2/{path}", headers={"Accept": OCI})) == (404, "MANIFEST_UNKNOWN")
        assert registry("HEAD", f"/v2/{path}", headers={"Accept": OCI}).status_code == 404
    for tag in (".hidden", "x" * 129):
        assert registry.get(name, tag, OCI).status_code == 404


def test_a_manifest_that_the_client_has_is_not_sent_again(registry: Running, name: str) -> None:
    digest = digest_of(registry.image(name, "v1"))
    headers = {"Accept": OCI, "If-None-Match": f'"{digest}"'}
    assert registry("GET", f"/v2/{name}/manifests/v1", headers=headers).status_code == 304


def test_methods_that_a_manifest_does_not_have(registry: Running, name: str) -> None:
    answer = registry("PATCH", f"/v2/{name}/manifests/v1")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "DELETE, GET, HEAD, PUT")


# Lists


def test_the_tags_of_a_repository(registry: Running, name: str) -> None:
    manifest = registry.image(name, "v3")
    for tag in ("v1", "v2", "latest"):
        registry.put(name, tag, manifest, OCI)
    answer = registry("GET", f"/v2/{name}/tags/list")
    assert answer.json() == {"name": name, "tags": ["latest", "v1", "v2", "v3"]}
    assert answer.headers["Content-Type"].startswith("application/json")
    assert pages(registry, f"/v2/{name}/tags/list?n=1", "tags") == ["latest", "v1", "v2", "v3"]
    assert pages(registry, f"/v2/{name}/tags/list?n=3", "tags") == ["latest", "v1", "v2", "v3"]


def test_the_tags_of_a_repository_that_is_not_there(registry: Running, name: str, released: Released) -> None:
    """3 tells an empty list."""
    answer = registry("GET", f"/v2/{name}/tags/list")
    assert said(answer) == released((404, "NAME_UNKNOWN"), (200, ""))


def test_the_catalog_page_by_page(registry: Running, name: str) -> None:
    names = {f"{name}/{part}" for part in ("a", "b", "b/c")}
    for each in names:
        registry.image(each, "v1")
    for query in ("", "?n=5"):
        found = pages(registry, f"/v2/_catalog{query}", "repositories")
        assert len(found) == len(set(found))
        assert names <= set(found)
    first = registry("GET", "/v2/_catalog?n=1")
    assert len(first.json()["repositories"]) == 1
    assert first.headers["Link"].endswith('>; rel="next"')


def test_pages_are_not_too_large(registry: Running, released: Released) -> None:
    assert said(registry("GET", "/v2/_catalog?n=1001")) == (400, "PAGINATION_NUMBER_INVALID")
    answer = registry("GET", "/v2/_catalog?n=nonsense")
    assert said(answer) == released((200, ""), (400, "PAGINATION_NUMBER_INVALID"))


# Deletion


def test_a_deleted_manifest_takes_its_tags_along(registry: Running, name: str) -> None:
    manifest, other = registry.image(name, "v1"), registry.image(name, "v2")
    digest = digest_of(manifest)
    registry.put(name, "latest", manifest, OCI)
    gone = registry("DELETE", f"/v2/{name}/manifests/{digest}")
    assert (gone.status_code, gone.content) == (202, b"")
    for reference in ("v1", "latest", digest):
        assert said(registry.get(name, reference, OCI)) == (404, "MANIFEST_UNKNOWN")
    assert said(registry("DELETE", f"/v2/{name}/manifests/{digest}")) == (404, "MANIFEST_UNKNOWN")
    assert registry.get(name, "v2", OCI).content == other
    assert registry("GET", f"/v2/{name}/tags/list").json()["tags"] == ["v2"]
    layer = json.loads(manifest)["layers"][0]["digest"]
    assert registry("HEAD", f"/v2/{name}/blobs/{layer}").status_code == 200, "blobs stay"
    assert registry.put(name, "v1", manifest, OCI).status_code == 201
    assert registry.get(name, "v1", OCI).content == manifest


def test_a_tag_alone_can_be_deleted_from_version_3_on(
    registry: Running, name: str, released: Released
) -> None:
    manifest = registry.image(name, "v1")
    answer = registry("DELETE", f"/v2/{name}/manifests/v1")
    assert said(answer) == released((400, "DIGEST_INVALID"), (202, ""))
    assert registry.get(name, digest_of(manifest), OCI).content == manifest


def test_where_deletion_is_off_nothing_can_be_deleted(launch: Start, name: str) -> None:
    strict = launch(REGISTRY_STORAGE_DELETE_ENABLED="false")
    manifest, blob = strict.image(name, "v1"), strict.push(name, b"stays")
    for path in (f"manifests/{digest_of(manifest)}", "manifests/v1", f"blobs/{blob}", f"blobs/{NONE}"):
        assert said(strict("DELETE", f"/v2/{name}/{path}")) == (405, "UNSUPPORTED")
    assert strict.get(name, "v1", OCI).content == manifest
    assert strict("GET", f"/v2/{name}/blobs/{blob}").content == b"stays"
