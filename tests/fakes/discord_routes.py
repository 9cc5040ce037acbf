"""The routes of the fake Discord: what each does to the messages, commands and interactions.

A handler takes a `Call` and the ids of its path, and answers `(status, body)`; it refuses with
`ApiError`, as Discord does, or with `Refused`, which is a violation as well. Knows no sockets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fakes.discord_limits import (
    EPHEMERAL,
    LOADING,
    choice_problems,
    command_problems,
    mention_problems,
    message_problems,
    walk,
)
from fakes.discord_state import (
    AUTOCOMPLETE,
    COMMAND,
    COMPONENT,
    FORUM,
    MODAL,
    PUBLIC_THREAD,
    SEND_IN_THREADS,
    SEND_MESSAGES,
    Channel,
    Interaction,
    Message,
    User,
    snowflake,
)

FIRST_ANSWER_S = 3.0  # docs: receiving-and-responding#interaction-response-object
PONG, REPLY, DEFER, DEFER_UPDATE, UPDATE, CHOICES, SHOW_MODAL = 1, 4, 5, 6, 7, 8, 9
_ANSWERS = {
    COMMAND: {REPLY, DEFER, SHOW_MODAL},
    COMPONENT: {REPLY, DEFER, DEFER_UPDATE, UPDATE, SHOW_MODAL},
    MODAL: {REPLY, DEFER, DEFER_UPDATE, UPDATE},
    AUTOCOMPLETE: {CHOICES},
}
_USER_INSTALL_FOLLOWUPS = 5  # resources/application#installation-context


class ApiError(Exception):
    """An answer with one of Discord's JSON error codes (topics/opcodes-and-status-codes)."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message}


class Refused(Exception):
    """The form is wrong: 400 with 50035, and a violation."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(problems)
        self.problems = problems


def _refuse(problems: list[str]) -> None:
    if problems:
        raise Refused(problems)


@dataclass(eq=False)
class Call:
    """One request as it came in, and the status it was answered with."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    files: dict[str, bytes]
    authorization: str | None
    at: float
    """Event loop time, s."""
    status: int = 0


Handler = Callable[..., tuple[int, Any]]


@dataclass(frozen=True)
class Route:
    """One operation that the fake serves."""

    method: str
    path: re.Pattern[str]
    needs_token: bool
    limit: str
    """Kind of rate limit: "message", "webhook", "none" or "" for the usual one."""
    handler: Handler


