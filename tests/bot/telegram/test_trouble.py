"""When Telegram refuses, loses or delays: nothing is lost, nothing is told that should not be."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from bot.domain import Caller, Status, Story
from model.engine import GenerationRequest
from model.scripted_engine import ScriptedEngine

from .conftest import House, Street


def is_final(params: dict[str, Any]) -> bool:
    return "👍" in str(params.get("reply_markup", ""))


async def stored(house: House, story_id: int) -> Story:
    """The story once it is closed."""
    return [update.story async for update in house.service.watch(story_id)][-1]


async def test_the_final_edit_waits_out_retry_after_and_other_chats_do_not(
    street: Street, house: House
) -> None:
    fake = street.telegram
    fake.knows_drafts = False
    ann, bob = fake.add_user("Ann"), fake.add_user("Bob")
    hers, his = fake.private_chat(ann), fake.private_chat(bob)

    def in_hers(params: dict[str, Any]) -> bool:
        return is_final(params) and params["chat_id"] == hers.id

    refusal = ("editMessageText", 429, "Too Many Requests: retry after 60", {"retry_after": 60})
    fake.fail_next(*refusal, times=2, when=in_hers)
    await fake.say(ann, hers, "/story horror The door")
    await fake.say(bob, his, "/story horror The window")
    shown = await his.wait_for(lambda m: m.has_button("👍"))
    assert not any(m.has_button("👍") for m in hers.bot_messages)
    final = await hers.wait_for(lambda m: m.has_button("👍"))
    assert final.at - shown.at > 90
    assert fake.faults_left == 0


@pytest.mark.parametrize("lost", ["refused", "dropped", "answer lost"])
async def test_the_final_edit_survives_an_outage(street: Street, house: House, lost: str) -> None:
    fake = street.telegram
    fake.knows_drafts = False
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    street.pen.hold()
    await fake.say(ann, chat, "/story horror The door")
    await chat.wait_for(lambda m: "The door" in m.text)
    if lost == "refused":
        fake.fail_next("editMessageText", 502, "Bad Gateway", times=4)
    else:
        fake.drop_next("editMessageText", times=4, done=lost == "answer lost")
    street.pen.let_go()
    await chat.wait_for(lambda m: m.has_button("👍"))
    assert len(chat.bot_messages) == 1


async def test_a_member_who_blocks_the_bot_keeps_their_story(street: Street, house: House) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    street.pen.hold()
    await fake.say(ann, chat, "/story horror The door")
    await chat.wait_for(lambda m: m.has_button("Cancel"))
    fake.block(ann)
    street.pen.let_go()
    assert (await stored(house, 1)).status is Status.FINISHED
    chat.refuses = None
    await fake.say(ann, chat, "/mine")
    await chat.wait_for(lambda m: "• The door" in m.text)


async def test_a_story_asked_for_by_someone_who_blocks_at_once_is_written(
    street: Street, house: House
) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    refusal = ("sendMessage", 403, "Forbidden: bot was blocked by the user")
    fake.fail_next(*refusal, when=lambda params: "The door" in params["text"])
    await fake.say(ann, chat, "/story horror The door")
    await fake.wait_until(lambda: not fake.faults_left)
    assert (await stored(house, 1)).status is Status.FINISHED
    assert chat.bot_messages == []


async def test_a_deleted_message_is_sent_anew_when_the_story_is_finished(
    street: Street, house: House
) -> None:
    fake = street.telegram
    ann, group = fake.add_user("Ann"), fake.add_group("Readers")
    street.pen.hold()
    asked = await fake.say(ann, group, "/story horror The door")
    placeholder = await group.wait_for(lambda m: m.has_button("Cancel"))
    fake.delete_message(placeholder)
    fake.delete_message(asked)
    street.pen.write(8)
    street.pen.let_go()
    anew = await group.wait_for(lambda m: m.has_button("👍"))
    assert anew is not placeholder and len(group.bot_messages) == 1
    bob = fake.add_user("Bob")
    assert (await fake.press(bob, anew, "👍")).text.startswith("👍 for story #1")


async def test_a_group_that_becomes_a_supergroup_gets_its_story_there(
    street: Street, house: House
) -> None:
    fake = street.telegram
    ann, old = fake.add_user("Ann"), fake.add_group("Old", supergroup=False)
    street.pen.hold()
    await fake.say(ann, old, "/story horror The door")
    await old.wait_for(lambda m: m.has_button("Cancel"))
    new = fake.migrate_to_chat_id(ann, old)
    street.pen.let_go()
    await new.wait_for(lambda m: m.has_button("👍"))


async def test_a_group_that_becomes_a_supergroup_keeps_its_stories(
    street: Street, house: House
) -> None:
    fake = street.telegram
    ann, bob = fake.add_user("Ann"), fake.add_user("Bob")
    old = fake.add_group("Readers", supergroup=False)
    await fake.say(ann, old, "/story horror The door")
    await old.wait_for(lambda m: m.has_button("👍"))
    new = fake.migrate_to_chat_id(ann, old)
    there = Caller("telegram", str(bob.id), "Bob", str(new.id), "Readers")
    async with asyncio.timeout(15):
        while not await house.store.top_stories((await house.store.enter(there))[1].id):
            await asyncio.sleep(0.01)
    await fake.say(bob, new, "/top")
    await new.wait_for(lambda m: "The door" in m.text)


async def test_a_long_story_is_split_with_its_buttons_on_the_last_message(street: Street) -> None:
    fake = street.telegram
    ann, bob, group = fake.add_user("Ann"), fake.add_user("Bob"), fake.add_group("Readers")
    sentence = " The sea & the <lamp> spoke to @keeper in turns, until it was dawn."

    def long(request: GenerationRequest) -> str:
        return sentence * 150

    async with street.house(ScriptedEngine(long, context_length=10_000), length_long=9_000):
        await fake.say(ann, group, "/story horror Once length:long")
        last = await group.wait_for(lambda m: m.has_button("👍"))
        pages = group.bot_messages
        assert len(pages) == 3 and pages[-1] is last
        assert [bool(page.buttons) for page in pages] == [False, False, True]
        text = " ".join(page.text for page in pages)
        assert text.replace("\u2060", "").count(sentence.strip()) == 150
        assert all(page.text.endswith(".") for page in pages)
        await fake.press(bob, last, "👍")
        await group.wait_for(lambda m: m.has_button("👍 1"))
        assert last.text == pages[-1].text


async def test_a_page_that_the_end_does_not_need_is_taken_back(street: Street) -> None:
    """The words after the last whole sentence are dropped, and with them a message."""
    fake = street.telegram
    ann, chat = fake.add_user("Ann"), fake.add_group("Readers")
    words = " The sea spoke in turns, until dawn." * 110 + " and" * 90

    def cut_off(request: GenerationRequest) -> str:
        return words

    street.pen.hold()
    engine = ScriptedEngine(cut_off, step=street.pen.step, context_length=10_000)
    async with street.house(engine, length_long=855):
        await fake.say(ann, chat, "/story horror Once length:long")
        street.pen.write(850)
        first = await chat.wait_for(lambda m: m.text.endswith("until dawn."))
        await chat.wait_for(lambda m: m.text.endswith("and ▍"), after=first)
        street.pen.let_go()
        assert await chat.wait_for(lambda m: m.has_button("👍")) is first
        await fake.wait_until(lambda: chat.bot_messages == [first])


async def test_a_story_that_fails_says_so_and_offers_another(street: Street) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    async with street.house(ScriptedEngine(fail_on=lambda request: True)):
        await fake.say(ann, chat, "/story horror The door")
        failed = await chat.wait_for(lambda m: "could not be written" in m.text)
        await chat.wait_for(lambda m: m.has_button("Another version"))
        assert "/retry 1" in failed.text and not failed.has_button("👍")


async def test_our_own_mistakes_are_logged_and_not_told(
    street: Street,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, "/story horror The door")
    message = await chat.wait_for(lambda m: m.has_button("👍"))

    async def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("secret 12345")

    monkeypatch.setattr(house.service, "top", broken)
    monkeypatch.setattr(house.service, "retry", broken)
    sorry = "Something went wrong on my side, and nothing was lost. Please try again."
    with caplog.at_level(logging.ERROR):
        await fake.say(ann, chat, "/top")
        await chat.wait_for(lambda m: m.text == sorry)
        answer = await fake.press(ann, message, "Another version")
    assert answer.text == sorry and answer.alert
    assert caplog.text.count("ZeroDivisionError: secret 12345") == 2
    assert not any("secret" in m.text for m in chat.bot_messages)


async def test_the_token_is_not_logged(street: Street, caplog: pytest.LogCaptureFixture) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    with caplog.at_level(logging.INFO):
        async with street.house():
            await fake.say(ann, chat, "/help")
            await chat.wait_for(lambda m: "What I can do" in m.text)
    assert "serving as @cliffhanger_bot" in caplog.text
    assert fake.token not in caplog.text
