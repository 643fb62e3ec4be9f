"""Secrets go into the cluster's Secrets and nowhere else; and the search for them can find something."""

import base64
import json
import os
import secrets as random_source
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import requests
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.e2e.leaks import ArgumentWatch, Evidence, parts
from tests.e2e.program import ANSWERS, Program, Ran
from tests.e2e.terminal import Terminal
from wizard import names
from wizard.events import Noted, StepId, to_json

pytestmark = pytest.mark.e2e
NOT_SECRET = {
    names.CERTIFICATE_KEY,
    names.ISSUED_BY,
    names.ACME_ACCOUNT_FILE,
    names.S3_ACCESS_KEY_ID,
    names.DOCKER_CONFIG_KEY,  # its password is taken out of it
}

F6 = "\x1b[17~"


def canary(name: str) -> str:
    """A password that looks otherwise in every form: quotes, a slash, a backslash, a blank, an umlaut."""
    return f'{name} "/+&\\ü%{random_source.token_hex(8)}'


@dataclass
class Story:
    """What was run, what it left, and what must not be in there."""

    program: Program
    evidence: Evidence = field(default_factory=Evidence)
    secrets: dict[str, bytes] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)

    def run(self, name: str, *arguments: str, **environment: str) -> Ran:
        ran = self.program.run(*arguments, environment=environment)
        self.codes[name] = ran.code
        self.evidence.add_run(name, ran)
        self.collect(name)
        return ran

    def collect(self, name: str) -> None:
        """What lies on the disk now, in the state directory and left in TMPDIR."""
        for where, directory in (("state", self.program.state), ("tmp", self.program.home / "tmp")):
            self.evidence.add_tree(f"{name}: {where}", directory)
        state = self.program.state
        for path in (state, *state.rglob("*")) if state.exists() else ():
            self.modes[f"{name}: {path}"] = path.stat().st_mode


@pytest.fixture(scope="module", autouse=True)
def _generous_umask() -> Iterator[None]:
    """Comes before the world: all that runs here would make files for everyone."""
    former = os.umask(0)
    yield
    os.umask(former)


@pytest.fixture(scope="module")
def story(program: Program) -> Story:
    told = Story(program)
    alice, screen, line, wrong = canary("alice"), canary("screen"), canary("line"), canary("aws")
    told.secrets |= {"alice": alice.encode(), "typed": screen.encode(), "line": line.encode()}
    session = f"IQoJb3JpZ2luX2Vj{random_source.token_urlsafe(90)}/+="
    told.secrets |= {"wrong AWS secret": wrong.encode(), "AWS session token": session.encode()}
    answers = program.home / "answers.toml"
    answers.write_text(ANSWERS.read_text().replace("users = []", 'users = ["alice"]'))
    apply = ("apply", "--practice", "-a", str(answers))
    variable = "KUBE_REGISTRY_PASSWORD_ALICE"
    world = program.world_environment()
    with ArgumentWatch((os.getpid(), program.world()["pid"])) as watch:
        told.run("refused password", *apply, "--json", **{variable: f"{line}\n{line}"})
        told.run("apply", *apply, "--json", **{variable: alice})
        told.secrets |= secrets_of(world)
        told.run("check", "check", "--practice", "--push", "--json")
        told.run("second apply", *apply, **{variable: alice})
        told.evidence.add("screen", look_around(program, screen))
        told.collect("screen")
        told.run("wrong key", "apply", "-a", str(answers), **{**world, "AWS_SECRET_ACCESS_KEY": wrong})
        keys = {"AWS_SECRET_ACCESS_KEY": wrong, "AWS_SESSION_TOKEN": session}
        told.run("wrong session", "apply", "-a", str(answers), **{**world, **keys})
        told.secrets["lost key"] = spoil_the_key(world).encode()
        told.run("spoilt key", "check", "--practice", "--json")
        delete = ("--delete-bucket", "practice-registry-images")
        told.run("undo", "undo", "--practice", "--yes", *delete, "--json")
    told.evidence.add("arguments", b"\n".join(sorted(watch.seen)))
    told.evidence.add("world: log", (program.runtime / "kube-registry" / "world.log").read_bytes())
    return told


def secrets_of(world: dict[str, str]) -> dict[str, bytes]:
    """What the cluster's Secrets hold, and the operator's own credentials, by name."""
    found = {"operator's AWS secret": world["AWS_SECRET_ACCESS_KEY"].encode()}
    found["operator's token"] = _kubeconfig(world)["users"][0]["user"]["token"].encode()
    for item in _kubernetes(world, "GET", "secrets")["items"]:
        data = {key: base64.b64decode(value) for key, value in item["data"].items()}
        if login := data.get(names.DOCKER_CONFIG_KEY):
            [registry] = json.loads(login)["auths"].values()
            found["check user's password"] = registry["password"].encode()
        for key in data.keys() - NOT_SECRET:
            found |= parts(f"{item['metadata']['name']}/{key}", data[key])
    return found


