"""Rounds: whose turn it is, what becomes of the lines, and of those who wrote them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bot.domain import Caller, NewStory, Provenance, Round, Status, Story, Turn
from bot.errors import (
    AlreadyEnded,
    MemberError,
    ModelsTurn,
    OthersFirst,
    OwnStory,
    StoryNotFound,
)

if TYPE_CHECKING:
    from conftest import House

WAIT_S = 600.0
PROVENANCE = Provenance("smollm2-135m", "93efa2f", None, 20, 0.5, "length")


async def begun(house: House, author: str = "ann", line: str = "It was dark.") -> int:
    member, community = await house.enter(author)
    story = await house.store.add_story(
        NewStory(member.id, community.id, "horror", "The Lamp", line, house.sampling, is_round=True)
    )
    assert (story.status, story.turn, story.text) == (Status.QUEUED, Turn.MODEL, line)
    return story.id


async def add(house: House, name: str, story_id: int, text: str) -> None:
    member = await house.member(name)
    await house.store.add_line(member, story_id, text, others_first_s=WAIT_S)


async def model_adds(house: House, story_id: int, text: str = "The sea rose.") -> bool:
    return await house.store.end_turn(story_id, text, PROVENANCE, 30)


async def row(house: House, story_id: int) -> Story:
    story = await house.store.story(story_id)
    assert story is not None
    return story


async def test_lines_come_in_turn_and_make_one_story(house: House) -> None:
    story_id = await begun(house)
    assert await model_adds(house, story_id)
    story = await row(house, story_id)
    assert (story.status, story.turn) == (Status.WRITING, Turn.MEMBERS)
    await add(house, "bob", story_id, "A bell rang.")
    story = await row(house, story_id)
    assert (story.status, story.turn, story.attempts) == (Status.QUEUED, Turn.MODEL, 0)
    await model_adds(house, story_id, "Nobody came.")
    assert await house.store.round(story_id, 30) == Round(4, 30, "bob")
    assert await house.store.end_round(story_id)
    story = await row(house, story_id)
    assert (story.status, story.turn) == (Status.FINISHED, Turn.OVER)
    assert story.text == "It was dark.\n\nThe sea rose.\n\nA bell rang.\n\nNobody came."
    assert (story.author_name, story.co_authors) == ("ann", ("bob",))
    assert story.provenance is not None
    assert story.provenance.n_tokens == 2 * PROVENANCE.n_tokens
    assert [one.id for one in await house.store.top_stories(story.community_id)] == [story_id]


async def test_a_round_waiting_for_members_is_not_in_hand(house: House) -> None:
    story_id = await begun(house)
    ann = await house.member("ann")

    async def in_hand() -> list[object]:
        return [
            [story.id for story in await house.store.unfinished_stories()],
            await house.store.open_stories_of(ann),
            await house.store.count_stories(ann, open_only=True),
        ]

    assert await in_hand() == [[story_id], [story_id], 1]
    await model_adds(house, story_id)
    assert await in_hand() == [[], [], 0]
    await add(house, "ann", story_id, "A bell rang.")
    assert await in_hand() == [[story_id], [story_id], 1]


async def test_of_many_lines_at_once_one_is_taken(house: House) -> None:
    story_id = await begun(house)
    await model_adds(house, story_id)
    names = [f"member {n}" for n in range(8)]
    for name in names:
        await house.member(name)
    told = await asyncio.gather(
        *(add(house, name, story_id, f"By {name}.") for name in names), return_exceptions=True
    )
    assert [type(one) for one in told].count(type(None)) == 1
    assert sum(isinstance(one, ModelsTurn) for one in told) == len(names) - 1
    (taken,) = [name for name, one in zip(names, told, strict=True) if one is None]
    assert (await row(house, story_id)).text == f"It was dark.\n\nThe sea rose.\n\nBy {taken}."


async def test_nobody_adds_two_in_a_row_while_others_write_along(house: House) -> None:
    story_id = await begun(house)
    await model_adds(house, story_id)
    await add(house, "ann", story_id, "Ann again: nobody else is there yet.")
    await model_adds(house, story_id)
    await add(house, "bob", story_id, "Bob.")
    await model_adds(house, story_id)
    house.clock.now += WAIT_S - 60
    with pytest.raises(OthersFirst) as refused:
        await add(house, "bob", story_id, "Bob again.")
    assert refused.value.values == {"minutes": 1}
    house.clock.now += 60  # the others seem to have left
    await add(house, "bob", story_id, "Bob again.")


@pytest.mark.parametrize("model_wrote", [True, False])
async def test_a_line_the_queue_refused_is_taken_back(house: House, model_wrote: bool) -> None:
    story_id = await begun(house)
    if model_wrote:
        await model_adds(house, story_id)
    else:
        await house.store.end_turn(story_id, "", None, 30)
    before = await row(house, story_id)
    await add(house, "bob", story_id, "A bell rang.")
    await house.store.take_line_back(await house.member("bob"), story_id)
    assert await row(house, story_id) == before


async def test_it_ends_at_the_most_lines(house: House) -> None:
    story_id = await begun(house)
    assert await house.store.end_turn(story_id, "The sea rose.", PROVENANCE, 2)
    assert (await row(house, story_id)).status is Status.FINISHED
    with pytest.raises(AlreadyEnded):
        await add(house, "bob", story_id, "Too late.")
    assert not await model_adds(house, story_id)
    assert not await house.store.end_round(story_id)


async def test_what_only_one_side_wrote_is_cancelled_at_the_end(house: House) -> None:
    by_members = await begun(house)
    await house.store.end_turn(by_members, "", None, 30)
    by_the_model = await begun(house, line="")
    await model_adds(house, by_the_model)
    for story_id, text in ((by_members, "It was dark."), (by_the_model, "The sea rose.")):
        assert await house.store.end_round(story_id)
        story = await row(house, story_id)
        assert (story.status, story.text) == (Status.CANCELLED, text)


async def test_idle_ones_are_found_and_end_unless_somebody_wrote(house: House) -> None:
    story_id = await begun(house)
    began = house.clock.now
    house.clock.now += 10
    assert await house.store.idle_rounds(house.clock.now) == []  # the model's turn
    await model_adds(house, story_id)
    assert await house.store.idle_rounds(began + 10) == []
    house.clock.now += 10
    assert await house.store.idle_rounds(house.clock.now) == [story_id]
    assert not await house.store.end_round(story_id, idle_since=began)
    assert await house.store.end_round(story_id, idle_since=house.clock.now)
    assert await house.store.idle_rounds(house.clock.now + 1) == []


async def test_open_ones_of_a_community_newest_first(house: House) -> None:
    first, second, over = [await begun(house) for _ in range(3)]
    await house.store.end_round(over)
    _, here = await house.enter("ann")
    _, elsewhere = await house.enter("ann", "elsewhere")
    assert [story.id for story in await house.store.open_rounds(here.id)] == [second, first]
    assert await house.store.open_rounds(elsewhere.id) == []


async def test_lines_are_counted_by_member_time_and_place(house: House) -> None:
    story_id = await begun(house)
    await model_adds(house, story_id)
    house.clock.now += 5
    await add(house, "ann", story_id, "A bell rang.")
    ann, here = await house.enter("ann")
    _, elsewhere = await house.enter("ann", "elsewhere")
    count = house.store.count_lines
    assert await count(ann.id, since=0) == 2
    assert await count(ann.id, since=house.clock.now, community_id=here.id) == 1
    assert await count(ann.id, since=0, community_id=elsewhere.id) == 0


async def test_a_story_of_one_authors_is_no_round(house: House) -> None:
    story = await house.queued()
    assert story.turn is None
    assert await house.store.round(story.id, 30) is None
    for missing in (story.id, 999):
        with pytest.raises(StoryNotFound):
            await add(house, "bob", missing, "A bell rang.")
        assert not await house.store.end_round(missing)


# -- who wrote it ------------------------------------------------------------------------------
async def test_nobody_votes_on_a_round_they_wrote_in(house: House) -> None:
    story_id = await begun(house)
    await model_adds(house, story_id)
    await add(house, "bob", story_id, "A bell rang.")
    await house.store.end_round(story_id)
    for name in ("ann", "bob"):
        with pytest.raises(OwnStory):
            await house.store.cast_vote(await house.member(name), story_id, 1)
    assert (await house.store.cast_vote(await house.member("cem"), story_id, 1)).ups == 1


async def test_whoever_leaves_takes_their_words_and_others_keep_theirs(house: House) -> None:
    story_id = await begun(house)
    await model_adds(house, story_id)
    await add(house, "bob", story_id, "A bell rang.")
    await model_adds(house, story_id, "Nobody came.")
    await house.store.end_round(story_id)
    bob, ann = await house.member("bob"), await house.member("ann")
    assert [line["text"] for line in (await house.store.export_member(bob))["lines"]] == [
        "A bell rang."
    ]
    assert (await house.store.forget_member(ann)).stories == 0
    story = await row(house, story_id)
    assert (story.status, story.title, story.prompt) == (Status.FINISHED, "", "")
    assert story.text == "The sea rose.\n\nA bell rang.\n\nNobody came."
    assert (story.author_name, story.co_authors) == ("", ("bob",))
    await house.store.forget_member(bob)
    story = await row(house, story_id)
    assert story.text == "The sea rose.\n\nNobody came."
    assert story.co_authors == ()


async def test_a_round_of_one_member_goes_with_them(house: House) -> None:
    story_id = await begun(house)
    await model_adds(house, story_id)
    assert (await house.store.forget_member(await house.member("ann"))).stories == 1
    story = await row(house, story_id)
    assert (story.status, story.text, story.turn) == (Status.DELETED, "", None)


@pytest.mark.parametrize("act", ["add", "model_adds", "end"])
async def test_a_deleted_round_stays_deleted(house: House, act: str) -> None:
    story_id = await begun(house)
    if act == "add":
        await model_adds(house, story_id)
    assert await house.store.delete_story(story_id)
    if act == "add":
        with pytest.raises(StoryNotFound):
            await add(house, "bob", story_id, "A bell rang.")
    elif act == "model_adds":
        assert not await model_adds(house, story_id)
    else:
        assert not await house.store.end_round(story_id)
    story = await row(house, story_id)
    assert (story.status, story.text) == (Status.DELETED, "")


async def test_a_refused_round_leaves_nothing(house: House) -> None:
    story_id = await begun(house)
    await house.store.discard_story(story_id)
    assert await house.store.story(story_id) is None
    assert await house.store.count_lines(await house.member("ann"), since=0) == 0


@pytest.mark.parametrize("forget_first", [True, False])
async def test_forgetting_while_adding(house: House, forget_first: bool) -> None:
    """Whichever comes first, nothing of theirs is left."""
    story_id = await begun(house)
    await model_adds(house, story_id)
    bob = await house.member("bob")
    acts = [
        house.store.add_line(bob, story_id, "A bell rang.", others_first_s=WAIT_S),
        house.store.forget_member(bob),
    ]
    told = await asyncio.gather(*acts[:: -1 if forget_first else 1], return_exceptions=True)
    assert all(not isinstance(one, Exception) or isinstance(one, MemberError) for one in told)
    assert "bell" not in (await row(house, story_id)).text


async def test_lines_go_with_whoever_is_linked_and_parted(house: House) -> None:
    story_id = await begun(house)
    await model_adds(house, story_id)
    await add(house, "bob", story_id, "A bell rang.")
    await house.store.end_round(story_id)
    here, _ = await house.enter("bob")
    there, _ = await house.store.enter(Caller("discord", "bob@discord", "Bob D.", "server"))
    await house.store.cast_vote(there.id, story_id, 1)
    await house.store.offer_link(here, "code", 600.0)
    one = await house.store.redeem_link(there.id, "code")
    story = await row(house, story_id)
    assert (story.tally.ups, story.co_authors) == (0, ("bob",))
    with pytest.raises(OwnStory):
        await house.store.cast_vote(one.id, story_id, 1)
    linked, _ = await house.store.enter(Caller("discord", "bob@discord", "Bob D.", "server"))
    await house.store.unlink(linked)
    apart, _ = await house.store.enter(Caller("discord", "bob@discord", "Bob D.", "server"))
    assert (await house.store.export_member(apart.id))["lines"] == []
    assert len((await house.store.export_member(await house.member("bob")))["lines"]) == 1
    assert (await row(house, story_id)).co_authors == ("bob",)
