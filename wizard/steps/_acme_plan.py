"""What is to be done about the certificate: pure, from answers and facts."""

from collections.abc import Iterator

from wizard import names
from wizard.answers import Answers, CertificateAnswers
from wizard.errors import Problem, Remedy
from wizard.events import Verb
from wizard.facts import CertificateFacts, SecretFacts
from wizard.step import Change, Consent, Plan

REGISTER, ISSUE, IMPORT = "register-account", "issue-certificate", "import-certificate"
REHEARSE = "rehearse-issuance"
RENEW, RESTORE, CHANGE_KEY = "renew-certificate", "restore-certificate", "change-account-key"
HTTP_METHODS = ("webroot", "standalone")
LIVE = "/etc/letsencrypt/live"  # where certbot keeps what it got
BY_DNS = "dns-route53 renews it from anywhere, whatever the name leads to."
ONLY_UNTIL = (
    "A renewal by {} works only until the DNS step has led the name to the load balancer: "
    "port 80 is the balancer's then."
)
RENEW_BY_DNS = Remedy("set", "certificate", "renew_by", "dns-route53")
RENEWS = {
    "dns-route53": BY_DNS,
    "webroot": ONLY_UNTIL.format("webroot"),
    "standalone": ONLY_UNTIL.format("standalone"),
    "import": "Nobody renews an imported certificate: bring the next one in before this one runs out.",
}


def plan_certificate(answers: Answers, facts: CertificateFacts | None) -> Plan:
    """Nothing where the step was not looked at, and nothing where the certificate is right."""
    if facts is None or not answers.certificate.domain:
        return Plan()
    reason = why_needed(answers, facts)
    if not reason:
        return Plan(notes=tuple(_due(facts)))
    touched = [facts.secret]
    changes = []
    is_import = answers.certificate.method == "import"
    is_rehearsed = is_import or not facts.staging_directory or facts.is_rehearsed
    if not is_import and (needs_account(facts) or not is_rehearsed):
        touched.append(facts.account_secret)
    if not is_rehearsed:
        changes.append(_rehearse(answers, facts))
    if not is_import and needs_account(facts):
        changes.append(registration(answers, facts))
    changes.append(_import(answers, facts, reason) if is_import else _issue(answers, facts, reason))
    blockers = (*_foreign(answers, touched), *(() if is_import else _refusals(answers, facts)))
    consents = tuple(each for each in _consents(touched) if not each.is_given(answers))
    return Plan(tuple(changes), consents, blockers, tuple(_notes(answers.certificate, facts)))


def why_needed(answers: Answers, facts: CertificateFacts) -> str:
    """Why another certificate must be got, "" where the one in the Secret will do.

    One that is due but still holds is only told of: whoever asks for a setup twice wants no new certificate.
    A chain that does not hold is no reason where this CA has issued it already: the next would be the same.
    """
    from wizard.services.certificates import missing

    chain = facts.chain
    if chain is None:
        return "there is none yet"
    if not chain.key_matches:
        return "the key beside the present one does not belong to it"
    if missing(chain.names, answers.certificate.names):
        return f"the present one is for {', '.join(chain.names) or 'no name'}"
    if facts.is_expired:
        return f"the present one ran out on {chain.not_after:%Y-%m-%d}"
    if answers.certificate.method == "import":
        is_other = facts.imported is not None and facts.imported.serial != chain.serial
        return "the file holds another one" if is_other else ""
    if facts.issued_by and facts.issued_by != facts.directory:
        return f"the present one was issued by {facts.issued_by}"
    if not facts.issued_by and chain.chain_error:
        return "the chain of the present one does not hold"
    return ""


def needs_account(facts: CertificateFacts) -> bool:
    """Accounts of different CAs, staging and production among them, are separate."""
    return not facts.account_uri or facts.account_directory != facts.directory


def renewal_hint(wanted: CertificateAnswers) -> str:
    """What stands in the way of renewing in the way that the answers name, "" where nothing does."""
    way = wanted.renew_by or wanted.method
    if way in HTTP_METHODS:
        return f"{way} renews it only while port 80 of the name leads to the web server"
    return "nobody renews an imported one" if way == "import" else ""


def _notes(wanted: CertificateAnswers, facts: CertificateFacts) -> Iterator[str]:
    """Which way is recommended, what each means for renewal, what the CA's limits leave, its terms."""
    if better := _recommended(wanted, facts):
        yield better
    yield RENEWS[wanted.method]
    if wanted.method in HTTP_METHODS:
        yield _renewal_way(wanted, facts)
    if wanted.method == "import":
        return
    if facts.limits:
        yield f"By this setup's own count, of the CA's limits are left: {'; '.join(facts.limits)}."
    if facts.terms and facts.account_terms and facts.terms != facts.account_terms:
        yield terms_changed(facts.terms)
    elif facts.terms:
        yield f"The CA's terms of service: {facts.terms}"


def _recommended(wanted: CertificateAnswers, facts: CertificateFacts) -> str:
    """By what was found: a zone in Route53, a web server here, or nothing; "" where it is chosen already.

    Who brings a certificate, or has the web server on another machine, knows why.
    """
    if wanted.method == "dns-route53":
        return ""
    if facts.found_zone:
        return f"Recommended: dns-route53, for the zone {facts.found_zone} is in your Route53. {BY_DNS}"
    is_decided = wanted.method == "import" or (wanted.method, wanted.webroot) == ("webroot", "manual")
    if is_decided or not facts.is_route53_seen:
        return ""
    if facts.found_webroot:
        way = f"webroot, for a web server's directory is here: {facts.found_webroot}"
        return "" if wanted.method == "webroot" else f"Recommended: {way}."
    return (
        ""
        if wanted.method == "standalone"
        else "Recommended: standalone, for neither a zone in Route53 nor a web server's directory was found: "
        "the wizard itself answers the CA on port 80."
    )


def undecided(wanted: CertificateAnswers) -> Problem | None:
    """For a way that ends with the DNS step where nobody has said that it is meant; else None."""
    if wanted.method not in HTTP_METHODS or wanted.renew_by:
        return None
    return Problem(
        "renewal-undecided",
        "How the certificate will be renewed is not decided yet.",
        ONLY_UNTIL.format(wanted.method),
        'Set [certificate] renew_by = "dns-route53" where the zone is in Route53.',
        remedy=RENEW_BY_DNS,
    )


def terms_changed(terms: str) -> str:
    """The sentence for terms that the account has not agreed to yet; `terms` is their address."""
    return f"The CA's terms of service have changed; whoever goes on agrees to them: {terms}"


def _renewal_way(wanted: CertificateAnswers, facts: CertificateFacts) -> str:
    if wanted.renew_by == "dns-route53":
        return f"It will be renewed by dns-route53. {BY_DNS}"
    if wanted.renew_by:
        return f"It will be renewed by {wanted.renew_by}, as long as port 80 of the name leads there."
    where = "" if facts.found_zone else ", once the zone is in Route53"
    return (
        "How it will be renewed is to be decided now, while there is time: "
        f'set [certificate] renew_by = "dns-route53"{where}.'
    )


def _rehearse(answers: Answers, facts: CertificateFacts) -> Change:
    wanted = answers.certificate
    return Change(
        REHEARSE,
        Verb.CREATE,
        "rehearsal",
        wanted.domain,
        f"Rehearse with {facts.staging_directory}: the same way, for a certificate that counts nowhere",
        {"directory": facts.staging_directory, "names": sorted(wanted.names), "method": wanted.method},
        command=f"{_by_certbot(answers, facts.staging_directory)} --dry-run",
    )


def _due(facts: CertificateFacts) -> Iterator[str]:
    if facts.is_due and facts.chain:
        yield (
            f"The certificate holds, but it runs out on {facts.chain.not_after:%Y-%m-%d}: it is time for "
            "`kube-registry renew`."
        )


def registration(answers: Answers, facts: CertificateFacts) -> Change:
    """A new account at the CA, its key in a Secret."""
    secret = facts.account_secret
    exists = secret is not None and secret.exists
    contact = f" with the contact {answers.certificate.email}" if answers.certificate.email else ""
    return Change(
        REGISTER,
        Verb.CHANGE if exists else Verb.CREATE,
        "ACME account",
        names.ACME_ACCOUNT_SECRET,
        f"Make an account at {facts.directory}{contact}, its key in the Secret {names.ACME_ACCOUNT_SECRET}",
        {"directory": facts.directory, "existed": exists, "terms": facts.terms},
        command=f"certbot register --server {facts.directory} "
        + (f"--email {answers.certificate.email}" if contact else "--register-unsafely-without-email"),
    )


def _issue(answers: Answers, facts: CertificateFacts, reason: str) -> Change:
    wanted = answers.certificate
    return Change(
        ISSUE,
        _verb(facts),
        "certificate",
        wanted.domain,
        f"Get a certificate for {', '.join(wanted.names)} from {facts.directory} "
        f"by {wanted.method} ({reason}), in the Secret {names.CERTIFICATE_SECRET}",
        {**_params(answers, facts), "directory": facts.directory},
        command=f"{_by_certbot(answers, facts.directory)}\n"
        + _stored(answers, f"{LIVE}/{wanted.domain}/fullchain.pem", f"{LIVE}/{wanted.domain}/privkey.pem"),
    )


def _import(answers: Answers, facts: CertificateFacts, reason: str) -> Change:
    wanted = answers.certificate
    return Change(
        IMPORT,
        _verb(facts),
        "certificate",
        wanted.domain,
        f"Bring in the certificate for {wanted.domain} "
        f"from {wanted.pkcs12_file or wanted.cert_file} ({reason}), in the Secret {names.CERTIFICATE_SECRET}",
        {**_params(answers, facts), "serial": facts.imported.serial if facts.imported else ""},
        command=_unpacked(wanted) + _stored(answers, wanted.cert_file, wanted.key_file),
    )


def _stored(answers: Answers, certificate: str, key: str) -> str:
    return (
        f"kubectl -n {answers.connect.namespace} create secret generic {names.CERTIFICATE_SECRET} "
        f"--from-file={names.CERTIFICATE_KEY}={certificate or names.CERTIFICATE_KEY} "
        f"--from-file={names.PRIVATE_KEY}={key or names.PRIVATE_KEY}"
    )


def _unpacked(wanted: CertificateAnswers) -> str:
    """A PKCS#12 file has to be taken apart first."""
    if not wanted.pkcs12_file:
        return ""
    openssl = f"openssl pkcs12 -in {wanted.pkcs12_file}"
    files = (f"-nokeys -out {names.CERTIFICATE_KEY}", f"-nocerts -nodes -out {names.PRIVATE_KEY}")
    return "".join(f"{openssl} {file}\n" for file in files)


def _by_certbot(answers: Answers, directory: str) -> str:
    wanted = answers.certificate
    way = {
        "webroot": "--manual" if wanted.webroot == "manual" else f"--webroot -w {wanted.webroot}",
        "standalone": f"--standalone --http-01-port {wanted.http_port}",
        "dns-route53": "--dns-route53",
    }.get(wanted.method, "")
    return f"certbot certonly --server {directory} {way} {' '.join(f'-d {name}' for name in wanted.names)}"


def _verb(facts: CertificateFacts) -> Verb:
    return Verb.CHANGE if facts.chain else Verb.CREATE


def _params(answers: Answers, facts: CertificateFacts) -> dict[str, object]:
    return {
        "domain": answers.certificate.domain,
        "former_serial": facts.chain.serial if facts.chain else "",
        "existed": facts.secret is not None and facts.secret.exists,
    }


def _refusals(answers: Answers, facts: CertificateFacts) -> Iterator[Problem]:
    """What would make the CA say no."""
    wanted = answers.certificate
    if not wanted.agree_tos:
        terms = f" ({facts.terms})" if facts.terms else ""
        yield Problem(
            "terms-not-agreed",
            f"The CA issues only to those who agree to its terms of service{terms}.",
            "Only you can agree.",
            "Read them, then set [certificate] agree_tos = true.",
        )
    if facts.needs_external_account and not wanted.eab_kid and needs_account(facts):
        yield Problem(
            "external-account-needed",
            f"The CA {facts.directory} only takes accounts that are bound to one of its customers.",
            "It gives each customer a key ID and an HMAC key.",
            "Set [certificate] eab_kid, and the HMAC key in KUBE_REGISTRY_EAB_HMAC.",
        )
    if wanted.profile and facts.profiles and wanted.profile not in facts.profiles:
        yield Problem(
            "profile-unknown",
            f"The CA does not offer the certificate profile {wanted.profile}.",
            f"It offers {', '.join(facts.profiles)}.",
            "Correct [certificate] profile, or leave it empty.",
        )


def _foreign(answers: Answers, touched: list[SecretFacts | None]) -> Iterator[Problem]:
    for secret in touched:
        if secret is not None and secret.owner not in {"", answers.setup}:
            yield Problem(
                "other-setup",
                f"The Secret {secret.name} belongs to the setup {secret.owner}.",
                "A namespace holds one setup.",
                f"Choose another namespace, or go on with the setup {secret.owner}.",
            )


def _consents(touched: list[SecretFacts | None]) -> Iterator[Consent]:
    nobodys = [each.name for each in touched if each is not None and each.exists and not each.owner]
    if nobodys:
        question = (
            f"The Secret {' and the Secret '.join(nobodys)} was there before. May the wizard change it? "
            "What it holds is kept beside, and undo puts it back."
        )
        yield Consent("adopt", "secrets", question)
