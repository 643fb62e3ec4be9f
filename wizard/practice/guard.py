"""Makes any connection from this process to anything but loopback an error.

An audit hook sees every connect of every library and cannot be taken off again: what practises never
leaves the machine.
"""

import ipaddress
import sys
from typing import Any

_is_on = False


class LeftLoopback(OSError):
    """A run in the practice world tried to reach the world outside."""


def stay_on_loopback() -> None:
    """From now on, for as long as the process lives."""
    global _is_on  # noqa: PLW0603 - an audit hook is per process, so is this
    if not _is_on:
        _is_on = True
        sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.sendto"} and len(arguments) > 1:
        address = arguments[1]
        if isinstance(address, tuple) and address and not _is_loopback(str(address[0])):
            raise LeftLoopback(f"The practice world stays on this machine; {address[0]} is outside.")
    elif event == "socket.getaddrinfo" and arguments and not _is_local_name(arguments[0]):
        raise LeftLoopback(f"The practice world stays on this machine; {arguments[0]} is outside.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _is_local_name(host: object) -> bool:
    """A name that needs the system's resolver would ask a server outside."""
    name = host.decode() if isinstance(host, bytes) else host
    return name is None or name == "" or (isinstance(name, str) and _is_loopback(name))
