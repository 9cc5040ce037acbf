"""/settings: what holds for stories in a group, shown to one of its administrators in private.

One message, edited in place; every button names its group and is checked anew when it is pressed.
Knows what settings look like on Telegram; what they may be, the service knows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot import wording
from bot.community_settings import MAX_CHOSEN, CommunitySettings
from bot.domain import AuditEntry, Caller
from bot.errors import NotManager
from bot.service import StoryService
from bot.telegram.asking import Ask, Press, ask_for_reply
from bot.telegram.community import as_there
from bot.telegram.deep_links import GROUP, Route, link
from bot.telegram.targets import HERE, TARGETS, TargetRefused, find_target, said
from bot.telegram.view import Page, escape, text_page
from bot.texts import say
from model.genres import GenreTable

NAMES = (
    "genres", "length", "longest", "daily_quota", "cooldown_s", "min_account_age_days",
    "burst_protection", "report_threshold", "in_global_top", "digest", "digest_channel",
    "digest_hour", "hall_channel", "hall_votes", "words", "language",
)  # fmt: skip
"""The settings that mean something on Telegram, which has neither channels in a group, nor roles,
nor chats for adults alone."""
HISTORY = 10
"""Entries on one page."""
NOTHING = "-"
"""Stands for "" in a button's data."""
_NAME = rf"(?P<name>{'|'.join(NAMES)})"


class SettingsPanel:
    """The command, its buttons, and what is typed in answer to its questions."""

    def __init__(self, service: StoryService) -> None:
        self._service = service
        self.presses: tuple[Route[Press], ...] = (
            (re.compile(rf"g:{GROUP}"), self._show),
            (re.compile(rf"g:{GROUP}:{_NAME}"), self._show),
            (re.compile(rf"g:{GROUP}:{_NAME}:enter"), self._ask),
            (re.compile(rf"g:{GROUP}:{_NAME}:(?P<value>[\w-]{{1,35}})"), self._set),
            (re.compile(rf"h:{GROUP}:(?P<page>[0-9]{{1,5}})"), self._history),
        )
        self.links: tuple[Route[Ask], ...] = (
            (re.compile(rf"settings_{GROUP}"), self._open),
            (re.compile(rf"settings_{GROUP}_{_NAME}"), self._open),
        )
        self.answers: tuple[Route[Ask], ...] = (
            (re.compile(rf"settings_{GROUP}_{_NAME}"), self._entered),
        )

    async def command(self, ask: Ask) -> None:
        """In a group: the way to the panel, for those who may use it."""
        locale = ask.caller.locale
        if ask.caller.is_private:
            await ask.reply([text_page(say("telegram-in-groups", locale))])
            return
        caller = await _manager(ask, ask.place.chat_id)
        url = link(ask.bot.username, f"settings_{caller.community_id}")
        way = InlineKeyboardButton(say("telegram-button-open", locale), url=url)
        text = escape(say("telegram-settings-in-private", locale))
        await ask.reply([Page(text, InlineKeyboardMarkup([[way]]))])

    async def _open(self, ask: Ask, match: re.Match[str]) -> None:
        caller = await _manager(ask, int(match["group"]))
        await ask.reply([await self._page(caller, match.groupdict().get("name"))])

    async def _show(self, press: Press, match: re.Match[str]) -> None:
        caller = await _manager(press, int(match["group"]))
        await press.show(await self._page(caller, match.groupdict().get("name")))

    async def _page(self, caller: Caller, name: str | None) -> Page:
        settings = await self._service.administration.settings(caller)
        if name is None:
            return panel_page(settings, caller, self._service.genres)
        return setting_page(name, settings, caller, self._service.genres)

    async def _set(self, press: Press, match: re.Match[str]) -> None:
        caller, name = await _manager(press, int(match["group"])), match["name"]
        settings = await self._service.administration.settings(caller)
        offered = dict(_choices(name, self._service.genres, caller.locale))
        if match["value"] not in offered:
            await press.answer(say("telegram-old-button", caller.locale), alert=True)
            return
        value = _value(name, match["value"], [one for one in settings.genres if one in offered])
        settings = await self._service.administration.change(caller, name, value)
        await press.show(setting_page(name, settings, caller, self._service.genres))

    async def _ask(self, press: Press, match: re.Match[str]) -> None:
        caller, name = await _manager(press, int(match["group"])), match["name"]
        settings = await self._service.administration.settings(caller)
        url = link(press.bot.username, f"settings_{caller.community_id}_{name}")
        locale = caller.locale
        if bounds := CommunitySettings.bounds(name):
            how = say("telegram-reply-number", locale, least=bounds[0], most=bounds[1])
        else:
            key = "telegram-reply-target" if name in TARGETS else "telegram-reply-words"
            how = say(key, locale)
        title = f'<b><a href="{url}">{escape(say(f"setting-{name}", locale))}</a></b>'
        value = escape(_said(name, getattr(settings, name), caller, self._service.genres))
        await press.answer()
        await ask_for_reply(press.bot, press.place, f"{title}: {value}\n\n{escape(how)}")

    async def _entered(self, ask: Ask, match: re.Match[str]) -> None:
        caller, name = await _manager(ask, int(match["group"])), match["name"]
        value: Any = ask.text.strip()
        if name == "words":
            settings = await self._service.administration.settings(caller)
            value = edited(settings.words, value)
        if name in TARGETS:
            try:
                value = await find_target(ask.bot, caller, value)
            except TargetRefused as refused:
                await ask.reply([text_page(refused.sentence)])
                return
        settings = await self._service.administration.change(caller, name, value)
        await ask.reply([setting_page(name, settings, caller, self._service.genres)])

    async def _history(self, press: Press, match: re.Match[str]) -> None:
        caller, page = await _manager(press, int(match["group"])), int(match["page"])
        entries = await self._service.administration.history(
            caller, limit=HISTORY + 1, offset=page * HISTORY
        )
        await press.show(history_page(entries, page, caller, self._service.genres))


