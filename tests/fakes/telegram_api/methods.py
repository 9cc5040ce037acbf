"""The Bot API methods that the fake answers, and the documented limits each call must keep.

A limit that a correct bot never breaks is answered as Telegram answers it and also recorded in
`violations`; a refusal that can happen to any bot (blocked, deleted, not modified) is only
answered. Knows no HTTP: values come decoded, results go back as plain data.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fakes.telegram_api.markup import Entity, MarkupError, find_entities, parse_html
from fakes.telegram_api.world import FakeChat, FakeDocument, FakeMessage, FakeUser, Version

Params = dict[str, Any]
Files = dict[str, FakeDocument]

# core.telegram.org/bots/api: sendMessage, sendDocument, InlineKeyboardButton,
# answerCallbackQuery, setMyCommands, BotCommand
MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_CALLBACK_DATA_BYTES = 64
MAX_CALLBACK_ANSWER = 200
MAX_INLINE_RESULTS = 50
MAX_RESULT_ID_BYTES = 64
MAX_COMMANDS = 100
MAX_COMMAND_DESCRIPTION = 256
MAX_DESCRIPTION = {"description": 512, "short_description": 120}
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")

_GIFTS = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription",
          "gifts_from_channels")  # fmt: skip

# What flood control counts. Answers to callback queries, deletions and drafts are not messages.
COUNTED = {
    "sendMessage", "sendDocument", "sendPhoto", "editMessageText", "editMessageReplyMarkup",
}  # fmt: skip


class ApiError(Exception):
    """An answer `{"ok": false, ...}`."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


