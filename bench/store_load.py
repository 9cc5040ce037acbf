"""How long members wait for the store: votes, top, mine and random, alone and under load.

Under load, votes arrive at a given rate whether or not earlier ones are done, and each is timed
from when it was due: a store that cannot keep up shows it. Afterwards every acknowledged vote is
looked for.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from itertools import accumulate

from sqlalchemy import func, select

from bench.errors import BenchError
from bench.store_fill import NOW
from bot.domain import VoteValue
from bot.errors import OwnStory, StoreBusy
from bot.store.store import SqlStore
from bot.store.tables import stories, votes

Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Waits:
    """What members waited for one kind of question, in milliseconds."""

    what: str
    n: int
    p50_ms: float
    p99_ms: float
    worst_ms: float

    @classmethod
    def of(cls, what: str, seconds: list[float]) -> Waits:
        ordered = sorted(1000 * wait for wait in seconds)
        last = len(ordered) - 1
        return cls(what, len(ordered), ordered[last // 2], ordered[last * 99 // 100], ordered[last])


@dataclass(slots=True)
class Asker:
    """Asks the store what members ask, of communities and authors as often as they are busy."""

    store: SqlStore
    communities: list[int]
    places: list[int]
    """How many stories each has, summed up."""
    authors: list[int]
    stories: int
    draw: random.Random = field(default_factory=lambda: random.Random(1))
    cast: dict[tuple[int, int], int] = field(default_factory=dict)
    """The last vote acknowledged, by member and story."""
    busy: Counter[str] = field(default_factory=Counter)

    @classmethod
    async def on(cls, store: SqlStore) -> Asker:
        """Raises BenchError where there is nothing to ask about."""
        async with store._db.read() as connection:
            rows = (
                await connection.execute(
                    select(stories.c.community_id, func.count()).group_by(stories.c.community_id)
                )
            ).all()
            sample = select(stories.c.author_id).where(stories.c.id % 97 == 0).limit(10_000)
            authors = list(await connection.scalars(sample))
            highest = await connection.scalar(select(func.max(stories.c.id)))
        if not rows or not authors or highest is None:
            raise BenchError("the store is empty: name a file that is not there, to have one made")
        return cls(
            store,
            [row[0] for row in rows],
            list(accumulate(row[1] for row in rows)),
            authors,
            highest,
        )

    def _community(self) -> int:
        return self.draw.choices(self.communities, cum_weights=self.places)[0]

    async def top(self) -> None:
        """All times, the last week, or one genre."""
        way = self.draw.randrange(3)
        await self.store.top_stories(
            self._community(),
            since=NOW - 7 * 86_400 if way == 1 else None,
            genre="horror" if way == 2 else None,
        )

    async def mine(self) -> None:
        await self.store.stories_by(self.draw.choice(self.authors))

    async def random(self) -> None:
        genre = "horror" if self.draw.random() < 0.3 else None
        await self.store.random_story(self._community(), genre)

    async def vote(self) -> None:
        """Half of the votes are on the newest hundred stories, as where people read along."""
        newest = self.draw.random() < 0.5
        story = self.draw.randint(self.stories - 99 if newest else 1, self.stories)
        member = self.draw.choice(self.authors)
        value: VoteValue = self.draw.choice((1, 1, -1))
        try:
            await self.store.cast_vote(member, story, value)
        except OwnStory:
            return
        self.cast[member, story] = value

    async def lost(self) -> int:
        """Of the votes acknowledged, how many are not there."""
        missing = 0
        async with self.store._db.read() as connection:
            for (member, story), value in self.cast.items():
                kept = await connection.scalar(
                    select(votes.c.value).where(
                        votes.c.story_id == story, votes.c.member_id == member
                    )
                )
                missing += kept != value
        return missing


async def alone(asker: Asker, n: int) -> list[Waits]:
    """Each kind of question, one after another."""
    found = []
    for call in (asker.vote, asker.top, asker.mine, asker.random):
        waits = []
        for _ in range(n):
            began = time.perf_counter()
            await call()
            waits.append(time.perf_counter() - began)
        found.append(Waits.of(call.__name__, waits))
    return found


async def under_load(asker: Asker, votes_s: int, reads_s: int, seconds: float) -> list[Waits]:
    """So many votes, and so many of each other question, a second."""
    rates = {asker.vote: votes_s, asker.top: reads_s, asker.mine: reads_s, asker.random: reads_s}
    waits: dict[str, list[float]] = {call.__name__: [] for call in rates}
    tasks: set[asyncio.Task[None]] = set()

    async def time_one(call: Call, name: str, due: float) -> None:
        try:
            await call()
        except StoreBusy as busy:
            asker.busy[busy.key] += 1
        waits[name].append(time.perf_counter() - due)

    async def keep_asking(call: Call, rate: int) -> None:
        began = time.perf_counter()
        for n in range(int(rate * seconds)):
            due = began + n / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(time_one(call, call.__name__, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async with asyncio.TaskGroup() as group:
        for call, rate in rates.items():
            group.create_task(keep_asking(call, rate))
    await asyncio.gather(*tasks)
    return [Waits.of(name, found) for name, found in waits.items()]


async def measure(
    url: str, n_alone: int, votes_s: int, reads_s: int, seconds: float
) -> list[dict[str, object]]:
    """All figures, a row each. Raises BenchError where a vote was lost."""
    async with SqlStore(url) as store:
        asker = await Asker.on(store)
        quiet = await alone(asker, n_alone)
        busy = await under_load(asker, votes_s, reads_s, seconds)
        began = len(asker.cast)
    async with SqlStore(url) as store:  # opened anew: what is there is on disk
        asker.store = store
        lost = await asker.lost()
    if lost:
        raise BenchError(f"{lost} of {began} acknowledged votes are not there")
    rows = [{"while": "alone", **asdict(waits)} for waits in quiet]
    rows += [{"while": f"{votes_s} votes/s", **asdict(waits)} for waits in busy]
    return [row | {"refused": asker.busy.total() if row["what"] == "vote" else 0} for row in rows]
