"""A day of a contact centre in a minute: people drawn from a seed, the telephones that play them, and what came of it.

In: a house, how many citizens within how long. Out: what the telephones saw of each citizen, beside what the store has,
and what the journal says of the order in which they were served. Nothing is asserted of times but what no load of the
machine can change.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from telefonista.app import client
from telefonista.app.sipp import (
    AgentCall,
    Behaviour,
    CalledCall,
    CitizenCall,
    CitizenPlan,
    EndedBy,
    Manner,
    Press,
    RingOutcome,
    SippAgent,
    SippCalled,
    SippCitizens,
)
from tests.asterisk.house import House
from tests.asterisk.wishing import wish

QUEUES: Mapping[str, str] = {"1": "tramites", "2": "impuestos", "3": "vacunacion"}
"""By the key of the menu."""
SHARES = (0.45, 0.35, 0.20)
EXIT_KEY, CALLBACK_KEY, VOICEMAIL_KEY = "0", "5", "6"
GENERAL = "general"
CITIZEN_HZ, AGENT_HZ = 425, 1150
TALK_MEDIAN_S, TALK_SIGMA = 3.4, 0.35
PATIENCE_MEDIAN_S, PATIENCE_SIGMA = 12.0, 0.5
LEAST_PATIENCE_S = 3.0
LEAVES_MENU, EXITS, CALLS_BACK, LEAVES_MESSAGE = 0.05, 0.05, 0.06, 0.04
MISSED, REFUSED, BUSY, TRANSFERRED = 0.04, 0.03, 0.03, 0.08
_RUSH = (0.15, 0.65)
_LOOK_EVERY_S = 0.05
_LONGEST_S = 60.0
_APART_S = 0.15
_FOUND_GONE_S = 3.0
"""After a start: Asterisk dials the engine, which then looks who is still there."""
_ASKS_AFTER_S = 1.5
_BACK_AFTER_S = 4.0
_CALLED_BACK = (
    (Manner.ANSWERS,),
    (Manner.ANSWERS,),
    (Manner.IS_BUSY, Manner.ANSWERS),
    (Manner.REFUSES, Manner.ANSWERS),
    (Manner.IS_BUSY,),
)
_CONFIRMS_AFTER_S, _HAS_HEARD_AFTER_S = 1.2, 1.5
_SPEAKS_S = 3.5
_KNOWN_DIGITS = 8
"""By which a citizen is known whether the number is shown with a country or without."""
_AT_ONCE_S = 0.05
"""A telephone that rings when the citizen has hung up, or a moment before we knew of it, rings for what they left."""
_NEARLY_S = 0.7
"""Whoever hangs up as the other side picks up may count as one or the other."""

MESSAGE_FLOW = """
flow: mensaje
language: es
start: mensaje
person: volver
variables:
  numero: text
  cola: text
nodes:
  mensaje:
    voicemail: "{cola}"
    number: numero
    say: "Hable."
    longest_s: 20
    then: gracias
    on_failure: volver
  gracias:
    hangup: true
    say: "Gracias."
  volver:
    back_to_queue: true
    say: "Sigue."
