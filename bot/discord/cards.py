"""What a story, a list or an answer looks like on Discord: cards of text and buttons.

A `Card` is plain data that can be compared; only `embed` and `view` turn it into discord.py's
objects. Knows no interaction and sends nothing.
"""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import discord

from bot import wording
from bot.discord.markup import escape, escaped_size, fit
from bot.domain import Profile, Status, Story, StoryUpdate
from bot.pages import split_pages
from bot.texts import say
from model.genres import Genre, GenreTable

TITLE, DESCRIPTION, FOOTER = 256, 4_096, 2_048
"""Most characters of an embed's parts (docs: resources/message#embed-object-embed-limits)."""
MENU_TEXT = 100
"""Most characters of a menu's line (docs: components/reference#string-select)."""
STORY_CHANNELS = (
    discord.ChannelType.text,
    discord.ChannelType.news,
    discord.ChannelType.forum,
    discord.ChannelType.voice,
    discord.ChannelType.category,
)
"""Where stories may be asked for; threads count as what they lie in."""
TARGETS = (
    discord.ChannelType.text,
    discord.ChannelType.news,
    discord.ChannelType.voice,
    discord.ChannelType.forum,
    discord.ChannelType.public_thread,
    discord.ChannelType.private_thread,
    discord.ChannelType.news_thread,
)
"""Where a story can be posted."""
PAGE = 3_600
"""Story text on one card; with its title, note and footer it stays below 6,000 in all."""
NOTE = 400
"""What is said under it."""
WRITING = " ▌"
"""After text that grows."""
CUT = "… "
"""Before text whose beginning is left out."""
_COLOURS = {
    "superhero": 0xC0392B,
    "sci_fi": 0x2980B9,
    "action": 0xE67E22,
    "drama": 0x8E44AD,
    "horror": 0x2C3E50,
    "thriller": 0x16A085,
}
NEUTRAL = 0x5865F2


@dataclass(frozen=True, slots=True)
class Button:
    """A button that works after a restart: everything it needs is in its `custom_id`."""

    custom_id: str
    label: str
    emoji: str | None = None
    style: discord.ButtonStyle = discord.ButtonStyle.secondary


@dataclass(frozen=True, slots=True)
class Option:
    """One line of a menu."""

    value: str
    label: str
    about: str = ""
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class Menu:
    """A select that works after a restart, as buttons do."""

    custom_id: str
    placeholder: str
    options: tuple[Option, ...]
    least: int = 1
    most: int = 1


@dataclass(frozen=True, slots=True)
class Picker:
    """A select of the server's own channels, roles or members, none or many."""

    custom_id: str
    placeholder: str
    what: Literal["channel", "target", "role", "user"]
    """A "target" is a channel or thread that takes messages."""
    chosen: tuple[str, ...]
    """Ids."""
    most: int


@dataclass(frozen=True, slots=True)
class Card:
    """One message: an embed, menus and buttons. `text` is markdown, escaped already."""

    text: str
    title: str = ""
    colour: int = NEUTRAL
    footer: str = ""
    buttons: tuple[Button, ...] = ()
    menus: tuple[Menu | Picker, ...] = ()

    def embed(self) -> discord.Embed:
        embed = discord.Embed(description=self.text, colour=self.colour)
        embed.title = self.title or None
        if self.footer:
            embed.set_footer(text=self.footer)
        return embed

    def view(self) -> discord.ui.View | None:
        """Menus and buttons, None without any.

        The view is stopped at once: discord.py keeps running views in memory for ever, and
        presses reach the dynamic items registered at startup anyway.
        """
        if not self.buttons and not self.menus:
            return None
        view = discord.ui.View(timeout=None)
        for menu in self.menus:
            view.add_item(_select(menu) if isinstance(menu, Menu) else _picker(menu))
        for one in self.buttons:
            button: discord.ui.Button[discord.ui.View] = discord.ui.Button(
                custom_id=one.custom_id, label=one.label or None, emoji=one.emoji, style=one.style
            )
            view.add_item(button)
        view.stop()
        return view


