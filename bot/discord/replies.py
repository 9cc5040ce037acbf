"""Answering an interaction: acknowledge at once, show cards, explain what went wrong.

The first answer is due within 3 s, so every command and button begins with `think` or `hold` and
does its work after that. Knows interactions and cards, not stories.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp
import discord
from discord import app_commands

from bot.discord.cards import Card
from bot.discord.markup import escape, fit
from bot.discord.rights import SHOWING, require_here
from bot.domain import Caller
from bot.errors import MemberError, NotInThisChannel
from bot.moderation import sanitize
from bot.texts import explain, say

if TYPE_CHECKING:
    from bot.discord.client import DiscordBot

log = logging.getLogger(__name__)

Interaction: TypeAlias = "discord.Interaction[DiscordBot]"
CONTENT = 2_000  # characters of a message's content
_QUOTED = 3_000
_SHOWN = "shown"
_TOO_LATE = {10062, 40060}  # unknown interaction; already acknowledged


@dataclass(frozen=True, slots=True)
class Reply:
    """An acknowledged interaction and the message that will show its answer."""

    interaction: Interaction
    message_id: int
    locale: str

    async def show(self, cards: Sequence[Card], file: discord.File | None = None) -> None:
        """Show one message for each card, in order."""
        first, *rest = cards
        await self.interaction.edit_original_response(
            embed=first.embed(), view=first.view(), attachments=[file] if file else []
        )
        self.interaction.extras[_SHOWN] = True
        for card in rest:
            view = card.view() or discord.utils.MISSING
            ephemeral = bool(self.interaction.extras.get("ephemeral"))
            await self.interaction.followup.send(
                embed=card.embed(), view=view, ephemeral=ephemeral, wait=True
            )


async def think(
    interaction: Interaction, *, public: bool, needs: Sequence[str] | None = None
) -> Reply:
    """Acknowledge with "thinking…" in a new message, for everybody or for the member alone.

    `needs`: what it takes there; for an answer to everybody `SHOWING` unless more is said. Raises
    BotNeeds, before anything is acknowledged.
    """
    require_here(interaction, needs if needs is not None else SHOWING if public else ())
    interaction.client.desk.mind()
    answer = await interaction.response.defer(thinking=True, ephemeral=not public)
    interaction.extras["ephemeral"] = not public
    if answer is None or answer.message_id is None:
        raise RuntimeError("Discord named no message for its deferral")
    locale = await shared_locale(interaction) if public else locale_of(interaction)
    return Reply(interaction, answer.message_id, locale)


async def hold(interaction: Interaction) -> None:
    """Acknowledge a button; its message stays as it is for now."""
    interaction.client.desk.mind()
    await interaction.response.defer()


def locale_of(interaction: Interaction) -> str:
    """The member's language."""
    return str(interaction.locale)


async def shared_locale(interaction: Interaction) -> str:
    """The language of what everybody reads: the community's choice, the server's, the member's."""
    if interaction.guild_id is None:
        return locale_of(interaction)
    service = interaction.client.desk.service
    chosen = await service.administration.language(caller_of(interaction))
    return chosen or str(interaction.guild_locale or interaction.locale)


def caller_of(interaction: Interaction) -> Caller:
    """Who acts, and where. A private chat with the bot is the member's own affair."""
    user, guild = interaction.user, interaction.guild
    if interaction.guild_id is not None:
        community, name = interaction.guild_id, guild.name if guild else ""
    else:
        community, name = interaction.channel_id or user.id, ""
    may = interaction.permissions
    is_manager = interaction.guild_id is not None and (may.manage_guild or may.administrator)
    return Caller(
        platform="discord",
        member_id=str(user.id),
        member_name=sanitize(user.global_name or user.name) or str(user.id),
        community_id=str(community),
        community_name=sanitize(name or ""),
        is_private=interaction.guild_id is None and interaction.context.dm_channel,
        account_made_at=user.created_at.timestamp(),
        locale=str(interaction.locale),
        channel_ids=_channels_around(interaction),
        is_age_restricted=_is_age_restricted(interaction),
        role_ids=tuple(str(role.id) for role in getattr(user, "roles", ())),
        is_manager=is_manager,
        is_moderator=is_manager or (interaction.guild_id is not None and may.manage_messages),
    )


