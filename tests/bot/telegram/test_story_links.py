"""Links that open a story, and for whom they do."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from .conftest import House, Street


async def test_a_shared_story_opens_for_the_groups_members(street: Street, house: House) -> None:
    fake = street.telegram
    ann, bob, eve = fake.add_user("Ann"), fake.add_user("Bob"), fake.add_user("Eve")
    group = fake.add_group("Readers")
    await fake.say(ann, group, '/story horror "You & me" A door')
    story = await group.wait_for(lambda m: m.has_button("👍"))
    share = urlsplit(story.button("Share").url or "")
    assert f"{share.scheme}://{share.netloc}{share.path}" == "https://t.me/share/url"
    query = parse_qs(share.query)
    assert query["text"] == ["You & me"]
    await fake.say(bob, group, "/queue")
    start = await fake.open_link(bob, query["url"][0])
    opened = await fake.private_chat(bob).wait_for(lambda m: "You & me" in m.text, after=start)
    assert opened.text == story.text
    assert [b.label for b in opened.buttons] == ["👍 0", "👎 0", "To the group"]
    way = opened.button("To the group").url
    assert way == f"https://t.me/c/{str(group.id)[4:]}/{story.message_id}"
    voted = await fake.press(bob, opened, "👍")
    assert voted.text == "👍 for story #1. It has 1 up, 0 down."
    await fake.private_chat(bob).wait_for(lambda m: m is opened and m.has_button("👍 1"))
    assert opened.has_button("To the group")
    fake.leave(bob, group)
    gone = await fake.press(bob, opened, "👎")
    assert gone.text == "There is no story #1 here." and gone.alert
    start = await fake.open_link(eve, query["url"][0])
    stranger = fake.private_chat(eve)
    await stranger.wait_for(lambda m: m.text == "There is no story #1 here.", after=start)


async def test_a_story_that_is_hidden_or_deleted_goes_from_where_it_was_opened(
    street: Street, house: House
) -> None:
    fake = street.telegram
    ann, bob, group = fake.add_user("Ann"), fake.add_user("Bob"), fake.add_group("Readers")
    await fake.say(ann, group, "/story horror The door")
    story = await group.wait_for(lambda m: m.has_button("👍"))
    await fake.say(bob, group, "/queue")
    chat = fake.private_chat(bob)
    await fake.say(bob, chat, f"/start story_1_{group.id}")
    opened = await chat.wait_for(lambda m: "The door" in m.text)
    await fake.press(ann, story, "Delete")
    await group.wait_for(lambda m: m is story and m.has_button("Yes"))
    await fake.press(ann, story, "Yes")
    await chat.wait_for(lambda m: m is opened and m.text.endswith("This story was deleted."))


async def test_ones_own_story_opens_anywhere_and_others_do_not(
    street: Street, house: House
) -> None:
    fake = street.telegram
    ann, bob, group = fake.add_user("Ann"), fake.add_user("Bob"), fake.add_group("Readers")
    await fake.say(ann, group, "/story horror The door")
    await group.wait_for(lambda m: m.has_button("👍"))
    hers, his = fake.private_chat(ann), fake.private_chat(bob)
    await fake.say(ann, hers, "/start story_1")
    await hers.wait_for(lambda m: "The door" in m.text and m.has_button("Delete"))
    await fake.say(bob, his, "/start story_1")
    await his.wait_for(lambda m: m.text == "There is no story #1 here.")


async def test_what_a_community_shares_with_all_opens_for_everybody(
    street: Street, house: House
) -> None:
    fake = street.telegram
    boss, eve, group = fake.add_user("Boss"), fake.add_user("Eve"), fake.add_group("Readers")
    fake.promote(boss, group, owner=True)
    chat = fake.private_chat(boss)
    await fake.say(boss, chat, f"/start settings_{group.id}_in_global_top")
    panel = await chat.wait_for(lambda m: m.has_button("yes"))
    await fake.press(boss, panel, "yes")
    await fake.say(boss, group, "/story horror The door")
    await group.wait_for(lambda m: m.has_button("👍"))
    await fake.say(eve, fake.private_chat(eve), f"/start story_1_{group.id}")
    chat = fake.private_chat(eve)
    opened = await chat.wait_for(lambda m: "The door" in m.text)
    assert opened.buttons == [], "to be read; those who were asked to vote are elsewhere"


@pytest.mark.parametrize(
    "payload", ["", "hello", "story_0", "story_x", f"story_{'9' * 19}", "settings_5", "begin_", "_"]
)
async def test_a_link_to_nothing_is_a_greeting(street: Street, house: House, payload: str) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, f"/start {payload}".rstrip())
    await chat.wait_for(lambda m: m.text.startswith("I write short film stories"))
