"""Start, stop, and what the operator is told when Telegram will not have the bot."""

from __future__ import annotations

import asyncio

import pytest
from telegram import Bot

from bot.errors import PlatformError
from bot.telegram.view import OFFERED
from bot.texts import DEFAULT, languages
from bot.wording import MANAGER_COMMANDS

from .conftest import House, Street


async def test_a_wrong_token_is_the_operators_to_mend(street: Street, house: House) -> None:
    token = f"7000001:{'B' * 35}"
    with pytest.raises(PlatformError, match=r"TELEGRAM_TOKEN.*@BotFather") as caught:
        await street.platform(house.service, token).run()
    assert token not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


@pytest.mark.parametrize("token", ["not a token", "123", "7000001:AA\nBB", "../../etc:x"])
async def test_what_is_no_token_is_not_even_tried(street: Street, house: House, token: str) -> None:
    asked = len(street.telegram.requests)
    with pytest.raises(PlatformError, match="TELEGRAM_TOKEN"):
        await street.platform(house.service, token).run()
    assert all(r.method == "getUpdates" for r in street.telegram.requests[asked:])


async def test_a_token_revoked_while_polling_ends_the_platform(street: Street) -> None:
    fake = street.telegram
    with pytest.raises(PlatformError, match="TELEGRAM_TOKEN"):
        async with street.house() as house:
            fake.fail_next("getUpdates", 401, "Unauthorized", times=10**6)
            ann = fake.add_user("Ann")
            await fake.say(ann, fake.private_chat(ann), "/help")
            await house.running


@pytest.mark.parametrize("speed", [5.0])  # three conflicts in a minute are one
async def test_another_process_on_the_same_token_is_named(street: Street) -> None:
    fake = street.telegram

    async def poll_beside(running: asyncio.Task[None]) -> None:
        async with Bot(fake.token, base_url=f"{fake.url}/bot") as rival:
            while not running.done():
                await rival.get_updates(timeout=0)
                await street.clock.sleep(0.5)

    with pytest.raises(PlatformError, match="409 Conflict"):
        async with street.house() as house:
            await poll_beside(house.running)


async def test_one_conflict_is_forgiven(street: Street, house: House) -> None:
    fake = street.telegram
    async with Bot(fake.token, base_url=f"{fake.url}/bot") as predecessor:
        await predecessor.get_updates(timeout=0)
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, "/queue")
    await chat.wait_for(lambda m: "Nobody is waiting" in m.text)
    assert not house.running.done()


@pytest.mark.parametrize("method", ["getMe", "deleteWebhook"])
async def test_the_start_waits_for_telegram_to_be_reachable(street: Street, method: str) -> None:
    street.telegram.drop_next(method, times=2)
    async with street.house():
        assert len(street.telegram.calls(method)) == 3


async def test_polling_goes_on_after_an_outage(street: Street, house: House) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await fake.wait_until(lambda: fake.calls("getUpdates"))
    fake.fail_next("getUpdates", 502, "Bad Gateway", times=3)
    fake.fail_next("getUpdates", 429, "Too Many Requests", {"retry_after": 2})
    await fake.say(ann, chat, "/queue")
    await fake.say(ann, chat, "/help")
    await chat.wait_for(lambda m: "Nobody is waiting" in m.text)
    await chat.wait_for(lambda m: "What I can do" in m.text)


async def test_a_webhook_left_behind_is_taken_away(street: Street) -> None:
    street.telegram.updates.resolve = {"https://example.org": "http://127.0.0.1:1"}
    async with Bot(street.telegram.token, base_url=f"{street.telegram.url}/bot") as bot:
        await bot.set_webhook("https://example.org/hook")
    ann = street.telegram.add_user("Ann")
    chat = street.telegram.private_chat(ann)
    await street.telegram.say(ann, chat, "/queue")
    async with street.house():
        await chat.wait_for(lambda m: "Nobody is waiting" in m.text)


async def test_commands_are_published_only_when_they_changed(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = street.telegram
    for _ in range(2):
        async with street.house():
            pass
    offered = {
        scope: [command["command"] for command in commands]
        for (scope, _), commands in fake.methods.commands.items()
    }
    assert offered == {
        "{'type': 'default'}": list(OFFERED),
        "{'type': 'all_chat_administrators'}": [*OFFERED, *MANAGER_COMMANDS],
    }
    lists = 2 * len(languages())
    assert len(fake.calls("setMyCommands")) == lists
    assert fake.methods.menu_button == "commands"
    assert len(fake.calls("setChatMenuButton")) == 1
    assert set(fake.methods.descriptions) == {
        (kind, "" if language == DEFAULT else language)
        for kind in ("description", "short_description")
        for language in languages()
    }
    assert fake.methods.descriptions["short_description", ""] == (
        "Short film stories in a genre you choose. You vote; the best rise."
    )
    monkeypatch.setattr("bot.telegram.application.OFFERED", OFFERED[:3])
    async with street.house():
        pass
    assert len(fake.calls("setMyCommands")) == 2 * lists


async def test_a_refused_command_list_does_not_stop_the_bot_and_is_tried_again(
    street: Street,
) -> None:
    fake = street.telegram
    fake.fail_next("setMyCommands", 400, "Bad Request: nonsense")
    for _ in range(2):
        async with street.house():
            pass
    assert [call.code for call in fake.calls("setMyCommands")] == [
        400,
        *[200] * 2 * len(languages()),
    ]


async def test_a_stop_loses_no_update_and_takes_none_twice(street: Street) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    async with street.house():
        await fake.say(ann, chat, "/queue")
        await chat.wait_for(lambda m: "Nobody is waiting" in m.text)
    assert len(fake.updates) == 0
    await fake.say(ann, chat, "/help")
    async with street.house():
        await chat.wait_for(lambda m: "What I can do" in m.text)
    assert len(chat.bot_messages) == 2


async def test_a_stop_lets_answers_under_way_arrive(street: Street) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    fake.delay_next("sendMessage", 0.3)
    async with street.house():
        await fake.say(ann, chat, "/queue")
        await fake.wait_until(lambda: fake.calls("sendMessage"))
    assert [m.text.split(",")[0] for m in chat.bot_messages] == ["Nobody is waiting"]


async def test_a_stop_lets_the_last_edit_of_a_finished_story_arrive(street: Street) -> None:
    fake = street.telegram
    fake.knows_drafts = False
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    street.pen.hold()
    async with street.house():
        await fake.say(ann, chat, "/story horror The door")
        await chat.wait_for(lambda m: m.has_button("Cancel"))
        fake.delay_next("editMessageText", 0.3, times=20)
        street.pen.let_go()
        await fake.wait_until(
            lambda: any("👍" in str(c.params) for c in fake.calls("editMessageText"))
        )
        assert not chat.bot_messages[0].has_button("👍")
    assert chat.bot_messages[0].has_button("👍")
