"""How the console shows stories: live on a terminal, finished results on a pipe. Uses rich.

A terminal gets lines folded at its width; on a pipe a paragraph stays one line.
"""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from bot import wording
from bot.domain import Story, StoryUpdate
from bot.moderation import sanitize
from model.genres import GenreTable

LOCALE = "en"


class Output(Console):
    """Text as it is, for a terminal or a pipe."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, **options)
        # On a pipe nothing is folded to an imagined width. A Live display counts its lines, so on
        # a terminal none may be longer than the screen is wide.
        self.soft_wrap = not self.is_terminal

    def on_broken_pipe(self) -> None:
        """Whoever read the pipe is gone: said as an error, since rich would end the process."""
        raise BrokenPipeError(errno.EPIPE, "nobody reads the output any more")


class _Tail:
    """The last lines of a card that fit on the screen: a Live display cannot take back more."""

    def __init__(self, card: Group) -> None:
        self._card = card

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._card, options, pad=False)
        room = options.size.height - 1  # the cursor's line below must not scroll the first away
        for line in lines[-room:]:
            yield from line
            yield Segment.line()


class Screen:
    """Prints for a person on a terminal, plain lines on a pipe."""

    def __init__(self, genres: GenreTable, out: Console | None = None) -> None:
        self.out = out or Output()
        self._errors = Output(stderr=True)
        self._genres = genres

    def say(self, text: str) -> None:
        """Plain text: no markup is read in it."""
        self.out.print(Text(text))

    def data(self, text: str) -> None:
        """Text for a program, not folded on a terminal either."""
        self.out.print(Text(text), soft_wrap=True)

    def complain(self, text: str) -> None:
        self._errors.print(Text(text, style="red"))

    def title(self, text: str) -> None:
        self.out.print(Text(text, style="bold"))

    async def follow(self, updates: AsyncIterator[StoryUpdate]) -> Story:
        """Show a story to its end; on a terminal the text grows in place."""
        last: StoryUpdate | None = None
        with self._live() as show:
            async for last in updates:
                show(self._card(last))
        if last is None:
            raise RuntimeError("a feed ended before it began")
        self.out.print(self._card(last))
        return last.story

    @contextmanager
    def _live(self) -> Iterator[Callable[[Group], None]]:
        if not self.out.is_terminal:
            yield lambda card: None
            return
        with Live(console=self.out, transient=True, auto_refresh=False) as live:
            yield lambda card: live.update(_Tail(card), refresh=True)

    def story(self, story: Story) -> None:
        self.out.print(self._card(StoryUpdate(story)))

    def stories(self, title: str, stories: list[Story], *, medals: bool) -> None:
        """A numbered list, best or newest first."""
        self.title(title)
        for n, story in enumerate(stories):
            place = wording.MEDALS[n] if medals and n < len(wording.MEDALS) else f"{n + 1}."
            tally = f"👍 {story.tally.ups} 👎 {story.tally.downs}"
            self.say(f"{place} {tally}  {self._byline(story)}")
            self.out.print(Text(f"   {wording.headline(story)}", style="italic"))

    def _card(self, update: StoryUpdate) -> Group:
        story = update.story
        lines = [Text(self._byline(story), style="bold")]
        if story.title:
            lines.append(Text(story.title, style="bold italic"))
        if story.text:
            lines.append(Text(story.text))
        if status := wording.status(update, LOCALE):
            lines.append(Text(status, style="dim"))
        if written_by := wording.written_by(story, LOCALE):
            tally = f"👍 {story.tally.ups} 👎 {story.tally.downs} · "
            lines.append(Text(tally + written_by, style="dim"))
        return Group(*lines, Text(""))

    def _byline(self, story: Story) -> str:
        """Without what would reorder or colour the line: names may be as old as the database."""
        label = wording.genre_label(story, self._genres)
        return sanitize(wording.byline(story, label, LOCALE))
