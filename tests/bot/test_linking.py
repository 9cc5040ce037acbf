"""One person on two platforms, as the service has it: codes, one quota, stories still open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fakes.core import Core, caller

from bot.domain import Status
from bot.errors import BlockedMember, NoStories, OwnCode, QuotaUsed, StoryNotFound, WrongCode
from bot.limits import Limits
from bot.linking import read_code
from bot.texts import say

from .conftest import MakeCore

HERE = caller("ada", "server", platform="discord")
THERE = caller("ada", "chat", platform="telegram")


async def link(core: Core) -> None:
    await core.service.linking.redeem(THERE, await core.service.linking.offer(HERE))


@pytest.mark.parametrize(
    "typed", ["K7QF-01M9", " k7qf-01m9 ", "k7qfOlm9", "K7QF oIm9", "k7qf—0lm9."]
)
def test_a_code_is_read_however_it_is_typed(typed: str) -> None:
    assert read_code(typed) == "K7QF01M9"


@pytest.mark.parametrize(
    "typed", ["", "K7QF-01M", "K7QF-01M99", "K7QF-01MU", "ｋ7QF-01M9", "🙂" * 8]
)
def test_what_is_no_code_is_refused_untried(typed: str) -> None:
    with pytest.raises(WrongCode):
        read_code(typed)


async def test_codes_are_random_and_only_their_hash_is_kept(
    core: Core, core_database: Path
) -> None:
    codes = {await core.service.linking.offer(HERE) for _ in range(20)}
    assert len(codes) == 20, "two of 20 alike: once in 10^10"
    files = core_database, core_database.with_name(f"{core_database.name}-wal")
    kept = b"".join(file.read_bytes() for file in files)
    assert not [code for code in codes if code.replace("-", "").encode() in kept]


async def test_a_code_names_who_gave_it_out(core: Core) -> None:
    linking = core.service.linking
    code = await linking.offer(HERE)
    owner = await linking.whose(THERE, code)
    assert (owner.platform, owner.name) == ("discord", "Ada")
    with pytest.raises(OwnCode):
        await linking.whose(HERE, code)
    await linking.redeem(THERE, code)
    assert [one.platform for one in await linking.identities(HERE)] == ["discord", "telegram"]
    assert await linking.identities(THERE) == await linking.identities(HERE)
    await linking.unlink(THERE)
    assert [one.platform for one in await linking.identities(THERE)] == ["telegram"]


async def test_a_linked_member_has_one_quota_one_profile_and_one_list(make_core: MakeCore) -> None:
    core = await make_core()
    core.service.rules = replace(core.service.rules, limits=Limits(daily_quota=2))
    for who in (HERE, THERE):
        await core.service.write(who, "horror", "A door")
    await core.service.until_written()
    await link(core)
    for who in (HERE, THERE):
        with pytest.raises(QuotaUsed):
            await core.service.write(who, "horror", "A door")
    in_private = replace(HERE, community_id="dm", is_private=True)
    assert {story.id for story in await core.service.mine(in_private)} == {1, 2}
    assert (await core.service.profile(in_private)).n_stories == 2
    assert (await core.service.profile(HERE)).n_stories == 1
    assert (await core.service.read(HERE, 2)).author_name == "Ada"


async def test_in_private_others_profiles_do_not_tell_of_elsewhere(core: Core) -> None:
    await core.service.write(HERE, "horror", "A door")
    await core.service.until_written()
    bob = replace(caller("bob", "dm", platform="discord"), is_private=True)
    with pytest.raises(NoStories):
        await core.service.profile(bob, HERE.member_id)


async def test_stories_still_to_be_told_stay_their_authors(make_core: MakeCore) -> None:
    core = await make_core(worker=False)
    here = await core.service.write(HERE, "horror", "A door")
    there = await core.service.write(THERE, "horror", "A door")
    await link(core)
    assert [number for number, _ in (await core.service.queue_view(HERE)).mine] == [1, 2]
    assert (await core.service.cancel(HERE, there.id)).status is Status.CANCELLED
    await core.service.linking.unlink(THERE)
    with pytest.raises(StoryNotFound):
        await core.service.cancel(THERE, here.id)
    await link(core)
    forgotten = await core.service.forget(THERE)
    assert forgotten.stories == 2
    assert (await core.row(here.id)).status is Status.DELETED
    await core.service.until_written()


async def test_a_block_holds_after_linking(core: Core) -> None:
    mod = replace(caller("mod", "server", platform="discord"), is_moderator=True)
    await core.service.moderation.block(mod, HERE.member_id)
    await link(core)
    with pytest.raises(BlockedMember):
        await core.service.write(HERE, "horror", "A door")
    await core.service.write(THERE, "horror", "A door")


def test_texts_say_that_forgetting_takes_linked_accounts_too() -> None:
    for language in ("en", "es", "zh"):
        assert "/unlink" in say("forget-ask", language)
