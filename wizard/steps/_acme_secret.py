"""The Secrets of certificate and account: what is put in, what is kept beside, and what goes back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wizard import names
from wizard.services import certificates
from wizard.services.cluster import SecretContents
from wizard.step import Context


@dataclass(frozen=True, slots=True)
class Slot:
    """Where in the account's Secret one CA's account stands."""

    key: str
    file: str


PRODUCTION_SLOT = Slot(names.ACME_ACCOUNT_KEY, names.ACME_ACCOUNT_FILE)
STAGING_SLOT = Slot(names.STAGING_ACCOUNT_KEY, names.STAGING_ACCOUNT_FILE)
KEPT_ACCOUNT = {
    names.ACME_ACCOUNT_KEY: f"previous.{names.ACME_ACCOUNT_KEY}",
    names.ACME_ACCOUNT_FILE: f"previous.{names.ACME_ACCOUNT_FILE}",
}
KEPT_PAIR = {
    names.CERTIFICATE_KEY: names.PREVIOUS_CERTIFICATE,
    names.PRIVATE_KEY: names.PREVIOUS_PRIVATE_KEY,
}

NEXT_CERTIFICATE = "next.crt"
NEXT_ACCOUNT_KEY = "next-account.key"
FORMER_PAIR = {names.CERTIFICATE_KEY: "former.crt", names.PRIVATE_KEY: "former.key"}
"""The last pair in a Secret that was there before us: there `previous` stays the operator's own, for undo."""


def ready_key(ctx: Context, domains: Sequence[str]) -> tuple[bytes, bytes]:
    """The next private key and its signing request, in the Secret before the CA is asked.

    A crash then costs nothing: the order that was under way ends in a certificate for this key.
    """
    wanted = ctx.answers.certificate.key_type
    found = ctx.services.cluster.read_secret(names.CERTIFICATE_SECRET)
    data = dict(found.data) if found else {}
    key_pem, request = data.get(names.NEXT_PRIVATE_KEY, b""), data.get(names.NEXT_REQUEST, b"")
    if certificates.key_type(key_pem) != wanted:
        key_pem = certificates.new_key(wanted)
    if not certificates.is_request_for(request, key_pem, domains):
        request = certificates.signing_request(key_pem, domains)
    if (data.get(names.NEXT_PRIVATE_KEY), data.get(names.NEXT_REQUEST)) != (key_pem, request):
        data |= {names.NEXT_PRIVATE_KEY: key_pem, names.NEXT_REQUEST: request}
        _write(ctx, names.CERTIFICATE_SECRET, found, data)
    return key_pem, request


def next_key(ctx: Context) -> bytes:
    """The prepared key, b"" where there is none."""
    found = ctx.services.cluster.read_secret(names.CERTIFICATE_SECRET)
    return found.data.get(names.NEXT_PRIVATE_KEY, b"") if found else b""


def install(ctx: Context, cert_pem: bytes, key_pem: bytes, *, issued_by: str) -> None:
    """The pair takes its place, the one before is kept beside it; `issued_by` is a directory, or ""."""
    found = ctx.services.cluster.read_secret(names.CERTIFICATE_SECRET)
    data = _kept_beside(
        ctx, found, KEPT_PAIR, is_changed_by_us=names.ISSUED_BY in (found.data if found else {})
    )
    if found is not None and found.facts.owner != ctx.answers.setup:
        data |= {beside: data[key] for key, beside in FORMER_PAIR.items() if key in data}
    data |= {names.CERTIFICATE_KEY: cert_pem, names.PRIVATE_KEY: key_pem, names.ISSUED_BY: issued_by.encode()}
    for done in (names.NEXT_PRIVATE_KEY, names.NEXT_REQUEST, NEXT_CERTIFICATE):
        data.pop(done, None)
    _write(ctx, names.CERTIFICATE_SECRET, found, data)


def former_pair(found: SecretContents) -> tuple[bytes, bytes] | None:
    """Certificate and key that were in their place before the present ones, None where there are none."""
    for kept in (FORMER_PAIR, KEPT_PAIR):
        cert_pem, key_pem = (found.data.get(beside) for beside in kept.values())
        if cert_pem and key_pem:
            return cert_pem, key_pem
    return None


