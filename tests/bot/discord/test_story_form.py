"""Beginning a story by menus, by a form, and from any message; versions that know each other."""

from __future__ import annotations

from typing import Any

from fakes.discord import Interaction, Message
from fakes.discord_house import Stage, finished, is_finished
from fakes.discord_limits import message_problems, walk

from bot.discord.story_form import picker_card
from bot.domain import Caller
from model.genres import DEFAULT_GENRES, Genre

MENU = "Continue this as a story"


def fields(shown: Interaction) -> dict[str, Any]:
    assert shown.modal is not None
    return {c["custom_id"]: c for c in walk(shown.modal["components"]) if "custom_id" in c}


async def picker(stage: Stage, genre: str) -> Message:
    """A bare /story, and a genre chosen."""
    message = await stage.do("story")
    await stage.fake.select(stage.ada, message, "begin:genre", genre)
    await stage.fake.until(lambda: "Surprise me" in str(message.components), "its openings")
    return message


async def test_a_bare_story_offers_genres_and_their_openings(stage: Stage) -> None:
    message = await picker(stage, "horror")
    assert message.ephemeral
    opening = DEFAULT_GENRES.get("horror").openings[1]
    assert f"> {opening} …" in message.text
    story = await finished(await stage.fake.select(stage.ada, message, "begin:opening:horror", "1"))
    assert not story.ephemeral
    assert opening in story.text
    press = await stage.fake.press(stage.ada, message, "Surprise me")
    assert "horror by Ada" in (await finished(press)).text


async def test_only_genres_that_are_wanted_here_are_offered(stage: Stage) -> None:
    boss, here = await stage.house.store.enter(Caller("discord", "1", "B", str(stage.guild.id)))
    await stage.house.store.change_setting(here.id, boss.id, "genres", ["drama", "horror"])
    message = await stage.do("story")
    (menu,) = [one for one in walk(message.components) if one.get("custom_id") == "begin:genre"]
    assert [option["value"] for option in menu["options"]] == ["drama", "horror"]


async def test_an_opening_of_many_lines_in_a_form(stage: Stage) -> None:
    message = await picker(stage, "drama")
    form = await (await stage.fake.press(stage.ada, message, "My own opening")).responded()
    assert set(fields(form)) == {"prompt", "title"}
    assert fields(form)["prompt"]["max_length"] == 600
    sent = await stage.fake.modal_submit(form, prompt="The lamp.\n\nThe sea.", title="The Lamp")
    story = await finished(sent)
    assert "The lamp. The sea." in story.text
    assert story.embeds[0]["title"] == "The Lamp"


async def test_an_opening_without_a_genre_is_kept_in_the_form(stage: Stage) -> None:
    answer = await stage.fake.slash(stage.ada, stage.channel, "story", prompt="A house")
    await answer.responded()
    assert fields(answer)["prompt"]["value"] == "A house"
    sent = await stage.fake.modal_submit(answer, genre="thriller")
    assert "A house" in (await finished(sent)).text


async def test_what_was_typed_into_a_refused_form_is_given_back(stage: Stage) -> None:
    await stage.start(blocked_words="gadzooks")
    message = await picker(stage, "drama")
    form = await (await stage.fake.press(stage.ada, message, "My own opening")).responded()
    sent = await stage.fake.modal_submit(form, prompt="Gadzooks, a *long* story")
    assert (await sent.message("not welcome here")).ephemeral
    back = await sent.message("Your words, so that they are not lost:")
    assert back.ephemeral
    assert r">>> Gadzooks, a \*long\* story" in back.text


async def test_any_message_becomes_an_opening(stage: Stage) -> None:
    said = stage.fake.post(stage.bob, stage.channel, "The lights   went out\nat noon")
    shown = await (await stage.fake.message_menu(stage.ada, said, MENU)).responded()
    assert fields(shown)["prompt"]["value"] == "The lights went out at noon"
    sent = await stage.fake.modal_submit(shown, genre="horror")
    assert "The lights went out at noon" in (await finished(sent)).text
    empty = stage.fake.post(stage.bob, stage.channel, "")
    answer = await stage.fake.message_menu(stage.ada, empty, MENU)
    assert (await answer.message("There is nothing to read in that.")).ephemeral


async def test_a_story_of_ours_is_continued_from_its_menu(stage: Stage) -> None:
    story = await stage.write()
    answer = await stage.fake.message_menu(stage.bob, story, MENU)
    assert "continues #1" in (await finished(answer)).text


def test_every_picker_is_within_discords_limits() -> None:
    genres = [
        Genre(f"genre_{n}", "g" * 150, f"<g{n}>", (), tuple(f"{m} {'x' * 300}" for m in range(30)))
        for n in range(40)
    ]
    for chosen in (None, genres[0]):
        card = picker_card(genres, "en", chosen)
        view = card.view()
        assert view is not None
        payload = {"embeds": [card.embed().to_dict()], "components": view.to_components()}
        assert message_problems(payload, needs_text=True) == []


# -- versions --------------------------------------------------------------------------------------
async def test_versions_of_a_story_are_linked_to_each_other(stage: Stage) -> None:
    first = await stage.write()
    second = await finished(await stage.fake.press(stage.bob, first, "Another version"))
    third = await finished(await stage.fake.press(stage.bob, second, "Another version"))
    assert "another version of #1" in third.text

    def link(message: Message, number: int) -> str:
        place = f"{stage.guild.id}/{stage.channel.id}/{message.id}"
        return f"[#{number}](https://discord.com/channels/{place})"

    expected = {
        first.id: f"🎲 Versions: **#1** · {link(second, 2)} · {link(third, 3)}",
        second.id: f"🎲 Versions: {link(first, 1)} · **#2** · {link(third, 3)}",
        third.id: f"🎲 Versions: {link(first, 1)} · {link(second, 2)} · **#3**",
    }
    for message in (first, second, third):
        line = expected[message.id]
        await stage.fake.until(lambda m=message, e=line: e in m.text, f"{line} in its message")
        assert is_finished(message)
