"""Copy a whole store into an empty database, of either kind, and prove that it is the same.

The source is read as it was at one moment, while others use it. The target is written in one
transaction, read back, and compared table by table before it is committed: it holds everything or
nothing.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    ForeignKeyConstraint,
    MetaData,
    Table,
    func,
    insert,
    select,
    text,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import AddConstraint, DropConstraint

from bot.errors import DatabaseError
from bot.store.database import (
    describe,
    opening_errors,
    parse_url,
    reading_engine,
    sqlite_path,
    writing_engine,
)
from bot.store.files import new_file
from bot.store.migrate import (
    check_references,
    missing_file,
    require_head,
    revision_of,
    run_migrations,
)
from bot.store.share import EVERYTHING
from bot.store.tables import metadata
from bot.store.tenure import sole_tenure

log = logging.getLogger(__name__)

BATCH = 5_000
"""Rows read and written at once."""
_DIGEST_BITS = 128

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """What a table holds: two tables with the same content have the same rows.

    `digest` is the sum of the rows' hashes, so that the order of the rows, in which databases
    differ, does not matter.
    """

    rows: int = 0
    digest: int = 0

    def plus(self, rows: Sequence[Row]) -> Content:
        digest = self.digest
        for row in rows:
            hashed = hashlib.blake2b(repr(row).encode(), digest_size=_DIGEST_BITS // 8)
            digest += int.from_bytes(hashed.digest(), "big")
        return Content(self.rows + len(rows), digest % 2**_DIGEST_BITS)


async def copy_database(
    source_url: str, target_url: str, *, replace: bool = False
) -> dict[str, Content]:
    """Copy the store at `source_url` to `target_url`; what each table holds, by its name.

    The target must be empty, or a file not made yet; `replace` has what a PostgreSQL database holds
    deleted first. Raises SettingsError and DatabaseError; then nothing is changed.
    """
    source, target = parse_url(source_url), parse_url(target_url)
    if source == target:
        raise DatabaseError(f"{describe(source)} cannot be copied to itself.")
    path = sqlite_path(target)
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(_reading(source))
        if path is not None:
            with new_file(path) as unfinished:
                return await _fill(target.set(database=str(unfinished)), source, origin)
        await stack.enter_async_context(sole_tenure(target_url, EVERYTHING))
        return await _fill(target, source, origin, replace=replace)


async def copy_and_say_if_served(source_url: str, target_url: str) -> tuple[dict[str, int], bool]:
    """As `copy_database`: the number of each table's rows, and whether a bot serves from the
    source. Where none does, none begins to meanwhile."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(sole_tenure(source_url, EVERYTHING))
        except DatabaseError:  # what else it may say, reading says too
            is_served = True
        else:
            is_served = False
        contents = await copy_database(source_url, target_url)
    return {name: content.rows for name, content in contents.items()}, is_served


@asynccontextmanager
async def _reading(url: URL) -> AsyncIterator[AsyncConnection]:
    """A connection that sees the store as it was at one moment."""
    path = sqlite_path(url)
    if path is not None and (problem := missing_file(path)) is not None:
        raise DatabaseError(problem)
    engine = writing_engine(url) if path is None else reading_engine(url)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        with opening_errors(url):
            connection = await stack.enter_async_context(engine.connect())
            if path is None:
                await connection.execution_options(isolation_level="REPEATABLE READ")
            else:
                await connection.exec_driver_sql("BEGIN")
            await connection.run_sync(require_head, url)
        yield connection


async def _fill(
    target: URL, source: URL, origin: AsyncConnection, *, replace: bool = False
) -> dict[str, Content]:
    engine = writing_engine(target, foreign_keys=False)
    try:
        with opening_errors(target):
            async with engine.begin() as connection:
                await _prepare(connection, target, replace=replace)
                contents = {}
                async with _references_checked_at_the_end(connection):
                    for table in metadata.sorted_tables:
                        contents[table.name] = await _copy_table(origin, source, connection, table)
                        log.info("copied %s: %d rows", table.name, contents[table.name].rows)
                return contents
    finally:
        await engine.dispose()


@asynccontextmanager
async def _references_checked_at_the_end(connection: AsyncConnection) -> AsyncIterator[None]:
    """All at once, several times as fast as row by row."""
    if connection.dialect.name == "sqlite":  # which was opened without
        yield
        await connection.run_sync(check_references)
        return
    constraints = _references()
    for constraint in constraints:
        await connection.execute(DropConstraint(constraint))
    yield
    for constraint in constraints:
        await connection.execute(AddConstraint(constraint))


