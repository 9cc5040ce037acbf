"""Posts in forum channels: each a thread with a title, and tags where the forum has them."""

from __future__ import annotations

import discord

from bot.discord.cards import Card

MAX_TITLE = 100
"""Characters of a post's title (docs: resources/channel#start-thread-in-forum-or-media-channel)."""


async def open_forum_post(
    forum: discord.ForumChannel, title: str, card: Card, genre: str = ""
) -> discord.Message:
    """Open a post that begins with a card; its message. A tag called like the genre is put on it;
    where the forum wants a tag and has no such one, its first."""
    view = card.view() or discord.utils.MISSING
    created = await forum.create_thread(
        name=title[:MAX_TITLE],
        embed=card.embed(),
        view=view,
        applied_tags=_tags(forum, genre),
    )
    return created.message


def _tags(forum: discord.ForumChannel, genre: str) -> list[discord.ForumTag]:
    ours = [tag for tag in forum.available_tags if not tag.moderated]
    fitting = [tag for tag in ours if tag.name.casefold() == genre.casefold()]
    return (fitting or (ours if forum.flags.require_tag else []))[:1]
