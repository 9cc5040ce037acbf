"""Stories in turns: /together, its buttons and forms, and its message through a restart."""

from __future__ import annotations

import pytest
from fakes.discord import FakeDiscord, Interaction, Message, User
from fakes.discord_house import Stage, is_finished, labels
from fakes.discord_state import MANAGE_MESSAGES, MEMBER_PERMISSIONS

from bot.discord.cards import PAGE
from bot.round_robin import MAX_LINE_CHARS


async def begin(stage: Stage, line: str = "It was dark.", **options: str) -> Message:
    """A round of Ada's whose first line the model has answered."""
    return await members_turn(stage, await ask(stage, line, **options))


async def ask(stage: Stage, line: str = "It was dark.", **options: str) -> Interaction:
    options.setdefault("genre", "horror")
    return await stage.fake.slash(stage.ada, stage.channel, "together", line=line, **options)


async def members_turn(stage: Stage, asked: Interaction) -> Message:
    return await asked.message("may go on.")


async def add(stage: Stage, user: User, message: Message, line: str) -> Interaction:
    form = await (await stage.fake.press(user, message, "Add a line")).responded()
    return await stage.fake.modal_submit(form, line=line)


async def line_added(stage: Stage, user: User, message: Message, line: str, n: int) -> None:
    await add(stage, user, message, line)
    await stage.fake.until(
        lambda: line in message.text and f"Line {n} of 30" in message.text, f"line {n}"
    )


async def test_a_story_in_turns_from_its_first_line_to_the_list_of_the_best(stage: Stage) -> None:
    message = await begin(stage, title="The Bell")
    assert message.embeds[0]["title"] == "The Bell"
    assert "It was dark." in message.text
    assert "Line 2 of 30 at most. Anybody may go on." in message.text
    assert "#1 · horror by Ada" in message.text
    assert labels(message) == ["✍️ Add a line", "🏁 The end", "🗑️ Delete"]
    await line_added(stage, stage.bob, message, "A bell rang.", 4)
    assert "Bob wrote last; now others may go on." in message.text
    assert "#1 · horror by Ada, Bob" in message.text
    await stage.fake.press(stage.ada, message, "The end")
    await stage.fake.until(lambda: is_finished(message), "the end")
    assert "may go on" not in message.text
    assert stage.fake.messages(stage.channel) == [message]
    cem = stage.fake.add_user("Cem")
    await stage.fake.press(cem, message, "👍")
    await stage.fake.until(lambda: labels(message)[0] == "👍 1", "the vote")
    own = await stage.fake.press(stage.bob, message, "👍")
    assert (await own.message("You can't vote on your own story.")).ephemeral
    best = await stage.do("top", cem)
    assert "The Bell" in best.text
    assert "Ada, Bob" in best.text


async def test_the_models_line_grows_before_everyones_eyes(stage: Stage) -> None:
    stage.house.gate.hold(after_tokens=5)
    message = await (await ask(stage)).message("▌")
    assert message.text.startswith("Horror\nIt was dark.\n\n")
    assert "I am writing the next line …" in message.text
    early = await add(stage, stage.bob, message, "A bell rang.")
    said = [await early.message("I am just writing the next line."),
            await early.message("A bell rang.")]  # fmt: skip
    assert all(one.ephemeral for one in said)
    assert said[1].text.startswith("Your words")
    stage.house.gate.open()
    await stage.fake.until(lambda: "may go on." in message.text, "members' turn")


async def test_without_options_the_open_one_is_shown_or_a_form(stage: Stage) -> None:
    shown = await (await stage.fake.slash(stage.ada, stage.channel, "together")).responded()
    answer = await stage.fake.modal_submit(shown, genre="drama", line="He left.", title="Gone")
    first = await answer.message("may go on.")
    again = await stage.fake.slash(stage.bob, stage.channel, "together")
    second = await again.message("may go on.")
    assert "He left." in second.text
    await add(stage, stage.bob, second, "She stayed.")
    for message in (first, second):
        await stage.fake.until(lambda m=message: "Line 4" in m.text, "both follow")
    await stage.fake.press(stage.ada, second, "The end")
    for message in (first, second):
        await stage.fake.until(lambda m=message: is_finished(m), "both end")


