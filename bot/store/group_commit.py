"""Writers to one SQLite file take turns, and those who wait share a commit.

A commit costs a wait for the disk, however much it holds. So a transaction is not committed while
somebody waits to write: they write in it too, each behind a savepoint, so that one that fails
takes back its own changes alone. Everybody is told only after the commit. Nobody waits for
company: who is alone commits at once.

Knows no table.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

GROUP_S = 0.01
"""How long a transaction takes in new writers, in seconds: what the first of them may wait more."""
PATIENCE_S = 30.0
"""How long to wait in line for one's turn."""


@dataclass(eq=False, slots=True)
class _Turn:
    """One writer's way through a transaction."""

    begun: asyncio.Future[AsyncConnection] = field(default_factory=asyncio.Future)
    """The connection, from now on this writer's."""
    is_brief: bool = False
    is_first: bool = False
    """In its transaction: there is nobody before it whose changes a savepoint would keep."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Its changes are made, or, if it has failed, taken back."""
    has_failed: bool = False
    broke: BaseException | None = None
    """They could not be taken back alone: SQLite had undone the whole transaction."""
    committed: asyncio.Future[None] = field(default_factory=asyncio.Future)

    def refuse(self, error: BaseException) -> None:
        """Raise `error` where it waits, unless it has given up waiting."""
        for waiting in (self.committed, self.begun):
            if not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # it is told at one of the two


class _TakenBack(Exception):
    """The transaction has nothing left to commit."""


class GroupCommit:
    """`engine` has one connection, of `sqlite_driver`, and begins with BEGIN IMMEDIATE."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._line: deque[_Turn] = deque()
        self._serving: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def write(self, *, brief: bool = False) -> AsyncIterator[AsyncConnection]:
        """All of the block or none of it; on disk when the block is left.

        A `brief` one touches a few rows: its statements run on the event loop's own thread.
        Raises sqlalchemy.exc.TimeoutError where the line is too long, and whatever the database
        raises at the common commit.
        """
        turn = _Turn(is_brief=brief)
        self._line.append(turn)
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
        try:
            connection = await _wait_for(turn)
            async with _savepoint(connection, turn):
                yield connection
        except BaseException:
            turn.has_failed = True
            raise
        finally:
            turn.ended.set()
        await turn.committed

    async def close(self) -> None:
        """Let those in line write."""
        if self._serving is not None:
            await self._serving

    async def _serve(self) -> None:
        try:
            while self._line:
                await self._commit_together()
        finally:
            self._serving = None

    async def _commit_together(self) -> None:
        waiting = [turn for turn in self._line if not turn.begun.done()]
        group: list[_Turn] = []
        try:
            async with self._engine.begin() as connection:
                await self._let_write(connection, group)
        except _TakenBack:
            return
        except Exception as error:
            for turn in group or waiting:  # nobody had written: nobody could have begun
                turn.refuse(error)
        for turn in group:
            if not turn.committed.done():
                turn.committed.set_result(None)

    async def _let_write(self, connection: AsyncConnection, group: list[_Turn]) -> None:
        """One after another; `group` holds those whose changes stand."""
        ends = asyncio.get_running_loop().time() + GROUP_S
        driver: Any = (await connection.get_raw_connection()).driver_connection
        while (turn := self._next()) is not None:
            turn.is_first = not group
            driver.is_brief = turn.is_brief
            turn.begun.set_result(connection)
            await turn.ended.wait()
            driver.is_brief = False
            if turn.broke is not None:
                raise turn.broke
            if not turn.has_failed:
                group.append(turn)
            elif turn.is_first:
                raise _TakenBack
            if asyncio.get_running_loop().time() > ends:
                return

    def _next(self) -> _Turn | None:
        while self._line:
            turn = self._line.popleft()
            if not turn.begun.done():
                return turn
        return None


async def _wait_for(turn: _Turn) -> AsyncConnection:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await turn.begun
    except TimeoutError:
        raise exc.TimeoutError(f"{PATIENCE_S:.0f} s in line for the one writer") from None


@asynccontextmanager
async def _savepoint(connection: AsyncConnection, turn: _Turn) -> AsyncIterator[None]:
    if turn.is_first:
        yield
        return
    await connection.exec_driver_sql("SAVEPOINT turn")  # which the commit releases
    try:
        yield
    except BaseException as error:
        try:
            await connection.exec_driver_sql("ROLLBACK TO turn")
            await connection.exec_driver_sql("RELEASE turn")
        except exc.DBAPIError as gone:
            turn.broke = error if isinstance(error, exc.DBAPIError) else gone
        raise
