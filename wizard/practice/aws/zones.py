"""The hosted zones as they are asked for, by name and in order; made anew only after a change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from wizard.practice.aws.record_sets import RecordSet


@dataclass(frozen=True, slots=True)
class Zone:
    """A hosted zone as the DNS server reads it; `name` is absolute."""

    id: str
    name: str
    is_private: bool
    name_servers: tuple[str, ...]
    records: tuple[RecordSet, ...]


class ZoneBook:
    """All zones of an account at one moment, the first made first."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        self.zones = tuple(zones)
        self.public: dict[str, list[Zone]] = {}
        for zone in self.zones:
            if not zone.is_private:
                self.public.setdefault(zone.name, []).append(zone)

    @cached_property
    def name_servers(self) -> frozenset[str]:
        """Of the public zones, in lower case and without a final dot."""
        found = (server for zones in self.public.values() for zone in zones for server in zone.name_servers)
        return frozenset(map(str.lower, found))

    @cached_property
    def by_reversed_labels(self) -> list[tuple[str, str]]:
        """The order in which Route53 lists zones, as pairs of `reversed_labels` and ID."""
        return sorted((reversed_labels(zone.name), zone.id) for zone in self.zones)


class ZoneShelf:
    """Keeps the book until `has_changed` says that it tells no longer what is stored."""

    def __init__(self) -> None:
        self._book: ZoneBook | None = None
        self._known: dict[str, tuple[Any, Zone]] = {}

    def has_changed(self) -> None:
        self._book = None

    def book(self, stored: Mapping[str, Any]) -> ZoneBook:
        """Of moto's zones; each whose list of records is the one that was read before is not read again."""
        if self._book is None:
            known, self._known = self._known, {}
            for key, zone in stored.items():
                before = known.get(key)
                is_same = before is not None and before[0] is zone.rrsets
                self._known[key] = before if before and is_same else (zone.rrsets, _read(zone))
            self._book = ZoneBook(zone for _, zone in self._known.values())
        return self._book


def reversed_labels(name: str) -> str:
    """What Route53 sorts names by: `www.example.com.` as `com.example.www.`."""
    return ".".join(reversed(name.lower().rstrip(".").split("."))) + "."


def record_sets(zone: Any) -> list[RecordSet]:
    """What a zone of moto's holds, in our own terms."""
    found = []
    for item in zone.rrsets:
        alias = item.alias_target or {}
        found.append(
            RecordSet(
                item.name,
                item.type,
                int(item.ttl) if item.ttl is not None else None,
                tuple(item.records or ()),
                alias.get("DNSName"),
                alias.get("HostedZoneId"),
                bool(alias.get("EvaluateTargetHealth")),
                item.set_identifier,
                dict(item.practice_extras),
            )
        )
    return found


def _read(zone: Any) -> Zone:
    servers = tuple(zone.delegation_set.name_servers)
    return Zone(zone.resource_id, zone.name, zone.private_zone, servers, tuple(record_sets(zone)))
