"""The check user's password, as it lies in a Secret of the kind that Pods pull images with."""

import base64
import json
import secrets

from wizard import rules


def new_password() -> str:
    """Random, 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def document(domain: str, password: str) -> bytes:
    """The .dockerconfigjson of the check user.

    Source: Kubernetes documentation, "Pull an image from a private registry".
    """
    pair = f"{rules.CHECK_USER}:{password}"
    login = {
        "username": rules.CHECK_USER,
        "password": password,
        "auth": base64.b64encode(pair.encode()).decode(),
    }
    return json.dumps({"auths": {domain: login}}).encode()


def password_in(contents: bytes) -> str:
    """The check user's password, for whatever domain it was; "" where none is to be found."""
    for login in _logins(contents).values():
        if isinstance(login, dict) and login.get("username") == rules.CHECK_USER:
            found = login.get("password")
            if isinstance(found, str) and not rules.password(found):
                return found
    return ""


def is_right(contents: bytes, domain: str) -> bool:
    """Whether it is just what `document` would make of its password."""
    password = password_in(contents)
    return bool(password) and _logins(contents) == _logins(document(domain, password))


def _logins(contents: bytes) -> dict[str, object]:
    try:
        found = json.loads(contents)["auths"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
