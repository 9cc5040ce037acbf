"""Reports, and what moderators may do about stories and members."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from fakes.core import Core, caller

from bot.domain import Status
from bot.errors import (
    BlockedMember,
    NotModerator,
    NotYours,
    StoryHidden,
    StoryNotFound,
)

MakeCore = Callable[..., Awaitable[Core]]
ADA, BEN, CID = caller("ada"), caller("ben"), caller("cid")
BOSS = replace(caller("boss"), is_manager=True)
MOD = replace(caller("mod"), is_moderator=True)
ELSEWHERE = replace(MOD, community_id="id-elsewhere")


async def test_a_story_reported_often_is_hidden_until_a_moderator_keeps_it(core: Core) -> None:
    desk = core.service.moderation
    await core.service.administration.change(BOSS, "report_threshold", 2)
    story = await core.finished()
    assert not await desk.report(BEN, story.id, "  Not\u202e nice  ")
    assert await desk.report(CID, story.id)
    for refused in (
        core.service.read(ADA, story.id),
        core.service.vote(BEN, story.id, 1),
        core.service.retry(ADA, story.id),
        core.service.continue_story(BEN, story.id),
    ):
        with pytest.raises(StoryHidden):
            await refused
    case, offset, total = await desk.case(MOD, 5)
    assert case is not None
    assert (case.story.id, case.n_reports, case.reasons) == (story.id, 2, ("Not nice",))
    assert (offset, total) == (0, 1)
    await desk.keep(MOD, story.id)
    assert await core.service.read(ADA, story.id) == story
    assert await desk.case(MOD, 0) == (None, 0, 0)


async def test_of_two_moderators_at_one_case_the_first_decides(core: Core) -> None:
    story = await core.finished()
    await core.service.moderation.report(BEN, story.id)
    await core.service.delete(MOD, story.id)
    with pytest.raises(StoryNotFound):
        await core.service.moderation.keep(replace(caller("other"), is_moderator=True), story.id)
    with pytest.raises(StoryNotFound):
        await core.service.delete(MOD, story.id)
    trail = await core.service.administration.history(BOSS)
    assert [entry.action for entry in trail] == ["delete"]


async def test_only_moderators_of_the_place_decide(core: Core) -> None:
    desk = core.service.moderation
    story = await core.finished()
    await desk.report(BEN, story.id)
    for refused in (
        desk.case(BEN, 0),
        desk.keep(BEN, story.id),
        desk.block_author(BEN, story.id),
        desk.block(BEN, "id-ada"),
        desk.unblock(BEN, "id-ada"),
        desk.blocked(BEN, limit=1, offset=0),
    ):
        with pytest.raises(NotModerator):
            await refused
    assert await desk.case(ELSEWHERE, 0) == (None, 0, 0)
    for refused in (
        desk.keep(ELSEWHERE, story.id),
        desk.block_author(ELSEWHERE, story.id),
        core.service.delete(ELSEWHERE, story.id),
        desk.report(replace(BEN, community_id="id-elsewhere"), story.id),
    ):
        with pytest.raises(StoryNotFound):
            await refused
    with pytest.raises(NotYours):
        await core.service.delete(BEN, story.id)


async def test_author_and_moderators_delete(core: Core) -> None:
    story, other = await core.finished(), await core.finished()
    await core.service.delete(replace(ADA, community_id="id-elsewhere"), story.id)
    await core.service.delete(MOD, other.id)
    for one in (story, other):
        assert ((await core.row(one.id)).status, (await core.row(one.id)).text) == (
            Status.DELETED,
            "",
        )
        with pytest.raises(StoryNotFound):
            await core.service.delete(MOD, one.id)
    trail = await core.service.administration.history(BOSS)
    assert [(entry.actor, entry.details) for entry in trail] == [("Mod", {"story": other.id})]


async def test_a_story_deleted_while_it_is_written_stops(make_core: MakeCore) -> None:
    core = await make_core()
    core.gate.hold()
    story = await core.service.write(ADA, "horror", "A house")
    await core.begun(story.id)
    await core.service.delete(ADA, story.id)
    assert (await core.ended(story.id)).status is Status.DELETED
    assert (await core.queue.state()).writing == ()


async def test_a_moderator_cancels_others_stories(make_core: MakeCore) -> None:
    core = await make_core(worker=False)
    story = await core.service.write(ADA, "horror", "A house")
    with pytest.raises(NotYours):
        await core.service.cancel(BEN, story.id)
    assert (await core.service.cancel(MOD, story.id)).status is Status.CANCELLED
    [entry] = await core.service.administration.history(BOSS)
    assert (entry.actor, entry.action, entry.details) == ("Mod", "cancel", {"story": story.id})


async def test_a_blocked_member_reads_and_nothing_else(core: Core) -> None:
    desk = core.service.moderation
    story, bens = await core.finished("ada"), await core.finished("ben")
    await desk.block_author(MOD, bens.id)
    for refused in (
        core.service.write(BEN, "horror", "A house"),
        core.service.retry(BEN, bens.id),
        core.service.continue_story(BEN, story.id),
        core.service.vote(BEN, story.id, 1),
        desk.report(BEN, story.id),
    ):
        with pytest.raises(BlockedMember):
            await refused
    assert (await core.service.read(BEN, story.id)).id == story.id
    await core.service.write(caller("ben", "elsewhere"), "horror", "A house")
    [blocked] = await desk.blocked(MOD, limit=10, offset=0)
    assert (blocked.platform_id, blocked.name) == ("id-ben", "Ben")
    await desk.unblock(MOD, "id-ben")
    await core.service.write(BEN, "horror", "A house")


async def test_the_author_of_a_forgotten_story_cannot_be_blocked(core: Core) -> None:
    story = await core.finished()
    await core.service.forget(ADA)
    with pytest.raises(StoryNotFound):
        await core.service.moderation.block_author(MOD, story.id)
