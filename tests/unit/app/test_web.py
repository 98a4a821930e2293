"""The HTTP API: nothing without the token, and a refusal says why."""

import json
from typing import Any

import pytest
from fastapi import FastAPI

from telefonista.kernel.events import (
    CancellationAsked,
    ConferenceAsked,
    ConsultationAsked,
    ConsultationEndAsked,
    Destination,
    DestinationKind,
    DispositionAsked,
    Event,
    HoldAsked,
    LogInAsked,
    LogOutAsked,
    MoveAsked,
    PauseAsked,
    ReadyAsked,
    Supervision,
    SupervisionAsked,
    SupervisionEndAsked,
    TakeOverAsked,
    TransferAsked,
    TransferCompletionAsked,
    WrapUpExtensionAsked,
)
from telefonista.kernel.ids import AgentId, CallId, QueueName
from telefonista.web import INSTALLATION, Forbidden, Refusal, Unknown, build_api

TOKEN = "a-token-of-this-installation"
GUARDED = (
    ("GET", "/status"),
    ("POST", "/accounts"),
    ("POST", "/drain"),
    ("POST", "/accept"),
    ("POST", "/reload"),
    ("POST", "/do-not-call"),
    ("POST", "/agents/101/pause"),
    ("POST", "/calls/tf1-1.1/hold"),
)
ANA, SOL = AgentId("101"), AgentId("201")
CALL, GONE = CallId("tf1-1700000000.1"), CallId("tf1-1700000000.9")


class Engine:
    """What the API asks of an engine."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refusal = ""
        self.wished: list[tuple[str, Event]] = []
        self.problem: Exception | None = None
        self.talking: AgentId | None = ANA

    def snapshot(self) -> dict[str, Any]:
        self.asked.append("snapshot")
        return {"accepting": True, "calls": []}

    def person(self, token: str) -> str | None:
        return {"token-of-101": "101", "token-of-201": "201"}.get(token)

    def agent_of(self, call: CallId) -> AgentId | None:
        if call == GONE:
            raise Unknown("there is no open call")
        return self.talking

    async def wish(self, event: Event, *, by: str) -> None:
        if self.problem is not None:
            raise self.problem
        self.wished.append((by, event))

    def drain(self, on: bool) -> str:
        self.asked.append(f"drain {on}")
        return "draining" if on else "taking calls"

    async def tell_accounts(self) -> str:
        self.asked.append("tell accounts")
        if self.refusal:
            raise Refusal(self.refusal)
        return "told"

    async def reload(self) -> str:
        self.asked.append("reload")
        if self.refusal:
            raise Refusal(self.refusal)
        return "reloaded: 1 line"

    async def read_do_not_call(self) -> str:
        self.asked.append("do not call")
        if self.refusal:
            raise Refusal(self.refusal)
        return "3 numbers are not called"


class Answer:
    """What came back for a request."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.text = ""

    @property
    def body(self) -> Any:
        return json.loads(self.text)


async def ask(api: FastAPI, method: str, path: str, *, authorization: bytes | None = None, body: Any = None) -> Answer:
    """A request without a wire."""
    answer = Answer()
    sent = b"" if body is None else json.dumps(body).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": sent, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            answer.text += message.get("body", b"").decode()

    headers = [] if authorization is None else [(b"authorization", authorization)]
    headers += [] if body is None else [(b"content-type", b"application/json")]
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
    assert (answer.status, engine.asked, engine.wished) == (401, [], [])
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "asked", "said"),
    [
        ("GET", "/status", "snapshot", {"accepting": True, "calls": []}),
        ("POST", "/drain", "drain True", {"said": "draining"}),
        ("POST", "/accept", "drain False", {"said": "taking calls"}),
        ("POST", "/reload", "reload", {"said": "reloaded: 1 line"}),
        ("POST", "/do-not-call", "do not call", {"said": "3 numbers are not called"}),
        ("POST", "/accounts", "tell accounts", {"said": "told"}),
    ],
)
async def test_with_the_token_the_engine_does_what_is_asked(
    api: FastAPI, engine: Engine, method: str, path: str, asked: str, said: dict[str, Any]
) -> None:
    answer = await ask(api, method, path, authorization=BEARER)
    assert (answer.status, answer.body, engine.asked) == (200, said, [asked])


