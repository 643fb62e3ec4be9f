"""What the practice world's DNS knows: Route53's public zones, and the Network's names."""

import contextlib
from collections.abc import Iterator

import dns.exception
import dns.name
import dns.rdatatype
import dns.rrset

from wizard.practice.aws import RecordSet, Zone, ZoneBook
from wizard.practice.network import Network

NAME_SERVER_ADDRESS = "127.80.0.53"
ALIAS_TTL_S = NETWORK_TTL_S = 60
LONGEST_CHAIN = 8


class Lookup:
    """One question to the world as it is at this moment; names are absolute and lower case."""

    def __init__(self, book: ZoneBook, network: Network) -> None:
        self._book = book
        self._network = network

    def zone_of(self, name: str) -> Zone | None:
        """The zone that delegations lead to, which is not always the one with the longest name."""
        top = [parent for parent in _ancestors(name) if parent in self._book.public][-1:]
        zone = self._book.public[top[0]][0] if top else None
        while zone is not None:
            parent = zone
            cuts = [
                record
                for record in parent.records
                if record.type == "NS" and record.name != parent.name and within(name, record.name)
            ]
            if not cuts:
                return parent
            cut = min(cuts, key=lambda record: len(record.name))
            servers = {value.rstrip(".").lower() for value in cut.values}
            below = self._book.public.get(cut.name, ())
            zone = next((z for z in below if servers & {*map(str.lower, z.name_servers)}), None)
        return None

    def outside(self, name: str) -> list[str]:
        """Addresses of what lies in no zone: balancers, other hosts of the Network, the name servers."""
        bare = name.rstrip(".")
        if bare in self._book.name_servers:
            return [NAME_SERVER_ADDRESS]
        found = self._network.addresses(bare) or self._network.addresses(bare.removeprefix("dualstack."))
        return list(found)

    def sets(self, zone: Zone, name: str) -> list[RecordSet] | None:
        """The records at a name, a wildcard's included; None where the name does not exist (RFC 4592)."""
        by_name: dict[str, list[RecordSet]] = {}
        known: set[str] = set()
        for record in zone.records:
            plain = record.name.replace("\\052", "*")
            by_name.setdefault(plain, []).append(record)
            known.update(_ancestors(plain))
        if name in known:
            return by_name.get(name, [])
        encloser = next((parent for parent in _ancestors(name) if parent in known), zone.name)
        return by_name.get(f"*.{encloser}")

    def answer(self, name: str, kind: str, depth: int = 0) -> tuple[list[dns.rrset.RRset], bool]:
        """The answer section, and whether the name (the last of a chain) exists; `depth` counts aliases."""
        found: list[dns.rrset.RRset] = []
        for _ in range(LONGEST_CHAIN - depth):
            zone = self.zone_of(name)
            if zone is None:
                addresses = self.outside(name)
                if addresses and kind in {"A", "ANY"}:
                    found.append(_rrset(name, NETWORK_TTL_S, "A", addresses))
                return found, bool(addresses)
            records = self.sets(zone, name)
            if records is None:
                return found, False
            alias = next((r for r in records if r.type == "CNAME"), None)
            if alias is None or kind in {"CNAME", "ANY"}:
                found += self._matching(name, kind, records, depth)
                return found, True
            found += self._matching(name, "CNAME", [alias], depth)
            name = alias.values[0].lower().rstrip(".") + "." if alias.values else ""
        return found, True

    def _matching(self, name: str, kind: str, records: list[RecordSet], depth: int) -> list[dns.rrset.RRset]:
        found, seen = [], set()
        for record in records:
            if record.type in seen or kind not in {record.type, "ANY"}:
                continue
            seen.add(record.type)
            values = list(record.values)
            if record.alias_name is not None:
                target, _ = self.answer(record.alias_name, record.type, depth + 1)
                wanted = dns.rdatatype.from_text(record.type)
                values = [rdata.to_text() for rrset in target if rrset.rdtype == wanted for rdata in rrset]
            with contextlib.suppress(dns.exception.DNSException):
                if values:
                    ttl = ALIAS_TTL_S if record.ttl is None else record.ttl
                    found.append(_rrset(name, ttl, record.type, values))
        return found


def _rrset(name: str, ttl: int, kind: str, values: list[str]) -> dns.rrset.RRset:
    """Route53 takes names in values as absolute, with a final dot or without."""
    return dns.rrset.from_text_list(name, ttl, "IN", kind, values, origin=dns.name.root, relativize=False)


def within(name: str, parent: str) -> bool:
    return name == parent or name.endswith(f".{parent}")


def _ancestors(name: str) -> Iterator[str]:
    """The name itself and all its parents: `a.b.` and `b.`."""
    labels = name.rstrip(".").split(".")
    for start in range(len(labels)):
        yield ".".join(labels[start:]) + "."
