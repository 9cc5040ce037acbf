"""The edit loop against a hand-written platform: a list of messages that can refuse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from bot.domain import Status, Story, StoryUpdate
from bot.follower import Feed
from bot.live_message import FINAL_TRIES, MAX_PAUSE_S, EditLater, LiveMessage, MessageGone
from model.engine import SamplingParams


def update(text: str, status: Status = Status.WRITING) -> StoryUpdate:
    return StoryUpdate(
        Story(1, status, 1, 1, "Ada", "horror", "", "", text, SamplingParams(), created_at=0.0)
    )


def final(text: str) -> StoryUpdate:
    return update(text, Status.FINISHED)


def render(update: StoryUpdate) -> list[str]:
    """Pages are parted by bars."""
    return update.story.text.split("|")


@dataclass
class Platform:
    """Messages by index, all edits ever made, and refusals to come."""

    refusals: list[Exception | None] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    puts: list[tuple[int, str, bool]] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    now: float = 0.0
    put_at: list[float] = field(default_factory=list)

    async def put(self, index: int, content: str, must_arrive: bool) -> None:
        if self.refusals and (refusal := self.refusals.pop(0)) is not None:
            raise refusal
        self.puts.append((index, content, must_arrive))
        self.put_at.append(self.now)
        self.messages[index : index + 1] = [content]

    async def remove(self, index: int) -> None:
        if self.refusals and (refusal := self.refusals.pop(0)) is not None:
            raise refusal
        self.removed.append(index)
        del self.messages[index]

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def live(self, shown: list[str] | None = None) -> LiveMessage[str]:
        self.messages = list(shown or [])
        return LiveMessage(
            render, self.put, self.remove, interval_s=1.5, shown=shown, sleep=self.sleep
        )


def once(*updates: StoryUpdate) -> Callable[[], AsyncIterator[StoryUpdate]]:
    """A story with these states; who watches anew goes on with the next."""

    async def go_on() -> AsyncIterator[StoryUpdate]:
        for one in updates:
            yield one

    states = go_on()
    return lambda: states


async def test_each_state_is_shown_and_the_last_must_arrive() -> None:
    platform = Platform()
    assert await platform.live(["placeholder"]).follow(
        once(update("a"), update("ab"), final("abc"))
    )
    assert platform.puts == [(0, "a", False), (0, "ab", False), (0, "abc", True)]
    assert platform.pauses == [1.5, 1.5]


async def test_edits_are_spaced_and_what_comes_meanwhile_is_coalesced() -> None:
    """The story grows ten times during each pause; only the newest state is shown."""
    platform, feed = Platform(), Feed(update("0"))
    n = 0

    async def sleep(seconds: float) -> None:
        nonlocal n
        await platform.sleep(seconds)
        for _ in range(10):
            n += 1
            feed.publish(update(str(n)) if n < 30 else final("the end"))
            if n == 30:
                break

    live = LiveMessage(render, platform.put, platform.remove, interval_s=1.5, sleep=sleep)
    assert await live.follow(feed.watch)
    assert [content for _, content, _ in platform.puts] == ["0", "10", "20", "the end"]
    assert platform.put_at == [0.0, 1.5, 3.0, 4.5]


async def test_nothing_is_sent_twice() -> None:
    platform = Platform()
    shown = ["first page", "b"]
    updates = once(update("first page|b"), update("first page|bc"), final("first page|bc"))
    assert await platform.live(shown).follow(updates)
    assert platform.puts == [(1, "bc", False)]


async def test_a_story_that_outgrows_its_page_gets_another() -> None:
    platform = Platform()
    assert await platform.live().follow(once(update("a"), update("ab|c"), final("ab|cd|e")))
    assert platform.messages == ["ab", "cd", "e"]
    assert platform.puts == [
        (0, "a", False),
        (0, "ab", False),
        (1, "c", False),
        (1, "cd", True),
        (2, "e", True),
    ]


async def test_pages_too_many_are_taken_back_at_the_end_only() -> None:
    platform = Platform()
    assert await platform.live().follow(once(update("a|b|c"), update("a"), final("ab")))
    assert platform.messages == ["ab"]
    assert platform.removed == [2, 1]


async def test_a_page_to_take_back_that_is_gone_already() -> None:
    platform = Platform(refusals=[None, None, None, MessageGone()])
    assert await platform.live().follow(once(update("a|b"), final("ab")))


async def test_a_refused_partial_is_dropped_and_slows_the_loop() -> None:
    platform = Platform(refusals=[EditLater(7.0), None, EditLater()])
    updates = once(update("a"), update("ab"), update("abc"), final("abcd"))
    assert await platform.live().follow(updates)
    assert [content for _, content, _ in platform.puts] == ["ab", "abcd"]
    assert platform.pauses == [7.0, 3.0, 3.0]


async def test_a_refused_partial_is_asked_for_again_even_if_nothing_new_came() -> None:
    platform, feed = Platform(refusals=[EditLater()]), Feed(update("You are next."))

    async def sleep(seconds: float) -> None:
        await platform.sleep(seconds)
        if platform.puts:
            feed.publish(final("the end"))

    live = LiveMessage(render, platform.put, platform.remove, interval_s=1.5, sleep=sleep)
    assert await live.follow(feed.watch)
    assert [content for _, content, _ in platform.puts] == ["You are next.", "the end"]


async def test_the_loop_finds_back_to_its_pace() -> None:
    platform = Platform(refusals=[EditLater()] * 3)
    texts = [update("x" * n) for n in range(1, 9)]
    assert await platform.live().follow(once(*texts, final("the end")))
    assert platform.pauses == [3.0, 6.0, 12.0, 12.0, 6.0, 3.0, 1.5, 1.5]


async def test_after_a_refusal_half_way_only_the_rest_is_sent() -> None:
    platform = Platform(refusals=[None, EditLater(1.0)])
    assert await platform.live().follow(once(final("a|b|c")))
    assert platform.puts == [(0, "a", True), (1, "b", True), (2, "c", True)]


async def test_the_final_edit_outlasts_refusals() -> None:
    platform = Platform(refusals=[EditLater(40.0)] * 3 + [EditLater()] * (FINAL_TRIES - 4))
    assert await platform.live().follow(once(final("the end")))
    assert platform.messages == ["the end"]
    assert platform.pauses[:4] == [40.0, 40.0, 40.0, 24.0]
    assert max(platform.pauses) == MAX_PAUSE_S
    assert sum(platform.pauses) > 5 * 60


async def test_taking_back_a_page_is_tried_again_too() -> None:
    platform = Platform(refusals=[None, None, None, EditLater(2.0)])
    assert await platform.live().follow(once(update("a|b"), final("ab")))
    assert platform.messages == ["ab"]
    assert [content for _, content, _ in platform.puts] == ["a", "b", "ab"]


async def test_a_platform_that_never_relents(caplog: pytest.LogCaptureFixture) -> None:
    platform = Platform(refusals=[EditLater()] * 100)
    assert not await platform.live().follow(once(final("the end")))
    assert len(platform.refusals) == 100 - FINAL_TRIES
    assert "final edit was refused 12 times" in caplog.text


@pytest.mark.parametrize("last", [update("ab"), final("ab")])
async def test_a_message_that_is_gone_ends_it_quietly(
    last: StoryUpdate, caplog: pytest.LogCaptureFixture
) -> None:
    platform = Platform(refusals=[None, MessageGone("deleted by a moderator")])
    assert await platform.live().follow(once(update("a"), last, final("abc")))
    assert platform.messages == ["a"]
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


async def test_updates_that_end_without_an_end() -> None:
    """As at a shutdown: the message stays as it is."""
    platform = Platform()
    assert not await platform.live().follow(once(update("a")))
    assert platform.messages == ["a"]