def _select(menu: Menu) -> discord.ui.Select[discord.ui.View]:
    options = [
        discord.SelectOption(
            label=one.label[:MENU_TEXT],
            value=one.value,
            description=one.about[:MENU_TEXT] or None,
            default=one.is_chosen,
        )
        for one in menu.options
    ]
    return discord.ui.Select(
        custom_id=menu.custom_id,
        placeholder=menu.placeholder,
        options=options,
        min_values=menu.least,
        max_values=menu.most,
    )


def _picker(picker: Picker) -> discord.ui.Item[discord.ui.View]:
    ids = [discord.Object(int(one)) for one in picker.chosen]
    if picker.what == "user":
        return discord.ui.UserSelect(
            custom_id=picker.custom_id, placeholder=picker.placeholder, max_values=picker.most
        )
    if picker.what == "role":
        return discord.ui.RoleSelect(
            custom_id=picker.custom_id,
            placeholder=picker.placeholder,
            min_values=0,
            max_values=picker.most,
            default_values=[discord.SelectDefaultValue.from_role(one) for one in ids],
        )
    return discord.ui.ChannelSelect(
        custom_id=picker.custom_id,
        placeholder=picker.placeholder,
        min_values=0,
        max_values=picker.most,
        channel_types=list(TARGETS if picker.what == "target" else STORY_CHANNELS),
        default_values=[discord.SelectDefaultValue.from_channel(one) for one in ids],
    )


def colour_of(genre: str) -> int:
    """The genre's own colour; for an operator's genres one that stays the same."""
    if genre in _COLOURS:
        return _COLOURS[genre]
    hue = zlib.crc32(genre.encode()) % 360 / 360
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.6, 0.8))
    return red << 16 | green << 8 | blue


def story_cards(
    update: StoryUpdate, genres: GenreTable, locale: str, versions: str = ""
) -> list[Card]:
    """The messages that show a story in its present state; while open it is a single one.

    `versions`, short and trusted markdown, comes under a finished story.
    """
    story = update.story
    if story.status.is_open:
        return [_open_card(update, genres, locale)]
    note = wording.status(update, locale)
    is_read = story.status in (Status.FINISHED, Status.CANCELLED) and not story.is_hidden
    text = story.text if is_read else ""
    pages = [escape(page) for page in split_pages(text, PAGE, escaped_size)]
    if note:
        pages[-1] = f"{pages[-1]}\n\n*{fit(note, NOTE)}*".strip()
    elif versions:
        pages[-1] = f"{pages[-1]}\n\n{versions}"
    last = len(pages) - 1
    return [
        Card(
            text=page,
            title=story_title(story, genres) if number == 0 and not story.is_hidden else "",
            colour=colour_of(story.genre),
            footer=story_footer(story, genres, locale)
            if number == last
            else f"{number + 1}/{last + 1}",
            buttons=story_buttons(story, locale) if number == last else (),
        )
        for number, page in enumerate(pages)
    ]


def _open_card(update: StoryUpdate, genres: GenreTable, locale: str) -> Card:
    story = update.story
    if story.text:
        text = last_page(story.text) + WRITING
    else:
        opening = fit(story.prompt, PAGE) + " …" if story.prompt else ""
        text = f"*{fit(wording.status(update, locale), NOTE)}*\n\n{opening}".strip()
    return Card(
        text=text,
        title=story_title(story, genres),
        colour=colour_of(story.genre),
        footer=story_footer(story, genres, locale),
        buttons=story_buttons(story, locale),
    )


def last_page(text: str) -> str:
    """The end, escaped."""
    pages = split_pages(text, PAGE, escaped_size)
    return (CUT if len(pages) > 1 else "") + escape(pages[-1])


def story_title(story: Story, genres: GenreTable) -> str:
    return fit(story.title or wording.genre_label(story, genres).capitalize(), TITLE)


def story_footer(story: Story, genres: GenreTable, locale: str) -> str:
    """Author, model and seed. Discord shows a footer without markdown: nothing to escape."""
    byline = wording.byline(story, wording.genre_label(story, genres), locale)
    parts = (byline, wording.written_by(story, locale))
    return " · ".join(part for part in parts if part)[:FOOTER]


