"""Telegram as a platform: PTB's Application with our handlers, pace and way to updates, from start
to end.

Opened in whatever event loop runs it, beside other platforms; the composition root calls `run`.
Knows no command.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from telegram import (
    BotCommandScope,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeDefault,
    MenuButtonCommands,
    Update,
)
from telegram.error import TelegramError
from telegram.ext import (
    Application,
    ApplicationBuilder,
    CallbackQueryHandler,
    ChosenInlineResultHandler,
    CommandHandler,
    InlineQueryHandler,
    MessageHandler,
    filters,
)

from bot import wording
from bot.errors import PlatformError
from bot.service import StoryService
from bot.telegram.asking import PLATFORM, Ask, Press
from bot.telegram.beginning import Beginning
from bot.telegram.deep_links import Route, follow
from bot.telegram.error_handler import on_error
from bot.telegram.gazette import GazetteDesk
from bot.telegram.held_votes import HeldVotesPanel
from bot.telegram.in_order import InOrder
from bot.telegram.inline_mode import InlineMode
from bot.telegram.linking import LinkHandlers
from bot.telegram.live_stories import LiveStories, Pace
from bot.telegram.moderate_panel import ModeratePanel
from bot.telegram.polling import REFUSED, Polling, until_reached
from bot.telegram.press_handlers import PressHandlers
from bot.telegram.rate_limiter import Clock, FloodLimits, Sleep, TelegramRateLimiter
from bot.telegram.reports import Reports
from bot.telegram.requests import CountedRequest
from bot.telegram.settings_panel import SettingsPanel
from bot.telegram.story_handlers import StoryHandlers
from bot.telegram.story_links import StoryLinks
from bot.telegram.top_list import TopList
from bot.telegram.view import OFFERED, text_page
from bot.telegram.webhook import Webhook, WebhookAddress
from bot.texts import DEFAULT, languages, say

log = logging.getLogger(__name__)

API_URL = "https://api.telegram.org"
CONCURRENT_UPDATES = 512
"""Members served at the same time; a handler waits at most for its chat's pace."""
STOP_TIMEOUT_S = 10.0
"""For handlers under way when the bot stops."""
COMMANDS_NOTE = "telegram-commands"

_TOKEN = re.compile(r"[0-9]+:[\w-]+", re.ASCII)
"""Anything else cannot stand in a URL as a token does."""

# PTB's types have six parameters that say nothing here.
App = Application[Any, Any, Any, Any, Any, Any]


