"""A flow must lead every citizen somewhere, and a person must never be further than one key."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr import Flow, FlowInvalid, check_queues, check_requirements, read_flow
from ivr.core.checks import check_ways
from ivr.core.flow import Goto, Hangup, Menu, Node, Queue, Say, straight_to
from telefonista.kernel.commands import Prompt
from telefonista.kernel.ids import FlowName, NodeName, QueueName
from telefonista.notation.problems import Findings

MENU = (
    "menu: 'Para una persona, marque cero.', on_invalid: No existe., on_timeout: No recibimos nada., "
    "options: {{{options}}}, on_failure: {failure}"
)


def menu(options: str, *, failure: str = "persona") -> str:
    return "{" + MENU.format(options=options, failure=failure) + "}"


def problems(nodes: Mapping[str, str], *, start: str) -> list[str]:
    """Each as it is printed, without file and line; every node stands on a line of its own, from the fifth on."""
    body = "".join(f"  {name}: {node}\n" for name, node in nodes.items())
    try:
        read_flow(f"flow: prueba\nlanguage: es\nstart: {start}\nnodes:\n{body}", file="prueba.yaml")
    except FlowInvalid as invalid:
        return [str(problem).removeprefix("prueba.yaml:") for problem in invalid.problems]
    return []


def test_flow_whose_every_way_ends_has_no_problem() -> None:
    nodes = {
        "temas": menu("1: adios, 0: espere, '*': otra"),
        "otra": "{goto: temas}",
        "adios": "{hangup: true}",
        "espere": "{say: Un momento., then: atencion}",
        "atencion": "{goto: persona}",
        "persona": "{queue: general}",
    }
    assert problems(nodes, start="temas") == []


def test_node_that_nothing_leads_to_is_found() -> None:
    nodes = {"persona": "{queue: general}", "olvidado": "{say: Hola., then: persona}"}
    assert problems(nodes, start="persona") == ['6: node "olvidado" is never reached: nothing leads to it']


def test_nodes_that_only_lead_to_each_other_are_found() -> None:
    nodes = {"persona": "{queue: general}", "a": menu("1: b, 0: persona"), "b": menu("1: a, 0: persona")}
    assert problems(nodes, start="persona") == [
        '6: node "a" is never reached: nothing leads to it',
        '7: node "b" is never reached: nothing leads to it',
    ]


def test_menu_without_a_person_is_found() -> None:
    nodes = {"temas": menu("1: persona"), "persona": "{queue: general}"}
    assert problems(nodes, start="temas") == [
        '5: menu "temas" has no way to a person; add the option "0" and lead it to a queue'
    ]


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"otro": "{hangup: true}"},
        {"otro": menu("0: persona")},
        {"otro": "{say: Un momento., then: mas}", "mas": menu("0: persona")},
    ],
)
def test_menu_whose_zero_is_no_person_is_found(elsewhere: Mapping[str, str]) -> None:
    nodes = {"temas": menu("0: otro"), "persona": "{queue: general}", **elsewhere}
    assert problems(nodes, start="temas") == [
        '5: in menu "temas" the option "0" does not lead to a person; lead it to a queue'
    ]


def test_zero_that_leads_round_in_a_circle_is_found() -> None:
    nodes = {
        "temas": menu("0: a"),
        "a": "{say: Un momento., then: b}",
        "b": "{goto: a}",
        "persona": "{queue: general}",
    }
    assert problems(nodes, start="temas") == [
        '5: in menu "temas" the option "0" does not lead to a person; lead it to a queue',
        '6: whoever gets here, whatever is pressed, goes round for ever: "a" → "b" → "a"',
    ]


def test_menu_whose_every_exit_comes_back_is_found() -> None:
    nodes = {"temas": menu("1: temas, 0: temas", failure="temas")}
    assert problems(nodes, start="temas") == [
        '5: in menu "temas" the option "0" does not lead to a person; lead it to a queue',
        '5: whoever gets here, whatever is pressed, goes round for ever: "temas" → "temas"',
    ]


def test_menu_that_a_silent_citizen_never_leaves_is_found() -> None:
    nodes = {
        "hola": "{say: Hola., then: temas}",
        "temas": menu("0: persona", failure="hola"),
        "persona": "{queue: general}",
    }
    assert problems(nodes, start="hola") == [
        '5: a citizen who presses nothing goes round for ever: "hola" → "temas" → "hola"'
    ]


def test_circle_is_told_once_however_many_ways_lead_into_it() -> None:
    nodes = {
        "temas": menu("1: a, 2: b, 3: c, 0: persona"),
        "a": "{goto: c}",
        "b": "{goto: c}",
        "c": "{goto: d}",
        "d": "{goto: c}",
        "persona": "{queue: general}",
    }
    assert problems(nodes, start="temas") == [
        '8: whoever gets here, whatever is pressed, goes round for ever: "c" → "d" → "c"'
    ]


def test_what_a_flow_asks_of_agents_and_none_can_meet_is_found_with_its_line() -> None:
    text = (
        "flow: prueba\nlanguage: es\nstart: temas\nnodes:\n"
        f"  temas: {menu('1: rentas, 0: persona')}\n"
        "  rentas:\n    queue: general\n    requires: guarani >= 1\n"
        "  persona: {queue: general}\n"
    )
    flow = read_flow(text, file="prueba.yaml")
    asked: list[str] = []

    def wrong(requires: str) -> str:
        asked.append(requires)
        return "no agent has the skill"

    problems = [str(problem) for problem in check_requirements(flow, wrong)]
    assert problems == ["prueba.yaml:7: requires: no agent has the skill"]
    assert asked == ["guarani >= 1"]
    assert check_requirements(flow, lambda requires: "") == ()


def test_queue_that_does_not_exist_is_found_with_its_line() -> None:
    text = (
        "flow: prueba\nlanguage: es\nstart: temas\nnodes:\n"
        f"  temas: {menu('1: vacunas, 0: persona')}\n"
        "  vacunas:\n    say: Un momento.\n    queue: vacunas\n"
        "  persona: {queue: general}\n"
    )
    flow = read_flow(text, file="prueba.yaml")
    queues = [QueueName(name) for name in ("general", "tramites", "vacunacion")]
    assert [str(problem) for problem in check_queues(flow, queues)] == [
        'prueba.yaml:8: unknown queue "vacunas"; did you mean "vacunacion"?'
    ]
    assert [str(problem) for problem in check_queues(flow, [QueueName("general")])] == [
        'prueba.yaml:8: unknown queue "vacunas"; known: general'
    ]
    assert [str(problem) for problem in check_queues(flow, [])] == [
        'prueba.yaml:8: unknown queue "vacunas"',
        'prueba.yaml:9: unknown queue "general"',
    ]
    assert check_queues(flow, [*queues, QueueName("vacunas")]) == ()


def test_flow_straight_to_a_queue_passes_every_check() -> None:
    flow = straight_to(QueueName("general"), name=FlowName("0800-info"))
    findings = Findings("")
    check_ways(flow, findings=findings)
    assert findings.problems == []
    assert list(flow.prompts) == []


NAMES = [NodeName(f"n{n}") for n in range(6)]
PROMPT = Prompt("Hola.")


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    anywhere = st.sampled_from(NAMES)
    nodes: dict[NodeName, Node] = {}
    for name in NAMES:
        nodes[name] = draw(
            st.one_of(
                st.builds(Say, name=st.just(name), prompt=st.just(PROMPT), then=anywhere),
                st.builds(
                    Menu,
                    name=st.just(name),
                    prompt=st.just(PROMPT),
                    on_invalid=st.just((PROMPT,)),
                    on_timeout=st.just((PROMPT,)),
                    options=st.dictionaries(st.sampled_from("01"), anywhere, max_size=2),
                    on_failure=anywhere,
                ),
                st.builds(Queue, name=st.just(name), queue=st.just(QueueName("general"))),
                st.builds(Goto, name=st.just(name), to=anywhere),
                st.builds(Hangup, name=st.just(name)),
            )
        )
    return Flow(name=FlowName("prueba"), language="es", version="1", start=NAMES[0], nodes=nodes)


@given(flows())
def test_in_a_flow_that_passes_every_citizen_gets_out(flow: Flow) -> None:
    findings = Findings("prueba.yaml")
    check_ways(flow, findings=findings)
    circles = [problem for problem in findings.problems if "for ever" in problem.text]
    stranded = [name for name in flow.nodes if not ends_in_silence(flow, name)]
    assert bool(circles) == bool(stranded)


def ends_in_silence(flow: Flow, name: NodeName) -> bool:
    """Whether somebody who does nothing is out after as many steps as there are nodes."""
    at: NodeName | None = name
    for _ in flow.nodes:
        at = None if at is None else flow.nodes[at].silent_exit
    return at is None
