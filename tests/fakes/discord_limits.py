"""Discord's documented limits on what a bot sends, whether or not the OpenAPI file has them.

Pure functions from a payload to the sentences that say what is wrong with it. Each number is from
discord.com/developers/docs; the page is named beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

CONTENT = 2_000  # resources/message#create-message
EMBEDS = 10
EMBED_TITLE, EMBED_DESCRIPTION, EMBED_FIELD_NAME, EMBED_FIELD_VALUE = 256, 4_096, 256, 1_024
EMBED_FIELDS, EMBED_FOOTER, EMBED_AUTHOR, EMBED_TOTAL = 25, 2_048, 256, 6_000
# resources/message#embed-object-embed-limits
ROWS, BUTTONS_IN_ROW, CUSTOM_ID, BUTTON_LABEL, SELECT_OPTIONS = 5, 5, 100, 80, 25
# components/reference
V2_COMPONENTS, V2_CHARACTERS = 40, 4_000
CHOICES, CHOICE_NAME, CHOICE_VALUE = 25, 100, 100  # application-commands#option-choice-structure
COMMANDS, OPTIONS, COMMAND_TEXT = 100, 25, 8_000  # application-commands#registering-a-command
NAME = re.compile(r"^[-_'\w]{1,32}$")

EPHEMERAL, LOADING, IS_COMPONENTS_V2 = 1 << 6, 1 << 7, 1 << 15
ACTION_ROW, BUTTON, STRING_SELECT, TEXT_INPUT, LINK_STYLE = 1, 2, 3, 4, 5
USER_SELECT, ROLE_SELECT = 5, 6


def message_problems(payload: dict[str, Any], *, needs_text: bool) -> list[str]:
    """Limits of a created or edited message. `needs_text`: an empty one is refused (50006)."""
    found = [*_content(payload), *_embeds(payload), *_components(payload)]
    carried = ("content", "embeds", "components", "attachments", "poll", "sticker_ids")
    if needs_text and not any(payload.get(key) for key in carried):
        found.append("Cannot send an empty message (50006)")
    return found


def _content(payload: dict[str, Any]) -> Iterator[str]:
    content = payload.get("content") or ""
    if len(content) > CONTENT:
        yield f"content has {len(content)} characters; {CONTENT} is the most"
    if (payload.get("flags") or 0) & IS_COMPONENTS_V2 and (content or payload.get("embeds")):
        yield "IS_COMPONENTS_V2 does not go with content or embeds"


def mention_problems(payload: dict[str, Any]) -> Iterator[str]:
    """Our own rule: whoever writes the text, no message of ours may ping anyone."""
    if not (payload.get("content") or payload.get("embeds")):
        return
    allowed = payload.get("allowed_mentions")
    if allowed is None:
        yield "allowed_mentions is missing: Discord would parse every mention"
    elif allowed.get("parse") != [] or allowed.get("users") or allowed.get("roles"):
        yield f"allowed_mentions lets people be mentioned: {allowed}"


def _embeds(payload: dict[str, Any]) -> Iterator[str]:
    embeds = payload.get("embeds") or []
    if len(embeds) > EMBEDS:
        yield f"{len(embeds)} embeds; {EMBEDS} is the most"
    total = 0
    for embed in embeds:
        for what, text, limit in _embed_texts(embed):
            total += len(text)
            if len(text) > limit:
                yield f"embed {what} has {len(text)} characters; {limit} is the most"
        if len(embed.get("fields") or []) > EMBED_FIELDS:
            yield f"{len(embed['fields'])} embed fields; {EMBED_FIELDS} is the most"
        for entry in embed.get("fields") or []:
            if not entry["name"].strip() or not entry["value"].strip():
                yield "embed field with an empty name or value"
    if total > EMBED_TOTAL:
        yield f"embeds have {total} characters in all; {EMBED_TOTAL} is the most"


def _embed_texts(embed: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    yield "title", embed.get("title") or "", EMBED_TITLE
    yield "description", embed.get("description") or "", EMBED_DESCRIPTION
    yield "footer", (embed.get("footer") or {}).get("text") or "", EMBED_FOOTER
    yield "author", (embed.get("author") or {}).get("name") or "", EMBED_AUTHOR
    for entry in embed.get("fields") or []:
        yield "field name", entry["name"], EMBED_FIELD_NAME
        yield "field value", entry["value"], EMBED_FIELD_VALUE


def walk(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every component of a message or modal, containers before their children."""
    for component in components:
        yield component
        yield from walk(component.get("components") or [])
        for key in ("accessory", "component"):
            if component.get(key):
                yield from walk([component[key]])