def spoil_the_key(world: dict[str, str]) -> str:
    """Somebody else puts another secret access key into the Secret, so that a run fails while it works."""
    lost = canary("lost")
    data = {names.S3_SECRET_ACCESS_KEY: base64.b64encode(lost.encode()).decode()}
    _kubernetes(world, "PATCH", "secrets/registry-s3-credentials", {"data": data})
    return lost


def look_around(program: Program, password: str) -> bytes:
    """From the last step of the finished setup back to the first; a password is typed on the way."""
    terminal = Terminal(program.command("practice"), program.environment)
    screens = []
    try:
        terminal.wait_for("8 of 8 steps")
        terminal.press("Enter")
        titles = ("8  Proof", "7  DNS", "6  Deploy", "5  Users", "4  Certificate", "3  User", "2  Bucket")
        for title in titles:
            terminal.wait_for(title)
            screens.append(terminal.settle())
            if title == "5  Users":
                _add_bob(terminal, password)
                screens.append(terminal.settle())
            terminal.press("Esc")
        screens.append(terminal.wait_for("1  Connect"))
    finally:
        terminal.close()
    return terminal.raw + "\n".join(screens).encode()


def _add_bob(terminal: Terminal, password: str) -> None:
    """A finished step is changed on demand only. Where his name shows, there is the field."""
    terminal.press(F6)
    terminal.wait_for("Change Users and passwords?")
    terminal.press("y")
    terminal.wait_for(lambda text: "Change Users and passwords?" not in text)
    _when_all_keys_are_taken(terminal)
    terminal.press("bob")
    for _ in range(8):
        if "bob" in _when_all_keys_are_taken(terminal):
            break
        terminal.press("Tab", "bob")
    terminal.press("Enter")
    _when_all_keys_are_taken(terminal)
    terminal.press(password, "Enter")
    terminal.wait_for("(password typed)")


def _when_all_keys_are_taken(terminal: Terminal) -> str:
    """The screen then: keys are taken in order, so help that came and went is the sign."""
    sign = "Enter or Esc closes"
    terminal.press("F1")
    terminal.wait_for(sign)
    terminal.press("Esc")
    return terminal.wait_for(lambda text: sign not in text)


def _kubeconfig(world: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(Path(world["KUBECONFIG"]).read_text())
    return found


def _kubernetes(world: dict[str, str], method: str, path: str, body: object = None) -> dict[str, Any]:
    config = _kubeconfig(world)
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(
            method,
            f"{config['clusters'][0]['cluster']['server']}/api/v1/namespaces/default/{path}",
            data=json.dumps(body) if body else None,
            headers={**headers, "Content-Type": "application/merge-patch+json"},
            verify=world["KUBE_REGISTRY_CA_FILE"],
            timeout=60,
        )
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def test_the_story_went_as_it_is_told(story: Story) -> None:
    """Nothing is found in runs that did not take place."""
    assert story.codes == {
        "refused password": 2,
        "apply": 0,
        "check": 0,
        "second apply": 0,
        "wrong key": 2,
        "wrong session": 2,
        "spoilt key": 1,
        "undo": 0,
    }
    for place in (
        "apply: stdout",
        "second apply: stderr",
        "wrong key: stderr",
        "wrong session: stderr",
        "screen",
    ):
        assert len(story.evidence.text(place)) > 100, place
    setup = f"kube-registry/practice/{story.program.world()['identity']}/practice-registry"
    for name in ("answers.toml", "journal.jsonl", "log.jsonl"):
        assert len(story.evidence.text(f"apply: state: {setup}/{name}")) > 100, name
    arguments = story.evidence.text("arguments")
    assert b"wizard\0apply\0" in arguments
    assert b"wizard\0undo\0" in arguments
    assert b"\0serve\0" in arguments, "the registry's Pod is a child of the world"


def test_every_kind_of_secret_is_looked_for(story: Story) -> None:
    for name in (
        "registry-s3-credentials/secret-access-key",
        "registry-ssl-certs/domain.key, line 1",
        "registry-ssl-certs/domain.key, scalar",
        "registry-acme-account/account.key, line 1",
        "registry-http-secret/http-secret",
        "htpasswd-file/htpasswd, hash 1",
        "htpasswd-file/htpasswd, hash 2",
        "check user's password",
        "operator's token",
        "operator's AWS secret",
        "AWS session token",
        "alice",
    ):
        assert name in story.secrets


def test_no_secret_is_anywhere_but_in_the_cluster(story: Story) -> None:
    assert story.evidence.leaks(story.secrets) == []


def test_the_state_directory_is_private_under_any_umask(story: Story) -> None:
    assert any(path.endswith("journal.jsonl") for path in story.modes)
    for path, mode in story.modes.items():
        assert stat.S_IMODE(mode) == (0o700 if stat.S_ISDIR(mode) else 0o600), path


# The search can find: each form, written by other code than the one that searches, and each place.

FORMS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda secret: secret,
    "base64 alone": base64.b64encode,
    "base64 after one byte": lambda secret: base64.b64encode(b":" + secret + b"\nand more"),
    "base64 after two bytes": lambda secret: base64.b64encode(b"a:" + secret + b"\n"),
    "base64 in lines": lambda secret: base64.encodebytes(b"somebody's user name: " * 3 + secret),
    "base64 for URLs": base64.urlsafe_b64encode,
    "URL": lambda secret: quote(secret, safe="").encode(),
    "URL, a form's": lambda secret: quote_plus(secret).encode(),
    "JSON": lambda secret: json.dumps({"x": secret.decode("utf-8", "surrogateescape")}).encode(),
    "JSON in JSON": lambda secret: json.dumps(
        json.dumps({"x": secret.decode("utf-8", "surrogateescape")})
    ).encode(),
    "repr": lambda secret: repr(secret.decode("utf-8", "surrogateescape")).encode(),
    "repr of bytes in JSON": lambda secret: json.dumps({"x": f"{secret!r}"}).encode(),
    "hex": lambda secret: secret.hex().encode(),
    "hex in capitals": lambda secret: secret.hex().upper().encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_every_secret_would_be_found(story: Story, form: str) -> None:
    for name, secret in story.secrets.items():
        evidence = Evidence()
        evidence.add("planted", b"before " + FORMS[form](secret) + b" after")
        assert name in {leak.secret for leak in evidence.leaks({name: secret})}


def test_a_private_key_is_found_without_its_frame_and_a_public_one_is_none() -> None:
    for key in (ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)):
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for shape in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
            pem = key.private_bytes(Encoding.PEM, shape, NoEncryption())
            wanted = parts("key", pem)
            body = b"".join(pem.splitlines()[1:-1])
            for planted in (body, base64.b64decode(body), base64.b64encode(pem)):
                evidence = Evidence()
                evidence.add("planted", planted)
                assert evidence.leaks(wanted)
            evidence = Evidence()
            evidence.add("public", public)
            assert evidence.leaks(wanted) == []


