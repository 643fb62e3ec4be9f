"""Revocation by the account or by the certificate's own key (RFC 8555, section 7.6)."""

from cryptography import x509

from wizard.practice.acme import encoding, jws
from wizard.practice.acme.model import Issued, Request, Response
from wizard.practice.acme.problems import Problem
from wizard.practice.acme.state import Desk

# Those that Let's Encrypt takes from subscribers; the numbers are RFC 5280's.
REASONS = {0: "unspecified", 1: "keyCompromise", 4: "superseded", 5: "cessationOfOperation"}


class Revocation:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def revoke(self, request: Request) -> Response:
        issued = self._issued(request.members.get("certificate"))
        reason = request.members.get("reason", 0)
        if type(reason) is not int or reason not in REASONS:
            allowed = ", ".join(f"{name} ({number})" for number, name in REASONS.items())
            raise Problem(
                "badRevocationReason",
                f"unsupported revocation reason code provided: {reason}. Supported reasons: {allowed}",
            )
        if not self._may_revoke(request, issued):
            raise Problem(
                "unauthorized",
                "requester does not control all identifiers in cert with serial"
                f' "{issued.certificate.serial_number:x}"',
            )
        if issued.is_revoked:
            raise Problem(
                "alreadyRevoked",
                f'Certificate with serial "{issued.certificate.serial_number:x}" already revoked',
            )
        issued.is_revoked = True
        self._desk.note("revoked", issued.names, f"{issued.certificate.serial_number:x}")
        return Response(200)

    def _issued(self, encoded: object) -> Issued:
        try:
            certificate = x509.load_der_x509_certificate(encoding.decode(encoded))
        except ValueError as error:
            raise Problem("malformed", "Unable to parse certificate DER") from error
        issued = self._desk.state.issued_as(certificate)
        if issued is None:
            raise Problem("malformed", "No such certificate", status=404)
        return issued

    def _may_revoke(self, request: Request, issued: Issued) -> bool:
        if request.account is None:
            return jws.is_key(request.key, issued.certificate.public_key())
        account = request.account.identity
        proven = {
            ("*." if authorization.is_wildcard else "") + authorization.name
            for authorization in self._desk.state.authorizations.values()
            if authorization.account == account and authorization.status == "valid"
        }
        return issued.account == account or set(issued.names) <= proven
