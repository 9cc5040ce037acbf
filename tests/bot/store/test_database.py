"""Opening, and what goes wrong with a file: each time a sentence, and nothing changed."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.errors import DatabaseError, SettingsError, StoreBusy
from bot.store import database, group_commit, open_store, upgrade
from bot.store.database import describe, parse_url, sqlite_path

if TYPE_CHECKING:
    from conftest import House

NOBODY = 65534


def file_of(url: str) -> Path:
    path = sqlite_path(parse_url(url))
    assert path is not None
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def refusal(url: str) -> str:
    """What opening `url` says."""
    with pytest.raises(DatabaseError) as caught:
        async with open_store(url):
            pass
    return str(caught.value)


@contextmanager
def hold_write_lock(url: str) -> Iterator[None]:
    """What another process in the middle of a transaction does."""
    with closing(sqlite3.connect(file_of(url), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)


# -- the URL -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "driver", "name"),
    [
        ("sqlite:///stories.db", "sqlite+aiosqlite", "stories.db"),
        ("sqlite:////var/lib/stories.db", "sqlite+aiosqlite", "/var/lib/stories.db"),
        ("sqlite+aiosqlite:///a/b.db", "sqlite+aiosqlite", "a/b.db"),
        ("postgresql://me:pw@host/db", "postgresql+asyncpg", "postgresql+asyncpg://me:***@host/db"),
        ("postgres://host:5433/db", "postgresql+asyncpg", "postgresql+asyncpg://host:5433/db"),
        ("postgresql+asyncpg://host/db", "postgresql+asyncpg", "postgresql+asyncpg://host/db"),
    ],
)
def test_a_url_is_taken_with_or_without_its_driver(given: str, driver: str, name: str) -> None:
    url = parse_url(given)
    assert url.drivername == driver
    assert describe(url) == name


@pytest.mark.parametrize(
    "given",
    [
        "",
        "stories.db",
        "/var/lib/stories.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://stories.db",
        "sqlite:///stories.db?mode=ro",
        "mysql://host/db",
        "postgresql+psycopg2://host/db",
        "postgresql://host",
        "postgresql://host:port/db",
    ],
)
def test_another_url_is_refused_with_an_example(given: str) -> None:
    with pytest.raises(SettingsError, match=r"DATABASE_URL .*sqlite:///cliffhanger\.db"):
        open_store(given)


def test_a_refused_url_does_not_show_its_password() -> None:
    with pytest.raises(SettingsError) as caught:
        open_store("mysql://me:secret@host/db")
    assert "secret" not in str(caught.value)


# -- opening -----------------------------------------------------------------------------------
async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    for path in (tmp_path / "stories.db", tmp_path / "no" / "folder" / "stories.db"):
        said = await refusal(f"sqlite:///{path}")
        assert said == f"There is no database at {path}. Create it with `cliffhanger db upgrade`."
    assert names_in(tmp_path) == []


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    said = await refusal(f"sqlite:///{tmp_path}")
    assert said == f"DATABASE_URL names the folder {tmp_path}; it must name a file in it."


async def test_an_empty_file_needs_an_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "stories.db"
    path.touch()
    assert "is empty. Run `cliffhanger db upgrade`." in await refusal(f"sqlite:///{path}")


@pytest.mark.parametrize("content", [b"Dear diary, " * 1000, b"short"])
async def test_a_file_of_another_kind_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "diary.txt"
    path.write_bytes(content)
    said = await refusal(f"sqlite:///{path}")
    assert f"The file {path} is not a database, or is damaged" in said
    with pytest.raises(DatabaseError, match="is not a database, or is damaged"):
        await upgrade(f"sqlite:///{path}")
    assert path.read_bytes() == content


async def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "music.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE songs (title TEXT)")
    before = path.read_bytes()
    url = f"sqlite:///{path}"
    assert "belongs to another program: it has the tables songs" in await refusal(url)
    with pytest.raises(DatabaseError, match="belongs to another program"):
        await upgrade(url)
    assert path.read_bytes() == before


async def test_a_damaged_database_says_so(sqlite_url: str) -> None:
    path = file_of(sqlite_url)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    assert "is damaged" in await refusal(sqlite_url)


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        ("9999", "has the schema 9999, which this version of cliffhanger"),
        (None, "Run `cliffhanger db upgrade`"),
    ],
)
async def test_a_schema_of_another_age_is_refused(
    sqlite_url: str, revision: str | None, expected: str
) -> None:
    with closing(sqlite3.connect(file_of(sqlite_url))) as connection, connection:
        connection.execute("DELETE FROM alembic_version")
        if revision is None:
            for (table,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            ).fetchall():
                connection.execute(f"DROP TABLE {table}")
        else:
            connection.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
    assert expected in await refusal(sqlite_url)


@contextmanager
def without_privileges() -> Iterator[Path]:
    """A folder that only its owner may change, and, for root, the eyes of somebody else."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        is_root = os.geteuid() == 0
        try:
            yield folder
        finally:
            if is_root:
                os.seteuid(0)
            folder.chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
