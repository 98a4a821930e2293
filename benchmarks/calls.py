"""A citizen's whole call: the engine's way beside a pure dialplan that does the same, on one Asterisk.

Menu with a key pressed at once, queue, an agent who answers at once and talks, both sides recorded, the call on record.
In: an open house. Out: processor time per completed call, of whom, with what everybody uses when nobody telephones
taken off; and the highest rate at which no call fails.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields

from benchmarks.house import House, Way
from benchmarks.machine import cpu_s, first_thread_cpu_s, machine_cpu_s, resident_bytes
from benchmarks.phones import Talk
from benchmarks.tables import Row, Section, met, progress, spread

AGENTS = 40
MANY_AGENTS = 250
"""For the highest rate, which must not be that of the agents."""
TALK = Talk(least_ms=2500, most_ms=3500)
PATIENCE_S = 9.0
"""From the answer: talk and a queue that is not stuck take less than half of it."""
SETTLE_S = 2.5
"""After the last call, until recordings are joined and rows are written."""
IDLE_S = 8.0
STEP_S = 10.0
STEP_FACTOR = 1.3
WAITING = 200
DIALLING_PER_S = 20.0
LONG_TALK = Talk(least_ms=15_000, most_ms=15_000)
AIM_ENGINE = 0.25
AIM_TOTAL = 1.25


@dataclass(frozen=True, kw_only=True)
class Used:
    """Seconds of processor time, of whom; `took_s` is by the clock on the wall."""

    asterisk_s: float
    engine_s: float
    engine_first_thread_s: float
    worker_s: float
    telephones_s: float
    machine_s: float
    took_s: float

    def since(self, before: Used) -> Used:
        """What was used since an earlier look."""
        return Used(**{each.name: getattr(self, each.name) - getattr(before, each.name) for each in fields(self)})

    def beyond(self, idle: Used) -> Used:
        """Without what would have been used anyway in that time."""
        share = self.took_s / idle.took_s
        wanted = {each.name: getattr(self, each.name) - share * getattr(idle, each.name) for each in fields(self)}
        return Used(**{**wanted, "took_s": self.took_s})

    def per(self, calls: int) -> Used:
        """Milliseconds for each of so many calls."""
        return Used(**{each.name: 1000 * getattr(self, each.name) / max(1, calls) for each in fields(self)})


def look(house: House) -> Used:
    """What has been used until now, in all."""
    engine = house.engine_pid
    return Used(
        asterisk_s=cpu_s(house.asterisk_pid),
        engine_s=0.0 if engine is None else cpu_s(engine),
        engine_first_thread_s=0.0 if engine is None else first_thread_cpu_s(engine),
        worker_s=house.worker_cpu_s(),
        telephones_s=house.agents.cpu_s,
        machine_s=machine_cpu_s(),
        took_s=asyncio.get_running_loop().time(),
    )


@dataclass(frozen=True, kw_only=True)
class Load:
    """One turn: milliseconds per completed call, and how many failed. The telephones' are those of both sides."""

    per_call: Used
    citizens_sipp_ms: float
    completed: int
    failed: int


async def turn(house: House, way: Way, *, calls: int, calls_per_s: float, idle: Used) -> Load:
    """So many calls, this way, at this rate."""
    await house.take_turns(way)
    await asyncio.sleep(SETTLE_S)
    before = look(house)
    seen = await house.citizens.round(
        dialled=way.value, sip_port=house.sip_port, calls=calls, calls_per_s=calls_per_s, patience_s=PATIENCE_S
    )
    await asyncio.sleep(SETTLE_S)
    used = look(house).since(before).beyond(idle)
    await house.quiet()
    completed = len(seen.ended_at)
    progress(f"{way.name.lower()}: {completed} of {calls} calls completed")
    return Load(
        per_call=used.per(completed),
        citizens_sipp_ms=1000 * seen.sipp_cpu_s / max(1, completed),
        completed=completed,
        failed=calls - completed,
    )


