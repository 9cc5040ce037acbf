"""From the text of a row to the text of a story; knows no files and no genres.

Two depths: `tidy` mends any text (encodings, entities, citation marks, white space); `film_plot`
also takes out what film articles carry and a story does not: actors in brackets behind their
characters, and talk about the film's making at either end.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable

_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,60}>")
_CITATION = re.compile(
    r"\s?\[(?:\d{1,3}|[a-z]|n(?:b|otes?)? ?\d{1,2}|edit|sic|who|which|when|why|vague"
    r"|clarify|according to whom|self-published source|original research"
    r"|[^\[\]]{0,30}(?:citation|needed|verification|dubious|discuss)[^\[\]]{0,30})\?*\]",
    re.IGNORECASE,
)
_HEAD = re.compile(r"^(?:plot(?: summary)?|synopsis|storyline|summary)\s*[:\-–—]\s+", re.IGNORECASE)
_SPACE_BEFORE_STOP = re.compile(r" +([,;:.!?])(?=\s|$)")
_UNREADABLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff\ufffc\ufffd]")

_NAME_WORD = r"(?:(?:[A-Z]\.)+|[A-ZÀ-ÞŁŚŠŽČŌ][\w’'\-]*\.?)"
_PARTICLE = r"(?:de|da|di|du|la|le|del|der|den|van|von|bin|ben|al|el|ap|y|O')"
_NAME = rf"(?:{_PARTICLE} )?{_NAME_WORD}(?: (?:{_PARTICLE} )*{_NAME_WORD}){{0,4}}"
_CREDIT = (
    r"(?:also |again |both |an? |the |uncredited |debutante? |newcomer |cowboy star |unbilled |"
    r"(?:re)?played |portrayed |voiced |performed |by |voice of |voice: )*"
)
_CAST = re.compile(
    rf"(?<=[\w.'’\"”]) ?\((?P<credit>{_CREDIT})(?P<name>{_NAME}(?:(?:, | and | & |/){_NAME})*)"
    r"(?:,? (?:uncredited|in (?:an?|her|his|the) [^()]{1,40}))? ?\)",
)
_ASIDE = re.compile(
    r" ?\((?:as )?(?:him|her|them)sel(?:f|ves)\)"  # an actor as themselves
    r"| ?\([^()]*[\u0400-\u1cff\u2e80-\ud7ff][^()]*\)"  # a name in its own script
)
_ACRONYM = re.compile(r"[A-Z0-9&.]{2,6}s?")

_AS_TOLD = re.compile(
    r"^(?:as (?:described|told|summari[sz]ed|reported|related)|based (?:up)?on|according to"
    r"|adapted from)\b[^.:]{0,70}?"
    r"\b(?:magazine|publication|review|synopsis|picture world|press(?:book)?|catalog(?:ue)?)"
    r"(?: reviews?)?(?: reads)?[,:]+ ",
    re.IGNORECASE,
)
PRODUCTION = re.compile(
    r"""\b(?:this|the|a|an|first|second|third|original|previous|his|her)\ (?:\w+[\ -]){0,3}
        (?:film|movie|picture|screenplay|script|soundtrack)s?(?:'s)?\b[^.]{0,80}?
        \b(?:was|were|is|are|has\ been|had\ been)\ (?:\w+ly\ |also\ |partly\ |first\ )?
        (?:directed|written|shot|filmed|released|produced|based|adapted|dedicated|inspired|set\ up
          |considered|remade|dubbed|made|notable|known|loosely|available|presumed|lost|derived
          |praised|an?\ remake|a\ sequel|an?\ adaptation|the\ first|the\ last|one\ of\ the)\b
      | \b(?:box[\ -]office|screenplay\ by|lead\ roles?|title\ roles?|supporting\ cast
          |cast\ includes|DVD\ release|film\ (?:critics?|magazine|historian|publication)
          |surviving\ (?:prints?|copies)|lost\ film|Library\ of\ Congress|Academy\ Awards?
          |Moving\ Picture\ World|Photoplay|running\ time|film\ adaptation|film\ debut
          |motion\ picture\ debut|(?:same|eponymous)\ (?:name|novel)
          |(?:remake|adaptation|sequel)\ (?:of|to)
          |Unlike\ (?:in\ )?the\ (?:\w+\ )?(?:novel|story|play|book|film)
          |film\ noir)\b
      | ^[^.,]{1,60}\ (?:was|is)\ directed\ by\b
      | ^(?:[^.]{0,60}\bis\ an?\ |An?\ )(?:[\w-]+\ ){0,4}(?:film|movie|remake|picture)\b
        (?!\ (?:star|director|producer|act|student|maker|crew|studio|critic|buff|set)|maker)
      | ^(?:film's\ introduction|the\ story\ as\ told|the\ plot\ of\ .*\ was)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""A sentence that tells of the film's making, not of its story."""

_BREAK = re.compile(r"""(?<=[.!?…])(?P<close>["'”’)\]]*)\s+(?=["'“‘(\[]?[A-Z0-9À-Þ])""")
_NO_BREAK = re.compile(
    r"(?:\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|Rev|Hon|Fr|Gen|Col|Maj|Capt|Cmdr|Lt|Sgt|Cpl|Pvt"
    r"|Gov|Sen|Rep|Pres|Supt|Insp|Messrs|vs|No|Mt|Ft|Inc|Ltd|Co|Corp|approx|etc|ca|Ph\.D|Det))\.$"
)
_WHOLE_END = re.compile(r"""[.!?…]["'”’)\]]*$""")
_CUT_OFF = re.compile(r"\s(?:\.\.\.|…)$|\b(?:the|a|an|of|to|and|with|in|at)(?:\.\.\.|…)$")
_LANGUAGE_SAMPLE = 2000  # characters
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        "the a an and of to in is his her he she they with that on for by from who at as it are "
        "was their him has but be not when into after out will have been all this where",
    )
)


def tidy(text: str) -> str:
    """Any text on one line: encodings mended, no entities, markup, citation marks or heads."""
    if not text.isascii():
        text = _mended(text)
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    if "[" in text:
        text = _CITATION.sub("", text)
    text = " ".join(text.split())
    return _SPACE_BEFORE_STOP.sub(r"\1", _HEAD.sub("", text))


def film_plot(text: str, cast: Iterable[str] = ()) -> str:
    """A film's plot without actors and production talk, up to its last whole sentence.

    `text` is tidy already; the `cast`, where known, tells actors from other names in brackets.
    Gives "" where nothing of a story is left.
    """
    text = without_cast(text, cast)
    told = _AS_TOLD.sub("", text)
    parts = sentences(told[:1].upper() + told[1:] if told != text else text)
    while parts and PRODUCTION.search(parts[0]):
        del parts[0]
    while parts and (PRODUCTION.search(parts[-1]) or not _ends_whole(parts[-1])):
        del parts[-1]
    return " ".join(parts)


def without_cast(text: str, cast: Iterable[str] = ()) -> str:
    """`text` without the actors in brackets: "Sid Plummer (Sid James)" gives "Sid Plummer"."""
    if "(" not in text:
        return text
    actors = {word for name in cast for word in name.split()}
    outside = set(re.findall(r"[\w-]+", re.sub(r"\([^()]*\)", " ", text)))

    def replace(found: re.Match[str]) -> str:
        name = found["name"]
        last = name.split()[-1]
        if _ACRONYM.fullmatch(name):
            return found.group()
        if found["credit"] or last in actors:
            return ""
        alone = " " not in name and not _follows_name(text, found.start())
        return found.group() if alone or last in outside else ""

    text = _ASIDE.sub("", _CAST.sub(replace, text))
    return _SPACE_BEFORE_STOP.sub(r"\1", " ".join(text.split()))


def sentences(text: str) -> list[str]:
    """The sentences of one line of text, in order; joined by spaces they give it back."""
    parts: list[str] = []
    start = 0
    for found in _BREAK.finditer(text):
        part = text[start : found.end("close")]
        if not _NO_BREAK.search(part[-8:]):
            parts.append(part)
            start = found.end()
    return [*parts, text[start:]] if text[start:] else parts


def flaw(text: str, min_words: int) -> str | None:
    """Why `text` is no story, in a few words; None where it may be one."""
    if not text:
        return "no story in it"
    if len(text.split()) < min_words:
        return f"under {min_words} words"
    letters = sum(map(str.isalpha, text))
    if letters < 0.7 * len(text.replace(" ", "")):
        return "mostly no letters"
    return None


def is_english(text: str) -> bool:
    """Whether enough of the words are those no English sentence does without."""
    words = _words(text[:_LANGUAGE_SAMPLE].lower())
    return sum(word in _FUNCTION_WORDS for word in words) >= 0.12 * len(words)


def _mended(text: str) -> str:
    import ftfy
    from ftfy.badness import is_bad

    if is_bad(text):
        text = ftfy.fix_encoding(text)
    text = unicodedata.normalize("NFC", text)
    return _UNREADABLE.sub("", text)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)


def _follows_name(text: str, end: int) -> bool:
    before = re.findall(r"[\w’'.\-]+", text[max(0, end - 40) : end])
    return bool(before) and before[-1][:1].isupper()


def _ends_whole(sentence: str) -> bool:
    return bool(_WHOLE_END.search(sentence)) and not _CUT_OFF.search(sentence)
