"""/settings: one message, for its member alone, in which every change is saved at once.

The first menu chooses a setting, what is below it changes that one. Knows what settings look like
on Discord; what they may be, and who may change them, the service knows.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from weakref import WeakValueDictionary

import discord

from bot import wording
from bot.administration import mark
from bot.community_settings import MAX_CHOSEN, CommunitySettings
from bot.discord.cards import Button, Card, Menu, Option, Picker
from bot.discord.markup import escape
from bot.discord.pressable import (
    MAX_FIELD,
    MAX_LABEL,
    Choosable,
    Pressable,
    Submitted,
    chosen,
    show_form,
)
from bot.discord.replies import (
    Interaction,
    caller_of,
    explain_failure,
    give_back,
    hold,
    locale_of,
    think,
)
from bot.discord.rights import chosen_target
from bot.domain import AuditEntry
from bot.errors import MemberError
from bot.texts import say
from model.genres import GenreTable

NAMES = tuple(CommunitySettings.model_fields)
HISTORY = 10
"""Entries on one page."""
OWN_LANGUAGE = "-"
"""Stands for "" in a menu, whose values are never empty."""
_PICKERS: dict[str, Literal["channel", "role"]] = {"channels": "channel", "exempt_roles": "role"}
_TARGETS = ("digest_channel", "hall_channel")
"""One channel, in which the bot posts."""


async def settings(interaction: Interaction) -> None:
    reply = await think(interaction, public=False)
    administration = interaction.client.desk.service.administration
    now = await administration.settings(caller_of(interaction))
    await reply.show([panel(now, interaction.client.desk.service.genres, reply.locale)])


# -- what it looks like ------------------------------------------------------------------------
def panel(settings: CommunitySettings, genres: GenreTable, locale: str, editing: str = "") -> Card:
    """Every setting with its value, and what changes the one called `editing`."""
    lines = [
        f"**{say(f'setting-{name}', locale)}**: "
        f"{shown(name, getattr(settings, name), genres, locale)}"
        for name in NAMES
    ]
    pick = Menu(
        "settings:pick",
        say("settings-pick", locale),
        tuple(
            Option(
                name,
                say(f"setting-{name}", locale),
                say(f"setting-about-{name}", locale),
                name == editing,
            )
            for name in NAMES
        ),
    )
    history = Button("settings:history:0", say("button-history", locale), "📜")
    menus: tuple[Menu | Picker, ...] = (pick,)
    buttons: tuple[Button, ...] = (history,)
    if editing and _is_typed(editing):
        label = say("button-edit-list" if editing == "words" else "button-enter", locale)
        buttons = (Button(f"settings:enter:{editing}", label, "✏️"), history)
    elif editing:
        menus = (pick, _editor(editing, getattr(settings, editing), genres, locale))
    return Card("\n".join(lines), say("settings-title", locale), buttons=buttons, menus=menus)


def _is_typed(name: str) -> bool:
    """Whether a form asks for it; all else is chosen from a menu."""
    return name == "words" or CommunitySettings.bounds(name) is not None


def _editor(name: str, value: Any, genres: GenreTable, locale: str) -> Menu | Picker:
    custom_id, about = f"settings:set:{name}", say(f"setting-about-{name}", locale)
    if what := _PICKERS.get(name):
        return Picker(custom_id, about, what, value, MAX_CHOSEN)
    if name in _TARGETS:
        return Picker(custom_id, about, "target", (value,) if value else (), 1)
    if name == "genres":
        offered = [(genre.name, genre.label) for genre in genres][:MAX_CHOSEN]
        now, least, most = value, 0, len(offered)
    else:
        choices = wording.setting_choices(name, locale)
        offered = [(word or OWN_LANGUAGE, label) for word, label in choices]
        now, least, most = (_word(value),), 1, 1
    options = tuple(Option(key, label, is_chosen=key in now) for key, label in offered)
    return Menu(custom_id, about, options, least, most)


def _word(value: bool | str) -> str:
    if isinstance(value, bool):
        return wording.YES if value else wording.NO
    return value or OWN_LANGUAGE


def shown(name: str, value: Any, genres: GenreTable, locale: str) -> str:
    """A setting's value as markdown; kept values, which JSON made lists of, included."""
    if name == "channels" and value:
        return ", ".join(f"<#{one}>" for one in value)
    if name == "exempt_roles" and value:
        return ", ".join(f"<@&{one}>" for one in value)
    if name in _TARGETS and value:
        return f"<#{value}>"
    said = wording.setting_value(name, value, genres, locale)
    return escape(said) if name == "genres" and value else said


def history_card(
    entries: Sequence[AuditEntry], page: int, genres: GenreTable, locale: str, *, more: bool
) -> Card:
    """One page of who changed what, newest first."""

    def value(name: str, kept: Any) -> str:
        return shown(name, kept, genres, locale)

    lines = [
        f"<t:{round(entry.at)}:f> "
        + wording.audit(entry, locale, value, name_of=escape, member="<@{}>".format)
        for entry in entries
    ]
    buttons = [Button("settings:back", say("button-back", locale), "↩️")]
    if page:
        buttons.append(Button(f"settings:history:{page - 1}", say("button-newer", locale), "◀️"))
    if more:
        buttons.append(Button(f"settings:history:{page + 1}", say("button-older", locale), "▶️"))
    text = "\n".join(lines) or say("audit-nothing", locale)
    return Card(text, say("audit-title", locale), buttons=tuple(buttons))


