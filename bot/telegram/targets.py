"""Where a group has its digest and hall of fame posted: in itself, in one of its topics, or in a
channel, which an administrator names by a link.

Kept as `here`, `here/45` for a topic, or a channel's id. A group that becomes a supergroup, with
another id, is still `here`.
"""

from __future__ import annotations

import re

from telegram import ChatMember, ChatMemberAdministrator, ChatMemberOwner
from telegram.constants import ChatAction, ChatType
from telegram.error import BadRequest, Forbidden

from bot.domain import Caller
from bot.telegram.asking import Place, TelegramBot
from bot.telegram.community import is_in
from bot.texts import say

HERE = "here"
TARGETS = ("digest_channel", "hall_channel")
"""The settings that name such a place."""
_GENERAL = "1"
"""A forum's topic that messages go to without being told."""
_LINK = re.compile(
    r"(?:https?://)?(?:t\.me|telegram\.me)/(?:c/(?P<id>[1-9][0-9]{0,12})|(?P<name>[a-z]\w{3,31}))"
    r"(?:/(?P<first>[0-9]{1,12}))?(?:/(?P<second>[0-9]{1,12}))?/?(?:\?\S*)?"
    r"|@(?P<at>[a-z]\w{3,31})",
    re.IGNORECASE | re.ASCII,
)


class TargetRefused(Exception):
    """Nothing can be posted there; `sentence` says why and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def place_of(kept: str, group_id: str) -> Place:
    """Where to post what is from this group."""
    here, _, thread = kept.partition("/")
    if here == HERE:
        return Place(int(group_id), int(thread) if thread else None)
    return Place(int(kept), home=int(group_id))


def said(kept: str, group_id: str, locale: str) -> str:
    """The place in words, or a link to it."""
    here, _, thread = kept.partition("/")
    if here == HERE and not thread:
        return say("telegram-target-here", locale)
    chat = group_id if here == HERE else kept
    return f"https://t.me/c/{chat.removeprefix('-100')}/{thread or 1}"


async def find_target(bot: TelegramBot, caller: Caller, typed: str) -> str:
    """What to keep for the place that a link leads to. Raises TargetRefused.

    A channel is taken from one of its administrators who may post there, where the bot may too.
    """
    locale, group_id = caller.locale, caller.community_id
    match = _LINK.fullmatch(typed.strip())
    if match is None:
        raise TargetRefused(say("telegram-target-unknown", locale))
    name = match["name"] or match["at"]
    try:
        chat = await bot.get_chat(f"@{name}" if name else int(f"-100{match['id']}"))
        if str(chat.id) == group_id:
            return await _topic(bot, group_id, match["first"] if match["second"] else None)
        if chat.type != ChatType.CHANNEL:
            raise TargetRefused(say("telegram-target-unknown", locale))
        title = chat.title or str(chat.id)
        member = await bot.get_chat_member(chat.id, int(caller.member_id))
        if not is_in(member):  # whom its title is not for
            raise TargetRefused(say("telegram-target-unknown", locale))
        if not _may_post(member):
            raise TargetRefused(say("telegram-target-not-yours", locale, title=title))
        if not _may_post(await bot.get_chat_member(chat.id, bot.id)):
            raise TargetRefused(say("telegram-target-not-mine", locale, title=title))
    except (BadRequest, Forbidden):
        raise TargetRefused(say("telegram-target-unknown", locale)) from None
    return str(chat.id)


async def _topic(bot: TelegramBot, group_id: str, thread: str | None) -> str:
    """Raises BadRequest for a topic that is not there."""
    if thread is None or thread == _GENERAL:
        return HERE
    await bot.send_chat_action(int(group_id), ChatAction.TYPING, message_thread_id=int(thread))
    return f"{HERE}/{thread}"


def _may_post(member: ChatMember) -> bool:
    if isinstance(member, ChatMemberOwner):
        return True
    return isinstance(member, ChatMemberAdministrator) and bool(member.can_post_messages)