async def test_a_form_that_is_refused_gives_the_words_back(stage: Stage) -> None:
    await stage.start(blocked_words="grue")
    shown = await (
        await stage.fake.slash(stage.ada, stage.channel, "together", line="A grue came.")
    ).responded()
    answer = await stage.fake.modal_submit(shown, genre="drama")
    assert (await answer.message("not welcome here")).ephemeral
    assert (await answer.message("A grue came.")).ephemeral
    message = await begin(stage)
    refused = await add(stage, stage.bob, message, "The grue again.")
    assert (await refused.message("not welcome here")).ephemeral
    assert (await refused.message("The grue again.")).ephemeral
    assert "grue" not in message.text


async def test_a_long_one_shows_its_end_and_all_of_it_on_request(stage: Stage) -> None:
    message = await begin(stage, line="In the beginning.")
    n = 2
    while "From the beginning" not in str(labels(message)):
        n += 2
        user = stage.bob if n % 4 else stage.ada
        await line_added(stage, user, message, f"Line {n}: {'word ' * 50}.", n)
        assert n * MAX_LINE_CHARS < 10 * PAGE
    assert message.embeds[0]["description"].startswith("… ")
    assert f"Line {n - 4}:" in message.text  # many lines, not the last page's few
    whole = await (await stage.fake.press(stage.bob, message, "From the beginning")).message()
    assert whole.ephemeral
    assert "In the beginning." in whole.text
    assert "In the beginning." not in message.text


@pytest.mark.parametrize("in_the_models_turn", [True, False])
async def test_it_goes_on_in_its_message_after_a_restart(
    stage: Stage, in_the_models_turn: bool
) -> None:
    if in_the_models_turn:
        stage.house.gate.hold(after_tokens=5)
        message = await (await ask(stage)).message("▌")
    else:
        message = await begin(stage)
    await stage.start()
    await stage.fake.until(lambda: "may go on." in message.text, "members' turn")
    await line_added(stage, stage.bob, message, "A bell rang.", 4)
    await stage.fake.press(stage.ada, message, "The end")
    await stage.fake.until(lambda: is_finished(message), "the end")
    assert message.text.count("A bell rang.") == 1
    assert message.versions[-1].via == "channel"


async def test_the_starter_and_moderators_end_it_and_nobody_else(
    stage: Stage, fake: FakeDiscord
) -> None:
    message = await begin(stage)
    press = await fake.press(stage.bob, message, "The end")
    assert (await press.message("Only the author of story \\#1")).ephemeral
    mod = fake.add_user("Mod", permissions=MEMBER_PERMISSIONS | MANAGE_MESSAGES)
    await fake.press(mod, message, "The end")
    await fake.until(lambda: is_finished(message), "the end")


async def test_a_deleted_one_is_gone_from_its_message(stage: Stage) -> None:
    message = await begin(stage)
    question = await (await stage.fake.press(stage.ada, message, "Delete")).message()
    await stage.fake.press(stage.ada, question, "Yes, delete it")
    await stage.fake.until(lambda: "This story was deleted." in message.text, "it is gone")
    assert "dark" not in message.text


async def test_where_the_bot_is_only_somebodys_app_there_is_none(stage: Stage) -> None:
    group = stage.fake.add_group(stage.ada, stage.bob)
    answer = await stage.fake.slash(stage.ada, group, "together", genre="horror")
    assert (await answer.message("That works in a server only.")).ephemeral


async def test_members_read_it_in_their_languages(stage: Stage) -> None:
    stage.guild.locale = "es-ES"
    shown = await (
        await stage.fake.slash(stage.ada, stage.channel, "together", locale="zh-CN")
    ).responded()
    assert shown.modal is not None
    assert shown.modal["title"] == "接龙故事"
    answer = await stage.fake.modal_submit(shown, genre="horror", line="It was dark.")
    message = await answer.message("Cualquiera puede seguir.")
    assert "✍️ Añadir una línea" in labels(message)
