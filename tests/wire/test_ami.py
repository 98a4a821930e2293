"""AMI's actions: what goes out, and what never does."""

from __future__ import annotations

from itertools import islice, repeat
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telefonista.kernel.ids import CallId, LegId, RecordingId, recording_id
from telefonista.kernel.ports import Refused
from telefonista.pbx.wire import ami

LEG = LegId("nodo1-1795284101.1")
RECORDING = recording_id(CallId(LEG), n=2)
FOLDER = PurePosixPath("/var/lib/telefonista/recordings")


def test_recording_is_one_file_per_direction_named_by_its_id() -> None:
    assert ami.mixmonitor(leg=LEG, recording=RECORDING, folder=FOLDER) == {
        "Action": "MixMonitor",
        "Channel": "nodo1-1795284101.1",
        "Options": (
            "r(/var/lib/telefonista/recordings/nodo1-1795284101.1.r2-citizen.wav)"
            "t(/var/lib/telefonista/recordings/nodo1-1795284101.1.r2-agent.wav)"
        ),
    }


def test_recording_is_stopped_by_its_channel() -> None:
    assert ami.stop_mixmonitor(leg=LEG) == {"Action": "StopMixMonitor", "Channel": "nodo1-1795284101.1"}


@pytest.mark.parametrize(
    "name", ["", "x", "../../etc/passwd.r1", "a/b.r1", "a..r1", "a.r1)b(x", "a.r1\r\nAction: x", "a.rx", "${X}.r1"]
)
def test_file_is_never_named_by_anything_but_our_own_id(name: str) -> None:
    with pytest.raises(Refused):
        ami.recording_files(RecordingId(name))
    with pytest.raises(Refused):
        ami.mixmonitor(leg=LEG, recording=RecordingId(name), folder=FOLDER)


@pytest.mark.parametrize("folder", ["relative", "/a,b", "/a)b", "/a b", "/a\nb", "/${X}", "/a|b"])
def test_folder_that_would_be_an_option_or_a_command_is_refused(folder: str) -> None:
    with pytest.raises(Refused):
        ami.mixmonitor(leg=LEG, recording=RECORDING, folder=PurePosixPath(folder))


@given(st.text(max_size=40))
def test_no_channel_brings_a_second_line(name: str) -> None:
    try:
        stop = ami.stop_mixmonitor(leg=LegId(name))
        start = ami.mixmonitor(leg=LegId(name), recording=RECORDING, folder=FOLDER)
    except Refused:
        return
    assert not any(bad in value for value in (*stop.values(), *start.values()) for bad in "\r\n\0")


def test_waits_grow_to_a_ceiling() -> None:
    waits = list(islice(ami.waits_s(chances=repeat(0.0)), 12))
    assert waits[0] == pytest.approx(0.1)
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(10.0)


def test_waits_are_shortened_by_chance_by_at_most_half() -> None:
    assert list(ami.waits_s(chances=iter([1.0, 1.0]))) == pytest.approx([0.05, 0.085])