def put_former_back(ctx: Context, found: SecretContents, *, keeps_other: bool) -> None:
    """The former pair takes its place again; the present one stays beside it as the next, if wanted."""
    pair, data = former_pair(found), dict(found.data)
    if pair is None:
        return
    data.pop(names.NEXT_REQUEST, None)
    if keeps_other:
        data[NEXT_CERTIFICATE], data[names.NEXT_PRIVATE_KEY] = (
            data[names.CERTIFICATE_KEY],
            data[names.PRIVATE_KEY],
        )
    data[names.CERTIFICATE_KEY], data[names.PRIVATE_KEY] = pair
    _write(ctx, names.CERTIFICATE_SECRET, found, data)


def put_account(ctx: Context, key_pem: bytes, slot: Slot, told: Mapping[str, str]) -> None:
    """`told`: directory, uri ("" until the CA has told it) and terms; another CA's account is kept beside."""
    found = ctx.services.cluster.read_secret(names.ACME_ACCOUNT_SECRET)
    before = found.data.get(slot.key) if found else None
    data = dict(found.data) if found else {}
    if before != key_pem and slot == PRODUCTION_SLOT:
        is_changed = KEPT_ACCOUNT[names.ACME_ACCOUNT_KEY] in data
        data = _kept_beside(ctx, found, KEPT_ACCOUNT, is_changed_by_us=is_changed)
    data |= {slot.key: key_pem, slot.file: json.dumps(dict(told)).encode()}
    _write(ctx, names.ACME_ACCOUNT_SECRET, found, data)


def put_next_account_key(ctx: Context, key_pem: bytes) -> None:
    """Beside the account's present key, which holds until the CA has agreed."""
    found = ctx.services.cluster.read_secret(names.ACME_ACCOUNT_SECRET)
    if found is not None:
        _write(ctx, names.ACME_ACCOUNT_SECRET, found, {**found.data, NEXT_ACCOUNT_KEY: key_pem})


def take_next_account_key(ctx: Context) -> None:
    """The next key takes the place of the present one."""
    found = ctx.services.cluster.read_secret(names.ACME_ACCOUNT_SECRET)
    if found is None or NEXT_ACCOUNT_KEY not in found.data:
        return
    data = dict(found.data)
    data[names.ACME_ACCOUNT_KEY] = data.pop(NEXT_ACCOUNT_KEY)
    _write(ctx, names.ACME_ACCOUNT_SECRET, found, data)


def put_back(ctx: Context, name: str, found: SecretContents, kept: Mapping[str, str]) -> None:
    """The former contents of a Secret that was there before us."""
    ours = {*kept, *kept.values(), names.NEXT_PRIVATE_KEY, names.NEXT_REQUEST, names.ISSUED_BY}
    ours |= {STAGING_SLOT.key, STAGING_SLOT.file, NEXT_CERTIFICATE, *FORMER_PAIR.values(), NEXT_ACCOUNT_KEY}
    data = {key: value for key, value in found.data.items() if key not in ours}
    data |= {key: found.data[beside] for key, beside in kept.items() if beside in found.data}
    _write(ctx, name, found, data)


def _kept_beside(
    ctx: Context, found: SecretContents | None, kept: Mapping[str, str], *, is_changed_by_us: bool
) -> dict[str, bytes]:
    """In a Secret that is not ours the first contents are kept for undo, in ours the last ones."""
    data = dict(found.data) if found else {}
    if found is not None and found.facts.owner != ctx.answers.setup and is_changed_by_us:
        return data
    return data | {beside: data[key] for key, beside in kept.items() if key in data}


def _write(ctx: Context, name: str, found: SecretContents | None, data: Mapping[str, bytes]) -> None:
    ctx.services.cluster.write_secret(
        name,
        data,
        setup=ctx.answers.setup,
        type=found.facts.type if found else "Opaque",
        expected_version=found.facts.resource_version if found else None,
    )
