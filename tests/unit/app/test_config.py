"""The configuration file: what is accepted can be run, and what is refused is named with its line and what would do."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from acd import Drain, Overflow, OverflowWhen, Relaxation, Strategy, read_destination
from dialplans import AgentAccount, CitizenAccount, Encryption, PublicNumber, Trunk
from dialplans.core import values
from telefonista.app.compose import members
from telefonista.app.config import (
    CITIZEN_TELEPHONE,
    SAMPLE,
    Config,
    ConfigInvalid,
    RouteConfig,
    parse_config,
    read_config,
    warnings,
)
from telefonista.kernel.commands import Prompt
from telefonista.kernel.ids import QueueName

LEAST = """\
lines:
  - {name: 0800-info, numbers: ["4636"], flow: 0800-info}
queues:
  - name: general
agents:
  - {id: "101", queues: [general]}
"""


def refused(text: str) -> list[str]:
    """The problems, one a line."""
    with pytest.raises(ConfigInvalid) as problem:
        parse_config(text, file="c.yaml")
    return str(problem.value).splitlines()


def problems_of(text: str) -> list[str]:
    try:
        parse_config(text, file="c.yaml")
    except ConfigInvalid as problem:
        return str(problem).splitlines()
    return []


def with_line(line: str) -> str:
    return f"{LEAST}{line}\n"


def test_sample_is_a_configuration_for_uruguay_with_three_positions() -> None:
    config = parse_config(SAMPLE, file="c.yaml")
    assert (config.node, config.country, len(config.agents)) == ("tf1", "UY", 3)
    assert [queue.name for queue in config.queues] == ["general", "tramites", "impuestos", "vacunacion"]
    assert config.lines[0].numbers == ("4636", "*463", "463")


def test_least_that_must_be_said_is_a_line_a_queue_and_an_agent() -> None:
    config = parse_config(LEAST, file="c.yaml")
    assert (config.sip_port, config.own_asterisk, config.database.url) == (5060, True, "")
    assert [(route.name, route.addresses) for route in config.routes] == [("ciudadanos", ("127.0.0.1",))]


def test_what_is_missing_is_said_all_at_once() -> None:
    assert refused("node: tf1\n") == [f"c.yaml:1: {name} is missing" for name in ("lines", "queues", "agents")]


def test_unknown_setting_is_named_with_its_line_and_the_nearest_one_that_there_is() -> None:
    problems = refused(LEAST.replace("- name: general", "- name: general\n    anounce_every_s: 20"))
    assert problems == ['c.yaml:5: unknown setting "anounce_every_s"; did you mean "announce_every_s"?']


def test_value_out_of_range_is_named_with_its_place_and_its_line() -> None:
    (problem,) = refused(LEAST.replace("- name: general", "- name: general\n    ring_s: 600"))
    assert problem.startswith("c.yaml:5: queues.0.ring_s: ")
    assert "120" in problem
    assert "600" in problem


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("node: -tf1", "node"),
        ("node: tf 1", "node"),
        ("node: nodo_ñ", "node"),
        ("country: Uruguay", "country"),
        ("country: XX", "country"),
        ("language: español", "language"),
        ("sip_address: pbx.example.org", "sip_address"),
        ("sip_address: 10.0.0.0/8", "sip_address"),
        ("sip_address: fe80::1%eth0", "sip_address"),
        ("sip_port: 506", "sip_port"),
        ("sip_port: 70000", "sip_port"),
        ("http_port: 0", "http_port"),
        ("service_level_s: nan", "service_level_s"),
        ("service_level_s: inf", "service_level_s"),
        ("own_asterisk: perhaps", "own_asterisk"),
        ("longest_call_s: 1.5", "longest_call_s"),
        ("routes: [{name: r, addresses: [carrier.example.org]}]", "routes.0.addresses.0"),
        ("routes: [{name: r, addresses: [300.1.1.1]}]", "routes.0.addresses.0"),
        ("routes: [{name: r, addresses: []}]", "routes.0.addresses"),
    ],
)
def test_value_that_would_not_work_is_refused_at_its_line(line: str, place: str) -> None:
    problems = refused(with_line(line))
    assert problems[0].startswith(f"c.yaml:7: {place}: "), problems


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("lines: x", "lines: expected a list, as in [a, b]"),
        ("lines: [x]", "lines.0: expected settings, as in {name: general}"),
        ("lines: []", "lines: needs at least one"),
        ("node: [a]", "node: expected a word"),
        ("agents: [{id: [1], queues: [a]}]", "agents.0.id: expected a word"),
    ],
)
def test_value_of_another_shape_is_refused_in_plain_words(line: str, problem: str) -> None:
    assert f"c.yaml:1: {problem}" in refused(line)


@pytest.mark.parametrize("number", ["46 36", "0800-INFO", "", "4+6", "4" * 21, "${EXTEN}"])
def test_number_that_no_telephone_can_dial_is_refused(number: str) -> None:
    (problem,) = refused(LEAST.replace('"4636"', f'"{number}"'))
    assert problem.startswith("c.yaml:2: lines.0.numbers.0: ")


@pytest.mark.parametrize(
    ("old", "new"), [('id: "101"', 'id: "1"'), ('id: "101"', 'id: "10a"'), ('id: "101"', "id: ٣٤")]
)
def test_agents_number_has_digits(old: str, new: str) -> None:
    assert refused(LEAST.replace(old, new))[0].startswith("c.yaml:6: agents.0.id: ")


@pytest.mark.parametrize("name", ["Ana [101]", 'Ana "la jefa"', "a" * 61, "Ana; Luis", "Ana <101>"])
def test_name_that_a_telephones_display_would_not_take_is_refused(name: str) -> None:
    assert refused(LEAST.replace('id: "101"', f"id: '101', name: '{name}'"))[0].startswith("c.yaml:6: agents.0.name: ")


def test_every_country_and_language_is_known_in_any_case() -> None:
    assert parse_config(with_line("country: ar\nlanguage: es-AR"), file="c.yaml").country == "AR"


def test_queue_that_no_queue_is_named_with_the_nearest_one() -> None:
    assert refused(LEAST.replace("queues: [general]", "queues: [genral]")) == [
        'c.yaml:6: unknown queue "genral"; did you mean "general"?'
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (LEAST.replace("  - name: general", "  - name: general\n  - name: general"), 'c.yaml:5: the queue "general"'),
        (LEAST.replace('["4636"]', '["4636", "4636"]'), 'c.yaml:2: the number "4636"'),
        (LEAST + '  - {id: "101", queues: [general]}\n', 'c.yaml:7: the agent "101"'),
        (
            LEAST.replace("queues:\n", '  - {name: 0800-info, numbers: ["1"], flow: x}\nqueues:\n', 1),
            'c.yaml:3: the line "0800-info"',
        ),
        (
            with_line("routes:\n  - {name: r, addresses: [10.0.0.1]}\n  - {name: r, addresses: [10.0.0.2]}"),
            'c.yaml:9: the route "r"',
        ),
    ],
    ids=["queue", "number", "agent", "line", "route"],
)
def test_name_that_stands_twice_is_refused_where_it_stands_the_second_time(text: str, problem: str) -> None:
    assert refused(text) == [f"{problem} stands here twice"]


@pytest.mark.parametrize("name", ["101", CITIZEN_TELEPHONE])
def test_route_cannot_have_the_name_of_a_telephone(name: str) -> None:
    text = with_line(f'routes:\n  - {{name: "{name}", addresses: [10.0.0.1]}}')
    assert refused(text) == [f'c.yaml:8: the route "{name}" has the name of a telephone']


def test_setting_that_stands_twice_is_refused() -> None:
    assert refused(with_line("node: a\nnode: b")) == ['c.yaml:8: "node" stands here twice']


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "- a\n- b\n",
        "a: [",
        "a: b: c",
        "\x00",
        "\ud800",
        "a: &x [*x]\n",
        "[" * 5000,
        "!!python/name:os x",
    ],
    ids=["empty", "words", "row", "open", "colons", "NUL", "surrogate", "circle", "deep", "types"],
)
def test_file_that_is_no_configuration_is_refused_in_few_words_and_at_once(text: str) -> None:
    problems = refused(text)
    assert problems
    assert all(problem.startswith("c.yaml:") and len(problem) < 300 for problem in problems)


def test_aliases_that_multiply_cost_no_time() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    assert refused(bomb)


def test_configuration_cannot_be_changed_once_it_is_read() -> None:
    config = parse_config(LEAST, file="c.yaml")
    with pytest.raises(ValidationError):
        config.node = "other"


def test_queue_becomes_the_policy_that_the_desk_follows() -> None:
    text = LEAST.replace("- name: general", "- {name: general, ring_s: 8, wrap_up_s: 0, messages: [Aguarde.]}")
    policy = parse_config(text, file="c.yaml").queues[0].policy(language="es")
    assert (policy.name, policy.ring_s, policy.wrap_up_s) == (QueueName("general"), 8.0, 0.0)
    assert policy.messages == (Prompt(text="Aguarde.", language="es"),)


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"none\.yaml: cannot be read"):
        read_config(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("node: ñ".encode("latin-1"))
    with pytest.raises(ConfigInvalid, match=r"latin\.yaml: cannot be read"):
        read_config(tmp_path / "latin.yaml")
    (tmp_path / "c.yaml").write_text(LEAST)
    assert read_config(tmp_path / "c.yaml") == parse_config(LEAST, file="c.yaml")


HOSTILE = st.one_of(
    st.sampled_from(
        ["tf1", "-", "a-b", "101", "ciudadano", "10.0.0.1", "::1", "10.0.0.1/33", "es", "UY", "*463", "Ana"]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12),
    st.text("0123456789*#+-_.[]$", max_size=12),
)


@pytest.mark.parametrize("dial", ["192.0.2.7", "192.0.2.7:0", "carrier.example:5060", "192.0.2.7:sip"])
def test_route_dials_an_address_and_a_port_and_nothing_else(dial: str) -> None:
    route = {"name": "red", "addresses": ["192.0.2.7"]}
    assert RouteConfig.model_validate({**route, "dial": "192.0.2.7:5060"}).dial == "192.0.2.7:5060"
    with pytest.raises(ValidationError, match=r"192\.0\.2\.7:5060"):
        RouteConfig.model_validate({**route, "dial": dial})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words=st.lists(HOSTILE, min_size=9, max_size=9))
def test_configuration_that_is_accepted_can_be_told_to_asterisk(words: list[str]) -> None:
    node, line, number, queue, agent, name, route, address, language = words
    given = {
        "node": node,
        "language": language,
        "sip_address": address,
        "lines": [{"name": line, "numbers": [number], "flow": "x"}],
        "queues": [{"name": queue}],
        "agents": [{"id": agent, "name": name, "queues": [queue]}],
        "routes": [{"name": route, "addresses": [address]}],
    }
    try:
        config = Config.model_validate(given)
    except ValidationError:
        return
    values.word(config.node, what="node")
    values.word(config.language, what="language")
    values.address(config.sip_address, what="address")
    PublicNumber(config.lines[0].numbers[0], config.lines[0].name)
    values.word(config.queues[0].name, what="queue")
    AgentAccount(config.agents[0].id, "a-long-enough-secret", config.agents[0].name)
    Trunk(config.routes[0].name, config.routes[0].addresses)
    CitizenAccount(CITIZEN_TELEPHONE, "a-long-enough-secret")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    place=st.integers(0, len(SAMPLE) - 1), cut=st.integers(0, 12), put=st.text("\t\n :-[]{}&*!|>'\"%@`#a1,", max_size=6)
)
def test_slip_anywhere_in_the_file_is_a_configuration_or_a_named_mistake(place: int, cut: int, put: str) -> None:
    text = SAMPLE[:place] + put + SAMPLE[place + cut :]
    assert all(line.startswith("c.yaml:") for line in problems_of(text))


def test_agent_has_skills_with_levels_and_languages() -> None:
    text = LEAST.replace(
        "queues: [general]}", "queues: [general], skills: {impuestos: 7, guarani: 0}, languages: [es, gn]}"
    )
    (agent,) = parse_config(text, file="c.yaml").agents
    assert (agent.skills, agent.languages) == ({"impuestos": 7, "guarani": 0}, ("es", "gn"))
    (member,) = members(parse_config(text, file="c.yaml"))
    assert (dict(member.skills), member.languages) == ({"impuestos": 7, "guarani": 0}, ("es", "gn"))


@pytest.mark.parametrize(
    "skills",
    ["{impuestos: 11}", "{impuestos: -1}", "{impuestos: 7.5}", "{impuestos: bien}", "{impues tos: 7}", "[impuestos]"],
)
def test_skill_without_a_name_or_with_a_level_that_there_is_not_is_refused(skills: str) -> None:
    (problem,) = refused(LEAST.replace("queues: [general]}", f"queues: [general], skills: {skills}}}"))
    assert problem.startswith("c.yaml:6: agents.0.skills"), problem


def with_queue(text: str) -> str:
    return LEAST.replace(
        "  - name: general", "  - name: general\n" + "\n".join(f"    {row}" for row in text.split("\n"))
    )


def test_queue_may_say_everything_about_itself() -> None:
    text = with_queue(
        """requires: impuestos >= 5
