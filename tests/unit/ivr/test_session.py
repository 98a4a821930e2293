"""A citizen in a flow: what is said, what a key does, and that every conversation ends.

`Line` plays the engine: it dispatches each event and, before anything else happens, the decisions that follow from it,
and keeps the journal that a restart reads.
"""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr import read_flow
from ivr.core.behaviours import BEHAVIOURS
from ivr.core.flow import Flow, Goto, Menu, Say
from ivr.core.moves import (
    FAILED_SOUND_PAUSE_S,
    GUARD_KEY,
    GUARD_S,
    KEY_WAIT_KEY,
    TYPED_AHEAD_KEYS,
    Session,
    State,
)
from ivr.core.session import MACHINE, MOST_NODES
from telefonista.kernel.commands import CancelTimer, HangUp, Prompt, StopPlayback
from telefonista.kernel.events import (
    CallBroken,
    CallEnded,
    CallLost,
    CallStopped,
    CommandFailed,
    EndReason,
    Event,
    FlowEnded,
    FlowEntered,
    HandedOff,
    InputRejected,
    LegEnded,
    NodeEntered,
    OptionChosen,
    PlaybackEnded,
    TimerFired,
)
from telefonista.kernel.ids import (
    FlowName,
    NodeName,
    PlaybackId,
    agent_leg,
    citizen_leg,
)
from tests.unit.ivr.conversation import (
    CALL,
    DEFAULT_QUEUE,
    SAMPLE,
    Line,
    handed_off,
    hung_up,
    kinds_of_nodes,
    pressed,
)

EVERY_KIND = read_flow(
    """
flow: registro-civil
language: es
start: aviso
nodes:
  aviso: {say: "Esta llamada se graba.", then: temas}
  temas:
    menu: "Para partidas, marque uno. Para cédulas, marque dos. Para una persona, marque cero. Para repetir, asterisco."
    options: {"1": partidas, "2": mas, "0": persona, "*": repetir, "9": despedida, "8": silencio}
    on_invalid: "Esa opción no existe."
    on_timeout: "No recibimos su opción."
    on_failure: persona
    timeout_s: 4
    tries: 2
  mas:
    menu: "Para una cédula nueva, marque uno. Para una persona, marque cero."
    options: {"1": cedulas, "0": persona}
    on_invalid: "Esa opción no existe."
    on_timeout: "No recibimos su opción."
    on_failure: persona
    barge_in: false
  repetir: {goto: temas}
  partidas: {queue: partidas, topic: partidas, priority: 3}
  cedulas: {queue: cedulas, say: "Le comunicamos."}
  persona: {goto: atencion}
  atencion: {queue: general, say: "Le comunicamos con una persona."}
  despedida: {hangup: true, say: "Gracias por llamar."}
  silencio: {hangup: true}
""",
    file="registro-civil.yaml",
)


def says(node: str, *, flow: Flow = SAMPLE, part: int = 0) -> str:
    return flow.nodes[NodeName(node)].prompts[part].text


def test_every_state_meets_every_event() -> None:
    assert MACHINE.gaps() == []


def test_every_kind_of_node_has_a_behaviour() -> None:
    assert set(BEHAVIOURS) == kinds_of_nodes()


def test_citizen_is_greeted_and_asked() -> None:
    line = Line().arrives()
    assert line.decisions == [
        FlowEntered(call=CALL, flow=SAMPLE.name, version=SAMPLE.version),
        NodeEntered(call=CALL, node=NodeName("bienvenida")),
    ]
    assert line.said == says("bienvenida")
    line.hears_all()
    assert line.decisions == [NodeEntered(call=CALL, node=NodeName("menu"))]
    assert line.said == says("menu")
    line.hears_all()
    assert line.session.state is State.WAITING
    assert [(timer.key, timer.after_s) for timer in line.timers()] == [(KEY_WAIT_KEY, 6.0)]


