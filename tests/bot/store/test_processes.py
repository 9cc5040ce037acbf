"""Whole bots, as an operator starts them, on one PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from bot.domain import Status
from bot.store import open_store

N_STORIES = 100


def bot(folder: Path, url: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bot", *words],
        cwd=folder,
        env={
            **{key: value for key, value in os.environ.items() if "TOKEN" not in key},
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "DATABASE_URL": url,
            "MODEL": "scripted",
            "SLOTS": "1",
            "MAX_PENDING": "200",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def test_a_second_bot_of_the_same_platform_is_refused_and_the_first_serves_on(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    with bot(tmp_path, empty_postgres_url, "console") as first:
        assert first.stdin is not None and first.stdout is not None
        first.stdin.write("/help\n")
        first.stdin.flush()
        assert first.stdout.readline() == "What I can do\n"  # it is open, so it has the lock
        with bot(tmp_path, empty_postgres_url, "console") as second:
            _, said = second.communicate(timeout=40)
        assert second.returncode == 1
        assert "Another cliffhanger serves Console with the database" in said
        out, _ = first.communicate("/story horror A lonely lighthouse\n", timeout=40)
        assert "A lonely lighthouse" in out
    assert first.returncode == 0


async def test_what_a_killed_bot_left_is_finished_by_the_next_one(
    postgres_url: str, tmp_path: Path
) -> None:
    async with open_store(postgres_url) as store:
        with bot(tmp_path, postgres_url, "console") as killed:
            assert killed.stdin is not None
            killed.stdin.write("/story horror A lonely lighthouse\n" * N_STORIES)
            killed.stdin.flush()
            while not await store.unfinished_stories():
                await asyncio.sleep(0.01)
            killed.kill()
        assert killed.returncode == -signal.SIGKILL
        left = [story.id for story in await store.unfinished_stories()]
        assert left, "the kill came too late to prove anything"
        with bot(tmp_path, postgres_url, "console") as heir:
            heir.communicate("", timeout=40)
        assert heir.returncode == 0
        assert await store.unfinished_stories() == []
        for story_id in left:
            story = await store.story(story_id)
            assert story is not None
            assert story.status is Status.FINISHED
