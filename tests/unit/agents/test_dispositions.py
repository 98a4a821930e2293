"""What came of a contact, in the words of its queue's list and in no others."""

import pytest

from agents.core.dispositions import chosen, decide
from agents.core.presence import Agent, Granted, WhyNot
from telefonista.kernel.events import AgentRequestRefused, DispositionAsked, DispositionGiven
from telefonista.kernel.ids import AgentId, CallId, QueueName

ANA = AgentId("101")
CALL, EARLIER = CallId("tf1-1700000000.1"), CallId("tf1-1600000000.1")
GENERAL, TRAMITES = QueueName("general"), QueueName("tramites")
LISTS = {GENERAL: ("resuelto", "Derivado", "no corresponde"), TRAMITES: ("agendado",)}
AFTER_A_TALK = Agent(agent=ANA, queue=GENERAL, last_call=CALL)


def granted(queue: QueueName) -> Granted:
    return Granted(dispositions=LISTS.get(queue, ()))


def asked(word: str, *, call: str = CALL, queue: str = "") -> DispositionAsked:
    return DispositionAsked(agent=ANA, call=CallId(call), disposition=word, queue=QueueName(queue), note="n", by="201")


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("resuelto", "resuelto"),
        ("RESUELTO", "resuelto"),
        ("derivado", "Derivado"),
        ("2", "Derivado"),
        ("0", None),
        ("4", None),
        ("-1", None),
        ("", None),
        ("resuelt", None),
        ("²", None),
    ],
)
def test_word_is_chosen_by_itself_or_by_its_place(given: str, word: str | None) -> None:
    assert chosen(given, listed=LISTS[GENERAL]) == word


def test_disposition_of_the_last_contact_is_of_its_queue() -> None:
    given = DispositionGiven(agent=ANA, call=CALL, disposition="resuelto", note="n", by="201")
    assert decide(AFTER_A_TALK, asked("1"), granted=granted) == [given]
    assert decide(AFTER_A_TALK, asked("resuelto", call=""), granted=granted) == [given]


def test_disposition_of_an_earlier_contact_is_of_the_queue_that_is_told() -> None:
    (given,) = decide(AFTER_A_TALK, asked("agendado", call=EARLIER, queue=TRAMITES), granted=granted)
    assert isinstance(given, DispositionGiven)
    assert (given.call, given.disposition) == (EARLIER, "agendado")


@pytest.mark.parametrize(
    ("agent", "event", "why"),
    [
        (AFTER_A_TALK, asked("agendado"), WhyNot.NO_SUCH_DISPOSITION),
        (AFTER_A_TALK, asked("resuelto", call=EARLIER), WhyNot.NO_CONTACT),
        (AFTER_A_TALK, asked("resuelto", call=EARLIER, queue="otra"), WhyNot.NO_SUCH_DISPOSITION),
        (Agent(agent=ANA), asked("resuelto", call=""), WhyNot.NO_CONTACT),
    ],
)
def test_disposition_that_no_list_has_is_refused(agent: Agent, event: DispositionAsked, why: WhyNot) -> None:
    assert decide(agent, event, granted=granted) == [
        AgentRequestRefused(agent=ANA, what="disposition", why=why, by="201")
    ]