@pytest.mark.parametrize(
    ("key", "queue", "topic"),
    [
        ("1", "tramites", "trámites"),
        ("2", "impuestos", "impuestos"),
        ("3", "vacunacion", "vacunación"),
        ("0", "general", "general"),
    ],
)
def test_citizen_who_chooses_is_told_so_and_handed_to_the_queue(key: str, queue: str, topic: str) -> None:
    line = Line().arrives()
    line.hears_all()
    line.hears_all()
    line.presses(key)
    chosen = SAMPLE.nodes[line.session.node]
    assert line.decisions == [
        OptionChosen(call=CALL, node=NodeName("menu"), digit=key, option=chosen.name),
        NodeEntered(call=CALL, node=chosen.name),
    ]
    assert line.said == says(chosen.name)
    line.hears_all()
    assert line.decisions == handed_off(queue, topic=topic)
    assert line.session.state is State.ENDED
    line.presses("1")
    assert (line.decisions, line.commands) == ([], [])


def test_key_during_the_menu_stops_it_and_counts() -> None:
    line = Line().arrives()
    line.hears_all()
    sound = line.session.sound
    assert sound is not None
    line.presses("2")
    assert StopPlayback(call=CALL, playback=sound.playback) in line.commands
    assert CancelTimer(call=CALL, key=GUARD_KEY) in line.commands
    assert line.session.node == "impuestos"


def test_late_end_of_a_sound_that_was_stopped_does_nothing() -> None:
    line = Line().arrives()
    line.hears_all()
    sound = line.session.sound
    assert sound is not None
    line.presses("2")
    line.happens(PlaybackEnded(call=CALL, playback=sound.playback))
    assert line.session.node == "impuestos"
    assert (line.decisions, line.commands) == ([], [])


def test_key_during_the_greeting_skips_it_and_chooses() -> None:
    line = Line().arrives()
    line.presses("3")
    assert line.session.node == "vacunacion"
    assert line.said == says("vacunacion")


def test_key_typed_ahead_waits_for_the_menu_when_the_notice_must_be_heard() -> None:
    line = Line(EVERY_KIND).arrives()
    line.presses("71")
    assert (line.decisions, line.commands) == ([], [])
    line.hears_all()
    assert line.decisions[1:] == [
        OptionChosen(call=CALL, node=NodeName("temas"), digit="1", option="partidas"),
        NodeEntered(call=CALL, node=NodeName("partidas")),
        *handed_off("partidas", priority=3, topic="partidas"),
    ]
    assert line.said == ""


def test_keys_typed_ahead_lead_through_several_menus() -> None:
    line = Line(EVERY_KIND).arrives()
    line.presses("21")
    line.hears_all()
    assert line.session.node == "cedulas"


def test_keys_typed_ahead_that_are_no_option_are_forgotten() -> None:
    line = Line(EVERY_KIND).arrives()
    line.presses("77")
    line.hears_all()
    assert line.said == says("temas", flow=EVERY_KIND)
    assert line.session.typed_ahead == ""
    assert not any(isinstance(event, InputRejected) for event in line.journal)


def test_keys_typed_ahead_are_bounded() -> None:
    line = Line(EVERY_KIND).arrives()
    line.presses("7" * 100)
    assert len(line.session.typed_ahead) == TYPED_AHEAD_KEYS


def test_menu_without_barge_in_is_heard_to_its_end() -> None:
    line = Line(EVERY_KIND).arrives()
    line.hears_all()
    line.presses("2")
    line.presses("51")
    assert (line.decisions, line.commands) == ([], [])
    line.hears_all()
    assert line.session.node == "cedulas"


def test_menu_without_barge_in_takes_keys_once_it_is_heard() -> None:
    line = Line(EVERY_KIND).arrives()
    line.hears_all()
    line.presses("2")
    line.hears_all()
    line.presses("1")
    assert line.session.node == "cedulas"


def test_wrong_key_and_silence_are_answered_in_different_words() -> None:
    line = Line().arrives()
    line.hears_all()
    line.presses("7")
    assert line.decisions == [
        InputRejected(call=CALL, node=NodeName("menu"), digit="7"),
        NodeEntered(call=CALL, node=NodeName("menu"), tries=2),
    ]
    assert line.said == f"{says('menu', part=1)} | {says('menu')}"
    line.hears_all()
    line.waits()
    assert line.decisions == [
        InputRejected(call=CALL, node=NodeName("menu"), digit=""),
        NodeEntered(call=CALL, node=NodeName("menu"), tries=3),
    ]
    assert line.said == f"{says('menu', part=2)} | {says('menu')}"


