"""Share a finished story in another channel or thread of the server.

Asks Discord what the member and the bot may do there; what the community allows, the service says.
"""

from __future__ import annotations

from bot.discord.cards import Card, Picker
from bot.discord.markup import escape
from bot.discord.pressable import Choosable, Pressable, chosen
from bot.discord.replies import Interaction, caller_of, hold, locale_of, shared_locale, think
from bot.discord.rights import around, chosen_target
from bot.errors import OnlyInServers
from bot.texts import say


class ShareButton(Pressable, template=r"share:(?P<story>\d{1,18})"):
    """Ask where."""

    async def pressed(self, interaction: Interaction) -> None:
        reply = await think(interaction, public=False)
        if interaction.guild_id is None:
            raise OnlyInServers
        place = Picker(
            f"share-to:{self.story_id}", say("share-where", reply.locale), "target", (), 1
        )
        text = escape(say("share-ask", reply.locale, id=self.story_id))
        await reply.show([Card(text, menus=(place,))])


class ShareTo(Choosable, template=r"share-to:(?P<story>\d{1,18})"):
    """Post it there, with its buttons."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        desk, locale = interaction.client.desk, locale_of(interaction)
        (channel_id,) = chosen(interaction)
        target = chosen_target(interaction, int(channel_id))
        story = await desk.service.share(
            caller_of(interaction),
            self.story_id,
            channel_ids=around(target),
            is_age_restricted=target.is_nsfw(),
        )
        url = await desk.post(story, target, await shared_locale(interaction))
        done = escape(say("share-done", locale, id=story.id, channel=target.name))
        shown = Card(f"{done} [{say('moderate-jump', locale)}]({url})")
        await interaction.edit_original_response(embed=shown.embed(), view=None)


SHARING_ITEMS: tuple[type[Pressable], ...] = (ShareButton, ShareTo)
