"""Digests and the hall of fame as they are posted in a server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from fakes.discord import FakeDiscord, User
from fakes.discord_house import Stage, is_finished, labels
from fakes.discord_state import FORUM, MANAGE_GUILD, MEMBER_PERMISSIONS, Channel

from bot.domain import Caller

EMBED = 0x4000


@pytest.fixture
def boss(fake: FakeDiscord) -> User:
    return fake.add_user("Boss", permissions=MEMBER_PERMISSIONS | MANAGE_GUILD)


async def choose(stage: Stage, **settings: Any) -> int:
    """Set these; the community's number."""
    boss, here = await stage.house.store.enter(Caller("discord", "1", "B", str(stage.guild.id)))
    for name, value in settings.items():
        await stage.house.store.change_setting(here.id, boss.id, name, value)
    return here.id


async def hall(stage: Stage, **how: Any) -> Channel:
    channel = stage.fake.add_channel(stage.guild, "hall", **how)
    await stage.start()
    return channel


async def due(stage: Stage) -> None:
    await stage.house.platform.bot.gazette.rounds.go_round()


async def want_digest(stage: Stage, channel: Channel) -> None:
    """A digest is due this hour; the last one was long ago."""
    hour = datetime.now(UTC).hour
    number = await choose(stage, digest="day", digest_channel=str(channel.id), digest_hour=hour)
    await stage.house.store.save_note(f"digest:{number}", "0")


async def test_the_digest_lists_and_links_the_best(stage: Stage) -> None:
    channel = await hall(stage)
    story = await stage.write(title="The Lamp")
    await want_digest(stage, channel)
    for _ in range(2):
        await due(stage)
    (digest,) = stage.fake.messages(channel)
    url = f"https://discord.com/channels/{stage.guild.id}/{stage.channel.id}/{story.id}"
    assert digest.text.splitlines() == [
        "The best of the day",
        f"🥇 [**The Lamp**]({url}) · #1 · 👍 0 👎 0 · Ada",
    ]


async def test_a_digest_sent_twice_by_a_crash_is_there_once(stage: Stage) -> None:
    channel = await hall(stage)
    await stage.write()
    for _ in range(2):
        await want_digest(stage, channel)  # as if it had not been noted
        await due(stage)
    assert len(stage.fake.messages(channel)) == 1


async def test_a_liked_story_is_posted_in_the_hall_once(stage: Stage) -> None:
    channel = await hall(stage)
    await choose(stage, hall_channel=str(channel.id), hall_votes=1)
    story = await stage.write()
    await due(stage)
    assert stage.fake.messages(channel) == []
    await stage.fake.press(stage.bob, story, "👍")
    await stage.fake.until(lambda: labels(story)[0] == "👍 1", "the vote")
    for _ in range(2):
        await due(stage)
    (copy,) = stage.fake.messages(channel)
    assert is_finished(copy)
    assert labels(copy)[0] == "👍 1"
    await stage.start()
    await due(stage)
    assert len(stage.fake.messages(channel)) == 1


async def test_in_a_forum_each_is_a_post_of_its_own(stage: Stage) -> None:
    forum = await hall(stage, kind=FORUM)
    story = await stage.write(title="The Lamp")
    await want_digest(stage, forum)
    await choose(stage, hall_channel=str(forum.id), hall_votes=1)
    await stage.fake.press(stage.bob, story, "👍")
    await stage.fake.until(lambda: labels(story)[0] == "👍 1", "the vote")
    for _ in range(2):
        await due(stage)
    posts = [one for one in stage.fake.world.channels.values() if one.parent is forum]
    assert [post.name for post in posts] == ["The best of the day", "The Lamp"]
    assert [len(stage.fake.messages(post)) for post in posts] == [1, 1]


async def test_where_the_bot_may_not_post_it_says_so_and_rests(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    channel = await hall(stage, denied=EMBED)
    await choose(stage, hall_channel=str(channel.id), hall_votes=1)
    story = await stage.write()
    await stage.fake.press(stage.bob, story, "👍")
    await stage.fake.until(lambda: labels(story)[0] == "👍 1", "the vote")
    await want_digest(stage, channel)
    await due(stage)
    await due(stage)
    said = [one.getMessage() for one in caplog.records if "could not be posted in" in one.message]
    assert said == [
        f"channel {channel.id} of Discord could not be posted in: I need Embed Links in #hall. "
        "Please ask whoever manages this server."
    ]
    channel.denied = 0
    await stage.start()
    await due(stage)
    assert len(stage.fake.messages(channel)) == 2


async def test_what_is_for_adults_is_posted_among_adults(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    open_hall = await hall(stage)
    cellar = stage.fake.add_channel(stage.guild, "cellar", nsfw=True)
    await stage.start()
    await stage.write()
    await choose(stage, age_restricted_only=True)
    for channel in (open_hall, cellar):
        await want_digest(stage, channel)
        await due(stage)
    assert stage.fake.messages(open_hall) == []
    assert len(stage.fake.messages(cellar)) == 1
    assert "age-restricted channels only" in caplog.text


async def test_the_channels_are_chosen_in_the_panel_with_the_right_to_post(
    stage: Stage, boss: User
) -> None:
    channel = await hall(stage)
    vault = stage.fake.add_channel(stage.guild, "vault")
    message = await stage.do("settings", boss)
    for name, target in (("digest_channel", vault), ("hall_channel", channel)):
        seen = len(message.versions)
        await stage.fake.select(boss, message, "settings:pick", name)
        await stage.fake.until(lambda n=seen: len(message.versions) > n, "the picker")
        await stage.fake.select(boss, message, f"settings:set:{name}", str(target.id))
        if target is vault:  # made after the bot connected: it does not see it
            await stage.fake.until(
                lambda: any(
                    "View Channel in" in m.text for m in stage.fake.messages(stage.channel)
                ),
                "the refusal",
            )
        else:
            await stage.fake.until(lambda: f"<#{channel.id}>" in message.text, "the channel")
    assert "**Digest's channel**: nowhere" in message.text
