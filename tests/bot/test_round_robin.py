"""Rounds as a platform asks for them: turns, rules, restarts, and what becomes of them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fakes.core import PATIENCE_S, Core, caller, telling

from bot.domain import Status, Story, StoryUpdate, Turn
from bot.errors import (
    AlreadyEnded,
    BlockedMember,
    BlockedWords,
    LinesUsed,
    LineTooLong,
    ModelsTurn,
    NotFinished,
    NothingToRead,
    NotYours,
    OthersFirst,
    QueueFull,
    StoryNotFound,
    TooManyRounds,
)
from bot.limits import LINES_A_STORY
from bot.round_robin import IDLE_S, MAX_LINE_CHARS, MOST_OPEN
from bot.turn_follower import LINE_TOKENS, MOST_LINES
from model.engine import GenerationRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LINE = "The sea rose. Nobody saw it."


@pytest.fixture
async def core(core_database: Path) -> AsyncIterator[Core]:
    async with Core(core_database, engine=telling(LINE)) as started:
        yield started


async def begun(core: Core, line: str = "It was dark.") -> int:
    """A round of Ada's in which it is members' turn."""
    story = await core.service.rounds.begin(caller(), "horror", line)
    await members_turn(core, story.id)
    return story.id


async def members_turn(core: Core, story_id: int) -> Story:
    update = await core.until(story_id, lambda u: u.story.turn is Turn.MEMBERS or u.is_final)
    return update.story


async def add(core: Core, name: str, story_id: int, line: str) -> Story:
    await core.service.rounds.add_line(caller(name), story_id, line)
    return await members_turn(core, story_id)


async def test_members_and_the_model_write_in_turn(core: Core) -> None:
    story_id = await begun(core)
    story = await add(core, "bob", story_id, "A  bell\nrang.")
    assert story.status is Status.WRITING
    ended = await core.service.rounds.end(caller(), story_id)
    assert ended.status is Status.FINISHED
    assert ended.text == f"It was dark.\n\n{LINE}\n\nA bell rang.\n\n{LINE}"
    assert ended.co_authors == ("Bob",)
    assert [one.id for one in await core.service.top(caller())] == [story_id]
    assert (await core.service.vote(caller("cem"), story_id, 1)).tally.ups == 1


async def test_the_model_reads_all_lines_and_writes_few_words(core_database: Path) -> None:
    asked: list[GenerationRequest] = []

    def tell(request: GenerationRequest) -> str:
        asked.append(request)
        return LINE

    async with Core(core_database, engine=telling(tell)) as core:
        story_id = await begun(core)
        await add(core, "bob", story_id, "A bell rang.")
    assert [one.prompt for one in asked] == [
        "It was dark.",
        f"It was dark. {LINE} A bell rang.",
    ]
    assert {one.sampling.max_new_tokens for one in asked} == {LINE_TOKENS}
    assert len({one.sampling.seed for one in asked}) == 2


async def test_the_model_may_begin(core: Core) -> None:
    story_id = await begun(core, line="")
    assert (await core.row(story_id)).text == LINE


async def test_watching_goes_on_from_turn_to_turn(core: Core) -> None:
    story_id = await begun(core)
    seen: list[StoryUpdate] = []

    async def watch() -> None:
        async with aclosing(core.service.watch(story_id)) as updates:
            async for update in updates:
                seen.append(update)  # noqa: PERF401 (as they come)

    watching = asyncio.create_task(watch())
    await add(core, "bob", story_id, "A bell rang.")
    await core.service.rounds.end(caller(), story_id)
    await asyncio.wait_for(watching, PATIENCE_S)
    turns = [update.story.turn for update in seen]
    assert list(dict.fromkeys(turns)) == [Turn.MEMBERS, Turn.MODEL, Turn.OVER]
    assert all(update.round for update in seen[:-1])
    assert seen[-1].round is None
    assert seen[-1].story.status is Status.FINISHED
    assert all(update.story.text.startswith("It was dark.\n\n") for update in seen)


async def test_nobody_adds_a_line_in_the_models_turn(core: Core) -> None:
    core.gate.hold()
    story = await core.service.rounds.begin(caller(), "horror", "It was dark.")
    with pytest.raises(ModelsTurn):
        await add(core, "bob", story.id, "A bell rang.")
    core.gate.open()
    await members_turn(core, story.id)
    await add(core, "bob", story.id, "A bell rang.")
    with pytest.raises(OthersFirst):
        await add(core, "bob", story.id, "Again.")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x" * (MAX_LINE_CHARS + 1), LineTooLong),
        ("a grue came", BlockedWords),
        (" \u200b ", NothingToRead),
        ("", NothingToRead),
    ],
)
async def test_a_line_is_looked_at_before_it_is_taken(
    core_database: Path, line: str, expected: type[Exception]
) -> None:
    async with Core(core_database, engine=telling(LINE), blocked_words=("grue",)) as core:
        story_id = await begun(core)
        with pytest.raises(expected):
            await add(core, "bob", story_id, line)
        assert (await core.row(story_id)).turn is Turn.MEMBERS
        if line:
            with pytest.raises(expected):
                await core.service.rounds.begin(caller(), "horror", line)


async def test_the_models_lines_are_looked_at_too(core_database: Path) -> None:
    tell = telling("The grue came.")
    async with Core(core_database, engine=tell, blocked_words=("grue",)) as core:
        story_id = await begun(core)
        assert (await core.row(story_id)).text == "It was dark.\n\nThe •••• came."


async def test_a_blocked_member_adds_nothing(core: Core) -> None:
    story_id = await begun(core)
    await core.service.moderation.block(replace(caller("mod"), is_moderator=True), "id-bob")
    with pytest.raises(BlockedMember):
        await add(core, "bob", story_id, "A bell rang.")


async def test_another_community_does_not_have_it(core: Core) -> None:
    story_id = await begun(core)
    there = caller("bob", "elsewhere")
    for act in (
        core.service.rounds.add_line(there, story_id, "A bell rang."),
        core.service.rounds.end(there, story_id),
    ):
        with pytest.raises(StoryNotFound):
            await act
    assert await core.service.rounds.newest(there) is None


# -- how many ----------------------------------------------------------------------------------
async def test_a_community_has_so_many_open_at_once(core: Core) -> None:
    begun_ids = [await begun(core) for _ in range(MOST_OPEN)]
    with pytest.raises(TooManyRounds):
        await begun(core)
    newest = await core.service.rounds.newest(caller("bob"))
    assert newest is not None
    assert newest.id == begun_ids[-1]
    await core.service.rounds.end(caller(), begun_ids[0])
    await begun(core)


async def test_lines_of_a_day_are_counted(core: Core) -> None:
    boss = replace(caller("boss"), is_manager=True)
    await core.service.administration.change(boss, "daily_quota", 1)
    story_id = await begun(core)
    for number in range(1, LINES_A_STORY):
        await add(core, "ada", story_id, f"Line {number}.")
    with pytest.raises(LinesUsed):
        await add(core, "ada", story_id, "One more.")
    await add(core, "bob", story_id, "Bob has his own.")
    core.clock.now += 86_401
    await add(core, "ada", story_id, "The next day.")


async def test_it_ends_by_itself_at_the_most_lines(core: Core) -> None:
    story_id = await begun(core)
    for number in range(2, MOST_LINES // 2 + 1):
        story = await add(core, "ada" if number % 2 else "bob", story_id, f"Line {number}.")
    assert story.status is Status.FINISHED


# -- the end -----------------------------------------------------------------------------------
async def test_the_starter_or_a_moderator_ends_it(core: Core) -> None:
    story_id = await begun(core)
    with pytest.raises(NotYours):
        await core.service.rounds.end(caller("bob"), story_id)
    moderator = replace(caller("mod"), is_moderator=True, is_manager=True)
    await core.service.rounds.end(moderator, story_id)
    (entry,) = await core.service.administration.history(moderator)
    assert (entry.actor, entry.action, entry.details) == ("Mod", "end", {"story": story_id})
    with pytest.raises(AlreadyEnded):
        await core.service.rounds.end(moderator, story_id)
    with pytest.raises(AlreadyEnded):
        await add(core, "bob", story_id, "Too late.")


async def test_the_end_in_the_models_turn_stops_the_model(core: Core) -> None:
    story_id = await begun(core)
    core.gate.hold()
    await core.service.rounds.add_line(caller("bob"), story_id, "A bell rang.")
    await core.begun(story_id)
    await core.service.rounds.end(caller(), story_id)
    assert (await core.ended(story_id)).text == f"It was dark.\n\n{LINE}\n\nA bell rang."
    core.gate.open()
    await core.service.until_written()
    assert (await core.row(story_id)).text == f"It was dark.\n\n{LINE}\n\nA bell rang."


async def test_cancel_ends_it_and_keeps_the_lines(core: Core) -> None:
    story_id = await begun(core)
    assert (await core.service.cancel(caller(), story_id)).status is Status.FINISHED


async def test_idle_ones_end(core: Core) -> None:
    story_id = await begun(core)
    core.clock.now += IDLE_S
    await core.service.rounds.end_idle()
    assert (await core.row(story_id)).turn is Turn.MEMBERS
    core.clock.now += 1
    watching = asyncio.create_task(core.ended(story_id))
    await core.service.rounds.end_idle()
    assert (await watching).status is Status.FINISHED


async def test_deleted_while_open(core: Core) -> None:
    story_id = await begun(core)
    core.gate.hold()
    await core.service.rounds.add_line(caller("bob"), story_id, "A bell rang.")
    await core.service.delete(caller(), story_id)
    assert (await core.ended(story_id)).status is Status.DELETED
    core.gate.open()
    await core.service.until_written()
    assert (await core.row(story_id)).text == ""


async def test_an_open_one_has_no_other_version_or_next_part(core: Core) -> None:
    story_id = await begun(core)
    for act in (core.service.retry, core.service.continue_story):
        with pytest.raises(NotFinished):
            await act(caller("bob"), story_id)
    with pytest.raises(NotFinished):
        await core.service.vote(caller("bob"), story_id, 1)


# -- trouble -----------------------------------------------------------------------------------
async def test_a_full_queue_takes_no_line_and_loses_none(core_database: Path) -> None:
    async with Core(core_database, engine=telling(LINE), max_waiting=1) as core:
        story_id = await begun(core)
        core.gate.hold()
        first = await core.service.write(caller("cem"), "drama")
        await core.begun(first.id)
        await core.service.write(caller("cem"), "drama")
        with pytest.raises(QueueFull):
            await add(core, "bob", story_id, "A bell rang.")
        story = await core.row(story_id)
        assert (story.turn, story.text) == (Turn.MEMBERS, f"It was dark.\n\n{LINE}")
        with pytest.raises(QueueFull):
            await core.service.rounds.begin(caller("bob"), "horror", "Another.")
        assert len(await core.store.open_rounds(story.community_id)) == 1
        core.gate.open()


async def test_a_model_that_says_nothing_loses_its_turn(core_database: Path) -> None:
    async with Core(core_database, engine=telling("…")) as core:
        story_id = await begun(core)
        story = await add(core, "bob", story_id, "A bell rang.")
        assert story.text == "It was dark.\n\nA bell rang."
        assert (await core.service.rounds.end(caller(), story_id)).status is Status.CANCELLED


@pytest.mark.parametrize("models_turn", [True, False])
async def test_a_restart_loses_nothing(core_database: Path, models_turn: bool) -> None:
    async with Core(core_database, engine=telling(LINE)) as core:
        story_id = await begun(core)
        if models_turn:
            core.gate.hold()
            await core.service.rounds.add_line(caller("bob"), story_id, "A bell rang.")
            core.gate.give(2)
            await core.begun(story_id)
    async with Core(core_database, engine=telling(LINE)) as core:
        story = await members_turn(core, story_id)
        assert story.attempts <= 1
        if not models_turn:
            story = await add(core, "bob", story_id, "A bell rang.")
        assert story.text == f"It was dark.\n\n{LINE}\n\nA bell rang.\n\n{LINE}"


async def test_a_turn_that_brought_three_workers_down_is_given_up(core_database: Path) -> None:
    async with Core(core_database, engine=telling(LINE)) as core:
        story_id = await begun(core)
        core.gate.hold()
        await core.service.rounds.add_line(caller("bob"), story_id, "A bell rang.")
        for _ in range(3):
            await core.store.begin_attempt(story_id)
    async with Core(core_database, engine=telling(LINE)) as core:
        story = await core.row(story_id)
        assert (story.turn, story.status) == (Turn.MEMBERS, Status.WRITING)
        assert story.text == f"It was dark.\n\n{LINE}\n\nA bell rang."


async def test_many_lines_at_once(core: Core) -> None:
    story_id = await begun(core)
    core.gate.hold()  # or the model may be done before all have tried
    told = await asyncio.gather(
        *(core.service.rounds.add_line(caller(f"m{n}"), story_id, f"By m{n}.") for n in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Story) for one in told) == 1
    assert sum(isinstance(one, ModelsTurn) for one in told) == 9
    core.gate.open()
    story = await members_turn(core, story_id)
    assert story.text.count("By m") == 1
    assert story.text.count(LINE) == 2