@pytest.mark.parametrize("keys", ["777", "###", ""])
def test_citizen_who_cannot_choose_reaches_a_person_after_three_tries(keys: str) -> None:
    line = Line().arrives()
    line.hears_all()
    if keys:
        line.presses(keys)
    else:
        for _ in range(3):
            line.hears_all()
            line.waits()
    assert [type(event) for event in line.decisions] == [InputRejected, NodeEntered]
    assert line.said == says("persona")
    line.hears_all()
    assert line.decisions == handed_off("general", topic="general")


def test_menu_entered_anew_does_not_repeat_an_old_complaint() -> None:
    line = Line(EVERY_KIND).arrives()
    line.hears_all()
    line.presses("7*")
    assert (line.session.node, line.session.tries) == ("temas", 1)
    assert line.said == says("temas", flow=EVERY_KIND)


def test_sound_that_fails_goes_on_after_a_moment() -> None:
    line = Line().arrives()
    sound = line.session.sound
    assert sound is not None
    line.happens(PlaybackEnded(call=CALL, playback=sound.playback, failed=True))
    assert line.decisions == []
    assert [timer.after_s for timer in line.timers()] == [FAILED_SOUND_PAUSE_S]
    line.waits()
    assert line.session.node == "menu"
    assert not any(isinstance(command, StopPlayback) for command in line.commands)


def test_citizen_who_hangs_up_while_listening_is_not_put_into_the_queue() -> None:
    line = Line().arrives()
    line.presses("1")
    sound = line.session.sound
    assert sound is not None
    line.happens(PlaybackEnded(call=CALL, playback=sound.playback, failed=True), hung_up())
    assert line.decisions == [FlowEnded(call=CALL, outcome="abandoned")]
    assert line.session.node == "tramites"
    assert not any(isinstance(event, HandedOff) for event in line.journal)


def test_sound_that_asterisk_refuses_does_not_hold_the_citizen() -> None:
    line = Line().arrives()
    sound = line.session.sound
    assert sound is not None
    line.happens(CommandFailed(call=CALL, command="Play", subject="something else", why="500"))
    assert line.commands == []
    line.happens(CommandFailed(call=CALL, command="Play", subject=sound.playback, why="500"))
    line.waits()
    assert line.session.node == "menu"


def test_guard_goes_on_when_the_end_of_a_sound_is_never_told() -> None:
    line = Line().arrives()
    sound = line.session.sound
    assert sound is not None
    assert [(timer.key, timer.after_s) for timer in line.timers()] == [(GUARD_KEY, GUARD_S)]
    line.waits()
    assert StopPlayback(call=CALL, playback=sound.playback) in line.commands
    assert line.session.node == "menu"


def test_guard_never_cuts_a_long_text_short() -> None:
    long = "a" * 1000
    flow = msgspec.structs.replace(
        EVERY_KIND,
        nodes={
            **EVERY_KIND.nodes,
            NodeName("aviso"): Say(name=NodeName("aviso"), prompt=Prompt(long), then=NodeName("temas")),
        },
    )
    line = Line(flow).arrives()
    assert [timer.after_s for timer in line.timers()] == [200.0]


def test_timer_that_was_replaced_does_nothing() -> None:
    line = Line().arrives()
    stale = line.session.timer
    assert stale is not None
    line.hears_all()
    line.happens(TimerFired(call=CALL, key=stale.key, token=stale.token))
    assert line.session.state is State.PLAYING
    line.hears_all()
    for other in (TimerFired(call=CALL, key="acd.ring", token=3), TimerFired(call=CALL, key=KEY_WAIT_KEY, token=2)):
        line.happens(other)
        assert (line.decisions, line.commands) == ([], [])


