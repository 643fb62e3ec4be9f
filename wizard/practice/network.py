"""The world's map: which published address and port leads to which socket on loopback.

Names in the practice world resolve to published addresses such as 127.80.0.2. Nothing has to listen
there: the proxy looks the address up here and connects to the real socket, so that ports 80 and 443
need no root, and systems that know only 127.0.0.1 can practise too.
"""

import threading
from collections.abc import Iterable

Socket = tuple[str, int]
WEB_ADDRESS = "127.80.0.1"


class Network:
    """Thread-safe; addresses are IPv4 text, names are lower case without a final dot."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._targets: dict[Socket, Socket] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._last_address = 1

    def new_address(self) -> str:
        """The next free address; WEB_ADDRESS is never given out."""
        with self._lock:
            self._last_address += 1
            return f"127.80.{self._last_address // 256}.{self._last_address % 256}"

    def publish(self, address: str, port: int, target: Socket) -> None:
        with self._lock:
            self._targets[address, port] = target

    def withdraw(self, address: str) -> None:
        with self._lock:
            self._targets = {at: to for at, to in self._targets.items() if at[0] != address}

    def target(self, address: str, port: int) -> Socket | None:
        with self._lock:
            return self._targets.get((address, port))

    def name(self, host: str, addresses: Iterable[str]) -> None:
        """Makes a host known that no hosted zone holds, such as a balancer's name; no addresses forget it."""
        with self._lock:
            if found := tuple(addresses):
                self._names[host.lower().rstrip(".")] = found
            else:
                self._names.pop(host.lower().rstrip("."), None)

    def addresses(self, host: str) -> tuple[str, ...]:
        with self._lock:
            return self._names.get(host.lower().rstrip("."), ())
