"""What the command line shows: values fetched from the store, and tables for people made of plain values."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from telefonista.app.config import Config
from telefonista.app.home import Home
from telefonista.kernel.events import EndReason
from telefonista.metrics.report import (
    ConversationRow,
    LegRow,
    Policy,
    PresenceRow,
    VisitRow,
    build_report,
)
from telefonista.store.database import migrate, open_database, sqlite_url
from telefonista.store.queries import (
    conversations_between,
    legs_between,
    list_calls,
    presence_between,
    visits_between,
)


class Sheet(Table):
    """A table whose cells are shown as they are: what a caller is called is no markup."""

    def __init__(self, *headers: str, spacious: bool = True) -> None:
        super().__init__(*headers, box=SIMPLE_HEAD, padding=(0, 1) if spacious else (0, 1, 0, 0), show_edge=spacious)

    def add(self, *cells: str, style: str = "") -> None:
        """A row; `style` is that of its first cell."""
        first, *others = cells
        self.add_row(Text(first, style=style), *(Text(cell) for cell in others))


_PERIOD: dict[str, datetime | None] = {"since": None, "until": None}


def stored_calls(home: tuple[Home, Config], *, limit: int, call: str | None) -> list[dict[str, Any]]:
    """The newest calls in the store, each with all that belongs to it."""
    database = open_store(*home)
    with database.connect() as connection:
        return list_calls(connection, limit=limit, call=call)


def stored_metrics(home: tuple[Home, Config]) -> dict[str, Any]:
    """The report over everything in the store, read in one transaction so that its figures agree."""
    folder, config = home
    database = open_store(folder, config)
    with database.connect() as connection, connection.begin():
        report = build_report(
            visits=msgspec.convert(visits_between(connection, **_PERIOD), list[VisitRow], strict=False),
            legs=msgspec.convert(legs_between(connection, **_PERIOD), list[LegRow], strict=False),
            conversations=msgspec.convert(
                conversations_between(connection, **_PERIOD), list[ConversationRow], strict=False
            ),
            presence=msgspec.convert(presence_between(connection, **_PERIOD), list[PresenceRow], strict=False),
            at=datetime.now(UTC),
            policy=Policy(threshold_s=config.service_level_s, short_abandon_s=config.short_abandon_s),
            queues=[queue.name for queue in config.queues],
            routes=[route.name for route in config.routes],
        )
    plain: dict[str, Any] = msgspec.to_builtins(report)
    return plain


def open_store(home: Home, config: Config) -> Engine:
    """The installation's database, its tables up to date."""
    database = open_database(config.database.url or sqlite_url(home.database_file))
    migrate(database)
    return database


def status(value: dict[str, Any]) -> Iterable[RenderableType]:
    doing = "taking calls" if value["accepting"] else "taking no calls" + (" (draining)" if value["draining"] else "")
    yield Text(f"node {value['node']}: link {value['link']}, {doing}")
    behind = value["projection"]
    if behind["problem"]:
        yield Text(f"the store is behind by {behind['lag']} entries: {behind['problem']}", style="red")
    queues = Sheet("queue", "waiting", "longest wait", "agents ready")
    for queue in value["queues"]:
        queues.add(
            queue["queue"], str(len(queue["waiting"])), _seconds(queue["longest_wait_s"]), str(queue["ready_agents"])
        )
    yield queues
    agents = Sheet("agent", "name", "presence", "phone", "for", "call")
    for agent in value["agents"]:
        free_for_s = value["at"] - agent["idle_since"] if agent["presence"] == "ready" else None
        agents.add(
            agent["agent"], agent["name"], agent["presence"], agent["phone"], _seconds(free_for_s), agent["call"] or ""
        )
    yield agents
    calls_open = Sheet("call", "caller", "state", "where", "for", "agent")
    for call in value["calls"]:
        where = f"{call['queue']}, position {call['position']}" if call["position"] else call["node"] or ""
        calls_open.add(call["call"], call["caller"], call["state"], where, _seconds(call["for_s"]), call["agent"] or "")
    yield calls_open


