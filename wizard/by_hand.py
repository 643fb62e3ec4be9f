"""The same things by hand: what each change is in terms of aws and kubectl, as a script to learn from.

Secrets stand in it as "$NAMES" only, for whoever runs it to fill in.
"""

import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from wizard import ownership

if TYPE_CHECKING:
    from wizard.answers import Answers

Step = tuple[str, Iterable[tuple[str, str]]]
"""A title, and (what is done, its command) for each change."""


def applied(manifest: Mapping[str, Any], namespace: str) -> str:
    """`kubectl apply` with the manifest in place, as a here-document."""
    import yaml

    text = yaml.safe_dump(dict(manifest), sort_keys=False, width=1000)
    command = f"kubectl -n {namespace} apply --server-side --field-manager={ownership.FIELD_MANAGER} -f -"
    return f"{command} <<'EOF'\n{text}EOF"


def script(answers: "Answers", steps: Iterable[Step]) -> str:
    """A shell script; a change that has no equivalent is told in a comment."""
    connect = answers.connect
    lines = [
        "#!/bin/sh",
        f"# What the setup {answers.setup} does, by hand. It is there to read and to learn from:",
        "# run line by line what you need, with the $NAMES in it filled in.",
    ]
    if connect.aws_profile:
        lines.append(f"export AWS_PROFILE={shlex.quote(connect.aws_profile)}")
    if connect.aws_region:
        lines.append(f"export AWS_REGION={connect.aws_region}")
    if connect.kube_context:
        lines.append(f"kubectl config use-context {shlex.quote(connect.kube_context)}")
    for title, changes in steps:
        lines += ["", f"## {title}"]
        for summary, command in changes:
            lines += ["", *(f"# {line}" for line in summary.splitlines()), *([command] if command else [])]
    return "\n".join(lines) + "\n"
