"""What a CA says of itself: one request, no account."""

import email.utils
import time

import requests

from wizard.endpoints import Endpoints, is_private
from wizard.errors import Problem, Unreachable
from wizard.services import web
from wizard.services._acme_values import Directory


def read_directory(url: str, endpoints: Endpoints, *, ca_file: str = "") -> Directory:
    """One GET; raises Unreachable where it does not answer, or not as an ACME server does."""
    with web.session(endpoints, ca_file=ca_file) as session:
        try:
            answer = session.get(url)
            answer.raise_for_status()
            found = answer.json()
            meta = found.get("meta") or {}
            addresses = (answer.url, *(str(found[name]) for name in ("newNonce", "newAccount", "newOrder")))
            if not all(is_private(address) for address in addresses):
                raise ValueError("an address is not https")  # noqa: TRY301 - told with the other mistakes below
            return Directory(
                url,
                str(meta.get("termsOfService", "")),
                meta.get("externalAccountRequired") is True,
                {str(name): str(text) for name, text in (meta.get("profiles") or {}).items()},
                tuple(str(each).lower() for each in meta.get("caaIdentities") or ()),
                _skew_s(answer.headers.get("Date", "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError, requests.HTTPError) as error:
            raise not_acme(url, error) from error
        except requests.RequestException as error:
            raise web.explain(error, url, endpoints) from error


def _skew_s(date: str) -> float:
    """0 where the server names no time."""
    parsed = email.utils.parsedate_tz(date)
    return time.time() - email.utils.mktime_tz(parsed) if parsed else 0.0


def not_acme(url: str, error: Exception) -> Unreachable:
    """For an answer that is none of the protocol's."""
    return Unreachable(
        Problem(
            "not-acme",
            f"{url} does not answer as an ACME server does.",
            "It may be another address, or the CA is out of order.",
            "Check [certificate] directory; the CA's status page tells of outages.",
            f"{type(error).__name__}: {error}"[:500],
        )
    )
