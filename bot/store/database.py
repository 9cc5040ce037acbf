"""One database, by URL: how to reach it, how to write to it safely, and what its errors mean.

SQLite gets one writing connection and a few reading ones. Every transaction that writes begins
with BEGIN IMMEDIATE, so it holds the write lock before it reads what it will change: two writers
wait for each other, in this process (where they share commits: `group_commit`) or another, and
never deadlock half-way. The write-ahead log lets readers go on meanwhile, and `synchronous=FULL`
has a commit on disk before it is acknowledged.
PostgreSQL gets one pool; there rows are locked, not the file.

Knows drivers, pools and error texts; knows no table.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Table, event, exc, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.errors import DatabaseError, SettingsError, StoreBusy
from bot.store import sqlite_driver
from bot.store.group_commit import GroupCommit

log = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 5.0
"""How long to wait for another process's write lock."""
_SWITCH_TRIES = 50
READERS = 4
"""Reading connections to one SQLite file; each is a thread."""
POSTGRES_CONNECTIONS = 10
IDLE_S = 1.0
"""A connection to PostgreSQL that was not used for so long is tried before it is."""
JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024
"""Cut the write-ahead log back to this size when it has been copied into the database."""

CACHE_KIB = 65_536
"""Pages the writer keeps: a vote moves its story in two indexes, and those of a large store are
long. Taken as it is needed."""

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_EXAMPLES = (
    "Use for example sqlite:///cliffhanger.db (a file in the working folder), "
    "sqlite:////var/lib/cliffhanger/stories.db (an absolute path has four slashes) or "
    "postgresql://user:password@host/cliffhanger."
)
_FOREIGN_KEY_VIOLATION = "23503"
"""PostgreSQL documentation, appendix A, "PostgreSQL Error Codes"."""
_OUR_MISTAKES = (exc.ProgrammingError, exc.IntegrityError, exc.DataError, exc.NotSupportedError)


def parse_url(url: str) -> URL:
    """`url` with the driver we use. Raises SettingsError for anything we cannot open."""
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise SettingsError(f"DATABASE_URL is not a database URL. {_EXAMPLES}") from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise SettingsError(f"DATABASE_URL names {parsed.drivername!r}. {_EXAMPLES}")
    if driver.startswith("sqlite"):
        if parsed.host:
            raise SettingsError(f"DATABASE_URL needs three slashes before a file. {_EXAMPLES}")
        if not parsed.database or parsed.database == ":memory:" or parsed.query:
            raise SettingsError(f"DATABASE_URL must name a file, and only that. {_EXAMPLES}")
    elif not parsed.database:
        raise SettingsError(f"DATABASE_URL names no database after the host. {_EXAMPLES}")
    return parsed.set(drivername=driver)


def sqlite_path(url: URL) -> Path | None:
    """The file behind `url`, None for a server."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    return Path(url.database)


def describe(url: URL) -> str:
    """The database as an operator would name it, without its password."""
    path = sqlite_path(url)
    return str(path) if path is not None else url.render_as_string(hide_password=True)


def _run_on_connect(engine: AsyncEngine, *statements: str) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()


def writing_engine(url: URL, *, foreign_keys: bool = True) -> AsyncEngine:
    """For SQLite the one writing connection, for which this process's writers wait in line; for
    PostgreSQL a pool. Connects to nothing yet."""
    if sqlite_path(url) is None:
        return _postgres_engine(url)
    engine = create_async_engine(
        url,
        # None: the driver begins nothing by itself; we do, at the one place below.
        connect_args={
            "isolation_level": None,
            "timeout": BUSY_TIMEOUT_S,
            "async_creator_fn": sqlite_driver.connect,
        },
        hide_parameters=True,  # members' words, in what is logged of an error
        pool_size=1,
        max_overflow=0,
    )
    _run_on_connect(
        engine,
        f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}",
        "PRAGMA synchronous=FULL",
        f"PRAGMA cache_size=-{CACHE_KIB}",
        f"PRAGMA journal_size_limit={JOURNAL_LIMIT_BYTES}",
    )

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def reading_engine(url: URL) -> AsyncEngine:
    """Connections that change nothing, not even the kind of a stranger's file."""
    if sqlite_path(url) is None:
        return _autocommit(_postgres_engine(url))
    engine = create_async_engine(
        url,
        connect_args={"timeout": BUSY_TIMEOUT_S, "async_creator_fn": sqlite_driver.connect},
        hide_parameters=True,
        isolation_level="AUTOCOMMIT",
        pool_size=READERS,
        max_overflow=0,
    )
    _run_on_connect(engine, "PRAGMA query_only=ON")
    return engine


