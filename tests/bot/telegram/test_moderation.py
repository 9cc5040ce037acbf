"""Reports, the moderators' queue, and deleting: who may, and that every message shows it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from fakes.telegram import FakeChat, FakeMessage, FakeTelegram, FakeUser
from fakes.telegram_api.world import ANONYMOUS

from model.engine import GenerationRequest
from model.scripted_engine import ScriptedEngine

from .conftest import House, Street

HIDDEN = "Members reported this story. It is hidden until a moderator has looked at it."
NOT_MODERATOR = "Only moderators can do that."


@dataclass
class Court:
    """A group with a story by Ann, and its moderator."""

    fake: FakeTelegram
    group: FakeChat
    ann: FakeUser
    mod: FakeUser
    desk: FakeChat
    """The moderator's chat with the bot."""

    async def story(self, opening: str = "The door") -> FakeMessage:
        asked = await self.fake.say(self.ann, self.group, f"/story horror {opening}")
        return await self.group.wait_for(lambda m: m.has_button("👍"), after=asked)

    async def report(self, user: FakeUser, story: FakeMessage, reason: str = "") -> FakeMessage:
        """The bot's last words about it."""
        chat = self.fake.private_chat(user)
        press = await self.fake.press(user, story, "Report")
        start = await self.fake.say(user, chat, f"/start {press.start}")
        asks = await chat.wait_for(lambda m: "What is wrong with it?" in m.text, after=start)
        if not reason:
            await self.fake.press(user, asks, "🚩 Report")
            return asks
        await self.fake.press(user, asks, "Say why")
        question = await chat.wait_for(lambda m: "say what is wrong" in m.text, after=asks)
        said = await self.fake.say(user, chat, reason, reply_to=question)
        return await chat.wait_for(lambda m: True, after=said)

    async def delete(self, user: FakeUser, story: FakeMessage) -> None:
        """Both presses."""
        await self.fake.press(user, story, "Delete")
        await self.group.wait_for(lambda m: m is story and m.has_button("Yes"))
        await self.fake.press(user, story, "Yes")

    async def queue(self) -> FakeMessage:
        """What /moderate shows."""
        asked = await self.fake.say(self.mod, self.group, "/moderate")
        way = await self.group.wait_for(lambda m: m.has_button("Open"), after=asked)
        start = await self.fake.open_link(self.mod, way.button("Open").url or "")
        return await self.desk.wait_for(lambda m: m.buttons, after=start)


@pytest.fixture
def court(street: Street) -> Court:
    fake = street.telegram
    ann, mod, group = fake.add_user("Ann"), fake.add_user("Mod"), fake.add_group("Readers")
    fake.promote(mod, group, "can_delete_messages")
    return Court(fake, group, ann, mod, fake.private_chat(mod))


async def test_reports_hide_a_story_everywhere_until_a_moderator_keeps_it(
    court: Court, house: House
) -> None:
    fake, group = court.fake, court.group
    story = await court.story()
    asked = await fake.say(court.ann, group, "/read 1")
    second = await group.wait_for(lambda m: m.has_button("👍"), after=asked)
    before = story.text
    readers = [fake.add_user(f"Reader{n}") for n in range(3)]
    for reader, reason in zip(readers, ("", "<b>spam</b> @boss", ""), strict=True):
        done = await court.report(reader, story, reason)
        assert done.text.startswith("Thank you.")
    assert done.text == "Thank you. Story #1 is hidden until a moderator has looked at it."
    for shown in (story, second):
        await group.wait_for(lambda m, shown=shown: m is shown and m.text.endswith(HIDDEN))
        assert "The door" not in shown.text and not shown.buttons
    asked = await fake.say(readers[0], group, "/read 1")
    await group.wait_for(lambda m: "Story #1 is hidden" in m.text, after=asked)

    case = await court.queue()
    assert case.text.startswith("Reported story 1 of 1\n3 reports · hidden · to the message\n")
    assert "— <b>spam</b> @\u2060boss" in case.text and "The door" in case.text
    (jump,) = [e["url"] for e in case.entities if e["type"] == "text_link"]
    assert jump == f"https://t.me/c/{str(group.id)[4:]}/{story.message_id}"
    await fake.press(court.mod, case, "Keep")
    assert case.text == "No story waits for a moderator."
    for shown in (story, second):
        await group.wait_for(lambda m, shown=shown: m is shown and m.has_button("👍"))
    assert story.text == before


