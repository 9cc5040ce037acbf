"""A Telegram Bot API on the loopback interface, and the members who use it.

`FakeTelegram` speaks HTTP as api.telegram.org does (`/bot<token>/<method>`, form, JSON or
multipart bodies, long polling) to a real client library. Each request is judged by the published
API description where that is at hand, and always by the documented limits; what a correct bot
never does is collected in `violations`, and leaving `async with` fails on any of them.
A test acts as members: `add_user`, `private_chat`, `add_group`, `promote`, `say`, `press`,
`open_link`.
The parts (markup, flood control, methods, updates, faults) are in `fakes.telegram_api`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web
from fakes.patience import patience
from fakes.telegram_api.faults import Fault, Faults
from fakes.telegram_api.floods import Clock, FastClock, Flood, FloodGate, RateLimits
from fakes.telegram_api.http import cut, decode, failed
from fakes.telegram_api.markup import find_entities
from fakes.telegram_api.methods import COUNTED, ApiError, CallbackQuery, Methods
from fakes.telegram_api.spec import load_spec
from fakes.telegram_api.updates import UpdateQueue
from fakes.telegram_api.world import FakeChat, FakeDocument, FakeMessage, FakeUser

__all__ = [
    "FakeChat",
    "FakeMessage",
    "FakeTelegram",
    "FakeUser",
    "FastClock",
    "Flood",
    "RateLimits",
]

# core.telegram.org/bots/api#chatmemberadministrator
ADMIN_RIGHTS = (
    "can_manage_chat", "can_delete_messages", "can_manage_video_chats", "can_restrict_members",
    "can_promote_members", "can_change_info", "can_invite_users", "can_post_stories",
    "can_edit_stories", "can_delete_stories", "can_post_messages",
)  # fmt: skip
_GROUP_ID = -4_000_001
_CHANNEL_ID = -1_003_000_000_001
_SUPERGROUP_ID = -1_002_000_000_001


@dataclass
class Request:
    """One call of the bot, and how it was answered (0: not at all)."""

    method: str
    params: dict[str, Any]
    files: dict[str, FakeDocument]
    at: float
    code: int = 0


@dataclass
class _Press:
    query: CallbackQuery
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class FakeTelegram:
    """One bot's Bot API; open with `async with`."""

    def __init__(
        self,
        *,
        token: str = f"7000001:{'A' * 35}",
        username: str = "cliffhanger_bot",
        limits: RateLimits | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.token = token
        self.bot = FakeUser(int(token.split(":")[0]), "Cliffhanger", username, None, is_bot=True)
        self.requests: list[Request] = []
        self.methods = Methods(self.bot, clock)
        self.updates = UpdateQueue()
        self.knows_drafts = True
        """False: as a Bot API server from before sendMessageDraft."""
        self._clock = clock
        self._gate = FloodGate(limits or RateLimits(), clock)
        self._faults = Faults()
        self._spec = load_spec()
        self._presses: dict[str, _Press] = {}
        self._requested = asyncio.Event()
        self._users = 0
        self._groups = 0
        self._runner: web.AppRunner | None = None
        self.url = ""
        """Where the API stands, such as http://127.0.0.1:40001; `/bot<token>/` follows."""
        self.gives_inline_feedback = True
        """As /setinlinefeedback has it: whether the bot hears what was chosen."""
        self._offers: dict[str, asyncio.Future[list[dict[str, Any]]]] = {}
        self.methods.on_offer = lambda query_id, results: self._offers[query_id].set_result(results)
        self.methods.on_answer = lambda query: self._presses[query.id].answered.set()
        self.methods.table |= {
            "deleteWebhook": self._delete_webhook,
            "getWebhookInfo": self._get_webhook_info,
            "setWebhook": self._set_webhook,
        }

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=50 * 2**20)
        app.router.add_route("*", "/bot{token}/{method}", self._handle)
        # A client that goes away ends its long poll.
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self.updates.wake()
        await self.updates.close()
        if self._runner:
            await self._runner.cleanup()
        if kind is None:
            self.check()

    # --- what a test may look at -----------------------------------------------------------

    @property
    def violations(self) -> list[str]:
        """What a correct bot never does, in the order it was done."""
        return self.methods.violations

    @property
    def floods(self) -> list[Flood]:
        """Requests refused with 429 by flood control (not those of `fail_next`)."""
        return self._gate.floods

    def check(self) -> None:
        """Raise AssertionError for any violation and any press that was never answered."""
        ignored = [p.query.data for p in self._presses.values() if not p.answered.is_set()]
        assert not self.violations, "\n".join(self.violations)
        assert not ignored, f"callback queries never answered: {ignored}"

    def expect_violation(self, part: str) -> None:
        """Take the first violation that contains `part` off the list; there must be one."""
        found = next((v for v in self.violations if part in v), None)
        assert found, f"no violation {part!r} among {self.violations}"
        self.violations.remove(found)

    def calls(self, method: str) -> list[Request]:
        """All calls of `method`, oldest first."""
        return [request for request in self.requests if request.method == method]

    async def wait_until(self, true: Callable[[], object], timeout: float = 15.0) -> None:
        """Wait for something that comes true as the bot makes its requests."""
        async with patience(timeout):
            while not true():
                await self._requested.wait()
                self._requested.clear()

    # --- members ---------------------------------------------------------------------------

    def add_user(self, name: str, language_code: str | None = "en") -> FakeUser:
        """A new member, who has not written to the bot yet."""
        self._users += 1
        return FakeUser(5_000_000 + self._users, name, f"{name.lower()}_tg", language_code)

    def private_chat(self, user: FakeUser) -> FakeChat:
        """The chat between `user` and the bot."""
        chat = FakeChat(user.id, "private", member=user, started=False)
        return self.methods.chats.setdefault(user.id, chat)

    def add_group(
        self, title: str, *, supergroup: bool = True, topics: list[str] | None = None
    ) -> FakeChat:
        """A group with the bot in it; with `topics` a forum, their ids are its `topics`' keys."""
        base = _SUPERGROUP_ID if supergroup else _GROUP_ID
        chat = FakeChat(base - self._groups, "supergroup" if supergroup else "group", title)
        self._groups += 1
        if topics is not None:
            chat.is_forum = True
            chat.topics = {chat.next_id(): name for name in topics}
        self.methods.chats[chat.id] = chat
        return chat

    def add_channel(self, title: str, *, username: str | None = None) -> FakeChat:
        """A channel; `promote` lets the bot in, and members post."""
        chat = FakeChat(_CHANNEL_ID - self._groups, "channel", title, username)
        self._groups += 1
        self.methods.chats[chat.id] = chat
        return chat

    async def say(
        self,
        user: FakeUser,
        chat: FakeChat,
        text: str,
        *,
        thread_id: int | None = None,
        reply_to: FakeMessage | None = None,
    ) -> FakeMessage:
        """`user` writes `text`; returns the message, which the bot hears of if privacy allows."""
        message = FakeMessage(
            chat=chat,
            message_id=chat.next_id(),
            sender=user,
            text=text,
            entities=find_entities(text, []),
            thread_id=thread_id,
            reply_to=reply_to.message_id if reply_to else None,
            at=self._clock(),
        )
        return self._arrive(message)

    async def send_photo(
        self,
        user: FakeUser,
        chat: FakeChat,
        caption: str = "",
        *,
        reply_to: FakeMessage | None = None,
    ) -> FakeMessage:
        """`user` sends a picture."""
        message = FakeMessage(
            chat=chat,
            message_id=chat.next_id(),
            sender=user,
            text=caption,
            entities=find_entities(caption, []),
            is_photo=True,
            reply_to=reply_to.message_id if reply_to else None,
            at=self._clock(),
        )
        return self._arrive(message)

    def _arrive(self, message: FakeMessage) -> FakeMessage:
        message.chat.started = True
        message.chat.members.add(message.sender.id)
        message.chat.add(message)
        if self._hears(message):
            self.updates.push("message", message.to_json())
        return message

    def _hears(self, message: FakeMessage) -> bool:
        """Privacy mode (core.telegram.org/bots/features#privacy-mode): in groups commands only,
        and replies to the bot."""
        replied = message.chat.messages.get(message.reply_to or 0)
        if message.chat.type == "private" or (replied and replied.sender is self.bot):
            return True
        commands = message.entity_texts("bot_command")
        mine = f"@{self.bot.username}".lower()
        return any("@" not in c or c.lower().endswith(mine) for c in commands)

    async def edit(self, user: FakeUser, message: FakeMessage, text: str) -> None:
        """`user` changes a message of theirs."""
        assert message.sender is user, "members edit their own messages only"
        message.text, message.entities = text, find_entities(text, [])
        if self._hears(message):
            body = {**message.to_json(), "edit_date": 1_800_000_000}
            self.updates.push("edited_message", body)

    async def press(
        self, user: FakeUser, message: FakeMessage, wanted: str, timeout: float = 15.0
    ) -> CallbackQuery:
        """`user` presses the button with this label or data; returns once the bot has answered."""
        return await self.press_data(user, message, message.button(wanted).data or "", timeout)

    async def press_data(
        self, user: FakeUser, message: FakeMessage, data: str, timeout: float = 15.0
    ) -> CallbackQuery:
        """As `press`, with any data: a changed client can send what no button says."""
        message.chat.members.add(user.id)
        query = CallbackQuery(f"77{len(self._presses) + 1:017d}", user, message, data)
        press = self._presses[query.id] = _Press(query)
        self.methods.queries[query.id] = query
        self.updates.push("callback_query", _query_json(query))
        try:
            async with patience(timeout):
                await press.answered.wait()
        except TimeoutError:
            raise AssertionError(f"press of {data!r} was not answered in {timeout} s") from None
        return query

    async def type_inline(
        self, user: FakeUser, text: str, timeout: float = 15.0
    ) -> list[dict[str, Any]]:
        """`user` types `@bot text` somewhere; what they are offered."""
        query_id = f"88{len(self._offers) + 1:017d}"
        self.methods.offers.add(query_id)
        offered = self._offers[query_id] = asyncio.get_running_loop().create_future()
        body = {"id": query_id, "from": user.to_json(), "query": text, "offset": ""}
        self.updates.push("inline_query", body)
        async with patience(timeout):
            return await offered

    def send_inline(
        self, user: FakeUser, result: dict[str, Any], typed: str, place: FakeChat | None = None
    ) -> FakeMessage:
        """`user` sends what they were offered, to a chat that the bot is not in (or `place`)."""
        number = len(self.methods.inline) + 1
        place = place or FakeChat(-9_000_000 - number, "supergroup", "Elsewhere")
        text, entities, markup = self.methods.inline_content(result)
        message = FakeMessage(
            chat=place,
            message_id=place.next_id(),
            sender=user,
            text=text,
            entities=entities,
            reply_markup=markup,
            link_preview_disabled=True,
            at=self._clock(),
            inline_id=f"BAAAAx{number:03d}_-inline",
        )
        place.add(message)
        chosen = {"result_id": result["id"], "from": user.to_json(), "query": typed}
        if markup:  # Telegram gives no id of a message without buttons
            self.methods.inline[message.inline_id] = message
            chosen["inline_message_id"] = message.inline_id
        if self.gives_inline_feedback:
            self.updates.push("chosen_inline_result", chosen)
        return message

    async def open_link(self, user: FakeUser, url: str) -> FakeMessage:
        """`user` follows a link to the bot and presses Start."""
        begin = f"https://t.me/{self.bot.username}?start="
        assert url.startswith(begin), f"no link to the bot: {url}"
        payload = url.removeprefix(begin)
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", payload), f"no payload: {payload}"
        return await self.say(user, self.private_chat(user), f"/start {payload}")

    def promote(self, user: FakeUser, chat: FakeChat, *rights: str, owner: bool = False) -> None:
        """Make `user` an administrator with these rights alone, or the owner."""
        chat.members.add(user.id)
        chat.admins[user.id] = (
            {"status": "creator"}
            if owner
            else {
                "status": "administrator",
                "can_be_edited": False,
                **{right: right in rights for right in ADMIN_RIGHTS},
            }
        )

    def demote(self, user: FakeUser, chat: FakeChat) -> None:
        """Make an administrator a mere member."""
        del chat.admins[user.id]

    def leave(self, user: FakeUser, chat: FakeChat) -> None:
        """`user` leaves a group."""
        chat.members.discard(user.id)
        chat.admins.pop(user.id, None)

    def press_long_ago(self, user: FakeUser, message: FakeMessage, wanted: str) -> None:
        """A press that the bot hears of so late that Telegram takes no answer any more."""
        data = message.button(wanted).data or ""
        self.updates.push("callback_query", _query_json(CallbackQuery("1", user, message, data)))

    def delete_message(self, message: FakeMessage) -> None:
        """A member or administrator deletes a message; bots are not told."""
        message.deleted = True

    def block(self, user: FakeUser) -> None:
        """`user` blocks the bot."""
        self._refuse(self.private_chat(user), user, "bot was blocked by the user", "kicked")

    def kick(self, user: FakeUser, chat: FakeChat) -> None:
        """`user`, an administrator, removes the bot from a group."""
        self._refuse(chat, user, f"bot was kicked from the {chat.type} chat", "kicked")

    def _refuse(self, chat: FakeChat, by: FakeUser, why: str, status: str) -> None:
        chat.refuses = why
        bot = self.bot.to_json()
        self.updates.push(
            "my_chat_member",
            {
                "chat": chat.to_json(),
                "from": by.to_json(),
                "date": 1_800_000_000,
                "old_chat_member": {"user": bot, "status": "member"},
                "new_chat_member": {"user": bot, "status": status, "until_date": 0},
            },
        )

    def migrate_to_chat_id(self, user: FakeUser, group: FakeChat) -> FakeChat:
        """`user` upgrades a basic group: a new id, and the old one answers with it."""
        new = self.add_group(group.title or "")
        group.migrated_to = new.id
        for chat, key, other in (
            (group, "migrate_to_chat_id", new),
            (new, "migrate_from_chat_id", group),
        ):
            notice = FakeMessage(chat, chat.next_id(), user, "")
            self.updates.push("message", {**notice.to_json(), key: other.id})
        return new

    # --- faults ----------------------------------------------------------------------------

    def fail_next(
        self,
        method: str,
        error_code: int,
        description: str,
        parameters: dict[str, int] | None = None,
        *,
        times: int = 1,
        when: Callable[[dict[str, Any]], object] = lambda params: True,
    ) -> None:
        """Refuse the next `times` calls of `method` (that `when` picks) with this error."""
        fault = Fault(
            method,
            "error",
            error_code=error_code,
            description=description,
            parameters=parameters or {},
            times=times,
            when=when,
        )
        self._faults.plan(fault)

    def delay_next(self, method: str, seconds: float, *, times: int = 1) -> None:
        """Answer the next calls of `method` this late (in real seconds)."""
        self._faults.plan(Fault(method, "delay", delay_s=seconds, times=times))

    def hold_next(self, method: str) -> asyncio.Event:
        """Do not answer the next call of `method` until the event is set."""
        fault = Fault(method, "hold")
        self._faults.plan(fault)
        return fault.go_on

    def drop_next(self, method: str, *, times: int = 1, done: bool = False) -> None:
        """Cut the connection on the next calls of `method`; with `done`, after carrying it out."""
        self._faults.plan(Fault(method, "lose_answer" if done else "drop", times=times))

    def mend(self) -> None:
        """Forget the faults still planned."""
        self._faults = Faults()

    @property
    def faults_left(self) -> int:
        """Planned faults that have not all happened."""
        return len(self._faults)

    # --- HTTP ------------------------------------------------------------------------------

    async def _handle(self, http: web.Request) -> web.Response:
        token, method = http.match_info["token"], http.match_info["method"]
        if token != self.token:
            well_formed = ":" in token and token.split(":")[0].isdigit()
            error = ApiError(401, "Unauthorized") if well_formed else ApiError(404, "Not Found")
            return failed(error)
        params, files = await decode(http)
        request = Request(method, params, files, self._clock())
        self.requests.append(request)
        self._requested.set()
        try:
            response = await self._answer(http, request)
        except ApiError as error:
            response = failed(error)
        request.code = response.status
        self._requested.set()
        return response

    async def _answer(self, http: web.Request, request: Request) -> web.Response:
        faults = self._faults.take(request.method, request.params)
        for fault in faults:
            await self._befall(http, fault)
        result = await self._run(request)
        if any(fault.kind == "lose_answer" for fault in faults):
            cut(http)
        return web.json_response({"ok": True, "result": result})

    async def _befall(self, http: web.Request, fault: Fault) -> None:
        if fault.kind == "delay":
            await asyncio.sleep(fault.delay_s)
        elif fault.kind == "hold":
            await fault.go_on.wait()
        elif fault.kind == "drop":
            cut(http)
            raise ApiError(500, "connection dropped")
        elif fault.kind == "error":
            raise ApiError(fault.error_code, fault.description, **fault.parameters)

    async def _run(self, request: Request) -> Any:
        method, params = request.method, request.params
        if method not in {*self.methods.table, "getUpdates"}:
            self.violations.append(f"{method}: the fake has no such method")
            raise ApiError(404, "Not Found: method not found")
        if method == "sendMessageDraft" and not self.knows_drafts:
            raise ApiError(404, "Not Found: method not found")
        self._judge(method, params, set(request.files))
        if method == "getUpdates":
            return await self.updates.get(params)
        if method in COUNTED:
            wait = self._gate.wait_s(method, self.methods.chat_of(params).id)
            if wait is not None:
                description = f"Too Many Requests: retry after {wait}"
                raise ApiError(429, description, retry_after=wait)
        return self.methods.table[method](params, request.files)

    def _judge(self, method: str, params: dict[str, Any], files: set[str]) -> None:
        """Unknown fields are only noted, as Telegram overlooks them; the rest is refused."""
        problems = self._spec.problems(method, params, files) if self._spec else []
        self.violations.extend(problems)
        serious = [problem for problem in problems if "unknown field" not in problem]
        if serious:
            raise ApiError(400, f"Bad Request: {serious[0]}")

    def _delete_webhook(self, params: dict[str, Any], files: dict[str, Any]) -> bool:
        self.updates.webhook_url = ""
        if params.get("drop_pending_updates"):
            self.updates.drop()
        return True

    def _set_webhook(self, params: dict[str, Any], files: dict[str, Any]) -> bool:
        self.updates.set_webhook(params)
        return True

    def _get_webhook_info(self, params: dict[str, Any], files: dict[str, Any]) -> dict[str, Any]:
        return {
            "url": self.updates.webhook_url,
            "has_custom_certificate": False,
            "pending_update_count": len(self.updates),
            **self.updates.last_error,
        }


def _query_json(query: CallbackQuery) -> dict[str, Any]:
    """A Bot API `CallbackQuery`."""
    where: dict[str, Any] = (
        {"inline_message_id": query.message.inline_id}
        if query.message.inline_id
        else {"message": query.message.to_json()}
    )
    return {
        "id": query.id,
        "from": query.user.to_json(),
        **where,
        "chat_instance": str(query.message.chat.id),
        "data": query.data,
    }
