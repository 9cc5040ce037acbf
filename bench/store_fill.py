"""A large store to measure on: stories and votes as a popular bot would gather them.

Communities, authors, stories and votes are drawn by Zipf's law: the largest community has an
eighth of all stories, a popular story thousands of votes. The same numbers give the same store.
Writes SQLite, past the store, since a million calls take an hour; `cliffhanger db copy` makes
PostgreSQL of it. The one part of bench that knows the store's tables.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path

from bench.errors import BenchError
from bot.ranking import wilson_lower_bound
from bot.store import upgrade
from model.engine import SamplingParams
from model.genres import DEFAULT_GENRES

NOW = 1_790_000_000.0
"""When the store is: its newest story's time, in seconds since the Unix epoch."""
YEAR_S = 365 * 86_400.0
COMMUNITIES = 1_000
STORIES_A_MEMBER = 5
TEXT = "A lonely lighthouse went dark, and nobody on the island asked why. " * 15
"""About as long as a medium story."""

_GENRES = [genre.name for genre in DEFAULT_GENRES]


def fill(path: Path, n_stories: int, n_votes: int) -> None:
    """Make the store at `path`, which is not there yet. Raises BenchError."""
    if path.exists():
        raise BenchError(f"{path} exists already; remove it, or measure it as it is")
    members = max(n_stories // STORIES_A_MEMBER, 1_000)
    asyncio.run(upgrade(f"sqlite:///{path}"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-1000000")
        later = _drop_indexes(connection)
        _add_people(connection, members)
        draw = random.Random(7)
        ballots = _ballots(n_stories, n_votes)
        connection.executemany(
            "INSERT INTO stories (id, status, community_id, author_id, genre, title, prompt, text,"
            " sampling, created_at, finished_at, attempts, model, revision, n_tokens, seconds,"
            " finish_reason, ups, downs, rank)"
            " VALUES (?, 'finished', ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 'm', 'r', 220, 4.5, 'stop',"
            " ?, ?, ?)",
            _stories(draw, n_stories, members, ballots),
        )
        connection.executemany(
            "INSERT INTO votes (story_id, member_id, value, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?)",
            _votes(n_stories, members, ballots),
        )
        for statement in later:
            connection.execute(statement)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def zipf(n: int) -> list[float]:
    """Weights 1, 1/2, … 1/n, summed up as `random.choices` takes them."""
    return list(accumulate(1 / rank for rank in range(1, n + 1)))


def _drop_indexes(connection: sqlite3.Connection) -> list[str]:
    """Take the indexes away while rows come in; what makes them again."""
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        " AND tbl_name IN ('stories', 'votes')"
    ).fetchall()
    for name, _ in rows:
        connection.execute(f"DROP INDEX {name}")
    return [sql for _, sql in rows]


def _add_people(connection: sqlite3.Connection, members: int) -> None:
    connection.executemany(
        "INSERT INTO members (id, created_at) VALUES (?, ?)",
        ((n, NOW - YEAR_S) for n in range(1, members + 1)),
    )
    connection.executemany(
        "INSERT INTO identities (platform, platform_id, name, member_id, created_at)"
        " VALUES ('discord', ?, ?, ?, ?)",
        ((str(n), f"Member {n}", n, NOW - YEAR_S) for n in range(1, members + 1)),
    )
    connection.executemany(
        "INSERT INTO communities (id, platform, platform_id, name, is_private, created_at)"
        " VALUES (?, 'discord', ?, ?, 0, ?)",
        ((n, str(n << 22), f"Club {n}", NOW - YEAR_S) for n in range(1, COMMUNITIES + 1)),
    )


def _ballots(n_stories: int, n_votes: int) -> list[int]:
    """How many votes each story has: few have many."""
    draw = random.Random(8)
    shares = [draw.paretovariate(1.2) for _ in range(n_stories)]
    scale = n_votes / sum(shares)
    return [min(round(share * scale), 20_000) for share in shares]


def _ups(votes: int) -> int:
    return votes - votes // 4


def _stories(
    draw: random.Random, n: int, members: int, ballots: list[int]
) -> Iterator[tuple[object, ...]]:
    places = draw.choices(range(1, COMMUNITIES + 1), cum_weights=zipf(COMMUNITIES), k=n)
    authors = draw.choices(range(1, members + 1), cum_weights=zipf(members), k=n)
    sampling = json.dumps(asdict(SamplingParams()))
    for story, (place, author, votes) in enumerate(zip(places, authors, ballots, strict=True), 1):
        ups = _ups(votes)
        at = NOW - YEAR_S * (1 - story / n)
        yield (
            *(story, place, author, draw.choice(_GENRES), f"Tale {story}", TEXT[:60]),
            *(f"{story}. {TEXT}", sampling, at - 10, at, ups, votes - ups),
            wilson_lower_bound(ups, votes - ups),
        )


def _votes(n_stories: int, members: int, ballots: list[int]) -> Iterator[tuple[object, ...]]:
    draw = random.Random(9)
    for story, votes in enumerate(ballots, 1):
        ups = _ups(votes)
        at = NOW - YEAR_S * (1 - story / n_stories)
        voters = draw.sample(range(1, members + 1), min(votes, members))
        for n, member in enumerate(sorted(voters)):
            yield story, member, 1 if n < ups else -1, at, at
