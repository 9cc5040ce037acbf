"""What Telegram alone says, in every language: nothing is missing, and buttons stay short."""

from __future__ import annotations

import pytest
from fluent.syntax import FluentParser
from fluent.syntax import ast as ftl

from bot.texts import LOCALES, languages, say


def keys(language: str) -> set[str]:
    text = (LOCALES / language / "telegram.ftl").read_text(encoding="utf-8")
    return {e.id.name for e in FluentParser().parse(text).body if isinstance(e, ftl.Message)}


@pytest.mark.parametrize("language", languages())
def test_no_language_lacks_a_sentence(language: str) -> None:
    assert keys(language) == keys("en")


@pytest.mark.parametrize("language", languages())
def test_buttons_and_the_profile_are_short(language: str) -> None:
    assert len(say("telegram-about-short", language)) <= 120
    for key in ("telegram-button-open", "telegram-button-say-why", "telegram-button-to-group"):
        assert len(say(key, language)) <= 20, key
