"""/top page by page, /member and /stats."""

from __future__ import annotations

import pytest
from fakes.telegram import FakeChat, FakeTelegram, FakeUser

from bot.domain import Caller, NewStory, Provenance
from bot.store import StoryStore
from bot.telegram.top_list import View, genre_choice, top_keyboard
from model.engine import SamplingParams
from model.genres import DEFAULT_GENRES, Genre, GenreTable

from .conftest import House, Street

WROTE = Provenance("scripted", "1", None, 9, 1.0, "stop")


async def told(
    house: House, group: FakeChat, author: FakeUser, n: int, genre: str = "horror"
) -> None:
    """`n` finished stories of a group; of each author's the later have more votes."""
    store: StoryStore = house.store
    caller = Caller("telegram", str(author.id), author.first_name, str(group.id), "Readers")
    member, community = await store.enter(caller)
    for number in range(n):
        title = f"{genre} {number}"
        new = NewStory(member.id, community.id, genre, title, "", SamplingParams())
        story = await store.add_story(new)
        await store.finish_story(story.id, "It was dark.", WROTE)
        for voter in range(number + 1):
            reader, _ = await store.enter(
                Caller("telegram", str(6_000_000 + voter), "", str(group.id), "Readers")
            )
            await store.cast_vote(reader.id, story.id, 1)


@pytest.fixture
def group(street: Street) -> FakeChat:
    return street.telegram.add_group("Readers")


@pytest.fixture
def ann(street: Street) -> FakeUser:
    return street.telegram.add_user("Ann")


async def test_top_is_turned_and_filtered_by_buttons(
    street: Street, house: House, group: FakeChat, ann: FakeUser
) -> None:
    fake: FakeTelegram = street.telegram
    await told(house, group, ann, 9)
    await told(house, group, ann, 3, "drama")
    await fake.say(ann, group, "/top")
    top = await group.wait_for(lambda m: m.text.startswith("The best stories\n🥇 horror 8"))
    lines = top.text.splitlines()
    assert lines[3].startswith("🥈 horror 7") and lines[5].startswith("🥉 horror 6")
    assert lines[7].startswith("4. horror 5")
    assert [b.label for b in top.buttons] == [
        "day", "week", "month", "✅ all time", "🎭 every genre", "🌍 Everywhere", "▶️",
    ]  # fmt: skip
    url = next(e["url"] for e in top.entities if e["type"] == "text_link")
    assert url == f"https://t.me/cliffhanger_bot?start=story_9_{group.id}"
    bob = fake.add_user("Bob")
    await fake.press(bob, top, "▶️")
    assert top.text.splitlines()[1].startswith("11. ") and len(top.text.splitlines()) == 5
    assert top.has_button("◀️") and not top.has_button("▶️")
    await fake.press(bob, top, "🎭")
    assert [b.label for b in top.buttons] == [
        "✅ every genre", *(genre.label for genre in DEFAULT_GENRES)
    ]  # fmt: skip
    await fake.press(bob, top, "drama")
    assert top.text.startswith("The best drama stories\n🥇 drama 2")
    await fake.press(bob, top, "week")
    assert top.text.startswith("The best drama stories · week\n🥇") and top.has_button("✅ week")
    await fake.press(bob, top, "Everywhere")
    assert top.text == (
        "The best drama stories · week · everywhere\nNothing here. Choose another genre or time."
    )
    await fake.press(bob, top, "Only here")
    assert top.text.startswith("The best drama stories · week")
    assert group.bot_messages == [top], "one message, edited"


async def test_top_everywhere_lists_what_communities_share(
    street: Street, house: House, group: FakeChat, ann: FakeUser
) -> None:
    fake = street.telegram
    closed = fake.add_group("Closed")
    await told(house, group, ann, 1)
    await told(house, closed, ann, 1, "drama")
    boss = Caller("telegram", "1", "Boss", str(group.id), "Readers", is_manager=True)
    await house.service.administration.change(boss, "in_global_top", True)
    eve = fake.add_user("Eve")
    chat = fake.private_chat(eve)
    await fake.say(eve, chat, "/top everywhere")
    top = await chat.wait_for(lambda m: m.text.startswith("The best stories · everywhere"))
    assert "horror 0" in top.text and "drama" not in top.text
    url = next(e["url"] for e in top.entities if e["type"] == "text_link")
    start = await fake.open_link(eve, url)
    await chat.wait_for(lambda m: "It was dark." in m.text, after=start)


async def test_a_member_is_meant_by_a_reply_or_a_mention(
    street: Street, house: House, group: FakeChat, ann: FakeUser
) -> None:
    fake = street.telegram
    bob = fake.add_user("Bob")
    await told(house, group, ann, 2)
    said = await fake.say(ann, group, "/queue")
    asked = await fake.say(bob, group, "/member", reply_to=said)
    hers = await group.wait_for(lambda m: m.text.startswith("Ann\n2 stories"), after=asked)
    assert "Votes received: 👍 3 👎 0\nBest at: horror\nBest story: horror 1 · #2" in hers.text
    asked = await fake.say(bob, group, "/member")
    await group.wait_for(lambda m: "No stories here yet" in m.text, after=asked)
    asked = await fake.say(bob, group, "/member", reply_to=hers)
    await group.wait_for(lambda m: "No stories here yet" in m.text, after=asked)
    asked = await fake.say(ann, group, "/member")
    await group.wait_for(lambda m: m.text.startswith("Ann"), after=asked)


async def test_stats_are_a_picture(
    street: Street, house: House, group: FakeChat, ann: FakeUser
) -> None:
    await told(house, group, ann, 2)
    asked = await street.telegram.say(ann, group, "/stats")
    sent = await group.wait_for(lambda m: m.is_photo, timeout=40)
    assert sent.document is not None and sent.document.content.startswith(b"\x89PNG")
    assert sent.text == "2 stories, 3 votes." and sent.reply_to == asked.message_id


def test_the_longest_data_fits() -> None:
    genre = Genre("g" * 32, "label", "<g>")
    view = View(genre.name, "month", everywhere=True, page=9_999)
    table = GenreTable([genre])
    pages = [
        top_keyboard(view, more=True, genres=table, locale="en"),
        genre_choice(view, table, "en").keyboard,
    ]
    for keyboard in pages:
        assert keyboard is not None
        for button in (one for row in keyboard.inline_keyboard for one in row):
            assert len(str(button.callback_data).encode()) <= 64
