"""Ways to begin a story other than typing it all after /story: a genre, then an opening to choose,
or one's own in reply to a question.

The message that asks becomes the story. Its buttons name whoever asked, and nobody else can press
them. Knows no story that is written already.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot.commands import parse_story_args
from bot.domain import Caller, Story
from bot.errors import UnknownGenre
from bot.service import StoryService
from bot.telegram.asking import Ask, Press, ask_for_reply
from bot.telegram.community import shared_locale
from bot.telegram.deep_links import Route, link
from bot.telegram.live_stories import LiveStories
from bot.telegram.view import Page, escape, fit
from bot.texts import say
from model.genres import Genre

MAX_OPENINGS, OPENING_CHARS = 8, 300
"""Of one genre, as shown."""
MAX_GENRES = 96
"""Telegram takes 100 buttons below a message."""
_ANYBODY = 0
"""Stands for an administrator who asked as the group: whoever presses is somebody else."""
_OWNER = r"(?P<owner>[0-9]{1,17})"
_GENRE = r"(?P<genre>[a-z][a-z0-9_]{0,31})"


class Beginning:
    """The picker's pages, and what its buttons and the reply do."""

    def __init__(self, service: StoryService, live: LiveStories) -> None:
        self._service = service
        self._live = live
        payload = re.compile(rf"begin_{_GENRE}")
        self.presses: tuple[Route[Press], ...] = (
            (re.compile(rf"n:{_OWNER}"), self._genres),
            (re.compile(rf"n:{_OWNER}:{_GENRE}"), self._openings),
            (re.compile(rf"n:{_OWNER}:{_GENRE}:(?P<number>[0-9]{{1,2}})"), self._write),
            (re.compile(rf"n:{_OWNER}:{_GENRE}:go"), self._write),
            (re.compile(rf"n:{_OWNER}:{_GENRE}:own"), self._ask),
        )
        self.links: tuple[Route[Ask], ...] = ((payload, self._open),)
        self.answers: tuple[Route[Ask], ...] = ((payload, self._answered),)

    async def pick(self, ask: Ask) -> None:
        """The answer to a bare /story."""
        genres = await self._service.administration.genres(ask.caller)
        await ask.reply([genres_page(genres, _owner(ask.caller), ask.caller.locale)])

    async def _open(self, ask: Ask, match: re.Match[str]) -> None:
        genre = self._genre(match["genre"])
        await ask.reply([openings_page(genre, _owner(ask.caller), ask.caller.locale)])

    async def _genres(self, press: Press, match: re.Match[str]) -> None:
        if await _is_owner(press, match):
            genres = await self._service.administration.genres(press.caller)
            await press.show(genres_page(genres, int(match["owner"]), press.caller.locale))

    async def _openings(self, press: Press, match: re.Match[str]) -> None:
        if await _is_owner(press, match):
            genre = self._genre(match["genre"])
            await press.show(openings_page(genre, int(match["owner"]), press.caller.locale))

    async def _write(self, press: Press, match: re.Match[str]) -> None:
        """With the opening of that number, or, where it has none, whatever comes."""
        if not await _is_owner(press, match):
            return
        genre = self._genre(match["genre"])
        number = int(match.groupdict().get("number") or MAX_OPENINGS)
        prompt = "".join(genre.openings[number : number + 1])
        story = await self._service.write(press.caller, genre.name, prompt)
        await press.answer()
        locale = await shared_locale(self._service, press.caller)
        await self._live.present(story, press.place, locale, into=press.message_id)

    async def _ask(self, press: Press, match: re.Match[str]) -> None:
        if not await _is_owner(press, match):
            return
        locale, genre = press.caller.locale, self._genre(match["genre"])
        await press.answer()
        url = link(press.bot.username, f"begin_{genre.name}")
        title = f'<b><a href="{url}">{escape(say("begin-title", locale))}</a></b>'
        most = self._service.rules.max_prompt_chars
        how = escape(say("telegram-reply-opening", locale, most=most))
        # Only whoever wrote the answered message is asked for a reply in a group.
        place = replace(press.place, reply_to=press.answers or press.place.reply_to)
        await ask_for_reply(press.bot, place, f"{title} · {escape(genre.label)}\n\n{how}")

    async def _answered(self, ask: Ask, match: re.Match[str]) -> None:
        args = parse_story_args(f"{match['genre']} {ask.text}", self._service.genres)
        story: Story = await self._service.write(
            ask.caller, args.genre, args.prompt, args.title, args.length
        )
        locale = await shared_locale(self._service, ask.caller)
        await self._live.present(story, ask.place, locale)

    def _genre(self, name: str) -> Genre:
        """Raises UnknownGenre for one that has left the table since its button was made."""
        for genre in self._service.genres:
            if genre.name == name:
                return genre
        choices = ", ".join(self._service.genres.names)
        raise UnknownGenre(given=name, nearest="", choices=choices)


def _owner(caller: Caller) -> int:
    """Who may press the buttons: a member, and for a group that speaks anybody."""
    return max(int(caller.member_id), _ANYBODY)


async def _is_owner(press: Press, match: re.Match[str]) -> bool:
    """Whether the buttons are for whoever pressed; else they are told."""
    if int(match["owner"]) in (_ANYBODY, int(press.caller.member_id)):
        return True
    await press.answer(say("telegram-not-your-button", press.caller.locale), alert=True)
    return False


# -- what it looks like ------------------------------------------------------------------------
def genres_page(genres: Sequence[Genre], owner: int, locale: str) -> Page:
    """Which genre?"""
    text = f"<b>{escape(say('begin-title', locale))}</b>\n{escape(say('begin-ask', locale))}"
    buttons = [_button(genre.label, f"n:{owner}:{genre.name}") for genre in genres[:MAX_GENRES]]
    rows = [buttons[at : at + 2] for at in range(0, len(buttons), 2)]
    return Page(text, InlineKeyboardMarkup(rows))


def openings_page(genre: Genre, owner: int, locale: str) -> Page:
    """Its suggested openings, one's own, or none."""
    openings, data = genre.openings[:MAX_OPENINGS], f"n:{owner}:{genre.name}"
    lines = [
        f"<b>{escape(say('begin-title', locale))}</b> · {escape(genre.label)}",
        escape(say("begin-how", locale)),
        "",
        *(f"{number}. {fit(line, OPENING_CHARS)} …" for number, line in enumerate(openings, 1)),
    ]
    rows = [
        [_button(str(number + 1), f"{data}:{number}") for number in range(len(openings))],
        [_button(f"✍️ {say('button-own-opening', locale)}", f"{data}:own")],
        [_button(f"🎲 {say('button-no-opening', locale)}", f"{data}:go")],
        [_button(f"↩️ {say('button-back', locale)}", f"n:{owner}")],
    ]
    return Page("\n".join(lines), InlineKeyboardMarkup([row for row in rows if row]))


def _button(label: str, data: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(label, callback_data=data)