def _postgres_engine(url: URL) -> AsyncEngine:
    try:
        engine = create_async_engine(url, pool_size=POSTGRES_CONNECTIONS, hide_parameters=True)
    except ModuleNotFoundError as missing:
        raise DatabaseError(
            f"PostgreSQL needs the package {missing.name}. Install it with "
            "`pip install 'cliffhanger[postgres]'`."
        ) from missing
    _ask_the_idle(engine)
    return engine


def _ask_the_idle(engine: AsyncEngine) -> None:
    """Replace connections that were lost while nobody used them.

    SQLAlchemy's `pool_pre_ping` asks before every use: three rounds of a vote's eleven.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def on_checkin(_connection: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def on_checkout(connection: Any, record: Any, _proxy: object) -> None:
        now = time.monotonic()
        if now - record.info.get("used_at", now) > IDLE_S:
            try:
                connection.ping()
            except Exception as error:
                raise exc.InvalidatePoolError from error


def _autocommit(engine: AsyncEngine) -> AsyncEngine:
    return engine.execution_options(isolation_level="AUTOCOMMIT")


async def use_write_ahead_log(engine: AsyncEngine) -> None:
    """Let readers go on while one writes. The file remembers it; asking again is free.

    Only for a file known to be ours.
    """
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()  # this pragma works outside transactions only
        driver = raw.driver_connection
        assert driver is not None  # noqa: S101
        # The switch needs the file to itself, and is the one thing that does not wait for it.
        for patience in range(_SWITCH_TRIES, 0, -1):
            try:
                await driver.execute_fetchall("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or patience == 1:
                    raise
                await asyncio.sleep(BUSY_TIMEOUT_S / _SWITCH_TRIES)


def upsert(connection: AsyncConnection, table: Table) -> Any:
    """An INSERT that offers `on_conflict_do_update`, which each dialect has under its own name."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table)


class Database:
    """One open database. `write()` is a transaction, `read()` a connection for single questions."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._is_file = sqlite_path(url) is not None
        self._writer = writing_engine(url)
        self._group = GroupCommit(self._writer) if self._is_file else None
        self._reader = reading_engine(url) if self._is_file else _autocommit(self._writer)

    async def open(self, check: Callable[[Connection, URL], None]) -> None:
        """Connect, let `check` look at the schema, and prove that writing is possible. Raises
        DatabaseError."""
        with opening_errors(self.url):
            async with self._reader.connect() as connection:
                await connection.run_sync(check, self.url)
            if self._is_file:
                await use_write_ahead_log(self._writer)
                await self._try_to_write()

    async def _try_to_write(self) -> None:
        # SQLite gives the lock on a read-only file too; only a change is refused.
        async with self._writer.connect() as connection:
            await connection.exec_driver_sql("PRAGMA user_version=0")
            await connection.rollback()

    @asynccontextmanager
    async def write(self, *, brief: bool = False) -> AsyncIterator[AsyncConnection]:
        """All of the block or none of it; on disk when the block is left. `brief`: it touches a
        few rows, found by their keys."""
        group = self._group
        begin = self._writer.begin() if group is None else group.write(brief=brief)
        with runtime_errors(self.url):
            async with begin as connection:
                yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees what was committed; each question by itself."""
        with runtime_errors(self.url):
            async with self._reader.connect() as connection:
                yield connection

    async def close(self) -> None:
        if self._group is not None:
            await self._group.close()
        # Readers first: the last connection to close folds the log into the file, and only the
        # writer may.
        await self._reader.dispose()
        await self._writer.dispose()


# -- what went wrong ---------------------------------------------------------------------------
def _sqlite_text(error: BaseException) -> str:
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    return str(cause).lower() if isinstance(cause, sqlite3.Error) else ""


