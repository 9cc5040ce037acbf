"""One member's command or press, taken out of an update, and the ways to answer it.

Knows Telegram's chats, topics and replies; knows no command.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from telegram import (
    Bot,
    CallbackQuery,
    Chat,
    ForceReply,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    Message,
    MessageEntity,
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
MessageId: TypeAlias = int | str
"""A string of a message that inline mode sent."""
TelegramBot = ExtBot[Urgency]
NOWHERE = 0
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


@dataclass(frozen=True, slots=True)
class Place:
    """Where to write: a chat, and in a forum the topic."""

    chat_id: int
    """0: wherever a member sent what inline mode offered them; only to be edited."""
    thread_id: int | None = None
    reply_to: int | None = None
    """The message answered, in groups."""
    home: int | None = None
    """The chat whose story is shown, where that is another one; NOWHERE: one to be read only."""

    def channel_id(self) -> str:
        """As kept in a `Post`."""
        thread = "" if self.thread_id is None else f"/{self.thread_id}"
        home = "" if self.home is None else f"@{self.home}"
        return f"{self.chat_id}{thread}{home}"

    @classmethod
    def of_channel_id(cls, channel_id: str) -> Place:
        """Read back what `channel_id` wrote."""
        here, _, home = channel_id.partition("@")
        chat, _, thread = here.partition("/")
        return cls(int(chat), int(thread) if thread else None, home=int(home) if home else None)

    @property
    def is_private(self) -> bool:
        """Private chats have their member's id; groups and channels have negative ones."""
        return self.chat_id > 0

    @property
    def is_inline(self) -> bool:
        return self.chat_id == 0

    def read_message_id(self, kept: str) -> MessageId:
        """A message's id as a `Post` keeps it."""
        return kept if self.is_inline else int(kept)

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


def _reply_to(place: Place) -> ReplyParameters | None:
    if place.reply_to is None:
        return None
    return ReplyParameters(place.reply_to, allow_sending_without_reply=True)


async def send(bot: TelegramBot, place: Place, page: Page, urgency: Urgency) -> Message:
    """A new message."""
    return await bot.send_message(
        place.chat_id,
        page.html,
        parse_mode=ParseMode.HTML,
        link_preview_options=_NO_PREVIEW,
        message_thread_id=place.thread_id,
        reply_parameters=_reply_to(place),
        reply_markup=page.keyboard,
        rate_limit_args=urgency,
    )


async def edit(
    bot: TelegramBot, place: Place, message_id: MessageId, page: Page, urgency: Urgency
) -> None:
    """Make a message of ours show `page`; no error where it does so already."""
    with _unless_same():
        await bot.edit_message_text(
            page.html,
            **_address(place, message_id),
            parse_mode=ParseMode.HTML,
            link_preview_options=_NO_PREVIEW,
            reply_markup=page.keyboard,
            rate_limit_args=urgency,
        )


async def ask_for_reply(bot: TelegramBot, place: Place, html: str) -> None:
    """A question whose answer is a reply to it; in a group of the one who is answered alone."""
    await bot.send_message(
        place.chat_id,
        html,
        parse_mode=ParseMode.HTML,
        link_preview_options=_NO_PREVIEW,
        message_thread_id=place.thread_id,
        reply_parameters=_reply_to(place),
        reply_markup=ForceReply(selective=True),
        rate_limit_args=Urgency.REPLY,
    )


async def edit_keyboard(
    bot: TelegramBot, place: Place, message_id: MessageId, keyboard: InlineKeyboardMarkup | None
) -> None:
    """Change only the buttons below a message."""
    with _unless_same():
        await bot.edit_message_reply_markup(
            **_address(place, message_id),
            reply_markup=keyboard,
            rate_limit_args=Urgency.REPLY,
        )


def _address(place: Place, message_id: MessageId) -> dict[str, Any]:
    if place.is_inline:
        return {"inline_message_id": message_id}
    return {"chat_id": place.chat_id, "message_id": message_id}


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


def private_caller(user: User) -> Caller:
    """A member of whom we do not know where they are, as in their chat with us."""
    return _caller(user, Chat(user.id, ChatType.PRIVATE), user.language_code)


def _speaker(message: Message) -> User | Chat | None:
    """Who wrote a message: where a group or channel speaks, itself. `from_user` is then one and
    the same stand-in in all of Telegram, whose stories would be everyone's own."""
    return message.sender_chat or message.from_user


def _meant(message: Message) -> str | None:
    for entity in message.entities:
        if entity.type == MessageEntity.TEXT_MENTION and entity.user is not None:
            return str(entity.user.id)
    answered = message.reply_to_message
    if answered is None or answered.forum_topic_created is not None:
        return None  # in a topic, whoever replies to nobody replies to its beginning
    speaker = _speaker(answered)
    is_bot = isinstance(speaker, User) and speaker.is_bot
    return None if speaker is None or is_bot else str(speaker.id)


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
    meant: str | None = None
    """The member whose message was answered, or who is named in a way that holds their id."""

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
            meant=_meant(message),
        )

    async def reply(self, pages: Iterable[Page]) -> None:
        """Answer with these messages, in order."""
        for page in pages:
            await send(self.bot, self.place, page, Urgency.REPLY)

    async def reply_photo(self, picture: bytes, caption: str) -> None:
        """Answer with a picture."""
        await self.bot.send_photo(
            self.place.chat_id,
            picture,
            caption=caption,
            message_thread_id=self.place.thread_id,
            reply_parameters=_reply_to(self.place),
            rate_limit_args=Urgency.REPLY,
        )

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
    message_id: MessageId
    data: str
    query: CallbackQuery
    answers: int | None = None
    """The message that ours answered."""
    answered: bool = False

    @classmethod
    def of(cls, update: Update, bot: Bot) -> Press | None:
        """None for an update that is no press."""
        query = update.callback_query
        if query is None:
            return None
        message = query.message
        if message is None:
            return cls._inline(query, bot)
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

    @classmethod
    def _inline(cls, query: CallbackQuery, bot: Bot) -> Press | None:
        """Below a message that inline mode sent; None for one of a game, which we have not."""
        if query.inline_message_id is None:
            return None
        return cls(
            bot=_ours(bot),
            caller=private_caller(query.from_user),
            place=Place(0),
            message_id=query.inline_message_id,
            data=query.data or "",
            query=query,
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
