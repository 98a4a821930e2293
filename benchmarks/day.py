"""The same day of arrivals through app_queue and through the engine, on one real Asterisk, one after the other.

Three queues, fourteen agents in groups that overlap, a first and a second level; citizens with patience, two rushes,
agents who leave without a word. app_queue has `rrmemory` with penalties and the best settings that are fair; the engine
has skills and levels. In: nothing but a seed. Out: what the telephones saw of both, side by side.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import yaml

from benchmarks.arrivals import (
    AGENTS,
    FIRST_LEVEL,
    KEY_TAKES_S,
    QUEUES,
    RING_S,
    SECOND_LEVEL,
    SERVICE_LEVEL_S,
    WAITS_FROM_S,
    WRAP_UP_S,
    Absence,
    Day,
    Figures,
    Stay,
    draw_day,
    figures,
)
from benchmarks.house import MENU, READY_TIMEOUT_S, House, Way, append_lines, until
from benchmarks.phones import Talk
from benchmarks.tables import Row, Section, percentile, progress
from telefonista.app import client
from telefonista.app.rtp import RtpExchange
from telefonista.app.sipp import LETS_RING, Behaviour, CitizenPlan, EndedBy, Press, RingOutcome, SippAgent, SippCitizens
from telefonista.pbx.packages import Tool, Toolbox, default_folder, ensure

LENGTH_S = 200.0
QUICK_S = 80.0
CROWDS = (1.0, 1.3)
"""A day that the agents can just do, and one that they cannot."""
SECOND_LEVEL_AFTER_S = 0.0
"""Both ways take somebody of the second level as soon as nobody of the first is free."""
FIRST_SKILL, SECOND_SKILL = 7, 3
_LOOK_EVERY_S = 0.03
_GOODBYE_S = 3.0
_BACK_AGAIN_S = 0.5
FLOW = f"""
flow: medido
language: es
start: menu
nodes:
  menu:
    menu: "{MENU}"
    timeout_s: 6
    tries: 3
    options:
{"".join(f'      "{key}": {queue}' + chr(10) for key, queue in (*QUEUES.items(), ("0", "tramites")))}
    on_invalid: "Disculpe, esa opción no existe."
    on_timeout: "No recibimos su opción."
    on_failure: tramites
{"".join(f"  {queue}: {{queue: {queue}, topic: {queue}}}" + chr(10) for queue in QUEUES.values())}
"""


class DayHouse(House):
    """The installation of a day: both ways have the same queues and groups."""

    def __init__(self, folder: Path, *, toolbox: Toolbox) -> None:
        super().__init__(folder, agents=AGENTS, talk=Talk(least_ms=1, most_ms=1), toolbox=toolbox)
        self.secrets: Mapping[str, str] = {}

    async def open(self) -> None:
        plan = await self.open_asterisk()
        self.secrets = {account.agent: account.secret for account in plan.agents}

    def accounts(self, way: Way) -> Sequence[str]:
        """The agents' telephones of a way, in the order of the list."""
        return self._engine_agents if way is Way.ENGINE else self._peer_agents

    async def take_turn(self, way: Way) -> None:
        """This way is all that there is for the next calls."""
        if way is Way.DIALPLAN:
            await self.stop_engine()
        elif self.engine_pid is None:
            await self.start_engine()

    async def come_back(self, way: Way, agent: int) -> None:
        """Whoever left without a word sits down again, and ends the pause that came of it."""
        account = self.accounts(way)[agent]
        if way is Way.DIALPLAN:
            await self.asterisk(f"queue unpause member PJSIP/{account}")
            return
        with contextlib.suppress(client.EngineRefused):  # was not paused
            await asyncio.to_thread(client.post, self.home, f"/agents/{account}/ready")

    async def ready(self, way: Way) -> bool:
        """Whether all of the telephones are known to be free."""
        if way is Way.ENGINE:
            return await self._everybody_is_ready()
        shown = "".join([await self.asterisk(f"queue show {queue}") for queue in QUEUES.values()])
        return all(f"{account} " in shown for account in self.accounts(way)) and "(Unavailable)" not in shown

    def _write_config(self) -> None:
        (self.home.flows / "medido.yaml").write_text(FLOW, encoding="utf-8")
        rules = {
            "strategy": "least_flexible",
            "ring_s": RING_S,
            "wrap_up_s": WRAP_UP_S,
            "most_misses": 1,
            "service_level_s": SERVICE_LEVEL_S,
            "announce_every_s": 600.0,
        }
        config = {
            "node": f"b{self.sip_port}",
            "own_asterisk": False,
            "sip_port": self.sip_port,
            "http_port": self._engine_port,
            "lines": [{"name": "0800-info", "numbers": [Way.ENGINE.value], "flow": "medido"}],
            "queues": [
                {
                    "name": queue,
                    "requires": f"{queue} >= {SECOND_SKILL}",
                    "level": 2,
                    **rules,
                }
                for queue in QUEUES.values()
            ],
            "agents": [
                {
                    "id": account,
                    "skills": _skills(agent),
                    "queues": list(_skills(agent)),
                    "levels": {queue: 2 for queue, skill in _skills(agent).items() if skill == SECOND_SKILL},
                }
                for agent, account in enumerate(self._engine_agents)
            ],
        }
        self.home.config_file.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")

    def _add_peer(self, configuration: Path, *, menu: str) -> None:
        """The dialplan with its menu and its queues, which notes what the queue would say of the wait."""
        steps = [
            *("Set(CHANNEL(language)=es)", "Set(TIMEOUT(absolute)=7200)", f"Read(OPTION,{menu},1,,3,6)"),
            *(f'GotoIf($["${{OPTION}}" = "{key}"]?{queue})' for key, queue in QUEUES.items()),
            "Goto(over)",
        ]
        lines = [f"exten => {Way.DIALPLAN},1,{steps[0]}", *(f" same => n,{step}" for step in steps[1:])]
        for queue in QUEUES.values():
            lines += [
                f" same => n({queue}),Set(ASKED=${{QUEUE_VARIABLES({queue})}})",
                " same => n,Log(NOTICE,joins ${CALLERID(num)} ${QUEUEHOLDTIME})",
                f" same => n,MixMonitor({self.home.recordings}/${{UNIQUEID}}.wav,b)",
                f" same => n,Queue({queue})",
                " same => n,Hangup()",
            ]
        append_lines(configuration / "extensions.conf", ["[citizens](+)", *lines, " same => n(over),Hangup()"])
        queues = configuration / "queues.conf"
        # The engine's own failsafe queue keeps the engine's agents only, as it would without a peer.
        own = [
            line
            for line in queues.read_text(encoding="utf-8").splitlines()
            if not any(f"PJSIP/{agent}," in line for agent in self._peer_agents)
        ]
        queues.write_text("\n".join((*own, "")), encoding="utf-8")
        append_lines(queues, ["[general](+)", "shared_lastcall = yes", "autofill = yes"])
        settings = (
            *("strategy = rrmemory", "musicclass = espera", f"timeout = {RING_S}", "retry = 0"),
            *(f"wrapuptime = {WRAP_UP_S:.0f}", "autopause = all", "ringinuse = no", "autofill = yes"),
            *("joinempty = yes", "leavewhenempty = no", "announce-position = no", "announce-holdtime = no"),
            *("setqueuevar = yes", f"servicelevel = {SERVICE_LEVEL_S:.0f}"),
        )
        for queue in QUEUES.values():
            members = [
                f"member => PJSIP/{self._peer_agents[agent]},{penalty},{self._peer_agents[agent]}"
                for penalty, level in enumerate((FIRST_LEVEL, SECOND_LEVEL))
                for agent in level[queue]
            ]
            append_lines(queues, [f"[{queue}]", *settings, *members])
        append_lines(configuration / "modules.conf", ["load = app_verbose.so"])

    def peer_estimates(self) -> dict[str, float]:
        """Seconds, by number, that app_queue would have named to whoever joined; who would have heard none is absent:
        it says nothing while its average is 0."""
        messages = (self.home.folder / "asterisk" / "log" / "messages.log").read_text(errors="replace")
        found = [line.rpartition("joins ")[2].split() for line in messages.splitlines() if "joins 0994" in line]
        return {words[0]: float(words[1]) for words in found if len(words) > 1 and float(words[1]) > 0}

    def engine_estimates(self) -> dict[str, float]:
        """Seconds, by number, that the engine knew at joining; who would have heard none is absent."""
        callers: dict[str, str] = {}
        found: dict[str, float] = {}
        for path in sorted(self.home.journal.glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                event = json.loads(line).get("event", {})
                if event.get("type") == "CallArrived":
                    callers[event["call"]] = event["caller"]
                elif event.get("type") == "WaitAnnounced" and event.get("estimate_s") is not None:
                    found.setdefault(callers[event["call"]], event["estimate_s"])
        return found


def _skills(agent: int) -> dict[str, int]:
    """How well this agent can do what each queue is about."""
    second = {queue: SECOND_SKILL for queue, agents in SECOND_LEVEL.items() if agent in agents}
    return second | {queue: FIRST_SKILL for queue, agents in FIRST_LEVEL.items() if agent in agents}


class _Round:
    """One way's day."""

    def __init__(self, house: DayHouse, way: Way, *, day: Day, toolbox: Toolbox, exchange: RtpExchange) -> None:
        self._house = house
        self._way = way
        self._day = day
        self._people = {person.number: person for person in day.people}
        self._began_at = 0.0
        self._back_at: dict[int, float] = {}
        folder = house.home.folder / f"people-{way.name.lower()}-{len(day.people)}"
        self._telephones = [
            SippAgent(
                toolbox.sipp,
                account=account,
                secret=house.secrets[account],
                exchange=exchange,
                folder=folder,
                tone_hz=1150,
                behaviour=partial(self._behaviour, index),
            )
            for index, account in enumerate(house.accounts(way))
        ]
        self._citizens = SippCitizens(
            toolbox.sipp,
            plans=[
                CitizenPlan(
                    number=person.number,
                    dialled=way.value,
                    dials_after_s=person.dials_after_s,
                    presses=(Press(after_s=person.presses_after_s, keys=person.key),),
                    stays_s=person.presses_after_s + KEY_TAKES_S + person.patience_s,
                    tone_hz=425,
                )
                for person in day.people
            ],
            exchange=exchange,
            folder=folder,
        )

    async def play(self) -> Figures:
        house = self._house
        await house.take_turn(self._way)
        try:
            for telephone in self._telephones:
                await telephone.start(sip_port=house.sip_port)
            await until(lambda: house.ready(self._way), "all agents are ready", READY_TIMEOUT_S)
            self._began_at = time.time()
            await self._citizens.start(sip_port=house.sip_port)
            returns = [asyncio.create_task(self._come_back(absence)) for absence in self._day.absences]
            await self._until_all_have_left()
            await asyncio.gather(*returns)
            await asyncio.sleep(_GOODBYE_S)
        finally:
            await self._citizens.stop()
            await asyncio.gather(*(telephone.stop() for telephone in self._telephones))
        await house.quiet()
        ours = self._way is Way.ENGINE
        return figures(
            self._stays(),
            busy=self._busy(),
            second_level_after_s=SECOND_LEVEL_AFTER_S,
            estimates=house.engine_estimates() if ours else house.peer_estimates(),
        )

    def _behaviour(self, agent: int, caller: str) -> Behaviour:
        person = self._people[caller]
        since_s = time.time() - self._began_at
        if any(each.agent == agent and each.since_s <= since_s < each.until_s for each in self._day.absences):
            return LETS_RING
        return Behaviour(after_s=person.picked_up_after_s, talks_s=person.talks_s)

    async def _come_back(self, absence: Absence) -> None:
        await asyncio.sleep(self._began_at + absence.until_s - time.time())
        # What rings still is missed, and the pause for it is yet to come.
        telephone = self._telephones[absence.agent]
        await until(lambda: telephone.ringing_for is None, "the telephone is silent", 2.0 * RING_S)
        await asyncio.sleep(_BACK_AGAIN_S)
        self._back_at[absence.agent] = time.time()
        await self._house.come_back(self._way, absence.agent)

    async def _until_all_have_left(self) -> None:
        left = asyncio.get_running_loop().create_task(self._citizens.wait())
        talked: set[str] = set()
        try:
            while not left.done():
                talking = {telephone.talking_with for telephone in self._telephones} - talked - {None}
                for number in talking:
                    assert number is not None
                    self._citizens.stay(number)
                    talked.add(number)
                await asyncio.wait({left}, timeout=_LOOK_EVERY_S)
            await left
        finally:
            left.cancel()

    def _stays(self) -> list[Stay]:
        """Of everybody whose key was heard."""
        rings = defaultdict(list)
        for telephone in self._telephones:
            for call in telephone.calls:
                rings[call.caller].append(call)
        stays = []
        for seen in self._citizens.calls:
            person = self._people[seen.number]
            if seen.answered_at is None or seen.ended_at is None:
                progress(f"{seen.number} was not let in: {seen.status}")
                continue
            joined_at = seen.answered_at + person.presses_after_s + KEY_TAKES_S
            answers = [call.answered_at for call in rings[seen.number] if call.answered_at is not None]
            stays.append(
                Stay(
                    number=seen.number,
                    queue=person.queue,
                    joined_at=joined_at,
                    answered_at=answers[0] if answers else None,
                    left_at=answers[0] if answers else seen.ended_at,
                    lost=not answers and seen.ended_by is not EndedBy.CITIZEN,
                    rings=tuple(
                        (call.rang_at, call.answered_at or call.ended_at or seen.ended_at)
                        for call in rings[seen.number]
                    ),
                )
            )
        return stays

    def _busy(self) -> list[list[tuple[float, float]]]:
        """The spans in which each agent could take no call: ringing, talking, wrap-up, away."""
        spans: list[list[tuple[float, float]]] = []
        for index, telephone in enumerate(self._telephones):
            busy = []
            for call in telephone.calls:
                ended_at = call.ended_at or call.rang_at
                busy.append((call.rang_at, ended_at + WRAP_UP_S * (call.outcome is RingOutcome.ANSWERED)))
            busy += [
                (self._began_at + absence.since_s, self._back_at[index])
                for absence in self._day.absences
                if absence.agent == index
            ]
            spans.append(busy)
        return spans


async def measure(*, seeds: Sequence[int], length_s: float, crowd: float) -> tuple[str, list[Section]]:
    """Asterisk's version, and both ways' days side by side, in turns that change their order; with `crowd` times the
    usual citizens."""
    toolbox = ensure(default_folder(), wanted=set(Tool), report=print)
    seen: dict[Way, list[Figures]] = {way: [] for way in Way}
    people = 0
    version = ""
    for turn, seed in enumerate(seeds):
        day = draw_day(seed, length_s=length_s, crowd=crowd)
        people += len(day.people)
        async with _open_house(toolbox) as house:
            version = await house.asterisk("core show version")
            for way in (Way.ENGINE, Way.DIALPLAN) if turn % 2 == 0 else (Way.DIALPLAN, Way.ENGINE):
                with RtpExchange() as exchange:
                    played = _Round(house, way, day=day, toolbox=toolbox, exchange=exchange)
                    seen[way].append(await played.play())
                progress(f"{way.name.lower()}: day {seed}: {_told(seen[way][-1])}")
    return version, [
        _section(seen, days=len(seeds), people=people, length_s=length_s, crowd=crowd),
        _estimates(seen, crowd=crowd),
    ]


@contextlib.asynccontextmanager
async def _open_house(toolbox: Toolbox) -> AsyncIterator[DayHouse]:
    # Short, for a control socket's path must be.
    folder = Path(tempfile.mkdtemp(prefix="tf-"))
    house = DayHouse(folder, toolbox=toolbox)
    try:
        await house.open()
        yield house
    finally:
        await house.close()
        shutil.rmtree(folder, ignore_errors=True)


def _told(one: Figures) -> str:
    return f"{one.answered} answered, {one.abandoned} abandoned, {one.lost} lost of {one.offered}"


def _section(
    seen: Mapping[Way, Sequence[Figures]], *, days: int, people: int, length_s: float, crowd: float
) -> Section:
    each = [seen[way] for way in (Way.ENGINE, Way.DIALPLAN)]
    waits = [[wait for one in ones for wait in one.waits_s] for ones in each]
    return Section(
        title=_title("A day", crowd=crowd),
        ways=("ours", "app_queue"),
        rows=[
            Row(what="chose a queue", cells=[str(_total(ones, "offered")) for ones in each]),
            Row(what="answered", cells=[str(_total(ones, "answered")) for ones in each]),
            Row(what="abandoned", cells=[str(_total(ones, "abandoned")) for ones in each]),
            Row(what="lost", cells=[str(_total(ones, "lost")) for ones in each]),
            Row(
                what=f"service level: answered within {SERVICE_LEVEL_S:g} s / chose a queue",
                cells=[f"{100 * _total(ones, 'within') / max(1, _total(ones, 'offered')):.0f} %" for ones in each],
            ),
            Row(what="wait of the answered, mean", cells=[_mean(some) for some in waits]),
            Row(what="  p95", cells=[_s(percentile(some, share=0.95)) for some in waits]),
            Row(
                what="agents idle while somebody waits whom they could serve",
                cells=[_s(sum(one.idle_s for one in ones)) for ones in each],
            ),
        ],
        remarks=[
            f"{days} day(s) of {length_s:g} s, {people} citizens, the same for both ways: arrivals with two rushes, "
            f"talk (median 6 s), patience (median 15 s), {AGENTS} agents, three queues, wrap-up {WRAP_UP_S:g} s, "
            f"telephones ring {RING_S} s; a tenth of what it would be, and so is T = {SERVICE_LEVEL_S:g} s. Three "
            "agents leave without a word for a while; both ways pause them at the first miss until they are back.",
            "All times are the telephones' own. Idle: agents' seconds, summed, free while somebody waited for whom no "
            "telephone rang and whom they might have served. Both take the second level when the first is busy.",
            "app_queue: rrmemory, penalty 1 for the second level, autofill=yes, retry=0, shared_lastcall=yes, "
            "autopause=all, no announcements. Ours: skills, levels, least_flexible, position and estimate said.",
        ],
    )


def _estimates(seen: Mapping[Way, Sequence[Figures]], *, crowd: float) -> Section:
    each = [seen[way] for way in (Way.ENGINE, Way.DIALPLAN)]
    errors = [[error for one in ones for error in one.errors_s] for ones in each]
    return Section(
        title=_title("The estimated wait", crowd=crowd),
        ways=("ours", "app_queue"),
        rows=[
            Row(what="had to wait", cells=[str(_total(ones, "waited")) for ones in each]),
            Row(what="estimates that could be checked", cells=[str(len(some)) for some in errors]),
            Row(what="mean absolute error", cells=[_mean([abs(error) for error in some]) for some in errors]),
            Row(
                what="bias (above 0: told too long)",
                cells=[f"{statistics.fmean(some or [0.0]):+.2f} s" for some in errors],
            ),
            Row(
                what="said nothing",
                cells=[f"{100 * _total(ones, 'silent') / max(1, _total(ones, 'waited')):.0f} %" for ones in each],
            ),
        ],
        remarks=[
            "The estimate at joining beside the wait that came of it, of those for whom no telephone rang within "
            f"{WAITS_FROM_S:g} s and who were answered, before any rounding for speech. app_queue's is its moving "
            "average (QUEUEHOLDTIME), which it does not say while it is 0.",
        ],
    )


def _title(what: str, *, crowd: float) -> str:
    return what if crowd == 1.0 else f"{what}, {crowd:g} times the citizens"


def _total(ones: Sequence[Figures], name: str) -> int:
    return sum(getattr(one, name) for one in ones)


def _mean(values: Sequence[float]) -> str:
    return _s(statistics.fmean(values)) if values else "none"


def _s(value: float) -> str:
    return f"{value:.2f} s"
