"""A practice world with the fault proxies before it, and the program run against them."""

import base64
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import urlsplit

import requests
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.crash.dnsproxy import DnsFaultProxy
from tests.crash.naming import Named
from tests.crash.proxy import FaultProxy, Servers
from tests.crash.script import SLOW, Fault, Script, Slot
from tests.crash.wire import Message
from tests.e2e.leaks import Evidence, Leak, parts
from tests.e2e.program import ANSWERS, ROOT, Program, Ran
from wizard import names

RUN_LIMIT_S = 180
SHORT = "0.1"  # of every time-out, in runs where something does not answer
NOT_SECRET = {names.CERTIFICATE_KEY, names.ISSUED_BY, names.ACME_ACCOUNT_FILE, names.S3_ACCESS_KEY_ID}
APPLY = ("apply", "-a", str(ANSWERS), "--json")
UNDO = ("undo", "--yes", "--json")
_SECRET_KEY = re.compile(rb"<SecretAccessKey>([^<]+)</SecretAccessKey>")
_ID = re.compile(
    r"(?P<key>\bAKIA[A-Z0-9]{16})|(?P<hash>\bsha256:[0-9a-f]{64})|(?P<balancer>\b[0-9a-f]{32}-\d+|\b[0-9a-f]{32}\b)"
    r"|(?P<hex>\b[0-9a-f]{16,64}\b)|(?P<address>\b(?:10|127)(?:\.\d+){3}(?::\d+)?)|(?P<port>\b3[0-2]\d{3}\b)"
    r"|(?P<acme>(?<=/acct/)\w+)"
)


@dataclass(frozen=True, slots=True)
class Played:
    """A run and what was seen of it on the way."""

    ran: Ran
    script: Script


