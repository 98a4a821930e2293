"""From one event to all that follows, with rooms that say what a test tells them to say."""

from collections.abc import Callable, Sequence

import pytest

from telefonista.kernel.cascade import MOST_EVENTS, Batch, Cascade
from telefonista.kernel.commands import Answer, HangUp
from telefonista.kernel.events import (
    CallBroken,
    CallEnded,
    CallStopped,
    DigitPressed,
    EndReason,
    Entry,
    Event,
    FlowEnded,
    HandedOff,
    NodeEntered,
    NodeUp,
    Phone,
    PhoneChanged,
)
from telefonista.kernel.ids import AgentId, CallId, LegId, NodeName, QueueName
from telefonista.kernel.machine import Impossible, Output
from telefonista.kernel.ports import Room

CALL = CallId("tf1-1.1")
PRESSED = DigitPressed(call=CALL, leg=LegId(CALL), digit="1")
HANDED = HandedOff(call=CALL, queue=QueueName("general"))
FINISHED = FlowEnded(call=CALL, outcome="finished")
ENDED = CallEnded(call=CALL, reason=EndReason.FLOW_FINISHED)
STOPPED = CallStopped(call=CALL)
ANSWER = Answer(call=CALL, leg=LegId(CALL))
HANG_UP = HangUp(call=CALL, leg=LegId(CALL))

Says = Callable[[Event], Sequence[Output]]


class Parrot:
    """A room that hears everything and says what it was taught."""

    def __init__(self, answers: dict[type, Says]) -> None:
        self.answers = answers
        self.heard: list[Entry] = []
        self.forgotten: list[CallId] = []

    @property
    def consumes(self) -> frozenset[type]:
        return frozenset({*self.answers, CallEnded})

    def handle(self, entry: Entry) -> Sequence[Output]:
        self.heard.append(entry)
        says = self.answers.get(type(entry.event))
        return says(entry.event) if says is not None else ()

    def resume(self, call: CallId, *, at: float) -> Sequence[Output]:
        return ()

    def forget(self, call: CallId) -> None:
        self.forgotten.append(call)


def always(*outputs: Output) -> Says:
    return lambda event: outputs


def fails(problem: Exception) -> Says:
    def fail(event: Event) -> Sequence[Output]:
        raise problem

    return fail


def house(*rooms: Room, offers: Sequence[Event] = ()) -> Cascade:
    waiting = list(offers)
    return Cascade(rooms, matcher=lambda now: waiting.pop(0) if waiting else None)


def run(cascade: Cascade, event: Event | None, *, matching: bool = True) -> Batch:
    return cascade.run(event, at=5.0, now=9.0, next_seq=41, matching=matching)


def events(batch: Batch) -> list[Event]:
    return [entry.event for entry in batch.entries]


def test_decisions_are_events_in_their_turn_and_commands_wait_for_the_journal() -> None:
    menu = Parrot({DigitPressed: always(HANDED, ANSWER), HandedOff: always(FINISHED)})
    batch = run(house(menu), PRESSED)
    assert events(batch) == [PRESSED, HANDED, FINISHED]
    assert (batch.commands, batch.ended, batch.defects) == ([ANSWER], [], [])
    assert [(entry.seq, entry.at, entry.left) for entry in batch.entries] == [(41, 5.0, 2), (42, 5.0, 1), (43, 5.0, 0)]


def test_each_room_hears_what_it_consumes_in_the_order_of_the_rooms() -> None:
    said: list[str] = []

    def says(name: str) -> Says:
        def say(event: Event) -> Sequence[Output]:
            said.append(name)
            return ()

        return say

    first, second = Parrot({DigitPressed: says("first")}), Parrot({DigitPressed: says("second")})
    deaf = Parrot({HandedOff: always()})
    run(house(first, deaf, second), PRESSED)
    assert (said, deaf.heard) == (["first", "second"], [])


def test_offers_are_made_when_all_is_quiet_until_there_are_none_and_happen_now() -> None:
    offers = [NodeEntered(call=CALL, node=NodeName("a")), NodeEntered(call=CALL, node=NodeName("b"))]
    room = Parrot({DigitPressed: always(HANDED), HandedOff: always(), NodeEntered: always(ANSWER)})
    batch = run(house(room, offers=offers), PRESSED)
    assert events(batch) == [PRESSED, HANDED, *offers]
    assert [entry.at for entry in batch.entries] == [5.0, 5.0, 9.0, 9.0]
    assert batch.commands == [ANSWER, ANSWER]


def test_offers_can_be_asked_for_alone_and_can_be_forbidden() -> None:
    offer = NodeEntered(call=CALL, node=NodeName("a"))
    assert events(run(house(offers=[offer]), None)) == [offer]
    assert run(house(offers=[offer]), None, matching=False).entries == []


