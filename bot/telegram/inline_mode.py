"""Inline mode: `@bot horror A lonely lighthouse`, typed in any chat, offers stories that are there
at once, and a new one, which is written into the message that was sent.

Telegram tells what a member chose where @BotFather's /setinlinefeedback is on; the message has a
button besides, for where it is off. Which chat it is in we are never told: its story is the
author's own, as if asked for in private, and whoever sees the message may vote.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict, deque

from telegram import (
    ChosenInlineResult,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InlineQuery,
    InlineQueryResultArticle,
    InputTextMessageContent,
    LinkPreviewOptions,
)
from telegram.constants import InlineKeyboardButtonLimit, ParseMode

from bot import wording
from bot.commands import parse_story_args
from bot.domain import Caller, Post, Status, Story, StoryUpdate
from bot.errors import MemberError, NoStories
from bot.service import StoryService
from bot.telegram.asking import (
    NOWHERE,
    PLATFORM,
    Place,
    Press,
    TelegramBot,
    edit,
    private_caller,
)
from bot.telegram.deep_links import Route
from bot.telegram.live_stories import LiveStories
from bot.telegram.rate_limiter import Urgency
from bot.telegram.view import Page, escape, story_pages
from bot.telegram.vote_keyboard import Shown
from bot.texts import explain, say
from model.genres import Genre, GenreTable, UnknownGenre

STORIES = 20
"""Offered at most, of each kind: the best of all that share theirs, and one's own."""
MAX_GENRES = 8
"""Of which a new story is offered where none is named."""
CACHE_S = 10
"""How long Telegram may give the same answer; not longer, as votes change."""
_OPENINGS_KEPT = 5_000
_BEGUN_KEPT = 1_000
_OWNER = r"(?P<owner>[1-9][0-9]{0,16})"
_GENRE = r"(?P<genre>[a-z][a-z0-9_]{0,31})"
_RESULT = re.compile(rf"new:{_GENRE}|story:(?P<story>[1-9][0-9]{{0,17}})")
_MOST_BYTES = int(InlineKeyboardButtonLimit.MAX_CALLBACK_DATA)


