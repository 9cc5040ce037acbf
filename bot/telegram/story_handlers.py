"""The commands: each takes its words apart, asks the service, and answers.

Errors are not caught here; `bot.telegram.error_handler` says them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from bot import wording
from bot.commands import (
    parse_continue,
    parse_id,
    parse_newest_or_id,
    parse_story_args,
    parse_vote,
)
from bot.domain import Story
from bot.errors import UnknownCommand
from bot.picture import draw_stats
from bot.service import StoryService
from bot.telegram.asking import Ask
from bot.telegram.beginning import Beginning
from bot.telegram.community import by_author_or_moderator, shared_locale
from bot.telegram.deep_links import Route, follow, link
from bot.telegram.live_stories import LiveStories
from bot.telegram.view import (
    Page,
    escape,
    genre_pages,
    help_pages,
    list_page,
    profile_page,
    text_page,
)
from bot.telegram.vote_keyboard import forget_keyboard
from bot.texts import say

EXPORT_NAME = "cliffhanger-export.json"


class StoryHandlers:
    """One method a command."""

    def __init__(
        self,
        service: StoryService,
        live: LiveStories,
        beginning: Beginning,
        links: Sequence[Route[Ask]],
    ) -> None:
        self._service = service
        self._live = live
        self._beginning = beginning
        self._links = links
        self.commands: dict[str, Callable[[Ask], Awaitable[None]]] = {
            "story": self._story,
            "continue": self._continue,
            "retry": self._retry,
            "cancel": self._cancel,
            "read": self._read,
            "random": self._random,
            "mine": self._mine,
            "member": self._member,
            "stats": self._stats,
            "vote": self._vote,
            "queue": self._queue,
            "genres": self._genres,
            "about": self._about,
            "privacy": self._privacy,
            "export": self._export,
            "forget": self._forget,
            "help": self._help,
            "start": self._start,
        }

    async def unknown(self, ask: Ask) -> None:
        """A command that is none of ours, said to us alone."""
        raise UnknownCommand(command=ask.command[:40])

    # -- stories -------------------------------------------------------------------------------
    async def _story(self, ask: Ask) -> None:
        if not ask.text.strip():
            await self._beginning.pick(ask)
            return
        args = parse_story_args(ask.text, self._service.genres)
        story = await self._service.write(
            ask.caller, args.genre, args.prompt, args.title, args.length
        )
        await self._present(ask, story)

    async def _continue(self, ask: Ask) -> None:
        story_id, prompt = parse_continue(ask.text)
        await self._present(ask, await self._service.continue_story(ask.caller, story_id, prompt))

    async def _retry(self, ask: Ask) -> None:
        await self._present(ask, await self._service.retry(ask.caller, parse_id(ask.text)))

    async def _present(self, ask: Ask, story: Story) -> None:
        locale = await shared_locale(self._service, ask.caller)
        await self._live.present(story, ask.place, locale)

    async def _cancel(self, ask: Ask) -> None:
        story_id = parse_newest_or_id(ask.text)
        story = await by_author_or_moderator(
            ask, lambda caller: self._service.cancel(caller, story_id)
        )
        await ask.reply([text_page(say("story-cancelled-id", ask.caller.locale, id=story.id))])

    async def _read(self, ask: Ask) -> None:
        await self._show(ask, await self._service.read(ask.caller, parse_id(ask.text)))

    async def _random(self, ask: Ask) -> None:
        await self._show(ask, await self._service.random(ask.caller, ask.text.strip()))

    async def _show(self, ask: Ask, story: Story) -> None:
        if story.status.is_open:
            await self._present(ask, story)
            return
        locale = await shared_locale(self._service, ask.caller)
        await self._live.show(story, ask.place, locale)

    # -- lists and figures ---------------------------------------------------------------------
    async def _mine(self, ask: Ask) -> None:
        stories = await self._service.mine(ask.caller)
        title, name = say("mine-title", ask.caller.locale), ask.bot.username
        urls = {one.id: link(name, f"story_{one.id}") for one in stories}
        await ask.reply([list_page(title, stories, self._service.genres, urls=urls)])

    async def _member(self, ask: Ask) -> None:
        """Whoever asks, or whom they mean by replying to them."""
        profile = await self._service.profile(ask.caller, ask.meant)
        await ask.reply([profile_page(profile, self._service.genres, ask.caller.locale)])

    async def _stats(self, ask: Ask) -> None:
        found, locale = await self._service.stats(ask.caller), ask.caller.locale
        labels = {
            one.genre: wording.label_of(one.genre, self._service.genres) for one in found.genres
        }
        picture = await asyncio.to_thread(draw_stats, found, labels)
        await ask.reply_photo(picture, wording.stats_about(found, locale))

    async def _vote(self, ask: Ask) -> None:
        story_id, value = parse_vote(ask.text)
        story = await self._service.vote(ask.caller, story_id, value)
        await ask.reply([text_page(wording.vote_counted(story, value, ask.caller.locale))])

    async def _queue(self, ask: Ask) -> None:
        view = await self._service.queue_view(ask.caller)
        await _say_lines(ask, wording.queue_lines(view, ask.caller.locale))

    # -- about the bot -------------------------------------------------------------------------
    async def _genres(self, ask: Ask) -> None:
        await ask.reply(genre_pages(self._service.genres, ask.caller.locale))

    async def _about(self, ask: Ask) -> None:
        info = await self._service.about()
        await _say_lines(ask, wording.about_lines(info, ask.caller.locale))

    async def _privacy(self, ask: Ask) -> None:
        await ask.reply([text_page(say("privacy-text", ask.caller.locale))])

    async def _help(self, ask: Ask) -> None:
        await ask.reply(help_pages(ask.caller.locale))

    async def _start(self, ask: Ask) -> None:
        """The first words, or what a link is for."""
        if await follow(self._links, ask.text.strip(), ask):
            return
        about, *rest = help_pages(ask.caller.locale)
        welcome = escape(say("about-text", ask.caller.locale))
        await ask.reply([Page(f"{welcome}\n\n{about.html}"), *rest])

    # -- a member's own data -------------------------------------------------------------------
    async def _export(self, ask: Ask) -> None:
        if not ask.caller.is_private:
            await ask.reply([text_page(say("telegram-in-private", ask.caller.locale))])
            return
        data = await self._service.export(ask.caller)
        await ask.reply_file(EXPORT_NAME, data, say("export-done", ask.caller.locale))

    async def _forget(self, ask: Ask) -> None:
        locale = ask.caller.locale
        keyboard = forget_keyboard(int(ask.caller.member_id), locale)
        await ask.reply([Page(escape(say("forget-ask", locale)), keyboard)])


async def _say_lines(ask: Ask, lines: list[str]) -> None:
    await ask.reply([text_page("\n".join(lines))])
