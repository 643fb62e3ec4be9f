"""Chains as this setup judges them: against the system's roots and those of the answers."""

from wizard import names
from wizard.errors import Refused, WizardError
from wizard.facts import ChainFacts
from wizard.services import certificates, web
from wizard.services.cluster import SecretContents
from wizard.step import Context


def extra_roots(ctx: Context) -> bytes:
    """The CAs of the answers, PEM; raises Refused where a file cannot be read."""
    files = dict.fromkeys(filter(None, (ctx.services.endpoints.ca_file, ctx.answers.certificate.ca_file)))
    return b"\n".join(web.read_ca_file(file) for file in files)


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
