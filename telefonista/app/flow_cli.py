"""`telefonista flow`: what an analyst does with a flow before any citizen hears it: check, talk, test, draw.

Works on files alone: no engine, no Asterisk and no installation is needed. A flow is named by its file, or is one of
those that come with the engine. Exit codes: 0 all is well, 1 a flow or a dialogue is wrong, 2 it cannot be read at all.
"""

from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from ivr import Flow, FlowInvalid, Problem, load_flow, load_procedures, sample_flow
from ivr.dialogues import DEFAULT_MOMENT, moment_of, play, read_dialogues
from ivr.drawing import draw as draw_flow
from ivr.rehearsal import Rehearsal
from telefonista.app.config import ConfigInvalid, read_config
from telefonista.app.flows import SAMPLES, check_all, is_dialogues
from telefonista.app.home import Home
from telefonista.kernel.events import (
    Event,
    InputTaken,
    LookupAnswered,
    NodeEntered,
    TicketOpened,
    TicketStatus,
    VariableSet,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Check, walk through, test and draw the flows that lead citizens.",
)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

FlowsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FLOW]...", help="Files, or names of flows that come along; those by default."),
]
FlowArgument = Annotated[str, typer.Argument(metavar="FLOW", help="A file, or the name of a flow that comes along.")]
HomeOption = Annotated[
    Path | None, typer.Option("--home", help="An installation: its queues, flows and sources are those to use.")
]

LISTEN = ""
WAIT = "."
HANG_UP = "q"
ANSWER = "="
NO_ANSWER = "!"
_KEYS = frozenset("0123456789*#")
_HELP = "digits, * and #: press keys · words: say them · Enter: listen · . and Enter: wait in silence · q: hang up"
_OTHERS = "type =field: value, field: value for its answer, = for nothing found (or granted, or a message), ! for none"


@app.command()
def check(flows: FlowsArgument = None, home: HomeOption = None) -> None:
    """Find what is wrong with flows: each problem with its file and line."""
    fits = None if home is None else _fitting(home)
    wrong = 0
    for name in _flows(flows):
        try:
            flow = _read(name)
            problems = () if fits is None else fits(flow)
            if problems:
                raise FlowInvalid(problems)
        except FlowInvalid as invalid:
            wrong += 1
            _err.print(str(invalid), style="red", markup=False)
            continue
        sayings = sum(len(node.sayings) for node in flow.nodes.values())
        _out.print(f"{name}: good, {len(flow.nodes)} nodes, {sayings} texts, version {flow.version}", markup=False)
    if wrong:
        raise SystemExit(1)


@app.command(name="test")
def play_dialogues(flows: FlowsArgument = None) -> None:
    """Play the dialogues written beside each flow (NAME.dialogues.yaml) and say where one goes otherwise."""
    played = failed = 0
    for name in _flows(flows):
        flow = _read_or_fail(name)
        file, text = dialogues_of(name)
        try:
            dialogues = read_dialogues(text, flow=flow, file=file)
        except FlowInvalid as invalid:
            _err.print(str(invalid), style="red", markup=False)
            raise SystemExit(1) from invalid
        for dialogue in dialogues:
            played += 1
            wrong = play(dialogue, flow=flow, file=file)
            if wrong is not None:
                failed += 1
                _err.print(str(wrong), style="red", markup=False)
        _out.print(f"{name}: {len(dialogues)} dialogues", markup=False)
    _out.print(f"{played - failed} of {played} go as written")
    if failed:
        raise SystemExit(1)


@app.command()
def draw(
    flow: FlowArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The SVG file; NAME.svg here by default.")
    ] = None,
) -> None:
    """Draw a flow as a picture (SVG), to be looked at in any browser."""
    read = _read_or_fail(flow)
    target = output or Path(f"{read.name}.svg")
    try:
        target.write_text(draw_flow(read), encoding="utf-8")
    except OSError as refusal:
        _fail(f"{target} cannot be written: {refusal.strerror}")
    _out.print(f"{target}: {len(read.nodes)} nodes", markup=False)