def test_call_that_ended_is_forgotten_by_every_room_at_once_and_named() -> None:
    calls, other = Parrot({CallStopped: always(ENDED)}), Parrot({})
    batch = run(house(calls, other), STOPPED)
    assert (batch.ended, calls.forgotten, other.forgotten) == ([CALL], [CALL], [CALL])


def test_replay_applies_and_forgets_the_same_and_says_nothing() -> None:
    live = Parrot({CallStopped: always(ENDED, HANG_UP)})
    batch = run(house(live), STOPPED)
    again = Parrot({CallStopped: always(ENDED, HANG_UP)})
    cascade = house(again)
    for entry in batch.entries:
        cascade.replay(entry)
    assert [entry.event for entry in again.heard] == [entry.event for entry in live.heard]
    assert again.forgotten == live.forgotten


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (Impossible("call[talking] cannot meet DigitPressed"), "call[talking] cannot meet DigitPressed"),
        (KeyError("queue"), "KeyError in fail, line "),
    ],
    ids=["impossible", "any other"],
)
def test_defect_in_a_room_costs_that_call_and_no_other_room_its_hearing(problem: Exception, words: str) -> None:
    broken = Parrot({DigitPressed: fails(problem), CallBroken: always(ENDED)})
    other = Parrot({DigitPressed: always(ANSWER), CallBroken: always()})
    batch = run(house(broken, other), PRESSED)
    why = batch.defects[0].removesuffix(f" ({PRESSED!r})")
    assert why.startswith(words)
    assert events(batch) == [PRESSED, CallBroken(call=CALL, why=why), ENDED]
    assert batch.commands == [ANSWER]
    assert [entry.event for entry in other.heard] == events(batch)


def test_defect_is_replayed_as_it_was_lived() -> None:
    broken = Parrot({DigitPressed: fails(Impossible("x")), CallBroken: always(ENDED)})
    batch = run(house(broken), PRESSED)
    again = Parrot({DigitPressed: fails(Impossible("x")), CallBroken: always(ENDED)})
    cascade = house(again)
    for entry in batch.entries:
        cascade.replay(entry)
    assert [entry.event for entry in again.heard] == [entry.event for entry in broken.heard]
    assert again.forgotten == broken.forgotten == [CALL]


def test_call_that_cannot_even_be_broken_off_is_over_all_the_same() -> None:
    broken = Parrot({DigitPressed: fails(Impossible("x")), CallBroken: fails(Impossible("y"))})
    batch = run(house(broken), PRESSED)
    assert events(batch)[-1] == CallEnded(call=CALL, reason=EndReason.BROKEN)
    assert (batch.ended, broken.forgotten) == ([CALL], [CALL])


def test_end_of_a_call_that_a_room_cannot_take_is_the_end() -> None:
    broken = Parrot({CallEnded: fails(Impossible("z"))})
    batch = run(house(broken), ENDED)
    assert (events(batch), batch.ended, len(batch.defects)) == ([ENDED], [CALL], 1)


@pytest.mark.parametrize("event", [PhoneChanged(agent=AgentId("101"), phone=Phone.IDLE), NodeUp(node="tf1")])
def test_defect_that_no_call_is_to_blame_for_costs_none(event: Event) -> None:
    broken = Parrot({type(event): fails(Impossible("x"))})
    batch = run(house(broken), event)
    assert (events(batch), batch.defects) == ([event], [f"x ({event!r})"])


def test_rooms_that_answer_each_other_for_ever_are_stopped_and_cost_the_call() -> None:
    forever = Parrot({DigitPressed: always(HANDED), HandedOff: always(PRESSED, ANSWER), CallBroken: always(ENDED)})
    batch = run(house(forever), PRESSED)
    assert len(batch.entries) == MOST_EVENTS + 2
    assert events(batch)[-2:] == [
        CallBroken(call=CALL, why=f"more than {MOST_EVENTS} events followed from one"),
        ENDED,
    ]


@pytest.mark.parametrize("and_at_the_end", [(), (PRESSED,)], ids=["until it ends", "even after that"])
def test_rooms_that_never_stop_when_the_call_is_broken_off_are_stopped_too(and_at_the_end: tuple[Event, ...]) -> None:
    forever = Parrot({DigitPressed: always(PRESSED), CallBroken: always(PRESSED), CallEnded: always(*and_at_the_end)})
    batch = run(house(forever), PRESSED)
    assert len(batch.entries) <= 3 * MOST_EVENTS
    assert batch.ended == [CALL]


def test_many_offers_at_once_are_no_loop() -> None:
    """A thousand agents become ready before a thousand callers."""
    offers: list[Event] = [NodeEntered(call=CallId(f"tf1-1.{n}"), node=NodeName("a")) for n in range(MOST_EVENTS)]
    batch = run(house(Parrot({NodeEntered: always(FINISHED)}), offers=offers), NodeUp(node="tf1"))
    assert (len(batch.entries), batch.defects) == (2 * MOST_EVENTS + 1, [])
