"""The engine's HTTP API, on loopback, behind a token made for this installation.

In: requests. Out: snapshots of the engine, and its commands. Knows the engine only by `EnginePort`, so that it can
become a process of its own.
"""

import hmac
from typing import Annotated, Any, Protocol

from fastapi import Depends, FastAPI, HTTPException, Request

from telefonista.web.wishes import Refusal, WishPort, wishes


class EnginePort(WishPort, Protocol):
    def person(self, token: str) -> str | None:
        """Whose token this is; None for nobody's."""

    def snapshot(self) -> dict[str, Any]:
        """What is happening now, as plain values."""

    def drain(self, on: bool) -> str: ...

    async def tell_accounts(self) -> str:
        """Asterisk learns the telephones' passwords as they are kept now. Raises `Refusal`."""

    async def reload(self) -> str:
        """Raises `Refusal`; the last good configuration stays."""

    async def read_do_not_call(self) -> str:
        """The list of those who must not be called was changed. Raises `Refusal`; the old one stays in force."""


def build_api(engine: EnginePort, *, token: str) -> FastAPI:
    """The application; every path but `/healthz` needs `Authorization: Bearer TOKEN`: the installation's own `token`,
    with which everything may be done, or a person's, for what that person may wish."""
    api = FastAPI(title="Telefonista", docs_url=None, redoc_url=None, openapi_url="/openapi.json")

    def authorised(request: Request) -> None:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "the token of this installation is needed", {"WWW-Authenticate": "Bearer"})

    def asks(request: Request) -> str:
        """Whose token is shown: a person's id, or empty for the installation's own."""
        given = request.headers.get("authorization", "")
        person = engine.person(given.removeprefix("Bearer ")) if given.startswith("Bearer ") else None
        if person is None:
            authorised(request)
        return person or ""

    guard = Annotated[None, Depends(authorised)]

    @api.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @api.get("/status")
    async def status(_: guard) -> dict[str, Any]:
        return engine.snapshot()

    @api.post("/drain")
    async def drain(_: guard) -> dict[str, str]:
        return {"said": engine.drain(True)}

    @api.post("/accept")
    async def accept(_: guard) -> dict[str, str]:
        return {"said": engine.drain(False)}

    @api.post("/accounts")
    async def accounts(_: guard) -> dict[str, str]:
        try:
            return {"said": await engine.tell_accounts()}
        except Refusal as refusal:
            raise HTTPException(422, str(refusal)) from refusal

    @api.post("/reload")
    async def reload(_: guard) -> dict[str, str]:
        try:
            return {"said": await engine.reload()}
        except Refusal as refusal:
            raise HTTPException(422, str(refusal)) from refusal

    @api.post("/do-not-call")
    async def do_not_call(_: guard) -> dict[str, str]:
        try:
            return {"said": await engine.read_do_not_call()}
        except Refusal as refusal:
            raise HTTPException(503, str(refusal)) from refusal

    api.include_router(wishes(engine, asks=asks))
    return api
