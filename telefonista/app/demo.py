"""`telefonista demo`: real SIP citizens call the running engine, real SIP agents answer, and both accounts of it are
laid side by side, call by call.

In: a home whose engine runs, how many citizens and agents, for how long, and a seed. Out: a `DemoResult`: what the
telephones saw beside what the engine recorded, and every difference with the number of the citizen whom it concerns.
Patience, talk and all else that people do is drawn from distributions named here, by the seed alone.
"""

from __future__ import annotations

import asyncio
import math
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from telefonista.app import client, reports
from telefonista.app.compose import tools
from telefonista.app.config import EVERY_INTERFACE, Config, read_config
from telefonista.app.flows import read_flows
from telefonista.app.home import Home, PortsInUse
from telefonista.app.rtp import RtpExchange
from telefonista.app.sipp import (
    LETS_RING,
    LONGEST_S,
    AgentCall,
    Behaviour,
    CitizenCall,
    CitizenPlan,
    EndedBy,
    Press,
    RingOutcome,
    SippAgent,
    SippCitizens,
)
from telefonista.kernel.ids import LineName, NodeName

MOST_CITIZENS = 500
LATEST_ARRIVAL = 0.7
"""Citizens dial at moments drawn evenly over this share of the time."""
PATIENCE_MEDIAN_S, PATIENCE_SIGMA = 25.0, 0.6
TALK_MEDIAN_S, TALK_SIGMA = 7.0, 0.4
"""Lognormal: the logarithm is normal with this sigma around the logarithm of the median."""
LONGEST_TALK_S = 30.0
PICK_UP_S = (0.5, 3.0)
"""An agent picks up after a time drawn evenly from here."""
KEY_AFTER_S = (0.5, 4.0)
LEAVES_MENU_SHARE = 0.1
CITIZEN_HANGS_UP_SHARE = 0.5
MISSED_SHARE = 0.06
"""For so many citizens the first telephone that rings is not picked up."""
LEAST_STAY_S = 12.0
"""After the key: until then the citizen is in the queue for certain, and leaving means to abandon it."""
TALK_TOLERANCE_S = 0.5
SHORTEST_RECORDED_S = 0.5
_SETTLE_S = 25.0
_READY_S = 10.0
_GOODBYE_S = 3.0
_PAUSE_S = 0.05
_LEAST_SECONDS, _MOST_SECONDS = 5, 3600


