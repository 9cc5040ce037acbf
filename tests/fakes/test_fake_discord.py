"""The fake Discord, driven by the real discord.py: it answers as Discord does, and it judges."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import discord
import pytest
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route
from fakes.discord import TOKEN, Channel, FakeDiscord, Guild, Interaction, User
from fakes.openapi import discord_spec

NOBODY = discord.AllowedMentions.none()


class Tiny(discord.AutoShardedClient):
    """A bot with one command of each sort."""

    def __init__(self, heartbeat_timeout: float = 60.0) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True),
            allowed_mentions=NOBODY,
            heartbeat_timeout=heartbeat_timeout,
            guild_ready_timeout=0.01,
        )
        self.tree = app_commands.CommandTree(self)
        self.results: list[object] = []
        for name, work in ANSWERS.items():
            self.tree.add_command(_command(name, work))
        echo = app_commands.Command(name="echo", description="Say it", callback=_echo)
        echo.autocomplete("text")(_choices)
        self.tree.add_command(echo)

    async def setup_hook(self) -> None:
        for command in self.tree.get_commands():
            everywhere = app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=True
            )
            command.allowed_contexts = everywhere
            command.allowed_installs = app_commands.AppInstallationType(guild=True, user=True)
        await self.tree.sync()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """The fake has no identify limit to wait 5 s for."""


async def _echo(interaction: discord.Interaction, text: str) -> None:
    await interaction.response.send_message(text)


async def _choices(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=f"{typed}{i}", value=f"{typed}{i}") for i in range(3)]


async def _slow(interaction: discord.Interaction) -> None:
    await interaction.response.defer(thinking=True)
    await interaction.edit_original_response(content="one")
    await interaction.edit_original_response(content="two", embed=discord.Embed(title="T"))
    await interaction.followup.send("three", file=discord.File(_bytes(b"abc"), "abc.txt"))


async def _twice(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("first")
    interaction.response._response_type = None
    await interaction.response.send_message("second")


async def _long(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("x" * 2001)


async def _six_thousand(interaction: discord.Interaction) -> None:
    embeds = [discord.Embed(description="y" * 3001) for _ in range(2)]
    await interaction.response.send_message(embeds=embeds)


async def _pinging(interaction: discord.Interaction) -> None:
    everyone = discord.AllowedMentions(everyone=True)
    await interaction.response.send_message("@everyone", allowed_mentions=everyone)


async def _buttons(interaction: discord.Interaction) -> None:
    view = discord.ui.View(timeout=None)
    for name in ("up", "down"):
        button: discord.ui.Button[discord.ui.View] = discord.ui.Button(label=name, custom_id=name)
        button.callback = _pressed
        view.add_item(button)
    await interaction.response.send_message("vote", view=view, ephemeral=True)


async def _pressed(interaction: discord.Interaction) -> None:
    await interaction.response.edit_message(content=f"pressed {interaction.data['custom_id']}")


async def _ask(interaction: discord.Interaction) -> None:
    modal = discord.ui.Modal(title="A long prompt", custom_id="ask")
    field: discord.ui.TextInput[discord.ui.Modal] = discord.ui.TextInput(custom_id="p")
    modal.add_item(discord.ui.Label(text="Prompt", component=field))

    async def on_submit(submitted: discord.Interaction) -> None:
        await submitted.response.send_message(f"you wrote {field.value}")

    modal.on_submit = on_submit
    await interaction.response.send_modal(modal)


async def _in_channel(interaction: discord.Interaction) -> None:
    await interaction.response.defer(thinking=True)
    sent = await interaction.original_response()
    channel = interaction.client.get_partial_messageable(interaction.channel_id)
    await channel.get_partial_message(sent.id).edit(content="through the channel")


async def _silent(interaction: discord.Interaction) -> None:
    pass


async def _ephemeral_through_channel(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("mine", ephemeral=True)
    sent = await interaction.original_response()
    channel = interaction.client.get_partial_messageable(interaction.channel_id)
    await channel.get_partial_message(sent.id).edit(content="not so")


ANSWERS: dict[str, Callable[[discord.Interaction], Awaitable[None]]] = {
    "slow": _slow,
    "twice": _twice,
    "long": _long,
    "six-thousand": _six_thousand,
    "pinging": _pinging,
    "buttons": _buttons,
    "ask": _ask,
    "in-channel": _in_channel,
    "silent": _silent,
    "ephemeral": _ephemeral_through_channel,
}


def _command(
    name: str, work: Callable[[discord.Interaction], Awaitable[None]]
) -> app_commands.Command[app_commands.Group, ..., None]:
    async def callback(interaction: discord.Interaction) -> None:
        try:
            await work(interaction)
            interaction.client.results.append("done")
        except discord.HTTPException as error:
            interaction.client.results.append((error.status, error.code))

    return app_commands.Command(name=name, description=name, callback=callback)


def _bytes(data: bytes) -> io.BytesIO:
    return io.BytesIO(data)


class Stage:
    """A fake with one bot, one server, one channel and one member."""

    def __init__(self, fake: FakeDiscord, bot: Tiny) -> None:
        self.fake = fake
        self.bot = bot
        self.guild = fake.add_guild()
        self.channel: Channel = fake.add_channel(self.guild)
        self.ada: User = fake.add_user("Ada")

    async def result(self, command: str) -> object:
        """What came of a command, as Tiny saw it."""
        await self.fake.slash(self.ada, self.channel, command)
        await self.fake.until(lambda: self.bot.results, "a result")
        return self.bot.results.pop()


@contextlib.asynccontextmanager
async def running(bot: Tiny, fake: FakeDiscord) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(bot.start(TOKEN))
    connected = asyncio.create_task(fake.connected())
    try:
        await asyncio.wait([task, connected], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield task
    finally:
        await bot.close()
        await asyncio.wait([task])
        connected.cancel()


@pytest.fixture
async def fake(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as served:
        monkeypatch.setattr(Route, "BASE", served.api_url)
        monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(served.gateway_url))
        yield served


@pytest.fixture
async def stage(fake: FakeDiscord) -> AsyncIterator[Stage]:
    bot = Tiny()
    stage = Stage(fake, bot)
    async with running(bot, fake):
        yield stage


async def shown(interaction: Interaction) -> str:
    return (await interaction.message()).content


async def test_a_message_an_edit_and_a_file(stage: Stage) -> None:
    answer = await stage.fake.slash(stage.ada, stage.channel, "slow")
    three = await answer.message("three")
    assert [v.content for v in answer.original.versions] == ["one", "two"]
    assert [embed["title"] for embed in answer.original.embeds] == ["T"]
    assert three.files == {"abc.txt": b"abc"}
    assert answer.acknowledged_after < 3
    stage.fake.check()


async def test_options_come_from_what_is_registered(stage: Stage) -> None:
    answer = await stage.fake.slash(stage.ada, stage.channel, "echo", text="hello")
    assert await shown(answer) == "hello"
    with pytest.raises(AssertionError, match="no option 'words'"):
        await stage.fake.slash(stage.ada, stage.channel, "echo", words="hello")
    with pytest.raises(AssertionError, match=r"needs \['text'\]"):
        await stage.fake.slash(stage.ada, stage.channel, "echo")
    with pytest.raises(AssertionError, match="/tell is not registered"):
        await stage.fake.slash(stage.ada, stage.channel, "tell")
    stage.fake.check()


async def test_autocomplete(stage: Stage) -> None:
    choices = await stage.fake.autocomplete(stage.ada, stage.channel, "echo", "text", "ho")
    assert choices == [{"name": f"ho{i}", "value": f"ho{i}"} for i in range(3)]
    stage.fake.check()


async def test_buttons_and_who_sees_them(stage: Stage) -> None:
    answer = await stage.fake.slash(stage.ada, stage.channel, "buttons")
    message = await answer.message()
    assert message.ephemeral
    await (await stage.fake.press(stage.ada, message, "down")).responded()
    assert message.content == "pressed down"
    with pytest.raises(AssertionError, match="cannot see"):
        await stage.fake.press(stage.fake.add_user("Bob"), message, "up")
    with pytest.raises(AssertionError, match="no button"):
        await stage.fake.press(stage.ada, message, "sideways")
    stage.fake.check()


async def test_modal(stage: Stage) -> None:
    answer = await (await stage.fake.slash(stage.ada, stage.channel, "ask")).responded()
    with pytest.raises(AssertionError, match="must be filled in"):
        await stage.fake.modal_submit(answer)
    sent = await stage.fake.modal_submit(answer, p="a lighthouse")
    assert await shown(sent) == "you wrote a lighthouse"
    stage.fake.check()


async def test_private_chats_and_installed_apps(stage: Stage) -> None:
    elsewhere = stage.fake.add_channel(stage.fake.add_guild("Elsewhere", installed=False))
    for place in (stage.fake.add_dm(stage.ada), stage.fake.add_group(stage.ada), elsewhere):
        answer = await stage.fake.slash(stage.ada, place, "echo", text="hi")
        assert await shown(answer) == "hi"
    stage.fake.check()
    stage.channel = elsewhere
    assert await stage.result("in-channel") == (403, 50001)


@pytest.mark.parametrize(
    ("command", "expected", "violation"),
    [
        ("long", (400, 50035), "maxLength 2000|2001 characters"),
        ("six-thousand", (400, 50035), "6002 characters in all"),
        ("twice", (400, 40060), "acknowledged twice"),
        ("pinging", "done", "lets people be mentioned"),
        ("ephemeral", (404, 10008), None),
        ("in-channel", "done", None),
    ],
)
async def test_limits_are_enforced(
    stage: Stage, command: str, expected: object, violation: str | None
) -> None:
    assert await stage.result(command) == expected
    if violation is None:
        stage.fake.check()
    else:
        with pytest.raises(AssertionError, match=violation):
            stage.fake.check()


async def test_an_answer_that_never_comes_is_a_violation(stage: Stage) -> None:
    await stage.result("silent")
    with pytest.raises(AssertionError, match="never acknowledged"):
        stage.fake.check()


async def test_a_late_first_answer_is_refused(stage: Stage) -> None:
    interaction = await stage.fake.slash(stage.ada, stage.channel, "silent")
    stage.fake.advance(4)
    url = f"{stage.fake.api_url}/interactions/{interaction.id}/{interaction.token}/callback"
    async with aiohttp.ClientSession() as http, http.post(url, json={"type": 5}) as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, 10062)
    assert "after 4.0 s" in stage.fake.violations[0]


async def test_the_token_lives_fifteen_minutes(stage: Stage) -> None:
    answer = await stage.fake.slash(stage.ada, stage.channel, "buttons")
    await answer.message()
    url = f"{stage.fake.api_url}/webhooks/{stage.fake.application_id}/{answer.token}"
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{url}/messages/@original") as found:
            assert found.status == 200
        stage.fake.advance(15 * 60 + 1)
        async with http.get(f"{url}/messages/@original") as dead:
            assert (dead.status, (await dead.json())["code"]) == (401, 50027)


async def test_unknown_routes_and_wrong_tokens(fake: FakeDiscord) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{fake.api_url}/users/1/secrets") as answer:
            assert answer.status == 404
        async with http.get(f"{fake.api_url}/users/@me") as answer:
            assert answer.status == 401
    assert fake.violations == ["GET /users/1/secrets: no such route in the fake"]


async def test_rate_limit_headers_let_discord_py_wait_in_time(stage: Stage) -> None:
    stage.fake.api.limits["message"] = (2, 0.3)
    channel = stage.bot.get_partial_messageable(stage.channel.id)
    for number in range(5):
        await channel.send(f"message {number}")
    assert stage.fake.api.rate_limited == 0
    assert len(stage.fake.messages(stage.channel)) == 5
    stage.fake.check()


async def test_being_too_fast_is_a_429(stage: Stage) -> None:
    stage.fake.api.limits["message"] = (1, 30.0)
    url = f"{stage.fake.api_url}/channels/{stage.channel.id}/messages"
    headers = {"Authorization": f"Bot {stage.fake.token}"}
    body = {"content": "hi", "allowed_mentions": {"parse": []}}
    async with aiohttp.ClientSession(headers=headers) as http:
        statuses = []
        for _ in range(2):
            async with http.post(url, json=body) as answer:
                statuses.append(answer.status)
                remaining = answer.headers["X-RateLimit-Remaining"]
        assert (statuses, remaining) == ([200, 429], "0")


async def test_ordered_faults(stage: Stage) -> None:
    stage.fake.fail_next("PATCH", "@original", 429)
    answer = await stage.fake.slash(stage.ada, stage.channel, "slow")
    await answer.message("three")
    statuses = [call.status for call in stage.fake.calls_to("PATCH", "@original")]
    assert statuses == [429, 200, 200]
    stage.fake.delay("POST", "callback", 0.2)
    delayed = await (await stage.fake.slash(stage.ada, stage.channel, "slow")).responded()
    assert delayed.acknowledged_after >= 0.2
    stage.fake.check()


async def test_deleted_messages_and_channels(stage: Stage) -> None:
    channel = stage.bot.get_partial_messageable(stage.channel.id)
    sent = await channel.send("hi")
    stage.fake.delete_message(stage.fake.messages(stage.channel)[0])
    with pytest.raises(discord.NotFound) as caught:
        await sent.edit(content="there?")
    assert caught.value.code == 10008
    stage.fake.delete_channel(stage.channel)
    with pytest.raises(discord.NotFound) as caught:
        await channel.send("anyone?")
    assert caught.value.code == 10003


async def test_the_same_nonce_sends_once(stage: Stage) -> None:
    url = f"{stage.fake.api_url}/channels/{stage.channel.id}/messages"
    headers = {"Authorization": f"Bot {stage.fake.token}"}
    body = {"content": "hi", "nonce": "a", "enforce_nonce": True, "allowed_mentions": {"parse": []}}
    ids = []
    async with aiohttp.ClientSession(headers=headers) as http:
        for _ in range(2):
            async with http.post(url, json=body) as answer:
                ids.append((await answer.json())["id"])
    assert ids[0] == ids[1]
    assert len(stage.fake.messages(stage.channel)) == 1


async def test_a_dropped_gateway_is_resumed_and_misses_nothing(stage: Stage) -> None:
    await stage.fake.drop_gateway(4000)
    answer = await stage.fake.slash(stage.ada, stage.channel, "echo", text="missed")
    assert await shown(answer) == "missed"
    assert stage.fake.gateway.resumes == 1
    assert len(stage.fake.gateway.identifies) == 1
    stage.fake.check()


async def test_each_shard_hears_its_own_servers(fake: FakeDiscord) -> None:
    fake.world.shards = 2
    bot = Tiny()
    ada = fake.add_user("Ada")
    guilds: dict[int, Guild] = {}
    while len(guilds) < 2:
        made = fake.add_guild()
        guilds[(made.id >> 22) % 2] = made
        await asyncio.sleep(0.001)  # the shard follows from the time in the id
    async with running(bot, fake):
        for guild in guilds.values():
            answer = await fake.slash(ada, fake.add_channel(guild), "echo", text="here")
            assert await shown(answer) == "here"
    assert [identify["shard"] for identify in fake.gateway.identifies] == [[0, 2], [1, 2]]
    fake.check()


async def test_reconnect_on_request(stage: Stage) -> None:
    await stage.fake.gateway.ask_reconnect()
    await stage.fake.until(lambda: stage.fake.gateway.resumes == 1, "a resume")
    stage.fake.check()


async def test_an_invalid_session_is_identified_anew(stage: Stage) -> None:
    await stage.fake.gateway.invalidate()
    await stage.fake.until(lambda: len(stage.fake.gateway.identifies) == 2, "a new identify")
    await stage.fake.connected()
    stage.fake.check()


async def test_a_zombie_connection_is_left(fake: FakeDiscord) -> None:
    fake.gateway.heartbeat_interval_s = 0.1
    fake.gateway.zombie = True
    async with running(Tiny(heartbeat_timeout=0.5), fake):
        await fake.until(lambda: fake.gateway.resumes, "a resume after missing acks")
        fake.gateway.zombie = False
    assert fake.gateway.heartbeats > 0
    fake.check()


async def test_a_wrong_token_is_refused(fake: FakeDiscord) -> None:
    fake.api.token = "another"
    with pytest.raises(discord.LoginFailure):
        async with running(Tiny(), fake):
            pass


async def test_privileged_intents_are_refused(fake: FakeDiscord) -> None:
    bot = Tiny()
    bot._connection._intents.message_content = True
    with pytest.raises(discord.PrivilegedIntentsRequired):
        await bot.start(TOKEN)
    await bot.close()
    assert "privileged intents" in fake.violations[0]


async def test_the_spec_judges_too(stage: Stage) -> None:
    if discord_spec() is None:
        pytest.skip("no discord-openapi.json at ../shared/specs or $API_SPECS")
    url = f"{stage.fake.api_url}/channels/{stage.channel.id}/messages"
    headers = {"Authorization": f"Bot {stage.fake.token}"}
    row = {"type": 1, "components": [{"type": 2, "style": "loud", "custom_id": "a", "label": "b"}]}
    body = {"content": "hi", "allowed_mentions": {"parse": []}, "components": [row]}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(url, json=body) as answer,
    ):
        assert answer.status == 400
    assert "components/0/components/0/style" in stage.fake.violations[0]
