"""Brings a certificate in that was got in another way."""

from wizard import names
from wizard.services import certificates
from wizard.step import Context, Receipt
from wizard.steps._acme_look import chain_in, read_pair
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
