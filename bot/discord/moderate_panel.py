"""/moderate: reported stories one by one, held votes, the blocked; for its moderator's eyes alone.

Knows what cases look like on Discord; what may be done, and by whom, the service knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import discord

from bot import wording
from bot.discord.cards import Button, Card, Menu, Option, Picker, colour_of, story_title
from bot.discord.held_votes import to_held
from bot.discord.markup import escape, fit
from bot.discord.pressable import (
    MAX_LABEL,
    Choosable,
    Pressable,
    Submitted,
    chosen,
    show_form,
)
from bot.discord.replies import Interaction, caller_of, hold, locale_of, think
from bot.domain import Blocked, Case
from bot.errors import OnlyInServers
from bot.moderation_desk import MAX_REASON_CHARS
from bot.texts import say
from model.genres import GenreTable

STORY_CHARS, REASON_CHARS, REASONS = 2_500, 150, 5
"""How much of a case fits on its card, markup included."""
BLOCKED = 25
"""Names on one page: as many as a menu offers."""
_DANGER = discord.ButtonStyle.danger


async def moderate(interaction: Interaction) -> None:
    reply = await think(interaction, public=False)
    await reply.show([await _case_card(interaction, 0)])


# -- what it looks like ------------------------------------------------------------------------
def case_card(
    case: Case, offset: int, total: int, url: str, genres: GenreTable, locale: str
) -> Card:
    """A reported story, why, and what can be done about it; the ways elsewhere come after."""
    story = case.story
    state = say("moderate-is-hidden" if story.is_hidden else "moderate-is-shown", locale)
    head = [f"**{say('moderate-reports', locale, n=case.n_reports)}**", state]
    if url:
        head.append(f"[{say('moderate-jump', locale)}]({url})")
    reasons = [f"> {fit(reason, REASON_CHARS)}" for reason in case.reasons[:REASONS]]
    held = [escape(wording.held_votes(case.held, locale))] if case.held.total else []
    text = "\n".join([" · ".join(head), *held, *reasons, "", fit(story.text, STORY_CHARS)])
    place = f"{story.id}:{offset}"
    buttons = [
        Button(f"case:keep:{place}", say("button-keep", locale), "✅"),
        Button(f"case:delete:{place}", say("button-delete", locale), "🗑️", _DANGER),
        Button(f"case:block:{place}", say("button-block", locale), "⛔", _DANGER),
    ]
    if offset:
        buttons.append(Button(f"case:show:{offset - 1}", "", "◀️"))
    if offset + 1 < total:
        buttons.append(Button(f"case:show:{offset + 1}", "", "▶️"))
    return Card(
        text,
        say("moderate-title", locale, number=offset + 1, total=total),
        colour_of(story.genre),
        f"{story_title(story, genres)} · "
        + wording.byline(story, wording.genre_label(story, genres), locale),
        tuple(buttons),
    )


def _to_blocked(locale: str) -> Button:
    return Button("blocked:0", say("button-blocked", locale), "🚫")


def blocked_card(blocked: Sequence[Blocked], page: int, locale: str, *, more: bool) -> Card:
    """Who is blocked, and the way in and out of it."""
    lines = [f"<@{one.platform_id}> · <t:{round(one.at)}:d>" for one in blocked]
    text = "\n".join(lines or [say("blocked-nobody", locale)])
    menus: list[Menu | Picker] = [Picker("block", say("blocked-add", locale), "user", (), 1)]
    if blocked:
        options = tuple(Option(one.platform_id, one.name or one.platform_id) for one in blocked)
        menus.append(Menu("unblock", say("blocked-remove", locale), options))
    buttons = [Button("case:show:0", say("button-back", locale), "↩️")]
    if page:
        buttons.append(Button(f"blocked:{page - 1}", say("button-newer", locale), "◀️"))
    if more:
        buttons.append(Button(f"blocked:{page + 1}", say("button-older", locale), "▶️"))
    return Card(
        f"{say('blocked-about', locale)}\n\n{text}",
        say("blocked-title", locale),
        buttons=tuple(buttons),
        menus=tuple(menus),
    )


async def _case_card(interaction: Interaction, offset: int) -> Card:
    service, locale = interaction.client.desk.service, locale_of(interaction)
    case, offset, total = await service.moderation.case(caller_of(interaction), offset)
    n_held = await service.moderation.count_held(caller_of(interaction))
    ways = (to_held(n_held, locale), _to_blocked(locale))
    if case is None:
        return Card(escape(say("moderate-nothing", locale)), buttons=ways)
    desk = interaction.client.desk
    post = await desk.first_post(case.story.id)
    url = desk.address(post) if post else ""
    card = case_card(case, offset, total, url, service.genres, locale)
    return replace(card, buttons=(*card.buttons, *ways))


# -- what can be done --------------------------------------------------------------------------
async def _show_case(interaction: Interaction, offset: int) -> None:
    card = await _case_card(interaction, offset)
    await interaction.edit_original_response(embed=card.embed(), view=card.view())


async def _show_blocked(interaction: Interaction, page: int) -> None:
    moderation = interaction.client.desk.service.moderation
    found = await moderation.blocked(
        caller_of(interaction), limit=BLOCKED + 1, offset=page * BLOCKED
    )
    more = len(found) > BLOCKED
    card = blocked_card(found[:BLOCKED], page, locale_of(interaction), more=more)
    await interaction.edit_original_response(embed=card.embed(), view=card.view())


class ShowCase(Pressable, template=r"case:show:(?P<offset>\d{1,6})"):
    """The case before or after."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        await _show_case(interaction, int(self.match["offset"]))