def _sqlstate(error: BaseException) -> str:
    return str(getattr(getattr(error, "orig", None), "sqlstate", "") or "")


def is_missing_reference(error: exc.DBAPIError) -> bool:
    """A row that the new one refers to is gone."""
    return "foreign key" in _sqlite_text(error) or _sqlstate(error) == _FOREIGN_KEY_VIOLATION


def _explain_sqlite(text: str, name: str) -> str | None:
    """What an operator should do about SQLite's `text`; None where it is not theirs to mend."""
    if "locked" in text:
        return (
            f"The database {name} is locked by another process. Stop that process, or wait for "
            "it to finish, then try again."
        )
    if "readonly" in text:
        return f"The database {name} cannot be written to. Give this user write permission to it."
    if "unable to open" in text:
        return (
            f"The database {name} cannot be opened. Check that this user may read and write the "
            "file and its folder (SQLite keeps two more files beside it)."
        )
    if "not a database" in text or "malformed" in text:
        return (
            f"The file {name} is not a database, or is damaged. Correct DATABASE_URL, or put a "
            "backup (made by `cliffhanger db backup`) in its place."
        )
    if "full" in text or "disk i/o" in text:
        return f"The disk under {name} is full or failing ({text}). Free some space on it."
    return None


_POSTGRES_ADVICE = {
    "28": "It does not let this user in. Correct the user and the password in DATABASE_URL.",
    "3D": "Make the database there (`createdb`), or correct its name in DATABASE_URL.",
    "42501": "Give this user the right to use the database's tables, and to make them.",
    "25006": "It takes no changes, as a standby does. Name the primary server in DATABASE_URL.",
    "53100": "The disk under it is full. Free some space there.",
    "53300": "It has no connection left. Raise its max_connections, or run fewer processes.",
    "57P": "It is starting or shutting down. Wait for it, or start it again.",
    "08": "The connection was lost. See whether the server runs, and whether it can be reached.",
}
"""By the beginning of the SQLSTATE: PostgreSQL documentation, appendix A."""


def _explain_postgres(error: BaseException, name: str) -> str | None:
    state = _sqlstate(error)
    reason = str(getattr(error, "orig", None) or error).splitlines()[0].removesuffix(".")
    for beginning, advice in _POSTGRES_ADVICE.items():
        if state.startswith(beginning):
            return f"PostgreSQL at {name} says: {reason}. {advice}"
    if isinstance(error, _OUR_MISTAKES):
        return None
    if isinstance(error, OSError):
        return (
            f"PostgreSQL at {name} cannot be reached ({reason}). Check DATABASE_URL, and whether "
            "the server runs."
        )
    return f"PostgreSQL at {name} did not answer as hoped: {reason}. Check DATABASE_URL."


def explain(error: BaseException, url: URL) -> str | None:
    """`error` for the operator, None where it is a mistake of ours."""
    name = describe(url)
    if sqlite_path(url) is None:
        return _explain_postgres(error, name)
    return _explain_sqlite(_sqlite_text(error), name)


@contextmanager
def opening_errors(url: URL) -> Iterator[None]:
    """Turn what the driver raises while opening or migrating into a DatabaseError."""
    try:
        yield
    except (exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
        explanation = explain(error, url)
        if explanation is None:
            raise
        raise DatabaseError(explanation) from error


@contextmanager
def runtime_errors(url: URL) -> Iterator[None]:
    """Turn what passes (a lock, a full disk, a lost server) into StoreBusy, damage into
    DatabaseError. In each case the transaction was undone."""
    try:
        yield
    except (exc.DBAPIError, exc.TimeoutError, OSError) as error:
        if isinstance(error, exc.DBAPIError) and is_missing_reference(error):
            # Someone was forgotten, or a story discarded, since the caller looked.
            raise StoreBusy from error
        explanation = explain(error, url)
        if isinstance(error, exc.TimeoutError):
            explanation = f"Too many tasks wait to use {describe(url)}."
        if explanation is None:
            raise
        log.error("%s", explanation)
        if any(word in _sqlite_text(error) for word in ("malformed", "not a database")):
            raise DatabaseError(explanation) from error
        raise StoreBusy from error
