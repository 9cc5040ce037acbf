"""What the bot lacks is named exactly, before anything is done."""

from __future__ import annotations

import pytest
from fakes.discord import FakeDiscord
from fakes.discord_house import Stage, finished
from fakes.discord_state import (
    ATTACH_FILES,
    EMBED_LINKS,
    FORUM,
    MANAGE_GUILD,
    MEMBER_PERMISSIONS,
    PUBLIC_THREAD,
    SEND_IN_THREADS,
    SEND_MESSAGES,
)

VIEW = 0x400
ASK = "Please ask whoever manages this server."


@pytest.mark.parametrize(
    ("denied", "said"),
    [
        (EMBED_LINKS, "Embed Links"),
        (SEND_MESSAGES | EMBED_LINKS, "Send Messages and Embed Links"),
        (VIEW | SEND_MESSAGES | EMBED_LINKS, "View Channel, Send Messages and Embed Links"),
    ],
)
async def test_a_story_needs_to_be_posted_and_edited(
    stage: Stage, fake: FakeDiscord, denied: int, said: str
) -> None:
    vault = fake.add_channel(stage.guild, "vault", denied=denied)
    answer = await fake.slash(stage.ada, vault, "story", genre="horror")
    told = await answer.message()
    assert told.ephemeral
    assert told.content == f"I need {said} in \\#vault. {ASK}"
    assert await stage.house.store.story(1) is None


@pytest.mark.parametrize("kind", [0, FORUM])
async def test_a_thread_has_a_permission_of_its_own(
    stage: Stage, fake: FakeDiscord, kind: int
) -> None:
    place = fake.add_channel(stage.guild, "place", kind=kind, denied=SEND_IN_THREADS)
    thread = fake.add_channel(stage.guild, "thread", kind=PUBLIC_THREAD, parent=place)
    await stage.start()
    answer = await fake.slash(stage.ada, thread, "story", genre="horror")
    assert "I need Send Messages in Threads in \\#thread." in (await answer.message()).text
    place.denied = SEND_MESSAGES  # which is about the channel itself
    await finished(await fake.slash(stage.ada, thread, "story", genre="horror"))


@pytest.mark.parametrize(
    ("command", "options", "denied", "said"),
    [
        ("top", {}, EMBED_LINKS, "Embed Links"),
        ("member", {}, EMBED_LINKS, "Embed Links"),
        ("random", {}, SEND_MESSAGES, "Send Messages"),
        ("read", {"id": 1}, SEND_MESSAGES, "Send Messages"),
        ("continue", {"id": 1}, SEND_MESSAGES, "Send Messages"),
        ("retry", {"id": 1}, EMBED_LINKS, "Embed Links"),
        ("together", {"genre": "horror"}, SEND_MESSAGES, "Send Messages"),
        ("together", {}, SEND_MESSAGES, "Send Messages"),
        ("story", {"prompt": "Before the form"}, SEND_MESSAGES, "Send Messages"),
        ("stats", {}, EMBED_LINKS | ATTACH_FILES, "Embed Links and Attach Files"),
        ("export", {}, ATTACH_FILES, "Attach Files"),
    ],
)
async def test_every_command_names_what_it_needs(
    stage: Stage, command: str, options: dict[str, object], denied: int, said: str
) -> None:
    await stage.write()
    stage.channel.denied = denied
    answer = await stage.fake.slash(stage.ada, stage.channel, command, **options)
    told = await answer.message()
    assert told.ephemeral
    assert told.content == f"I need {said} in \\#stories. {ASK}"


@pytest.mark.parametrize("command", ["help", "mine", "queue", "genres", "about", "privacy"])
async def test_what_the_member_alone_reads_needs_nothing(stage: Stage, command: str) -> None:
    await stage.write()
    stage.channel.denied = SEND_MESSAGES | EMBED_LINKS | ATTACH_FILES
    assert "I need" not in (await stage.do(command)).text


async def test_buttons_that_write_name_it_too(stage: Stage) -> None:
    message = await stage.write()
    stage.channel.denied = SEND_MESSAGES
    for button in ("Continue", "Another version"):
        press = await stage.fake.press(stage.bob, message, button)
        assert "I need Send Messages in \\#stories." in (await press.message()).text


async def test_an_app_a_member_brought_needs_only_what_its_answer_does(
    stage: Stage, fake: FakeDiscord
) -> None:
    guild = fake.add_guild("Elsewhere", installed=False)
    channel = fake.add_channel(guild, denied=SEND_MESSAGES)
    await finished(await fake.slash(stage.ada, channel, "story", genre="horror"))
    channel.denied |= EMBED_LINKS
    answer = await fake.slash(stage.ada, channel, "story", genre="horror")
    assert (await answer.message()).content.startswith("I need Embed Links in")


async def test_what_is_missing_for_the_digest_is_said_when_it_is_chosen(
    stage: Stage, fake: FakeDiscord
) -> None:
    vault = fake.add_channel(stage.guild, "vault", denied=SEND_MESSAGES | EMBED_LINKS)
    await stage.start()
    vault.denied = 0  # as the member sees it; the bot was told otherwise
    boss = fake.add_user("Boss", permissions=MEMBER_PERMISSIONS | MANAGE_GUILD)
    panel = await stage.do("settings", boss)
    await fake.select(boss, panel, "settings:pick", "digest_channel")
    await fake.until(lambda: "settings:set:digest_channel" in str(panel.components), "the menu")
    chosen = await fake.select(boss, panel, "settings:set:digest_channel", str(vault.id))
    told = await chosen.message("I need Send Messages and Embed Links in \\#vault.")
    assert told.ephemeral
