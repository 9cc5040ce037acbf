"""Links that open our private chat and say what for (`https://t.me/<bot>?start=story_12`), and the
questions that are answered by a reply.

Such a question carries its link, so that the reply says what it answers, whatever was restarted
meanwhile. Pure. Source: core.telegram.org/bots/features#deep-linking (64 of A-Z, a-z, 0-9, _, -).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias, TypeVar

from telegram import Message, MessageEntity

GROUP = r"(?P<group>-[1-9][0-9]{0,15})"
"""A group's id, in links and in the data of buttons."""
STORY = r"(?P<story>[1-9][0-9]{0,17})"

Asked = TypeVar("Asked")
Route: TypeAlias = tuple[re.Pattern[str], Callable[[Asked, re.Match[str]], Awaitable[None]]]
"""What to do with data that fits the pattern."""

_PAYLOAD = re.compile(r"https://t\.me/\w+\?start=([\w-]{1,64})", re.ASCII)


def link(username: str, payload: str) -> str:
    """The link that makes its reader send the bot of that name `/start <payload>`."""
    return f"https://t.me/{username}?start={payload}"


def question_of(message: Message, bot_id: int) -> str | None:
    """The payload of our question that `message` is a reply to."""
    question = message.reply_to_message
    if question is None or question.from_user is None or question.from_user.id != bot_id:
        return None
    for entity in question.entities:
        is_link = entity.type == MessageEntity.TEXT_LINK
        if is_link and (found := _PAYLOAD.fullmatch(entity.url or "")):
            return found[1]
    return None


async def follow(routes: Iterable[Route[Asked]], data: str, asked: Asked) -> bool:
    """Do what the first route that fits says; False where none does."""
    for pattern, handle in routes:
        if match := pattern.fullmatch(data):
            await handle(asked, match)
            return True
    return False