async def test_a_moderator_deletes_from_the_queue_and_blocks_the_author(
    court: Court, house: House
) -> None:
    fake, group = court.fake, court.group
    first, second = await court.story("The door"), await court.story("The window")
    bob, cid = fake.add_user("Bob"), fake.add_user("Cid")
    await court.report(bob, first)
    await court.report(bob, second)
    await court.report(cid, second)
    case = await court.queue()
    assert case.text.startswith("Reported story 1 of 2\n2 reports · still shown")
    await fake.press(court.mod, case, "▶️")
    assert case.text.startswith("Reported story 2 of 2\none report") and "The door" in case.text
    await fake.press(court.mod, case, "Delete")
    await group.wait_for(lambda m: m is first and m.text.endswith("This story was deleted."))
    assert case.text.startswith("Reported story 1 of 1") and "The window" in case.text
    await fake.press(court.mod, case, "Block author")
    assert case.text.startswith("Blocked members") and "Ann · 20" in case.text
    asked = await fake.say(court.ann, group, "/story horror Again")
    await group.wait_for(lambda m: "don't let me do that for you" in m.text, after=asked)
    await fake.press(court.mod, case, "Ann")
    assert case.text.endswith("Nobody is blocked.")
    await court.story("Once more")


async def test_a_report_is_for_members_once_and_not_of_ones_own(court: Court, house: House) -> None:
    fake, story = court.fake, await court.story()
    bob = fake.add_user("Bob")
    chat = fake.private_chat(bob)
    press = await fake.press(bob, story, "Report")
    asks = await fake.say(bob, chat, f"/start {press.start}")
    asked = await chat.wait_for(lambda m: m.has_button("Say why"), after=asks)
    assert asked.text.startswith("Report a story\n#1 · The door")
    await fake.press(bob, asked, "🚩 Report")
    press = await fake.press_data(bob, asked, f"q:{court.group.id}:1")
    assert press.text.startswith("You have reported story #1 already.")
    mine = await fake.press_data(court.ann, story, f"q:{court.group.id}:1")
    assert mine.text == "That is your own story. You can delete it."
    eve = fake.add_user("Eve")
    stranger = await fake.say(eve, fake.private_chat(eve), f"/start report_1_{court.group.id}")
    await fake.private_chat(eve).wait_for(lambda m: "no story #1" in m.text, after=stranger)
    fake.leave(bob, court.group)
    gone = await fake.press_data(bob, asked, f"q:{court.group.id}:1")
    assert gone.text == "There is no story #1 here."


async def test_the_queue_is_for_moderators_alone(court: Court, house: House) -> None:
    fake, group = court.fake, court.group
    await court.report(fake.add_user("Bob"), await court.story())
    case = await court.queue()
    chief = fake.add_user("Chief")
    fake.promote(chief, group, "can_invite_users")
    for user in (court.ann, chief):
        said = await fake.say(user, group, "/moderate")
        await group.wait_for(lambda m: m.text == NOT_MODERATOR, after=said)
        start = await fake.say(user, fake.private_chat(user), f"/start moderate_{group.id}")
        await fake.private_chat(user).wait_for(lambda m: m.text == NOT_MODERATOR, after=start)
        for data in ("m:{}:0", "m:{}:0:k:1", "m:{}:0:d:1", "m:{}:0:b:1", "b:{}:0", "b:{}:0:5"):
            answer = await fake.press_data(user, case, data.format(group.id))
            assert answer.text == NOT_MODERATOR
    assert (await house.store.story(1)).is_hidden is False  # type: ignore[union-attr]
    said = await fake.say(court.mod, court.desk, "/moderate")
    await court.desk.wait_for(lambda m: "in the group it is about" in m.text, after=said)
    said = await fake.say(ANONYMOUS, group, "/moderate")
    await group.wait_for(lambda m: m.has_button("Open"), after=said)


async def test_a_moderator_of_one_group_has_no_say_in_another(court: Court, house: House) -> None:
    fake = court.fake
    await court.report(fake.add_user("Bob"), await court.story())
    other = fake.add_group("Others")
    fake.promote(court.mod, other, owner=True)
    fake.demote(court.mod, court.group)
    start = await fake.say(court.mod, court.desk, f"/start moderate_{other.id}")
    empty = await court.desk.wait_for(lambda m: "No story waits" in m.text, after=start)
    for verb in "kdb":
        answer = await fake.press_data(court.mod, empty, f"m:{other.id}:0:{verb}:1")
        assert answer.text == "There is no story #1 here."
    assert (await house.store.story(1)).text  # type: ignore[union-attr]


