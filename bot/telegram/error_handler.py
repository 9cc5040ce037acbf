"""The one place where an error in a handler becomes a sentence, a log line, or silence.

In this order; the first that fits decides:

1. `MemberError`: the member reads its sentence.
2. `Dropped`, `RetryAfter`: they are flooding the chat; no answer, since that is one more message.
3. `Forbidden`: blocked or thrown out; nobody is there to tell.
4. `ChatMigrated`, a query too old, a message or topic that is gone: logged.
5. Other network trouble: logged; an answer would not arrive either.
6. Anything else is our mistake: logged with its trace, and the member reads that something went
   wrong. What went wrong they do not read: it may hold others' words or the token.
"""

from __future__ import annotations

import logging
from typing import Any

from telegram import Update
from telegram.error import BadRequest, ChatMigrated, Forbidden, RetryAfter, TelegramError

from bot.errors import MemberError
from bot.telegram.asking import Ask, Press
from bot.telegram.rate_limiter import Dropped
from bot.telegram.view import text_page
from bot.texts import explain, say

log = logging.getLogger(__name__)


def sentence_for(error: BaseException, locale: str) -> str | None:
    """What to tell the member; None: nothing."""
    if isinstance(error, MemberError):
        return explain(error, locale)
    if isinstance(error, Dropped | RetryAfter):
        log.warning("a member was not answered: %s", error)
    elif isinstance(error, Forbidden):
        log.info("a chat refuses the bot: %s", error)
    elif isinstance(error, ChatMigrated | BadRequest):
        log.warning("Telegram refused a request: %s", error)
    elif isinstance(error, TelegramError):
        log.warning("Telegram cannot be reached: %s", error)
    else:
        log.error("a handler failed", exc_info=error)
        return say("error-unexpected", locale)
    return None


async def on_error(update: object, context: Any) -> None:
    """PTB's error handler."""
    error: Exception = context.error
    if not isinstance(update, Update):
        log.error("an error without an update", exc_info=error)
        return
    try:
        await _tell(update, context, error)
    except TelegramError as failure:
        log.warning("an error could not be told: %s", failure)


async def _tell(update: Update, context: Any, error: Exception) -> None:
    asked = Press.of(update, context.bot) or Ask.of(update, context.bot)
    if asked is None:
        sentence_for(error, "en")
        return
    sentence = sentence_for(error, asked.caller.locale)
    if isinstance(asked, Press):
        # Answered even when there is nothing to say: the button must stop waiting.
        await asked.answer(sentence or "", alert=sentence is not None)
    elif sentence is not None:
        await asked.reply([text_page(sentence)])
