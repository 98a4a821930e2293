"""Reads the records that the contingency path left while no engine took calls, and gives them to the engine once.

In: JSON files in `HOME/spool/`, written whole by the contingency script. Out: one `ContingencyCallReported` each. A
file goes away only after its event is in the journal; one that is read twice (the engine was killed in between) is the
same call, which the store keeps once. A file that cannot be read is set aside, never read again and never in the way.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import structlog

from telefonista.kernel.events import ContingencyCallReported, Event, RecordingKept
from telefonista.kernel.ids import AgentId, CallId, LineName, QueueName, RouteName

_log = structlog.get_logger("telefonista.spool")

LARGEST_RECORD = 64 * 1024
_NORMAL_CLEARING = 16


class SpooledRecord(msgspec.Struct, kw_only=True):
    """What `dialplans/contingency.py` writes. Times in epoch seconds."""

    uniqueid: str
    arrived_epoch_s: float | None = None
    ended_epoch_s: float
    line: str | None = None
    route: str | None = None
    dialled: str | None = None
    caller_number: str | None = None
    queued_epoch_s: float | None = None
    agent_answered_epoch_s: float | None = None
    agent: str | None = None
    queue: str | None = None
    hangup_cause: int | None = None
    citizen_sound: str | None = None
    agent_sound: str | None = None


Keep = Callable[[CallId, Path, Path], Awaitable[RecordingKept | None]]
"""Makes one recording of what the citizen sent and what they heard; None where there is nothing to keep."""
Drop = Callable[[Path, Path], None]
"""Removes the two parts of a call in which nobody talked with the citizen."""


async def read_spool(folder: Path, *, keep: Keep, drop: Drop, report: Callable[[Event, float], None]) -> int:
    """Report every record that lies in `folder`; returns how many."""
    reported = 0
    for path, record in await asyncio.to_thread(_read_all, folder):
        kept: RecordingKept | None = None
        if record.citizen_sound and record.agent_sound:
            parts = (Path(record.citizen_sound), Path(record.agent_sound))
            if record.agent_answered_epoch_s is not None:
                kept = await keep(CallId(record.uniqueid), *parts)
            else:
                await asyncio.to_thread(drop, *parts)
        report(_event(record, recording=kept), record.ended_epoch_s)
        if kept is not None:
            report(kept, record.ended_epoch_s)
        await asyncio.to_thread(path.unlink)
        reported += 1
    return reported


def _read_all(folder: Path) -> list[tuple[Path, SpooledRecord]]:
    found: list[tuple[Path, SpooledRecord]] = []
    for path in sorted(folder.glob("*.json")):
        record = _read(path)
        if record is None:
            path.rename(path.with_suffix(".unreadable"))
        else:
            found.append((path, record))
    return found


def _read(path: Path) -> SpooledRecord | None:
    try:
        content = path.read_bytes()
        if len(content) > LARGEST_RECORD:
            raise ValueError(f"larger than {LARGEST_RECORD} bytes")
        return msgspec.json.decode(content, type=SpooledRecord)
    except (OSError, ValueError) as problem:
        _log.error("a contingency record cannot be read and is set aside", file=path.name, problem=str(problem))
        return None


def _event(record: SpooledRecord, *, recording: RecordingKept | None) -> ContingencyCallReported:
    return ContingencyCallReported(
        call=CallId(record.uniqueid),
        line=LineName(record.line or ""),
        dialled=record.dialled or "",
        route=RouteName(record.route or ""),
        caller=record.caller_number or "",
        arrived_at=record.ended_epoch_s if record.arrived_epoch_s is None else record.arrived_epoch_s,
        ended_at=record.ended_epoch_s,
        queued_at=record.queued_epoch_s,
        answered_at=record.agent_answered_epoch_s,
        agent=AgentId(record.agent) if record.agent else None,
        queue=QueueName(record.queue) if record.queue else None,
        cause=_NORMAL_CLEARING if record.hangup_cause is None else record.hangup_cause,
        recording_files=(recording.path,) if recording is not None else (),
    )
