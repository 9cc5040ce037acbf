"""Pages of HTML: within Telegram's limits, parsed by Telegram's rules, saying what was meant."""

from __future__ import annotations

import pytest
from fakes.telegram_api.markup import find_entities, parse_html
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import Status, Story, StoryUpdate, Tally
from bot.telegram.view import PAGE_SIZE, Page, escape, fit, line_pages, list_page, story_pages
from bot.telegram.vote_keyboard import Shown
from model.engine import SamplingParams
from model.genres import DEFAULT_GENRES

nasty = st.text(alphabet=st.sampled_from(list("ab.! <>&\"'@/#_\n…é😀\u202e")), max_size=9_000)


def story(**changes: object) -> Story:
    known: dict[str, object] = {
        "id": 12,
        "status": Status.FINISHED,
        "community_id": 1,
        "author_id": 1,
        "author_name": "Ann",
        "genre": "sci_fi",
        "title": "",
        "prompt": "A door",
        "text": "A door opened.",
        "sampling": SamplingParams(),
        "created_at": 0.0,
    }
    return Story(**{**known, **changes})  # type: ignore[arg-type]


def pages_of(**changes: object) -> list[Page]:
    return story_pages(StoryUpdate(story(**changes)), DEFAULT_GENRES, Shown("en"))


@given(nasty)
def test_escaped_text_is_that_text_and_calls_nobody(text: str) -> None:
    plain, entities = parse_html(f"<b>x{escape(text)}x</b>")
    shown = text.replace("\u202e", "")
    assert plain.replace("\u2060", "") == f"x{shown}x"
    assert "mention" not in {entity["type"] for entity in find_entities(plain, entities)}


@given(nasty, st.text(max_size=300), st.text(max_size=80))
def test_pages_hold_the_whole_story_within_the_limit(text: str, title: str, name: str) -> None:
    pages = pages_of(text=text, title=title, author_name=name)
    parsed = [parse_html(page.html)[0] for page in pages]
    assert all(len(page.html) <= PAGE_SIZE for page in pages)
    assert [page.keyboard is not None for page in pages] == [False] * (len(pages) - 1) + [True]
    wanted = "".join((text.strip() or "A door").replace("\u202e", "").split())
    got = "".join("".join(parsed).replace("\u2060", "").split())
    assert got.endswith(wanted)


@pytest.mark.parametrize(
    ("update", "html", "labels"),
    [
        (
            StoryUpdate(story(status=Status.QUEUED, text=""), position=3, expected_wait_s=200),
            "<i>#12 · science fiction by Ann</i>\n\nA door\n\n"
            "<i>You are number 3 in line, about 3 minutes.</i>",
            ["Cancel"],
        ),
        (
            StoryUpdate(story(status=Status.WRITING, text="")),
            "<i>#12 · science fiction by Ann</i>\n\nA door\n\n<i>Thinking …</i>",
            ["Cancel"],
        ),
        (
            StoryUpdate(story(status=Status.WRITING, text="A door ope")),
            "<i>#12 · science fiction by Ann</i>\n\nA door ope ▍",
            ["Cancel"],
        ),
        (
            StoryUpdate(story(title="Knock & Co", tally=Tally(3, 1))),
            "<b>Knock &amp; Co</b>\n<i>#12 · science fiction by Ann</i>\n\nA door opened.",
            ["👍 3", "👎 1", "Continue", "Another version", "🔗 Share", "🚩 Report", "🗑 Delete"],
        ),
        (
            StoryUpdate(story(status=Status.FAILED, text="", failure="failure-empty")),
            "<i>#12 · science fiction by Ann</i>\n\nA door\n\n<i>Nothing came to me for that "
            "opening. Try /retry 12, or another opening.</i>",
            ["Another version", "🗑 Delete"],
        ),
        (
            StoryUpdate(story(status=Status.CANCELLED)),
            "<i>#12 · science fiction by Ann</i>\n\nA door opened.\n\n<i>Cancelled.</i>",
            ["Another version", "🗑 Delete"],
        ),
        (
            StoryUpdate(story(is_hidden=True)),
            "<i>#12 · science fiction by Ann</i>\n\n<i>Members reported this story. It is hidden "
            "until a moderator has looked at it.</i>",
            [],
        ),
        (
            StoryUpdate(story(status=Status.DELETED, genre="western", author_name="")),
            "<i>#12 · western by someone who left</i>\n\n<i>This story was deleted.</i>",
            [],
        ),
    ],
)
def test_a_story_at_each_stage(update: StoryUpdate, html: str, labels: list[str]) -> None:
    (page,) = story_pages(update, DEFAULT_GENRES, Shown("en", -1001, "some_bot"))
    rows = page.keyboard.inline_keyboard if page.keyboard else ()
    assert (page.html, [button.text for row in rows for button in row]) == (html, labels)


def test_nobody_reports_in_their_own_private_chat() -> None:
    (page,) = pages_of()
    assert page.keyboard is not None
    labels = [button.text for row in page.keyboard.inline_keyboard for button in row]
    assert labels == ["👍 0", "👎 0", "Continue", "Another version", "🗑 Delete"]


@given(nasty, st.integers(10, 4_000))
def test_a_cut_text_fits_and_begins_as_it_did(text: str, most: int) -> None:
    cut = fit(text, most)
    assert len(cut) <= most
    shown = parse_html(f"x{cut}")[0].removeprefix("x").replace("\u2060", "").removesuffix("…")
    assert "".join(text.replace("\u202e", "").split()).startswith("".join(shown.split()))


def test_a_list_has_medals_for_the_first_three() -> None:
    stories = [story(id=n, title=f"T{n}", tally=Tally(n, 0)) for n in range(1, 5)]
    urls = {1: "https://t.me/some_bot?start=story_1&x"}
    page = list_page("Best", stories, DEFAULT_GENRES, first=0, urls=urls)
    assert page.html == (
        "<b>Best</b>\n"
        '🥇 <a href="https://t.me/some_bot?start=story_1&amp;x"><b>T1</b></a>\n'
        "     #1 · science fiction · 👍 1 👎 0\n"
        "🥈 <b>T2</b>\n     #2 · science fiction · 👍 2 👎 0\n"
        "🥉 <b>T3</b>\n     #3 · science fiction · 👍 3 👎 0\n"
        "4. <b>T4</b>\n     #4 · science fiction · 👍 4 👎 0"
    )


def test_lines_are_never_split_between_messages() -> None:
    lines = [f"<b>{'x' * 900}</b>" for _ in range(9)]
    pages = line_pages(lines)
    assert [page.html.count("<b>") for page in pages] == [4, 4, 1]
    assert all(len(page.html) <= PAGE_SIZE for page in pages)
