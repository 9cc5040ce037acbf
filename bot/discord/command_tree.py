"""The slash commands as Discord is told of them: names, texts, places, and their registration.

Registered again only when they changed, since creations are counted (200 a day). Knows what
the commands are called, not what they do.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot.discord import (
    link_commands,
    member_commands,
    moderate_panel,
    reading_commands,
    settings_panel,
    story_commands,
    story_form,
    together,
    top_list,
)
from bot.discord.replies import explain_failure
from bot.discord.story_commands import suggest_genres
from bot.service import StoryService
from bot.texts import DEFAULT, languages, say

if TYPE_CHECKING:
    from bot.discord.client import DiscordBot

log = logging.getLogger(__name__)

_SYNCED = "discord-commands-synced"
_COMMANDS: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "story": story_commands.story,
    "together": together.together,
    "continue": story_commands.continue_,
    "retry": story_commands.retry,
    "cancel": story_commands.cancel,
    "read": reading_commands.read,
    "random": reading_commands.random,
    "top": top_list.top,
    "mine": reading_commands.mine,
    "vote": member_commands.vote,
    "member": reading_commands.member,
    "stats": reading_commands.stats,
    "queue": reading_commands.queue,
    "genres": reading_commands.genres,
    "about": reading_commands.about,
    "link": link_commands.link,
    "unlink": link_commands.unlink,
    "privacy": reading_commands.privacy,
    "export": member_commands.export,
    "forget": member_commands.forget,
    "help": reading_commands.help_,
    "settings": settings_panel.settings,
    "moderate": moderate_panel.moderate,
}
_NEEDS = {
    "settings": discord.Permissions(manage_guild=True),
    "moderate": discord.Permissions(manage_messages=True),
}
"""Offered in servers only, to whoever may do that there; the service asks again."""


class StoryTree(app_commands.CommandTree["DiscordBot"]):
    """All commands, offered in servers, private chats and groups, to servers and to members."""

    def __init__(self, client: DiscordBot) -> None:
        super().__init__(
            client,
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=True
            ),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
        )
        for name, callback in _COMMANDS.items():
            self.add_command(_command(name, callback))
        menu = _text("discord-menu-continue")
        self.add_command(app_commands.ContextMenu(name=menu, callback=story_form.continue_message))

    async def on_error(
        self,
        interaction: discord.Interaction[DiscordBot],
        error: app_commands.AppCommandError,
        /,
    ) -> None:
        await explain_failure(interaction, error)

    async def sync_if_changed(self, service: StoryService) -> bool:
        """Register the commands unless Discord has exactly these; whether it was done."""
        texts = CommandTexts()
        await self.set_translator(texts)
        payload = [
            await command.get_translated_payload(self, texts) for command in self.get_commands()
        ]
        known_by = {"application": self.client.application_id, "commands": payload}
        digest = hashlib.sha256(json.dumps(known_by, sort_keys=True).encode()).hexdigest()
        if await service.note(_SYNCED) == digest:
            return False
        await self.sync()
        await service.save_note(_SYNCED, digest)
        log.info("registered %d commands with Discord", len(payload))
        return True


class CommandTexts(app_commands.Translator):
    """What commands and options do, in the bot's languages; their names stay as they are."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        key, language = string.extras.get("key"), str(locale).split("-")[0]
        if key is None or language == DEFAULT or language not in languages():
            return None
        return say(key, language)


def _command(
    name: str, callback: Callable[..., Coroutine[Any, Any, None]]
) -> app_commands.Command[Any, ..., Any]:
    options = list(inspect.signature(callback).parameters)[1:]
    app_commands.describe(**{option: _option_text(name, option) for option in options})(callback)
    command: app_commands.Command[Any, ..., Any] = app_commands.Command(
        name=name, description=_text(f"help-{name}"), callback=callback
    )
    if name in _NEEDS:
        command.default_permissions = _NEEDS[name]
        command.allowed_contexts = app_commands.AppCommandContext(
            guild=True, dm_channel=False, private_channel=False
        )
    if "genre" in options:
        command.autocomplete("genre")(suggest_genres)
    return command


def _option_text(command: str, option: str) -> app_commands.locale_str:
    own = (command, option) == ("cancel", "id")
    return _text("discord-option-cancel-id" if own else f"discord-option-{option}")


def _text(key: str) -> app_commands.locale_str:
    """The English sentence, and where `CommandTexts` finds the others."""
    return app_commands.locale_str(say(key), key=key)
