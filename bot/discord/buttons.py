"""Buttons that work for as long as their message stands, restarts included.

A `custom_id` says what to do to which story (`vote:12:up`, `cancel:12`); the patterns are
registered when the bot starts, so nothing is kept per message.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Self

import discord

from bot.discord.cards import Button, Card, text_cards
from bot.discord.markup import escape
from bot.discord.replies import (
    Interaction,
    caller_of,
    explain_failure,
    hold,
    locale_of,
    think,
)
from bot.domain import Caller, Story, StoryUpdate, VoteValue
from bot.errors import AlreadyEnded
from bot.texts import say

_DIRECTIONS: dict[str, VoteValue] = {"up": 1, "down": -1}
FORGET = "forget:yes"


class _Pressable(discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=r"$^"):
    """What every button shares: it is made from its `custom_id`, and its errors are explained."""

    def __init__(self, custom_id: str, match: re.Match[str]) -> None:
        super().__init__(discord.ui.Button(custom_id=custom_id))
        self.match = match

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str]
    ) -> Self:
        return cls(match.string, match)

    @property
    def story_id(self) -> int:
        return int(self.match["story"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        try:
            await self.pressed(interaction)
        except Exception as error:
            await explain_failure(interaction, error)

    async def pressed(self, interaction: Interaction) -> None:
        """Acknowledge, then do what the button says. May raise anything."""
        raise NotImplementedError

    async def ask(
        self, interaction: Interaction, use_case: Callable[[Caller, int], Awaitable[Story]]
    ) -> None:
        """Ask for a story that comes of this one, and show it in a new message."""
        reply = await think(interaction, public=True)
        story = await use_case(caller_of(interaction), self.story_id)
        await interaction.client.desk.show_new(reply, story)


class VoteButton(_Pressable, template=r"vote:(?P<story>\d{1,18}):(?P<direction>up|down)"):
    """👍 or 👎; the counts on the message follow."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        desk = interaction.client.desk
        value = _DIRECTIONS[self.match["direction"]]
        await desk.service.vote(caller_of(interaction), self.story_id, value)
        await desk.redraw_votes(interaction, self.story_id)


class ContinueButton(_Pressable, template=r"continue:(?P<story>\d{1,18})"):
    """The next part, in a new message."""

    async def pressed(self, interaction: Interaction) -> None:
        await self.ask(interaction, interaction.client.desk.service.continue_story)


class AgainButton(_Pressable, template=r"again:(?P<story>\d{1,18})"):
    """Another version, in a new message."""

    async def pressed(self, interaction: Interaction) -> None:
        await self.ask(interaction, interaction.client.desk.service.retry)


class CancelButton(_Pressable, template=r"cancel:(?P<story>\d{1,18})"):
    """Stop a story; whoever follows it redraws its message."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        desk = interaction.client.desk
        caller = caller_of(interaction)
        try:
            await desk.service.cancel(caller, self.story_id)
        except AlreadyEnded:
            # A message that missed its last edit still has this button: mend it now.
            story = await desk.service.read(caller, self.story_id)
            last = desk.cards(StoryUpdate(story), locale_of(interaction, public=True))[-1]
            await interaction.edit_original_response(embed=last.embed(), view=last.view())
            raise


class ForgetButton(_Pressable, template=FORGET):
    """The confirmation of /forget; only its member sees it."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        locale = locale_of(interaction)
        gone = await interaction.client.desk.service.forget(caller_of(interaction))
        text = say("forget-done", locale, stories=gone.stories, votes=gone.votes)
        (card,) = text_cards([text])
        await interaction.edit_original_response(embed=card.embed(), view=None)


def forget_card(locale: str) -> Card:
    """The question before /forget does anything."""
    yes = Button(FORGET, say("button-forget", locale), style=discord.ButtonStyle.danger)
    return Card(escape(say("forget-ask", locale)), buttons=(yes,))


BUTTONS: tuple[type[_Pressable], ...] = (
    VoteButton,
    ContinueButton,
    AgainButton,
    CancelButton,
    ForgetButton,
)
