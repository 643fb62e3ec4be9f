"""Events as events.k8s.io/v1 shows them; they are kept as core/v1 Events (`pkg/apis/events/v1`)."""

from wizard.practice.kubernetes.objects import Obj

_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_BACK = {new: old for old, new in _NAMES.items()}


def from_core(event: Obj) -> Obj:
    out = {_NAMES.get(key, key): value for key, value in event.items()}
    return {**out, "kind": "Event", "apiVersion": "events.k8s.io/v1"}


def to_core(event: Obj) -> Obj:
    """What is sent to events.k8s.io, as it is stored."""
    out = {_BACK.get(key, key): value for key, value in event.items()}
    out.update(kind="Event", apiVersion="v1")
    return out
