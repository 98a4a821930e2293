"""What a flow must be beyond well written: every node reached, every citizen out in the end, a person one key away.

In: a flow whose every exit is a node. Out: findings with the node's line. Must never import another room.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from ivr.core.flow import (
    PERSON_KEY,
    Ask,
    BackToQueue,
    Branch,
    Callback,
    Flow,
    Goto,
    Hours,
    Inquiry,
    Invoke,
    Language,
    Lookup,
    Menu,
    Node,
    OtherFlow,
    Queue,
    Return,
    Say,
    Set,
    Transfer,
    Voicemail,
)
from telefonista.kernel.ids import FlowName, NodeName, QueueName
from telefonista.notation.problems import Findings, Problem, shown

_PEOPLE = (Queue, Transfer, BackToQueue)
"""Where a person answers in the end."""
_Place: TypeAlias = tuple[NodeName, tuple[NodeName, ...]]
"""A node, and where the sub-flows that lead to it go on when they are done."""
_LONGEST_WAY = 300
"""Nodes; a call that goes through more in one flow is given to a person."""


def check_ways(flow: Flow, *, findings: Findings) -> None:
    """Report nodes that nothing leads to, circles that nobody leaves, and menus without a way to a person."""
    for node in flow.nodes.values():
        if isinstance(node, Menu):
            _check_person(flow, node, findings)
        elif isinstance(node, Ask):
            _check_escape(flow, node, findings)
    if flow.person and not isinstance(_first_that_counts(flow, flow.person), _PEOPLE):
        findings.add('"person" does not lead to a person; lead it to a queue', line=flow.nodes[flow.person].line)
    _check_circles(flow, findings)
    _check_returns(flow, findings)
    reached = _reached(flow, tuple(filter(None, (flow.start, flow.person))))
    for node in flow.nodes.values():
        if node.name not in reached:
            findings.add(f"node {shown(node.name)} is never reached: nothing leads to it", line=node.line)


def check_queues(flow: Flow, queues: Iterable[QueueName]) -> tuple[Problem, ...]:
    """The flow's queues that do not exist, each with its line; empty when all do."""
    known = sorted(queues)
    findings = Findings(flow.file)
    for node in flow.nodes.values():
        queue = node.queue if isinstance(node, Queue | Callback | Voicemail) else ""
        if queue and not queue.startswith("{") and queue not in known:
            findings.add_unknown("queue", queue, known=known, line=node.line)
    return tuple(findings.problems)


def check_requirements(flow: Flow, wrong_with: Callable[[str], str]) -> tuple[Problem, ...]:
    """What the flow asks of agents and none can meet, each with its line. `wrong_with` tells why, or gives nothing."""
    findings = Findings(flow.file)
    for node in flow.nodes.values():
        why = wrong_with(node.requires) if isinstance(node, Queue) and node.requires else ""
        if why:
            findings.add(f"requires: {why}", line=node.line)
    return tuple(findings.problems)


def check_flows(flow: Flow, flows: Iterable[FlowName]) -> tuple[Problem, ...]:
    """Flows that this one goes on in and that do not exist, each with its line; empty when all do."""
    known = sorted(flows)
    findings = Findings(flow.file)
    for node in flow.nodes.values():
        if isinstance(node, OtherFlow) and node.flow not in known:
            findings.add_unknown("flow", node.flow, known=known, line=node.line)
    return tuple(findings.problems)


class Source(NamedTuple):
    """What a flow must know of something that can be asked."""

    parameters: frozenset[str]
    private: bool = False


def check_sources(flow: Flow, sources: Mapping[str, Source]) -> tuple[Problem, ...]:
    """What is asked of sources that do not exist, or not as they can be asked; each with its line.

    What a private source answers goes into private variables: else it would leave the house by another door.
    """
    findings = Findings(flow.file)
    for node in flow.nodes.values():
        if not isinstance(node, Lookup):
            continue
        source = sources.get(node.source)
        if source is None:
            findings.add_unknown("source", node.source, known=sorted(sources), line=node.line)
            continue
        known = sorted(source.parameters)
        for name in node.parameters:
            if name not in source.parameters:
                findings.add_unknown("parameter", name, known=known, line=node.line, of=f"source {node.source}")
        lacking = sorted(source.parameters - set(node.parameters))
        if lacking:
            findings.add(f"source {shown(node.source)} also needs {', '.join(lacking)}", line=node.line)
        for variable in node.wanted:
            if source.private and variable not in flow.private:
                findings.add(
                    f"source {shown(node.source)} is private: make {shown(variable)} a private variable", line=node.line
                )
    return tuple(findings.problems)


