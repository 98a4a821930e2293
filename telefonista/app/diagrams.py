"""The house's state machines, in one place for those who draw, trace or check them all.

In: the tables. Out: `docs/machines.md`, by `python -m telefonista.app.diagrams > docs/machines.md`; a test holds
the file to the tables. Decides nothing; nothing that takes calls imports it.
"""

import sys
from typing import Any

from acd import VISIT_MACHINE, WAIT_MACHINE
from agents import MACHINE as PRESENCE_MACHINE
from ivr import MACHINE as SESSION_MACHINE
from recordings import MACHINE as RECORDING_MACHINE
from telefonista.kernel.call import MACHINE as CALL_MACHINE
from telefonista.kernel.machine import Machine
from telefonista.pbx.wire.stages import stages

MACHINES: tuple[tuple[str, Machine[Any]], ...] = (
    ("A call, from its arrival to its end.", CALL_MACHINE),
    ("The conversation that a flow leads with a citizen.", SESSION_MACHINE),
    ("A visit: one stay in a queue.", VISIT_MACHINE),
    ("What a waiting citizen hears.", WAIT_MACHINE),
    ("An agent's presence.", PRESENCE_MACHINE),
    ("A recording of a conversation.", RECORDING_MACHINE),
    ("The link to one Asterisk node.", stages()),
)
"""Every machine, with what it stands for."""

_HEAD = """\
# The machines

Written from the tables in the code by `python -m telefonista.app.diagrams > docs/machines.md`.

A column is a state, a row an event. A cell names the function that says what follows; *late* means that the event is
ignored on purpose there (after a hang-up late events are normal), – that it cannot happen: if it does, that call's
session ends, and the process goes on. Every pair of a state and an event has its cell.
"""


def document() -> str:
    """The whole of `docs/machines.md`."""
    parts = [f"## {machine.name}\n\n{meaning}\n\n{machine.diagram()}\n" for meaning, machine in MACHINES]
    return "\n".join([_HEAD, *parts])


if __name__ == "__main__":
    sys.stdout.write(document())
