"""What every StoryStore promises, on each database it runs on."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from bot.community_settings import CommunitySettings
from bot.domain import (
    AuditEntry,
    Caller,
    Community,
    Forgotten,
    Member,
    NewStory,
    Post,
    Provenance,
    Relation,
    Status,
    Story,
    Tally,
)
from bot.errors import NotFinished, OwnStory, StoreBusy, StoryNotFound
from bot.ranking import wilson_lower_bound
from bot.store import StoryStore, chance
from bot.store.store import SqlStore
from model.engine import SamplingParams

if TYPE_CHECKING:
    from conftest import Clock, House

PROVENANCE = Provenance("smollm2-135m", "93efa2f", None, 80, 2.5, "length")
CLOSED = [Status.FINISHED, Status.FAILED, Status.CANCELLED, Status.DELETED]
TOO_LARGE = 10**30


async def close(store: StoryStore, story_id: int, status: Status) -> bool:
    """End a story in this way; True if it was this call that did."""
    match status:
        case Status.FINISHED:
            return await store.finish_story(story_id, "The end.", PROVENANCE)
        case Status.FAILED:
            return await store.fail_story(story_id, "failure-error")
        case Status.CANCELLED:
            return await store.cancel_story(story_id, "So far")
        case _:
            return await store.delete_story(story_id)


async def bring_to(store: StoryStore, story_id: int, status: Status) -> None:
    """Lead a queued story to `status`."""
    if status is Status.WRITING:
        assert await store.begin_attempt(story_id) == 1
    elif status is not Status.QUEUED:
        assert await close(store, story_id, status)


# -- people and places -------------------------------------------------------------------------
async def test_a_caller_is_made_on_first_sight_and_found_again(house: House) -> None:
    caller = Caller("discord", "7", "Ann", "42", community_name="Film club", is_private=True)
    member, community = await house.store.enter(caller)
    assert (member.platform, member.platform_id, member.name) == ("discord", "7", "Ann")
    assert (community.platform, community.platform_id) == ("discord", "42")
    assert (community.name, community.is_private) == ("Film club", True)
    assert await house.store.enter(caller) == (member, community)


async def test_the_same_number_on_another_platform_is_somebody_else(house: House) -> None:
    on_discord, _ = await house.store.enter(Caller("discord", "7", "Ann", "42"))
    on_telegram, _ = await house.store.enter(Caller("telegram", "7", "Ann", "42"))
    assert on_discord.id != on_telegram.id


async def test_names_are_kept_up_to_date_and_an_unsaid_name_is_no_news(house: House) -> None:
    first, place = await house.store.enter(Caller("discord", "7", "Ann", "42", "Film club"))
    renamed, moved = await house.store.enter(Caller("discord", "7", "Anna", "42", "Cinema", True))
    assert (renamed.id, renamed.name) == (first.id, "Anna")
    assert (moved.id, moved.name, moved.is_private) == (place.id, "Cinema", True)
    unsaid = await house.store.enter(Caller("discord", "7", "", "42", "", False))
    assert (unsaid[0].name, unsaid[1].name, unsaid[1].is_private) == ("Anna", "Cinema", False)


async def test_many_first_sights_at_once_make_one_row(house: House) -> None:
    caller = Caller("discord", "7", "Ann", "42")
    seen = await asyncio.gather(*(house.store.enter(caller) for _ in range(20)))
    assert len(set(seen)) == 1


async def test_a_community_keeps_its_settings(house: House) -> None:
    ann, here = await house.enter("ann", "here")
    _, there = await house.enter("ann", "there")
    assert await house.store.community_settings(here.id) == CommunitySettings()
    await house.store.change_setting(here.id, ann.id, "genres", ["horror", "drama"])
    await house.store.change_setting(here.id, ann.id, "daily_quota", 3)
    await house.store.change_setting(here.id, ann.id, "daily_quota", 5)
    assert await house.store.community_settings(here.id) == CommunitySettings(
        genres=("horror", "drama"), daily_quota=5
    )
    assert await house.store.community_settings(there.id) == CommunitySettings()


async def test_a_setting_that_cannot_be_read_counts_as_not_chosen(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    ann, here = await house.enter("ann")
    await house.store.change_setting(here.id, ann.id, "daily_quota", "often")
    await house.store.change_setting(here.id, ann.id, "cooldown_s", 60)
    expected = CommunitySettings(cooldown_s=60)
    assert await house.store.community_settings(here.id) == expected
    assert "cannot be read: daily_quota" in caplog.text


async def test_who_changed_what_is_kept_newest_first(house: House, clock: Clock) -> None:
    ann, here = await house.enter("ann", "here")
    bob, there = await house.enter("bob", "there")
    await house.store.change_setting(here.id, ann.id, "daily_quota", 3)
    clock.now += 60
    await house.store.change_setting(here.id, bob.id, "daily_quota", 0)
    await house.store.change_setting(there.id, bob.id, "length", "long")
    first = {"name": "daily_quota", "before": 0, "after": 3}
    second = {"name": "daily_quota", "before": 3, "after": 0}
    entries = [
        AuditEntry(clock.now, "bob", "setting", second),
        AuditEntry(clock.now - 60, "ann", "setting", first),
    ]
    assert await house.store.audit_log(here.id) == entries
    assert await house.store.audit_log(here.id, limit=1, offset=1) == entries[1:]
    exported = (await house.store.export_member(ann.id))["actions"]
    assert exported == [
        {"at": "2023-11-14T22:13:20+00:00", "community": "here", "action": "setting",
         "details": first}
    ]  # fmt: skip
    await house.store.forget_member(bob.id)
    assert [entry.actor for entry in await house.store.audit_log(here.id)] == ["", "ann"]


async def test_changes_at_once_each_say_what_they_found(house: House) -> None:
    ann, here = await house.enter("ann")
    change = house.store.change_setting
    await asyncio.gather(*(change(here.id, ann.id, "daily_quota", n) for n in range(1, 9)))
    trail = [entry.details for entry in await house.store.audit_log(here.id, limit=20)]
    after = [0, *(one["after"] for one in reversed(trail))]
    assert [one["before"] for one in reversed(trail)] == after[:-1]
    assert (await house.store.community_settings(here.id)).daily_quota == after[-1]


# -- a story's life ----------------------------------------------------------------------------
async def test_a_new_story_is_queued_with_all_it_was_asked_for(house: House) -> None:
    member, community = await house.enter("ann")
    parent = await house.finished("ann")
    sampling = SamplingParams(
        do_sample=False,
        temperature=0.7,
        top_k=0,
        top_p=0.5,
        repetition_penalty=1.3,
        max_new_tokens=33,
        max_length=512,
        seed=2**63 - 1,
    )
    new = NewStory(
        member.id, community.id, "drama", "T", "Once", sampling, parent, Relation.VERSION
    )
    story = await house.store.add_story(new)
    expected = Story(
        id=story.id,
        status=Status.QUEUED,
        community_id=community.id,
        author_id=member.id,
        author_name="ann",
        genre="drama",
        title="T",
        prompt="Once",
        text="",
        sampling=sampling,
        created_at=house.clock.now,
        parent_id=parent,
        relation=Relation.VERSION,
    )
    assert story == expected
    assert await house.store.story(story.id) == expected


async def test_a_finished_story_has_its_text_and_provenance(house: House) -> None:
    story = await house.queued()
    assert await house.store.begin_attempt(story.id) == 1
    house.clock.now += 30
    assert await house.store.finish_story(story.id, "It went dark.", PROVENANCE)
    finished = await house.the_story(story.id)
    assert finished.status is Status.FINISHED
    assert (finished.text, finished.provenance) == ("It went dark.", PROVENANCE)
    assert finished.finished_at == story.created_at + 30
    assert finished.attempts == 1


async def test_each_attempt_is_counted(house: House) -> None:
    story = await house.queued()
    assert [await house.store.begin_attempt(story.id) for _ in range(3)] == [1, 2, 3]
    writing = await house.the_story(story.id)
    assert (writing.status, writing.attempts) == (Status.WRITING, 3)


async def test_an_attempt_stopped_by_us_is_handed_back(house: House) -> None:
    story, closed = await house.queued(), await house.queued()
    await house.store.hand_back_story(story.id)
    assert [await house.store.begin_attempt(story.id) for _ in range(2)] == [1, 2]
    await house.store.hand_back_story(story.id)
    kept = await house.store.story(story.id)
    assert kept is not None and (kept.status, kept.attempts) == (Status.QUEUED, 1)

    await bring_to(house.store, closed.id, Status.FINISHED)
    before = await house.store.story(closed.id)
    await house.store.hand_back_story(closed.id)
    assert await house.store.story(closed.id) == before


@pytest.mark.parametrize("status", CLOSED)
async def test_a_closed_story_stays_as_it_is(house: House, status: Status) -> None:
    story = await house.queued()
    await bring_to(house.store, story.id, status)
    closed = await house.the_story(story.id)
    assert await house.store.begin_attempt(story.id) is None
    assert not await house.store.finish_story(story.id, "Late.", PROVENANCE)
    assert not await house.store.fail_story(story.id, "failure-late")
    assert not await house.store.cancel_story(story.id, "late")
    await house.store.discard_story(story.id)
    assert await house.the_story(story.id) == closed


@pytest.mark.parametrize("opened", [Status.QUEUED, Status.WRITING])
@pytest.mark.parametrize("status", CLOSED)
async def test_an_open_story_can_end_in_each_way(
    house: House, opened: Status, status: Status
) -> None:
    story = await house.queued()
    await bring_to(house.store, story.id, opened)
    assert [open_.id for open_ in await house.store.unfinished_stories()] == [story.id]
    assert await close(house.store, story.id, status)
    ended = await house.the_story(story.id)
    assert ended.status is status
    expected = {Status.FINISHED: "The end.", Status.CANCELLED: "So far"}
    assert ended.text == expected.get(status, "")
    assert ended.failure == ("failure-error" if status is Status.FAILED else None)
    assert await house.store.unfinished_stories() == []


async def test_of_many_that_end_a_story_at_once_one_did(house: House, url: str) -> None:
    story = await house.queued()
    async with SqlStore(url) as other:
        ways = [(store, status) for store in (house.store, other) for status in CLOSED[:3] * 4]
        ended = await asyncio.gather(*(close(store, story.id, way) for store, way in ways))
    assert ended.count(True) == 1
    assert (await house.the_story(story.id)).status is ways[ended.index(True)][1]


async def test_a_refused_story_leaves_nothing(house: House) -> None:
    story = await house.queued()
    await house.store.add_post(Post(story.id, "console", "c", "m"))
    await house.store.discard_story(story.id)
    assert await house.store.story(story.id) is None
    assert await house.store.posts(story.id) == []
    assert (await house.queued()).id != story.id, "an old button must not reach a new story"


async def test_a_story_being_written_is_not_discarded(house: House) -> None:
    story = await house.queued()
    await house.store.begin_attempt(story.id)
    await house.store.discard_story(story.id)
    assert (await house.the_story(story.id)).status is Status.WRITING


async def test_a_deleted_story_keeps_its_place_but_no_words_and_no_votes(house: House) -> None:
    story_id = await house.finished()
    child = await house.queued(parent_id=story_id)
    await house.vote(story_id, ups=2)
    assert await house.store.delete_story(story_id)
    assert not await house.store.delete_story(story_id)
    deleted = await house.the_story(story_id)
    assert (deleted.title, deleted.prompt, deleted.text) == ("", "", "")
    assert deleted.tally == Tally()
    assert await house.store.vote_of(await house.member("voter-0"), story_id) == 0
    assert (await house.the_story(child.id)).parent_id == story_id


async def test_text_that_a_database_would_refuse_is_kept_without_it(house: House) -> None:
    story = await house.queued(title="Nul \x00 and \ud83d half a smile")
    assert story.title == "Nul  and ? half a smile"
    assert await house.store.finish_story(story.id, "😀 \u202ertl\x00", PROVENANCE)
    assert (await house.the_story(story.id)).text == "😀 \u202ertl"


async def test_a_story_of_nobody_is_refused_and_leaves_nothing(house: House) -> None:
    _, community = await house.enter("ann")
    nobody = NewStory(999, community.id, "horror", "", "Once", SamplingParams())
    with pytest.raises(StoreBusy):
        await house.store.add_story(nobody)
    assert await house.store.unfinished_stories() == []


# -- reading -----------------------------------------------------------------------------------
async def test_a_number_of_no_story_finds_nothing(house: House) -> None:
    member = await house.member("ann")
    for number in (0, -1, 12345, TOO_LARGE, -TOO_LARGE):
        assert await house.store.story(number) is None
        assert await house.store.begin_attempt(number) is None
        assert not await house.store.cancel_story(number)
        assert not await house.store.delete_story(number)
        assert await house.store.posts(number) == []
        assert await house.store.vote_of(member, number) == 0
        with pytest.raises(StoryNotFound) as caught:
            await house.store.cast_vote(member, number, 1)
        assert caught.value.values == {"id": number}


async def test_unfinished_stories_come_oldest_first(house: House) -> None:
    ids = [(await house.queued()).id for _ in range(4)]
    house.clock.now -= 3600  # a clock set back does not make a later story older
    ids.append((await house.queued()).id)
    await house.store.begin_attempt(ids[2])
    await house.store.fail_story(ids[1], "failure-error")
    unfinished = await house.store.unfinished_stories()
    assert [story.id for story in unfinished] == [ids[0], ids[2], ids[3], ids[4]]


async def test_top_is_by_rank_then_score_then_newest(house: House) -> None:
    old, new, one_up, loved, hated, disliked = [await house.finished() for _ in range(6)]
    house.clock.now += 1
    newest = await house.finished()
    await house.vote(one_up, ups=1)
    await house.vote(loved, ups=5)
    await house.vote(hated, ups=0, downs=2)
    await house.vote(disliked, ups=0, downs=1)
    _, home = await house.enter("ann")
    order = [loved, one_up, newest, new, old, disliked, hated]
    top = await house.store.top_stories(home.id)
    assert [story.id for story in top] == order
    assert top[0].tally == Tally(5, 0, wilson_lower_bound(5, 0))
    paged = await house.store.top_stories(home.id, limit=2, offset=3)
    assert [story.id for story in paged] == order[3:5]


@pytest.mark.parametrize("few", [1000, 2])
async def test_top_shows_finished_stories_of_one_place_genre_and_time(
    house: House, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("bot.store.store._FEW", few)  # both ways of asking
    old = await house.finished()
    house.clock.now += 100
    since = house.clock.now
    horror = await house.finished()
    drama = await house.finished(genre="drama")
    await house.finished(place="elsewhere")
    await house.queued()
    await house.store.delete_story(await house.finished())
    _, home = await house.enter("ann")

    async def top(**bounds: Any) -> list[int]:
        return [story.id for story in await house.store.top_stories(home.id, **bounds)]

    assert await top() == [drama, horror, old]
    assert await top(genre="horror") == [horror, old]
    assert await top(since=since) == [drama, horror]
    assert await top(genre="horror", since=since) == [horror]
    assert await top(genre="western") == []


async def test_mine_are_newest_first_without_deleted_ones(house: House) -> None:
    first = await house.finished()
    deleted = await house.finished()
    await house.store.delete_story(deleted)
    house.clock.now += 1
    abroad = (await house.queued(place="elsewhere")).id
    await house.finished("bob")
    ann, home = await house.enter("ann")

    async def mine(**bounds: Any) -> list[int]:
        return [story.id for story in await house.store.stories_by(ann.id, **bounds)]

    assert await mine() == [abroad, first]
    assert await mine(community_id=home.id) == [first]
    assert await mine(limit=1, offset=1) == [first]


async def test_random_picks_every_finished_story_and_no_other(house: House) -> None:
    _, home = await house.enter("ann")
    assert await house.store.random_story(home.id) is None
    finished = {await house.finished() for _ in range(3)}
    await house.queued()
    drama = await house.finished("ann", genre="drama")
    await house.finished(place="elsewhere")
    assert await house.store.random_story(home.id, "western") is None
    chosen = await house.store.random_story(home.id, "drama")
    assert chosen is not None
    assert chosen.id == drama
    # One of three stories never comes in 60 draws with chance 3·(2/3)^60 < 1e-10.
    draws = {(await house.store.random_story(home.id, "horror")).id for _ in range(60)}  # type: ignore[union-attr]
    assert draws == finished


@pytest.mark.parametrize("genre", [None, "horror"])
async def test_random_picks_every_story_of_a_large_community(
    house: House, clock: Clock, monkeypatch: pytest.MonkeyPatch, genre: str | None
) -> None:
    monkeypatch.setattr(chance, "COUNTED", 2)
    monkeypatch.setattr(chance, "NEIGHBOURS", 2)
    monkeypatch.setattr(chance, "NEIGHBOURS_OF_GENRE", 2)
    _, home = await house.enter("ann")
    finished = set()
    for n in range(4):
        clock.now += 100
        finished.add(await house.finished(genre="horror" if n % 2 else "drama"))
        await house.finished(place="elsewhere")
    expected = {story for story in finished if genre is None or story % 4 == 3}
    # The first is one of two around a third of the moments: it never comes in 250 draws with
    # chance (5/6)^250 < 1e-19.
    draws = {(await house.store.random_story(home.id, genre)).id for _ in range(250)}  # type: ignore[union-attr]
    assert draws == expected


async def test_what_a_member_asked_for_is_counted(house: House) -> None:
    ann = await house.member("ann")
    assert await house.store.count_stories(ann) == 0
    assert await house.store.last_story_at(ann) is None
    first = await house.queued()
    await house.store.delete_story(await house.finished())
    house.clock.now += 10
    since = house.clock.now
    await house.queued()
    await house.queued("bob")
    assert await house.store.count_stories(ann) == 3, "deleting a story gives no quota back"
    assert await house.store.count_stories(ann, since=since) == 1
    assert await house.store.count_stories(ann, open_only=True) == 2
    assert await house.store.count_stories(ann, since=since, open_only=True) == 1
    assert await house.store.last_story_at(ann) == since
    await house.store.cancel_story(first.id)
    assert await house.store.count_stories(ann, open_only=True) == 1


# -- votes -------------------------------------------------------------------------------------
async def test_a_vote_is_set_changed_and_taken_back(house: House) -> None:
    story_id = await house.finished()
    bob = await house.member("bob")
    for value, tally in [
        (1, Tally(1, 0, wilson_lower_bound(1, 0))),
        (1, Tally(1, 0, wilson_lower_bound(1, 0))),
        (-1, Tally(0, 1, 0.0)),
        (0, Tally(0, 0, 0.0)),
        (0, Tally(0, 0, 0.0)),
        (-1, Tally(0, 1, 0.0)),
    ]:
        assert await house.store.cast_vote(bob, story_id, value) == tally
        assert await house.store.vote_of(bob, story_id) == value
        assert (await house.the_story(story_id)).tally == tally


async def test_a_changed_vote_keeps_when_it_was_first_cast(house: House) -> None:
    story_id = await house.finished()
    bob = await house.member("bob")
    await house.store.cast_vote(bob, story_id, 1)
    house.clock.now += 60
    await house.store.cast_vote(bob, story_id, -1)
    [vote] = (await house.store.export_member(bob))["votes"]
    assert vote == {
        "story_id": story_id,
        "value": -1,
        "not_counted": None,
        "created_at": "2023-11-14T22:13:20+00:00",
        "updated_at": "2023-11-14T22:14:20+00:00",
    }


async def test_nobody_votes_on_their_own_story(house: House) -> None:
    story_id = await house.finished("ann")
    with pytest.raises(OwnStory) as caught:
        await house.store.cast_vote(await house.member("ann"), story_id, 1)
    assert caught.value.values == {"id": story_id}
    assert (await house.the_story(story_id)).tally == Tally()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (Status.QUEUED, NotFinished),
        (Status.WRITING, NotFinished),
        (Status.FAILED, NotFinished),
        (Status.CANCELLED, NotFinished),
        (Status.DELETED, StoryNotFound),
    ],
)
async def test_only_a_finished_story_takes_votes(
    house: House, status: Status, error: type[Exception]
) -> None:
    story = await house.queued()
    await bring_to(house.store, story.id, status)
    with pytest.raises(error):
        await house.store.cast_vote(await house.member("bob"), story.id, 1)
    assert (await house.the_story(story.id)).tally == Tally()


async def test_a_vote_by_somebody_forgotten_changes_nothing(house: House) -> None:
    story_id = await house.finished()
    with pytest.raises(StoreBusy):
        await house.store.cast_vote(999, story_id, 1)
    assert (await house.the_story(story_id)).tally == Tally()


async def test_fifty_members_at_once_are_all_counted(house: House, url: str) -> None:
    story_id = await house.finished()
    voters = [await house.member(f"voter-{i}") for i in range(50)]
    async with SqlStore(url) as other:
        await asyncio.gather(
            *(
                (house.store, other)[i % 2].cast_vote(voter, story_id, -1 if i % 5 == 0 else 1)
                for i, voter in enumerate(voters)
            )
        )
    expected = Tally(40, 10, wilson_lower_bound(40, 10))
    assert (await house.the_story(story_id)).tally == expected


async def test_one_member_pressing_many_times_at_once_has_one_vote(house: House, url: str) -> None:
    story_id = await house.finished()
    bob = await house.member("bob")
    async with SqlStore(url) as other:
        presses = [(store, value) for value in (1, -1, 0, 1) * 4 for store in (house.store, other)]
        await asyncio.gather(*(store.cast_vote(bob, story_id, value) for store, value in presses))
    vote = await house.store.vote_of(bob, story_id)
    tally = (await house.the_story(story_id)).tally
    assert (tally.ups, tally.downs) == (int(vote == 1), int(vote == -1))


async def test_a_vote_whose_caller_gave_up_is_whole_or_absent(house: House) -> None:
    story_id = await house.finished()
    voters = [await house.member(f"voter-{i}") for i in range(30)]
    tasks = [asyncio.create_task(house.store.cast_vote(v, story_id, 1)) for v in voters]
    for i, task in enumerate(tasks):
        for _ in range(i):
            await asyncio.sleep(0)
        if i % 2:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    votes = [await house.store.vote_of(voter, story_id) for voter in voters]
    assert (await house.the_story(story_id)).tally.ups == sum(votes)
    assert all(votes[::2]), "who did not give up is counted"


# -- where a story is shown --------------------------------------------------------------------
async def test_posts_of_a_story_come_in_order(house: House) -> None:
    story = await house.queued()
    shown = [Post(story.id, "discord", "c1", f"m{i}") for i in range(3)]
    for post in [*shown, shown[1]]:
        await house.store.add_post(post)
    assert await house.store.posts(story.id) == shown


async def test_open_posts_are_those_whose_end_is_not_shown(house: House) -> None:
    first, second, done = [await house.queued() for _ in range(3)]
    shown = [
        Post(story.id, "discord", "c", f"{story.id}{page}", locale="es")
        for story in (second, first, done)
        for page in ("a", "b")
    ]
    for post in shown:
        await house.store.add_post(post)
    await house.store.add_post(Post(first.id, "telegram", "c", "t"))
    await bring_to(house.store, done.id, Status.FINISHED)
    assert await house.store.open_posts("discord") == shown  # done, but not shown to be

    for story in (first, done):
        await house.store.end_posts(story.id, "discord")
    assert await house.store.open_posts("discord") == shown[:4]  # an open one's end is to come
    assert await house.store.open_posts("telegram") == [Post(first.id, "telegram", "c", "t")]
    assert await house.store.open_posts("console") == []


async def test_a_message_that_shows_another_story_now_is_that_storys(house: House) -> None:
    before, after = await house.queued(), await house.queued()
    await house.store.add_post(Post(before.id, "discord", "c", "m"))
    await house.store.add_post(Post(after.id, "discord", "c", "m"))
    assert await house.store.posts(before.id) == []
    assert await house.store.posts(after.id) == [Post(after.id, "discord", "c", "m")]


async def test_a_post_of_no_story_is_refused(house: House) -> None:
    with pytest.raises(StoryNotFound):
        await house.store.add_post(Post(77, "discord", "c", "m"))


async def test_a_community_that_moves_takes_its_stories_and_choices_along(house: House) -> None:
    before, elsewhere = await house.finished(), await house.finished(place="elsewhere")
    ann, home = await house.enter("ann")
    await house.store.change_setting(home.id, ann.id, "genres", ["drama"])
    meanwhile = await house.finished(place="new")
    _, made = await house.enter("ann", "new")
    await house.store.change_setting(made.id, ann.id, "daily_quota", 7)

    for _ in range(2):  # a platform may say it twice
        await house.store.move_community("console", "id-home", "id-new")
    _, moved = await house.enter("ann", "new")
    assert moved.id == home.id
    assert {one.id for one in await house.store.top_stories(moved.id)} == {before, meanwhile}
    chosen = CommunitySettings(genres=("drama",))
    assert await house.store.community_settings(moved.id) == chosen
    trail = await house.store.audit_log(moved.id)
    assert [entry.details["name"] for entry in trail] == ["daily_quota", "genres"]
    _, other = await house.enter("ann", "elsewhere")
    assert [one.id for one in await house.store.top_stories(other.id)] == [elsewhere]
    assert (await house.enter("ann"))[1].id != home.id, "the old id is a new community's"


# -- a member's own data -----------------------------------------------------------------------
async def test_export_holds_everything_kept_about_a_member(house: House, clock: Clock) -> None:
    story_id = await house.finished("ann")
    await house.vote(story_id, ups=1)
    await house.store.add_post(Post(story_id, "console", "c", "m"))
    of_bob = await house.finished("bob")
    ann = await house.member("ann")
    await house.store.cast_vote(ann, of_bob, -1)
    exported = await house.store.export_member(ann)
    at = "2023-11-14T22:13:20+00:00"
    assert exported == {
        "identities": [
            {"platform": "console", "platform_id": "id-ann", "name": "ann", "first_seen": at}
        ],
        "linking": {"code_until": None, "wrong_codes": 0},
        "stories": [
            {
                "id": story_id,
                "status": "finished",
                "community": "home",
                "genre": "horror",
                "title": "The Lamp",
                "prompt": "A lonely lighthouse",
                "text": "A lonely lighthouse went dark.",
                "parent_id": None,
                "relation": None,
                "created_at": at,
                "finished_at": at,
                "failure": None,
                "attempts": 0,
                "sampling": {
                    "do_sample": True,
                    "temperature": 0.9,
                    "top_k": 50,
                    "top_p": 0.95,
                    "repetition_penalty": 1.1,
                    "max_new_tokens": 200,
                    "min_new_tokens": 0,
                    "max_length": None,
                    "seed": 2**63 - 1,
                },
                "provenance": {
                    "model": "smollm2-135m",
                    "revision": "93efa2f",
                    "adapter_hash": "ab" * 32,
                    "n_tokens": 120,
                    "seconds": 4.25,
                    "finish_reason": "stop",
                },
                "votes_received": {"up": 1, "down": 0, "rank": wilson_lower_bound(1, 0)},
                "shown_at": [{"platform": "console", "channel_id": "c", "message_id": "m"}],
            }
        ],
        "lines": [],
        "votes": [
            {
                "story_id": of_bob,
                "value": -1,
                "not_counted": None,
                "created_at": at,
                "updated_at": at,
            }
        ],
        "reports": [],
        "actions": [],
        "blocked_in": [],
    }
    assert json.loads(json.dumps(exported)) == exported


async def test_export_of_nobody_is_empty(house: House) -> None:
    keys = ("identities", "stories", "lines", "votes", "reports", "actions", "blocked_in")
    linking = {"linking": {"code_until": None, "wrong_codes": 0}}
    assert await house.store.export_member(999) == {key: [] for key in keys} | linking


async def test_forgetting_removes_the_member_their_words_and_their_votes(house: House) -> None:
    finished = await house.finished("ann")
    await house.vote(finished, ups=2)
    waiting = await house.queued("ann")
    deleted = await house.finished("ann")
    await house.store.delete_story(deleted)
    await house.store.add_post(Post(waiting.id, "console", "c", "m"))
    of_bob = await house.finished("bob")
    await house.vote(of_bob, ups=1, downs=1)
    ann = await house.member("ann")
    await house.store.cast_vote(ann, of_bob, 1)

    assert await house.store.forget_member(ann) == Forgotten(stories=2, votes=1)

    for story_id in (finished, waiting.id, deleted):
        story = await house.the_story(story_id)
        assert (story.status, story.author_id) == (Status.DELETED, None)
        assert (story.author_name, story.title, story.prompt, story.text) == ("", "", "", "")
        assert story.tally == Tally()
        assert await house.store.posts(story_id) == []
    assert await house.store.vote_of(await house.member("voter-0"), finished) == 0
    assert (await house.the_story(of_bob)).tally == Tally(1, 1, wilson_lower_bound(1, 1))
    assert (await house.store.export_member(ann))["identities"] == []
    assert await house.store.unfinished_stories() == []
    assert not await house.store.finish_story(waiting.id, "Too late.", PROVENANCE)
    assert await house.member("ann") != ann, "who returns is a new member"


async def test_forgetting_leaves_no_trace_of_private_chats(house: House) -> None:
    """On Telegram a private chat has the id of its member; on Discord one of its own."""

    async def enter(member: str, chat: str) -> tuple[Member, Community]:
        return await house.store.enter(Caller("telegram", member, "Ann", chat, is_private=True))

    ann, own = await enter("7", "7")
    _, other = await enter("7", "chat-9")
    story = await house.store.add_story(
        NewStory(ann.id, other.id, "horror", "", "A door", house.sampling)
    )
    bob, of_bob = await enter("8", "8")
    await house.store.forget_member(ann.id)
    assert (await house.the_story(story.id)).community_id == other.id
    _, new = await enter("7", "7")
    _, newer = await enter("7", "chat-9")
    assert {own.id, other.id}.isdisjoint({new.id, newer.id}), "the old rows are nobody's"
    assert (await enter("8", "8")) == (bob, of_bob)


async def test_forgetting_nobody_removes_nothing(house: House) -> None:
    story_id = await house.finished()
    assert await house.store.forget_member(999) == Forgotten(stories=0, votes=0)
    assert (await house.the_story(story_id)).status is Status.FINISHED


async def test_forgetting_while_voting_leaves_a_true_tally(house: House) -> None:
    story_ids = [await house.finished("bob") for _ in range(5)]
    ann, cid = await house.member("ann"), await house.member("cid")

    async def press(member: int, story_id: int) -> None:
        try:
            await house.store.cast_vote(member, story_id, 1)
        except StoreBusy:
            assert member == ann

    presses = [press(member, story_id) for story_id in story_ids for member in (ann, cid)]
    forget = house.store.forget_member(ann)
    await asyncio.gather(*presses[:5], forget, *presses[5:])
    for story_id in story_ids:
        assert (await house.the_story(story_id)).tally == Tally(1, 0, wilson_lower_bound(1, 0))


# -- the house's own notes ---------------------------------------------------------------------
async def test_a_note_is_kept_across_a_restart(house: House, url: str) -> None:
    assert await house.store.note("tree") is None
    await house.store.save_note("tree", "one")
    await house.store.save_note("tree", "two")
    async with SqlStore(url) as restarted:
        assert await restarted.note("tree") == "two"
