"""Names are made from the call's own, and tell whose they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telefonista.kernel.ids import (
    CallId,
    agent_leg,
    bridge_id,
    call_of,
    citizen_leg,
    consulted_leg,
    contact_id,
    is_contact,
    is_ours,
    is_snoop,
    offer_id,
    outside_leg,
    playback_id,
    recording_id,
    snoop_leg,
    supervisor_leg,
    visit_id,
)

CALL = CallId("tf1-1700000000.12")
MAKERS = (
    agent_leg,
    bridge_id,
    consulted_leg,
    offer_id,
    outside_leg,
    playback_id,
    recording_id,
    snoop_leg,
    supervisor_leg,
    visit_id,
)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_every_name_that_we_make_tells_its_call_and_that_it_is_ours(make: object) -> None:
    assert callable(make)
    name = make(CALL, n=3)
    assert (call_of(name), is_ours(name)) == (CALL, True)


def test_names_of_different_kinds_never_meet() -> None:
    names = {make(CALL, n=n) for make in MAKERS for n in (1, 2, 11)}
    assert len(names) == 3 * len(MAKERS)


def test_citizens_own_leg_is_the_call_and_is_not_ours() -> None:
    leg = citizen_leg(CALL)
    assert str(leg) == str(call_of(leg)) == CALL
    assert not is_ours(leg)


def test_leg_of_a_citizen_who_is_called_back_tells_its_contact_and_is_no_beginning_of_another_legs_name() -> None:
    contact = contact_id(CALL, n=1)
    leg = citizen_leg(contact)
    assert (call_of(leg), is_ours(leg), is_contact(contact)) == (contact, True, True)
    assert not is_ours(contact)
    assert not agent_leg(contact, n=1).startswith(leg)
    assert is_snoop(snoop_leg(contact, n=1))


@given(node=st.from_regex(r"\A[a-z0-9-]{1,10}\Z"), second=st.integers(0, 2**33), n=st.integers(0, 10**6))
def test_no_unique_id_of_asterisk_is_taken_for_a_name_of_ours(node: str, second: int, n: int) -> None:
    name = f"{node}-{second}.{n}"
    assert not is_ours(name)
    assert call_of(name) == name
