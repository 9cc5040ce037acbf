"""/settings: offered and open to managers alone; every change saved at once, and shown."""

from __future__ import annotations

import itertools

import pytest
from fakes.discord import FakeDiscord, Interaction, Message, User
from fakes.discord_house import Stage, finished
from fakes.discord_limits import TEXT_INPUT, message_problems, walk
from fakes.discord_state import CATEGORY, MANAGE_GUILD, MEMBER_PERMISSIONS, PUBLIC_THREAD

from bot.community_settings import CommunitySettings
from bot.discord.settings_panel import NAMES, panel
from bot.domain import Caller
from bot.texts import languages
from model.genres import DEFAULT_GENRES, Genre, GenreTable


@pytest.fixture
def boss(fake: FakeDiscord) -> User:
    return fake.add_user("Boss", permissions=MEMBER_PERMISSIONS | MANAGE_GUILD)


async def opened(stage: Stage, boss: User) -> Message:
    return await stage.do("settings", boss)


async def pick(stage: Stage, boss: User, message: Message, name: str) -> None:
    seen = len(message.versions)
    await stage.fake.select(boss, message, "settings:pick", name)
    await stage.fake.until(lambda: len(message.versions) > seen, "what changes the setting")


async def choose(stage: Stage, boss: User, message: Message, name: str, *values: str) -> None:
    """Pick a setting and give it these values."""
    await pick(stage, boss, message, name)
    seen = len(message.versions)
    await stage.fake.select(boss, message, f"settings:set:{name}", *values)
    await stage.fake.until(lambda: len(message.versions) > seen, "the change")


async def enter(stage: Stage, boss: User, message: Message, name: str, value: str) -> Interaction:
    """Pick a setting and type its value into its form."""
    await pick(stage, boss, message, name)
    form = await (await stage.fake.press(boss, message, "✏️")).responded()
    return await stage.fake.modal_submit(form, value=value)


async def test_every_setting_is_shown_with_its_default(stage: Stage, boss: User) -> None:
    message = await opened(stage, boss)
    assert message.ephemeral
    assert message.embeds[0]["description"].splitlines() == [
        "**Channels**: everywhere",
        "**Genres**: all",
        "**Usual length**: medium",
        "**Longest story**: long",
        "**Stories a day**: as many as the bot allows",
        "**Pause between stories**: none",
        "**Exempt roles**: none",
        "**Adults only**: no",
        "**Account age for votes**: 7 days",
        "**Against bursts of votes**: yes",
        "**Reports that hide**: 3",
        "**In the list of all**: no",
        "**Digest**: off",
        "**Digest's channel**: nowhere",
        "**Digest's hour**: 18:00 UTC",
        "**Hall of fame**: nowhere",
        "**Votes for the hall**: 5",
        "**Unwelcome words**: those of the bot's operator",
        "**Language**: the community's own",
    ]


async def test_two_managers_at_one_list_lose_nothing(
    stage: Stage, boss: User, fake: FakeDiscord
) -> None:
    other = fake.add_user("Other", permissions=MEMBER_PERMISSIONS | MANAGE_GUILD)
    panels = {user: await opened(stage, user) for user in (boss, other)}
    forms = {}
    for user, message in panels.items():
        await pick(stage, user, message, "words")
        forms[user] = await (await fake.press(user, message, "✏️")).responded()
    await fake.modal_submit(forms[boss], value="grue")
    await fake.until(lambda: "one of your own" in panels[boss].text, "the first list")
    late = await fake.modal_submit(forms[other], value="wumpus\nsnark")
    assert (await late.message("Somebody else changed that while you did")).ephemeral
    assert "wumpus\nsnark" in (await late.message("Your words")).text
    await fake.until(lambda: "one of your own" in panels[other].text, "the list as it is")
    await enter(stage, other, panels[other], "words", "grue\nwumpus\nsnark")
    await fake.until(lambda: "3 of your own" in panels[other].text, "both lists")


