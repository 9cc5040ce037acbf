"""Updates that Telegram brings, through a proxy, to the port we listen on."""

from __future__ import annotations

import asyncio
import logging
import socket

import aiohttp
import pytest
from fakes.patience import patience
from telegram import Bot

from bot.errors import PlatformError
from bot.settings import load_settings
from bot.telegram.webhook import SECRET_HEADER, WebhookAddress

from .conftest import Street

PUBLIC = "https://bot.example"


@pytest.fixture
def address(street: Street) -> WebhookAddress:
    """Free, and what a proxy of the public address passes requests on to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    street.telegram.updates.resolve = {PUBLIC: f"http://127.0.0.1:{port}"}
    settings = load_settings(
        _env_file=None,
        telegram_token=street.telegram.token,
        telegram_webhook_url=f"{PUBLIC}/telegram/hook",
        telegram_webhook_listen=f"127.0.0.1:{port}",
    )
    address = WebhookAddress.of(settings)
    assert address is not None
    return address


async def test_members_are_served_and_nothing_is_polled(
    street: Street, address: WebhookAddress
) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    async with street.house(webhook=address):
        await fake.say(ann, chat, "/story horror The door")
        await chat.wait_for(lambda m: m.has_button("👍"))
    (told,) = fake.calls("setWebhook")
    assert told.params["url"] == "https://bot.example/telegram/hook"
    assert told.params["max_connections"] == 100
    assert fake.calls("getUpdates") == fake.calls("deleteWebhook") == []


async def test_a_stop_takes_all_that_was_brought_and_leaves_the_rest_to_the_next_start(
    street: Street, address: WebhookAddress
) -> None:
    fake = street.telegram
    members = [fake.add_user(f"Member{n}") for n in range(20)]
    async with street.house(webhook=address):
        for member in members:
            await fake.say(member, fake.private_chat(member), "/queue")
        await fake.wait_until(lambda: len(fake.updates) < 15)
    for member in members[:10]:
        await fake.say(member, fake.private_chat(member), "/help")
    async with street.house(webhook=address):
        for number, member in enumerate(members):
            chat = fake.private_chat(member)
            await chat.wait_for(lambda m: "Nobody is waiting" in m.text)
            if number < 10:
                await chat.wait_for(lambda m: "What I can do" in m.text)
    sent = [len(fake.private_chat(member).bot_messages) for member in members]
    assert sent == [2] * 10 + [1] * 10, "each answered once"


async def test_who_does_not_know_the_secret_is_refused(
    street: Street, address: WebhookAddress, caplog: pytest.LogCaptureFixture
) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    async with street.house(webhook=address), aiohttp.ClientSession() as stranger:
        here = f"http://127.0.0.1:{address.port}"
        wrong: list[dict[str, str]] = [{}, {SECRET_HEADER: "guess"}, {SECRET_HEADER: "ä"}]
        for headers in wrong:
            async with stranger.post(f"{here}/telegram/hook", json={}, headers=headers) as answer:
                assert answer.status == 403
        right = {SECRET_HEADER: address.secret}
        for body in ("", "[]", "{}", '{"update_id": "x", "message": 5}', "\xff"):
            async with stranger.post(f"{here}/telegram/hook", data=body, headers=right) as answer:
                assert answer.status == 400, body
        async with stranger.post(f"{here}/", json={}, headers=right) as answer:
            assert answer.status == 404
        async with stranger.get(f"{here}/telegram/hook", headers=right) as answer:
            assert answer.status == 405
        await fake.say(ann, chat, "/queue")
        await chat.wait_for(lambda m: "Nobody is waiting" in m.text)
    assert address.secret not in caplog.text


async def test_what_is_brought_twice_counts_once(street: Street, address: WebhookAddress) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    asked = (await fake.say(ann, chat, "/queue")).to_json()
    fake.updates.drop()
    async with street.house(webhook=address), aiohttp.ClientSession() as telegram:
        for update in [{"update_id": 7, "message": asked}] * 3:
            assert await fake.updates.bring(telegram, update, address.secret) == 200
        await chat.wait_for(lambda m: "Nobody is waiting" in m.text)
    assert len(chat.bot_messages) == 1


async def test_trouble_on_the_way_is_told_to_the_operator(
    street: Street, address: WebhookAddress, caplog: pytest.LogCaptureFixture
) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    async with street.house(webhook=address):
        fake.updates.resolve = {PUBLIC: "http://127.0.0.1:1"}  # a proxy that points elsewhere
        await fake.say(ann, fake.private_chat(ann), "/queue")
        async with patience(15):
            while "could not bring an update" not in caplog.text:
                await asyncio.sleep(0.01)
    assert "Connection failed" in caplog.text and "Updates waiting: 1" in caplog.text


async def test_another_process_that_takes_the_webhook_away_is_named(
    street: Street, address: WebhookAddress
) -> None:
    fake = street.telegram
    with pytest.raises(PlatformError, match=r"took .* webhook away: updates go to a process that"):
        async with street.house(webhook=address) as house:
            async with Bot(fake.token, base_url=f"{fake.url}/bot") as rival:
                await rival.delete_webhook()
            await house.running


async def test_an_outage_does_not_end_the_watch_and_a_revoked_token_does(
    street: Street, address: WebhookAddress
) -> None:
    fake = street.telegram
    fake.fail_next("setWebhook", 502, "Bad Gateway")
    with pytest.raises(PlatformError, match="TELEGRAM_TOKEN"):
        async with street.house(webhook=address) as house:
            fake.fail_next("getWebhookInfo", 502, "Bad Gateway")
            await fake.wait_until(lambda: len(fake.calls("getWebhookInfo")) > 2)
            assert not house.running.done()
            fake.fail_next("getWebhookInfo", 401, "Unauthorized", times=9)
            await house.running
    assert len(fake.calls("setWebhook")) == 2


async def test_an_address_that_telegram_refuses_is_named(
    street: Street, address: WebhookAddress
) -> None:
    street.telegram.updates.resolve = {}
    with pytest.raises(PlatformError, match=r"TELEGRAM_WEBHOOK_URL \(.*failed to resolve host"):
        async with street.house(webhook=address):
            pass


async def test_a_port_in_use_is_named(street: Street, address: WebhookAddress) -> None:
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", address.port))
        occupant.listen()
        with pytest.raises(PlatformError, match="TELEGRAM_WEBHOOK_LISTEN: cannot listen"):
            async with street.house(webhook=address):
                pass
    assert street.telegram.calls("setWebhook") == []


async def test_from_webhook_to_polling_and_back(street: Street, address: WebhookAddress) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    for n, webhook in enumerate((address, None, address)):
        said = await fake.say(ann, chat, "/queue")
        async with street.house(webhook=webhook):
            await chat.wait_for(lambda m: "Nobody is waiting" in m.text, after=said)
            await asyncio.sleep(0)
        assert len(chat.bot_messages) == n + 1


def test_the_secret_is_the_operators_or_made_of_the_token() -> None:
    def secret(token: str, **given: str) -> str:
        settings = load_settings(
            _env_file=None, telegram_token=token, telegram_webhook_url=PUBLIC, **given
        )
        address = WebhookAddress.of(settings)
        assert address is not None
        assert address.secret not in repr(settings) and token not in address.secret
        return address.secret

    assert secret("7:x") == secret("7:x") != secret("7:y")
    assert secret("7:x", telegram_webhook_secret="own-1") == "own-1"
    assert WebhookAddress.of(load_settings(_env_file=None, telegram_token="7:x")) is None


@pytest.fixture(autouse=True)
def _say_all(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
