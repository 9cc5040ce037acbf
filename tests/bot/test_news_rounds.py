"""Going round: what is due is posted once, and a channel that refuses is left in peace an hour."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fakes.core import Clock, Core, caller, eventually

from bot.errors import StoreBusy
from bot.gazette import Digest, Fame
from bot.news_rounds import REST_S, NewsRounds, NotPosted

BOSS = replace(caller("boss"), is_manager=True)


class Board:
    """Where things are posted, unless it is closed."""

    def __init__(self, core: Core) -> None:
        self.is_open = True
        self.posted: list[Digest | Fame] = []
        self.tries = 0
        self.clock = Clock()
        self.rounds = NewsRounds(
            core.service.gazette, "console", self.post, self.post, clock=self.clock
        )

    async def post(self, due: Digest | Fame) -> None:
        self.tries += 1
        if not self.is_open:
            raise NotPosted("it rains")
        self.posted.append(due)


async def liked(core: Core) -> None:
    """A story that is due for the hall of fame."""
    await core.service.administration.change(BOSS, "hall_channel", "7")
    await core.service.administration.change(BOSS, "hall_votes", 1)
    story = await core.finished()
    await core.service.vote(caller("bob"), story.id, 1)


async def test_what_is_due_is_posted_once(core: Core) -> None:
    for name, value in (("digest", "day"), ("digest_channel", "7")):
        await core.service.administration.change(BOSS, name, value)
    await liked(core)
    board = Board(core)
    await board.rounds.go_round()
    assert [type(one) for one in board.posted] == [Fame], "the first digest waits for its hour"
    core.clock.now += 86_400
    await board.rounds.go_round()
    await board.rounds.go_round()
    assert [type(one) for one in board.posted] == [Fame, Digest]


async def test_a_channel_that_refuses_is_left_in_peace_for_an_hour(
    core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    await liked(core)
    board = Board(core)
    board.is_open = False
    await board.rounds.go_round()
    board.is_open = True
    board.clock.now += REST_S - 1
    await board.rounds.go_round()
    assert (board.tries, board.posted) == (1, [])
    warnings = [one.message for one in caplog.records if one.name == "bot.news_rounds"]
    assert warnings == ["channel 7 of Console could not be posted in: it rains"]
    board.clock.now += 2
    await board.rounds.go_round()
    assert len(board.posted) == 1


async def test_trouble_does_not_end_the_rounds(
    core: Core, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await liked(core)
    board = Board(core)
    claim, trouble = core.service.gazette.claim_fame, [StoreBusy(), ZeroDivisionError("oh")]

    async def claim_fame(platform: str) -> list[Fame]:
        if trouble:
            raise trouble.pop()
        return await claim(platform)

    monkeypatch.setattr(core.service.gazette, "claim_fame", claim_fame)
    gazette = core.service.gazette
    rounds = NewsRounds(gazette, "console", board.post, board.post, interval_s=0.0)
    task = asyncio.create_task(rounds.run())
    await eventually(lambda: bool(board.posted))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "ZeroDivisionError: oh" in caplog.text
