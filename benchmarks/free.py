"""Agent free, next citizen's INVITE at the agent's telephone: the engine beside app_queue, while citizens wait.

In: an open house. Out: seconds from an agent's BYE to the next INVITE at the same telephone, as sipp saw both, only
where the citizen who was rung for had been waiting since before that BYE.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.house import House, Way
from benchmarks.phones import Happening, Talk
from benchmarks.tables import Row, Section, met, percentile

AGENTS = 3
TALK = Talk(least_ms=200, most_ms=1000)
PATIENCE_S = 120.0
DIALLING_PER_S = 20.0
WAITED_S = 0.5
"""Who dialled this long before the BYE had chosen and was in the queue."""
AIM_P99_MS = 20.0


def gaps(seen: Sequence[Happening], *, dialled_at: dict[str, float]) -> list[float]:
    """Seconds from each agent's BYE to the next INVITE, where somebody of `dialled_at` was waiting."""
    free_since: dict[str, float] = {}
    found = []
    for each in sorted(seen, key=lambda happening: happening.at):
        if each.word == "hung_up":
            free_since[each.subject] = each.at
        elif each.word == "rung":
            since = free_since.pop(each.subject, None)
            dialled = dialled_at.get(each.rest[0])
            if since is not None and dialled is not None and dialled < since - WAITED_S:
                found.append(each.at - since)
    return found


async def measure(house: House, *, rounds: int, calls: int) -> Section:
    """Both ways in turns, `calls` citizens each time."""
    seconds: dict[Way, list[float]] = {way: [] for way in Way}
    failed = dict.fromkeys(Way, 0)
    for _ in range(rounds):
        for way in Way:
            await house.take_turns(way)
            before = len(house.agents.seen())
            seen = await house.citizens.round(
                dialled=way.value,
                sip_port=house.sip_port,
                calls=calls,
                calls_per_s=DIALLING_PER_S,
                patience_s=PATIENCE_S,
            )
            await house.quiet()
            failed[way] += seen.failed
            seconds[way] += gaps(house.agents.seen()[before:], dialled_at=dict(seen.dialled_at))
    ours, peer = ([1000 * each for each in seconds[way]] for way in (Way.ENGINE, Way.DIALPLAN))
    p99_ms = percentile(ours, share=0.99)
    rows = [
        Row(what="offers measured", cells=(str(len(ours)), str(len(peer)))),
        Row(what="median", cells=(_ms(statistics.median(ours)), _ms(statistics.median(peer)))),
        Row(
            what="p99",
            cells=(_ms(p99_ms), _ms(percentile(peer, share=0.99))),
            aim=f"<= {AIM_P99_MS:.0f} ms",
            seen=met(p99_ms, most=AIM_P99_MS),
        ),
        Row(what="worst", cells=(_ms(max(ours)), _ms(max(peer)))),
        Row(what="calls that failed", cells=(str(failed[Way.ENGINE]), str(failed[Way.DIALPLAN]))),
    ]
    return Section(
        title="Agent free, next citizen rings",
        ways=("ours", "app_queue"),
        rows=rows,
        remarks=[
            f"From the agent's BYE to the next INVITE at the same telephone, citizens waiting. {rounds} rounds of "
            f"{calls} citizens each way in turns, {AGENTS} agents, {TALK} of talk, no wrap-up.",
            "app_queue with retry=0, autofill=yes, wrapuptime=0, strategy=leastrecent.",
        ],
    )


def _ms(value: float) -> str:
    return f"{value:.1f} ms"
