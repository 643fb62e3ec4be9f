"""Brings a certificate in that was got in another way: PEM files or PKCS#12, put in order and completed."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from wizard import names
from wizard.errors import Problem, Refused, WizardError
from wizard.facts import CertificateFacts
from wizard.secret_variables import PKCS12_PASSWORD
from wizard.services import certificates, chains
from wizard.step import Context, Receipt
from wizard.steps._acme_chain import chain_in, extra_roots
from wizard.steps._acme_plan import why_needed
from wizard.steps._acme_secret import install


def bring_in(ctx: Context) -> Receipt:
    """The pair of the answers' files, its chain in order; done already if the Secret holds its serial."""
    pem, key_pem = read_pair(ctx)
    chain = certificates.read_chain(pem, key_pem)
    present = chain_in(ctx, ctx.services.cluster.read_secret(names.CERTIFICATE_SECRET))
    if present is None or present.serial != chain.serial or not present.key_matches:
        install(ctx, pem, key_pem, issued_by="")
    return {
        "serial": chain.serial,
        "names": list(chain.names),
        "not_after": chain.not_after.isoformat(),
        "secret": names.CERTIFICATE_SECRET,
    }


def read_pair(ctx: Context) -> tuple[bytes, bytes]:
    """Chain, put in order and completed, and key from the files of the answers; raises WizardError."""
    wanted = ctx.answers.certificate
    if wanted.pkcs12_file:
        password = ctx.vault.secret(PKCS12_PASSWORD)
        bundle = _read(wanted.pkcs12_file, "pkcs12_file")
        pem, key_pem = certificates.read_pkcs12(bundle, password, wanted.pkcs12_file)
    else:
        pem, key_pem = _read(wanted.cert_file, "cert_file"), _read(wanted.key_file, "key_file")
        certificates.read_key(key_pem, f"The key {wanted.key_file}")
    arranged = certificates.arrange(pem, key_pem)
    return chains.completed(arranged, ctx.services.endpoints, extra_roots(ctx)), key_pem


def with_files(ctx: Context, facts: CertificateFacts) -> CertificateFacts:
    """The files may be gone once the Secret holds what they held."""
    wanted = ctx.answers.certificate
    if not (wanted.pkcs12_file or (wanted.cert_file and wanted.key_file)):
        return facts
    source = wanted.pkcs12_file or wanted.cert_file
    try:
        pem, key_pem = read_pair(ctx)
        chain = certificates.read_chain(pem, key_pem, extra_roots_pem=extra_roots(ctx))
    except WizardError as error:
        return _blocked(facts, error.problem) if why_needed(ctx.answers, facts) else facts
    facts = replace(facts, imported=chain)
    if lacking := certificates.missing(chain.names, wanted.names):
        return _blocked(
            facts,
            Problem(
                "certificate-names",
                f"The certificate in {source} is not for {' and '.join(lacking)}.",
                f"It is for {', '.join(chain.names) or 'no name'}.",
                "Name the file of the right certificate, or correct the names under [certificate].",
            ),
        )
    if chain.not_after <= datetime.now(UTC):
        return _blocked(facts, _ran_out(source, chain.not_after))
    if chain.chain_error:
        return _blocked(
            facts,
            Problem(
                "certificate-chain",
                f"Clients would refuse the certificate in {source}.",
                chain.chain_error,
                "Put the intermediate certificates after it, or name a private root as [endpoints] ca_file.",
            ),
        )
    return facts


def _ran_out(source: str, not_after: datetime) -> Problem:
    return Problem(
        "certificate-expired",
        f"The certificate in {source} ran out on {not_after:%Y-%m-%d}.",
        "No client accepts it any more.",
        "Get the next one from its issuer, and name its file under [certificate].",
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
                f"Name a readable file in [certificate] {key}.",
            )
        ) from error
