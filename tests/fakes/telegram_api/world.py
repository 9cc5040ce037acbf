"""The members, chats and messages that the fake Telegram holds, and waiting for them to change.

Knows no HTTP and no bot: what a method may do is judged elsewhere, here is only what is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fakes.patience import patience
from fakes.telegram_api.markup import Entity, utf16_slice

ChatType = str


@dataclass
class FakeUser:
    """One member."""

    id: int
    first_name: str
    username: str | None = None
    language_code: str | None = "en"
    is_bot: bool = False

    def to_json(self) -> dict[str, Any]:
        """A Bot API `User`."""
        user: dict[str, Any] = {
            "id": self.id,
            "is_bot": self.is_bot,
            "first_name": self.first_name,
        }
        if self.username:
            user["username"] = self.username
        if self.language_code:
            user["language_code"] = self.language_code
        return user


ANONYMOUS = FakeUser(1_087_968_824, "Group", "GroupAnonymousBot", None, is_bot=True)
"""Stands for the anonymous admins of every group; the group itself is their `sender_chat`."""


@dataclass(frozen=True)
class FakeButton:
    """One inline button."""

    label: str
    data: str | None = None
    url: str | None = None
    query: str | None = None
    """What it types into the member's message field."""


@dataclass(frozen=True)
class FakeDocument:
    """An uploaded file."""

    name: str
    content: bytes

    def json(self) -> Any:
        """Its content, read as JSON."""
        return json.loads(self.content)


@dataclass(frozen=True)
class Version:
    """What a message said before an edit, and when (the fake's clock) it began to say so."""

    text: str
    reply_markup: dict[str, Any] | None
    at: float


@dataclass(eq=False)
class FakeMessage:
    """One message with all its state; the object stays the same through edits."""

    chat: FakeChat
    message_id: int
    sender: FakeUser
    text: str
    entities: list[Entity] = field(default_factory=list)
    reply_markup: dict[str, Any] | None = None
    thread_id: int | None = None
    reply_to: int | None = None
    document: FakeDocument | None = None
    is_photo: bool = False
    link_preview_disabled: bool = False
    at: float = 0.0
    """Of the present version, by the fake's clock."""
    history: list[Version] = field(default_factory=list)
    """Earlier versions, oldest first."""
    deleted: bool = False
    inline_id: str = ""
    """Of a message that a member sent by inline mode."""

    @property
    def buttons(self) -> list[FakeButton]:
        """All inline buttons, row by row."""
        rows = (self.reply_markup or {}).get("inline_keyboard", [])
        return [
            FakeButton(
                button["text"],
                button.get("callback_data"),
                button.get("url"),
                button.get("switch_inline_query_current_chat"),
            )
            for row in rows
            for button in row
        ]

    def button(self, wanted: str) -> FakeButton:
        """The button whose label contains `wanted` or whose data is `wanted`."""
        for button in self.buttons:
            if wanted in button.label or wanted == button.data:
                return button
        raise AssertionError(f"no button {wanted!r} among {self.buttons} of {self.text[:80]!r}")

    def has_button(self, wanted: str) -> bool:
        """Whether `button(wanted)` would find one."""
        return any(wanted in b.label or wanted == b.data for b in self.buttons)

    def entity_texts(self, kind: str) -> list[str]:
        """The parts of the text that entities of `kind` cover."""
        return [
            utf16_slice(self.text, e["offset"], e["length"])
            for e in self.entities
            if e["type"] == kind
        ]

    def to_json(self, *, with_reply: bool = True) -> dict[str, Any]:
        """A Bot API `Message`."""
        message: dict[str, Any] = {
            "message_id": self.message_id,
            "date": 1_700_000_000 + self.message_id,
            "chat": self.chat.to_json(),
            "from": self.sender.to_json(),
            **self._content(),
        }
        if self.sender is ANONYMOUS:
            message["sender_chat"] = self.chat.to_json()
        if self.reply_markup:
            message["reply_markup"] = self.reply_markup
        if self.thread_id is not None:
            message |= {"message_thread_id": self.thread_id, "is_topic_message": True}
        if self.history:
            message["edit_date"] = message["date"] + len(self.history)
        replied = self.chat.messages.get(self.reply_to or 0)
        if with_reply and replied and not replied.deleted:
            message["reply_to_message"] = replied.to_json(with_reply=False)
        return message

    def _content(self) -> dict[str, Any]:
        text, entities = ("caption", "caption_entities")
        content: dict[str, Any] = {}
        if self.document and not self.is_photo:
            content["document"] = {
                **_file_json(f"doc{self.message_id}", len(self.document.content)),
                "file_name": self.document.name,
            }
        elif self.is_photo:
            photo = {**_file_json(f"photo{self.message_id}", 1000), "width": 90, "height": 90}
            content["photo"] = [photo]
        else:
            text, entities = ("text", "entities")
        if self.text:
            content[text] = self.text
        if self.entities:
            content[entities] = self.entities
        return content


