"""The buttons: what a press asks of the service, and how the message shows that it was heard.

A press works by its data alone, so it does after any restart. Errors are not caught here, save
the one that shows a message to be out of date.
"""

from __future__ import annotations

from functools import partial

from bot import wording
from bot.domain import Story
from bot.errors import AlreadyEnded
from bot.service import StoryService
from bot.telegram.asking import Press, edit
from bot.telegram.live_stories import LiveStories
from bot.telegram.rate_limiter import Urgency
from bot.telegram.view import text_page
from bot.telegram.vote_keyboard import Choice, parse
from bot.texts import say


class PressHandlers:
    """One method a kind of button."""

    def __init__(self, service: StoryService, live: LiveStories) -> None:
        self._service = service
        self._live = live
        self._actions = {
            "vote": self._vote,
            "continue": self._continue,
            "retry": self._retry,
            "cancel": self._cancel,
            "forget": self._forget,
        }

    async def pressed(self, press: Press) -> None:
        """Any press; it is answered, if only with silence."""
        choice = parse(press.data)
        if choice is None:
            await press.answer(say("telegram-old-button", press.caller.locale), alert=True)
            return
        await self._actions[choice.action](press, choice)
        if not press.answered:
            await press.answer()

    async def _vote(self, press: Press, choice: Choice) -> None:
        story = await self._service.vote(press.caller, choice.number, choice.value)
        await press.answer(wording.vote_counted(story, choice.value, press.caller.locale))
        read = partial(self._service.read, press.caller, choice.number)
        await self._live.refresh_votes(read, press.place, press.message_id, press.caller.locale)

    async def _continue(self, press: Press, choice: Choice) -> None:
        await self._present(press, await self._service.continue_story(press.caller, choice.number))

    async def _retry(self, press: Press, choice: Choice) -> None:
        await self._present(press, await self._service.retry(press.caller, choice.number))

    async def _present(self, press: Press, story: Story) -> None:
        await press.answer()
        await self._live.present(story, press.place, press.caller.locale)

    async def _cancel(self, press: Press, choice: Choice) -> None:
        try:
            await self._service.cancel(press.caller, choice.number)
        except AlreadyEnded:
            # A message that still says "Cancel" missed its story's end.
            locale = press.caller.locale
            self._live.redraw(choice.number, press.place, press.message_id, locale)
            raise
        await press.answer(say("story-cancelled", press.caller.locale))

    async def _forget(self, press: Press, choice: Choice) -> None:
        locale = press.caller.locale
        if str(choice.number) != press.caller.member_id:
            await press.answer(say("telegram-not-your-button", locale), alert=True)
            return
        gone = await self._service.forget(press.caller)
        done = say("forget-done", locale, stories=gone.stories, votes=gone.votes)
        await press.answer()
        await edit(press.bot, press.place, press.message_id, text_page(done), Urgency.REPLY)
