"""Let's Encrypt's test authority, Pebble, and its DNS server, on loopback."""

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from wizard.practice.pki import SERVER_LIFETIME, Authority

READY_S, END_S, STARTS = 120.0, 30.0, 3
LIFETIME_S, SHORT_LIFETIME_S = 90 * 86400, 6 * 86400
BLOCKED = "blocked.practice.test"
PROFILES = {
    "classic": {"description": "for most", "validityPeriod": LIFETIME_S},
    "shortlived": {"description": "for those who automate", "validityPeriod": SHORT_LIFETIME_S},
}
CALM = {"PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_VA_NOSLEEP": "1"}


@dataclass(frozen=True, slots=True)
class Programs:
    pebble: str
    dns: str


class Pebble:
    """Looks for challenges on 127.0.0.1, port `http_port`, whatever the name.

    `environment` is Pebble's own, such as PEBBLE_WFE_NONCEREJECT; `config` adds to its configuration file.
    `nameserver` is asked in the stead of a DNS server of its own, whose records could be set here.
    """

    def __init__(
        self,
        programs: Programs,
        directory: Path,
        *,
        http_port: int,
        environment: Mapping[str, str] = CALM,
        config: Mapping[str, Any] | None = None,
        nameserver: str = "",
    ) -> None:
        self._programs, self._directory, self._http_port = programs, directory, http_port
        self._environment, self._config = dict(environment), dict(config or {})
        self._nameserver = nameserver
        self._processes: list[subprocess.Popen[bytes]] = []
        self._ports: Sequence[int] = ()
        self.server_ca_file = directory / "server-ca.pem"

    @property
    def directory_url(self) -> str:
        return f"https://127.0.0.1:{self._ports[0]}/dir"

    @property
    def nameserver(self) -> str:
        return self._nameserver or f"127.0.0.1:{self._ports[3]}"

    @property
    def roots_pem(self) -> bytes:
        """The root of what it issues, and the alternate one."""
        return b"".join(self._asked(f"https://127.0.0.1:{self._ports[1]}/roots/{n}").content for n in (0, 1))

    def start(self) -> None:
        """Returns when both answer; raises RuntimeError with their last words if they never do."""
        self._write_certificate()
        for _ in range(STARTS):
            self._ports = free_ports(5)
            if not self._nameserver:
                self._run(self._programs.dns, *self._dns_flags())
            self._run(
                self._programs.pebble, "-strict", "-dnsserver", self.nameserver, "-config", self._written()
            )
            if self._is_up():
                return
            self.stop()  # somebody else may have taken one of the ports
        logs = sorted(self._directory.glob("*.log"))
        raise RuntimeError(
            "\n".join(f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in logs)
        )

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait(END_S)
        self._processes.clear()

    def set_txt(self, name: str, texts: Sequence[str]) -> None:
        """TXT records of the name, besides those that it has; none of them: forgets all."""
        for text in texts:
            self._tell("set-txt", {"host": f"{name}.", "value": text})
        if not texts:
            self._tell("clear-txt", {"host": f"{name}."})

    def set_address(self, name: str, address: str) -> None:
        self._tell("add-a", {"host": f"{name}.", "addresses": [address]})

    def set_trouble(self, name: str) -> None:
        """Its name servers fail from now on."""
        self._tell("set-servfail", {"host": f"{name}."})

    def _tell(self, what: str, body: Mapping[str, Any]) -> None:
        answer = requests.post(f"http://127.0.0.1:{self._ports[4]}/{what}", json=body, timeout=READY_S)
        answer.raise_for_status()

    def _asked(self, url: str) -> requests.Response:
        answer = requests.get(url, verify=str(self.server_ca_file), timeout=READY_S)
        answer.raise_for_status()
        return answer

    def _is_up(self) -> bool:
        """Each listens by itself, one after the other."""
        end = time.monotonic() + READY_S
        while time.monotonic() < end and all(process.poll() is None for process in self._processes):
            with contextlib.suppress(requests.RequestException, OSError, dns.exception.DNSException):
                self._asked(self.directory_url)
                assert self.roots_pem
                if not self._nameserver:
                    self._tell("set-default-ipv4", {"ip": "127.0.0.1"})
                host, port = self.nameserver.split(":")
                dns.query.tcp(dns.message.make_query("a.test", "A"), host, port=int(port), timeout=READY_S)
                return all(process.poll() is None for process in self._processes)
            time.sleep(0.02)
        return False

    def _run(self, program: str, *flags: str) -> None:
        environment = {"PATH": os.environ["PATH"], "PEBBLE_AUTHZREUSE": "0", **self._environment}
        environment.setdefault("PEBBLE_ALTERNATE_ROOTS", "1")
        with (self._directory / f"{Path(program).name}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    [program, *flags], cwd=self._directory, env=environment, stdout=log, stderr=log
                )
            )

    def _dns_flags(self) -> list[str]:
        """Debian's release knows other names for some of them."""
        told = subprocess.run(
            [self._programs.dns, "-h"], capture_output=True, text=True, check=False, timeout=60
        )
        known = told.stdout + told.stderr
        name = "-dnsserver" if "-dnsserver" in known else "-dns01"
        off = [
            flag for each in ("http01", "https01", "tlsalpn01", "doh") if (flag := f"-{each}") + " " in known
        ]
        return [
            *(part for flag in off for part in (flag, "")),
            *(name, self.nameserver),
            *("-management", f"127.0.0.1:{self._ports[4]}"),
            *("-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""),
        ]

    def _written(self) -> str:
        api, management, tls, *_ = self._ports
        path = self._directory / "config.json"
        config = {
            "listenAddress": f"127.0.0.1:{api}",
            "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": str(self._directory / "server.pem"),
            "privateKey": str(self._directory / "server.key"),
            "httpPort": self._http_port,
            "tlsPort": tls,
            "ocspResponderURL": "",
            "domainBlocklist": [BLOCKED],
            "certificateValidityPeriod": LIFETIME_S,
            "profiles": PROFILES,
            "retryAfter": {"authz": 1, "order": 1},
            **self._config,
        }
        path.write_text(json.dumps({"pebble": config}))
        return str(path)

    def _write_certificate(self) -> None:
        """For its own HTTPS; what it issues comes from roots of its own."""
        authority, key = Authority(), ec.generate_private_key(ec.SECP256R1())
        leaf = authority.issue(key.public_key(), ["127.0.0.1", "localhost"], lifetime=SERVER_LIFETIME)
        self.server_ca_file.write_bytes(authority.root_pem)
        (self._directory / "server.pem").write_bytes(authority.chain(leaf))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self._directory / "server.key").write_bytes(pem)


def free_ports(count: int) -> list[int]:
    """Different ones; somebody else may take one before it is used, which shows as a failed start."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
