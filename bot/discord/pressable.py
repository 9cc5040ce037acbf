"""Buttons, menus and forms that work for as long as their message stands, restarts included.

Everything such a thing needs is in its `custom_id`; its pattern is registered when the bot starts,
so nothing is kept per message. Knows interactions; knows no story and no setting.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeAlias

import discord

from bot.discord.replies import Interaction, explain_failure
from bot.texts import say


class Pressable(discord.ui.DynamicItem[discord.ui.Item[discord.ui.View]], template=r"$^"):
    """A button: made from its `custom_id`, and its errors are explained."""

    def __init__(self, custom_id: str, match: re.Match[str]) -> None:
        super().__init__(self.make(custom_id))
        self.match = match

    @staticmethod
    def make(custom_id: str) -> discord.ui.Item[discord.ui.View]:
        return discord.ui.Button(custom_id=custom_id)

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str]
    ) -> Self:
        return cls(match.string, match)

    @property
    def story_id(self) -> int:
        return int(self.match["story"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        try:
            await self.pressed(interaction)
        except Exception as error:
            await explain_failure(interaction, error)

    async def pressed(self, interaction: Interaction) -> None:
        """Acknowledge, then do what it says. May raise anything."""
        raise NotImplementedError


class Choosable(Pressable, template=r"$^"):
    """A menu, of whatever kind."""

    @staticmethod
    def make(custom_id: str) -> discord.ui.Item[discord.ui.View]:
        return discord.ui.Select(custom_id=custom_id)


def chosen(interaction: Interaction) -> list[str]:
    """What was chosen in a menu; of channels and roles their ids."""
    data: Any = interaction.data or {}
    return [str(value) for value in data.get("values", [])]


# -- forms -------------------------------------------------------------------------------------
MAX_FIELD, MAX_LABEL = 4_000, 45
"""Most characters of a form's field, and of its title or a label (docs: components/reference)."""
Submitted: TypeAlias = Callable[[Interaction, re.Match[str], Mapping[str, str]], Awaitable[None]]
"""What to do with a form: its interaction, its `custom_id`, and its fields by name."""


def labelled(key: str, field: discord.ui.Item[Any], locale: str) -> discord.ui.Label[Any]:
    """A form's field under a sentence."""
    return discord.ui.Label(text=say(key, locale)[:MAX_LABEL], component=field)


async def show_form(
    interaction: Interaction,
    custom_id: str,
    title: str,
    fields: Sequence[discord.ui.Item[Any]],
) -> None:
    """Answer with a form. discord.py keeps no copy of it: `submit` knows it by its `custom_id`."""
    modal = discord.ui.Modal(title=title[:MAX_LABEL], custom_id=custom_id)
    for field in fields:
        modal.add_item(field)
    modal.stop()
    await interaction.response.send_modal(modal)


async def submit(interaction: Interaction, forms: Mapping[re.Pattern[str], Submitted]) -> None:
    """Hand a filled-in form over, and explain what goes wrong."""
    data: Any = interaction.data or {}
    fields = dict(_fields(data.get("components", [])))
    for pattern, submitted in forms.items():
        if match := pattern.fullmatch(data.get("custom_id", "")):
            try:
                await submitted(interaction, match, fields)
            except Exception as error:
                await explain_failure(interaction, error)
            return


def _fields(components: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for component in components:
        if "value" in component:
            yield component["custom_id"], component["value"]
        elif "values" in component:
            yield component["custom_id"], ",".join(component["values"])
        yield from _fields(component.get("components", []))
        if "component" in component:
            yield from _fields([component["component"]])
