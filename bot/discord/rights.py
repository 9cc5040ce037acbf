"""What the bot may do where, and saying exactly what it lacks.

Knows channels and interactions; knows no story and sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import discord

from bot.errors import BotNeeds, NoRightThere

if TYPE_CHECKING:
    from bot.discord.replies import Interaction

Target: TypeAlias = (
    discord.TextChannel | discord.VoiceChannel | discord.ForumChannel | discord.Thread
)
"""Where a story can be posted: in a forum as a post of its own."""
POSTING = ("view_channel", "send_messages", "embed_links")
"""What it takes to post a story, and to keep its message up to date for as long as it grows."""
SHOWING = ("embed_links",)
"""What it takes to answer a command: the answer itself goes by the interaction."""
_BY_INTERACTION = ("embed_links", "attach_files")


def needed_in(channel: object, needed: Iterable[str] = POSTING) -> tuple[str, ...]:
    """The same in this channel's words: threads have a permission of their own."""
    is_thread = isinstance(channel, discord.Thread)
    return tuple(
        "send_messages_in_threads" if is_thread and name == "send_messages" else name
        for name in needed
    )


def require_here(interaction: Interaction, needed: Iterable[str]) -> None:
    """Raises BotNeeds for all that the bot lacks where the interaction is."""
    may = interaction.app_permissions
    if not may.value:  # it did not say
        return
    if not interaction.is_guild_integration():  # it never posts there by itself
        needed = [name for name in needed if name in _BY_INTERACTION]
    channel: Any = interaction.channel
    _require(may, needed_in(channel, needed), getattr(channel, "name", None) or "")


def require_in(target: Target, needed: Iterable[str] = POSTING) -> None:
    """Raises BotNeeds for all that the bot lacks there."""
    may = target.permissions_for(target.guild.me)
    _require(may, needed_in(target, needed), target.name)


def _require(may: discord.Permissions, needed: Iterable[str], channel: str) -> None:
    missing = tuple(name for name in needed if not getattr(may, name))
    if missing:
        raise BotNeeds(permissions=tuple(f"permission-{name}" for name in missing), channel=channel)


def chosen_target(interaction: Interaction, channel_id: int) -> Target:
    """A channel chosen in a menu, where both the member and the bot may post.

    Raises NoRightThere, BotNeeds (which names the permissions that are missing).
    """
    data: Any = interaction.data or {}
    told: Mapping[str, Any] = data["resolved"]["channels"][str(channel_id)]
    target = interaction.guild and interaction.guild.get_channel_or_thread(channel_id)
    if not isinstance(target, Target):
        raise BotNeeds(permissions=("permission-view_channel",), channel=told["name"])
    theirs = discord.Permissions(int(told["permissions"]))
    if not all(getattr(theirs, name) for name in needed_in(target)):
        raise NoRightThere(channel=target.name)
    require_in(target)
    return target


def around(target: Target) -> tuple[str, ...]:
    """The ids of the channel and what it lies in."""
    parent = target.parent if isinstance(target, discord.Thread) else target
    ids = (target.id, getattr(parent, "id", None), getattr(parent, "category_id", None))
    return tuple(dict.fromkeys(str(one) for one in ids if one is not None))
