"""A flow as a picture: SVG that shows at a glance what is said, which key leads where, and where every way ends.

In: a flow. Out: the text of an SVG file. Nodes stand in columns from left to right, each with its exits in rows; a line
leads from the row to the node. What would cross the picture from everywhere (ways back, and ways to a node that many
lead to, such as the person) is named in the row instead. Must never import another room.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import NamedTuple

from ivr.core.flow import (
    Ask,
    BackToQueue,
    Branch,
    Callback,
    Flow,
    Goto,
    Hangup,
    Hours,
    Inquiry,
    Invoke,
    Language,
    Listen,
    Lookup,
    Menu,
    Node,
    OtherFlow,
    Question,
    Queue,
    Return,
    Say,
    Set,
    TicketOpening,
    TicketReading,
    Transfer,
    Voicemail,
)
from telefonista.kernel.ids import NodeName

BOX_WIDTH = 270
COLUMN_GAP = 90
ROW_GAP = 22
MARGIN = 30
LINE_HEIGHT = 16
HEAD_HEIGHT = 26
PADDING = 8
TEXT_SIGNS = 40
"""That fit into a line of a box."""
TEXT_LINES = 4
MANY = 4
"""Ways that lead to one node: from here on they are named and not drawn."""
_PASSES = 12

_KINDS: Mapping[type[Node], tuple[str, str]] = {
    Say: ("say", "#5b6b7b"),
    Menu: ("menu", "#1f5fa8"),
    Listen: ("listen", "#1f5fa8"),
    Ask: ("ask", "#0f766e"),
    Set: ("set", "#7c6f1d"),
    Branch: ("branch", "#b45309"),
    Hours: ("hours", "#b45309"),
    Invoke: ("invoke", "#6d3fa0"),
    Return: ("return", "#6d3fa0"),
    Goto: ("goto", "#5b6b7b"),
    Queue: ("queue", "#15803d"),
    Hangup: ("hangup", "#9f1239"),
    Language: ("language", "#5b6b7b"),
    Lookup: ("lookup", "#0e7490"),
    TicketOpening: ("ticket", "#0e7490"),
    TicketReading: ("ticket", "#0e7490"),
    Question: ("survey", "#1f5fa8"),
    Transfer: ("transfer", "#15803d"),
    OtherFlow: ("flow", "#15803d"),
    BackToQueue: ("back_to_queue", "#15803d"),
    Callback: ("callback", "#15803d"),
    Voicemail: ("voicemail", "#15803d"),
}


class _Exit(NamedTuple):
    label: str
    to: NodeName
    drawn: bool


class _Box:
    """A node, or the place where a long line passes a column."""

    def __init__(self, node: Node | None, exits: list[_Exit]) -> None:
        self.node = node
        self.exits = exits
        self.lines = [] if node is None else _lines(node)
        self.x = 0.0
        self.y = 0.0

    @property
    def height(self) -> float:
        if self.node is None:
            return 4
        return HEAD_HEIGHT + LINE_HEIGHT * (len(self.lines) + len(self.exits)) + 2 * PADDING

    def port_y(self, row: int) -> float:
        """Where the line of an exit begins."""
        if self.node is None:
            return self.y + 2
        return self.y + HEAD_HEIGHT + PADDING + LINE_HEIGHT * (len(self.lines) + row + 0.5)

    @property
    def entry_y(self) -> float:
        return self.y + (2 if self.node is None else HEAD_HEIGHT / 2)


class _Line(NamedTuple):
    source: _Box
    row: int
    target: _Box


def draw(flow: Flow) -> str:
    """The picture of a flow, an SVG document."""
    columns, lines = _arranged(flow)
    _place(columns, lines)
    boxes = [box for column in columns for box in column]
    width = max(box.x for box in boxes) + BOX_WIDTH + MARGIN
    height = max(box.y + box.height for box in boxes) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="DejaVu Sans, Verdana, sans-serif" font-size="11">',
        f"<title>{escape(flow.name)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto-start-reverse"><path d="M0 0 L8 4 L0 8 z" fill="#64748b"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="24" font-size="15" font-weight="bold" fill="#0f172a">{escape(flow.name)}</text>',
        *(_line_svg(line) for line in lines),
        *(svg for box in boxes if box.node is not None for svg in _box_svg(box, box.node, start=flow.start)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _exits(node: Node) -> Iterator[tuple[str, NodeName]]:
    """By the words of the flow's file."""
    if isinstance(node, Menu):
        said = next(iter(node.phrases.values()), {}) if isinstance(node, Listen) else {}
        for key, to in node.options.items():
            way = f"{key} «{said[key][0]}»" if said.get(key) else key
            yield (f"{way} · on_failure" if to == node.on_failure else way), to
        if node.on_failure not in node.options.values():
            yield "on_failure", node.on_failure
    elif isinstance(node, Ask):
        yield from (("then", node.then), ("on_failure", node.on_failure))
    elif isinstance(node, Branch):
        yield from ((condition.text, to) for condition, to in node.cases)
        yield "otherwise", node.otherwise
    elif isinstance(node, Hours):
        yield from (("open", node.open), ("closed", node.closed))
    elif isinstance(node, Invoke):
        yield from (("invoke", node.sub), ("then", node.then))
    elif isinstance(node, TicketOpening | Voicemail):
        yield from (("then", node.found if isinstance(node, TicketOpening) else node.then),)
        yield "on_failure", node.on_failure
    elif isinstance(node, Inquiry):
        yield from (("found", node.found), ("nothing", node.nothing), ("on_failure", node.on_failure))
    elif isinstance(node, Callback):
        yield from (("granted", node.granted), ("refused", node.refused))
    elif node.silent_exit is not None:
        yield "then", node.silent_exit


