"""Votes that are not counted, story by story, for moderators: a part of /moderate.

Knows what they look like on Discord; which they are, and who may release them, the service knows.
"""

from __future__ import annotations

import discord

from bot import wording
from bot.discord.cards import Button, Card, colour_of, story_title
from bot.discord.markup import escape, fit
from bot.discord.pressable import Pressable
from bot.discord.replies import Interaction, caller_of, hold, locale_of
from bot.domain import Case
from bot.texts import say
from model.genres import GenreTable

STORY_CHARS = 1_000


def to_held(n_stories: int, locale: str) -> Button:
    """The way here."""
    return Button("held:show:0", wording.held_button(n_stories, locale), "⚖️")


def held_card(
    case: Case | None, offset: int, total: int, url: str, genres: GenreTable, locale: str
) -> Card:
    """One story with such votes, and the button that counts them."""
    back = Button("case:show:0", say("button-back", locale), "↩️")
    if case is None:
        return Card(escape(say("held-nothing", locale)), buttons=(back,))
    story = case.story
    head = f"**{escape(wording.held_votes(case.held, locale))}** · 👍 {story.tally.ups}"
    head += f" 👎 {story.tally.downs}"
    if url:
        head += f" · [{say('moderate-jump', locale)}]({url})"
    text = "\n".join([head, escape(say("held-about", locale)), "", fit(story.text, STORY_CHARS)])
    success = discord.ButtonStyle.success
    release = f"held:release:{story.id}:{offset}"
    buttons = [Button(release, say("button-release", locale), "✅", success)]
    if offset:
        buttons.append(Button(f"held:show:{offset - 1}", "", "◀️"))
    if offset + 1 < total:
        buttons.append(Button(f"held:show:{offset + 1}", "", "▶️"))
    return Card(
        text,
        say("held-title", locale, number=offset + 1, total=total),
        colour_of(story.genre),
        f"{story_title(story, genres)} · "
        + wording.byline(story, wording.genre_label(story, genres), locale),
        (*buttons, back),
    )


async def _show(interaction: Interaction, offset: int) -> None:
    desk = interaction.client.desk
    found = await desk.service.moderation.held(caller_of(interaction), offset)
    case, offset, total = found
    post = await desk.first_post(case.story.id) if case else None
    url = desk.address(post) if post else ""
    card = held_card(case, offset, total, url, desk.service.genres, locale_of(interaction))
    await interaction.edit_original_response(embed=card.embed(), view=card.view())


class ShowHeld(Pressable, template=r"held:show:(?P<offset>\d{1,6})"):
    """The first such story, or the one before or after."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        await _show(interaction, int(self.match["offset"]))


class ReleaseHeld(Pressable, template=r"held:release:(?P<story>\d{1,18}):(?P<offset>\d{1,6})"):
    """Count them, in the story's messages too, and show the story that follows."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        desk = interaction.client.desk
        await desk.service.moderation.release_votes(caller_of(interaction), self.story_id)
        await desk.redraw(self.story_id)
        await _show(interaction, int(self.match["offset"]))


HELD_ITEMS: tuple[type[Pressable], ...] = (ShowHeld, ReleaseHeld)
