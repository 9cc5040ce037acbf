"""Inline buttons and the data they carry. Pure.

Data is compact (Telegram allows 64 bytes) and says all that is needed, so a button works as long
as its message exists, whatever was restarted meanwhile: `v:12:1` votes story 12 up, `v:12:-1`
down, `c:12` continues it, `r:12` asks for another version, `x:12` cancels it, `t:12` reports it,
`d:12` asks whether to delete it, `y:12` deletes it, `k:12` does not; `f:99` lets member 99 confirm
/forget. A client can send anything: `parse` takes nothing else.
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
_VOTE = re.compile(r"v:([1-9][0-9]{0,17}):(1|-1)")
_OTHER = re.compile(r"([crxtdykf]):([1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True)
class Choice:
    """What a button asks for."""

    action: Action
    number: int
    """Of the story; for "forget" the Telegram id of the member who may confirm."""
    value: VoteValue = 0
    """For "vote"."""


def parse(data: str) -> Choice | None:
    """The choice a button's data stands for; None for anything that is no data of ours."""
    if match := _VOTE.fullmatch(data):
        return Choice("vote", int(match[1]), 1 if match[2] == "1" else -1)
    if match := _OTHER.fullmatch(data):
        return Choice(_LETTERS[match[1]], int(match[2]))
    return None


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a story is shown, as far as its buttons depend on it."""

    locale: str
    group_id: int | None = None
    """None in a private chat."""
    username: str = ""
    """The bot's, for links."""


def story_keyboard(story: Story, shown: Shown) -> InlineKeyboardMarkup | None:
    """The buttons below a story, by what can be done with it there."""
    locale = shown.locale
    if story.status is Status.DELETED or story.is_hidden:
        return None
    if story.status.is_open:
        return InlineKeyboardMarkup([[_button(say("button-cancel", locale), f"x:{story.id}")]])
    retry = _button(say("button-retry", locale), f"r:{story.id}")
    delete = _button(f"🗑 {say('button-delete', locale)}", f"d:{story.id}")
    if story.status is Status.FINISHED:
        votes = [
            _button(f"👍 {story.tally.ups}", f"v:{story.id}:1"),
            _button(f"👎 {story.tally.downs}", f"v:{story.id}:-1"),
        ]
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


def delete_keyboard(story_id: int, locale: str) -> InlineKeyboardMarkup:
    """The question whether to delete a story for good, in place of its buttons."""
    yes = _button(say("button-delete-yes", locale), f"y:{story_id}")
    return InlineKeyboardMarkup([[yes, _button(say("button-back", locale), f"k:{story_id}")]])


def forget_keyboard(member_id: int, locale: str) -> InlineKeyboardMarkup:
    """The confirmation below /forget, for the member who asked."""
    return InlineKeyboardMarkup([[_button(say("button-forget", locale), f"f:{member_id}")]])


def _button(label: str, data: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(label, callback_data=data)
