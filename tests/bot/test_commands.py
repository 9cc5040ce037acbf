"""Commands as they are typed, taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands import (
    StoryArgs,
    parse_continue,
    parse_id,
    parse_newest_or_id,
    parse_story_args,
    parse_top,
    parse_vote,
)
from bot.errors import MemberError, NotAChoice, NotANumber
from model.genres import DEFAULT_GENRES


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("", StoryArgs()),
        ("horror", StoryArgs("horror")),
        ("horror A lonely lighthouse", StoryArgs("horror", "A lonely lighthouse")),
        ("  horror   A  lonely lighthouse ", StoryArgs("horror", "A  lonely lighthouse")),
        ("horror\nA lonely\nlighthouse", StoryArgs("horror", "A lonely\nlighthouse")),
        ("horror\tA lonely lighthouse", StoryArgs("horror", "A lonely lighthouse")),
        ("sci fi A ship", StoryArgs("sci fi", "A ship")),
        ("Sci-Fi A ship", StoryArgs("Sci-Fi", "A ship")),
        ('"found footage" A tape', StoryArgs("found footage", "A tape")),
        ("film noir\nRain", StoryArgs("film noir", "Rain")),
        ("drama family", StoryArgs("drama", "family")),
        ("polka dots", StoryArgs("polka", "dots")),
        ('horror "The Keeper" A lamp', StoryArgs("horror", "A lamp", "The Keeper")),
        ("horror “The Keeper”", StoryArgs("horror", "", "The Keeper")),
        ("horror „Der Wärter“ Ein Licht", StoryArgs("horror", "Ein Licht", "Der Wärter")),
        ("horror «Le gardien»", StoryArgs("horror", "", "Le gardien")),
        ('horror A lamp title:"The Keeper"', StoryArgs("horror", "A lamp", "The Keeper")),
        ('horror title:"The Keeper" A lamp', StoryArgs("horror", "A lamp", "The Keeper")),
        ("horror length:long A lamp", StoryArgs("horror", "A lamp", "", "long")),
        ("horror A lamp Length=SHORT", StoryArgs("horror", "A lamp", "", "short")),
        ("horror length:long", StoryArgs("horror", "", "", "long")),
        ('horror length:long "Keeper" A lamp', StoryArgs("horror", "A lamp", "Keeper", "long")),
        ('horror "Keeper" length:long A lamp', StoryArgs("horror", "A lamp", "Keeper", "long")),
        (
            'horror A lamp title:"Keeper" length:long',
            StoryArgs("horror", "A lamp", "Keeper", "long"),
        ),
        (
            'horror A lamp length:long title:"Keeper"',
            StoryArgs("horror", "A lamp", "Keeper", "long"),
        ),
        ('horror "Keeper" "Run!" she cried', StoryArgs("horror", '"Run!" she cried', "Keeper")),
        # What only looks like an option, or stands in the middle, is the opening's.
        *(
            (f"horror {prompt}", StoryArgs("horror", prompt))
            for prompt in (
                "The length: long and winding",
                "the length:3 metres",
                "the road's length: long",
                "of some length:long it was",
                "wavelength:long",
                "length",
                "length:",
                "title: The Dark Night of souls",
                "title:The Dark Night",
                "A lamp title:The Dark Night",
                'A book with the title:"Night", alone',
                '"Night", he said',
                'A man said "run"',
            )
        ),
        (
            "horror length:long a length:short road",
            StoryArgs("horror", "a length:short road", "", "long"),
        ),
        ("horror subtitle:x", StoryArgs("horror", "subtitle:x")),
        ('horror ""', StoryArgs("horror")),
        ("horror “ ” A lamp", StoryArgs("horror", "A lamp")),
        ('horror A lamp title:""', StoryArgs("horror", "A lamp")),
        ('"" A lamp', StoryArgs("", "A lamp")),
    ],
)
def test_story_arguments(text: str, args: StoryArgs) -> None:
    assert parse_story_args(text, DEFAULT_GENRES) == args


@pytest.mark.parametrize(
    "text", ["horror length:huge", "horror length:huge A lamp", "horror A lamp length:huge"]
)
def test_an_unknown_length(text: str) -> None:
    with pytest.raises(NotAChoice) as refused:
        parse_story_args(text, DEFAULT_GENRES)
    assert refused.value.values == {
        "given": "huge",
        "what": "length",
        "choices": "short, medium, long",
    }


@given(st.text(st.sampled_from('horsci fi"“”:=titlength \n'), max_size=60))
def test_whatever_is_typed_gives_arguments_or_a_sentence(text: str) -> None:
    try:
        args = parse_story_args(text, DEFAULT_GENRES)
    except MemberError:
        return
    assert args.prompt == args.prompt.strip()


@pytest.mark.parametrize(
    ("text", "number"), [("12", 12), (" #12 ", 12), ("0", 0), ("9" * 18, 10**18 - 1)]
)
def test_a_story_number(text: str, number: int) -> None:
    assert parse_id(text) == number


@pytest.mark.parametrize("text", ["", "twelve", "-1", "1.5", "##1", "1 2", "9" * 19, "١٢", "1e3"])
def test_not_a_story_number(text: str) -> None:
    with pytest.raises(NotANumber) as refused:
        parse_id(text)
    assert refused.value.values == {"given": text[:40]}


@pytest.mark.parametrize(
    ("text", "vote"),
    [
        ("12 up", (12, 1)),
        ("#12  UP", (12, 1)),
        ("12\t👍", (12, 1)),
        ("12 down", (12, -1)),
        ("12 👎", (12, -1)),
        ("12 clear", (12, 0)),
        ("12 0", (12, 0)),
    ],
)
def test_a_vote(text: str, vote: tuple[int, int]) -> None:
    assert parse_vote(text) == vote


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("12", (12, "")),
        ("#12 The door opened", (12, "The door opened")),
        ("12\nThe door\nopened", (12, "The door\nopened")),
    ],
)
def test_continue(text: str, asked: tuple[int, str]) -> None:
    assert parse_continue(text) == asked


def test_the_newest_or_a_certain_one() -> None:
    assert parse_newest_or_id(" ") is None
    assert parse_newest_or_id("#12") == 12
    with pytest.raises(NotANumber):
        parse_newest_or_id("newest")


def test_not_a_vote() -> None:
    with pytest.raises(NotANumber):
        parse_vote("up 12")
    with pytest.raises(NotAChoice) as none:
        parse_vote("12")
    assert none.value.values["given"] == ""
    with pytest.raises(NotAChoice):
        parse_vote("12 sideways")


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("", ("", "all", False)),
        ("horror", ("horror", "all", False)),
        ("week", ("", "week", False)),
        ("horror Week", ("horror", "week", False)),
        ("day sci fi", ("sci fi", "day", False)),
        ("Everywhere day sci fi", ("sci fi", "day", True)),
    ],
)
def test_top(text: str, asked: tuple[str, str, bool]) -> None:
    assert parse_top(text) == asked
