"""Inline buttons and the data they carry. Pure.

Data is compact (Telegram allows 64 bytes) and says all that is needed, so a button works as long
as its message exists, whatever was restarted meanwhile: `v:12:1` votes story 12 up, `v:12:-1`
down, `c:12` continues it, `r:12` asks for another version, `x:12` cancels it, `f:99` lets member
99 confirm /forget. A client can send anything: `parse` takes nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot.domain import Status, Story, VoteValue
from bot.texts import say

Action = Literal["vote", "continue", "retry", "cancel", "forget"]

_LETTERS: dict[str, Action] = {"c": "continue", "r": "retry", "x": "cancel", "f": "forget"}
_VOTE = re.compile(r"v:([1-9][0-9]{0,17}):(1|-1)")
_OTHER = re.compile(r"([crxf]):([1-9][0-9]{0,17})")


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


def story_keyboard(story: Story, locale: str) -> InlineKeyboardMarkup | None:
    """The buttons below a story, by what can be done with it."""
    if story.status.is_open:
        return InlineKeyboardMarkup([[_button(say("button-cancel", locale), f"x:{story.id}")]])
    retry = _button(say("button-retry", locale), f"r:{story.id}")
    if story.status is Status.FINISHED:
        votes = [
            _button(f"👍 {story.tally.ups}", f"v:{story.id}:1"),
            _button(f"👎 {story.tally.downs}", f"v:{story.id}:-1"),
        ]
        go_on = _button(say("button-continue", locale), f"c:{story.id}")
        return InlineKeyboardMarkup([votes, [go_on, retry]])
    if story.status is Status.DELETED:
        return None
    return InlineKeyboardMarkup([[retry]])


def forget_keyboard(member_id: int, locale: str) -> InlineKeyboardMarkup:
    """The confirmation below /forget, for the member who asked."""
    return InlineKeyboardMarkup([[_button(say("button-forget", locale), f"f:{member_id}")]])


def _button(label: str, data: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(label, callback_data=data)