def test_keys_of_another_leg_are_not_the_citizens() -> None:
    line = Line().arrives()
    line.happens(pressed("1", leg=agent_leg(CALL, n=1)))
    assert line.session.node == "bienvenida"
    line.hears_all()
    line.hears_all()
    line.happens(pressed("1", leg=agent_leg(CALL, n=1)))
    assert line.session.state is State.WAITING


def test_sounds_are_numbered_from_one_without_gaps() -> None:
    line = Line().arrives()
    line.hears_all()
    line.presses("7")
    line.presses("1")
    played = [event.playback for event in line.every_sound()]
    assert played == [PlaybackId(f"{CALL}.p{n}") for n in (1, 2, 3, 4)]


def test_flow_that_hangs_up_says_goodbye_first() -> None:
    line = Line(EVERY_KIND).arrives()
    line.hears_all()
    line.presses("9")
    assert line.said == "Gracias por llamar."
    line.presses("1")
    assert (line.decisions, line.commands) == ([], [])
    line.hears_all()
    assert line.decisions == [FlowEnded(call=CALL, outcome="finished")]
    assert line.commands[-1] == HangUp(call=CALL, leg=citizen_leg(CALL))


def test_flow_that_only_hangs_up_does_so_at_once() -> None:
    line = Line(EVERY_KIND).arrives()
    line.hears_all()
    line.presses("8")
    assert line.commands[-1] == HangUp(call=CALL, leg=citizen_leg(CALL))


def test_hanging_up_is_asked_for_again_after_a_restart_until_the_citizen_is_gone() -> None:
    line = Line(EVERY_KIND).arrives()
    line.hears_all()
    line.presses("8")
    line.resumes()
    assert line.commands == [HangUp(call=CALL, leg=citizen_leg(CALL))]
    line.happens(LegEnded(call=CALL, leg=agent_leg(CALL, n=1), cause=16))
    line.resumes()
    assert line.commands != []
    line.happens(hung_up())
    line.resumes()
    assert line.commands == []


@pytest.mark.parametrize(
    "ending",
    [
        CallEnded(call=CALL, reason=EndReason.FLOW_FINISHED),
        CallLost(call=CALL, why="the node died"),
        CallStopped(call=CALL),
        CallBroken(call=CALL, why="a defect"),
    ],
)
def test_nothing_is_hung_up_again_once_the_call_is_over(ending: Event) -> None:
    line = Line(EVERY_KIND).arrives()
    line.hears_all()
    line.presses("8")
    line.happens(ending)
    line.resumes()
    assert (line.decisions, line.commands) == ([], [])


@pytest.mark.parametrize("way", ["", "1", "w", "wt"])
def test_citizen_who_hangs_up_anywhere_ends_the_flow(way: str) -> None:
    line = Line().arrives()
    walk(line, way)
    running = line.session.timer
    assert running is not None
    line.happens(LegEnded(call=CALL, leg=agent_leg(CALL, n=1), cause=16))
    assert line.decisions == []
    line.happens(hung_up())
    assert line.decisions == [FlowEnded(call=CALL, outcome="abandoned")]
    assert line.commands == [CancelTimer(call=CALL, key=running.key)]
    assert line.session.state is State.ENDED


@pytest.mark.parametrize(
    ("ending", "outcome"), [(CallLost(call=CALL, why="the node died"), "lost"), (CallStopped(call=CALL), "stopped")]
)
def test_call_that_is_lost_or_stopped_ends_the_flow(ending: Event, outcome: str) -> None:
    line = Line().arrives()
    line.happens(ending)
    assert line.decisions == [FlowEnded(call=CALL, outcome=outcome)]
    assert line.session.state is State.ENDED


@pytest.mark.parametrize(
    "ending", [CallEnded(call=CALL, reason=EndReason.LOST), CallBroken(call=CALL, why="a defect of another room")]
)
def test_call_that_is_over_stops_the_timer_and_says_no_more(ending: Event) -> None:
    line = Line().arrives()
    line.happens(ending)
    assert (line.decisions, line.commands) == ([], [CancelTimer(call=CALL, key=GUARD_KEY)])
    assert line.session.state is State.ENDED