@pytest.mark.parametrize("path", ["/reload", "/accounts"])
async def test_refusal_says_why_line_by_line(api: FastAPI, engine: Engine, path: str) -> None:
    engine.refusal = "config.yaml:3: unknown setting 'nod'\nconfig.yaml:9: name is missing"
    answer = await ask(api, "POST", path, authorization=BEARER)
    assert (answer.status, answer.body) == (422, {"detail": engine.refusal})


async def test_list_that_cannot_be_read_now_is_to_be_tried_again(api: FastAPI, engine: Engine) -> None:
    engine.refusal = "the store cannot be read"
    answer = await ask(api, "POST", "/do-not-call", authorization=BEARER)
    assert (answer.status, answer.body) == (503, {"detail": "the store cannot be read"})


TO_QUEUE = Destination(DestinationKind.QUEUE, "general")
WISHES: list[tuple[str, dict[str, Any], Event]] = [
    ("/agents/101/login", {}, LogInAsked(agent=ANA, by="201")),
    ("/agents/101/logout", {}, LogOutAsked(agent=ANA, by="201")),
    ("/agents/101/pause", {"reason": "almuerzo"}, PauseAsked(agent=ANA, reason="almuerzo", by="201")),
    ("/agents/101/ready", {}, ReadyAsked(agent=ANA, by="201")),
    ("/agents/101/wrap-up", {"more_s": 30}, WrapUpExtensionAsked(agent=ANA, more_s=30.0, by="201")),
    (
        "/agents/101/disposition",
        {"call": CALL, "disposition": "resuelto", "note": "Vuelve en 24 h."},
        DispositionAsked(agent=ANA, call=CALL, disposition="resuelto", note="Vuelve en 24 h.", by="201"),
    ),
    (f"/calls/{CALL}/hold", {}, HoldAsked(call=CALL, agent=ANA, by="201")),
    (f"/calls/{CALL}/unhold", {}, HoldAsked(call=CALL, agent=ANA, on=False, by="201")),
    (f"/calls/{CALL}/transfer", {"to": "queue general"}, TransferAsked(call=CALL, agent=ANA, to=TO_QUEUE, by="201")),
    (
        f"/calls/{CALL}/consult",
        {"to": "queue general", "agent": "102"},
        ConsultationAsked(call=CALL, agent=AgentId("102"), to=TO_QUEUE, by="201"),
    ),
    (f"/calls/{CALL}/conference", {}, ConferenceAsked(call=CALL, agent=ANA, by="201")),
    (f"/calls/{CALL}/complete", {}, TransferCompletionAsked(call=CALL, agent=ANA, by="201")),
    (f"/calls/{CALL}/back", {}, ConsultationEndAsked(call=CALL, agent=ANA, by="201")),
    (
        f"/calls/{CALL}/supervise",
        {"mode": "whisper"},
        SupervisionAsked(call=CALL, supervisor=SOL, mode=Supervision.WHISPER, by="201"),
    ),
    (f"/calls/{CALL}/unsupervise", {}, SupervisionEndAsked(call=CALL, supervisor=SOL, by="201")),
    (
        f"/calls/{CALL}/takeover",
        {"supervisor": "202"},
        TakeOverAsked(call=CALL, supervisor=AgentId("202"), by="201"),
    ),
    (
        f"/calls/{CALL}/move",
        {"queue": "tramites", "to_front": True},
        MoveAsked(call=CALL, by="201", queue=QueueName("tramites"), to_front=True),
    ),
    (f"/calls/{CALL}/cancel", {}, CancellationAsked(call=CALL, by="201")),
]


