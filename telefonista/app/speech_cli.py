"""`telefonista speech`: put a model there, see which are there, and how often citizens were understood.

In: the path of a vosk model, the store. Out: lines for people, JSON for machines. Takes no calls.
"""

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from telefonista.app.flows import read_flows
from telefonista.app.home import Home
from telefonista.app.reports import Sheet, open_store
from telefonista.app.speech_models import SAMPLE, Model, ModelRefused, facts, install, installed, unknown_phrases
from telefonista.app.terminal import HOME, HomeOption, JsonOption, config_home, fail, say, show
from telefonista.store.queries import speech_by_node

app = typer.Typer(no_args_is_help=True, help="Understanding what citizens say.")


@app.command("install")
def install_model(
    source: Annotated[
        str, typer.Argument(help=f"A vosk model, a folder or a zip file; {SAMPLE} is the one that comes with us.")
    ],
    home: HomeOption = HOME,
    language: Annotated[str, typer.Option(help="The model's language, such as es, where its name does not say.")] = "",
) -> None:
    """Check a model and put it into the installation, in place of the one of the same language."""
    folder = Home(home)
    try:
        model = install(source, folder=folder.speech, language=language)
    except ModelRefused as why:
        fail(str(why))
    say(f"{_line(model)}: installed")
    if source == SAMPLE:
        say(
            "It was made from synthesised speech alone, no human voice: for tests and demonstrations, not for citizens."
        )
    say(f"ready: {', '.join(installed(folder.speech))}; a running engine takes it up when it is started again")


@app.command("list")
def list_models(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Which languages are understood."""
    models = [facts(path) for path in installed(Home(home).speech).values()]
    rows = [{"language": each.language, "model": each.name, "words": each.words} for each in models]
    show(rows, as_json=as_json, render=lambda _: map(_line, models) if models else ["no model: keys alone"])


@app.command("check")
def check_phrases(home: HomeOption = HOME) -> None:
    """Find the phrases in the installation's flows that no installed model can understand."""
    folder, config = config_home(home)
    flows = read_flows(folder, config)
    models = installed(folder.speech)
    unknown = unknown_phrases(flows.values(), models=models)
    for line in unknown:
        say(line)
    if unknown:
        raise SystemExit(1)
    say(f"every phrase is known in {', '.join(models)}" if models else "no model: keys alone")


@app.command("report")
def report_speech(
    home: HomeOption = HOME,
    as_json: JsonOption = False,
    since: Annotated[
        datetime | None, typer.Option(help="From this day on.", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"])
    ] = None,
) -> None:
    """Node by node: how often citizens were understood, pressed a key, were not understood, or could not be heard. What
    has failed most comes first: that wording wants mending."""
    database = open_store(*config_home(home))
    with database.connect() as connection:
        found = speech_by_node(connection, since=None if since is None else since.astimezone(), until=None)
    show(found, as_json=as_json, render=_report)


def _report(found: list[dict[str, Any]]) -> list[RenderableType]:
    if not found:
        return ["nothing was listened to yet"]
    sheet = Sheet("flow", "node", "speech", "keys", "not understood", "silence", "nobody heard", "understood")
    for row in found:
        tried = row["speech"] + row["unclear"] + row["failed"]
        share = f"{100 * row['speech'] / tried:.0f} %" if tried else "-"
        counts = (row[name] for name in ("speech", "keys", "unclear", "silence", "failed"))
        sheet.add(row["flow"] or "-", row["node"], *map(str, counts), share)
    return [sheet]


def _line(model: Model) -> str:
    return f"{model.language}: {model.name}, {model.words} words, {model.rate_hz} Hz"
