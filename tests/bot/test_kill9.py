"""kill -9 while one story is being written and ten wait; the next start finishes all, once each.

The process killed is a real one, over a real file. A trigger in the database keeps a journal of
every story that becomes finished, whoever does it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from fakes.core import Core, caller

TESTS = Path(__file__).parents[1]
PROJECT = TESTS.parent
JOURNAL = """
CREATE TABLE journal (story_id INTEGER NOT NULL);
CREATE TRIGGER finished AFTER UPDATE OF status ON stories
WHEN new.status = 'finished' BEGIN INSERT INTO journal VALUES (new.id); END;
"""
STORIES = [f"House {n}" for n in range(11)]


async def write_slowly(database: Path) -> None:
    """The process to be killed: asks for eleven stories, and says when one is being written."""
    core = Core(database)
    core.gate.hold()
    async with core:
        ids = [(await core.service.write(caller(f"m{n % 4}"), "horror", words)).id
               for n, words in enumerate(STORIES)]  # fmt: skip
        core.gate.give(2)
        await core.begun(ids[0], STORIES[0] + " ")
        print("ten wait", flush=True)
        await asyncio.Event().wait()


async def write_all(database: Path) -> None:
    """The next start: says so at each story that ends, until none is open."""
    async with Core(database) as core:
        for story in await core.store.unfinished_stories():
            await core.ended(story.id)
            print("ended", story.id, flush=True)


@contextmanager
def process(what: str, database: Path) -> Iterator[subprocess.Popen[str]]:
    code = (
        f"import sys; sys.path[:0] = {[str(PROJECT), str(TESTS)]!r}\n"
        "import asyncio, importlib.util\n"
        f"spec = importlib.util.spec_from_file_location('killed', {str(Path(__file__))!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        f"asyncio.run(module.{what}(module.Path({str(database)!r})))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=database.parent
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def line_from(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def rows(database: Path, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(question).fetchall()


def test_ten_queued_and_one_being_written_survive_kill_9(core_database: Path) -> None:
    with closing(sqlite3.connect(core_database)) as connection:
        connection.executescript(JOURNAL)
    with process("write_slowly", core_database) as child:
        assert line_from(child) == "ten wait"
    assert rows(core_database, "SELECT status, count(*) FROM stories GROUP BY 1 ORDER BY 1") == [
        ("queued", 10),
        ("writing", 1),
    ]

    with process("write_all", core_database) as child:
        assert child.wait(timeout=30) == 0
    stories = rows(core_database, "SELECT id, status, prompt, attempts FROM stories ORDER BY id")
    assert stories == [
        (n + 1, "finished", words, 2 if n == 0 else 1) for n, words in enumerate(STORIES)
    ]
    journal = rows(core_database, "SELECT story_id, count(*) FROM journal GROUP BY 1 ORDER BY 1")
    assert journal == [(n + 1, 1) for n in range(11)]


@pytest.mark.parametrize("kill_after", [1, 4])
def test_killed_again_while_finishing(core_database: Path, kill_after: int) -> None:
    """Whatever the moment of the second kill, the third start finishes the rest, once each."""
    with closing(sqlite3.connect(core_database)) as connection:
        connection.executescript(JOURNAL)
    with process("write_slowly", core_database) as child:
        assert line_from(child) == "ten wait"
    with process("write_all", core_database) as child:
        for _ in range(kill_after):
            line_from(child)
        child.kill()
    with process("write_all", core_database) as child:
        assert child.wait(timeout=30) == 0
    assert rows(core_database, "SELECT DISTINCT status FROM stories") == [("finished",)]
    journal = rows(core_database, "SELECT story_id, count(*) FROM journal GROUP BY 1 ORDER BY 1")
    assert journal == [(n + 1, 1) for n in range(11)]
