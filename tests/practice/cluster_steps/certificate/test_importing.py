"""The certificate step brings in a pair that was got in another way."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from tests.practice.cluster_steps.certificate.support import (
    DOMAIN,
    STEP,
    MakeRig,
    World,
    codes,
    data_of,
    files,
    pair,
    reversed_chain,
)
from wizard import names
from wizard.practice.pki import Authority
from wizard.services import certificates
from wizard.services.cluster import Cluster
from wizard.step import Plan


def test_a_pair_is_brought_along(
    rig_for: MakeRig, cluster: Cluster, tmp_path: Path, authority: Authority
) -> None:
    cert_pem, key_pem = pair(authority, DOMAIN)
    wanted = files(tmp_path, reversed_chain(cert_pem), key_pem)
    rig = rig_for(**wanted)
    assert [change.action for change in rig.run(STEP).changes] == ["import-certificate"]
    assert data_of(cluster)[names.CERTIFICATE_KEY] == cert_pem
    assert cluster.read_secret(names.ACME_ACCOUNT_SECRET) is None
    (tmp_path / "key.pem").unlink()
    assert rig_for(**wanted).run(STEP) == Plan()


def test_a_new_file_replaces_the_old_pair(
    rig_for: MakeRig, cluster: Cluster, tmp_path: Path, authority: Authority
) -> None:
    first, second = pair(authority, DOMAIN), pair(authority, DOMAIN)
    rig_for(**files(tmp_path, *first)).run(STEP)
    rig_for(**files(tmp_path, *second)).run(STEP)
    assert data_of(cluster)[names.PRIVATE_KEY] == second[1]
    assert data_of(cluster)[names.PREVIOUS_PRIVATE_KEY] == first[1]


def test_useless_pairs_are_refused(
    rig_for: MakeRig, tmp_path: Path, authority: Authority, mutations: Callable[[], Any]
) -> None:
    before = mutations()
    cert_pem, key_pem = pair(authority, DOMAIN)
    plain = certificates.read_key(key_pem)
    locked = plain.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"word"),
    )
    other = certificates.new_key("ecdsa-p256")
    leaf_only = cert_pem.partition(b"-----END CERTIFICATE-----\n")[0] + b"-----END CERTIFICATE-----\n"
    expired = pair(authority, DOMAIN, lifetime=timedelta(minutes=30))
    elsewhere = pair(authority, "elsewhere.practice.test")
    for found, code in (
        ((cert_pem, other), "key-mismatch"),
        ((cert_pem, locked), "key-encrypted"),
        ((b"junk", key_pem), "certificate-unreadable"),
        ((cert_pem, b"junk"), "key-unreadable"),
        ((leaf_only, key_pem), "certificate-chain"),
        (expired, "certificate-expired"),
        (elsewhere, "certificate-names"),
    ):
        assert codes(rig_for(**files(tmp_path, *found)).plan(STEP)) == [code]
    missing = {**files(tmp_path, cert_pem, key_pem), "key_file": str(tmp_path / "absent.pem")}
    assert codes(rig_for(**missing).plan(STEP)) == ["file-unreadable"]
    assert mutations() == before


# PKCS#12, and what a chain lacks

PASSWORD = "canary-of-the-bundle"
VARIABLE = "KUBE_REGISTRY_PKCS12_PASSWORD"


def bundle(tmp_path: Path, cert_pem: bytes, key_pem: bytes, password: str = "") -> dict[str, str]:
    leaf, *others = x509.load_pem_x509_certificates(cert_pem)
    locked = serialization.BestAvailableEncryption(password.encode()) if password else None
    how: Any = locked or serialization.NoEncryption()
    key = certificates.read_key(key_pem)
    path = tmp_path / "pair.p12"
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"registry", key, leaf, others, how))
    return {"method": "import", "pkcs12_file": str(path), "webroot": ""}


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_a_bundle_is_brought_along(
    rig_for: MakeRig,
    cluster: Cluster,
    tmp_path: Path,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    password: str,
) -> None:
    cert_pem, key_pem = pair(authority, DOMAIN)
    monkeypatch.setenv(VARIABLE, password)
    rig = rig_for(**bundle(tmp_path, cert_pem, key_pem, password))
    assert [change.action for change in rig.run(STEP).changes] == ["import-certificate"]
    assert data_of(cluster)[names.CERTIFICATE_KEY] == cert_pem
    assert certificates.read_chain(cert_pem, data_of(cluster)[names.PRIVATE_KEY]).key_matches
    written = (tmp_path / "journal.jsonl").read_text() + repr(rig.events)
    assert PASSWORD not in written


def test_a_password_may_be_typed_instead(
    rig_for: MakeRig, cluster: Cluster, tmp_path: Path, authority: Authority
) -> None:
    rig = rig_for(**bundle(tmp_path, *pair(authority, DOMAIN), PASSWORD))
    assert codes(rig.plan(STEP)) == ["pkcs12-locked"]
    rig.vault.keep(VARIABLE, PASSWORD)
    rig.run(STEP)
    assert data_of(cluster)[names.CERTIFICATE_KEY]
    assert rig.vault.masked(f"it is {PASSWORD}") == "it is ********"


def test_useless_bundles_are_refused(
    rig_for: MakeRig, tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "wrong")
    wanted = bundle(tmp_path, *pair(authority, DOMAIN), PASSWORD)
    plan = rig_for(**wanted).plan(STEP)
    assert codes(plan) == ["pkcs12-locked"]
    assert "wrong" in plan.blockers[0].why
    assert PASSWORD not in str(plan)
    (tmp_path / "pair.p12").write_bytes(b"junk")
    assert codes(rig_for(**wanted).plan(STEP)) == ["pkcs12-locked"]
    root = x509.load_pem_x509_certificate(authority.root_pem)
    no_key = pkcs12.serialize_key_and_certificates(b"x", None, root, None, serialization.NoEncryption())
    monkeypatch.setenv(VARIABLE, "")
    (tmp_path / "pair.p12").write_bytes(no_key)
    assert codes(rig_for(**wanted).plan(STEP)) == ["pkcs12-incomplete"]


def test_a_chain_is_completed_from_where_its_certificate_says(
    rig_for: MakeRig, cluster: Cluster, tmp_path: Path, world: World
) -> None:
    """As CAs do: the leaf names where its issuer's certificate is to be had (RFC 5280, 4.2.2.1)."""
    leaf, middle, root, key_pem = _with_issuer_address(f"http://{DOMAIN}/issuer.der")
    (world.webroot / "issuer.der").write_bytes(middle.public_bytes(serialization.Encoding.DER))
    _trust(tmp_path, root)
    leaf_pem = leaf.public_bytes(serialization.Encoding.PEM)
    rig_for(**files(tmp_path, leaf_pem, key_pem)).run(STEP)
    stored = data_of(cluster)[names.CERTIFICATE_KEY]
    assert stored == leaf_pem + middle.public_bytes(serialization.Encoding.PEM)


