"""A queues.conf from elsewhere in our words: nothing is lost in silence, and what comes out can be run."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from dialplans.core.conf import LONGEST_TEXT, read_conf
from telefonista.app import client
from telefonista.app.cli import app
from telefonista.app.config import SAMPLE, AgentConfig, QueueConfig, parse_config
from telefonista.app.config_editing import CannotEdit, Key, append_item
from telefonista.app.home import Home
from telefonista.app.queues_import import Imported, Loss, as_yaml, carried_over, merged

CENTRE = """\
[general]
persistentmembers = yes
[base](!)
strategy = rrmemory
timeout = 20
announce-frequency = 45
announce-holdtime = yes
[Atención al público](base)
maxlen = 30
servicelevel = 30
wrapuptime = 25
autopause = all
joinempty = strict
leavewhenempty = strict
member => PJSIP/101,0,Ana,PJSIP/101
member => Local/102@from-queue/n,5,Luis O'Higgins,hint:102@ext-local
member => SIP/103,10
[400]
member => PJSIP/101
"""


NAME = "Atencion-al-publico"


def imported(text: str) -> Imported:
    return carried_over(read_conf(text))


def queue_of(*lines: str) -> QueueConfig:
    (queue,) = imported("\n".join(("[a]", *lines, ""))).queues
    return queue


def notes_of(*lines: str, loss: Loss | None = None) -> list[tuple[int, Loss, str]]:
    found = imported("\n".join(("[a]", *lines, ""))).notes
    return [(note.line, note.loss, note.text) for note in found if loss in (None, note.loss)]


def test_centre_of_elsewhere_is_a_centre_here() -> None:
    found = imported(CENTRE)
    assert found.queues == (
        QueueConfig.model_validate(
            {
                "name": "Atencion-al-publico",
                "strategy": "round_robin",
                "ring_s": 20,
                "back_off_s": 5,
                "announce_every_s": 45,
                "most_waiting": 30,
                "service_level_s": 30,
                "wrap_up_s": 25,
                "most_misses": 1,
                "join_when": "available",
                "leave_when_nobody": True,
                "relax": [{"after_s": 1, "level": 2}, {"after_s": 2, "level": 3}],
            }
        ),
        QueueConfig.model_validate(
            {
                "name": "400",
                "strategy": "ring_all",
                "wrap_up_s": 0,
                "most_misses": 0,
                "say_position": False,
                "say_estimate": False,
            }
        ),
    )
    assert found.agents == (
        AgentConfig(id="101", name="Ana", queues=("Atencion-al-publico", "400")),
        AgentConfig(id="102", name="Luis O'Higgins", queues=(NAME,), levels={NAME: 2}),
        AgentConfig(id="103", queues=(NAME,), levels={NAME: 3}),
    )
    assert [(note.line, note.loss) for note in found.notes] == [
        (2, Loss.NEEDLESS),
        (8, Loss.CHANGED),
        (16, Loss.CHANGED),
    ]


def test_what_comes_out_is_read_as_what_was_meant() -> None:
    found = imported(CENTRE)
    config = parse_config(f'lines: [{{name: a, numbers: ["1"], flow: a}}]\n{as_yaml(found)}', file="c.yaml")
    assert (config.queues, config.agents) == (found.queues, found.agents)


@pytest.mark.parametrize(
    ("strategy", "ours"),
    [
        ("ringall", "ring_all"),
        ("leastrecent", "longest_idle"),
        ("fewestcalls", "fewest_calls"),
        ("random", "random"),
        ("RRmemory", "round_robin"),
        ("rrordered", "round_robin"),
        ("linear", "linear"),
        ("wrandom", "random"),
        ("bogus", "ring_all"),
    ],
)
def test_strategy_has_its_name_here(strategy: str, ours: str) -> None:
    assert queue_of(f"strategy={strategy}").strategy.value == ours


@pytest.mark.parametrize(
    ("line", "setting", "value"),
    [
        ("timeout=20", "ring_s", 20),
        ("timeout=0", "ring_s", 120),
        ("timeout=1", "ring_s", 3),
        ("timeout=abc", "ring_s", 15),
        ("retry=0", "back_off_s", 1),
        ("retry=x", "back_off_s", 5),
        ("wrapuptime=99999", "wrap_up_s", 3600),
        ("wrapuptime=x", "wrap_up_s", 0),
        ("maxlen=0", "most_waiting", 0),
        ("maxlen=-1", "most_waiting", 0),
        ("servicelevel=60", "service_level_s", 60),
        ("servicelevel=0", "service_level_s", None),
        ("weight=7", "priority", 7),
        ("weight=1000", "priority", 100),
        ("weight=0", "priority", 0),
        ("autopause=yes", "most_misses", 1),
        ("autopause=all", "most_misses", 1),
        ("autopause=no", "most_misses", 0),
        ("autopause=perhaps", "most_misses", 0),
        ("announce-frequency=0", "say_position", False),
        ("announce-frequency=30", "say_position", True),
        ("announce-frequency=5", "announce_every_s", 10),
        ("announce-frequency=x", "say_position", False),
        ("periodic-announce-frequency=90", "announce_every_s", 90),
        ("announce-holdtime=yes", "say_estimate", False),
    ],
)
def test_setting_means_here_what_it_meant_there(line: str, setting: str, value: Any) -> None:
    assert getattr(queue_of(line), setting) == value


@pytest.mark.parametrize(
    ("lines", "position", "estimate"),
    [
        ((), True, False),
        (("announce-position=no",), False, False),
        (("announce-position=limit", "announce-holdtime=once"), True, True),
        (("announce-holdtime=no",), True, False),
    ],
)
def test_position_and_estimate_are_said_as_before(lines: tuple[str, ...], position: bool, estimate: bool) -> None:
    queue = queue_of("announce-frequency=30", *lines)
    assert (queue.say_position, queue.say_estimate) == (position, estimate)


@pytest.mark.parametrize(
    ("join", "leave", "when", "leaves"),
    [
        ("yes", "no", "always", False),
        ("no", "no", "available", False),
        ("strict", "strict", "available", True),
        ("loose", "yes", "logged_in", True),
        ("paused,inuse", "no", "available", False),
        ("unavailable,invalid", "no", "logged_in", False),
        ("yes", "loose", "always", True),
    ],
)
def test_who_must_be_there_for_citizens_to_wait(join: str, leave: str, when: str, leaves: bool) -> None:
    queue = queue_of(f"joinempty={join}", f"leavewhenempty={leave}")
    assert (queue.join_when.value, queue.leave_when_nobody) == (when, leaves)


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        (("strategy=bogus",), (2, Loss.LOST, 'strategy: the strategy "bogus" is not known')),
        (("strategy=wrandom",), (2, Loss.CHANGED, "strategy: wrandom is random here")),
        (("timeout=0",), (2, Loss.CHANGED, "timeout: a telephone that rings for ever is given up")),
        (("timeout=1",), (2, Loss.CHANGED, "timeout: 1 is 3 here")),
        (("timeout=abc",), (2, Loss.LOST, 'timeout: "abc" is no number')),
        (("retry=4",), (2, Loss.CHANGED, "retry: not the queue pauses")),
        (("weight=7",), (2, Loss.CHANGED, "weight: a weight goes before everything")),
        (("autopause=yes",), (2, Loss.CHANGED, "autopause: an agent is paused in all queues")),
        (("autopause=perhaps",), (2, Loss.LOST, 'autopause: "perhaps" is neither yes nor no')),
        (("ringinuse=yes",), (2, Loss.LOST, "ringinuse: a second call")),
        (("autofill=no",), (2, Loss.CHANGED, "autofill: who waits is offered at once")),
        (("musicclass=jazz",), (2, Loss.LOST, 'musicclass: the music "jazz"')),
        (("context=ivr-2",), (2, Loss.LOST, 'context: keys that lead out, in the context "ivr-2"')),
        (("periodic-announce=custom/a",), (2, Loss.LOST, 'periodic-announce: the sounds "custom/a"')),
        (("announce=beep",), (2, Loss.LOST, "announce: the sound that an agent hears")),
        (("queue-thankyou=custom/x",), (2, Loss.LOST, "queue-thankyou: a sound of Asterisk's own")),
        (("monitor-format=wav",), (2, Loss.NEEDLESS, "monitor-format: every conversation is recorded")),
        (("bogus=1",), (2, Loss.LOST, "bogus: is not known")),
        (("bogus",), (2, Loss.LOST, 'there is no = in "bogus"')),
        (("#include more.conf",), (2, Loss.LOST, 'the file "more.conf" is not followed')),
        (("joinempty=inuse",), (2, Loss.LOST, 'joinempty: "inuse"')),
        (("joinempty=no",), (2, Loss.CHANGED, "joinempty: a telephone that is not registered")),
        (
            ("joinempty=strict", "leavewhenempty=loose"),
            (3, Loss.CHANGED, "leavewhenempty: who must be there is one"),
        ),
        (("announce-frequency=30", "announce-position=limit"), (3, Loss.CHANGED, "announce-position: limit")),
        (
            ("announce-frequency=30", "periodic-announce-frequency=60"),
            (3, Loss.CHANGED, "periodic-announce-frequency: messages are said with the position, every 30 s"),
        ),
        (("member => DAHDI/g1/099123456",), (2, Loss.LOST, 'member: "DAHDI/g1/099123456" has no number')),
        (("member => PJSIP/1",), (2, Loss.LOST, 'member: "PJSIP/1" has no number')),
        (("member => PJSIP/101,x",), (2, Loss.LOST, 'member: the penalty "x" is no number')),
        (("member => PJSIP/101,0,A{b}",), (2, Loss.LOST, 'member: the name "A{b}"')),
        (("member => PJSIP/101,0,Ana,PJSIP/102",), (2, Loss.LOST, 'member: the state of "PJSIP/102"')),
        (
            ("member => PJSIP/101,0,Ana,,yes,30,1",),
            (2, Loss.LOST, 'member: "yes,30,1": wrap-up and pauses'),
        ),
        (("member => PJSIP/101", "member => PJSIP/102,3"), (3, Loss.CHANGED, "queue a: penalties are levels")),
    ],
)
def test_line_that_is_not_carried_over_as_it_was_is_named(lines: tuple[str, ...], note: tuple[int, Loss, str]) -> None:
    found = [(line, loss, text[: len(note[2])]) for line, loss, text in notes_of(*lines)]
    assert note in found, notes_of(*lines)


@pytest.mark.parametrize(
    "line",
    [
        "strategy=ringall",
        "timeout=20",
        "wrapuptime=5",
        "maxlen=9",
        "autofill=yes",
        "musicclass=default",
        "ringinuse=no",
    ],
)
def test_line_that_is_carried_over_as_it_was_needs_no_word(line: str) -> None:
    assert notes_of(line) == []


def test_what_general_says_is_named_too() -> None:
    found = imported("[general]\nautofill=yes\nmonitor-type=MixMonitor\nshared_lastcall=yes\n[a]\n").notes
    assert [(note.line, note.loss) for note in found] == [(2, Loss.NEEDLESS), (3, Loss.NEEDLESS), (4, Loss.LOST)]


def test_line_of_a_template_is_named_once_for_all_who_inherit_it() -> None:
    found = imported("[t](!)\ncontext=x\n[a](t)\n[b](t)\n")
    assert len(found.queues) == 2
    assert [note.line for note in found.notes] == [2]


def test_queues_whose_names_become_the_same_stay_two() -> None:
    found = imported("[Línea 1]\n[linea-1]\n[Linea-1]\n[¿?]\n[" + "x" * 60 + "]\n")
    assert [queue.name for queue in found.queues] == ["Linea-1", "linea-1", "Linea-1-2", "cola", "x" * 40]


def test_more_penalties_than_levels_share_the_last_level() -> None:
    members = "".join(f"member => PJSIP/{100 + n},{n}\n" for n in range(12))
    found = imported(f"[a]\n{members}")
    assert [agent.levels.get("a", 1) for agent in found.agents] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9]
    assert any("of 12 penalties the last are one level" in note.text for note in found.notes)


def test_import_is_put_beside_what_is_there_and_nothing_of_that_changes() -> None:
    found = imported(
        CENTRE + "[general2]\nmember => PJSIP/101,0\nmember => PJSIP/201,1\n[tramites]\nmember => PJSIP/201\n"
    )
    text, left_out = merged(SAMPLE, found, file="c.yaml")
    assert left_out == ["the queue tramites is there already, and stays as it is"]
    config = parse_config(text, file="c.yaml")
    assert [queue.name for queue in config.queues][4:] == ["Atencion-al-publico", "400", "general2"]
    agents = {agent.id: agent for agent in config.agents}
    assert agents["101"].name == "Posición 1"
    assert agents["101"].queues[4:] == ("Atencion-al-publico", "400", "general2")
    assert agents["102"].levels == {"Atencion-al-publico": 2}
    assert agents["201"].queues == ("general2", "tramites")
    kept = [line for line in SAMPLE.splitlines() if "{id:" not in line]
    assert [line for line in text.splitlines() if line in kept] == kept


def test_levels_that_are_there_stay_and_new_ones_are_added() -> None:
    here = SAMPLE.replace('{id: "102",', '{id: "102", levels: {general: 3},')
    text, _ = merged(here, imported(CENTRE), file="c.yaml")
    assert parse_config(text, file="c.yaml").agents[1].levels == {"general": 3, "Atencion-al-publico": 2}


def test_import_twice_is_import_once() -> None:
    once, _ = merged(SAMPLE, imported(CENTRE), file="c.yaml")
    twice, left_out = merged(once, imported(CENTRE), file="c.yaml")
    assert twice == once
    assert len(left_out) == 2


def test_file_that_cannot_be_edited_without_risk_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(text: str, where: list[Key], *, item: str) -> str:
        return append_item(text, where, item=item).replace("node: tf1", "node: tf2")

    monkeypatch.setattr("telefonista.app.queues_import.append_item", careless)
    with pytest.raises(CannotEdit, match="edit it by hand"):
        merged(SAMPLE, imported(CENTRE), file="c.yaml")


LINES = st.one_of(
    st.sampled_from(
        [
            "[a]",
            "[b](a)",
            "[t](!)",
            "[c](+)",
            "member => PJSIP/101,3,Ana",
            "member=Local/102@x/n",
            'member => SIP/9,-1,"x"',
        ]
    ),
    st.builds(
        "{}={}".format,
        st.sampled_from(
            ["timeout", "retry", "weight", "strategy", "joinempty", "autopause", "announce-frequency", "maxlen"]
        ),
        st.text(max_size=12),
    ),
    st.text(max_size=30),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINES, max_size=25))
def test_whatever_the_file_what_comes_out_is_a_configuration(lines: list[str]) -> None:
    found = imported("\n".join(lines))
    text, _ = merged(SAMPLE, found, file="c.yaml")
    config = parse_config(text, file="c.yaml")
    assert {queue.name for queue in found.queues} <= {queue.name for queue in config.queues}
    assert {agent.id for agent in found.agents} <= {agent.id for agent in config.agents}


# At the terminal.


@pytest.fixture
def centre(tmp_path: Path) -> Path:
    path = tmp_path / "queues.conf"
    path.write_text(CENTRE, encoding="utf-8")
    return path


def test_terminal_shows_what_becomes_of_it_and_what_does_not(centre: Path) -> None:
    result = CliRunner().invoke(app, ["import", str(centre)])
    assert result.exit_code == 0
    found = parse_config(f'lines: [{{name: a, numbers: ["1"], flow: a}}]\n{result.stdout}', file="c")
    assert found.queues == imported(CENTRE).queues
    assert result.stderr.splitlines() == [
        f'{centre}:8: changed: the queue "Atención al público" is called Atencion-al-publico',
        f"{centre}:16: changed: queue Atencion-al-publico: penalties are levels; each higher one answers too after 1 s "
        "more (`relax`)",
    ]
    assert "needless" in CliRunner().invoke(app, ["import", str(centre), "--all"]).stderr


def test_machine_gets_queues_agents_and_notes(centre: Path) -> None:
    told = json.loads(CliRunner().invoke(app, ["import", str(centre), "--json"]).stdout)
    assert [queue["name"] for queue in told["queues"]] == ["Atencion-al-publico", "400"]
    assert [agent["id"] for agent in told["agents"]] == ["101", "102", "103"]
    assert {note["loss"] for note in told["notes"]} == {"needless", "changed"}


def test_import_goes_into_the_configuration_and_the_engine_is_told(
    home: Home, centre: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(client, "post", lambda home, path: asked.append(path))
    result = CliRunner().invoke(app, ["import", str(centre), "--into", "--home", str(home.folder)])
    assert result.exit_code == 0, result.output
    assert "2 queues and 3 agents" in result.stdout
    again = CliRunner().invoke(app, ["import", str(centre), "--into", "--home", str(home.folder)])
    assert "the queue 400 is there already" in again.stdout
    assert asked == ["/reload", "/reload"]
    assert "Atencion-al-publico" in home.config_file.read_text(encoding="utf-8")


def test_import_that_the_engine_refuses_is_taken_back(
    home: Home, centre: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(home: Home, path: str) -> None:
        raise client.EngineRefused("no")

    monkeypatch.setattr(client, "post", refuse)
    result = CliRunner().invoke(app, ["import", str(centre), "--into", "--home", str(home.folder)])
    assert result.exit_code == 2
    assert home.config_file.read_text(encoding="utf-8") == SAMPLE


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x7fELF\x00\x00", "is no text"),
        (b"", "there is no queue in it"),
        (b"[general]\nx=1\n", "there is no queue in it"),
        (b"x" * (LONGEST_TEXT + 1), "is longer than"),
    ],
)
def test_file_that_is_no_queues_conf_is_refused(home: Home, tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "queues.conf"
    path.write_bytes(content)
    result = CliRunner().invoke(app, ["import", str(path), "--into", "--home", str(home.folder)])
    assert result.exit_code == 2
    assert why in result.stderr
    assert home.config_file.read_text(encoding="utf-8") == SAMPLE


def test_file_that_is_not_there_and_one_of_another_age_are_understood(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["import", str(tmp_path / "none.conf")])
    assert result.exit_code == 2
    assert "cannot be read: No such file" in result.stderr
    old = tmp_path / "old.conf"
    old.write_bytes("[a]\nmember => SIP/101,0,Íñigo\n".encode("latin-1"))
    assert "Íñigo" in CliRunner().invoke(app, ["import", str(old)]).stdout
