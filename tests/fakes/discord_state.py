"""What the fake Discord remembers: people, servers, channels, messages, interactions.

Each thing renders itself as the JSON that the real API sends. Knows no HTTP and no socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fakes.discord_limits import EPHEMERAL, LOADING, walk

EPOCH_MS = 1_420_070_400_000  # docs: reference#snowflakes
GUILD_TEXT, DM, GROUP_DM, CATEGORY, PUBLIC_THREAD, FORUM = 0, 1, 3, 4, 11, 15
COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5
"""Interaction types (docs: receiving-and-responding)."""
SEND_MESSAGES, SEND_IN_THREADS, EMBED_LINKS, ATTACH_FILES = 0x800, 1 << 38, 0x4000, 0x8000
MEMBER_PERMISSIONS = 0x800 | 0x400 | 0x4000 | 0x8000 | 0x10000 | (1 << 31) | (1 << 38)
"""Send, view, embed links, attach files, history, application commands, send in threads."""
MANAGE_GUILD, MANAGE_MESSAGES, ADMINISTRATOR = 0x20, 0x2000, 0x8
YEAR_S = 365 * 86_400.0
_ids = itertools.count(1)


def snowflake(age_s: float = 0.0) -> int:
    """A new id of something that old; discord.py reads the time of creation from it."""
    return (int((time.time() - age_s) * 1000) - EPOCH_MS) << 22 | (next(_ids) & 0x3FFFFF)


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def without_nulls(value: Any) -> Any:
    """JSON as the API answers it: what was sent as null is left out."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


class Changes:
    """Wakes everyone who waits for the fake to reach some state."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def until(self, reached: Callable[[], Any], timeout: float, what: str) -> Any:
        """The first truthy answer of `reached`; AssertionError naming `what` after `timeout` s."""
        try:
            async with asyncio.timeout(timeout):
                while not (answer := reached()):
                    # What a test waits for may lie outside the fake and tell nobody.
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._event.wait(), 0.02)
                return answer
        except TimeoutError:
            raise AssertionError(f"{timeout} s passed without {what}") from None


@dataclass(eq=False)
class User:
    """A person or bot."""

    name: str
    id: int = field(default_factory=lambda: snowflake(YEAR_S))
    bot: bool = False
    permissions: int = MEMBER_PERMISSIONS
    """What they may do in every server's channels."""
    roles: list[Role] = field(default_factory=list)

    def json(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "username": self.name.lower().replace(" ", "_")[:32],
            "global_name": self.name,
            "discriminator": "0",
            "avatar": None,
            "public_flags": 0,
            "flags": 0,
            "bot": self.bot,
            "primary_guild": None,
        }

    def member_json(self) -> dict[str, Any]:
        return {
            "user": self.json(),
            "nick": None,
            "avatar": None,
            "banner": None,
            "roles": [str(role.id) for role in self.roles],
            "joined_at": "2024-01-01T00:00:00+00:00",
            "premium_since": None,
            "pending": False,
            "communication_disabled_until": None,
            "deaf": False,
            "mute": False,
            "flags": 0,
            "permissions": str(self.permissions),
        }


@dataclass(eq=False)
class Role:
    """A role of a server."""

    name: str
    id: int = field(default_factory=snowflake)

    def json(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "name": self.name,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "managed": False,
            "mentionable": False,
            "permissions": str(MEMBER_PERMISSIONS),
            "position": 0,
            "flags": 0,
        }


@dataclass(eq=False)
class Guild:
    """A server. Not `installed`: only members who installed the app for themselves use it there."""

    name: str
    id: int = field(default_factory=snowflake)
    installed: bool = True
    locale: str = "en-US"
    channels: list[Channel] = field(default_factory=list)
    roles: list[Role] = field(default_factory=list)

    def json(self, me: User) -> dict[str, Any]:
        everyone = Role("@everyone", self.id)
        empty = ("emojis", "stickers", "presences", "voice_states", "features")
        empty += ("stage_instances", "guild_scheduled_events", "soundboard_sounds")
        return {
            "id": str(self.id),
            "name": self.name,
            "owner_id": "1",
            "icon": None,
            "preferred_locale": self.locale,
            "roles": [role.json() for role in (everyone, *self.roles)],
            "members": [me.member_json()],
            "member_count": 2,
            "channels": [one.json() for one in self.channels if one.kind != PUBLIC_THREAD],
            "threads": [one.json() for one in self.channels if one.kind == PUBLIC_THREAD],
            "joined_at": "2024-01-01T00:00:00+00:00",
            "large": False,
            "unavailable": False,
            "verification_level": 0,
            "explicit_content_filter": 0,
            "default_message_notifications": 0,
            "mfa_level": 0,
            "nsfw_level": 0,
            "premium_tier": 0,
            "premium_subscription_count": 0,
            "system_channel_flags": 0,
            "afk_timeout": 300,
        } | {key: [] for key in empty}