async def measure_cost(house: House, *, rounds: int, calls: int, calls_per_s: float, idle_s: float = IDLE_S) -> Section:
    """Both ways in turns at one rate that neither finds hard."""
    idles: dict[Way, Used] = {}
    for way in Way:
        await house.take_turns(way)
        await asyncio.sleep(SETTLE_S)
        before = look(house)
        await asyncio.sleep(idle_s)
        idles[way] = look(house).since(before)
    loads: dict[Way, list[Load]] = {way: [] for way in Way}
    for _ in range(rounds):
        for way in Way:
            loads[way].append(await turn(house, way, calls=calls, calls_per_s=calls_per_s, idle=idles[way]))
    return _cost_section(
        loads,
        idle=idles[Way.ENGINE],
        remarks=[
            f"{rounds} rounds of {calls} citizens each way in turns, {calls_per_s:g} calls a second, {TALK} of talk "
            f"with sound both ways, {AGENTS} agents for each way; median (least-greatest, rounds).",
            "Processor time per completed call, threads and ended threads included, idle use taken off. The worker is "
            "the process that joins both directions of a recording into one file, hashes and measures it; the "
            "dialplan's MixMonitor mixes while it records.",
            "During the dialplan's turns CDR (core and cdr_csv) runs, which is its record, and the engine does not: "
            "its connections alone would cost. During the engine's turns its journal and its store are the record.",
        ],
    )


def _cost_section(loads: dict[Way, list[Load]], *, idle: Used, remarks: Sequence[str]) -> Section:
    ours, peers = loads[Way.ENGINE], loads[Way.DIALPLAN]
    asterisk, asterisk_peer = ([load.per_call.asterisk_s for load in each] for each in (ours, peers))
    engine = [load.per_call.engine_s for load in ours]
    first_thread = [load.per_call.engine_first_thread_s for load in ours]
    worker = [load.per_call.worker_s for load in ours]
    without_worker = [a + b for a, b in zip(asterisk, engine, strict=True)]
    total = [a + b for a, b in zip(without_worker, worker, strict=True)]
    # Round by round: what went on beside a round hit both of its turns.
    share = statistics.median(a / b for a, b in zip(engine, asterisk, strict=True))
    ratio = statistics.median(a / b for a, b in zip(total, asterisk_peer, strict=True))
    ratio_without = statistics.median(a / b for a, b in zip(without_worker, asterisk_peer, strict=True))
    sipp, sipp_peer = ([load.citizens_sipp_ms + load.per_call.telephones_s for load in each] for each in (ours, peers))
    return Section(
        title="Processor time of a call",
        ways=("ours", "dialplan"),
        rows=[
            Row(what="Asterisk, per call", cells=(_ms(asterisk), _ms(asterisk_peer))),
            Row(what="engine, per call", cells=(_ms(engine),)),
            Row(what="  of it the call logic's thread", cells=(_ms(first_thread),)),
            Row(what="worker that joins recordings, per call", cells=(_ms(worker),)),
            Row(
                what="engine / Asterisk",
                cells=(f"{share:.2f}",),
                aim=f"<= {AIM_ENGINE}",
                seen=met(share, most=AIM_ENGINE),
            ),
            Row(
                what="Asterisk + engine + worker, per call",
                cells=(_ms(total), _ms(asterisk_peer)),
            ),
            Row(
                what="total / dialplan", cells=(f"{ratio:.2f}",), aim=f"<= {AIM_TOTAL}", seen=met(ratio, most=AIM_TOTAL)
            ),
            Row(what="the same without the worker", cells=(f"{ratio_without:.2f}",)),
            Row(what="sipp, both sides, per call", cells=(_ms(sipp), _ms(sipp_peer))),
            Row(what="calls completed", cells=(_sum(ours, "completed"), _sum(peers, "completed"))),
            Row(what="calls failed", cells=(_sum(ours, "failed"), _sum(peers, "failed"))),
            Row(
                what="idle, of one core",
                cells=(f"engine {_share(idle.engine_s, idle)}, Asterisk {_share(idle.asterisk_s, idle)}",),
            ),
        ],
        remarks=remarks,
    )


