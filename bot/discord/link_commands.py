"""/link and /unlink: being one person here with an account on another platform.

Only the member sees the answers. Knows how they are asked; what linking does, the service knows.
"""

from __future__ import annotations

import discord

from bot import wording
from bot.discord.cards import Button, Card, text_cards
from bot.discord.markup import escape
from bot.discord.pressable import Pressable
from bot.discord.replies import Interaction, caller_of, hold, locale_of, think
from bot.linking import read_code
from bot.texts import say


async def link(interaction: Interaction, code: str = "") -> None:
    reply = await think(interaction, public=False)
    linking, caller = interaction.client.desk.service.linking, caller_of(interaction)
    if not code.strip():
        linked = wording.linked(await linking.identities(caller), reply.locale)
        offer = say("link-code", reply.locale, code=await linking.offer(caller))
        await reply.show(text_cards([*linked, offer]))
        return
    code = read_code(code)
    account = wording.account(await linking.whose(caller, code), reply.locale)
    yes = Button(f"link:{code}", say("button-link", reply.locale), style=discord.ButtonStyle.danger)
    question = escape(say("link-ask", reply.locale, account=account))
    await reply.show([Card(question, buttons=(yes,))])


async def unlink(interaction: Interaction) -> None:
    reply = await think(interaction, public=False)
    await interaction.client.desk.service.linking.unlink(caller_of(interaction))
    await reply.show(text_cards([say("link-undone", reply.locale)]))


class ConfirmLink(Pressable, template=r"link:(?P<code>[0-9A-Z]{8})"):
    """The account that gave out the code is the member's: become one with it."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        linking, locale = interaction.client.desk.service.linking, locale_of(interaction)
        owner = await linking.redeem(caller_of(interaction), self.match["code"])
        text = say("link-done", locale, account=wording.account(owner, locale))
        (card,) = text_cards([text])
        await interaction.edit_original_response(embed=card.embed(), view=None)


LINK_ITEMS: tuple[type[Pressable], ...] = (ConfirmLink,)
