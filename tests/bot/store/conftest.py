"""Databases for the store's tests: a fresh SQLite file each, and PostgreSQL where one is given.

TEST_POSTGRES_URL names a server and a role that may create databases, for example
`postgresql://cliffhanger@127.0.0.1:5433/postgres`. Each test gets a database of its own there.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.domain import Caller, Community, Member, NewStory, Provenance, Relation, Story
from bot.store import upgrade
from bot.store.store import SqlStore
from model.engine import SamplingParams

PROVENANCE = Provenance(
    model="smollm2-135m",
    revision="93efa2f",
    adapter_hash="ab" * 32,
    n_tokens=120,
    seconds=4.25,
    finish_reason="stop",
)


@dataclass
class Clock:
    """Stands still until told otherwise."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class House:
    """A store and short words for filling it."""

    store: SqlStore
    clock: Clock
    sampling: SamplingParams = field(default_factory=lambda: SamplingParams(seed=2**63 - 1))

    async def enter(self, name: str, place: str = "home") -> tuple[Member, Community]:
        return await self.store.enter(
            Caller("console", f"id-{name}", name, f"id-{place}", community_name=place)
        )

    async def member(self, name: str) -> int:
        return (await self.enter(name))[0].id

    async def queued(
        self,
        author: str = "ann",
        *,
        place: str = "home",
        genre: str = "horror",
        title: str = "The Lamp",
        parent_id: int | None = None,
    ) -> Story:
        member, community = await self.enter(author, place)
        return await self.store.add_story(
            NewStory(
                member_id=member.id,
                community_id=community.id,
                genre=genre,
                title=title,
                prompt="A lonely lighthouse",
                sampling=self.sampling,
                parent_id=parent_id,
                relation=Relation.CONTINUATION if parent_id else None,
            )
        )

    async def finished(
        self, author: str = "ann", *, place: str = "home", genre: str = "horror"
    ) -> int:
        story = await self.queued(author, place=place, genre=genre)
        assert await self.store.finish_story(story.id, "A lonely lighthouse went dark.", PROVENANCE)
        return story.id

    async def vote(self, story_id: int, ups: int, downs: int = 0) -> None:
        for i in range(ups + downs):
            voter = await self.member(f"voter-{i}")
            await self.store.cast_vote(voter, story_id, 1 if i < ups else -1)

    async def the_story(self, story_id: int) -> Story:
        story = await self.store.story(story_id)
        assert story is not None
        return story


@asynccontextmanager
async def postgres_database(server: str) -> AsyncIterator[str]:
    """A new, empty database on `server`, dropped afterwards."""
    url = make_url(server).set(drivername="postgresql+asyncpg")
    name = f"cliffhanger_test_{uuid.uuid4().hex}"
    admin = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        async with admin.connect() as connection:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        await admin.dispose()


@pytest.fixture(params=["sqlite", *(["postgres"] if "TEST_POSTGRES_URL" in os.environ else [])])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A database without tables; for SQLite, a file not yet made."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'stories.db'}"
        return
    async with postgres_database(os.environ["TEST_POSTGRES_URL"]) as url:
        yield url


@pytest.fixture
async def url(empty_url: str) -> str:
    """A database of either kind with the newest schema."""
    await upgrade(empty_url)
    return empty_url


@pytest.fixture
async def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database with the newest schema."""
    url = f"sqlite:///{tmp_path / 'stories.db'}"
    await upgrade(url)
    return url


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def house(url: str, clock: Clock) -> AsyncIterator[House]:
    async with SqlStore(url, clock) as store:
        yield House(store, clock)


@pytest.fixture
async def sqlite_house(sqlite_url: str, clock: Clock) -> AsyncIterator[House]:
    async with SqlStore(sqlite_url, clock) as store:
        yield House(store, clock)
