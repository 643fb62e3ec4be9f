"""Reads kubeconfig files as kubectl does: several merged, the first to name a thing wins.

The official client's own reader shows file contents in its errors and knows no size limit, so only its
loader for one chosen context is used (in `transport`).
"""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wizard.errors import Problem, Refused

LARGEST_FILE_BYTES = 4 * 2**20
MOST_SHOWN = 10
DEEPEST_NESTING = 50
MOST_ALIASES = 20
_PATHS = {
    "clusters": ("certificate-authority",),
    "users": ("client-certificate", "client-key", "tokenFile"),
    "contexts": (),
}
_TABLE_OF = {"clusters": "cluster", "users": "user", "contexts": "context"}

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ContextView:
    """A context as a picker shows it; `server` is "" where its cluster is not in the file."""

    name: str
    cluster: str
    server: str
    user: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """One context with its cluster and user tables; file names in them are absolute."""

    name: str
    server: str
    cluster: Table
    user: Table = field(repr=False)


@dataclass(slots=True)
class KubeConfig:
    """The merged files; `origins` are those that were read."""

    origins: list[Path] = field(default_factory=list)
    current: str = ""
    clusters: dict[str, Table] = field(default_factory=dict)
    users: dict[str, Table] = field(default_factory=dict, repr=False)
    contexts: dict[str, Table] = field(default_factory=dict)

    def views(self) -> list[ContextView]:
        return [self._view(name, table) for name, table in self.contexts.items()]

    def choose(self, name: str) -> Chosen:
        """The named context, or the current one for ""; raises Refused with what is there."""
        name = name or self.current
        where = _shown(self.origins)
        if not name:
            raise Refused(
                Problem(
                    "no-context",
                    f"{where} names no current context.",
                    self._listing(),
                    "Set kube_context in the answers, or run: kubectl config use-context NAME",
                )
            )
        if name not in self.contexts:
            near = difflib.get_close_matches(name, self.contexts, n=1)
            raise Refused(
                Problem(
                    "context-unknown",
                    f"{where} has no context {name}.",
                    self._listing(),
                    f"Did you mean {near[0]}?" if near else "Set kube_context to one that is there.",
                )
            )
        context = self.contexts[name]
        cluster = self.clusters.get(str(context.get("cluster", "")))
        server = (cluster or {}).get("server")
        if cluster is None or not isinstance(server, str) or not server:
            raise _broken(where, f"The context {name} names a cluster without a server address.")
        user = self.users.get(str(context.get("user", "")), {})
        return Chosen(name, server.rstrip("/"), cluster, user)

    def _view(self, name: str, table: Table) -> ContextView:
        cluster = str(table.get("cluster", ""))
        server = str(self.clusters.get(cluster, {}).get("server", ""))
        return ContextView(
            name, cluster, server, str(table.get("user", "")), str(table.get("namespace", "") or "default")
        )

    def _listing(self) -> str:
        if not self.contexts:
            return "It has no contexts at all."
        names = sorted(self.contexts)
        more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
        return f"Contexts there: {', '.join(names[:MOST_SHOWN])}{more}."


def contexts() -> tuple[list[ContextView], str]:
    """The contexts to pick from and the name of the current one, "" if none; raises Refused."""
    config = load()
    return config.views(), config.current


def load(environ: Mapping[str, str] = os.environ) -> KubeConfig:
    """Reads the files of KUBECONFIG, else ~/.kube/config; raises Refused where that cannot be done."""
    named = [Path(part).expanduser() for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    paths = named or [Path("~/.kube/config").expanduser()]
    config = KubeConfig()
    for path in paths:
        document = _read(path)
        if document is not None:
            config.origins.append(path)
            _merge(config, document, path)
    if not config.origins:
        raise Refused(
            Problem(
                "kubeconfig-missing",
                f"There is no kubeconfig at {_shown(paths)}.",
                "Without it nobody knows where the cluster is.",
                "Make one (EKS: aws eks update-kubeconfig --name CLUSTER) or point KUBECONFIG at yours.",
            )
        )
    return config


def _read(path: Path) -> Table | None:
    import yaml

    try:
        with path.open("rb") as file:  # a pipe or a device tells no size
            text = file.read(LARGEST_FILE_BYTES + 1)
        if len(text) > LARGEST_FILE_BYTES:
            raise Refused(
                Problem(
                    "kubeconfig-too-large",
                    f"The kubeconfig {path} is larger than {LARGEST_FILE_BYTES // 2**20} MiB.",
                    "A kubeconfig is a page of text for each cluster; this is something else.",
                    "Point KUBECONFIG at the right file.",
                )
            )
        document = _parse(text)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused(
            Problem(
                "kubeconfig-unreadable",
                f"The kubeconfig {path} cannot be read.",
                f"{error.strerror}.",
                "Point KUBECONFIG at a file that you may read.",
            )
        ) from error
    except (yaml.YAMLError, UnicodeError, RecursionError, ValueError) as error:
        # The error's own text quotes the file, which may hold keys.
        raise _broken(str(path), _place(error)) from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise _broken(str(path), "Its top level is not a table.")
    return document


def _parse(text: bytes) -> Any:
    """Raises YAMLError, UnicodeError or ValueError; libyaml's loader would crash on deep nesting."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = aliases = 0
    for event in yaml.parse(text, Loader=loader):
        aliases += isinstance(event, yaml.AliasEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST_NESTING:
            raise ValueError("nested too deep")
        if aliases > MOST_ALIASES:
            raise ValueError("more aliases than any kubeconfig has: a few lines of them fill all memory")
    return yaml.load(text, Loader=loader)  # noqa: S506 - SafeLoader or its twin in C


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return "It is not valid YAML."
    return f"It is not valid YAML at line {mark.line + 1}, column {mark.column + 1}."


def _merge(config: KubeConfig, document: Table, path: Path) -> None:
    if not config.current:
        config.current = str(document.get("current-context") or "")
    for section, table_key in _TABLE_OF.items():
        found = document.get(section) or []
        if not isinstance(found, list):
            raise _broken(str(path), f"{section} is not a list.")
        known: dict[str, Table] = getattr(config, section)
        for entry in found:
            table = entry.get(table_key) or {} if isinstance(entry, dict) else None
            if table is None or not isinstance(table, dict) or not isinstance(entry.get("name"), str):
                raise _broken(str(path), f"An entry of {section} has no name or no {table_key}.")
            known.setdefault(entry["name"], _anchored(table, _PATHS[section], path.parent))


def _anchored(table: Table, keys: tuple[str, ...], base: Path) -> Table:
    """File names in a kubeconfig are relative to it, a plugin's too where it has a slash."""
    moved: dict[str, Any] = {key: str(base / table[key]) for key in keys if isinstance(table.get(key), str)}
    plugin = table.get("exec")
    if isinstance(plugin, dict) and os.sep in str(plugin.get("command", "")):
        moved["exec"] = {**plugin, "command": str(base / str(plugin["command"]))}
    return {**table, **moved}


def _broken(where: str, why: str) -> Refused:
    return Refused(
        Problem(
            "kubeconfig-broken",
            f"The kubeconfig {where} cannot be used.",
            why,
            "Mend it, or point KUBECONFIG at another; `kubectl config view` shows what kubectl makes of it.",
        )
    )


def _shown(paths: list[Path]) -> str:
    return ", ".join(str(path) for path in paths)
