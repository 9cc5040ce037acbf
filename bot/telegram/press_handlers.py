"""The buttons: what a press asks of the service, and how the message shows that it was heard.

A press works by its data alone, so it does after any restart. Errors are not caught here, save
the one that shows a message to be out of date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from bot import wording
from bot.domain import Story
from bot.errors import AlreadyEnded
from bot.service import StoryService
from bot.telegram.asking import Press, edit_keyboard
from bot.telegram.community import as_reader, by_author_or_moderator, post_of, shared_locale
from bot.telegram.deep_links import Route, follow, link
from bot.telegram.live_stories import LiveStories
from bot.telegram.view import text_page
from bot.telegram.vote_keyboard import Choice, delete_keyboard, parse
from bot.texts import say


class PressHandlers:
    """One method a kind of button."""

    def __init__(
        self, service: StoryService, live: LiveStories, routes: Sequence[Route[Press]]
    ) -> None:
        self._service = service
        self._live = live
        self._routes = routes
        self._actions = {
            "vote": self._vote,
            "continue": self._continue,
            "retry": self._retry,
            "cancel": self._cancel,
            "report": self._report,
            "ask-delete": self._ask_delete,
            "delete": self._delete,
            "keep": self._keep,
            "forget": self._forget,
        }

    async def pressed(self, press: Press) -> None:
        """Any press; it is answered, if only with silence."""
        if choice := parse(press.data):
            if choice.home is not None:
                press.caller = await as_reader(self._service, press, choice.number, choice.home)
                press.place = replace(press.place, home=choice.home)
            await self._actions[choice.action](press, choice)
        elif not await follow(self._routes, press.data, press):
            await press.answer(say("telegram-old-button", press.caller.locale), alert=True)
        if not press.answered:
            await press.answer()

    async def _vote(self, press: Press, choice: Choice) -> None:
        story = await self._service.vote(press.caller, choice.number, choice.value)
        await press.answer(wording.vote_counted(story, choice.value, press.caller.locale))
        read = partial(self._service.read, press.caller, choice.number)
        locale = await self._locale(press, choice)
        await self._live.refresh_votes(read, press.place, press.message_id, locale)

    async def _locale(self, press: Press, choice: Choice) -> str:
        """The language of the pressed message."""
        post = await post_of(self._service, choice.number, press.place, press.message_id)
        return post.locale if post else await shared_locale(self._service, press.caller)

    async def _continue(self, press: Press, choice: Choice) -> None:
        await self._present(press, await self._service.continue_story(press.caller, choice.number))

    async def _retry(self, press: Press, choice: Choice) -> None:
        await self._present(press, await self._service.retry(press.caller, choice.number))

    async def _present(self, press: Press, story: Story) -> None:
        await press.answer()
        locale = await shared_locale(self._service, press.caller)
        await self._live.present(story, press.place, locale)

    async def _cancel(self, press: Press, choice: Choice) -> None:
        try:
            await by_author_or_moderator(
                press, lambda caller: self._service.cancel(caller, choice.number)
            )
        except AlreadyEnded:
            # A message that still says "Cancel" missed its story's end.
            locale = await self._locale(press, choice)
            await self._live.redraw(choice.number, press.place, press.message_id, locale)
            raise
        await press.answer(say("story-cancelled", press.caller.locale))

    async def _report(self, press: Press, choice: Choice) -> None:
        """Where nobody reads along."""
        payload = f"report_{choice.number}_{press.caller.community_id}"
        await press.answer(url=link(press.bot.username, payload))

    async def _ask_delete(self, press: Press, choice: Choice) -> None:
        locale, story_id = press.caller.locale, choice.number
        await by_author_or_moderator(
            press, lambda caller: self._service.check_may_delete(caller, story_id)
        )
        await press.answer(say("delete-ask", locale, id=story_id), alert=True)
        question = delete_keyboard(story_id, locale, press.place.home)
        await edit_keyboard(press.bot, press.place, press.message_id, question)

    async def _delete(self, press: Press, choice: Choice) -> None:
        await by_author_or_moderator(
            press, lambda caller: self._service.delete(caller, choice.number)
        )
        await self._live.redraw_all(choice.number)
        await press.answer(say("delete-done", press.caller.locale, id=choice.number))

    async def _keep(self, press: Press, choice: Choice) -> None:
        story = await self._service.read(press.caller, choice.number)
        locale = await self._locale(press, choice)
        await self._live.restore_keyboard(story, press.place, press.message_id, locale)

    async def _forget(self, press: Press, choice: Choice) -> None:
        locale = press.caller.locale
        if str(choice.number) != press.caller.member_id:
            await press.answer(say("telegram-not-your-button", locale), alert=True)
            return
        gone = await self._service.forget(press.caller)
        done = say("forget-done", locale, stories=gone.stories, votes=gone.votes)
        await press.answer()
        await press.show(text_page(done))
