"""What was acknowledged is in the file, also after a kill -9; processes share one file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.domain import Status
from bot.store import open_store
from bot.store.database import parse_url, sqlite_path

if TYPE_CHECKING:
    from conftest import House

N_TASKS = 4
"""Tasks of one process that write at the same time."""

TELL_AND_VOTE = """
import asyncio, sys
from bot.domain import Caller, NewStory, Provenance
from bot.store import open_store
from model.engine import SamplingParams

async def tell_and_vote(store, task):
    me, home = await store.enter(Caller("console", f"author {task}", "author", "home"))
    for turn in range(10**9):
        new = NewStory(me.id, home.id, "horror", "", f"Once {task} {turn}", SamplingParams())
        story = await store.add_story(new)
        print("story", story.id, new.prompt, sep="|", flush=True)
        await store.finish_story(story.id, "The end.", Provenance("m", "r", None, 1, 0.1, "stop"))
        print("finish", story.id, sep="|", flush=True)
        voter, _ = await store.enter(Caller("console", f"voter {task} {turn % 7}", "", "home"))
        value = 1 if turn % 3 else -1
        await store.cast_vote(voter.id, story.id, value)
        print("vote", story.id, voter.id, value, sep="|", flush=True)

async def main():
    async with open_store(sys.argv[1]) as store:
        await asyncio.gather(*(tell_and_vote(store, task) for task in range(int(sys.argv[2]))))

asyncio.run(main())
"""

VOTE_FOR_ALL = """
import asyncio, sys
from bot.store import open_store

async def main(url, story, *voters):
    async with open_store(url) as store:
        for voter in voters:
            await store.cast_vote(int(voter), int(story), 1)
            await store.begin_attempt(int(story) + 1)

asyncio.run(main(*sys.argv[1:]))
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
@pytest.mark.parametrize("n_acknowledged", [1, 40, 101])
async def test_what_was_acknowledged_survives_kill_9(sqlite_url: str, n_acknowledged: int) -> None:
    with start(TELL_AND_VOTE, sqlite_url, N_TASKS) as writer:
        assert writer.stdout is not None
        lines = list(islice(writer.stdout, n_acknowledged))
        writer.kill()
        lines += [line for line in writer.stdout if line.endswith("\n")]
    assert writer.returncode == -signal.SIGKILL
    assert len(lines) >= n_acknowledged

    async with open_store(sqlite_url) as store:
        for line in lines:
            kind, story_id, *rest = line.rstrip("\n").split("|")
            story = await store.story(int(story_id))
            assert story is not None, line
            match kind:
                case "story":
                    assert story.prompt == rest[0]
                case "finish":
                    assert (story.status, story.text) == (Status.FINISHED, "The end.")
                case "vote":
                    assert await store.vote_of(int(rest[0]), story.id) == int(rest[1])
    assert_is_sound(sqlite_url)


def assert_is_sound(url: str) -> None:
    path = sqlite_path(parse_url(url))
    assert isinstance(path, Path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        wrong = connection.execute(
            "SELECT id FROM stories WHERE ups != "
            "(SELECT COUNT(*) FROM votes WHERE story_id = stories.id AND value = 1) OR downs != "
            "(SELECT COUNT(*) FROM votes WHERE story_id = stories.id AND value = -1)"
        )
        assert wrong.fetchall() == []


async def test_processes_on_one_file_lose_no_vote(sqlite_house: House, sqlite_url: str) -> None:
    voted_on = await sqlite_house.finished()
    attempted = await sqlite_house.queued()
    voters = [await sqlite_house.member(f"voter-{i}") for i in range(40)]
    processes = [start(VOTE_FOR_ALL, sqlite_url, voted_on, *voters[i::2]) for i in range(2)]
    assert [process.wait(timeout=50) for process in processes] == [0, 0]
    for process in processes:
        process.communicate()
    assert (await sqlite_house.the_story(voted_on)).tally.ups == 40
    assert (await sqlite_house.the_story(attempted.id)).attempts == 40