def _references() -> list[ForeignKeyConstraint]:
    """Of a copy of the tables: SQLAlchemy makes no table any more with what was once added."""
    tables = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.sorted_tables:
        table.to_metadata(tables)
    return [found for table in tables.sorted_tables for found in table.foreign_key_constraints]


async def _prepare(connection: AsyncConnection, url: URL, *, replace: bool) -> None:
    """Have the tables there, and empty."""
    if await connection.run_sync(revision_of, url) is None:
        await connection.run_sync(run_migrations, url)
        return
    await connection.run_sync(require_head, url)
    tables = metadata.sorted_tables
    if replace:
        names = ", ".join(connection.dialect.identifier_preparer.format_table(t) for t in tables)
        await connection.exec_driver_sql(f"TRUNCATE {names}")
    for table in tables:
        if await connection.scalar(select(1).select_from(table).limit(1)):
            raise DatabaseError(
                f"The database {describe(url)} is not empty: there are {table.name} in it. Name an "
                "empty one."
            )


async def _copy_table(
    origin: AsyncConnection, source: URL, target: AsyncConnection, table: Table
) -> Content:
    given = Content()
    with opening_errors(source):
        async for rows in _rows(origin, table):
            given = given.plus(rows)
            await _write(target, table, rows)
        last = await _last_number(origin, table)
    await _number_on(target, table, last)
    kept = Content()
    async for rows in _rows(target, table):
        kept = kept.plus(rows)
    if kept != given:
        raise DatabaseError(
            f"The copy of the table {table.name} is not the same: {given.rows} rows became "
            f"{kept.rows}, or some of them differ. Nothing was copied. Please report this."
        )
    return given


def _columns(table: Table) -> list[Column[object]]:
    """Those that are written, not computed."""
    return [column for column in table.columns if column.computed is None]


async def _rows(connection: AsyncConnection, table: Table) -> AsyncIterator[list[Row]]:
    """All rows in the order of the primary key, some at a time: none is held for long."""
    columns, key = _columns(table), list(table.primary_key.columns)
    places = [columns.index(column) for column in key]
    question = select(*columns).order_by(*key).limit(BATCH)
    found = (await connection.execute(question)).all()
    while found:
        yield [tuple(row) for row in found]
        last = tuple_(*(found[-1][place] for place in places))
        found = (await connection.execute(question.where(tuple_(*key) > last))).all()


async def _write(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    columns = _columns(table)
    if connection.dialect.name == "sqlite":
        names = [column.name for column in columns]
        await connection.execute(
            insert(table), [dict(zip(names, row, strict=True)) for row in rows]
        )
        return
    await _write_by_copy(connection, table, columns, rows)


async def _write_by_copy(
    connection: AsyncConnection, table: Table, columns: list[Column[object]], rows: Sequence[Row]
) -> None:
    """PostgreSQL's COPY, several times as fast as INSERT."""
    from asyncpg import InterfaceError, PostgresError

    prepared = [list(row) for row in rows]
    for place, column in enumerate(columns):
        to_driver = column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
        if to_driver is not None:
            for row in prepared:
                row[place] = to_driver(row[place])
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None  # noqa: S101
    try:
        await driver.copy_records_to_table(
            table.name, records=prepared, columns=[column.name for column in columns]
        )
    except (PostgresError, InterfaceError) as error:
        raise DatabaseError(
            f"PostgreSQL did not take the table {table.name}: {error}. Nothing was copied."
        ) from error


# -- the numbers of rows to come ---------------------------------------------------------------
async def _last_number(connection: AsyncConnection, table: Table) -> int | None:
    """The highest number that a row of the table ever had; None where rows are not numbered."""
    column = table.autoincrement_column
    if column is None:
        return None
    highest: int = await connection.scalar(select(func.max(column))) or 0
    if connection.dialect.name == "sqlite":
        given = await connection.scalar(
            text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name}
        )
    else:
        given = await connection.scalar(
            text("SELECT pg_sequence_last_value(pg_get_serial_sequence(:name, :column))"),
            {"name": table.name, "column": column.name},
        )
    return max(highest, given or 0)


async def _number_on(connection: AsyncConnection, table: Table, last: int | None) -> None:
    """Have the next row of the table numbered `last` + 1, or not at all."""
    if last is None:
        return
    if connection.dialect.name == "postgresql":
        await connection.execute(
            text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :next, false)"),
            {"name": table.name, "next": last + 1},
        )
    elif table.dialect_options["sqlite"]["autoincrement"]:
        await connection.execute(
            text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name}
        )
        await connection.execute(
            text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)"),
            {"name": table.name, "seq": last},
        )
