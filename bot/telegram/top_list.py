"""/top: the best stories, page by page; what is shown is changed by buttons, by anybody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, get_args

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot import wording
from bot.commands import parse_top
from bot.domain import Caller, Period
from bot.errors import NoStories
from bot.service import StoryService
from bot.telegram.asking import Ask, Press
from bot.telegram.community import shared_locale, story_url
from bot.telegram.deep_links import Route
from bot.telegram.view import Page, escape, list_page
from bot.texts import say
from model.genres import GenreTable

PAGE = 10
MAX_GENRES = 96
"""Telegram takes 100 buttons below a message."""
_PERIODS: dict[str, Period] = {period[0]: period for period in get_args(Period)}
_STATE = (
    rf"(?P<where>[he]):(?P<period>[{''.join(_PERIODS)}]):(?P<page>[0-9]{{1,4}}):"
    r"(?P<genre>-|[a-z][a-z0-9_]{0,31})"
)


@dataclass(frozen=True, slots=True)
class View:
    """What of the ranking is shown."""

    genre: str = ""
    period: Period = "all"
    everywhere: bool = False
    page: int = 0

    @property
    def state(self) -> str:
        """As it stands in a button's data."""
        where = "e" if self.everywhere else "h"
        return f"{where}:{self.period[0]}:{self.page}:{self.genre or '-'}"

    @classmethod
    def of(cls, match: re.Match[str]) -> Self:
        genre = "" if match["genre"] == "-" else match["genre"]
        everywhere, page = match["where"] == "e", int(match["page"])
        return cls(genre, _PERIODS[match["period"]], everywhere, page)


class TopList:
    """The command, and its buttons."""

    def __init__(self, service: StoryService) -> None:
        self._service = service
        self.presses: tuple[Route[Press], ...] = (
            (re.compile(f"o:{_STATE}"), self._show),
            (re.compile(f"og:{_STATE}"), self._ask_genre),
        )

    async def command(self, ask: Ask) -> None:
        """Raises UnknownGenre, NoStories."""
        view = View(*parse_top(ask.text))
        locale = await shared_locale(self._service, ask.caller)
        await ask.reply([await self._page(view, ask.caller, locale, ask.bot.username)])

    async def _show(self, press: Press, match: re.Match[str]) -> None:
        view, caller = View.of(match), press.caller
        locale = await shared_locale(self._service, caller)
        try:
            page = await self._page(view, caller, locale, press.bot.username)
        except NoStories:  # an empty list keeps its buttons, or there would be no way back
            title = escape(_title(view, self._genres, locale))
            nothing = f"<b>{title}</b>\n{escape(say('top-nothing', locale))}"
            page = Page(nothing, top_keyboard(view, more=False, genres=self._genres, locale=locale))
        await press.show(page)

    async def _ask_genre(self, press: Press, match: re.Match[str]) -> None:
        locale = await shared_locale(self._service, press.caller)
        await press.show(genre_choice(View.of(match), self._genres, locale))

    @property
    def _genres(self) -> GenreTable:
        return self._service.genres

    async def _page(self, view: View, caller: Caller, locale: str, username: str) -> Page:
        stories = await self._service.top(
            caller,
            view.genre,
            view.period,
            limit=PAGE + 1,
            offset=view.page * PAGE,
            everywhere=view.everywhere,
        )
        if view.genre:  # as members said it, and there is such a one
            view = replace(view, genre=self._genres.get(view.genre).name)
        group = "" if view.everywhere or caller.is_private else caller.community_id
        shown = stories[:PAGE]
        urls = {one.id: await story_url(self._service, one.id, group, username) for one in shown}
        title = _title(view, self._genres, locale)
        page = list_page(title, shown, self._genres, first=view.page * PAGE, urls=urls)
        more = len(stories) > PAGE
        return replace(
            page, keyboard=top_keyboard(view, more=more, genres=self._genres, locale=locale)
        )


def _title(view: View, genres: GenreTable, locale: str) -> str:
    title = wording.top_title(view.genre, view.period, genres, locale)
    return f"{title} · {say('top-everywhere', locale)}" if view.everywhere else title


def top_keyboard(
    view: View, *, more: bool, genres: GenreTable, locale: str
) -> InlineKeyboardMarkup:
    """Other times, genres and places, and the pages before and after."""
    periods = [
        _button(say(f"period-{period}", locale), replace(view, period=period, page=0), view)
        for period in get_args(Period)
    ]
    label = wording.label_of(view.genre, genres) if view.genre else say("top-every-genre", locale)
    genre = InlineKeyboardButton(f"🎭 {label}", callback_data=f"og:{view.state}")
    there = replace(view, everywhere=not view.everywhere, page=0)
    key = "telegram-button-only-here" if view.everywhere else "telegram-button-everywhere"
    where = _button(f"🌍 {say(key, locale)}", there, view)
    turns = [_turn("◀️", view, -1)] if view.page else []
    turns += [_turn("▶️", view, 1)] if more else []
    return InlineKeyboardMarkup([row for row in (periods, [genre, where], turns) if row])


def genre_choice(view: View, genres: GenreTable, locale: str) -> Page:
    """Which genre's best?"""
    every = _button(say("top-every-genre", locale), replace(view, genre="", page=0), view)
    offered = [
        _button(one.label, replace(view, genre=one.name, page=0), view)
        for one in list(genres)[:MAX_GENRES]
    ]
    return Page(escape(say("begin-ask", locale)), InlineKeyboardMarkup([[every], *_pairs(offered)]))


def _button(label: str, there: View, now: View) -> InlineKeyboardButton:
    if there == replace(now, page=0):
        label = f"✅ {label}"
    return InlineKeyboardButton(label, callback_data=f"o:{there.state}")


def _turn(label: str, view: View, pages: int) -> InlineKeyboardButton:
    there = replace(view, page=view.page + pages)
    return InlineKeyboardButton(label, callback_data=f"o:{there.state}")


def _pairs(buttons: Sequence[InlineKeyboardButton]) -> list[Sequence[InlineKeyboardButton]]:
    return [buttons[at : at + 2] for at in range(0, len(buttons), 2)]
