"""The Secrets of certificate and account: what is put in, what is kept beside, and what goes back."""

import json
from collections.abc import Mapping

from wizard import names
from wizard.services import certificates
from wizard.services.cluster import SecretContents
from wizard.step import Context

KEPT_ACCOUNT = {
    names.ACME_ACCOUNT_KEY: f"previous.{names.ACME_ACCOUNT_KEY}",
    names.ACME_ACCOUNT_FILE: f"previous.{names.ACME_ACCOUNT_FILE}",
}
KEPT_PAIR = {
    names.CERTIFICATE_KEY: names.PREVIOUS_CERTIFICATE,
    names.PRIVATE_KEY: names.PREVIOUS_PRIVATE_KEY,
}


def ready_key(ctx: Context) -> bytes:
    """The next private key, in the Secret before the CA is asked: a crash then costs nothing."""
    wanted = ctx.answers.certificate.key_type
    found = ctx.services.cluster.read_secret(names.CERTIFICATE_SECRET)
    data = dict(found.data) if found else {}
    key_pem = data.get(names.NEXT_PRIVATE_KEY, b"")
    if certificates.key_type(key_pem) != wanted:
        key_pem = data[names.NEXT_PRIVATE_KEY] = certificates.new_key(wanted)
        _write(ctx, names.CERTIFICATE_SECRET, found, data)
    return key_pem


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
    data |= {names.CERTIFICATE_KEY: cert_pem, names.PRIVATE_KEY: key_pem, names.ISSUED_BY: issued_by.encode()}
    data.pop(names.NEXT_PRIVATE_KEY, None)
    _write(ctx, names.CERTIFICATE_SECRET, found, data)


def put_account(ctx: Context, key_pem: bytes, *, directory: str, uri: str) -> None:
    """`uri` is "" until the CA has told it; another CA's account is kept beside."""
    found = ctx.services.cluster.read_secret(names.ACME_ACCOUNT_SECRET)
    before = found.data.get(names.ACME_ACCOUNT_KEY) if found else None
    data = dict(found.data) if found else {}
    if before != key_pem:
        is_changed = KEPT_ACCOUNT[names.ACME_ACCOUNT_KEY] in data
        data = _kept_beside(ctx, found, KEPT_ACCOUNT, is_changed_by_us=is_changed)
    account = json.dumps({"directory": directory, "uri": uri})
    data |= {names.ACME_ACCOUNT_KEY: key_pem, names.ACME_ACCOUNT_FILE: account.encode()}
    _write(ctx, names.ACME_ACCOUNT_SECRET, found, data)


def put_back(ctx: Context, name: str, found: SecretContents, kept: Mapping[str, str]) -> None:
    """The former contents of a Secret that was there before us."""
    ours = {*kept, *kept.values(), names.NEXT_PRIVATE_KEY, names.ISSUED_BY}
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
