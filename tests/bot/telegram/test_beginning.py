"""A bare /story: a genre and an opening by buttons, or one's own in a reply."""

from __future__ import annotations

import pytest
from fakes.telegram_api.world import ANONYMOUS

from bot.telegram.beginning import genres_page, openings_page
from model.genres import DEFAULT_GENRES, Genre

from .conftest import House, Street


async def test_the_picker_becomes_the_story(street: Street, house: House) -> None:
    fake = street.telegram
    ann, bob, group = fake.add_user("Ann"), fake.add_user("Bob"), fake.add_group("Readers")
    asked = await fake.say(ann, group, "/story")
    picker = await group.wait_for(lambda m: m.has_button("horror"))
    assert picker.text == "A new story\nWhat kind of story shall it be?"
    assert [b.label for b in picker.buttons] == [genre.label for genre in DEFAULT_GENRES]
    foreign = await fake.press(bob, picker, "horror")
    assert foreign.text == "Only the one who asked can press that." and foreign.alert
    await fake.press(ann, picker, "horror")
    horror = DEFAULT_GENRES.get("horror")
    assert f"1. {horror.openings[0]} …" in picker.text
    await fake.press(ann, picker, "Back")
    await fake.press(ann, picker, "horror")
    for label in ("2", "My own opening", "Surprise me"):
        data = picker.button(label).data or ""
        assert (await fake.press_data(bob, picker, data)).text.startswith("Only the one")
    await fake.press(ann, picker, "2")
    story = await group.wait_for(lambda m: m.has_button("👍"))
    assert story is picker and group.bot_messages == [picker]
    assert horror.openings[1] in story.text and "#1 · horror by Ann" in story.text
    assert story.reply_to == asked.message_id


async def test_surprise_me_needs_no_opening(street: Street, house: House) -> None:
    fake = street.telegram
    fake.knows_drafts = False
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, "/story")
    picker = await chat.wait_for(lambda m: m.has_button("drama"))
    await fake.press(ann, picker, "drama")
    await fake.press(ann, picker, "Surprise me")
    assert await chat.wait_for(lambda m: m.has_button("👍")) is picker
    assert (await house.store.story(1)).prompt == ""  # type: ignore[union-attr]


async def test_an_opening_of_ones_own_is_typed_in_a_reply(street: Street) -> None:
    fake = street.telegram
    ann, group = fake.add_user("Ann"), fake.add_group("Readers")
    async with street.house():
        asked = await fake.say(ann, group, "/story")
        picker = await group.wait_for(lambda m: m.has_button("horror"))
        await fake.press(ann, picker, "horror")
        await fake.press(ann, picker, "My own opening")
        question = await group.wait_for(lambda m: "Reply to this message" in m.text)
        assert "in up to 600 characters" in question.text and question.reply_to == asked.message_id
        sent = fake.calls("sendMessage")[-1].params["reply_markup"]
        assert sent == {"force_reply": True, "selective": True}
    async with street.house():
        picture = await fake.send_photo(ann, group, "look", reply_to=question)
        await group.wait_for(lambda m: m.text == "Please reply with words.", after=picture)
        await fake.send_photo(ann, group, reply_to=picker)  # to no question: members' talk
        long = await fake.say(ann, group, "x" * 700, reply_to=question)
        await group.wait_for(lambda m: "has 700 characters" in m.text, after=long)
        opening = "A door.\nIt opened.\n" + "Nobody came. " * 40
        said = await fake.say(ann, group, f'"The Keeper" {opening}', reply_to=question)
        story = await group.wait_for(lambda m: m.has_button("👍"), after=said)
        assert story.text.startswith("The Keeper\n#1 · horror by Ann")
        assert "Nobody came. " * 39 in story.text
    assert len([m for m in group.bot_messages if m.text == "Please reply with words."]) == 1


async def test_only_the_groups_genres_are_offered(street: Street, house: House) -> None:
    fake = street.telegram
    boss, group = fake.add_user("Boss"), fake.add_group("Readers")
    fake.promote(boss, group, owner=True)
    chat = fake.private_chat(boss)
    await fake.say(boss, chat, f"/start settings_{group.id}_genres")
    panel = await chat.wait_for(lambda m: m.has_button("horror"))
    await fake.press(boss, panel, "horror")
    await fake.say(boss, group, "/story")
    picker = await group.wait_for(lambda m: m.has_button("horror"))
    assert [b.label for b in picker.buttons] == ["horror"]
    refused = await fake.press_data(boss, picker, f"n:{boss.id}:drama:go")
    assert "Choose one of: horror." in refused.text
    await fake.press(boss, picker, "horror")
    await fake.press(boss, picker, "Surprise me")
    await group.wait_for(lambda m: m.has_button("👍"))


async def test_what_a_group_asks_for_anybody_may_choose(street: Street, house: House) -> None:
    fake = street.telegram
    ann, group = fake.add_user("Ann"), fake.add_group("Readers")
    await fake.say(ANONYMOUS, group, "/story")
    picker = await group.wait_for(lambda m: m.has_button("horror"))
    await fake.press(ann, picker, "horror")
    await fake.press(ann, picker, "1")
    await group.wait_for(lambda m: "horror by Ann" in m.text and m.has_button("👍"))


async def test_a_picker_deleted_meanwhile_is_no_loss(street: Street, house: House) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, "/story")
    picker = await chat.wait_for(lambda m: m.has_button("horror"))
    fake.delete_message(picker)
    await fake.press_data(ann, picker, f"n:{ann.id}:horror:go")
    await chat.wait_for(lambda m: m is not picker and m.has_button("👍"))


@pytest.mark.parametrize("end", ["poetry", "poetry:go", "poetry:own", "poetry:0"])
async def test_a_genre_that_is_gone_is_named(street: Street, house: House, end: str) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, "/story")
    picker = await chat.wait_for(lambda m: m.has_button("horror"))
    answer = await fake.press_data(ann, picker, f"n:{ann.id}:{end}")
    assert answer.text.startswith("I don't know the genre “poetry”.")


def test_the_longest_data_fits() -> None:
    genre = Genre("g" * 32, "label", "<g>", openings=("x" * 2_000,) * 12)
    pages = (genres_page([genre] * 120, 10**17 - 1, "en"), openings_page(genre, 10**17 - 1, "en"))
    for page in pages:
        assert page.keyboard is not None and len(page.html) <= 4_096
        buttons = [button for row in page.keyboard.inline_keyboard for button in row]
        assert len(buttons) <= 100
        assert all(len(str(button.callback_data).encode()) <= 64 for button in buttons)
