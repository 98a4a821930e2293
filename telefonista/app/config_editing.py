"""Changes a few words of `config.yaml` and leaves every other byte of it as its owner wrote it, comments included.

In: the text, and what to add, set or remove, by path. Out: the new text, or `CannotEdit`. What stands where is asked of
the YAML parser, never guessed; still the caller must read the outcome again and compare it with what was meant, since a
person may have written YAML in a way that nobody thought of. Must never import a room, or write a file.
"""

from collections.abc import Sequence
from pathlib import Path

import yaml

Key = str | int
"""A mapping's key, or the place in a list from 0."""


class CannotEdit(Exception):
    """The text is written in a way that cannot be changed without risk; the message is one line: edit it by hand."""


def append_item(text: str, where: Sequence[Key], *, item: str) -> str:
    """`item` (YAML on one line) as the last of the list at `where`, in the list's own style. Raises `CannotEdit`."""
    node = _find(text, where)
    if not isinstance(node, yaml.SequenceNode):
        raise CannotEdit(f"{_shown(where)} is not a list")
    return _append(text, node, part=item, dash="- ")


def append_entry(text: str, where: Sequence[Key], *, key: str, value: str) -> str:
    """`key: value` (YAML on one line) as the last of the settings at `where`. Raises `CannotEdit`."""
    node = _find(text, where)
    if not isinstance(node, yaml.MappingNode):
        raise CannotEdit(f"{_shown(where)} has no settings")
    return _append(text, node, part=f"{key}: {value}", dash="")


def remove_item(text: str, where: Sequence[Key]) -> str:
    """Without the item of a list that `where` leads to; comments above it stay. Raises `CannotEdit`."""
    *above, place = where
    parent = _find(text, above)
    if not isinstance(parent, yaml.SequenceNode) or not isinstance(place, int) or place >= len(parent.value):
        raise CannotEdit(f"{_shown(where)} is not an item of a list")
    items = parent.value
    if parent.flow_style:
        if place + 1 < len(items):
            return text[: _start(items[place])] + text[_start(items[place + 1]) :]
        begin = _end(items[place - 1], text) if place else _start(items[place])
        return text[:begin] + text[_end(items[place], text) :]
    dash = text[: _start(items[place])].rstrip()
    line = text.rfind("\n", 0, len(dash)) + 1
    if not dash.endswith("-") or dash[line:].strip() != "-":
        raise CannotEdit(f"{_shown(where)} does not stand on lines of its own")
    return text[:line] + text[_next_line(text, _end(items[place], text)) :]


def replace_value(text: str, where: Sequence[Key], *, value: str) -> str:
    """With `value` (YAML on one line) in the place of the word, or of the list or settings written in brackets, at
    `where`. Raises `CannotEdit`."""
    node = _find(text, where)
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        raise CannotEdit(f"{_shown(where)} is written over several lines")
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        raise CannotEdit(f"{_shown(where)} is a block of text")
    return text[: _start(node)] + value + text[_end(node, text) :]


def has(text: str, where: Sequence[Key]) -> bool:
    """Whether there is anything at `where`. Raises `CannotEdit` for what is no YAML."""
    try:
        _find(text, where)
    except _Absent:
        return False
    return True


def write_config(path: Path, text: str) -> None:
    """Replace a configuration file in one step, as readable as it was; a link stays one. Raises OSError."""
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_text(text, encoding="utf-8", newline="")
    temporary.chmod(target.stat().st_mode & 0o777)
    temporary.replace(target)


class _Absent(CannotEdit):
    """There is nothing at that place."""


def _find(text: str, where: Sequence[Key]) -> yaml.Node:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, OverflowError) as wrong:
        raise CannotEdit(f"not YAML: {' '.join(str(wrong).split())[:150]}") from None
    for part in where:
        found: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode) and isinstance(part, str):
            found = next((value for key, value in node.value if key.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = node.value[part]
        if found is None:
            raise _Absent(f"there is no {_shown(where)}")
        node = found
    if node is None:
        raise _Absent("there is nothing in it")
    return node


def _append(text: str, node: yaml.SequenceNode | yaml.MappingNode, *, part: str, dash: str) -> str:
    if node.flow_style:
        if not node.value:
            at = _start(node) + 1
            return text[:at] + part + text[at:]
        at = _end(_last(node), text)
        return f"{text[:at]}, {part}{text[at:]}"
    if not node.value:
        raise CannotEdit("an empty list or mapping that is not written in brackets")
    at = _next_line(text, _end(node, text))
    ending = "" if at == 0 or text[at - 1] == "\n" else _newline(text)
    return f"{text[:at]}{ending}{' ' * node.start_mark.column}{dash}{part}{_newline(text)}{text[at:]}"


def _last(node: yaml.SequenceNode | yaml.MappingNode) -> yaml.Node:
    last = node.value[-1]
    found: yaml.Node = last[1] if isinstance(last, tuple) else last
    return found


def _start(node: yaml.Node) -> int:
    return int(node.start_mark.index)


def _end(node: yaml.Node, text: str) -> int:
    """Behind its last sign: what the parser calls the end of a block lies behind the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        return _end(_last(node), text)  # type: ignore[arg-type]  # every collection is a list or a mapping
    at = int(node.end_mark.index)
    while at > _start(node) and text[at - 1] in " \t\r\n":
        at -= 1
    return at


def _next_line(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _shown(where: Sequence[Key]) -> str:
    return ".".join(str(part) for part in where) or "the whole file"
