"""Renewals without a person: a systemd timer of the user's own, or a line for crontab."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from wizard import secret_variables
from wizard.errors import Problem, WizardError, wizard_error
from wizard.state import write_private

PASSED_ON = (
    "PATH",
    "KUBECONFIG",
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "XDG_STATE_HOME",
    "KUBE_REGISTRY_ACME_DIRECTORY",
    "KUBE_REGISTRY_CA_FILE",
    "KUBE_REGISTRY_DOMAIN",
    "KUBE_REGISTRY_HTTP_LISTEN",
    "KUBE_REGISTRY_NAMESERVER",
    "KUBE_REGISTRY_PATIENCE",
    "KUBE_REGISTRY_WEBROOT",
)
"""A timer has none of the shell's variables; those with secrets in them stay out."""

SERVICE = """[Unit]
Description=Renew the certificate of the registry {setup} when it is due

[Service]
Type=oneshot
# Another run holds the setup: the next time will do.
SuccessExitStatus=3
{environment}
ExecStart={command}
"""
TIMER = """[Unit]
Description=See twice a day whether the certificate of the registry {setup} is due

[Timer]
OnCalendar=*-*-* 00,12:00:00
RandomizedDelaySec=4h
Persistent=true

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be run, and with which variables."""

    unit: str
    setup: str
    command: tuple[str, ...]
    environment: Mapping[str, str]

    @classmethod
    def gather(cls, setup: str, environ: Mapping[str, str], *, is_practice: bool = False) -> "Wish":
        program = shutil.which("kube-registry")
        command = (program,) if program else (sys.executable, "-m", "wizard")
        # A proxy's address may hold a password: it stays out of files.
        passed = {name: environ[name] for name in PASSED_ON if environ.get(name) and "@" not in environ[name]}
        words = ("renew", *(("--practice",) if is_practice else ()), "--if-due", setup)
        return cls(unit_of(setup, is_practice=is_practice), setup, (*command, *words), passed)

    def files(self) -> dict[str, str]:
        """Unit files by name."""
        variables = "\n".join(
            f"Environment={_quoted(f'{k}={v}')}" for k, v in sorted(self.environment.items())
        )
        command = " ".join(_quoted(word).replace("$", "$$") for word in self.command)
        return {
            f"{self.unit}.service": SERVICE.format(setup=self.setup, environment=variables, command=command),
            f"{self.unit}.timer": TIMER.format(setup=self.setup),
        }

    def cron_line(self) -> str:
        """Twice a day, at minutes that differ from setup to setup; % means a new line to cron."""
        minute, hour = sum(self.setup.encode()) % 60, sum(self.setup.encode()) % 12
        variables = [f"{name}={shlex.quote(value)}" for name, value in sorted(self.environment.items())]
        words = " ".join(
            ["env", *variables, shlex.join(self.command)] if variables else [shlex.join(self.command)]
        )
        return f"{minute} {hour},{hour + 12} * * * {words}".replace("%", "\\%")


def unit_of(setup: str, *, is_practice: bool) -> str:
    """Its units' name; a practice setup may be called like a real one."""
    return f"kube-registry-{'practice-' if is_practice else ''}renew-{setup}"


def units() -> Path:
    """Where the user's own unit files are (systemd.unit(5))."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or platformdirs.user_config_dir()) / "systemd" / "user"


def has_systemd() -> bool:
    """Whether a service manager of the user's own runs."""
    return _systemctl("show-environment") == ""


def install(wish: Wish) -> list[str]:
    """Sentences on what was done; the same again changes nothing. Raises WizardError."""
    directory, changed = units(), False
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in wish.files().items():
            path = directory / name
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                write_private(path, text)
                changed = True
    except OSError as error:
        raise wizard_error(
            "timer-unwritable",
            f"The timer cannot be written to {directory}.",
            why=f"{error.strerror or error}.",
            fix="Make the directory writable, or use `kube-registry renew --print-cron`.",
        ) from error
    for arguments in (("daemon-reload",), ("enable", "--now", f"{wish.unit}.timer")):
        if trouble := _systemctl(*arguments):
            raise WizardError(_refused(trouble))
    state = "installed" if changed else "there already"
    return [
        f"The timer {wish.unit}.timer is {state}: it runs `{shlex.join(wish.command)}` twice a day.",
        "It runs while you are logged in; `loginctl enable-linger` lets it run without you.",
        f"`kube-registry undo {wish.setup}` takes it away; its files are in {directory}.",
    ]


def remove(unit: str) -> str:
    """Takes the timer away, if there is one; says so, "" if there is none."""
    paths = [units() / f"{unit}{kind}" for kind in (".timer", ".service")]
    if not any(path.is_file() for path in paths):
        return ""
    _systemctl("disable", "--now", f"{unit}.timer")
    for path in paths:
        path.unlink(missing_ok=True)
    _systemctl("daemon-reload")
    return f"The timer {unit}.timer is taken away."


def _systemctl(*arguments: str) -> str:
    """What it complains of, "" where it does not."""
    program = shutil.which("systemctl")
    if program is None:
        return "systemctl is not there"
    done = subprocess.run(
        [program, "--user", *arguments],
        env=secret_variables.without(os.environ, (*secret_variables.OWN, *secret_variables.AWS)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return (done.stderr.strip() or f"it ended with {done.returncode}") if done.returncode else ""


def _refused(trouble: str) -> Problem:
    return Problem(
        "timer-refused",
        "systemd does not take the timer.",
        f"It says: {trouble}",
        "Use `kube-registry renew --print-cron` and crontab instead.",
        trouble,
    )


def _quoted(word: str) -> str:
    """As systemd.syntax(7) has it; % begins a specifier."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
