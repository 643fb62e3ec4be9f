"""Makes the README's command reference and its lists of rights from the code itself: `make help-text`."""

import argparse
import json
import os
from pathlib import Path

import yaml

from wizard.cli import parser
from wizard.steps.connect.guide import cluster_role, iam_policy

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = "<!-- help: made by `make help-text` -->", "<!-- end of help -->"
RIGHTS, END_OF_RIGHTS = "<!-- rights: made by `make help-text` -->", "<!-- end of rights -->"


def every_help() -> str:
    """The help of the program and of each command, 80 columns wide."""
    os.environ["COLUMNS"] = "80"
    blocks = [f"```\n{each.format_help().strip()}\n```" for each in _parsers(parser())]
    return "\n\n".join(blocks)


def _parsers(top: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    found = [top]
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                found += _parsers(each)
    return found


def with_help(text: str) -> str:
    """The README's text with reference and rights made anew."""
    return _between(_between(text, BEGIN, every_help(), END), RIGHTS, rights(), END_OF_RIGHTS)


def rights() -> str:
    """The policy for AWS and the role for the cluster."""
    policy, role = iam_policy(), cluster_role()
    for statement in policy["Statement"]:
        statement["Action"].sort()
    document = json.dumps(policy, indent=2)
    role_text = yaml.safe_dump(role, sort_keys=False, default_flow_style=None, width=110)
    return (
        f"```json\n{document}\n```\n\nIn the cluster you need this in the namespace, and to create "
        f"namespaces if it is to be made:\n\n```yaml\n{role_text}```"
    )


def _between(text: str, begin: str, made: str, end: str) -> str:
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{made}\n\n{end}{after}"


if __name__ == "__main__":
    README.write_text(with_help(README.read_text(encoding="utf-8")), encoding="utf-8")
