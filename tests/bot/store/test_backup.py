"""A backup is whole or not there, and brings back what it was made of."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from bot.errors import DatabaseError
from bot.store import backup, open_store, restore, upgrade
from bot.store.database import parse_url, sqlite_path
from bot.store.migrate import MIGRATIONS
from bot.store.share import EVERYTHING
from bot.store.tenure import sole_tenure

if TYPE_CHECKING:
    from conftest import House


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- backup ------------------------------------------------------------------------------------
async def test_a_backup_made_in_use_is_a_database_of_its_own(
    sqlite_house: House, sqlite_url: str, tmp_path: Path
) -> None:
    story_id = await sqlite_house.finished()
    await sqlite_house.vote(story_id, ups=3)
    target = tmp_path / "copies" / "monday.db"
    target.parent.mkdir()
    writing = asyncio.gather(*(sqlite_house.queued() for _ in range(20)))
    assert await backup(sqlite_url, target) == target
    await writing
    assert names_in(target.parent) == ["monday.db"]
    async with open_store(f"sqlite:///{target}") as copy:
        assert await copy.story(story_id) == await sqlite_house.the_story(story_id)


async def test_a_backup_overwrites_nothing(sqlite_url: str, tmp_path: Path) -> None:
    target = tmp_path / "monday.db"
    target.write_text("precious")
    with pytest.raises(DatabaseError, match="exists already"):
        await backup(sqlite_url, target)
    assert target.read_text() == "precious"


async def test_a_backup_that_fails_leaves_no_file(sqlite_url: str, tmp_path: Path) -> None:
    path = sqlite_path(parse_url(sqlite_url))
    assert path is not None
    content = bytearray(path.read_bytes())
    content[4096 * 3 :] = b"\xff" * (len(content) - 4096 * 3)
    path.write_bytes(content)
    with pytest.raises(DatabaseError, match="damaged"):
        await backup(sqlite_url, tmp_path / "monday.db")
    assert names_in(tmp_path) == ["stories.db"]


async def test_a_backup_of_nothing_or_into_nowhere_says_so(sqlite_url: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="There is no database at"):
        await backup(f"sqlite:///{tmp_path}/none.db", tmp_path / "monday.db")
    with pytest.raises(DatabaseError, match="cannot be written to"):
        await backup(sqlite_url, tmp_path / "nowhere" / "monday.db")


async def test_a_backup_of_either_database_is_a_file_that_restores_either(
    house: House, url: str, empty_url: str, tmp_path: Path
) -> None:
    story_id = await house.finished()
    await house.vote(story_id, ups=3, downs=1)
    target = await backup(url, tmp_path / "monday.backup")
    await house.vote(story_id, ups=0, downs=4)
    if empty_url == f"sqlite:///{tmp_path}/stories.db":  # that is where the house may be
        empty_url = f"sqlite:///{tmp_path}/new/stories.db"
    assert await restore(empty_url, target, replace=False) is None
    async with open_store(empty_url) as copy:
        story = await copy.story(story_id)
    assert story is not None
    assert (story.tally.ups, story.tally.downs) == (3, 1)
    assert target.exists()


# -- restore -----------------------------------------------------------------------------------
@pytest.fixture
async def monday(tmp_path: Path) -> Path:
    """A backup with a note in it."""
    url = f"sqlite:///{tmp_path}/elsewhere/stories.db"
    await upgrade(url)
    async with open_store(url) as store:
        await store.save_note("day", "Monday")
    return await backup(url, tmp_path / "elsewhere" / "monday.backup")


async def day(url: str) -> str | None:
    async with open_store(url) as store:
        return await store.note("day")


async def keep(url: str, value: str) -> None:
    async with open_store(url) as store:
        await store.save_note("day", value)


async def test_restoring_overwrites_only_when_told_to(url: str, monday: Path) -> None:
    await keep(url, "Tuesday")
    with pytest.raises(
        DatabaseError, match=r"There is a database at|is not empty: there are notes"
    ):
        await restore(url, monday, replace=False)
    assert await day(url) == "Tuesday"
    kept = await restore(url, monday, replace=True)
    assert await day(url) == "Monday"
    path = sqlite_path(parse_url(url))
    assert (kept is None) == (path is None)
    if kept is not None and path is not None:
        assert re.fullmatch(r"stories\.db\.replaced-\d{8}-\d{6}", kept.name)
        assert await day(f"sqlite:///{kept}") == "Tuesday"
        left = set(names_in(path.parent)) - {"stories.db.lock", "elsewhere"}
        assert left == {"stories.db", kept.name}


async def test_nothing_is_restored_under_a_running_bot(url: str, monday: Path) -> None:
    await keep(url, "Tuesday")
    async with sole_tenure(url, EVERYTHING):
        with pytest.raises(DatabaseError, match="Another cliffhanger"):
            await restore(url, monday, replace=True)
    assert await day(url) == "Tuesday"


async def test_a_damaged_database_is_replaced_and_kept(sqlite_url: str, monday: Path) -> None:
    path = sqlite_path(parse_url(sqlite_url))
    assert path is not None
    path.write_bytes(b"damaged")
    kept = await restore(sqlite_url, monday, replace=True)
    assert kept is not None
    assert kept.read_bytes() == b"damaged"
    assert await day(sqlite_url) == "Monday"


async def test_an_old_log_is_not_taken_for_the_new_files(sqlite_url: str, monday: Path) -> None:
    """What a killed bot leaves: a database whose newest part is in the log beside it."""
    path = sqlite_path(parse_url(sqlite_url))
    assert path is not None
    with closing(sqlite3.connect(path)) as killed:
        killed.execute("INSERT INTO notes VALUES ('day', 'Tuesday')")
        killed.commit()
        files = [Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")]
        left = [file.read_bytes() for file in files]
    for file, content in zip(files, left, strict=True):
        file.write_bytes(content)
    kept = await restore(sqlite_url, monday, replace=True)
    assert await day(sqlite_url) == "Monday"
    assert await day(f"sqlite:///{kept}") == "Tuesday"


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 * 3 :] = b"\xff" * (len(content) - 4096 * 3)
    path.write_bytes(content)


def make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def make_anothers(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE songs (title TEXT)")


def cut(path: Path) -> None:
    """A story whose author is not there."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO hall_of_fame VALUES (7, 0)")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (Path.unlink, "There is no backup at .*monday.backup"),
        (lambda path: path.write_bytes(b""), "is an empty database, not a backup"),
        (lambda path: path.write_bytes(b"Dear diary, " * 1000), "is not a database, or is damaged"),
        (spoil, "is (not a database, or is )?damaged"),
        (make_newer, "monday.backup has the schema 9999, which this version"),
        (make_anothers, "monday.backup belongs to another program"),
        (cut, "is damaged .rows refer to nothing"),
    ],
)
async def test_what_is_no_backup_is_not_restored(
    url: str, monday: Path, harm: object, said: str
) -> None:
    await keep(url, "Tuesday")
    assert callable(harm)
    harm(monday)
    before = names_in(monday.parent)
    with pytest.raises(DatabaseError, match=said):
        await restore(url, monday, replace=True)
    assert await day(url) == "Tuesday"
    assert names_in(monday.parent) == before


async def test_a_backup_of_an_older_schema_is_brought_up_to_date(
    empty_url: str, tmp_path: Path
) -> None:
    old = tmp_path / "old.backup"
    engine = create_engine(f"sqlite:///{old}")
    with engine.begin() as connection:
        config = Config(
            attributes={"connection": connection, "on_version_apply": lambda **step: None}
        )
        config.set_main_option("script_location", str(MIGRATIONS))
        command.upgrade(config, "0001")
        connection.exec_driver_sql("INSERT INTO notes VALUES ('day', 'Monday')")
    engine.dispose()
    before = old.read_bytes()
    await restore(empty_url, old, replace=False)
    assert await day(empty_url) == "Monday"
    assert old.read_bytes() == before