def _check_person(flow: Flow, menu: Menu, findings: Findings) -> None:
    if PERSON_KEY not in menu.options:
        findings.add(
            f'menu {shown(menu.name)} has no way to a person; add the option "{PERSON_KEY}" and lead it to a queue',
            line=menu.line,
        )
    elif not isinstance(_first_that_counts(flow, menu.options[PERSON_KEY]), _PEOPLE):
        findings.add(
            f'in menu {shown(menu.name)} the option "{PERSON_KEY}" does not lead to a person; lead it to a queue',
            line=menu.line,
        )


def _check_escape(flow: Flow, ask: Ask, findings: Findings) -> None:
    if not isinstance(_first_that_counts(flow, ask.on_failure), (*_PEOPLE, Menu)):
        findings.add(
            f'"on_failure" of {shown(ask.name)} does not lead to a person; lead it to a queue, or to a menu',
            line=ask.line,
        )


def _first_that_counts(flow: Flow, name: NodeName) -> Node:
    """The first node from here on that is more than a step on the way."""
    node = flow.nodes[name]
    passed: set[NodeName] = set()
    while isinstance(node, Say | Goto | Set | Branch | Hours | Language) and node.name not in passed:
        passed.add(node.name)
        assert node.silent_exit is not None
        node = flow.nodes[node.silent_exit]
    return node


def _check_returns(flow: Flow, findings: Findings) -> None:
    """Without going into sub-flows, nobody may come to where one ends."""
    for name in sorted(_reached(flow, (flow.start,), into_subs=False)):
        node = flow.nodes[name]
        if isinstance(node, Return):
            findings.add(f"node {shown(name)} returns, but the way to it goes through no invoke", line=node.line)


def _check_circles(flow: Flow, findings: Findings) -> None:
    """Follow a citizen who does nothing, from every node, once while offices are open and others answer, and once while
    neither is so: no such way may come back to itself, nor be longer than the engine has patience for."""
    told: set[NodeName] = set()
    for opened in (True, False):
        walked: set[_Place] = set()
        for start in flow.nodes:
            circle = _circle(flow, start, opened=opened, walked=walked)
            if circle and not told & set(circle):
                told |= set(circle)
                _report_circle(flow, circle, findings)


def _circle(flow: Flow, start: NodeName, *, opened: bool, walked: set[_Place]) -> list[NodeName]:
    """The first circle on the way from `start`; empty when it ends, or comes where we have been before."""
    way: list[_Place] = []
    place: _Place | None = (start, ())
    while place is not None and place not in walked:
        walked.add(place)
        way.append(place)
        if len(way) > _LONGEST_WAY:
            return list(dict.fromkeys(name for name, _ in way))
        place = _silently_next(flow, place, opened=opened)
    return [name for name, _ in way[way.index(place) :]] if place in way else []


def _silently_next(flow: Flow, place: _Place, *, opened: bool) -> _Place | None:
    name, returns = place
    node = flow.nodes[name]
    if isinstance(node, Return):
        return (returns[-1], returns[:-1]) if returns else None
    if isinstance(node, Invoke):
        returns = (*returns, node.then)
    following = node.silent_exit
    if isinstance(node, Hours) and not opened:
        following = node.closed
    elif isinstance(node, Inquiry) and opened:
        following = node.found
    return None if following is None else (following, returns)


def _report_circle(flow: Flow, circle: list[NodeName], findings: Findings) -> None:
    names = " → ".join(shown(name) for name in (*circle[:6], circle[0]))
    leaves = any(flow.nodes[name].silent_exit is None for name in _reached(flow, circle))
    who = "a citizen who presses nothing" if leaves else "whoever gets here, whatever is pressed,"
    findings.add(f"{who} goes round for ever: {names}", line=flow.nodes[circle[0]].line)


def _reached(flow: Flow, starts: Iterable[NodeName], *, into_subs: bool = True) -> set[NodeName]:
    reached = set(starts)
    ahead = list(reached)
    while ahead:
        node = flow.nodes[ahead.pop()]
        for name in (node.then,) if isinstance(node, Invoke) and not into_subs else node.exits:
            if name not in reached:
                reached.add(name)
                ahead.append(name)
    return reached
