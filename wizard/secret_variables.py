"""The environment variables that may hold the wizard's own secrets, and programs run without them."""

from collections.abc import Mapping

PASSWORD_PREFIX = "KUBE_REGISTRY_PASSWORD_"  # noqa: S105 - how variables begin, a user's name follows
EAB_HMAC = "KUBE_REGISTRY_EAB_HMAC"
PKCS12_PASSWORD = "KUBE_REGISTRY_PKCS12_PASSWORD"  # noqa: S105 - the name of a variable
OWN = (PASSWORD_PREFIX, EAB_HMAC, PKCS12_PASSWORD)
AWS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def without(environ: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """All variables but those whose names begin so: what another program has no need to know."""
    return {name: value for name, value in environ.items() if not name.startswith(names)}
