"""/together: a story that members and the model write in turn, line by line.

Its message follows it to its end, through restarts. The rules are the service's (bot.round_robin).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import discord

from bot.community_settings import MAX_CHOSEN
from bot.discord.cards import MENU_TEXT
from bot.discord.pressable import Pressable, Submitted, labelled, show_form
from bot.discord.replies import (
    Interaction,
    caller_of,
    explain_failure,
    give_back,
    hold,
    locale_of,
    own_channel,
    think,
)
from bot.discord.rights import POSTING, require_here
from bot.discord.round_cards import reading_cards
from bot.errors import MemberError, OnlyInServers
from bot.round_robin import MAX_LINE_CHARS
from bot.texts import say


async def together(
    interaction: Interaction, genre: str = "", line: str = "", title: str = ""
) -> None:
    if own_channel(interaction) is None:  # the message could be edited for 15 minutes only
        raise OnlyInServers
    require_here(interaction, POSTING)  # words typed into a form should not be in vain
    desk = interaction.client.desk
    if genre:
        reply = await think(interaction, public=True)
        await desk.show(
            reply, await desk.service.rounds.begin(caller_of(interaction), genre, line, title)
        )
        return
    newest = None if line or title else await desk.service.rounds.newest(caller_of(interaction))
    if newest is None:
        await _ask_in_form(interaction, line, title)
        return
    reply = await think(interaction, public=True)
    await desk.show(reply, newest)


# -- beginning ---------------------------------------------------------------------------------
async def _ask_in_form(interaction: Interaction, line: str, title: str) -> None:
    service, locale = interaction.client.desk.service, locale_of(interaction)
    genres = await service.administration.genres(caller_of(interaction))
    genre: discord.ui.Select[Any] = discord.ui.Select(
        custom_id="genre",
        options=[
            discord.SelectOption(label=one.label[:MENU_TEXT], value=one.name)
            for one in genres[:MAX_CHOSEN]
        ],
    )
    longest = service.rules.max_title_chars
    named: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id="title", default=title[:longest], max_length=longest, required=False
    )
    fields = [
        labelled("discord-option-genre", genre, locale),
        labelled("round-first-line", _line_field(line, required=False), locale),
        labelled("discord-option-title", named, locale),
    ]
    await show_form(interaction, "together", say("round-title", locale), fields)


def _line_field(default: str = "", *, required: bool) -> discord.ui.TextInput[Any]:
    return discord.ui.TextInput(
        custom_id="line",
        style=discord.TextStyle.paragraph,
        default=default[:MAX_LINE_CHARS],
        max_length=MAX_LINE_CHARS,
        required=required,
    )


async def _begun(interaction: Interaction, match: re.Match[str], fields: Mapping[str, str]) -> None:
    reply = await think(interaction, public=True, needs=POSTING)
    desk = interaction.client.desk
    try:
        story = await desk.service.rounds.begin(
            caller_of(interaction), fields["genre"], fields["line"], fields["title"]
        )
    except MemberError as error:
        await explain_failure(interaction, error)
        await give_back(interaction, fields["line"])
        return
    await desk.show(reply, story)


# -- going on ----------------------------------------------------------------------------------
class LineButton(Pressable, template=r"line:(?P<story>\d{1,18})"):
    """Ask for a line."""

    async def pressed(self, interaction: Interaction) -> None:
        locale = locale_of(interaction)
        line = labelled("round-line", _line_field(required=True), locale)
        custom_id = f"line-of:{self.story_id}"
        await show_form(interaction, custom_id, say("button-line", locale), [line])


async def _added(interaction: Interaction, match: re.Match[str], fields: Mapping[str, str]) -> None:
    """Add it; whoever follows the story redraws its messages."""
    await hold(interaction)
    rounds = interaction.client.desk.service.rounds
    try:
        await rounds.add_line(caller_of(interaction), int(match["story"]), fields["line"])
    except MemberError as error:
        await explain_failure(interaction, error)
        await give_back(interaction, fields["line"])


class EndButton(Pressable, template=r"end:(?P<story>\d{1,18})"):
    """The story is what there is of it."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        await interaction.client.desk.service.rounds.end(caller_of(interaction), self.story_id)


class WholeButton(Pressable, template=r"whole:(?P<story>\d{1,18})"):
    """All lines so far, for the member alone."""

    async def pressed(self, interaction: Interaction) -> None:
        reply = await think(interaction, public=False)
        service = interaction.client.desk.service
        story = await service.read(caller_of(interaction), self.story_id)
        first, *rest = reading_cards(story)
        await reply.show([replace(first, title=say("round-whole", reply.locale)), *rest])


TOGETHER_ITEMS: tuple[type[Pressable], ...] = (LineButton, EndButton, WholeButton)
TOGETHER_FORMS: dict[re.Pattern[str], Submitted] = {
    re.compile("together"): _begun,
    re.compile(r"line-of:(?P<story>\d{1,18})"): _added,
}
