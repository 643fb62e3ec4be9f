"""The certificate's plan, from facts alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wizard.answers import Answers, from_mapping
from wizard.events import Verb
from wizard.facts import CertificateFacts, ChainFacts, FactBook, SecretFacts
from wizard.step import Plan
from wizard.steps.certificate import CertificateStep

DOMAIN = "registry.example.com"
CA, OTHER_CA = "https://ca.example.net/directory", "https://other.example.net/directory"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
CHAIN = ChainFacts(
    serial="a1",
    names=(DOMAIN,),
    issuer="CN=CA",
    not_before=NOW - timedelta(days=1),
    not_after=NOW + timedelta(days=89),
    key_matches=True,
)
OURS = SecretFacts(name="registry-ssl-certs", exists=True, owner="registry")
RIGHT = CertificateFacts(
    secret=OURS,
    chain=CHAIN,
    issued_by=CA,
    directory=CA,
    account_secret=SecretFacts(name="registry-acme-account", exists=True, owner="registry"),
    account_uri="https://ca.example.net/account/1",
    account_directory=CA,
)
NOTHING = CertificateFacts(
    secret=SecretFacts(name="registry-ssl-certs"),
    directory=CA,
    account_secret=SecretFacts(name="registry-acme-account"),
)


def answers(**more: Any) -> Answers:
    consent = {"adopt": more.pop("adopt")} if "adopt" in more else {}
    wanted = {"domain": DOMAIN, "agree_tos": True, "webroot": "/var/www/html", **more}
    return from_mapping({"certificate": wanted, "consent": consent})


def plan(facts: CertificateFacts | None, **more: Any) -> Plan:
    return CertificateStep().plan(answers(**more), FactBook(certificate=facts))


def actions(found: Plan) -> list[str]:
    return [change.action for change in found.changes]


def test_nothing_is_planned_before_anything_was_seen_or_where_all_is_right() -> None:
    assert plan(None) == Plan()
    assert plan(NOTHING, domain="") == Plan()
    assert plan(RIGHT) == Plan()


def test_the_first_certificate_needs_an_account_too() -> None:
    found = plan(NOTHING)
    assert actions(found) == ["register-account", "issue-certificate"]
    assert {change.verb for change in found.changes} == {Verb.CREATE}
    assert "only until the DNS step" in found.notes[0]
    assert (found.consents, found.blockers) == ((), ())


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (replace(RIGHT, chain=None), "none yet"),
        (replace(RIGHT, chain=replace(CHAIN, key_matches=False)), "does not belong"),
        (replace(RIGHT, chain=replace(CHAIN, names=("old.example.com",))), "is for old.example.com"),
        (replace(RIGHT, is_due=True, is_expired=True), "ran out on 2027-02-21"),
        (replace(RIGHT, issued_by=OTHER_CA), f"issued by {OTHER_CA}"),
        (replace(RIGHT, issued_by="", chain=replace(CHAIN, chain_error="broken")), "chain"),
    ],
)
def test_each_reason_for_another_is_named(facts: CertificateFacts, reason: str) -> None:
    found = plan(facts)
    assert actions(found) == ["issue-certificate"]
    assert reason in found.changes[0].summary


@pytest.mark.parametrize(
    ("found", "method", "told"),
    [
        ({"found_zone": "example.com", "found_webroot": "/srv/http"}, "webroot", "dns-route53"),
        ({"found_zone": "example.com"}, "standalone", "dns-route53"),
        ({"found_zone": "example.com"}, "import", "dns-route53"),
        ({"found_zone": "example.com"}, "dns-route53", ""),
        ({"found_webroot": "/srv/http"}, "standalone", "webroot"),
        ({"found_webroot": "/srv/http"}, "webroot", ""),
        ({"found_webroot": "/srv/http"}, "import", ""),
        ({}, "webroot", "standalone"),
        ({}, "standalone", ""),
        ({}, "import", ""),
    ],
)
def test_the_method_that_fits_what_is_there_is_recommended(
    found: dict[str, Any], method: str, told: str
) -> None:
    """A zone in Route53, a web server here, or nothing; and nothing is said where nobody could look."""
    facts = replace(NOTHING, is_route53_seen=True, **found)
    notes = [note for note in plan(facts, method=method).notes if note.startswith("Recommended: ")]
    assert [note.removeprefix("Recommended: ").partition(",")[0] for note in notes] == (
        [told] if told else []
    )
    if not found.get("found_zone"):
        unseen = plan(replace(facts, is_route53_seen=False), method=method)
        assert "Recommended" not in " ".join(unseen.notes)


def test_a_web_server_on_another_machine_is_left_alone() -> None:
    facts = replace(NOTHING, is_route53_seen=True)
    assert "Recommended" not in " ".join(plan(facts, webroot="manual").notes)


def test_one_that_is_due_is_only_told_of() -> None:
    found = plan(replace(RIGHT, is_due=True))
    assert (found.changes, found.blockers, found.consents) == ((), (), ())
    assert "runs out on 2027-02-21" in found.notes[0]


def test_a_chain_that_the_same_ca_would_issue_again_is_no_reason() -> None:
    """A private CA that is not named in ca_file must not be asked at every run."""
    assert plan(replace(RIGHT, chain=replace(CHAIN, chain_error="no trusted root"))) == Plan()


def test_another_ca_means_another_account() -> None:
    found = plan(replace(RIGHT, directory=OTHER_CA))
    assert actions(found) == ["register-account", "issue-certificate"]
    assert [change.verb for change in found.changes] == [Verb.CHANGE, Verb.CHANGE]


def test_an_import_needs_no_account_and_no_terms() -> None:
    facts = replace(NOTHING, imported=CHAIN)
    files = {"method": "import", "cert_file": "/c.pem", "key_file": "/k.pem", "agree_tos": False}
    found = plan(facts, **files)
    assert actions(found) == ["import-certificate"]
    assert found.blockers == ()
    assert "Nobody renews" in found.notes[0]
    assert plan(replace(RIGHT, imported=CHAIN), **files) == Plan()
    assert actions(plan(replace(RIGHT, imported=replace(CHAIN, serial="b2")), **files)) == [
        "import-certificate"
    ]


@pytest.mark.parametrize(
    ("facts", "more", "code"),
    [
        (NOTHING, {"agree_tos": False}, "terms-not-agreed"),
        (replace(NOTHING, needs_external_account=True), {}, "external-account-needed"),
        (replace(NOTHING, profiles=("classic",)), {"profile": "fast"}, "profile-unknown"),
        (replace(NOTHING, secret=replace(OURS, owner="elder")), {}, "other-setup"),
    ],
)
def test_blockers(facts: CertificateFacts, more: dict[str, Any], code: str) -> None:
    assert [problem.code for problem in plan(facts, **more).blockers] == [code]


def test_nothing_blocks_where_nothing_is_to_be_done() -> None:
    assert plan(replace(RIGHT, needs_external_account=True), agree_tos=False, method="standalone") == Plan()


def test_secrets_that_were_there_are_asked_about() -> None:
    foreign = replace(NOTHING, secret=replace(OURS, owner=""), account_secret=replace(OURS, owner=""))
    asked = plan(foreign).consents
    assert [(each.key, each.value) for each in asked] == [("adopt", "secrets")]
    assert plan(foreign, adopt=["secrets"]).consents == ()
    assert plan(replace(RIGHT, secret=replace(OURS, owner=""))).consents == ()
