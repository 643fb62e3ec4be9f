"""What a running world can be told to do otherwise, by `POST /settings` of its control server.

Imported when that is first asked for: pydantic takes longer to load than all servers take to start.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wizard.practice.acme.faults import AcmeFault
from wizard.practice.control import BadRequest

HOUR_S = 3600
YEAR_S = 366 * 24 * HOUR_S
Delay = Annotated[float, Field(ge=0, le=HOUR_S, allow_inf_nan=False)]
Offset = Annotated[float, Field(ge=-YEAR_S, le=YEAR_S, allow_inf_nan=False)]
Latency = Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AwsTuning(_Part):
    """As `wizard.practice.aws.gate.Settings` has them."""

    clock_offset_s: Offset = 0.0
    key_delay_s: Delay = 0.0
    change_delay_s: Delay = 0.0
    latency_s: Latency = 0.0


class KubernetesTuning(_Part):
    latency_s: Latency = 0.0


class AcmeTuning(_Part):
    """As `wizard.practice.acme.AcmeServer` has them; each fault tells its kind."""

    latency_s: Latency = 0.0
    faults: list[Annotated[AcmeFault, Field(discriminator="kind")]] = Field(default_factory=list)


class Tuning(_Part):
    """What is left out stays as it is."""

    aws: AwsTuning = Field(default_factory=AwsTuning)
    kubernetes: KubernetesTuning = Field(default_factory=KubernetesTuning)
    acme: AcmeTuning = Field(default_factory=AcmeTuning)


_NOTHING = Tuning()
Targets = Mapping[str, object]
"""By the names of Tuning's fields: whatever has the attributes that its model names."""


def change(targets: Targets, body: bytes) -> dict[str, dict[str, Any]]:
    """Sets what the JSON object names, all of it or nothing; returns what holds now. Raises BadRequest."""
    try:
        asked = Tuning.model_validate_json(body, strict=True)
    except ValidationError as error:
        told = [f"{'.'.join(map(str, one['loc'])) or 'the body'}: {one['msg']}" for one in error.errors()]
        raise BadRequest("; ".join(told)) from error
    parts = {name: getattr(asked, name) for name in sorted(asked.model_fields_set)}
    if absent := parts.keys() - targets.keys():
        raise BadRequest(f"{', '.join(sorted(absent))}: this world has none of its own")
    for name, part in parts.items():
        for field in part.model_fields_set:
            setattr(targets[name], field, getattr(part, field))
    return _current(targets)


def _current(targets: Targets) -> dict[str, dict[str, Any]]:
    """Shape: {part: {setting: value}}, in the form that `change` takes."""
    found = {
        name: {field: getattr(target, field) for field in type(getattr(_NOTHING, name)).model_fields}
        for name, target in targets.items()
    }
    kept = Tuning.model_validate(found)
    return {name: getattr(kept, name).model_dump(mode="json") for name in found}
