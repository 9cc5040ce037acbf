"""Of several bot processes on one database each story is the affair of exactly one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from bot.domain import Caller, NewStory, Post, Provenance
from bot.store.share import EVERYTHING, Share
from bot.store.store import SqlStore
from model.engine import SamplingParams

SHARDS = [Share(frozenset({"discord"}), frozenset({shard}), 4) for shard in range(4)]
PROVENANCE = Provenance("m", "r", None, 1, 0.1, "stop")
TELEGRAM = Share(frozenset({"telegram", "console"}))


@pytest.mark.parametrize(
    ("platform_id", "is_private", "shard"),
    [
        # (id >> 22) % 4, by hand: Discord's documentation, Gateway, "Sharding".
        (str(4 << 22), False, 0),
        (str(5 << 22), False, 1),
        (str((6 << 22) + 4_194_303), False, 2),
        (str(7 << 22), False, 3),
        (str(7 << 22), True, 0),
    ],
)
def test_a_guild_belongs_to_the_shard_that_discord_says(
    platform_id: str, is_private: bool, shard: int
) -> None:
    serving = [share.includes("discord", platform_id, is_private) for share in SHARDS]
    assert serving == [number == shard for number in range(4)]
    assert EVERYTHING.includes("discord", platform_id, is_private)
    assert not TELEGRAM.includes("discord", platform_id, is_private)


def test_whole_platforms_are_shared_by_name() -> None:
    assert TELEGRAM.includes("telegram", "-100", False)
    assert TELEGRAM.includes("console", "console", True)
    assert not SHARDS[0].includes("telegram", "-100", True)


@pytest.fixture
async def stores(url: str) -> AsyncIterator[list[SqlStore]]:
    """One process for each shard, one for what is left, and one for all."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(SqlStore(url, share=share))
            for share in (*SHARDS, TELEGRAM, EVERYTHING)
        ]


async def test_each_takes_up_its_own_stories_posts_and_settings(stores: list[SqlStore]) -> None:
    *parts, everything = stores
    callers = [Caller("discord", "7", "Ann", str(place << 22)) for place in range(4, 12)]
    callers += [
        Caller("telegram", "7", "Ann", "-100"),
        Caller("discord", "7", "Ann", "99", "", True),
    ]
    for n, caller in enumerate(callers):
        me, place = await everything.enter(caller)
        new = NewStory(me.id, place.id, "horror", "", "Boo", SamplingParams())
        unfinished = await everything.add_story(new)
        finished = await everything.add_story(new)
        await everything.finish_story(finished.id, "Boo.", PROVENANCE)
        for story in (unfinished, finished):
            await everything.add_post(Post(story.id, caller.platform, str(n), str(story.id), "en"))
        await everything.change_setting(place.id, me.id, "digest", "day")

    def ids(taken: list[list[int]]) -> list[int]:
        """Of all parts; each must be somebody's, and only one's."""
        assert all(taken), "there is something for each"
        return sorted(number for some in taken for number in some)

    open_stories = [[story.id for story in await s.unfinished_stories()] for s in parts]
    assert ids(open_stories) == [story.id for story in await everything.unfinished_stories()]
    for platform, serving in (("discord", parts[:4]), ("telegram", parts[4:])):
        posts = [[int(p.message_id) for p in await s.open_posts(platform)] for s in serving]
        assert ids(posts) == [int(p.message_id) for p in await everything.open_posts(platform)]
        places = [[c.id for c, _ in await s.communities_with(platform, "digest")] for s in serving]
        all_places = await everything.communities_with(platform, "digest")
        assert ids(places) == [community.id for community, _ in all_places]
    assert await parts[4].open_posts("discord") == []
    assert [len(taken) for taken in open_stories] == [3, 2, 2, 2, 1]
