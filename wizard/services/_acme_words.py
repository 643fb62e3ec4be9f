"""The sentences for what an ACME server refuses (RFC 8555, 6.7), by the last part of the problem's type."""

import re
from dataclasses import dataclass

from wizard.errors import Problem

AGAIN = "Run the same command again in a minute."
STAGING = 'For tries, set [certificate] directory = "staging".'


@dataclass(frozen=True, slots=True)
class Refusal:
    """A problem document, or a challenge's error; `retry_after` is the server's own word, "" if none.

    `terms` is the address of the terms of service, where the answer named one.
    """

    kind: str
    detail: str = ""
    retry_after: str = ""
    terms: str = ""


_WORDS: dict[str, tuple[str, str, str]] = {
    "accountDoesNotExist": (
        "The CA does not know the account any more.",
        "The account in the Secret was removed, or belongs to another CA.",
        "Delete the Secret registry-acme-account; the next run makes a new account.",
    ),
    "alreadyReplaced": (
        "The CA has issued a successor of this certificate already.",
        "An order may replace a certificate only once (RFC 9773).",
        AGAIN,
    ),
    "alreadyRevoked": (
        "The certificate is revoked already.",
        "A certificate is revoked once.",
        "Nothing is to be done; get another one where this one is still in use.",
    ),
    "badCSR": (
        "The CA refuses the signing request.",
        "Its key may be too short, or of a kind that this CA does not take.",
        'Set [certificate] key_type = "rsa-2048" or "ecdsa-p256".',
    ),
    "badNonce": (
        "The CA refused one nonce after another.",
        "A proxy may cache its answers, or the CA is out of step with itself.",
        AGAIN,
    ),
    "badPublicKey": (
        "The CA does not take the account's key.",
        "It demands another kind of key than ECDSA P-256.",
        "Use another CA in [certificate] directory.",
    ),
    "badRevocationReason": (
        "The CA does not take that reason for a revocation.",
        "It knows a few of the reasons of RFC 5280 only.",
        "Revoke without a reason.",
    ),
    "badSignatureAlgorithm": (
        "The CA does not take signatures by ES256.",
        "It demands another kind of account key.",
        "Use another CA in [certificate] directory.",
    ),
    "caa": (
        "A CAA record forbids this CA to issue for {domain}.",
        "The closest CAA record on the way up to the top-level domain decides.",
        "Add a CAA record for {domain} that names this CA, such as 0 issue letsencrypt.org.",
    ),
    "compound": (
        "The CA found several things wrong with {domain}.",
        "It names each of them.",
        "Mend what it names, then run the same command again.",
    ),
    "connection": (
        "The CA could not connect to {domain} on port 80.",
        "It tries from several places on the internet, and prefers IPv6: a stale AAAA record fails too.",
        "Open port 80 of the web server to the whole internet until the certificate is there.",
    ),
    "dns": (
        "The CA could not resolve {domain}.",
        "It asks the zone's own name servers: the name is missing there, or DNSSEC is broken.",
        "Create an A record for {domain} that leads to the web server.",
    ),
    "dnssec": (
        "The CA found the DNSSEC signatures of {domain} broken.",
        "A DS record at the registrar may not fit the zone's keys.",
        "Correct or remove the DS record at the registrar.",
    ),
    "externalAccountRequired": (
        "This CA only takes accounts that are bound to one of its customers.",
        "It gives each customer a key ID and an HMAC key.",
        "Set [certificate] eab_kid, and the HMAC key in KUBE_REGISTRY_EAB_HMAC.",
    ),
    "incorrectResponse": (
        "The CA found something else than the challenge's file at {domain}.",
        "Another web server may answer for the name, or a page for missing files.",
        "Set [certificate] webroot to the directory that http://{domain}/ is served from.",
    ),
    "invalidContact": (
        "The CA refuses the e-mail address.",
        "It checks whether the address could take mail.",
        "Correct [certificate] email, or leave it empty.",
    ),
    "invalidProfile": (
        "The CA does not offer that certificate profile.",
        "Each CA has its own list.",
        "Leave [certificate] profile empty, or name one that it offers.",
    ),
    "malformed": (
        "The CA could not read a request.",
        "A proxy may have changed it, or the CA speaks ACME in a way of its own.",
        "Check [certificate] directory and the proxy; if both are right, please report it.",
    ),
    "orderNotReady": (
        "The CA is not ready to finish the order.",
        "It has not taken in the proof yet.",
        AGAIN,
    ),
    "rateLimited": (
        "The CA's rate limit is reached{until}.",
        "It counts accounts, orders, failures and certificates; revoking one resets nothing.",
        f"Wait{{until}}, then run the same command again. {STAGING}",
    ),
    "rejectedIdentifier": (
        "The CA issues nothing for {domain}.",
        "Its policy forbids the name: reserved, on a list of names at risk, or not below a public suffix.",
        "Choose another domain, or another CA in [certificate] directory.",
    ),
    "serverInternal": (
        "The CA has an internal error.",
        "It is on its side; nothing is lost, the order is remembered.",
        AGAIN,
    ),
    "tls": (
        "The CA met a TLS error at {domain}.",
        "A redirect from port 80 leads to a TLS server that does not work.",
        "Let the web server answer /.well-known/acme-challenge/ on port 80 without a redirect.",
    ),
    "unauthorized": (
        "The CA refuses: not authorised.",
        "The account may be deactivated, or what was asked for is another account's.",
        "Delete the Secret registry-acme-account; the next run makes a new account.",
    ),
    "userActionRequired": (
        "The CA wants you to act: its terms of service may have changed{terms}.",
        "It does not issue before that.",
        "Open the address that the CA names and follow it.",
    ),
}
_BY_DNS: dict[str, tuple[str, str, str]] = {
    "dns": (
        "The CA found no TXT record at _acme-challenge.{domain}.",
        "It asks the zone's own name servers: they may not be those that the parent zone names.",
        "Check that the hosted zone is delegated, then run the same command again.",
    ),
    "incorrectResponse": (
        "The CA found another TXT record than the challenge's at _acme-challenge.{domain}.",
        "A CNAME there may lead elsewhere, or the name servers do not all know the record yet.",
        AGAIN,
    ),
    "connection": (
        "The CA could not reach the name servers of {domain}.",
        "They may be down, or refuse the CA's resolvers.",
        AGAIN,
    ),
}
_WORDS["invalidEmail"] = _WORDS["unsupportedContact"] = _WORDS["invalidContact"]
_WORDS["unknownHost"] = _WORDS["dns"]
_WORDS["unsupportedIdentifier"] = _WORDS["rejectedIdentifier"]
_OTHER = (
    "The CA refused a request.",
    "It gave a reason that this wizard has no words for.",
    "Read what the CA says below; the CA's status page may know more.",
)


