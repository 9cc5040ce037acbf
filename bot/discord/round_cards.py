"""What a story that members and the model write in turn looks like until it is over.

Knows no interaction and sends nothing.
"""

from __future__ import annotations

from bot import wording
from bot.discord.cards import (
    CUT,
    NOTE,
    PAGE,
    WRITING,
    Button,
    Card,
    colour_of,
    last_page,
    story_buttons,
    story_footer,
    story_title,
)
from bot.discord.markup import escape, escaped_size, fit
from bot.domain import BETWEEN_LINES, Status, Story, StoryUpdate, Turn
from bot.pages import split_pages
from bot.texts import say
from model.genres import GenreTable


def round_card(update: StoryUpdate, genres: GenreTable, locale: str) -> Card:
    """A story in turns: its last lines, and whose turn it is."""
    story = update.story
    shown = _last_lines(story.text.strip())
    is_cut = shown.startswith(CUT)
    if story.turn is Turn.MODEL and story.status is Status.WRITING:
        shown += WRITING
    buttons = story_buttons(story, locale)
    if is_cut:
        buttons += (Button(f"whole:{story.id}", say("button-whole", locale), "📜"),)
    return Card(
        text=f"{shown}\n\n*{fit(wording.status(update, locale), NOTE)}*".strip(),
        title=story_title(story, genres),
        colour=colour_of(story.genre),
        footer=story_footer(story, genres, locale),
        buttons=buttons,
    )


def _last_lines(text: str) -> str:
    """As many of a round's lines as fit, escaped."""
    shown = ""
    for line in reversed(text.split(BETWEEN_LINES)):
        more = f"{escape(line)}{BETWEEN_LINES}{shown}".rstrip()
        if len(more) > PAGE:
            return CUT + (shown or last_page(line))
        shown = more
    return shown


def reading_cards(story: Story) -> list[Card]:
    """The whole text and nothing else."""
    pages = split_pages(story.text, PAGE, escaped_size)
    return [Card(escape(page), colour=colour_of(story.genre)) for page in pages]
