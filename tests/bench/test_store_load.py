"""A store filled for measuring is a sound one, and a vote that was lost is noticed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from bench.errors import BenchError
from bench.store_fill import fill
from bench.store_load import Asker, Waits, alone, measure
from bot.store import upgrade
from bot.store.store import SqlStore


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("load") / "load.db"
    fill(path, n_stories=2_000, n_votes=10_000)
    return path


def test_a_filled_store_is_sound(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection:
        ask = connection.execute
        assert ask("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert ask("PRAGMA foreign_key_check").fetchall() == []
        assert ask("SELECT count(*) FROM stories").fetchone() == (2_000,)
        [(n_votes,)] = ask("SELECT count(*) FROM votes")
        assert 9_000 < n_votes < 11_000
        wrong = ask(
            "SELECT count(*) FROM stories WHERE ups != (SELECT count(*) FROM votes WHERE"
            " story_id = stories.id AND value = 1) OR ups + downs !="
            " (SELECT count(*) FROM votes WHERE story_id = stories.id)"
        )
        assert wrong.fetchone() == (0,)
        by_place = "SELECT count(*) FROM stories GROUP BY community_id ORDER BY 1 DESC LIMIT 1"
        [(largest,)] = ask(by_place)
        assert largest > 100
    with pytest.raises(BenchError, match="exists already"):
        fill(filled, 1, 1)


async def test_every_question_is_timed_alone_and_under_load(filled: Path) -> None:
    rows = await measure(f"sqlite:///{filled}", 20, votes_s=100, reads_s=20, seconds=0.5)
    assert [(row["while"], row["what"], row["n"]) for row in rows] == [
        *(("alone", what, 20) for what in ("vote", "top", "mine", "random")),
        ("100 votes/s", "vote", 50),
        *(("100 votes/s", what, 10) for what in ("top", "mine", "random")),
    ]
    assert all(0 < row["p50_ms"] <= row["p99_ms"] <= row["worst_ms"] for row in rows)  # type: ignore[operator]


async def test_a_vote_that_is_not_there_is_noticed(filled: Path) -> None:
    async with SqlStore(f"sqlite:///{filled}") as store:
        asker = await Asker.on(store)
        await alone(asker, 10)
        assert await asker.lost() == 0
        member, story = next(iter(asker.cast))
        async with store._db.write() as connection:
            await connection.execute(
                text("DELETE FROM votes WHERE member_id = :member AND story_id = :story"),
                {"member": member, "story": story},
            )
        assert await asker.lost() == 1


async def test_an_empty_store_has_nothing_to_ask_about(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/empty.db"
    await upgrade(url)
    with pytest.raises(BenchError, match="the store is empty"):
        await measure(url, 1, votes_s=1, reads_s=1, seconds=0.1)


def test_of_a_hundred_waits_the_last_but_one_is_the_99th_percentile() -> None:
    waits = Waits.of("vote", [n / 1000 for n in range(1, 102)])
    assert (waits.p50_ms, waits.p99_ms, waits.worst_ms) == (51.0, 100.0, 101.0)
