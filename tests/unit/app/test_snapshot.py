"""What a snapshot shows of the house at a moment, as plain values."""

import json

from telefonista.app.snapshot import snapshot
from tests.fakes.clock import START
from tests.fakes.house import ANA, DIRECT, GENERAL, INFO, LUIS, TRAMITES, House


def test_empty_house_has_queues_and_agents_and_no_calls() -> None:
    house = House().opens()
    shown = snapshot(house.engine, now=START + 1)
    assert (shown["at"], shown["accepting"], shown["calls"]) == (START + 1, True, [])
    assert shown["queues"] == [
        {"queue": queue, "waiting": [], "longest_wait_s": None, "ready_agents": 0} for queue in (GENERAL, TRAMITES)
    ]
    assert [(agent["agent"], agent["name"], agent["presence"], agent["phone"]) for agent in shown["agents"]] == [
        (ANA, "Posición 1", "offline", "unreachable"),
        (LUIS, "Posición 2", "offline", "unreachable"),
    ]


def test_every_call_is_shown_where_it_is() -> None:
    house = House().opens(ANA)
    talking = house.call_to(DIRECT, caller="099000001")
    house.talks(talking)
    house.clock.advance(5)
    first, second, menu = house.call_to(DIRECT), house.call_to(DIRECT), house.call_to(INFO)
    house.clock.advance(2.5)
    shown = {call["call"]: call for call in snapshot(house.engine, now=house.clock.now())["calls"]}
    assert [shown[call]["state"] for call in (talking, first, second, menu)] == [
        "talking",
        "waiting",
        "waiting",
        "in_flow",
    ]
    assert (shown[talking]["agent"], shown[talking]["caller"], shown[talking]["for_s"]) == (ANA, "099000001", 7.5)
    assert [shown[call]["position"] for call in (talking, first, second, menu)] == [None, 1, 2, None]
    assert (shown[menu]["node"], shown[menu]["queue"], shown[first]["node"]) == ("menu", None, None)


def test_queue_shows_who_waits_for_how_long_and_who_could_answer() -> None:
    house = House().opens(ANA, LUIS)
    first, second = house.call_to(DIRECT), house.call_to(DIRECT)
    house.clock.advance(4)
    third = house.call_to(DIRECT)
    house.clock.advance(3)
    (general, _) = snapshot(house.engine, now=house.clock.now())["queues"]
    assert general == {
        "queue": GENERAL,
        "waiting": [first, second, third],
        "longest_wait_s": 7.0,
        "ready_agents": 0,
    }
    house.hangs_up(first)
    house.hangs_up(second)
    house.hangs_up(third)
    (general, _) = snapshot(house.engine, now=house.clock.now())["queues"]
    assert general["ready_agents"] == 2


def test_agent_is_shown_with_the_call_and_the_end_of_the_wrap_up() -> None:
    house = House().opens(ANA)
    call = house.call_to(DIRECT)
    house.talks(call)
    (agent, _) = snapshot(house.engine, now=house.clock.now())["agents"]
    assert (agent["presence"], agent["call"]) == ("talking", call)
    house.hangs_up(call)
    (agent, _) = snapshot(house.engine, now=house.clock.now())["agents"]
    assert (agent["presence"], agent["wrap_up_until"]) == ("wrap_up", house.clock.now() + 10)


def test_agent_who_left_the_configuration_in_a_conversation_is_shown_without_a_name_until_it_is_over() -> None:
    house = House().opens(ANA)
    house.talks(house.call_to(DIRECT))
    house.rooms.agents.roster.configure(house.members[1:])
    shown = snapshot(house.engine, now=house.clock.now())["agents"]
    assert sorted((agent["agent"], agent["name"]) for agent in shown) == [(ANA, ""), (LUIS, "Posición 2")]


def test_snapshot_is_plain_enough_for_json() -> None:
    house = House().opens(ANA)
    house.talks(house.call_to(DIRECT))
    house.call_to(INFO)
    shown = snapshot(house.engine, now=house.clock.now())
    assert json.loads(json.dumps(shown)) == shown
