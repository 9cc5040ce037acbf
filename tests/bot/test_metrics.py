"""What is counted in the house itself, and what Prometheus gets to read."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable

from fakes.core import Core, caller, eventually
from fakes.counts import Counts

from bot.domain import Status, Story, StoryUpdate
from bot.errors import OwnStory
from bot.live_message import EditLater, LiveMessage, MessageGone
from bot.metrics import REGISTRY, LogCounter, exposition
from bot.texts import explain
from model.engine import SamplingParams

MakeCore = Callable[..., Awaitable[Core]]


def growing(text: str, status: Status = Status.WRITING) -> StoryUpdate:
    story = Story(1, status, 1, 1, "Ada", "horror", "", "", text, SamplingParams(), created_at=0.0)
    return StoryUpdate(story)


def ended(text: str) -> StoryUpdate:
    return growing(text, Status.FINISHED)


def text_of(update: StoryUpdate) -> list[str]:
    return [update.story.text]


def states(*updates: StoryUpdate) -> Callable[[], AsyncIterator[StoryUpdate]]:
    """A story that is in these, one after the other, however often it is watched anew."""

    async def go_on() -> AsyncIterator[StoryUpdate]:
        for update in updates:
            yield update

    rest = go_on()
    return lambda: rest


async def no_pause(seconds: float) -> None:
    return None


async def test_stories_are_counted_by_genre_and_by_how_they_end(make_core: MakeCore) -> None:
    core: Core = await make_core()
    counts = Counts()
    await core.finished()
    core.gate.hold()
    story = await core.service.write(caller(), "drama", "")
    await core.begun(story.id)
    await core.service.cancel(caller(), story.id)
    assert counts("stories_asked_total", genre="horror") == 1
    assert counts("stories_asked_total", genre="drama") == 1
    await eventually(lambda: counts("stories_ended_total", genre="drama", status="cancelled") == 1)
    assert counts("stories_ended_total", genre="horror", status="finished") == 1


async def test_a_stop_ends_no_story(make_core: MakeCore) -> None:
    core = await make_core()
    core.gate.hold()
    counts = Counts()
    story = await core.service.write(caller(), "horror", "")
    await core.begun(story.id)
    await core.stop()
    assert counts("stories_asked_total", genre="horror") == 1
    assert [counts("stories_ended_total", genre="horror", status=status) for status in Status] == [
        0
    ] * len(Status)


def test_what_members_are_refused_is_counted_by_its_kind() -> None:
    counts = Counts()
    explain(OwnStory(), "es")
    assert counts("refusals_total", reason="OwnStory") == 1


async def test_edits_are_counted_by_what_became_of_them() -> None:
    refusals: list[Exception | None] = [None, EditLater(0.0), EditLater(0.0), None, MessageGone("")]

    async def put(index: int, content: str, final: bool) -> None:
        if (refusal := refusals.pop(0)) is not None:
            raise refusal

    async def take_back(index: int) -> None:
        raise AssertionError("one page has nothing to take back")

    def live() -> LiveMessage[str]:
        return LiveMessage(text_of, put, take_back, interval_s=0.0, sleep=no_pause)

    counts = Counts()
    assert await live().follow(states(growing("a"), growing("b"), ended("c")))
    assert await live().follow(states(growing("d")))
    assert refusals == []
    assert {
        (kind, outcome): counts("edits_total", kind=kind, outcome=outcome)
        for kind in ("partial", "final")
        for outcome in ("made", "put_off", "gone")
    } == {
        ("partial", "made"): 1,
        ("partial", "put_off"): 1,
        ("partial", "gone"): 1,
        ("final", "made"): 1,
        ("final", "put_off"): 1,
        ("final", "gone"): 0,
    }


def test_warnings_and_errors_are_counted_whoever_logs_them() -> None:
    log = logging.Logger("bot.somewhere")
    log.addHandler(LogCounter())
    counts = Counts()
    log.info("well")
    log.warning("not so well")
    log.error("not at all")
    log.error("again")
    assert counts("log_messages_total", level="warning", logger="bot.somewhere") == 1
    assert counts("log_messages_total", level="error", logger="bot.somewhere") == 2
    assert counts("log_messages_total", level="info", logger="bot.somewhere") == 0


def test_prometheus_reads_ours_and_the_process() -> None:
    text = exposition().decode()
    assert "cliffhanger_build_info{version=" in text
    assert re.search(r"^process_resident_memory_bytes [1-9]", text, re.MULTILINE)
    assert "python_gc" not in text  # of the default registry


def test_no_label_names_a_member_a_community_or_a_story() -> None:
    labels = {
        label
        for metric in REGISTRY._names_to_collectors.values()
        for label in getattr(metric, "_labelnames", ())
    }
    assert labels == {
        "call", "check", "genre", "kind", "level", "logger", "outcome", "platform", "reason",
        "status", "value",
    }  # fmt: skip
