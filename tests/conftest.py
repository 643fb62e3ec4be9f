"""No test sees the real home, AWS profile, kubeconfig, proxies or state."""

import os
from pathlib import Path

import pytest

PEERS = "tests/peers/"
# Left to `make check`: they find what seldom breaks, and take most of the time.
SLOW = (
    "crash",
    "fuzz",
    "pains",
    "pilot",
    "practice/aws_steps",
    "practice/cluster_steps",
    "practice/engine",
    "practice/node",
    "practice/registry_steps",
    "practice/renew",
    "practice/test_dns_step.py",
)
FAST = (
    "practice/aws_steps/test_bucket_step.py",
    "practice/cluster_steps/test_htpasswd_step.py",
    "practice/engine/test_apply_command.py",
)
FOREIGN = ("AWS_", "KUBE", "XDG_")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    root = config.rootpath / "tests"
    slow, fast = ([root / each for each in paths] for paths in (SLOW, FAST))
    for item in items:
        within = {item.path, *item.path.parents}
        if within.intersection(slow) and not within.intersection(fast):
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(FOREIGN) or name.upper() in PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    for name in ("STATE", "CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    runtime = home / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "no-aws-credentials"))
    monkeypatch.setenv("KUBECONFIG", str(home / "no-kubeconfig"))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state root of the test's own."""
    return tmp_path / "state"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How long the peers took, which have a limit of their own, wherever they ran among the others."""
    done = [
        report
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.nodeid.startswith(PEERS)
    ]
    if done:
        took_s = sum(report.duration for report in done)
        terminalreporter.write_line(f"{PEERS}: {took_s:.0f} s in all, which the workers share")
