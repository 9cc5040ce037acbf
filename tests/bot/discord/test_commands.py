"""Every command: registered as it should be, answered, and answered to whom it concerns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from discord.http import Route
from fakes.discord import FakeDiscord
from fakes.discord_house import House, Stage, finished, is_finished, labels
from fakes.discord_state import PUBLIC_THREAD
from fakes.openapi import discord_spec

from bot.discord.client import DiscordPlatform
from bot.domain import Caller
from bot.errors import PlatformError, SettingsError
from bot.settings import Settings
from bot.wording import COMMANDS, MANAGER_COMMANDS, MORE_COMMANDS
from model.genres import DEFAULT_GENRES

WALK: dict[str, tuple[dict[str, Any], str, bool]] = {
    "story": ({"genre": "drama"}, "Drama", False),
    "continue": ({"id": 1}, "continues #1", False),
    "retry": ({"id": 1}, "another version of #1", False),
    "cancel": ({"id": 2}, "is not being written any more", True),
    "read": ({"id": 1}, "#1 · horror by Ada", False),
    "random": ({"genre": "horror"}, "horror by", False),
    "top": ({"genre": "horror", "period": "week"}, "The best horror stories · week", False),
    "mine": ({}, "Your stories", True),
    "vote": ({"id": 1, "vote": "up"}, "👍 for story \\#1. It has 1 up, 0 down.", True),
    "queue": ({}, "is waiting", True),
    "genres": ({}, "**science fiction** (`sci_fi`)", True),
    "about": ({}, "Model: scripted", True),
    "link": ({}, "Your code is", True),
    "unlink": ({}, "This account is not linked with any other.", True),
    "privacy": ({}, "/export gives you all of it", True),
    "export": ({}, "everything I keep about you", True),
    "forget": ({}, "Are you sure?", True),
    "help": ({}, "**/story**: write a story", True),
}
"""For each command: options, what its answer says, and whether only the member sees it."""


def test_the_walk_forgets_no_command() -> None:
    assert set(WALK) == set(COMMANDS)


async def test_every_command_is_registered_with_its_texts(stage: Stage) -> None:
    if discord_spec() is None:
        pytest.skip("no discord-openapi.json at ../shared/specs or $API_SPECS")
    typed = [command for command in stage.fake.commands if command["type"] == 1]
    assert {command["name"] for command in typed} == {*COMMANDS, *MORE_COMMANDS, *MANAGER_COMMANDS}
    for command in typed:
        in_servers_only = command["name"] in MANAGER_COMMANDS
        assert command["contexts"] == ([0] if in_servers_only else [0, 1, 2])
        assert command["integration_types"] == [0, 1]
        texts = [command["description"], *(o["description"] for o in command.get("options", []))]
        assert "…" not in texts  # discord.py's stand-in for a missing text


async def test_commands_speak_the_members_language(stage: Stage) -> None:
    (top,) = [one for one in stage.fake.commands if one["name"] == "top"]
    assert top["description_localizations"]["es-ES"].startswith("las mejores historias")
    assert set(top["description_localizations"]) == {"es-ES", "es-419", "zh-CN", "zh-TW"}
    (genre, *_) = top["options"]
    assert genre["description_localizations"]["zh-CN"] == "哪种故事"
    refused = await stage.fake.slash(stage.ada, stage.channel, "read", locale="es-ES", id=9)
    assert (await refused.message("Aquí no hay ninguna historia n.º 9.")).ephemeral


async def test_genres_are_suggested_as_the_community_allows(stage: Stage) -> None:
    boss, here = await stage.house.store.enter(Caller("discord", "1", "B", str(stage.guild.id)))
    await stage.house.store.change_setting(here.id, boss.id, "genres", ["drama", "horror"])

    async def suggested(command: str) -> list[str]:
        offered = await stage.fake.autocomplete(stage.ada, stage.channel, command, "genre", "")
        return [choice["value"] for choice in offered]

    assert await suggested("story") == await suggested("together") == ["drama", "horror"]
    assert len(await suggested("top")) == len(DEFAULT_GENRES)  # older stories are there
    listed = (await stage.do("genres")).text
    assert "`drama`" in listed
    assert "`action`" not in listed


async def test_what_everybody_reads_is_in_the_servers_language_or_its_choice(stage: Stage) -> None:
    stage.guild.locale = "zh-CN"
    answer = await stage.fake.slash(
        stage.ada, stage.channel, "story", locale="es-ES", genre="drama"
    )
    message = await finished(answer)
    assert "由 scripted 写成" in message.text
    boss, here = await stage.house.store.enter(Caller("discord", "1", "B", str(stage.guild.id)))
    await stage.house.store.change_setting(here.id, boss.id, "language", "es")
    assert "escrita por scripted" in (await stage.do("read", id=1)).text


@pytest.mark.parametrize("command", WALK)
async def test_walk(stage: Stage, command: str) -> None:
    await stage.write(prompt="The first")
    await stage.write(stage.bob)
    options, said, private = WALK[command]
    answer = await stage.fake.slash(stage.bob, stage.channel, command, **options)
    message = await answer.message(said)
    assert message.ephemeral is private
    if command in ("story", "continue", "retry"):
        await stage.fake.until(lambda: is_finished(message), "the story")


@pytest.mark.parametrize("command", ["continue", "retry", "cancel", "read", "vote"])
async def test_an_unknown_story(stage: Stage, command: str) -> None:
    options = {"id": 999} | ({"vote": "up"} if command == "vote" else {})
    answer = await stage.fake.slash(stage.ada, stage.channel, command, **options)
    assert (await answer.message("There is no story \\#999 here.")).ephemeral


@pytest.mark.parametrize("command", ["top", "mine", "random"])
async def test_nothing_to_show_yet(stage: Stage, command: str) -> None:
    answer = await stage.fake.slash(stage.ada, stage.channel, command)
    assert (await answer.message("No stories here yet")).ephemeral


async def test_nothing_to_cancel(stage: Stage) -> None:
    assert "None of your stories" in (await stage.do("cancel")).text


async def test_genres_are_suggested(stage: Stage) -> None:
    fake, ada, channel = stage.fake, stage.ada, stage.channel
    everything = await fake.autocomplete(ada, channel, "story", "genre", "")
    assert [choice["value"] for choice in everything] == [
        "superhero", "sci_fi", "action", "drama", "horror", "thriller",
    ]  # fmt: skip
    by_alias = await fake.autocomplete(ada, channel, "story", "genre", "space")
    assert by_alias == [{"name": "science fiction", "value": "sci_fi"}]
    best_first = await fake.autocomplete(ada, channel, "top", "genre", "s")
    assert best_first[0]["value"] == "superhero"
    assert await fake.autocomplete(ada, channel, "random", "genre", "zzz") == []


async def test_export_is_the_members_data_as_json(stage: Stage) -> None:
    await stage.write(prompt="Secret opening")
    message = await stage.do("export")
    ((name, data),) = message.files.items()
    assert name == "cliffhanger.json"
    assert "Secret opening" in json.dumps(json.loads(data))


async def test_forget_asks_before_it_does(stage: Stage) -> None:
    story = await stage.write(prompt="To be forgotten")
    question = await stage.do("forget")
    assert "To be forgotten" in (await stage.do("read", stage.bob, id=1)).text
    await stage.fake.press(stage.ada, question, "forget")
    await stage.fake.until(lambda: "One story lost its words" in question.text, "it is done")
    assert question.buttons == []
    answer = await stage.fake.slash(stage.bob, stage.channel, "read", id=1)
    assert (await answer.message("There is no story")).ephemeral
    press = await stage.fake.press(stage.bob, story, "👍")
    assert (await press.message("There is no story")).ephemeral


async def test_private_chats_groups_and_brought_along(stage: Stage) -> None:
    elsewhere = stage.fake.add_channel(stage.fake.add_guild("Elsewhere", installed=False))
    places = [stage.fake.add_dm(stage.ada), stage.fake.add_group(stage.ada, stage.bob), elsewhere]
    for place in places:
        answer = await stage.fake.slash(stage.ada, place, "story", genre="action")
        assert is_finished(await finished(answer))
    for place in places:  # each place has its own list
        top = await (await stage.fake.slash(stage.ada, place, "top")).message()
        assert top.text.count("Ada") == 1
    mine = await (await stage.fake.slash(stage.ada, places[0], "mine")).message()
    assert mine.text.count("Ada") == 3


async def test_threads(stage: Stage) -> None:
    thread = stage.fake.add_channel(stage.guild, "a thread", kind=PUBLIC_THREAD)
    message = await finished(await stage.fake.slash(stage.ada, thread, "story", genre="drama"))
    assert message.channel is thread
    assert "Ada" in (await stage.do("top")).text  # the server's list has it


async def test_votes_count_in_the_group_where_the_story_is(stage: Stage) -> None:
    group = stage.fake.add_group(stage.ada, stage.bob)
    message = await finished(await stage.fake.slash(stage.ada, group, "story", genre="drama"))
    await stage.fake.press(stage.bob, message, "👍")
    await stage.fake.until(lambda: labels(message)[0] == "👍 1", "the vote")


async def test_an_unexpected_error_is_not_shown(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(stage.house.service, "read", broken)
    answer = await stage.fake.slash(stage.ada, stage.channel, "read", id=1)
    message = await answer.message("Something went wrong on my side")
    assert "secret" not in message.text
    assert "secret detail" in caplog.text


async def test_a_command_of_an_older_tree(stage: Stage) -> None:
    stage.fake.commands.append({**stage.fake.commands[0], "name": "poem", "options": []})
    answer = await stage.fake.slash(stage.ada, stage.channel, "poem")
    assert (await answer.message("My commands have just changed")).ephemeral


async def test_commands_are_registered_only_when_they_changed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stage.fake.world.syncs == 1
    await stage.start()
    assert stage.fake.world.syncs == 1
    monkeypatch.setattr("bot.discord.command_tree.say", lambda key, *_, **__: f"other {key}")
    await stage.start()
    assert stage.fake.world.syncs == 2


async def test_no_privileged_intent_is_asked_for(stage: Stage) -> None:
    (identify,) = stage.fake.gateway.identifies
    assert identify["intents"] == 1  # guilds


async def test_a_wrong_token_is_said_clearly(fake: FakeDiscord, migrated: Path) -> None:
    fake.api.token = "another"
    house = House(fake, migrated)
    with pytest.raises(PlatformError, match="Discord refused DISCORD_TOKEN"):
        await house.open()
    await house.close()


async def test_discord_out_of_reach_is_waited_for_and_said(
    fake: FakeDiscord, migrated: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The other doors stay open meanwhile."""
    house = House(fake, migrated)
    there, fake.api_url = fake.api_url, "http://127.0.0.1:9/api/v10"
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            Route.BASE = there

    await house.open(sleep=sleep)
    assert pauses == [1.0, 2.0, 4.0]
    assert "Discord cannot be reached at http://127.0.0.1:9/api/v10" in caplog.text
    await house.close()


async def test_no_token_names_the_key(stage: Stage) -> None:
    with pytest.raises(SettingsError, match="DISCORD_TOKEN"):
        DiscordPlatform(stage.house.service, Settings(_env_file=None, discord_token=None))
