"""Kubeconfig files: merged as kubectl does it, refused with a sentence and without their contents."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from wizard.errors import Refused
from wizard.services.cluster import kubeconfig

Write = Callable[[str, object], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def save(name: str, document: object) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
        return str(path)

    return save


def document(*names: str, current: str = "", **cluster: object) -> dict[str, object]:
    return {
        "current-context": current,
        "contexts": [{"name": n, "context": {"cluster": n, "user": n}} for n in names],
        "clusters": [{"name": n, "cluster": {"server": f"https://{n}.test/", **cluster}} for n in names],
        "users": [{"name": n, "user": {"token": f"token-{n}"}} for n in names],
    }


def refusal(kubeconfig_paths: str, context: str = "") -> Refused:
    with pytest.raises(Refused) as caught:
        kubeconfig.load({"KUBECONFIG": kubeconfig_paths}).choose(context)
    return caught.value


def test_the_current_context_is_chosen_where_none_is_named(write: Write) -> None:
    path = write("config", document("blue", "green", current="green"))
    chosen = kubeconfig.load({"KUBECONFIG": path}).choose("")
    assert (chosen.name, chosen.server) == ("green", "https://green.test")
    assert chosen.user == {"token": "token-green"}


def test_a_chosen_context_does_not_show_its_credentials(write: Write) -> None:
    config = kubeconfig.load({"KUBECONFIG": write("config", document("blue"))})
    assert "token-blue" not in repr(config) + repr(config.choose("blue"))


def test_of_several_files_the_first_wins(write: Write) -> None:
    first = write("first", document("blue", current="blue"))
    second = write("second", document("blue", "green", current="green", server="https://other.test"))
    config = kubeconfig.load({"KUBECONFIG": f"{first}:{second}:{first}-that-is-not-there"})
    assert config.choose("").server == "https://blue.test"
    assert config.choose("green").server == "https://other.test"


def test_file_names_are_relative_to_the_file_they_stand_in(write: Write, tmp_path: Path) -> None:
    text = document("blue", current="blue", **{"certificate-authority": "pki/ca.pem"})
    text["users"] = [{"name": "blue", "user": {"exec": {"command": "./login"}, "tokenFile": "/token"}}]
    chosen = kubeconfig.load({"KUBECONFIG": write("deep/config", text)}).choose("")
    assert chosen.cluster["certificate-authority"] == str(tmp_path / "deep/pki/ca.pem")
    assert chosen.user["tokenFile"] == "/token"
    assert chosen.user["exec"]["command"] == str(tmp_path / "deep/login")


def test_a_program_on_the_path_stays_as_it_is(write: Write) -> None:
    text = document("blue", current="blue")
    text["users"] = [{"name": "blue", "user": {"exec": {"command": "aws"}}}]
    chosen = kubeconfig.load({"KUBECONFIG": write("config", text)}).choose("")
    assert chosen.user["exec"]["command"] == "aws"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    problem = refusal(str(tmp_path / "nowhere")).problem
    assert problem.code == "kubeconfig-missing"
    assert str(tmp_path / "nowhere") in problem.what


def test_without_the_variable_the_home_directory_is_looked_at(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(".kube/config", document("blue", current="blue"))
    assert kubeconfig.load({}).choose("").name == "blue"


def test_an_unknown_context_is_answered_with_the_nearest_and_the_list(write: Write) -> None:
    problem = refusal(write("config", document("production", "staging")), "prodution").problem
    assert problem.code == "context-unknown"
    assert problem.fix == "Did you mean production?"
    assert problem.why == "Contexts there: production, staging."


def test_a_long_list_of_contexts_is_cut(write: Write) -> None:
    names = [f"cluster-{number:02}" for number in range(30)]
    assert refusal(write("config", document(*names)), "x").problem.why.endswith("cluster-09 and 20 more.")


def test_no_current_context_is_told(write: Write) -> None:
    assert refusal(write("config", document("blue"))).problem.code == "no-context"


def test_an_empty_file_has_no_contexts(write: Write) -> None:
    assert refusal(write("config", "")).problem.why == "It has no contexts at all."


@pytest.mark.parametrize(
    "text",
    [
        "{unclosed: [",
        "a: b: c",
        "- a list",
        "just text",
        "contexts: {a: b}\n",
        "contexts: [{context: {}}]\n",
        "contexts: [{name: a, context: text}]\n",
        "users: [text]\n",
        "users: text\n",
        "\x00\x01",
        "!!python/object/apply:os.system [id]",
        pytest.param("[" * 300000, id="deep"),
    ],
)
def test_a_broken_file_is_refused(write: Write, text: str) -> None:
    assert refusal(write("config", text), "a").problem.code == "kubeconfig-broken"


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(b"\xff\xfe\xff" * 10)
    assert refusal(str(path)).problem.code == "kubeconfig-broken"


def test_a_broken_file_is_not_quoted(write: Write) -> None:
    error = refusal(write("config", "users:\n- token: very-secret\n  x: [\n"))
    told = f"{error.problem} {error.problem.raw} {error} {error.__cause__}"
    assert "very-secret" not in told
    assert "line 4" in told


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "config"
    with path.open("wb") as file:
        file.truncate(kubeconfig.LARGEST_FILE_BYTES + 1)
    assert refusal(str(path)).problem.code == "kubeconfig-too-large"


def test_a_directory_cannot_be_read(tmp_path: Path) -> None:
    assert refusal(str(tmp_path)).problem.code == "kubeconfig-unreadable"


def test_a_context_without_a_cluster_is_refused(write: Write) -> None:
    text = document("blue", current="blue")
    text["clusters"] = []
    assert refusal(write("config", text)).problem.code == "kubeconfig-broken"


def test_pickers_get_all_contexts(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", write("config", document("blue", "green", current="green")))
    views, current = kubeconfig.contexts()
    assert [(view.name, view.server, view.namespace) for view in views] == [
        ("blue", "https://blue.test/", "default"),
        ("green", "https://green.test/", "default"),
    ]
    assert current == "green"
