"""The use cases over a real SQLite file, the memory queue and a worker; the engine is scripted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from fakes.core import Core, caller, eventually, telling

from bot.domain import HeldVotes, Hold, Post, Provenance, QueueView, Relation, Status, Tally
from bot.errors import (
    AlreadyEnded,
    BlockedWords,
    CoolingDown,
    NoStories,
    NotFinished,
    NothingToCancel,
    NothingToRead,
    NotModerator,
    NotYours,
    OwnStory,
    PromptTooLong,
    QueueFull,
    QuotaUsed,
    StoryNotFound,
    TitleTooLong,
    TooManyPending,
    UnknownGenre,
)
from bot.limits import Limits
from bot.service import StoryService
from model.engine import GenerationRequest
from model.genres import DEFAULT_GENRES, Genre, GenreTable
from model.scripted_engine import ScriptedEngine

MakeCore = Callable[..., Awaitable[Core]]

ADA, BEN = caller("ada"), caller("ben")


class Requests:
    """Remembers what the engine was asked for."""

    def __init__(self, text: str = " stood there. It was dark.") -> None:
        self.seen: list[GenerationRequest] = []
        self._text = text

    def __call__(self, request: GenerationRequest) -> str:
        self.seen.append(request)
        return self._text


# -- the way of one story --------------------------------------------------------------------------
async def test_a_story_is_recorded_then_written_then_finished_with_its_provenance(
    make_core: MakeCore,
) -> None:
    core = await make_core(engine=telling(" stood there. Alone."), worker=False)
    core.gate.hold()
    story = await core.service.write(ADA, "Scary", "A lonely lighthouse", length="short")

    recorded = await core.row(story.id)
    assert recorded == story
    assert (story.status, story.attempts, story.text) == (Status.QUEUED, 0, "")
    assert (story.genre, story.prompt, story.author_name) == (
        "horror",
        "A lonely lighthouse",
        "Ada",
    )
    assert story.sampling.max_new_tokens == 100
    waiting = await core.until(story.id, lambda update: update.position is not None)
    assert (waiting.position, waiting.expected_wait_s) == (1, None)  # no worker yet

    core.start_worker()
    core.gate.give(1)
    growing = await core.begun(story.id, "stood")
    assert growing.story.text == "A lonely lighthouse stood"
    assert (await core.row(story.id)).status is Status.WRITING
    core.gate.open()
    finished = await core.ended(story.id)

    assert finished == await core.row(story.id)
    assert finished.status is Status.FINISHED
    assert finished.text == "A lonely lighthouse stood there. Alone."
    assert (finished.attempts, finished.finished_at) == (1, core.clock.now)
    assert finished.provenance is not None
    assert finished.provenance.seconds > 0
    assert finished.provenance == Provenance(
        model="scripted",
        revision="1",
        adapter_hash=None,
        n_tokens=3,
        seconds=finished.provenance.seconds,
        finish_reason="stop",
    )


async def test_watchers_who_come_late_or_twice_see_the_end(core: Core) -> None:
    story = await core.service.write(ADA, "drama", "Two sisters")
    first, second = await asyncio.gather(core.ended(story.id), core.ended(story.id))
    await eventually(lambda: not len(core.service._open))
    assert first == second == await core.ended(story.id)


async def test_watching_an_unknown_story(core: Core) -> None:
    with pytest.raises(StoryNotFound):
        await core.ended(99)


async def test_a_title_alone_opens_the_story(make_core: MakeCore) -> None:
    core = await make_core(engine=telling(" a keeper. The end."))
    story = await core.service.write(ADA, "horror", title="“The Lamp”")
    ended = await core.ended(story.id)
    assert ended.title == "The Lamp"
    assert ended.text == '"The Lamp" is a horror film about a keeper. The end.'


async def test_neither_title_nor_opening(make_core: MakeCore) -> None:
    core = await make_core(engine=telling("Once there was a dog. It barked."))
    story = await core.service.write(ADA, "horror")
    assert (await core.ended(story.id)).text == "Once there was a dog. It barked."


async def test_an_engine_that_fails_twice_gets_a_third_try(make_core: MakeCore) -> None:
    tries: list[str] = []

    def fails(request: GenerationRequest) -> bool:
        tries.append(request.prompt)
        return len(tries) < 3

    core = await make_core(
        engine=lambda gate: ScriptedEngine(
            lambda request: " one two three.", fail_on=fails, fail_after=2
        )
    )
    story = await core.service.write(ADA, "horror", "A bad start")
    ended = await core.ended(story.id)
    assert tries == ["A bad start"] * 3
    assert (ended.status, ended.attempts) == (Status.FINISHED, 3)
    assert ended.text == "A bad start one two three."


async def test_an_engine_that_always_fails_is_asked_three_times(make_core: MakeCore) -> None:
    core = await make_core(
        engine=lambda gate: ScriptedEngine(
            fail_on=lambda request: request.prompt == "poison", fail_after=3
        )
    )
    poison = await core.service.write(ADA, "horror", "poison")
    good = await core.service.write(ADA, "horror", "fine")
    failed = await core.ended(poison.id)
    assert (failed.status, failed.failure, failed.attempts) == (Status.FAILED, "failure-error", 3)
    assert failed.text == ""
    assert (await core.ended(good.id)).status is Status.FINISHED
    assert (await core.queue.state()).writing == ()


@pytest.mark.parametrize("nothing", ["", "  \n ", "<|im_end|>", " [1] [12]", " …"])
async def test_an_empty_completion_is_no_story(make_core: MakeCore, nothing: str) -> None:
    core = await make_core(engine=telling(nothing))
    story = await core.service.write(ADA, "horror", "A lonely lighthouse")
    ended = await core.ended(story.id)
    assert (ended.status, ended.failure, ended.attempts) == (Status.FAILED, "failure-empty", 1)


# -- what may be asked -----------------------------------------------------------------------------
async def test_bad_input_is_refused_and_leaves_no_record(make_core: MakeCore) -> None:
    core = await make_core(blocked_words=("damn",))
    write = core.service.write
    with pytest.raises(UnknownGenre) as unknown:
        await write(ADA, "horor", "A house")
    assert unknown.value.values == {
        "given": "horor",
        "nearest": "horror",
        "choices": "superhero, sci_fi, action, drama, horror, thriller",
    }
    with pytest.raises(PromptTooLong) as long:
        await write(ADA, "horror", "x" * 601)
    assert long.value.values == {"length": 601, "limit": 600}
    with pytest.raises(TitleTooLong):
        await write(ADA, "horror", title="x" * 101)
    with pytest.raises(NothingToRead):
        await write(ADA, "horror", " \u202e\u0000\n ")
    with pytest.raises(BlockedWords):
        await write(ADA, "horror", "Damn the lighthouse")
    with pytest.raises(BlockedWords):
        await write(ADA, "horror", title="DAMN")
    with pytest.raises(NoStories):
        await core.service.mine(ADA)


async def test_harmful_characters_are_gone_before_anything_is_kept(core: Core) -> None:
    story = await core.service.write(ADA, "horror", "  The\u202e door\u0007\n\nopens ")
    assert (await core.row(story.id)).prompt == "The door opens"


async def test_blocked_words_in_a_completion_are_masked(make_core: MakeCore) -> None:
    core = await make_core(engine=telling(" said damn twice. Damned."), blocked_words=("damn",))
    story = await core.service.write(ADA, "horror", "He")
    assert (await core.ended(story.id)).text == "He said •••• twice. Damned."


async def test_each_story_gets_a_seed_of_its_own(core: Core) -> None:
    seeds = {(await core.service.write(ADA, "horror", "A house")).sampling.seed for _ in range(5)}
    assert len(seeds) == 5  # a clash of two among 2**31: 5e-9


async def test_no_more_pending_stories_than_allowed(make_core: MakeCore) -> None:
    core = await make_core(limits=Limits(max_pending=2), worker=False)
    first = await core.service.write(ADA, "horror", "one")
    await core.service.write(ADA, "horror", "two")
    with pytest.raises(TooManyPending) as refused:
        await core.service.write(ADA, "horror", "three")
    assert refused.value.values == {"limit": 2}
    await core.service.write(BEN, "horror", "another member's own")
    await core.service.cancel(ADA, first.id)
    await core.service.write(ADA, "horror", "three")


async def test_asking_many_times_at_once_does_not_get_past_the_limit(make_core: MakeCore) -> None:
    core = await make_core(limits=Limits(max_pending=3), worker=False)
    answers = await asyncio.gather(
        *(core.service.write(ADA, "horror", f"story {n}") for n in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, TooManyPending) for answer in answers) == 7
    assert len(await core.store.unfinished_stories()) == 3


async def test_a_full_queue_refuses_and_leaves_no_record(make_core: MakeCore) -> None:
    core = await make_core(max_waiting=2, worker=False)
    kept = [(await core.service.write(ADA, "horror", word)).id for word in ("one", "two")]
    with pytest.raises(QueueFull) as refused:
        await core.service.write(BEN, "horror", "three")
    assert refused.value.expected_wait_s == 60.0  # two before it and itself, 20 s guessed for each
    assert refused.value.values == {"minutes": 1}
    assert [story.id for story in await core.store.unfinished_stories()] == kept
    with pytest.raises(NoStories):
        await core.service.mine(BEN)


# -- cancelling ------------------------------------------------------------------------------------
async def test_cancel_while_queued(make_core: MakeCore) -> None:
    core = await make_core(worker=False)
    story = await core.service.write(ADA, "horror", "A house")
    cancelled = await core.service.cancel(ADA, story.id)
    assert cancelled == await core.row(story.id)
    assert (cancelled.status, cancelled.text, cancelled.attempts) == (
        Status.CANCELLED,
        "A house",
        0,
    )
    assert (await core.queue.state()).waiting == ()
    core.start_worker()
    assert (await core.finished()).id != story.id


async def test_cancel_without_a_number_takes_the_members_newest(make_core: MakeCore) -> None:
    core = await make_core(worker=False)
    first, second = [await core.service.write(ADA, "horror", words) for words in ("One", "Two")]
    await core.service.write(BEN, "horror", "Three")
    assert (await core.service.cancel(ADA)).id == second.id
    assert (await core.service.cancel(ADA)).id == first.id
    with pytest.raises(NothingToCancel):
        await core.service.cancel(ADA)


async def test_cancel_while_writing_keeps_what_was_written_and_frees_the_slot(
    make_core: MakeCore,
) -> None:
    core = await make_core(engine=telling(" stood there. It was very dark. And"))
    core.gate.hold()
    story = await core.service.write(ADA, "horror", "A house")
    next_one = await core.service.write(BEN, "horror", "A barn")
    core.gate.give(6)
    await core.begun(story.id, "dark.")
    cancelled = await core.service.cancel(ADA, story.id)
    assert cancelled.status is Status.CANCELLED
    assert cancelled.text == "A house stood there. It was very dark."
    await core.begun(next_one.id)
    assert core.engine.running == 1
    core.gate.open()
    assert (await core.ended(next_one.id)).status is Status.FINISHED
    assert await core.row(story.id) == cancelled


@pytest.mark.parametrize("way", ["cancel", "delete", "forget"])
async def test_another_process_stops_a_story_that_this_one_follows(
    make_core: MakeCore, way: str
) -> None:
    """As where Discord's shards are shared out, and a member writes to the bot in private."""
    core = await make_core()
    core.gate.hold()
    async with StoryService(core.store, core.queue, DEFAULT_GENRES, core.rules) as other:
        story = await core.service.write(ADA, "horror", "A house")
        await core.begun(story.id)
        if way == "cancel":
            assert (await other.cancel(ADA)).status is Status.CANCELLED
        elif way == "delete":
            await other.delete(ADA, story.id)
        else:
            await other.forget(ADA)
    ended = await core.ended(story.id)
    assert ended.status is (Status.CANCELLED if way == "cancel" else Status.DELETED)
    await eventually(lambda: core.engine.running == 0)