async def test_delete_asks_and_is_for_the_author_and_moderators(court: Court, house: House) -> None:
    fake, group = court.fake, court.group
    bob, story = fake.add_user("Bob"), await court.story()
    foreign = await fake.press(bob, story, "Delete")
    assert foreign.text == "Only the author of story #1 can do that."
    question = await fake.press(court.ann, story, "Delete")
    assert question.text.endswith("Are you sure?") and question.alert
    await group.wait_for(lambda m: m is story and m.has_button("Yes"))
    assert [button.label for button in story.buttons] == ["Yes, delete it", "Back"]
    assert (await fake.press(bob, story, "Yes")).text == "Only the author of story #1 can do that."
    await fake.press(bob, story, "Back")
    assert story.has_button("👍")
    await fake.press(court.ann, story, "Delete")
    await group.wait_for(lambda m: m is story and m.has_button("Yes"))
    assert (await fake.press(court.ann, story, "Yes")).text == "Story #1 is deleted."
    await group.wait_for(lambda m: m is story and m.text.endswith("This story was deleted."))
    assert story.buttons == []
    second = await court.story("The window")
    await court.delete(court.mod, second)
    await group.wait_for(lambda m: m is second and m.text.endswith("This story was deleted."))


async def test_a_moderator_cancels_others_stories(
    court: Court, street: Street, house: House
) -> None:
    street.pen.hold()
    for opening in ("The door", "The window"):
        await court.fake.say(court.ann, court.group, f"/story horror {opening}")
    shown = await court.group.wait_for(lambda m: "The window" in m.text)
    assert (await court.fake.press(court.mod, shown, "Cancel")).text == "Cancelled."
    await court.fake.say(court.mod, court.group, "/cancel 1")
    await court.group.wait_for(lambda m: m.text == "Story #1 is cancelled.")
    street.pen.let_go()


async def test_every_page_of_a_long_story_is_hidden_and_comes_back(
    court: Court, street: Street
) -> None:
    sentence = " The sea spoke in turns, until it was dawn."
    engine = ScriptedEngine(lambda request: sentence * 150, context_length=10_000)
    async with street.house(engine, length_long=9_000) as house:
        asked = await court.fake.say(court.ann, court.group, "/story horror Once length:long")
        last = await court.group.wait_for(lambda m: m.has_button("👍"))
        first, n_pages = court.group.bot_messages[0], len(court.group.bot_messages)
        assert n_pages == 2 and last is not first
        for number in range(3):
            await court.report(court.fake.add_user(f"R{number}"), last)
        await court.group.wait_for(lambda m: m is first and m.text.endswith(HIDDEN))
        await court.fake.wait_until(lambda: last.deleted)
        case = await court.queue()
        assert len(case.text) < 4_096 and "…" in case.text
        await court.fake.press(court.mod, case, "Keep")
        back = await court.group.wait_for(lambda m: m.has_button("👍"), after=asked)
        assert first.text.count(sentence.strip()) + back.text.count(sentence.strip()) == 150
        assert (await house.store.story(1)).is_hidden is False  # type: ignore[union-attr]


async def test_a_page_too_old_to_be_deleted_is_emptied(court: Court, street: Street) -> None:
    def long(request: GenerationRequest) -> str:
        return " The sea spoke in turns, until it was dawn." * 150

    engine = ScriptedEngine(long, context_length=10_000)
    async with street.house(engine, length_long=9_000):
        await court.fake.say(court.ann, court.group, "/story horror Once length:long")
        last = await court.group.wait_for(lambda m: m.has_button("👍"))
        court.fake.fail_next("deleteMessage", 400, "Bad Request: message can't be deleted")
        await court.delete(court.ann, last)
        await court.group.wait_for(lambda m: m is last and m.text == "…")


async def test_a_deleted_message_is_not_sent_anew_to_say_it_was_deleted(
    court: Court, house: House
) -> None:
    fake, group = court.fake, court.group
    story = await court.story()
    asked = await fake.say(court.ann, group, "/read 1")
    second = await group.wait_for(lambda m: m.has_button("👍"), after=asked)
    fake.delete_message(story)
    await court.delete(court.ann, second)
    await group.wait_for(lambda m: m is second and "deleted" in m.text)
    last = await fake.say(court.ann, group, "/queue")
    await group.wait_for(lambda m: "Nobody" in m.text, after=last)
    assert [m for m in group.bot_messages if m.message_id < last.message_id] == [second]
