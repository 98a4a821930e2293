"""The table from events to rows is complete, and reads each event as it stands."""

import typing

import pytest

from telefonista.kernel.events import Event
from telefonista.kernel.ids import CallId
from telefonista.store.mapping import RULES, Change, Contact, changes, table_of
from telefonista.store.tables import AgentPresence, Base, Call, Leg, Visit
from tests.contract.stories import AGENTS, START, arrived, contingency, entries_of, helped, ready

ONE = CallId("n1-1760000000.1")


def test_every_event_has_its_rule_or_is_said_to_have_none() -> None:
    assert set(RULES) == set(typing.get_args(Event))


@pytest.mark.parametrize(
    "model", sorted((mapper.class_ for mapper in Base.registry.mappers), key=repr), ids=lambda model: model.__name__
)
def test_every_change_names_columns_that_exist(model: type[Base]) -> None:
    columns = set(table_of(model).columns.keys())
    events = [event for batch in (*helped(ONE), ready(AGENTS[0]), [contingency(ONE, at=START)]) for event in batch]
    for entry in entries_of(events, seq=1, at=START):
        for change in changes(entry, country="UY"):
            if isinstance(change, Change) and change.model is model:
                assert {*(change.insert or {}), *change.update, *change.fill} <= columns


def test_citizen_is_known_by_the_number_of_the_line_s_country() -> None:
    (entry, *_) = entries_of(arrived(ONE, caller="099123456"), seq=1, at=START)
    assert changes(entry, country="UY")[0] == Contact("+59899123456", START)
    assert not any(isinstance(change, Contact) for change in changes(entry, country="CL"))


def test_contingency_call_becomes_the_same_rows_as_any_other() -> None:
    (entry,) = entries_of([contingency(ONE, at=START)], seq=7, at=START)
    models = [change.model for change in changes(entry, country="UY") if isinstance(change, Change)]
    assert {Call, Leg, Visit} <= set(models)
    assert models.count(Leg) == 2


def test_contingency_call_that_nobody_answered_has_no_agent() -> None:
    (entry,) = entries_of([contingency(ONE, at=START, answered=False)], seq=7, at=START)
    rows = [change for change in changes(entry, country="UY") if isinstance(change, Change)]
    (visit,) = [row for row in rows if row.model is Visit]
    assert visit.insert is not None
    assert (visit.insert["outcome"], visit.insert["agent"]) == ("abandoned", None)
    assert [row.key for row in rows if row.model is Leg] == [ONE]


def test_presence_is_a_point_named_by_its_entry() -> None:
    (entry,) = entries_of(ready(AGENTS[0]), seq=9, at=START)
    (change,) = changes(entry, country="UY")
    assert isinstance(change, Change)
    assert (change.model, change.key) == (AgentPresence, 9)