async def test_cancel_between_two_attempts_is_not_lost(make_core: MakeCore) -> None:
    """The story fails; before it is put in line again, its author cancels."""
    core = await make_core(
        engine=lambda gate: ScriptedEngine(
            lambda request: " one two.", step=gate.step, fail_on=lambda request: True
        )
    )
    core.gate.hold()
    story = await core.service.write(ADA, "horror", "A house")
    await core.begun(story.id)
    begin, asked = core.store.begin_attempt, asyncio.Event()

    async def slowly(story_id: int) -> int | None:
        asked.set()
        await asyncio.sleep(0.05)
        return await begin(story_id)

    core.store.begin_attempt = slowly  # type: ignore[method-assign]
    core.gate.give(1)  # the first attempt fails; the second begins, slowly, and has failed too
    await asked.wait()
    core.gate.give(1)
    cancelled = await core.service.cancel(ADA, story.id)
    assert cancelled.status is Status.CANCELLED
    await eventually(lambda: core.engine.running == 0)


async def test_only_the_author_cancels(make_core: MakeCore) -> None:
    core = await make_core(worker=False)
    story = await core.service.write(ADA, "horror", "A house")
    with pytest.raises(NotYours):
        await core.service.cancel(BEN, story.id)
    with pytest.raises(StoryNotFound):
        await core.service.cancel(caller("ben", "elsewhere"), story.id)
    assert (await core.row(story.id)).status is Status.QUEUED


