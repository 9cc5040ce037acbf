"""A story's way on Discord, from the command to the vote, through everything that is real."""

from __future__ import annotations

import pytest
from fakes.discord import Interaction, Message
from fakes.discord_house import Stage, finished, is_finished, labels, story_id

from model.scripted_engine import ScriptedEngine


async def test_from_the_command_to_the_top(stage: Stage) -> None:
    stage.house.gate.hold()
    answer = await stage.ask(prompt="A lonely lighthouse keeper", title="The Lamp")
    waiting = await answer.message()
    assert labels(waiting) == ["Cancel"]
    assert waiting.embeds[0]["title"] == "The Lamp"
    stage.house.gate.open()
    message = await finished(answer)
    assert labels(message) == [
        "👍 0", "👎 0", "📖 Continue", "🎲 Another version", "🔗 Share", "🚩 Report", "🗑️ Delete",
    ]  # fmt: skip
    assert '"The Lamp" is a horror film. A lonely lighthouse keeper' in message.text
    assert "#1 · horror by Ada · written by scripted, seed" in message.text
    assert message.text.count("▌") == 0

    press = await stage.fake.press(stage.bob, message, "👍")
    await stage.fake.until(lambda: labels(message)[0] == "👍 1", "the new count")
    assert press.messages == []
    top = await stage.do("top", stage.bob)
    url = f"https://discord.com/channels/{stage.guild.id}/{stage.channel.id}/{message.id}"
    assert f"🥇 [**The Lamp**]({url}) · #1 · 👍 1 👎 0 · Ada" in top.text


async def test_a_name_that_turns_the_line_around(stage: Stage) -> None:
    message = await stage.write(stage.fake.add_user("Eve\u202e\u200b"))
    assert message.embeds[0]["footer"]["text"].startswith("#1 · horror by Eve · written by")


async def test_the_text_grows_while_it_is_written(stage: Stage) -> None:
    stage.house.gate.hold(after_tokens=5)
    answer = await stage.ask(prompt="At noon")
    growing = await answer.message("▌")
    first = growing.embeds[0]["description"]
    assert labels(growing) == ["Cancel"]
    stage.house.gate.open()
    message = await finished(answer)
    assert message is growing
    assert message.embeds[0]["description"].startswith(first.removesuffix(" ▌"))
    assert len(message.embeds[0]["description"]) > len(first)
    assert len(message.versions) >= 2  # a machine with much to do shows the first words at once


async def _fill_the_slots(stage: Stage) -> list[Interaction]:
    answers = [await stage.ask() for _ in range(stage.house.engine.slots)]
    for answer in answers:
        await answer.message("Thinking")
    return answers


async def test_the_queue_position_is_shown(stage: Stage) -> None:
    stage.house.gate.hold()
    slots = await _fill_the_slots(stage)
    waiting = await (await stage.ask(prompt="Fifth")).message("You are next")
    assert "Fifth" in waiting.text
    line = await stage.do("queue")
    assert "One story is waiting, 4 are being written." in line.text
    assert "Your story \\#5 is number 1 in line." in line.text
    stage.house.gate.open()
    for answer in slots:
        await finished(answer)
    await stage.fake.until(lambda: is_finished(waiting), "the fifth story")


async def test_own_story_is_refused_kindly(stage: Stage) -> None:
    message = await stage.write()
    press = await stage.fake.press(stage.ada, message, "👍")
    said = await press.message("You can't vote on your own story")
    assert said.ephemeral
    assert labels(message)[0] == "👍 0"


async def test_a_vote_is_changed_and_taken_back(stage: Stage) -> None:
    message = await stage.write()
    await stage.fake.press(stage.bob, message, "👎")
    await stage.fake.until(lambda: labels(message)[:2] == ["👍 0", "👎 1"], "a down vote")
    await stage.fake.press(stage.bob, message, "👍")
    await stage.fake.until(lambda: labels(message)[:2] == ["👍 1", "👎 0"], "an up vote instead")
    said = await stage.do("vote", stage.bob, id=1, vote="clear")
    assert said.ephemeral
    assert "is taken back. It has 0 up, 0 down." in said.text


async def test_many_press_at_once_and_the_last_count_is_right(stage: Stage) -> None:
    message = await stage.write()
    voters = [stage.fake.add_user(f"Voter {n}") for n in range(12)]
    for voter in voters:
        await stage.fake.press(voter, message, "👍")
    await stage.fake.until(lambda: labels(message)[0] == "👍 12", "all twelve votes")


async def test_continue_and_another_version(stage: Stage) -> None:
    first = await stage.write(prompt="The door")
    second = await finished(await stage.fake.press(stage.bob, first, "Continue"))
    assert "#2 · horror by Bob · continues #1" in second.text
    third = await finished(await stage.fake.press(stage.bob, first, "Another version"))
    assert "#3 · horror by Bob · another version of #1" in third.text
    assert not first.deleted
    fourth = await stage.fake.slash(stage.ada, stage.channel, "continue", id=1, prompt="Then")
    assert "Then" in (await finished(fourth)).text
    fifth = await stage.fake.slash(stage.ada, stage.channel, "retry", id=1)
    assert "another version of #1" in (await finished(fifth)).text


