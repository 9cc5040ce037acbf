"""Databases for the store's tests, of both kinds: a fresh SQLite file or PostgreSQL database each.

PostgreSQL is started from the programs on this machine; TEST_POSTGRES_URL names a server to use in
its place, and a role there that may create databases.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from servers.postgres import new_database, programs, running_postgres
from sqlalchemy import make_url

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


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server. Skips where there is none."""
    pytest.importorskip("asyncpg", reason="the PostgreSQL driver is not installed")
    if given := os.environ.get("TEST_POSTGRES_URL"):
        yield given
        return
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql), nor TEST_POSTGRES_URL set")
    # What is lost in a power cut matters to no test, and the disk is slow.
    with running_postgres("fsync=off", "full_page_writes=off", "max_connections=200") as server:
        yield server.url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of a database with the newest schema, to be copied: migrating takes a while."""

    async def make() -> str:
        url = await stack.enter_async_context(new_database(postgres_server))
        await upgrade(url)
        return str(make_url(url).database)

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        yield runner.run(make())
        runner.run(stack.aclose())


@pytest.fixture
async def empty_postgres_url(postgres_server: str) -> AsyncIterator[str]:
    """A PostgreSQL database without tables."""
    async with new_database(postgres_server) as url:
        yield url


@pytest.fixture
async def postgres_url(postgres_server: str, postgres_template: str) -> AsyncIterator[str]:
    """A PostgreSQL database with the newest schema."""
    async with new_database(postgres_server, postgres_template) as url:
        yield url


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """A file not yet made."""
    return f"sqlite:///{tmp_path / 'stories.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """A database of either kind without tables."""
    url: str = request.getfixturevalue(f"empty_{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """A database of either kind with the newest schema."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def sqlite_url(migrated_database: Path, tmp_path: Path) -> str:
    """A SQLite database with the newest schema."""
    return f"sqlite:///{shutil.copy(migrated_database, tmp_path / 'stories.db')}"


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


@pytest.fixture
def make_house(clock: Clock) -> Callable[[SqlStore], House]:
    """A house around a store that the test opens itself."""
    return lambda store: House(store, clock)