@pytest.mark.parametrize(
    ("mode", "folder_mode", "expected"),
    [
        (0o000, 0o777, "cannot be opened. Check that this user may read and write"),
        (0o444, 0o777, "cannot be written to. Give this user write permission"),
        (0o444, 0o555, "cannot be written to. Give this user write permission"),
    ],
)
async def test_a_file_we_may_not_use_says_so(
    sqlite_url: str, mode: int, folder_mode: int, expected: str
) -> None:
    with without_privileges() as folder:
        path = folder / "stories.db"
        shutil.copy(file_of(sqlite_url), path)
        path.chmod(mode)
        folder.chmod(folder_mode)
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
        said = await refusal(f"sqlite:///{path}")
    assert f"{path} {expected}" in said


async def test_a_database_in_use_by_another_process_opens_when_it_is_free(
    sqlite_url: str, no_patience: None
) -> None:
    with hold_write_lock(sqlite_url):
        assert "is locked by another process" in await refusal(sqlite_url)
    async with open_store(sqlite_url) as store:
        assert await store.note("tree") is None


async def test_a_server_that_is_not_there_says_so() -> None:
    pytest.importorskip("asyncpg", reason="the PostgreSQL driver is not installed")
    said = await refusal("postgresql://me:secret@127.0.0.1:1/db")
    assert "Check DATABASE_URL" in said
    assert "secret" not in said


async def test_postgres_without_its_driver_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    assert "pip install 'cliffhanger[postgres]'" in await refusal("postgresql://host/db")


# -- in use ------------------------------------------------------------------------------------
async def test_a_lock_that_lasts_makes_the_store_busy_and_changes_nothing(
    no_patience: None, sqlite_house: House, sqlite_url: str
) -> None:
    story_id = await sqlite_house.finished()
    bob = await sqlite_house.member("bob")
    with hold_write_lock(sqlite_url):
        with pytest.raises(StoreBusy):
            await sqlite_house.store.cast_vote(bob, story_id, 1)
        with pytest.raises(StoreBusy):
            await sqlite_house.queued()
        assert await sqlite_house.store.vote_of(bob, story_id) == 0, "reading goes on"
    assert (await sqlite_house.store.cast_vote(bob, story_id, 1)).ups == 1


async def test_a_short_lock_is_waited_for(sqlite_house: House, sqlite_url: str) -> None:
    with closing(sqlite3.connect(file_of(sqlite_url), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(sqlite_house.queued())
        await sqlite_house.store.note("anything")
        other.execute("COMMIT")
        assert (await waiting).id == 1


async def test_who_comes_again_writes_nothing(
    no_patience: None, sqlite_house: House, sqlite_url: str
) -> None:
    first = await sqlite_house.enter("ann")
    with hold_write_lock(sqlite_url):
        assert await sqlite_house.enter("ann") == first


async def test_every_connection_keeps_its_promises(sqlite_house: House) -> None:
    async with sqlite_house.store._db.write() as connection:
        settings = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("foreign_keys", "journal_mode", "synchronous")
        }
    assert settings == {"foreign_keys": 1, "journal_mode": "wal", "synchronous": 2}  # 2 is FULL


async def test_a_full_disk_makes_the_store_busy_and_changes_nothing(
    sqlite_house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await sqlite_house.queued()
    async with sqlite_house.store._db.write() as connection:
        pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar()
        await connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreBusy):
        for _ in range(200):
            await sqlite_house.store.save_note("note", "x" * 100_000)
    assert "is full or failing" in caplog.text
    assert await sqlite_house.store.note("note") is None
    assert len(await sqlite_house.store.unfinished_stories()) == 1


async def test_damage_found_later_is_for_the_operator(sqlite_url: str) -> None:
    path = file_of(sqlite_url)
    async with open_store(sqlite_url) as store:
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (size - 4096))
        with pytest.raises(DatabaseError, match="is damaged"):
            await store.story(1)


async def test_too_long_a_line_for_the_one_writer_makes_the_store_busy(
    monkeypatch: pytest.MonkeyPatch, sqlite_house: House
) -> None:
    monkeypatch.setattr(group_commit, "PATIENCE_S", 0.01)
    async with sqlite_house.store._db.write():
        with pytest.raises(StoreBusy):
            await sqlite_house.queued()
    assert (await sqlite_house.queued()).id == 1


async def test_nothing_is_left_beside_a_closed_database(sqlite_url: str) -> None:
    async with open_store(sqlite_url) as store:
        await store.save_note("a", "b")
    assert names_in(file_of(sqlite_url).parent) == ["stories.db"]