async def test_a_list_longer_than_its_form_keeps_what_is_not_shown(
    stage: Stage, boss: User
) -> None:
    words = [f"{n:03}{'x' * 90}" for n in range(60)]
    member, here = await stage.house.store.enter(
        Caller("discord", str(boss.id), "Boss", str(stage.guild.id))
    )
    await stage.house.store.change_setting(here.id, member.id, "words", words)
    message = await opened(stage, boss)
    await pick(stage, boss, message, "words")
    form = await (await stage.fake.press(boss, message, "✏️")).responded()
    assert form.modal is not None
    (field,) = [one for one in walk(form.modal["components"]) if one["type"] == TEXT_INPUT]
    shown = field["value"].splitlines()
    assert 0 < len(shown) < 60
    assert shown == words[: len(shown)]
    await stage.fake.modal_submit(form, value="\n".join(shown[1:]))
    await stage.fake.until(lambda: "59 of your own" in message.text, "one word less")
    settings = await stage.house.store.community_settings(here.id)
    assert list(settings.words) == words[1:]


async def test_changes_at_once_are_all_shown(stage: Stage, boss: User) -> None:
    """Whichever is shown last shows both."""
    message = await opened(stage, boss)
    await pick(stage, boss, message, "length")
    length = message.components
    await pick(stage, boss, message, "longest")
    stage.fake.delay("PATCH", "@original", 0.3)
    await stage.fake.select(boss, message, "settings:set:longest", "medium")
    message.components = length  # the manager's other finger was as quick
    second = await stage.fake.select(boss, message, "settings:set:length", "short")
    await second.responded()
    edits = len(message.versions)
    await stage.fake.until(lambda: len(message.versions) == edits + 2, "both are shown")
    assert "**Usual length**: short" in message.text
    assert "**Longest story**: medium" in message.text


async def test_it_is_offered_in_servers_to_managers(stage: Stage) -> None:
    (command,) = [one for one in stage.fake.commands if one["name"] == "settings"]
    assert (command["contexts"], command["default_member_permissions"]) == ([0], str(MANAGE_GUILD))
    with pytest.raises(AssertionError, match="/settings is not offered to Ada"):
        await stage.fake.slash(stage.ada, stage.channel, "settings")
    answer = await stage.fake.slash_unasked(stage.ada, stage.channel, "settings")
    assert (await answer.message("Only those who manage this community")).ephemeral


async def test_a_manager_of_yesterday_changes_nothing(stage: Stage, boss: User) -> None:
    message = await opened(stage, boss)
    await pick(stage, boss, message, "length")
    boss.permissions = MEMBER_PERMISSIONS
    press = await stage.fake.select(boss, message, "settings:set:length", "long")
    await press.message("Only those who manage this community")
    assert "**Usual length**: medium" in message.text


async def test_channels_and_the_way_to_them(stage: Stage, boss: User) -> None:
    shelf = stage.fake.add_channel(stage.guild, "shelf", kind=CATEGORY)
    inside = stage.fake.add_channel(stage.guild, "inside", parent=shelf)
    thread = stage.fake.add_channel(stage.guild, "thread", kind=PUBLIC_THREAD, parent=inside)
    await stage.start()
    message = await opened(stage, boss)
    await choose(stage, boss, message, "channels", str(shelf.id))
    assert f"**Channels**: <#{shelf.id}>" in message.text
    refusal = await (await stage.ask()).message("I write no stories in this channel.")
    assert refusal.ephemeral
    assert refusal.content.endswith(f"Ask me there: <#{shelf.id}>")
    for place in (inside, thread):
        await finished(await stage.fake.slash(stage.ada, place, "story", genre="drama"))
    await choose(stage, boss, message, "channels")
    assert "**Channels**: everywhere" in message.text
    await stage.write()


async def test_adults_only(stage: Stage, boss: User) -> None:
    cellar = stage.fake.add_channel(stage.guild, "cellar", nsfw=True)
    thread = stage.fake.add_channel(stage.guild, "stairs", kind=PUBLIC_THREAD, parent=cellar)
    await stage.start()
    message = await opened(stage, boss)
    await choose(stage, boss, message, "age_restricted_only", "yes")
    assert "**Adults only**: yes" in message.text
    assert (await (await stage.ask()).message("age-restricted channels only")).ephemeral
    for place in (cellar, thread):
        await finished(await stage.fake.slash(stage.ada, place, "story", genre="drama"))


async def test_genres_lengths_and_language(stage: Stage, boss: User) -> None:
    message = await opened(stage, boss)
    await choose(stage, boss, message, "genres", "horror", "sci_fi")
    await choose(stage, boss, message, "length", "short")
    await choose(stage, boss, message, "language", "en")
    for line in ("**Genres**: horror, science fiction", "**Usual length**: short", "English"):
        assert line in message.text
    await (await stage.ask(genre="action")).message("Choose one of: sci\\_fi, horror.")
    await choose(stage, boss, message, "language", "-")
    assert "**Language**: the community's own" in message.text


