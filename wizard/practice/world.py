"""The practice world: every server wired to the others, in one process, on loopback only."""

import contextlib
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from wizard.practice.acme import AcmeServer
from wizard.practice.aws import AwsServer
from wizard.practice.cloud import CloudController
from wizard.practice.control import ControlServer
from wizard.practice.dns import DnsServer
from wizard.practice.kubeclient import KubeEndpoint
from wizard.practice.kubernetes import KubernetesServer
from wizard.practice.kubernetes.subresources import PodLogs
from wizard.practice.ledger import Ledger
from wizard.practice.network import Network
from wizard.practice.node import NodeAgent, PodPorts, Route
from wizard.practice.pki import Authority
from wizard.practice.proxy import ProxyServer
from wizard.practice.web import WebServer, port_out_of_the_way

REGION, ZONE = "eu-west-1", "eu-west-1a"
DOMAIN, HOSTED_ZONE = "registry.practice.test", "practice.test"
CONTEXT = PROFILE = "practice"
IDLE_LIMIT_S = 8 * 3600
LOOKED_AT_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """An API server with its controllers, and the tokens of those who have a part in the world."""

    url: str
    ca_pem: bytes
    user_token: str = field(repr=False)
    node_token: str = field(repr=False)
    cloud_token: str = field(repr=False)


