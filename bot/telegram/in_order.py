"""Takes up what is said in a chat in the order in which it was said.

PTB takes up many updates at the same time, and one that asks little would be answered before one
that was there first. Here a message waits until the one before it in its chat has its answer in
line to be sent (`answer_is_in_line`), or needs none; nobody waits for a chat's pace. Presses of
buttons wait for nothing. Knows no handler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from contextvars import ContextVar
from typing import Any

from telegram import Update
from telegram.ext import BaseUpdateProcessor

_answer: ContextVar[asyncio.Event | None] = ContextVar("telegram_answer", default=None)


def answer_is_in_line() -> None:
    """What the running handler sends has its place: the next message may be taken up."""
    if (in_line := _answer.get()) is not None:
        in_line.set()


class InOrder(BaseUpdateProcessor):
    """Open with the application."""

    def __init__(self, max_concurrent_updates: int) -> None:
        super().__init__(max_concurrent_updates)
        self._last: dict[int, asyncio.Event] = {}
        """Of each chat, the answer to the last message that came."""

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        """See BaseUpdateProcessor."""
        if not isinstance(update, Update) or update.message is None:
            await coroutine
            return
        chat_id = update.message.chat.id
        before, mine = self._last.get(chat_id), asyncio.Event()
        self._last[chat_id] = mine
        _answer.set(mine)  # each update has a task, and so a context, of its own
        try:
            if before is not None:
                await _or_close(before.wait(), coroutine)
            await coroutine
        finally:
            mine.set()
            if self._last.get(chat_id) is mine:
                del self._last[chat_id]

    async def initialize(self) -> None:
        """Nothing to open."""

    async def shutdown(self) -> None:
        """Nothing to close."""


async def _or_close(waiting: Coroutine[Any, Any, object], coroutine: Awaitable[Any]) -> None:
    """Wait; where that is cancelled, the coroutine was not begun, and Python asks to be told."""
    try:
        await waiting
    except asyncio.CancelledError:
        if isinstance(coroutine, Coroutine):
            coroutine.close()
        raise
