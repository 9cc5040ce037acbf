"""A story at random, however many there are.

Up to some thousands are counted, and each is as likely as the others. Of more, a moment is drawn
between the first and the last, then one of the stories that were finished around it: counting a
hundred thousand would take longer than a member should wait.
"""

from __future__ import annotations

import random

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.store.rows import is_readable
from bot.store.tables import BEST_FIRST, stories

COUNTED = 10_000
"""Up to so many stories are counted, in about a millisecond."""
NEIGHBOURS = 1_000
"""One of so many around the moment is taken, so that a quiet night's story is not everybody's who
hits the night."""
NEIGHBOURS_OF_GENRE = 8
"""The same among one genre's, which no index has in the order of time: for each, stories of other
genres are looked at."""


async def count_some(connection: AsyncConnection, community_id: int, genre: str | None) -> int:
    """How many stories there are to choose from, up to `COUNTED`."""
    some = select(stories.c.id).where(is_readable(community_id, genre)).limit(COUNTED).subquery()
    return await connection.scalar(select(func.count()).select_from(some)) or 0


async def random_id(
    connection: AsyncConnection, community_id: int, genre: str | None, n: int
) -> int | None:
    """One of those `n` or, where there are more than were counted, of all.

    Rarely one that is not to be chosen: of another genre, finished in the same moment.
    """
    if n >= COUNTED:
        found = await _near_a_moment(connection, community_id, genre)
        if found is not None:
            return found
    # In an index's own order, counting on touches no story but the chosen one.
    place = random.randrange(max(n, 1))
    chosen = select(stories.c.id).where(is_readable(community_id, genre)).order_by(*BEST_FIRST)
    story_id: int | None = await connection.scalar(chosen.limit(1).offset(place))
    return story_id


async def _near_a_moment(
    connection: AsyncConnection, community_id: int, genre: str | None
) -> int | None:
    """None where there is none of the genre."""
    of_community = is_readable(community_id, None)
    ends = [
        await connection.scalar(select(end(stories.c.finished_at)).where(of_community))
        for end in (func.min, func.max)
    ]
    if None in ends:
        return None
    moment = random.uniform(*ends)
    readable, at = is_readable(community_id, genre), stories.c.finished_at
    side = (NEIGHBOURS if genre is None else NEIGHBOURS_OF_GENRE) // 2
    near: list[float] = []
    for condition, order in ((at < moment, at.desc()), (at >= moment, at)):
        # Times alone: PostgreSQL finds them in the index, without a look at any story.
        question = select(at).where(readable, condition).order_by(order).limit(side)
        near += await connection.scalars(question)
    if not near:
        return None
    # Of whatever genre: for one, SQLite would walk another index from end to end.
    then = select(stories.c.id).where(of_community, at == random.choice(near))
    found: list[int] = list(await connection.scalars(then))
    return random.choice(found) if found else None
