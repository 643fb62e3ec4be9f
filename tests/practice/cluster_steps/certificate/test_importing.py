"""The certificate step brings in a pair that was got in another way."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from tests.practice.cluster_steps.certificate.support import (
    DOMAIN,
    STEP,
    MakeRig,
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
        (expired, "certificate-chain"),
        (elsewhere, "certificate-names"),
    ):
        assert codes(rig_for(**files(tmp_path, *found)).plan(STEP)) == [code]
    missing = {**files(tmp_path, cert_pem, key_pem), "key_file": str(tmp_path / "absent.pem")}
    assert codes(rig_for(**missing).plan(STEP)) == ["file-unreadable"]
    assert mutations() == before
