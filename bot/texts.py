"""Every sentence a member reads, by key and language, from `locales/<language>/*.ftl` (Fluent).

A key or a language that is missing falls back to English; a missing English sentence is a
KeyError, which a test over all keys finds first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from fluent.runtime import FluentBundle, FluentResource

from bot import metrics
from bot.errors import MemberError

LOCALES = Path(__file__).parent / "locales"
DEFAULT = "en"


def say(key: str, locale: str = DEFAULT, /, **values: str | int | float) -> str:
    """The sentence `key` in the language of `locale` ("en-GB" finds "en"), filled in."""
    for language in _candidates(locale):
        bundle = _bundle(language)
        if bundle.has_message(key):
            pattern = bundle.get_message(key).value
            if pattern is None:
                raise KeyError(f"{language}: {key} has no sentence")
            text, errors = bundle.format_pattern(pattern, _as_fluent(values))
            if errors:
                raise KeyError(f"{language}: {key}: {errors[0]}")
            return str(text)
    raise KeyError(key)


def explain(error: MemberError, locale: str = DEFAULT) -> str:
    """The sentence a member reads about an error. Several keys in one value become a list."""
    metrics.REFUSALS.labels(type(error).__name__).inc()
    values = {
        name: value if isinstance(value, str | int | float) else listed(value, locale)
        for name, value in error.values.items()
    }
    return say(error.key, locale, **values)


def listed(keys: Sequence[str], locale: str) -> str:
    """Sentences, by their keys, as a list in words: "A, B and C"."""
    *before, last = [say(key, locale) for key in keys]
    return say("list-and", locale, before=", ".join(before), last=last) if before else last


@cache
def languages() -> tuple[str, ...]:
    """Languages that have a folder."""
    return tuple(sorted(path.name for path in LOCALES.iterdir() if path.is_dir()))


def keys(language: str) -> frozenset[str]:
    """Every sentence a language has."""
    return frozenset(_bundle(language)._messages)


def _candidates(locale: str) -> list[str]:
    known = languages()
    wanted = [locale, locale.split("-")[0], DEFAULT]
    return [one for one in dict.fromkeys(wanted) if one in known]


def _as_fluent(values: Mapping[str, str | int | float]) -> dict[str, Any]:
    """Ids are names: no digit grouping. Fluent cannot select on "", so "none" stands in."""
    return {
        name: "none" if value == "" else str(value) if name == "id" else value
        for name, value in values.items()
    }


@cache
def _bundle(language: str) -> FluentBundle:
    # No isolation marks around values: messages here are plain sentences, and the marks count
    # against the platforms' length limits.
    bundle = FluentBundle([language], use_isolating=False)
    for path in sorted((LOCALES / language).glob("*.ftl")):
        bundle.add_resource(FluentResource(path.read_text(encoding="utf-8")))
    return bundle
