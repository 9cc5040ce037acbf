"""The queue of updates: offsets, long polling, two pollers in conflict, and webhooks.

Knows no chats; an update is plain data with an `update_id`.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from fakes.telegram_api.methods import ApiError

Update = dict[str, Any]

# getUpdates: an empty `allowed_updates` means all kinds except these.
_ONLY_ON_REQUEST = {"chat_member", "message_reaction", "message_reaction_count"}
# core.telegram.org/bots/api#setwebhook
WEBHOOK_PORTS = {443, 80, 88, 8443}
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
_AGAIN_S = 0.05


class UpdateQueue:
    """Updates not yet confirmed, in order."""

    def __init__(self) -> None:
        self._pending: list[Update] = []
        self._next_id = 100_001
        self._allowed: list[str] = []
        self._arrived = asyncio.Event()
        self._poll: object | None = None
        """The latest poll being waited on."""
        self.webhook_url = ""
        self.secret = ""
        self.resolve: dict[str, str] = {}
        """Where the proxies of public addresses (`https://bot.example`) pass requests on to."""
        self.answers: list[int] = []
        """What the webhook answered; 0: nothing."""
        self.last_error: dict[str, Any] = {}
        self.confirmed = 0
        """The highest update id that a later offset has confirmed."""
        self._delivery: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._pending)

    def push(self, kind: str, body: dict[str, Any]) -> None:
        """Queue an update, unless the bot's last `allowed_updates` left its kind out."""
        if kind not in self._allowed if self._allowed else kind in _ONLY_ON_REQUEST:
            return
        self._pending.append({"update_id": self._next_id, kind: body})
        self._next_id += 1
        self._arrived.set()

    def wake(self) -> None:
        """End a running poll, empty-handed if need be."""
        self._arrived.set()

    def drop(self) -> None:
        """Forget everything not yet confirmed."""
        self._pending.clear()

    async def get(self, params: dict[str, Any]) -> list[Update]:
        """What getUpdates returns; waits up to `timeout` seconds for a first update."""
        if self.webhook_url:
            raise ApiError(409, "Conflict: can't use getUpdates method while webhook is active")
        if self._poll:
            self._arrived.set()
        poll = self._poll = object()
        try:
            self._confirm(params.get("offset", 0))
            if "allowed_updates" in params:
                self._allowed = params["allowed_updates"]
            if not self._pending:
                await self._wait(params.get("timeout", 0))
            if self._poll is not poll:
                raise ApiError(
                    409,
                    "Conflict: terminated by other getUpdates request; "
                    "make sure that only one bot instance is running",
                )
            return self._pending[: params.get("limit", 100)]
        finally:
            if self._poll is poll:
                self._poll = None

    def set_webhook(self, params: dict[str, Any]) -> None:
        """From now on every update is brought to `url`, in order, until it is taken."""
        url = urlsplit(params["url"])
        if url.scheme != "https":
            raise ApiError(400, "Bad Request: bad webhook: HTTPS url must be provided for webhook")
        if (url.port or 443) not in WEBHOOK_PORTS:
            raise ApiError(
                400, "Bad Request: bad webhook: webhook can be set up only on ports 80, 88, ..."
            )
        if f"{url.scheme}://{url.netloc}" not in self.resolve:
            raise ApiError(400, "Bad Request: bad webhook: Failed to resolve host")
        secret = params.get("secret_token", "")
        if secret and not _SECRET.fullmatch(secret):
            raise ApiError(400, "Bad Request: secret token contains unallowed characters")
        self.webhook_url, self.secret = params["url"], secret
        self._allowed = params.get("allowed_updates", self._allowed)
        self._arrived.set()
        if self._delivery is None:
            self._delivery = asyncio.create_task(self._deliver())

    async def close(self) -> None:
        """Bring no more."""
        if self._delivery is not None:
            self._delivery.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._delivery

    async def _deliver(self) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                if not self._pending or not self.webhook_url:
                    self._arrived.clear()
                    await self._arrived.wait()
                    continue
                update = self._pending[0]
                if await self.bring(session, update, self.secret) == 200:
                    self._pending = [one for one in self._pending if one is not update]
                    self.confirmed = max(self.confirmed, update["update_id"])
                else:
                    await asyncio.sleep(_AGAIN_S)

    async def bring(self, session: aiohttp.ClientSession, update: Update, secret: str) -> int:
        """Carry an update to the webhook; the status it answers, 0 for none."""
        url = urlsplit(self.webhook_url)
        there = self.resolve[f"{url.scheme}://{url.netloc}"] + url.path
        headers = {SECRET_HEADER: secret} if secret else {}
        try:
            async with session.post(there, json=update, headers=headers) as response:
                status, why = response.status, f"Wrong response from the webhook: {response.status}"
        except aiohttp.ClientError as error:
            status, why = 0, f"Connection failed: {type(error).__name__}"
        self.answers.append(status)
        if status != 200:
            self.last_error = {"last_error_date": 4_000_000_000, "last_error_message": why}
        return status

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            self._pending = self._pending[offset:]
            return
        self.confirmed = max(self.confirmed, offset - 1)
        self._pending = [update for update in self._pending if update["update_id"] >= offset]

    async def _wait(self, timeout_s: float) -> None:
        self._arrived.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()
        except TimeoutError:
            return
