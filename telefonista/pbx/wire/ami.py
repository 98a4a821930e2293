"""AMI as values: the few actions that we send, each value checked, and how long to wait between attempts to connect.

AMI is lines, so a CR or LF in a value would be a second action; and a file name made of anything but our own recording
id could write anywhere. Must never import I/O, a clock or chance: the waits take their chance as an argument.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from telefonista.kernel.ids import LegId, RecordingId
from telefonista.kernel.ports import Refused
from telefonista.pbx.wire.ari import name_in_path

# Characters that mean something in MixMonitor's options (`,` `(` `)`), in AMI (CR, LF, NUL) or to a dialplan (`$` `{`).
_FOLDER: Final = re.compile(r"/[A-Za-z0-9_./@+=~-]{0,800}")
_RECORDING: Final = re.compile(r"[A-Za-z0-9_.-]{1,150}\.r[0-9]{1,9}")


def recording_files(recording: RecordingId) -> tuple[str, str]:
    """Names of the two sound files of a recording: what the citizen sent, and what the citizen heard.

    Raises `Refused` for anything but an id that `kernel.ids.recording_id` made.
    """
    if _RECORDING.fullmatch(recording) is None or ".." in recording:
        raise Refused(f"not a recording's id: {recording[:80]!r}")
    return f"{recording}-citizen.wav", f"{recording}-agent.wav"


def mixmonitor(*, leg: LegId, recording: RecordingId, folder: PurePosixPath) -> dict[str, str]:
    """Record a leg, one file per direction. Raises `Refused`.

    One file each way is right whatever the codecs; the interleaved option is not when a leg runs above 8 kHz. `Channel`
    takes a channel's unique id as well as its name (seen), so nothing of the far end's naming is needed.
    """
    if _FOLDER.fullmatch(str(folder)) is None:
        raise Refused(f"not a folder for recordings: {str(folder)[:120]!r}")
    citizen, agent = recording_files(recording)
    return {
        "Action": "MixMonitor",
        "Channel": name_in_path(leg),
        "Options": f"r({folder / citizen})t({folder / agent})",
    }


def stop_mixmonitor(*, leg: LegId) -> dict[str, str]:
    """Stop recording a leg. Raises `Refused`."""
    return {"Action": "StopMixMonitor", "Channel": name_in_path(leg)}


def waits_s(
    *, first_s: float = 0.1, longest_s: float = 10.0, growth: float = 1.7, chances: Iterator[float]
) -> Iterator[float]:
    """Seconds to wait before each further attempt: growing to a ceiling, each shortened by up to half by chance (0 to
    1), so that many clients do not come back at the same instant."""
    wait_s = first_s
    for chance in chances:
        yield wait_s * (1.0 - chance / 2)
        wait_s = min(longest_s, wait_s * growth)
