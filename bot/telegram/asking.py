"""One member's command or press, taken out of an update, and the ways to answer it.

Knows Telegram's chats, topics and replies; knows no command.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from telegram import (
    Bot,
    CallbackQuery,
    Chat,
    ForceReply,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    Message,
    ReplyParameters,
    Update,
    User,
)
from telegram.constants import CallbackQueryLimit, ChatType, ParseMode
from telegram.error import BadRequest
from telegram.ext import ExtBot

from bot.domain import Caller
from bot.moderation import sanitize
from bot.telegram.deep_links import question_of
from bot.telegram.rate_limiter import Urgency
from bot.telegram.view import Page

log = logging.getLogger(__name__)

PLATFORM = "telegram"
TelegramBot = ExtBot[Urgency]
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


@dataclass(frozen=True, slots=True)
class Place:
    """Where to write: a chat, and in a forum the topic."""

    chat_id: int
    thread_id: int | None = None
    reply_to: int | None = None
    """The message answered, in groups."""

    def channel_id(self) -> str:
        """As kept in a `Post`."""
        return str(self.chat_id) if self.thread_id is None else f"{self.chat_id}/{self.thread_id}"

    @classmethod
    def of_channel_id(cls, channel_id: str) -> Place:
        """Read back what `channel_id` wrote."""
        chat, _, thread = channel_id.partition("/")
        return cls(int(chat), int(thread) if thread else None)

    @property
    def is_private(self) -> bool:
        """Private chats have their member's id; groups have negative ones."""
        return self.chat_id > 0

    @classmethod
    def of(cls, message: Message) -> Place:
        """To answer `message`. In a private chat it is plain what is answered."""
        in_topic = bool(message.is_topic_message)
        private = message.chat.type == ChatType.PRIVATE
        return cls(
            message.chat.id,
            message.message_thread_id if in_topic else None,
            None if private else message.message_id,
        )


async def send(bot: TelegramBot, place: Place, page: Page, urgency: Urgency) -> Message:
    """A new message."""
    reply = None
    if place.reply_to is not None:
        reply = ReplyParameters(place.reply_to, allow_sending_without_reply=True)
    return await bot.send_message(
        place.chat_id,
        page.html,
        parse_mode=ParseMode.HTML,
        link_preview_options=_NO_PREVIEW,
        message_thread_id=place.thread_id,
        reply_parameters=reply,
        reply_markup=page.keyboard,
        rate_limit_args=urgency,
    )


async def edit(
    bot: TelegramBot, place: Place, message_id: int, page: Page, urgency: Urgency
) -> None:
    """Make a message of ours show `page`; no error where it does so already."""
    with _unless_same():
        await bot.edit_message_text(
            page.html,
            chat_id=place.chat_id,
            message_id=message_id,
            parse_mode=ParseMode.HTML,
            link_preview_options=_NO_PREVIEW,
            reply_markup=page.keyboard,
            rate_limit_args=urgency,
        )


async def ask_for_reply(bot: TelegramBot, place: Place, html: str) -> None:
    """A question whose answer is a reply to it; in a group of the one who is answered alone."""
    reply = None
    if place.reply_to is not None:
        reply = ReplyParameters(place.reply_to, allow_sending_without_reply=True)
    await bot.send_message(
        place.chat_id,
        html,
        parse_mode=ParseMode.HTML,
        link_preview_options=_NO_PREVIEW,
        message_thread_id=place.thread_id,
        reply_parameters=reply,
        reply_markup=ForceReply(selective=True),
        rate_limit_args=Urgency.REPLY,
    )


async def edit_keyboard(
    bot: TelegramBot, place: Place, message_id: int, keyboard: InlineKeyboardMarkup | None
) -> None:
    """Change only the buttons below a message."""
    with _unless_same():
        await bot.edit_message_reply_markup(
            chat_id=place.chat_id,
            message_id=message_id,
            reply_markup=keyboard,
            rate_limit_args=Urgency.REPLY,
        )


@contextlib.contextmanager
def _unless_same() -> Any:
    """Telegram refuses an edit that changes nothing; that is no error to us."""
    try:
        yield
    except BadRequest as error:
        if "message is not modified" not in error.message.lower():
            raise


