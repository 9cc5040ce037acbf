"""What Telegram makes of a message's text: HTML tags into entities, names and links found in it.

Follows the Bot API's "HTML style" and "MessageEntity" pages. Offsets and lengths of entities
are UTF-16 code units; the length limits of texts count characters. Knows no chat and no request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

Entity = dict[str, Any]

# core.telegram.org/bots/api#html-style
_SIMPLE_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "code": "code",
    "pre": "pre",
}
_OTHER_TAGS = {"a", "span", "tg-emoji", "blockquote"}
_NAMED_CHARACTERS = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_CHARACTER = re.compile(r"&(?:(lt|gt|amp|quot)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));")
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)((?:\s+[^<>]*)?)>")
_ATTRIBUTE = re.compile(r"""([a-zA-Z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")

# What the server finds by itself in a text, whoever wrote it.
_FOUND = [
    ("url", re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)),
    ("mention", re.compile(r"(?<![\w@/])@[A-Za-z][A-Za-z0-9_]{2,31}")),
    ("bot_command", re.compile(r"(?<![\w/@<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?")),
    ("hashtag", re.compile(r"(?<![\w#])#[^\W\d]\w*")),
]
_LITERAL = {"code", "pre", "text_link"}


class MarkupError(Exception):
    """The text cannot be parsed; the message is what Telegram puts after "can't parse entities"."""


def utf16_length(text: str) -> int:
    """Length of `text` in UTF-16 code units."""
    return len(text) + sum(ord(character) > 0xFFFF for character in text)


def utf16_slice(text: str, offset: int, length: int) -> str:
    """The part of `text` that an entity covers."""
    raw = text.encode("utf-16-le")[2 * offset : 2 * (offset + length)]
    return raw.decode("utf-16-le", "replace")


@dataclass
class _Open:
    tag: str
    offset: int
    entity: Entity | None


@dataclass
class _Parse:
    text: str = ""
    length: int = 0
    """Of `text`, in UTF-16 code units."""
    entities: list[Entity] = field(default_factory=list)
    open: list[_Open] = field(default_factory=list)

    def write(self, piece: str) -> None:
        self.text += piece
        self.length += utf16_length(piece)


def parse_html(source: str) -> tuple[str, list[Entity]]:
    """Plain text and entities of `source`, or MarkupError as Telegram would refuse it."""
    state, at = _Parse(), 0
    while at < len(source):
        if source[at] == "&" and (match := _CHARACTER.match(source, at)):
            state.write(_character(match))
        elif source[at] == "<":
            match = _TAG.match(source, at)
            if not match:
                offset = len(source[:at].encode())
                raise MarkupError(f'Unsupported start tag "" at byte offset {offset}')
            _take_tag(state, match, len(source[:at].encode()))
        else:
            state.write(source[at])
            at += 1
            continue
        at = match.end()
    if state.open:
        raise MarkupError(f'Can\'t find end tag corresponding to start tag "{state.open[-1].tag}"')
    return _trim(state.text, sorted(state.entities, key=lambda e: (e["offset"], -e["length"])))


def _character(match: re.Match[str]) -> str:
    name, decimal, hexadecimal = match.groups()
    if name:
        return _NAMED_CHARACTERS[name]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else ""


def _take_tag(state: _Parse, match: re.Match[str], byte_offset: int) -> None:
    closing, tag, rest = match.group(1), match.group(2).lower(), match.group(3)
    if not closing:
        entity = _entity_of(tag, rest, state, byte_offset)
        state.open.append(_Open(tag, state.length, entity))
        return
    if not state.open:
        raise MarkupError(f"Unexpected end tag at byte offset {byte_offset}")
    opened = state.open.pop()
    if opened.tag != tag:
        raise MarkupError(
            f"Unmatched end tag at byte offset {byte_offset}, "
            f'expected "</{opened.tag}>", found "</{tag}>"'
        )
    if opened.entity and state.length > opened.offset:
        length = state.length - opened.offset
        state.entities.append({**opened.entity, "offset": opened.offset, "length": length})


def _entity_of(tag: str, rest: str, state: _Parse, byte_offset: int) -> Entity | None:
    if tag not in _SIMPLE_TAGS and tag not in _OTHER_TAGS:
        raise MarkupError(f'Unsupported start tag "{tag}" at byte offset {byte_offset}')
    attributes = {
        found.group(1).lower(): next((g for g in found.groups()[1:] if g is not None), "")
        for found in _ATTRIBUTE.finditer(rest)
    }
    if tag == "span":
        if attributes.get("class") != "tg-spoiler":
            raise MarkupError(f'Tag "span" must have class "tg-spoiler" at {byte_offset}')
        return {"type": "spoiler"}
    if tag == "a":
        url = attributes.get("href")
        return {"type": "text_link", "url": _CHARACTER.sub(_character, url)} if url else None
    if tag == "tg-emoji":
        return {"type": "custom_emoji", "custom_emoji_id": attributes.get("emoji-id", "")}
    if tag == "blockquote":
        return {"type": "expandable_blockquote" if "expandable" in attributes else "blockquote"}
    language = attributes.get("class", "").removeprefix("language-")
    if tag == "code" and language and state.open and state.open[-1].tag == "pre":
        state.open[-1].entity = {"type": "pre", "language": language}
        return None
    return {"type": _SIMPLE_TAGS[tag]}


def _trim(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Telegram drops white space at both ends of a message."""
    start = utf16_length(text) - utf16_length(text.lstrip())
    trimmed = text.strip()
    end = utf16_length(trimmed)
    kept = []
    for entity in entities:
        left = max(entity["offset"] - start, 0)
        right = min(entity["offset"] + entity["length"] - start, end)
        if right > left:
            kept.append({**entity, "offset": left, "length": right - left})
    return trimmed, kept


def find_entities(text: str, given: list[Entity]) -> list[Entity]:
    """`given` and what the server finds itself: links, @names, /commands and #tags outside code."""
    taken = [(e["offset"], e["offset"] + e["length"]) for e in given if e["type"] in _LITERAL]
    found = []
    for kind, pattern in _FOUND:
        for match in pattern.finditer(text):
            left = utf16_length(text[: match.start()])
            right = left + utf16_length(match.group())
            if all(right <= start or left >= end for start, end in taken):
                taken.append((left, right))
                found.append({"type": kind, "offset": left, "length": right - left})
    return sorted(given + found, key=lambda e: (e["offset"], -e["length"]))
