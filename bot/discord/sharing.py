"""Share a finished story in another channel or thread of the server.

Asks Discord what the member and the bot may do there; what the community allows, the service says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import discord

from bot.discord.cards import Card, Picker
from bot.discord.markup import escape
from bot.discord.pressable import Choosable, Pressable, chosen
from bot.discord.replies import Interaction, caller_of, hold, locale_of, shared_locale, think
from bot.errors import BotNeeds, NoRightThere, OnlyInServers
from bot.texts import say

Target: TypeAlias = discord.TextChannel | discord.VoiceChannel | discord.Thread


class ShareButton(Pressable, template=r"share:(?P<story>\d{1,18})"):
    """Ask where."""

    async def pressed(self, interaction: Interaction) -> None:
        reply = await think(interaction, public=False)
        if interaction.guild_id is None:
            raise OnlyInServers
        place = Picker(
            f"share-to:{self.story_id}", say("share-where", reply.locale), "target", (), 1
        )
        text = escape(say("share-ask", reply.locale, id=self.story_id))
        await reply.show([Card(text, menus=(place,))])


class ShareTo(Choosable, template=r"share-to:(?P<story>\d{1,18})"):
    """Post it there, with its buttons."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        desk, locale = interaction.client.desk, locale_of(interaction)
        (channel_id,) = chosen(interaction)
        target = target_of(interaction, int(channel_id))
        story = await desk.service.share(
            caller_of(interaction),
            self.story_id,
            channel_ids=around(target),
            is_age_restricted=target.is_nsfw(),
        )
        url = await desk.post(story, target.id, await shared_locale(interaction))
        done = escape(say("share-done", locale, id=story.id, channel=target.name))
        shown = Card(f"{done} [{say('moderate-jump', locale)}]({url})")
        await interaction.edit_original_response(embed=shown.embed(), view=None)


def target_of(interaction: Interaction, channel_id: int) -> Target:
    """A chosen channel where both the member and the bot may post.

    Raises NoRightThere, BotNeeds (which names the permission that is missing).
    """
    data: Any = interaction.data or {}
    told: Mapping[str, Any] = data["resolved"]["channels"][str(channel_id)]
    target = interaction.guild and interaction.guild.get_channel_or_thread(channel_id)
    if not isinstance(target, Target):
        raise BotNeeds(permission="view_channel", channel=told["name"])
    for permission in needed_in(target):
        if not getattr(discord.Permissions(int(told["permissions"])), permission):
            raise NoRightThere(channel=target.name)
    require_rights(target)
    return target


def needed_in(target: Target) -> tuple[str, ...]:
    """What it takes to post a story there."""
    is_thread = isinstance(target, discord.Thread)
    return ("view_channel", "send_messages_in_threads" if is_thread else "send_messages",
            "embed_links")  # fmt: skip


def require_rights(target: Target) -> None:
    """Raises BotNeeds for the first permission that the bot lacks there."""
    mine = target.permissions_for(target.guild.me)
    for permission in needed_in(target):
        if not getattr(mine, permission):
            raise BotNeeds(permission=permission, channel=target.name)


def around(target: Target) -> tuple[str, ...]:
    """The ids of the channel and what it lies in."""
    parent = target.parent if isinstance(target, discord.Thread) else target
    ids = (target.id, getattr(parent, "id", None), getattr(parent, "category_id", None))
    return tuple(dict.fromkeys(str(one) for one in ids if one is not None))


SHARING_ITEMS: tuple[type[Pressable], ...] = (ShareButton, ShareTo)
