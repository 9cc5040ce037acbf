"""From /story to a voted story in /top, through the real PTB against the fake Telegram."""

from __future__ import annotations

import asyncio

from fakes.telegram import FakeMessage

from bot.domain import Provenance
from bot.store import open_store

from .conftest import House, Street


def finished(message: FakeMessage) -> bool:
    return message.has_button("👍")


async def test_a_story_is_queued_grows_is_finished_voted_on_and_tops_the_list(
    street: Street, house: House
) -> None:
    fake = street.telegram
    ann, bob = fake.add_user("Ann"), fake.add_user("Bob")
    group = fake.add_group("Readers")
    street.pen.hold()

    asked = await fake.say(ann, group, "/story horror A lonely lighthouse")
    message = await group.wait_for(lambda m: "A lonely lighthouse" in m.text)
    assert message.reply_to == asked.message_id
    assert [button.label for button in message.buttons] == ["Cancel"]
    assert "#1 · horror by Ann" in message.text

    for _ in range(3):
        shown = len(message.text)
        street.pen.write(10)
        await group.wait_for(lambda m, shown=shown: m is message and len(m.text) > shown)
        assert message.text.endswith("▍") and message.has_button("Cancel")
    street.pen.let_go()
    await group.wait_for(finished)
    assert message.text.endswith((".", "!", "?")) and "▍" not in message.text
    assert [b.label for b in message.buttons] == [
        "👍 0", "👎 0", "Continue", "Another version", "🔗 Share", "🚩 Report", "🗑 Delete",
    ]  # fmt: skip
    assert len(group.bot_messages) == 1, "one message, edited"

    own = await fake.press(ann, message, "👍")
    assert own.text == "You can't vote on your own story. Others will." and own.alert
    up = await fake.press(bob, message, "👍")
    assert up.text == "👍 for story #1. It has 1 up, 0 down."
    await group.wait_for(lambda m: m.has_button("👍 1"))
    await fake.press(bob, message, "👎")
    await group.wait_for(lambda m: m.has_button("👍 0") and m.has_button("👎 1"))
    await fake.say(bob, group, "/vote 1 up")
    await group.wait_for(lambda m: m.text == "👍 for story #1. It has 1 up, 0 down.")

    await fake.say(bob, group, "/top@cliffhanger_bot horror")
    top = await group.wait_for(lambda m: m.text.startswith("The best horror stories"))
    assert "🥇 A lonely lighthouse" in top.text
    assert "#1 · horror · 👍 1 👎 0" in top.text


async def test_buttons_work_after_a_restart(street: Street) -> None:
    fake = street.telegram
    ann, bob = fake.add_user("Ann"), fake.add_user("Bob")
    group = fake.add_group("Readers")
    async with street.house():
        await fake.say(ann, group, "/story drama")
        message = await group.wait_for(finished)
    async with street.house():
        await fake.press(bob, message, "👍")
        await group.wait_for(lambda m: m.has_button("👍 1"))
        await fake.press(bob, message, "Continue")
        part = await group.wait_for(finished, after=message)
        assert "continues #1" in part.text
        await fake.press(bob, message, "Another version")
        version = await group.wait_for(finished, after=part)
        assert "another version of #1" in version.text
        assert finished(message), "the earlier story stays"


async def test_an_unfinished_story_is_finished_in_its_own_message_after_a_restart(
    street: Street,
) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat, forum = fake.add_group("Readers"), fake.add_group("Forum", topics=["General", "Stories"])
    topic = max(forum.topics)
    street.pen.hold()
    async with street.house():
        await fake.say(ann, chat, "/story thriller The witness")
        await fake.say(ann, forum, "/story horror The door", thread_id=topic)
        in_group = await chat.wait_for(lambda m: "The witness" in m.text)
        in_topic = await forum.wait_for(lambda m: "The door" in m.text)
        street.pen.write(4)
        await chat.wait_for(lambda m: "▍" in m.text)
    assert in_group.has_button("Cancel")
    street.pen.let_go()
    async with street.house():
        assert await chat.wait_for(finished) is in_group
        assert await forum.wait_for(finished) is in_topic
    assert len(chat.bot_messages) == len(forum.bot_messages) == 1
    assert in_topic.thread_id == topic


async def test_a_story_that_ended_without_its_last_edit_is_shown_at_the_next_start(
    street: Street,
) -> None:
    """As after a kill -9 between the two."""
    fake = street.telegram
    ann = fake.add_user("Ann", language_code="en-GB")
    chat = fake.private_chat(ann)
    street.pen.hold()
    async with street.house() as house:
        await fake.say(ann, chat, "/story horror The bell")
        message = await chat.wait_for(lambda m: m.has_button("Cancel"))
        while not (posts := await house.store.open_posts("telegram")):
            await asyncio.sleep(0.01)
        assert [post.locale for post in posts] == ["en-GB"]
    async with open_store(street.database_url) as store:
        wrote = Provenance("scripted", "1", None, 9, 1.0, "stop")
        assert await store.finish_story(1, "The bell rang, and nobody had rung it.", wrote)
    async with street.house() as house:
        assert await chat.wait_for(finished) is message
        assert "and nobody had rung it." in message.text
        while await house.store.open_posts("telegram"):
            await asyncio.sleep(0.01)


