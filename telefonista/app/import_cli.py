"""`telefonista import`: an Asterisk's or a FreePBX's queues.conf in our words, shown or put into `config.yaml`.

Exit codes: 0 done, whatever could not be carried over is said; 1 kept here, but Asterisk does not know of it yet; 2 the
file cannot be read, or what follows from it is refused and nothing was changed.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from dialplans.core.conf import LONGEST_TEXT, read_conf
from telefonista.app.changing import changing, config_text, end, reloaded
from telefonista.app.queues_import import Imported, Loss, Note, as_yaml, carried_over, merged
from telefonista.app.terminal import HOME, HomeOption, JsonOption, config_home, err, fail, say, show


def import_queues(
    file: Annotated[Path, typer.Argument(metavar="QUEUES.CONF", help="Of an Asterisk, or of a FreePBX.")],
    into: Annotated[bool, typer.Option("--into", help="Put it into this installation's config.yaml.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Say of needless lines, too, why they are.")] = False,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Read a queues.conf: its queues and members in our words, and line by line what could not be carried over."""
    imported = carried_over(read_conf(_text(file)))
    if not imported.queues:
        _say_notes(file, imported.notes)
        fail(f"{file}: there is no queue in it")
    if into:
        _put_in(imported, file=file, home=home, everything=everything)
        return
    if as_json:
        show(_plain(imported), as_json=True, render=lambda _: ())
        return
    # As it is, and not by the console, which would break lines where a terminal ends.
    typer.echo(as_yaml(imported), nl=False)
    _say_notes(file, _said(imported.notes, everything=everything))


def _put_in(imported: Imported, *, file: Path, home: Path, everything: bool) -> None:
    house, _ = config_home(home)
    with changing(house):
        before = config_text(house)
        after, left_out = merged(before, imported, file=str(house.config_file))
        not_told = reloaded(house, before=before, after=after)
    say(f"{house.config_file}: {len(imported.queues)} queues and {len(imported.agents)} agents of {file}")
    for line in left_out:
        say(f"  {line}")
    _say_notes(file, _said(imported.notes, everything=everything))
    end(not_told)


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(LONGEST_TEXT + 1)
    except OSError as refused:
        fail(f"{file} cannot be read: {refused.strerror}")
    if len(content) > LONGEST_TEXT:
        fail(f"{file} is longer than {LONGEST_TEXT} bytes: that is no queues.conf")
    if b"\0" in content:
        fail(f"{file} is no text")
    try:
        return content.decode()
    except UnicodeDecodeError:
        # As systems of the time wrote it; only names of people can be affected.
        return content.decode("latin-1")


def _said(notes: Iterable[Note], *, everything: bool) -> list[Note]:
    return [note for note in notes if everything or note.loss is not Loss.NEEDLESS]


def _say_notes(file: Path, notes: Iterable[Note]) -> None:
    """To standard error, so that what was carried over can go into a file."""
    for note in notes:
        err.print(f"{file}:{note.line}: {note.loss}: {note.text}", markup=False, highlight=False, soft_wrap=True)


def _plain(imported: Imported) -> dict[str, Any]:
    return {
        "queues": [queue.model_dump(mode="json", exclude_none=True) for queue in imported.queues],
        "agents": [agent.model_dump(mode="json") for agent in imported.agents],
        "notes": [{"line": note.line, "loss": note.loss, "text": note.text} for note in imported.notes],
    }
