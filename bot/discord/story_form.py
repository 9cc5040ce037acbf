"""Ways to begin a story other than typing it into /story: a picker of genres with suggested
openings, a form with room for a long opening, and a menu on any message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import discord

from bot.admission import genre_named
from bot.community_settings import MAX_CHOSEN
from bot.discord.cards import MENU_TEXT, Button, Card, Menu, Option, colour_of
from bot.discord.markup import escape, fit
from bot.discord.pressable import (
    MAX_FIELD,
    Choosable,
    Pressable,
    Submitted,
    chosen,
    labelled,
    show_form,
)
from bot.discord.replies import (
    Interaction,
    caller_of,
    explain_failure,
    give_back,
    hold,
    locale_of,
    think,
)
from bot.discord.rights import POSTING, require_here
from bot.errors import MemberError, NothingToRead
from bot.moderation import sanitize
from bot.texts import say
from model.genres import Genre

_STORY_BUTTON = re.compile(r"vote:(\d{1,18}):up")


# -- the picker --------------------------------------------------------------------------------
async def pick(interaction: Interaction) -> None:
    """The answer to a bare /story."""
    reply = await think(interaction, public=False)
    genres = await interaction.client.desk.service.administration.genres(caller_of(interaction))
    await reply.show([picker_card(genres, reply.locale)])


def picker_card(genres: Sequence[Genre], locale: str, chosen_genre: Genre | None = None) -> Card:
    """A menu of genres, and for the chosen one its openings."""
    options = tuple(
        Option(genre.name, genre.label, is_chosen=genre == chosen_genre)
        for genre in genres[:MAX_CHOSEN]
    )
    menus = [Menu("begin:genre", say("begin-genre", locale), options)]
    if chosen_genre is None:
        text = escape(say("begin-ask", locale))
        return Card(text, say("begin-title", locale), menus=tuple(menus))
    name, openings = chosen_genre.name, chosen_genre.openings[:MAX_CHOSEN]
    if openings:
        lines = tuple(Option(str(n), line[:MENU_TEXT]) for n, line in enumerate(openings))
        menus.append(Menu(f"begin:opening:{name}", say("begin-opening", locale), lines))
    quotes = [f"> {fit(line, 140)} …" for line in openings]
    return Card(
        "\n".join([escape(say("begin-how", locale)), "", *quotes]),
        say("begin-title", locale),
        colour_of(name),
        buttons=(
            Button(f"begin:form:{name}", say("button-own-opening", locale), "✍️"),
            Button(f"begin:go:{name}", say("button-no-opening", locale), "🎲"),
        ),
        menus=tuple(menus),
    )


class PickGenre(Choosable, template="begin:genre"):
    """Show the chosen genre's openings."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        service = interaction.client.desk.service
        (name,) = chosen(interaction)
        genres = await service.administration.genres(caller_of(interaction))
        genre = genre_named(name, service.genres)
        card = picker_card(genres, locale_of(interaction), genre)
        await interaction.edit_original_response(embed=card.embed(), view=card.view())


class PickOpening(Choosable, template=r"begin:opening:(?P<genre>.{1,80})"):
    """Write a story with the chosen opening."""

    async def pressed(self, interaction: Interaction) -> None:
        reply = await think(interaction, public=True, needs=POSTING)
        desk, genre = interaction.client.desk, self.match["genre"]
        (number,) = chosen(interaction)
        openings = genre_named(genre, desk.service.genres).openings
        prompt = openings[int(number)] if int(number) < len(openings) else ""
        await desk.show(reply, await desk.service.write(caller_of(interaction), genre, prompt))


class BeginWithout(Pressable, template=r"begin:go:(?P<genre>.{1,80})"):
    """Write a story of the genre, whatever it is."""

    async def pressed(self, interaction: Interaction) -> None:
        reply = await think(interaction, public=True, needs=POSTING)
        desk = interaction.client.desk
        story = await desk.service.write(caller_of(interaction), self.match["genre"])
        await desk.show(reply, story)


class OpenForm(Pressable, template=r"begin:form:(?P<genre>.{1,80})"):
    """Ask for an opening and a title."""

    async def pressed(self, interaction: Interaction) -> None:
        await ask_in_form(interaction, genre=self.match["genre"])


# -- the form ----------------------------------------------------------------------------------
async def ask_in_form(
    interaction: Interaction, *, genre: str = "", prompt: str = "", title: str = ""
) -> None:
    """Show the form, filled in as far as is known; it asks for the genre unless that is known."""
    require_here(interaction, POSTING)  # words typed into a form should not be in vain
    service, locale = interaction.client.desk.service, locale_of(interaction)
    longest = min(service.rules.max_prompt_chars, MAX_FIELD)
    opening: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id="prompt",
        style=discord.TextStyle.paragraph,
        default=prompt[:longest],
        max_length=longest,
        required=False,
    )
    named: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id="title",
        default=title[: service.rules.max_title_chars],
        max_length=service.rules.max_title_chars,
        required=False,
    )
    fields = [
        labelled("discord-option-prompt", opening, locale),
        labelled("discord-option-title", named, locale),
    ]
    if not genre:
        genres = await service.administration.genres(caller_of(interaction))
        options = [
            discord.SelectOption(label=one.label[:MENU_TEXT], value=one.name)
            for one in genres[:MAX_CHOSEN]
        ]
        select: discord.ui.Select[Any] = discord.ui.Select(custom_id="genre", options=options)
        fields.insert(0, labelled("discord-option-genre", select, locale))
    await show_form(interaction, f"story:{genre}", say("begin-title", locale), fields)


async def _written(
    interaction: Interaction, match: re.Match[str], fields: Mapping[str, str]
) -> None:
    reply = await think(interaction, public=True, needs=POSTING)
    desk, genre = interaction.client.desk, match["genre"] or fields.get("genre", "")
    try:
        story = await desk.service.write(
            caller_of(interaction), genre, fields["prompt"], fields["title"]
        )
    except MemberError as error:
        await explain_failure(interaction, error)
        await give_back(interaction, fields["prompt"])
        return
    await desk.show(reply, story)


# -- the menu on a message ---------------------------------------------------------------------
async def continue_message(interaction: Interaction, message: discord.Message) -> None:
    """A story of ours is continued; of other words the form makes an opening."""
    for component in _buttons(message):
        if found := _STORY_BUTTON.fullmatch(component):
            reply = await think(interaction, public=True, needs=POSTING)
            desk = interaction.client.desk
            story = await desk.service.continue_story(caller_of(interaction), int(found[1]))
            await desk.show(reply, story)
            return
    prompt = sanitize(message.content)
    if not prompt:
        raise NothingToRead
    await ask_in_form(interaction, prompt=prompt)


def _buttons(message: discord.Message) -> list[str]:
    rows = [row for row in message.components if isinstance(row, discord.ActionRow)]
    return [getattr(one, "custom_id", None) or "" for row in rows for one in row.children]


STORY_ITEMS: tuple[type[Pressable], ...] = (PickGenre, PickOpening, BeginWithout, OpenForm)
STORY_FORMS: dict[re.Pattern[str], Submitted] = {re.compile(r"story:(?P<genre>.{0,80})"): _written}
