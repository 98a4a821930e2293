"""`python -m benchmarks [PART …] [--quick] [--write FILE]`: runs the parts (all, by default) and prints one table with
the machine's figures. Progress goes to standard error, the table to standard output."""

from __future__ import annotations

import argparse
import asyncio
import logging
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from benchmarks import ari, calls, day, free, routing, speech, waits
from benchmarks.house import HouseFailed, open_asterisk, open_house
from benchmarks.machine import Machine
from benchmarks.phones import PhonesFailed
from benchmarks.tables import Section, markdown
from telefonista.pbx.asterisk import AsteriskFailed
from telefonista.pbx.packages import ToolsMissing

PARTS = ("calls", "rate", "free", "memory", "ari", "day", "routing", "waits", "speech")
MARK = ("<!-- table: begin -->", "<!-- table: end -->")


async def _free(*, quick: bool) -> tuple[str, list[Section]]:
    async with open_house(agents=free.AGENTS, talk=free.TALK) as house:
        section = await free.measure(house, rounds=2 if quick else 5, calls=60)
        return await house.asterisk("core show version"), [section]


async def _calls(*, quick: bool) -> tuple[str, list[Section]]:
    async with open_house(agents=calls.AGENTS, talk=calls.TALK) as house:
        return await house.asterisk("core show version"), [
            await calls.measure_cost(
                house,
                rounds=2 if quick else 5,
                calls=40 if quick else 100,
                calls_per_s=8.0,
                idle_s=4.0 if quick else 10.0,
            )
        ]


async def _rate(*, quick: bool) -> tuple[str, list[Section]]:
    async with open_house(agents=calls.MANY_AGENTS, talk=calls.TALK) as house:
        section = await calls.measure_rate(house, first_per_s=36.0, step_s=6.0 if quick else 10.0)
        return await house.asterisk("core show version"), [section]


async def _ari(*, quick: bool) -> tuple[str, list[Section]]:
    async with open_asterisk(listeners=ari.LISTENERS) as (house, plan):
        section = await ari.measure(house, plan=plan, rounds=1 if quick else 3, batches=400 if quick else 800)
        return await house.asterisk("core show version"), [section]


async def _memory(*, quick: bool) -> tuple[str, list[Section]]:
    async with open_house(agents=1, talk=calls.LONG_TALK) as house:
        section = await calls.measure_memory(house, calls=calls.WAITING, rounds=1 if quick else 3)
        return await house.asterisk("core show version"), [section]


async def _day(*, quick: bool) -> tuple[str, list[Section]]:
    sections: list[Section] = []
    version = ""
    for crowd in day.CROWDS:
        version, found = await day.measure(seeds=(1,), length_s=day.QUICK_S if quick else day.LENGTH_S, crowd=crowd)
        sections += found
    return version, sections


async def _waits(*, quick: bool) -> tuple[str, list[Section]]:
    """Needs no Asterisk."""
    return "", waits.measure(quick=quick)


async def _routing(*, quick: bool) -> tuple[str, list[Section]]:
    # No Asterisk has a part in it.
    return "", routing.measure(quick=quick)


async def _speech(*, quick: bool) -> tuple[str, list[Section]]:
    return "", speech.measure(quick=quick)


_RUN = {
    "memory": _memory,
    "ari": _ari,
    "calls": _calls,
    "rate": _rate,
    "free": _free,
    "day": _day,
    "routing": _routing,
    "waits": _waits,
    "speech": _speech,
}


async def _run(part: str, *, quick: bool) -> tuple[str, list[Section]]:
    task = asyncio.current_task()
    assert task is not None
    # As Ctrl-C does: what was started is stopped.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await _RUN[part](quick=quick)


def _heading(machine: Machine, *, asterisk: str, arguments: Sequence[str]) -> list[str]:
    version = re.search(r"Asterisk (\S+)", asterisk)
    pbx = f"Asterisk {version[1] if version is not None else 'of unknown version'}, " if asterisk else ""
    return [
        f"`{' '.join(('python -m benchmarks', *arguments))}` on {machine.processor}, {machine.cores} cores, "
        f"{machine.memory_gib:.0f} GiB, Linux {machine.kernel}, "
        f"{pbx}Python {machine.python}; "
        f"load before the run {', '.join(f'{load:.2f}' for load in machine.load)}.",
    ]


def _write(path: Path, *, table: str) -> None:
    """Put the table between the marks of a page, and leave what people wrote around it."""
    page = path.read_text(encoding="utf-8")
    before, begin, rest = page.partition(MARK[0])
    _, end, after = rest.partition(MARK[1])
    if not begin or not end:
        raise SystemExit(f"{path}: no {MARK[0]} and {MARK[1]} to write between")
    path.write_text(f"{before}{begin}\n{table}{end}{after}", encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Run, print, and write where it was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Side-by-side runs on a real Asterisk.")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which parts; all when none is named")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: whether it works, not how well")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the marks of this page")
    asked = parser.parse_args(arguments)
    # The link tells that it is up and down; here it is so on purpose, and standard output is the table's.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    machine = Machine.this()
    sections: list[Section] = []
    asterisk = ""
    for part in asked.parts or PARTS:
        print(f"running: {part}", file=sys.stderr, flush=True)
        try:
            version, found = asyncio.run(_run(part, quick=asked.quick))
        except (KeyboardInterrupt, asyncio.CancelledError):
            raise SystemExit(f"benchmarks: {part}: interrupted") from None
        except (AsteriskFailed, HouseFailed, PhonesFailed, TimeoutError, ToolsMissing) as problem:
            raise SystemExit(f"benchmarks: {part}: {problem}") from problem
        asterisk = version or asterisk
        sections += found
    heading = _heading(machine, asterisk=asterisk, arguments=[each for each in arguments if each == "--quick"])
    table = markdown(sections, heading=heading)
    print(table, end="")
    if asked.write is not None:
        _write(asked.write, table=table)


if __name__ == "__main__":
    main(sys.argv[1:])
