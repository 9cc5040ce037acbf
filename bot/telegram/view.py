"""What members read in Telegram: stories and lists as pages of HTML. Pure.

Everything that members or the model wrote is escaped here, and nowhere is text put together with
markup but here. Knows no request and no chat.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from telegram import InlineKeyboardMarkup
from telegram.constants import MessageLimit

from bot import wording
from bot.domain import Profile, Status, Story, StoryUpdate
from bot.pages import split_pages
from bot.telegram.vote_keyboard import Shown, story_keyboard
from bot.texts import say
from model.genres import GenreTable

PAGE_SIZE = int(MessageLimit.MAX_TEXT_LENGTH)
"""4,096 characters after entities parsing; we keep the escaped text, which is longer, below it."""
_LEAST_BODY = 1_000
_MAX_TITLE = 200
_OPENINGS_SHOWN = 2
_CURSOR = " ▍"
_MORE = ("member", "stats")
OFFERED = (*wording.COMMANDS, *_MORE)
"""The commands that are everybody's."""
EXAMPLE = '/story horror "The Keeper" A lonely lighthouse'
# "@name" would call a member. A word joiner (U+2060, no width) after the @ keeps it a mere word.
_MENTION = re.compile(r"@(?=\w)")
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Overrides of writing direction, which reach past the text that holds them."""


@dataclass(frozen=True, slots=True)
class Page:
    """One message."""

    html: str
    keyboard: InlineKeyboardMarkup | None = None


def escape(text: str) -> str:
    """Text from anyone, harmless inside HTML: no tag, no mention, no turned direction."""
    text = _DIRECTIONS.sub("", _MENTION.sub("@\u2060", text))
    return html.escape(text, quote=False)


def fit(text: str, most: int) -> str:
    """As much of `text` as fits into `most` characters once it is escaped, then an ellipsis."""
    if len(escape(text)) <= most:
        return escape(text)
    first, *_ = split_pages(text, most - 1, measure=lambda part: len(escape(part)))
    return f"{escape(first)}…"


def story_pages(update: StoryUpdate, genres: GenreTable, shown: Shown) -> list[Page]:
    """A story as it stands, in one or more messages; the last one has the buttons. Inline mode
    has one message, in which a longer story is cut."""
    story, locale = update.story, shown.locale
    head = _head(story, genres, locale)
    status = wording.status(update, locale)
    foot = f"<i>{escape(status)}</i>" if status else ""
    frame = len(head) + len(foot) + len("\n\n") * 2 + len(_CURSOR) + len(" …")
    room = max(PAGE_SIZE - frame, _LEAST_BODY)
    bodies = split_pages(_body(story), room, measure=lambda text: len(escape(text)))
    if shown.is_inline and len(bodies) > 1:
        bodies = [f"{bodies[0]} …"]
    texts = [escape(body) for body in bodies]
    if story.status is Status.WRITING and story.text:
        texts[-1] += _CURSOR
    texts[0] = _paragraphs(head, texts[0])
    texts[-1] = _paragraphs(texts[-1], foot)
    pages = [Page(text) for text in texts[:-1]]
    return [*pages, Page(texts[-1], story_keyboard(story, shown))]


def _head(story: Story, genres: GenreTable, locale: str) -> str:
    line = f"<i>{escape(wording.byline(story, wording.genre_label(story, genres), locale))}</i>"
    if not story.title:
        return line
    return f"<b>{escape(story.title[:_MAX_TITLE])}</b>\n{line}"


def _body(story: Story) -> str:
    """The words to show: of a story not begun, its opening; of a deleted or hidden one, none."""
    if story.status is Status.DELETED or story.is_hidden:
        return ""
    return story.text.strip() or story.prompt


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def list_page(
    title: str,
    stories: Sequence[Story],
    genres: GenreTable,
    *,
    first: int | None = None,
    urls: Mapping[int, str] = MappingProxyType({}),
) -> Page:
    """A list of a few stories under a title, with links to them. `first` is the place of the
    first, from 0: of the best three the medals; None: they are in no order of merit."""
    lines = [f"<b>{escape(title)}</b>"]
    for number, story in enumerate(stories):
        mark = "•" if first is None else _place(first + number)
        lines.append(_list_line(mark, story, genres, urls.get(story.id, "")))
    return Page("\n".join(lines))


def _place(index: int) -> str:
    return wording.MEDALS[index] if index < len(wording.MEDALS) else f"{index + 1}."


def _list_line(mark: str, story: Story, genres: GenreTable, url: str) -> str:
    votes = f"👍 {story.tally.ups} 👎 {story.tally.downs}"
    details = f"#{story.id} · {escape(wording.genre_label(story, genres))} · {votes}"
    name = f"<b>{escape(wording.headline(story))}</b>"
    if url:
        name = f'<a href="{html.escape(url)}">{name}</a>'
    return f"{mark} {name}\n     {details}"


def profile_page(profile: Profile, genres: GenreTable, locale: str) -> Page:
    """A member's stories in figures, and the best of them."""
    name = profile.name or say("story-author-forgotten", locale)
    lines = [
        f"<b>{fit(name, _MAX_TITLE)}</b>",
        escape(say("profile-stories", locale, n=profile.n_stories)),
        escape(say("profile-votes", locale, ups=profile.ups, downs=profile.downs)),
    ]
    if profile.best_genre:
        label = wording.label_of(profile.best_genre, genres)
        lines.append(escape(say("profile-genre", locale, genre=label)))
    best = profile.best
    lines.append(escape(say("profile-best", locale, title=wording.headline(best), id=best.id)))
    return Page("\n".join(lines))


def genre_pages(genres: GenreTable, locale: str) -> list[Page]:
    """Each genre with commands that can be tapped to copy."""
    lines = [f"<b>{escape(say('genres-title', locale))}</b>"]
    for genre in genres:
        lines.append(f"\n<b>{escape(genre.label)}</b>")
        lines += [
            f"<code>{escape(f'/story {genre.name} {opening}')}</code>"
            for opening in genre.openings[:_OPENINGS_SHOWN]
        ]
    return line_pages(lines)


def help_pages(locale: str) -> list[Page]:
    """How each command is typed, and what it does."""
    example = f"{escape(say('telegram-for-example', locale))} <code>{escape(EXAMPLE)}</code>"
    lines = [
        f"{escape(say(f'usage-{name}', locale))} · {escape(say(f'help-{name}', locale))}"
        for name in wording.COMMANDS
    ]
    lines += [
        f"/{name} · {escape(say(f'help-{name}', locale))}"
        for name in (*_MORE, *wording.MANAGER_COMMANDS)
    ]
    return line_pages([f"<b>{escape(say('help-title', locale))}</b>", *lines, "", example])


def line_pages(lines: Iterable[str]) -> list[Page]:
    """Lines of HTML in as few messages as hold them; no line is split."""
    pages: list[str] = []
    for line in lines:
        if pages and len(pages[-1]) + len(line) < PAGE_SIZE:
            pages[-1] += f"\n{line}"
        else:
            pages.append(line)
    return [Page(page) for page in pages]


def text_page(text: str) -> Page:
    """One plain sentence or paragraph."""
    return Page(escape(text))
