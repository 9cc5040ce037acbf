"""The console: one command a line, as on the other platforms, and `/as NAME` to change speaker.

On a terminal a story grows while it is written and Ctrl-C cancels it. On a pipe each command
prints its finished result, errors go to standard error with their line number, and `run` says
whether all went well.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from bot import wording
from bot.commands import (
    parse_continue,
    parse_id,
    parse_newest_or_id,
    parse_story_args,
    parse_top,
    parse_vote,
)
from bot.console.lines import LineReader
from bot.console.screen import LOCALE, Screen
from bot.domain import Caller, Status, Story
from bot.errors import MemberError, NothingToRead, OperatorError, UnknownCommand
from bot.moderation import clean_name
from bot.service import StoryService
from bot.texts import explain, say
from model.engine import EngineInfo

log = logging.getLogger(__name__)

MAX_NAME = 80
"""Characters of a member's name."""
NAMELESS = "me"


class ConsolePlatform:
    """Reads commands until the end of input or `/quit`."""

    def __init__(
        self,
        service: StoryService,
        *,
        reader: LineReader | None = None,
        screen: Screen | None = None,
    ) -> None:
        self._service = service
        self._reader = reader or LineReader()
        self._screen = screen or Screen(service.genres)
        self._name = _user_name()
        self._showing: int | None = None
        self._stopping: asyncio.Task[None] | None = None
        self.failures = 0
        """Commands that failed so far."""
        self.worker_wait_s = 60.0
        """How long /about on a pipe waits for a worker to join."""
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "story": self._story,
            "continue": self._continue,
            "retry": self._retry,
            "cancel": self._cancel,
            "read": self._read,
            "random": self._random,
            "top": self._top,
            "mine": self._mine,
            "vote": self._vote,
            "queue": self._queue,
            "genres": self._genres,
            "about": self._about,
            "link": self._link,
            "unlink": self._unlink,
            "privacy": self._privacy,
            "export": self._export,
            "forget": self._forget,
            "help": self._help,
            "as": self._as,
        }

    async def run(self) -> None:
        """Serve until the end of input; on a pipe, until what was open then is written too.

        So a start after a crash finishes what the one before had acknowledged, whatever is piped.
        """
        if self._reader.is_terminal:
            self._screen.say(say("console-welcome", LOCALE, name=self._name))
        number = 0
        while (line := await self._reader.next()) is not None:
            number += 1
            line = line.strip()
            if line in ("/quit", "/exit"):
                return
            if line and not line.startswith("#"):
                await self._try(number, line)
        if not self._reader.is_terminal:
            await self._service.until_written()

    def is_connected(self) -> bool:
        """Whoever sits here is always there."""
        return True

    async def _try(self, number: int, line: str) -> None:
        try:
            await self._command(line)
        except MemberError as error:
            self._fail(number, line, explain(error, LOCALE))
        except (OperatorError, BrokenPipeError):  # whoever sits here can mend it, or has left
            raise
        except Exception:  # one command's mishap does not stop the bot
            log.exception("the command in line %d failed", number)
            self._fail(number, line, say("error-unexpected", LOCALE))

    def _fail(self, number: int, line: str, sentence: str) -> None:
        self.failures += 1
        where = "" if self._reader.is_terminal else f"line {number}: {line[:60]}: "
        self._screen.complain(where + sentence)

    async def _command(self, line: str) -> None:
        name, *rest = line.split(maxsplit=1)
        command = self._commands.get(name[1:].lower())
        if command is None or not name.startswith("/"):
            raise UnknownCommand(command=name[:40])
        await command("".join(rest))

    @property
    def _caller(self) -> Caller:
        return Caller(
            platform="console",
            member_id=self._name,
            member_name=self._name,
            community_id="console",
            community_name="console",
            locale=LOCALE,
        )

    # -- stories -------------------------------------------------------------------------------
    async def _story(self, rest: str) -> None:
        args = parse_story_args(rest, self._service.genres)
        await self._show(
            await self._service.write(
                self._caller, args.genre, args.prompt, args.title, args.length
            )
        )

    async def _continue(self, rest: str) -> None:
        story_id, prompt = parse_continue(rest)
        await self._show(await self._service.continue_story(self._caller, story_id, prompt))

    async def _retry(self, rest: str) -> None:
        await self._show(await self._service.retry(self._caller, parse_id(rest)))

    async def _show(self, story: Story) -> None:
        self._showing = story.id
        try:
            story = await self._screen.follow(self._service.watch(story.id))
        finally:
            self._showing = None
        if story.status is Status.FAILED:
            self.failures += 1

    def interrupt(self) -> bool:
        """Ctrl-C: stop the story on the screen; False if there is none, so the program is meant."""
        if self._showing is None or not self._reader.is_terminal:
            return False
        self._stopping = asyncio.create_task(self._stop(self._showing))
        return True

    async def _stop(self, story_id: int) -> None:
        with suppress(MemberError):  # it ended by itself
            await self._service.cancel(self._caller, story_id)

    async def _cancel(self, rest: str) -> None:
        self._screen.story(await self._service.cancel(self._caller, parse_newest_or_id(rest)))

    async def _read(self, rest: str) -> None:
        self._screen.story(await self._service.read(self._caller, parse_id(rest)))

    async def _random(self, rest: str) -> None:
        self._screen.story(await self._service.random(self._caller, rest))

    async def _top(self, rest: str) -> None:
        genre, period, everywhere = parse_top(rest)
        stories = await self._service.top(self._caller, genre, period, everywhere=everywhere)
        title = wording.top_title(genre, period, self._service.genres, LOCALE)
        self._screen.stories(title, stories, medals=True)

    async def _mine(self, rest: str) -> None:
        stories = await self._service.mine(self._caller)
        self._screen.stories(say("mine-title", LOCALE), stories, medals=False)

    async def _vote(self, rest: str) -> None:
        story_id, value = parse_vote(rest)
        story = await self._service.vote(self._caller, story_id, value)
        self._screen.say(wording.vote_counted(story, value, LOCALE))

    # -- around them ---------------------------------------------------------------------------
    async def _queue(self, rest: str) -> None:
        view = await self._service.queue_view(self._caller)
        for line in wording.queue_lines(view, LOCALE):
            self._screen.say(line)

    async def _genres(self, rest: str) -> None:
        self._screen.title(say("genres-title", LOCALE))
        for genre in self._service.genres:
            self._screen.say(f"{genre.name} ({genre.label})")
            for opening in genre.openings:
                self._screen.say(f"  {opening}")

    async def _about(self, rest: str) -> None:
        info = await self._service.about()
        if info is None and not self._reader.is_terminal:
            info = await self._first_worker()
        for line in wording.about_lines(info, LOCALE):
            self._screen.say(line)

    async def _first_worker(self) -> EngineInfo | None:
        """A pipe's first command may come before the model is loaded; a person can ask again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.worker_wait_s):
                # A queue tells who works for it, not when somebody joins.
                while (info := await self._service.about()) is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                return info
        return None

    async def _link(self, rest: str) -> None:
        linking = self._service.linking
        if not rest:
            for line in wording.linked(await linking.identities(self._caller), LOCALE):
                self._screen.say(line)
            self._screen.say(say("link-code", LOCALE, code=await linking.offer(self._caller)))
            return
        account = wording.account(await linking.whose(self._caller, rest), LOCALE)
        if not await self._agrees(say("link-ask", LOCALE, account=account)):
            return
        await linking.redeem(self._caller, rest)
        self._screen.say(say("link-done", LOCALE, account=account))

    async def _unlink(self, rest: str) -> None:
        await self._service.linking.unlink(self._caller)
        self._screen.say(say("link-undone", LOCALE))

    async def _privacy(self, rest: str) -> None:
        self._screen.say(say("privacy-text", LOCALE))

    async def _export(self, rest: str) -> None:
        data = await self._service.export(self._caller)
        self._screen.data(json.dumps(data, ensure_ascii=False, indent=2))

    async def _forget(self, rest: str) -> None:
        if not await self._agrees(say("forget-ask", LOCALE)):
            return
        gone = await self._service.forget(self._caller)
        self._screen.say(say("forget-done", LOCALE, stories=gone.stories, votes=gone.votes))

    async def _agrees(self, question: str) -> bool:
        """What is piped is meant."""
        if not self._reader.is_terminal:
            return True
        self._screen.say(f"{question} [y/N]")
        return (await self._reader.next() or "").strip().lower() in ("y", "yes")

    async def _help(self, rest: str) -> None:
        self._screen.title(say("help-title", LOCALE))
        for command in wording.COMMANDS:
            usage = say(f"usage-{command}", LOCALE)
            self._screen.say(f"{usage:<46} {say(f'help-{command}', LOCALE)}")
        self._screen.say(say("console-help-more", LOCALE))

    async def _as(self, rest: str) -> None:
        name = clean_name(rest, MAX_NAME)
        if not name:
            raise NothingToRead
        self._name = name
        self._screen.say(say("console-now", LOCALE, name=self._name))


def _user_name() -> str:
    try:
        return clean_name(getpass.getuser(), MAX_NAME) or NAMELESS
    except (OSError, KeyError):  # no such user id, as in some containers
        return NAMELESS
