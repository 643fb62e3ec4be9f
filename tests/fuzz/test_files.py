"""Answers files, kubeconfigs and names from outside: a sentence and 2, whatever is in them."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.garbage import laughs
from wizard import answers as answers_module
from wizard import rules
from wizard.answers import Answers
from wizard.errors import Refused
from wizard.services.cluster import kubeconfig
from wizard.state import SetupDirectory, find_setup

LONGEST_S = 20.0
SCRAPS = st.lists(
    st.sampled_from(
        [
            "version",
            "setup",
            "[connect]",
            "[[",
            "]]",
            "[",
            "]",
            "{",
            "}",
            "=",
            ".",
            ",",
            "\n",
            '"',
            "'",
            '"""',
            "'''",
            "#",
            "1",
            "1979-05-27",
            "inf",
            "true",
            "name",
            "bucket.",
            "\\u0000",
            "\\",
            "\0",
            "ü",
            " ",
            "- ",
            ": ",
            "&a",
            "*a",
            "<<",
            "!!binary",
            "!!python/object/apply:os.system",
            "|",
            ">",
            "? ",
            "%",
            "\t",
            "apiVersion: v1",
            "clusters",
            "users",
            "contexts",
        ]
    )
    | st.text(max_size=8),
    max_size=30,
).map("".join)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
LAUGHS = laughs(9)

MERGED = re.sub(r"(\[\*.*)", r"{<<: \1}", LAUGHS.replace("[x, x]", "{x: 1}"))


def _is_read_or_refused(read: Callable[[], object]) -> None:
    """Any other exception than a refusal fails the test."""
    try:
        read()
    except Refused as refused:
        told = refused.problem
    else:
        return
    assert told.what
    assert told.fix


def _kubeconfig(path: Path) -> None:
    config = kubeconfig.load({"KUBECONFIG": str(path)})
    config.views()
    config.choose("")


@given(SCRAPS)
def test_answers_are_read_or_refused(text: str) -> None:
    _is_read_or_refused(lambda: answers_module.parse(text))


@given(st.dictionaries(st.sampled_from([*Answers.model_fields, "x"]), VALUES, max_size=4))
def test_values_of_any_kind_are_read_or_refused(found: dict[str, Any]) -> None:
    _is_read_or_refused(lambda: answers_module.from_mapping(found))


@given(
    SCRAPS.map(str.encode)
    | st.binary(max_size=200)
    | VALUES.map(lambda value: yaml.safe_dump(value).encode())
)
def test_kubeconfigs_are_read_or_refused(text: bytes) -> None:
    path = Path(os.environ["HOME"]) / "kubeconfig"
    path.write_bytes(text)
    _is_read_or_refused(lambda: _kubeconfig(path))


TABLES = st.fixed_dictionaries(
    {},
    optional={
        "current-context": VALUES | st.just("a"),
        **{
            section: VALUES
            | st.lists(
                st.fixed_dictionaries(
                    {"name": st.just("a") | VALUES},
                    optional={
                        table: VALUES
                        | st.dictionaries(
                            st.sampled_from(
                                ["server", "cluster", "user", "namespace", "token", "exec", "tokenFile"]
                            ),
                            VALUES | st.just("a"),
                        )
                    },
                ),
                max_size=2,
            )
            for section, table in (("clusters", "cluster"), ("users", "user"), ("contexts", "context"))
        },
    },
)


@given(TABLES)
def test_kubeconfigs_of_the_right_shape_are_read_or_refused(found: dict[str, Any]) -> None:
    path = Path(os.environ["HOME"]) / "kubeconfig"
    path.write_bytes(yaml.safe_dump(found).encode())
    _is_read_or_refused(lambda: _kubeconfig(path))


BOMBS: dict[str, Callable[[Path], object]] = {
    "50 MB": lambda path: path.write_bytes(b"#" * 50_000_000),
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "deep lists": lambda path: path.write_text("x = " + "[" * 100_000),
    "deep tables": lambda path: path.write_text("x = " + "{a=" * 80_000),
    "deep YAML": lambda path: path.write_text("x: " + "[" * 100_000),
    "deep blocks": lambda path: path.write_text("".join(f"{' ' * n}a:\n" for n in range(600))),
    "dots": lambda path: path.write_text("a" + ".a" * 100_000 + " = 1\n"),
    "dots in a header": lambda path: path.write_text("[a" + ".a" * 100_000 + "]\n"),
    "laughs": lambda path: path.write_text(LAUGHS + "current-context: *j\ncontexts: *j\n"),
    "merged laughs": lambda path: path.write_text("a: &a {x: 1}\n" + MERGED),
    "a directory": lambda path: path.mkdir(),
    "no UTF-8": lambda path: path.write_bytes(b"\xff\xfe\x00x"),
    "half written": lambda path: path.write_text('version = 1\nsetup = "team"\n[buck'),
}


READERS: dict[str, Callable[[Path], object]] = {"answers": answers_module.load, "kubeconfig": _kubeconfig}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("read", READERS)
def test_a_bomb_is_refused_at_once(tmp_path: Path, bomb: str, read: str) -> None:
    path = tmp_path / "file"
    BOMBS[bomb](path)
    began = time.monotonic()
    with pytest.raises(Refused) as refused:
        READERS[read](path)
    assert time.monotonic() - began < LONGEST_S
    assert len(str(refused.value.problem.why)) < 1000


@pytest.mark.parametrize("bomb", ["50 MB", "deep lists", "endless", "half written"])
def test_the_program_refuses_a_bomb_with_a_sentence(tmp_path: Path, bomb: str) -> None:
    path = tmp_path / "file"
    BOMBS[bomb](path)
    for command in (["plan", "-a", str(path)], ["apply", "-a", str(path)]):
        done = subprocess.run(
            [sys.executable, "-m", "wizard", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert str(path) in done.stderr


PATHS = st.one_of(
    st.lists(
        st.sampled_from(["..", ".", "/", "\\", "a", "~", "\0", "\n", "-", "A", "ü", "%2e"]), max_size=6
    ).map("".join),
    st.text(max_size=45),
)


@given(PATHS)
def test_no_name_of_a_setup_leads_out_of_the_state_directory(name: str) -> None:
    root = Path(os.environ["HOME"]) / "state"
    root.mkdir(exist_ok=True)
    with pytest.raises(Refused):
        find_setup(root, name)
    if not rules.setup_name(name):
        assert SetupDirectory(root, name).path.resolve().parent == root.resolve()
        assert len((root / name / "answers.toml").relative_to(root).parts) == 2
    if name and rules.setup_name(name):
        with pytest.raises(Refused):
            answers_module.from_mapping({"setup": name})
