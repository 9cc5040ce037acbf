"""Two processes never serve the same community from one database."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.errors import DatabaseError
from bot.store import tenure
from bot.store.database import parse_url
from bot.store.share import EVERYTHING, Share
from bot.store.tenure import sole_tenure

TELEGRAM = Share(frozenset({"telegram"}))
DISCORD = Share(frozenset({"discord"}))


def shards(*numbers: int, of: int) -> Share:
    return Share(frozenset({"discord"}), frozenset(numbers), of)


async def can_begin(url: str, *shares: Share) -> None:
    async with AsyncExitStack() as stack:
        for share in shares:
            await stack.enter_async_context(sole_tenure(url, share))


@pytest.mark.parametrize(
    "shares",
    [
        (TELEGRAM, DISCORD),
        (TELEGRAM, shards(0, 1, of=4), shards(2, 3, of=4)),
        (EVERYTHING,),
    ],
)
async def test_processes_that_serve_different_communities_run_together(
    empty_postgres_url: str, shares: tuple[Share, ...]
) -> None:
    await can_begin(empty_postgres_url, *shares)
    await can_begin(empty_postgres_url, *shares)  # what ended is free again


@pytest.mark.parametrize(
    ("shares", "refusal"),
    [
        ((TELEGRAM, TELEGRAM), "Another cliffhanger serves Telegram with the database"),
        ((DISCORD, DISCORD), "Another cliffhanger serves Discord with the database"),
        ((DISCORD, shards(0, of=2)), "Another cliffhanger serves Discord with"),
        ((shards(0, of=2), DISCORD), "Another cliffhanger serves Discord with"),
        ((shards(0, 1, of=4), shards(1, 2, of=4)), "Another cliffhanger serves Discord's shard 1"),
        ((shards(0, of=4), shards(1, of=8)), "disagree about SHARD_COUNT: 4 and 8"),
        ((TELEGRAM, EVERYTHING), "Another cliffhanger serves this database"),
        ((EVERYTHING, TELEGRAM), "Another cliffhanger serves this database"),
    ],
)
async def test_a_process_that_would_serve_the_same_is_refused(
    empty_postgres_url: str, shares: tuple[Share, ...], refusal: str
) -> None:
    with pytest.raises(DatabaseError, match=refusal):
        await can_begin(empty_postgres_url, *shares)
    await can_begin(empty_postgres_url, *shares[-1:])


async def test_another_database_of_the_same_server_is_not_concerned(
    empty_postgres_url: str, postgres_url: str
) -> None:
    async with sole_tenure(postgres_url, shards(0, of=2)):
        await can_begin(empty_postgres_url, shards(0, of=4))


async def test_one_sqlite_file_serves_one_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/stories.db"
    async with sole_tenure(url, EVERYTHING):
        with pytest.raises(DatabaseError, match=r"is running on .*stories\.db\. Stop it first"):
            await can_begin(url, EVERYTHING)
    await can_begin(url, EVERYTHING)


async def end_sessions_with_locks(url: str) -> None:
    engine = create_async_engine(parse_url(url), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        )
    await engine.dispose()


async def test_a_lost_session_is_begun_again(
    empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tenure, "CHECK_S", 0.02)
    caplog.set_level("INFO")
    async with sole_tenure(empty_postgres_url, TELEGRAM) as lost:
        await end_sessions_with_locks(empty_postgres_url)
        while "the database is back" not in caplog.text:
            await asyncio.sleep(0.01)
        with pytest.raises(DatabaseError, match="serves Telegram"):
            await can_begin(empty_postgres_url, TELEGRAM)
        assert not lost.done()


async def test_who_finds_its_place_taken_stops(
    empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenure, "CHECK_S", 3.0)
    async with sole_tenure(empty_postgres_url, TELEGRAM) as lost:
        await end_sessions_with_locks(empty_postgres_url)  # before the first check
        async with sole_tenure(empty_postgres_url, TELEGRAM):
            with pytest.raises(DatabaseError, match="Another cliffhanger serves Telegram"):
                await lost
