"""Stories grow in drafts in private chats, where Telegram takes them, and by edits elsewhere."""

from __future__ import annotations

from fakes.telegram import FakeChat, FakeMessage

from model.engine import GenerationRequest
from model.scripted_engine import ScriptedEngine

from .conftest import House, Street


def finished(message: FakeMessage) -> bool:
    return message.has_button("👍")


async def begun(street: Street, opening: str = "The door") -> tuple[FakeChat, FakeMessage]:
    """A private chat with a story of which nothing is written yet, and its message."""
    street.pen.hold()
    ann = street.telegram.add_user("Ann")
    chat = street.telegram.private_chat(ann)
    await street.telegram.say(ann, chat, f"/story horror {opening}")
    return chat, await chat.wait_for(lambda m: m.has_button("Cancel"))


async def drafted(street: Street, chat: FakeChat, tokens: int = 8) -> list[str]:
    """What the draft has said, once it has said something new."""
    (n_before,) = {len(texts) for texts in chat.drafts.values()} or {0}
    street.pen.write(tokens)
    await street.telegram.wait_until(
        lambda: any(len(texts) > n_before for texts in chat.drafts.values())
    )
    (texts,) = chat.drafts.values()
    return texts


async def test_a_story_grows_in_a_draft_and_ends_as_one_message(
    street: Street, house: House
) -> None:
    chat, placeholder = await begun(street)
    for _ in range(3):
        texts = await drafted(street, chat)
    assert all("#1 · horror by Ann\n\nThe door" in text for text in texts)
    assert all(text.endswith("▍") for text in texts)
    assert [len(text) for text in texts] == sorted({len(text) for text in texts})
    await chat.wait_for(lambda m: m is placeholder and m.text == "Thinking …")
    assert placeholder.has_button("Cancel")
    street.pen.let_go()
    end = await chat.wait_for(finished)
    assert end is not placeholder and end.text.startswith(texts[-1].removesuffix(" ▍"))
    await street.telegram.wait_until(lambda: chat.bot_messages == [end])


async def test_groups_have_edits(street: Street, house: House) -> None:
    fake = street.telegram
    ann, group = fake.add_user("Ann"), fake.add_group("Readers")
    await fake.say(ann, group, "/story horror The door")
    await group.wait_for(finished)
    assert fake.calls("sendMessageDraft") == [] and len(group.bot_messages) == 1


async def test_where_drafts_are_unknown_stories_grow_by_edits(street: Street, house: House) -> None:
    fake = street.telegram
    fake.knows_drafts = False
    chat, message = await begun(street)
    street.pen.write(8)
    await chat.wait_for(lambda m: m is message and m.text.endswith("▍") and m.has_button("Cancel"))
    street.pen.let_go()
    assert await chat.wait_for(finished) is message
    await fake.say(fake.add_user("Ann"), chat, "/story drama The bakery")
    await chat.wait_for(finished, after=message)
    assert len(fake.calls("sendMessageDraft")) == 1, "asked once, and never again"


async def test_a_draft_refused_half_way_goes_on_in_the_message_that_is_there(
    street: Street, house: House
) -> None:
    fake = street.telegram
    chat, message = await begun(street)
    await drafted(street, chat)
    fake.fail_next("sendMessageDraft", 400, "Bad Request: TEXTDRAFT_PEER_INVALID")
    street.pen.write(8)
    await chat.wait_for(lambda m: m is message and m.text.endswith("▍"))
    street.pen.let_go()
    assert await chat.wait_for(finished) is message
    assert chat.bot_messages == [message]


async def test_a_pause_asked_of_drafts_brings_no_edits_instead(
    street: Street, house: House
) -> None:
    fake = street.telegram
    chat, message = await begun(street)
    await drafted(street, chat)
    await chat.wait_for(lambda m: m is message and m.text == "Thinking …")
    edits = len(fake.calls("editMessageText"))
    refusal = ("sendMessageDraft", 429, "Too Many Requests: retry after 20", {"retry_after": 20})
    fake.fail_next(*refusal, times=2)
    texts = await drafted(street, chat)
    assert not fake.faults_left and len(texts) > 1
    assert len(fake.calls("editMessageText")) == edits
    street.pen.let_go()
    await chat.wait_for(finished)


async def test_a_story_in_a_draft_can_be_cancelled(street: Street, house: House) -> None:
    fake = street.telegram
    chat, message = await begun(street)
    await drafted(street, chat)
    assert chat.member is not None
    assert (await fake.press(chat.member, message, "Cancel")).text == "Cancelled."
    end = await chat.wait_for(lambda m: m.text.endswith("Cancelled."))
    assert "The door" in end.text and end.has_button("Another version")
    await fake.wait_until(lambda: chat.bot_messages == [end])
    street.pen.let_go()


async def test_the_end_of_a_drafted_story_survives_an_outage(street: Street, house: House) -> None:
    fake = street.telegram
    chat, _ = await begun(street)
    await drafted(street, chat)
    fake.fail_next("sendMessage", 502, "Bad Gateway", times=3)
    fake.fail_next("deleteMessage", 502, "Bad Gateway")
    street.pen.let_go()
    end = await chat.wait_for(finished)
    await fake.wait_until(lambda: [m for m in chat.bot_messages if m.has_button("Cancel")] == [])
    assert chat.bot_messages[-1] is end


async def test_a_restart_in_the_middle_leaves_one_message(street: Street) -> None:
    async with street.house():
        chat, _ = await begun(street)
        await drafted(street, chat)
    street.pen.let_go()
    async with street.house() as house:
        end = await chat.wait_for(finished)
        await street.telegram.wait_until(lambda: chat.bot_messages == [end])
        fake, ann = street.telegram, chat.member
        assert ann is not None
        await fake.press(ann, end, "Delete")
        await chat.wait_for(lambda m: m is end and m.has_button("Yes"))
        await fake.press(ann, end, "Yes")
        await chat.wait_for(lambda m: m is end and m.text.endswith("This story was deleted."))
        assert chat.bot_messages == [end]
        assert not await house.store.open_posts("telegram")


async def test_of_a_long_story_the_draft_shows_the_last_page(street: Street) -> None:
    sentence = " The sea spoke in turns, until it was dawn."

    def long(request: GenerationRequest) -> str:
        return sentence * 150

    engine = ScriptedEngine(long, step=street.pen.step, context_length=10_000)
    async with street.house(engine, length_long=9_000):
        chat, placeholder = await begun(street, "Once length:long")
        street.pen.write(1_200)
        await street.telegram.wait_until(
            lambda: any(t[-1].startswith("The sea spoke") for t in chat.drafts.values())
        )
        assert chat.bot_messages == [placeholder]
        street.pen.let_go()
        last = await chat.wait_for(finished)
        await street.telegram.wait_until(lambda: placeholder.deleted)
        assert len(chat.bot_messages) == 2 and chat.bot_messages[-1] is last
        text = " ".join(m.text for m in chat.bot_messages)
        assert text.count(sentence.strip()) == 150
