"""The database: opened the same way by everybody, brought to the newest schema, SQLite or PostgreSQL.

In goes a URL, out comes a SQLAlchemy engine. Decides only how each database is spoken to.
"""

import math
import os
from pathlib import Path

import msgspec
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

PATIENCE_S = 5.0
_MIGRATION_LOCK = 0x7E1E_F0
"""An arbitrary number that two of ours, and nobody else, use as PostgreSQL's advisory lock while migrating."""


class DatabaseUnusable(Exception):
    """The URL names no database that this version can use; the message says what to do."""


def sqlite_url(path: Path) -> str:
    return URL.create("sqlite", database=str(path)).render_as_string()


def open_database(url: str, *, patience_s: float = PATIENCE_S) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://user:password@host/name`. Connects to nothing yet.

    `patience_s` is how long to wait for a server to answer, or in SQLite for another one's write to end. Raises
    DatabaseUnusable for any other URL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseUnusable("the database URL is not one; write sqlite:///PATH or postgresql://HOST/NAME") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _open_sqlite(parsed, patience_s=patience_s)
    if backend == "postgresql":
        try:
            return create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_pre_ping=True,
                pool_size=4,
                json_serializer=_json,
                connect_args={"connect_timeout": math.ceil(patience_s)},
            )
        except ModuleNotFoundError:
            raise DatabaseUnusable("PostgreSQL needs psycopg: pip install 'telefonista[postgresql]'") from None
    raise DatabaseUnusable(f"no support for {backend}; use sqlite:///PATH or postgresql://HOST/NAME")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _open_sqlite(url: URL, *, patience_s: float) -> Engine:
    if not url.database or url.database == ":memory:":
        raise DatabaseUnusable("SQLite needs a file: sqlite:///PATH")
    # Made by us so that only its owner may read what citizens asked; the -wal and -shm files take its mode.
    os.close(os.open(url.database, os.O_RDWR | os.O_CREAT, 0o600))
    engine = create_engine(url, json_serializer=_json)

    @event.listens_for(engine, "connect")
    def set_up(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # Transactions are begun below: the driver's own way begins none before SAVEPOINT or DDL.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            # With WAL a power cut may cost the last commits, never the file; the journal has them.
            "synchronous=NORMAL",
            f"busy_timeout={int(patience_s * 1000)}",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        # A reader that turns writer halfway can be refused at once, whatever the busy timeout.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", "telefonista.store:migrations")
    return config


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest revision, in one transaction; two engines at once wait for one another.

    Raises DatabaseUnusable for a schema that a newer version has made, SQLAlchemy's OperationalError when the database
    is away.
    """
    config = _alembic()
    script = ScriptDirectory.from_config(config)
    newest = script.get_current_head()
    if schema_revision(engine) == newest:
        return
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        present = MigrationContext.configure(connection).get_current_revision()
        if present is not None and present not in {revision.revision for revision in script.walk_revisions()}:
            raise DatabaseUnusable(
                f"the database has schema {present}, made by a newer version; this one knows {newest}: "
                "upgrade, or choose another database"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def schema_revision(engine: Engine) -> str | None:
    """The schema's revision in the database; None for an empty one."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str | None:
    """The newest revision that this version knows."""
    return ScriptDirectory.from_config(_alembic()).get_current_head()
