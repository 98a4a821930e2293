"""The engine on a fake Asterisk: writing before acting, what follows a gap or a death, and how it ends if it must."""

from collections.abc import Sequence

import msgspec
import pytest

from agents import Member
from ivr import read_flow
from telefonista.app.engine import EngineFailed
from telefonista.kernel.call import CLEARING_S, CallState
from telefonista.kernel.commands import Answer, Connect, HangUp, Play, StartMusic, StartRecording, StopPlayback
from telefonista.kernel.events import (
    CallArrived,
    CallBroken,
    CallEnded,
    CallStopped,
    CommandFailed,
    ConversationEnded,
    ConversationStarted,
    EndReason,
    EngineStarted,
    Entry,
    LegAnswered,
    LegEnded,
    NodeLost,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    Phone,
    PhoneChanged,
    Presence,
    RecordingAsked,
    RecordingKept,
    RecordingStopped,
    TimerFired,
    VisitEnded,
)
from telefonista.kernel.ids import CallId, LineName, RouteName, agent_leg, bridge_id, citizen_leg, recording_id
from telefonista.kernel.ports import Observation
from tests.fakes.clock import START
from tests.fakes.house import ANA, DIRECT, FLOW, GENERAL, INFO, LUIS, TRAMITES, House, differences


def arrival(call: CallId, *, line: LineName) -> CallArrived:
    return CallArrived(call=call, line=line, dialled="4636", route=RouteName("red"), caller="099123456")


def test_first_call_goes_from_the_menu_to_an_agent_and_is_on_record() -> None:
    house = House().opens(ANA)
    call = house.call_to(INFO)
    house.presses(call, "1")
    assert house.rooms.calls.open[call].queue == TRAMITES
    house.talks(call)
    assert set(house.node.bridges[bridge_id(call, n=1)]) == {call, agent_leg(call, n=1)}
    assert house.presence(ANA) is Presence.TALKING
    house.hangs_up(agent_leg(call, n=1))
    house.pass_time(3)
    house.keep_recordings()
    (ended,) = house.of(CallEnded)
    assert ended.reason is EndReason.AGENT_HUNG_UP
    assert [kept.recording for kept in house.of(RecordingKept)] == [recording_id(call, n=1)]
    assert (house.presence(ANA), house.node.left_over(), dict(house.engine.calls.open)) == (Presence.READY, [], {})


def test_nothing_is_done_before_it_is_in_the_journal() -> None:
    house = House().opens(ANA)
    house.breaks_when_written = True
    call = house.call_to(DIRECT)
    assert ([arrived.call for arrived in house.of(CallArrived)], house.line.sent) == ([call], [])


def test_listeners_get_each_batch_once_and_only_after_it_is_written() -> None:
    house = House()
    heard: list[Entry] = []

    def listen(batch: Sequence[Entry]) -> None:
        assert house.disk.entries[-1] == batch[-1]
        heard.extend(batch)

    house.engine.listen(listen)
    house.opens(ANA).call_to(INFO)
    assert heard == house.disk.entries


def test_event_happens_when_asterisk_says_and_never_in_the_future() -> None:
    house = House()
    house.engine.receive(EngineStarted(node="nodo1", version="0"), START - 5.0)
    house.engine.receive(EngineStarted(node="nodo1", version="0"), START + 500.0)
    house.engine.receive(EngineStarted(node="nodo1", version="0"))
    assert [entry.at for entry in house.disk.entries] == [START - 5.0, START, START]


def test_call_that_arrives_twice_is_taken_once() -> None:
    house = House().opens()
    call = house.call_to(INFO)
    (arrived,) = house.of(CallArrived)
    house.engine.receive(arrived)
    assert house.of(CallArrived) == [arrived]
    assert len(house.sent(Answer)) == 1
    assert list(house.engine.calls.open) == [call]