class Routes:
    """What Discord remembers, and every operation on it."""

    def __init__(self, bot: User, application_id: int, violations: list[str]) -> None:
        self.bot = bot
        self.application_id = application_id
        self.violations = violations
        self.gateway_url = ""
        self.shards = 1
        self.commands: list[dict[str, Any]] = []
        self.syncs = 0
        self.channels: dict[int, Channel] = {}
        self.messages: dict[int, Message] = {}
        self.interactions: dict[int, Interaction] = {}
        self.table = [
            Route(method, re.compile(path), token, limit, handler)
            for method, path, token, limit, handler in self._table()
        ]

    def _table(self) -> list[tuple[str, str, bool, str, Handler]]:
        """The fields of every Route."""
        app, token = r"/(?P<app>\d+)", r"/(?P<token>[^/]+)"
        commands = rf"/applications{app}/commands"
        hook = rf"/webhooks{app}{token}"
        channel = r"/channels/(?P<channel>\d+)"
        message = rf"{channel}/messages/(?P<message>\d+)"
        return [
            ("GET", "/users/@me", True, "", self._me),
            ("GET", "(/oauth2)?/applications/@me", True, "", self._application),
            ("GET", "/gateway/bot", True, "", self._gateway_bot),
            ("GET", commands, True, "", self._get_commands),
            ("PUT", commands, True, "", self._put_commands),
            ("POST", rf"/interactions/(?P<id>\d+){token}/callback", False, "none", self._callback),
            ("POST", hook, False, "webhook", self._follow_up),
            ("GET", rf"{hook}/messages/(?P<which>[^/]+)", False, "webhook", self._get_by_token),
            ("PATCH", rf"{hook}/messages/(?P<which>[^/]+)", False, "webhook", self._edit_by_token),
            ("DELETE", rf"{hook}/messages/(?P<which>[^/]+)", False, "webhook", self._drop_by_token),
            ("GET", channel, True, "", self._get_channel),
            ("PATCH", channel, True, "", self._edit_channel),
            ("POST", rf"{channel}/messages", True, "message", self._create_message),
            ("POST", rf"{channel}/threads", True, "message", self._create_post),
            ("GET", message, True, "", self._get_message),
            ("PATCH", message, True, "message", self._edit_message),
            ("DELETE", message, True, "message", self._delete_message),
        ]

    # Who the bot is, and its commands

    def _me(self, call: Call) -> tuple[int, Any]:
        return 200, self.bot.json() | {"mfa_enabled": True, "locale": "en-US"}

    def _application(self, call: Call) -> tuple[int, Any]:
        described = dict.fromkeys(("icon", "type", "interactions_endpoint_url", "team"))
        counted = dict.fromkeys(
            ("guild_count", "user_install_count", "user_authorization_count"), 1
        )
        return 200, described | {
            "id": str(self.application_id),
            "name": self.bot.name,
            "description": "",
            "bot": self.bot.json(),
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "0" * 64,
            "flags": 0,
            "flags_new": "0",
            "redirect_uris": [],
            "role_connections_verification_url": None,
            "owner": User("Owner", id=1).json(),
            "explicit_content_filter": 0,
            "eligible_oauth2_scopes": [],
        } | {f"approximate_{key}": value for key, value in counted.items()}

    def _gateway_bot(self, call: Call) -> tuple[int, Any]:
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
        return 200, {"url": self.gateway_url, "shards": self.shards, "session_start_limit": limit}

    def _get_commands(self, call: Call, app: str) -> tuple[int, Any]:
        self._check_application(app)
        return 200, self.commands

    def _put_commands(self, call: Call, app: str) -> tuple[int, Any]:
        self._check_application(app)
        _refuse(command_problems(call.body))
        self.syncs += 1
        known = {command["name"]: command["id"] for command in self.commands}
        self.commands = [
            {"type": 1, "description": "", "default_member_permissions": None}
            | {key: value for key, value in command.items() if value is not None}
            | {
                "id": known.get(command["name"], str(snowflake())),
                "application_id": app,
                "version": str(snowflake()),
                "nsfw": bool(command.get("nsfw")),
                "default_member_permissions": _text(command.get("default_member_permissions")),
            }
            for command in call.body
        ]
        return 200, self.commands

    def _check_application(self, app: str) -> None:
        if int(app) != self.application_id:
            raise ApiError(403, 20012, "You are not authorized to perform this action")

    # Answers to interactions

    def _callback(self, call: Call, id: str, token: str) -> tuple[int, Any]:
        interaction = self.interactions.get(int(id))
        if interaction is None or interaction.token != token:
            raise ApiError(404, 10062, "Unknown interaction")
        late = interaction.clock() - interaction.sent_at
        if interaction.answer_type is not None:
            self.violations.append(f"interaction {id} acknowledged twice")
            raise ApiError(400, 40060, "Interaction has already been acknowledged.")
        if late > FIRST_ANSWER_S:
            self.violations.append(f"interaction {id} acknowledged after {late:.1f} s")
            raise ApiError(404, 10062, "Unknown interaction")
        kind, data = call.body["type"], call.body.get("data") or {}
        if kind not in _ANSWERS[interaction.kind]:
            _refuse([f"answer type {kind} does not suit interaction type {interaction.kind}"])
        self._first_answer(interaction, kind, data, call.files)
        interaction.answer_type, interaction.acknowledged_after = kind, late
        return self._callback_answer(call, interaction, kind)

    def _first_answer(
        self, interaction: Interaction, kind: int, data: dict[str, Any], files: dict[str, bytes]
    ) -> None:
        if kind == DEFER:
            if (data.get("flags") or 0) & ~EPHEMERAL:
                _refuse([f"a deferral carries flags {data['flags']}; only EPHEMERAL may be there"])
            interaction.original = self._new(interaction, (data.get("flags") or 0) | LOADING)
        elif kind == REPLY:
            self._check(data, needs_text=not files)
            interaction.original = self._new(interaction, data.get("flags") or 0)
            interaction.original.apply(data, files, "callback")
        elif kind in (DEFER_UPDATE, UPDATE):
            interaction.original = interaction.pressed
            if kind == UPDATE and interaction.pressed is not None:
                self._check(data, needs_text=False)
                interaction.pressed.apply(data, files, "callback")
        elif kind == CHOICES:
            _refuse(choice_problems(data))
            interaction.choices = data.get("choices") or []
        else:
            ids = [c.get("custom_id") for c in walk(data["components"]) if c["type"] == 4]
            _refuse([] if len(ids) == len(set(ids)) else ["modal inputs share a custom_id"])
            interaction.modal = data

    def _new(self, interaction: Interaction, flags: int) -> Message:
        message = Message(interaction.channel, self.bot, self.application_id, flags=flags)
        message.kind = 20 if interaction.kind == COMMAND else 0
        message.interaction = interaction
        self.messages[message.id] = message
        return message

    def _callback_answer(self, call: Call, interaction: Interaction, kind: int) -> tuple[int, Any]:
        if call.query.get("with_response", "").lower() not in ("1", "true"):
            return 204, None
        message = interaction.original
        about: dict[str, Any] = {"id": str(interaction.id), "type": interaction.kind}
        if message is None:
            return 200, {"interaction": about}
        about["response_message_id"] = str(message.id)
        about["response_message_loading"] = message.loading
        about["response_message_ephemeral"] = message.ephemeral
        if kind not in (REPLY, UPDATE):
            return 200, {"interaction": about}
        return 200, {"interaction": about, "resource": {"type": kind, "message": message.json()}}

    # By an interaction's token

    def _by_token(self, app: str, token: str) -> Interaction:
        found = next((i for i in self.interactions.values() if i.token == token), None)
        if found is None or found.token_is_dead or int(app) != self.application_id:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        if found.answer_type is None:
            raise ApiError(404, 10015, "Unknown Webhook")
        return found

    def _token_message(self, app: str, token: str, which: str) -> Message:
        interaction = self._by_token(app, token)
        reachable = [*interaction.followups, interaction.original, interaction.pressed]
        wanted = interaction.original if which == "@original" else self.messages.get(_number(which))
        if wanted is None or wanted.deleted or wanted not in reachable:
            raise ApiError(404, 10008, "Unknown Message")
        if wanted.channel.gone:
            raise ApiError(404, 10003, "Unknown Channel")
        return wanted

    def _follow_up(self, call: Call, app: str, token: str) -> tuple[int, Any]:
        interaction = self._by_token(app, token)
        self._check(call.body, needs_text=not call.files)
        original = interaction.original
        if original is not None and original.loading and not original.deleted:
            original.apply(call.body, call.files, "token")
            return 200, original.json()
        guild = interaction.channel.guild
        alone = not interaction.channel.bot_access or (guild is not None and not guild.installed)
        if alone and len(interaction.followups) >= _USER_INSTALL_FOLLOWUPS:
            raise ApiError(400, 40094, "This interaction has reached its follow-up limit")
        message = self._new(interaction, call.body.get("flags") or 0)
        message.apply(call.body, call.files, "token")
        interaction.followups.append(message)
        return 200, message.json()

    def _get_by_token(self, call: Call, app: str, token: str, which: str) -> tuple[int, Any]:
        return 200, self._token_message(app, token, which).json()

    def _edit_by_token(self, call: Call, app: str, token: str, which: str) -> tuple[int, Any]:
        message = self._token_message(app, token, which)
        self._check_edit(message, call)
        message.apply(call.body, call.files, "token")
        return 200, message.json()

    def _drop_by_token(self, call: Call, app: str, token: str, which: str) -> tuple[int, Any]:
        self._token_message(app, token, which).deleted = True
        return 204, None

    # By the channel

    def _channel(self, channel: str) -> Channel:
        found = self.channels.get(int(channel))
        if found is None or found.gone:
            raise ApiError(404, 10003, "Unknown Channel")
        if not found.bot_access:
            raise ApiError(403, 50001, "Missing Access")
        return found

    def _channel_message(self, channel: str, message: str) -> Message:
        place, found = self._channel(channel), self.messages.get(int(message))
        if found is None or found.deleted or found.channel is not place or found.ephemeral:
            raise ApiError(404, 10008, "Unknown Message")
        return found

    def _get_channel(self, call: Call, channel: str) -> tuple[int, Any]:
        return 200, self._channel(channel).json()

    def _edit_channel(self, call: Call, channel: str) -> tuple[int, Any]:
        """Takes a thread out of the archive, which is all that is asked of it."""
        place = self._channel(channel)
        if not place.app_permissions & SEND_IN_THREADS:
            raise ApiError(403, 50013, "Missing Permissions")
        place.archived = call.body["archived"]
        return 200, place.json()

    def _create_message(self, call: Call, channel: str) -> tuple[int, Any]:
        place = self._channel(channel)
        needed = SEND_IN_THREADS if place.kind == PUBLIC_THREAD else SEND_MESSAGES
        if place.kind == FORUM:
            raise ApiError(400, 50008, "Cannot send messages in a non-text channel")
        if not place.app_permissions & needed:
            raise ApiError(403, 50013, "Missing Permissions")
        self._check(call.body, needs_text=not call.files)
        nonce = call.body.get("nonce")
        if nonce and call.body.get("enforce_nonce"):
            same = (m for m in self.messages.values() if m.channel is place and m.nonce == nonce)
            if (earlier := next(same, None)) is not None:
                return 200, earlier.json()
        message = Message(place, self.bot, self.application_id, nonce=nonce)
        message.flags = call.body.get("flags") or 0
        message.apply(call.body, call.files, "channel")
        self.messages[message.id] = message
        return 200, message.json()

    def _create_post(self, call: Call, channel: str) -> tuple[int, Any]:
        """A post of a forum (docs: channel#start-thread-in-forum-or-media-channel)."""
        forum, body = self._channel(channel), call.body
        if not forum.app_permissions & SEND_MESSAGES:
            raise ApiError(403, 50013, "Missing Permissions")
        tags = body.get("applied_tags") or []
        if forum.wants_tag and not tags:
            raise ApiError(400, 40067, "A tag is required to create a forum post in this channel")
        _refuse([] if 1 <= len(body["name"]) <= 100 else [f"a post called {body['name']!r}"])
        self._check(body["message"], needs_text=not call.files)
        message = Message(Channel(), self.bot, self.application_id)
        post = Channel(body["name"], forum.guild, PUBLIC_THREAD, message.id, parent=forum)
        post.applied_tags = [str(tag) for tag in tags]
        message.channel = post
        message.apply(body["message"], call.files, "channel")
        self.channels[post.id] = post
        self.messages[message.id] = message
        return 201, post.json() | {"message": message.json()}

    def _get_message(self, call: Call, channel: str, message: str) -> tuple[int, Any]:
        return 200, self._channel_message(channel, message).json()

    def _edit_message(self, call: Call, channel: str, message: str) -> tuple[int, Any]:
        found = self._channel_message(channel, message)
        if found.channel.archived:
            raise ApiError(400, 50083, "Thread is archived")
        if found.author is not self.bot:
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
        self._check_edit(found, call)
        found.apply(call.body, call.files, "channel")
        return 200, found.json()

    def _delete_message(self, call: Call, channel: str, message: str) -> tuple[int, Any]:
        self._channel_message(channel, message).deleted = True
        return 204, None

    # Limits

    def _check(self, payload: dict[str, Any], *, needs_text: bool) -> None:
        _refuse(message_problems(payload, needs_text=needs_text))
        self.violations += mention_problems(payload)

    def _check_edit(self, message: Message, call: Call) -> None:
        """An edit must leave something to see, counting what it does not touch."""
        left = {"content": message.content, "embeds": message.embeds}
        left |= {"components": message.components, "attachments": message.attachments}
        after = left | call.body
        empty = not call.files and not any(after.get(key) for key in left)
        self._check(call.body, needs_text=empty)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
