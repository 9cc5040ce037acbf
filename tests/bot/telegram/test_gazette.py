"""Digests and the hall of fame: chosen in the panel, posted in the group, a topic or a channel."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from fakes.patience import patience
from fakes.telegram import FakeChat, FakeMessage, FakeTelegram, FakeUser

from bot.community_settings import CommunitySettings
from bot.gazette import last_slot
from bot.telegram.targets import place_of, said

from .conftest import House, Street

DAY_S = 86_400.0


@dataclass
class Newsroom:
    """A forum, whoever runs it, and their chat with the bot."""

    street: Street
    fake: FakeTelegram
    boss: FakeUser
    ann: FakeUser
    group: FakeChat
    office: FakeChat

    async def choose(self, name: str, *labels: str) -> FakeMessage:
        """Press buttons of one setting."""
        start = await self.fake.say(
            self.boss, self.office, f"/start settings_{self.group.id}_{name}"
        )
        panel = await self.office.wait_for(lambda m: m.has_button("Back"), after=start)
        for label in labels:
            await self.fake.press(self.boss, panel, label)
        return panel

    async def type(self, name: str, words: str) -> FakeMessage:
        """Answer the question for another place or number; what the bot says to it."""
        panel = await self.choose(name, "✏️")
        question = await self.office.wait_for(lambda m: "Reply to this" in m.text, after=panel)
        typed = await self.fake.say(self.boss, self.office, words, reply_to=question)
        return await self.office.wait_for(lambda m: True, after=typed)

    async def story(self, title: str) -> FakeMessage:
        """One that is finished."""
        asked = await self.fake.say(self.ann, self.group, f'/story horror "{title}" The door')
        return await self.group.wait_for(lambda m: m.has_button("👍"), after=asked)

    async def on_the_next_day(self, house: House) -> None:
        """Go to a minute after the next digest is due; a first one waits for it."""
        async with patience(15):
            while not await house.service.note("digest:1"):
                await asyncio.sleep(0.01)
        now, hour = self.street.now(), CommunitySettings().digest_hour
        self.street.later_s += last_slot(now, "day", hour) + DAY_S + 60 - now


@pytest.fixture
def news(street: Street) -> Newsroom:
    fake = street.telegram
    boss, ann = fake.add_user("Boss"), fake.add_user("Ann", language_code="es")
    group = fake.add_group("Readers", topics=["General", "Stories"])
    fake.promote(boss, group, owner=True)
    return Newsroom(street, fake, boss, ann, group, fake.private_chat(boss))


def link_to(group: FakeChat, *numbers: int) -> str:
    return "/".join([f"https://t.me/c/{str(group.id)[4:]}", *map(str, numbers)])


async def test_the_best_of_the_day_are_posted_once_in_the_group(
    news: Newsroom, house: House
) -> None:
    story = await news.story("Cara & cruz")
    await news.fake.press(news.boss, story, "👍")
    panel = await news.choose("digest", "every day")
    assert panel.text.startswith("Digest: every day")
    panel = await news.choose("digest_channel", "in this group")
    assert panel.text.startswith("Digest's channel: in this group")
    await news.on_the_next_day(house)
    digest = await news.group.wait_for(lambda m: "🥇 Cara & cruz" in m.text)
    assert digest.text.startswith("Lo mejor del día"), "in the language the story was told in"
    assert digest.thread_id is None and digest.buttons == []
    url = next(e["url"] for e in digest.entities if e["type"] == "text_link")
    assert url == link_to(news.group, story.message_id)
    await news.street.clock.sleep(150)
    assert len([m for m in news.group.bot_messages if "🥇" in m.text]) == 1


async def test_a_topic_is_chosen_by_a_link_to_one_of_its_messages(
    news: Newsroom, house: House
) -> None:
    topic = max(news.group.topics)
    shown = await news.type("digest_channel", f" {link_to(news.group, topic, 9)} ")
    assert shown.text.startswith(f"Digest's channel: {link_to(news.group, topic)}")
    await news.story("The door")
    await news.choose("digest", "every day")
    await news.choose("language", "English")
    await news.on_the_next_day(house)
    digest = await news.group.wait_for(lambda m: m.text.startswith("The best of the day"))
    assert digest.thread_id == topic
    trail = await news.choose("digest", "Back", "Who changed what")
    assert f"changed “Digest's channel” from nowhere to {link_to(news.group, topic)}" in trail.text


async def test_a_story_that_many_like_is_posted_in_a_channel_and_voted_on_there_by_the_group(
    news: Newsroom, house: House
) -> None:
    fake = news.fake
    channel = fake.add_channel("Best of Readers", username="best_of")
    fake.promote(fake.bot, channel, "can_post_messages")
    fake.promote(news.boss, channel, "can_post_messages")
    shown = await news.type("hall_channel", "@best_of")
    assert shown.text.startswith(f"Hall of fame: {link_to(channel, 1)}")
    assert (await news.type("hall_votes", "1")).text.startswith("Votes for the hall: 1")
    story = await news.story("The door")
    await fake.press(news.boss, story, "👍")
    famous = await channel.wait_for(lambda m: "The door" in m.text)
    assert [b.label for b in famous.buttons] == ["👍 1", "👎 0", "Al grupo"]
    bob, eve = fake.add_user("Bob"), fake.add_user("Eve")
    await fake.say(bob, news.group, "/queue")
    await fake.press(bob, famous, "👍")
    await channel.wait_for(lambda m: m is famous and m.has_button("👍 2"))
    stranger = await fake.press(eve, famous, "👍")
    assert stranger.text == "There is no story #1 here."
    await fake.press(news.ann, story, "Borrar")
    await news.group.wait_for(lambda m: m is story and m.has_button("Sí"))
    await fake.press(news.ann, story, "Sí")
    await channel.wait_for(lambda m: m is famous and not m.buttons)
    await news.street.clock.sleep(150)
    assert len(channel.bot_messages) == 1


async def test_places_where_nothing_could_be_posted_are_refused_with_the_reason(
    news: Newsroom, house: House
) -> None:
    fake = news.fake
    unknown = "I can't find that topic or channel"
    other = fake.add_group("Others")
    for words in ("somewhere", "https://example.org/c/1", link_to(other, 5), "@nobody_here",
                  link_to(news.group, 77, 5), "https://t.me/c/99"):  # fmt: skip
        assert (await news.type("digest_channel", words)).text.startswith(unknown), words
    channel = fake.add_channel("News")
    link = link_to(channel, 3)
    assert (await news.type("hall_channel", link)).text.startswith(unknown), "no title to strangers"
    fake.promote(news.boss, channel, "can_delete_messages")
    answer = await news.type("hall_channel", link)
    assert answer.text == "You may not post in News yourself."
    fake.promote(news.boss, channel, "can_post_messages")
    answer = await news.type("hall_channel", link)
    assert answer.text.startswith("I may not post in News.")
    panel = await news.choose("hall_channel")
    assert panel.text.startswith("Hall of fame: nowhere")
    panel = await news.choose("hall_channel", "in this group", "nowhere")
    assert panel.text.startswith("Hall of fame: nowhere")


async def test_a_channel_that_shuts_the_bot_out_is_told_to_the_operator_and_tried_again(
    news: Newsroom, caplog: pytest.LogCaptureFixture
) -> None:
    fake = news.fake
    channel = fake.add_channel("Best of Readers")
    for user in (fake.bot, news.boss):
        fake.promote(user, channel, "can_post_messages")
    async with news.street.house():
        story = await news.story("The door")
        await fake.press(news.boss, story, "👍")
        await news.type("hall_channel", link_to(channel, 1))
        fake.demote(fake.bot, channel)
        await news.type("hall_votes", "1")
        async with patience(15):
            while f"{channel.id} of Telegram could not be posted in" not in caplog.text:
                await asyncio.sleep(0.01)
    fake.promote(fake.bot, channel, "can_post_messages")
    async with news.street.house():
        await channel.wait_for(lambda m: "The door" in m.text)


async def test_a_hall_of_fame_in_the_group_itself_has_all_buttons(
    news: Newsroom, house: House
) -> None:
    await news.type("hall_votes", "1")
    await news.choose("hall_channel", "in this group")
    story = await news.story("The door")
    await news.fake.press(news.boss, story, "👍")
    famous = await news.group.wait_for(lambda m: m is not story and m.has_button("👍 1"))
    assert famous.has_button("Otra versión") and famous.reply_to is None


def test_places_outlive_a_groups_new_id() -> None:
    assert place_of("here", "-1001").channel_id() == "-1001"
    assert place_of("here/45", "-1002").channel_id() == "-1002/45"
    assert place_of("-1003", "-1001").channel_id() == "-1003@-1001"
    assert said("here/45", "-1001234", "en") == "https://t.me/c/1234/45"