async def test_cancel_after_the_end(core: Core) -> None:
    story = await core.finished()
    with pytest.raises(AlreadyEnded):
        await core.service.cancel(ADA, story.id)
    assert (await core.row(story.id)).status is Status.FINISHED


async def test_cancelling_many_times_at_once(make_core: MakeCore) -> None:
    """Whoever comes first cancels; the others hear the same, or that it has ended."""
    core = await make_core(worker=False)
    story = await core.service.write(ADA, "horror", "A house")
    answers = await asyncio.gather(
        *(core.service.cancel(ADA, story.id) for _ in range(5)), return_exceptions=True
    )
    late = [answer for answer in answers if isinstance(answer, AlreadyEnded)]
    cancelled = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert {answer.status for answer in cancelled} == {Status.CANCELLED}
    assert len(late) + len(cancelled) == 5


# -- continuing and trying again -------------------------------------------------------------------
async def test_a_continuation_goes_on_from_all_earlier_parts(make_core: MakeCore) -> None:
    requests = Requests()
    core = await make_core(engine=telling(requests))
    first = await core.finished(prompt="A house")
    second = await core.service.continue_story(BEN, first.id, "Then a bell")
    second = await core.ended(second.id)
    third = await core.service.continue_story(ADA, second.id)
    third = await core.ended(third.id)

    part = "A house stood there. It was dark."
    assert first.text == part
    assert second.text == "Then a bell stood there. It was dark."
    assert [request.prompt for request in requests.seen] == [
        "A house",
        f"{part} Then a bell",
        f"{part} Then a bell stood there. It was dark.",
    ]
    assert (second.relation, second.parent_id, second.author_name) == (
        Relation.CONTINUATION,
        first.id,
        "Ben",
    )
    assert (second.genre, second.title) == (first.genre, first.title)
    assert second.sampling == replace(first.sampling, seed=second.sampling.seed)


