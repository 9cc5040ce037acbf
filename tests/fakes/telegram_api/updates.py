"""The queue of updates behind getUpdates: offsets, long polling, and two pollers in conflict.

Knows neither chats nor HTTP; an update is plain data with an `update_id`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fakes.telegram_api.methods import ApiError

Update = dict[str, Any]

# getUpdates: an empty `allowed_updates` means all kinds except these.
_ONLY_ON_REQUEST = {"chat_member", "message_reaction", "message_reaction_count"}


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
        self.confirmed = 0
        """The highest update id that a later offset has confirmed."""

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
