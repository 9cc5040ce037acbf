"""Escaping: what is typed is what is read, and it does nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.discord.markup import escape, fit


@pytest.mark.parametrize(
    ("typed", "escaped"),
    [
        ("**bold** _it_ ~~no~~ ||spoiler|| `code`",
         r"\*\*bold\*\* \_it\_ \~\~no\~\~ \|\|spoiler\|\| \`code\`"),
        ("@everyone <@1> <#2> </a:3>", r"\@everyone \<\@1\> \<\#2\> \</a:3\>"),
        ("[text](https://a.example)", r"\[text\](https\://a.example)"),
        ("# big\n- item\n  + item\n12. item\n> quote",
         "\\# big\n\\- item\n  \\+ item\n12\\. item\n\\> quote"),
        ("a \\ b", r"a \\ b"),
        ("It was 7. Then - and only then - 3:15.", "It was 7. Then - and only then - 3:15."),
        ("漢字 ça va 🎬", "漢字 ça va 🎬"),
    ],
)  # fmt: skip
def test_known_cases(typed: str, escaped: str) -> None:
    assert escape(typed) == escaped


@given(st.text())
def test_unescaping_gives_the_text_back(text: str) -> None:
    assert re.sub(r"\\([^0-9A-Za-z\s])", r"\1", escape(text)) == text


@given(st.text(alphabet="ab*_\\<@ -1.\n", max_size=60), st.integers(1, 80))
def test_fit_keeps_the_limit_and_cuts_nothing_in_two(text: str, limit: int) -> None:
    shown = fit(text, limit)
    assert len(shown) <= limit
    if shown != escape(text):
        assert shown.endswith("…")
        kept = re.sub(r"\\([^0-9A-Za-z\s])", r"\1", shown[:-1])
        assert text.startswith(kept)
