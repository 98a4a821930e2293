"""The telephones of citizens who are called, as the tests play them: other telephones of ours call them directly."""

from __future__ import annotations

from pathlib import Path

from telefonista.app.rtp import RtpExchange
from telefonista.app.sipp import (
    IS_BUSY,
    LETS_RING,
    REFUSES,
    Behaviour,
    CitizenPlan,
    EndedBy,
    RingOutcome,
    SippCalled,
    SippCitizens,
)
from telefonista.pbx.packages import Toolbox
from tests.asterisk.house import last, tone_heard, until
from tests.ports import free_port

PICKS_UP, BUSY, UNWILLING, OUT = (f"09946307{n}" for n in range(4))
CALLER = "46360"
MANNERS = {PICKS_UP: Behaviour(after_s=0.1), BUSY: IS_BUSY, UNWILLING: REFUSES, OUT: LETS_RING}


async def test_citizens_who_are_called_answer_refuse_are_busy_or_let_it_ring(
    toolbox: Toolbox, exchange: RtpExchange, tmp_path: Path
) -> None:
    """Four numbers at one address are called at once; each does what it is told, and both sides of a talk hear."""
    called = SippCalled(
        toolbox.sipp,
        port=free_port(),
        exchange=exchange,
        folder=tmp_path / "called",
        tone_hz=1150,
        behaviour=lambda number: MANNERS[number],
    )
    await called.start(sip_port=free_port())
    callers = SippCitizens(
        toolbox.sipp,
        plans=[
            CitizenPlan(number=f"{CALLER}{index}", dialled=number, tone_hz=425) for index, number in enumerate(MANNERS)
        ],
        exchange=exchange,
        folder=tmp_path / "callers",
    )
    try:
        await callers.start(sip_port=called.port)
        await until(lambda: called.talking(PICKS_UP) and called.ringing(OUT), "one talks, one rings")
        await until(lambda: callers.call(f"{CALLER}1").status == 486, "one is busy")
        await until(lambda: callers.call(f"{CALLER}2").status == 603, "one refuses")
        await until(lambda: tone_heard(called.lines[PICKS_UP], 425, last(0.5)) > -25, "the called citizen hears")
        await until(lambda: tone_heard(callers.lines[f"{CALLER}0"], 1150, last(0.5)) > -25, "the caller hears")
        called.hang_up(PICKS_UP)
        await until(lambda: not called.talking(PICKS_UP), "the called citizen has hung up")
        called.answer(OUT)
        await until(lambda: called.talking(OUT), "whoever was out picks up at last")
    finally:
        await callers.stop()
        await called.stop()
    (talk,) = called.calls_to(PICKS_UP)
    assert (talk.outcome, talk.ended_by, talk.shown) == (RingOutcome.ANSWERED, EndedBy.CITIZEN, f"{CALLER}0")
    assert [call.outcome for call in (*called.calls_to(BUSY), *called.calls_to(UNWILLING))] == [
        RingOutcome.BUSY,
        RingOutcome.REFUSED,
    ]
    (late,) = called.calls_to(OUT)
    assert late.ended_by is EndedBy.SYSTEM
