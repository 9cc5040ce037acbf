"""`@bot horror …` in any chat: stories at once, and a new one written into the sent message."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fakes.patience import patience
from fakes.telegram import FakeMessage, FakeUser

from bot.telegram.inline_mode import split_genre
from model.engine import GenerationRequest
from model.genres import DEFAULT_GENRES
from model.scripted_engine import ScriptedEngine

from .conftest import House, Street

LONG = "A lonely lighthouse on a rock far out at sea, whose keeper had not spoken for a year"


def finished(message: FakeMessage) -> bool:
    return message.has_button("👍")


async def sent(
    street: Street, user: FakeUser, typed: str = "horror A lonely lighthouse"
) -> FakeMessage:
    """The message of a new story, as the member sent it."""
    (new, *_) = await street.telegram.type_inline(user, typed)
    return street.telegram.send_inline(user, new, typed)


def titles(results: list[dict[str, Any]]) -> list[str]:
    return [result["title"] for result in results]


async def test_a_new_story_is_written_into_the_message_and_voted_on_by_those_who_see_it(
    street: Street, house: House
) -> None:
    fake = street.telegram
    ann, bob, eve = fake.add_user("Ann"), fake.add_user("Bob"), fake.add_user("Eve")
    street.pen.hold()
    typed = "horror A lonely lighthouse"
    offered = await fake.type_inline(ann, typed)
    assert titles(offered) == ["✍️ A new story · horror"]
    assert offered[0]["description"] == "A lonely lighthouse"
    message = fake.send_inline(ann, offered[0], typed)
    place = message.chat
    assert "lighthouse" not in message.text, "words are told once they were looked at"
    await place.wait_for(lambda m: m.has_button("Cancel"))
    assert "#1 · horror by Ann\n\nA lonely lighthouse" in message.text
    for _ in range(2):
        shown = len(message.text)
        street.pen.write(10)
        await place.wait_for(lambda m, shown=shown: len(m.text) > shown and m.text.endswith("▍"))
    foreign = await fake.press(bob, message, "Cancel")
    assert foreign.text == "Only the author of story #1 can do that." and foreign.alert
    street.pen.let_go()
    await place.wait_for(finished)
    assert [b.label for b in message.buttons] == ["👍 0", "👎 0", "🎭 Another story", "🗑 Delete"]
    assert message.button("Another story").query == "horror "
    assert (await fake.press(ann, message, "👍")).text.startswith("You can't vote on your own")
    assert (await fake.press(bob, message, "👍")).text == "👍 for story #1. It has 1 up, 0 down."
    await fake.press(eve, message, "👎")
    await place.wait_for(lambda m: m.has_button("👍 1") and m.has_button("👎 1"))
    assert (await fake.press(bob, message, "Delete")).text.startswith("Only the author")
    await fake.press(ann, message, "Delete")
    await place.wait_for(lambda m: m.has_button("Yes"))
    await fake.press(ann, message, "Yes")
    await place.wait_for(lambda m: m.text.endswith("This story was deleted.") and not m.buttons)
    assert not fake.calls("sendMessage")


async def test_without_feedback_the_button_begins_it_for_its_sender_once(
    street: Street, house: House
) -> None:
    fake = street.telegram
    fake.gives_inline_feedback = False
    ann, bob = fake.add_user("Ann"), fake.add_user("Bob")
    for number, typed in enumerate(("horror The door", f"horror {LONG} length:short"), 1):
        message = await sent(street, ann, typed)
        begin = message.button("Begin").data or ""
        foreign = await fake.press(bob, message, "Begin")
        assert foreign.text == "Only the one who asked can press that." and foreign.alert
        await fake.press(ann, message, "Begin")
        await fake.press_data(ann, message, begin)
        await message.chat.wait_for(finished)
        assert f"#{number} · horror by Ann" in message.text
        assert typed.split(" ", 1)[1].removesuffix(" length:short") in message.text
    assert await house.store.story(3) is None


async def test_a_restart_in_the_middle_finishes_it(street: Street) -> None:
    fake = street.telegram
    ann, bob = fake.add_user("Ann"), fake.add_user("Bob")
    street.pen.hold()
    async with street.house():
        message = await sent(street, ann)
        await message.chat.wait_for(lambda m: m.has_button("Cancel"))
        street.pen.write(6)
        await message.chat.wait_for(lambda m: m.text.endswith("▍"))
    late = fake.send_inline(ann, OFFER, "drama The bakery")  # while the bot is away
    street.pen.let_go()
    async with street.house() as house:
        await message.chat.wait_for(finished)
        await late.chat.wait_for(finished)
        await fake.press(bob, message, "👍")
        await message.chat.wait_for(lambda m: m.has_button("👍 1"))
        async with patience(15):
            while await house.store.open_posts("telegram"):
                await asyncio.sleep(0.01)


OFFER: dict[str, Any] = {
    "id": "new:drama",
    "title": "",
    "input_message_content": {"message_text": "A new story · drama"},
    "reply_markup": {"inline_keyboard": [[{"text": "Begin", "callback_data": "i:1:drama:"}]]},
}


async def test_a_long_opening_from_before_a_restart_is_asked_for_anew(street: Street) -> None:
    fake = street.telegram
    fake.gives_inline_feedback = False
    ann = fake.add_user("Ann")
    async with street.house():
        short, long = await sent(street, ann, "horror The door"), await sent(street, ann, LONG)
    async with street.house():
        answer = await fake.press(ann, long, "Begin")
        assert answer.text == "That button is from another time. Please ask me again."
        await fake.press(ann, short, "Begin")
        await short.chat.wait_for(finished)


async def test_ones_own_and_the_best_that_are_shared_are_offered_at_once(
    street: Street, house: House
) -> None:
    fake = street.telegram
    ann, boss, eve = fake.add_user("Ann"), fake.add_user("Boss"), fake.add_user("Eve")
    open_group, closed = fake.add_group("Readers"), fake.add_group("Strangers")
    fake.promote(boss, open_group, owner=True)
    office = fake.private_chat(boss)
    await fake.say(boss, office, f"/start settings_{open_group.id}_in_global_top")
    await fake.press(boss, await office.wait_for(lambda m: m.has_button("yes")), "yes")
    await fake.say(boss, open_group, '/story horror "Shared" The door')
    await fake.say(eve, closed, '/story horror "Closed" The window')
    hers = fake.private_chat(ann)
    await fake.say(ann, hers, '/story drama "Hers" The bakery')
    for chat in (open_group, closed, hers):
        await chat.wait_for(finished)
    assert titles(await fake.type_inline(ann, "horror")) == ["✍️ A new story · horror", "Shared"]
    everything = await fake.type_inline(ann, "")
    assert titles(everything)[-2:] == ["Shared", "Hers"]
    assert titles(everything)[:-2] == [f"✍️ A new story · {g.label}" for g in DEFAULT_GENRES]
    any_genre = await fake.type_inline(ann, "The keeper was gone")
    assert any_genre[0]["description"] == "The keeper was gone"
    stored = next(one for one in everything if one["title"] == "Shared")
    message = fake.send_inline(ann, stored, "")
    assert message.text.startswith("Shared\n#") and not finished(message)
    shared_id = int(stored["id"].removeprefix("story:"))
    async with patience(15):
        while len(await house.store.posts(shared_id)) < 2:
            await asyncio.sleep(0.01)
    story = await open_group.wait_for(finished)
    await fake.press(boss, story, "Delete")
    await open_group.wait_for(lambda m: m is story and m.has_button("Yes"))
    await fake.press(boss, story, "Yes")
    await message.chat.wait_for(lambda m: m.text.endswith("This story was deleted."))
    (told, *_) = fake.calls("answerInlineQuery")
    assert told.params["is_personal"] and told.params["cache_time"] == 10


async def test_what_cannot_be_written_says_why_and_can_be_tried_again(street: Street) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    async with street.house(max_pending=1, blocked_words="damn"):
        street.pen.hold()
        first = await sent(street, ann)
        await first.chat.wait_for(lambda m: m.has_button("Cancel"))
        second = await sent(street, ann, "drama The bakery")
        await second.chat.wait_for(lambda m: "Please wait for it to finish" in m.text)
        bad = await sent(street, ann, "drama The damn bakery")
        await bad.chat.wait_for(lambda m: "a word in it which is not welcome" in m.text)
        assert "damn" not in bad.text
        street.pen.let_go()
        await first.chat.wait_for(finished)
        refused = await fake.press(ann, bad, "Begin")
        assert "not welcome" in refused.text and refused.alert
        await fake.press(ann, second, "Begin")
        await second.chat.wait_for(finished)


async def test_a_message_deleted_meanwhile_is_no_loss(street: Street, house: House) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    street.pen.hold()
    message = await sent(street, ann)
    await message.chat.wait_for(lambda m: m.has_button("Cancel"))
    message.deleted = True
    street.pen.let_go()
    chat = fake.private_chat(ann)
    async for update in house.service.watch(1):
        story = update.story
    assert story.text
    said = await fake.say(ann, chat, "/mine")
    await chat.wait_for(lambda m: "• A lonely lighthouse" in m.text, after=said)
    async with patience(15):
        while await house.store.open_posts("telegram"):
            await asyncio.sleep(0.01)


async def test_a_story_too_long_for_one_message_is_cut(street: Street) -> None:
    sentence = " The sea & the <lamp> spoke in turns, until it was dawn."

    def long(request: GenerationRequest) -> str:
        return sentence * 150

    ann = street.telegram.add_user("Ann")
    async with street.house(ScriptedEngine(long, context_length=10_000), length_long=9_000):
        message = await sent(street, ann, "horror Once length:long")
        await message.chat.wait_for(finished)
    assert message.text.endswith("until it was dawn. …") and 3_000 < len(message.text) <= 4_096


async def test_nobody_votes_on_a_story_by_a_message_that_does_not_show_it(
    street: Street, house: House
) -> None:
    fake = street.telegram
    ann, bob, eve = fake.add_user("Ann"), fake.add_user("Bob"), fake.add_user("Eve")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, "/story horror My secret")
    await chat.wait_for(finished)
    message = await sent(street, bob)
    await message.chat.wait_for(finished)
    for data in (f"v:1:1:{ann.id}", f"v:1:1:{bob.id}", f"x:1:{ann.id}", "v:1:1", f"d:1:{ann.id}"):
        answer = await fake.press_data(eve, message, data)
        assert answer.text == "There is no story #1 here." and answer.alert
    for data in (f"i:{eve.id}:horror:" + "x" * 30, f"n:{eve.id}:horror", "i:0:horror:x"):
        elsewhere = await fake.press_data(eve, chat.bot_messages[0], data.replace("n:", "j:"))
        assert elsewhere.alert


@pytest.mark.parametrize(
    ("text", "genre", "rest"),
    [
        ("", None, ""),
        ("  horror ", "horror", ""),
        ("horror A  door", "horror", "A  door"),
        ("Sci Fi The ship", "sci_fi", "The ship"),
        ("A door", None, "A door"),
        ('drama "The Keeper" A lamp length:long', "drama", '"The Keeper" A lamp length:long'),
    ],
)
def test_the_genre_is_told_from_the_opening(text: str, genre: str | None, rest: str) -> None:
    found, opening = split_genre(text, DEFAULT_GENRES)
    assert (found.name if found else None, opening) == (genre, rest)
