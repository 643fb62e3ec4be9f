"""What others have written stays text: no markup, no control sequence, no shell, no other YAML."""

import io
import json
import shlex
import subprocess
import unicodedata
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from screens import render
from screens.view import Row
from wizard import answers as answers_module
from wizard import by_hand
from wizard.answers import Answers
from wizard.errors import Problem
from wizard.events import (
    ChangeStarted,
    CheckFinished,
    CheckStatus,
    FileWanted,
    Noted,
    RunFinished,
    StepFinished,
    StepId,
    StepStatus,
    WaitProgress,
)
from wizard.output import JsonLines, Narrator, plain

NASTY = st.sampled_from(
    [
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x9b31m",
        "\x1bP+q\x1b\\",
        "\r",
        "\n",
        "\b\b",
        "\x7f",
        "\x00",
        "\u202e",
        "\u2028",
        "\u2066",
        "\u200b",
        "\ud800",
        "\udfff",
        "[red]",
        "[/]",
        "[@click=app.quit]x[/]",
        "[bold",
        "\\[",
        "$(id)",
        "`id`",
        "; rm -rf /",
        "'",
        '"',
        "\\",
        "EOF",
        "\nEOF\n",
        "---",
        "...",
        "!!python/object/apply:os.system [id]",
        "*a",
        "&a",
        "{{",
        "%s",
        "${x}",
        "#",
        "<<'EOF'",
        "\u0085",
        "\ufeff",
        "e\u0301",
        "🐋",
    ]
)
FOREIGN = st.lists(NASTY | st.text(max_size=6) | st.characters(), max_size=6).map("".join)
WORDS = FOREIGN.map(lambda text: text.encode("utf-8", "replace").decode())


def steers(text: str) -> bool:
    """Whether a terminal would do anything but show it and begin new lines."""
    return any(c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in text)


def narrated(*events: Any) -> str:
    out = io.StringIO()
    narrator = Narrator(out)
    for event in events:
        narrator(event)
    return out.getvalue()


@given(FOREIGN)
def test_text_for_a_terminal_cannot_steer_it(text: str) -> None:
    for made in (plain(text), render.clean(text)):
        assert not steers(made)
        assert made.encode().decode() == made
        assert len(made) == len(text)


@given(FOREIGN, FOREIGN, FOREIGN)
@example("a\n✓ Proof – passed", "b", "c")
def test_a_run_without_a_screen_tells_foreign_words_as_words(one: str, two: str, three: str) -> None:
    problem = Problem("x", one, two, three)
    out = narrated(
        CheckFinished(StepId.BUCKET, "x", one, CheckStatus.FAILED, two, problem, 0.1),
        CheckFinished(StepId.BUCKET, "x", one, CheckStatus.PASSED, two, None, 0.1),
        ChangeStarted(StepId.BUCKET, one),
        Noted(StepId.BUCKET, three),
        FileWanted(StepId.BUCKET, one, two, three),
        WaitProgress(StepId.BUCKET, one, 1.0, 2.0, two),
        StepFinished(StepId.BUCKET, StepStatus.FAILED, problem),
        RunFinished("apply", 1, problem, one),
    )
    assert not steers(out)
    assert out.encode()
    told = narrated(CheckFinished(StepId.BUCKET, "x", one, CheckStatus.PASSED, two, None, 0.1))
    assert told.count("\n") == 1, "a foreign line break begins no line that could be taken for one of ours"


@given(FOREIGN, FOREIGN)
def test_json_lines_are_one_line_each_and_the_same_words(one: str, two: str) -> None:
    out = io.StringIO()
    lines = JsonLines(out)
    lines(Noted(StepId.BUCKET, one))
    lines(RunFinished("apply", 1, Problem("x", two, one, two)))
    written = out.getvalue()
    assert not steers(written), "somebody may look at them"
    assert written.encode()
    first, second = [json.loads(line) for line in written.splitlines()]
    assert first["text"] == one
    assert (second["problem"]["what"], second["problem"]["why"]) == (two, one)


@given(FOREIGN, FOREIGN, st.integers(20, 120))
def test_screens_show_foreign_words_as_words(one: str, two: str, width: int) -> None:
    problem = render.problem_text(Problem("x", one or "x", two, one), width)
    assert not steers(problem.plain)
    styles = {str(span.style) for span in problem.spans}
    assert styles <= {"$text-error", "bold"}, "no markup of theirs was taken for one"
    row = render.check_rows(_view(Row(one, state="passed", detail=two)), 0.0)
    assert row
    commands = render.commands_text([one, two], width)
    assert not steers(commands.plain)
    assert not commands.spans


def _view(row: Row) -> Any:
    from screens.view import StepView

    view = StepView()
    view.checks["x"] = row
    return view


@settings(max_examples=40)
@given(WORDS, WORDS, WORDS.map(lambda text: text.replace("\0", "")))
def test_the_script_of_commands_runs_nothing_of_theirs(profile: str, summary: str, context: str) -> None:
    """`sh` itself reads it: every line is a comment, an assignment, or a command with its words intact."""
    answers = Answers()
    answers.connect.aws_profile = profile.replace("\0", "")
    answers.connect.kube_context = context
    command = shlex.join(["aws", "s3api", "put-bucket-tagging", "--tagging", summary.replace("\0", "")])
    script = plain(by_hand.script(answers, [("Bucket", [(summary, command)])]))
    harness = 'aws() { printf "<%s>" "$@"; }\nkubectl() { printf "<%s>" "$@"; }\n'
    done = subprocess.run(
        ["/bin/sh", "-c", harness + script], capture_output=True, check=False, timeout=30, env={}, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.decode()
    used = f"<config><use-context><{plain(context)}>" if context else ""
    wanted = f"{used}<s3api><put-bucket-tagging><--tagging><{plain(summary.replace(chr(0), ''))}>"
    assert said == wanted
    assert done.stderr == b""


JSON_TEXTS: st.SearchStrategy[Any] = st.recursive(
    WORDS | st.booleans() | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(WORDS, JSON_TEXTS, max_size=4), WORDS)
def test_yaml_in_a_here_document_is_the_manifest_and_nothing_else(extra: dict[str, Any], word: str) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": word, "annotations": extra},
        "data": {"x": word},
    }
    told = by_hand.applied(manifest, "default")
    head, _, rest = told.partition("\n")
    assert head.endswith("<<'EOF'")
    lines = rest.split("\n")
    assert lines.count("EOF") == 1
    assert lines[-1] == "EOF"
    assert yaml.safe_load(rest.removesuffix("EOF")) == manifest


@given(FOREIGN)
def test_whatever_the_answers_hold_their_file_says_the_same(text: str) -> None:
    answers = Answers()
    try:
        answers.connect.aws_profile = text
        answers.certificate.webroot = text
        answers.htpasswd.users = ["alice", text]
    except ValueError:
        return  # refused as an answer
    assert answers_module.parse(answers_module.dump(answers)) == answers


@given(st.sampled_from(["rm -rf {}", "echo {}"]), FOREIGN)
def test_a_quoted_word_is_one_word(template: str, text: str) -> None:
    assert shlex.split(template.format(shlex.quote(text)))[-1] == text