@dataclass
class CallbackQuery:
    """One press of a button, and what the bot answered."""

    id: str
    user: FakeUser
    message: FakeMessage
    data: str
    answers: list[Params] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What the member saw; empty when the bot only acknowledged."""
        return str(self.answers[0].get("text", "")) if self.answers else ""

    @property
    def start(self) -> str:
        """The payload with which the answer opened the private chat; empty where it did not."""
        return str(self.answers[0].get("url", "")).partition("?start=")[2]

    @property
    def alert(self) -> bool:
        """Whether it came as an alert that must be closed."""
        return bool(self.answers and self.answers[0].get("show_alert"))


class Methods:
    """Everything the Bot API does to chats and messages."""

    def __init__(self, bot: FakeUser, clock: Callable[[], float]) -> None:
        self.bot = bot
        self.chats: dict[int, FakeChat] = {}
        self.queries: dict[str, CallbackQuery] = {}
        self.commands: dict[tuple[str, str], list[Params]] = {}
        """By scope (as text) and language code."""
        self.descriptions: dict[tuple[str, str], str] = {}
        """The bot's, long and short, by kind and language code."""
        self.menu_button = ""
        self.on_answer: Callable[[CallbackQuery], None] = lambda query: None
        self.inline: dict[str, FakeMessage] = {}
        """Messages that members sent by inline mode, by id."""
        self.on_offer: Callable[[str, list[Params]], None] = lambda query_id, results: None
        self.offers: set[str] = set()
        """Inline queries that may still be answered."""
        self.violations: list[str] = []
        self._clock = clock
        self.table: dict[str, Callable[[Params, Files], Any]] = {
            "getMe": self._get_me,
            "sendMessage": self._send_message,
            "sendDocument": self._send_document,
            "sendPhoto": self._send_photo,
            "getChat": self._get_chat,
            "sendMessageDraft": self._send_message_draft,
            "sendChatAction": self._send_chat_action,
            "getChatMember": self._get_chat_member,
            "editMessageText": self._edit_message_text,
            "editMessageReplyMarkup": self._edit_message_reply_markup,
            "deleteMessage": self._delete_message,
            "answerCallbackQuery": self._answer_callback_query,
            "answerInlineQuery": self._answer_inline_query,
            "setMyCommands": self._set_my_commands,
            "getMyCommands": self._get_my_commands,
            "deleteMyCommands": self._delete_my_commands,
            "setChatMenuButton": self._set_chat_menu_button,
            "setMyDescription": self._set_my_description,
            "setMyShortDescription": self._set_my_short_description,
        }

    def chat_of(self, params: Params) -> FakeChat:
        """The chat a call is about, or the error Telegram gives in its place."""
        if "inline_message_id" in params:
            return self._inline_message(params).chat
        chat = self.chats.get(params.get("chat_id", 0))
        if chat is None:
            raise ApiError(400, "Bad Request: chat not found")
        if chat.migrated_to:
            raise ApiError(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=chat.migrated_to,
            )
        if chat.refuses:
            raise ApiError(403, f"Forbidden: {chat.refuses}")
        if not chat.started:
            raise ApiError(403, "Forbidden: bot can't initiate conversation with a user")
        return chat

    def _broken(self, description: str, detail: str) -> ApiError:
        self.violations.append(f"{description}: {detail}")
        return ApiError(400, f"Bad Request: {description}")

    # --- texts -----------------------------------------------------------------------------

    def _text(
        self, params: Params, key: str, entities_key: str, longest: int
    ) -> tuple[str, list[Entity]]:
        raw, mode = params.get(key, ""), params.get("parse_mode")
        if mode is None:
            text, entities = raw.strip(), params.get(entities_key, [])
        elif mode.lower() == "html":
            try:
                text, entities = parse_html(raw)
            except MarkupError as error:
                raise self._broken(f"can't parse entities: {error}", raw[:200]) from error
        else:
            raise self._broken("unsupported parse_mode", f"{mode}; the fake knows HTML only")
        if len(text) > longest:
            raise self._broken("message is too long", f"{key} of {len(text)} characters")
        return text, find_entities(text, entities)

    def _body(self, params: Params) -> tuple[str, list[Entity]]:
        text, entities = self._text(params, "text", "entities", MAX_TEXT)
        if not text:
            raise self._broken("message text is empty", repr(params.get("text")))
        return text, entities

    def _markup(self, params: Params) -> Params | None:
        markup: Params | None = params.get("reply_markup")
        for row in (markup or {}).get("inline_keyboard", []):
            for button in row:
                self._check_button(button)
        return markup if (markup or {}).get("inline_keyboard") else None

    def _check_button(self, button: Params) -> None:
        kinds = button.keys() - {"text", "style", "icon_custom_emoji_id"}
        if len(kinds) != 1 or not button.get("text"):
            raise self._broken("inline keyboard button must have a text and one action", button)
        data = button.get("callback_data")
        if data is not None and not 1 <= len(data.encode()) <= MAX_CALLBACK_DATA_BYTES:
            raise self._broken("BUTTON_DATA_INVALID", f"callback_data {data!r}")

    def _preview_off(self, params: Params) -> bool:
        return bool((params.get("link_preview_options") or {}).get("is_disabled"))

    # --- methods ---------------------------------------------------------------------------

    def _get_me(self, params: Params, files: Files) -> Params:
        return {
            **self.bot.to_json(),
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": True,
        }

    def _place(self, chat: FakeChat, params: Params) -> dict[str, int | None]:
        """Topic and replied message of a new message, checked."""
        thread = params.get("message_thread_id")
        if thread is not None and thread not in chat.topics:
            raise ApiError(400, "Bad Request: message thread not found")
        reply = params.get("reply_parameters") or {}
        replied = chat.messages.get(reply.get("message_id", 0))
        gone = replied is None or replied.deleted
        if reply and gone and not reply.get("allow_sending_without_reply"):
            raise ApiError(400, "Bad Request: message to be replied not found")
        return {"thread_id": thread, "reply_to": None if gone else reply.get("message_id")}

    def _send_message(self, params: Params, files: Files) -> Params:
        chat = self.chat_of(params)
        me = chat.admins.get(self.bot.id, {})
        if chat.type == "channel" and not me.get("can_post_messages"):
            raise ApiError(400, "Bad Request: need administrator rights in the channel chat")
        text, entities = self._body(params)
        markup, place = self._markup(params), self._place(chat, params)
        message = FakeMessage(
            chat=chat,
            message_id=chat.next_id(),
            sender=self.bot,
            text=text,
            entities=entities,
            reply_markup=markup,
            link_preview_disabled=self._preview_off(params),
            at=self._clock(),
            **place,
        )
        return chat.add(message).to_json()

    def _send_document(self, params: Params, files: Files) -> Params:
        return self._send_file("document", params, files)

    def _send_photo(self, params: Params, files: Files) -> Params:
        return self._send_file("photo", params, files)

    def _send_file(self, kind: str, params: Params, files: Files) -> Params:
        chat = self.chat_of(params)
        if kind not in files:
            raise self._broken(f"there is no {kind} in the request", "the fake wants an upload")
        text, entities = self._text(params, "caption", "caption_entities", MAX_CAPTION)
        markup, place = self._markup(params), self._place(chat, params)
        message = FakeMessage(
            chat=chat,
            message_id=chat.next_id(),
            sender=self.bot,
            text=text,
            entities=entities,
            reply_markup=markup,
            document=files[kind],
            is_photo=kind == "photo",
            at=self._clock(),
            **place,
        )
        return chat.add(message).to_json()

    def _send_message_draft(self, params: Params, files: Files) -> bool:
        chat = self.chat_of(params)
        if chat.type != "private":
            raise self._broken("drafts are for private chats", f"chat {chat.id}")
        if not params["draft_id"]:
            raise self._broken("draft_id must be non-zero", "sendMessageDraft")
        text, _ = self._text(params, "text", "entities", MAX_TEXT)
        chat.drafts.setdefault(params["draft_id"], []).append(text)
        chat.changed()
        return True

    def _send_chat_action(self, params: Params, files: Files) -> bool:
        self._place(self.chat_of(params), params)
        return True

    def _get_chat(self, params: Params, files: Files) -> Params:
        name = str(params["chat_id"])
        if name.startswith("@"):
            named = [c for c in self.chats.values() if c.username == name[1:]]
            params = {"chat_id": named[0].id if named else 0}
        chat = self.chat_of(params)
        return {**chat.to_json(), "accent_color_id": 0, "max_reaction_count": 11,
                "accepted_gift_types": dict.fromkeys(_GIFTS, False)}  # fmt: skip

    def _get_chat_member(self, params: Params, files: Files) -> Params:
        chat, user_id = self.chat_of(params), params["user_id"]
        user = FakeUser(user_id, "Somebody").to_json()
        if user_id in chat.admins:
            return {"user": user, "is_anonymous": False, **chat.admins[user_id]}
        return {"user": user, "status": "member" if user_id in chat.members else "left"}

    def _own_message(self, chat: FakeChat, params: Params, to: str) -> FakeMessage:
        message = chat.messages.get(params.get("message_id", 0))
        if message is None or message.deleted:
            raise ApiError(400, f"Bad Request: message to {to} not found")
        if message.sender is not self.bot:
            raise ApiError(400, f"Bad Request: message can't be {to}ed")
        return message

    def _inline_message(self, params: Params) -> FakeMessage:
        message = self.inline.get(params["inline_message_id"])
        if message is None or message.deleted:
            raise ApiError(400, "Bad Request: MESSAGE_ID_INVALID")
        return message

    def _edited(self, params: Params) -> FakeMessage:
        if "inline_message_id" in params:
            return self._inline_message(params)
        return self._own_message(self.chat_of(params), params, "edit")

    def _edit_message_text(self, params: Params, files: Files) -> Params | bool:
        message = self._edited(params)
        text, entities = self._body(params)
        return self._edit(message, text, entities, self._markup(params), params)

    def _edit_message_reply_markup(self, params: Params, files: Files) -> Params | bool:
        message = self._edited(params)
        return self._edit(message, message.text, message.entities, self._markup(params), params)

    def _edit(
        self,
        message: FakeMessage,
        text: str,
        entities: list[Entity],
        markup: Params | None,
        params: Params,
    ) -> Params | bool:
        if (text, entities, markup) == (message.text, message.entities, message.reply_markup):
            raise ApiError(
                400,
                "Bad Request: message is not modified: specified new message content and reply "
                "markup are exactly the same as a current content and reply markup of the message",
            )
        message.history.append(Version(message.text, message.reply_markup, message.at))
        message.text, message.entities, message.reply_markup = text, entities, markup
        message.at = self._clock()
        if "text" in params:
            message.link_preview_disabled = self._preview_off(params)
        message.chat.changed()
        return True if message.inline_id else message.to_json()

    def _delete_message(self, params: Params, files: Files) -> bool:
        chat = self.chat_of(params)
        message = chat.messages.get(params["message_id"])
        if message is None or message.deleted:
            raise ApiError(400, "Bad Request: message to delete not found")
        message.deleted = True
        chat.changed()
        return True

    def _answer_callback_query(self, params: Params, files: Files) -> bool:
        query = self.queries.get(params["callback_query_id"])
        if query is None:
            raise ApiError(
                400,
                "Bad Request: query is too old and response timeout expired or query ID is invalid",
            )
        if len(params.get("text", "")) > MAX_CALLBACK_ANSWER:
            raise self._broken("MESSAGE_TOO_LONG", "answerCallbackQuery text above 200 characters")
        url = params.get("url")
        if url is not None and not url.startswith(f"https://t.me/{self.bot.username}?start="):
            raise self._broken("URL_INVALID", f"answerCallbackQuery opens our bot only: {url}")
        query.answers.append(params)
        self.on_answer(query)
        return True

    # --- inline mode -----------------------------------------------------------------------

    def _answer_inline_query(self, params: Params, files: Files) -> bool:
        query_id, results = params["inline_query_id"], params["results"]
        if query_id not in self.offers:
            raise ApiError(400, "Bad Request: query is too old and response timeout expired")
        if len(results) > MAX_INLINE_RESULTS:
            raise self._broken("RESULTS_TOO_MUCH", f"{len(results)} results")
        ids = [result["id"] for result in results]
        if len(set(ids)) < len(ids) or not all(
            1 <= len(one.encode()) <= MAX_RESULT_ID_BYTES for one in ids
        ):
            raise self._broken("RESULT_ID_INVALID", str(ids))
        for result in results:
            self.inline_content(result)
        self.offers.discard(query_id)
        self.on_offer(query_id, results)
        return True

    def inline_content(self, result: Params) -> tuple[str, list[Entity], Params | None]:
        """Text, entities and buttons of the message that sending `result` makes."""
        content = result["input_message_content"]
        text, entities = self._body({**content, "text": content["message_text"]})
        return text, entities, self._markup(result)

    # --- commands --------------------------------------------------------------------------

    def _commands_key(self, params: Params) -> tuple[str, str]:
        return str(params.get("scope") or {"type": "default"}), params.get("language_code", "")

    def _set_my_commands(self, params: Params, files: Files) -> bool:
        commands = params["commands"]
        if len(commands) > MAX_COMMANDS:
            raise self._broken("BOT_COMMANDS_TOO_MUCH", f"{len(commands)} commands")
        for command in commands:
            if not _COMMAND.fullmatch(command["command"]):
                raise self._broken("BOT_COMMAND_INVALID", command["command"])
            if not 1 <= len(command["description"]) <= MAX_COMMAND_DESCRIPTION:
                raise self._broken("BOT_COMMAND_DESCRIPTION_INVALID", command["command"])
        self.commands[self._commands_key(params)] = commands
        return True

    def _get_my_commands(self, params: Params, files: Files) -> list[Params]:
        return self.commands.get(self._commands_key(params), [])

    def _set_chat_menu_button(self, params: Params, files: Files) -> bool:
        self.menu_button = params["menu_button"]["type"]
        return True

    def _set_my_description(self, params: Params, files: Files) -> bool:
        return self._describe("description", params)

    def _set_my_short_description(self, params: Params, files: Files) -> bool:
        return self._describe("short_description", params)

    def _describe(self, kind: str, params: Params) -> bool:
        text = params.get(kind, "")
        if len(text) > MAX_DESCRIPTION[kind]:
            raise self._broken("BOT_DESCRIPTION_TOO_LONG", f"{kind} of {len(text)} characters")
        self.descriptions[kind, params.get("language_code", "")] = text
        return True

    def _delete_my_commands(self, params: Params, files: Files) -> bool:
        self.commands.pop(self._commands_key(params), None)
        return True