class TelegramPlatform:
    """The bot of one token.

    Args:
        api_url: a Bot API server in place of Telegram's own.
        webhook: where Telegram brings updates; None: they are fetched by long polling.
        clock, sleep: time, for tests that have none to lose.
    """

    def __init__(
        self,
        service: StoryService,
        token: str,
        *,
        api_url: str | None = None,
        webhook: WebhookAddress | None = None,
        limits: FloodLimits | None = None,
        pace: Pace | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._service = service
        self._token = token
        self._api_url = (api_url or API_URL).rstrip("/")
        self._webhook = webhook
        self._limits = limits
        self._pace = pace or Pace()
        self._clock = clock
        self._sleep = sleep
        self._requests, self._polls = CountedRequest(), CountedRequest(connection_pool_size=1)
        self.started = asyncio.Event()
        """Set once commands are heard."""

    async def run(self) -> None:
        """Serve until cancelled; then stop without losing an update or an answer under way.

        Raises PlatformError for a wrong token, a webhook that Telegram refuses, or if another
        process takes this bot's updates.
        """
        if not _TOKEN.fullmatch(self._token):
            raise PlatformError(REFUSED)
        _prepare_libraries()
        app = self._build()
        live = LiveStories(app.bot, self._service, pace=self._pace, sleep=self._sleep)
        self._add_handlers(app, live)
        try:
            await until_reached(app.initialize, self._sleep)
            await app.start()
            await self._publish_commands(app)
            await live.resume()
            async with self._intake(app) as intake, self._gazette(app, live):
                log.info("Telegram: serving as @%s", app.bot.username)
                if not app.bot.supports_inline_queries:
                    log.info("Inline mode is off: /setinline at @BotFather lets it in")
                self.started.set()
                await intake.run()
        finally:
            await _stop(app, live)

    def is_connected(self) -> bool:
        """Whether commands are heard, and Telegram answered the last time it was asked."""
        return self.started.is_set() and self._requests.is_answered and self._polls.is_answered

    @asynccontextmanager
    async def _gazette(self, app: App, live: LiveStories) -> AsyncIterator[None]:
        """Digests and halls of fame, beside everything else."""
        desk = GazetteDesk(app.bot, self._service, live, clock=self._clock, sleep=self._sleep)
        task = asyncio.create_task(desk.rounds.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _intake(self, app: App) -> Polling | Webhook:
        """The way updates come in."""
        put = app.update_queue.put
        if self._webhook is not None:
            return Webhook(app.bot, put, self._webhook, sleep=self._sleep)
        return Polling(app.bot, put, sleep=self._sleep, clock=self._clock)

    def _build(self) -> App:
        limiter = TelegramRateLimiter(self._limits, clock=self._clock, sleep=self._sleep)
        return (
            ApplicationBuilder()
            .token(self._token)
            .request(self._requests)
            .get_updates_request(self._polls)
            .base_url(f"{self._api_url}/bot")
            .base_file_url(f"{self._api_url}/file/bot")
            .rate_limiter(limiter)
            .concurrent_updates(InOrder(CONCURRENT_UPDATES))
            .updater(None)
            .job_queue(None)
            .build()
        )

    def _add_handlers(self, app: App, live: LiveStories) -> None:
        """New messages only: an edited command is not a second command."""
        settings = SettingsPanel(self._service)
        moderate = ModeratePanel(self._service, live)
        reports, linking = Reports(self._service, live), LinkHandlers(self._service)
        held = HeldVotesPanel(self._service, live)
        beginning = Beginning(self._service, live)
        inline, top = InlineMode(self._service, live), TopList(self._service)
        parts = (settings, moderate, reports, beginning)
        links = [*StoryLinks(self._service, live).links, *(one for p in parts for one in p.links)]
        routes = [one for part in (*parts, inline, top, linking, held) for one in part.presses]
        answers = (*settings.answers, *reports.answers, *beginning.answers)
        stories = StoryHandlers(self._service, live, beginning, links)
        presses = PressHandlers(self._service, live, routes)
        new = filters.UpdateType.MESSAGE
        panels = {"settings": settings.command, "moderate": moderate.command, "top": top.command}
        for name, command in (stories.commands | panels | linking.commands).items():
            app.add_handler(CommandHandler(name, _on_ask(command), filters=new))
        unknown = new & filters.COMMAND & filters.ChatType.PRIVATE
        app.add_handler(MessageHandler(unknown, _on_ask(stories.unknown)))
        reply = new & filters.REPLY & filters.TEXT & ~filters.COMMAND
        app.add_handler(MessageHandler(reply, _on_reply(answers)))
        wordless = new & filters.REPLY & ~filters.TEXT & ~filters.StatusUpdate.ALL
        app.add_handler(MessageHandler(wordless, _on_wordless(answers)))
        moved = new & filters.StatusUpdate.MIGRATE
        app.add_handler(MessageHandler(moved, _on_move(self._service)))
        app.add_handler(CallbackQueryHandler(_on_press(presses.pressed)))
        app.add_handler(InlineQueryHandler(_on_query(inline)))
        app.add_handler(ChosenInlineResultHandler(_on_choice(inline)))
        app.add_error_handler(on_error)

    async def _publish_commands(self, app: App) -> None:
        """Give Telegram the lists for its menus, and what the bot is, if that is not what it was
        given before."""
        told = {language: _introduction(language) for language in languages()}
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        note = f"{app.bot.id}:{digest}"
        if await self._service.note(COMMANDS_NOTE) == note:
            return
        try:
            await app.bot.set_chat_menu_button(menu_button=MenuButtonCommands())
            for language in told:
                await _introduce(app, language)
        except TelegramError as error:
            log.warning("Telegram did not take the list of commands: %s", error)
            return
        await self._service.save_note(COMMANDS_NOTE, note)


def _prepare_libraries() -> None:
    # PTB's opt-in to timedelta; without it each RetryAfter comes with a deprecation warning.
    os.environ.setdefault("PTB_TIMEDELTA", "1")
    # httpx logs each URL at INFO, and the URL holds the token.
    logging.getLogger("httpx").setLevel(logging.WARNING)


_SCOPES = {
    BotCommandScope.DEFAULT: BotCommandScopeDefault(),
    BotCommandScope.ALL_CHAT_ADMINISTRATORS: BotCommandScopeAllChatAdministrators(),
}


def _command_lists(language: str) -> dict[str, list[tuple[str, str]]]:
    """What the menu offers to everybody, and to those who run a group."""
    everybody = [(name, say(f"help-{name}", language)) for name in OFFERED]
    managers = [(name, say(f"help-{name}", language)) for name in wording.MANAGER_COMMANDS]
    return {
        BotCommandScope.DEFAULT: everybody,
        BotCommandScope.ALL_CHAT_ADMINISTRATORS: [*everybody, *managers],
    }


def _introduction(language: str) -> tuple[dict[str, list[tuple[str, str]]], str, str]:
    """Commands by scope; what an empty chat says (to 512 characters), and a profile (to 120)."""
    about, short = say("about-text", language), say("telegram-about-short", language)
    return _command_lists(language), about, short


async def _introduce(app: App, language: str) -> None:
    lists, about, short = _introduction(language)
    code = None if language == DEFAULT else language
    for scope, commands in lists.items():
        await app.bot.set_my_commands(commands, _SCOPES[scope], language_code=code)
    await app.bot.set_my_description(about, code)
    await app.bot.set_my_short_description(short, code)


def _on_ask(command: Callable[[Ask], Awaitable[None]]) -> Callable[[Update, Any], Any]:
    async def handle(update: Update, context: Any) -> None:
        if (ask := Ask.of(update, context.bot)) is not None:
            await command(ask)

    return handle


def _on_reply(answers: Sequence[Route[Ask]]) -> Callable[[Update, Any], Any]:
    """To a question of ours; other replies are members' talk."""

    async def handle(update: Update, context: Any) -> None:
        if (ask := Ask.of(update, context.bot)) is not None:
            await follow(answers, ask.question, ask)

    return handle


def _on_wordless(answers: Sequence[Route[Ask]]) -> Callable[[Update, Any], Any]:
    """A picture, a sticker or a voice in reply to a question of ours."""

    async def handle(update: Update, context: Any) -> None:
        ask = Ask.of(update, context.bot)
        if ask and any(pattern.fullmatch(ask.question) for pattern, _ in answers):
            await ask.reply([text_page(say("telegram-reply-in-words", ask.caller.locale))])

    return handle


def _on_press(pressed: Callable[[Press], Awaitable[None]]) -> Callable[[Update, Any], Any]:
    async def handle(update: Update, context: Any) -> None:
        if (press := Press.of(update, context.bot)) is not None:
            await pressed(press)

    return handle


def _on_query(inline: InlineMode) -> Callable[[Update, Any], Any]:
    async def handle(update: Update, context: Any) -> None:
        if update.inline_query is not None:
            await inline.offer(update.inline_query)

    return handle


def _on_choice(inline: InlineMode) -> Callable[[Update, Any], Any]:
    async def handle(update: Update, context: Any) -> None:
        if update.chosen_inline_result is not None:
            await inline.chosen(update.chosen_inline_result, context.bot)

    return handle


def _on_move(service: StoryService) -> Callable[[Update, Any], Any]:
    """A group that becomes a supergroup has a new id, told of in both of its chats."""

    async def handle(update: Update, context: Any) -> None:
        if (message := update.message) is not None:
            old = message.migrate_from_chat_id or message.chat.id
            new = message.migrate_to_chat_id or message.chat.id
            await service.move_community(PLATFORM, str(old), str(new))

    return handle


async def _stop(app: App, live: LiveStories) -> None:
    """Let handlers end, then their stories' messages, then the connections."""
    if app.running:
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await app.stop()
        except TimeoutError:
            log.warning("Telegram: some answers were not given before the stop")
    await live.close()
    await app.shutdown()
    # Where the token was refused, the application never counted as initialized.
    await app.bot.shutdown()
