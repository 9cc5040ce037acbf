"""Each community is served by one bot process: who already serves what is locked in the database.

On SQLite one process has the whole file, by a lock beside it. On PostgreSQL a process locks its
`Share` by advisory locks of a session of its own: they end with the process, however it ends.
Discord is locked whole, or by shard; those who share it must agree on the number of shards.
Knows no table.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import URL, Integer, cast, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from bot.errors import DatabaseError
from bot.store.database import describe, opening_errors, parse_url, sqlite_path
from bot.store.share import Share

log = logging.getLogger(__name__)

CHECK_S = 5.0
"""How often a process makes sure that its locks are still held."""
_HOUSE, _PLATFORM, _SHARD, _SHARD_COUNT = 0x436C6901, 0x436C6902, 0x436C6903, 0x436C6904
""""Cli" and a number: the classes of our advisory locks (bot.store.migrate has one of its own)."""


@dataclass(frozen=True, slots=True)
class _Lock:
    """An advisory lock of two numbers, and how an operator would call what it stands for."""

    kind: int
    number: int
    what: str
    shared: bool = False


def _locks(share: Share) -> list[_Lock]:
    if share.platforms is None:
        return [_Lock(_HOUSE, 0, "this database")]
    locks = [_Lock(_HOUSE, 0, "this database", shared=True)]
    for platform in sorted(share.platforms):
        in_parts = platform == "discord" and bool(share.shard_ids)
        number = zlib.crc32(platform.encode()) >> 1  # PostgreSQL's numbers have a sign
        locks.append(_Lock(_PLATFORM, number, platform.capitalize(), shared=in_parts))
    locks += [_Lock(_SHARD, shard, f"Discord's shard {shard}") for shard in sorted(share.shard_ids)]
    if share.shard_ids:
        locks.append(_Lock(_SHARD_COUNT, share.shard_count, "Discord's shards", shared=True))
    return locks


@asynccontextmanager
async def sole_tenure(database_url: str, share: Share) -> AsyncIterator[asyncio.Future[None]]:
    """Serve `share` alone while the block lasts. Raises DatabaseError where another process does.

    The future ends, with a DatabaseError, only if that is lost meanwhile: the locks went with a
    lost connection, and somebody else has them now.
    """
    url = parse_url(database_url)
    path = sqlite_path(url)
    if path is not None:
        with _only_one_on(path):
            yield asyncio.get_running_loop().create_future()
        return
    tenure = _Tenure(url, _locks(share))
    try:
        await tenure.begin()
        keeping = asyncio.create_task(tenure.keep())
        try:
            yield keeping
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
    finally:
        await tenure.end()


@contextmanager
def _only_one_on(path: Path) -> Iterator[None]:
    lock = FileLock(Path(f"{path}.lock"), timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise DatabaseError(
            f"Another cliffhanger is running on {path}. Stop it first, or give this one another "
            "DATABASE_URL."
        ) from None
    except OSError as error:
        raise DatabaseError(f"Cannot write beside the database {path}: {error.strerror}.") from None
    try:
        yield
    finally:
        lock.release()


class _Tenure:
    """Locks of one PostgreSQL session, taken again where the session is lost."""

    def __init__(self, url: URL, locks: list[_Lock]) -> None:
        self._url = url
        self._locks = locks
        self._engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._session: AsyncConnection | None = None

    async def begin(self) -> None:
        """Connect and take every lock. Raises DatabaseError."""
        with opening_errors(self._url):
            await self._begin()

    async def _begin(self) -> None:
        session = await self._engine.connect()
        try:
            # A host that lost its power must not keep its locks for the hours TCP would take.
            for name, value in (("idle", 10), ("interval", 5), ("count", 3)):
                await session.execute(text(f"SET tcp_keepalives_{name} = {value}"))
            for lock in self._locks:
                await self._take(session, lock)
            await self._check_shard_count(session)
        except BaseException:
            await session.close()
            raise
        self._session = session

    async def _take(self, session: AsyncConnection, lock: _Lock) -> None:
        way = func.pg_try_advisory_lock_shared if lock.shared else func.pg_try_advisory_lock
        taken = await session.scalar(
            select(way(cast(lock.kind, Integer), cast(lock.number, Integer)))
        )
        if not taken:
            raise DatabaseError(
                f"Another cliffhanger serves {lock.what} with the database "
                f"{describe(self._url)}. Stop it first, or share Discord's servers by SHARD_IDS."
            )

    async def _check_shard_count(self, session: AsyncConnection) -> None:
        others = await session.scalars(
            text(
                "SELECT DISTINCT objid::int FROM pg_locks WHERE locktype = 'advisory'"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                " AND classid = :kind"
            ),
            {"kind": _SHARD_COUNT},
        )
        counts = sorted(others)
        if len(counts) > 1:
            raise DatabaseError(
                f"Processes with the database {describe(self._url)} disagree about SHARD_COUNT: "
                f"{' and '.join(map(str, counts))}. Stop them all, and give all the same."
            )

    async def keep(self) -> None:
        """Look after the session for ever; begin another where it is lost. Raises DatabaseError
        when somebody else was quicker."""
        while True:
            await asyncio.sleep(CHECK_S)
            try:
                if self._session is None:
                    await self._begin()
                    log.info("the database is back; this process goes on serving what it served")
                else:
                    await self._session.execute(text("SELECT 1"))
            except (SQLAlchemyError, OSError) as error:
                log.warning("the session that holds this process's locks was lost: %s", error)
                await self._close()

    async def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(SQLAlchemyError, OSError):
                await session.close()

    async def end(self) -> None:
        await self._close()
        await self._engine.dispose()
