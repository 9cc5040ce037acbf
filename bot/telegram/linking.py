"""/link and /unlink: being one person here with an account on another platform; in private only.

Knows how the member is asked; what linking does, the service knows.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot import wording
from bot.linking import read_code
from bot.service import StoryService
from bot.telegram.asking import Ask, Press
from bot.telegram.deep_links import Route
from bot.telegram.view import Page, escape, text_page
from bot.texts import say


class LinkHandlers:
    """The commands, and the button that confirms."""

    def __init__(self, service: StoryService) -> None:
        self._linking = service.linking
        self.commands: dict[str, Callable[[Ask], Awaitable[None]]] = {
            "link": self._link,
            "unlink": self._unlink,
        }
        self.presses: tuple[Route[Press], ...] = (
            (re.compile(r"l:(?P<code>[0-9A-Z]{8})"), self._confirmed),
        )

    async def _link(self, ask: Ask) -> None:
        locale = ask.caller.locale
        if not ask.caller.is_private:  # whoever reads a code may use it
            await ask.reply([text_page(say("telegram-in-private", locale))])
            return
        if not ask.text.strip():
            linked = wording.linked(await self._linking.identities(ask.caller), locale)
            offer = say("link-code", locale, code=await self._linking.offer(ask.caller))
            await ask.reply([text_page("\n\n".join([*linked, offer]))])
            return
        code = read_code(ask.text)
        account = wording.account(await self._linking.whose(ask.caller, code), locale)
        yes = InlineKeyboardButton(say("button-link", locale), callback_data=f"l:{code}")
        question = escape(say("link-ask", locale, account=account))
        await ask.reply([Page(question, InlineKeyboardMarkup([[yes]]))])

    async def _confirmed(self, press: Press, match: re.Match[str]) -> None:
        locale = press.caller.locale
        owner = await self._linking.redeem(press.caller, match["code"])
        account = wording.account(owner, locale)
        await press.show(text_page(say("link-done", locale, account=account)))

    async def _unlink(self, ask: Ask) -> None:
        await self._linking.unlink(ask.caller)
        await ask.reply([text_page(say("link-undone", ask.caller.locale))])
