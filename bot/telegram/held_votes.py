"""Votes that are not counted, story by story, for a group's moderators: a part of /moderate.

Knows what they look like on Telegram; which they are, and who may release them, the service knows.
"""

from __future__ import annotations

import re

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot import wording
from bot.domain import Caller, Case
from bot.service import StoryService
from bot.telegram.asking import Press
from bot.telegram.community import address_of, as_moderator
from bot.telegram.deep_links import GROUP, STORY, Route
from bot.telegram.live_stories import LiveStories
from bot.telegram.view import Page, escape, fit
from bot.texts import say
from model.genres import GenreTable

STORY_CHARS = 1_000
_OFFSET = r"(?P<offset>[0-9]{1,6})"


class HeldVotesPanel:
    """The buttons; the way here is in /moderate."""

    def __init__(self, service: StoryService, live: LiveStories) -> None:
        self._service = service
        self._live = live
        self.presses: tuple[Route[Press], ...] = (
            (re.compile(rf"u:{GROUP}:{_OFFSET}"), self._show),
            (re.compile(rf"u:{GROUP}:{_OFFSET}:r:{STORY}"), self._release),
        )

    async def _show(self, press: Press, match: re.Match[str]) -> None:
        caller = await as_moderator(press, int(match["group"]))
        await press.show(await self._page(caller, int(match["offset"])))

    async def _release(self, press: Press, match: re.Match[str]) -> None:
        caller, story_id = await as_moderator(press, int(match["group"])), int(match["story"])
        await self._service.moderation.release_votes(caller, story_id)
        await self._live.redraw_all(story_id)
        await press.show(await self._page(caller, int(match["offset"])))

    async def _page(self, caller: Caller, offset: int) -> Page:
        case, offset, total = await self._service.moderation.held(caller, offset)
        if case is None:
            text = escape(say("held-nothing", caller.locale))
            return Page(text, InlineKeyboardMarkup([[_back(caller)]]))
        url = await address_of(self._service, case.story.id, caller.community_id)
        return held_page(case, offset, total, url, caller, self._service.genres)


def held_page(
    case: Case, offset: int, total: int, url: str, caller: Caller, genres: GenreTable
) -> Page:
    """One story with such votes, and the button that counts them."""
    story, locale, group = case.story, caller.locale, caller.community_id
    title = say("held-title", locale, number=offset + 1, total=total)
    counts = f"👍 {story.tally.ups} 👎 {story.tally.downs}"
    head = [escape(wording.held_votes(case.held, locale)), counts]
    if url:
        head.append(f'<a href="{url}">{escape(say("moderate-jump", locale))}</a>')
    byline = wording.byline(story, wording.genre_label(story, genres), locale)
    lines = [
        f"<b>{escape(title)}</b>",
        " · ".join(head),
        escape(say("held-about", locale)),
        "",
        f"<i>{escape(byline)}</i>",
        *([f"<b>{fit(story.title, 200)}</b>"] if story.title else []),
        fit(story.text, STORY_CHARS),
    ]
    release = f"✅ {say('button-release', locale)}"
    rows = [[_button(release, f"u:{group}:{offset}:r:{story.id}")], [_back(caller)]]
    turns = [("◀️", offset - 1)] if offset else []
    turns += [("▶️", offset + 1)] if offset + 1 < total else []
    if turns:
        rows.append([_button(label, f"u:{group}:{there}") for label, there in turns])
    return Page("\n".join(lines), InlineKeyboardMarkup(rows))


def to_held(n_stories: int, caller: Caller) -> InlineKeyboardButton:
    """The way here."""
    label = f"⚖️ {wording.held_button(n_stories, caller.locale)}"
    return _button(label, f"u:{caller.community_id}:0")


def _back(caller: Caller) -> InlineKeyboardButton:
    return _button(f"↩️ {say('button-back', caller.locale)}", f"m:{caller.community_id}:0")


def _button(label: str, data: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(label, callback_data=data)
