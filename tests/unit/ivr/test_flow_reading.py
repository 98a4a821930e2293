"""From a flow's text to its value: everything that can be wrong with it is said on one line each, with its place."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr import FlowInvalid, check_queues, read_flow, sample_flow
from ivr.core.flow import Goto, Hangup, Menu, Queue, Say
from ivr.core.reading import KINDS
from telefonista.kernel.commands import Prompt
from telefonista.kernel.ids import NodeName, QueueName
from telefonista.notation.problems import MOST_PROBLEMS, Problem
from telefonista.notation.source import DEEPEST, LONGEST_TEXT, MOST_EVENTS

MENU = """\
flow: 0800-info
language: es
start: bienvenida
nodes:
  bienvenida: {say: Hola., then: menu}
  menu:
    menu: Para trámites, marque uno. Para una persona, marque cero.
    options: {1: tramites, 0: persona}
    on_invalid: Esa opción no existe.
    on_timeout: No recibimos su opción.
    on_failure: persona
  tramites: {queue: tramites}
  persona: {queue: general}
"""


def problems(text: str) -> list[str]:
    """Each as it is printed, without the file."""
    with pytest.raises(FlowInvalid) as caught:
        read_flow(text, file="línea.yaml")
    printed = str(caught.value).split("\n")
    assert printed == [str(problem) for problem in caught.value.problems]
    assert all(line.startswith("línea.yaml:") for line in printed)
    return [line.removeprefix("línea.yaml:") for line in printed]


def edited(before: str, after: str) -> str:
    assert MENU.count(before) == 1
    return MENU.replace(before, after)


def test_sample_line_reads_as_it_is_written() -> None:
    flow = sample_flow()
    assert (flow.name, flow.language, flow.start) == ("0800-info", "es", "bienvenida")
    menu = flow.nodes[NodeName("menu")]
    assert isinstance(menu, Menu)
    assert dict(menu.options) == {"1": "tramites", "2": "impuestos", "3": "vacunacion", "0": "persona"}
    assert (menu.timeout_s, menu.tries, menu.barge_in, menu.on_failure) == (6.0, 3, True, "persona")
    queues = {node.queue: node.topic for node in flow.nodes.values() if isinstance(node, Queue)}
    assert queues == {
        "tramites": "trámites",
        "impuestos": "impuestos",
        "vacunacion": "vacunación",
        "general": "general",
    }
    assert check_queues(flow, [QueueName(name) for name in queues]) == ()


def test_sample_menu_names_each_option_before_its_key_and_the_person_last() -> None:
    menu = sample_flow().nodes[NodeName("menu")]
    sentences = [sentence.strip() for sentence in menu.prompts[0].text.rstrip(".").split(".")]
    assert all(sentence.startswith("Para ") for sentence in sentences)
    assert [sentence.split(", marque ")[1] for sentence in sentences] == ["uno", "dos", "tres", "cero"]


def test_every_kind_of_node_reads_with_all_that_it_may_have() -> None:
    text = (
        edited("then: menu}", "then: menu, barge_in: true}")
        .replace(
            "  tramites: {queue: tramites}\n",
            "  tramites: {queue: tramites, topic: trámites del Estado, priority: 7, say: Un momento.}\n"
            "  otra: {goto: adios}\n"
            "  adios: {say: Gracias., hangup: true}\n",
        )
        .replace("    options: {", '    timeout_s: 4.5\n    tries: 2\n    barge_in: false\n    options: {"*": otra, ')
    )
    name = NodeName
    assert dict(read_flow(text, file="línea.yaml").nodes) == {
        "bienvenida": Say(
            name=name("bienvenida"), line=5, prompt=recorded("Hola.", "bienvenida"), then=name("menu"), barge_in=True
        ),
        "menu": Menu(
            name=name("menu"),
            line=7,
            prompt=recorded("Para trámites, marque uno. Para una persona, marque cero.", "menu"),
            options={"1": name("tramites"), "*": name("otra"), "0": name("persona")},
            on_invalid=(recorded("Esa opción no existe.", "menu__invalid"),),
            on_timeout=(recorded("No recibimos su opción.", "menu__timeout"),),
            on_failure=name("persona"),
            timeout_s=4.5,
            tries=2,
            barge_in=False,
        ),
        "tramites": Queue(
            name=name("tramites"),
            line=15,
            queue=QueueName("tramites"),
            topic="trámites del Estado",
            priority=7,
            prompt=recorded("Un momento.", "tramites"),
        ),
        "otra": Goto(name=name("otra"), line=16, to=name("adios")),
        "adios": Hangup(name=name("adios"), line=17, prompt=recorded("Gracias.", "adios")),
        "persona": Queue(name=name("persona"), line=18, queue=QueueName("general")),
    }


def recorded(text: str, place: str) -> Prompt:
    return Prompt(text=text, language="es", name=f"0800-info__{place}")


def test_what_is_left_out_has_the_documented_defaults() -> None:
    menu = read_flow(MENU, file="línea.yaml").nodes[NodeName("menu")]
    assert isinstance(menu, Menu)
    assert (menu.timeout_s, menu.tries, menu.barge_in) == (6.0, 3, True)


def test_version_changes_with_the_text_and_only_with_it() -> None:
    versions = [read_flow(text, file="línea.yaml").version for text in (MENU, MENU, MENU + "# nota\n")]
    assert versions[0] == versions[1] != versions[2]
    assert all(len(version) == 12 for version in versions)


def test_every_sentence_of_a_flow_can_be_made_beforehand() -> None:
    said = [prompt.text for prompt in read_flow(MENU, file="línea.yaml").prompts]
    assert said == [
        "Hola.",
        "Para trámites, marque uno. Para una persona, marque cero.",
        "Esa opción no existe.",
        "No recibimos su opción.",
    ]
    text = "flow: a\nlanguage: es\nstart: b\nnodes: {b: {goto: c}, c: {hangup: true, say: Adiós.}}"
    goodbye = read_flow(text, file="a.yaml")
    assert [prompt.text for prompt in goodbye.prompts] == ["Adiós."]


def test_text_over_several_lines_is_one_sentence() -> None:
    folded = edited("say: Hola.,", 'say: "Hola.\n    \n     Bienvenida.",')
    assert next(read_flow(folded, file="línea.yaml").prompts).text == "Hola. Bienvenida."


NO_NAME = "cannot be a name: small letters a-z, digits, and single - or _ between them, 26 at most; did you mean"
NO_SPEECH = "has a sign that cannot be spoken, or no word at all"
KIND_NAMES = ", ".join(KINDS)
WITH = "    on_failure: persona\n"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "start: bienvenida",
            "strt: bienvenida",
            ['1: a flow needs "start"', '3: unknown key "strt" in a flow; did you mean "start"?'],
        ),
        ("start: bienvenida", "start: bienvenido", ['3: unknown node "bienvenido"; did you mean "bienvenida"?']),
        ("start: bienvenida", "start: [bienvenida]", ['3: "start" needs one word or text']),
        ("flow: 0800-info", "flow: 0800 INFO", [f'1: "0800 INFO" {NO_NAME} "0800-info"?']),
        ("flow: 0800-info", "flow: ''", ['1: "flow" needs one word or text']),
        ("flow: 0800-info", "flow: «»", [f'1: "«»" {NO_NAME.partition(";")[0]}']),
        ("language: es", "language: castellano", ['2: "castellano" is not a language such as "es" or "es-UY"']),
        ("language: es\n", "", ['1: a flow needs "language"']),
        ("then: menu", "then: mneu", ['5: unknown node "mneu"; did you mean "menu"?']),
        (
            "then: menu",
            "next: menu",
            [
                '5: node "bienvenida" needs "then"',
                '5: unknown key "next" in node "bienvenida", a say; known: say, then, barge_in',
            ],
        ),
        ("say: Hola.,", "sya: Hola.,", ['5: unknown key "sya" in node "bienvenida"; did you mean "say"?']),
        (
            "say: Hola.,",
            "say: Hola, le damos la bienvenida.,",
            ['5: "le damos la bienvenida." follows a comma; a text with a comma needs quotes here'],
        ),
        ("say: Hola.,", "", [f'5: node "bienvenida" needs one of {KIND_NAMES}']),
        ("say: Hola.,", "say: ,", ['5: "say" needs one word or text']),
        ("say: Hola.,", "say: '...',", [f'5: "say" {NO_SPEECH}']),
        ("say: Hola.,", 'say: "Hola\\ud800",', [f'5: "say" {NO_SPEECH}']),
        ("say: Hola.,", f"say: {'ah ' * 400},", ['5: "say" is longer than 1000 signs: nobody listens that long']),
        (
            "say: Hola., then",
            "goto: menu, then",
            ['5: unknown key "then" in node "bienvenida", a goto; known: goto'],
        ),
        ("1: tramites", "1: tramite", ['8: unknown node "tramite"; did you mean "tramites"?']),
        ("1: tramites", "12: tramites", ['8: "12" is no key of a telephone: 0 to 9, * or #, in quotes']),
        ("1: tramites", "0: tramites", ['8: "0" is there twice; first in line 8']),
        ("1: tramites", "1: {goto: tramites}", ['8: "1" needs one word or text']),
        (
            "{1: tramites, 0: persona}",
            "uno",
            ['8: "options" needs keys of the telephone and the nodes that they lead to'],
        ),
        ("    options: {1: tramites, 0: persona}\n", "", ['7: node "menu" needs "options"']),
        ("    on_timeout: No recibimos su opción.\n", "", ['7: node "menu" needs "on_timeout"']),
        (WITH, WITH + "    timeout_s: 0\n", ['12: "timeout_s" must be a number from 1 to 60, not "0"']),
        (WITH, WITH + "    timeout_s: seis\n", ['12: "timeout_s" must be a number from 1 to 60, not "seis"']),
        (WITH, WITH + "    timeout_s: []\n", ['12: "timeout_s" needs one word or text']),
        (WITH, WITH + "    tries: 2.5\n", ['12: "tries" must be a whole number']),
        (WITH, WITH + "    tries: 11\n", ['12: "tries" must be a number from 1 to 10, not "11"']),
        (WITH, WITH + "    barge_in: sí\n", ['12: "barge_in" must be true or false, not "sí"']),
        (WITH, WITH + "    barge_in: {}\n", ['12: "barge_in" needs one word or text']),
        ("queue: tramites", "queue: Trámites", [f'12: "Trámites" {NO_NAME} "tramites"?']),
        ("queue: tramites", "queue: tramites, queue: otra", ['12: "queue" is there twice; first in line 12']),
        (
            "queue: tramites",
            "queue: tramites, goto: menu",
            ['12: node "tramites" is more than one thing: queue, goto; make it as many nodes'],
        ),
        (
            "queue: tramites",
            'queue: tramites, topic: "a\\nb"',
            ['12: "topic" is a few words on one line, 52 signs at most'],
        ),
        (
            "queue: tramites",
            "queue: tramites, priority: -1",
            ['12: "priority" must be a number from 0 to 100, not "-1"'],
        ),
        ("queue: tramites", "hangup: false", ['12: "hangup" can only be true']),
        ("{queue: tramites}", "tramites", [f'12: node "tramites" needs one of {KIND_NAMES}']),
        (
            "  tramites: {",
            "  Trámites: {",
            [
                '8: unknown node "tramites"; did you mean "Trámites"?',
                f'12: "Trámites" {NO_NAME} "tramites"?',
            ],
        ),
        (
            "  tramites: {",
            "  persona: {queue: otra}\n  tramites: {",
            ['14: "persona" is there twice; first in line 12'],
        ),
    ],
)
def test_each_mistake_is_named_with_its_line_and_the_nearest_word(before: str, after: str, expected: list[str]) -> None:
    assert problems(edited(before, after)) == expected


def test_every_mistake_is_told_at_once() -> None:
    text = MENU.replace("then: menu", "then: mneu").replace("1: tramites", "1: tramite").replace("es\n", "x\n")
    assert [line.partition(":")[0] for line in problems(text)] == ["2", "5", "8"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: there is nothing in it"),
        ("# solo una nota\n", "1: there is nothing in it"),
        (
            "- bienvenida\n",
            "1: a flow is a list of keys with their values: flow, language, start, person, variables, nodes",
        ),
        ("hola", "1: a flow is a list of keys with their values: flow, language, start, person, variables, nodes"),
        ("flow: a\nlanguage: es\nstart: b\n", '1: a flow needs "nodes"'),
        ("flow: a\nlanguage: es\nstart: b\nnodes: {}", '4: "nodes" needs at least one node: a name and what it does'),
        ("flow: a\nlanguage: es\nstart: b\nnodes: b", '4: "nodes" needs at least one node: a name and what it does'),
        ("nodes: {a: [", "1: not YAML: expected the node content, but found '<stream end>'"),
        ("a: 1\n\tb: 2", "2: not YAML: found character '\\t' that cannot start any token"),
        ("a: \x00", "1: not YAML: it has a sign (U+0000) that no text has"),
        ("a: b\n\nc: \ud800", "3: not YAML: it has a sign (U+D800) that no text has"),
        ('a: "\\UFFFFFFFF"', "1: not YAML: an escape or a number in it is out of range"),
        (f"%YAML {'1' * 5000}.1\n---\na: b", "1: not YAML: an escape or a number in it is out of range"),
        ("a: b\n---\na: b", "2: a second document begins here; a flow is one"),
        ("a: *b", '1: "*b" stands for another part; write it out (a key * needs quotes)'),
        ("a: &b {c: d}", '1: "&b": names for parts are not used here'),
        ("a: &b c", '1: "&b": names for parts are not used here'),
        ("a: !!python/name:os.system x", '1: "tag:yaml.org,2002:python/name:os.system": types are not used here'),
        ("a: !!set {b}", '1: "tag:yaml.org,2002:set": types are not used here'),
        ("{[a]: b}", "1: a key must be a word"),
        ("a: " + "[" * 500, "1: nested too deep for a flow"),
        ("- " * (DEEPEST + 1) + "a", "1: nested too deep for a flow"),
        ("a: [" + "b," * MOST_EVENTS + "]", "1: it has too many parts to be a flow"),
        ("# " + "a" * LONGEST_TEXT, f"1: longer than {LONGEST_TEXT} signs: a flow is a page or two"),
    ],
)
def test_text_that_is_no_flow_is_one_problem(text: str, expected: str) -> None:
    assert problems(text) == [expected]


def test_flow_with_very_many_nodes_is_refused() -> None:
    nodes = "".join(f"  n{n}: {{queue: general}}\n" for n in range(301))
    text = f"flow: a\nlanguage: es\nstart: n0\nnodes:\n{nodes}"
    assert problems(text) == ["5: more than 300 nodes: make it two flows"]


@pytest.mark.parametrize("mistake", ["{quue: general}", "general"])
def test_list_of_problems_is_bounded(mistake: str) -> None:
    nodes = "".join(f"  n{n}: {mistake}\n" for n in range(200))
    assert len(problems(f"flow: a\nlanguage: es\nstart: n0\nnodes:\n{nodes}")) == MOST_PROBLEMS


def test_problem_is_printed_on_one_line_whatever_was_written() -> None:
    printed = problems(edited("then: menu", f'then: "a\\nb\\e[31m{"x" * 500}"'))
    assert printed == [f'5: unknown node "a·b·[31m{"x" * 52}…"; known: bienvenida, menu, tramites, persona']


def test_problems_of_a_long_list_of_names_show_the_first() -> None:
    nodes = "".join(f"  n{n}: {{goto: n{n + 1}}}\n" for n in range(10))
    text = f"flow: a\nlanguage: es\nstart: zzz\nnodes:\n{nodes}  n10: {{queue: general}}\n"
    assert problems(text) == ['3: unknown node "zzz"; known: n0, n1, n2, n3, n4, n5, n6, n7, …']


def test_problems_know_their_place() -> None:
    with pytest.raises(FlowInvalid) as caught:
        read_flow(edited("then: menu", "then: mneu"), file="línea.yaml")
    assert caught.value.problems == (Problem("línea.yaml", 5, 34, 'unknown node "mneu"; did you mean "menu"?'),)


def test_node_that_could_not_be_read_is_no_unknown_node() -> None:
    assert problems(edited("{queue: tramites}", "{queue: }")) == ['12: "queue" needs one word or text']


PIECES = st.one_of(
    st.sampled_from(
        ["flow", "language", "start", "nodes", *KINDS, "then", "options", "es", "general", "say", "0", "1"]
    ),
    st.sampled_from(
        [*"\n\t {}[],:-?*&!|>'\"%@`#\\~.", "\n  ", "\n    ", ": ", "- ", "---", "...", "<<", "\\u", "\ufeff"]
    ),
    st.text(max_size=5),
)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=60).map("".join)))
def test_no_text_raises_anything_but_its_problems(text: str) -> None:
    read_or_refuse(text)


@settings(deadline=None)
@given(st.integers(0, len(MENU)), st.integers(0, 30), st.lists(PIECES, max_size=4).map("".join))
def test_no_slip_of_the_hand_raises_anything_but_its_problems(place: int, length: int, slip: str) -> None:
    read_or_refuse(MENU[:place] + slip + MENU[place + length :])


def read_or_refuse(text: str) -> None:
    """Whichever of the two it is, it is done properly."""
    refused: tuple[Problem, ...] = ()
    flow = None
    try:
        flow = read_flow(text, file="línea.yaml")
    except FlowInvalid as invalid:
        refused = invalid.problems
    assert (flow is None) == (1 <= len(refused) <= MOST_PROBLEMS)
    assert all("\n" not in str(problem) and len(str(problem)) < 400 for problem in refused)
    assert all(problem.line >= 1 and problem.column >= 1 for problem in refused)
    assert flow is None or all(name in flow.nodes for node in flow.nodes.values() for name in (flow.start, *node.exits))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [" + "b," * 8000 + "]",
        "&a [" * 20_000,
        "\n".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 3000)),
        "{" * LONGEST_TEXT,
        "? " * (LONGEST_TEXT // 2),
        "- " * (LONGEST_TEXT // 2),
        "a: " * (LONGEST_TEXT // 3),
        "\n".join(" " * (n % 300) + "a:" for n in range(800)),
        '"' + "\\x41" * (LONGEST_TEXT // 5),
        "a: >\n" + " \n" * (LONGEST_TEXT // 2 - 5),
        "nodes: {" + ", ".join(f"a{n}: {{say: b, then: {'c' * 40}{n}}}" for n in range(300)) + "}",
        "flow: a\nlanguage: es\nstart: a\nnodes:\n"
        + "".join(f"  {'n' * 20}{n}: {{goto: {'n' * 20}x{n}}}\n" for n in range(300)),
    ],
)
def test_hostile_text_costs_bounded_time(text: str) -> None:
    began = time.process_time()
    read_or_refuse(text)
    assert time.process_time() - began < 10.0