def _file_json(file_id: str, size: int) -> dict[str, Any]:
    return {"file_id": file_id, "file_unique_id": f"u{file_id}", "file_size": size}


@dataclass(eq=False)
class FakeChat:
    """A private chat, group or supergroup, with its messages by id."""

    id: int
    type: ChatType
    title: str | None = None
    username: str | None = None
    """Of a public group or channel."""
    member: FakeUser | None = None
    """The other side of a private chat."""
    is_forum: bool = False
    topics: dict[int, str] = field(default_factory=dict)
    messages: dict[int, FakeMessage] = field(default_factory=dict)
    members: set[int] = field(default_factory=set)
    """Ids of those who are in a group: who spoke or pressed there, who was promoted."""
    admins: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Administrators' status and rights, by user id."""
    drafts: dict[int, list[str]] = field(default_factory=dict)
    """Texts of `sendMessageDraft`, by draft id."""
    started: bool = True
    """False: a member who never wrote to the bot; it may not write first."""
    refuses: str | None = None
    """Why the bot may not write here (blocked, kicked), as Telegram's 403 words it."""
    migrated_to: int | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _last_id: int = 0

    def to_json(self) -> dict[str, Any]:
        """A Bot API `Chat`."""
        chat: dict[str, Any] = {"id": self.id, "type": self.type}
        if self.member:
            chat["first_name"] = self.member.first_name
        if self.title:
            chat["title"] = self.title
        if self.username:
            chat["username"] = self.username
        if self.is_forum:
            chat["is_forum"] = True
        return chat

    def next_id(self) -> int:
        """A message id not used in this chat before."""
        self._last_id += 1
        return self._last_id

    def add(self, message: FakeMessage) -> FakeMessage:
        """Keep a new message and wake those who wait."""
        self.messages[message.message_id] = message
        self.changed()
        return message

    def changed(self) -> None:
        """Wake everyone who waits for this chat."""
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def bot_messages(self) -> list[FakeMessage]:
        """What the bot has sent here, or a member by it, and nobody has deleted, oldest first."""
        return [
            m for m in self.messages.values() if (m.sender.is_bot or m.inline_id) and not m.deleted
        ]

    async def wait_for(
        self,
        predicate: Callable[[FakeMessage], object],
        timeout: float = 15.0,
        *,
        after: FakeMessage | None = None,
    ) -> FakeMessage:
        """The first of the bot's messages (after `after`) that fits `predicate`, now or soon."""
        first = after.message_id + 1 if after else 0
        try:
            async with patience(timeout):
                while True:
                    changed = self._changed
                    for message in self.bot_messages:
                        if message.message_id >= first and predicate(message):
                            return message
                    await changed.wait()
        except TimeoutError:
            raise AssertionError(f"no such message in {timeout} s; {self.dump()}") from None

    def dump(self) -> str:
        """The chat as text, for a failed test's message."""
        lines = [
            f"  #{m.message_id} {m.sender.first_name}: {m.text!r} {[b.label for b in m.buttons]}"
            + (" (deleted)" if m.deleted else "")
            for m in self.messages.values()
        ]
        return "\n".join([f"chat {self.id}:", *lines])