async def _manager(asked: Ask | Press, group_id: int) -> Caller:
    """Whoever asks, as one who manages the group. Raises NotManager."""
    caller = await as_there(asked.bot, asked.caller, group_id)
    if caller is None or not caller.is_manager:
        raise NotManager
    return caller


# -- what it looks like ------------------------------------------------------------------------
def panel_page(settings: CommunitySettings, caller: Caller, genres: GenreTable) -> Page:
    """Every setting with its value, and the way to each."""
    locale, group = caller.locale, caller.community_id
    lines = [f"<b>{escape(say('settings-title', locale))}</b>", ""]
    for name in NAMES:
        value = escape(_said(name, getattr(settings, name), caller, genres))
        lines.append(f"{escape(say(f'setting-{name}', locale))}: <b>{value}</b>")
    lines += ["", escape(say("settings-pick", locale))]
    ways = [_button(say(f"setting-{name}", locale), f"g:{group}:{name}") for name in NAMES]
    history = _button(f"📜 {say('button-history', locale)}", f"h:{group}:0")
    return Page("\n".join(lines), InlineKeyboardMarkup([*_pairs(ways), [history]]))


def setting_page(
    name: str, settings: CommunitySettings, caller: Caller, genres: GenreTable
) -> Page:
    """One setting, and what changes it."""
    locale, group = caller.locale, caller.community_id
    value = getattr(settings, name)
    lines = [
        f"<b>{escape(say(f'setting-{name}', locale))}</b>: "
        f"{escape(_said(name, value, caller, genres))}",
        escape(say(f"setting-about-{name}", locale)),
    ]
    if name == "words" and value:
        lines += ["", *(f"<code>{escape(entry)}</code>" for entry in value)]
    now = {str(one) for one in value} if name == "genres" else {_word(value)}
    rows = _pairs(
        _button(f"✅ {label}" if word in now else label, f"g:{group}:{name}:{word}")
        for word, label in _choices(name, genres, locale)
    )
    if key := _typed(name):
        label = say(key, locale)
        rows.append([_button(f"✏️ {label}", f"g:{group}:{name}:enter")])
    rows.append([_button(f"↩️ {say('button-back', locale)}", f"g:{group}")])
    return Page(_fitting(lines), InlineKeyboardMarkup(rows))


