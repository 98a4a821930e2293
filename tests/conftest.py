"""What holds for every test: it talks to this machine only, and finds the same counterexamples every time."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

# The same examples in every run: a test that fails here fails there. Two cores shared with an Asterisk are slow at
# times, which is no failure.
settings.register_profile("house", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("house")


def _on_this_machine(address: Any) -> bool:
    if not isinstance(address, tuple):
        return True
    host = str(address[0])
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session", autouse=True)
def nobody_calls_outside() -> Iterator[None]:
    """A connection to another machine is refused, and says who wanted it."""
    real_connect = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if not _on_this_machine(address):
            raise AssertionError(f"a test wanted to connect to {address!r}")
        real_connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        yield
