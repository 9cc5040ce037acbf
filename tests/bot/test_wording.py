"""The sentences about stories, votes and the line that all platforms share, in full."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot import wording
from bot.domain import Period, Provenance, QueueView, Relation, Status, Story, StoryUpdate, Tally
from model.engine import EngineInfo, SamplingParams
from model.genres import DEFAULT_GENRES

STORY = Story(
    id=1234,
    status=Status.FINISHED,
    community_id=1,
    author_id=1,
    author_name="Ada",
    genre="sci_fi",
    title="",
    prompt="A ship",
    text="A ship left.",
    sampling=SamplingParams(seed=70_000),
    created_at=0.0,
)


def test_a_duration() -> None:
    assert [wording.wait(s, "en") for s in (0, 0.4, 1, 20, 89, 90, 150, 3600)] == [
        "a second",
        "a second",
        "a second",
        "20 seconds",
        "89 seconds",
        "2 minutes",
        "2 minutes",
        "60 minutes",
    ]


def test_the_byline() -> None:
    label = wording.genre_label(STORY, DEFAULT_GENRES)
    assert wording.byline(STORY, label, "en") == "#1234 · science fiction by Ada"
    part = replace(STORY, parent_id=9, relation=Relation.CONTINUATION)
    assert wording.byline(part, label, "en") == "#1234 · science fiction by Ada · continues #9"
    version = replace(STORY, parent_id=9, relation=Relation.VERSION, author_id=None, author_name="")
    assert (
        wording.byline(version, label, "en")
        == "#1234 · science fiction by someone who left · another version of #9"
    )


def test_a_genre_that_left_the_table() -> None:
    assert wording.genre_label(replace(STORY, genre="haiku"), DEFAULT_GENRES) == "haiku"


@pytest.mark.parametrize(
    ("genre", "period", "title"),
    [
        ("", "all", "The best stories"),
        ("", "day", "The best stories · day"),
        ("sci-fi", "month", "The best science fiction stories · month"),
    ],
)
def test_the_title_of_the_best(genre: str, period: Period, title: str) -> None:
    assert wording.top_title(genre, period, DEFAULT_GENRES, "en") == title


def test_what_wrote_it() -> None:
    assert wording.written_by(STORY, "en") == ""
    written = replace(STORY, provenance=Provenance("SmolLM2-135M", "r", None, 9, 1.0, "stop"))
    assert wording.written_by(written, "en") == "written by SmolLM2-135M, seed 70000"


@pytest.mark.parametrize(
    ("update", "line"),
    [
        (StoryUpdate(replace(STORY, status=Status.QUEUED)), "Waiting for a writer."),
        (StoryUpdate(replace(STORY, status=Status.QUEUED), 1), "You are next."),
        (StoryUpdate(replace(STORY, status=Status.QUEUED), 1, 0.0), "You are next."),
        (StoryUpdate(replace(STORY, status=Status.QUEUED), 3), "You are number 3 in line."),
        (
            StoryUpdate(replace(STORY, status=Status.QUEUED), 1, 20.0),
            "You are next, about 20 seconds.",
        ),
        (
            StoryUpdate(replace(STORY, status=Status.QUEUED), 3, 180.0),
            "You are number 3 in line, about 3 minutes.",
        ),
        (StoryUpdate(replace(STORY, status=Status.WRITING, text="")), "Thinking …"),
        (StoryUpdate(replace(STORY, status=Status.WRITING)), ""),
        (StoryUpdate(STORY), ""),
        (StoryUpdate(replace(STORY, status=Status.CANCELLED)), "Cancelled."),
        (StoryUpdate(replace(STORY, status=Status.DELETED)), "This story was deleted."),
        (
            StoryUpdate(replace(STORY, status=Status.FAILED, failure="failure-error")),
            "The story could not be written. Try again with /retry 1234.",
        ),
        (
            StoryUpdate(replace(STORY, status=Status.FAILED, failure=None)),
            "The story could not be written. Try again with /retry 1234.",
        ),
    ],
)
def test_the_status_line(update: StoryUpdate, line: str) -> None:
    assert wording.status(update, "en") == line


def test_a_vote_is_confirmed_with_the_tally() -> None:
    story = replace(STORY, tally=Tally(ups=3, downs=1))
    assert [wording.vote_counted(story, value, "en") for value in (1, -1, 0)] == [
        "👍 for story #1234. It has 3 up, 1 down.",
        "👎 for story #1234. It has 3 up, 1 down.",
        "Your vote on story #1234 is taken back. It has 3 up, 1 down.",
    ]


def test_a_headline_is_one_line_of_bounded_length() -> None:
    assert wording.headline(replace(STORY, title="The Ship")) == "The Ship"
    assert wording.headline(STORY) == "A ship left."
    assert wording.headline(replace(STORY, text="")) == "A ship"
    long = replace(STORY, text="word\n" * 40)
    assert wording.headline(long, 20) == "word word word word…"
    assert len(wording.headline(long)) <= 80


def test_the_line() -> None:
    assert wording.queue_lines(QueueView(0, 0, 0.0, ()), "en") == [
        "Nobody is waiting, none is being written."
    ]
    assert wording.queue_lines(QueueView(1, 1, 40.0, ()), "en") == [
        "One story is waiting, one is being written.",
        "A new story would begin in about 40 seconds.",
    ]
    mine = ((1234, None), (1235, 2))
    assert wording.queue_lines(QueueView(3, 2, 0.0, mine), "en") == [
        "3 stories are waiting, 2 are being written.",
        "Your story #1234 is being written.",
        "Your story #1235 is number 2 in line.",
    ]


def test_about_the_model() -> None:
    text = "I write short film stories in a genre you choose; you vote, and the best rise."
    assert wording.about_lines(None, "en") == [
        text,
        "No model is loaded yet; stories wait until one is.",
    ]
    info = EngineInfo(
        "SmolLM2-135M", "93efa2f097d58c2a74874c7e644dbc9b0cee75a2", "ab" * 32, 134_515_008, 8192,
        "cpu", "float32", True, "Apache-2.0",
    )  # fmt: skip
    assert wording.about_lines(info, "en") == [
        text,
        "Model: SmolLM2-135M (revision 93efa2f097d5), 135 million parameters, on cpu. "
        "Licence: Apache-2.0.",
        "Genre adapter: abababababab.",
    ]
    assert len(wording.about_lines(replace(info, adapter_hash=None), "en")) == 2