def test_nobody_is_offered_while_the_link_is_down_and_somebody_as_soon_as_it_is_up() -> None:
    house = House().opens()
    call = house.call_to(DIRECT)
    house.link_goes_down()
    house.engine.receive(PhoneChanged(agent=ANA, phone=Phone.IDLE))
    assert house.presence(ANA) is Presence.READY
    assert house.of(OfferMade) == []
    house.node.phones[ANA] = "NOT_INUSE"
    house.link_comes_up()
    assert [(offer.call, offer.agent) for offer in house.of(OfferMade)] == [(call, ANA)]


def test_phones_are_known_before_anybody_is_offered_after_a_gap() -> None:
    house = House().opens(ANA, LUIS)
    house.link_goes_down()
    house.node.citizen_calls(line=DIRECT)
    (waiting,) = house.node.channels.values()
    waiting.waiting, waiting.inside = False, True
    house.node.phones[ANA] = "UNAVAILABLE"
    house.link_comes_up()
    assert [offer.agent for offer in house.of(OfferMade)] == [LUIS]


@pytest.mark.parametrize("where", ["menu", "queue", "ringing", "talking"])
def test_engine_that_is_killed_finds_every_call_where_it_was(where: str) -> None:
    house = House().opens(*(() if where == "queue" else (ANA,)))
    call = house.call_to(INFO)
    if where != "menu":
        house.presses(call, "1")
    if where == "talking":
        house.talks(call)
    before = house.rooms.remembered()
    house.kill()
    house.start()
    assert differences(house.rooms.remembered(), before) == []
    house.link_comes_up()
    house.hear()
    state = {
        "menu": CallState.IN_FLOW,
        "queue": CallState.WAITING,
        "ringing": CallState.RINGING,
        "talking": CallState.TALKING,
    }[where]
    assert house.engine.calls.open[call].state is state
    assert len(house.of(CallArrived)) == 1
    assert {type(command) for command in house.line.sent} == {
        "menu": {Answer, StopPlayback, Play},
        "queue": {Answer, StartMusic},
        "ringing": {Answer, StartMusic},
        "talking": {Answer},
    }[where]
    if where == "ringing":
        house.answers(call)
        assert len(house.of(ConversationStarted)) == 1


def test_agent_who_answered_while_the_engine_was_dead_is_connected_when_it_is_back() -> None:
    house = House().opens(ANA)
    call = house.call_to(DIRECT)
    house.kill()
    house.node.agent_answers(agent_leg(call, n=1))
    house.start()
    house.link_comes_up()
    house.hear()
    assert set(house.node.bridges[bridge_id(call, n=1)]) == {call, agent_leg(call, n=1)}
    assert house.node.recording == {call: recording_id(call, n=1)}
    assert len(house.sent(StartRecording)) == 1


def test_answer_that_was_lost_with_the_gap_and_told_again_later_hangs_up_nobody() -> None:
    house = House().opens(ANA)
    call = house.call_to(DIRECT)
    house.link_goes_down()
    house.node.agent_answers(agent_leg(call, n=1))
    house.pbx.deliver()
    told_late = [event for event, _ in house.inbox if isinstance(event, LegAnswered)]
    house.inbox.clear()
    house.link_comes_up()
    assert house.presence(ANA) is Presence.TALKING
    for event in told_late:
        house.engine.receive(event)
    house.hear()
    assert house.presence(ANA) is Presence.TALKING
    assert set(house.node.bridges[bridge_id(call, n=1)]) == {call, agent_leg(call, n=1)}


def test_citizen_who_hung_up_while_the_engine_was_dead_is_not_taken_up_again() -> None:
    house = House().opens()
    call = house.call_to(INFO)
    house.kill()
    house.node.hangs_up(citizen_leg(call))
    house.pbx.deliver()
    house.inbox.clear()
    house.start()
    house.link_comes_up()
    assert house.line.sent == []
    assert [ended.reason for ended in house.of(CallEnded)] == [EndReason.LOST]


