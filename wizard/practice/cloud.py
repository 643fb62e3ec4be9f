"""The cloud controller: a balancer in AWS, and a real one here, for each Service of type LoadBalancer."""

import logging
import threading
import time
from dataclasses import dataclass

from wizard.practice.balancer import Backend, Balancer
from wizard.practice.cloud_aws import Elastic, Keys
from wizard.practice.cloud_wish import FINALIZERS, Controller, Port, Wish, is_ours, wish_of
from wizard.practice.kubeclient import KubeClient, KubeEndpoint, KubeError, Obj, path_of
from wizard.practice.kubevents import EventRecorder
from wizard.practice.kubewatch import Reflector
from wizard.practice.network import Network
from wizard.practice.node.ports import PodPorts

CLUSTER = "practice"
RETRY_S = 5.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Ensured:
    """A balancer that stands: what it was made for, where it is."""

    wish: Wish
    host: str
    address: str
    balancers: dict[int, Balancer]


class CloudController:
    """`controller` says whose rules hold; an internal balancer's name and address lead nowhere from here."""

    def __init__(
        self,
        kube: KubeEndpoint,
        aws_url: str,
        aws_keys: Keys,
        network: Network,
        pod_ports: PodPorts,
        *,
        region: str,
        controller: Controller = "in-tree",
    ) -> None:
        self._controller, self._network, self._pod_ports = controller, network, pod_ports
        self._client = KubeClient(kube, user_agent="cloud-controller-manager/practice")
        self._events = EventRecorder(self._client, component="service-controller")
        self._elastic = Elastic(aws_url, aws_keys, region)
        self._lock = threading.Lock()
        self._services: dict[str, Obj] = {}
        self._slices: dict[str, Obj] = {}
        self._ensured: dict[str, Ensured] = {}
        self._retry_at: dict[str, float] = {}
        self._stopping = threading.Event()
        self._wake = threading.Event()
        slices = path_of("discovery.k8s.io/v1", "endpointslices")
        self._reflectors = [
            Reflector(self._client, path_of("v1", "services"), self._on_service),
            Reflector(self._client, slices, self._on_slice),
        ]
        self._thread = threading.Thread(target=self._run, name="cloud controller", daemon=True)
        pod_ports.subscribe(self._wake.set)

    def start(self) -> None:
        if self._thread.ident is None:
            self._events.start()
            for reflector in self._reflectors:
                reflector.start()
            self._thread.start()

    def stop(self) -> None:
        """Cuts all connections; what stands in AWS and in the cluster stays as it is."""
        if self._thread.ident is None or self._stopping.is_set():
            return
        self._stopping.set()
        self._wake.set()
        for reflector in self._reflectors:
            reflector.stop()
        self._events.stop()
        self._thread.join(2)
        with self._lock:
            ensured, self._ensured = list(self._ensured.values()), {}
        for one in ensured:
            self._withdraw(one)
        self._client.close()

    def balancers(self) -> dict[str, str]:
        """The host name of each balancer and where its first port really is, such as `127.0.0.1:40123`."""
        with self._lock:
            ensured = list(self._ensured.values())
        return {
            one.host: ":".join(map(str, balancer.address))
            for one in ensured
            for balancer in list(one.balancers.values())[:1]
        }

    def source_ranges(self, host: str) -> tuple[str, ...]:
        """The CIDRs that a balancer lets in; kept, not enforced: everybody here is 127.0.0.1."""
        with self._lock:
            return next((one.wish.source_ranges for one in self._ensured.values() if one.host == host), ())

    def _on_service(self, kind: str, service: Obj) -> None:
        uid = service["metadata"]["uid"]
        with self._lock:
            self._retry_at.pop(uid, None)
            if kind == "DELETED":
                self._services.pop(uid, None)
            else:
                self._services[uid] = {"apiVersion": "v1", "kind": "Service", **service}
        self._wake.set()

    def _on_slice(self, kind: str, piece: Obj) -> None:
        with self._lock:
            if kind == "DELETED":
                self._slices.pop(piece["metadata"]["uid"], None)
            else:
                self._slices[piece["metadata"]["uid"]] = piece
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                services, now = list(self._services.values()), time.monotonic()
                gone = [uid for uid in self._ensured if uid not in self._services]
                due = [s for s in services if self._retry_at.get(s["metadata"]["uid"], 0) <= now]
            for uid in gone:
                self._forget(uid)
            for service in due:
                if not self._stopping.is_set():
                    self._try(service)
            with self._lock:
                retries = [at - time.monotonic() for at in self._retry_at.values()]
            self._wake.wait(max(0.0, min(retries)) if retries else None)
            self._wake.clear()

    def _try(self, service: Obj) -> None:
        """Failures become Events and are tried again, as the real controllers do."""
        uid = service["metadata"]["uid"]
        with self._lock:
            self._retry_at.pop(uid, None)
        try:
            self._sync(service)
        except KubeError as error:
            # A conflict or an object that is gone: the watch is about to tell.
            self._again(uid, RETRY_S / 10)
            if error.code not in {404, 409}:
                log.warning("%s: %s", service["metadata"]["name"], error.message)
        except Exception as error:  # noqa: BLE001 - whatever AWS says belongs into the Event
            message = f"Error syncing load balancer: failed to ensure load balancer: {error}"
            self._events.emit(service, "Warning", "SyncLoadBalancerFailed", message)
            self._again(uid, RETRY_S)

    def _again(self, uid: str, delay_s: float) -> None:
        with self._lock:
            if uid in self._services:
                self._retry_at[uid] = time.monotonic() + delay_s

    def _sync(self, service: Obj) -> None:
        meta = service["metadata"]
        finalizer = FINALIZERS[self._controller]
        with self._lock:
            ensured = self._ensured.get(meta["uid"])
        if meta.get("deletionTimestamp") or not is_ours(service, self._controller):
            if ensured or finalizer in (meta.get("finalizers") or ()):
                self._tear_down(service, ensured)
            return
        wish = wish_of(service, self._controller, CLUSTER)
        if ensured is None or ensured.wish != wish:
            ensured = self._ensure(service, wish, ensured)
        self._lead(service, ensured)

    def _ensure(self, service: Obj, wish: Wish, before: Ensured | None) -> Ensured:
        meta, finalizer = service["metadata"], FINALIZERS[self._controller]
        if finalizer not in (meta.get("finalizers") or ()):
            service = self._set_finalizers(service, [*(meta.get("finalizers") or ()), finalizer])
        self._events.emit(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")
        if before and before.wish.identity != wish.identity:
            self._elastic.remove(before.wish)
            self._withdraw(before)
            before = None
        host = self._elastic.ensure(wish, self._instances())
        ensured = self._publish(wish, host, before)
        with self._lock:
            self._ensured[meta["uid"]] = ensured
        self._lead(service, ensured)
        self._tell(service, [{"hostname": ensured.host}])
        self._events.emit(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer")
        return ensured

    def _tear_down(self, service: Obj, ensured: Ensured | None) -> None:
        meta = service["metadata"]
        self._events.emit(service, "Normal", "DeletingLoadBalancer", "Deleting load balancer")
        self._elastic.remove(ensured.wish if ensured else wish_of(service, self._controller, CLUSTER))
        self._forget(meta["uid"])
        if not meta.get("deletionTimestamp"):
            self._tell(service, [])
        self._events.emit(service, "Normal", "DeletedLoadBalancer", "Deleted load balancer")
        kept = [entry for entry in meta.get("finalizers") or () if entry != FINALIZERS[self._controller]]
        self._set_finalizers(service, kept)

    def _publish(self, wish: Wish, host: str, before: Ensured | None) -> Ensured:
        """Keeps the address, and the balancers whose ports stay, and so their connections."""
        present = before.balancers if before else {}
        address = before.address if before else self._new_address(wish)
        self._network.withdraw(address)
        balancers: dict[int, Balancer] = {}
        for port in wish.ports:
            balancer = balancers[port.number] = present.get(port.number) or Balancer()
            balancer.idle_timeout_s = port.idle_timeout_s
            balancer.start()
            if wish.scheme == "internet-facing":
                self._network.publish(address, port.number, balancer.address)
        for number in present.keys() - balancers.keys():
            present[number].stop()
        self._network.name(host, [address])
        return Ensured(wish, host, address, balancers)

    def _new_address(self, wish: Wish) -> str:
        address = self._network.new_address()
        # An internal balancer's name resolves everywhere, to a private network's address: as on AWS.
        return address if wish.scheme == "internet-facing" else "10." + address.partition(".")[2]

    def _withdraw(self, ensured: Ensured) -> None:
        self._network.name(ensured.host, ())
        self._network.withdraw(ensured.address)
        for balancer in ensured.balancers.values():
            balancer.stop()

    def _forget(self, uid: str) -> None:
        with self._lock:
            ensured = self._ensured.pop(uid, None)
        if ensured:
            self._withdraw(ensured)

    def _lead(self, service: Obj, ensured: Ensured) -> None:
        """Brings the balancers up to the ready Pods."""
        meta = service["metadata"]
        with self._lock:
            pieces = [
                piece
                for piece in self._slices.values()
                if piece["metadata"].get("namespace") == meta["namespace"]
                and (piece["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == meta["name"]
            ]
        for port in ensured.wish.ports:
            ensured.balancers[port.number].set_backends(self._backends(pieces, port))

    def _backends(self, pieces: list[Obj], port: Port) -> list[Backend]:
        found: set[int] = set()
        for piece in pieces:
            numbers = [p["port"] for p in piece.get("ports") or () if (p.get("name") or "") == port.name]
            for endpoint in piece.get("endpoints") or ():
                is_ready = (endpoint.get("conditions") or {}).get("ready", True)
                uid = (endpoint.get("targetRef") or {}).get("uid", "")
                real = [self._pod_ports.lookup(uid, number) for number in numbers]
                found |= {number for number in real if number and is_ready}
        return [("127.0.0.1", number) for number in sorted(found)]

    def _instances(self) -> list[str]:
        nodes, _ = self._client.list(path_of("v1", "nodes"))
        return [str(node["spec"].get("providerID", "")).rpartition("/")[2] for node in nodes]

    def _tell(self, service: Obj, ingress: list[Obj]) -> None:
        meta = service["metadata"]
        path = path_of("v1", "services", meta["namespace"], meta["name"], "status")
        self._client.patch(path, {"status": {"loadBalancer": {"ingress": ingress or None}}})

    def _set_finalizers(self, service: Obj, finalizers: list[str]) -> Obj:
        meta = service["metadata"]
        news = {"resourceVersion": meta["resourceVersion"], "finalizers": finalizers or None}
        path = path_of("v1", "services", meta["namespace"], meta["name"])
        return self._client.patch(path, {"metadata": news})