async def test_cancel_while_queued_and_while_writing(street: Street, house: House) -> None:
    fake = street.telegram
    ann, bob = fake.add_user("Ann"), fake.add_user("Bob")
    group = fake.add_group("Readers")
    street.pen.hold()
    for number in range(1, 6):
        await fake.say(ann, group, f"/story action Take {number}")
    waiting = await group.wait_for(lambda m: "You are next" in m.text)
    writing = await group.wait_for(lambda m: "Take 1" in m.text)
    foreign = await fake.press(bob, waiting, "Cancel")
    assert foreign.text == "Only the author of story #5 can do that." and foreign.alert

    answer = await fake.press(ann, waiting, "Cancel")
    assert answer.text == "Cancelled."
    await group.wait_for(lambda m: m is waiting and m.text.endswith("Cancelled."))
    assert [b.label for b in waiting.buttons] == ["Another version", "🗑 Delete"]

    street.pen.write(8)
    await group.wait_for(lambda m: m is writing and "▍" in m.text)
    await fake.say(ann, group, "/cancel 1")
    await group.wait_for(lambda m: m is writing and m.text.endswith("Cancelled."))
    assert "Take 1" in writing.text and writing.has_button("Another version")
    await fake.say(ann, group, "/cancel 1")
    await group.wait_for(lambda m: m.text == "Story #1 is not being written any more.")
    street.pen.let_go()


async def test_a_left_behind_message_mends_itself_when_pressed(street: Street) -> None:
    """A crash between a story's end and its last edit leaves a message that still says Cancel."""
    fake = street.telegram
    fake.knows_drafts = False
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    street.pen.hold()
    async with street.house():
        await fake.say(ann, chat, "/story horror The bell")
        message = await chat.wait_for(lambda m: m.has_button("Cancel"))
    async with street.house() as house:
        fake.fail_next("editMessageText", 400, "Bad Request: CHAT_RESTRICTED", times=50)
        street.pen.let_go()
        story = [update.story async for update in house.service.watch(1)][-1]
        assert story.text
    fake.mend()
    async with street.house():
        assert message.has_button("Cancel")
        answer = await fake.press(ann, message, "Cancel")
        assert answer.text == "Story #1 is not being written any more."
        assert await chat.wait_for(finished) is message


async def test_continue_retry_read_and_random_by_command(street: Street, house: House) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, '/story horror "The Keeper" A lonely lighthouse length:short')
    first = await chat.wait_for(finished)
    assert first.text.startswith("The Keeper\n#1 · horror by Ann")
    assert '"The Keeper" is a horror film. A lonely lighthouse' in first.text
    await fake.say(ann, chat, "/continue 1 And then the lamp went out")
    second = await chat.wait_for(finished, after=first)
    assert "continues #1" in second.text and "And then the lamp went out" in second.text
    await fake.say(ann, chat, "/retry #2")
    third = await chat.wait_for(finished, after=second)
    assert "another version of #2" in third.text
    asked = await fake.say(ann, chat, "/read 1")
    read = await chat.wait_for(finished, after=asked)
    assert read.text == first.text and read.buttons == first.buttons
    asked = await fake.say(ann, chat, "/random horror")
    assert "horror by Ann" in (await chat.wait_for(finished, after=asked)).text


async def test_many_votes_at_once_are_all_counted_and_shown_by_few_edits(
    street: Street, house: House
) -> None:
    fake = street.telegram
    ann, group = fake.add_user("Ann"), fake.add_group("Readers")
    await fake.say(ann, group, "/story sci_fi")
    message = await group.wait_for(finished)
    first_edit = fake.hold_next("editMessageReplyMarkup")
    readers = [fake.add_user(f"Reader{n}") for n in range(30)]
    answers = await asyncio.gather(*(fake.press(reader, message, "👍") for reader in readers))
    first_edit.set()
    assert all(answer.text.startswith("👍 for story #1.") for answer in answers)
    await group.wait_for(lambda m: m.has_button("👍 30"))
    assert len(fake.calls("editMessageReplyMarkup")) <= 3


async def test_a_press_from_before_a_long_pause_counts(street: Street) -> None:
    fake = street.telegram
    ann, bob, group = fake.add_user("Ann"), fake.add_user("Bob"), fake.add_group("Readers")
    async with street.house():
        await fake.say(ann, group, "/story sci_fi")
        message = await group.wait_for(finished)
    fake.press_long_ago(bob, message, "👍")
    async with street.house():
        await group.wait_for(lambda m: m.has_button("👍 1"))
