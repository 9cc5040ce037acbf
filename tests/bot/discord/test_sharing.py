"""Sharing a story in another channel, and deleting one for good."""

from __future__ import annotations

import pytest
from fakes.discord import FakeDiscord, Message, User
from fakes.discord_house import Stage, finished, is_finished, labels
from fakes.discord_state import (
    FORUM,
    MANAGE_GUILD,
    MANAGE_MESSAGES,
    MEMBER_PERMISSIONS,
    PUBLIC_THREAD,
    Channel,
)

from bot.domain import Caller
from model.scripted_engine import ScriptedEngine

SEND, EMBED = 0x800, 0x4000


async def share(stage: Stage, message: Message, target: Channel) -> Message:
    """Press Share and choose the channel; what the member reads then."""
    picker = await (await stage.fake.press(stage.bob, message, "Share")).message("Where shall I")
    assert picker.ephemeral
    chosen = await stage.fake.select(stage.bob, picker, "share-to:1", str(target.id))
    await stage.fake.until(
        lambda: chosen.messages or len(picker.versions) > 1, "it is shared or refused"
    )
    return chosen.messages[0] if chosen.messages else picker


async def test_a_story_shared_in_a_channel_and_a_thread_lives_there(stage: Stage) -> None:
    hall = stage.fake.add_channel(stage.guild, "hall")
    await stage.start()
    message = await stage.write(prompt="The lamp")
    said = await share(stage, message, hall)
    (copy,) = stage.fake.messages(hall)
    assert said.text.startswith("Story \\#1 is in \\#hall now.")
    assert f"/{hall.id}/{copy.id})" in said.text
    assert copy.embeds == message.embeds
    assert is_finished(copy)
    await stage.fake.press(stage.bob, copy, "👍")
    await stage.fake.until(lambda: labels(copy)[0] == "👍 1", "the vote")
    await delete(stage, stage.ada, message)
    await stage.fake.until(lambda: "This story was deleted." in copy.text, "the copy")


@pytest.mark.parametrize("denied", [SEND, EMBED])
async def test_where_the_member_may_not_write(stage: Stage, denied: int) -> None:
    vault = stage.fake.add_channel(stage.guild, "vault", denied=denied)
    await stage.start()
    said = await share(stage, await stage.write(), vault)
    assert "You may not write in \\#vault yourself." in said.text
    assert stage.fake.messages(vault) == []


async def test_what_the_bot_lacks_is_named(stage: Stage) -> None:
    vault = stage.fake.add_channel(stage.guild, "vault", denied=EMBED)
    await stage.start()
    message = await stage.write()
    vault.denied = 0  # as the member sees it; the bot was told otherwise
    said = await share(stage, message, vault)
    assert "I need Embed Links in \\#vault." in said.text
    unseen = stage.fake.add_channel(stage.guild, "unseen")
    assert "I need View Channel in \\#unseen." in (await share(stage, message, unseen)).text


async def test_a_forum_gets_a_post_of_its_own(stage: Stage) -> None:
    forum = stage.fake.add_channel(stage.guild, "library", kind=FORUM)
    forum.tags = [tag(1, "Horror"), tag(2, "Drama")]
    await stage.start()
    message = await stage.write(title="The Lamp", prompt="It went out")
    said = await share(stage, message, forum)
    assert said.text.startswith("Story \\#1 is in \\#library now.")
    (post,) = [one for one in stage.fake.world.channels.values() if one.parent is forum]
    (copy,) = stage.fake.messages(post)
    assert (post.name, post.applied_tags) == ("The Lamp", ["1"])
    assert f"/{stage.guild.id}/{post.id}/{copy.id})" in said.text
    assert copy.embeds == message.embeds
    await stage.fake.press(stage.bob, copy, "👍")
    await stage.fake.until(lambda: labels(copy)[0] == "👍 1", "the vote")
    await delete(stage, stage.ada, message)
    await stage.fake.until(lambda: "This story was deleted." in copy.text, "the copy")


async def test_a_post_in_the_archive_loses_a_deleted_story_too(stage: Stage) -> None:
    forum = stage.fake.add_channel(stage.guild, "library", kind=FORUM)
    await stage.start()
    message = await stage.write(prompt="The lamp")
    await share(stage, message, forum)
    (post,) = [one for one in stage.fake.world.channels.values() if one.parent is forum]
    (copy,) = stage.fake.messages(post)
    post.archived = True
    await delete(stage, stage.ada, message)
    await stage.fake.until(lambda: "This story was deleted." in copy.text, "the copy")


@pytest.mark.parametrize(("wanted", "applied"), [(True, ["2"]), (False, [])])
async def test_a_forum_that_wants_a_tag_gets_one_that_anybody_may_put_on(
    stage: Stage, wanted: bool, applied: list[str]
) -> None:
    forum = stage.fake.add_channel(stage.guild, "library", kind=FORUM)
    forum.tags = [tag(1, "Rules", moderated=True), tag(2, "Tales")]
    forum.wants_tag = wanted
    await stage.start()
    await share(stage, await stage.write(), forum)
    (post,) = [one for one in stage.fake.world.channels.values() if one.parent is forum]
    assert post.applied_tags == applied


