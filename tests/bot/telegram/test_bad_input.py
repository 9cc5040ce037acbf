"""What members and changed clients can send, and that it does no harm."""

from __future__ import annotations

import pytest

from model.engine import GenerationRequest
from model.scripted_engine import ScriptedEngine

from .conftest import House, Street

HOSTILE = (
    "<b>bold</b> <script>alert(1)</script> &lt; &amp; <horror> <EOS> "
    "@everyone @alice_tg https://evil.example/x tg://user?id=1 "
    "*a* _b_ `c` [d](https://evil.example) \u202eesrever\u202c z" + "\u0321" * 20 + "algo"
)


async def test_hostile_openings_are_shown_as_they_are_typed_and_call_nobody(
    street: Street,
) -> None:
    fake = street.telegram
    ann = fake.add_user("<i>Ann</i> @bob_tg")
    chat = fake.private_chat(ann)

    def echo(request: GenerationRequest) -> str:
        return f" went on: {HOSTILE} and ended."

    async with street.house(ScriptedEngine(echo)):
        await fake.say(ann, chat, f'/story horror "<u>{HOSTILE[:40]}" {HOSTILE}')
        story = await chat.wait_for(lambda m: m.has_button("👍"))
    assert "<script>alert(1)</script>" in story.text
    assert "<i>Ann</i> @\u2060bob_tg" in story.text
    assert story.entity_texts("mention") == []
    assert {e["type"] for e in story.entities} <= {"bold", "italic", "url", "bot_command"}
    assert "\u202e" not in story.text
    opening, _, _ = story.text.partition("went on")
    assert opening.count("z" + "\u0321" * 4 + "algo") == 1, "four marks on a letter, and no more"
    assert story.link_preview_disabled
    title, *_ = story.entity_texts("bold")
    assert title.startswith("<u>")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("/story horor A door", "I don't know the genre “horor”. Did you mean horror?"),
        ("/story <b>x</b> A door", "I don't know the genre “<b>x</b>”. Choose one of:"),
        ("/story horror " + "x" * 700, "That opening has 700 characters; I can take 600."),
        ("/story horror \u200b\u202e\u2066", "There is nothing to read in that."),
        ("/story horror A door length:huge", "I don't know the length “huge”."),
        ("/vote 1 sideways", "I don't know the vote “sideways”."),
        ("/vote 99 up", "There is no story #99 here."),
        ("/read twelve", "“twelve” is not a story's number."),
        ("/read 99999999999999999999", "is not a story's number."),
        ("/read -1", "“-1” is not a story's number."),
        ("/top romance", "I don't know the genre “romance”."),
        ("/mine", "No stories here yet."),
        ("/random", "No stories here yet."),
        ("/cancel 7", "There is no story #7 here."),
        ("/continue 7", "There is no story #7 here."),
    ],
)
async def test_bad_words_are_answered_with_what_is_wrong(
    street: Street, house: House, command: str, answer: str
) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    await fake.say(ann, chat, command)
    await chat.wait_for(lambda m: answer in m.text)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        ("", "That button is from another time."),
        ("v:1:2", "That button is from another time."),
        ("v:1:1; DROP TABLE stories", "That button is from another time."),
        ("v:99:1", "There is no story #99 here."),
        ("x:99", "There is no story #99 here."),
        ("c:99", "There is no story #99 here."),
        ("f:1", "Only the one who asked can press that."),
    ],
)
async def test_forged_buttons_are_answered(
    street: Street, house: House, data: str, answer: str
) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    asked = await fake.say(ann, chat, "/help")
    message = await chat.wait_for(lambda m: "What I can do" in m.text, after=asked)
    query = await fake.press_data(ann, message, data)
    assert query.text.startswith(answer) and query.alert


async def test_busy_limits_are_said(street: Street) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    street.pen.hold()
    async with street.house(max_pending=1):
        await fake.say(ann, chat, "/story horror One")
        await chat.wait_for(lambda m: m.has_button("Cancel"))
        await fake.say(ann, chat, "/story horror Two")
        await chat.wait_for(lambda m: "You have a story waiting" in m.text)
        street.pen.let_go()
        await chat.wait_for(lambda m: m.has_button("👍"))
