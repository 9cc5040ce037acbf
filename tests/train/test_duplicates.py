"""Texts of one film."""

from __future__ import annotations

import random

from train.duplicates import groups, normalized

WORDS = [f"{a}{b}" for a in ("sea", "hill", "lamp", "night", "stone") for b in "abcdefghij"]


def text(seed: int, length: int = 120) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def test_texts_nearly_alike_are_grouped() -> None:
    first, other = text(1), text(2)
    changed = first.replace("sea", "SEA", 1).split()
    changed[60] = "otherwise"
    texts = [first, other, " ".join(changed), text(3)]
    assert groups(texts, ["a", "b", "c", "d"]) == [[0, 2], [1], [3]]


def test_texts_that_share_half_are_not() -> None:
    texts = [text(1, 60) + " " + text(4, 60), text(1, 60) + " " + text(5, 60)]
    assert groups(texts, ["a", "b"]) == [[0], [1]]


def test_an_identity_groups_whatever_the_text() -> None:
    assert groups([text(1), text(2), text(3)], ["x", "y", "x"]) == [[0, 2], [1]]


def test_groups_join_across_both() -> None:
    texts = [text(1), text(2), text(1)]
    assert groups(texts, ["x", "x", "y"]) == [[0, 1, 2]]


def test_short_and_no_texts() -> None:
    assert groups([], []) == []
    assert groups(["Go.", "go", "Stay."], ["a", "b", "c"]) == [[0, 1], [2]]


def test_normalized() -> None:
    assert normalized('The "Thing", (1982)!') == "the thing 1982"
