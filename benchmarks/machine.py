"""What the machine is and what processes use of it, read from /proc.

In: process numbers. Out: seconds of processor time, bytes of memory, and the facts that a figure is worthless without.
"""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where a run took place."""

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    load: tuple[float, float, float]
    """Processes that wanted to run, on average over the last 1, 5 and 15 minutes before the run began."""

    @classmethod
    def this(cls) -> Machine:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        model = re.search(r"^model name\s*:\s*(.+)$", described, re.MULTILINE)
        return cls(
            processor=model[1] if model is not None else platform.machine(),
            cores=len(os.sched_getaffinity(0)),
            memory_gib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
            kernel=platform.release(),
            python=platform.python_version(),
            load=os.getloadavg(),
        )


def cpu_s(pid: int) -> float:
    """Seconds of processor time of a process, all its threads, those that ended included. Raises OSError when gone."""
    return _ticks(Path(f"/proc/{pid}/stat")) / TICKS_PER_S


def first_thread_cpu_s(pid: int) -> float:
    """Seconds of processor time of a process's first thread alone. Raises OSError when gone."""
    return _ticks(Path(f"/proc/{pid}/task/{pid}/stat")) / TICKS_PER_S


def machine_cpu_s() -> float:
    """Seconds of processor time that everything on the machine has used since it was started."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = map(int, fields[:8])
    return (user + nice + system + interrupts + soft_interrupts + stolen) / TICKS_PER_S


def resident_bytes(pid: int) -> int:
    """Memory that a process has in RAM and shares with nobody or somebody. Raises OSError when gone."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def children(pid: int) -> list[int]:
    """The processes that a process started, at any depth."""
    found = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listing.read_text(encoding="ascii").split()):
            found += [child, *children(child)]
    return found


def _ticks(stat: Path) -> int:
    # The name in parentheses may hold blanks and parentheses: fields are counted after the last one (proc(5)).
    fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