async def measure_rate(house: House, *, first_per_s: float, step_s: float = STEP_S, most_steps: int = 8) -> Section:
    """Both ways in turns, faster and faster, until a call fails twice at one rate."""
    best = dict.fromkeys(Way, 0.0)
    told: dict[Way, str] = dict.fromkeys(Way, "")
    going = list(Way)
    rate = first_per_s
    for _ in range(most_steps):
        for way in tuple(going):
            before = look(house)
            failed = await _step(house, way, calls_per_s=rate, step_s=step_s)
            if failed:
                failed = await _step(house, way, calls_per_s=rate, step_s=step_s)
            used = look(house).since(before)
            progress(f"{way.name.lower()}: {rate:.1f} calls a second, {failed} failed")
            if failed:
                going.remove(way)
                told[way] = f"{failed} of {round(rate * step_s)} failed at {rate:.1f}"
            else:
                best[way] = rate
                told[way] = f"machine {100 * used.machine_s / used.took_s:.0f} % of a core on average at {rate:.1f}"
        if not going:
            break
        rate *= STEP_FACTOR
    return Section(
        title="Highest rate without a failed call",
        ways=("ours", "dialplan"),
        rows=[
            Row(what="calls a second", cells=(f"{best[Way.ENGINE]:.1f}", f"{best[Way.DIALPLAN]:.1f}")),
            Row(what="next step", cells=(told[Way.ENGINE], told[Way.DIALPLAN])),
        ],
        remarks=[
            f"Steps of {step_s:g} s, each {STEP_FACTOR:g} times the rate of the one before, both ways in turns, until "
            f"calls fail in two tries at one rate. A call fails when it is not over {PATIENCE_S:g} s after its answer.",
            "sipp plays 2 telephones a call with sound on the same cores: read the two figures beside each other only.",
        ],
    )


async def measure_memory(house: House, *, calls: int, rounds: int) -> Section:
    """So many citizens wait at once, for agents who are too few; each round in the same process."""
    await house.take_turns(Way.ENGINE, warm_up_calls=0)
    before = _resident(house)
    most, after = before, before
    for _ in range(rounds):
        most = before

        def sample() -> None:
            nonlocal most
            now = _resident(house)
            most = max(most[0], now[0]), max(most[1], now[1])

        await house.citizens.round(
            dialled=Way.ENGINE.value,
            sip_port=house.sip_port,
            calls=calls,
            calls_per_s=DIALLING_PER_S,
            patience_s=calls / DIALLING_PER_S + 5.0,
            during=sample,
        )
        await house.quiet()
        after = _resident(house)
        progress(f"{calls} citizens waited: engine {_mib(most[0])}, after they left {_mib(after[0])}")
    each = [(high - low) / calls / 1024 for high, low in zip(most, before, strict=True)]
    return Section(
        title="Memory",
        ways=("engine", "Asterisk"),
        rows=[
            Row(what="nobody has called yet", cells=[_mib(value) for value in before]),
            Row(what=f"{calls} citizens wait at once, at most", cells=[_mib(value) for value in most]),
            Row(what="  for each of them", cells=[f"{value:.0f} KiB" for value in each]),
            Row(what="after they have left", cells=[_mib(value) for value in after]),
        ],
        remarks=[f"Resident memory, in the last of {rounds} rounds. The engine's worker process is not counted."],
    )


def _resident(house: House) -> tuple[int, int]:
    assert house.engine_pid is not None
    return resident_bytes(house.engine_pid), resident_bytes(house.asterisk_pid)


def _mib(value: float) -> str:
    return f"{value / 2**20:.1f} MiB"


async def _step(house: House, way: Way, *, calls_per_s: float, step_s: float) -> int:
    await house.take_turns(way)
    seen = await house.citizens.round(
        dialled=way.value,
        sip_port=house.sip_port,
        calls=round(calls_per_s * step_s),
        calls_per_s=calls_per_s,
        patience_s=PATIENCE_S,
    )
    await asyncio.sleep(SETTLE_S)
    if seen.failed:
        # What overload left behind (citizens on the contingency path, say) is no load for the next step.
        await house.asterisk("channel request hangup all")
    await house.quiet()
    return seen.failed


def _ms(values: Sequence[float]) -> str:
    return spread(values, unit=" ms")


def _sum(loads: Sequence[Load], name: str) -> str:
    return str(sum(getattr(load, name) for load in loads))


def _share(used_s: float, idle: Used) -> str:
    return f"{100 * used_s / idle.took_s:.1f} %"
