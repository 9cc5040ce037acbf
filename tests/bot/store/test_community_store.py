"""Reports, hidden stories and blocks, on each database the store runs on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bot.domain import AuditEntry, Blocked, Status
from bot.errors import AlreadyReported, NotFinished, OwnReport, StoryHidden, StoryNotFound

if TYPE_CHECKING:
    from conftest import Clock, House


async def report(house: House, story_id: int, *names: str, threshold: int = 2) -> list[bool]:
    """Report a story by each of these; for each, whether that hid it."""
    return [
        await house.store.report_story(await house.member(name), story_id, f"by {name}", threshold)
        for name in names
    ]


async def test_reports_hide_a_story_at_the_threshold_once(house: House) -> None:
    story_id, other = await house.finished(), await house.finished()
    assert await report(house, story_id, "bob", "cid", "dan") == [False, True, False]
    assert (await house.the_story(story_id)).is_hidden
    assert not (await house.the_story(other)).is_hidden


async def test_no_threshold_hides_nothing(house: House) -> None:
    story_id = await house.finished()
    assert await report(house, story_id, "bob", "cid", threshold=0) == [False, False]
    assert not (await house.the_story(story_id)).is_hidden


async def test_many_reports_at_once_hide_it_once(house: House) -> None:
    story_id = await house.finished()
    reporters = [await house.member(f"voter-{n}") for n in range(8)]
    hid = await asyncio.gather(
        *(house.store.report_story(one, story_id, "", 3) for one in reporters)
    )
    assert sorted(hid) == [False] * 7 + [True]


async def test_one_report_a_member_and_none_of_ones_own(house: House) -> None:
    story_id = await house.finished("ann")
    await report(house, story_id, "bob")
    with pytest.raises(AlreadyReported):
        await report(house, story_id, "bob")
    with pytest.raises(OwnReport):
        await report(house, story_id, "ann")
    with pytest.raises(NotFinished):
        await report(house, (await house.queued()).id, "bob")
    with pytest.raises(StoryNotFound):
        await report(house, 999, "bob")


async def test_a_hidden_story_is_in_no_list_and_takes_no_votes(house: House) -> None:
    story_id = await house.finished("ann")
    await house.vote(story_id, 1)
    await report(house, story_id, "bob", "cid")
    ann, home = await house.enter("ann")
    assert await house.store.top_stories(home.id) == []
    assert await house.store.random_story(home.id) is None
    with pytest.raises(StoryHidden):
        await house.store.cast_vote(await house.member("bob"), story_id, 1)
    assert [one.id for one in await house.store.stories_by(ann.id)] == [story_id]


async def test_a_kept_story_is_shown_again_for_good(house: House, clock: Clock) -> None:
    story_id = await house.finished()
    await report(house, story_id, "bob", "cid")
    mod, home = await house.enter("mod")
    await house.store.keep_story(story_id, mod.id)
    assert not (await house.the_story(story_id)).is_hidden
    assert await house.store.count_cases(home.id) == 0
    assert await report(house, story_id, "dan", "eve", "fay") == [False] * 3
    assert await house.store.count_cases(home.id) == 1
    assert await house.store.audit_log(home.id) == [
        AuditEntry(clock.now, "mod", "keep", {"story": story_id})
    ]


async def test_cases_come_hidden_first_then_by_reports(house: House) -> None:
    one, two, hidden, _ = [await house.finished() for _ in range(4)]
    elsewhere = await house.finished(place="elsewhere")
    await report(house, one, "bob", threshold=9)
    await report(house, two, "bob", "cid", threshold=9)
    await report(house, hidden, "bob", threshold=1)
    await report(house, elsewhere, "bob", threshold=1)
    _, home = await house.enter("ann")
    cases = await house.store.cases(home.id, limit=10, offset=0)
    assert [(case.story.id, case.n_reports) for case in cases] == [(hidden, 1), (two, 2), (one, 1)]
    assert cases[1].reasons == ("by bob", "by cid")
    assert await house.store.count_cases(home.id) == 3
    [second] = await house.store.cases(home.id, limit=1, offset=1)
    assert second == cases[1]


async def test_a_hidden_story_waits_though_its_reporters_were_forgotten(house: House) -> None:
    story_id = await house.finished()
    await report(house, story_id, "bob", threshold=1)
    bob, home = await house.enter("bob")
    exported = (await house.store.export_member(bob.id))["reports"]
    assert [(one["story_id"], one["reason"]) for one in exported] == [(story_id, "by bob")]
    await house.store.forget_member(bob.id)
    [case] = await house.store.cases(home.id, limit=10, offset=0)
    assert (case.story.id, case.n_reports, case.reasons) == (story_id, 0, ())


@pytest.mark.parametrize("how", ["deleted", "forgotten"])
async def test_a_story_that_is_gone_is_no_case(house: House, clock: Clock, how: str) -> None:
    story_id = await house.finished("ann")
    await report(house, story_id, "bob", "cid")
    ann, home = await house.enter("ann")
    mod, _ = await house.enter("mod")
    if how == "deleted":
        assert await house.store.delete_story(story_id, mod.id)
        assert not await house.store.delete_story(story_id, mod.id)
        expected = [AuditEntry(clock.now, "mod", "delete", {"story": story_id})]
    else:
        await house.store.forget_member(ann.id)
        expected = []
    assert await house.store.count_cases(home.id) == 0
    assert await house.store.audit_log(home.id) == expected
    story = await house.the_story(story_id)
    assert (story.status, story.is_hidden) == (Status.DELETED, False)


async def test_the_author_of_a_story(house: House) -> None:
    story_id = await house.finished("ann")
    ann, _ = await house.enter("ann")
    assert await house.store.author_of(story_id) == ann
    await house.store.forget_member(ann.id)
    assert await house.store.author_of(story_id) is None


# -- blocks ------------------------------------------------------------------------------------
async def test_blocks_hold_in_their_community_until_they_are_lifted(
    house: House, clock: Clock
) -> None:
    mod, home = await house.enter("mod")
    _, elsewhere = await house.enter("mod", "elsewhere")
    ann = await house.member("ann")
    await house.store.block(home.id, "id-ann", mod.id)
    clock.now += 1
    await house.store.block(home.id, "id-ann", mod.id)
    await house.store.block(home.id, "id-stranger", mod.id)
    assert await house.store.is_blocked(home.id, ann)
    assert not await house.store.is_blocked(elsewhere.id, ann)
    assert not await house.store.is_blocked(home.id, mod.id)
    assert await house.store.blocked(home.id, limit=10, offset=0) == [
        Blocked("id-stranger", "", clock.now),
        Blocked("id-ann", "ann", clock.now - 1),
    ]
    for _ in range(2):
        await house.store.unblock(home.id, "id-ann", mod.id)
    assert not await house.store.is_blocked(home.id, ann)
    trail = await house.store.audit_log(home.id)
    assert [(entry.action, entry.details["member"]) for entry in trail] == [
        ("unblock", "id-ann"), ("block", "id-stranger"), ("block", "id-ann"),
    ]  # fmt: skip


async def test_a_block_outlives_being_forgotten_and_is_exported(house: House) -> None:
    mod, home = await house.enter("mod")
    await house.store.block(home.id, "id-ann", mod.id)
    ann = await house.member("ann")
    exported = await house.store.export_member(ann)
    assert exported["blocked_in"] == [{"community": "home", "at": "2023-11-14T22:13:20+00:00"}]
    await house.store.forget_member(ann)
    assert await house.store.is_blocked(home.id, await house.member("ann"))


async def test_the_trail_forgets_who_was_let_in_again(house: House) -> None:
    mod, home = await house.enter("mod")
    _, there = await house.enter("mod", "there")
    for name in ("id-ann", "id-bob"):
        await house.store.block(home.id, name, mod.id)
        await house.store.unblock(home.id, name, mod.id)
    await house.store.block(there.id, "id-ann", mod.id)
    await house.store.forget_member(await house.member("ann"))

    async def members_in(community_id: int) -> list[str]:
        return [entry.details["member"] for entry in await house.store.audit_log(community_id)]

    assert await members_in(home.id) == ["id-bob", "id-bob", "", ""]
    assert await members_in(there.id) == ["id-ann"]  # still blocked there


async def test_a_community_that_moves_keeps_whom_either_blocked(house: House) -> None:
    mod, home = await house.enter("mod")
    _, made = await house.enter("mod", "new")
    for place, blocked in ((home, "a"), (home, "b"), (made, "b"), (made, "c")):
        await house.store.block(place.id, blocked, mod.id)
    await house.store.move_community("console", "id-home", "id-new")
    found = await house.store.blocked(home.id, limit=10, offset=0)
    assert {one.platform_id for one in found} == {"a", "b", "c"}