class World:
    """`start` returns when everything answers; `wait` until it is told to stop or has been idle too long.

    Tests give an `outside` cluster, to have the rest of the world around a real one; it has no nodes, so the
    agent schedules too. What it holds and is asked is neither dumped nor counted.
    """

    def __init__(
        self, directory: Path, ended: threading.Event, *, outside: ClusterAccess | None = None
    ) -> None:
        self.identity = secrets.token_hex(6)
        self._directory = directory
        self._files = directory / f"world-{self.identity}"
        self._ended, self._outside = ended, outside
        self._started_at = time.time()
        self.ledger = Ledger()
        self.network = Network()
        self._token = secrets.token_urlsafe(24)
        self._running: list[Any] = []
        self._kubernetes: KubernetesServer | None = None

    def start(self) -> None:
        self._files.mkdir(mode=0o700)
        webroot = self._files / "webroot"
        webroot.mkdir()
        authority = Authority()
        self.aws = AwsServer(self.ledger, region=REGION)
        self._up(self.aws)
        seed = self.aws.seed(HOSTED_ZONE)
        self.dns = DnsServer(self.aws, self.network)
        self._up(self.dns)
        self._own_port = port_out_of_the_way()
        self.web = WebServer(webroot, self.network, passes_to=self._own_port)
        self.proxy = ProxyServer(self.dns.resolve, self.network, self.ledger)
        self.acme = AcmeServer(
            authority, self.dns.resolve, self.network, self.ledger, txt=self.dns.txt, caa=self.dns.caa
        )
        self.acme_staging = self._staging(authority)
        for server in (self.web, self.proxy, self.acme, self.acme_staging):
            self._up(server)
        self._start_cluster(authority, seed.instance_id)
        self.control = ControlServer(self._routes(), self._token)
        self._up(self.control)
        self._write_files(authority)
        self._announce()
        # The first question about instances or balancers costs moto a second: better now than then.
        threading.Thread(target=self.aws.warm_up, name="warm-up", daemon=True).start()

    def _staging(self, authority: Authority) -> AcmeServer:
        """As Let's Encrypt's: nobody trusts the root of what it issues."""
        return AcmeServer(
            Authority(),
            self.dns.resolve,
            self.network,
            self.ledger,
            txt=self.dns.txt,
            caa=self.dns.caa,
            name="acme-staging",
            served_by=authority,
        )

    def _start_cluster(self, authority: Authority, instance_id: str) -> None:
        ports = PodPorts()
        agents: list[NodeAgent] = []

        def logs(namespace: str, pod: str, container: str, previous: bool) -> Iterable[bytes] | None:
            return agents[0].logs(namespace, pod, container, previous) if agents else None

        cluster = self.cluster = self._outside or self._own_cluster(authority, logs)
        agent = NodeAgent(
            KubeEndpoint(cluster.url, cluster.ca_pem, cluster.node_token),
            self._files / "node",
            ports,
            provider_id=f"aws:///{ZONE}/{instance_id}",
            region=REGION,
            zone=ZONE,
            is_scheduler=self._outside is not None,
            route=Route(self.proxy.url, str(self._files / "root.pem")),
        )
        self.cloud = CloudController(
            KubeEndpoint(cluster.url, cluster.ca_pem, cluster.cloud_token),
            self.aws.url,
            self.aws.internal,
            self.network,
            ports,
            region=REGION,
        )
        agents.append(agent)
        self._up(agent)
        self._up(self.cloud)

    def _own_cluster(self, authority: Authority, logs: PodLogs) -> ClusterAccess:
        user, node, cloud = (secrets.token_urlsafe(24) for _ in range(3))
        self._kubernetes = KubernetesServer(
            self.ledger,
            ssl_context=authority.server_context(["127.0.0.1", "localhost"]),
            tokens={
                user: "practice-admin",
                node: "system:node:practice-1",
                cloud: "system:cloud-controller-manager",
            },
            pod_logs=logs,
        )
        self._up(self._kubernetes)
        return ClusterAccess(self._kubernetes.url, authority.root_pem, user, node, cloud)

    def wait(self) -> None:
        seen, since = self.ledger.total, time.monotonic()
        while not self._ended.wait(LOOKED_AT_EVERY_S):
            if self.ledger.total != seen:
                seen, since = self.ledger.total, time.monotonic()
            elif time.monotonic() - since > IDLE_LIMIT_S:
                return

    def stop(self) -> None:
        (self._directory / "world.json").unlink(missing_ok=True)
        for part in reversed(self._running):
            part.stop()
        self._running.clear()
        shutil.rmtree(self._files, ignore_errors=True)
        for name in ("world.log", "start.lock"):
            (self._directory / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._directory.rmdir()

    def environment(self) -> dict[str, str]:
        """What `world env` prints."""
        files = self._files
        return {
            "AWS_ENDPOINT_URL": self.aws.url,
            "AWS_ACCESS_KEY_ID": self.aws.admin.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.aws.admin.secret_access_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": str(files / "aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(files / "aws-credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "KUBECONFIG": str(files / "kubeconfig"),
            "KUBE_REGISTRY_ACME_DIRECTORY": self.acme.directory_url,
            "KUBE_REGISTRY_ACME_STAGING": self.acme_staging.directory_url,
            "KUBE_REGISTRY_CA_FILE": str(files / "root.pem"),
            "SSL_CERT_FILE": str(files / "root.pem"),
            "REQUESTS_CA_BUNDLE": str(files / "root.pem"),  # certbot looks at no other
            "KUBE_REGISTRY_NAMESERVER": f"127.0.0.1:{self.dns.port}",
            "HTTP_PROXY": self.proxy.url,
            "HTTPS_PROXY": self.proxy.url,
            "http_proxy": self.proxy.url,
            "https_proxy": self.proxy.url,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "KUBE_REGISTRY_HTTP_LISTEN": f"127.0.0.1:{self._own_port}",
            "KUBE_REGISTRY_WEBROOT": str(files / "webroot"),
            "KUBE_REGISTRY_DOMAIN": DOMAIN,
        }

    def status(self) -> dict[str, Any]:
        """Shape: running, identity, pid, since,
        servers {name: address}, balancers {host: socket} and requests, which is the ledger's snapshot.
        """
        return {
            "running": True,
            "identity": self.identity,
            "pid": os.getpid(),
            "since": self._started_at,
            "servers": {
                "aws": self.aws.url,
                "kubernetes": self.cluster.url,
                "acme": self.acme.directory_url,
                "acme-staging": self.acme_staging.directory_url,
                "dns": f"127.0.0.1:{self.dns.port}",
                "proxy": self.proxy.url,
                "webroot": str(self._files / "webroot"),
            },
            "balancers": self.cloud.balancers(),
            "requests": self.ledger.snapshot(),
        }

    def dump(self) -> dict[str, Any]:
        """The canonical inventory of both clouds, to compare before and after."""
        return {"aws": self.aws.dump(), "kubernetes": self._kubernetes.dump() if self._kubernetes else {}}

    def _routes(self) -> dict[tuple[str, str], Any]:
        return {
            ("GET", "/alive"): lambda _: {"identity": self.identity},
            ("GET", "/status"): lambda _: self.status(),
            ("GET", "/dump"): lambda _: self.dump(),
            ("GET", "/settings"): lambda _: self._settings(b"{}"),
            ("POST", "/settings"): self._settings,
            ("POST", "/stop"): lambda _: self._end(),
        }

    def _settings(self, body: bytes) -> dict[str, dict[str, Any]]:
        """What `tuning` can turn, changed as the body says."""
        from wizard.practice import tuning

        targets: dict[str, object] = {"aws": self.aws.settings, "acme": self.acme}
        if self._kubernetes:
            targets["kubernetes"] = self._kubernetes
        return tuning.change(targets, body)

    def _end(self) -> dict[str, Any]:
        self._ended.set()
        return {"stopping": True}

    def _up(self, part: Any) -> None:
        part.start()
        self._running.append(part)

    def _write_files(self, authority: Authority) -> None:
        self._write("root.pem", authority.root_pem.decode())
        keys = self.aws.admin
        pair = f"aws_access_key_id = {keys.access_key_id}\naws_secret_access_key = {keys.secret_access_key}\n"
        self._write("aws-credentials", "".join(f"[{name}]\n{pair}" for name in ("default", PROFILE)))
        self._write(
            "aws-config",
            "".join(
                f"[{name}]\nregion = {REGION}\nendpoint_url = {self.aws.url}\n"
                for name in ("default", f"profile {PROFILE}")
            ),
        )
        self._write("cluster.pem", self.cluster.ca_pem.decode())
        cluster = {"server": self.cluster.url, "certificate-authority": str(self._files / "cluster.pem")}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": CONTEXT, "cluster": cluster}],
            "users": [{"name": CONTEXT, "user": {"token": self.cluster.user_token}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
            "current-context": CONTEXT,
        }
        self._write("kubeconfig", yaml.safe_dump(config))

    def _write(self, name: str, text: str) -> None:
        handle = os.open(self._files / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)

    def _announce(self) -> None:
        """Last of all, and whole: whoever finds the file finds a world that answers."""
        info = {
            "identity": self.identity,
            "pid": os.getpid(),
            "control_url": self.control.url,
            "token": self._token,
            "environment": self.environment(),
        }
        fresh = self._directory / f".world.{self.identity}"
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(info, file)
        fresh.replace(self._directory / "world.json")
