"""Records of calls that no engine took are read in once, whatever state their folder is in."""

import json
from pathlib import Path
from typing import Any

import pytest

from telefonista.app.spool import LARGEST_RECORD, read_spool
from telefonista.kernel.events import ContingencyCallReported, Event, RecordingKept
from telefonista.kernel.ids import AgentId, CallId, LineName, QueueName, RouteName, recording_id

CALL = CallId("tf1-1700000000.7")
WHOLE: dict[str, Any] = {
    "uniqueid": CALL,
    "arrived_epoch_s": 1700000000.0,
    "ended_epoch_s": 1700000060.5,
    "line": "0800-info",
    "route": "red",
    "dialled": "4636",
    "caller_number": "099123456",
    "queued_epoch_s": 1700000005.0,
    "agent_answered_epoch_s": 1700000020.0,
    "agent": "101",
    "queue": "failsafe",
    "hangup_cause": 16,
    "citizen_sound": "/home/spool/x-citizen.wav",
    "agent_sound": "/home/spool/x-agent.wav",
}
KEPT = RecordingKept(call=CALL, recording=recording_id(CALL, n=1), path="r.wav", duration_s=40.0, sha256="0" * 64)


class Reader:
    """Who is told of records, who joins sounds and who throws them away."""

    def __init__(self, folder: Path, *, kept: RecordingKept | None = KEPT) -> None:
        self.folder = folder
        self.kept = kept
        self.told: list[tuple[Event, float]] = []
        self.joined: list[tuple[CallId, str, str]] = []
        self.dropped: list[tuple[str, str]] = []
        self.left_when_told: list[int] = []

    async def reads(self) -> int:
        return await read_spool(self.folder, keep=self._keep, drop=self._drop, report=self._report)

    async def _keep(self, call: CallId, citizen: Path, agent: Path) -> RecordingKept | None:
        self.joined.append((call, citizen.name, agent.name))
        return self.kept

    def _drop(self, citizen: Path, agent: Path) -> None:
        self.dropped.append((citizen.name, agent.name))

    def _report(self, event: Event, at: float) -> None:
        self.left_when_told.append(len(list(self.folder.glob("*.json"))))
        self.told.append((event, at))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def spool(folder: Path, name: str = "a.json", **changes: Any) -> None:
    record = {key: value for key, value in {**WHOLE, **changes}.items() if value is not None}
    (folder / name).write_text(json.dumps(record))


async def test_record_becomes_the_event_of_a_call_with_its_recording(tmp_path: Path) -> None:
    spool(tmp_path)
    reader = Reader(tmp_path)
    assert await reader.reads() == 1
    reported = ContingencyCallReported(
        call=CALL,
        line=LineName("0800-info"),
        dialled="4636",
        route=RouteName("red"),
        caller="099123456",
        arrived_at=1700000000.0,
        ended_at=1700000060.5,
        queued_at=1700000005.0,
        answered_at=1700000020.0,
        agent=AgentId("101"),
        queue=QueueName("failsafe"),
        cause=16,
        recording_files=("r.wav",),
    )
    assert reader.told == [(reported, 1700000060.5), (KEPT, 1700000060.5)]
    assert (reader.joined, reader.dropped) == ([(CALL, "x-citizen.wav", "x-agent.wav")], [])


async def test_record_goes_away_only_after_it_was_told(tmp_path: Path) -> None:
    spool(tmp_path)
    reader = Reader(tmp_path)
    await reader.reads()
    assert reader.left_when_told == [1, 1]
    assert names_in(tmp_path) == []
    assert await reader.reads() == 0


async def test_record_stays_when_the_engine_does_not_take_it(tmp_path: Path) -> None:
    spool(tmp_path)

    def refuse(event: Event, at: float) -> None:
        raise OSError("the journal takes no more")

    reader = Reader(tmp_path)
    with pytest.raises(OSError, match="takes no more"):
        await read_spool(tmp_path, keep=reader._keep, drop=reader._drop, report=refuse)
    assert names_in(tmp_path) == ["a.json"]
    assert await reader.reads() == 1


async def test_nobody_talked_so_there_is_nothing_to_keep(tmp_path: Path) -> None:
    spool(tmp_path, agent_answered_epoch_s=None, agent=None)
    reader = Reader(tmp_path)
    await reader.reads()
    assert (reader.joined, reader.dropped) == ([], [("x-citizen.wav", "x-agent.wav")])
    (event, _) = reader.told[0]
    assert isinstance(event, ContingencyCallReported)
    assert (event.answered_at, event.recording_files, len(reader.told)) == (None, (), 1)


async def test_sound_that_cannot_be_kept_does_not_keep_the_call_from_being_told(tmp_path: Path) -> None:
    spool(tmp_path)
    reader = Reader(tmp_path, kept=None)
    assert await reader.reads() == 1
    (event, _) = reader.told[0]
    assert isinstance(event, ContingencyCallReported)
    assert (event.recording_files, len(reader.told)) == ((), 1)


async def test_least_that_a_record_can_say_is_who_and_when_it_ended(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"uniqueid": CALL, "ended_epoch_s": 17.0}))
    reader = Reader(tmp_path)
    await reader.reads()
    (event, at) = reader.told[0]
    assert isinstance(event, ContingencyCallReported)
    assert (event.arrived_at, event.ended_at, event.cause, event.caller, event.queue, at) == (
        17.0,
        17.0,
        16,
        "",
        None,
        17.0,
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"uniqueid": "tf1-1.1"}',
        b'{"uniqueid": "tf1-1.1", "ended_epoch_s": "soon"}',
        b'{"uniqueid": "tf1-1.1", "ended_epoch_s": 1e999}',
        b'{"uniqueid": "tf1-1.1", "ended_epoch_s": NaN}',
        b'{"uniqueid": "tf1-1.1", "ended_epoch_s": 1, "line": "' + b"a" * LARGEST_RECORD + b'"}',
    ],
    ids=["empty", "cut", "another shape", "no text", "no end", "no time", "endless", "no number", "large"],
)
async def test_record_that_cannot_be_read_is_set_aside_and_in_nobodys_way(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    spool(tmp_path, "b.json")
    reader = Reader(tmp_path)
    assert await reader.reads() == 1
    assert names_in(tmp_path) == ["a.unreadable"]
    assert await reader.reads() == 0


async def test_records_are_read_in_the_order_of_their_names_and_nothing_else_is_touched(tmp_path: Path) -> None:
    for name in ("c.json", "a.json", "b.json"):
        spool(tmp_path, name, uniqueid=f"tf1-1.{name[0]}")
    (tmp_path / "half-written.tmp").write_text("{")
    reader = Reader(tmp_path)
    assert await reader.reads() == 3
    told = [event.call for event, _ in reader.told if isinstance(event, ContingencyCallReported)]
    assert told == ["tf1-1.a", "tf1-1.b", "tf1-1.c"]
    assert names_in(tmp_path) == ["half-written.tmp"]


async def test_folder_that_is_not_there_holds_no_records(tmp_path: Path) -> None:
    assert await Reader(tmp_path / "none").reads() == 0