@app.command()
def talk(
    flow: FlowArgument,
    at: Annotated[str, typer.Option("--at", help='When the call comes, such as "2026-11-22 15:00".')] = DEFAULT_MOMENT,
) -> None:
    """Walk through a flow in this terminal, typing keys; what is said and what it remembers is shown."""
    read = _read_or_fail(flow)
    try:
        moment = moment_of(at, flow=read)
    except (ValueError, OverflowError):
        _fail(f"--at {at!r} is no moment such as 2026-11-22 15:00")
    call = Rehearsal(read, at=moment)
    _out.print(_HELP, style="dim")
    shown = _show_news(call, 0, 0)
    while not call.ended:
        try:
            typed = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            typed = HANG_UP
        if typed == HANG_UP:
            call.hangs_up()
        elif typed == LISTEN:
            call.listens() if call.is_speaking else _out.print("(it waits for a key)", style="dim")
        elif typed == WAIT:
            while call.is_speaking and not call.ended:
                call.listens()
            call.lets_time_pass()
        elif set(typed) <= _KEYS:
            call.presses(typed)
        elif typed[0] in (ANSWER, NO_ANSWER):
            _out.print(_others_do(call, typed), style="dim", markup=False)
        elif call.listening:
            call.says(typed)
        else:
            _out.print(_HELP, style="dim")
        shown = _show_news(call, *shown)
    _out.print(f"ended: {call.ended}", style="bold", markup=False)


def _show_news(call: Rehearsal, events_shown: int, said_shown: int) -> tuple[int, int]:
    """Print what came since; what was shown until now, in numbers of events and texts."""
    for event in call.events[events_shown:]:
        line = _news(event)
        if line:
            _out.print(line, style="cyan", markup=False)
    said = call.said[said_shown:]
    if said:
        _out.print(f"«{' '.join(said)}»", markup=False)
    if call.asks and not call.ended:
        _out.print(f"({call.asks} is asked: {_OTHERS})", style="dim", markup=False)
    return len(call.events), len(call.said)


def _others_do(call: Rehearsal, typed: str) -> str:
    """What another system, the desk, or the citizen after the tone does, as it is typed; what is wrong with that."""
    if typed == NO_ANSWER:
        return call.is_not_answered() if call.asks else call.settles_callback(granted=False)
    fields = dict(part.partition(":")[::2] for part in typed.removeprefix(ANSWER).split(",") if ":" in part)
    if fields:
        return call.is_answered({name.strip(): value.strip() for name, value in fields.items()})
    if call.asks:
        return call.finds_nothing()
    return call.settles_callback(granted=True) and call.leaves_message()


def _news(event: Event) -> str:
    if isinstance(event, NodeEntered):
        return f"  [{event.node}]"
    if isinstance(event, LookupAnswered):
        return "\n".join(f"  {name} = {value!r}" for name, value in event.values.items())
    if isinstance(event, TicketOpened | TicketStatus):
        return f"  ticket {event.ticket} {event.status if isinstance(event, TicketStatus) else 'opened'}"
    if isinstance(event, VariableSet | InputTaken):
        return f"  {event.name} = {event.value!r}"
    return ""


def _read(name: str) -> Flow:
    """A flow in the `flows/` of an installation reads out the procedures of that installation."""
    path = Path(name)
    if name in SAMPLES and not path.exists():
        return sample_flow(name)
    return load_flow(path, procedures=load_procedures(path.absolute().parent.parent / "procedures"))


def _read_or_fail(name: str) -> Flow:
    try:
        return _read(name)
    except FlowInvalid as invalid:
        _err.print(str(invalid), style="red", markup=False)
        raise SystemExit(1) from invalid


def dialogues_of(name: str) -> tuple[str, str]:
    """The file that stands beside a flow's, and its text."""
    path = Path(name)
    if name in SAMPLES and not path.exists():
        file = f"{name}.dialogues.yaml"
        return file, files("ivr.flows").joinpath(file).read_text(encoding="utf-8")
    beside = path.with_name(f"{path.stem}.dialogues.yaml")
    try:
        return str(beside), beside.read_text(encoding="utf-8")
    except OSError as refusal:
        _fail(f"{beside} cannot be read: {refusal.strerror}; the dialogues of a flow stand beside it")
    except UnicodeDecodeError:
        _fail(f"{beside} is not UTF-8 text; save it as UTF-8")


def _flows(names: list[str] | None) -> list[str]:
    """Those that were named, without the dialogues that `*.yaml` also names; all that come along by default."""
    return [name for name in names or SAMPLES if not is_dialogues(name)]


def _fitting(folder: Path) -> Callable[[Flow], tuple[Problem, ...]]:
    """What tells of a flow where it does not fit an installation."""
    home = Home(folder)
    if not home.config_file.exists():
        _fail(f"{home.folder} is no installation: there is no {home.config_file}")
    try:
        return partial(check_all, home=home, config=read_config(home.config_file))
    except ConfigInvalid as invalid:
        _fail(str(invalid))


def _fail(line: str) -> NoReturn:
    _err.print(f"telefonista: {line}", style="red", markup=False)
    raise SystemExit(2)
