"""`renew` by the real program: for people, for timers, and for programs that read events."""

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.e2e.program import ANSWERS, Program

pytestmark = pytest.mark.e2e
SYSTEMCTL = """#!/bin/sh
echo "$*" >> "$HOME/systemctl.log"
env | grep -E 'PASSWORD|HMAC|SECRET|TOKEN' >> "$HOME/systemctl.log" || true
"""


@pytest.fixture(scope="module")
def applied(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """By dns-route53, for a renewal by webroot ends with the DNS step."""
    path = tmp_path_factory.mktemp("answers") / "answers.toml"
    text = ANSWERS.read_text(encoding="utf-8")
    path.write_text(text.replace("agree_tos = true\n", 'agree_tos = true\nrenew_by = "dns-route53"\n'))
    ran = program.run("apply", "--practice", "-a", str(path), "--json")
    assert ran.code == 0, ran.out[-2000:] + ran.err
    return program


def serial(program: Program) -> str:
    """Of the certificate that clients of the domain get."""
    environment = {**program.environment, **program.world_environment()}
    proxy = environment["HTTPS_PROXY"].removeprefix("http://")
    found = subprocess.run(
        ["openssl", "s_client", "-proxy", proxy, "-connect", "registry.practice.test:443"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    shown = ["openssl", "x509", "-noout", "-serial"]
    return subprocess.run(shown, input=found.stdout, capture_output=True, check=True).stdout.decode()


def test_a_timers_run_is_silent_as_long_as_nothing_is_due(applied: Program) -> None:
    seen = applied.mutations()
    ran = applied.run("renew", "--practice", "--if-due")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert applied.mutations() == seen


def test_a_renewal_is_told_by_events_and_served(applied: Program) -> None:
    former = serial(applied)
    ran = applied.run("renew", "--practice", "--json")
    assert ran.code == 0, ran.out[-2000:] + ran.err
    assert serial(applied) != former
    done = [event["summary"] for event in ran.events if event["event"] == "change_finished"]
    assert [summary.split()[0] for summary in done] == ["Get", "Start"]
    assert ran.finish["exit_code"] == 0
    checked = applied.run("check", "--practice", "--json")
    assert checked.code == 0, checked.out[-2000:]
    assert checked.checks["certificate/renewal"] == "passed"


def test_the_account_gets_another_key(applied: Program) -> None:
    ran = applied.run("renew", "--practice", "--new-account-key", "--json")
    assert ran.code == 0, ran.out[-2000:] + ran.err
    assert applied.run("renew", "--practice").code == 0


def test_a_line_for_crontab_runs_what_it_says(applied: Program) -> None:
    ran = applied.run("renew", "--practice", "--print-cron", "practice-registry")
    assert ran.code == 0, ran.err
    line = next(line for line in ran.out.splitlines() if not line.startswith("#"))
    minute, hours, *days = line.split()[:5]
    assert (int(minute) < 60, hours.count(","), days) == (True, 1, ["*", "*", "*"])
    words = shlex.split(line.replace("\\%", "%"))[5:]
    assert words[0] == "env"
    assert words[-2:] == ["--if-due", "practice-registry"]
    assert "--practice" in words


def test_a_timer_is_installed_once_and_goes_with_the_setup(applied: Program, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "systemctl").write_text(SYSTEMCTL)
    (programs / "systemctl").chmod(0o755)
    more = {
        "PATH": f"{programs}:{applied.environment['PATH']}",
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "AWS_SESSION_TOKEN": "not to be written",
        "KUBE_REGISTRY_PASSWORD_ALICE": "not to be handed on",
        "KUBE_REGISTRY_PKCS12_PASSWORD": "not to be handed on",
    }
    first = applied.run("renew", "--practice", "--install-timer", environment=more)
    assert first.code == 0, first.err
    assert ".timer is installed" in first.out
    again = applied.run("renew", "--practice", "--install-timer", environment=more)
    assert ".timer is there already" in again.out
    units = tmp_path / "config" / "systemd" / "user"
    names = [
        "kube-registry-practice-renew-practice-registry.service",
        "kube-registry-practice-renew-practice-registry.timer",
    ]
    assert sorted(path.name for path in units.iterdir()) == names
    service = (units / names[0]).read_text()
    assert "renew" in service
    assert "--if-due" in service
    assert "not to be written" not in service
    log = (applied.home / "systemctl.log").read_text().splitlines()
    assert [line for line in log if not line.startswith("--user ")] == []
    assert "--user enable --now kube-registry-practice-renew-practice-registry.timer" in log
    undone = applied.run(
        "undo", "--practice", "--yes", "--delete-bucket", "practice-registry-images", environment=more
    )
    assert undone.code == 0, undone.err
    assert list(units.iterdir()) == []
