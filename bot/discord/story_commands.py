"""Commands that ask for stories: /story, /continue, /retry, /cancel.

Each acknowledges, calls one method of the service, and hands the story to the desk.
"""

from __future__ import annotations

from collections.abc import Iterable

from discord import app_commands

from bot.discord.cards import text_cards
from bot.discord.replies import Interaction, caller_of, think
from bot.discord.rights import POSTING
from bot.discord.story_form import ask_in_form, pick
from bot.settings import Length
from bot.texts import say
from model.genres import Genre

StoryId = app_commands.Range[int, 1, 2**53 - 1]
"""Discord's integers are those of JavaScript."""
_WRITING = ("story", "together")
"""Commands that ask for something new; lists have stories of any genre."""
MAX_CHOICES, MAX_CHOICE_CHARS = 25, 100


async def story(
    interaction: Interaction,
    genre: str = "",
    prompt: str = "",
    title: str = "",
    length: Length | None = None,
) -> None:
    if not genre and (prompt or title):
        await ask_in_form(interaction, prompt=prompt, title=title)
        return
    if not genre:
        await pick(interaction)
        return
    reply = await think(interaction, public=True, needs=POSTING)
    desk = interaction.client.desk
    new = await desk.service.write(caller_of(interaction), genre, prompt, title, length)
    await desk.show(reply, new)


async def continue_(interaction: Interaction, id: StoryId, prompt: str = "") -> None:
    reply = await think(interaction, public=True, needs=POSTING)
    desk = interaction.client.desk
    new = await desk.service.continue_story(caller_of(interaction), id, prompt)
    await desk.show(reply, new)


async def retry(interaction: Interaction, id: StoryId) -> None:
    reply = await think(interaction, public=True, needs=POSTING)
    desk = interaction.client.desk
    await desk.show(reply, await desk.service.retry(caller_of(interaction), id))


async def cancel(interaction: Interaction, id: StoryId | None = None) -> None:
    reply = await think(interaction, public=False)
    story = await interaction.client.desk.service.cancel(caller_of(interaction), id)
    await reply.show(text_cards([say("story-cancelled-id", reply.locale, id=story.id)]))


async def suggest_genres(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """Genres whose name, label or other word has what is typed in it, best matches first; for a
    new story those that the community allows."""
    service, wanted = interaction.client.desk.service, typed.strip().casefold()
    name = interaction.command.name if interaction.command else ""
    offered: Iterable[Genre] = service.genres
    if name in _WRITING:
        offered = await service.administration.genres(caller_of(interaction))
    ranked = []
    for order, genre in enumerate(offered):
        words = [genre.name, genre.label, *genre.aliases]
        if found := [word.casefold() for word in words if wanted in word.casefold()]:
            begins = any(word.startswith(wanted) for word in found)
            ranked.append((not begins, order, genre))
    return [
        app_commands.Choice(name=genre.label[:MAX_CHOICE_CHARS], value=genre.name)
        for _, _, genre in sorted(ranked, key=lambda one: one[:2])[:MAX_CHOICES]
    ]
