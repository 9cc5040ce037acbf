"""The model's turn in a round: its line's way through the queue into the store.

As a `Follower`, but the story stays open when it is done: it is members' turn then.
"""

from __future__ import annotations

from dataclasses import replace

from bot.domain import BETWEEN_LINES, Story
from bot.follower import MAX_CONTEXT_CHARS, Follower, provenance_of
from bot.queue import JobUpdate
from model.engine import GenerationRequest

MOST_LINES = 30
"""A round ends with so many; as long as a few stories."""
LINE_TOKENS = 60
"""One sentence or two."""


class TurnFollower(Follower):
    """Brings one line of the model's from queued to written."""

    def _beginning(self, story: Story) -> tuple[str, str]:
        return (story.text + BETWEEN_LINES if story.text else ""), story.text

    async def _earlier_parts(self) -> str:
        return self._text_before.replace(BETWEEN_LINES, " ")[-MAX_CONTEXT_CHARS:]

    def _request(self) -> GenerationRequest:
        whole = self._story.sampling
        n_tokens = min(LINE_TOKENS, whole.max_new_tokens)
        # Another seed for each line, and the same one where a line is tried again.
        seed = (whole.seed + len(self._text_before)) % 2**31
        sampling = replace(whole, max_new_tokens=n_tokens, seed=seed)
        return GenerationRequest(self._story.genre, self._context, sampling)

    async def _close(self, update: JobUpdate) -> None:
        text = self._text(update, final=True)
        written = update.event != "cancelled" and self._adds_words(text)
        await self._store.end_turn(
            self._story.id,
            text[len(self._opening) :].strip(),
            provenance_of(update) if written else None,
            MOST_LINES,
        )