"""
DAY_FLOW = """
flow: dia
language: es
start: menu
nodes:
  menu:
    menu: "Marque uno, dos, tres, o cero."
    timeout_s: 20
    tries: 3
    options:
      "1": tramites
      "2": impuestos
      "3": vacunacion
      "0": persona
    on_invalid: "No existe."
    on_timeout: "Otra vez."
    on_failure: persona
  tramites: {queue: tramites, topic: trámites}
  impuestos: {queue: impuestos, topic: impuestos}
  vacunacion: {queue: vacunacion, topic: vacunación}
  persona: {queue: general, topic: general}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the seed made of one citizen. Times in seconds; an empty `key` leaves in the menu; `patience_s` counts from
    the key; `asks` is the key that is pressed after some time of waiting, if any."""

    number: str
    dials_after_s: float
    key: str
    presses_after_s: float
    patience_s: float
    talks_s: float
    picked_up_after_s: float
    hangs_up: bool
    first_ring: Manner = Manner.ANSWERS
    transferred: bool = False
    asks: str = ""
    called_back: tuple[Manner, ...] = (Manner.ANSWERS,)
    """What the telephone does each time that it is called back; the last of these from then on."""

    @property
    def queue(self) -> str:
        return QUEUES[self.key]


def draw_people(seed: int, *, count: int, within_s: float, often: float = 1.0) -> tuple[Person, ...]:
    """The citizens that this seed makes, in the order of their dialling, more of them in a rush. `often`: so many times
    the usual share want something else than to wait, or are passed on."""
    draw = random.Random(seed)
    numbers = draw.sample(range(100_000), count)
    rush = [share * within_s for share in _RUSH]
    moments = sorted(draw.uniform(*rush) if draw.random() < 0.3 else draw.uniform(0.0, within_s) for _ in range(count))
    return tuple(
        _person(draw, number=f"0994{number:05}", dials_after_s=moment, often=often)
        for number, moment in zip(numbers, moments, strict=True)
    )


def _person(draw: random.Random, *, number: str, dials_after_s: float, often: float) -> Person:
    leaves = draw.random() < LEAVES_MENU
    wishes = draw.choices(
        (EXIT_KEY, CALLBACK_KEY, VOICEMAIL_KEY, ""),
        weights=(EXITS, CALLS_BACK, LEAVES_MESSAGE, 1 / often - EXITS - CALLS_BACK - LEAVES_MESSAGE),
    )[0]
    first = draw.choices(
        (Manner.LETS_RING, Manner.REFUSES, Manner.IS_BUSY, Manner.ANSWERS),
        weights=(MISSED, REFUSED, BUSY, 1 - MISSED - REFUSED - BUSY),
    )[0]
    return Person(
        number=number,
        dials_after_s=dials_after_s,
        key="" if leaves else draw.choices(tuple(QUEUES), weights=SHARES)[0],
        presses_after_s=draw.uniform(0.3, 1.2),
        patience_s=max(LEAST_PATIENCE_S, draw.lognormvariate(math.log(PATIENCE_MEDIAN_S), PATIENCE_SIGMA)),
        talks_s=min(6.0, draw.lognormvariate(math.log(TALK_MEDIAN_S), TALK_SIGMA)),
        picked_up_after_s=draw.uniform(0.1, 0.6),
        hangs_up=draw.random() < 0.4,
        first_ring=first,
        transferred=draw.random() < often * TRANSFERRED,
        asks=wishes,
        called_back=draw.choice(_CALLED_BACK),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """An agent's conversation with a citizen, as the agent's telephone saw it."""

    agent: str
    began_at: float
    ended_at: float
    back: bool = False
    """The citizen was called back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the telephones saw of one citizen."""

    person: Person
    call: CitizenCall
    talks: tuple[Talk, ...] = ()
    asked: str = ""
    """The key that was pressed while waiting, if it was."""
    attempts: tuple[CalledCall, ...] = ()
    """The times that the citizen's own telephone rang."""
    killed: bool = False
    """The engine was, at some time of the day."""
    alone: bool = False
    """There was no engine for a part of the time from that key on, and so perhaps nobody to do what it asks for."""
    doubtful: bool = False
    """Somebody picked up as the citizen hung up: it may count as answered or as abandoned."""


@dataclass
class Played:
    """Everything that the telephones saw of a day."""

    accounts: Mapping[str, Account]
    rings: Counter[RingOutcome] = field(default_factory=Counter)
    transfers: int = 0
    refused: list[str] = field(default_factory=list)
    """What the engine said of transfers that it would not make."""
    unplugged: int = 0
    stuck: list[str] = field(default_factory=list)
    still_ringing: list[str] = field(default_factory=list)
    """Telephones that nobody silenced."""


