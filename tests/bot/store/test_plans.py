"""Questions that members ask often are answered from an index, however many stories there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from bot.store import chance
from bot.store import store as storing

if TYPE_CHECKING:
    from conftest import House


@contextmanager
def asked(house: House) -> Iterator[list[tuple[str, Any]]]:
    """The questions put to the database meanwhile."""
    questions: list[tuple[str, Any]] = []
    engine = house.store._db._reader.sync_engine

    def remember(
        _connection: object, _cursor: object, statement: str, parameters: Any, *_: object
    ) -> None:
        questions.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", remember)
    yield questions
    event.remove(engine, "before_cursor_execute", remember)


async def plans(house: House, questions: list[tuple[str, Any]]) -> list[str]:
    """SQLite's steps for each question, those for joined names left out."""
    found: list[str] = []
    async with house.store._db.read() as connection:
        for statement, parameters in questions:
            rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            found += [row.detail for row in rows if "members" not in row.detail]
    return found


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda store, _: store.top_stories(1), "ix_stories_top "),
        (lambda store, _: store.top_stories(1, genre="horror"), "ix_stories_top_of_genre "),
        (lambda store, _: store.random_story(1), "ix_stories_top "),
        (lambda store, _: store.random_story(1, "horror"), "ix_stories_top_of_genre "),
        (lambda store, me: store.stories_by(me), "ix_stories_author "),
        (lambda store, me: store.last_story_at(me), "ix_stories_author "),
        (lambda store, me: store.count_stories(me, since=1.0), "ix_stories_author "),
    ],
)
async def test_a_frequent_question_walks_an_index_and_sorts_nothing(
    sqlite_house: House, ask: Any, index: str
) -> None:
    await sqlite_house.finished()
    with asked(sqlite_house) as questions:
        await ask(sqlite_house.store, 1)
    steps = await plans(sqlite_house, questions)
    assert any(index in step for step in steps), steps
    assert not any("SCAN stories" in step or "TEMP B-TREE" in step for step in steps), steps


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.count_cases(1),
        lambda store: store.cases(1, limit=1, offset=0),
        lambda store: store.count_held(1),
        lambda store: store.held(1, limit=1, offset=0),
    ],
)
async def test_moderators_are_not_kept_waiting_by_stories_nobody_complains_of(
    sqlite_house: House, ask: Any
) -> None:
    await sqlite_house.finished()
    with asked(sqlite_house) as questions:
        await ask(sqlite_house.store)
    steps = await plans(sqlite_house, questions)
    of_stories = [step for step in steps if step.startswith(("SEARCH stories", "SCAN stories"))]
    assert of_stories
    for step in of_stories:
        assert "PRIMARY KEY" in step or "status=? AND hidden=?" in step, steps


@pytest.mark.parametrize(("few", "index"), [(1000, "ix_stories_recent "), (1, "ix_stories_top ")])
async def test_the_best_since_a_time_are_sorted_if_few_and_found_by_rank_if_many(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch, few: int, index: str
) -> None:
    monkeypatch.setattr(storing, "_FEW", few)
    story_id = await sqlite_house.finished()
    with asked(sqlite_house) as questions:
        [top] = await sqlite_house.store.top_stories(1, since=sqlite_house.clock.now)
        assert await sqlite_house.store.top_stories(1, since=sqlite_house.clock.now + 1) == []
    assert top.id == story_id
    assert index in (await plans(sqlite_house, questions[1:2]))[0]


@pytest.mark.parametrize("genre", [None, "horror"])
async def test_a_large_communitys_random_story_is_found_by_its_time(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch, genre: str | None
) -> None:
    monkeypatch.setattr(chance, "COUNTED", 1)
    await sqlite_house.finished()
    with asked(sqlite_house) as questions:
        assert await sqlite_house.store.random_story(1, genre)
    steps = await plans(sqlite_house, questions[1:])
    assert not any("SCAN stories" in step or "TEMP B-TREE" in step for step in steps), steps
    assert sum("ix_stories_recent " in step for step in steps) == 5, "both ends, both sides, one"
