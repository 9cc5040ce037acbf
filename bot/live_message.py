"""One throttled edit loop for one story's messages: coalesce, back off, final edit guaranteed.

A platform brings `render`, which turns an update into the contents of one or more messages
(pages), and `put`, which sends or edits the message at an index. Knows no platform.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

from bot.domain import StoryUpdate
from bot.logs import about_story
from bot.metrics import EDITS

log = logging.getLogger(__name__)

Content = TypeVar("Content")

MAX_PAUSE_S = 60.0
FINAL_TRIES = 12
"""With pauses that double up to MAX_PAUSE_S the last edit survives an outage of minutes."""


class EditLater(Exception):
    """The platform asks for a pause (429), or failed in a way that passes (5xx)."""

    def __init__(self, after_s: float | None = None) -> None:
        super().__init__(f"retry after {after_s} s")
        self.after_s = after_s


class MessageGone(Exception):
    """The message, its channel or the right to edit it is gone for good."""


class LiveMessage(Generic[Content]):
    """Follows one story and keeps its messages up to date.

    Args:
        render: contents of the story's messages, first to last; compared with ==, so that
            nothing is sent twice.
        put: make the message at an index show a content. The last argument is True for the
            edit that must arrive, False for a droppable partial. Raises EditLater, MessageGone.
        remove: take back the message at an index, when the final text needs fewer pages.
        interval_s: least time between two rounds of edits; doubles at each EditLater, and
            halves again at each edit that is taken.
        shown: contents that the messages show already, such as the placeholder.
    """

    def __init__(
        self,
        render: Callable[[StoryUpdate], list[Content]],
        put: Callable[[int, Content, bool], Awaitable[None]],
        remove: Callable[[int], Awaitable[None]],
        *,
        interval_s: float,
        shown: list[Content] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._render = render
        self._put = put
        self._remove = remove
        self._interval_s = self._pause_s = interval_s
        self._shown = list(shown or [])
        self._sleep = sleep

    async def follow(self, watch: Callable[[], AsyncIterator[StoryUpdate]]) -> bool:
        """Show a story's updates up to its end.

        `watch` begins to watch anew, with the newest state first, and gives the newest state when
        asked, as `StoryService.watch` does: what happens during an edit or a pause is coalesced.

        True when nothing is left to do: the end is shown, or the message is gone for good. False
        when the end did not come, or was refused for too long.
        """
        try:
            while True:
                async for update in watch():
                    about_story(update.story.id)
                    if update.is_final:
                        return await self._show_final(update)
                    if not await self._show_partial(update):
                        break  # ask again, for the state as it is by now
                else:
                    return False
        except MessageGone as gone:
            log.info("a story's message is gone: %s", gone)
            return True

    async def _show_partial(self, update: StoryUpdate) -> bool:
        """Show it and pause; False if it was refused."""
        try:
            await self._show(update, final=False)
        except EditLater as later:
            await self._back_off(later)
            return False
        await self._sleep(self._pause_s)
        self._pause_s = max(self._pause_s / 2, self._interval_s)
        return True

    async def _show_final(self, update: StoryUpdate) -> bool:
        for _ in range(FINAL_TRIES):
            try:
                await self._show(update, final=True)
                return True
            except EditLater as later:
                await self._back_off(later)
        log.error("story %d: its final edit was refused %d times", update.story.id, FINAL_TRIES)
        return False

    async def _show(self, update: StoryUpdate, *, final: bool) -> None:
        contents = self._render(update)
        for index, content in enumerate(contents):
            if index >= len(self._shown):
                await self._edit(index, content, final)
                self._shown.append(content)
            elif self._shown[index] != content:
                await self._edit(index, content, final)
                self._shown[index] = content
        if final:
            while len(self._shown) > len(contents):
                with suppress(MessageGone):
                    await self._remove(len(self._shown) - 1)
                self._shown.pop()

    async def _edit(self, index: int, content: Content, final: bool) -> None:
        kind = "final" if final else "partial"
        try:
            await self._put(index, content, final)
        except (EditLater, MessageGone) as refused:
            outcome = "gone" if isinstance(refused, MessageGone) else "put_off"
            EDITS.labels(kind, outcome).inc()
            raise
        EDITS.labels(kind, "made").inc()

    async def _back_off(self, later: EditLater) -> None:
        self._pause_s = min(self._pause_s * 2, MAX_PAUSE_S)
        await self._sleep(max(later.after_s or 0.0, self._pause_s))