class Stage:
    """Lets the people do what the seed made of them."""

    def __init__(
        self,
        house: House,
        *,
        people: Sequence[Person],
        agents: Mapping[str, SippAgent],
        called: SippCalled | None = None,
        transfers_to: str = f"queue {GENERAL}",
    ) -> None:
        self._house = house
        self._people = {person.number: person for person in people}
        self._known = {person.number[-_KNOWN_DIGITS:]: person for person in people}
        self._agents = agents
        self._called = called
        if called is not None:
            called.behaviour = self._called_back
        self._calls_back: Counter[str] = Counter()
        self._transfers_to = transfers_to
        self._rung: Counter[str] = Counter()
        self._talks: Counter[str] = Counter()
        self._talked: set[tuple[str, str, float]] = set()
        self._asked: dict[str, float] = {}
        self.dead: list[tuple[float, float]] = []
        """When there was no engine, epoch seconds."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self._passed_on_at = -math.inf
        self._citizens: SippCitizens
        self.playing = False
        """Whether citizens dial already."""
        self.played = Played(accounts={})
        for telephone in agents.values():
            telephone.behaviour = self._behaviour

    async def play(self, *, unplugs: Sequence[tuple[float, str]] = ()) -> None:
        """Until every citizen has left; callbacks may be still to come. `unplugs` are agents whose telephone dies the
        next time that it rings after so many seconds, and comes back later."""
        house = self._house
        self._citizens = await house.citizens(
            *(
                CitizenPlan(
                    number=person.number,
                    dials_after_s=person.dials_after_s,
                    presses=(Press(after_s=person.presses_after_s, keys=person.key),) if person.key else (),
                    stays_s=person.presses_after_s + (person.patience_s if person.key else 0.5),
                    tone_hz=CITIZEN_HZ,
                )
                for person in self._people.values()
            )
        )
        self.playing = True
        for after_s, account in unplugs:
            self._begin(self._unplug(account, after_s=after_s))
        await self._until_all_have_left()
        await self._until_agents_are_done()

    def told(self) -> Played:
        """What the telephones have seen until now."""
        self.played.accounts = {call.number: self._account(call) for call in self._citizens.calls}
        self.played.rings = Counter(call.outcome for agent in self._agents.values() for call in agent.calls)
        self.played.still_ringing = [
            f"{call.agent} rings for {call.caller} since {call.rang_at}"
            for agent in self._agents.values()
            for call in agent.calls
            if call.ended_at is None
        ]
        return self.played

    def in_flight(self) -> set[str]:
        """What is going on just now: `ring`, `transfer` (made within the last second), `callback` (asked for, and not
        yet spoken about)."""
        going: set[str] = set()
        if any(agent.ringing_for for agent in self._agents.values()):
            going.add("ring")
        if time.monotonic() - self._passed_on_at < 1.0:
            going.add("transfer")
        asked = {number for number in self._asked if self._people[number].asks == CALLBACK_KEY}
        left = {number for number in asked if self._citizens.call(number).ended_at is not None}
        if any(not self._calls_back[number] for number in left):
            going.add("callback")
        return going

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for timer in self._timers:
            timer.cancel()

    def _begin(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _behaviour(self, shown: str) -> Behaviour:
        person = self._known.get(shown[-_KNOWN_DIGITS:])
        if person is None:
            return Behaviour(after_s=0.2, talks_s=1.5)
        if self._citizens.call(person.number).ended_at is not None:
            # A callback, which the citizen may be the one to end, or a message.
            waits = person.asks == CALLBACK_KEY and person.hangs_up
            return Behaviour(after_s=person.picked_up_after_s, talks_s=None if waits else person.talks_s + 2.0)
        self._rung[person.number] += 1
        if person.first_ring is not Manner.ANSWERS and self._rung[person.number] == 1:
            return Behaviour(manner=person.first_ring, after_s=0.2)
        waits = person.hangs_up or (person.transferred and not self._talks[person.number])
        # Of those who are rung at once no two pick up in the same hundredth of a second.
        after_s = person.picked_up_after_s + _APART_S * (self._rung[person.number] - 1)
        return Behaviour(after_s=after_s, talks_s=None if waits else person.talks_s)

    def _called_back(self, number: str) -> Behaviour:
        person = self._known[number[-_KNOWN_DIGITS:]]
        manner = person.called_back[min(self._calls_back[person.number], len(person.called_back) - 1)]
        self._calls_back[person.number] += 1
        return Behaviour(manner=manner, after_s=0.4, talks_s=person.talks_s if person.hangs_up else None)

    async def _until_all_have_left(self) -> None:
        left = asyncio.get_running_loop().create_task(self._citizens.wait())
        deadline = time.monotonic() + max(person.dials_after_s for person in self._people.values()) + _LONGEST_S
        try:
            while not left.done() and time.monotonic() < deadline:
                self._look()
                await asyncio.wait({left}, timeout=_LOOK_EVERY_S)
            self.played.stuck += [
                f"{call.number} was still there {_LONGEST_S:.0f} s after the last one had dialled"
                for call in self._citizens.calls
                if call.ended_at is None
            ]
            if self.played.stuck:
                await self._citizens.stop()
            await left
        finally:
            left.cancel()

    async def _until_agents_are_done(self) -> None:
        for _ in range(round(20.0 / _LOOK_EVERY_S)):
            busy = any(agent.talking_with or agent.ringing_for for agent in self._agents.values())
            if not busy and not self._tasks:
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    def _look(self) -> None:
        """Conversations that began are taken note of; who has waited long enough presses what they would press."""
        for account, agent in self._agents.items():
            for call in agent.calls:
                key = (account, call.caller, call.rang_at)
                if call.answered_at is not None and call.ended_at is None and key not in self._talked:
                    self._talked.add(key)
                    self._began(call)
        for citizen in self._citizens.calls:
            person = self._people[citizen.number]
            if not person.asks or not person.key or citizen.answered_at is None or citizen.ended_at is not None:
                continue
            due = citizen.answered_at + person.presses_after_s + _ASKS_AFTER_S <= time.time()
            if due and citizen.number not in self._asked and self._waits_unrung(citizen.number):
                self._asks(person)

    def _waits_unrung(self, number: str) -> bool:
        """Nobody's telephone rings for this citizen, and nobody's has been picked up."""
        return not any(
            call.caller == number and (call.answered_at is not None or call.outcome is RingOutcome.RINGING)
            for agent in self._agents.values()
            for call in agent.calls
        )

    def _asks(self, person: Person) -> None:
        self._asked[person.number] = time.time()
        self._citizens.press(person.number, person.asks)
        if person.asks == CALLBACK_KEY:
            self._citizens.stay(person.number)
            self._later(_CONFIRMS_AFTER_S, lambda: self._citizens.press(person.number, "1"))
            if person.hangs_up:
                self._later(_CONFIRMS_AFTER_S + _HAS_HEARD_AFTER_S, lambda: self._leaves(person))
        elif person.asks == VOICEMAIL_KEY:
            self._citizens.stay(person.number)
            self._later(_SPEAKS_S, lambda: self._leaves(person))

    def _leaves(self, person: Person) -> None:
        """Hangs up, unless somebody has picked up meanwhile."""
        if not self._talks[person.number]:
            self._citizens.hang_up(person.number)

    def _began(self, call: AgentCall) -> None:
        person = self._known.get(call.caller[-_KNOWN_DIGITS:])
        if person is None or self._citizens.call(person.number).ended_at is not None:
            return
        self._talks[person.number] += 1
        self._citizens.stay(person.number)
        if person.transferred and self._talks[person.number] == 1:
            self._begin(self._transfer(call, after_s=person.talks_s))
        elif person.hangs_up:
            self._later(person.talks_s, lambda: self._citizens.hang_up(person.number))

    def _later(self, after_s: float, doing: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(after_s, doing))

    async def _transfer(self, call: AgentCall, *, after_s: float) -> None:
        """As the agent would, by the console; where it is refused the agent hangs up."""
        await asyncio.sleep(after_s)
        status, said = 0, "the engine does not know the call"
        for _ in range(100):
            try:
                found = await self._house.call_of(call.caller)
                if found is None:  # the contingency path's, which passes nobody on
                    break
                status, said = await wish(self._house, found["call"], "transfer", to=self._transfers_to)
                break
            except (OSError, client.NotRunning):
                await asyncio.sleep(0.2)  # the engine is dead for a moment; an agent would press again
        if status == 200:
            self.played.transfers += 1
            self._passed_on_at = time.monotonic()
            return
        self.played.refused.append(f"{call.caller}: {status} {said}")
        self._agents[call.agent].hang_up()

    async def _unplug(self, account: str, *, after_s: float) -> None:
        agent = self._agents[account]
        await asyncio.sleep(after_s)
        for _ in range(round(30.0 / _LOOK_EVERY_S)):
            if agent.ringing_for is not None:
                break
            await asyncio.sleep(_LOOK_EVERY_S)
        else:
            return
        await agent.unplug()
        self.played.unplugged += 1
        await asyncio.sleep(_BACK_AFTER_S)
        await agent.start(sip_port=self._house.sip_port)

    def _account(self, call: CitizenCall) -> Account:
        known = call.number[-_KNOWN_DIGITS:]
        rings = [
            ring for agent in self._agents.values() for ring in agent.calls if ring.caller[-_KNOWN_DIGITS:] == known
        ]
        left_at = call.ended_at or math.inf
        talks, doubtful = [], False
        for ring in sorted(rings, key=lambda ring: ring.rang_at):
            if ring.answered_at is None or ring.ended_at is None or _was_too_late(ring, rings):
                continue
            talk = Talk(
                agent=ring.agent,
                began_at=ring.answered_at,
                ended_at=ring.ended_at,
                back=ring.rang_at > left_at - _AT_ONCE_S,
            )
            if not talk.back and abs(ring.answered_at - left_at) < _NEARLY_S:
                doubtful = True
            else:
                talks.append(talk)
        return Account(
            person=self._people[call.number],
            call=call,
            talks=tuple(talks),
            asked=self._people[call.number].asks if call.number in self._asked else "",
            doubtful=doubtful,
            killed=bool(self.dead),
            alone=any(
                since < left_at and until > self._asked[call.number]
                for since, until in self.dead
                if call.number in self._asked
            ),
            attempts=()
            if self._called is None
            else tuple(one for one in self._called.calls if one.number[-_KNOWN_DIGITS:] == known),
        )


def _was_too_late(ring: AgentCall, rings: Sequence[AgentCall]) -> bool:
    """Picked up a moment after, or before it was known that, another one of those rung at once had been."""
    assert ring.answered_at is not None
    assert ring.ended_at is not None
    brief = ring.ended_at - ring.answered_at < _NEARLY_S and ring.ended_by is EndedBy.SYSTEM
    return brief and any(
        other.agent != ring.agent and other.answered_at is not None and abs(other.rang_at - ring.rang_at) < _NEARLY_S
        for other in rings
    )


def differences(
    account: Account,
    rows: Sequence[Mapping[str, Any]],
    *,
    follow_ups: Sequence[Mapping[str, Any]] = (),
    dead: Sequence[tuple[float, float]] = (),
) -> Iterator[str]:
    """Where the store tells something else of a citizen than the telephones. `rows` are the citizen's own calls in the
    store, `follow_ups` the callbacks and messages that came of them. `dead` is from when to when (epoch seconds) there
    was no engine: what Asterisk told in that very moment may have died with it, and who had left by then is found gone
    and on record as lost."""
    call = account.call
    if call.status != 200:
        yield f"the citizen was not let in: {call.status}"
        return
    if len(rows) != 1:
        yield f"on record {len(rows)} times"
        return
    (row,) = rows
    if row["handled_by"] != "engine":
        yield from _differences_without_engine(account, row)
        return
    if unheard(account, row):
        return
    ends = [visit["outcome"] for visit in row["visits"]]
    agents = [talk.agent for talk in account.talks if not talk.back]
    told = [talk["agent"] for talk in row["conversations"] if talk["agent"]]
    if agents != told and not account.doubtful:
        yield f"talked with {agents}, on record {told}"
    if None in ends or ends.count("answered") != len(told):
        yield f"visits ended {ends}, conversations {told}"
    for visit in row["visits"]:
        if visit["lost"]:
            ended_at = datetime.fromisoformat(visit["ended_at"]).timestamp()
            if not any(since <= ended_at <= until + _FOUND_GONE_S for since, until in dead):
                yield f"the visit of {visit['queue']} was lost"
    if not account.doubtful:
        end, seen = outcome(row), _seen(account)
        if end not in seen:
            yield f"{' or '.join(seen)} as the telephones saw it, on record {end}"
        if not agents and call.ended_by is EndedBy.SYSTEM and end not in ("callback", "voicemail"):
            yield f"the system hung up on a citizen whom nobody had helped ({row['end_reason']})"
    yield from _differences_later(account, ends=ends, follow_ups=follow_ups)


def unheard(account: Account, row: Mapping[str, Any]) -> bool:
    """Whether the key of the menu never came: a telephone that a busy machine plays swallows one now and then, and
    then the citizen does something else than was planned."""
    pressed = [choice["digit"] for choice in row["choices"]]
    meant = account.person.key
    return bool(row["handled_by"] == "engine" and meant and meant not in pressed[:1])


def _differences_without_engine(account: Account, row: Mapping[str, Any]) -> Iterator[str]:
    """Of a call that the contingency path took: it knows one queue and no keys."""
    agents = [talk.agent for talk in account.talks]
    told = [talk["agent"] for talk in row["conversations"]]
    if agents != told and not account.doubtful:
        yield f"talked with {agents} by the contingency path, on record {told}"


def _seen(account: Account) -> tuple[str, ...]:
    """What may stand on record for what the telephones saw."""
    if any(not talk.back for talk in account.talks):
        return ("answered",)
    if not account.person.key:
        return ("menu",)
    wishes = {CALLBACK_KEY: "callback", VOICEMAIL_KEY: "voicemail"}
    wished = wishes.get(account.asked, "abandoned")
    return (wished, "abandoned") if account.alone else (wished,)


def _differences_later(
    account: Account, *, ends: Sequence[str], follow_ups: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """What came of the callback or the message, as the telephones saw it and as the store has it."""
    promised = [end for end in ends if end in ("callback", "voicemail")]
    if [row["medium"] for row in follow_ups] != promised:
        yield f"{promised} was promised, on record are {[row['medium'] for row in follow_ups]}"
        return
    talks = [talk.agent for talk in account.talks if talk.back]
    told = [talk["agent"] for row in follow_ups for talk in row["conversations"]]
    rang = [one.outcome.value for one in account.attempts]
    attempts = [attempt["outcome"] for row in follow_ups for attempt in row["attempts"]]
    # Dialling is at most once: an attempt on which the engine died may have rung nobody.
    certain = [outcome for outcome in attempts if outcome not in ("lost", "withdrawn")]
    if rang != attempts and not (account.killed and [outcome for outcome in rang if outcome != "withdrawn"] == certain):
        yield f"was called back {rang}, on record {attempts}"
    if "callback" in promised:
        # The agents whose citizens did not answer were on the line too.
        attempted = [attempt for row in follow_ups for attempt in row["attempts"]]
        reached = [attempt["agent"] for attempt in attempted if attempt["outcome"] == "answered"]
        if told != reached or not set(told) <= set(talks):
            yield f"called back by {talks}, on record {told}, reached by {reached}"
    elif talks != told:
        yield f"message heard by {talks}, on record {told}"


def outcome(row: Mapping[str, Any]) -> str:
    """The one word for what became of a citizen's call."""
    if row["conversations"]:
        return "answered"
    if not row["visits"]:
        return "menu"
    return str(row["visits"][-1]["outcome"])