@dataclass(eq=False)
class Channel:
    """A text channel, thread, direct message or group."""

    name: str = ""
    guild: Guild | None = None
    kind: int = GUILD_TEXT
    id: int = field(default_factory=snowflake)
    nsfw: bool = False
    recipients: list[User] = field(default_factory=list)
    bot_access: bool = True
    """False: the bot cannot see it; only interaction tokens reach it."""
    gone: bool = False
    denied: int = 0
    """Permissions that nobody has there, the bot included."""
    parent: Channel | None = None
    """What a thread lies in; a channel's category."""
    tags: list[dict[str, Any]] = field(default_factory=list)
    """Of a forum."""
    applied_tags: list[str] = field(default_factory=list)
    """Of a forum's post."""
    wants_tag: bool = False
    archived: bool = False
    """A thread in which nothing can be edited."""

    def json(self) -> dict[str, Any]:
        shared = {"id": str(self.id), "type": self.kind, "flags": 0, "last_message_id": None}
        if self.guild is None:
            return shared | {"recipients": [user.json() for user in self.recipients]}
        shared |= {"guild_id": str(self.guild.id), "name": self.name}
        if self.kind == PUBLIC_THREAD:
            return shared | self._thread_json()
        return shared | {
            "position": 0,
            "flags": 1 << 4 if self.wants_tag else 0,
            "available_tags": self.tags,
            "nsfw": self.nsfw,
            "parent_id": str(self.parent.id) if self.parent else None,
            "topic": None,
            "rate_limit_per_user": 0,
            "permission_overwrites": [
                {"id": str(self.guild.id), "type": 0, "allow": "0", "deny": str(self.denied)}
            ],
        }

    def _thread_json(self) -> dict[str, Any]:
        state = {"archived": self.archived, "locked": False, "auto_archive_duration": 1440}
        counts = dict.fromkeys(("message_count", "member_count", "total_message_sent"), 1)
        return counts | {
            "parent_id": str(self.parent.id if self.parent else self.id),
            "owner_id": "1",
            "rate_limit_per_user": 0,
            "thread_metadata": state | {"archive_timestamp": "2024-01-01T00:00:00+00:00"},
        }

    @property
    def forbidden(self) -> int:
        """Denied here, or in what a thread lies in."""
        return self.denied | (self.parent.denied if self.parent else 0)

    @property
    def app_permissions(self) -> int:
        """What the bot may do here."""
        return MEMBER_PERMISSIONS & ~self.forbidden

    @property
    def context(self) -> int:
        """Where an interaction comes from: 0 guild, 1 the bot's own DM, 2 another private one."""
        if self.guild is not None:
            return 0
        return 1 if self.bot_access else 2


@dataclass(frozen=True)
class Version:
    """One state that a message had."""

    content: str
    embeds: list[dict[str, Any]]
    components: list[dict[str, Any]]
    via: str
    """How it came to be: "callback", "token" or "channel"."""
    at: float
    """Event loop time, s."""


