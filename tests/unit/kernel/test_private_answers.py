"""What the journal keeps of an answer that is private: that it came, and the names of its values."""

from collections.abc import Sequence

from telefonista.kernel.cascade import Cascade
from telefonista.kernel.events import Entry, Event, LookupAnswered, journalled
from telefonista.kernel.ids import CallId
from telefonista.kernel.machine import Output

CALL = CallId("nodo1-1700000000.1")
ANSWER = LookupAnswered(call=CALL, request=1, values={"deuda": "1500", "cuotas": 3}, private=True)


class _Listening:
    """A room that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Event] = []

    consumes: frozenset[type] = frozenset({LookupAnswered})

    def handle(self, entry: Entry) -> Sequence[Output]:
        self.told.append(entry.event)
        return ()

    def resume(self, call: CallId, *, at: float) -> Sequence[Output]:
        return ()

    def forget(self, call: CallId) -> None:
        self.told.clear()


def test_private_answer_reaches_the_flow_and_only_its_mask_the_journal() -> None:
    room = _Listening()
    cascade = Cascade([room], matcher=lambda *_: None)
    batch = cascade.run(ANSWER, at=1.0, now=1.0, next_seq=1)
    assert room.told == [ANSWER]
    (entry,) = batch.entries
    assert entry.event == LookupAnswered(
        call=CALL, request=1, values={"deuda": "•••", "cuotas": "•••"}, private=True, masked=True
    )


def test_other_answers_are_kept_as_they_are() -> None:
    open_answer = LookupAnswered(call=CALL, request=1, values={"dias": 3})
    assert journalled(open_answer) is open_answer


def test_no_line_of_a_log_has_the_values() -> None:
    assert "1500" not in repr(ANSWER)