def test_call_that_arrived_while_the_engine_was_dead_is_greeted_once() -> None:
    house = House().opens()
    house.kill()
    call = house.node.citizen_calls(line=INFO)
    house.node.channels[call].waiting, house.node.channels[call].inside = False, True
    house.start()
    house.link_comes_up()
    house.hear()
    assert [(arrived.call, arrived.line) for arrived in house.of(CallArrived)] == [(call, INFO)]
    assert len(house.sent(Play)) == 1


def test_call_whose_hang_up_was_lost_with_the_link_does_not_come_back_as_a_new_one() -> None:
    house = House().opens(ANA)
    call = house.call_to(DIRECT)
    house.talks(call)
    house.link_goes_down()
    house.engine.receive(LegEnded(call=call, leg=agent_leg(call, n=1), cause=16))
    house.clock.advance(10 * CLEARING_S)
    assert house.of(CallEnded) == []
    house.link_comes_up()
    house.hear()
    assert len(house.of(CallArrived)) == 1
    assert [ended.reason for ended in house.of(CallEnded)] == [EndReason.AGENT_HUNG_UP]
    assert house.node.left_over() == []


def test_restart_gives_back_places_rests_and_wrap_ups() -> None:
    house = House().opens(ANA)
    first = house.call_to(DIRECT)
    house.hangs_up(agent_leg(first, n=1), cause=21)
    second = house.call_to(DIRECT)
    house.clock.advance(2)
    house.restart()
    assert house.engine.desk.waiting(house.policies[0].name) == [first, second]
    assert len(house.of(OfferMade)) == 1
    house.pass_time(3.5)
    assert [offer.call for offer in house.of(OfferMade)] == [first, first]
    house.rings(first, n=2)
    house.answers(first, n=2)
    house.hangs_up(first)
    assert house.presence(ANA) is Presence.WRAP_UP
    house.clock.advance(4)
    house.restart()
    house.pass_time(5.5)
    assert house.presence(ANA) is Presence.WRAP_UP
    house.pass_time(1)
    assert [offer.call for offer in house.of(OfferMade)][-1:] == [second]


def test_restart_from_a_rotated_journal_is_as_good_as_from_a_whole_one() -> None:
    house = House().opens(ANA, LUIS)
    ended = house.call_to(DIRECT)
    house.talks(ended)
    house.hangs_up(ended)
    talking, ringing = house.call_to(DIRECT), house.call_to(INFO)
    house.talks(talking)
    house.presses(ringing, "1")
    house.restart(rotate=True)
    house.hear()
    assert set(house.engine.calls.open) == {talking, ringing}
    house.hangs_up(talking)
    assert len(house.of(ConversationEnded)) == 2
    assert len({offer.leg for offer in house.of(OfferMade)}) == len(house.of(OfferMade))


def test_asterisk_that_died_loses_its_calls_frees_the_agents_and_nothing_of_other_nodes() -> None:
    house = House().opens(ANA, LUIS)
    talking, waiting = house.call_to(DIRECT), house.call_to(INFO)
    house.talks(talking)
    house.engine.receive(arrival(CallId("otro-1.1"), line=INFO))
    house.node.dies()
    house.link_goes_down()
    house.engine.node_lost("nodo1", why="Asterisk ended")
    assert house.of(NodeLost) == [NodeLost(node="nodo1", why="Asterisk ended")]
    assert {ended.call: ended.reason for ended in house.of(CallEnded)} == {
        talking: EndReason.LOST,
        waiting: EndReason.LOST,
    }
    assert list(house.engine.calls.open) == ["otro-1.1"]
    assert house.presence(ANA) is Presence.WRAP_UP
    house.clock.advance(10)
    assert house.presence(ANA) is Presence.BUSY, "until somebody says what the phone is"
    house.node.phones[ANA] = "NOT_INUSE"
    house.link_comes_up()
    assert house.presence(ANA) is Presence.READY


