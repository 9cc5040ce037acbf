"""Inline buttons and the data they carry. Pure.

Data is compact (Telegram allows 64 bytes) and says all that is needed, so a button works as long
as its message exists, whatever was restarted meanwhile: `v:12:1` votes story 12 up, `v:12:-1`
down, `c:12` continues it, `r:12` asks for another version, `x:12` cancels it, `t:12` reports it,
`d:12` asks whether to delete it, `y:12` deletes it, `k:12` does not; `f:99` lets member 99 confirm
/forget. Of a story that is shown outside its own chat, that one's id follows: `v:12:1:-1001`. A
client can send anything: `parse` takes nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot.domain import Status, Story, VoteValue
from bot.telegram.deep_links import link
from bot.texts import say
from bot.wording import headline

Action = Literal[
    "vote", "continue", "retry", "cancel", "report", "ask-delete", "delete", "keep", "forget"
]

_LETTERS: dict[str, Action] = {
    "c": "continue", "r": "retry", "x": "cancel", "t": "report",
    "d": "ask-delete", "y": "delete", "k": "keep", "f": "forget",
}  # fmt: skip
_HOME = r"(?::(?P<home>-?[1-9][0-9]{0,15}))?"
_VOTE = re.compile(rf"v:([1-9][0-9]{{0,17}}):(1|-1){_HOME}")
_OTHER = re.compile(rf"([crxtdykf]):([1-9][0-9]{{0,17}}){_HOME}")


@dataclass(frozen=True, slots=True)
class Choice:
    """What a button asks for."""

    action: Action
    number: int
    """Of the story; for "forget" the Telegram id of the member who may confirm."""
    value: VoteValue = 0
    """For "vote"."""
    home: int | None = None
    """The story's own chat, where the button is not in it."""


def parse(data: str) -> Choice | None:
    """The choice a button's data stands for; None for anything that is no data of ours."""
    if match := _VOTE.fullmatch(data):
        return Choice("vote", int(match[1]), 1 if match[2] == "1" else -1, _home(match))
    if match := _OTHER.fullmatch(data):
        return Choice(_LETTERS[match[1]], int(match[2]), home=_home(match))
    return None


def _home(match: re.Match[str]) -> int | None:
    return int(match["home"]) if match["home"] else None


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a story is shown, as far as its buttons depend on it."""

    locale: str
    group_id: int | None = None
    """None in a private chat."""
    username: str = ""
    """The bot's, for links."""
    home: int | None = None
    """The story's own chat, where it is shown in another; 0: in none where one can vote."""
    url: str = ""
    """Of its message there, for those who are there."""
    is_inline: bool = False
    """In a message that inline mode sent."""


def story_keyboard(story: Story, shown: Shown) -> InlineKeyboardMarkup | None:
    """The buttons below a story, by what can be done with it there."""
    locale = shown.locale
    if story.status is Status.DELETED or story.is_hidden:
        return None
    if shown.home is not None:
        return _visiting_keyboard(story, shown, shown.home)
    if story.status.is_open:
        return InlineKeyboardMarkup([[_button(say("button-cancel", locale), f"x:{story.id}")]])
    retry = _button(say("button-retry", locale), f"r:{story.id}")
    delete = _button(f"🗑 {say('button-delete', locale)}", f"d:{story.id}")
    if story.status is Status.FINISHED:
        votes = _votes(story)
        go_on = _button(say("button-continue", locale), f"c:{story.id}")
        report = _button(f"🚩 {say('button-report', locale)}", f"t:{story.id}")
        if shown.group_id is None:
            # Its member's own stories: nobody reports them, nobody else can open a link to them.
            return InlineKeyboardMarkup([votes, [go_on, retry], [delete]])
        link_to_it = link(shown.username, f"story_{story.id}_{shown.group_id}")
        query = urlencode({"url": link_to_it, "text": headline(story)}, quote_via=quote)
        url = f"https://t.me/share/url?{query}"
        share = InlineKeyboardButton(f"🔗 {say('button-share', locale)}", url=url)
        return InlineKeyboardMarkup([votes, [go_on, retry], [share, report, delete]])
    return InlineKeyboardMarkup([[retry, delete]])


def _votes(story: Story, at_home: str = "") -> list[InlineKeyboardButton]:
    return [
        _button(f"👍 {story.tally.ups}", f"v:{story.id}:1{at_home}"),
        _button(f"👎 {story.tally.downs}", f"v:{story.id}:-1{at_home}"),
    ]


def _visiting_keyboard(story: Story, shown: Shown, home: int) -> InlineKeyboardMarkup | None:
    """Of a story that is shown outside its own chat: nothing is written there, save by its author
    into a message of inline mode."""
    locale, at_home = shown.locale, f":{home}"
    rows: list[list[InlineKeyboardButton]] = []
    if story.status.is_open:
        rows.append([_button(say("button-cancel", locale), f"x:{story.id}{at_home}")])
    elif home and story.status is Status.FINISHED:
        rows.append(_votes(story, at_home))
    if shown.url:
        rows.append([InlineKeyboardButton(say("telegram-button-to-group", locale), url=shown.url)])
    if shown.is_inline and not story.status.is_open:
        label = f"🎭 {say('telegram-button-another', locale)}"
        query = f"{story.genre} "
        own = InlineKeyboardButton(label, switch_inline_query_current_chat=query)
        delete = _button(f"🗑 {say('button-delete', locale)}", f"d:{story.id}{at_home}")
        rows.append([own, delete] if home else [own])
    return InlineKeyboardMarkup(rows) if rows else None


def delete_keyboard(story_id: int, locale: str, home: int | None = None) -> InlineKeyboardMarkup:
    """The question whether to delete a story for good, in place of its buttons."""
    at_home = "" if home is None else f":{home}"
    yes = _button(say("button-delete-yes", locale), f"y:{story_id}{at_home}")
    no = _button(say("button-back", locale), f"k:{story_id}{at_home}")
    return InlineKeyboardMarkup([[yes, no]])


def forget_keyboard(member_id: int, locale: str) -> InlineKeyboardMarkup:
    """The confirmation below /forget, for the member who asked."""
    return InlineKeyboardMarkup([[_button(say("button-forget", locale), f"f:{member_id}")]])


def _button(label: str, data: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(label, callback_data=data)
