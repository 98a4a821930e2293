"""`telefonista speech`: put a model there, see which are there, and whether flows ask for words that it does not know.

In: the path of a vosk model; flows. Out: lines for people, JSON for machines. Takes no calls.
"""

from typing import Annotated

import typer

from telefonista.app.home import Home
from telefonista.app.speech_models import SAMPLE, Model, ModelRefused, facts, install, installed
from telefonista.app.terminal import HOME, HomeOption, JsonOption, fail, say, show

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


def _line(model: Model) -> str:
    return f"{model.language}: {model.name}, {model.words} words, {model.rate_hz} Hz"
