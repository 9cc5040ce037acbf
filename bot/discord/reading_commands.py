"""Commands that read: /read, /random, /mine, /member, /stats, /queue, /genres, /help and so on.

Stories, profiles and figures are for everybody to see; the rest answers the member alone.
"""

from __future__ import annotations

import asyncio
import io

import discord

from bot import wording
from bot.discord.cards import genre_cards, help_cards, list_card, profile_card, text_cards
from bot.discord.replies import Interaction, caller_of, think
from bot.discord.rights import POSTING, SHOWING
from bot.discord.story_commands import StoryId
from bot.picture import draw_stats
from bot.texts import say


async def read(interaction: Interaction, id: StoryId) -> None:
    reply = await think(interaction, public=True, needs=POSTING)
    desk = interaction.client.desk
    await desk.show(reply, await desk.service.read(caller_of(interaction), id))


async def random(interaction: Interaction, genre: str = "") -> None:
    reply = await think(interaction, public=True, needs=POSTING)
    desk = interaction.client.desk
    await desk.show(reply, await desk.service.random(caller_of(interaction), genre))


async def mine(interaction: Interaction) -> None:
    reply = await think(interaction, public=False)
    stories = await interaction.client.desk.service.mine(caller_of(interaction))
    title = say("mine-title", reply.locale)
    await reply.show([list_card(title, stories, reply.locale, medals=False)])


async def member(interaction: Interaction, user: discord.User | None = None) -> None:
    reply = await think(interaction, public=True)
    service = interaction.client.desk.service
    profile = await service.profile(caller_of(interaction), str(user.id) if user else None)
    await reply.show([profile_card(profile, service.genres, reply.locale)])


async def stats(interaction: Interaction) -> None:
    reply = await think(interaction, public=True, needs=(*SHOWING, "attach_files"))
    service = interaction.client.desk.service
    found = await service.stats(caller_of(interaction))
    labels = {one.genre: wording.label_of(one.genre, service.genres) for one in found.genres}
    picture = await asyncio.to_thread(draw_stats, found, labels)
    about = say(
        "stats-about",
        reply.locale,
        stories=sum(one.stories for one in found.genres),
        votes=sum(one.ups + one.downs for one in found.genres),
    )
    file = discord.File(io.BytesIO(picture), "stats.png", description=about)
    await reply.show(text_cards([about], say("stats-title", reply.locale)), file)


async def queue(interaction: Interaction) -> None:
    reply = await think(interaction, public=False)
    view = await interaction.client.desk.service.queue_view(caller_of(interaction))
    await reply.show(text_cards(wording.queue_lines(view, reply.locale)))


async def genres(interaction: Interaction) -> None:
    reply = await think(interaction, public=False)
    offered = await interaction.client.desk.service.administration.genres(caller_of(interaction))
    await reply.show(genre_cards(offered, reply.locale))


async def help_(interaction: Interaction) -> None:
    reply = await think(interaction, public=False)
    await reply.show(help_cards(reply.locale))


async def about(interaction: Interaction) -> None:
    reply = await think(interaction, public=False)
    info = await interaction.client.desk.service.about()
    await reply.show(text_cards(wording.about_lines(info, reply.locale)))


async def privacy(interaction: Interaction) -> None:
    reply = await think(interaction, public=False)
    await reply.show(text_cards([say("privacy-text", reply.locale)]))
