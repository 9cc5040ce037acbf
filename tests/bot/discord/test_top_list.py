"""/top by pages and menus, here and everywhere; /member."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes.discord import Message
from fakes.discord_house import Stage, labels
from fakes.discord_limits import message_problems

from bot.discord.top_list import View, top_card
from bot.domain import Caller, NewStory, Provenance, Story
from model.engine import SamplingParams
from model.genres import Genre, GenreTable

PROVENANCE = Provenance("scripted", "1", None, 1, 1.0, "stop")


async def stories(stage: Stage, n: int, genre: str = "horror", place: str = "") -> list[int]:
    """Finished stories of Ada's, written without an engine; each later one is the better."""
    store, place = stage.house.store, place or str(stage.guild.id)
    ada, here = await store.enter(Caller("discord", str(stage.ada.id), "Ada", place))
    made = []
    for number in range(n):
        new = NewStory(ada.id, here.id, genre, f"{genre} {number}", "", SamplingParams())
        story = await store.add_story(new)
        await store.finish_story(story.id, "Boo.", PROVENANCE)
        for voter in range(number):
            bob, _ = await store.enter(Caller("discord", f"{voter + 1}", "V", place))
            await store.cast_vote(bob.id, story.id, 1)
        made.append(story.id)
    return made


def places(message: Message) -> list[str]:
    return [line.split(" ")[0] for line in message.embeds[0]["description"].splitlines()]


async def test_pages_go_on_with_the_places(stage: Stage) -> None:
    await stories(stage, 12)
    message = await stage.do("top")
    assert places(message) == ["🥇", "🥈", "🥉", *(f"{n}\\." for n in range(4, 11))]
    assert labels(message) == ["▶️"]
    await stage.fake.press(stage.bob, message, "▶️")
    await stage.fake.until(lambda: places(message) == ["11\\.", "12\\."], "the second page")
    assert "**horror 0**" in message.text
    assert labels(message) == ["◀️"]
    await stage.fake.press(stage.bob, message, "◀️")
    await stage.fake.until(lambda: "**horror 11**" in message.text, "the first page")


async def test_menus_filter_and_an_empty_list_keeps_them(stage: Stage) -> None:
    await stories(stage, 2)
    await stories(stage, 1, "drama")
    message = await stage.do("top")
    state = View().state
    await stage.fake.select(stage.bob, message, f"top-genre:{state}", "drama")
    await stage.fake.until(lambda: "The best drama stories" in message.text, "the genre")
    assert places(message) == ["🥇"]
    state = View(genre="drama").state
    await stage.fake.select(stage.bob, message, f"top-period:{state}", "day")
    await stage.fake.until(lambda: "stories · day" in message.text, "the time")
    state = View(genre="drama", period="day").state
    await stage.fake.select(stage.bob, message, f"top-genre:{state}", "action")
    await stage.fake.until(lambda: "Nothing here." in message.text, "an empty list")
    state = View(genre="action", period="day").state
    await stage.fake.select(stage.bob, message, f"top-genre:{state}", "-")
    await stage.fake.until(lambda: len(places(message)) == 3, "all of them")


async def test_a_story_links_to_its_message(stage: Stage) -> None:
    story = await stage.write(title="The Lamp")
    url = f"https://discord.com/channels/{stage.guild.id}/{stage.channel.id}/{story.id}"
    assert f"[**The Lamp**]({url})" in (await stage.do("top")).text


async def test_everywhere_needs_consent(stage: Stage) -> None:
    (theirs, _) = await stories(stage, 2, place="77")
    nothing = await stage.fake.slash(stage.bob, stage.channel, "top", where="everywhere")
    assert (await nothing.message("No stories here yet")).ephemeral
    refused = await stage.fake.slash(stage.bob, stage.channel, "read", id=theirs)
    assert (await refused.message("There is no story")).ephemeral
    boss, there = await stage.house.store.enter(Caller("discord", "1", "Boss", "77"))
    await stage.house.store.change_setting(there.id, boss.id, "in_global_top", True)
    message = await stage.do("top", stage.bob, where="everywhere")
    assert "The best stories · everywhere" in message.text
    assert places(message) == ["🥇", "🥈"]
    read = await stage.fake.slash(stage.bob, stage.channel, "read", id=theirs)
    shown = await read.message("Boo.")
    press = await stage.fake.press(stage.bob, shown, "👍")
    assert (await press.message("There is no story")).ephemeral  # votes stay at home


async def test_an_unknown_genre(stage: Stage) -> None:
    answer = await stage.fake.slash(stage.ada, stage.channel, "top", genre="horor")
    assert (await answer.message("Did you mean horror?")).ephemeral
    await stories(stage, 1)
    assert "The best horror stories" in (await stage.do("top", genre="scary")).text


@pytest.mark.parametrize("page", [0, 9999])
def test_the_longest_list_is_within_discords_limits(page: int) -> None:
    rows = [Genre(f"genre_{n}", f"{n} {'g' * 150}", f"<g{n}>") for n in range(40)]
    story = Story(
        1, "finished", 1, 1, "*" * 80, "genre_1", "*" * 200, "", "", SamplingParams(), 0.0  # type: ignore[arg-type]
    )  # fmt: skip
    many = [replace(story, id=10**9 + n) for n in range(11)]
    urls = {one.id: f"https://discord.com/channels/{'9' * 60}" for one in many}
    view = View("everywhere", "month", page, "genre_1")
    card = top_card(view, many, urls, GenreTable(tuple(rows)), "en")
    buttons = card.view()
    assert buttons is not None
    payload = {"embeds": [card.embed().to_dict()], "components": buttons.to_components()}
    assert message_problems(payload, needs_text=True) == []


# -- members ---------------------------------------------------------------------------------------
async def test_a_members_profile(stage: Stage) -> None:
    await stories(stage, 3)
    await stories(stage, 1, "drama")
    mine = await stage.do("member")
    assert not mine.ephemeral
    assert mine.text.splitlines() == [
        "Ada",
        "4 stories",
        "Votes received: 👍 3 👎 0",
        "Best at: horror",
        "Best story: **horror 2** · #3",
    ]
    answer = await stage.fake.slash(stage.bob, stage.channel, "member", user=str(stage.ada.id))
    assert (await answer.message()).text == mine.text
    nobody = await stage.fake.slash(stage.bob, stage.channel, "member", user=str(stage.bob.id))
    assert (await nobody.message("No stories here yet")).ephemeral


async def test_the_figures_as_a_picture(stage: Stage) -> None:
    nothing = await stage.fake.slash(stage.ada, stage.channel, "stats")
    assert (await nothing.message("No stories here yet")).ephemeral
    await stories(stage, 3)
    message = await stage.do("stats")
    assert message.text.splitlines() == ["Votes and stories", "3 stories, 3 votes."]
    ((name, data),) = message.files.items()
    assert name == "stats.png"
    assert data.startswith(b"\x89PNG")
