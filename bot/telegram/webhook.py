"""Takes the updates that Telegram brings to an address of ours, and says clearly when none come.

Telegram is answered once an update is in the queue, so a stop that empties the queue loses none;
what comes while nobody listens, Telegram keeps and brings later. TLS is a proxy's before us.
Knows no handler. Source: core.telegram.org/bots/api#setwebhook.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urlsplit

from aiohttp import web
from telegram import Bot, Update
from telegram.error import BadRequest, InvalidToken, TelegramError

from bot.errors import PlatformError
from bot.settings import Settings
from bot.telegram.polling import ALLOWED_UPDATES, REFUSED, until_reached
from bot.telegram.rate_limiter import Sleep

log = logging.getLogger(__name__)

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 (a header's name)
CONNECTIONS = 100
"""Updates that Telegram may bring at the same time: its most. They only enter a queue."""
CHECK_S = 60.0
MAX_BYTES = 2**20
_REMEMBERED = 1_000
"""Updates; one whose answer was lost is brought again."""
_STOP_S = 2.0
"""For requests under way when the bot stops."""

TAKEN = (
    "Another process took this Telegram bot's webhook away: updates go to {where}. Stop the other "
    "one, or give this one a TELEGRAM_TOKEN of its own."
)


@dataclass(frozen=True, slots=True)
class WebhookAddress:
    """Where Telegram finds us, and where we listen for it."""

    url: str
    """Public; its path is the one we answer."""
    host: str
    port: int
    secret: str
    """What Telegram sends with each update, to show that it is Telegram."""

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """None: long polling. A secret that is not set is made of the token, so that it is the
        same after a restart and on every machine."""
        token = settings.telegram_token
        if settings.telegram_webhook_url is None or token is None:
            return None
        listen = urlsplit(f"//{settings.telegram_webhook_listen}")
        given = settings.telegram_webhook_secret
        made = hmac.new(token.get_secret_value().encode(), b"webhook", hashlib.sha256).hexdigest()
        return cls(
            settings.telegram_webhook_url,
            listen.hostname or "",
            listen.port or 0,
            given.get_secret_value() if given else made,
        )


class Webhook:
    """Open with `async with`, then `run`. Raises PlatformError where it cannot go on."""

    def __init__(
        self,
        bot: Bot,
        put: Callable[[Update], Awaitable[None]],
        address: WebhookAddress,
        *,
        sleep: Sleep,
    ) -> None:
        self._bot = bot
        self._put = put
        self._address = address
        self._sleep = sleep
        self._taken: deque[int] = deque(maxlen=_REMEMBERED)
        self._trouble_since = datetime.now(UTC)
        app = web.Application(client_max_size=MAX_BYTES)
        app.router.add_post(urlsplit(address.url).path or "/", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_S)

    async def __aenter__(self) -> Self:
        """Listen first, then tell Telegram."""
        try:
            await self._listen()
            await until_reached(self._tell, self._sleep)
        except BaseException:
            await self._runner.cleanup()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Take no more. The webhook stays set: Telegram keeps what comes meanwhile."""
        await self._runner.cleanup()

    async def run(self) -> None:
        """Look after the webhook until cancelled."""
        while True:
            await self._sleep(CHECK_S)
            await self._check()

    async def _listen(self) -> None:
        host, port = self._address.host, self._address.port
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise PlatformError(
                f"TELEGRAM_WEBHOOK_LISTEN: cannot listen on {host}:{port}: {error.strerror}. "
                "Choose another, and point the proxy to it."
            ) from None
        log.info("Telegram: listening on %s:%d for %s", host, port, self._address.url)

    async def _tell(self) -> None:
        try:
            await self._bot.set_webhook(
                self._address.url,
                secret_token=self._address.secret,
                allowed_updates=ALLOWED_UPDATES,
                max_connections=CONNECTIONS,
            )
        except BadRequest as error:
            raise PlatformError(
                f"Telegram refuses TELEGRAM_WEBHOOK_URL ({error.message}). It must be an address "
                "that Telegram reaches from outside, by HTTPS."
            ) from None

    async def _receive(self, request: web.Request) -> web.Response:
        given = request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode(), self._address.secret.encode()):
            log.warning("a request without the right secret token was refused")
            return web.Response(status=403)
        update = self._update(await request.read())
        if update is None:
            return web.Response(status=400)
        if update.update_id not in self._taken:
            self._taken.append(update.update_id)
            await self._put(update)
        return web.Response()

    def _update(self, body: bytes) -> Update | None:
        try:
            data: dict[str, Any] = json.loads(body)
            return Update.de_json(data, self._bot)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.error("what came is no update: %s", type(error).__name__)
            return None

    async def _check(self) -> None:
        try:
            info = await self._bot.get_webhook_info()
        except InvalidToken:
            raise PlatformError(REFUSED) from None
        except TelegramError as error:
            log.warning("Telegram cannot be reached: %s", error)
            return
        if info.url != self._address.url:
            raise PlatformError(TAKEN.format(where=info.url or "a process that polls"))
        if info.last_error_date is not None and info.last_error_date > self._trouble_since:
            self._trouble_since = info.last_error_date
            log.warning(
                "Telegram could not bring an update to TELEGRAM_WEBHOOK_URL: %s. Updates waiting: "
                "%d. Check the proxy that stands before TELEGRAM_WEBHOOK_LISTEN.",
                info.last_error_message,
                info.pending_update_count,
            )