def test_a_chain_that_cannot_be_completed_names_what_is_missing(rig_for: MakeRig, tmp_path: Path) -> None:
    leaf, _, root, key_pem = _with_issuer_address(f"http://{DOMAIN}/absent.der")
    _trust(tmp_path, root)
    leaf_pem = leaf.public_bytes(serialization.Encoding.PEM)
    plan = rig_for(**files(tmp_path, leaf_pem, key_pem)).plan(STEP)
    assert codes(plan) == ["certificate-chain"]
    assert "absent.der" in plan.blockers[0].why


def _trust(tmp_path: Path, root: x509.Certificate) -> None:
    """Adds a root to those that the setup trusts."""
    with (tmp_path / "roots.pem").open("ab") as roots:
        roots.write(root.public_bytes(serialization.Encoding.PEM))


def _with_issuer_address(url: str) -> tuple[x509.Certificate, x509.Certificate, x509.Certificate, bytes]:
    """Leaf, intermediate and root of a CA whose leaves say where the intermediate is; and the leaf's key."""
    keys = [certificates.read_key(certificates.new_key("ecdsa-p256")) for _ in range(2)]
    key_pem = certificates.new_key("ecdsa-p256")
    root = _signed("root", keys[0], "root", keys[0])
    middle = _signed("middle", keys[1], "root", keys[0])
    return _signed("leaf", certificates.read_key(key_pem), "middle", keys[1], url), middle, root, key_pem


def _signed(name: str, key: Any, issuer: str, issuer_key: Any, url: str = "") -> x509.Certificate:
    now = datetime.now(UTC)
    named = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, issuer)]
    builder = (
        x509.CertificateBuilder(named[1], named[0], key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=not url, path_length=None), critical=True)
    )
    if url:
        where = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(url)
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([where]), critical=False)
        alternatives = x509.SubjectAlternativeName([x509.DNSName(DOMAIN)])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
