"""Disasters under load: what was acknowledged is there, and what went wrong is said plainly."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest
from servers.postgres import PostgresServer, programs, running_postgres
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.errors import DatabaseError, StoreBusy
from bot.store import database, open_store, upgrade
from bot.store.database import parse_url, sqlite_path
from bot.store.store import SqlStore

if TYPE_CHECKING:
    from conftest import House

N_VOTERS = 8


class Voting:
    """Members who vote without end; `acknowledged` is what they were told."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.acknowledged: set[tuple[int, int]] = set()
        self.n_busy = 0
        self._stories: list[int] = []
        self._done = asyncio.Event()

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        self._stories = [await self.house.finished() for _ in range(5)]
        voters = [await self.house.member(f"voter-{n}") for n in range(N_VOTERS * 40)]
        async with asyncio.TaskGroup() as group:
            for n in range(N_VOTERS):
                group.create_task(self._vote(voters[n::N_VOTERS]))
            try:
                yield
            finally:
                self._done.set()

    async def _vote(self, voters: list[int]) -> None:
        for story in self._stories:
            for voter in voters:
                while not self._done.is_set():
                    try:
                        await self.house.store.cast_vote(voter, story, 1)
                    except StoreBusy:
                        self.n_busy += 1
                        await asyncio.sleep(0.02)
                    else:
                        self.acknowledged.add((voter, story))
                        break

    async def more(self, n: int) -> None:
        """Wait until so many more are acknowledged."""
        wanted = len(self.acknowledged) + n
        while len(self.acknowledged) < wanted:
            await asyncio.sleep(0.01)

    async def assert_all_are_there(self, store: SqlStore) -> None:
        assert self.acknowledged
        async with store._db.read() as connection:
            rows = await connection.execute(text("SELECT member_id, story_id FROM votes"))
            there = {(row.member_id, row.story_id) for row in rows}
            tallies = await connection.scalar(text("SELECT sum(ups) FROM stories"))
        assert self.acknowledged <= there
        assert tallies == len(there)


# -- PostgreSQL --------------------------------------------------------------------------------
@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A PostgreSQL that a test may stop."""
    pytest.importorskip("asyncpg", reason="the PostgreSQL driver is not installed")
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with running_postgres("fsync=off") as server:
        yield server


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGINT])
async def test_postgres_restarted_under_load_loses_no_vote(
    own_server: PostgresServer, how: signal.Signals, make_house: Callable[[SqlStore], House]
) -> None:
    """SIGQUIT is as a crash; SIGINT is an administrator's restart."""
    await upgrade(own_server.url)
    async with SqlStore(own_server.url) as store:
        voting = Voting(make_house(store))
        async with voting.going_on():
            await voting.more(50)
            await asyncio.to_thread(own_server.stop, how)
            while not voting.n_busy:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(own_server.start)
            await voting.more(50)
        await voting.assert_all_are_there(store)


async def test_connections_lost_while_nobody_used_them_are_not_noticed(
    own_server: PostgresServer,
    make_house: Callable[[SqlStore], House],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "IDLE_S", 0.0)
    await upgrade(own_server.url)
    async with SqlStore(own_server.url) as store:
        house = make_house(store)
        await asyncio.gather(*(house.member(f"member-{n}") for n in range(5)))
        await asyncio.to_thread(own_server.stop)
        await asyncio.to_thread(own_server.start)
        await asyncio.gather(*(house.member(f"newcomer-{n}") for n in range(5)))


async def refusal(url: str) -> str:
    with pytest.raises(DatabaseError) as caught:
        async with open_store(url):
            pass
    return str(caught.value)


async def test_what_postgres_refuses_is_said_with_what_to_do(postgres_url: str) -> None:
    url = make_url(postgres_url)

    def but(**changes: str) -> str:
        return url.set(**changes).render_as_string(hide_password=False)

    assert "Correct the user and the password" in await refusal(but(username="nobody"))
    assert "Make the database there" in await refusal(but(database="none"))
    assert "cannot be reached" in await refusal(but(host="127.0.0.2"))

    admin = create_async_engine(parse_url(postgres_url), isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(text("CREATE ROLE stranger LOGIN"))
        try:
            assert "Give this user the right" in await refusal(but(username="stranger"))
        finally:
            await connection.execute(text("DROP ROLE stranger"))
        await connection.execute(
            text(f"ALTER DATABASE {url.database} SET default_transaction_read_only = on")
        )
    await admin.dispose()
    async with SqlStore(postgres_url) as store:
        with pytest.raises(StoreBusy):
            await store.save_note("a", "b")


# -- SQLite ------------------------------------------------------------------------------------
FILL_THE_DISK = """
import asyncio, resource, signal, sys
from bot.errors import StoreBusy
from bot.store import open_store

async def main(url):
    async with open_store(url) as store:
        kept = 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
        try:
            while True:
                notes = (store.save_note(f"{kept + n}", "x" * 20_000) for n in range(8))
                await asyncio.gather(*notes)
                kept += 8
                print("kept", kept, flush=True)
        except StoreBusy:
            print("full", flush=True)
        await asyncio.sleep(0.2)  # the others of the eight
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await store.save_note("after", "x" * 20_000)
        print("after", flush=True)

asyncio.run(main(sys.argv[1]))
"""

VOTE_TO_DEATH = """
import asyncio, os, signal, sys
from sqlalchemy import event
from bot.domain import Caller
from bot.store import open_store

async def main(url, story, n_commits):
    async with open_store(url) as store:
        left = [int(n_commits)]
        callers = [Caller("console", f"v{n}", "", "home") for n in range(400)]
        voters = [(await store.enter(caller))[0].id for caller in callers]

        def count(_connection):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(store._db._writer.sync_engine, "commit", count)

        async def vote(voter):
            await store.cast_vote(voter, int(story), 1)
            print(voter, flush=True)

        await asyncio.gather(*map(vote, voters))

asyncio.run(main(*sys.argv[1:]))
"""


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
        timeout=50,
    )


def integrity(url: str) -> list[tuple[str]]:
    with closing(sqlite3.connect(str(sqlite_path(parse_url(url))))) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall()


async def test_a_disk_that_fills_up_loses_nothing_acknowledged(sqlite_url: str) -> None:
    done = run(FILL_THE_DISK, sqlite_url)
    *kept, full, after = done.stdout.splitlines()
    assert (full, after) == ("full", "after"), done.stderr
    assert "is full or failing" in done.stderr
    async with open_store(sqlite_url) as store:
        for n in range(int(kept[-1].split()[1])):
            assert await store.note(str(n)) == "x" * 20_000
        assert await store.note("after")
    assert integrity(sqlite_url) == [("ok",)]


@pytest.mark.parametrize("n_commits", [1, 2, 3])
async def test_a_death_at_the_common_commit_takes_no_acknowledged_vote(
    sqlite_house: House, sqlite_url: str, n_commits: int
) -> None:
    story = await sqlite_house.finished()
    done = run(VOTE_TO_DEATH, sqlite_url, story, n_commits)
    assert done.returncode == -signal.SIGKILL, done.stderr
    acknowledged = [int(line) for line in done.stdout.splitlines()]
    votes = [await sqlite_house.store.vote_of(voter, story) for voter in acknowledged]
    assert votes == [1] * len(acknowledged)
    assert (len(acknowledged) > 0) == (n_commits > 1)
    assert integrity(sqlite_url) == [("ok",)]
