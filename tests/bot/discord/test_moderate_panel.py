"""Reporting a story, and /moderate: what moderators see and do, and what becomes of messages."""

from __future__ import annotations

import pytest
from fakes.discord import FakeDiscord, Interaction, Message, User
from fakes.discord_house import Stage, finished, is_finished, labels
from fakes.discord_state import MANAGE_MESSAGES, MEMBER_PERMISSIONS

from model.scripted_engine import ScriptedEngine

HIDDEN = "It is hidden until a moderator has looked at it."


@pytest.fixture
def mod(fake: FakeDiscord) -> User:
    return fake.add_user("Mod", permissions=MEMBER_PERMISSIONS | MANAGE_MESSAGES)


async def report(stage: Stage, user: User, message: Message, reason: str = "") -> Interaction:
    form = await (await stage.fake.press(user, message, "Report")).responded()
    return await stage.fake.modal_submit(form, reason=reason)


async def hide(stage: Stage, message: Message) -> None:
    """Report a story by as many as are needed."""
    for number in range(3):
        user = stage.fake.add_user(f"Reporter {number}")
        await (await report(stage, user, message, f"Reason {number}")).message("Thank you.")
    await stage.fake.until(lambda: HIDDEN in message.text, "the story hidden")


async def test_a_report_is_thanked_for_and_needs_no_reason(stage: Stage) -> None:
    message = await stage.write()
    said = await (await report(stage, stage.bob, message)).message("look at story \\#1.")
    assert said.ephemeral
    again = await (await report(stage, stage.bob, message)).message("You have reported story")
    assert again.ephemeral
    own = await (await report(stage, stage.ada, message)).message("That is your own story.")
    assert own.ephemeral
    assert is_finished(message)


async def test_it_is_offered_to_moderators_in_servers(stage: Stage) -> None:
    (command,) = [one for one in stage.fake.commands if one["name"] == "moderate"]
    needed = str(MANAGE_MESSAGES)
    assert (command["contexts"], command["default_member_permissions"]) == ([0], needed)
    answer = await stage.fake.slash_unasked(stage.ada, stage.channel, "moderate")
    assert (await answer.message("Only moderators can do that.")).ephemeral


async def test_hidden_everywhere_it_is_shown_and_kept(stage: Stage, mod: User) -> None:
    message = await stage.write(prompt="The lamp")
    copy = await finished(await stage.fake.slash(stage.bob, stage.channel, "read", id=1))
    await hide(stage, message)
    await stage.fake.until(lambda: HIDDEN in copy.text, "the copy hidden")
    for shown in (message, copy):
        assert "The lamp" not in shown.text
        assert shown.buttons == []
    refusal = await stage.fake.slash(stage.bob, stage.channel, "read", id=1)
    assert (await refusal.message("Story \\#1 is hidden")).ephemeral

    panel = await stage.do("moderate", mod)
    assert panel.ephemeral
    assert panel.embeds[0]["title"] == "Reported story 1 of 1"
    place = f"{stage.guild.id}/{stage.channel.id}/{message.id}"
    first, *reasons = panel.embeds[0]["description"].splitlines()[:4]
    jump = f"[to the message](https://discord.com/channels/{place})"
    assert first == f"**3 reports** · hidden · {jump}"
    assert reasons == ["> Reason 0", "> Reason 1", "> Reason 2"]
    assert "The lamp" in panel.text
    await stage.fake.press(mod, panel, "Keep")
    await stage.fake.until(lambda: "No story waits" in panel.text, "the decision")
    await stage.fake.until(lambda: is_finished(message) and is_finished(copy), "both shown again")
    assert "The lamp" in message.text


async def test_deleted_by_a_moderator(stage: Stage, mod: User) -> None:
    message = await stage.write(prompt="The lamp")
    other = await stage.write(prompt="The house")
    for reported in (message, other):
        await (await report(stage, stage.bob, reported)).message("Thank you.")
    panel = await stage.do("moderate", mod)
    assert "1 of 2" in panel.text
    assert "still shown" in panel.text
    await stage.fake.press(mod, panel, "▶️")
    await stage.fake.until(lambda: "The house" in panel.text, "the second")
    await stage.fake.press(mod, panel, "Delete")
    await stage.fake.until(lambda: "1 of 1" in panel.text, "the one that is left")
    await stage.fake.until(lambda: "This story was deleted." in other.text, "the message")
    assert "The house" not in other.text
    assert is_finished(message)


SENTENCE = "The lamp went out again, and nobody on the whole island said so. "


async def test_all_pages_are_hidden_shown_again_and_deleted(stage: Stage, mod: User) -> None:
    engine = ScriptedEngine(lambda request: f" {SENTENCE * 130}", context_length=8_000)
    await stage.start(engine=engine, length_long=4_000)
    await stage.ask(length="long", prompt="Once")

    def pages() -> list[Message]:
        return [one for one in stage.fake.messages(stage.channel) if not one.ephemeral]

    await stage.fake.until(lambda: any(map(is_finished, pages())), "the last page", 30)
    texts = [page.text for page in pages()]
    await hide(stage, pages()[-1])
    await stage.fake.until(lambda: all(HIDDEN in page.text for page in pages()), "no words")
    panel = await stage.do("moderate", mod)
    await stage.fake.press(mod, panel, "Keep")
    await stage.fake.until(lambda: [page.text for page in pages()] == texts, "every page")
    await (await report(stage, stage.bob, pages()[-1])).message("Thank you.")
    panel = await stage.do("moderate", mod)
    await stage.fake.press(mod, panel, "Delete")
    await stage.fake.until(lambda: len(pages()) == 1, "one page left")
    assert "This story was deleted." in pages()[0].text


async def test_block_and_let_in_again(stage: Stage, mod: User) -> None:
    message = await stage.write()
    await (await report(stage, stage.bob, message)).message("Thank you.")
    panel = await stage.do("moderate", mod)
    await stage.fake.press(mod, panel, "Block author")
    await stage.fake.until(lambda: f"<@{stage.ada.id}>" in panel.text, "the list")
    assert (await (await stage.ask()).message("The moderators here don't")).ephemeral
    await stage.fake.select(mod, panel, "block", str(stage.bob.id))
    await stage.fake.until(lambda: f"<@{stage.bob.id}>" in panel.text, "both")
    press = await stage.fake.press(stage.bob, message, "👍")
    assert (await press.message("The moderators here don't")).ephemeral
    assert labels(message)[0] == "👍 0"
    await stage.fake.select(mod, panel, "unblock", str(stage.ada.id))
    await stage.fake.until(lambda: f"<@{stage.ada.id}>" not in panel.text, "she is let in")
    await stage.write()
    await stage.fake.press(mod, panel, "Back")
    await stage.fake.until(lambda: "Reported story 1 of 1" in panel.text, "the case")


async def test_a_moderator_cancels(stage: Stage, mod: User) -> None:
    stage.house.gate.hold()
    message = await (await stage.ask()).message()
    await stage.fake.press(mod, message, "Cancel")
    await stage.fake.until(lambda: "Cancelled." in message.text, "the end")


async def test_where_there_are_no_moderators_nothing_is_reported(stage: Stage) -> None:
    group = stage.fake.add_group(stage.ada, stage.bob)
    message = await finished(await stage.fake.slash(stage.ada, group, "story", genre="drama"))
    press = await stage.fake.press(stage.bob, message, "Report")
    assert (await press.message("That works in a server only.")).ephemeral