class DemoImpossible(Exception):
    """The demonstration cannot be given; the message is one line: why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the seed made of one citizen. Times in seconds; an empty `key` leaves in the menu."""

    number: str
    dials_after_s: float
    key: str
    presses_after_s: float
    stays_s: float
    talks_s: float
    picked_up_after_s: float
    hangs_up: bool
    """The citizen ends the conversation, not the agent."""
    missed_once: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One citizen's call as one side tells of it; `agent` is empty where nobody helped."""

    arrived: bool = False
    key: str = ""
    agent: str = ""
    talk_s: float = 0.0
    left: str = ""
    """Where the citizen was when leaving unhelped: `menu` or `queue`."""
    ended_by: EndedBy | None = None
    recorded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure as the telephones saw it, and as the engine recorded it."""

    name: str
    sent: float
    recorded: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """Both accounts in figures, and where they differ, one line per citizen and point."""

    rows: tuple[Row, ...]
    differences: tuple[str, ...]
    seed: int
    traces: Path | None = None
    """What the telephones wrote; kept only when there are differences."""

    @property
    def equal(self) -> bool:
        return not self.differences


async def run_demo(
    home: Home, *, citizens: int = 20, agents: int = 3, seconds: int = 60, seed: int = 1, report: Callable[[str], None]
) -> DemoResult:
    """Give the demonstration to the engine that runs in `home`; `report` is told what is going on.

    Raises `DemoImpossible`, `client.NotRunning` where no engine runs, `ConfigInvalid`, `ToolsMissing`, and `SippFailed`
    where a telephone does not work."""
    config = read_config(home.config_file)
    accounts = await _check(home, config, citizens=citizens, agents=agents, seconds=seconds)
    people = draw_people(citizens, seconds=seconds, seed=seed, keys=_keys(home, config))
    toolbox = await asyncio.to_thread(tools, report=report, sipp=True)
    ports = msgspec.json.decode((home.run / "ports.json").read_bytes(), type=PortsInUse)
    secrets = home.secrets(config).telephones
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=home.run))
    began = time.time()
    with RtpExchange() as exchange:
        telephones = [
            SippAgent(
                toolbox.sipp,
                account=account,
                secret=secrets[account],
                exchange=exchange,
                folder=folder,
                tone_hz=1150,
                most_s=seconds + LONGEST_S,
            )
            for account in accounts
        ]
        callers = SippCitizens(
            toolbox.sipp,
            plans=[_plan(person, dialled=config.lines[0].numbers[0]) for person in people],
            exchange=exchange,
            folder=folder,
            most_s=seconds + LONGEST_S,
        )
        stage = _Stage(people, telephones=telephones, callers=callers)
        try:
            report(f"{agents} agents register, {citizens} citizens dial within {seconds * LATEST_ARRIVAL:.0f} s")
            for telephone in telephones:
                await telephone.start(sip_port=ports.sip)
            await _until_ready(home, accounts)
            await callers.start(sip_port=ports.sip)
            await stage.play()
        finally:
            await callers.stop()
            await asyncio.gather(*(telephone.stop() for telephone in telephones))
        report("everybody has left; waiting for the records to settle")
        sent = stage.accounts()
    numbers = [person.number for person in people]
    found = await _recorded(home, config, numbers=numbers, since=began)
    result = compare(sent, found, seed=seed)
    if result.equal:
        shutil.rmtree(folder, ignore_errors=True)
        return result
    return DemoResult(rows=result.rows, differences=result.differences, seed=seed, traces=folder)


def draw_people(citizens: int, *, seconds: float, seed: int, keys: Sequence[str]) -> tuple[Person, ...]:
    """The citizens that this seed makes, in the order of their dialling."""
    draw = random.Random(seed)  # noqa: S311 - the same seed must make the same people
    numbers = draw.sample(range(100_000), citizens)
    moments = sorted(draw.uniform(0.0, seconds * LATEST_ARRIVAL) for _ in range(citizens))
    return tuple(
        _draw_person(draw, number=f"0994{number:05}", dials_after_s=moment, seconds=seconds, keys=keys)
        for number, moment in zip(numbers, moments, strict=True)
    )


def _draw_person(
    draw: random.Random, *, number: str, dials_after_s: float, seconds: float, keys: Sequence[str]
) -> Person:
    leaves_menu = draw.random() < LEAVES_MENU_SHARE or not keys
    presses_after_s = draw.uniform(*KEY_AFTER_S)
    patience_s = min(draw.lognormvariate(math.log(PATIENCE_MEDIAN_S), PATIENCE_SIGMA), seconds - dials_after_s)
    menu_stay_s = draw.uniform(1.0, 3.0)
    return Person(
        number=number,
        dials_after_s=dials_after_s,
        key="" if leaves_menu else draw.choice(keys),
        presses_after_s=presses_after_s,
        stays_s=menu_stay_s if leaves_menu else max(presses_after_s + LEAST_STAY_S, patience_s),
        talks_s=min(draw.lognormvariate(math.log(TALK_MEDIAN_S), TALK_SIGMA), LONGEST_TALK_S),
        picked_up_after_s=draw.uniform(*PICK_UP_S),
        hangs_up=draw.random() < CITIZEN_HANGS_UP_SHARE,
        missed_once=draw.random() < MISSED_SHARE,
    )


def compare(
    sent: Mapping[str, Account], recorded: Mapping[str, Sequence[Account | str]], *, seed: int = 0
) -> DemoResult:
    """Both accounts, by the citizens' numbers. What was recorded of a number is one account per row in the store, or
    the reason why a row cannot be compared."""
    differences = [
        f"{number}: {difference}"
        for number, account in sent.items()
        for difference in _differences(account, recorded.get(number, ()))
    ]
    comparable = [one for rows in recorded.values() for one in rows if isinstance(one, Account)]
    told = list(sent.values())
    return DemoResult(rows=_figures(told, comparable, rows=recorded), differences=tuple(differences), seed=seed)


def render(result: DemoResult) -> RenderableType:
    """The table of both accounts, and the differences, for a terminal."""
    table = Table(
        title="What was sent beside what was recorded",
        title_justify="left",
        caption=(
            f"Seed {result.seed}. Arrivals even; patience lognormal, median {PATIENCE_MEDIAN_S:.0f} s, "
            f"sigma {PATIENCE_SIGMA}; talk lognormal, median {TALK_MEDIAN_S:.0f} s, sigma {TALK_SIGMA}. Each call is "
            f"compared by its number; talk within {TALK_TOLERANCE_S} s."
        ),
        caption_justify="left",
    )
    table.add_column("")
    table.add_column("sent", justify="right")
    table.add_column("recorded", justify="right")
    for row in result.rows:
        table.add_row(row.name, _figure(row.sent), _figure(row.recorded))
    if result.equal:
        return Group(table, Text("equal: no call differs", style="green"))
    lines = [Text(f"differs: {difference}", style="red") for difference in result.differences]
    return Group(table, *lines, Text(f"what the telephones wrote is in {result.traces}"))


def _figure(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.1f}"


def _differences(sent: Account, rows: Sequence[Account | str]) -> Iterator[str]:
    if not sent.arrived:
        yield f"the citizen's call was not answered; on record {len(rows)} times"
        return
    if len(rows) != 1:
        yield f"on record {len(rows)} times, not once"
        return
    (recorded,) = rows
    if isinstance(recorded, str):
        yield recorded
        return
    for point, ours, theirs in (
        ("key", sent.key, recorded.key),
        ("agent", sent.agent, recorded.agent),
        ("left unhelped in", sent.left, recorded.left),
        ("hung up", sent.ended_by, recorded.ended_by),
    ):
        if ours != theirs:
            yield f"{point}: sent {ours or 'none'}, recorded {theirs or 'none'}"
    if abs(sent.talk_s - recorded.talk_s) > TALK_TOLERANCE_S:
        yield f"talk: sent {sent.talk_s:.2f} s, recorded {recorded.talk_s:.2f} s"
    if sent.recorded and not recorded.recorded:
        yield "the recording of the conversation is missing"


def _figures(
    sent: Sequence[Account], recorded: Sequence[Account], *, rows: Mapping[str, Sequence[Account | str]]
) -> tuple[Row, ...]:
    def row(name: str, count: Callable[[Account], float]) -> Row:
        return Row(name=name, sent=sum(map(count, sent)), recorded=sum(map(count, recorded)))

    keys = sorted({account.key for account in (*sent, *recorded)} - {""})
    return (
        Row(name="calls", sent=len(sent), recorded=sum(map(len, rows.values()))),
        row("arrived", lambda account: int(account.arrived)),
        *(row(f"chose {key}", partial(_chose, key)) for key in keys),
        row("answered by an agent", lambda account: int(bool(account.agent))),
        row("abandoned while waiting", lambda account: int(account.left == "queue")),
        row("left in the menu", lambda account: int(account.left == "menu")),
        row("talk seconds", lambda account: account.talk_s),
        row("recordings", lambda account: int(account.recorded)),
    )


def _chose(key: str, account: Account) -> int:
    return int(account.key == key)


@runtime_checkable
class _HasOptions(Protocol):
    """A node of a flow that waits for a key."""

    @property
    def options(self) -> Mapping[str, NodeName]: ...


def _keys(home: Home, config: Config) -> list[str]:
    """The keys that lead to a queue from the first menu of the first line; none where it has no such menu."""
    flow = read_flows(home, config)[LineName(config.lines[0].name)]
    at: NodeName | None = flow.start
    for _ in flow.nodes:
        if at is None:
            break
        node = flow.nodes[at]
        if isinstance(node, _HasOptions):
            return sorted(key for key, to in node.options.items() if hasattr(flow.nodes[to], "queue"))
        at = node.silent_exit
    return []


async def _check(home: Home, config: Config, *, citizens: int, agents: int, seconds: int) -> list[str]:
    """The accounts of the agents who will play. Raises `DemoImpossible`, `NotRunning`."""
    if not 1 <= citizens <= MOST_CITIZENS:
        raise DemoImpossible(f"{citizens} citizens: there may be 1 to {MOST_CITIZENS}")
    if not _LEAST_SECONDS <= seconds <= _MOST_SECONDS:
        raise DemoImpossible(f"{seconds} seconds: it may take {_LEAST_SECONDS} to {_MOST_SECONDS}")
    if not 0 <= agents <= len(config.agents):
        raise DemoImpossible(
            f"{agents} agents: {home.config_file} has {len(config.agents)}; ask for fewer, or add some there"
        )
    if config.sip_address not in ("127.0.0.1", EVERY_INTERFACE):
        raise DemoImpossible(
            f"telephones reach this installation at {config.sip_address} only, the demo's are on 127.0.0.1"
        )
    if not any(_holds_loopback(address) for route in config.routes for address in route.addresses):
        raise DemoImpossible(
            f"no route in {home.config_file} has the address 127.0.0.1, from which the demo's citizens call"
        )
    status = await asyncio.to_thread(client.get, home, "/status")
    if not status["ready"] or status["draining"]:
        raise DemoImpossible("the engine takes no calls now: `telefonista status` says why")
    phones = {agent["agent"]: agent["phone"] for agent in status["agents"]}
    free = [agent.id for agent in config.agents if phones.get(agent.id) == "unreachable"]
    if len(free) < agents:
        raise DemoImpossible(
            f"only {len(free)} agents have no telephone registered; the demo would push real ones aside"
        )
    return free[:agents]


def _holds_loopback(address: str) -> bool:
    try:
        return ip_address("127.0.0.1") in ip_network(address, strict=False)
    except ValueError:
        return False


def _plan(person: Person, *, dialled: str) -> CitizenPlan:
    presses = (Press(after_s=person.presses_after_s, keys=person.key),) if person.key else ()
    return CitizenPlan(
        number=person.number,
        dialled=dialled,
        dials_after_s=person.dials_after_s,
        stays_s=person.stays_s,
        presses=presses,
        tone_hz=425,
    )


class _Stage:
    """Lets the people do what the seed made of them, and tells afterwards what the telephones saw."""

    def __init__(self, people: Sequence[Person], *, telephones: Sequence[SippAgent], callers: SippCitizens) -> None:
        self._people = {person.number: person for person in people}
        self._telephones = telephones
        self._callers = callers
        self._rung: Counter[str] = Counter()
        self._helped: set[str] = set()
        for telephone in telephones:
            telephone.behaviour = self._behaviour

    async def play(self) -> None:
        """Until every citizen has left. Raises `SippFailed`."""
        ended = asyncio.get_running_loop().create_task(self._callers.wait())
        timers: list[asyncio.TimerHandle] = []
        try:
            while not ended.done():
                timers += self._conversations_that_began()
                await asyncio.wait({ended}, timeout=_PAUSE_S)
            await ended
            await self._last_goodbyes()
        finally:
            ended.cancel()
            for timer in timers:
                timer.cancel()

    async def _last_goodbyes(self) -> None:
        """The last agents' telephones are hung up a moment after the last citizens'."""
        for _ in range(round(_GOODBYE_S / _PAUSE_S)):
            if all(telephone.talking_with is None for telephone in self._telephones):
                return
            await asyncio.sleep(_PAUSE_S)

    def _behaviour(self, caller: str) -> Behaviour:
        person = self._people.get(caller)
        if person is None:
            return Behaviour(talks_s=TALK_MEDIAN_S)
        self._rung[caller] += 1
        if person.missed_once and self._rung[caller] == 1:
            return LETS_RING
        return Behaviour(after_s=person.picked_up_after_s, talks_s=None if person.hangs_up else person.talks_s)

    def _conversations_that_began(self) -> list[asyncio.TimerHandle]:
        timers = []
        for telephone in self._telephones:
            number = telephone.talking_with
            if number is None or number in self._helped or number not in self._people:
                continue
            self._helped.add(number)
            self._callers.stay(number)
            person = self._people[number]
            if person.hangs_up:
                loop = asyncio.get_running_loop()
                timers.append(loop.call_later(person.talks_s, self._callers.hang_up, number))
        return timers

    def accounts(self) -> dict[str, Account]:
        """What the telephones saw of each citizen's call."""
        helped = {
            call.caller: call
            for telephone in self._telephones
            for call in telephone.calls
            if call.outcome is RingOutcome.ANSWERED
        }
        return {call.number: self._account(call, helped.get(call.number)) for call in self._callers.calls}

    def _account(self, call: CitizenCall, helped: AgentCall | None) -> Account:
        if call.status != 200 or call.answered_at is None:
            return Account()
        person = self._people[call.number]
        stayed_s = (call.ended_at or call.answered_at) - call.answered_at
        key = person.key if stayed_s > person.presses_after_s else ""
        if helped is None or helped.answered_at is None:
            return Account(arrived=True, key=key, left="queue" if key else "menu", ended_by=call.ended_by)
        talk_s = (helped.ended_at or helped.answered_at) - helped.answered_at
        by_agent = helped.ended_by is EndedBy.AGENT and call.ended_by is not EndedBy.CITIZEN
        return Account(
            arrived=True,
            key=key,
            agent=helped.agent,
            talk_s=talk_s,
            ended_by=EndedBy.AGENT if by_agent else call.ended_by,
            recorded=talk_s >= SHORTEST_RECORDED_S,
        )


