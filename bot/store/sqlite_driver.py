"""SQLite connections for SQLAlchemy that ask their thread once a statement.

aiosqlite runs each connection on a thread of its own and goes there four times a statement: for a
cursor, to execute, to fetch, to close. Most statements here take SQLite less time than one such
round. Those of a transaction known to be brief do not go there at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Self

import aiosqlite


class _Cursor:
    """What SQLAlchemy's adapter asks of a cursor; holds all rows as soon as it has executed."""

    description: Any = None
    rowcount = -1
    lastrowid: int | None = None
    arraysize = 1

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._rows: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None: ...

    async def close(self) -> None:
        """Nothing is open: the real cursor was closed where it was used."""

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        if self._connection.is_brief:
            self._run(sql, parameters)
        else:
            await self._connection._execute(self._run, sql, parameters)

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        await self._connection._execute(self._run_many, sql, parameters)

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    def _run(self, sql: str, parameters: Sequence[Any]) -> None:
        cursor = self._connection._conn.execute(sql, parameters)
        try:
            if cursor.description:
                self._rows = cursor.fetchall()
            self._remember(cursor)
        finally:
            cursor.close()

    def _run_many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        cursor = self._connection._conn.executemany(sql, parameters)
        self._remember(cursor)
        cursor.close()

    def _remember(self, cursor: sqlite3.Cursor) -> None:
        self.description = cursor.description
        self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid


class OneRoundConnection(aiosqlite.Connection):
    """aiosqlite's connection but for its cursors."""

    is_brief = False
    """Whether statements touch a few rows and wait for no lock, and so run where they are asked,
    while the thread is idle."""

    def cursor(self) -> Any:
        return _Cursor(self)


def connect(path: str, **options: Any) -> OneRoundConnection:
    """As `aiosqlite.connect`: to be awaited. The options are those of `sqlite3.connect`."""
    connection = OneRoundConnection(lambda: sqlite3.connect(path, **options), iter_chunk_size=64)
    connection._thread.daemon = True  # or a lost connection would keep the process from ending
    return connection
