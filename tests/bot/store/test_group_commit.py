"""Writers who wait share a commit, and nothing else: each is told only when its own is on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, text

from bot.errors import StoreBusy
from bot.store import group_commit

if TYPE_CHECKING:
    from conftest import House

FOREVER_S = 1e9


@contextmanager
def commits(house: House) -> Iterator[list[str]]:
    """How often the database had to commit or to take back meanwhile, in order."""
    counted: list[str] = []
    engine = house.store._db._writer.sync_engine
    listeners = {
        kind: (lambda _connection, kind=kind: counted.append(kind))
        for kind in ("commit", "rollback")
    }
    for kind, listener in listeners.items():
        event.listen(engine, kind, listener)
    yield counted
    for kind, listener in listeners.items():
        event.remove(engine, kind, listener)


async def write(
    house: House,
    name: str,
    *,
    fails: bool = False,
    brief: bool = False,
    until: asyncio.Event | None = None,
) -> None:
    """A transaction that keeps a note."""
    async with house.store._db.write(brief=brief) as connection:
        await connection.execute(
            text("INSERT INTO notes (key, value) VALUES (:name, :name)"), {"name": name}
        )
        if until is not None:
            await until.wait()
        if fails:
            raise ZeroDivisionError(name)


async def kept(house: House) -> list[str]:
    async with house.store._db.read() as connection:
        return list(await connection.scalars(text("SELECT key FROM notes ORDER BY key")))


@pytest.mark.parametrize(("group_s", "n_commits"), [(FOREVER_S, 1), (0.0, 20)])
async def test_all_who_wait_share_a_commit_for_a_limited_time(
    monkeypatch: pytest.MonkeyPatch, sqlite_house: House, group_s: float, n_commits: int
) -> None:
    monkeypatch.setattr(group_commit, "GROUP_S", group_s)
    with commits(sqlite_house) as counted:
        await asyncio.gather(*(write(sqlite_house, f"{n:02}") for n in range(20)))
    assert counted == ["commit"] * n_commits
    assert await kept(sqlite_house) == [f"{n:02}" for n in range(20)]


async def test_who_is_alone_commits_at_once(sqlite_house: House) -> None:
    with commits(sqlite_house) as counted:
        for name in "abc":
            await write(sqlite_house, name)
            assert name in await kept(sqlite_house)
    assert counted == ["commit"] * 3


@pytest.mark.parametrize("brief", ["", "ac", "abcd"])
@pytest.mark.parametrize("failing", ["a", "b", "d", "abcd"])
async def test_one_that_fails_takes_back_its_own_changes_alone(
    sqlite_house: House, failing: str, brief: str
) -> None:
    results = await asyncio.gather(
        *(write(sqlite_house, name, fails=name in failing, brief=name in brief) for name in "abcd"),
        return_exceptions=True,
    )
    failed = [name for name, result in zip("abcd", results, strict=True) if result is not None]
    assert failed == list(failing)
    assert await kept(sqlite_house) == [name for name in "abcd" if name not in failing]


async def test_nobody_is_told_before_the_commit(
    monkeypatch: pytest.MonkeyPatch, sqlite_house: House
) -> None:
    monkeypatch.setattr(group_commit, "GROUP_S", FOREVER_S)
    second_may_go = asyncio.Event()
    first = asyncio.create_task(write(sqlite_house, "a"))
    second = asyncio.create_task(write(sqlite_house, "b", until=second_may_go))
    done, _ = await asyncio.wait({first, second}, timeout=0.2)
    assert not done, "the first has written, but not to disk"
    assert await kept(sqlite_house) == []
    second_may_go.set()
    await asyncio.gather(first, second)
    assert await kept(sqlite_house) == ["a", "b"]


async def test_where_the_common_transaction_breaks_nobody_is_told_that_it_stands(
    monkeypatch: pytest.MonkeyPatch, sqlite_house: House
) -> None:
    """A full disk makes SQLite take back the whole transaction, not the one statement."""
    monkeypatch.setattr(group_commit, "GROUP_S", FOREVER_S)
    async with sqlite_house.store._db.write() as connection:
        pages = await connection.scalar(text("PRAGMA page_count"))
        await connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 8}")
    names = ("a", "b" * 1_000_000, "c")
    results = await asyncio.gather(
        *(write(sqlite_house, name) for name in names), return_exceptions=True
    )
    assert [type(result) for result in results] == [StoreBusy, StoreBusy, type(None)]
    assert await kept(sqlite_house) == ["c"]


async def test_who_gives_up_in_line_holds_nobody_up(sqlite_house: House) -> None:
    first_may_go = asyncio.Event()
    first = asyncio.create_task(write(sqlite_house, "a", until=first_may_go))
    others = [asyncio.create_task(write(sqlite_house, name)) for name in "bcd"]
    await asyncio.sleep(0.02)
    others[1].cancel()
    await asyncio.sleep(0)
    first_may_go.set()
    results = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(result) for result in results] == [
        type(None),
        type(None),
        asyncio.CancelledError,
        type(None),
    ]
    assert await kept(sqlite_house) == ["a", "b", "d"]


async def test_who_cannot_begin_is_told_with_all_who_waited(
    monkeypatch: pytest.MonkeyPatch, sqlite_house: House
) -> None:
    await write(sqlite_house, "0")
    async with sqlite_house.store._db.write() as connection:
        await connection.exec_driver_sql("PRAGMA busy_timeout=50")
    async with sqlite_house.store._db._reader.connect() as other:
        await other.exec_driver_sql("PRAGMA query_only=OFF")
        await other.exec_driver_sql("BEGIN IMMEDIATE")
        results = await asyncio.gather(
            *(write(sqlite_house, name) for name in "abc"), return_exceptions=True
        )
        await other.exec_driver_sql("ROLLBACK")
    assert [type(result) for result in results] == [StoreBusy] * 3
    await write(sqlite_house, "d")
    assert await kept(sqlite_house) == ["0", "d"]


async def test_a_brief_writer_never_goes_to_the_thread_and_others_do(sqlite_house: House) -> None:
    driver: Any = None
    async with sqlite_house.store._db.write() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
    rounds: list[str] = []
    go_there = driver._execute

    async def counted(function: Any, *arguments: Any) -> Any:
        rounds.append(str(arguments[:1]))
        return await go_there(function, *arguments)

    driver._execute = counted
    await write(sqlite_house, "a")
    assert sum("INSERT" in sql for sql in rounds) == 1
    rounds.clear()
    await write(sqlite_house, "b", brief=True)
    assert not any("INSERT" in sql for sql in rounds)
    assert await kept(sqlite_house) == ["a", "b"]
