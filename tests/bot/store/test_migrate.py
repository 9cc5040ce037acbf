"""Migrations make exactly the tables the code is written for."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from bot.errors import DatabaseError, SettingsError
from bot.store import migrate as migrating
from bot.store import open_store, upgrade
from bot.store.database import parse_url, sqlite_path, writing_engine
from bot.store.migrate import MIGRATIONS, current_and_head
from bot.store.tables import metadata

ALL = [
    "0001: Members, communities, stories, votes, posts and notes.",
    "0002: Settings of a community, one row each, and the trail of who changed them.",
    "0003: Reports, hidden stories, blocked members, and which messages are one showing.",
    "0004: Stories that were posted once more because many liked them.",
    "0005: A member may have an identity on each of several platforms, linked by a code.",
    "0006: Votes that are kept but not counted, until a moderator releases them.",
    "0007: Rounds: stories that members and the model write in turn.",
]


def tables_in(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- upgrade -----------------------------------------------------------------------------------
async def test_upgrading_makes_the_database_once(empty_url: str) -> None:
    head = (await current_and_head(empty_url))[1]
    assert await current_and_head(empty_url) == (None, head)
    assert await upgrade(empty_url) == ALL
    assert await current_and_head(empty_url) == (head, head)
    assert await upgrade(empty_url) == []


async def test_upgrading_makes_the_folders_on_the_way(tmp_path: Path) -> None:
    await upgrade(f"sqlite:///{tmp_path}/a/b/stories.db")
    assert names_in(tmp_path / "a" / "b") == ["stories.db"]


async def test_an_installation_path_with_a_percent_sign_migrates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "100%(here)s"
    elsewhere.symlink_to(MIGRATIONS)
    monkeypatch.setattr(migrating, "MIGRATIONS", elsewhere)
    assert await upgrade(f"sqlite:///{tmp_path}/stories.db") == ALL


async def test_the_migrations_make_the_tables_the_code_knows(url: str) -> None:
    def differences(connection: Connection) -> object:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        return compare_metadata(context, metadata)

    engine = writing_engine(parse_url(url))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_the_migrated_tables_have_the_checks_and_keys_the_code_knows(
    sqlite_url: str, tmp_path: Path
) -> None:
    """What Alembic's comparison passes over: checks, AUTOINCREMENT, WITHOUT ROWID, DESC."""

    def definitions(path: Path) -> set[str]:
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute(
                "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"
                " AND name NOT IN ('alembic_version', 'sqlite_sequence')"
            )
            # One line, since the order of the constraints in a table does not matter.
            plain = [sql.replace('"', "").replace(",", " , ") for (sql,) in rows]
            return {" ".join(sorted(sql.split())) for sql in plain}

    engine = writing_engine(parse_url(f"sqlite:///{tmp_path}/from-metadata.db"))
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()
    migrated = sqlite_path(parse_url(sqlite_url))
    assert migrated is not None
    assert definitions(migrated) == definitions(tmp_path / "from-metadata.db")


async def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "migrations"
    (broken / "versions").mkdir(parents=True)
    (broken / "env.py").write_text((MIGRATIONS / "env.py").read_text())
    (broken / "versions" / "0001_half.py").write_text(
        "from alembic import op\n"
        "revision, down_revision = '0001', None\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE half (id INTEGER)')\n"
        "    op.execute('CREATE NONSENSE')\n"
    )
    monkeypatch.setattr(migrating, "MIGRATIONS", broken)
    with pytest.raises(Exception, match="NONSENSE"):
        await upgrade(f"sqlite:///{tmp_path}/stories.db")
    assert tables_in(tmp_path / "stories.db") == set()


async def test_two_that_upgrade_at_once_both_succeed(empty_url: str) -> None:
    done = await asyncio.gather(*(upgrade(empty_url) for _ in range(3)))
    assert sorted(done) == [[], [], ALL]


async def test_a_newer_database_is_not_touched(sqlite_url: str) -> None:
    path = sqlite_path(parse_url(sqlite_url))
    assert path is not None
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match="Install the newer version that made it"):
        await upgrade(sqlite_url)
    assert (await current_and_head(sqlite_url))[0] == "9999"


async def test_an_older_database_says_to_upgrade(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "head", lambda: "9999")
    with pytest.raises(DatabaseError, match=r"older schema \d{4}; .*`cliffhanger db upgrade`"):
        async with open_store(sqlite_url):
            pass


async def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match=r"folder .*file/sub for the database cannot be made"):
        await upgrade(f"sqlite:///{tmp_path}/file/sub/stories.db")
    with pytest.raises(DatabaseError, match="names the folder"):
        await upgrade(f"sqlite:///{tmp_path}")
    with pytest.raises(SettingsError):
        await upgrade("mysql://host/db")


async def test_downgrading_removes_every_table(url: str) -> None:
    def downgrade(connection: Connection) -> None:
        config = Config(
            attributes={"connection": connection, "on_version_apply": lambda **step: None}
        )
        config.set_main_option("script_location", str(MIGRATIONS))
        command.downgrade(config, "base")

    engine = writing_engine(parse_url(url))
    async with engine.begin() as connection:
        await connection.run_sync(downgrade)
    await engine.dispose()
    assert await upgrade(url) == ALL


async def test_an_older_databases_posts_are_pages_of_one_showing(tmp_path: Path) -> None:
    url = parse_url(f"sqlite:///{tmp_path}/stories.db")

    def fill(connection: Connection) -> None:
        attributes = {"connection": connection, "on_version_apply": lambda **step: None}
        config = Config(attributes=attributes)
        config.set_main_option("script_location", str(MIGRATIONS))
        command.upgrade(config, "0001")
        run = connection.exec_driver_sql
        run("INSERT INTO members VALUES (1, 'discord', '7', 'Ann', 0)")
        run("INSERT INTO communities VALUES (1, 'discord', '8', 'Home', 0, 0)")
        for story in (1, 2):
            run(
                "INSERT INTO stories (id, status, community_id, author_id, genre, title, prompt,"
                " text, sampling, created_at, finished_at)"
                " VALUES (?, 'finished', 1, 1, 'horror', '', '', 'Boo.', '{}', 0, 0)",
                (story,),
            )
        for page in ((1, "10"), (2, "11"), (1, "12")):
            run("INSERT INTO posts VALUES (NULL, ?, 'discord', '9', ?, 'en', 1)", page)

    engine = writing_engine(url, foreign_keys=False)
    async with engine.begin() as connection:
        await connection.run_sync(fill)
    await engine.dispose()
    assert await upgrade(f"sqlite:///{tmp_path}/stories.db") == ALL[1:]
    async with open_store(f"sqlite:///{tmp_path}/stories.db") as store:
        shown = [(post.message_id, post.first_message_id) for post in await store.posts(1)]
        assert shown == [("10", ""), ("12", "10")]
        (top, _) = await store.top_stories(1)
        assert (top.text, top.is_hidden) == ("Boo.", False)