def _headline(node: Node) -> list[str]:
    """What a node is about, in a line of its own."""
    if isinstance(node, Queue | Callback | Voicemail):
        return [f"→ {node.queue}"]
    if isinstance(node, Transfer):
        return [f"→ {node.number}"]
    if isinstance(node, OtherFlow):
        return [f"→ {node.flow}"]
    if isinstance(node, Language):
        return [node.language]
    if isinstance(node, Lookup):
        into = ", ".join(f"{{{name}}}" for name in node.wanted)
        return [f"{into} ← {node.source}({', '.join(node.parameters)})"]
    if isinstance(node, TicketOpening):
        return [f"{{{node.into}}} ← {node.topic}"]
    if isinstance(node, TicketReading):
        return [f"{{{node.into}}} ← {{{node.number}}}"]
    return []


def _lines(node: Node) -> list[str]:
    """What stands in the box above the exits."""
    lines: list[str] = []
    lines += _headline(node)
    if isinstance(node, Ask):
        digits = f"{node.least}" if node.least == node.most else f"{node.least}-{node.most}"
        lines.append(f"{{{node.into}}} ← {digits} digits{f', {node.document}' if node.document else ''}")
    if isinstance(node, Set):
        lines += [f"{name} = {expression.text}" for name, expression in node.values.items()]
    if isinstance(node, Hours):
        lines.append(node.hours.zone + (f", holidays {node.hours.country}" if node.hours.country else ""))
    if node.sayings:
        spoken = [line for sentence in [node.sayings[0].text] for line in _wrapped(f"«{sentence}»")]
        lines += spoken if len(spoken) <= TEXT_LINES else [*spoken[: TEXT_LINES - 1], f"{spoken[TEXT_LINES - 1]} …"]
    return [_cut(line, TEXT_SIGNS + 3) for line in lines]