async def test_another_version_of_a_continuation_has_the_same_parts_before_it(
    make_core: MakeCore,
) -> None:
    requests = Requests()
    core = await make_core(engine=telling(requests))
    first = await core.finished(prompt="A house")
    second = await core.service.continue_story(ADA, first.id, "Then a bell")
    second = await core.ended(second.id)
    again = await core.ended((await core.service.retry(ADA, second.id)).id)
    more = await core.ended((await core.service.continue_story(ADA, again.id)).id)
    prompts = [request.prompt for request in requests.seen]
    assert prompts[2] == prompts[1] == f"{first.text} Then a bell"
    assert prompts[3] == f"{first.text} {again.text}"
    assert (again.relation, again.parent_id) == (Relation.VERSION, second.id)
    assert more.parent_id == again.id


async def test_a_long_chain_hands_over_its_end(make_core: MakeCore) -> None:
    requests = Requests(" word" * 1200 + ".")
    core = await make_core(engine=telling(requests, context_length=10_000))
    story = await core.service.write(ADA, "horror", "First", length="long")
    story = await core.ended(story.id)
    for _ in range(4):
        story = await core.ended((await core.service.continue_story(ADA, story.id)).id)
    assert len(requests.seen[-1].prompt) == 8_000
    assert requests.seen[-1].prompt.endswith((await core.row(story.parent_id or 0)).text)