async def test_cancel_while_queued(stage: Stage) -> None:
    stage.house.gate.hold()
    writing = await _fill_the_slots(stage)
    waiting = await (await stage.ask()).message("You are next")
    await stage.fake.press(stage.ada, waiting, "Cancel")
    await stage.fake.until(lambda: "Cancelled." in waiting.text, "the cancellation")
    assert labels(waiting) == ["🎲 Another version", "🗑️ Delete"]
    stage.house.gate.open()
    for answer in writing:
        await finished(answer)


async def test_cancel_while_writing_keeps_the_text(stage: Stage) -> None:
    stage.house.gate.hold(after_tokens=8)
    answer = await stage.ask(prompt="It began")
    message = await answer.message("▌")
    said = await stage.do("cancel")
    assert said.ephemeral
    assert "Story \\#1 is cancelled." in said.text
    await stage.fake.until(lambda: "Cancelled." in message.text, "the cancellation")
    assert "It began" in message.text


async def test_only_the_author_cancels(stage: Stage) -> None:
    stage.house.gate.hold()
    answer = await stage.ask()
    message = await answer.message()
    press = await stage.fake.press(stage.bob, message, "Cancel")
    assert (await press.message("Only the author")).ephemeral
    stage.house.gate.open()
    await finished(answer)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"genre": "horor"}, "Did you mean horror?"),
        ({"genre": "*cookery*"}, "I don't know the genre “\\*cookery\\*”. Choose one of:"),
        ({"prompt": "x" * 700}, "That opening has 700 characters; I can take 600."),
        ({"prompt": "\u202e\u200b"}, "There is nothing to read"),
        ({"title": "t" * 101}, "That title has 101 characters"),
    ],
)
async def test_bad_input_is_explained_to_the_member_alone(
    stage: Stage, options: dict[str, str], said: str
) -> None:
    answer = await stage.ask(**options)
    message = await answer.message(said)
    assert message.ephemeral
    assert answer.original is not None
    assert answer.original.deleted
    assert stage.fake.messages(stage.channel) == [message]


async def test_everyone_and_markup_are_harmless(stage: Stage) -> None:
    prompt = "@everyone **run** https://evil.example <@1> # up"
    message = await stage.write(prompt=prompt)
    shown = message.embeds[0]["description"]
    assert r"\@everyone \*\*run\*\* https\://evil.example \<\@1\> \# up" in shown
    for version in message.versions:
        assert version.content == ""
    # That no request lets anyone be mentioned is checked by the fake on every one of them.


SENTENCE = "The lamp went out again, and nobody on the whole island said so. "


@pytest.mark.parametrize(("token_life_s", "via"), [(600.0, "token"), (0.0, "channel")])
async def test_a_long_story_is_split_at_sentences(
    stage: Stage, token_life_s: float, via: str
) -> None:
    engine = ScriptedEngine(lambda request: f" {SENTENCE * 130}", context_length=8_000)
    await stage.start(engine=engine, desk={"token_life_s": token_life_s}, length_long=4_000)
    await stage.ask(length="long", prompt="Once")

    def pages() -> list[Message]:
        return stage.fake.messages(stage.channel)

    await stage.fake.until(lambda: any(map(is_finished, pages())), "the last page", 30)
    texts = [page.embeds[0]["description"] for page in pages()]
    assert len(texts) == 3
    assert all(text.endswith("said so.") for text in texts)
    assert " ".join(texts) == "Once " + (SENTENCE * 130).strip()
    assert [bool(page.buttons) for page in pages()] == [False, False, True]
    assert [page.embeds[0]["footer"]["text"] for page in pages()[:2]] == ["1/3", "2/3"]
    assert {page.versions[-1].via for page in pages()} == {via}


async def test_pages_shown_before_a_restart_are_not_shown_twice(stage: Stage) -> None:
    engine = ScriptedEngine(lambda request: f" {SENTENCE * 130}", context_length=8_000)
    await stage.start(engine=engine, length_long=4_000, desk={"grace_s": 0.1})
    follow_up = r"^/webhooks/\d+/[^/]+$"
    stage.fake.delay("POST", follow_up, 0.0)
    stage.fake.delay("POST", follow_up, 30.0)
    await stage.ask(length="long", prompt="Once")
    await stage.fake.until(lambda: len(stage.fake.calls_to("POST", follow_up)) == 2, "page three")
    assert len(await stage.house.store.posts(1)) == 2
    await stage.start()

    def pages() -> list[Message]:
        return stage.fake.messages(stage.channel)

    await stage.fake.until(lambda: any(map(is_finished, pages())), "the last page", 30)
    assert [page.embeds[0]["footer"]["text"][:3] for page in pages()] == ["1/3", "2/3", "#1 "]


async def test_a_failed_story_says_so_and_offers_another(stage: Stage) -> None:
    await stage.start(engine=ScriptedEngine(fail_on=lambda request: True))
    answer = await stage.ask()
    message = await answer.message("could not be written")
    assert labels(message) == ["🎲 Another version", "🗑️ Delete"]
    assert story_id(message) == 1


async def test_reading_an_open_story_shows_it_growing(stage: Stage) -> None:
    stage.house.gate.hold(after_tokens=5)
    first = await stage.ask(prompt="At noon")
    await first.message("▌")
    second = await stage.fake.slash(stage.bob, stage.channel, "read", id=1)
    await second.message("▌")
    stage.house.gate.open()
    texts = {_description(await finished(one)) for one in (first, second)}
    assert len(texts) == 1


def _description(message: Message) -> str:
    return str(message.embeds[0]["description"])
