"""What one Pod gets for the names of images: programs of this machine, or what a registry here really has."""

from collections.abc import Callable

from wizard.practice.kubeclient import Obj
from wizard.practice.node.environment import Lookup
from wizard.practice.node.images import Image, full_name, is_of_this_world, resolve, split
from wizard.practice.node.pulling import Puller, logins_for


class PodImages:
    """`puller` None: there is no registry to be reached from this node."""

    def __init__(self, pod: Obj, lookup: Lookup, puller: Puller | None) -> None:
        self._pod, self._lookup, self._puller = pod, lookup, puller

    def get(self, text: str, spec: Obj, tell_missing: Callable[[str], None]) -> Image:
        """Raises PullError. What was pulled is not run: it sleeps, as nobody knows what it would do."""
        name, tag, digest = split(text)
        if self._puller is None or not is_of_this_world(name):
            return resolve(text)
        full = full_name(name, tag, digest)
        is_kept = (spec.get("imagePullPolicy") or "IfNotPresent") != "Always" and tag != "latest"
        found = self._puller.known(full) if is_kept else ""
        if not found:
            logins = logins_for(name.partition("/")[0], self._secrets(tell_missing))
            found = self._puller.pull(name, digest or tag, full, logins)
        return Image(name, tag, found, "sleeper", 0)

    def _secrets(self, tell_missing: Callable[[str], None]) -> list[Obj]:
        names = [each.get("name", "") for each in self._pod["spec"].get("imagePullSecrets") or ()]
        found = {name: self._lookup("secret", name) for name in names}
        if missing := [name for name, secret in found.items() if secret is None]:
            tell_missing(", ".join(missing))
        return [secret for secret in found.values() if secret is not None]
