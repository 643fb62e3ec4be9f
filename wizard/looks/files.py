"""Looks at this machine: the webroot, files of a certificate brought along; and at the CA's directory."""

from datetime import UTC, datetime
from pathlib import Path

import requests

from wizard.answers import Answers
from wizard.errors import WizardError
from wizard.facts import ChainFacts
from wizard.looks.answer import Look, bad, good, of_problem, warning
from wizard.looks.doors import Doors
from wizard.secret_variables import PKCS12_PASSWORD
from wizard.services import certificates, web
from wizard.services.webroot import WELL_KNOWN, Webroot

LARGEST_FILE_BYTES = 1024 * 1024
TIMES_S = (3.0, 5.0)
FIX = "Name the web server's directory, or type manual to be shown the file to put there."


def webroot(answers: Answers, doors: Doors) -> Look:
    """Whether a file can be put there, and whether anything answers for the domain; nothing is written."""
    root, name = answers.certificate.webroot, answers.certificate.domain
    if root == "manual":
        return good("by hand", "The file to put there will be shown.")
    if problem := Webroot(root).problem():
        is_absent = problem.code == "webroot-absent"
        return bad("absent" if is_absent else "no right", problem.what, FIX)
    if not name:
        return good("writable")
    url = f"http://{name}/{WELL_KNOWN}/"
    endpoints = doors.services.endpoints
    with web.session(endpoints) as session:
        try:
            status = session.get(url, timeout=TIMES_S, allow_redirects=False, stream=True).status_code
        except requests.RequestException as error:
            told = web.explain(error, url, endpoints).problem
            return warning(
                "writable", f"But http://{name} cannot be reached from here: {told.what}", told.fix
            )
    return good("writable", f"http://{name} answers (HTTP {status}).")


def certificate(answers: Answers, doors: Doors) -> Look:
    wanted = answers.certificate
    if isinstance(pem := _read(wanted.cert_file), Look):
        return pem
    key_pem = _read(wanted.key_file) if wanted.key_file else b""
    if not isinstance(key_pem, bytes):
        key_pem = b""
    return _pair(answers, doors, pem, key_pem)


def private_key(answers: Answers, doors: Doors) -> Look:
    wanted = answers.certificate
    if isinstance(key_pem := _read(wanted.key_file), Look):
        return key_pem
    try:
        certificates.read_key(key_pem, f"The key {wanted.key_file}")
    except WizardError as error:
        return of_problem(error.problem, "no key")
    pem = _read(wanted.cert_file) if wanted.cert_file else b""
    if not pem or not isinstance(pem, bytes):
        return good("a key", "Whether it fits is told once the certificate file is named.")
    return _pair(answers, doors, pem, key_pem)


def pkcs12(answers: Answers, doors: Doors) -> Look:
    path = answers.certificate.pkcs12_file
    if isinstance(bundle := _read(path), Look):
        return bundle
    try:
        pem, key_pem = certificates.read_pkcs12(bundle, doors.secret(PKCS12_PASSWORD), path)
    except WizardError as error:
        return of_problem(error.problem, "not opened")
    return _pair(answers, doors, pem, key_pem)


def directory(answers: Answers, doors: Doors) -> Look:
    """Whether an ACME server answers there (RFC 8555, 7.1.1)."""
    endpoints = doors.services.endpoints
    url = endpoints.directory(answers.certificate.directory)
    with web.session(endpoints, ca_file=answers.certificate.ca_file) as session:
        try:
            found = session.get(url, timeout=TIMES_S).json()
        except requests.exceptions.JSONDecodeError:
            found = None
        except requests.RequestException as error:
            told = web.explain(error, url, endpoints).problem
            return warning("no answer", told.what, told.fix)
    if not isinstance(found, dict) or "newOrder" not in found:
        return bad("no CA", f"{url} is not an ACME directory.", "Correct the URL.")
    return good("answers", url)


def _pair(answers: Answers, doors: Doors, pem: bytes, key_pem: bytes) -> Look:
    files = dict.fromkeys(filter(None, (doors.services.endpoints.ca_file, answers.certificate.ca_file)))
    roots = b"\n".join(web.read_ca_file(file) for file in files)
    try:
        pem = certificates.arrange(pem, key_pem) if key_pem else pem
        chain = certificates.read_chain(pem, key_pem or None, extra_roots_pem=roots)
    except WizardError as error:
        return of_problem(error.problem, "no match" if error.problem.code == "key-mismatch" else "no use")
    return _judged(answers, chain, has_key=bool(key_pem))


def _judged(answers: Answers, chain: ChainFacts, *, has_key: bool) -> Look:
    until = f"{chain.not_after:%Y-%m-%d}"
    if chain.not_after < datetime.now(UTC):
        return bad("expired", f"It ended on {until}.", "Name the file of a newer one.")
    names = answers.certificate.names if answers.certificate.domain else ()
    if lacking := certificates.missing(chain.names, names):
        held = ", ".join(chain.names) or "no name"
        return bad(
            "other name", f"It is for {held}, not for {' and '.join(lacking)}.", "Name the right file."
        )
    if chain.chain_error:
        return warning("chain", chain.chain_error, "Put the intermediate certificates after it in the file.")
    told = f"For {', '.join(chain.names)}, until {until}."
    if not has_key:
        return good("readable", told)
    return good("fits", f"Key and certificate belong together. {told}")


def _read(path: str) -> bytes | Look:
    """A look instead of the contents where there is something amiss."""
    place = Path(path).expanduser()
    try:
        if place.is_dir():
            return bad("no file", f"{path} is a directory.", "Name a file.")
        if place.stat().st_size > LARGEST_FILE_BYTES:
            return bad("too large", f"{path} is too large for a certificate.", "Name another file.")
        return place.read_bytes()
    except OSError as error:
        return bad("unreadable", f"{path}: {error.strerror}.", "Name a readable file.")