@dataclass(eq=False)
class Message:
    """A message and every state it went through."""

    channel: Channel
    author: User
    application_id: int
    id: int = field(default_factory=snowflake)
    kind: int = 0
    flags: int = 0
    content: str = ""
    embeds: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    """Uploaded bytes by file name."""
    versions: list[Version] = field(default_factory=list)
    nonce: str | None = None
    interaction: Interaction | None = None
    deleted: bool = False
    edited_at: float | None = None

    def apply(self, payload: dict[str, Any], files: dict[str, bytes], via: str) -> None:
        """Take over what a create or an edit names; the rest stays (Edit Message)."""
        self.flags &= ~LOADING
        self.content = payload.get("content", self.content) or ""
        if "embeds" in payload:
            self.embeds = [{"type": "rich", **without_nulls(e)} for e in payload["embeds"] or []]
        if "components" in payload:
            self.components = without_nulls(payload["components"] or [])
            for number, component in enumerate(walk(self.components), start=1):
                component["id"] = number
        self.files |= files
        self.attachments += [_attachment(name, data) for name, data in files.items()]
        if self.versions:
            self.edited_at = time.time()
        now = asyncio.get_running_loop().time()
        self.versions.append(Version(self.content, self.embeds, self.components, via, now))

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & EPHEMERAL)

    @property
    def loading(self) -> bool:
        """Still "thinking…" after a deferral."""
        return bool(self.flags & LOADING)

    @property
    def text(self) -> str:
        """Everything a reader reads, embeds included."""
        parts = [self.content]
        for embed in self.embeds:
            parts += [embed.get("author", {}).get("name", ""), embed.get("title", "")]
            parts += [embed.get("description", "")]
            parts += [f"{one['name']}\n{one['value']}" for one in embed.get("fields", [])]
            parts += [embed.get("footer", {}).get("text", "")]
        return "\n".join(part for part in parts if part)

    @property
    def buttons(self) -> list[dict[str, Any]]:
        return [component for component in walk(self.components) if component["type"] == 2]

    def button(self, which: str) -> dict[str, Any]:
        """The button with this custom_id, emoji, or text in its label."""
        for button in self.buttons:
            emoji = (button.get("emoji") or {}).get("name", "")
            shown = f"{emoji} {button.get('label', '')}"
            if button.get("custom_id") == which or which.lower() in shown.lower():
                return button
        have = [(b.get("label"), b.get("custom_id")) for b in self.buttons]
        raise AssertionError(f"no button {which!r}; there are {have}")

    def json(self) -> dict[str, Any]:
        rendered = {
            "id": str(self.id),
            "type": self.kind,
            "channel_id": str(self.channel.id),
            "author": self.author.json(),
            "content": self.content,
            "embeds": self.embeds,
            "components": self.components,
            "attachments": self.attachments,
            "flags": self.flags,
            "timestamp": iso((self.id >> 22) / 1000 + EPOCH_MS / 1000),
            "edited_timestamp": iso(self.edited_at) if self.edited_at else None,
            "tts": False,
            "pinned": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "application_id": str(self.application_id),
        }
        if self.interaction is not None:
            rendered["webhook_id"] = str(self.application_id)
        return rendered


def _attachment(name: str, data: bytes) -> dict[str, Any]:
    url = f"https://cdn.example/{name}"
    shared = {"id": str(snowflake()), "filename": name, "size": len(data)}
    return shared | {"url": url, "proxy_url": url}


@dataclass(eq=False)
class Interaction:
    """One thing a member did, and how the bot answered. Tests await its methods."""

    kind: int
    user: User
    channel: Channel
    data: dict[str, Any]
    changes: Changes
    clock: Callable[[], float]
    locale: str = "en-US"
    pressed: Message | None = None
    """The message a button or select is on."""
    id: int = field(default_factory=snowflake)
    token: str = ""
    sent_at: float = 0.0
    """Fake clock, s."""
    acknowledged_after: float | None = None
    """Seconds from the event to the answer; None while there is none."""
    answer_type: int | None = None
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)
    choices: list[dict[str, Any]] | None = None
    modal: dict[str, Any] | None = None
    expired: bool = False

    def __post_init__(self) -> None:
        self.token = self.token or f"token-{self.id}"
        self.sent_at = self.clock()

    @property
    def token_is_dead(self) -> bool:
        """15 min after the event (docs: interactions#followup-messages), or when told so."""
        return self.expired or self.clock() - self.sent_at > 15 * 60

    @property
    def messages(self) -> list[Message]:
        """What the bot posted for it, in order."""
        own = [self.original] if self.original and self.original is not self.pressed else []
        return own + self.followups

    async def responded(self, timeout: float = 5.0) -> Interaction:
        """Wait for the first response."""
        what = f"an answer to {self.data}"
        await self.changes.until(lambda: self.acknowledged_after is not None, timeout, what)
        return self

    async def message(
        self, predicate: Callable[[Message], Any] | str | None = None, timeout: float = 10.0
    ) -> Message:
        """Wait for a posted message that is no longer loading and satisfies `predicate`.

        A string stands for "its text contains this".
        """

        def found() -> Message | None:
            shown: Iterable[Message] = (m for m in self.messages if not m.loading and not m.deleted)
            return next((m for m in shown if _satisfies(m, predicate)), None)

        try:
            message: Message = await self.changes.until(found, timeout, "the message wanted")
        except AssertionError as error:
            have = [(m.text, m.loading, m.deleted) for m in self.messages]
            raise AssertionError(f"{error}; there are {have}") from None
        return message


def _satisfies(message: Message, predicate: Callable[[Message], Any] | str | None) -> bool:
    if isinstance(predicate, str):
        return predicate in message.text
    return predicate is None or bool(predicate(message))
