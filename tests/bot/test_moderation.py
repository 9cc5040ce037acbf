"""What may be typed: harmless text goes through as it is, the rest is made harmless or refused."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import (
    BadPattern,
    BlockedWords,
    NothingToRead,
    PromptTooLong,
    TitleTooLong,
    WordListTooLong,
)
from bot.moderation import (
    MAX_COMBINING,
    WordList,
    check_entries,
    check_prompt,
    check_title,
    mask_blocked,
    refuse_blocked,
    sanitize,
)


@pytest.mark.parametrize(
    "text",
    [
        "A lonely lighthouse — “here”, he said…",
        "Übergrößenträger, naïve café, Þór, İstanbul",
        "Việt Nam: những người đẹp",
        "ख़ूंख़ार और ज़िंदगी क्ष्म",
        "می‌خواهم کتاب‌ها را",
        "שָׁלוֹם",
        "བསྒྲུབས",
        "ภาษาไทย น้ำ",
        "灯台守は夜ごと階段を数える。",
        "等 한국어 東京",
        "👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 1️⃣ 🇫🇷 🫨 🪿",
        "@everyone <EOS> **bold** [link](x)",  # the platforms' and the model's affair
    ],
)
def test_what_people_write_is_kept(text: str) -> None:
    assert sanitize(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  a\t b\r\n\nc \u2028d\u3000e ", "a b c d e"),
        ("a\x00b\x07c\x1b[31m\x7f\x9f", "abc[31m"),
        ("abc\u202edcba\u202c\u2066x\u2069\u200f", "abcdcbax"),
        ("soft\u00adhyphen zero\u200bwidth \ufeffbom", "softhyphen zerowidth bom"),
        ("e\u200b\u0301", "é"),
        ("\U000e0041\U000e0042tagged", "tagged"),
        ("private \ue000 use \uffff", "private use"),
        ("\ud83d half", "half"),
        ("Hangul\u3164filler and braille\u2800blank", "Hangul filler and braille blank"),
        ("z\u0336\u0337\u0338\u0335\u0334\u0333\u0332algo", "z\u0336\u0337\u0338\u0335algo"),
    ],
)
def test_what_nobody_sees_or_everybody_hates_goes(text: str, clean: str) -> None:
    assert sanitize(text) == clean


def test_zalgo_does_not_hide_behind_joiners() -> None:
    piled = "a" + "\u0336\u0337\u200d" * 20
    marks = [char for char in sanitize(piled) if unicodedata.category(char) == "Mn"]
    assert len(marks) == MAX_COMBINING


@given(st.text(st.characters(), max_size=40))
def test_clean_text_stays_as_it_is(text: str) -> None:
    clean = sanitize(text)
    assert sanitize(clean) == clean


@given(st.text(st.characters(), max_size=40))
def test_clean_text_is_one_visible_line(text: str) -> None:
    clean = sanitize(text)
    assert unicodedata.is_normalized("NFC", clean)
    assert clean == " ".join(clean.split())
    hidden = {
        char for char in clean if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    }
    assert hidden <= {"\u200c", "\u200d"}


@given(
    st.text(
        st.sampled_from("ae\u0301\u0336\u0300\u200d\u200b \u1100\u1161\u09c7\u09be\u05b0\u05c1"),
        max_size=12,
    )
)
def test_clean_text_stays_as_it_is_where_letters_and_marks_compose(text: str) -> None:
    clean = sanitize(text)
    assert sanitize(clean) == clean


# -- limits ----------------------------------------------------------------------------------------
def test_nothing_is_allowed_but_emptiness_is_not() -> None:
    assert check_prompt("", 10) == check_title("", 10) == ""


@pytest.mark.parametrize(
    "text", [" ", "\n\t", "\u202e", "\u200d\u200c", "\x00", "\u3164", "\u2800"]
)
def test_nothing_to_read(text: str) -> None:
    with pytest.raises(NothingToRead):
        check_prompt(text, 10)
    with pytest.raises(NothingToRead):
        check_title(text, 10)


@pytest.mark.parametrize("text", ["?", "🫨", "👍", "7", "。"])
def test_little_to_read_is_enough(text: str) -> None:
    assert check_prompt(text, 10) == text


def test_the_length_is_that_of_what_is_left() -> None:
    assert check_prompt("  " + "a" * 10 + "\u202e  ", 10) == "a" * 10
    with pytest.raises(PromptTooLong) as prompt:
        check_prompt("a" * 11, 10)
    assert prompt.value.values == {"length": 11, "limit": 10}
    with pytest.raises(TitleTooLong) as title:
        check_title('"' + "a" * 11 + '"', 10)
    assert title.value.values == {"length": 11, "limit": 10}


@pytest.mark.parametrize("given_title", ['"The Lamp"', "“The Lamp”", "«The Lamp»", " The Lamp "])
def test_a_title_comes_without_its_quotes(given_title: str) -> None:
    assert check_title(given_title, 20) == "The Lamp"


@pytest.mark.parametrize(
    "given_title", ['The "Keeper"', '"Run" and "Hide"', "'Twas Night", "Dogs'", 'Six Feet 2"']
)
def test_quotes_inside_a_title_stay(given_title: str) -> None:
    assert check_title(given_title, 20) == given_title


@pytest.mark.parametrize("given_title", ['""', '"', "“ ”", '""""', "« »"])
def test_quotes_alone_are_no_title(given_title: str) -> None:
    with pytest.raises(NothingToRead):
        check_title(given_title, 10)