def _channels_around(interaction: Interaction) -> tuple[str, ...]:
    """The channel; of a thread, what it lies in; the category."""
    channel: Any = interaction.channel
    parent = getattr(channel, "parent", None)
    ids = (
        interaction.channel_id,
        getattr(channel, "parent_id", None),
        getattr(parent if isinstance(channel, discord.Thread) else channel, "category_id", None),
    )
    return tuple(str(one) for one in ids if one is not None)


def _is_age_restricted(interaction: Interaction) -> bool:
    is_nsfw = getattr(interaction.channel, "is_nsfw", None)
    return bool(is_nsfw and is_nsfw())


def own_channel(interaction: Interaction) -> int | None:
    """The channel, if the bot is there itself and not only as an app that the member brought."""
    there = interaction.is_guild_integration() or interaction.context.dm_channel
    return interaction.channel_id if there else None


async def explain_failure(interaction: Interaction, error: Exception) -> None:
    """The one place where an error becomes words. The first that fits decides:

    1. A MemberError: its own sentence.
    2. Discord no longer waits for this answer: logged; there is nobody to tell.
    3. A command this version does not know (an old tree): try again after the new sync.
    4. Anything else: logged once with its traceback; the member reads that it is our fault.
    """
    if isinstance(error, app_commands.CommandInvokeError):
        error = error.original
    locale, places = locale_of(interaction), ""
    if isinstance(error, MemberError):
        text = explain(error, locale)
        if isinstance(error, NotInThisChannel):
            mentions = " ".join(f"<#{one}>" for one in error.channel_ids)
            places = "\n" + say("discord-channels", locale, channels=mentions)
    elif isinstance(error, discord.HTTPException) and error.code in _TOO_LATE:
        log.warning("an interaction was answered too late or twice: %s", error)
        return
    elif isinstance(error, (app_commands.CommandNotFound, app_commands.CommandSignatureMismatch)):
        log.warning("Discord still offers an older command: %s", error)
        text = say("discord-commands-changed", locale)
    else:
        log.error("an interaction failed: %s", _name(interaction), exc_info=error)
        text = say("error-unexpected", locale)
    try:
        await tell(interaction, text, places)
    except (discord.HTTPException, aiohttp.ClientError) as unheard:
        log.warning("a member could not be told what went wrong: %s", unheard)


async def tell(interaction: Interaction, text: str, markdown: str = "") -> None:
    """Say something to the member alone, whatever the interaction's state; `markdown`, short and
    trusted, comes after it as it is."""
    content = fit(text, CONTENT - len(markdown)) + markdown
    response = interaction.response
    if not response.is_done():
        await response.send_message(content, ephemeral=True)
        return
    thinking = response.type is discord.InteractionResponseType.deferred_channel_message
    if thinking and not interaction.extras.get(_SHOWN):
        if interaction.extras.get("ephemeral"):
            await interaction.edit_original_response(content=content)
            return
        # The public "thinking…" cannot be made private: it goes, and a private message comes.
        await interaction.delete_original_response()
    await interaction.followup.send(content, ephemeral=True)


async def give_back(interaction: Interaction, words: str) -> None:
    """A form is gone once it is sent: what was typed into it should not be."""
    if words.strip():
        say_so = escape(say("begin-give-back", locale_of(interaction)))
        card = Card(f"{say_so}\n\n>>> {fit(words, _QUOTED)}")
        await interaction.followup.send(embed=card.embed(), ephemeral=True)


def _name(interaction: Interaction) -> str:
    data: Any = interaction.data or {}
    return str(data.get("name") or data.get("custom_id") or interaction.type)