async def test_long_stories_go_on_in_the_forums_post(stage: Stage) -> None:
    forum = stage.fake.add_channel(stage.guild, "library", kind=FORUM)
    engine = ScriptedEngine(lambda request: " Nobody said so." * 500, context_length=8_000)
    await stage.start(engine=engine, length_long=4_000)
    await stage.ask(length="long")
    here = stage.channel
    await stage.fake.until(
        lambda: any(map(is_finished, stage.fake.messages(here))), "the last page", 30
    )
    told = [page.text for page in stage.fake.messages(here)]
    await share(stage, stage.fake.messages(here)[-1], forum)
    (post,) = [one for one in stage.fake.world.channels.values() if one.parent is forum]
    pages = [page.text for page in stage.fake.messages(post)]
    assert len(pages) > 1
    assert pages == told


async def test_stories_for_adults_stay_among_adults_in_forums_too(stage: Stage) -> None:
    forum = stage.fake.add_channel(stage.guild, "library", kind=FORUM)
    adults = stage.fake.add_channel(stage.guild, "cellar", kind=FORUM, nsfw=True)
    stage.channel.nsfw = True
    await stage.start()
    boss, here = await stage.house.store.enter(Caller("discord", "1", "Boss", str(stage.guild.id)))
    await stage.house.store.change_setting(here.id, boss.id, "age_restricted_only", True)
    message = await stage.write()
    assert "age-restricted channels only" in (await share(stage, message, forum)).text
    assert "is in \\#cellar now." in (await share(stage, message, adults)).text


def tag(number: int, name: str, *, moderated: bool = False) -> dict[str, object]:
    return {
        "id": str(number),
        "name": name,
        "moderated": moderated,
        "emoji_id": None,
        "emoji_name": None,
    }


async def test_a_channel_that_refuses_after_all(stage: Stage) -> None:
    hall = stage.fake.add_channel(stage.guild, "hall")
    await stage.start()
    message = await stage.write()
    stage.fake.fail_next("POST", f"/channels/{hall.id}/messages", 403, {"code": 50001})
    assert "I could not post that in \\#hall just now." in (await share(stage, message, hall)).text


async def test_the_communitys_rules_hold_there(stage: Stage) -> None:
    hall = stage.fake.add_channel(stage.guild, "hall")
    thread = stage.fake.add_channel(stage.guild, "thread", kind=PUBLIC_THREAD, parent=stage.channel)
    await stage.start()
    message = await stage.write()
    boss, here = await stage.house.store.enter(Caller("discord", "1", "Boss", str(stage.guild.id)))
    await stage.house.store.change_setting(here.id, boss.id, "channels", [str(stage.channel.id)])
    assert "I write no stories in this channel." in (await share(stage, message, hall)).text
    await share(stage, message, thread)
    assert len(stage.fake.messages(thread)) == 1


async def test_in_private_there_is_nowhere_to_share(stage: Stage) -> None:
    place = stage.fake.add_dm(stage.ada)
    message = await finished(await stage.fake.slash(stage.ada, place, "story", genre="drama"))
    press = await stage.fake.press(stage.ada, message, "Share")
    assert (await press.message("That works in a server only.")).ephemeral


# -- deleting --------------------------------------------------------------------------------------
async def delete(stage: Stage, user: User, message: Message) -> Message:
    question = await (await stage.fake.press(user, message, "Delete")).message("Are you sure?")
    assert question.ephemeral
    await stage.fake.press(user, question, "Yes, delete it")
    await stage.fake.until(lambda: "is deleted." in question.text, "it is done")
    return question


async def test_the_author_deletes_and_is_asked_first(stage: Stage) -> None:
    message = await stage.write(prompt="The lamp")
    assert "The lamp" in message.text
    question = await delete(stage, stage.ada, message)
    assert question.buttons == []
    await stage.fake.until(lambda: "This story was deleted." in message.text, "the message")
    assert "The lamp" not in message.text
    assert message.buttons == []


async def test_others_do_not_delete_but_moderators_do(stage: Stage, fake: FakeDiscord) -> None:
    message = await stage.write()
    press = await stage.fake.press(stage.bob, message, "Delete")
    assert (await press.message("Only the author of story \\#1")).ephemeral
    await delete(
        stage, fake.add_user("Mod", permissions=MEMBER_PERMISSIONS | MANAGE_MESSAGES), message
    )
    boss = fake.add_user("Boss", permissions=MEMBER_PERMISSIONS | MANAGE_GUILD)
    panel = await stage.do("settings", boss)
    await fake.press(boss, panel, "Who changed what")
    await fake.until(lambda: "Mod deleted story #1." in panel.text, "the trail")
