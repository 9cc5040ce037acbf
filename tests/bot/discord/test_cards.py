"""Cards: what every state of a story looks like, within Discord's limits whatever its words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes.discord_limits import message_problems
from hypothesis import given
from hypothesis import strategies as st

from bot.discord.cards import (
    Card,
    colour_of,
    genre_cards,
    help_cards,
    list_card,
    story_cards,
)
from bot.domain import Provenance, Relation, Status, Story, StoryUpdate, Tally
from model.engine import SamplingParams
from model.genres import DEFAULT_GENRES, Genre, GenreTable

STORY = Story(
    id=12,
    status=Status.FINISHED,
    community_id=1,
    author_id=1,
    author_name="Ada *",
    genre="sci_fi",
    title="The _Last_ Day",
    prompt="It was late.",
    text="It was late. Then *everything* stopped.",
    sampling=SamplingParams(seed=7),
    created_at=1.0,
    parent_id=9,
    relation=Relation.CONTINUATION,
    provenance=Provenance("smollm2-135m", "93efa2f", None, 120, 4.5, "stop"),
    tally=Tally(3, 1, 0.3),
)


def cards(story: Story, position: int | None = None) -> list[Card]:
    return story_cards(StoryUpdate(story, position, 40.0), DEFAULT_GENRES, "en")


def test_a_finished_story() -> None:
    (card,) = cards(STORY)
    assert card.text == r"It was late. Then \*everything\* stopped."
    assert card.title == r"The \_Last\_ Day"
    assert card.colour == 0x2980B9
    assert card.footer == (
        "#12 · science fiction by Ada * · continues #9 · written by smollm2-135m, seed 7"
    )
    assert [(button.custom_id, button.label) for button in card.buttons] == [
        ("vote:12:up", "3"),
        ("vote:12:down", "1"),
        ("continue:12", "Continue"),
        ("again:12", "Another version"),
        ("share:12", "Share"),
        ("report:12", "Report"),
        ("delete:12", "Delete"),
    ]


@pytest.mark.parametrize(
    ("status", "text", "buttons"),
    [
        (Status.QUEUED, "*You are number 3 in line, about 40 seconds.*\n\nIt was late. …",
         ["cancel:12"]),
        (Status.WRITING, "*Thinking …*\n\nIt was late. …", ["cancel:12"]),
        (Status.CANCELLED, "*Cancelled.*", ["again:12", "delete:12"]),
        (Status.FAILED, "*The story could not be written. Try again with /retry 12.*",
         ["again:12", "delete:12"]),
        (Status.DELETED, "*This story was deleted.*", []),
    ],
)  # fmt: skip
def test_the_other_states(status: Status, text: str, buttons: list[str]) -> None:
    story = replace(STORY, status=status, text="", provenance=None)
    (card,) = cards(story, position=3 if status is Status.QUEUED else None)
    assert card.text == text
    assert [button.custom_id for button in card.buttons] == buttons


def test_a_hidden_story_shows_none_of_its_words() -> None:
    (card,) = cards(replace(STORY, is_hidden=True))
    hidden = "*Members reported this story. It is hidden until a moderator has looked at it.*"
    assert (card.text, card.title, card.buttons) == (hidden, "", ())


def test_a_growing_story_is_one_message_with_its_newest_words() -> None:
    text = "A sentence that is not short at all. " * 200
    (card,) = cards(replace(STORY, status=Status.WRITING, text=text))
    assert card.text.startswith("… ")
    assert card.text.endswith("at all. ▌")
    assert len(card.text) < 4_096


def test_without_title_the_genre_stands_there() -> None:
    assert cards(replace(STORY, title=""))[0].title == "Science fiction"


def test_a_genre_the_operator_took_away_still_has_a_name_and_a_colour() -> None:
    assert cards(replace(STORY, title="", genre="western"))[0].title == "Western"
    assert colour_of("western") == colour_of("western")
    assert 0 <= colour_of("western") <= 0xFFFFFF


def test_best_and_newest_lists() -> None:
    best = list_card("Best", [replace(STORY, id=n) for n in range(1, 5)], "en", medals=True)
    line = r"**The \_Last\_ Day** · #{} · 👍 3 👎 1 · Ada \*"
    marks = ["🥇", "🥈", "🥉", "4\\."]
    assert best.text.splitlines() == [
        f"{mark} {line.format(number)}" for number, mark in enumerate(marks, 1)
    ]
    newest = list_card("Mine", [STORY], "en", medals=False)
    assert newest.text.startswith("1\\. **")


def test_help_names_every_command() -> None:
    (card,) = help_cards("en")
    assert card.text.count("**/") == 23


words = st.text(alphabet="a*_<@\\. \n漢", max_size=9_000)


@given(words, st.text(max_size=300), st.text(max_size=80), st.sampled_from(list(Status)))
def test_no_words_break_a_limit(text: str, title: str, name: str, status: Status) -> None:
    story = replace(STORY, text=text, prompt=text, title=title, author_name=name, status=status)
    pages = cards(story, position=2)
    for card in [*pages, list_card(title or "T", [story] * 10, "en", medals=True)]:
        payload = {"embeds": [card.embed().to_dict()], "allowed_mentions": {"parse": []}}
        assert message_problems(payload, needs_text=True) == []
    assert [bool(card.buttons) for card in pages[:-1]] == [False] * (len(pages) - 1)


def test_a_long_genre_file_takes_several_cards() -> None:
    rows = [
        Genre(f"genre_{n}", f"genre {n}", f"<g{n}>", (), ("An opening " * 20,) * 5)
        for n in range(30)
    ]
    shown = genre_cards(GenreTable(tuple(rows)), "en")
    assert len(shown) > 1
    for card in shown:
        assert message_problems({"embeds": [card.embed().to_dict()]}, needs_text=True) == []
