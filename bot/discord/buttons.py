"""The buttons of stories, each with what to do to which story (`vote:12:up`, `cancel:12`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import discord

from bot import wording
from bot.discord.cards import Button, Card, text_cards
from bot.discord.markup import escape
from bot.discord.pressable import Pressable
from bot.discord.replies import (
    Interaction,
    caller_of,
    hold,
    locale_of,
    shared_locale,
    tell,
    think,
)
from bot.discord.rights import POSTING
from bot.domain import Caller, Story, StoryUpdate, VoteValue
from bot.errors import AlreadyEnded
from bot.texts import say

_DIRECTIONS: dict[str, VoteValue] = {"up": 1, "down": -1}
FORGET = "forget:yes"


async def ask(
    interaction: Interaction, story_id: int, use_case: Callable[[Caller, int], Awaitable[Story]]
) -> None:
    """Ask for a story that comes of this one, and show it in a new message."""
    reply = await think(interaction, public=True, needs=POSTING)
    story = await use_case(caller_of(interaction), story_id)
    await interaction.client.desk.show(reply, story)


class VoteButton(Pressable, template=r"vote:(?P<story>\d{1,18}):(?P<direction>up|down)"):
    """👍 or 👎; the counts on the message follow."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        desk = interaction.client.desk
        value = _DIRECTIONS[self.match["direction"]]
        story = await desk.service.vote(caller_of(interaction), self.story_id, value)
        await desk.redraw_votes(interaction, self.story_id)
        if story.tally.held:  # the counts do not show it
            await tell(interaction, wording.vote_counted(story, value, locale_of(interaction)))


class ContinueButton(Pressable, template=r"continue:(?P<story>\d{1,18})"):
    """The next part, in a new message."""

    async def pressed(self, interaction: Interaction) -> None:
        await ask(interaction, self.story_id, interaction.client.desk.service.continue_story)


class AgainButton(Pressable, template=r"again:(?P<story>\d{1,18})"):
    """Another version, in a new message."""

    async def pressed(self, interaction: Interaction) -> None:
        await ask(interaction, self.story_id, interaction.client.desk.service.retry)


class CancelButton(Pressable, template=r"cancel:(?P<story>\d{1,18})"):
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
            last = desk.cards(StoryUpdate(story), await shared_locale(interaction))[-1]
            await interaction.edit_original_response(embed=last.embed(), view=last.view())
            raise


class DeleteButton(Pressable, template=r"delete:(?P<story>\d{1,18})"):
    """Ask the author, or a moderator, whether they mean it."""

    async def pressed(self, interaction: Interaction) -> None:
        reply = await think(interaction, public=False)
        service = interaction.client.desk.service
        await service.check_may_delete(caller_of(interaction), self.story_id)
        yes = Button(
            f"delete-yes:{self.story_id}",
            say("button-delete-yes", reply.locale),
            style=discord.ButtonStyle.danger,
        )
        text = escape(say("delete-ask", reply.locale, id=self.story_id))
        await reply.show([Card(text, buttons=(yes,))])


class DeleteForGood(Pressable, template=r"delete-yes:(?P<story>\d{1,18})"):
    """Delete it, in every message too."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        desk = interaction.client.desk
        await desk.service.delete(caller_of(interaction), self.story_id)
        await desk.redraw(self.story_id)
        done = Card(escape(say("delete-done", locale_of(interaction), id=self.story_id)))
        await interaction.edit_original_response(embed=done.embed(), view=None)


class ForgetButton(Pressable, template=FORGET):
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


BUTTONS: tuple[type[Pressable], ...] = (
    VoteButton,
    ContinueButton,
    AgainButton,
    CancelButton,
    DeleteButton,
    DeleteForGood,
    ForgetButton,
)
