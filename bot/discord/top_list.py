"""/top: the best stories, page by page, filtered by menus under the list; for everybody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self, cast, get_args

from bot import wording
from bot.discord.cards import MENU_TEXT, Button, Card, Menu, Option, list_card
from bot.discord.pressable import Choosable, Pressable, chosen
from bot.discord.replies import Interaction, caller_of, hold, shared_locale, think
from bot.domain import Period, Story
from bot.errors import NoStories
from bot.texts import say
from model.genres import GenreTable

Where = Literal["here", "everywhere"]
PAGE = 10
ANY = "-"
"""Stands for "every genre" in a `custom_id`."""
_STATE = r"(?P<where>here|everywhere):(?P<period>\w+):(?P<page>\d{1,4}):(?P<genre>.{1,60})"


@dataclass(frozen=True, slots=True)
class View:
    """What of the ranking is shown."""

    where: Where = "here"
    period: Period = "all"
    page: int = 0
    genre: str = ""

    @property
    def state(self) -> str:
        """As it stands in a `custom_id`."""
        return f"{self.where}:{self.period}:{self.page}:{self.genre or ANY}"

    @classmethod
    def of(cls, match: re.Match[str]) -> Self:
        genre = "" if match["genre"] == ANY else match["genre"]
        period = cast(Period, match["period"])
        return cls(cast(Where, match["where"]), period, int(match["page"]), genre)


async def top(
    interaction: Interaction, genre: str = "", period: Period = "all", where: Where = "here"
) -> None:
    reply = await think(interaction, public=True)
    view = View(where, period, 0, genre)
    await reply.show([await _card(interaction, view, reply.locale)])


async def _card(interaction: Interaction, view: View, locale: str) -> Card:
    desk = interaction.client.desk
    stories = await desk.service.top(
        caller_of(interaction),
        view.genre,
        view.period,
        limit=PAGE + 1,
        offset=view.page * PAGE,
        everywhere=view.where == "everywhere",
    )
    if view.genre:  # as members said it, and there is such a one
        view = replace(view, genre=desk.service.genres.get(view.genre).name)
    urls = {}
    if view.where == "here":  # elsewhere a link would lead nowhere for most
        for story in stories[:PAGE]:
            if post := await desk.first_post(story.id):
                urls[story.id] = desk.address(post)
    return top_card(view, stories, urls, desk.service.genres, locale)


def top_card(
    view: View, stories: list[Story], urls: Mapping[int, str], genres: GenreTable, locale: str
) -> Card:
    """One page of the ranking; one story more than a page holds says that there is another."""
    title = wording.top_title(view.genre, view.period, genres, locale)
    if view.where == "everywhere":
        title = f"{title} · {say('top-everywhere', locale)}"
    buttons = []
    if view.page:
        before = replace(view, page=view.page - 1)
        buttons.append(Button(f"top:{before.state}", "", "◀️"))
    if len(stories) > PAGE:
        after = replace(view, page=view.page + 1)
        buttons.append(Button(f"top:{after.state}", "", "▶️"))
    first = view.page * PAGE
    shown = list_card(title, stories[:PAGE], locale, medals=True, first=first, urls=urls)
    menus = (_genre_menu(view, genres, locale), _period_menu(view, locale))
    return replace(shown, buttons=tuple(buttons), menus=menus)


def _genre_menu(view: View, genres: GenreTable, locale: str) -> Menu:
    offered = [(ANY, say("top-every-genre", locale)), *((g.name, g.label) for g in genres)][:25]
    options = [
        Option(name, label[:MENU_TEXT], is_chosen=name == (view.genre or ANY))
        for name, label in offered
    ]
    return Menu(f"top-genre:{view.state}", say("top-every-genre", locale), tuple(options))


def _period_menu(view: View, locale: str) -> Menu:
    options = tuple(
        Option(period, say(f"period-{period}", locale), is_chosen=period == view.period)
        for period in get_args(Period)
    )
    return Menu(f"top-period:{view.state}", say("period-all", locale), options)


async def _redraw(interaction: Interaction, view: View) -> None:
    locale = await shared_locale(interaction)
    try:
        card = await _card(interaction, view, locale)
    except NoStories:  # an empty list keeps its menus, or there would be no way back
        card = top_card(view, [], {}, interaction.client.desk.service.genres, locale)
        card = replace(card, text=say("top-nothing", locale))
    await interaction.edit_original_response(embed=card.embed(), view=card.view())


class TurnPage(Pressable, template=rf"top:{_STATE}"):
    """Another page."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        await _redraw(interaction, View.of(self.match))


class FilterGenre(Choosable, template=rf"top-genre:{_STATE}"):
    """Another genre, from its first page."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        (name,) = chosen(interaction)
        genre = "" if name == ANY else name
        await _redraw(interaction, replace(View.of(self.match), genre=genre, page=0))


class FilterPeriod(Choosable, template=rf"top-period:{_STATE}"):
    """Another time, from its first page."""

    async def pressed(self, interaction: Interaction) -> None:
        await hold(interaction)
        (period,) = chosen(interaction)
        view = replace(View.of(self.match), period=cast(Period, period), page=0)
        await _redraw(interaction, view)


TOP_ITEMS: tuple[type[Pressable], ...] = (TurnPage, FilterGenre, FilterPeriod)