def journal(house: House) -> list[dict[str, Any]]:
    """All entries, in order, each once."""
    found: dict[int, dict[str, Any]] = {}
    for path in sorted(house.home.journal.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            entry = json.loads(line) if line.endswith("\n") else {}
            if "event" in entry:
                found[entry["seq"]] = entry
    return [found[seq] for seq in sorted(found)]


@dataclass
class _Waiting:
    visit: str
    queue: str
    place_at: float
    key: tuple[Any, ...]
    free: bool = True
    """Neither suspended nor being offered."""
    offers: int = 0
    missed_by: set[str] = field(default_factory=set)


def out_of_order(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Offers to somebody while somebody else, who had come to the same queue earlier and asked for the same, waited
    unoffered; but for agents who had missed the earlier one."""
    waiting: dict[str, _Waiting] = {}
    found = []
    for entry in entries:
        event = entry["event"]
        kind, call = event["type"], event.get("call", "")
        if kind == "VisitStarted":
            asked = (event["queue"], event.get("priority", 0), event.get("requires", ""), event.get("language", ""))
            special = bool(event.get("only") or event.get("sticky")) or event.get("medium", "call") != "call"
            waiting[call] = _Waiting(
                visit=event["visit"],
                queue=event["queue"],
                place_at=event.get("place_at") or entry["at"],
                key=(*asked, event["visit"] if special else ""),
            )
        elif kind == "VisitSuspended" and call in waiting:
            waiting[call].free = False
        elif kind == "VisitResumed" and call in waiting:
            waiting[call].free = True
        elif kind == "VisitEnded":
            waiting.pop(call, None)
        elif kind == "OfferMade":
            offered = waiting[call]
            for other_call, other in waiting.items():
                earlier = other.key == offered.key and other.place_at < offered.place_at
                waits = other.free and not other.offers and event["agent"] not in other.missed_by
                if other_call != call and earlier and waits:
                    found.append(f"{event['agent']} was offered {call} before {other_call} in {offered.queue}")
            offered.offers += 1
        elif kind == "OfferEnded" and call in waiting:
            waiting[call].offers -= 1
            if event["outcome"] != "answered":
                waiting[call].missed_by.add(event["agent"])
    return found


def doubled(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Agents with two contacts at once, contacts with two agents who were to be one, and calls that did not end exactly
    once."""
    offered: dict[str, str] = {}
    talking: dict[str, str] = {}
    ended: Counter[str] = Counter()
    begun: set[str] = set()
    visits: Counter[str] = Counter()
    started: set[str] = set()
    found = []
    for entry in entries:
        event = entry["event"]
        kind, call = event["type"], event.get("call", "")
        if kind == "OfferMade":
            agent = event["agent"]
            if agent in offered or agent in talking:
                found.append(f"{agent} was offered {event['offer']} with {offered.get(agent)} {talking.get(agent)}")
            offered[agent] = event["offer"]
        elif kind == "OfferEnded":
            if offered.get(event["agent"]) == event["offer"]:
                del offered[event["agent"]]
        elif kind == "ConversationStarted" and event["agent"]:
            if event["agent"] in talking:
                found.append(f"{event['agent']} talks in {talking[event['agent']]} and in {call}")
            if call in talking.values():
                found.append(f"{call} has two agents")
            talking[event["agent"]] = call
        elif kind == "ConversationEnded":
            talking.pop(event["agent"], None)
        elif kind in ("CallArrived", "ContactBooked"):
            begun.add(call)
        elif kind == "CallEnded":
            ended[call] += 1
        elif kind == "CallBroken":
            found.append(f"{call} was broken: {event['why']}")
        elif kind == "VisitStarted":
            started.add(event["visit"])
        elif kind == "VisitEnded":
            visits[event["visit"]] += 1
    found += [f"{call} ended {count} times" for call, count in ended.items() if count != 1]
    found += [f"{visit} ended {count} times" for visit, count in visits.items() if count != 1]
    found += [f"{call} did not end" for call in begun - set(ended)]
    found += [f"{visit} did not end" for visit in started - set(visits)]
    return found


def by_number(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Citizens' own calls, by number; callbacks and messages are other calls."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["medium"] == "call":
            found[row["caller"]].append(row)
    return found
