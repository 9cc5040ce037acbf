"""/settings in Telegram: from the group into the private chat, for those who manage the group."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from fakes.telegram import FakeChat, FakeMessage, FakeTelegram, FakeUser

from bot.community_settings import CommunitySettings
from bot.domain import Caller
from bot.telegram.settings_panel import NAMES, edited

from .conftest import House, Street

NOT_MANAGER = "Only those who manage this community can do that."
OLD_BUTTON = "That button is from another time. Please ask me again."


@dataclass
class Office:
    """A group, the administrator who may change its info, and their chat with the bot."""

    fake: FakeTelegram
    boss: FakeUser
    group: FakeChat
    chat: FakeChat

    async def open(self) -> FakeMessage:
        """The panel."""
        asked = await self.fake.say(self.boss, self.group, "/settings")
        answer = await self.group.wait_for(lambda m: m.has_button("Open"), after=asked)
        link = answer.button("Open").url or ""
        start = await self.fake.open_link(self.boss, link)
        return await self.chat.wait_for(lambda m: m.text.startswith("Settings"), after=start)

    async def press(self, message: FakeMessage, *wanted: str) -> None:
        """One button after the other, on one message."""
        for label in wanted:
            await self.fake.press(self.boss, message, label)

    async def settings(self, house: House) -> CommunitySettings:
        """What is on disk."""
        caller = Caller("telegram", "1", "", str(self.group.id))
        _, community = await house.store.enter(caller)
        return await house.store.community_settings(community.id)


@pytest.fixture
def office(street: Street) -> Office:
    fake = street.telegram
    boss, group = fake.add_user("Boss"), fake.add_group("Readers")
    fake.promote(boss, group, "can_change_info")
    return Office(fake, boss, group, fake.private_chat(boss))


async def test_the_panel_shows_every_setting_and_changes_it_in_place(
    office: Office, house: House
) -> None:
    panel = await office.open()
    assert panel.text.splitlines()[:5] == [
        "Settings",
        "",
        "Genres: all",
        "Usual length: medium",
        "Longest story: long",
    ]
    assert len(panel.buttons) == len(NAMES) + 1
    await office.press(panel, "Longest story", "medium")
    assert panel.text.startswith("Longest story: medium")
    assert [b.label for b in panel.buttons] == ["short", "✅ medium", "long", "↩️ Back"]
    await office.press(panel, "Back", "Genres", "horror", "drama", "horror")
    assert panel.text.startswith("Genres: drama")
    await office.press(panel, "Back", "In the list of all", "yes")
    await office.press(panel, "Back", "Language", "English")
    assert office.chat.bot_messages == [panel], "one message, edited"
    assert await office.settings(house) == CommunitySettings(
        longest="medium", genres=("drama",), in_global_top=True, language="en"
    )
    await office.press(panel, "the community's own")
    assert (await office.settings(house)).language == ""


async def test_what_was_chosen_holds_in_the_group(office: Office, house: House) -> None:
    fake = office.fake
    panel = await office.open()
    await office.press(panel, "Genres", "horror")
    refused = await fake.say(office.boss, office.group, "/story drama The bakery")
    await office.group.wait_for(lambda m: "Choose one of: horror." in m.text, after=refused)
    elsewhere = await fake.say(office.boss, office.chat, "/story drama The bakery")
    await office.chat.wait_for(lambda m: m.has_button("👍"), after=elsewhere)


async def test_the_groups_language_is_that_of_its_stories(
    office: Office, street: Street, house: House
) -> None:
    panel = await office.open()
    await office.press(panel, "Language", "English")
    street.pen.hold()
    ann = office.fake.add_user("Ann", language_code="de")
    await office.fake.say(ann, office.group, "/story horror The door")
    await office.group.wait_for(lambda m: m.has_button("Cancel"))
    async with asyncio.timeout(15):
        while not (posts := await house.store.open_posts("telegram")):
            await asyncio.sleep(0.01)
    assert [post.locale for post in posts] == ["en"]
    street.pen.let_go()
    await office.group.wait_for(lambda m: m.has_button("👍"))


async def test_numbers_are_typed_in_a_reply_and_wrong_ones_refused(
    office: Office, house: House
) -> None:
    fake, chat = office.fake, office.chat
    panel = await office.open()
    await office.press(panel, "Stories a day", "Enter a number")
    question = await chat.wait_for(lambda m: "whole number from 0 to 1,000" in m.text)
    wrong = await fake.say(office.boss, chat, "a lot", reply_to=question)
    await chat.wait_for(lambda m: m.text.startswith("“a lot” won't do."), after=wrong)
    right = await fake.say(office.boss, chat, "3", reply_to=question)
    shown = await chat.wait_for(lambda m: m.text.startswith("Stories a day: 3"), after=right)
    assert (await office.settings(house)).daily_quota == 3
    await office.press(shown, "Back")
    assert "Stories a day: 3" in shown.text


async def test_words_are_added_and_taken_off_by_lines(office: Office, house: House) -> None:
    fake, chat = office.fake, office.chat
    panel = await office.open()
    await office.press(panel, "Unwelcome words", "Edit the list")
    question = await chat.wait_for(lambda m: "a minus before a line" in m.text)
    said = await fake.say(office.boss, chat, "Bridge\n/colou?r/", reply_to=question)
    shown = await chat.wait_for(lambda m: "2 of your own" in m.text, after=said)
    assert shown.entity_texts("code") == ["Bridge", "/colou?r/"]
    refused = await fake.say(office.boss, office.group, "/story drama Under the bridge")
    await office.group.wait_for(lambda m: "not welcome here" in m.text, after=refused)
    said = await fake.say(office.boss, chat, "/(a/", reply_to=question)
    assert (await office.settings(house)).words == ("Bridge", "/colou?r/")
    said = await fake.say(office.boss, chat, "*(a\n- bridge", reply_to=question)
    await chat.wait_for(lambda m: m.entity_texts("code") == ["/colou?r/", "*(a"], after=said)
    said = await fake.say(office.boss, chat, "x\n/(a/", reply_to=question)
    await chat.wait_for(lambda m: "I can't use the pattern /(a/" in m.text, after=said)
    assert (await office.settings(house)).words == ("/colou?r/", "*(a")


async def test_buttons_and_questions_from_before_a_restart_work(
    street: Street, office: Office
) -> None:
    async with street.house():
        panel = await office.open()
        await office.press(panel, "Stories a day", "Enter a number")
        question = await office.chat.wait_for(lambda m: "whole number" in m.text)
    async with street.house() as house:
        await office.press(panel, "Back", "Usual length", "short")
        said = await office.fake.say(office.boss, office.chat, "7", reply_to=question)
        await office.chat.wait_for(lambda m: m.text.startswith("Stories a day: 7"), after=said)
        assert await office.settings(house) == CommunitySettings(length="short", daily_quota=7)


async def test_the_trail_names_who_changed_what(office: Office, house: House) -> None:
    panel = await office.open()
    for label in ("short", "medium") * 6:
        await office.press(panel, "Usual length", label, "Back")
    await office.press(panel, "Who changed what")
    assert panel.text.count("Boss changed “Usual length”") == 10
    assert panel.text.splitlines()[2].endswith("from short to medium.")
    await office.press(panel, "Older")
    assert panel.text.count("Boss changed") == 2
    await office.press(panel, "Newer", "Back")
    assert panel.text.startswith("Settings")


async def test_members_and_administrators_without_the_right_are_refused(
    office: Office, house: House
) -> None:
    fake, group = office.fake, office.group
    ann, mod = fake.add_user("Ann"), fake.add_user("Mod")
    fake.promote(mod, group, "can_delete_messages")
    panel = await office.open()
    for user in (ann, mod):
        said = await fake.say(user, group, "/settings")
        await group.wait_for(lambda m: m.text == NOT_MANAGER, after=said)
        start = await fake.say(user, fake.private_chat(user), f"/start settings_{group.id}")
        await fake.private_chat(user).wait_for(lambda m: m.text == NOT_MANAGER, after=start)
        for data in (f"g:{group.id}", f"g:{group.id}:length:short", f"h:{group.id}:0"):
            answer = await fake.press_data(user, panel, data)
            assert answer.text == NOT_MANAGER and answer.alert
    assert panel.text.startswith("Settings")
    assert await office.settings(house) == CommunitySettings()


async def test_whoever_is_no_administrator_any_more_changes_nothing(
    office: Office, house: House
) -> None:
    panel = await office.open()
    await office.press(panel, "Stories a day", "Enter a number")
    question = await office.chat.wait_for(lambda m: "whole number" in m.text)
    office.fake.demote(office.boss, office.group)
    answer = await office.fake.press(office.boss, panel, "Back")
    assert answer.text == NOT_MANAGER
    said = await office.fake.say(office.boss, office.chat, "7", reply_to=question)
    await office.chat.wait_for(lambda m: m.text == NOT_MANAGER, after=said)
    assert await office.settings(house) == CommunitySettings()


async def test_a_panel_outlives_its_groups_new_id(office: Office, house: House) -> None:
    fake = office.fake
    old = fake.add_group("Old", supergroup=False)
    fake.promote(office.boss, old, owner=True)
    start = await fake.say(office.boss, office.chat, f"/start settings_{old.id}")
    panel = await office.chat.wait_for(lambda m: m.text.startswith("Settings"), after=start)
    new = fake.migrate_to_chat_id(office.boss, old)
    fake.promote(office.boss, new, owner=True)
    await office.press(panel, "Usual length", "short")
    office.group = new
    assert (await office.settings(house)).length == "short"


@pytest.mark.parametrize(
    "end", [":length:huge", ":genres:poetry", ":daily_quota:5", ":channels:1", ":language:xx", "x"]
)
async def test_a_changed_client_can_choose_nothing_that_is_not_offered(
    office: Office, house: House, end: str
) -> None:
    panel = await office.open()
    answer = await office.fake.press_data(office.boss, panel, f"g:{office.group.id}{end}")
    assert answer.text == OLD_BUTTON and answer.alert
    assert await office.settings(house) == CommunitySettings()


async def test_a_private_chat_has_no_settings_of_its_own(office: Office, house: House) -> None:
    said = await office.fake.say(office.boss, office.chat, "/settings")
    await office.chat.wait_for(lambda m: "in the group it is about" in m.text, after=said)


async def test_replies_to_other_words_of_the_bot_are_left_alone(
    office: Office, house: House
) -> None:
    panel = await office.open()
    await office.fake.say(office.boss, office.chat, "nice", reply_to=panel)
    last = await office.fake.say(office.boss, office.chat, "/queue")
    answer = await office.chat.wait_for(lambda m: "Nobody" in m.text, after=last)
    assert office.chat.bot_messages == [panel, answer]


def test_words_are_told_apart_in_any_case() -> None:
    assert edited(("One", "two", "- three"), "-ONE\nfour\n-  two ") == ["- three", "four"]