def story_buttons(story: Story, locale: str) -> tuple[Button, ...]:
    """What can be done with a story in its present state."""
    again = Button(f"again:{story.id}", say("button-retry", locale), "🎲")
    delete = Button(f"delete:{story.id}", say("button-delete", locale), "🗑️")
    if story.status.is_open and story.turn is not None:
        return (
            Button(f"line:{story.id}", say("button-line", locale), "✍️"),
            Button(f"end:{story.id}", say("button-end", locale), "🏁"),
            delete,
        )
    if story.status.is_open:
        label = say("button-cancel", locale)
        return (Button(f"cancel:{story.id}", label, style=discord.ButtonStyle.danger),)
    if story.is_hidden or story.status is Status.DELETED:
        return ()
    if story.status is Status.FINISHED:
        return (
            Button(f"vote:{story.id}:up", str(story.tally.ups), "👍"),
            Button(f"vote:{story.id}:down", str(story.tally.downs), "👎"),
            Button(f"continue:{story.id}", say("button-continue", locale), "📖"),
            again,
            Button(f"share:{story.id}", say("button-share", locale), "🔗"),
            Button(f"report:{story.id}", say("button-report", locale), "🚩"),
            delete,
        )
    return (again, delete)


def version_links(story: Story, urls: Mapping[int, str], locale: str) -> str:
    """The versions of a story by their numbers, each a link to where it stands ("" for none)."""
    links = [
        f"**#{number}**" if number == story.id else f"[#{number}]({url})" if url else f"#{number}"
        for number, url in urls.items()
    ]
    return f"🎲 {say('story-versions', locale)} {' · '.join(links)}" if len(links) > 1 else ""


def list_card(
    title: str,
    stories: Sequence[Story],
    locale: str,
    *,
    medals: bool,
    first: int = 0,
    urls: Mapping[int, str] = MappingProxyType({}),
) -> Card:
    """A list of stories, best or newest first; the first has the place `first`, from 0."""
    lines = []
    for place, story in enumerate(stories, first):
        mark = (
            wording.MEDALS[place] if medals and place < len(wording.MEDALS) else f"{place + 1}\\."
        )
        votes = f"👍 {story.tally.ups} 👎 {story.tally.downs}"
        name = f"**{fit(wording.headline(story), 150)}**"
        if url := urls.get(story.id):
            name = f"[{name}]({url})"
        who = fit(wording.author(story, locale), 60)
        lines.append(f"{mark} {name} · #{story.id} · {votes} · {who}")
    return Card("\n".join(lines), fit(title, TITLE))


def profile_card(profile: Profile, genres: GenreTable, locale: str) -> Card:
    """A member's stories in figures, and the best of them."""
    lines = [
        say("profile-stories", locale, n=profile.n_stories),
        say("profile-votes", locale, ups=profile.ups, downs=profile.downs),
    ]
    if profile.best_genre:
        label = wording.label_of(profile.best_genre, genres)
        lines.append(say("profile-genre", locale, genre=escape(label)))
    best = profile.best
    name = fit(wording.headline(best), 150)
    lines.append(say("profile-best", locale, title=f"**{name}**", id=best.id))
    title = fit(profile.name or say("story-author-forgotten", locale), TITLE)
    return Card("\n".join(lines), title, colour_of(best.genre))


def genre_cards(genres: Iterable[Genre], locale: str) -> list[Card]:
    """The genres, each with its suggested openings."""
    sections = []
    for genre in genres:
        openings = [f"> {fit(opening, 300)} …" for opening in genre.openings]
        sections.append("\n".join([f"**{escape(genre.label)}** (`{genre.name}`)", *openings]))
    return plain_cards("\n\n".join(sections), say("genres-title", locale))


def text_cards(lines: Iterable[str], title: str = "") -> list[Card]:
    """Plain sentences, escaped here."""
    return plain_cards("\n".join(escape(line) for line in lines), title)


def plain_cards(markdown: str, title: str = "") -> list[Card]:
    """Trusted markdown over as many cards as it needs."""
    pages = split_pages(markdown, DESCRIPTION)
    return [Card(page, title if number == 0 else "") for number, page in enumerate(pages)]


def help_cards(locale: str) -> list[Card]:
    """Every command with what it does."""
    names = (*wording.COMMANDS, *wording.MORE_COMMANDS, *wording.MANAGER_COMMANDS)
    lines = [f"**/{name}**: {say(f'help-{name}', locale)}" for name in names]
    return plain_cards("\n".join(lines), say("help-title", locale))
