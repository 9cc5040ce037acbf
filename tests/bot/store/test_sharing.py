"""The best of communities that share theirs, and members' stories in figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain import Caller, Profile

if TYPE_CHECKING:
    from conftest import House


async def share(house: House, place: str, value: bool = True) -> None:
    ann, community = await house.enter("ann", place)
    await house.store.change_setting(community.id, ann.id, "in_global_top", value)


async def test_only_communities_that_share_are_in_the_list_of_all(house: House) -> None:
    a, b, c = [await house.finished(place=place) for place in ("a", "b", "c")]
    drama = await house.finished(place="b", genre="drama")
    await house.vote(b, 2)
    await house.vote(c, 5)
    await share(house, "a")
    await share(house, "b")
    await share(house, "c")
    await share(house, "c", False)

    async def top(**how: object) -> list[int]:
        return [story.id for story in await house.store.top_stories(None, **how)]  # type: ignore[arg-type]

    assert await top() == [b, drama, a]
    assert await top(limit=1, offset=1) == [drama]
    assert await top(genre="drama") == [drama]
    assert await top(since=house.clock.now + 1) == []
    assert [await house.store.shared_story(one) is not None for one in (a, b, c)] == [
        True, True, False,
    ]  # fmt: skip


async def test_stories_for_adults_only_are_shared_with_nobody(house: House) -> None:
    story_id = await house.finished(place="a")
    await share(house, "a")
    ann, a = await house.enter("ann", "a")
    await house.store.change_setting(a.id, ann.id, "age_restricted_only", True)
    assert await house.store.top_stories(None) == []
    assert await house.store.shared_story(story_id) is None


async def test_a_private_chat_never_shares(house: House) -> None:
    ann, chat = await house.store.enter(Caller("console", "id-ann", "ann", "id-chat", "", True))
    await house.store.change_setting(chat.id, ann.id, "in_global_top", True)
    story = await house.queued()
    assert await house.store.top_stories(None) == []
    assert await house.store.shared_story(story.id) is None


async def test_a_hidden_story_is_shared_with_nobody(house: House) -> None:
    story_id = await house.finished(place="a")
    await share(house, "a")
    bob = await house.member("bob")
    await house.store.report_story(bob, story_id, "", 1)
    assert await house.store.top_stories(None) == []
    assert await house.store.shared_story(story_id) is None


async def test_a_members_stories_in_figures(house: House) -> None:
    horror = [await house.finished("ann") for _ in range(2)]
    drama = await house.finished("ann", genre="drama")
    elsewhere = await house.finished("ann", place="elsewhere")
    await house.queued("ann")
    await house.vote(horror[0], 3, 3)
    await house.vote(drama, 2)
    await house.vote(elsewhere, 7)
    ann, home = await house.enter("ann")
    best = await house.the_story(drama)
    assert await house.store.profile(ann, home.id) == Profile("ann", 3, 5, 3, "drama", best)
    everywhere = await house.store.profile(ann, None)
    assert everywhere is not None
    assert (everywhere.n_stories, everywhere.ups, everywhere.best.id) == (4, 12, elsewhere)
    assert everywhere.best_genre == "horror"
    bob, _ = await house.enter("bob")
    assert await house.store.profile(bob, None) is None
    assert await house.store.member("console", "id-bob") == bob
    assert await house.store.member("discord", "id-bob") is None


async def test_without_votes_there_is_no_best_genre(house: House) -> None:
    await house.finished("ann")
    ann, _ = await house.enter("ann")
    profile = await house.store.profile(ann, None)
    assert profile is not None
    assert (profile.best_genre, profile.ups, profile.downs) == ("", 0, 0)