# -- what can be done with it ------------------------------------------------------------------
async def _redraw(interaction: Interaction, card: Card) -> None:
    await interaction.edit_original_response(embed=card.embed(), view=card.view())


async def _show_panel(interaction: Interaction, editing: str = "") -> None:
    service = interaction.client.desk.service
    now = await service.administration.settings(caller_of(interaction))
    await _redraw(interaction, panel(now, service.genres, locale_of(interaction), editing))


async def _change(interaction: Interaction, name: str, value: Any, seen: str | None = None) -> None:
    """Save, and show what holds now. One change of a panel after another, or the edit that shows
    the first could come after the second's."""
    service = interaction.client.desk.service
    async with _lock_of(interaction):
        now = await service.administration.change(caller_of(interaction), name, value, seen=seen)
        await _redraw(interaction, panel(now, service.genres, locale_of(interaction), name))


_changing: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()


def _lock_of(interaction: Interaction) -> asyncio.Lock:
    panel_id = interaction.message.id if interaction.message else interaction.id
    return _changing.setdefault(panel_id, asyncio.Lock())


class PickSetting(Choosable, template="settings:pick"):
    """Show what changes the chosen setting."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        (name,) = chosen(interaction)
        await _show_panel(interaction, name)


class SetSetting(Choosable, template=r"settings:set:(?P<name>\w+)"):
    """Change a setting to what was chosen."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        name, values = self.match["name"], chosen(interaction)
        value: Any = values
        if name in _TARGETS:
            value = str(chosen_target(interaction, int(values[0])).id) if values else ""
        elif name != "genres" and name not in _PICKERS:
            (word,) = values
            value = "" if word == OWN_LANGUAGE else word
        await _change(interaction, name, value)


class EnterSetting(Pressable, template=r"settings:enter:(?P<name>\w+)"):
    """Ask for a number, or for the words, in a form."""

    async def pressed(self, interaction: Interaction) -> None:
        name, locale = self.match["name"], locale_of(interaction)
        seen = ""
        title, least_most = say(f"setting-{name}", locale), CommunitySettings.bounds(name)
        field: discord.ui.TextInput[discord.ui.Modal]
        if least_most is None:
            administration = interaction.client.desk.service.administration
            now = await administration.settings(caller_of(interaction))
            seen = mark(now, name)
            field = discord.ui.TextInput(
                label=say(f"setting-about-{name}", locale)[:MAX_LABEL],
                style=discord.TextStyle.paragraph,
                default="\n".join(_in_form(now.words)),
                max_length=MAX_FIELD,
                required=False,
                custom_id="value",
            )
        else:
            label = f"{title} ({least_most[0]}–{least_most[1]})"
            field = discord.ui.TextInput(label=label[:MAX_LABEL], max_length=12, custom_id="value")
        await show_form(interaction, f"settings:entered:{name}:{seen}", title, [field])


def _in_form(words: Sequence[str]) -> Sequence[str]:
    """As many of a list as its form has room for, one a line."""
    ends = itertools.accumulate(len(word) + 1 for word in words)
    return words[: sum(end <= MAX_FIELD for end in ends)]


async def _entered(
    interaction: Interaction, match: re.Match[str], fields: Mapping[str, str]
) -> None:
    await hold(interaction)
    name, typed = match["name"], fields["value"]
    if name != "words":
        await _change(interaction, name, typed)
        return
    administration = interaction.client.desk.service.administration
    try:
        words = (await administration.settings(caller_of(interaction))).words
        not_shown = words[len(_in_form(words)) :]
        await _change(interaction, name, [*typed.splitlines(), *not_shown], match["seen"])
    except MemberError as error:
        await explain_failure(interaction, error)
        await give_back(interaction, typed)
        await _show_panel(interaction, name)


class ShowHistory(Pressable, template=r"settings:history:(?P<page>\d{1,6})"):
    """Who changed what, page by page."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        service, page = interaction.client.desk.service, int(self.match["page"])
        entries = await service.administration.history(
            caller_of(interaction), limit=HISTORY + 1, offset=page * HISTORY
        )
        more = len(entries) > HISTORY
        locale = locale_of(interaction)
        card = history_card(entries[:HISTORY], page, service.genres, locale, more=more)
        await _redraw(interaction, card)


class BackToSettings(Pressable, template="settings:back"):
    """The panel again."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        await _show_panel(interaction)


SETTINGS_ITEMS: tuple[type[Pressable], ...] = (
    PickSetting,
    SetSetting,
    EnterSetting,
    ShowHistory,
    BackToSettings,
)
SETTINGS_FORMS: dict[re.Pattern[str], Submitted] = {
    re.compile(r"settings:entered:(?P<name>\w+):(?P<seen>\w*)"): _entered
}