def history_page(
    entries: Sequence[AuditEntry], page: int, caller: Caller, genres: GenreTable
) -> Page:
    """One page of who changed what, newest first; an entry more than fits means another page."""
    locale, group = caller.locale, caller.community_id
    lines = [f"<b>{escape(say('audit-title', locale))}</b>", ""]
    for entry in entries[:HISTORY]:
        at = f"{datetime.fromtimestamp(entry.at, UTC):%Y-%m-%d %H:%M} UTC"
        done = wording.audit(entry, locale, lambda name, value: _said(name, value, caller, genres))
        lines.append(escape(f"{at} · {done}"))
    if not entries:
        lines.append(escape(say("audit-nothing", locale)))
    buttons = [_button(f"↩️ {say('button-back', locale)}", f"g:{group}")]
    if page:
        buttons.append(_button(f"◀️ {say('button-newer', locale)}", f"h:{group}:{page - 1}"))
    if len(entries) > HISTORY:
        buttons.append(_button(f"▶️ {say('button-older', locale)}", f"h:{group}:{page + 1}"))
    return Page(_fitting(lines), InlineKeyboardMarkup([buttons]))


def _said(name: str, value: Any, caller: Caller, genres: GenreTable) -> str:
    """A setting's value in words; kept values, which JSON made lists of, included."""
    if name in TARGETS and value:
        return said(value, caller.community_id, caller.locale)
    return wording.setting_value(name, value, genres, caller.locale)


def _typed(name: str) -> str:
    """The label of the button that asks for a reply; "" where all is chosen by buttons."""
    if name in TARGETS:
        return "telegram-button-elsewhere"
    if name == "words":
        return "button-edit-list"
    return "button-enter" if CommunitySettings.bounds(name) else ""


def _choices(name: str, genres: GenreTable, locale: str) -> list[tuple[str, str]]:
    """The words to choose from, and how to say them; none for what is typed."""
    if name == "genres":
        return [(genre.name, genre.label) for genre in genres][:MAX_CHOSEN]
    if name in TARGETS:
        nowhere = say(f"setting-default-{name}", locale)
        return [(NOTHING, nowhere), (HERE, say("telegram-target-here", locale))]
    choices = wording.setting_choices(name, locale)
    return [(word or NOTHING, label) for word, label in choices]


def _word(value: Any) -> str:
    """A value as a button's data names it."""
    if isinstance(value, bool):
        return wording.YES if value else wording.NO
    return str(value) or NOTHING


def _value(name: str, word: str, chosen: Sequence[str]) -> Any:
    """What a setting becomes by a press; a genre goes in and out of the `chosen` ones."""
    if name == "genres":
        return [one for one in chosen if one != word] if word in chosen else [*chosen, word]
    if wording.is_switch(name):
        return word == wording.YES
    return "" if word == NOTHING else word


def edited(words: Sequence[str], typed: str) -> list[str]:
    """A word list with the typed lines added, and those after a minus taken off."""
    lines = [line.strip() for line in typed.splitlines()]
    gone = {line[1:].strip().casefold() for line in lines if line.startswith("-")}
    kept = [word for word in words if word.casefold() not in gone]
    return [*kept, *(line for line in lines if not line.startswith("-"))]


_MOST = 4_000


def _fitting(lines: Sequence[str]) -> str:
    """As many lines as one message holds; none is cut."""
    text = ""
    for line in lines:
        if len(text) + len(line) >= _MOST:
            return f"{text}\n…"
        text = f"{text}\n{line}" if text else line
    return text


def _pairs(buttons: Any) -> list[list[InlineKeyboardButton]]:
    listed = list(buttons)
    return [listed[at : at + 2] for at in range(0, len(listed), 2)]


def _button(label: str, data: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(label, callback_data=data)
