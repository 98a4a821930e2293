"""Asks the running engine of a home, over its loopback API."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import msgspec

from telefonista.app.home import Home, PortsInUse, Secrets

TIMEOUT_S = 30.0


class NotRunning(Exception):
    """No engine answers for this home, or it refused; the message is for people."""


class EngineRefused(NotRunning):
    """An engine runs, and will not; the message says why."""


def get(home: Home, path: str) -> Any:
    return _ask(home, path, method="GET")


def post(home: Home, path: str, *, body: Mapping[str, Any] | None = None) -> Any:
    return _ask(home, path, method="POST", body=body or {})


def _ask(home: Home, path: str, *, method: str, body: Mapping[str, Any] | None = None) -> Any:
    """The engine's answer. Raises `NotRunning`, `EngineRefused`."""
    try:
        ports = msgspec.json.decode((home.run / "ports.json").read_bytes(), type=PortsInUse)
        secrets = msgspec.json.decode(home.secrets_file.read_bytes(), type=Secrets)
    except OSError as absent:
        raise NotRunning(f"{home.folder} is no installation yet: `telefonista run` makes one") from absent
    request = urllib.request.Request(
        f"http://127.0.0.1:{ports.http}{path}",
        method=method,
        headers={"Authorization": f"Bearer {secrets.api_token}", "Content-Type": "application/json"},
        data=None if body is None else json.dumps(body).encode(),
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - always http to loopback
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        raise EngineRefused(_detail(refused)) from refused
    except OSError as absent:
        raise NotRunning(f"no engine answers for {home.folder}: start it with `telefonista run`") from absent


def _detail(refused: urllib.error.HTTPError) -> str:
    try:
        detail = json.load(refused)["detail"]
        if isinstance(detail, list):
            return "; ".join(f"{one['loc'][-1]}: {one['msg'].removeprefix('Value error, ')}" for one in detail)
        return str(detail)
    except (ValueError, KeyError, TypeError):
        return f"the engine answered {refused.code}"
