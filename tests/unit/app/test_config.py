"""The one configuration file: what is taken, and what is refused with file, line and the nearest right thing."""

import pytest

from telefonista.app.config import SAMPLE, ConfigInvalid, parse_config


def refusal(text: str) -> list[str]:
    with pytest.raises(ConfigInvalid) as refused:
        parse_config(text, file="config.yaml")
    return str(refused.value).splitlines()


def test_sample_is_a_whole_configuration() -> None:
    config = parse_config(SAMPLE, file="config.yaml")
    assert [line.name for line in config.lines] == ["0800-info"]
    assert config.lines[0].numbers == ("4636", "*463", "463")
    assert [queue.name for queue in config.queues] == ["general", "tramites", "impuestos", "vacunacion"]
    assert [agent.id for agent in config.agents] == ["101", "102", "103"]
    assert config.sip_address == "127.0.0.1", "nothing is reachable from outside unless it is asked for"


def test_numbers_and_truth_are_read_from_words() -> None:
    config = parse_config(SAMPLE + "\nsip_port: 5061\nown_asterisk: no\nservice_level_s: 12.5\n", file="config.yaml")
    assert (config.sip_port, config.own_asterisk, config.service_level_s) == (5061, False, 12.5)


def test_agent_whose_number_is_not_quoted_is_the_same_agent() -> None:
    assert parse_config(SAMPLE.replace('"101"', "101"), file="config.yaml").agents[0].id == "101"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SAMPLE.replace("country:", "contry:"), 'config.yaml:5: unknown setting "contry"; did you mean "country"?'),
        (
            SAMPLE.replace("    numbers: [", "    numbrs: ["),
            'config.yaml:9: unknown setting "numbrs"; did you mean "numbers"?',
        ),
        (
            SAMPLE.replace("queues: [general, tramites", "queues: [general, tramite", 1),
            'config.yaml:27: unknown queue "tramite"; did you mean "tramites"?',
        ),
        (
            SAMPLE.replace("  - name: general", "  - name: general\n    ring_s: soon"),
            "config.yaml:14: queues.0.ring_s: Input should be a valid number, unable to parse string as a number,"
            ' not "soon"',
        ),
        (SAMPLE + "\nnode: tf2\n", 'config.yaml:31: "node" stands here twice'),
        (
            SAMPLE.replace('id: "102"', 'id: "101"'),
            'config.yaml:28: the agent "101" stands here twice',
        ),
        (
            SAMPLE.replace('id: "101"', 'id: "1o1"'),
            'config.yaml:27: agents.0.id: an agent\'s number has 2 to 8 digits, not "1o1"',
        ),
        ("just words", "config.yaml:1: expected settings like `node: tf1`"),
    ],
)
def test_mistake_is_named_with_its_line_and_what_was_probably_meant(text: str, said: str) -> None:
    assert said in refusal(text)


@pytest.mark.parametrize(
    "text", ["a: [", "a: &x [*x]", "!!python/object:os.system {}", "\t- x", "a: " * 50, "x" * 200_000]
)
def test_what_is_no_plain_yaml_is_one_line(text: str) -> None:
    (line,) = refusal(text)
    assert line.startswith("config.yaml:")
    assert len(line) < 400