# -- blocked words ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "damn",
        "Oh DAMN!",
        "(Damn)",
        "damn\u0336",
        "d\u200da\u200cmn",
        "d\u0336a\u0336m\u0336n\u0336",
        "a red   herring",
        "Straße",
        "很坏的人",
        "बद",
    ],
)
def test_blocked_words_in_any_case_and_disguise(text: str) -> None:
    words = ("damn", "red herring", "straße", "坏", "बद")
    with pytest.raises(BlockedWords):
        refuse_blocked(sanitize(text), words)


@pytest.mark.parametrize("text", ["damned", "goddamn", "dam n", "redherring", "बदी", "", "1damn"])
def test_words_that_only_contain_one(text: str) -> None:
    refuse_blocked(text, ("damn", "red herring", "बद"))


def test_a_blocked_word_written_decomposed() -> None:
    with pytest.raises(BlockedWords):
        refuse_blocked("un café", ("cafe\u0301",))


def test_patterns_in_the_list_are_letters() -> None:
    refuse_blocked("anything at all", (".*", "(a+)+$"))
    assert mask_blocked("what .* is", (".*",)) == "what •• is"


def test_no_list_blocks_nothing() -> None:
    refuse_blocked("damn", ())
    assert mask_blocked("damn", ()) == "damn"
    refuse_blocked("damn", ("", "  "))


def test_the_longest_word_is_masked_whole() -> None:
    assert mask_blocked("Damn it, damn.", ("damn", "damn it")) == "•••••••, ••••."


@given(st.text(max_size=60), st.lists(st.text("abx. ", min_size=1, max_size=4), max_size=4))
def test_masked_text_is_as_long_and_passes(text: str, words: list[str]) -> None:
    masked = mask_blocked(text, words)
    assert len(masked) == len(text)
    refuse_blocked(masked, words)


# -- a community's own list ------------------------------------------------------------------------
LIST = WordList(("damn",), ("gadzooks", "/h[aä]ng(ing)?/"))


@pytest.mark.parametrize("text", ["Damn it", "GADZOOKS!", "a hanging man", "HÄNG"])
def test_the_operators_words_the_communitys_and_its_patterns_are_refused(text: str) -> None:
    with pytest.raises(BlockedWords):
        LIST.refuse(text)


def test_they_are_covered_letter_by_letter() -> None:
    assert LIST.mask("Damn, gadzooks: hÄnging.") == "••••, ••••••••: •••••••."
    LIST.refuse(LIST.mask("Damn, gadzooks: hÄnging."))
    assert WordList().mask("Damn") == "Damn"


def test_a_list_is_kept_without_blank_or_double_entries() -> None:
    lines = ["  gadzooks ", "", "gad\u202ezooks", "/a+b/", "//", "a/b"]
    assert check_entries(lines) == ["gadzooks", "/a+b/", "//", "a/b"]


@pytest.mark.parametrize("pattern", ["/(a/", "/a*/", "/(?=a)b/", r"/(a)\1/", "/((a{900}){900})/"])
def test_a_pattern_that_cannot_be_used_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern) as refused:
        check_entries(["fine", pattern])
    assert refused.value.values == {"given": pattern}
    WordList((), (pattern,)).refuse("aaa")  # kept by another version: passed over


def test_a_list_has_its_limits() -> None:
    with pytest.raises(WordListTooLong):
        check_entries(f"word {n}" for n in range(201))
    with pytest.raises(WordListTooLong):
        check_entries(["x" * 101])


def test_a_pattern_that_would_hang_others_takes_its_time_once() -> None:
    """Backtracking, `(a+)+$` takes 2**n steps on n letters: for these, longer than the universe."""
    evil = WordList((), ("/(a+)+$/", "/(x+x+)+y/"))
    text = "a" * 20_000 + "!" + "x" * 20_000
    evil.refuse(text)
    assert evil.mask(text) == text
