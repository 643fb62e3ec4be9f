"""Rate limits as Let's Encrypt applies and words them, over sliding windows."""

import math
from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import timedelta

from wizard.practice.acme import encoding
from wizard.practice.acme.problems import Problem
from wizard.practice.acme.settings import Limit, RateLimits


def registered_domain(name: str) -> str:
    """The last two labels: all that the practice world's names need."""
    return ".".join(name.split(".")[-2:])


class Limiter:
    """Counts events by kind and key; the checks raise Problem "rateLimited" with Retry-After in seconds."""

    KEPT = 1000

    def __init__(self, help_url: str) -> None:
        self._help = help_url
        self._events: dict[tuple[str, str], deque[float]] = defaultdict(lambda: deque(maxlen=self.KEPT))

    def count(self, kind: str, key: str) -> None:
        self._events[kind, key].append(encoding.now().timestamp())

    def count_issued(self, names: Sequence[str]) -> None:
        self.count("names", ",".join(names))
        for domain in {registered_domain(name) for name in names}:
            self.count("domain", domain)

    def check_account(self, limits: RateLimits) -> None:
        self._check(
            "account", "", limits.new_accounts, "too many new registrations ({count}) from this IP address"
        )

    def check_order(self, limits: RateLimits, account: str, names: Sequence[str]) -> None:
        self._check(
            "order", account, limits.orders_per_account, "too many new orders ({count}) from this account"
        )
        for name in names:
            self._check(
                "failure",
                f"{account} {name.removeprefix('*.')}",
                limits.failed_validations,
                f'too many failed authorizations ({{count}}) for "{name}"',
            )
        for domain in sorted({registered_domain(name) for name in names}):
            self._check(
                "domain",
                domain,
                limits.certificates_per_domain,
                f'too many certificates ({{count}}) already issued for "{domain}"',
            )
        self._check(
            "names",
            ",".join(names),
            limits.certificates_per_names,
            "too many certificates ({count}) already issued for this exact set of identifiers",
        )

    def _check(self, kind: str, key: str, limit: Limit | None, text: str) -> None:
        if limit is None:
            return
        now = encoding.now()
        since = (now - limit.window).timestamp()
        recent = [at for at in self._events.get((kind, key), ()) if at > since]
        if len(recent) < limit.count:
            return
        freed_by = recent[-limit.count] if limit.count else now.timestamp()
        wait = timedelta(seconds=math.ceil(freed_by - since))
        raise Problem(
            "rateLimited",
            f"{text.format(count=limit.count)} in the last {_hours(limit.window)},"
            f" retry after {now + wait:%Y-%m-%d %H:%M:%S} UTC: see {self._help}",
            headers=[
                ("Retry-After", str(max(1, int(wait.total_seconds())))),
                ("Link", f'<{self._help}>;rel="help"'),
            ],
        )


def _hours(window: timedelta) -> str:
    """A duration as Go prints it: 168h0m0s."""
    seconds = int(window.total_seconds())
    return f"{seconds // 3600}h{seconds // 60 % 60}m{seconds % 60}s"
