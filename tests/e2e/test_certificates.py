"""Every way to a certificate, by the real program: proven without a screen, and through the screen."""

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import ANSWERS, Program, Ran
from tests.e2e.terminal import Terminal
from tests.e2e.walkthrough import CERTIFICATE, TITLES, Walker, button, is_ready

pytestmark = pytest.mark.e2e
UNDO = ("undo", "--practice", "--yes", "--delete-bucket", "practice-registry-images", "--json")


def answers(path: Path, **certificate: str) -> Path:
    """The shipped practice answers with these for the certificate."""
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in certificate.items())
    text = ANSWERS.read_text(encoding="utf-8").replace("agree_tos = true\n", f"agree_tos = true\n{lines}")
    path.write_text(text, encoding="utf-8")
    return path


def applied(program: Program, path: Path) -> Ran:
    ran = program.run("apply", "--practice", "-a", str(path), "--json")
    assert ran.code == 0, ran.out[-2000:] + ran.err
    assert set(ran.checks.values()) <= {"passed", "warning"}, ran.checks
    return ran


def nothing_to_do(program: Program, path: Path) -> None:
    seen = program.mutations()
    assert program.run("apply", "--practice", "-a", str(path), "--json").code == 0
    assert program.mutations() == seen


def stored(program: Program, key: str) -> bytes:
    found = subprocess.run(
        ["kubectl", "get", "secret", "registry-ssl-certs", "-o", "json"],
        env={**program.environment, **program.world_environment()},
        check=True,
        capture_output=True,
        timeout=120,
    )
    return base64.b64decode(json.loads(found.stdout)["data"][key])


@pytest.fixture
def taken_back(program: Program) -> Iterator[None]:
    before = json.dumps(program.dump(), sort_keys=True)
    yield
    undone = program.run(*UNDO)
    assert undone.code == 0, undone.out[-2000:]
    assert json.dumps(program.dump(), sort_keys=True) == before


@pytest.mark.usefixtures("taken_back")
@pytest.mark.parametrize("method", ["dns-route53", "standalone", "webroot"])
def test_each_method_ends_proven(program: Program, tmp_path: Path, method: str) -> None:
    path = answers(tmp_path / "answers.toml", method=method)
    ran = applied(program, path)
    notes = [note for event in ran.events if event["event"] == "plan_made" for note in event["notes"]]
    assert any(method in note for note in notes)
    nothing_to_do(program, path)


@pytest.mark.usefixtures("taken_back")
@pytest.mark.parametrize("wish", ["always", "auto"])
def test_a_rehearsal_asks_staging_first_and_only_where_it_is_wished(
    program: Program, tmp_path: Path, wish: str
) -> None:
    before = len(program.mutations())
    path = answers(tmp_path / "answers.toml", method="dns-route53", staging_first=wish)
    applied(program, path)
    asked = [each.split() for each in program.mutations()[before:] if each.startswith("acme")]
    issuance = ["newAccount", "newOrder", "challenge", "finalize"]
    staging = [["acme-staging", "POST", each] for each in issuance] if wish == "always" else []
    assert asked == [*staging, *(["acme", "POST", each] for each in issuance)]
    nothing_to_do(program, path)


@pytest.mark.usefixtures("taken_back")
def test_an_imported_pair_ends_proven(program: Program, tmp_path: Path) -> None:
    """The pair is one that the practice CA has issued before."""
    applied(program, answers(tmp_path / "first.toml", method="dns-route53"))
    files = {"cert_file": tmp_path / "chain.pem", "key_file": tmp_path / "key.pem"}
    for key, name in (("cert_file", "domain.crt"), ("key_file", "domain.key")):
        files[key].write_bytes(stored(program, name))
    assert program.run(*UNDO).code == 0
    path = answers(tmp_path / "answers.toml", method="import", **{key: str(at) for key, at in files.items()})
    applied(program, path)
    assert stored(program, "domain.key") == files["key_file"].read_bytes()
    nothing_to_do(program, path)


@pytest.mark.usefixtures("taken_back")
def test_a_file_put_there_by_hand_ends_proven(program: Program, tmp_path: Path) -> None:
    path = answers(tmp_path / "answers.toml", webroot="manual")
    webroot = Path(program.world_environment()["KUBE_REGISTRY_WEBROOT"])
    running = subprocess.Popen(
        program.command("apply", "--practice", "-a", str(path), "--json"),
        env=program.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert running.stdout
    put = []
    with running, running.stdout as lines:
        for line in lines:
            event = json.loads(line)
            if event["event"] == "file_wanted":
                put.append(webroot / event["path"])
                put[0].parent.mkdir(parents=True, exist_ok=True)
                put[0].write_text(event["content"] + "\n", encoding="utf-8")
    assert running.returncode == 0
    assert len(put) == 1
    put[0].unlink()
    nothing_to_do(program, path)


def test_what_stands_in_the_way_is_told_before_anything_is_changed(program: Program, tmp_path: Path) -> None:
    seen = program.mutations()
    for given, code in (
        ({"method": "dns-route53", "domain": "registry.elsewhere.test"}, "zone-missing"),
        ({"method": "standalone", "domain": "absent.practice.test"}, "domain-absent"),
        ({"method": "import", "pkcs12_file": str(tmp_path / "absent.p12")}, "file-unreadable"),
    ):
        path = answers(tmp_path / "answers.toml", **given)
        refused = program.run("apply", "--practice", "-a", str(path), "--json")
        assert (refused.code, refused.finish["problem"]["code"]) == (2, code), refused.out[-1000:]
    assert program.mutations() == seen


@pytest.mark.parametrize(
    ("method", "key", "fields_to_the_box"), [("dns-route53", "Up", 3), ("standalone", "Down", 4)]
)
def test_a_method_is_chosen_on_the_screen(
    tmp_path: Path, method: str, key: str, fields_to_the_box: int
) -> None:
    """From the list of methods, where webroot is chosen, to a certificate that is verified, at 80x24."""
    program = Program(tmp_path / "home")
    terminal = Terminal(program.command("practice"), program.environment)
    try:
        walker = Walker(terminal, lambda _keys, _screen: None, password="not needed here")
        walker.begin()
        walker.walk(last=CERTIFICATE - 1)
        terminal.wait_for(TITLES[CERTIFICATE])
        terminal.wait_for("Space Tick")
        terminal.press(*["Shift+Tab"] * 4)
        terminal.wait_for("Enter Choose")
        terminal.press("Enter")
        terminal.wait_for("import")
        terminal.press(key, "Enter")
        terminal.wait_for(lambda text: re.search(rf"by {method}", flat(text)) is not None and is_ready(text))
        terminal.press(*["Tab"] * fields_to_the_box)
        terminal.wait_for("Space Tick")
        terminal.press("Space")
        terminal.wait_for(lambda text: "Only you can agree" not in text and is_ready(text))
        terminal.press("F2")
        terminal.wait_for(lambda text: button(text).startswith("Next:"))
        terminal.press("Ctrl+Q")
        assert terminal.wait_for_exit() == 0
    finally:
        terminal.close()
        assert program.run("world", "stop").code == 0


def flat(screen: str) -> str:
    return " ".join(screen.split())