class Decide(
    Pressable, template=r"case:(?P<what>keep|delete|block):(?P<story>\d{1,18}):(?P<offset>\d{1,6})"
):
    """Do it, bring the story's messages up to date, and show the case that follows."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        desk, caller = interaction.client.desk, caller_of(interaction)
        if self.match["what"] == "keep":
            await desk.service.moderation.keep(caller, self.story_id)
            await desk.redraw(self.story_id)
        elif self.match["what"] == "delete":
            await desk.service.delete(caller, self.story_id)
            await desk.redraw(self.story_id)
        else:
            await desk.service.moderation.block_author(caller, self.story_id)
            await _show_blocked(interaction, 0)
            return
        await _show_case(interaction, int(self.match["offset"]))


class ShowBlocked(Pressable, template=r"blocked:(?P<page>\d{1,6})"):
    """Who is blocked, page by page."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        await _show_blocked(interaction, int(self.match["page"]))


class Block(Choosable, template="block"):
    """Block whom the moderator chose."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        (member_id,) = chosen(interaction)
        moderation = interaction.client.desk.service.moderation
        await moderation.block(caller_of(interaction), member_id)
        await _show_blocked(interaction, 0)


class Unblock(Choosable, template="unblock"):
    """Let someone in again."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        (member_id,) = chosen(interaction)
        moderation = interaction.client.desk.service.moderation
        await moderation.unblock(caller_of(interaction), member_id)
        await _show_blocked(interaction, 0)


# -- everybody's part --------------------------------------------------------------------------
class Report(Pressable, template=r"report:(?P<story>\d{1,18})"):
    """Ask why; nothing is reported until the answer comes."""

    async def pressed(self, interaction: Interaction) -> None:
        if interaction.guild_id is None:  # there are no moderators who would look
            raise OnlyInServers
        locale = locale_of(interaction)
        reason: discord.ui.TextInput[discord.ui.Modal] = discord.ui.TextInput(
            label=say("report-reason", locale)[:MAX_LABEL],
            style=discord.TextStyle.paragraph,
            max_length=MAX_REASON_CHARS,
            required=False,
            custom_id="reason",
        )
        title = say("report-title", locale)
        await show_form(interaction, f"reported:{self.story_id}", title, [reason])


async def _reported(
    interaction: Interaction, match: re.Match[str], fields: Mapping[str, str]
) -> None:
    reply = await think(interaction, public=False)
    desk, story_id = interaction.client.desk, int(match["story"])
    hidden = await desk.service.moderation.report(
        caller_of(interaction), story_id, fields["reason"]
    )
    if hidden:
        await desk.redraw(story_id)
    done = say("report-done-hidden" if hidden else "report-done", reply.locale, id=story_id)
    await reply.show([Card(escape(done))])


MODERATE_ITEMS: tuple[type[Pressable], ...] = (
    ShowCase,
    Decide,
    ShowBlocked,
    Block,
    Unblock,
    Report,
)
MODERATE_FORMS: dict[re.Pattern[str], Submitted] = {
    re.compile(r"reported:(?P<story>\d{1,18})"): _reported
}
