"""People, codes and numbers in the configuration: what goes together, and what is refused with its place."""

import pytest

from agents import Power, Role
from telefonista.app.compose import members
from telefonista.app.config import ConfigInvalid, parse_config
from telefonista.kernel.events import Destination, DestinationKind

BASE = """\
lines: [{name: 0800-info, numbers: ["4636"], flow: 0800-info}]
queues: [{name: general, code: "9001"}, {name: tramites}]
agents: [{id: "101", name: "Posición 1", queues: [general]}, {id: "102", queues: [tramites]}]
"""


def test_everybody_has_a_telephone_and_a_role() -> None:
    config = parse_config(
        BASE + 'people: [{id: "201", name: "Turno", queues: [general], may: [listen]}, {id: "102"}]\n', file="c.yaml"
    )
    assert config.telephones == {"101": "Posición 1", "102": "", "201": "Turno"}
    assert {who: person.role for who, person in config.everybody.items()} == {
        "101": Role.AGENT,
        "102": Role.SUPERVISOR,
        "201": Role.SUPERVISOR,
    }
    assert config.everybody[members(config)[2].agent].powers == {Power.LISTEN}
    assert [(member.agent, member.queues) for member in members(config)] == [
        ("101", ("general",)),
        ("102", ("tramites",)),
        ("201", ()),
    ]


def test_directory_knows_colleagues_queues_lines_and_what_may_be_dialled_outside() -> None:
    directory = parse_config(BASE + 'outside_numbers: ["1950"]\n', file="c.yaml").directory
    assert [directory.find(dialled) for dialled in ("101", "9001", "tramites", "4636", "1950", "1951")] == [
        Destination(DestinationKind.AGENT, "101"),
        Destination(DestinationKind.QUEUE, "general"),
        Destination(DestinationKind.QUEUE, "tramites"),
        Destination(DestinationKind.FLOW, "0800-info"),
        Destination(DestinationKind.NUMBER, "1950"),
        None,
    ]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ('people: [{id: "201", queues: [otra]}]', 'c.yaml:4: unknown queue "otra"'),
        ('people: [{id: "201"}, {id: "201"}]', 'c.yaml:4: the person "201" stands here twice'),
        ('people: [{id: "201", may: [shout]}]', "c.yaml:4: people.0.may.0"),
        ('people: [{id: "Sol"}]', "c.yaml:4: people.0.id: an agent's number has 2 to 8 digits"),
        ('outside_numbers: ["."]', "c.yaml:4: outside_numbers.0: a pattern has digits"),
        ("pause_reasons: {a: almuerzo}", "c.yaml:4: pause_reasons.a"),
        ("login: sometimes", "c.yaml:4: login"),
        ('routes: [{name: "201", addresses: [127.0.0.1]}]\npeople: [{id: "201"}]', "has the name of a telephone"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(more: str, problem: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        parse_config(BASE + more + "\n", file="c.yaml")
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("9001", 'the code "9001" stands here twice'),
        ("101", 'the code "101" is somebody\'s number already'),
        ("4636", 'the code "4636" is somebody\'s number already'),
    ],
)
def test_code_of_a_queue_is_nobody_elses_number(code: str, problem: str) -> None:
    with pytest.raises(ConfigInvalid, match=problem):
        parse_config(BASE.replace("{name: tramites}", f'{{name: tramites, code: "{code}"}}'), file="c.yaml")
