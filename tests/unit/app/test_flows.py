"""Flows of an installation: which are read, what of them must fit it, and which others they lead to."""

from pathlib import Path

import pytest

from telefonista.app.config import SAMPLE, Config, ConfigInvalid, parse_config
from telefonista.app.flows import flow_named, known_flows, read_flows, read_other_flows
from telefonista.app.home import Home
from telefonista.kernel.ids import LineName

FLOW = """\
flow: propia
language: es
start: buscar
person: persona
variables: {deuda: private number}
nodes:
  buscar:
    lookup: patente
    with: {matricula: "'SBA1234'"}
    into: {deuda: monto}
    found: persona
    nothing: otra
    on_failure: persona
  otra: {flow: atencion}
  persona: {queue: general, requires: impuestos >= 3}
"""
SOURCES = """\
sources:
  - {name: patente, url: "https://example.org/deuda", parameters: [matricula], private: true}
"""
CONFIG = SAMPLE.replace("flow: 0800-info", "flow: propia").replace(
    "queues: [general, tramites, impuestos, vacunacion]}", "queues: [general], skills: {impuestos: 5}}", 1
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.make()
    (home.flows / "propia.yaml").write_text(FLOW, encoding="utf-8")
    return home


def configured(text: str) -> Config:
    return parse_config(text, file="config.yaml")


def problems(home: Home, text: str) -> str:
    with pytest.raises(ConfigInvalid) as refusal:
        read_flows(home, configured(text))
    return str(refusal.value)


def test_line_has_its_flow_and_those_that_it_leads_to_are_known(home: Home) -> None:
    config = configured(CONFIG + SOURCES)
    flows = read_flows(home, config)
    assert [flow.name for flow in flows.values()] == ["propia"]
    assert list(read_other_flows(home, config, lines=flows)) == ["atencion"]


def test_flows_to_which_queues_lead_are_read_too(home: Home) -> None:
    text = (CONFIG + SOURCES).replace("  - name: general\n", '  - name: general\n    callback: {key: "1"}\n', 1)
    config = configured(text)
    others = read_other_flows(home, config, lines={LineName("x"): read_flows(home, config)[LineName("0800-info")]})
    assert {"atencion", "callback"} <= set(others)


def test_source_skill_and_flow_must_be_there(home: Home) -> None:
    assert 'unknown source "patente"' in problems(home, CONFIG)
    without = (CONFIG + SOURCES).replace(", skills: {impuestos: 5}", "")
    assert 'no agent has the skill "impuestos"' in problems(home, without)
    flow = home.flows / "propia.yaml"
    flow.write_text(FLOW.replace("flow: atencion", "flow: atension"), encoding="utf-8")
    assert 'unknown flow "atension"; did you mean "atencion"?' in problems(home, CONFIG + SOURCES)


def test_flow_of_a_line_must_be_there(home: Home) -> None:
    assert "no flow 'nada' at" in problems(home, CONFIG.replace("flow: propia", "flow: nada"))


def test_procedures_of_the_installation_are_read_out(home: Home) -> None:
    folder = home.folder / "procedures"
    folder.mkdir()
    (folder / "mio.yaml").write_text("procedure: mio\ntitle: lo mío\nwhat: Es mío.\n", encoding="utf-8")
    (home.flows / "propia.yaml").write_text(
        "flow: propia\nlanguage: es\nstart: a\nperson: p\n"
        "nodes:\n  a: {procedure: mio, then: p}\n  p: {queue: general}\n",
        encoding="utf-8",
    )
    (flow,) = read_flows(home, configured(CONFIG)).values()
    assert "Es mío." in {prompt.text for prompt in flow.prompts}
    (folder / "mio.yaml").write_text("procedure: tuyo\n", encoding="utf-8")
    assert 'a procedure needs "title"' in problems(home, CONFIG)


def test_dialplan_gets_any_flow_that_is_right_by_its_name(home: Home) -> None:
    config = configured(CONFIG)
    assert known_flows(home)[0] == "propia"
    assert flow_named(home, config, name="../propia") is None
    assert flow_named(home, config, name="propia") is None  # its source is not configured
    found = flow_named(home, configured(CONFIG + SOURCES), name="propia")
    assert found is not None
    assert found.name == "propia"


def test_dialogues_beside_a_flow_are_no_flow(home: Home) -> None:
    (home.flows / "propia.dialogues.yaml").write_text("x", encoding="utf-8")
    assert "propia.dialogues" not in known_flows(home)