async def _until_ready(home: Home, accounts: Sequence[str]) -> None:
    """Until the engine knows that the agents are there; after a while the demonstration goes on without."""
    for _ in range(round(_READY_S / _PAUSE_S)):
        status = await asyncio.to_thread(client.get, home, "/status")
        ready = {agent["agent"] for agent in status["agents"] if agent["presence"] == "ready"}
        if ready >= set(accounts):
            return
        await asyncio.sleep(_PAUSE_S)


async def _recorded(
    home: Home, config: Config, *, numbers: Sequence[str], since: float
) -> dict[str, list[Account | str]]:
    """What is on record of these numbers since then, once everything has settled, or after a while as it is."""
    rows: list[dict[str, Any]] = []
    deadline = time.monotonic() + _SETTLE_S
    while True:
        found = await asyncio.to_thread(reports.stored_calls, (home, config), limit=20 * MOST_CITIZENS, call=None)
        rows = [row for row in found if row["caller"] in numbers and _moment(row["arrived_at"]) >= since]
        settled = {row["caller"] for row in rows if _settled(row)}
        if settled >= set(numbers) or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.25)
    accounts: dict[str, list[Account | str]] = {number: [] for number in numbers}
    for row in rows:
        accounts[row["caller"]].append(_account_of(row, recordings=home.recordings))
    return accounts


