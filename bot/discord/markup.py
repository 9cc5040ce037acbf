"""Make untrusted text plain inside Discord's markdown. Pure; knows no Discord library."""

from __future__ import annotations

import re

# Emphasis, code, spoilers, links, headings, quotes, mentions and custom emoji; then bare links;
# then what makes a list at the start of a line (docs: reference#message-formatting).
_SPECIAL = re.compile(r"[\\*_~|`<>\[\]#@]|:(?=//)")
_LIST_MARK = re.compile(r"^([ \t]*)([-+]|\d+(?=\.))(?=\.? )", re.MULTILINE)


def escape(text: str) -> str:
    """Text that Discord shows character by character, linking and mentioning nothing."""
    return _LIST_MARK.sub(_escaped_mark, _SPECIAL.sub(r"\\\g<0>", text))


def _escaped_mark(found: re.Match[str]) -> str:
    space, mark = found.groups()
    return f"{space}{mark}\\" if mark.isdigit() else f"{space}\\{mark}"


def jump_url(guild_id: int | str | None, channel_id: int | str, message_id: int | str) -> str:
    """The address of a message; in a private chat there is no guild."""
    return f"https://discord.com/channels/{guild_id or '@me'}/{channel_id}/{message_id}"


def escaped_size(text: str) -> int:
    """Characters that `text` takes in a message."""
    return len(escape(text))


def fit(text: str, limit: int) -> str:
    """`text` escaped, cut with an ellipsis where it would take more than `limit` characters."""
    escaped = escape(text)
    if len(escaped) <= limit:
        return escaped
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if escaped_size(text[:middle]) < limit:
            low = middle
        else:
            high = middle - 1
    return escape(text[:low].rstrip()) + "…"