relax: [{after_s: 30, requires: impuestos >= 3}, {after_s: 60, level: 2}]
strategy: ring_all
service_level_s: 30
wrap_up_mode: until_done
dispositions: [resuelto, derivado]
keys: {"9": queue general, "0": hang_up}
callback: {key: "1", hours: {timezone: America/Montevideo, weekly: {monday-friday: 9-17}}}
voicemail: {}
most_waiting: 20
when_full: message "Todas las líneas están ocupadas."
overflow: [{when: closing, above: 600, to: number 1950}]
hours: {timezone: America/Montevideo, weekly: {monday-friday: 8-18}, holidays: UY}
drain: divert"""
    ).replace("queues: [general]}", "queues: [general], skills: {impuestos: 6}}")
    (queue,) = parse_config(text, file="c.yaml").queues
    policy = queue.policy(language="es", service_level_s=20)
    assert policy.relax == (Relaxation(after_s=30, requires="impuestos >= 3"), Relaxation(after_s=60, level=2))
    assert (policy.strategy, policy.service_level_s, policy.drain) == (Strategy.RING_ALL, 30, Drain.DIVERT)
    assert policy.keys == {"9": read_destination("queue general"), "0": read_destination("hang_up")}
    assert policy.overflow == (Overflow(when=OverflowWhen.CLOSING, above=600, to=read_destination("number 1950")),)
    assert policy.callback is not None
    assert policy.callback.hours is not None
    assert policy.hours is not None
    assert (policy.callback.hours.weekly[0], policy.hours.country) == (((540, 1020),), "UY")
    assert policy.voicemail is not None
    assert policy.sentences == ("Todas las líneas están ocupadas.", policy.when_closed.name)


def test_queue_takes_the_service_level_of_the_installation_unless_it_has_its_own() -> None:
    assert parse_config(LEAST, file="c.yaml").queues[0].policy(language="es", service_level_s=12).service_level_s == 12


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("strategy: fastest", 'c.yaml:5: queues.0.strategy: Input should be '),
        ("when_full: queue genral", 'c.yaml:5: unknown queue "genral"; did you mean "general"?'),
        ("when_full: somewhere", "c.yaml:5: queues.0.when_full: a destination begins with one of queue, agent"),
        ("when_full: number 0800-INFO", "c.yaml:5: queues.0.when_full: write it like this: number 1950"),
        ('keys: {"9": agent 999}', 'c.yaml:5: unknown agent "999"; known: 101'),
        ('keys: {"10": hang_up}', "c.yaml:5: queues.0.keys.10.[key]: a key is one of 0-9, * and #"),
        ('keys: {"1": hang_up}\ncallback: {}', 'c.yaml:6: the key "1" is taken by keys'),
        ('callback: {}\nvoicemail: {key: "1"}', 'c.yaml:6: the key "1" is taken by callback'),
        ("relax: [{after_s: 60}, {after_s: 30}]", "c.yaml:5: each step comes later than the one before it"),
        ("overflow: [{when: closing, above: 60, to: hang_up}]", "c.yaml:5: a queue without hours never closes"),
        ("disposition_required: true", "c.yaml:5: there are no dispositions to choose from"),
        ("dispositions: [a, a]", 'c.yaml:5: the disposition "a" stands here twice'),
        ("dispositions: [a|b]", "c.yaml:5: queues.0.dispositions.0: has 1 to 40 letters"),
        ('messages: [""]', "c.yaml:5: queues.0.messages.0: a sentence to be spoken has 1 to 300 letters"),
        ("hours: {timezone: Montevideo, weekly: {monday: 8-18}}", 'c.yaml:5: unknown time zone "Montevideo"'),
        ("callback:\n  hours: {timezone: America/Montevideo}", 'c.yaml:6: "hours" needs "weekly"'),
        ("most_waiting: 5\nwhen_full: queue general", "c.yaml:6: when_full: citizens would go round in a circle"),
    ],
)  # fmt: skip
def test_queue_that_could_not_work_is_refused_at_its_line(rows: str, problem: str) -> None:
    problems = refused(with_queue(rows))
    assert problems[0].startswith(problem), problems


def test_queues_that_send_their_citizens_round_in_a_circle_are_refused_with_the_circle() -> None:
    text = LEAST.replace(
        "  - name: general",
        """  - {name: general, most_waiting: 3, when_full: queue b}
  - {name: b, longest_wait_s: 60, when_too_long: queue c}
  - {name: c, overflow: [{when: estimate, above: 60, to: queue general}]}""",
    )
    assert refused(text) == ["c.yaml:4: when_full: citizens would go round in a circle: general -> b -> c -> general"]


def test_circle_that_a_citizen_can_only_go_by_key_is_nobodys_mistake() -> None:
    text = LEAST.replace(
        "  - name: general", '  - {name: general, keys: {"2": queue b}}\n  - {name: b, when_full: queue general}'
    )
    assert len(parse_config(text, file="c.yaml").queues) == 2


def test_queue_without_agents_is_accepted_with_a_warning() -> None:
    text = LEAST.replace("  - name: general", "  - name: general\n  - name: nueva")
    assert warnings(parse_config(text, file="c.yaml")) == ['the queue "nueva" has no agents']


TLS = "sip_tls_port: 5061"


def test_encryption_of_sound_is_set_by_agent_and_tls_by_port() -> None:
    text = with_line(f"{TLS}\ntls: {{names: [central.example.org, 192.0.2.7]}}")
    config = parse_config(text.replace("queues: [general]}", "queues: [general], encryption: required}"), file="c.yaml")
    assert (config.sip_tls_port, config.agents[0].encryption) == (5061, Encryption.REQUIRED)
    assert config.tls.names == ("central.example.org", "192.0.2.7")
    assert parse_config(LEAST, file="c.yaml").agents[0].encryption is Encryption.NONE


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (with_line("sip_tls_port: 443"), "c.yaml:7: sip_tls_port: 0 for none, or 1024 to 65535"),
        (with_line("sip_tls_port: 5060"), "c.yaml:7: sip_tls_port: taken by sip_port or http_port"),
        (with_line("sip_tls_port: 8088"), "c.yaml:7: sip_tls_port: taken by sip_port or http_port"),
        (with_line("sip_tls_port: 65536"), "c.yaml:7: sip_tls_port: "),
        (with_line("tls: {certificate: a.pem}"), "c.yaml:7: tls: a certificate and its key are given together"),
        (with_line("tls: {key: a.pem}"), "c.yaml:7: tls: a certificate and its key are given together"),
        (with_line('tls: {names: ["*.example.org"]}'), "c.yaml:7: tls.names.0: the name of a machine"),
        (with_line('tls: {names: ["a b"]}'), "c.yaml:7: tls.names.0: the name of a machine"),
        (
            LEAST.replace("queues: [general]}", "queues: [general], encryption: preferred}"),
            "c.yaml:6: encryption of sound needs sip_tls_port",
        ),
        (
            with_line(TLS).replace("queues: [general]}", "queues: [general], encryption: always}"),
            "c.yaml:6: agents.0.encryption: ",
        ),
    ],
)
def test_encryption_that_could_not_work_is_refused_at_its_line(text: str, problem: str) -> None:
    assert refused(text)[0].startswith(problem), refused(text)


def test_agent_answers_each_queue_in_a_group_of_its_own() -> None:
    text = LEAST.replace("queues: [general]}", "queues: [general], levels: {general: 2}}")
    (member,) = members(parse_config(text, file="c.yaml"))
    assert dict(member.levels) == {QueueName("general"): 2}
    (problem,) = refused(LEAST.replace("queues: [general]}", "queues: [general], levels: {otra: 2}}"))
    assert problem == 'c.yaml:6: "otra" is no queue of this agent'
    (problem,) = refused(LEAST.replace("queues: [general]}", "queues: [general], levels: {general: 10}}"))
    assert problem.startswith("c.yaml:6: agents.0.levels.general: ")


SKILLED = """\
lines:
  - {name: uno, numbers: ["1"], flow: f}
