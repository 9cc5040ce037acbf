"""Callback data: small, complete, and nothing else is taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.telegram.vote_keyboard import (
    Choice,
    Shown,
    delete_keyboard,
    forget_keyboard,
    parse,
    story_keyboard,
)

from .test_view import story


@pytest.mark.parametrize(
    ("data", "choice"),
    [
        ("v:12:1", Choice("vote", 12, 1)),
        ("v:12:-1", Choice("vote", 12, -1)),
        ("c:12", Choice("continue", 12)),
        ("r:12", Choice("retry", 12)),
        ("x:12", Choice("cancel", 12)),
        ("t:12", Choice("report", 12)),
        ("d:12", Choice("ask-delete", 12)),
        ("y:12", Choice("delete", 12)),
        ("k:12", Choice("keep", 12)),
        ("f:5000001", Choice("forget", 5000001)),
    ],
)
def test_data_says_all_that_is_needed(data: str, choice: Choice) -> None:
    assert parse(data) == choice


@pytest.mark.parametrize(
    "data",
    ["", "v", "v:1", "v:1:0", "v:1:+1", "v:0:1", "v:01:1", "v:-1:1", "v:1:1\n", " c:1", "c:１",
     "z:1", "c:1:x", "v:1:1:0", "v:1:1:-0", f"c:{'9' * 19}"],
)  # fmt: skip
def test_anything_else_is_nothing(data: str) -> None:
    assert parse(data) is None


@given(st.text(max_size=64))
def test_no_text_breaks_the_parser(data: str) -> None:
    choice = parse(data)
    assert choice is None or 0 < choice.number < 10**18


def test_a_shared_link_names_the_story_and_its_group() -> None:
    keyboard = story_keyboard(story(title="You & me"), Shown("en", -1001, "some_bot"))
    assert keyboard is not None
    assert keyboard.inline_keyboard[-1][0].url == (
        "https://t.me/share/url?url=https%3A%2F%2Ft.me%2Fsome_bot%3Fstart%3Dstory_12_-1001"
        "&text=You%20%26%20me"
    )


@given(st.integers(1, 10**18 - 1))
def test_every_button_is_understood_and_fits(number: int) -> None:
    keyboards = [
        story_keyboard(story(id=number), Shown("en")),
        delete_keyboard(number, "en"),
        forget_keyboard(number, "en"),
    ]
    for keyboard in keyboards:
        assert keyboard is not None
        for row in keyboard.inline_keyboard:
            for button in row:
                assert isinstance(button.callback_data, str)
                assert len(button.callback_data.encode()) <= 64
                choice = parse(button.callback_data)
                assert choice is not None and choice.number == number
