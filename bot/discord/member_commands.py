"""Commands about a member's votes and data: /vote, /export, /forget. Only they see the answers."""

from __future__ import annotations

import io
import json
from typing import Literal

import discord

from bot import wording
from bot.discord.buttons import forget_card
from bot.discord.cards import text_cards
from bot.discord.replies import Interaction, caller_of, think
from bot.discord.story_commands import StoryId
from bot.domain import VoteValue
from bot.texts import say

Ballot = Literal["up", "down", "clear"]
_VALUES: dict[Ballot, VoteValue] = {"up": 1, "down": -1, "clear": 0}


async def vote(interaction: Interaction, id: StoryId, vote: Ballot) -> None:
    reply = await think(interaction, public=False)
    value = _VALUES[vote]
    story = await interaction.client.desk.service.vote(caller_of(interaction), id, value)
    await reply.show(text_cards([wording.vote_counted(story, value, reply.locale)]))


async def export(interaction: Interaction) -> None:
    reply = await think(interaction, public=False, needs=("attach_files",))
    data = await interaction.client.desk.service.export(caller_of(interaction))
    text = json.dumps(data, ensure_ascii=False, indent=2)
    file = discord.File(io.BytesIO(text.encode()), "cliffhanger.json")
    await reply.show(text_cards([say("export-done", reply.locale)]), file)


async def forget(interaction: Interaction) -> None:
    reply = await think(interaction, public=False)
    await reply.show([forget_card(reply.locale)])