def refused(refusal: Refusal, *, domain: str) -> Problem:
    """For a request that the CA turned down."""
    return _problem(refusal, _WORDS.get(refusal.kind, _OTHER), domain)


def not_proven(refusal: Refusal, *, domain: str, kind: str = "http-01") -> Problem:
    """For a challenge that failed: `unauthorized` means there that the file was wrong (RFC 8555, 8.2)."""
    said = "incorrectResponse" if refusal.kind in {"unauthorized", "malformed"} else refusal.kind
    words = _WORDS.get(said, _OTHER)
    return _problem(refusal, _BY_DNS.get(said, words) if kind == "dns-01" else words, domain)


def binding_refused(detail: str, kid: str) -> Problem:
    """For an account that the CA does not take for one of its customer's (RFC 8555, 7.3.4)."""
    return Problem(
        "eab-refused",
        f"The CA does not take the external account binding with the key ID {kid}.",
        f"The key ID and the HMAC key do not belong together, or were used up. The CA says: {detail}",
        "Set [certificate] eab_kid, and KUBE_REGISTRY_EAB_HMAC, to a pair that the CA gives you.",
        detail,
    )


def hmac_unreadable() -> Problem:
    """It is not shown: it is a secret, if a mistyped one."""
    return Problem(
        "eab-hmac-unreadable",
        "The HMAC key of the external account binding is not base64url.",
        "It has letters, digits, - and _ only; something may have been cut off, or copied along.",
        "Set KUBE_REGISTRY_EAB_HMAC to the HMAC key that the CA gave you with [certificate] eab_kid.",
    )


def _problem(refusal: Refusal, words: tuple[str, str, str], domain: str) -> Problem:
    until = f" until {refusal.retry_after}" if refusal.retry_after else ""
    terms = f" ({refusal.terms})" if refusal.terms else ""
    what, why, fix = (text.format(domain=domain, until=until, terms=terms) for text in words)
    said = f" The CA says: {refusal.detail}" if refusal.detail else ""
    code = re.sub(r"([a-z])([A-Z])", r"\1-\2", refusal.kind).lower() or "refused"
    return Problem(f"acme-{code}", what, f"{why}{said}", fix, refusal.detail)
