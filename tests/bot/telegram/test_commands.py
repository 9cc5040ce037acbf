"""Every command, walked over as a member would; and what is not for everyone's eyes."""

from __future__ import annotations

from fakes.telegram_api.world import ANONYMOUS

from bot.telegram.view import OFFERED
from bot.wording import MANAGER_COMMANDS

from .conftest import House, Street


async def test_every_command_is_answered(street: Street, house: House) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, "/story drama The bakery")
    await chat.wait_for(lambda m: m.has_button("👍"))
    expected = {
        "/story": "What kind of story shall it be?",
        "/continue": "Which story? Give its number",
        "/retry": "Which story? Give its number",
        "/cancel": "None of your stories is waiting or being written.",
        "/read 1": "#1 · drama by Ann",
        "/random": "#1 · drama by Ann",
        "/top": "The best stories\n🥇 The bakery",
        "/top drama week": "The best drama stories · week\n🥇",
        "/top everywhere": "No stories here yet.",
        "/member": "Ann\nOne story\nVotes received: 👍 0 👎 0\nBest story: The bakery",
        "/stats": "One story, 0 votes.",
        "/mine": "Your stories\n• The bakery",
        "/vote": "Which story? Give its number",
        "/queue": "Nobody is waiting, none is being written.",
        "/genres": "Genres and ways to begin\n\nsuperhero\n/story superhero",
        "/about": "Model: scripted (revision 1)",
        "/link": "Your code is",
        "/unlink": "This account is not linked with any other.",
        "/privacy": "I keep your name and id",
        "/export": "Here is everything I keep about you.",
        "/forget": "Are you sure?",
        "/help": "/vote ID up|down|clear · vote up",
        "/start": "I write short film stories",
        "/dance": "I don't know the command /dance. /help lists them all.",
    }
    for command, answer in expected.items():
        asked = await fake.say(ann, chat, command)
        await chat.wait_for(lambda m, answer=answer: answer in m.text, after=asked)
    assert {command.split()[0].removeprefix("/") for command in expected} >= set(OFFERED)
    assert all(m.link_preview_disabled for m in chat.bot_messages if not m.document)


async def test_help_and_genres_can_be_tapped(street: Street, house: House) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, "/help")
    shown = await chat.wait_for(lambda m: "What I can do" in m.text)
    assert shown.entity_texts("bot_command") == [
        f"/{name}" for name in (*OFFERED, *MANAGER_COMMANDS)
    ]
    assert shown.entity_texts("code") == ['/story horror "The Keeper" A lonely lighthouse']
    await fake.say(ann, chat, "/genres")
    genres = await chat.wait_for(lambda m: "Genres" in m.text)
    copied = genres.entity_texts("code")[2]
    assert copied.startswith("/story sci_fi The colony ship")
    await fake.say(ann, chat, copied)
    await chat.wait_for(lambda m: "The colony ship" in m.text and m.has_button("👍"))


async def test_an_export_is_a_file_for_its_owner_alone(street: Street, house: House) -> None:
    fake = street.telegram
    ann, group = fake.add_user("Ann"), fake.add_group("Readers")
    chat = fake.private_chat(ann)
    await fake.say(ann, group, "/story action The bridge")
    await group.wait_for(lambda m: m.has_button("👍"))
    await fake.say(ann, group, "/export")
    await group.wait_for(lambda m: "in our private chat" in m.text)
    assert not any(m.document for m in group.bot_messages)
    await fake.say(ann, chat, "/export")
    sent = (await chat.wait_for(lambda m: m.document)).document
    assert sent is not None and sent.name == "cliffhanger-export.json"
    assert sent.json()["stories"][0]["prompt"] == "The bridge"


async def test_forget_asks_first_and_only_its_asker_can_confirm(
    street: Street, house: House
) -> None:
    fake = street.telegram
    ann, bob, group = fake.add_user("Ann"), fake.add_user("Bob"), fake.add_group("Readers")
    await fake.say(ann, group, "/story action The bridge")
    await group.wait_for(lambda m: m.has_button("👍"))
    await fake.say(ann, group, "/forget")
    question = await group.wait_for(lambda m: m.has_button("Yes, forget me"))
    foreign = await fake.press(bob, question, "Yes, forget me")
    assert foreign.text == "Only the one who asked can press that." and foreign.alert
    await fake.press(ann, question, "Yes, forget me")
    done = await group.wait_for(lambda m: m.text.startswith("Done."))
    assert done is question and done.buttons == []
    assert done.text == "Done. One story lost its words and there were no votes."
    asked = await fake.say(bob, group, "/read 1")
    await group.wait_for(lambda m: m.text == "There is no story #1 here.", after=asked)


async def test_private_stories_stay_private_and_groups_have_their_own(
    street: Street, house: House
) -> None:
    fake = street.telegram
    ann, bob = fake.add_user("Ann"), fake.add_user("Bob")
    hers, his = fake.private_chat(ann), fake.private_chat(bob)
    await fake.say(ann, hers, "/story horror My secret")
    await hers.wait_for(lambda m: m.has_button("👍"))
    for command, answer in (("/read 1", "no story #1"), ("/top", "No stories here yet")):
        await fake.say(bob, his, command)
        await his.wait_for(lambda m, answer=answer: answer in m.text)


async def test_anonymous_admins_are_their_group_and_read_no_other_groups_stories(
    street: Street, house: House
) -> None:
    fake = street.telegram
    ours, theirs = fake.add_group("Readers"), fake.add_group("Strangers")
    await fake.say(ANONYMOUS, ours, "/story horror Our secret")
    await ours.wait_for(lambda m: "#1 · horror by Readers" in m.text and m.has_button("👍"))
    await fake.say(ANONYMOUS, theirs, "/read 1")
    await theirs.wait_for(lambda m: m.text == "There is no story #1 here.")
    await fake.say(ANONYMOUS, ours, "/vote 1 up")
    await ours.wait_for(lambda m: "You can't vote on your own story." in m.text)


async def test_answers_stay_in_their_topic(street: Street, house: House) -> None:
    fake = street.telegram
    ann, forum = fake.add_user("Ann"), fake.add_group("Forum", topics=["General", "Stories"])
    topic = max(forum.topics)
    await fake.say(ann, forum, "/story horror The door", thread_id=topic)
    story = await forum.wait_for(lambda m: m.has_button("👍"))
    await fake.say(ann, forum, "/top", thread_id=topic)
    await forum.wait_for(lambda m: "The best stories" in m.text)
    await fake.press(ann, story, "Another version")
    await forum.wait_for(lambda m: m.has_button("👍"), after=story)
    assert {m.thread_id for m in forum.bot_messages} == {topic}


async def test_edited_commands_pictures_and_chatter_are_left_alone(
    street: Street, house: House
) -> None:
    fake = street.telegram
    fake.knows_drafts = False
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    asked = await fake.say(ann, chat, "/story horror The door")
    story = await chat.wait_for(lambda m: m.has_button("👍"))
    await fake.edit(ann, asked, "/story horror The window")
    await fake.send_photo(ann, chat, "look")
    await fake.say(ann, chat, "nice")
    last = await fake.say(ann, chat, "/queue")
    await chat.wait_for(lambda m: "Nobody" in m.text, after=last)
    assert [m for m in chat.bot_messages if m.message_id < last.message_id] == [story]
