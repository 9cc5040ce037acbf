"""/moderate: reported stories one by one, held votes, the blocked; shown to a moderator in private.

A group reads along, so what it must not read is never shown there. Every button names its group
and is checked anew. Knows what cases look like on Telegram; what may be done, the service knows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot import wording
from bot.domain import Blocked, Caller, Case
from bot.service import StoryService
from bot.telegram.asking import Ask, Press
from bot.telegram.community import address_of, as_moderator
from bot.telegram.deep_links import GROUP, STORY, Route, link
from bot.telegram.held_votes import to_held
from bot.telegram.live_stories import LiveStories
from bot.telegram.view import Page, escape, fit, text_page
from bot.texts import say
from model.genres import GenreTable

STORY_CHARS, REASON_CHARS, REASONS = 2_500, 150, 5
"""How much of a case fits into its message, markup included."""
BLOCKED = 10
"""Names on one page."""
_OFFSET = r"(?P<offset>[0-9]{1,6})"


class ModeratePanel:
    """The command and its buttons."""

    def __init__(self, service: StoryService, live: LiveStories) -> None:
        self._service = service
        self._live = live
        self.presses: tuple[Route[Press], ...] = (
            (re.compile(rf"m:{GROUP}:{_OFFSET}"), self._show),
            (re.compile(rf"m:{GROUP}:{_OFFSET}:k:{STORY}"), self._keep),
            (re.compile(rf"m:{GROUP}:{_OFFSET}:d:{STORY}"), self._delete),
            (re.compile(rf"m:{GROUP}:{_OFFSET}:b:{STORY}"), self._block),
            (re.compile(rf"b:{GROUP}:{_OFFSET}"), self._show_blocked),
            (re.compile(rf"b:{GROUP}:{_OFFSET}:(?P<member>-?[0-9]{{1,17}})"), self._unblock),
        )
        self.links: tuple[Route[Ask], ...] = ((re.compile(rf"moderate_{GROUP}"), self._open),)

    async def command(self, ask: Ask) -> None:
        """In a group: the way to the queue, for those who may see it."""
        locale = ask.caller.locale
        if ask.caller.is_private:
            await ask.reply([text_page(say("telegram-in-groups", locale))])
            return
        caller = await as_moderator(ask, ask.place.chat_id)
        url = link(ask.bot.username, f"moderate_{caller.community_id}")
        way = InlineKeyboardButton(say("telegram-button-open", locale), url=url)
        text = escape(say("telegram-moderate-in-private", locale))
        await ask.reply([Page(text, InlineKeyboardMarkup([[way]]))])

    async def _open(self, ask: Ask, match: re.Match[str]) -> None:
        await ask.reply([await self._case(await as_moderator(ask, int(match["group"])), 0)])

    async def _show(self, press: Press, match: re.Match[str]) -> None:
        caller = await as_moderator(press, int(match["group"]))
        await press.show(await self._case(caller, int(match["offset"])))

    async def _keep(self, press: Press, match: re.Match[str]) -> None:
        caller, story_id = await as_moderator(press, int(match["group"])), int(match["story"])
        await self._service.moderation.keep(caller, story_id)
        await self._live.redraw_all(story_id)
        await press.show(await self._case(caller, int(match["offset"])))

    async def _delete(self, press: Press, match: re.Match[str]) -> None:
        caller, story_id = await as_moderator(press, int(match["group"])), int(match["story"])
        await self._service.delete(caller, story_id)
        await self._live.redraw_all(story_id)
        await press.show(await self._case(caller, int(match["offset"])))

    async def _block(self, press: Press, match: re.Match[str]) -> None:
        caller = await as_moderator(press, int(match["group"]))
        await self._service.moderation.block_author(caller, int(match["story"]))
        await press.show(await self._blocked(caller, 0))

    async def _show_blocked(self, press: Press, match: re.Match[str]) -> None:
        caller = await as_moderator(press, int(match["group"]))
        await press.show(await self._blocked(caller, int(match["offset"])))

    async def _unblock(self, press: Press, match: re.Match[str]) -> None:
        caller = await as_moderator(press, int(match["group"]))
        await self._service.moderation.unblock(caller, match["member"])
        await press.show(await self._blocked(caller, int(match["offset"])))

    async def _case(self, caller: Caller, offset: int) -> Page:
        case, offset, total = await self._service.moderation.case(caller, offset)
        n_held = await self._service.moderation.count_held(caller)
        ways = [[to_held(n_held, caller)], [_to_blocked(caller)]]
        if case is None:
            text = escape(say("moderate-nothing", caller.locale))
            return Page(text, InlineKeyboardMarkup(ways))
        url = await address_of(self._service, case.story.id, caller.community_id)
        text, rows = case_page(case, offset, total, url, caller, self._service.genres)
        return Page(text, InlineKeyboardMarkup([*rows, *ways]))

    async def _blocked(self, caller: Caller, page: int) -> Page:
        found = await self._service.moderation.blocked(
            caller, limit=BLOCKED + 1, offset=page * BLOCKED
        )
        return blocked_page(found, page, caller)


# -- what it looks like ------------------------------------------------------------------------
def case_page(
    case: Case, offset: int, total: int, url: str, caller: Caller, genres: GenreTable
) -> tuple[str, list[list[InlineKeyboardButton]]]:
    """A reported story and why, and the buttons for what can be done about it. `url` leads to its
    message."""
    story, locale, group = case.story, caller.locale, caller.community_id
    state = say("moderate-is-hidden" if story.is_hidden else "moderate-is-shown", locale)
    head = [escape(say("moderate-reports", locale, n=case.n_reports)), escape(state)]
    if url:
        head.append(f'<a href="{url}">{escape(say("moderate-jump", locale))}</a>')
    title = say("moderate-title", locale, number=offset + 1, total=total)
    lines = [
        f"<b>{escape(title)}</b>",
        " · ".join(head),
        *([escape(wording.held_votes(case.held, locale))] if case.held.total else []),
        *(f"— <i>{fit(reason, REASON_CHARS)}</i>" for reason in case.reasons[:REASONS]),
        "",
        f"<i>{escape(wording.byline(story, wording.genre_label(story, genres), locale))}</i>",
        *([f"<b>{fit(story.title, 200)}</b>"] if story.title else []),
        fit(story.text, STORY_CHARS),
    ]
    place = f"m:{group}:{offset}"
    delete = _button(f"🗑 {say('button-delete', locale)}", f"{place}:d:{story.id}")
    rows = [
        [_button(f"✅ {say('button-keep', locale)}", f"{place}:k:{story.id}"), delete],
        [_button(f"⛔ {say('button-block', locale)}", f"{place}:b:{story.id}")],
    ]
    turns = [("◀️", offset - 1)] if offset else []
    turns += [("▶️", offset + 1)] if offset + 1 < total else []
    if turns:
        rows.append([_button(label, f"m:{group}:{there}") for label, there in turns])
    return "\n".join(lines), rows


def blocked_page(blocked: Sequence[Blocked], page: int, caller: Caller) -> Page:
    """Who is blocked, and the way out of it; one more than fits means another page."""
    locale, group = caller.locale, caller.community_id
    lines = [
        f"<b>{escape(say('blocked-title', locale))}</b>",
        escape(say("blocked-about", locale)),
        "",
    ]
    shown = blocked[:BLOCKED]
    for one in shown:
        day = f"{datetime.fromtimestamp(one.at, UTC):%Y-%m-%d}"
        lines.append(f"{fit(one.name or one.platform_id, 100)} · {day}")
    lines += [
        "",
        escape(say("blocked-remove" if shown else "blocked-nobody", locale))
        + (":" if shown else ""),
    ]
    rows = [
        [_button((one.name or one.platform_id)[:40], f"b:{group}:{page}:{one.platform_id}")]
        for one in shown
    ]
    ways = [_button(f"↩️ {say('button-back', locale)}", f"m:{group}:0")]
    if page:
        ways.append(_button(f"◀️ {say('button-newer', locale)}", f"b:{group}:{page - 1}"))
    if len(blocked) > BLOCKED:
        ways.append(_button(f"▶️ {say('button-older', locale)}", f"b:{group}:{page + 1}"))
    return Page("\n".join(lines), InlineKeyboardMarkup([*rows, ways]))


def _to_blocked(caller: Caller) -> InlineKeyboardButton:
    label = f"🚫 {say('button-blocked', caller.locale)}"
    return _button(label, f"b:{caller.community_id}:0")


def _button(label: str, data: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(label, callback_data=data)