class InlineMode:
    """What a query offers, and what its choice does."""

    def __init__(self, service: StoryService, live: LiveStories) -> None:
        self._service = service
        self._live = live
        self._openings: OrderedDict[str, str] = OrderedDict()
        """Too long for a button's data, by what stands for them there."""
        self._begun: deque[str] = deque(maxlen=_BEGUN_KEPT)
        """Messages whose story is asked for: Telegram's word and a press may both come."""
        self.presses: tuple[Route[Press], ...] = (
            (re.compile(rf"i:{_OWNER}:{_GENRE}:(?P<opening>.*)", re.DOTALL), self._pressed),
            (re.compile(rf"j:{_OWNER}:{_GENRE}:(?P<key>[0-9a-f]{{16}})"), self._pressed),
        )

    async def offer(self, query: InlineQuery) -> None:
        """Answer a query, which comes with every few letters typed."""
        caller = private_caller(query.from_user)
        genre, opening = split_genre(query.query, self._service.genres)
        new = [genre] if genre else (await self._service.administration.genres(caller))[:MAX_GENRES]
        results = [self._new_result(one, opening, caller) for one in new]
        stories = await self._stories(caller, genre.name if genre else "")
        results += [self._story_result(story, caller.locale) for story in stories]
        await query.answer(results, cache_time=CACHE_S, is_personal=True)

    async def _stories(self, caller: Caller, genre: str) -> list[Story]:
        """The best of all that share theirs, then the caller's own."""
        found: dict[int, Story] = {}
        for ask in (
            self._service.top(caller, genre, everywhere=True, limit=STORIES),
            self._service.mine(caller, limit=STORIES),
        ):
            try:
                found |= {story.id: story for story in await ask if story.id not in found}
            except NoStories:
                continue
        return [
            story
            for story in found.values()
            if story.status is Status.FINISHED and not story.is_hidden
            if genre in ("", story.genre)
        ]

    def _new_result(self, genre: Genre, opening: str, caller: Caller) -> InlineQueryResultArticle:
        locale = caller.locale
        data = self._data(int(caller.member_id), genre.name, opening)
        page = begin_page(genre.label, data, locale)
        return InlineQueryResultArticle(
            f"new:{genre.name}",
            f"✍️ {say('begin-title', locale)} · {genre.label}",
            _content(page),
            reply_markup=page.keyboard,
            description=opening or say("button-no-opening", locale),
        )

    def _data(self, owner: int, genre: str, opening: str) -> str:
        data = f"i:{owner}:{genre}:{opening}"
        if len(data.encode()) <= _MOST_BYTES:
            return data
        key = hashlib.sha256(opening.encode()).hexdigest()[:16]
        self._openings[key] = opening
        self._openings.move_to_end(key)
        if len(self._openings) > _OPENINGS_KEPT:
            self._openings.popitem(last=False)
        return f"j:{owner}:{genre}:{key}"

    def _story_result(self, story: Story, locale: str) -> InlineQueryResultArticle:
        shown = Shown(locale, home=NOWHERE, is_inline=True)
        (page,) = story_pages(StoryUpdate(story), self._service.genres, shown)
        label = wording.genre_label(story, self._service.genres)
        return InlineQueryResultArticle(
            f"story:{story.id}",
            wording.headline(story),
            _content(page),
            reply_markup=page.keyboard,
            description=f"#{story.id} · {label} · 👍 {story.tally.ups} 👎 {story.tally.downs}",
        )

    async def chosen(self, result: ChosenInlineResult, bot: TelegramBot) -> None:
        """A member sent what was offered: begin its story, or remember where it is shown."""
        match = _RESULT.fullmatch(result.result_id)
        message_id, caller = result.inline_message_id, private_caller(result.from_user)
        if match is None or message_id is None:
            return
        if match["story"]:
            place = Place(0, home=NOWHERE)
            post = Post(
                int(match["story"]), PLATFORM, place.channel_id(), message_id, caller.locale
            )
            await self._service.add_post(post)
            await self._service.end_posts(post.story_id, PLATFORM)
            return
        _, opening = split_genre(result.query, self._service.genres)
        try:
            await self._begin(caller, match["genre"], opening, message_id)
        except MemberError as error:
            genre = wording.label_of(match["genre"], self._service.genres)
            data = self._data(int(caller.member_id), match["genre"], opening)
            why = explain(error, caller.locale)
            page = begin_page(genre, data, caller.locale, why)
            await edit(bot, Place(0), message_id, page, Urgency.REPLY)

    async def _pressed(self, press: Press, match: re.Match[str]) -> None:
        if match["owner"] != press.caller.member_id:
            await press.answer(say("telegram-not-your-button", press.caller.locale), alert=True)
            return
        given = match.groupdict()
        opening = given.get("opening")
        if opening is None:
            opening = self._openings.get(given["key"])
        if opening is None or not press.place.is_inline:
            await press.answer(say("telegram-old-button", press.caller.locale), alert=True)
            return
        await self._begin(press.caller, match["genre"], opening, str(press.message_id))

    async def _begin(self, caller: Caller, genre: str, opening: str, message_id: str) -> None:
        """Raises as `StoryService.write` does."""
        if message_id in self._begun:
            return
        self._begun.append(message_id)
        try:
            args = parse_story_args(f"{genre} {opening}", self._service.genres)
            story = await self._service.write(
                caller, args.genre, args.prompt, args.title, args.length
            )
        except BaseException:
            self._begun.remove(message_id)
            raise
        place = Place(0, home=int(caller.member_id))
        await self._live.present(story, place, caller.locale, into=message_id)


def split_genre(text: str, genres: GenreTable) -> tuple[Genre | None, str]:
    """The genre that `text` begins with, in one word or two, and the rest; else None and all."""
    words = text.split()
    for count in (1, 2):
        try:
            genre = genres.get(" ".join(words[:count]))
        except UnknownGenre:
            continue
        rest = text.split(maxsplit=count)[count:]
        return genre, rest[0].strip() if rest else ""
    return None, text.strip()


# -- what it looks like ------------------------------------------------------------------------
def begin_page(genre: str, data: str, locale: str, why_not: str = "") -> Page:
    """A message whose story is not begun. The opening is not told before it was looked at."""
    text = f"<b>{escape(say('begin-title', locale))}</b> · {escape(genre)}"
    if why_not:
        text = f"{text}\n\n{escape(why_not)}"
    begin = InlineKeyboardButton(f"✍️ {say('telegram-button-begin', locale)}", callback_data=data)
    return Page(text, InlineKeyboardMarkup([[begin]]))


def _content(page: Page) -> InputTextMessageContent:
    return InputTextMessageContent(
        page.html,
        parse_mode=ParseMode.HTML,
        link_preview_options=LinkPreviewOptions(is_disabled=True),
    )