queues:
  - name: general
    requires: impuestos >= 5
    relax: [{after_s: 30, requires: impuestos >= 2}, {after_s: 60, level: 2}]
agents:
  - {id: "101", queues: [general], skills: {impuestos: 7}}
  - {id: "102", queues: [general], skills: {impuestos: 3}, levels: {general: 2}}
"""


def test_queue_that_asks_what_its_agents_have_is_accepted_without_a_word() -> None:
    assert warnings(parse_config(SKILLED, file="c.yaml")) == []


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        (
            "impuestos >= 5\n",
            "impuesto >= 5\n",
            'c.yaml:5: no agent has the skill "impuesto"; did you mean "impuestos"?',
        ),
        ("impuestos >= 5\n", "impuestos > 10\n", "c.yaml:5: cannot be true of anybody: levels go from 0 to 10"),
        (
            "requires: impuestos >= 2",
            "requires: guarani >= 1",
            'c.yaml:6: no agent has the skill "guarani"; known: impuestos',
        ),
    ],
)
def test_what_no_agent_can_ever_meet_is_refused_with_its_place(right: str, wrong: str, problem: str) -> None:
    assert refused(SKILLED.replace(right, wrong)) == [problem]


def test_what_nobody_meets_today_is_accepted_with_a_warning() -> None:
    nobody = SKILLED.replace("impuestos >= 5", "impuestos >= 9").replace("impuestos >= 2", "impuestos == 8")
    assert warnings(parse_config(nobody, file="c.yaml")) == [
        'no agent of the queue "general" has what it asks for, however long somebody waits'
    ]
    no_second = SKILLED.replace("levels: {general: 2}", "levels: {general: 3}")
    assert warnings(parse_config(no_second, file="c.yaml")) == ['no agent of the queue "general" is at level 2']
