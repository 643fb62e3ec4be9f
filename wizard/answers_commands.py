"""`answers example` and `answers schema`: what to write, and what events look like."""

import argparse
import json
import sys
from typing import Any, get_args

from pydantic import TypeAdapter

from wizard.answers import Answers
from wizard.errors import ExitCode
from wizard.events import VERSION, Event, event_name
from wizard.resources import read_asset


def run(options: argparse.Namespace) -> int:
    if options.run == "example":
        sys.stdout.write(read_asset("answers/example.toml"))
    else:
        schema = events_schema() if options.events else answers_schema()
        sys.stdout.write(json.dumps(schema, indent=2) + "\n")
    return ExitCode.DONE


def answers_schema() -> dict[str, Any]:
    """JSON schema (2020-12) of an answers file, once TOML is decoded."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Answers.model_json_schema()}


def events_schema() -> dict[str, Any]:
    """JSON schema (2020-12) of one line of `--json`."""
    definitions: dict[str, Any] = {}
    lines = []
    for kind in get_args(Event):
        schema = TypeAdapter(kind).json_schema(ref_template="#/$defs/{model}")
        definitions.update(schema.pop("$defs", {}))
        schema["properties"] = {
            "v": {"const": VERSION},
            "event": {"const": event_name(kind)},
            "time": {"type": "string", "format": "date-time"},
            **schema.get("properties", {}),
        }
        schema["required"] = ["v", "event", "time", *schema["properties"]][:3] + list(
            schema.get("required", [])
        )
        schema["additionalProperties"] = False
        definitions[kind.__name__] = schema
        lines.append({"$ref": f"#/$defs/{kind.__name__}"})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One event of kube-registry --json",
        "oneOf": lines,
        "$defs": definitions,
    }