def _components(payload: dict[str, Any]) -> Iterator[str]:
    components = payload.get("components") or []
    everything = list(walk(components))
    if (payload.get("flags") or 0) & IS_COMPONENTS_V2:
        shown = sum(len(c.get("content") or "") for c in everything)
        if len(everything) > V2_COMPONENTS or shown > V2_CHARACTERS:
            yield f"{len(everything)} components with {shown} characters in one view"
    elif len(components) > ROWS:
        yield f"{len(components)} action rows; {ROWS} is the most"
    for row in (c for c in everything if c["type"] == ACTION_ROW):
        if not 1 <= len(row["components"]) <= BUTTONS_IN_ROW:
            yield f"an action row of {len(row['components'])}; 1 to {BUTTONS_IN_ROW} fit"
    for component in everything:
        yield from _component(component)
    ids = [c["custom_id"] for c in everything if c.get("custom_id")]
    yield from (f"custom_id {one!r} is there twice" for one in set(ids) if ids.count(one) > 1)


def _component(component: dict[str, Any]) -> Iterator[str]:
    needs_id = component["type"] in (STRING_SELECT, TEXT_INPUT, 5, 6, 7, 8)
    if component["type"] == BUTTON:
        needs_id = component.get("style") not in (LINK_STYLE, 6)
        if len(component.get("label") or "") > BUTTON_LABEL:
            yield f"button label has {len(component['label'])} characters; {BUTTON_LABEL} fit"
        if not component.get("label") and not component.get("emoji"):
            yield "a button without label and emoji"
        if component.get("style") == LINK_STYLE and not component.get("url"):
            yield "a link button without url"
    if needs_id and not 1 <= len(component.get("custom_id") or "") <= CUSTOM_ID:
        yield f"custom_id {component.get('custom_id')!r} has not 1 to {CUSTOM_ID} characters"
    if component["type"] == STRING_SELECT:
        values = [option["value"] for option in component["options"]]
        if not 1 <= len(values) <= SELECT_OPTIONS or len(set(values)) < len(values):
            yield f"a select with {len(values)} options, {len(set(values))} of them different"


def choice_problems(data: dict[str, Any]) -> list[str]:
    """Limits of an autocomplete answer."""
    choices = data.get("choices") or []
    found = [f"{len(choices)} choices; {CHOICES} is the most"] if len(choices) > CHOICES else []
    for choice in choices:
        if not 1 <= len(choice["name"]) <= CHOICE_NAME:
            found.append(f"choice name {choice['name']!r} has not 1 to {CHOICE_NAME} characters")
        if isinstance(choice["value"], str) and not 1 <= len(choice["value"]) <= CHOICE_VALUE:
            found.append(f"choice value {choice['value']!r} has not 1 to {CHOICE_VALUE} characters")
    return found


def command_problems(commands: list[dict[str, Any]]) -> list[str]:
    """Limits of a bulk registration."""
    found = []
    if len(commands) > COMMANDS:
        found.append(f"{len(commands)} commands; {COMMANDS} is the most")
    names = [(command["name"], command.get("type", 1)) for command in commands]
    found += [f"command {one} is there twice" for one in set(names) if names.count(one) > 1]
    for command in commands:
        if not command.get("contexts") or not command.get("integration_types"):
            found.append(f"command {command['name']} does not say where it may be used")
        if command.get("type", 1) == 1:
            found += _command_problems(command)
    return found


def _command_problems(command: dict[str, Any]) -> Iterator[str]:
    size = 0
    for entry in _with_options(command):
        name, text = entry["name"], entry.get("description") or ""
        if not NAME.match(name) or name != name.lower():
            yield f"name {name!r} is not 1 to 32 lower-case word characters"
        if not 1 <= len(text) <= 100:
            yield f"description of {name!r} has {len(text)} characters; 1 to 100 fit"
        options = entry.get("options") or []
        required = [bool(option.get("required")) for option in options]
        if len(options) > OPTIONS or required != sorted(required, reverse=True):
            yield f"{name!r} has too many options, or optional ones before required ones"
        yield from choice_problems({"choices": entry.get("choices")})
        if entry.get("choices") and entry.get("autocomplete"):
            yield f"{name!r} has choices and autocomplete at once"
        size += len(name) + len(text)
    if size > COMMAND_TEXT:
        yield f"command {command['name']} has {size} characters; {COMMAND_TEXT} is the most"


def _with_options(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield entry
    for option in entry.get("options") or []:
        yield from _with_options(option)