LEAK = "'a-secret-that-leaks'"
PRINT = "import os, sys; print(os.environ['LEAK'], file=sys.{})"


@pytest.fixture
def told(tmp_path: Path) -> Story:
    """A home without a world, to plant leaks in."""
    return Story(Program(tmp_path / "home"), secrets={"it": LEAK.encode()})


@pytest.mark.parametrize("name", ["answers.toml", "journal.jsonl", "log.jsonl", "lock", f".{LEAK}.new"])
def test_a_leak_in_the_state_directory_would_be_found(told: Story, name: str) -> None:
    path = told.program.state / "kube-registry" / "team" / name
    path.parent.mkdir(parents=True)
    path.write_text("" if LEAK in name else json.dumps({"x": [LEAK]}))
    told.collect("run")
    assert _places(told) == {f"run: state: kube-registry/team/{name}"}


def test_a_leak_in_a_temporary_file_would_be_found(told: Story) -> None:
    (told.program.home / "tmp" / "left.pem").write_text(LEAK)
    told.collect("run")
    assert _places(told) == {"run: tmp: left.pem"}


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_leak_in_the_output_would_be_found(
    told: Story, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program is exchanged for one that leaks; how it is run and read stays the same."""
    leaky = [sys.executable, "-c", PRINT.format(stream)]
    monkeypatch.setattr(told.program, "command", lambda *_arguments: leaky)
    assert told.run("run", "apply", LEAK=LEAK).code == 0
    assert _places(told) == {f"run: {stream}"}


def test_a_leak_in_an_event_would_be_found(told: Story) -> None:
    note = Noted(StepId.USER, f"a note with {LEAK} in it")
    told.evidence.add_run("run", Ran(0, json.dumps(to_json(note, "now")) + "\n", ""))
    assert _places(told) == {"run: stdout"}


def test_a_leak_on_the_screen_would_be_found(told: Story) -> None:
    """In colours and broken over two lines, too."""
    half = len(LEAK) // 2
    for shown in (LEAK, f"\x1b[1m{LEAK[:half]}\x1b[31;4m{LEAK[half:]}", f"{LEAK[:half]}\r\n{LEAK[half:]}"):
        command = [sys.executable, "-c", PRINT.format("stdout")]
        terminal = Terminal(command, {**told.program.environment, "LEAK": shown})
        try:
            terminal.wait_for_exit()
            terminal.settle()
        finally:
            terminal.close()
        told.evidence = Evidence()
        told.evidence.add("screen", terminal.raw)
        assert _places(told) == {"screen"}


def test_a_leak_in_the_arguments_of_a_grandchild_would_be_found(told: Story) -> None:
    inner = "import sys; print(1, flush=True); sys.stdin.read()"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}, sys.stdin.readline()])"
    command = [sys.executable, "-c", outer]
    with (
        ArgumentWatch((os.getpid(),)) as watch,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(f"--password={LEAK}\n")
        child.stdin.flush()
        assert child.stdout.readline() == "1\n"
        watch.wait_for_a_round()
        child.stdin.close()
    told.evidence.add("arguments", b"\n".join(watch.seen))
    assert _places(told) == {"arguments"}


def _places(told: Story) -> set[str]:
    return {leak.place for leak in told.evidence.leaks(told.secrets)}