class Stand:
    """`with Stand() as stand`; one run at a time."""

    def __init__(self, mutant: str = "") -> None:
        self.mutant = mutant
        self._contexts: dict[bytes, ssl.SSLContext] = {}
        self.known: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        self.home = Path(tempfile.mkdtemp(prefix="kube-registry-crash-"))
        self.program = Program(self.home / "home")
        started = self.program.run("world", "start")
        assert started.code == 0, started.err
        self._world = self.program.world_environment()
        servers = self.program.world()["servers"]
        self._admin = yaml.safe_load(Path(self._world["KUBECONFIG"]).read_text())
        self._session = requests.Session()
        self._session.trust_env = False
        self.proxy = FaultProxy(
            Servers(
                aws=_address(servers["aws"]),
                kubernetes=_address(servers["kubernetes"]),
                acme=_address(servers["acme"]),
                proxy=_address(servers["proxy"]),
                own_key_id=self._world["AWS_ACCESS_KEY_ID"],
            ),
            self._registry_context,
            _harvest,
        )
        host, _, port = servers["dns"].rpartition(":")
        self.dns = DnsFaultProxy((host, int(port)))
        self.proxy.start()
        self.dns.start()
        self.environment = self._environment()
        self._zygote = self._start_zygote()
        self._operators_secrets = {
            "operator's AWS secret": self._world["AWS_SECRET_ACCESS_KEY"].encode(),
            "operator's token": self._admin["users"][0]["user"]["token"].encode(),
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_zygote()
        self.proxy.stop()
        self.dns.stop()
        self._session.close()
        self.program.run("world", "stop")
        shutil.rmtree(self.home, ignore_errors=True)

    def run(self, arguments: tuple[str, ...], slot: Slot | None = None, fault: Fault | None = None) -> Played:
        """One run of the program; time-outs are short where the fault is that nothing answers."""
        script = Script(slot, fault)
        self.proxy.script = self.dns.script = script
        environment = dict(self.environment)
        if fault in SLOW:
            environment["KUBE_REGISTRY_PATIENCE"] = SHORT
        out, err = self.home / "stdout", self.home / "stderr"
        wanted = {
            "arguments": arguments,
            "environment": environment,
            "directory": str(self.program.home),
            "stdout": str(out),
            "stderr": str(err),
        }
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.write(json.dumps(wanted) + "\n")
        self._zygote.stdin.flush()
        script.pid = json.loads(self._zygote.stdout.readline())["pid"]
        code = json.loads(self._zygote.stdout.readline())["code"]
        self.proxy.script = self.dns.script = Script()
        return Played(Ran(code, out.read_text(), err.read_text()), script)

    def inventory(self) -> str:
        """Both clouds, with every id replaced by its kind and number: equal means equal but for the ids."""
        found = self.program.dump()
        _without_what_the_record_tells(found)
        text = json.dumps(found, sort_keys=True, indent=1)
        seen: dict[str, str] = {}
        counts: dict[str, int] = {}

        def name(match: re.Match[str]) -> str:
            if match[0] not in seen:
                kind = str(match.lastgroup)
                counts[kind] = counts.get(kind, 0) + 1
                seen[match[0]] = f"<{kind} {counts[kind]}>"
            return seen[match[0]]

        return _ID.sub(name, text)

    def leaks(self, runs: list[Played]) -> list[Leak]:
        """Secrets in what the runs printed, or left on the disk."""
        evidence = Evidence()
        secrets = dict(self._operators_secrets)
        for number, played in enumerate(runs, 1):
            evidence.add_run(f"run {number}", played.ran)
            secrets |= {f"run {number}, {name}": value for name, value in played.script.secrets.items()}
        for directory in (self.program.state, self.program.home / "tmp"):
            if directory.exists():
                evidence.add_tree(directory.name, directory)
        return evidence.leaks(secrets)

    def has_lock(self) -> bool:
        """Whether a run has left the setup's Lease in the cluster."""
        found = self._kubernetes("apis/coordination.k8s.io/v1", "leases")
        return names.LOCK in [each["metadata"]["name"] for each in found["items"]]

    def journal(self) -> str:
        """All that was begun, of any setup."""
        return "".join(path.read_text() for path in self.program.state.rglob("journal.jsonl"))

    def forget(self) -> None:
        """As if the program had never been run on this machine."""
        shutil.rmtree(self.program.state, ignore_errors=True)
        for left in (self.program.home / "tmp").iterdir():
            left.unlink()

    def _environment(self) -> dict[str, str]:
        trusted = self.home / "roots.pem"
        trusted.write_bytes(Path(self._world["KUBE_REGISTRY_CA_FILE"]).read_bytes() + self.proxy.root_pem)
        config = json.loads(json.dumps(self._admin))
        config["clusters"][0]["cluster"]["certificate-authority"] = str(trusted)
        kubeconfig = self.home / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(config))
        through = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), self.proxy.url)
        return {
            **self.program.environment,
            **self._world,
            **through,
            "NO_PROXY": "",
            "no_proxy": "",
            "KUBECONFIG": str(kubeconfig),
            "KUBE_REGISTRY_CA_FILE": str(trusted),
            "SSL_CERT_FILE": str(trusted),
            "REQUESTS_CA_BUNDLE": str(trusted),
            "KUBE_REGISTRY_NAMESERVER": self.dns.address,
        }

    def _start_zygote(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.crash.zygote"]
        if self.mutant:
            command += ["--mutant", self.mutant]
        errors: IO[str]
        with (self.home / "zygote").open("w") as errors:
            return subprocess.Popen(
                command,
                env=self.environment,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def _end_zygote(self) -> None:
        """It ends with its input; a run that still goes on, for all was cut short, is ended first."""
        if pid := self.proxy.script.pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._zygote.stdin and self._zygote.stdout:
            self._zygote.stdin.close()
            self._zygote.wait(10)
            self._zygote.stdout.close()

    def _registry_context(self, leaf: bytes) -> ssl.SSLContext | None:
        """TLS with the key that the cluster holds for this certificate; None where it holds another."""
        if leaf not in self._contexts:
            data = self._kubernetes("api/v1", f"secrets/{names.CERTIFICATE_SECRET}").get("data") or {}
            pem = base64.b64decode(data.get(names.CERTIFICATE_KEY, ""))
            if not pem or x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER) != leaf:
                return None
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            pair = self.home / "pair.pem"
            pair.write_bytes(base64.b64decode(data[names.PRIVATE_KEY]) + b"\n" + pem)
            context.load_cert_chain(pair)
            self._contexts[leaf] = context
        return self._contexts[leaf]

    def _kubernetes(self, group: str, path: str) -> dict[str, Any]:
        cluster = self._admin["clusters"][0]["cluster"]
        answer = self._session.get(
            f"{cluster['server']}/{group}/namespaces/default/{path}",
            headers={"Authorization": f"Bearer {self._admin['users'][0]['user']['token']}"},
            verify=self._world["KUBE_REGISTRY_CA_FILE"],
            timeout=10,
        )
        found: dict[str, Any] = answer.json()
        return found


def _without_what_the_record_tells(found: Any) -> None:
    """The setup's own record is there or not; it tells of every run, so what it tells differs."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key.endswith(f"/{names.RECORD}"):
                found[key] = "a record"
            else:
                _without_what_the_record_tells(value)


def _address(url: str) -> tuple[str, int]:
    found = urlsplit(url)
    return found.hostname or "", found.port or 0


def _harvest(named: Named, request: Message, answer: Message) -> dict[str, bytes]:
    """Secrets that pass by: access keys that AWS makes, and what is written into the cluster's Secrets."""
    if named.name.startswith("CreateAccessKey"):
        found = _SECRET_KEY.search(answer.content)
        return {"key": found[1]} if found else {}
    if named.service != "kubernetes" or not named.changes or "/secrets" not in named.name:
        return {}
    try:
        data = json.loads(request.content).get("data") or {}
    except (ValueError, AttributeError):
        return {}
    secrets: dict[str, bytes] = {}
    for key, value in data.items():
        plain = base64.b64decode(value)
        if key == names.DOCKER_CONFIG_KEY:
            plain = next(iter(json.loads(plain)["auths"].values()))["password"].encode()
        if key not in NOT_SECRET:
            secrets |= parts(key, plain)
    return secrets
