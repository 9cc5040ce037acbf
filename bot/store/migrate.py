"""Bring a database to the newest schema, and say how old it is.

Runs the numbered files in `migrations/versions` through Alembic, in one transaction: a migration
that fails or is killed leaves the old schema. Needs no alembic.ini, and finds the files beside
this module, so an installed package migrates as well as a checkout.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, inspect, text

from bot.errors import DatabaseError
from bot.store.database import (
    describe,
    opening_errors,
    parse_url,
    reading_engine,
    sqlite_path,
    use_write_ahead_log,
    writing_engine,
)

MIGRATIONS = Path(__file__).parent / "migrations"
_UPGRADE_LOCK = 0x436C6966
""""Clif": the PostgreSQL advisory lock that lets one process migrate at a time."""


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))


def head() -> str:
    """The revision this code is written for."""
    revision = _scripts().get_current_head()
    assert revision is not None, "the package has no migrations"  # noqa: S101
    return revision


def revision_of(connection: Connection, url: URL) -> str | None:
    """The schema's revision, None in an empty database.

    Raises DatabaseError for a database that holds something else.
    """
    if revision := MigrationContext.configure(connection).get_current_revision():
        return revision
    strangers = set(inspect(connection).get_table_names()) - {"alembic_version"}
    if strangers:
        raise DatabaseError(
            f"The database {describe(url)} belongs to another program: it has the tables "
            f"{', '.join(sorted(strangers)[:3])}, but none of ours. Give DATABASE_URL a new name."
        )
    return None


def require_head(connection: Connection, url: URL) -> None:
    """Raise DatabaseError, with what to do, unless the schema is the one this code knows."""
    revision, name = revision_of(connection, url), describe(url)
    if revision is None:
        raise DatabaseError(f"The database {name} is empty. Run `cliffhanger db upgrade`.")
    refuse_newer(revision, name)
    if revision != head():
        raise DatabaseError(
            f"The database {name} has the older schema {revision}; this version needs {head()}. "
            "Make a copy with `cliffhanger db backup`, then run `cliffhanger db upgrade`."
        )


def refuse_newer(revision: str, name: str) -> None:
    """Raise DatabaseError for a schema that a later version of this code made."""
    if revision not in {script.revision for script in _scripts().walk_revisions()}:
        raise DatabaseError(
            f"The database {name} has the schema {revision}, which this version of cliffhanger "
            f"(schema {head()}) does not know. Install the newer version that made it, or restore "
            "the backup from before its `cliffhanger db upgrade`."
        )


def missing_file(path: Path) -> str | None:
    """What is wrong with where `path` points, None when a file is there."""
    if path.is_file():
        return None
    if path.is_dir():
        return f"DATABASE_URL names the folder {path}; it must name a file in it."
    return f"There is no database at {path}. Create it with `cliffhanger db upgrade`."


# -- upgrade -----------------------------------------------------------------------------------
def run_migrations(connection: Connection, url: URL) -> list[str]:
    """Bring the schema up to date within the connection's transaction; what was done."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})"))
    if (revision := revision_of(connection, url)) is not None:
        refuse_newer(revision, describe(url))
    applied: list[str] = []

    def remember(*, step: Any, **_: object) -> None:
        applied.append(f"{step.up_revision_id}: {step.up_revision.doc}")

    config = Config(attributes={"connection": connection, "on_version_apply": remember})
    # ConfigParser would read a % in an installation path as the start of a variable.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite":
        check_references(connection)
    return applied


def check_references(connection: Connection) -> None:
    """Raise DatabaseError where a row of SQLite refers to nothing: to be asked where foreign keys
    are off, as for a migration, which may rebuild tables."""
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise DatabaseError(
            f"There would be {len(broken)} rows that refer to nothing, the first in table "
            f"{broken[0][0]}. Nothing was changed. Please report this."
        )


async def upgrade_database(url: str) -> list[str]:
    """Bring the database at `url` to the newest schema; the migrations run, oldest first.

    Creates a SQLite file and its folder. Running it again does nothing. Raises SettingsError for
    the URL, DatabaseError for the database; then nothing was changed.
    """
    parsed = parse_url(url)
    path = sqlite_path(parsed)
    if path is not None:
        _make_folder(path)
    with opening_errors(parsed):
        engine = writing_engine(parsed, foreign_keys=False)
        try:
            async with engine.begin() as connection:
                applied = await connection.run_sync(run_migrations, parsed)
            if path is not None:
                await use_write_ahead_log(engine)
        finally:
            await engine.dispose()
    return applied


def _make_folder(path: Path) -> None:
    if path.is_dir():
        raise DatabaseError(missing_file(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseError(
            f"The folder {path.parent} for the database cannot be made ({error.strerror}). Make "
            "it yourself, or correct DATABASE_URL."
        ) from error


# -- doctor ------------------------------------------------------------------------------------
async def current_and_head(url: str) -> tuple[str | None, str]:
    """The revision of the database at `url`, None if it is empty or not made yet, and the newest.

    Changes nothing. Raises SettingsError and DatabaseError as opening the store does.
    """
    parsed = parse_url(url)
    path = sqlite_path(parsed)
    if path is not None and not path.exists():
        return None, head()
    with opening_errors(parsed):
        engine = reading_engine(parsed)
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(revision_of, parsed), head()
        finally:
            await engine.dispose()
