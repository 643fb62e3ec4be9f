"""How a run enters the practice world: other addresses in its environment, and no way out of loopback."""

import os
from pathlib import Path

from wizard import secret_variables
from wizard.errors import Problem, Refused
from wizard.practice import daemon
from wizard.practice.guard import stay_on_loopback

FOREIGN = ("AWS_", "KUBECONFIG", "KUBE_REGISTRY_")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
KEPT = (*secret_variables.OWN, "KUBE_REGISTRY_PATIENCE")
PATIENCE = "6"
"""On one machine only that machine is slow: a class that starts all at once keeps its servers waiting."""


def enter(state_root: Path) -> Path:
    """Starts or joins the world, puts its addresses into the environment; the state root for its setups.

    Raises Refused.
    """
    try:
        info = daemon.ensure()
    except daemon.WorldError as error:
        raise Refused(
            Problem(
                "world-not-started",
                "The practice world did not start.",
                str(error),
                "Run `kube-registry world stop`, then try again.",
            )
        ) from error
    for name in list(os.environ):
        is_foreign = name.startswith(FOREIGN) and not name.startswith(KEPT)
        if is_foreign or name.upper() in PROXIES:
            del os.environ[name]
    os.environ.update(info.environment)
    os.environ.setdefault("KUBE_REGISTRY_PATIENCE", PATIENCE)
    stay_on_loopback()
    return state_root / "practice" / info.identity