def _wrapped(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > TEXT_SIGNS:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _cut(text: str, signs: int) -> str:
    return text if len(text) <= signs else f"{text[: signs - 1]}…"


def _arranged(flow: Flow) -> tuple[list[list[_Box]], list[_Line]]:
    """Every node in its column, and the lines between neighbouring columns."""
    order = _walked(flow)
    place = {name: number for number, name in enumerate(order)}
    ways = [(name, to) for name in order for _, to in _exits(flow.nodes[name])]
    wanted = {name: sum(to == name for _, to in ways) for name in order}

    def is_drawn(name: NodeName, to: NodeName) -> bool:
        return place[to] > place[name] and wanted[to] < MANY

    depth = dict.fromkeys(order, 0)
    for name in order:
        for _, to in _exits(flow.nodes[name]):
            if is_drawn(name, to):
                depth[to] = max(depth[to], depth[name] + 1)
    last = max(depth.values())
    for name in order:  # those whose ways are named stand with the other ends
        if wanted[name] >= MANY:
            depth[name] = max(last, 1)
    boxes = {
        name: _Box(
            flow.nodes[name],
            [_Exit(label, to, drawn=is_drawn(name, to)) for label, to in _exits(flow.nodes[name])],
        )
        for name in order
    }
    columns: list[list[_Box]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in order:
        columns[depth[name]].append(boxes[name])
    lines: list[_Line] = []
    for name in order:
        for row, way in enumerate(boxes[name].exits):
            if not way.drawn:
                continue
            source, port = boxes[name], row
            for column in range(depth[name] + 1, depth[way.to]):
                passing = _Box(None, [])
                columns[column].append(passing)
                lines.append(_Line(source, port, passing))
                source, port = passing, 0
            lines.append(_Line(source, port, boxes[way.to]))
    return columns, lines


def _walked(flow: Flow) -> list[NodeName]:
    """Every node, each after those that lead to it, as far as the ways make no circle."""
    done: list[NodeName] = []
    entered: set[NodeName] = set()
    for start in (flow.start, *flow.nodes):
        if start in entered:
            continue
        entered.add(start)
        ahead = [(start, iter([to for _, to in _exits(flow.nodes[start])][::-1]))]
        while ahead:
            name, following = ahead[-1]
            to = next((each for each in following if each not in entered), None)
            if to is None:
                done.append(name)
                ahead.pop()
            else:
                entered.add(to)
                ahead.append((to, iter([each for _, each in _exits(flow.nodes[to])][::-1])))
    return done[::-1]


def _place(columns: list[list[_Box]], lines: list[_Line]) -> None:
    """Order and height: each box as near as it can be to those that its lines join it to."""
    for number, column in enumerate(columns):
        y = MARGIN + 20.0
        for box in column:
            box.x = MARGIN + number * (BOX_WIDTH + COLUMN_GAP)
            box.y = y
            y += box.height + ROW_GAP
    into: dict[int, list[_Line]] = {}
    out_of: dict[int, list[_Line]] = {}
    for line in lines:
        into.setdefault(id(line.target), []).append(line)
        out_of.setdefault(id(line.source), []).append(line)

    def from_left(box: _Box) -> float:
        sources = [line.source.port_y(line.row) for line in into.get(id(box), [])]
        return sum(sources) / len(sources) - (box.entry_y - box.y) if sources else box.y

    def from_right(box: _Box) -> float:
        shifts = [line.target.entry_y - box.port_y(line.row) for line in out_of.get(id(box), [])]
        return box.y + sum(shifts) / len(shifts) if shifts else box.y

    for turn in range(_PASSES):
        towards = from_right if turn % 2 else from_left
        for column in columns if turn % 2 == 0 else reversed(columns):
            wishes = sorted((towards(box), number) for number, box in enumerate(column))
            column[:] = [column[number] for _, number in wishes]
            _settle(column, [wish for wish, _ in wishes])
    top = min(box.y for column in columns for box in column)
    for column in columns:
        for box in column:
            box.y += MARGIN + 20 - top


def _settle(column: list[_Box], wishes: list[float]) -> None:
    """Each box where it wishes to be; those that would overlap share the way equally, as blocks."""
    blocks: list[tuple[list[_Box], float]] = []
    for box, wish in zip(column, wishes, strict=True):
        members, y = [box], wish
        while blocks and blocks[-1][1] + _length(blocks[-1][0]) + ROW_GAP > y:
            before, before_y = blocks.pop()
            mine = y - _length(before) - ROW_GAP
            y = (before_y * len(before) + mine * len(members)) / (len(before) + len(members))
            members = [*before, *members]
        blocks.append((members, y))
    for members, y in blocks:
        for box in members:
            box.y = y
            y += box.height + ROW_GAP


def _length(boxes: list[_Box]) -> float:
    return sum(box.height for box in boxes) + ROW_GAP * (len(boxes) - 1)


def _line_svg(line: _Line) -> str:
    source, target = line.source, line.target
    x1, y1 = source.x + BOX_WIDTH, source.port_y(line.row)
    x2, y2 = target.x, target.entry_y
    tip = "" if target.node is None else ' marker-end="url(#tip)"'
    # A long line goes straight through the columns that it passes.
    through = f" L{x2 + BOX_WIDTH:.0f} {y2:.0f}" if target.node is None else ""
    bend = (x2 - x1) / 2
    return (
        f'<path d="M{x1:.0f} {y1:.0f} C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}{through}" '
        f'fill="none" stroke="#64748b" stroke-width="1.4"{tip}/>'
    )


def _box_svg(box: _Box, node: Node, *, start: NodeName) -> Iterator[str]:
    kind, colour = _KINDS[type(node)]
    x, y = box.x, box.y
    spoken = " ".join(saying.text for saying in node.sayings[:1])
    yield f"<g><title>{escape(spoken or node.name)}</title>"
    yield (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" height="{box.height:.0f}" rx="7" fill="#f8fafc" '
        f'stroke="{colour}" stroke-width="{3 if node.name == start else 1.4}"/>'
    )
    yield (
        f'<path d="M{x:.0f} {y + HEAD_HEIGHT:.0f} v{7 - HEAD_HEIGHT} q0 -7 7 -7 h{BOX_WIDTH - 14} q7 0 7 7 '
        f'v{HEAD_HEIGHT - 7} z" fill="{colour}"/>'
    )
    yield _text(x + PADDING, y + 17, node.name, fill="#ffffff", weight="bold", size=12)
    yield _text(x + BOX_WIDTH - PADDING, y + 17, kind, fill="#ffffff", anchor="end")
    for number, line in enumerate(box.lines):
        yield _text(x + PADDING, y + HEAD_HEIGHT + PADDING + LINE_HEIGHT * number + 12, line, fill="#334155")
    for row, way in enumerate(box.exits):
        base = box.port_y(row) + 4
        label = _cut(way.label, 26)
        yield _text(x + PADDING, base, label, fill="#0f172a", weight="bold")
        if way.drawn:
            yield f'<circle cx="{x + BOX_WIDTH:.0f}" cy="{box.port_y(row):.0f}" r="3" fill="#64748b"/>'
        else:
            yield _text(x + BOX_WIDTH - PADDING, base, f"→ {way.to}", fill="#64748b", anchor="end")
    yield "</g>"


def _text(
    x: float, y: float, text: str, *, fill: str, weight: str = "normal", size: int = 11, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" '
        f'fill="{fill}">{escape(text)}</text>'
    )
