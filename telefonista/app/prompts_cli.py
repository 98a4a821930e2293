"""`telefonista prompts`: what the flows of an installation say, sentence by sentence, and how a recording gets in.

In: a home. Out: for each sentence its state, duration and level; or a recording in its place, made fit for telephones.
No engine is needed. Exit codes: 0 all is well, 1 a recording was refused, 2 there is no such installation or sentence.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from ivr import Flow
from ivr.core.saying import every_value_piece, piece_prompt
from ivr.prompts import CommandSynthesiser, PromptFacts, PromptLibrary, PromptState, write_whole
from ivr.studio import Unfit, fit
from telefonista.app.compose import prompt_library, tools
from telefonista.app.config import ConfigInvalid, read_config
from telefonista.app.flows import read_flows, read_other_flows
from telefonista.app.home import Home
from telefonista.kernel.commands import Prompt
from telefonista.notation.problems import suggestion
from telefonista.pbx.packages import default_folder

app = typer.Typer(
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="What flows say, and recordings in place of the synthetic voice.",
)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

HomeOption = Annotated[Path, typer.Option("--home", help="The installation's folder.", envvar="TELEFONISTA_HOME")]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]
_HOME = Path("var")


@app.callback()
def listing(
    context: typer.Context,
    home: HomeOption = _HOME,
    as_json: JsonOption = False,
    values: Annotated[
        bool, typer.Option("--values", help="The pieces of which numbers and dates are made, too.")
    ] = False,
) -> None:
    """What each flow says: state (recorded, synthetic, missing), duration and level of every sentence."""
    if context.invoked_subcommand is not None:
        return
    place = _home(home)
    rows = [{"flow": flow, "node": node, **_plain(facts)} for flow, node, facts in _facts(place, with_values=values)]
    if as_json:
        json.dump(rows, sys.stdout, ensure_ascii=False, indent=1)
        sys.stdout.write("\n")
        return
    for flow in dict.fromkeys(row["flow"] for row in rows):
        _out.print(_table(flow, [row for row in rows if row["flow"] == flow]))
    synthetic = sum(row["state"] != PromptState.RECORDED.value for row in rows)
    recorded = len(rows) - synthetic
    _out.print(f"{len(rows)} sentences, {recorded} recorded, {synthetic} by the synthetic voice or missing")


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the sentence, as `telefonista prompts` lists it.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The studio's WAV or MP3, of any rate.")],
    home: HomeOption = _HOME,
) -> None:
    """Put a recording in the place of the synthetic voice: brought to the telephone's rate and level, and trimmed."""
    place = _home(home)
    known = sorted({prompt.name for _, _, prompt in _prompts(place, with_values=True) if prompt.name})
    if name not in known:
        _fail(f"no flow of this installation says {name!r}{suggestion(name, known=known)}")
    try:
        recording = fit(file)
        place.prompts.mkdir(parents=True, exist_ok=True)
        write_whole(place.prompts / f"{name}.wav", recording.wav)
    except Unfit as reason:
        _err.print(f"telefonista: {reason}", style="red", markup=False)
        raise SystemExit(1) from reason
    except OSError as refusal:
        _fail(f"{place.prompts} cannot be written: {refusal.strerror}")
    _out.print(
        f"{name}: {recording.given_duration_s:.2f} s at {recording.given_rate_hz} Hz, {recording.given_level_dbfs:.1f} "
        f"dBFS, became {recording.duration_s:.2f} s at {recording.level_dbfs:.1f} dBFS; "
        "`telefonista reload` makes it heard",
        markup=False,
    )


def _home(folder: Path) -> Home:
    home = Home(folder)
    if not home.config_file.exists():
        _fail(f"{home.folder} is no installation yet: `telefonista run --home {folder}` makes one")
    return home


def _flows(home: Home) -> list[Flow]:
    try:
        config = read_config(home.config_file)
        lines = read_flows(home, config)
        others = read_other_flows(home, config, lines=lines)
    except ConfigInvalid as invalid:
        _fail(str(invalid))
    return list({flow.name: flow for flow in (*lines.values(), *others.values())}.values())


def _prompts(home: Home, *, with_values: bool) -> Iterator[tuple[str, str, Prompt]]:
    """Flow, node, and what is said there; a piece of a value belongs to no node."""
    for flow in _flows(home):
        for node in flow.nodes.values():
            for prompt in node.prompts:
                yield flow.name, node.name, prompt
        if with_values:
            manners = dict.fromkeys(slot.manner for node in flow.nodes.values() for slot in node.slots)
            pieces = {
                piece_prompt(piece, language=language)
                for language in flow.languages
                for manner in manners
                for piece in every_value_piece(manner, language=language)
            }
            for prompt in sorted(pieces, key=lambda each: each.name):
                yield flow.name, "", prompt


def _facts(home: Home, *, with_values: bool) -> Iterator[tuple[str, str, PromptFacts]]:
    library = _library(home)
    for flow, node, prompt in _prompts(home, with_values=with_values):
        yield flow, node, library.facts(prompt)


def _library(home: Home) -> PromptLibrary:
    """As a running engine has it; espeak-ng is looked for only where no other program speaks."""
    command = read_config(home.config_file).synthesiser.command
    if command:
        folder = default_folder().parent / "prompts"
        return PromptLibrary(folder, recordings_folder=home.prompts, synthesiser=CommandSynthesiser(command))
    return prompt_library(home, tools(report=lambda text: _err.print(text, style="dim", markup=False)))


def _plain(facts: PromptFacts) -> dict[str, Any]:
    return {
        "name": facts.prompt.name,
        "language": facts.prompt.language,
        "text": facts.prompt.text,
        "state": facts.state.value,
        "duration_s": round(facts.duration_s, 2),
        "level_dbfs": round(facts.level_dbfs, 1),
    }


_STYLES = {"recorded": "green", "synthetic": "", "missing": "yellow", "unplayable": "red"}


def _table(flow: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=flow, title_justify="left", box=None, pad_edge=False)
    for heading, justify in (("name", "left"), ("state", "left"), ("s", "right"), ("dBFS", "right"), ("text", "left")):
        table.add_column(heading, justify="right" if justify == "right" else "left", no_wrap=heading != "text")
    for row in rows:
        there = row["state"] in ("recorded", "synthetic")
        table.add_row(
            row["name"],
            row["state"],
            f"{row['duration_s']:.1f}" if there else "",
            f"{row['level_dbfs']:.1f}" if there else "",
            row["text"],
            style=_STYLES[row["state"]],
        )
    return table


def _fail(line: str) -> NoReturn:
    _err.print(f"telefonista: {line}", style="red", markup=False)
    raise SystemExit(2)