def test_death_of_an_asterisk_without_calls_is_noted_and_no_more() -> None:
    house = House().opens()
    house.engine.node_lost("nodo1", why="Asterisk ended")
    assert house.events[-1:] == [NodeLost(node="nodo1", why="Asterisk ended")]


def test_stopping_hangs_up_everybody_and_tells_how_many() -> None:
    house = House().opens(ANA)
    talking, waiting, menu = house.call_to(DIRECT), house.call_to(DIRECT), house.call_to(INFO)
    house.talks(talking)
    assert house.engine.stop_calls() == 3
    house.hear()
    assert {ended.call: ended.reason for ended in house.of(CallEnded)} == dict.fromkeys(
        (talking, waiting, menu), EndReason.SHUT_DOWN
    )
    assert (house.node.left_over(), house.engine.stop_calls(), len(house.of(CallStopped))) == ([], 0, 3)


def test_timers_end_with_their_call() -> None:
    house = House().opens()
    call = house.call_to(INFO)
    assert call in house.engine._timers
    house.hangs_up(call)
    assert house.engine._timers == {}
    assert house.clock.alarms == set()


def test_timers_end_with_a_call_that_a_defect_ended_without_a_word_to_its_rooms() -> None:
    house = House().opens()
    call = house.call_to(DIRECT)
    house.engine.receive(CallEnded(call=call, reason=EndReason.BROKEN))
    assert (house.engine._timers, house.clock.alarms, dict(house.engine.calls.open)) == ({}, set(), {})
    assert house.engine.desk.waiting(GENERAL) == []


def test_settling_of_a_recording_outlives_its_call() -> None:
    house = House().opens(ANA)
    call = house.call_to(DIRECT)
    house.talks(call)
    house.hangs_up(call)
    assert (house.engine.calls.open, house.engine.recordings.unfinished()) == ({}, (call,))
    assert len(house.of(RecordingStopped)) == 1
    house.pass_time(3)
    assert [command.recording for command in house.to_keep] == [recording_id(call, n=1)]
    house.fail_recordings()
    assert house.engine.recordings.unfinished() == ()


def test_recording_that_is_being_joined_is_not_joined_a_second_time_after_a_gap() -> None:
    house = House().opens(ANA)
    call = house.call_to(DIRECT)
    house.talks(call)
    house.hangs_up(call)
    house.pass_time(3)
    house.link_goes_down()
    house.link_comes_up()
    house.pass_time(5)
    assert len(house.to_keep) == 1
    house.keep_recordings()
    house.pass_time(5)
    assert (house.to_keep, house.engine._timers.get(call)) == ([], None)


def test_guard_mends_at_the_second_look_what_no_event_told() -> None:
    house = House().opens(ANA)
    call = house.call_to(DIRECT)
    del house.node.channels[agent_leg(call, n=1)]
    house.audit()
    assert house.of(OfferEnded) == []
    house.audit()
    assert [ended.outcome for ended in house.of(OfferEnded)] == [OfferOutcome.LOST]


def test_guard_hangs_up_what_belongs_to_no_call_and_hears_of_phones() -> None:
    house = House().opens(ANA)
    call = house.call_to(INFO)
    stray = agent_leg(call, n=9)
    house.line.up = True
    house.node.rest("POST", f"channels/{stray}", {"endpoint": f"PJSIP/{ANA}", "app": "telefonista"})
    house.node.phones[LUIS] = "NOT_INUSE"
    house.audit()
    assert house.presence(LUIS) is Presence.READY
    assert stray in house.node.channels
    house.audit()
    assert stray not in house.node.channels
    assert house.sent(HangUp) == [HangUp(call=call, leg=stray)]


def test_guard_that_finds_an_agent_free_offers_at_once_who_waits() -> None:
    house = House().opens()
    call = house.call_to(DIRECT)
    house.node.phones[ANA] = "NOT_INUSE"
    house.audit()
    assert [offer.call for offer in house.of(OfferMade)] == [call]


