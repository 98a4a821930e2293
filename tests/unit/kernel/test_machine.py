"""What a table of states and events promises, on a machine small enough to see whole."""

from enum import Enum
from typing import Any

import msgspec
import pytest

from telefonista.kernel.commands import Answer
from telefonista.kernel.events import CallStopped, DigitPressed
from telefonista.kernel.ids import CallId, LegId
from telefonista.kernel.machine import IMPOSSIBLE, LATE, Impossible, Machine, Output, rows

CALL = CallId("tf1-1.1")
PRESSED = DigitPressed(call=CALL, leg=LegId(CALL), digit="1")
STOPPED = CallStopped(call=CALL)


class Lamp(Enum):
    DARK = "dark"
    LIT = "lit"


class Value(msgspec.Struct, frozen=True):
    state: Lamp = Lamp.DARK
    at: float = 0.0


def _light(value: Value, event: DigitPressed, at: float) -> tuple[Value, list[Output]]:
    return Value(Lamp.LIT, at), [Answer(call=event.call, leg=event.leg)]


ROWS: dict[type, Any] = {DigitPressed: (_light, LATE), CallStopped: (IMPOSSIBLE, _light)}


def machine() -> Machine[Value]:
    return Machine("lamp", states=Lamp, events=ROWS, table=rows(Lamp, ROWS))


def test_reaction_gets_the_value_the_event_and_its_time() -> None:
    after, outputs = machine().step(Value(), PRESSED, at=7.5)
    assert (after, outputs) == (Value(Lamp.LIT, 7.5), [Answer(call=CALL, leg=LegId(CALL))])


def test_late_event_changes_nothing() -> None:
    lit = Value(Lamp.LIT, 1.0)
    assert machine().step(lit, PRESSED, at=2.0) == (lit, [])


def test_impossible_event_is_named_with_its_state() -> None:
    with pytest.raises(Impossible, match=r"lamp\[dark\] cannot meet CallStopped"):
        machine().step(Value(), STOPPED, at=0.0)


def test_trace_has_a_line_for_each_transition_and_none_for_what_was_late() -> None:
    lines: list[str] = []
    traced = machine()
    traced.trace = lines.append
    lit, _ = traced.step(Value(), PRESSED, at=0.0)
    traced.step(lit, PRESSED, at=0.0)
    assert lines == ["call=tf1-1.1 lamp[dark] DigitPressed -> [lit] Answer"]


def test_row_with_too_few_or_too_many_cells_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        rows(Lamp, {DigitPressed: (LATE,)})


def test_gaps_name_what_is_missing_and_what_does_not_belong() -> None:
    whole = machine()
    assert whole.gaps() == []
    table = {key: cell for key, cell in whole.table.items() if key != (Lamp.LIT, CallStopped)}
    table["broken", DigitPressed] = LATE
    holed: Machine[Value] = Machine("lamp", states=Lamp, events=ROWS, table=table)
    assert sorted(holed.gaps()) == ["missing lit × CallStopped", "unknown broken × DigitPressed"]


def test_diagram_is_the_table_as_a_reader_sees_it() -> None:
    assert machine().diagram().splitlines() == [
        "| event | dark | lit |",
        "|---|---|---|",
        "| DigitPressed | `light` | late |",
        "| CallStopped | – | `light` |",
    ]
