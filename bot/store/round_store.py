"""The part of the store about rounds, which members and the model write in turn.

Knows an open database; which one, `SqlStore` knows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy import ColumnElement

from bot.domain import Provenance, Round, Story
from bot.store import rounds
from bot.store.database import Database
from bot.store.tables import stories
from bot.store.whole import whole_calls


@whole_calls
class RoundStore:
    """A part of `SqlStore`, which opens the database and has the clock."""

    _db: Database
    _clock: Callable[[], float]
    _in_my_share: Callable[[ColumnElement[bool]], Awaitable[set[int]]]

    async def add_line(
        self, member_id: int, story_id: int, text: str, *, others_first_s: float
    ) -> None:
        async with self._db.write() as connection:
            await rounds.add_line(
                connection, member_id, story_id, text, self._clock(), others_first_s=others_first_s
            )

    async def take_line_back(self, member_id: int, story_id: int) -> None:
        async with self._db.write() as connection:
            await rounds.take_line_back(connection, member_id, story_id, self._clock())

    async def end_turn(
        self, story_id: int, text: str, provenance: Provenance | None, most: int
    ) -> bool:
        async with self._db.write() as connection:
            return await rounds.end_turn(
                connection, story_id, text, provenance, most, self._clock()
            )

    async def end_round(self, story_id: int, idle_since: float | None = None) -> bool:
        async with self._db.write() as connection:
            return await rounds.end(connection, story_id, self._clock(), idle_since)

    async def round(self, story_id: int, most: int) -> Round | None:
        async with self._db.read() as connection:
            return await rounds.state(connection, story_id, most)

    async def open_rounds(self, community_id: int) -> list[Story]:
        async with self._db.read() as connection:
            return await rounds.open_rounds(connection, community_id)

    async def idle_rounds(self, since: float) -> list[int]:
        async with self._db.read() as connection:
            found = await rounds.idle(connection, since)
        mine = await self._in_my_share(stories.c.id.in_(found))
        return [story_id for story_id, community_id in found.items() if community_id in mine]

    async def count_lines(
        self, member_id: int, *, since: float, community_id: int | None = None
    ) -> int:
        async with self._db.read() as connection:
            return await rounds.count_lines(connection, member_id, since, community_id)
