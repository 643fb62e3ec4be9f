"""Orders and the certificates that come of them (RFC 8555, section 7.4; RFC 9773, section 5)."""

from datetime import timedelta

from wizard.practice.acme import csr, encoding, jws, names, renewal
from wizard.practice.acme.authorizations import Authorizations
from wizard.practice.acme.model import Account, Issued, Order, Request, Response
from wizard.practice.acme.problems import Problem
from wizard.practice.acme.state import Desk, new_id, owned
from wizard.practice.pki import LeafKey

LIFETIME = timedelta(days=7)
PEM_CHAIN = ("Content-Type", "application/pem-certificate-chain")


class Orders:
    def __init__(self, desk: Desk, authorizations: Authorizations) -> None:
        self._desk = desk
        self._authorizations = authorizations

    def create(self, request: Request) -> Response:
        account, wanted, settings = request.owner, request.members, self._desk.settings
        if wanted.get("notBefore") or wanted.get("notAfter"):
            raise Problem("malformed", "NotBefore and NotAfter are not supported")
        found = names.from_order(wanted.get("identifiers"), settings.rejected_names)
        offered = settings.offered(is_ordering=True)
        usual = settings.default_profile
        profile = wanted.get("profile") or (usual if usual in offered else next(iter(offered)))
        if not isinstance(profile, str) or profile not in offered:
            raise Problem("invalidProfile", f'unrecognized profile name "{profile}"')
        replaced = self._replaced(wanted.get("replaces"), account, found)
        if not (replaced and renewal.is_due(replaced, settings)):
            self._desk.limiter.check_order(settings.limits, account.identity, found)
        order = Order(
            identity=new_id(),
            account=account.identity,
            names=found,
            authorizations=[self._authorizations.for_name(account, name).identity for name in found],
            profile=profile,
            terms=offered[profile],
            has_chosen_profile=bool(wanted.get("profile")),
            expires=encoding.now() + LIFETIME,
            replaces=wanted.get("replaces") if replaced else None,
        )
        known = self._desk.state.authorizations
        if all(known[identity].status == "valid" for identity in order.authorizations):
            order.status = "ready"
        if replaced:
            replaced.replaced_by = order.identity
        self._desk.state.orders[order.identity] = order
        self._desk.limiter.count("order", account.identity)
        self._desk.note("order", found, order.identity)
        return self._show(order, 201)

    def show(self, request: Request, identity: str) -> Response:
        return self._show(owned(self._desk.state.orders, identity, request.owner, "order"), 200)

    def finalize(self, request: Request, identity: str) -> Response:
        order = owned(self._desk.state.orders, identity, request.owner, "order")
        if order.status != "ready":
            raise Problem(
                "orderNotReady", f'Order\'s status ("{order.status}") is not acceptable for finalization'
            )
        try:
            key = _requested_key(request, order)
        except Problem as problem:
            raise problem.about("Error finalizing order :: ") from problem
        order.status = "processing"
        if delay_s := self._desk.settings.delay_s("issuance"):
            self._desk.background.later(delay_s, lambda: self._issue(order, key))
        else:
            self._issue(order, key)
        return self._show(order, 200)

    def certificate(self, request: Request, identity: str, chain: str = "0") -> Response:
        """Leaf and intermediate as PEM; chain 1 is the alternate one (section 7.4.2)."""
        issued = owned(self._desk.state.certificates, identity, request.owner, "certificate")
        if chain not in {"0", "1"}:
            raise Problem("malformed", "Unknown issuance chain", status=404)
        other = {"0": ("1",), "1": ()}[chain]
        pem = self._desk.authority.chain(issued.certificate, is_alternate=chain == "1")
        link = f'<{self._desk.urls.of("certificate", identity, *other)}>;rel="alternate"'
        return Response(200, pem, [PEM_CHAIN, ("Link", link)])

    def _show(self, order: Order, status: int) -> Response:
        headers = [("Location", self._desk.urls.order(order.identity))]
        if order.status in {"pending", "processing"}:
            headers.append(("Retry-After", str(self._desk.settings.retry_after_s)))
        return Response(status, order.to_json(self._desk.urls), headers)

    def _issue(self, order: Order, key: LeafKey) -> None:
        lifetime = self._desk.settings.lifetime(order.terms)
        certificate = self._desk.authority.issue(
            key, order.names, lifetime=lifetime, has_common_name=order.terms.has_common_name
        )
        issued = Issued(new_id(), order.account, order.names, certificate)
        with self._desk.state.lock:
            self._desk.state.certificates[issued.identity] = issued
            order.certificate = issued.identity
            order.status = "valid"
            self._desk.limiter.count_issued(order.names)
            self._desk.note("issued", order.names, f"{certificate.serial_number:x}")

    def _replaced(self, wanted: object, account: Account, found: tuple[str, ...]) -> Issued | None:
        """The certificate that a new order replaces. Raises Problem as RFC 9773, section 5, asks."""
        if not wanted:
            return None
        if not isinstance(wanted, str):
            raise Problem("malformed", "'replaces' is not a certificate identifier")
        renewal.check_id(wanted)
        issued = self._desk.state.issued_by_id(wanted)
        if issued is None:
            raise Problem(
                "malformed",
                "request included `replaces` field, but no current certificate with that identifier exists",
                status=404,
            )
        if issued.account != account.identity:
            raise Problem(
                "unauthorized",
                "requester account did not request the certificate being replaced by this order",
            )
        if not set(found) & set(issued.names):
            raise Problem(
                "malformed",
                "identifiers in this order do not match any identifiers in the certificate being replaced",
            )
        by = self._desk.state.orders.get(issued.replaced_by or "")
        if by and by.status != "invalid":
            raise Problem(
                "alreadyReplaced",
                f"cannot indicate an order replaces certificate {wanted}, which already has a replacement"
                " order",
            )
        return issued


def _requested_key(request: Request, order: Order) -> LeafKey:
    """The key that the request's CSR wants certified for the order's names. Raises Problem."""
    key, found = csr.read(request.members.get("csr"))
    if found != order.names:
        raise Problem("unauthorized", "CSR does not specify same identifiers as Order")
    if jws.is_key(request.key, key):
        raise Problem("badCSR", "certificate public key must be different than account key")
    return key
