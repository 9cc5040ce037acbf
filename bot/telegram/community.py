"""Who someone is in a group, wherever they ask from, and which language is spoken there.

Asks Telegram each time: whoever was an administrator when a button was made may be none by now.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from telegram import ChatMember, ChatMemberAdministrator, ChatMemberOwner, ChatMemberRestricted
from telegram.error import BadRequest, ChatMigrated, Forbidden

from bot.domain import Caller, Post
from bot.errors import NotModerator, NotYours, StoryNotFound
from bot.service import StoryService
from bot.telegram.asking import PLATFORM, Ask, MessageId, Place, Press, TelegramBot
from bot.telegram.deep_links import link

Result = TypeVar("Result")
_SUPERGROUP = "-100"
"""What the ids of supergroups begin with; links to their messages leave it out."""


async def as_there(bot: TelegramBot, caller: Caller, group_id: int) -> Caller | None:
    """The caller as a member of a group, with their rights there; None if they are not in it.

    Whoever may change the group's info manages it, whoever may delete messages moderates it.
    Raises TelegramError where Telegram cannot say.
    """
    there = replace(
        caller,
        community_id=str(group_id),
        community_name=caller.community_name if caller.community_id == str(group_id) else "",
        is_private=False,
    )
    if caller.member_id == str(group_id):  # an administrator who speaks as the group
        return replace(there, is_manager=True, is_moderator=True)
    try:
        member = await bot.get_chat_member(group_id, int(caller.member_id))
    except ChatMigrated as error:
        return await as_there(bot, caller, error.new_chat_id)
    except (BadRequest, Forbidden):
        return None
    if not is_in(member):
        return None
    is_manager = isinstance(member, ChatMemberOwner) or _may(member, "can_change_info")
    is_moderator = is_manager or _may(member, "can_delete_messages")
    return replace(there, is_manager=is_manager, is_moderator=is_moderator)


async def as_moderator(asked: Ask | Press, group_id: int) -> Caller:
    """Whoever asks, as one who moderates the group. Raises NotModerator."""
    caller = await as_there(asked.bot, asked.caller, group_id)
    if caller is None or not caller.is_moderator:
        raise NotModerator
    return caller


async def by_author_or_moderator(
    asked: Ask | Press, use_case: Callable[[Caller], Awaitable[Result]]
) -> Result:
    """Do what a story's author may do; for anybody else Telegram is asked whether they moderate.

    Raises as `use_case` does, NotYours for whoever is neither.
    """
    try:
        return await use_case(asked.caller)
    except NotYours:
        caller = None
        if not asked.caller.is_private:
            caller = await as_there(asked.bot, asked.caller, int(asked.caller.community_id))
        if caller is None or not caller.is_moderator:
            raise
        return await use_case(caller)


async def as_reader(service: StoryService, press: Press, story_id: int, home: int) -> Caller:
    """Whoever presses a button of a story that is shown outside its own chat, as one of those
    there: a member of its group, or whoever sees the message into which its author had it written.

    Raises StoryNotFound for anybody else.
    """
    if home < 0:
        caller = await as_there(press.bot, press.caller, home)
        if caller is None:
            raise StoryNotFound(id=story_id)
        return caller
    place = replace(press.place, home=home)
    seen = await post_of(service, story_id, place, press.message_id) is not None
    if not seen and press.caller.member_id != str(home):
        raise StoryNotFound(id=story_id)
    return replace(press.caller, community_id=str(home), is_private=True)


async def post_of(
    service: StoryService, story_id: int, place: Place, message_id: MessageId
) -> Post | None:
    """What is known of a message that shows a story."""
    for post in await service.posts(story_id):
        if (post.platform, post.message_id) == (PLATFORM, str(message_id)) and (
            post.channel_id == place.channel_id()
        ):
            return post
    return None


async def address_of(service: StoryService, story_id: int, group_id: str) -> str:
    """The link to a story's first message in its group; "" where it has none."""
    for post in await service.posts(story_id):
        is_there = post.platform == PLATFORM and group_id.startswith(_SUPERGROUP)
        if is_there and str(Place.of_channel_id(post.channel_id).chat_id) == group_id:
            return f"https://t.me/c/{group_id.removeprefix(_SUPERGROUP)}/{post.message_id}"
    return ""


async def story_url(service: StoryService, story_id: int, group_id: str, username: str) -> str:
    """The link to a story's message in its group, or one that opens it in private; `group_id` is
    "" for one's own, and what is shared with all."""
    if not group_id:
        return link(username, f"story_{story_id}")
    there = await address_of(service, story_id, group_id)
    return there or link(username, f"story_{story_id}_{group_id}")


def is_in(member: ChatMember) -> bool:
    """Whether somebody is in a chat at all."""
    if isinstance(member, ChatMemberRestricted):
        return member.is_member
    return member.status not in (ChatMember.LEFT, ChatMember.BANNED)


def _may(member: ChatMember, right: str) -> bool:
    return isinstance(member, ChatMemberAdministrator) and bool(getattr(member, right))


async def shared_locale(service: StoryService, caller: Caller) -> str:
    """The language of what everybody in the chat reads: the group's choice, else the asker's."""
    if caller.is_private:
        return caller.locale
    return await service.administration.language(caller) or caller.locale