async def test_numbers_and_exempt_roles(stage: Stage, boss: User) -> None:
    patron = stage.fake.add_role(stage.guild, "Patron", stage.bob)
    await stage.start()
    message = await opened(stage, boss)
    await enter(stage, boss, message, "daily_quota", "1")
    await stage.fake.until(lambda: "**Stories a day**: 1" in message.text, "the number")
    await enter(stage, boss, message, "cooldown_s", "90")
    await stage.fake.until(lambda: "stories**: 90 seconds" in message.text, "the pause")
    await choose(stage, boss, message, "exempt_roles", str(patron.id))
    assert f"**Exempt roles**: <@&{patron.id}>" in message.text
    for user in (stage.ada, stage.bob, stage.bob):
        await stage.write(user)
    await (await stage.ask(stage.ada)).message("Please wait")


async def test_a_number_that_will_not_do(stage: Stage, boss: User) -> None:
    message = await opened(stage, boss)
    answer = await enter(stage, boss, message, "daily_quota", "a few")
    said = await answer.message("“a few” won't do. Please give a whole number from 0 to 1,000.")
    assert said.ephemeral
    assert "**Stories a day**: as many" in message.text


async def test_unwelcome_words(stage: Stage, boss: User) -> None:
    message = await opened(stage, boss)
    await enter(stage, boss, message, "words", "gadzooks\n\n/col+ou?r/\n")
    await stage.fake.until(lambda: "words**: 2 of your own" in message.text, "the words")
    await (await stage.ask(prompt="Gadzooks!")).message("not welcome here")
    await (await stage.ask(prompt="A collor film")).message("not welcome here")
    await pick(stage, boss, message, "words")
    form = await (await stage.fake.press(boss, message, "Edit the list")).responded()
    assert form.modal is not None
    assert "gadzooks\n/col+ou?r/" in str(form.modal["components"][0]).replace("\\n", "\n")
    answer = await stage.fake.modal_submit(form, value="/(a/")
    said = await answer.message("I can't use the pattern /(a/")
    assert said.ephemeral
    assert "2 of your own" in message.text


async def test_who_changed_what(stage: Stage, boss: User) -> None:
    message = await opened(stage, boss)
    for n in range(12):
        await choose(stage, boss, message, "length", ("short", "long")[n % 2])
    await stage.fake.press(boss, message, "Who changed what")
    await stage.fake.until(lambda: "Boss changed" in message.text, "the trail")
    newest, *others = message.embeds[0]["description"].splitlines()
    assert newest.endswith("Boss changed “Usual length” from short to long.")
    assert len(others) == 9
    await stage.fake.press(boss, message, "Older")
    await stage.fake.until(lambda: "from medium to short" in message.text, "the first change")
    await stage.fake.press(boss, message, "Back")
    await stage.fake.until(lambda: "**Usual length**: long" in message.text, "the panel")


async def test_the_panel_works_after_a_restart_forms_included(stage: Stage, boss: User) -> None:
    message = await opened(stage, boss)
    await pick(stage, boss, message, "daily_quota")
    form = await (await stage.fake.press(boss, message, "Enter a number")).responded()
    await stage.start()
    await stage.fake.modal_submit(form, value="4")
    await stage.fake.until(lambda: "**Stories a day**: 4" in message.text, "the number")


@pytest.mark.parametrize("editing", ["", *NAMES])
def test_every_panel_is_within_discords_limits(editing: str) -> None:
    ids = tuple(str(10**18 + n) for n in range(25))
    rows = [Genre(f"genre_{n}", f"genre {n}", f"<g{n}>") for n in range(40)]
    settings = CommunitySettings(
        channels=ids, exempt_roles=ids, genres=tuple(f"genre_{n}" for n in range(25))
    )
    tables = (DEFAULT_GENRES, GenreTable(tuple(rows)))
    for genres, locale in itertools.product(tables, languages()):
        card = panel(settings, genres, locale, editing)
        view = card.view()
        assert view is not None
        payload = {"embeds": [card.embed().to_dict()], "components": view.to_components()}
        assert (
            message_problems(payload | {"allowed_mentions": {"parse": []}}, needs_text=True) == []
        )