def _caller(speaker: User | Chat, chat: Chat, locale: str | None) -> Caller:
    name = speaker.full_name if isinstance(speaker, User) else speaker.effective_name
    return Caller(
        platform=PLATFORM,
        member_id=str(speaker.id),
        member_name=sanitize(name or "") or str(speaker.id),
        community_id=str(chat.id),
        community_name=sanitize(chat.title or ""),
        is_private=chat.type == ChatType.PRIVATE,
        locale=locale or "en",
    )


def _speaker(message: Message) -> User | Chat | None:
    """Who wrote a message: where a group or channel speaks, itself. `from_user` is then one and
    the same stand-in in all of Telegram, whose stories would be everyone's own."""
    return message.sender_chat or message.from_user


@dataclass(frozen=True, slots=True)
class Ask:
    """A command, or a reply to a question of ours."""

    bot: TelegramBot
    caller: Caller
    place: Place
    text: str
    """What follows the command's name; all of a reply."""
    command: str
    """As typed, such as `/story`; "" for a reply."""
    question: str = ""
    """Of a reply: the payload of the question's link."""

    @classmethod
    def of(cls, update: Update, bot: Bot) -> Ask | None:
        """None where nobody in particular speaks, as in a channel."""
        message = update.message
        if message is None or (speaker := _speaker(message)) is None:
            return None
        user = message.from_user
        text, is_command = message.text or "", (message.text or "").startswith("/")
        words = text.split(maxsplit=1) if is_command else ["", text]
        return cls(
            bot=_ours(bot),
            caller=_caller(speaker, message.chat, user.language_code if user else None),
            place=Place.of(message),
            text=words[1] if len(words) > 1 else "",
            command=words[0],
            question=question_of(message, bot.id) or "",
        )

    async def reply(self, pages: Iterable[Page]) -> None:
        """Answer with these messages, in order."""
        for page in pages:
            await send(self.bot, self.place, page, Urgency.REPLY)

    async def reply_file(self, name: str, data: dict[str, Any], caption: str) -> None:
        """Answer with a JSON file."""
        await self.bot.send_document(
            self.place.chat_id,
            json.dumps(data, ensure_ascii=False, indent=2).encode(),
            filename=name,
            caption=caption,
            message_thread_id=self.place.thread_id,
            rate_limit_args=Urgency.REPLY,
        )


@dataclass(slots=True)
class Press:
    """A press of a button below one of our messages."""

    bot: TelegramBot
    caller: Caller
    place: Place
    message_id: int
    data: str
    query: CallbackQuery
    answers: int | None = None
    """The message that ours answered."""
    answered: bool = False

    @classmethod
    def of(cls, update: Update, bot: Bot) -> Press | None:
        """None for a button of a message that was never in a chat we are in."""
        query = update.callback_query
        if query is None or query.message is None:
            return None
        message = query.message
        # Of a message too old to be shown, Telegram gives no more than its chat and number.
        place, answers = Place(message.chat.id), None
        if isinstance(message, Message):
            place = Place.of(message)
            if message.reply_to_message is not None:
                answers = message.reply_to_message.message_id
        return cls(
            bot=_ours(bot),
            caller=_caller(query.from_user, message.chat, query.from_user.language_code),
            place=place,
            message_id=message.message_id,
            data=query.data or "",
            query=query,
            answers=answers,
        )

    async def show(self, page: Page) -> None:
        """Make the pressed message show something else."""
        await edit(self.bot, self.place, self.message_id, page, Urgency.REPLY)

    async def answer(self, text: str = "", *, alert: bool = False, url: str = "") -> None:
        """Tell the one who pressed, or open a link to us for them, and end the waiting sign on the
        button.

        Telegram hears answers for some seconds only; what a later one asked for is done all the
        same, as after a pause of ours.
        """
        self.answered = True
        try:
            await self.query.answer(_shorten(text) or None, show_alert=alert, url=url or None)
        except BadRequest as error:
            log.info("an answer came too late: %s", error)


def _shorten(text: str) -> str:
    most = int(CallbackQueryLimit.ANSWER_CALLBACK_QUERY_TEXT_LENGTH)
    return text if len(text) <= most else text[: most - 1] + "…"


def _ours(bot: Bot) -> TelegramBot:
    if not isinstance(bot, ExtBot):
        raise TypeError("the application is built with an ExtBot")
    return bot
