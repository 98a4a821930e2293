"""What is wrong with a dialplan, before a citizen finds out.

In: a `Dialplan`. Out: `Finding`s, none when it is sound. Checked: names used twice, jumps to nowhere, contexts that no
call can reach, extensions that stop without ending, queues entered with nothing to run at hang-up, and steps that dial
out or run programs of the machine. Must never import I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from dialplans.core.model import Context, Dialplan, Extension, Step, Target


class Fault(StrEnum):
    """The kinds of finding."""

    REPEATED = "repeated"
    GOES_NOWHERE = "goes nowhere"
    UNREACHABLE = "unreachable"
    DOES_NOT_END = "does not end"
    NO_HANG_UP_HANDLER = "no hang-up handler"
    DIALS_OUT = "dials out"
    RUNS_PROGRAMS = "runs programs"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One fault: where it is (`context` or `context,extension`), which kind, and what exactly."""

    where: str
    fault: Fault
    detail: str


# Applications by which a call leaves through a trunk. Queue() is not among them: its members are agents.
_DIALLING = frozenset({"Dial", "Originate", "FollowMe", "Page", "ChanIsAvail", "ExternalIVR", "DISA"})
_PROGRAMS = frozenset({"System", "TrySystem", "EAGI", "DeadAGI"})
_HANG_UP_HANDLER = "CHANNEL(hangup_handler_"


def lint(dialplan: Dialplan) -> list[Finding]:
    """All findings, sorted by place."""
    return sorted(
        {
            *_repeated(dialplan),
            *_nowhere(dialplan),
            *_unreachable(dialplan),
            *_unended(dialplan),
            *_unrecorded(dialplan),
            *_forbidden(dialplan),
        }
    )


def _extensions(dialplan: Dialplan) -> Iterator[tuple[str, Context, Extension]]:
    for context in dialplan.contexts:
        for extension in context.extensions:
            yield f"{context.name},{extension.pattern}", context, extension


def _twice(names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)


def _repeated(dialplan: Dialplan) -> Iterator[Finding]:
    for name in _twice(context.name for context in dialplan.contexts):
        yield Finding(name, Fault.REPEATED, "a context of that name is there twice")
    for context in dialplan.contexts:
        for pattern in _twice(extension.pattern for extension in context.extensions):
            yield Finding(f"{context.name},{pattern}", Fault.REPEATED, "an extension of that pattern is there twice")
    for where, _, extension in _extensions(dialplan):
        for label in _twice(step.label for step in extension.steps if step.label is not None):
            yield Finding(where, Fault.REPEATED, f"label {label} is there twice")


def _nowhere(dialplan: Dialplan) -> Iterator[Finding]:
    for where, _, extension in _extensions(dialplan):
        for step in extension.steps:
            for target in step.jumps:
                if not _exists(dialplan, target):
                    place = f"{target.context},{target.extension},{target.priority}"
                    yield Finding(where, Fault.GOES_NOWHERE, f"{step.application} to {place}")
    for context in dialplan.contexts:
        for name in context.includes:
            if dialplan.context(name) is None:
                yield Finding(context.name, Fault.GOES_NOWHERE, f"include of {name}")


def _exists(dialplan: Dialplan, target: Target) -> bool:
    context = dialplan.context(target.context)
    if context is None:
        return False
    found = next((one for one in context.extensions if one.pattern == target.extension), None)
    if found is None:
        return False
    if target.priority.isdecimal():
        return 1 <= int(target.priority) <= len(found.steps)
    return any(step.label == target.priority for step in found.steps)


def _unreachable(dialplan: Dialplan) -> Iterator[Finding]:
    reached: set[str] = set()
    pending = [context.name for context in dialplan.contexts if context.entry]
    while pending:
        name = pending.pop()
        context = dialplan.context(name)
        if name in reached or context is None:
            continue
        reached.add(name)
        pending.extend(context.includes)
        for extension in context.extensions:
            pending.extend(target.context for step in extension.steps for target in step.jumps)
    for context in dialplan.contexts:
        if context.name not in reached:
            yield Finding(context.name, Fault.UNREACHABLE, "no entry, include or jump leads here")


def _unended(dialplan: Dialplan) -> Iterator[Finding]:
    for where, _, extension in _extensions(dialplan):
        if not extension.steps:
            yield Finding(where, Fault.EMPTY, "it has no steps")
        elif not extension.steps[-1].ends:
            yield Finding(where, Fault.DOES_NOT_END, f"nothing follows {extension.steps[-1].application}")


def _unrecorded(dialplan: Dialplan) -> Iterator[Finding]:
    for where, context, extension in _extensions(dialplan):
        if any(one.pattern == "h" for one in context.extensions):
            continue
        handled = False
        for step in extension.steps:
            handled = handled or _sets_handler(step)
            if step.application == "Queue" and not handled:
                yield Finding(where, Fault.NO_HANG_UP_HANDLER, "Queue, and nothing runs at hang-up")


def _sets_handler(step: Step) -> bool:
    return step.application == "Set" and bool(step.arguments) and _text(step).startswith(_HANG_UP_HANDLER)


def _text(step: Step) -> str:
    first = step.arguments[0]
    return first if isinstance(first, str) else first.text


def _forbidden(dialplan: Dialplan) -> Iterator[Finding]:
    for where, _, extension in _extensions(dialplan):
        for step in extension.steps:
            if step.application in _DIALLING:
                yield Finding(where, Fault.DIALS_OUT, step.application)
            if step.application in _PROGRAMS:
                yield Finding(where, Fault.RUNS_PROGRAMS, step.application)
