"""The HTTP API: nothing without the token, and a refusal says why."""

import json
from typing import Any

import pytest
from fastapi import FastAPI

from telefonista.web import Refusal, build_api

TOKEN = "a-token-of-this-installation"
GUARDED = (("GET", "/status"), ("POST", "/drain"), ("POST", "/accept"), ("POST", "/reload"))


class Engine:
    """What the API asks of an engine."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refusal = ""

    def snapshot(self) -> dict[str, Any]:
        self.asked.append("snapshot")
        return {"accepting": True, "calls": []}

    def drain(self, on: bool) -> str:
        self.asked.append(f"drain {on}")
        return "draining" if on else "taking calls"

    async def reload(self) -> str:
        self.asked.append("reload")
        if self.refusal:
            raise Refusal(self.refusal)
        return "reloaded: 1 line"


class Answer:
    """What came back for a request."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.text = ""

    @property
    def body(self) -> Any:
        return json.loads(self.text)


async def ask(api: FastAPI, method: str, path: str, *, authorization: bytes | None = None) -> Answer:
    """A request without a wire."""
    answer = Answer()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            answer.text += message.get("body", b"").decode()

    headers = [] if authorization is None else [(b"authorization", authorization)]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await api(scope, receive, send)
    return answer


BEARER = f"Bearer {TOKEN}".encode()


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def api(engine: Engine) -> FastAPI:
    return build_api(engine, token=TOKEN)


async def test_anybody_may_ask_whether_it_lives(api: FastAPI) -> None:
    answer = await ask(api, "GET", "/healthz")
    assert (answer.status, answer.body) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "shown",
    [
        None,
        b"",
        TOKEN.encode(),
        f"Basic {TOKEN}".encode(),
        b"Bearer ",
        BEARER + b"x",
        BEARER[:-1],
        BEARER.lower(),
        "Bearer ñandú".encode(),
        b"Bearer \xff\xfe",
    ],
)
@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_whoever_does_not_show_the_token_gets_nothing_done(
    api: FastAPI, engine: Engine, method: str, path: str, shown: bytes | None
) -> None:
    answer = await ask(api, method, path, authorization=shown)
    assert (answer.status, engine.asked) == (401, [])
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "asked", "said"),
    [
        ("GET", "/status", "snapshot", {"accepting": True, "calls": []}),
        ("POST", "/drain", "drain True", {"said": "draining"}),
        ("POST", "/accept", "drain False", {"said": "taking calls"}),
        ("POST", "/reload", "reload", {"said": "reloaded: 1 line"}),
    ],
)
async def test_with_the_token_the_engine_does_what_is_asked(
    api: FastAPI, engine: Engine, method: str, path: str, asked: str, said: dict[str, Any]
) -> None:
    answer = await ask(api, method, path, authorization=BEARER)
    assert (answer.status, answer.body, engine.asked) == (200, said, [asked])


async def test_refusal_says_why_line_by_line(api: FastAPI, engine: Engine) -> None:
    engine.refusal = "config.yaml:3: unknown setting 'nod'\nconfig.yaml:9: name is missing"
    answer = await ask(api, "POST", "/reload", authorization=BEARER)
    assert (answer.status, answer.body) == (422, {"detail": engine.refusal})


@pytest.mark.parametrize(("method", "path"), [("POST", "/status"), ("GET", "/drain"), ("GET", "/"), ("GET", "/docs")])
async def test_what_is_not_offered_is_not_there(api: FastAPI, engine: Engine, method: str, path: str) -> None:
    answer = await ask(api, method, path, authorization=BEARER)
    assert answer.status in (404, 405)
    assert engine.asked == []