def _settled(row: Mapping[str, Any]) -> bool:
    return row["ended_at"] is not None and all(one["state"] in ("kept", "failed") for one in row["recordings"])


def _account_of(row: Mapping[str, Any], *, recordings: Path) -> Account | str:
    if row["handled_by"] != "engine":
        return f"was taken by the {row['handled_by']} path, not by the engine"
    if row["ended_at"] is None:
        return "has not ended, says the record"
    talks = row["conversations"]
    unhelped = "queue" if row["visits"] else "menu"
    return Account(
        arrived=True,
        key="".join(choice["digit"] for choice in row["choices"] if choice["option"] is not None),
        agent=", ".join(talk["agent"] for talk in talks),
        talk_s=sum(_moment(talk["ended_at"]) - _moment(talk["started_at"]) for talk in talks if talk["ended_at"]),
        left="" if talks else unhelped,
        ended_by=_ENDED_BY.get(row["end_reason"]),
        recorded=any(one["state"] == "kept" and (recordings / one["path"]).is_file() for one in row["recordings"]),
    )


_ENDED_BY = {
    "citizen_hung_up": EndedBy.CITIZEN,
    "agent_hung_up": EndedBy.AGENT,
    "flow_finished": EndedBy.SYSTEM,
    "shut_down": EndedBy.SYSTEM,
}


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()
