"""What the journal keeps of an answer that is private: that it came, and the names of its values."""

from collections.abc import Sequence

from telefonista.kernel.cascade import Cascade
from telefonista.kernel.events import CallbackAsked, Entry, Event, LookupAnswered, TicketOpened, journalled
from telefonista.kernel.ids import CallId, QueueName
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


def test_what_citizens_told_the_back_office_and_where_they_are_called_back_is_in_no_line_of_a_log() -> None:
    opened = TicketOpened(call=CALL, request=1, ticket="1000009", details={"cedula": "12345672"})
    asked = CallbackAsked(call=CALL, queue=QueueName("general"), number="099123456")
    assert "12345672" not in repr(opened)
    assert "099123456" not in repr(asked)
    assert ("1000009" in repr(opened), "general" in repr(asked)) == (True, True)