async def test_a_retry_keeps_the_old_story(core: Core) -> None:
    old = await core.finished()
    new = await core.service.retry(BEN, old.id)
    new = await core.ended(new.id)
    assert await core.row(old.id) == old
    assert (new.relation, new.parent_id, new.author_name) == (Relation.VERSION, old.id, "Ben")
    assert (new.prompt, new.genre) == (old.prompt, old.genre)
    assert new.sampling.seed != old.sampling.seed
    assert new.text != old.text


async def test_a_failed_or_cancelled_story_can_be_tried_again(make_core: MakeCore) -> None:
    core = await make_core(worker=False)
    story = await core.service.write(ADA, "horror", "A house")
    await core.service.cancel(ADA, story.id)
    core.start_worker()
    again = await core.service.retry(ADA, story.id)
    assert (await core.ended(again.id)).status is Status.FINISHED


async def test_only_a_finished_story_is_continued(make_core: MakeCore) -> None:
    core = await make_core(worker=False)
    story = await core.service.write(ADA, "horror", "A house")
    with pytest.raises(NotFinished):
        await core.service.continue_story(ADA, story.id)
    await core.service.cancel(ADA, story.id)
    with pytest.raises(NotFinished):
        await core.service.continue_story(ADA, story.id)


async def test_a_genre_that_left_the_table_cannot_be_continued(
    make_core: MakeCore, core: Core
) -> None:
    old = await core.finished()
    await core.stop()
    later = await make_core(genres=GenreTable((Genre("drama", "drama", "<drama>"),)))
    with pytest.raises(UnknownGenre):
        await later.service.continue_story(ADA, old.id)
    with pytest.raises(UnknownGenre):
        await later.service.retry(ADA, old.id)


async def test_a_word_blocked_since_then_cannot_be_tried_again(
    make_core: MakeCore, core: Core
) -> None:
    old = await core.finished(prompt="The damn lighthouse")
    await core.stop()
    stricter = await make_core(blocked_words=("damn",))
    with pytest.raises(BlockedWords):
        await stricter.service.retry(ADA, old.id)


# -- who sees what ---------------------------------------------------------------------------------
async def test_a_story_of_another_community_is_not_there(core: Core) -> None:
    story = await core.finished("ada", "home")
    stranger = caller("ben", "elsewhere")
    service = core.service
    for refused in (
        service.read(stranger, story.id),
        service.vote(stranger, story.id, 1),
        service.continue_story(stranger, story.id),
        service.retry(stranger, story.id),
        service.cancel(stranger, story.id),
    ):
        with pytest.raises(StoryNotFound):
            await refused
    for empty in (service.top(stranger), service.random(stranger), service.mine(stranger)):
        with pytest.raises(NoStories):
            await empty
    assert (await service.read(BEN, story.id)).id == story.id


async def test_the_same_ids_on_another_platform_are_other_people(core: Core) -> None:
    story = await core.finished("ada", "home")
    with pytest.raises(StoryNotFound):
        await core.service.read(caller("ada", "home", platform="telegram"), story.id)


