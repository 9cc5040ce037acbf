"""Pages: within the limit by any measure, nothing lost, cut where a reader would cut."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.pages import split_pages


def squeezed(text: str) -> str:
    return "".join(text.split())


def escaped(text: str) -> int:
    """As Telegram's HTML counts it at its worst: entities spelled out, in UTF-16."""
    return len(html.escape(text).encode("utf-16-le")) // 2


WORDS = st.lists(
    st.sampled_from(
        [
            "a",
            "lighthouse",
            "stood.",
            "“Run!”",
            "she",
            "said…",
            "&",
            "<b>",
            "\n\n",
            "灯台。",
            "👩‍👩‍👧",
            "é",
        ]
    ),
    max_size=60,
).map(" ".join)


@given(st.one_of(st.text(max_size=200), WORDS), st.integers(8, 60))
def test_every_page_fits_and_nothing_is_lost(text: str, limit: int) -> None:
    pages = split_pages(text, limit)
    assert all(len(page) <= limit for page in pages)
    assert squeezed("".join(pages)) == squeezed(text)
    assert pages == [""] or all(page == page.strip() != "" for page in pages)


@given(st.one_of(st.text(max_size=200), WORDS), st.integers(12, 60))
def test_every_page_fits_as_the_platform_measures(text: str, limit: int) -> None:
    pages = split_pages(text, limit, escaped)
    assert all(escaped(page) <= limit for page in pages)
    assert squeezed("".join(pages)) == squeezed(text)


@given(WORDS, st.integers(20, 60))
def test_words_are_cut_only_where_they_do_not_fit(text: str, limit: int) -> None:
    pages = split_pages(text, limit)
    assert " ".join(pages).split() == text.split()


def test_a_text_that_fits_is_one_page() -> None:
    assert split_pages("  A house.  ", 8) == ["A house."]
    assert split_pages("", 8) == [""]
    assert split_pages(" \n ", 8) == [""]


def test_sentences_before_words() -> None:
    text = "It was dark. He ran (very fast). Then the long silence came."
    assert split_pages(text, 38) == [
        "It was dark. He ran (very fast).",
        "Then the long silence came.",
    ]


def test_paragraphs_before_sentences() -> None:
    text = "It was dark there.\n\nHe ran. And ran on without an end."
    assert split_pages(text, 34) == ["It was dark there.", "He ran. And ran on without an end."]


def test_words_where_a_sentence_would_leave_half_a_page() -> None:
    text = "No. " + "but then " * 10
    assert split_pages(text, 40)[0] == "No. but then but then but then but then"


def test_a_page_is_filled_to_its_last_whole_word() -> None:
    assert split_pages("aa aa bb", 5) == ["aa aa", "bb"]


def test_an_endless_word_is_cut() -> None:
    assert split_pages("a" * 25, 10) == ["a" * 10, "a" * 10, "a" * 5]


def test_chinese_and_japanese_sentences() -> None:
    text = "灯台守は夜ごと階段を数える。今夜は「一段多い。」と彼は言った。外は雨だ。"
    assert split_pages(text, 30) == [
        "灯台守は夜ごと階段を数える。今夜は「一段多い。」",
        "と彼は言った。外は雨だ。",
    ]


@pytest.mark.parametrize(
    "character",
    ["👩‍👩‍👧‍👦", "👍🏽", "🏳️‍🌈", "1️⃣", "🇫🇷", "e\u0301\u0336", "क्षि"],
    ids=["family", "skin tone", "rainbow flag", "keycap", "flag", "accents", "conjunct"],
)
@pytest.mark.parametrize("limit", range(14, 22))
def test_what_reads_as_one_character_is_not_cut(character: str, limit: int) -> None:
    pages = split_pages(character * 12, limit)
    assert "".join(pages) == character * 12
    if character == "क्षि":  # the cut may lie between its two letters, never before a sign
        assert not any(page.startswith(("\u094d", "\u093f")) for page in pages)
    else:
        assert all(page == character * (len(page) // len(character)) for page in pages)


def test_an_endless_pile_of_marks_is_cut_all_the_same() -> None:
    pages = split_pages("a" + "\u0301" * 100, 40)
    assert [len(page) for page in pages] == [40, 40, 21]