def test_defect_of_one_call_ends_that_call_and_the_others_go_on() -> None:
    house = House().opens()
    broken, other = house.call_to(INFO), house.call_to(INFO)
    house.engine.receive(ConversationEnded(call=broken, agent=ANA, leg=agent_leg(broken, n=1), reason=EndReason.LOST))
    house.hear()
    assert [event.call for event in house.of(CallBroken)] == [broken]
    assert [(ended.call, ended.reason) for ended in house.of(CallEnded)] == [(broken, EndReason.BROKEN)]
    assert (list(house.engine.calls.open), list(house.node.channels)) == ([other], [other])
    assert differences(house.replayed(), house.rooms.remembered()) == []


def test_two_whom_asterisk_does_not_connect_are_hung_up_and_the_agent_is_free() -> None:
    house = House().opens(ANA)
    call = house.call_to(DIRECT)
    house.talks(call)
    house.engine.receive(CommandFailed(call=call, command="Connect", subject=bridge_id(call, n=1), why="500"))
    house.hear()
    assert [ended.reason for ended in house.of(CallEnded)] == [EndReason.BROKEN]
    assert (house.node.left_over(), house.presence(ANA)) == ([], Presence.WRAP_UP)


def test_line_without_a_flow_goes_straight_to_a_person() -> None:
    house = House(flows={INFO: FLOW}).opens(ANA)
    call = house.call_to(LineName("otra"))
    assert [offer.call for offer in house.of(OfferMade)] == [call]


def test_agent_who_is_new_in_a_queue_is_offered_at_once_who_waits_there() -> None:
    house = House(members=[Member(agent=ANA, name="", queues=(TRAMITES,))]).opens(ANA)
    call = house.call_to(DIRECT)
    assert house.of(OfferMade) == []
    members = [Member(agent=ANA, name="", queues=(TRAMITES, GENERAL))]
    house.engine.configure(policies=house.policies, members=members, flows=house.flows)
    assert [(offer.call, offer.agent) for offer in house.of(OfferMade)] == [(call, ANA)]


def test_call_finishes_in_the_flow_it_began_with_when_the_flows_change() -> None:
    house = House().opens()
    call = house.call_to(INFO)
    other = read_flow("{flow: corto, language: es, start: a, nodes: {a: {queue: general}}}", file="x.yaml")
    house.engine.configure(policies=house.policies, members=house.members, flows={INFO: other})
    house.presses(call, "1")
    assert house.engine.calls.open[call].queue == TRAMITES


def test_engine_without_an_asterisk_yet_keeps_what_it_is_told() -> None:
    house = House()
    house.engine.receive(PhoneChanged(agent=ANA, phone=Phone.IDLE))
    house.engine._pbx = None
    house.engine.receive(arrival(house.node.citizen_calls(line=DIRECT), line=DIRECT))
    assert len(house.engine.calls.open) == 1
    assert house.of(OfferMade) == []


class FullDisk(Exception):
    """What a journal raises."""