def calls(value: list[dict[str, Any]]) -> Iterable[RenderableType]:
    table = Sheet("arrived (UTC)", "citizen", "queue", "waited", "agent", "talked", "ended by", spacious=False)
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    for call in value:
        visit = call["visits"][-1] if call["visits"] else {}
        talk = call["conversations"][-1] if call["conversations"] else {}
        citizen = call["citizen"]
        table.add(
            call["arrived_at"][5:19].replace("T", " "),
            citizen["number"] if citizen else call["caller"][:16] or "unknown",
            visit.get("queue", call["last_node"] or ""),
            _between(visit.get("started_at"), visit.get("ended_at")),
            talk.get("agent", ""),
            _between(talk.get("started_at"), talk.get("ended_at")),
            _end(call),
        )
    yield table
    yield "Everything that is known of each call: --json; of one: --json --call ID."


_ENDED_BY = {
    EndReason.CITIZEN_HUNG_UP: "citizen",
    EndReason.AGENT_HUNG_UP: "agent",
    EndReason.FLOW_FINISHED: "flow",
    EndReason.TRANSFERRED: "transfer",
    EndReason.DIVERTED: "elsewhere",
    EndReason.UNREACHED: "unreached",
    EndReason.CANCELLED: "cancelled",
    EndReason.HEARD: "heard",
    EndReason.LOST: "lost",
    EndReason.BROKEN: "a defect",
    EndReason.SHUT_DOWN: "shut-down",
}


def _end(call: dict[str, Any]) -> str:
    if call["end_reason"] is not None:
        return _ENDED_BY[call["end_reason"]]
    return "open" if call["ended_at"] is None else str(call["handled_by"])


_ENDS = {
    "answered": "answered",
    "abandoned": "abandoned",
    "diverted": "diverted",
    "callback": "callback",
    "voicemail": "message",
    "waiting": "waiting",
}
"""What becomes of those who are offered, and how a narrow terminal calls it."""


def metrics(value: dict[str, Any]) -> Iterable[RenderableType]:
    queues = Sheet("queue", "offered", *_ENDS.values(), spacious=False)
    queues.columns[0].no_wrap = True
    speeds = Sheet("queue", "ASA", "AHT", "longest wait", "SL 1", "SL 2", "SL 3")
    later = Sheet("queue", "", "booked", "served", "unreached", "cancelled", "lost", "waiting")
    definitions: dict[str, str] = {}
    for queue in value["queues"]:
        queues.add(queue["queue"], *(str(queue[name]) for name in ("offered", *_ENDS)))
        levels = queue["service_levels"]
        definitions = {
            f"SL {n}": f"{level['definition']}, T = {level['threshold_s']:g} s" for n, level in enumerate(levels, 1)
        }
        times = (queue["asa_s"], queue["aht_s"], queue["longest_wait_s"])
        speeds.add(queue["queue"], *(_seconds(time) for time in times), *(_percent(level["value"]) for level in levels))
        for what in ("callbacks", "messages"):
            if queue[what]["booked"]:
                later.add(queue["queue"], what, *(str(count) for count in queue[what].values()))
    yield queues
    yield f"offered = {' + '.join(_ENDS.values())}"
    yield speeds
    yield from (Text(f"{name} = {definition}") for name, definition in definitions.items())
    yield "ASA = mean wait of the answered; AHT = talk + hold + wrap-up"
    if later.row_count:
        yield later
    routes = Sheet("route", "seizures", "answered", "ASR", "NER", "ALOC")
    for route in value["routes"]:
        ratios = (_percent(route["asr"]), _percent(route["ner"]), _seconds(route["aloc_s"]))
        routes.add(route["route"], str(route["seizures"]), str(route["answered"]), *ratios)
    yield routes
    yield "ASR = answered / seizures, by route; NER does not blame the route for the person (ITU-T E.425)"
    agents = Sheet("agent", "talking", "on hold", "wrap-up", "ready", "paused", "occupancy")
    for agent in value["agents"]:
        spent = agent["presences_s"]
        told = (_seconds(spent.get(name)) for name in ("talking", "on_hold", "wrap_up", "ready", "paused"))
        agents.add(agent["agent"], *told, _percent(agent["occupancy"]))
    if agents.row_count:
        yield agents


def findings(value: list[dict[str, Any]]) -> Iterable[RenderableType]:
    table = Sheet("", "check", "found", "what to do")
    for finding in value:
        mark, style = ("ok", "green") if finding["good"] else ("mend", "red")
        table.add(mark, finding["name"], finding["said"], finding["mend"], style=style)
    yield table


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f} s" if value < 60 else f"{int(value // 60)} min {int(value % 60):02d} s"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _between(start: str | None, end: str | None) -> str:
    if start is None:
        return ""
    if end is None:
        return "still"
    return _seconds((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())
