"""PTB's way to Telegram's server, with every answer counted."""

from __future__ import annotations

from typing import Any

from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from bot.metrics import PLATFORM_REQUESTS
from bot.telegram.asking import PLATFORM


class CountedRequest(HTTPXRequest):
    """As `HTTPXRequest`; knows besides whether the server answers."""

    is_answered = True
    """Whether it did the last time; True before that."""

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        """See `BaseRequest.do_request`: the HTTP status and the body."""
        try:
            status, body = await super().do_request(*args, **kwargs)
        except TelegramError:
            self.is_answered = False
            PLATFORM_REQUESTS.labels(PLATFORM, "error").inc()
            raise
        self.is_answered = status < 500
        PLATFORM_REQUESTS.labels(PLATFORM, str(status)).inc()
        return status, body