@pytest.mark.parametrize(("path", "body", "event"), WISHES, ids=lambda each: each if isinstance(each, str) else "")
async def test_wish_of_a_person_becomes_an_event_that_says_whose_it_is(
    api: FastAPI, engine: Engine, path: str, body: dict[str, Any], event: Event
) -> None:
    answer = await ask(api, "POST", path, authorization=b"Bearer token-of-201", body=body)
    assert (answer.status, answer.body, engine.wished) == (200, {"said": "done"}, [("201", event)])


async def test_installation_asks_in_its_own_name_or_in_somebody_elses(api: FastAPI, engine: Engine) -> None:
    await ask(api, "POST", "/agents/101/ready", authorization=BEARER, body={})
    await ask(api, "POST", "/agents/101/ready", authorization=BEARER, body={"by": "201"})
    assert engine.wished == [
        (INSTALLATION, ReadyAsked(agent=ANA, by=INSTALLATION)),
        ("201", ReadyAsked(agent=ANA, by="201")),
    ]


async def test_person_speaks_for_nobody_else(api: FastAPI, engine: Engine) -> None:
    answer = await ask(api, "POST", "/agents/101/ready", authorization=b"Bearer token-of-101", body={"by": "201"})
    assert (answer.status, engine.wished) == (403, [])


@pytest.mark.parametrize("path", ["/status", "/reload", "/drain"])
async def test_token_of_a_person_is_not_that_of_the_installation(api: FastAPI, engine: Engine, path: str) -> None:
    method = "GET" if path == "/status" else "POST"
    answer = await ask(api, method, path, authorization=b"Bearer token-of-201")
    assert (answer.status, engine.asked) == (401, [])


@pytest.mark.parametrize(
    ("problem", "status"), [(Refusal("paused already"), 409), (Forbidden("may not"), 403), (Unknown("no such"), 404)]
)
async def test_wish_that_is_not_met_says_why(api: FastAPI, engine: Engine, problem: Exception, status: int) -> None:
    engine.problem = problem
    answer = await ask(api, "POST", "/agents/101/pause", authorization=BEARER, body={"reason": "almuerzo"})
    assert (answer.status, answer.body) == (status, {"detail": str(problem)})


async def test_call_in_which_nobody_talks_has_nobody_to_hold_it(api: FastAPI, engine: Engine) -> None:
    engine.talking = None
    assert (await ask(api, "POST", f"/calls/{CALL}/hold", authorization=BEARER, body={})).status == 409
    assert (await ask(api, "POST", f"/calls/{GONE}/hold", authorization=BEARER, body={})).status == 404
    assert engine.wished == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/agents/101/pause", {"reason": "a\nb"}),
        ("/agents/101/pause", {"razon": "almuerzo"}),
        ("/agents/101/pause", None),
        ("/agents/101/wrap-up", {"more_s": -1}),
        ("/agents/101/disposition", {"disposition": " "}),
        (f"/calls/{CALL}/transfer", {"to": "nowhere"}),
        (f"/calls/{CALL}/transfer", {"to": "number 1950;rm"}),
        (f"/calls/{CALL}/transfer", {}),
        (f"/calls/{CALL}/supervise", {"mode": "shout"}),
        (f"/calls/{CALL}/supervise", {"mode": "listen"}),
        (f"/calls/{CALL}/supervise", {"supervisor": "Sol"}),
    ],
)
async def test_wish_that_makes_no_sense_is_not_passed_on(
    api: FastAPI, engine: Engine, path: str, body: dict[str, Any] | None
) -> None:
    answer = await ask(api, "POST", path, authorization=BEARER, body=body)
    assert (answer.status, engine.wished) == (422, [])


@pytest.mark.parametrize(("method", "path"), [("POST", "/status"), ("GET", "/drain"), ("GET", "/"), ("GET", "/docs")])
async def test_what_is_not_offered_is_not_there(api: FastAPI, engine: Engine, method: str, path: str) -> None:
    answer = await ask(api, method, path, authorization=BEARER)
    assert answer.status in (404, 405)
    assert engine.asked == []