async def test_ones_own_story_is_found_anywhere(core: Core) -> None:
    private = await core.finished("ada", "chat-with-ada")
    assert (await core.service.read(ADA, private.id)).text == private.text
    with pytest.raises(StoryNotFound):
        await core.service.read(BEN, private.id)


async def test_mine_is_everywhere_in_private_and_here_in_a_community(core: Core) -> None:
    home = await core.finished("ada", "home")
    away = await core.finished("ada", "away")
    await core.finished("ben", "home")
    alone = caller("ada", "chat", private=True)
    assert [story.id for story in await core.service.mine(ADA)] == [home.id]
    assert [story.id for story in await core.service.mine(alone)] == [away.id, home.id]
    assert [story.id for story in await core.service.mine(alone, limit=1, offset=1)] == [home.id]


async def test_top_by_genre_and_period(core: Core) -> None:
    old = await core.finished("ada")
    core.clock.now += 8 * 86_400
    new = await core.finished("ada")
    drama = await core.service.write(ADA, "drama", "Two sisters")
    await core.ended(drama.id)
    await core.service.vote(BEN, old.id, 1)
    await core.service.vote(BEN, drama.id, -1)

    async def top(*asked: str) -> list[int]:
        return [story.id for story in await core.service.top(BEN, *asked)]  # type: ignore[arg-type]

    assert await top() == [old.id, new.id, drama.id]
    assert await top("scary") == [old.id, new.id]
    assert await top("", "week") == [new.id, drama.id]
    assert await top("", "month") == [old.id, new.id, drama.id]
    with pytest.raises(NoStories):
        await core.service.top(BEN, "thriller")
    with pytest.raises(UnknownGenre):
        await core.service.top(BEN, "nonsense")


async def test_random_is_of_the_genre_asked_for(core: Core) -> None:
    horror = await core.finished()
    assert (await core.service.random(BEN)).id == horror.id
    assert (await core.service.random(BEN, "horror")).id == horror.id
    with pytest.raises(NoStories):
        await core.service.random(BEN, "drama")


async def test_a_story_being_written_is_read_as_far_as_it_is(make_core: MakeCore) -> None:
    core = await make_core(engine=telling(" stood there. Alone."))
    core.gate.hold()
    story = await core.service.write(ADA, "horror", "A house")
    core.gate.give(2)
    await core.begun(story.id, "there.")
    assert (await core.service.read(BEN, story.id)).text == "A house stood there."


async def test_the_queue_as_a_member_sees_it(make_core: MakeCore) -> None:
    core = await make_core(worker=False)
    core.gate.hold()
    mine = [(await core.service.write(ADA, "horror", f"story {n}")).id for n in range(2)]
    theirs = await core.service.write(BEN, "horror", "A barn")
    assert await core.service.about() is None
    assert await core.service.queue_view(ADA) == QueueView(
        waiting=3, writing=0, expected_wait_s=80.0, mine=((mine[0], 1), (mine[1], 3))
    )
    core.start_worker()
    await core.begun(mine[0])
    await core.until(theirs.id, lambda update: update.position == 1)
    assert await core.service.queue_view(ADA) == QueueView(
        waiting=2, writing=1, expected_wait_s=60.0, mine=((mine[0], None), (mine[1], 2))
    )
    assert (await core.service.queue_view(BEN)).mine == ((theirs.id, 1),)
    about = await core.service.about()
    assert about is not None
    assert about.model == "scripted"


# -- votes -----------------------------------------------------------------------------------------
async def test_a_vote_is_cast_changed_and_taken_back(core: Core) -> None:
    story = await core.finished()
    up = await core.service.vote(BEN, story.id, 1)
    assert (up.tally.ups, up.tally.downs, round(up.tally.rank, 4)) == (1, 0, 0.2065)
    down = await core.service.vote(BEN, story.id, -1)
    assert down.tally == Tally(0, 1, 0.0)
    cleared = await core.service.vote(BEN, story.id, 0)
    assert cleared.tally == (await core.row(story.id)).tally == Tally()


