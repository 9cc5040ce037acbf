"""Report a story: the button in a group leads into the private chat, where nobody reads along.

There a member says why, or does not, and nothing is reported until then.
"""

from __future__ import annotations

import re

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot import wording
from bot.domain import Caller
from bot.errors import StoryNotFound
from bot.service import StoryService
from bot.telegram.asking import Ask, Press, ask_for_reply
from bot.telegram.community import as_there
from bot.telegram.deep_links import GROUP, STORY, Route, link
from bot.telegram.live_stories import LiveStories
from bot.telegram.view import Page, escape, text_page
from bot.texts import say


class Reports:
    """What the link of the Report button does, and what follows."""

    def __init__(self, service: StoryService, live: LiveStories) -> None:
        self._service = service
        self._live = live
        payload = re.compile(rf"report_{STORY}_{GROUP}")
        self.links: tuple[Route[Ask], ...] = ((payload, self._open),)
        self.presses: tuple[Route[Press], ...] = (
            (re.compile(rf"q:{GROUP}:{STORY}"), self._without_reason),
            (re.compile(rf"q:{GROUP}:{STORY}:why"), self._ask_why),
        )
        self.answers: tuple[Route[Ask], ...] = ((payload, self._with_reason),)

    async def _open(self, ask: Ask, match: re.Match[str]) -> None:
        caller, story_id = await _member(ask, match), int(match["story"])
        story = await self._service.read(caller, story_id)
        locale, data = caller.locale, f"q:{match['group']}:{story_id}"
        lines = [
            f"<b>{escape(say('report-title', locale))}</b>",
            f"#{story_id} · {escape(wording.headline(story))}",
            "",
            escape(say("report-reason", locale)),
        ]
        report = InlineKeyboardButton(f"🚩 {say('button-report', locale)}", callback_data=data)
        label = say("telegram-button-say-why", locale)
        why = InlineKeyboardButton(f"✏️ {label}", callback_data=f"{data}:why")
        await ask.reply([Page("\n".join(lines), InlineKeyboardMarkup([[report, why]]))])

    async def _without_reason(self, press: Press, match: re.Match[str]) -> None:
        await press.show(text_page(await self._report(press, match, "")))

    async def _ask_why(self, press: Press, match: re.Match[str]) -> None:
        locale = press.caller.locale
        url = link(press.bot.username, f"report_{match['story']}_{match['group']}")
        title = f'<a href="{url}">{escape(say("report-title", locale))}</a> · #{match["story"]}'
        await press.answer()
        text = f"<b>{title}</b>\n\n{escape(say('telegram-reply-reason', locale))}"
        await ask_for_reply(press.bot, press.place, text)

    async def _with_reason(self, ask: Ask, match: re.Match[str]) -> None:
        await ask.reply([text_page(await self._report(ask, match, ask.text))])

    async def _report(self, asked: Ask | Press, match: re.Match[str], reason: str) -> str:
        """Do it, hide the story where that is due, and say what was done."""
        caller, story_id = await _member(asked, match), int(match["story"])
        hidden = await self._service.moderation.report(caller, story_id, reason)
        if hidden:
            await self._live.redraw_all(story_id)
        key = "report-done-hidden" if hidden else "report-done"
        return say(key, caller.locale, id=story_id)


async def _member(asked: Ask | Press, match: re.Match[str]) -> Caller:
    """Whoever asks, as a member of the story's group. Raises StoryNotFound for anybody else."""
    caller = await as_there(asked.bot, asked.caller, int(match["group"]))
    if caller is None:
        raise StoryNotFound(id=int(match["story"]))
    return caller
