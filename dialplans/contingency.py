"""Leaves a record of a call that Asterisk's own queue handled because no engine did.

A classic AGI script, run by the dialplan once such a call has hung up. It must work when everything else is down, so it
imports nothing but pyst2 and the standard library, and knows neither the engine nor its configuration.
In: Asterisk's AGI environment and channel variables; the folder as the only argument. Out: one JSON file per call,
`UNIQUEID.json`, complete or not there at all, which the engine reads in when it is back and then removes:

    format 1 · node · uniqueid · linkedid · line · route · dialled · caller_number
    arrived_epoch_s · answered_epoch_s · queued_epoch_s · ended_epoch_s
    agent_answered_epoch_s (Asterisk counts the wait in whole seconds, so up to one second early)
    queue · queue_status ("" when the citizen was connected or hung up) · agent · hangup_cause (Q.850)
    citizen_sound · agent_sound (file names in the recordings folder)

What is not known is null. `caller_number` is what the caller's side sent: not to be trusted.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TextIO

from asterisk.agi import AGI, AGIException

FORMAT = 1
_LONGEST_TEXT = 128
_FILE_MODE = 0o640


class _Channel:
    """The channel's variables; one that cannot be read is empty, for half a record is worth more than none."""

    def __init__(self, *, incoming: TextIO, outgoing: TextIO) -> None:
        # pyst2 narrates every line it reads to its third stream, callers' names among them: not into a log.
        self._agi = AGI(stdin=incoming, stdout=outgoing, stderr=io.StringIO())
        # It would also give up at a hang-up, which is where this script begins.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def given(self, name: str) -> str:
        """One of the values that Asterisk sends ahead."""
        return str(self._agi.env.get(name, ""))[:_LONGEST_TEXT]

    def variable(self, name: str) -> str:
        """A channel variable."""
        return self.evaluated("${" + name + "}")

    def evaluated(self, expression: str) -> str:
        """A dialplan expression of ours."""
        try:
            return str(self._agi.get_full_variable(expression))[:_LONGEST_TEXT]
        except (AGIException, OSError, ValueError):
            return ""


def read_record(channel: _Channel, *, ended_epoch_s: float) -> dict[str, str | int | float | None]:
    """The record of the call on `channel`."""
    queued = _seconds(channel.variable("TELEFONISTA_QUEUED"))
    waited = _seconds(channel.variable("QEHOLDTIME"))
    interface = channel.variable("MEMBERINTERFACE")
    connected = queued is not None and bool(interface)
    return {
        "format": FORMAT,
        "node": channel.variable("SYSTEMNAME") or None,
        "uniqueid": channel.given("agi_uniqueid") or None,
        "linkedid": channel.evaluated("${CHANNEL(linkedid)}") or None,
        "line": channel.variable("TELEFONISTA_LINE") or None,
        "route": channel.variable("TELEFONISTA_ROUTE") or None,
        "dialled": channel.variable("TELEFONISTA_DIALLED") or None,
        "caller_number": _unless_unknown(channel.given("agi_callerid")),
        "arrived_epoch_s": _seconds(channel.variable("TELEFONISTA_ARRIVED")),
        "answered_epoch_s": _seconds(channel.variable("TELEFONISTA_ANSWERED")),
        "queued_epoch_s": queued,
        "agent_answered_epoch_s": (queued or 0.0) + (waited or 0.0) if connected else None,
        "ended_epoch_s": round(ended_epoch_s, 3),
        "queue": channel.variable("TELEFONISTA_QUEUE") or None,
        "queue_status": channel.variable("QUEUESTATUS"),
        "agent": interface.removeprefix("PJSIP/") or None,
        "hangup_cause": _whole(channel.variable("HANGUPCAUSE")),
        "citizen_sound": channel.variable("TELEFONISTA_CITIZEN_SOUND") or None,
        "agent_sound": channel.variable("TELEFONISTA_AGENT_SOUND") or None,
    }


def spool(record: dict[str, str | int | float | None], *, folder: Path) -> Path:
    """Write the record so that a reader, or a power cut, finds all of it or nothing. Raises `OSError`."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", str(record["uniqueid"] or f"unknown-{time.time_ns()}"))
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), _FILE_MODE)
        json.dump(record, stream, ensure_ascii=False, indent=1)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    target = folder / f"{name}.json"
    os.replace(temporary, target)
    entry = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)
    return target


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else None


def _unless_unknown(number: str) -> str | None:
    return None if number in ("", "unknown") else number


def main() -> int:
    """Asterisk's entry point: `telefonista-contingency FOLDER`, with the AGI conversation on stdin and stdout."""
    if len(sys.argv) != 2:
        sys.stderr.write("telefonista-contingency: needs the folder for call records as its only argument\n")
        return 2
    # A caller's name may hold any bytes: one that is not UTF-8 must not cost the record.
    incoming = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace", newline="\n")
    outgoing = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", errors="replace", newline="\n")
    record = read_record(_Channel(incoming=incoming, outgoing=outgoing), ended_epoch_s=time.time())
    try:
        spool(record, folder=Path(sys.argv[1]))
    except OSError as failure:
        sys.stderr.write(f"telefonista-contingency: no record of call {record['uniqueid']}: {failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
