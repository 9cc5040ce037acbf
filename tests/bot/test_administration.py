"""A community's settings: who may change them, what they do, and the trail they leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from fakes.core import Core, caller, telling

from bot.administration import mark
from bot.community_settings import CommunitySettings
from bot.domain import AuditEntry, Caller
from bot.errors import (
    AdultsOnly,
    BadPattern,
    BlockedWords,
    ChangedMeanwhile,
    CoolingDown,
    NotAChoice,
    NotInThisChannel,
    NotManager,
    OutOfBounds,
    QuotaUsed,
    UnknownGenre,
)
from bot.limits import Limits

MakeCore = Callable[..., Awaitable[Core]]
ADA, BEN = caller("ada"), caller("ben")
BOSS = replace(caller("boss"), is_manager=True)


async def test_of_two_changes_of_what_both_saw_one_is_made(core: Core) -> None:
    desk = core.service.administration
    seen = mark(await desk.settings(BOSS), "words")
    told = await asyncio.gather(
        *(desk.change(BOSS, "words", [word], seen=seen) for word in ("grue", "snark")),
        return_exceptions=True,
    )
    assert sum(isinstance(one, ChangedMeanwhile) for one in told) == 1
    (made,) = [one for one in told if isinstance(one, CommunitySettings)]
    assert await desk.settings(BOSS) == made
    assert len(await desk.history(BOSS)) == 1
    changed = await desk.change(BOSS, "words", ["grue", "snark"], seen=mark(made, "words"))
    assert changed.words == ("grue", "snark")


async def test_what_a_change_tells_is_what_holds_then(core: Core) -> None:
    change = core.service.administration.change
    told = await asyncio.gather(change(BOSS, "length", "short"), change(BOSS, "longest", "medium"))
    assert ("short", "medium") in [(one.length, one.longest) for one in told]


async def test_only_who_manages_the_community_sees_or_changes_anything(core: Core) -> None:
    desk = core.service.administration
    for refused in (desk.settings(ADA), desk.change(ADA, "length", "long"), desk.history(ADA)):
        with pytest.raises(NotManager):
            await refused
    assert await desk.history(BOSS) == []


async def test_a_change_is_kept_told_and_traced(core: Core) -> None:
    desk = core.service.administration
    changed = await desk.change(BOSS, "daily_quota", "5")
    assert changed.daily_quota == 5
    assert await desk.settings(BOSS) == changed
    details = {"name": "daily_quota", "before": 0, "after": 5}
    assert await desk.history(BOSS) == [AuditEntry(core.clock.now, "Boss", "setting", details)]
    elsewhere = replace(BOSS, community_id="id-elsewhere")
    assert (await desk.settings(elsewhere)).daily_quota == 0
    assert await desk.history(elsewhere) == []


async def test_what_will_not_do_is_explained_and_changes_nothing(core: Core) -> None:
    desk = core.service.administration
    with pytest.raises(OutOfBounds) as number:
        await desk.change(BOSS, "cooldown_s", "soon")
    assert number.value.values == {"given": "soon", "least": 0, "most": 86_400}
    with pytest.raises(NotAChoice) as genre:
        await desk.change(BOSS, "genres", ["horror", "western"])
    assert genre.value.values["given"] == "western"
    with pytest.raises(NotAChoice):
        await desk.change(BOSS, "language", "tlh")
    assert await desk.history(BOSS) == []


# -- what the settings do --------------------------------------------------------------------------
async def test_genres_and_lengths(core: Core) -> None:
    desk, write = core.service.administration, core.service.write
    await desk.change(BOSS, "genres", ["drama", "horror"])
    await desk.change(BOSS, "length", "short")
    await desk.change(BOSS, "longest", "medium")
    with pytest.raises(UnknownGenre) as refused:
        await write(ADA, "action", "A chase")
    assert refused.value.values == {"given": "action", "nearest": "", "choices": "drama, horror"}
    with pytest.raises(UnknownGenre) as unknown:
        await write(ADA, "acton", "A chase")
    assert unknown.value.values == refused.value.values | {"given": "acton"}
    usual = await write(ADA, "drama", "Two sisters")
    long = await write(ADA, "drama", "Two sisters", length="long")
    elsewhere = await write(caller("ada", "other"), "action", length="long")
    tokens = [one.sampling.max_new_tokens for one in (usual, long, elsewhere)]
    assert tokens == [100, 220, 450]


async def test_continuations_and_versions_follow_the_rules_of_the_day(core: Core) -> None:
    story = await core.finished()
    await core.service.administration.change(BOSS, "longest", "short")
    version = await core.service.retry(ADA, story.id)
    assert version.sampling.max_new_tokens == 100
    await core.service.administration.change(BOSS, "genres", ["drama"])
    with pytest.raises(UnknownGenre):
        await core.service.continue_story(ADA, story.id)
    with pytest.raises(UnknownGenre):
        await core.service.retry(ADA, story.id)


async def test_genres_that_the_operator_took_away_bind_nobody(core: Core) -> None:
    member, community = await core.store.enter(BOSS)
    await core.store.change_setting(community.id, member.id, "genres", ["western"])
    assert (await core.service.write(ADA, "drama", "Two sisters")).genre == "drama"


def in_channel(*ids: str, adults: bool = False) -> Caller:
    return replace(ADA, channel_ids=ids, is_age_restricted=adults)


async def test_channels(core: Core) -> None:
    await core.service.administration.change(BOSS, "channels", ["7", "8"])
    with pytest.raises(NotInThisChannel) as refused:
        await core.service.write(in_channel("9"), "horror", "A house")
    assert refused.value.channel_ids == ("7", "8")
    await core.service.write(in_channel("9", "8"), "horror", "In a thread of channel 8")
    story = await core.finished("ben", "other")
    assert (await core.service.read(replace(BEN, community_id="id-other"), story.id)) == story


async def test_adults_only(core: Core) -> None:
    await core.service.administration.change(BOSS, "age_restricted_only", "yes")
    with pytest.raises(AdultsOnly):
        await core.service.write(in_channel("7"), "horror", "A house")
    inside = in_channel("7", adults=True)
    story = await core.service.write(inside, "horror", "A house")
    await core.ended(story.id)
    for refused in (
        core.service.read(BEN, story.id),
        core.service.random(BEN),
        core.service.top(BEN),
    ):
        with pytest.raises(AdultsOnly):
            await refused
    assert (await core.service.read(inside, story.id)).id == story.id
    assert len(await core.service.top(inside)) == 1
    chat = replace(caller("ada", "chat", private=True))
    assert (await core.service.read(chat, story.id)).id == story.id  # her own, for her eyes


async def test_quota_and_cooldown_count_the_communitys_own_stories(core: Core) -> None:
    desk, write = core.service.administration, core.service.write
    await desk.change(BOSS, "daily_quota", 2)
    await desk.change(BOSS, "cooldown_s", 60)
    await write(caller("ada", "other"), "horror", "elsewhere")
    await write(ADA, "horror", "one")
    with pytest.raises(CoolingDown) as soon:
        await write(ADA, "horror", "two")
    assert soon.value.values == {"seconds": 60}
    await write(BEN, "horror", "another member's")
    core.clock.now += 60
    await write(ADA, "horror", "two")
    core.clock.now += 60
    with pytest.raises(QuotaUsed) as used:
        await write(ADA, "horror", "three")
    assert used.value.values == {"limit": 2, "hours": 24}
    await write(caller("ada", "other"), "horror", "elsewhere")


async def test_a_role_frees_of_the_communitys_limits_but_not_of_the_operators(
    make_core: MakeCore,
) -> None:
    core = await make_core(limits=Limits(daily_quota=2))
    desk, write = core.service.administration, core.service.write
    await desk.change(BOSS, "daily_quota", 1)
    await desk.change(BOSS, "exempt_roles", ["42"])
    patron = replace(ADA, role_ids=("1", "42"))
    await write(patron, "horror", "one")
    with pytest.raises(QuotaUsed):
        await write(ADA, "horror", "two")
    await write(patron, "horror", "two")
    with pytest.raises(QuotaUsed) as used:
        await write(patron, "horror", "three")
    assert used.value.values["limit"] == 2


async def test_anybody_learns_the_language(core: Core) -> None:
    assert await core.service.administration.language(ADA) == ""
    await core.service.administration.change(BOSS, "language", "en")
    assert await core.service.administration.language(ADA) == "en"


async def test_words_of_the_community_are_refused_and_covered(make_core: MakeCore) -> None:
    core = await make_core(engine=telling(" said gadzooks and damn."), blocked_words=("damn",))
    words = ["gadzooks", "/zounds+/"]
    changed = await core.service.administration.change(BOSS, "words", [*words, " gadzooks "])
    assert changed.words == ("gadzooks", "/zounds+/")
    for prompt in ("Gadzooks", "Zoundss", "Damn"):
        with pytest.raises(BlockedWords):
            await core.service.write(ADA, "horror", prompt)
    story = await core.service.write(ADA, "horror", "He")
    assert (await core.ended(story.id)).text == "He said •••••••• and ••••."
    elsewhere = await core.service.write(caller("ada", "other"), "horror", "He")
    assert (await core.ended(elsewhere.id)).text == "He said gadzooks and ••••."
    with pytest.raises(BadPattern):
        await core.service.administration.change(BOSS, "words", ["/(/"])
