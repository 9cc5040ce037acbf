"""Backups while the bot runs, and what makes a database of one again.

A backup is a SQLite file: of SQLite a copy of its pages, of PostgreSQL a copy of its rows
(`transfer`). So a backup of either can be looked into, and brought back as either. Each is checked
before it gets its name.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import URL

from bot.errors import DatabaseError
from bot.store.database import BUSY_TIMEOUT_S, opening_errors, parse_url, sqlite_path
from bot.store.files import beside, flush, new_file
from bot.store.migrate import (
    current_and_head,
    missing_file,
    refuse_newer,
    upgrade_database,
)
from bot.store.share import EVERYTHING
from bot.store.tenure import sole_tenure
from bot.store.transfer import copy_database

_COMPANIONS = ("-wal", "-shm")
"""Files that SQLite may keep beside a database; the first is a part of its content."""


async def backup_database(url: str, target: Path) -> Path:
    """Copy the database at `url` to the new file `target` while others use it.

    The copy is made beside `target`, checked, and only then given its name, so that a file under
    that name is always whole. Raises DatabaseError; then `target` was not made.
    """
    parsed = parse_url(url)
    path = sqlite_path(parsed)
    if path is None:
        await copy_database(url, _url_of(target))
        return target
    if (problem := missing_file(path)) is not None:
        raise DatabaseError(problem)
    with opening_errors(parsed), new_file(target) as unfinished:
        await asyncio.to_thread(_copy_and_check, path, unfinished)
    return target


async def restore_database(url: str, source: Path, *, replace: bool = False) -> Path | None:
    """Make the database at `url` what the backup `source` holds, in the newest schema.

    Without `replace`, where there is nothing yet. With it, what there was is deleted, but for a
    SQLite file, which is kept under the name returned. Raises DatabaseError, also while a bot
    serves from the database; then nothing was changed.
    """
    parsed = parse_url(url)
    path = sqlite_path(parsed)
    if path is None:
        await _restore_rows(url, source, replace=replace)
        return None
    if path.exists() and not replace:
        raise DatabaseError(
            f"There is a database at {path}. To put the backup in its place, add --replace; what "
            "is there now is then kept under another name."
        )
    async with sole_tenure(url, EVERYTHING):
        with beside(path) as fresh:
            await _fresh_copy(source, fresh)
            return _put_in_place(fresh, path)


async def _restore_rows(url: str, source: Path, *, replace: bool) -> None:
    with beside(source) as fresh:
        await _fresh_copy(source, fresh)
        await copy_database(_url_of(fresh), url, replace=replace)


async def _fresh_copy(source: Path, fresh: Path) -> None:
    """The backup in the newest schema, in the file `fresh`."""
    if (problem := _missing_backup(source)) is not None:
        raise DatabaseError(problem)
    with opening_errors(parse_url(_url_of(source))):
        await asyncio.to_thread(_copy_and_check, source, fresh)
    revision, _ = await current_and_head(_url_of(source))
    if revision is None:
        raise DatabaseError(f"{source} is an empty database, not a backup.")
    refuse_newer(revision, str(source))
    await upgrade_database(_url_of(fresh))
    with closing(sqlite3.connect(fresh)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
    flush(fresh)


def _missing_backup(path: Path) -> str | None:
    """What is wrong with where `path` points, None when a file is there."""
    return None if path.is_file() else f"There is no backup at {path}."


def _url_of(path: Path) -> str:
    return URL.create("sqlite", database=str(path)).render_as_string()


def _copy_and_check(source: Path, copy: Path) -> None:
    existing = f"{source.absolute().as_uri()}?mode=rw"  # never makes the file
    with (
        closing(sqlite3.connect(existing, uri=True, timeout=BUSY_TIMEOUT_S)) as original,
        closing(sqlite3.connect(copy)) as duplicate,
    ):
        original.backup(duplicate)  # in one step, so that a writer never makes it start over
        duplicate.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        [[verdict]] = duplicate.execute("PRAGMA integrity_check(1)").fetchall()
        if verdict == "ok" and duplicate.execute("PRAGMA foreign_key_check").fetchone():
            verdict = "rows refer to nothing"
    if verdict != "ok":
        raise DatabaseError(
            f"The database {source} is damaged ({verdict}); it was not copied. Restore an earlier "
            "backup."
        )


def _put_in_place(fresh: Path, path: Path) -> Path | None:
    """Give `fresh` the name `path`; the name that what was there has now."""
    kept = path.with_name(f"{path.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}")
    was_there = path.exists()
    if was_there:
        with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as old:  # perhaps damaged
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    try:
        # A second name first, so that at no moment there is none.
        for suffix in ("", *_COMPANIONS) if was_there else ():
            if (file := Path(f"{path}{suffix}")).exists():
                os.link(file, f"{kept}{suffix}")
        for suffix in _COMPANIONS:  # SQLite would take an old log for the new file's
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        fresh.replace(path)
        flush(path.parent)
    except OSError as error:
        raise DatabaseError(
            f"{path} cannot be kept as {kept} and replaced ({error.strerror}). Move it away "
            "yourself, then restore again."
        ) from error
    return kept if was_there else None
