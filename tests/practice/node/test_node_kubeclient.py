"""The small Kubernetes client and its reflector."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from wizard.practice.kubeclient import KubeClient, KubeEndpoint, KubeError, Obj, path_of
from wizard.practice.kubewatch import Reflector
from wizard.practice.node.ports import free_port

WaitFor = Callable[[Callable[[], Any], str], Any]
MAPS = path_of("v1", "configmaps", "default")


def one(name: str) -> str:
    return path_of("v1", "configmaps", "default", name)


def test_paths() -> None:
    assert path_of("v1", "nodes") == "/api/v1/nodes"
    assert path_of("apps/v1", "deployments", "n", "d", "scale") == (
        "/apis/apps/v1/namespaces/n/deployments/d/scale"
    )


def test_refusals_carry_the_status_object(cluster: Any) -> None:
    client: KubeClient = cluster.client
    assert client.find(one("none")) is None
    made = client.create(MAPS, {"metadata": {"name": "m"}, "data": {"k": "1"}})
    with pytest.raises(KubeError) as told:
        client.create(MAPS, {"metadata": {"name": "m"}})
    assert (told.value.code, told.value.reason) == (409, "AlreadyExists")
    client.patch(one("m"), {"data": {"k": "2"}})
    with pytest.raises(KubeError) as told:
        client.put(one("m"), made)
    assert (told.value.code, told.value.reason) == (409, "Conflict")
    client.delete(one("m"), uid="another")
    assert client.get(one("m"))["data"] == {"k": "2"}
    client.delete(one("m"))
    client.delete(one("m"))


def test_a_server_that_is_not_there_is_told_as_code_0() -> None:
    client = KubeClient(KubeEndpoint(f"http://127.0.0.1:{free_port()}"), user_agent="tests")
    with pytest.raises(KubeError) as told:
        client.get(MAPS)
    assert told.value.code == 0


def test_a_reflector_tells_what_comes_changes_and_goes(cluster: Any, wait_for: WaitFor) -> None:
    client: KubeClient = cluster.client
    told: list[tuple[str, str]] = []

    def hear(kind: str, obj: Obj) -> None:
        if obj["metadata"]["name"].startswith("mine"):
            told.append((kind, obj["metadata"]["name"]))

    client.create(MAPS, {"metadata": {"name": "mine-early"}})
    reflector = Reflector(client, MAPS, hear)
    reflector.start()
    try:
        wait_for(lambda: told == [("ADDED", "mine-early")], "the list")
        client.create(MAPS, {"metadata": {"name": "mine-late"}})
        wait_for(lambda: told[1:] == [("ADDED", "mine-late")], "the new one")
        client.patch(one("mine-late"), {"data": {"k": "v"}})
        client.delete(one("mine-late"))
        rest = [("MODIFIED", "mine-late"), ("DELETED", "mine-late")]
        wait_for(lambda: told[2:] == rest, "its change and its end")
    finally:
        begin = time.monotonic()
        reflector.stop()
    assert time.monotonic() - begin < 30, "it waits for no watch to end by itself"


def test_a_handler_that_fails_does_not_stop_the_others(cluster: Any, wait_for: WaitFor) -> None:
    told: list[str] = []

    def hear(_: str, obj: Obj) -> None:
        told.append(obj["metadata"]["name"])
        raise ValueError("a bug")

    reflector = Reflector(cluster.client, MAPS, hear)
    reflector.start()
    try:
        for name in ("a", "b"):
            cluster.client.create(MAPS, {"metadata": {"name": name}})
        wait_for(lambda: {"a", "b"} <= set(told), "both")
    finally:
        reflector.stop()
