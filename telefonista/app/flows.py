"""The flows of an installation: files in the home's `flows/` win over those that come with the engine.

In: a home and its configuration. Out: the flow of each line, and those that no line opens but another flow or a queue
leads to; or `ConfigInvalid` with a line per problem. The same for procedures, in the home's `procedures/`.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import structlog

from acd import QueuePolicy, wrong_with
from ivr import (
    Flow,
    FlowInvalid,
    OtherFlow,
    Problem,
    Source,
    check_flows,
    check_queues,
    check_requirements,
    check_sources,
    load_flow,
    load_procedures,
    sample_flow,
)
from ivr.core.procedures import Procedure
from telefonista.app.config import Config, ConfigInvalid
from telefonista.app.home import Home
from telefonista.kernel.events import DestinationKind
from telefonista.kernel.ids import FlowName, LineName, QueueName

SAMPLES = ("0800-info", "santa-fe", "atencion", "demo-voz", "callback", "voicemail")
DIALOGUES = ".dialogues.yaml"

_log = structlog.get_logger("telefonista.flows")


def read_flows(home: Home, config: Config) -> Mapping[LineName, Flow]:
    """Each line's flow, checked against queues, sources and other flows. Raises `ConfigInvalid`."""
    reader = _Reader(home, config)
    flows = {LineName(line.name): reader.flow(line.flow, of=f"line {line.name}") for line in config.lines}
    reader.raise_problems()
    return {line: flow for line, flow in flows.items() if flow is not None}


def read_other_flows(home: Home, config: Config, *, lines: Mapping[LineName, Flow]) -> Mapping[FlowName, Flow]:
    """The flows that a line's flow or a queue leads to, and those that these lead to. Raises `ConfigInvalid`."""
    reader = _Reader(home, config)
    others: dict[FlowName, Flow] = {}
    ahead = [*_led_to_by_queues(config), *(name for flow in lines.values() for name in _led_to(flow))]
    while ahead:
        of, name = ahead.pop()
        if name in others:
            continue
        flow = reader.flow(name, of=of)
        if flow is not None:
            others[FlowName(name)] = flow
            ahead += _led_to(flow)
    reader.raise_problems()
    return others


def flow_named(home: Home, config: Config, *, name: str) -> Flow | None:
    """Any flow of the installation, by name; None for one that is not there or not right. Blocking."""
    if name not in known_flows(home):
        return None
    reader = _Reader(home, config)
    flow = reader.flow(name, of="a dialplan")
    if reader.problems:
        _log.error("a flow that a dialplan asks for cannot be used", flow=name, why="; ".join(reader.problems))
    return flow


def known_flows(home: Home) -> tuple[str, ...]:
    """The names of all flows that are there."""
    own = [path.stem for path in home.flows.glob("*.yaml") if not path.name.endswith(DIALOGUES)]
    return tuple(dict.fromkeys((*sorted(own), *SAMPLES)))


def check_all(flow: Flow, *, home: Home, config: Config) -> tuple[Problem, ...]:
    """What in a flow does not fit the installation."""
    queues = [QueueName(queue.name) for queue in config.queues]
    flows = [FlowName(name) for name in known_flows(home)]
    sources = {source.name: Source(frozenset(source.parameters), private=source.private) for source in config.sources}
    skills = list(dict.fromkeys(skill for agent in config.agents for skill, level in agent.skills.items() if level))
    return (
        *check_queues(flow, queues),
        *check_requirements(flow, partial(wrong_with, known=skills)),
        *check_flows(flow, flows),
        *check_sources(flow, sources),
    )


def procedures_of(home: Home) -> Mapping[str, Procedure]:
    """Raises FlowInvalid."""
    return load_procedures(home.folder / "procedures")


def is_dialogues(path: str | Path) -> bool:
    """Whether this is the file of a flow's dialogues, and no flow."""
    return str(path).endswith(DIALOGUES)


class _Reader:
    """Reads each flow once, and keeps what is wrong with any of them."""

    def __init__(self, home: Home, config: Config) -> None:
        self.home = home
        self.config = config
        self.problems: list[str] = []
        self._procedures: Mapping[str, Procedure] = {}
        try:
            self._procedures = procedures_of(home)
        except FlowInvalid as refusal:
            self.problems.append(str(refusal))

    def flow(self, name: str, *, of: str) -> Flow | None:
        own = self.home.flows / f"{name}.yaml"
        try:
            if not own.exists() and name not in SAMPLES:
                self.problems.append(f"{self.home.config_file}: {of}: no flow {name!r} at {own}")
                return None
            flow = (
                load_flow(own, procedures=self._procedures)
                if own.exists()
                else sample_flow(name, procedures=self._procedures)
            )
            wrong = check_all(flow, home=self.home, config=self.config)
            if wrong:
                raise FlowInvalid(wrong)
        except FlowInvalid as refusal:
            self.problems.append(str(refusal))
            return None
        return flow

    def raise_problems(self) -> None:
        if self.problems:
            raise ConfigInvalid("\n".join(dict.fromkeys(self.problems)))


def _led_to(flow: Flow) -> Iterator[tuple[str, str]]:
    for node in flow.nodes.values():
        if isinstance(node, OtherFlow):
            yield f"flow {flow.name}", node.flow


def _led_to_by_queues(config: Config) -> Iterator[tuple[str, str]]:
    for queue in config.queues:
        policy: QueuePolicy = queue.policy(language=config.language)
        for to in policy.destinations:
            if to.kind is DestinationKind.FLOW:
                yield f"queue {queue.name}", to.name.partition("/")[0]
            elif to.kind is DestinationKind.CALLBACK or to.kind is DestinationKind.VOICEMAIL:
                yield f"queue {queue.name}", to.name or to.kind.value
        for offered in (policy.callback, policy.voicemail):
            if offered is not None:
                yield f"queue {queue.name}", offered.flow
