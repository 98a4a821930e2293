"""Why an offer was made, as people read it."""

from acd.core.explaining import explain
from telefonista.kernel.events import OfferMade
from telefonista.kernel.ids import AgentId, CallId, LegId, OfferId, QueueName, VisitId


def made(
    *,
    passed_over: dict[str, str] | None = None,
    others: dict[str, int] | None = None,
    because: str = "idle for longest",
) -> OfferMade:
    return OfferMade(
        call=CallId("tf1-1.0"),
        visit=VisitId("tf1-1.0.v1"),
        offer=OfferId("tf1-1.0.o1"),
        agent=AgentId("101"),
        leg=LegId("tf1-1.0.a1"),
        queue=QueueName("tramites"),
        because=because,
        passed_over=passed_over or {},
        others=others or {},
    )


def test_offer_is_explained_by_who_could_have_been_chosen_then_by_skills_then_by_presence() -> None:
    offer = made(
        passed_over={
            "102": "talking",
            "103": "idle for less time",
            "104": "impuestos 3 < 5",
            "105": "talking",
            "106": "second level, from 60 s on",
            "107": "level 2, after level 1",
            "108": "missed this contact just now",
        }
    )
    assert explain(offer, names={"101": "Posición 1", "103": "Posición 3"}) == [
        "101 Posición 1 was offered it in tramites: idle for longest.",
        "Could have been 103 Posición 3: idle for less time.",
        "Could have been 107: level 2, after level 1.",
        "Could have been 108: missed this contact just now.",
        "Not 104: impuestos 3 < 5.",
        "Not 106: second level, from 60 s on.",
        "Not 102, 105: talking.",
    ]


def test_agents_who_are_too_many_to_be_named_are_counted() -> None:
    offer = made(
        passed_over={"102": "idle for less time"},
        others={"talking": 480, "free and able too": 3, "idle for less time": 1, "ringing": 1},
    )
    assert explain(offer) == [
        "101 was offered it in tramites: idle for longest.",
        "Could have been 102, 1 more: idle for less time.",
        "Could have been 3 agents: free and able too.",
        "Not 480 agents: talking.",
        "Not 1 agent: ringing.",
    ]


def test_offer_without_reasons_says_that_there_was_nobody_else() -> None:
    assert explain(made(because="")) == ["101 was offered it in tramites.", "There was nobody else in the queue."]