def test_key_between_a_decision_and_its_application_is_kept() -> None:
    between = Session(call=CALL, flow=SAMPLE, person=DEFAULT_QUEUE)
    after, outputs = MACHINE.step(between, pressed("1"), at=0.0)
    assert (after.typed_ahead, outputs) == ("1", [])
    after, outputs = MACHINE.step(between, pressed("1", leg=agent_leg(CALL, n=1)), at=0.0)
    assert (after.typed_ahead, outputs) == ("", [])


def test_flow_entered_again_begins_anew_and_numbers_go_on() -> None:
    line = Line().arrives()
    before = line.session
    line.happens(FlowEntered(call=CALL, flow=SAMPLE.name, version=SAMPLE.version))
    assert (line.session.node, line.session.sound) == ("", None)
    assert (line.session.playbacks, line.session.timers) == (before.playbacks, before.timers)


def test_who_goes_round_and_round_is_helped_by_a_person() -> None:
    line = Line(EVERY_KIND).arrives()
    line.hears_all()
    presses = 0
    while line.session.state is not State.ENDED:
        line.presses("*")
        presses += 1
        assert presses <= MOST_NODES
    assert line.decisions[-2:] == handed_off("general")


def test_circle_without_any_sound_ends_with_a_person() -> None:
    first, second = NodeName("a"), NodeName("b")
    nodes = {first: Goto(name=first, to=second), second: Goto(name=second, to=first)}
    line = Line(Flow(name=FlowName("x"), language="es", version="1", start=first, nodes=nodes)).arrives()
    assert line.decisions[-2:] == handed_off("general")


@pytest.mark.parametrize("way", ["", "1", "w", "w7", "ww", "wwt", "w1", "w1w", "f", "wf"])
def test_restart_finds_every_call_where_it_was(way: str) -> None:
    live = Line().arrives()
    walk(live, way)
    assert Line(SAMPLE, journal=live.journal).session == live.session


@pytest.mark.parametrize("way", ["", "w", "w7", "w77", "1", "f"])
def test_what_was_being_said_is_said_again_after_a_restart(way: str) -> None:
    live = Line().arrives()
    walk(live, way)
    before = live.session
    said = next(play for play in reversed(live.every_sound()))
    restarted = Line(SAMPLE, journal=live.journal)
    for n in (1, 2):
        restarted.resumes()
        assert [(play.playback, play.prompts) for play in restarted.every_sound()[n - 1 :]] == [
            (PlaybackId(f"{CALL}.p{before.playbacks + n}"), said.prompts)
        ]
        assert (restarted.session.node, restarted.session.tries) == (before.node, before.tries)
    if before.sound is not None:
        assert StopPlayback(call=CALL, playback=before.sound.playback) in restarted.all_commands
    assert Line(SAMPLE, journal=restarted.journal).session == restarted.session
    restarted.waits()
    assert (restarted.session.node, restarted.session.state) != (before.node, State.PLAYING)


def test_wait_for_a_key_begins_anew_after_a_restart() -> None:
    live = Line().arrives()
    walk(live, "ww")
    restarted = Line(SAMPLE, journal=live.journal)
    restarted.resumes()
    assert (restarted.decisions, restarted.commands) == ([], [live.session.timer])
    restarted.presses("1")
    assert restarted.session.node == "tramites"


def walk(line: Line, way: str) -> None:
    """Each sign one happening: a key, `w` the sound to its end, `f` the sound failing, `t` the timer."""
    for sign in way:
        sound = line.session.sound
        if sign == "t":
            line.waits()
        elif sign == "w":
            line.hears_all()
        elif sign == "f":
            assert sound is not None
            line.happens(PlaybackEnded(call=CALL, playback=sound.playback, failed=True))
        else:
            line.presses(sign)


