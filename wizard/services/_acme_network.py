"""Signed requests to a CA: what the `acme` library sends, with more patience and a memory for headers."""

import email.utils
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
from acme import client, messages
from josepy.errors import DeserializationError
from josepy.jwa import ES256, ES384, ES512, RS256, JWASignature
from josepy.jwk import JWK, JWKEC

from wizard.endpoints import Endpoints
from wizard.services import web
from wizard.traffic import Request

NONCE_TRIES = 30
"""The library tries a refused nonce once more; with every second one refused, 20 certificates need more."""


class Network(client.ClientNetwork):
    """`retry_after` and `links` are those of the last answer; close the session after use."""

    def __init__(self, key: JWK, endpoints: Endpoints, *, ca_file: str = "") -> None:
        super().__init__(key, alg=algorithm_of(key))
        self.session.close()
        self.session = web.session(endpoints, ca_file=ca_file)
        self.session.hooks["response"].append(self._remember)
        self.retry_after: datetime | None = None
        self.terms = ""
        self._traffic = endpoints.traffic

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        for _ in range(NONCE_TRIES):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if kind_of(error) != "badNonce":
                    raise
        return super().post(*args, **kwargs)

    @classmethod
    def _check_response(
        cls, response: requests.Response, content_type: str | None = None
    ) -> requests.Response:
        """The library takes every 409 for an account that is there already, and drops what the CA says.

        RFC 9773, 5, answers so to an order for a certificate that was replaced before.
        """
        if response.status_code == HTTPStatus.CONFLICT and (told := _problem_in(response)):
            raise told
        return super()._check_response(response, content_type)

    def _remember(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        self.retry_after = moment(answer.headers)
        terms = [url for url in links(answer, "terms-of-service") if url]
        self.terms = terms[0] if terms else ""
        asked = f"{answer.request.method} {urlsplit(answer.url).path}"
        # A CA gives a request no id: Replay-Nonce is for the next one.
        elapsed_s = round(answer.elapsed.total_seconds(), 3)
        self._traffic.heard(Request("acme", asked, answer.status_code, elapsed_s))


def _problem_in(response: requests.Response) -> messages.Error | None:
    """The problem document that the answer is (RFC 9457), None where it is something else."""
    try:
        told: messages.Error = messages.Error.from_json(response.json())
    except (ValueError, DeserializationError):
        return None
    return told


def algorithm_of(key: JWK) -> JWASignature:
    """The one that fits the key (RFC 7518, 3.1)."""
    return {256: ES256, 384: ES384, 521: ES512}[key.key.key_size] if isinstance(key, JWKEC) else RS256


def links(answer: requests.Response, relation: str) -> list[str]:
    """The targets of Link headers of one relation (RFC 8288); there may be several."""
    found = requests.utils.parse_header_links(answer.headers.get("Link", ""))
    return [str(each.get("url", "")) for each in found if each.get("rel") == relation]


def kind_of(error: messages.Error) -> str:
    """The last part of a problem document's type."""
    return str(error.typ).rsplit(":", 1)[-1]


def moment(headers: Mapping[str, str]) -> datetime | None:
    """Retry-After (RFC 9110, 10.2.3) as a moment, None where there is none."""
    retry_after = headers.get("Retry-After", "")
    if retry_after.isdigit():
        return datetime.fromtimestamp(time.time() + int(retry_after), UTC)
    if parsed := email.utils.parsedate_tz(retry_after):
        return datetime.fromtimestamp(email.utils.mktime_tz(parsed), UTC)
    return None