async def test_votes_that_do_not_count(make_core: MakeCore) -> None:
    core = await make_core()
    story = await core.finished()
    with pytest.raises(OwnStory):
        await core.service.vote(ADA, story.id, 1)
    with pytest.raises(StoryNotFound):
        await core.service.vote(BEN, 999, 1)
    with pytest.raises(StoryNotFound):
        await core.service.vote(BEN, 10**30, 1)
    core.gate.hold()
    unfinished = await core.service.write(ADA, "horror", "A house")
    with pytest.raises(NotFinished):
        await core.service.vote(BEN, unfinished.id, 1)
    await core.store.delete_story(story.id)
    with pytest.raises(StoryNotFound):
        await core.service.vote(BEN, story.id, 1)


async def test_votes_of_one_member_at_once_count_once(core: Core) -> None:
    story = await core.finished()
    await asyncio.gather(*(core.service.vote(BEN, story.id, 1) for _ in range(5)))
    assert (await core.row(story.id)).tally.ups == 1
    await asyncio.gather(
        core.service.vote(BEN, story.id, -1), core.service.vote(caller("eve"), story.id, 1)
    )
    tally = (await core.row(story.id)).tally
    assert (tally.ups, tally.downs) == (1, 1)


async def test_a_young_accounts_vote_waits_until_a_moderator_counts_it(core: Core) -> None:
    """The age its platform tells, measured by what its community chose."""
    author, boss = caller("ada", platform="discord"), caller("boss", platform="discord")
    boss = replace(boss, is_manager=True, is_moderator=True)
    story = await core.service.write(author, "horror", "A door")
    await core.service.until_written()
    day = 86_400.0
    voters = [
        replace(caller(f"voter-{days}", platform="discord"), account_made_at=core.clock.now - days)
        for days in (6.9 * day, 7.1 * day)
    ]
    young, grown = [await core.service.vote(one, story.id, 1) for one in voters]
    assert (young.tally.ups, young.tally.held) == (0, Hold.YOUNG)
    assert (grown.tally.ups, grown.tally.held) == (1, None)
    with pytest.raises(NotModerator):
        await core.service.moderation.held(author, 0)
    with pytest.raises(NotModerator):
        await core.service.moderation.count_held(author)
    assert await core.service.moderation.count_held(boss) == 1
    with pytest.raises(NotModerator):
        await core.service.moderation.release_votes(author, story.id)
    case, offset, total = await core.service.moderation.held(boss, 7)
    assert case is not None
    assert (case.story.id, case.held, offset, total) == (story.id, HeldVotes(young=1), 0, 1)
    elsewhere = replace(boss, community_id="elsewhere")
    with pytest.raises(StoryNotFound):
        await core.service.moderation.release_votes(elsewhere, story.id)
    assert await core.service.moderation.release_votes(boss, story.id) == 1
    assert (await core.row(story.id)).tally.ups == 2
    assert await core.service.moderation.held(boss, 0) == (None, 0, 0)
    await core.service.administration.change(boss, "min_account_age_days", 5)
    newest = await core.service.write(author, "horror", "A door")
    await core.service.until_written()
    assert (await core.service.vote(voters[0], newest.id, 1)).tally.ups == 1


# -- a member's own data ---------------------------------------------------------------------------
async def test_export_gives_stories_and_votes(core: Core) -> None:
    mine = await core.finished("ada")
    theirs = await core.finished("ben")
    await core.service.vote(ADA, theirs.id, -1)
    data = await core.service.export(ADA)
    assert data["identities"][0]["name"] == "Ada"
    assert [story["text"] for story in data["stories"]] == [mine.text]
    assert [(vote["story_id"], vote["value"]) for vote in data["votes"]] == [(theirs.id, -1)]


