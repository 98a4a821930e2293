"""How a command changes `config.yaml` or `secrets.json` under a running engine: one change at a time, told at once.

In: a home and the new text. Out: what the engine did with it: nothing to say, or why Asterisk does not know of it yet.
What the engine refuses is taken back.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from telefonista.app import client
from telefonista.app.config import ConfigInvalid
from telefonista.app.config_editing import CannotEdit, write_config
from telefonista.app.home import Home, locked
from telefonista.app.terminal import err, fail


@contextmanager
def changing(home: Home) -> Iterator[None]:
    """One change at a time, and a problem in one line."""
    try:
        home.run.mkdir(mode=0o750, parents=True, exist_ok=True)
        with locked(home.run / "agents.lock"):
            yield
    except (CannotEdit, ConfigInvalid) as problem:
        fail(str(problem))
    except OSError as refused:
        fail(f"{home.folder} cannot be changed: {refused}")


def reloaded(home: Home, *, before: str, after: str) -> str:
    """The configuration is written, and read by the engine if there is one; empty, or why it is not told. What the
    engine refuses is taken back. Raises `CannotEdit`, OSError."""
    write_config(home.config_file, after)
    try:
        return told(home, "/reload", refusal_stands=False)
    except client.EngineRefused as refused:
        write_config(home.config_file, before)
        raise CannotEdit(f"the engine refused, and nothing was changed: {refused}") from refused


def told(home: Home, path: str, *, refusal_stands: bool = True) -> str:
    """Empty when the engine has told Asterisk; else why not. Raises `EngineRefused` unless the refusal stands."""
    try:
        client.post(home, path)
    except client.EngineRefused as refused:
        if not refusal_stands:
            raise
        return f"Asterisk was not told of it: {refused}"
    except client.NotRunning:
        if home.asterisk_runs():
            return "Asterisk runs without its engine, and learns of it when the engine starts: `telefonista run`"
        # Nothing runs, so nothing holds on to what was before: the next start reads it.
    return ""


def end(not_told: str) -> None:
    if not_told:
        err.print(f"telefonista: {not_told}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(1)


def config_text(home: Home) -> str:
    """As it is, line ends included. Raises `ConfigInvalid`, OSError."""
    try:
        with home.config_file.open(encoding="utf-8", newline="") as file:
            return file.read()
    except UnicodeDecodeError:
        raise ConfigInvalid(f"{home.config_file} is not UTF-8 text; save it as UTF-8") from None
