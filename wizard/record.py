"""A setup's record as a ConfigMap: its answers and its journal, so that another machine can go on. Pure.

The journal is there as it is in the state directory, without what was superseded; no secret is in either.
"""

import base64
import binascii
import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wizard import names, ownership
from wizard.errors import Problem, WizardError
from wizard.journal import Entry, Journal

Object = dict[str, Any]
ANSWERS, SAVED, JOURNAL, PACKED = "answers.toml", "answers-saved", "journal.jsonl", "journal.jsonl.gz"
LARGEST_PLAIN_BYTES = 128 * 1024
LARGEST_BYTES = 900_000  # of the 1 MiB that a ConfigMap may hold (Kubernetes, "ConfigMaps")
LARGEST_UNPACKED_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Copy:
    """A record as the cluster holds it; `saved` is when its answers were."""

    setup: str
    namespace: str
    answers: str
    saved: datetime
    journal: Journal
    version: str
    uid: str

    @classmethod
    def of(cls, found: Object) -> "Copy":
        """Raises WizardError (record-unreadable) for what nobody of ours has written."""
        metadata, data = found.get("metadata") or {}, found.get("data") or {}
        namespace = str(metadata.get("namespace", ""))
        try:
            return cls(
                ownership.owner_of_labels(metadata.get("labels")),
                namespace,
                str(data[ANSWERS]),
                datetime.fromisoformat(data[SAVED]),
                Journal.parsed(_journal_text(found)),
                str(metadata.get("resourceVersion", "")),
                str(metadata.get("uid", "")),
            )
        except (KeyError, TypeError, ValueError, OSError, EOFError) as error:
            raise WizardError(
                Problem(
                    "record-unreadable",
                    f"The ConfigMap {names.RECORD} in the namespace {namespace} cannot be read.",
                    "It holds something other than a setup's record.",
                    "Look at it, then delete it: the next run writes it anew from this machine's.",
                )
            ) from error


def manifest(setup: str, answers: str, saved: datetime, journal: Journal) -> Object:
    """The ConfigMap; raises WizardError (record-too-large) where not even what stands fits into one."""
    data = {ANSWERS: answers, SAVED: saved.isoformat(timespec="seconds")}
    labels = {**ownership.labels(setup), ownership.COMPONENT: ownership.RECORD}
    made: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": names.RECORD, "labels": labels},
        "data": data,
    }
    text = journal_text(journal)
    if len(text.encode()) <= LARGEST_PLAIN_BYTES:
        data[JOURNAL] = text
    else:
        made["binaryData"] = {PACKED: base64.b64encode(_packed(journal)).decode()}
    return made


def journal_text(journal: Journal, without: frozenset[int] = frozenset()) -> str:
    """Each entry in the fewest lines; paths of this machine are nobody else's business."""
    kept = [entry for entry in journal.entries() if entry.number not in without]
    records = [record for entry in kept for record in entry.records()]
    if place := journal.place():
        records.append({"state": "placed", "place": place.to_json()})
    records += journal.judgements()
    return "".join(json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n" for record in records)


def lags(copy: Copy | None, answers: str, journal: Journal) -> bool:
    """Whether the cluster's copy tells less than this machine knows; the time of a proof is no news."""
    if copy is None:
        return bool(journal.standing())
    theirs = {entry.key: _fate(entry) for entry in copy.journal.entries()}
    differs = any(
        theirs.get(entry.key) != _fate(entry)
        for entry in journal.entries()
        if entry.state != "undone" or entry.key in theirs
    )
    return (
        differs
        or copy.answers != answers
        or copy.journal.place() != journal.place()
        or _proven(copy.journal) != _proven(journal)
    )


def _fate(entry: Entry) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    """As JSON gives it back."""
    notes, receipt = json.loads(json.dumps([entry.notes, entry.receipt]))
    return entry.state, notes, receipt


def _proven(journal: Journal) -> dict[str, object]:
    return {
        record["step"]: record["facts"].get("probed")
        for record in journal.judgements()
        if record["state"] == "verified"
    }


def _packed(journal: Journal) -> bytes:
    """Compressed; where that is too large still, the oldest entries that were taken back are left out."""
    undone = [entry.number for entry in journal.entries() if entry.state == "undone"]
    left_out = 0
    while True:
        text = journal_text(journal, frozenset(undone[:left_out]))
        packed = gzip.compress(text.encode(), mtime=0)
        if len(packed) <= LARGEST_BYTES:
            return packed
        if left_out >= len(undone):
            raise WizardError(
                Problem(
                    "record-too-large",
                    "The setup's record is too large for a ConfigMap.",
                    "Kubernetes takes 1 MiB; this machine's journal has all of it.",
                )
            )
        left_out = max(1, left_out * 2)


def _journal_text(found: Object) -> str:
    packed = (found.get("binaryData") or {}).get(PACKED)
    if packed is None:
        return str(found["data"][JOURNAL])
    try:
        whole = base64.b64decode(packed, validate=True)
    except binascii.Error as error:
        raise ValueError from error
    with gzip.GzipFile(fileobj=io.BytesIO(whole)) as file:
        text = file.read(LARGEST_UNPACKED_BYTES + 1)
    if len(text) > LARGEST_UNPACKED_BYTES:
        raise ValueError
    return text.decode()