class Failing:
    """A journal that fails once it is told to."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.full = False
        self.tried = 0

    def append(self, batch: Sequence[Entry]) -> None:
        if self.full:
            self.tried += 1
            raise FullDisk("no space left")
        self.house.journal.append(batch)


def on_a_full_disk() -> tuple[House, Failing, list[Exception]]:
    """A house with a conversation and a citizen in the menu, whose journal takes no more; the failures it told of."""
    house = House().opens(ANA)
    talking = house.call_to(DIRECT)
    house.talks(talking)
    house.call_to(INFO)
    failing = Failing(house)
    told: list[Exception] = []
    house.engine._journal = failing
    house.engine._on_failure = told.append
    failing.full = True
    return house, failing, told


def test_what_the_journal_does_not_take_is_not_done_and_the_engine_ends() -> None:
    house, failing, told = on_a_full_disk()
    (menu,) = (call for call, known in house.engine.calls.open.items() if known.state is CallState.IN_FLOW)
    sent, written = list(house.line.sent), list(house.disk.entries)
    with pytest.raises(EngineFailed, match="no space left"):
        house.presses(menu, "1")
    assert [str(problem) for problem in told] == ["no space left"]
    assert (house.line.sent, house.disk.entries) == (sent, written)
    assert (house.engine.accepting, isinstance(house.engine.failure, FullDisk)) == (False, True)
    assert (failing.tried, house.clock.alarms, house.engine._timers) == (1, set(), {})


def test_log_that_is_full_too_does_not_keep_the_engine_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    house, _, told = on_a_full_disk()

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("telefonista.app.engine._log.critical", full)
    with pytest.raises(EngineFailed):
        house.engine.receive(EngineStarted(node="nodo1", version="0"))
    assert len(told) == 1


def test_engine_that_has_failed_does_nothing_more_whoever_asks() -> None:
    house, failing, told = on_a_full_disk()
    with pytest.raises(EngineFailed):
        house.engine.receive(EngineStarted(node="nodo1", version="0"))
    failing.full = False
    sent, written = list(house.line.sent), list(house.disk.entries)
    observation = Observation()
    for attempt in (
        lambda: house.engine.receive(PhoneChanged(agent=LUIS, phone=Phone.IDLE)),
        lambda: house.engine.agree(observation),
        lambda: house.engine.audit(observation, believed={}),
        lambda: house.engine.node_lost("nodo1", why="x"),
        lambda: house.engine.stop_calls(),
        lambda: house.engine.configure(policies=[], members=[], flows={}),
    ):
        with pytest.raises(EngineFailed):
            attempt()
    house.engine.accepting = True
    assert (house.engine.accepting, house.line.sent, house.disk.entries, len(told)) == (False, sent, written, 1)


def test_restart_after_a_failure_finds_the_truth_in_the_journal_and_the_calls_in_asterisk() -> None:
    house, _, _ = on_a_full_disk()
    (talking,) = (call for call, known in house.engine.calls.open.items() if known.state is CallState.TALKING)
    (menu,) = (call for call, known in house.engine.calls.open.items() if known.state is CallState.IN_FLOW)
    with pytest.raises(EngineFailed):
        house.presses(menu, "1")
    house.restart()
    house.hear()
    assert {call: known.state for call, known in house.engine.calls.open.items()} == {
        talking: CallState.TALKING,
        menu: CallState.IN_FLOW,
    }
    house.presses(menu, "1")
    assert house.engine.calls.open[menu].queue == TRAMITES
    house.hangs_up(talking)
    assert [ended.call for ended in house.of(CallEnded)] == [talking]


def test_entries_are_numbered_without_a_gap_over_restarts() -> None:
    house = House().opens(ANA)
    call = house.call_to(DIRECT)
    house.restart()
    house.talks(call)
    house.restart(rotate=True)
    house.hangs_up(call)
    assert [entry.seq for entry in house.disk.entries] == list(range(1, len(house.disk.entries) + 1))


def test_batches_are_marked_by_how_many_entries_follow() -> None:
    house = House().opens(ANA)
    house.call_to(DIRECT)
    for entry, following in zip(house.disk.entries, house.disk.entries[1:], strict=False):
        assert following.left == entry.left - 1 if entry.left else True
    assert house.disk.entries[-1].left == 0


def test_recording_is_asked_for_once_for_each_conversation() -> None:
    house = House().opens(ANA)
    call = house.call_to(DIRECT)
    house.talks(call)
    house.link_goes_down()
    house.link_comes_up()
    assert len(house.of(RecordingAsked)) == 1
    assert len(house.sent(Connect)) == 1
    assert {type(event) for event in house.events} >= {VisitEnded, ConversationStarted}
    assert not [event for event in house.of(TimerFired) if event.key == "call.clearing"]
    assert msgspec.json.decode(msgspec.json.encode(house.disk.entries), type=list[Entry]) == house.disk.entries
