"""Whether a profile's credentials are there without a person: a timer has nobody to log in."""

from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.exceptions import BotoCoreError

HOPS = 8


def why_not_lasting(profile: str) -> str:
    """A sentence on what a person would have to do again and again, "" where nothing is known of that."""
    try:
        session: Any = botocore.session.Session(profile=profile or None)
        profiles: Mapping[str, Mapping[str, Any]] = session.full_config.get("profiles", {})
        name = profile or session.profile or "default"
        if reason := _by_configuration(name, profiles):
            return reason
        found = session.get_credentials()
    except BotoCoreError:
        return ""
    if found is None:
        return "There are no credentials."
    if found.method == "env":
        return "They stand in this shell's environment variables, which a timer does not have."
    if found.method in {"sso", "login"}:
        return _logged_in(name)
    return ""


def _by_configuration(name: str, profiles: Mapping[str, Mapping[str, Any]]) -> str:
    """Through the profiles that a role is assumed from."""
    for _ in range(HOPS):
        found = profiles.get(name, {})
        if {"sso_session", "sso_start_url", "login_session"} & set(found):
            return _logged_in(name)
        if "mfa_serial" in found:
            return f"The profile {name} asks for an MFA code."
        if not (source := found.get("source_profile")) or source == name:
            return ""
        name = str(source)
    return ""


def _logged_in(name: str) -> str:
    return f"The profile {name} logs in through a browser (SSO), again and again."
