"""A Kubernetes API server and its controllers as the Kubernetes project makes them, on loopback.

No node belongs to it: what a kubelet would do, tests or the practice node agent do.
"""

import contextlib
import ipaddress
import json
import os
import ssl
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from wizard.practice.node.ports import free_port

READY_S = 120.0
END_S = 30.0
CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "replicationcontroller-controller",
    "serviceaccount-controller",
    "namespace-controller",
    "garbage-collector-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "resourcequota-controller",
)
ADMIN, NODE, NOBODY, OPERATOR = "admin", "system:node:n1", "bob", "olga"


@dataclass(frozen=True, slots=True)
class RealCluster:
    """`token` and `node_token` may do everything, `powerless_token` is bob's, who may do nothing.

    `operator_token` is olga's, who may do what a test binds her to.
    """

    url: str
    ca_file: Path
    token: str = "the-administrators-token"
    node_token: str = "the-nodes-token"
    powerless_token: str = "bobs-token"
    operator_token: str = "olgas-token"


class RealKubernetes:
    """Needs `kube-apiserver` and `kube-controller-manager` in `binaries`, and etcd on PATH."""

    def __init__(self, binaries: Path, directory: Path) -> None:
        self._binaries, self._directory = binaries, directory
        self._processes: list[subprocess.Popen[bytes]] = []
        self._etcd, self._peers, self._port = _free_ports(3)
        self.cluster = RealCluster(f"https://127.0.0.1:{self._port}", directory / "ca.pem")

    def start(self) -> None:
        """Returns when the API server is ready; raises RuntimeError with its last words if it never is."""
        _write_certificates(self._directory)
        self._write_access()
        self._run("etcd", *self._etcd_flags())
        self._run(str(self._binaries / "kube-apiserver"), *self._server_flags())
        self._await("/readyz")
        self._run(str(self._binaries / "kube-controller-manager"), *self._manager_flags())
        # Without it no Pod is admitted to the namespace.
        self._await("/api/v1/namespaces/default/serviceaccounts/default")

    def stop(self) -> None:
        """Nothing is kept, so nobody is asked to tidy up."""
        for process in reversed(self._processes):
            process.kill()
        for process in self._processes:
            process.wait(END_S)
        self._processes.clear()

    def _write_access(self) -> None:
        made = self.cluster
        tokens = f'{made.token},{ADMIN},1,"system:masters"\n{made.node_token},{NODE},2,"system:masters"\n'
        tokens += f"{made.powerless_token},{NOBODY},3\n{made.operator_token},{OPERATOR},4\n"
        (self._directory / "tokens.csv").write_text(tokens)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "c", "cluster": {"server": made.url, "certificate-authority": str(made.ca_file)}}
            ],
            "users": [{"name": "u", "user": {"token": made.token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        (self._directory / "kubeconfig").write_text(json.dumps(config))

    def _etcd_flags(self) -> list[str]:
        clients = f"http://127.0.0.1:{self._etcd}"
        return [
            f"--data-dir={self._directory / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls=http://127.0.0.1:{self._peers}",
            "--unsafe-no-fsync",
        ]

    def _server_flags(self) -> list[str]:
        at = self._directory
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            "--endpoint-reconciler-type=none",
            f"--cert-dir={at}",
            f"--tls-cert-file={at / 'server.pem'}",
            f"--tls-private-key-file={at / 'server.key'}",
            f"--service-account-key-file={at / 'accounts.key'}",
            f"--service-account-signing-key-file={at / 'accounts.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            f"--token-auth-file={at / 'tokens.csv'}",
            "--authorization-mode=RBAC",
        ]

    def _manager_flags(self) -> list[str]:
        return [
            f"--kubeconfig={self._directory / 'kubeconfig'}",
            "--secure-port=0",
            "--leader-elect=false",
            "--use-service-account-credentials=false",
            f"--service-account-private-key-file={self._directory / 'accounts.key'}",
            f"--controllers={','.join(CONTROLLERS)}",
        ]

    def _run(self, program: str, *flags: str) -> None:
        name = Path(program).name
        env = {"PATH": os.environ["PATH"], "HOME": str(self._directory)}
        with (self._directory / f"{name}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen([program, *flags], cwd=self._directory, env=env, stdout=log, stderr=log)
            )

    def _await(self, path: str) -> None:
        headers = {"Authorization": f"Bearer {self.cluster.token}"}
        request = urllib.request.Request(self.cluster.url + path, headers=headers)
        trust = ssl.create_default_context(cafile=str(self.cluster.ca_file))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        end = time.monotonic() + READY_S
        while time.monotonic() < end and all(process.poll() is None for process in self._processes):
            with contextlib.suppress(OSError), opener.open(request, timeout=10):
                return
            time.sleep(0.05)
        raise RuntimeError(f"no answer to {path} in {READY_S:.0f} s; the logs end so:\n{self._last_words()}")

    def _last_words(self) -> str:
        logs = sorted(self._directory.glob("*.log"))
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in logs)


def _free_ports(count: int) -> list[int]:
    """Different ones."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return sorted(found)


def _write_certificates(directory: Path) -> None:
    """ca.pem, server.pem and server.key for 127.0.0.1, accounts.key to sign tokens with."""
    authority, server, accounts = (rsa.generate_private_key(65537, 2048) for _ in range(3))
    issuer = _name("tests of kube-registry")
    root = _builder(issuer, issuer, authority).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), True
    )
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    root = root.add_extension(usage, True)
    key_id = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    root = root.add_extension(key_id, False)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = _builder(_name("127.0.0.1"), issuer, server).add_extension(here, False)
    leaf = leaf.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), False)
    for name, builder in (("ca.pem", root), ("server.pem", leaf)):
        made = builder.sign(authority, hashes.SHA256())
        (directory / name).write_bytes(made.public_bytes(Encoding.PEM))
    for name, key in (("server.key", server), ("accounts.key", accounts)):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        (directory / name).write_bytes(pem)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )
