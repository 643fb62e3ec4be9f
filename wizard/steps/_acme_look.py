"""What there is of a certificate, and what stands in the way of another: reads only."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from wizard import names
from wizard.errors import Problem, Refused, Unreachable, WizardError
from wizard.facts import CertificateFacts, ChainFacts, SecretFacts
from wizard.parallel import side_by_side
from wizard.services import certificates, web
from wizard.services.cluster import SecretContents
from wizard.step import Context
from wizard.steps._acme_plan import METHODS, needs_account, why_needed

EAB_VARIABLE = "KUBE_REGISTRY_EAB_HMAC"
Learn = Callable[[CertificateFacts], CertificateFacts]


def look(ctx: Context) -> CertificateFacts:
    """Two requests where the certificate is right; the CA and the domain are asked only where it is not."""
    facts = _present(ctx)
    if ctx.answers.certificate.method == "import":
        return _with_files(ctx, facts)
    if not why_needed(ctx.answers, facts) or ctx.answers.certificate.method not in METHODS:
        return facts
    wanted: list[Callable[[], Learn]] = [
        partial(_ask_ca, ctx),
        partial(_ask_dns, ctx),
        partial(_try_webroot, ctx),
        partial(_try_binding, ctx, facts),
    ]
    for learn in side_by_side(wanted):
        facts = learn(facts)
    return facts


def extra_roots(ctx: Context) -> bytes:
    """The CAs of the answers, PEM; raises Refused where a file cannot be read."""
    files = dict.fromkeys(filter(None, (ctx.services.endpoints.ca_file, ctx.answers.certificate.ca_file)))
    return b"\n".join(web.read_ca_file(file) for file in files)


def read_pair(ctx: Context) -> tuple[bytes, bytes]:
    """Chain, put in order, and key from the files of the answers; raises WizardError."""
    wanted = ctx.answers.certificate
    key_pem = _read(wanted.key_file, "key_file")
    certificates.read_key(key_pem, f"The key {wanted.key_file}")
    return certificates.arrange(_read(wanted.cert_file, "cert_file"), key_pem), key_pem


def chain_in(ctx: Context, contents: SecretContents | None) -> ChainFacts | None:
    """The certificate in the Secret, None where there is none that could be read."""
    if contents is None or not contents.data.get(names.CERTIFICATE_KEY):
        return None
    pem, key_pem = contents.data[names.CERTIFICATE_KEY], contents.data.get(names.PRIVATE_KEY)
    try:
        return certificates.read_chain(pem, key_pem, extra_roots_pem=extra_roots(ctx))
    except Refused:
        raise
    except WizardError:
        return None


def account_in(contents: SecretContents | None) -> tuple[str, str]:
    """Address and directory of the account, "" where the Secret does not say."""
    if contents is None or names.ACME_ACCOUNT_KEY not in contents.data:
        return "", ""
    try:
        found = json.loads(contents.data[names.ACME_ACCOUNT_FILE])
        return str(found["uri"]), str(found["directory"])
    except (KeyError, TypeError, ValueError):
        return "", ""


def _present(ctx: Context) -> CertificateFacts:
    cluster = ctx.services.cluster
    secrets = (names.CERTIFICATE_SECRET, names.ACME_ACCOUNT_SECRET)
    found, account = side_by_side([partial(cluster.read_secret, name) for name in secrets])
    chain = chain_in(ctx, found)
    now = datetime.now(UTC)
    uri, account_directory = account_in(account)
    return CertificateFacts(
        secret=found.facts if found else SecretFacts(name=names.CERTIFICATE_SECRET),
        chain=chain,
        is_due=chain is not None and certificates.is_due(chain, now),
        is_expired=chain is not None and now >= chain.not_after,
        issued_by=found.data.get(names.ISSUED_BY, b"").decode("utf-8", "replace") if found else "",
        directory=ctx.services.endpoints.directory(ctx.answers.certificate.directory),
        account_secret=account.facts if account else SecretFacts(name=names.ACME_ACCOUNT_SECRET),
        account_uri=uri,
        account_directory=account_directory,
    )


def _with_files(ctx: Context, facts: CertificateFacts) -> CertificateFacts:
    """The files may be gone once the Secret holds what they held."""
    wanted = ctx.answers.certificate
    if not (wanted.cert_file and wanted.key_file):
        return facts
    try:
        pem, key_pem = read_pair(ctx)
        chain = certificates.read_chain(pem, key_pem, extra_roots_pem=extra_roots(ctx))
    except WizardError as error:
        return _blocked(facts, error.problem) if why_needed(ctx.answers, facts) else facts
    facts = replace(facts, imported=chain)
    if not certificates.covers(chain.names, wanted.domain):
        return _blocked(
            facts,
            Problem(
                "certificate-names",
                f"The certificate in {wanted.cert_file} is not for {wanted.domain}.",
                f"It is for {', '.join(chain.names) or 'no name'}.",
                "Name the file of the right certificate, or correct [certificate] domain.",
            ),
        )
    if chain.chain_error:
        return _blocked(
            facts,
            Problem(
                "certificate-chain",
                f"Clients would refuse the certificate in {wanted.cert_file}.",
                chain.chain_error,
                "Put the intermediate certificates after it, or name a private root as [endpoints] ca_file.",
            ),
        )
    return facts


def _ask_ca(ctx: Context) -> Learn:
    from wizard.services.acme import read_directory

    endpoints, wanted = ctx.services.endpoints, ctx.answers.certificate
    try:
        found = read_directory(endpoints.directory(wanted.directory), endpoints, ca_file=wanted.ca_file)
    except WizardError as error:
        return partial(_blocked, problem=error.problem)
    return lambda facts: replace(
        facts,
        terms=found.terms,
        needs_external_account=found.needs_external_account,
        profiles=tuple(found.profiles),
    )


def _ask_dns(ctx: Context) -> Learn:
    """As the public sees the name, for so does the CA."""
    domain = ctx.answers.certificate.domain
    resolver = ctx.services.resolver
    try:
        found = resolver.public(domain, "A") + resolver.public(domain, "AAAA")
    except Unreachable as error:
        problem = error.problem
        return lambda facts: replace(facts, warnings=(*facts.warnings, problem))
    if found:
        return lambda facts: facts
    return partial(
        _blocked,
        problem=Problem(
            "domain-absent",
            f"{domain} does not exist in the public DNS.",
            "The CA looks the name up and then asks its web server: it needs an A record.",
            f"Create an A record for {domain} that leads to the web server of the webroot.",
        ),
    )


def _try_webroot(ctx: Context) -> Learn:
    from wizard.services.webroot import Webroot

    root = ctx.answers.certificate.webroot
    problem = Webroot(root).problem() if root and root != "manual" else None
    return partial(_blocked, problem=problem) if problem else lambda facts: facts


def _try_binding(ctx: Context, facts: CertificateFacts) -> Learn:
    if not (ctx.answers.certificate.eab_kid and needs_account(facts)) or os.environ.get(EAB_VARIABLE):
        return lambda facts: facts
    return partial(
        _blocked,
        problem=Problem(
            "eab-hmac-missing",
            "The HMAC key of the external account binding is not known.",
            "It is a secret, so it does not stand in the answers.",
            f"Set {EAB_VARIABLE} to the HMAC key that the CA gave you with the key ID.",
        ),
    )


def _blocked(facts: CertificateFacts, problem: Problem) -> CertificateFacts:
    return replace(facts, problems=(*facts.problems, problem))


def _read(path: str, key: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise Refused(
            Problem(
                "file-unreadable",
                f"{path} cannot be read.",
                f"{error.strerror}.",
                f"Name a readable PEM file in [certificate] {key}.",
            )
        ) from error
