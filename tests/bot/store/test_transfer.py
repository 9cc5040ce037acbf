"""A copy has every row of its source, or is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError

from bot.domain import Caller, NewStory, Post, Provenance, Relation
from bot.errors import DatabaseError
from bot.store import copy, open_store, transfer
from bot.store.database import parse_url, sqlite_path, writing_engine
from bot.store.share import EVERYTHING
from bot.store.store import SqlStore
from bot.store.tables import metadata
from bot.store.tenure import sole_tenure
from model.engine import SamplingParams

PROVENANCE = Provenance("m", "r", None, 1, 0.1, "stop")
N_STORIES = 12


async def fill(store: SqlStore) -> None:
    """Something of everything, in words of many kinds."""
    ann, home = await store.enter(Caller("discord", "7", "Ann", "42", "Köln 🎬", is_private=False))
    await store.enter(Caller("telegram", "7", "", "-100", is_private=True))
    voters = [(await store.enter(Caller("discord", f"v{n}", "", "42")))[0] for n in range(5)]
    parent = None
    for n in range(N_STORIES):
        new = NewStory(
            ann.id, home.id, "horror", "'; --", f"Ünïcødé 故事 {n}", SamplingParams(seed=n)
        )
        if parent is not None:
            new = replace(new, parent_id=parent, relation=Relation.CONTINUATION)
        story = await store.add_story(new)
        if n % 3:
            await store.finish_story(story.id, 'The end.\n\n"Fin."', PROVENANCE)
            for voter in voters[: n % 5 + 1]:
                await store.cast_vote(voter.id, story.id, 1 if n % 2 else -1)
            parent = story.id
    await store.add_post(Post(1, "discord", "c", "m", "de"))
    await store.change_setting(home.id, ann.id, "genres", ["horror", "drama"])
    await store.report_story(voters[0].id, 5, "dull", 1)
    await store.block(home.id, "9", ann.id)
    await store.save_note("tree", "x" * 10_000)
    await store.save_note("Äpfel", "")
    gone = await store.add_story(NewStory(ann.id, home.id, "horror", "", "", SamplingParams()))
    await store.discard_story(gone.id)  # the highest number is of no row any more


async def all_rows(url: str) -> dict[str, list[str]]:
    """Every row of every table, written out, in an order that both databases share."""
    engine = writing_engine(parse_url(url))
    async with engine.connect() as connection:
        rows = {
            table.name: sorted(repr(tuple(row)) for row in await connection.execute(select(table)))
            for table in metadata.sorted_tables
        }
    await engine.dispose()
    return rows


async def tables_of(url: str) -> list[str]:
    engine = writing_engine(parse_url(url))
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await engine.dispose()
    return names


@pytest.fixture
async def source(url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The URL of a filled store, to be copied a few rows at a time."""
    monkeypatch.setattr(transfer, "BATCH", 5)
    async with SqlStore(url) as store:
        await fill(store)
    yield url


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database that is not the source."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/copy.db"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


async def test_a_copy_is_the_same_and_gives_no_number_twice(source: str, target: str) -> None:
    counts, is_served = await copy(source, target)
    assert not is_served
    rows = await all_rows(source)
    assert await all_rows(target) == rows
    assert counts == {name: len(some) for name, some in rows.items()}
    assert min(counts[name] for name in ("members", "stories", "votes", "posts", "notes")) > 0
    async with open_store(target) as store:
        me, home = await store.enter(Caller("discord", "7", "Ann", "42", "Köln 🎬"))
        story = await store.add_story(NewStory(me.id, home.id, "horror", "", "", SamplingParams()))
        assert story.id == N_STORIES + 2, "one number was given and taken back"
        await store.add_post(Post(story.id, "discord", "c", "n", "de"))


async def test_a_copy_there_and_back_is_the_same(source: str, target: str, tmp_path: Path) -> None:
    await copy(source, target)
    await copy(target, f"sqlite:///{tmp_path}/back.db")
    assert await all_rows(f"sqlite:///{tmp_path}/back.db") == await all_rows(source)


async def test_a_target_with_something_in_it_is_left_alone(source: str, target: str) -> None:
    await copy(source, target)
    async with open_store(target) as store:
        await store.save_note("mine", "1")
    before = await all_rows(target)
    with pytest.raises(DatabaseError, match=r"exists already|is not empty"):
        await copy(source, target)
    assert await all_rows(target) == before
    with pytest.raises(DatabaseError, match="cannot be copied to itself"):
        await copy(target, target)


async def test_a_copy_has_the_tables_that_migrations_make(source: str, target: str) -> None:
    await copy(source, target)
    engine = writing_engine(parse_url(target))
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), metadata)
        )
        assert differences == []
        with pytest.raises(IntegrityError):  # references are held again
            await connection.execute(text("INSERT INTO hall_of_fame VALUES (9999, 0)"))
    await engine.dispose()


async def test_a_database_that_was_only_upgraded_is_empty(
    sqlite_url: str, postgres_url: str
) -> None:
    async with SqlStore(sqlite_url) as store:
        await fill(store)
    await copy(sqlite_url, postgres_url)
    assert await all_rows(postgres_url) == await all_rows(sqlite_url)


async def test_a_copy_of_a_store_in_use_is_as_it_was_at_one_moment(
    source: str, target: str
) -> None:
    """Tallies and votes lie in different tables: copied at different times, they would differ."""
    async with open_store(source) as store:
        voters = [(await store.enter(Caller("console", f"w{n}", "", "42")))[0] for n in range(40)]

        async def vote() -> None:
            for voter in voters:
                await store.cast_vote(voter.id, 2, 1)

        await asyncio.gather(vote(), copy(source, target))
    engine = writing_engine(parse_url(target))
    async with engine.connect() as connection:
        wrong = await connection.scalars(
            text(
                "SELECT id FROM stories WHERE ups !="
                " (SELECT count(*) FROM votes WHERE story_id = stories.id AND value = 1)"
            )
        )
        assert wrong.all() == []
    await engine.dispose()


async def test_a_row_that_the_target_refuses_leaves_nothing_there(
    sqlite_url: str, empty_postgres_url: str
) -> None:
    async with SqlStore(sqlite_url) as store:
        await store.enter(Caller("a platform with far too long a name", "7", "Ann", "42"))
    with pytest.raises(DatabaseError, match=r"did not take the table \w+: value too long"):
        await copy(sqlite_url, empty_postgres_url)
    assert await tables_of(empty_postgres_url) == []


async def test_a_copy_that_differs_is_not_kept(
    source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = transfer._write

    async def forgetful(connection: Any, table: Any, rows: Any) -> None:
        await write(connection, table, rows[1:] if table.name == "votes" and rows[1:] else rows)

    monkeypatch.setattr(transfer, "_write", forgetful)
    with pytest.raises(DatabaseError, match=r"votes is not the same: \d+ rows became \d+"):
        await copy(source, target)
    path = sqlite_path(parse_url(target))
    if path is None:
        assert await tables_of(target) == []
    else:
        assert [file.name for file in path.parent.iterdir() if "copy" in file.name] == []


async def test_a_copy_says_whether_a_bot_serves_from_its_source(source: str, target: str) -> None:
    async with sole_tenure(source, EVERYTHING):
        _, is_served = await copy(source, target)
    assert is_served


async def test_a_source_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="There is no database at"):
        await copy(f"sqlite:///{tmp_path}/none.db", f"sqlite:///{tmp_path}/copy.db")
    assert not (tmp_path / "copy.db").exists()
