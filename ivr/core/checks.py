"""What a flow must be beyond well written: every node reached, every citizen out in the end, a person one key away.

In: a flow whose every exit is a node. Out: findings with the node's line. Must never import another room.
"""

from collections.abc import Iterable

from ivr.core.flow import PERSON_KEY, Flow, Goto, Menu, Node, Queue, Say
from ivr.core.problems import Findings, Problem, shown
from telefonista.kernel.ids import NodeName, QueueName


def check_ways(flow: Flow, *, findings: Findings) -> None:
    """Report nodes that nothing leads to, circles that nobody leaves, and menus without a way to a person."""
    for node in flow.nodes.values():
        if isinstance(node, Menu):
            _check_person(flow, node, findings)
    _check_circles(flow, findings)
    reached = _reached(flow, (flow.start,))
    for node in flow.nodes.values():
        if node.name not in reached:
            findings.add(f"node {shown(node.name)} is never reached: nothing leads to it", line=node.line)


def check_queues(flow: Flow, queues: Iterable[QueueName]) -> tuple[Problem, ...]:
    """The flow's queues that do not exist, each with its line; empty when all do."""
    known = sorted(queues)
    findings = Findings(flow.file)
    for node in flow.nodes.values():
        if isinstance(node, Queue) and node.queue not in known:
            findings.add_unknown("queue", node.queue, known=known, line=node.line)
    return tuple(findings.problems)


def _check_person(flow: Flow, menu: Menu, findings: Findings) -> None:
    if PERSON_KEY not in menu.options:
        findings.add(
            f'menu {shown(menu.name)} has no way to a person; add the option "{PERSON_KEY}" and lead it to a queue',
            line=menu.line,
        )
        return
    node: Node = flow.nodes[menu.options[PERSON_KEY]]
    passed: set[NodeName] = set()
    while isinstance(node, Say | Goto) and node.name not in passed:
        passed.add(node.name)
        node = flow.nodes[node.then if isinstance(node, Say) else node.to]
    if not isinstance(node, Queue):
        findings.add(
            f'in menu {shown(menu.name)} the option "{PERSON_KEY}" does not lead to a person; lead it to a queue',
            line=menu.line,
        )


def _check_circles(flow: Flow, findings: Findings) -> None:
    """Follow a citizen who does nothing, from every node: no such way may come back to itself."""
    walked: set[NodeName] = set()
    for start in flow.nodes:
        way: list[NodeName] = []
        at: NodeName | None = start
        while at is not None and at not in walked:
            walked.add(at)
            way.append(at)
            at = flow.nodes[at].silent_exit
        if at in way:
            _report_circle(flow, way[way.index(at) :], findings)


def _report_circle(flow: Flow, circle: list[NodeName], findings: Findings) -> None:
    names = " → ".join(shown(name) for name in (*circle[:6], circle[0]))
    leaves = any(flow.nodes[name].silent_exit is None for name in _reached(flow, circle))
    who = "a citizen who presses nothing" if leaves else "whoever gets here, whatever is pressed,"
    findings.add(f"{who} goes round for ever: {names}", line=flow.nodes[circle[0]].line)


def _reached(flow: Flow, starts: Iterable[NodeName]) -> set[NodeName]:
    reached = set(starts)
    ahead = list(reached)
    while ahead:
        for name in flow.nodes[ahead.pop()].exits:
            if name not in reached:
                reached.add(name)
                ahead.append(name)
    return reached