async def test_forget_takes_open_stories_along(make_core: MakeCore) -> None:
    core = await make_core()
    finished = await core.finished("ada")
    theirs = await core.finished("ben")
    await core.service.vote(ADA, theirs.id, 1)
    core.gate.hold()
    writing = await core.service.write(ADA, "horror", "A house")
    queued = await core.service.write(ADA, "horror", "A barn")
    bens = await core.service.write(BEN, "horror", "A church")
    core.gate.give(1)
    await core.until(writing.id, lambda update: update.story.text.startswith("A house "))

    gone = await core.service.forget(ADA)
    assert (gone.stories, gone.votes) == (3, 1)
    for story in (writing, queued):
        assert (await core.ended(story.id)).status is Status.DELETED
    core.gate.open()
    assert (await core.ended(bens.id)).status is Status.FINISHED
    await eventually(lambda: core.engine.running == 0)
    for story in (finished, writing, queued):
        kept = await core.row(story.id)
        assert (kept.text, kept.prompt, kept.title, kept.author_id) == ("", "", "", None)
    assert (await core.row(theirs.id)).tally.ups == 0
    assert (await core.service.export(ADA))["stories"] == []


async def test_a_story_deleted_while_it_waits_is_not_written(make_core: MakeCore) -> None:
    core = await make_core(worker=False)
    story = await core.service.write(ADA, "horror", "A house")
    await core.store.delete_story(story.id)
    core.gate.hold()
    core.start_worker()
    assert (await core.ended(story.id)).status is Status.DELETED
    await eventually(lambda: core.engine.running == 0)
    assert (await core.row(story.id)).text == ""


async def test_a_deleted_story_that_keeps_failing_is_let_go(make_core: MakeCore) -> None:
    core = await make_core(
        engine=lambda gate: ScriptedEngine(fail_on=lambda request: True), worker=False
    )
    story = await core.service.write(ADA, "horror", "A house")
    await core.store.delete_story(story.id)
    core.start_worker()
    assert (await core.ended(story.id)).status is Status.DELETED


async def test_continuing_what_was_forgotten(core: Core) -> None:
    """The words of a forgotten part are not handed to the model; the rest are."""
    first = await core.finished("ada", prompt="A house")
    second = await core.ended((await core.service.continue_story(BEN, first.id, "Then")).id)
    await core.service.forget(ADA)
    third = await core.ended((await core.service.continue_story(BEN, second.id)).id)
    assert third.status is Status.FINISHED
    with pytest.raises(StoryNotFound):
        await core.service.continue_story(BEN, first.id)


# -- what platforms keep ---------------------------------------------------------------------------
async def test_posts_and_notes(make_core: MakeCore) -> None:
    core = await make_core(worker=False)
    story = await core.service.write(ADA, "horror", "A house")
    post = Post(story.id, "console", "channel", "message")
    await core.service.add_post(post)
    assert await core.service.open_posts("console") == [post]
    assert await core.service.open_posts("discord") == []
    await core.service.cancel(ADA, story.id)
    assert await core.service.open_posts("console") == [post]  # its end is yet to be shown
    await core.service.end_posts(story.id, "console")
    assert await core.service.open_posts("console") == []
    assert await core.service.note("tree") is None
    await core.service.save_note("tree", "abc")
    assert await core.service.note("tree") == "abc"


# -- limits over time ------------------------------------------------------------------------------
async def test_cooldown_and_quota_follow_the_clock(make_core: MakeCore) -> None:
    core = await make_core(limits=Limits(max_pending=5, daily_quota=2, cooldown_s=30.0))
    await core.finished()
    core.clock.now += 12.5
    with pytest.raises(CoolingDown) as cooling:
        await core.service.write(ADA, "horror", "A house")
    assert cooling.value.values == {"seconds": 18}
    core.clock.now += 17.5
    await core.finished()
    core.clock.now += 31
    with pytest.raises(QuotaUsed) as used:
        await core.service.write(ADA, "horror", "A house")
    assert used.value.values == {"limit": 2, "hours": 24}
    await core.finished("ben")
    core.clock.now += 86_400
    await core.finished()