HAPPENINGS = st.one_of(
    st.sampled_from("0123456789*#A").map(pressed),
    st.sampled_from("01").map(lambda digit: pressed(digit, leg=agent_leg(CALL, n=1))),
    st.builds(
        PlaybackEnded,
        call=st.just(CALL),
        playback=st.integers(1, 12).map(lambda n: PlaybackId(f"{CALL}.p{n}")),
        failed=st.booleans(),
    ),
    st.builds(
        TimerFired,
        call=st.just(CALL),
        key=st.sampled_from([GUARD_KEY, KEY_WAIT_KEY, "acd.ring"]),
        token=st.integers(1, 12),
    ),
    st.builds(
        CommandFailed,
        call=st.just(CALL),
        command=st.just("Play"),
        subject=st.integers(1, 12).map(lambda n: f"{CALL}.p{n}"),
        why=st.just("500"),
    ),
    # What is running now ends: the likely case, which random numbers alone would seldom meet.
    st.sampled_from(["sound", "failing sound", "timer", "restart"]),
    st.sampled_from(
        [
            hung_up(),
            LegEnded(call=CALL, leg=agent_leg(CALL, n=1), cause=17),
            CallLost(call=CALL, why="the node died"),
            CallStopped(call=CALL),
            CallEnded(call=CALL, reason=EndReason.CITIZEN_HUNG_UP),
            CallBroken(call=CALL, why="a defect of another room"),
        ]
    ),
)


@settings(deadline=None)
@given(flow=st.sampled_from([SAMPLE, EVERY_KIND]), happenings=st.lists(HAPPENINGS, max_size=40))
def test_no_order_of_events_breaks_a_conversation_and_a_restart_is_never_noticed(
    flow: Flow, happenings: list[Event | str]
) -> None:
    line = Line(flow).arrives()
    for happening in happenings:
        if happening == "restart":
            line = Line(flow, journal=line.journal)
            line.resumes()
        line.happens(*now(line.session, happening))
        session = line.session
        assert (session.sound is not None or session.timer is not None) == (session.state is not State.ENDED)
        assert (session.state is State.WAITING) <= (session.sound is None)
        assert session.state is not State.BETWEEN, "a decision was not applied"
    assert Line(flow, journal=line.journal).session == line.session
    comes_to_an_end(line)


@settings(deadline=None)
@given(happenings=st.lists(HAPPENINGS, max_size=25), fresh=st.sampled_from([SAMPLE, EVERY_KIND]))
def test_restart_with_another_flow_still_ends_every_conversation(happenings: list[Event | str], fresh: Flow) -> None:
    line = Line(EVERY_KIND).arrives()
    for happening in happenings:
        line.happens(*now(line.session, happening))
    edited = msgspec.structs.replace(
        fresh,
        name=EVERY_KIND.name,
        version="another",
        start=NodeName("menu") if fresh is SAMPLE else NodeName("persona"),
        nodes={name: node for name, node in fresh.nodes.items() if name != "mas"},
    )
    if fresh is EVERY_KIND:  # `mas` is gone: its citizens begin again
        menu = edited.nodes[NodeName("temas")]
        assert isinstance(menu, Menu)
        options = {key: node for key, node in menu.options.items() if node != "mas"}
        edited = msgspec.structs.replace(
            edited, nodes={**edited.nodes, menu.name: msgspec.structs.replace(menu, options=options)}
        )
    restarted = Line(edited, journal=line.journal)
    restarted.resumes()
    assert restarted.session.node in edited.nodes
    assert restarted.session.state is not State.BETWEEN
    comes_to_an_end(restarted)


def now(session: Session, happening: Event | str) -> list[Event]:
    if not isinstance(happening, str):
        return [happening]
    timer = session.timer
    if happening == "timer" and timer is not None:
        return [TimerFired(call=CALL, key=timer.key, token=timer.token)]
    if session.sound is None or "sound" not in happening:
        return []
    return [PlaybackEnded(call=CALL, playback=session.sound.playback, failed=happening == "failing sound")]


def comes_to_an_end(line: Line) -> None:
    """With nobody pressing anything, and nothing but timers, the conversation ends."""
    for _ in range(40):
        if line.session.state is State.ENDED:
            return
        line.waits()
    raise AssertionError("the conversation goes on for ever")
