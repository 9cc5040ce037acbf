"""Sentences: every key the code uses exists and can be filled in, and no sentence is forgotten.

The code is read as a syntax tree: a key is a string constant of bot/, or begins with one of
`BUILT_KEYS`, which the code completes at run time.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from fluent.syntax import FluentParser
from fluent.syntax import ast as ftl
from fluent.syntax.visitor import Visitor

from bot import errors, texts, wording
from bot.community_settings import CommunitySettings
from bot.errors import MemberError
from bot.texts import LOCALES, explain, keys, languages, say

BOT = Path(texts.__file__).parent
OPTIONS = (
    "genre", "prompt", "title", "length", "id", "period", "vote", "where", "user", "code",
    "line",
)  # fmt: skip
SETTINGS = tuple(CommunitySettings.model_fields)
BUILT_KEYS = {
    "help-": (*wording.COMMANDS, *wording.MORE_COMMANDS, *wording.MANAGER_COMMANDS),
    "usage-": wording.COMMANDS,
    "period-": ("day", "week", "month", "all"),
    "discord-option-": OPTIONS,
    "digest-": ("off", "day", "week"),
    "digest-title-": ("day", "week"),
    "audit-": ("cancel", "end", "keep", "delete", "release", "block", "unblock"),
    "vote-held-": ("young", "burst"),
    "permission-": (
        "view_channel",
        "send_messages",
        "send_messages_in_threads",
        "embed_links",
        "attach_files",
    ),
    "length-": ("short", "medium", "long"),
    "setting-": (*SETTINGS, "yes", "no"),
    "setting-about-": SETTINGS,
    "setting-default-": [
        "report_threshold",
        *(name for name, value in CommunitySettings() if not value and value is not False),
    ],
}
"""Prefixes that the code completes, and with what."""
BUILT = {prefix + ending for prefix, endings in BUILT_KEYS.items() for ending in endings}
NOTES = {"discord-commands-synced", "telegram-commands"}
"""Names of the store's notes, which look like keys."""

ERRORS: list[tuple[MemberError, str]] = [
    (
        errors.UnknownGenre(given="horor", nearest="horror", choices="horror, drama"),
        "I don't know the genre “horor”. Did you mean horror? Choose one of: horror, drama.",
    ),
    (
        errors.UnknownGenre(given="x", nearest="", choices="horror, drama"),
        "I don't know the genre “x”. Choose one of: horror, drama.",
    ),
    (
        errors.UnknownGenre(given="", nearest="", choices="horror, drama"),
        "Which genre? Choose one of: horror, drama.",
    ),
    (
        errors.PromptTooLong(length=601, limit=600),
        "That opening has 601 characters; I can take 600. Please shorten it.",
    ),
    (
        errors.TitleTooLong(length=101, limit=100),
        "That title has 101 characters; I can take 100. Please shorten it.",
    ),
    (errors.NothingToRead(), "There is nothing to read in that. Please write a few words."),
    (
        errors.NotANumber(given="x"),
        "“x” is not a story's number. Give a number such as 12.",
    ),
    (errors.NotANumber(given=""), "Which story? Give its number, such as 12."),
    (
        errors.NotAChoice(given="huge", what="length", choices="short, long"),
        "I don't know the length “huge”. Choose one of: short, long.",
    ),
    (
        errors.NotAChoice(given="", what="vote", choices="up, down"),
        "Please say which vote: up, down.",
    ),
    (
        errors.OutOfBounds(given="many", least=0, most=9),
        "“many” won't do. Please give a whole number from 0 to 9.",
    ),
    (errors.UnknownCommand(command="x"), "I don't know the command x. /help lists them all."),
    (
        errors.BlockedWords(),
        "That has a word in it which is not welcome here. Please put it another way.",
    ),
    (
        errors.BadPattern(given="/(a/"),
        "I can't use the pattern /(a/. It may not match everything, and it can't look around "
        "or back.",
    ),
    (
        errors.WordListTooLong(entries=200, length=100),
        "The list takes 200 entries of up to 100 characters each.",
    ),
    (errors.StoryNotFound(id=12345), "There is no story #12345 here."),
    (errors.NoStories(), "No stories here yet. Begin one with /story."),
    (errors.OwnStory(id=1), "You can't vote on your own story. Others will."),
    (errors.NotYours(id=12345), "Only the author of story #12345 can do that."),
    (errors.NotManager(), "Only those who manage this community can do that."),
    (errors.StoryHidden(id=7), "Story #7 is hidden until a moderator has looked at it."),
    (errors.OwnReport(), "That is your own story. You can delete it."),
    (
        errors.AlreadyReported(id=7),
        "You have reported story #7 already. Thank you; the moderators know.",
    ),
    (errors.NotModerator(), "Only moderators can do that."),
    (errors.BlockedMember(), "The moderators here don't let me do that for you."),
    (errors.NotInThisChannel(("7",)), "I write no stories in this channel."),
    (errors.AdultsOnly(), "Here I write stories in age-restricted channels only."),
    (
        errors.NotFinished(id=12345),
        "Story #12345 is not finished, so that can't be done with it.",
    ),
    (errors.AlreadyEnded(id=12345), "Story #12345 is not being written any more."),
    (errors.NothingToCancel(), "None of your stories is waiting or being written."),
    (
        errors.QueueFull(20.0),
        "So many stories are waiting that I can't take another now. "
        "Please try again in about a minute.",
    ),
    (
        errors.QueueFull(600.0),
        "So many stories are waiting that I can't take another now. "
        "Please try again in about 10 minutes.",
    ),
    (
        errors.TooManyPending(limit=2),
        "You have 2 stories waiting or being written already. "
        "Please wait for one to finish, or cancel one.",
    ),
    (
        errors.TooManyPending(limit=1),
        "You have a story waiting or being written already. "
        "Please wait for it to finish, or cancel it.",
    ),
    (
        errors.QuotaUsed(limit=1, hours=1),
        "You have asked for one story in the last hour, which is as many as I may write "
        "for you. Please come back later.",
    ),
    (
        errors.QuotaUsed(limit=200, hours=24),
        "You have asked for 200 stories in the last 24 hours, which is as many as I may write "
        "for you. Please come back later.",
    ),
    (errors.CoolingDown(seconds=1), "Please wait a second before your next story."),
    (errors.CoolingDown(seconds=30), "Please wait 30 seconds before your next story."),
    (
        errors.StoreBusy(),
        "I am too busy to write that down right now, and nothing was changed. Please try again.",
    ),
    (
        errors.ChangedMeanwhile(),
        "Somebody else changed that while you did, and their change holds. "
        "Look at it, then make yours again.",
    ),
    (errors.OnlyInServers(), "That works in a server only."),
    (
        errors.BotNeeds(permissions=("permission-embed_links",), channel="stories"),
        "I need Embed Links in #stories. Please ask whoever manages this server.",
    ),
    (
        errors.BotNeeds(
            permissions=tuple(
                f"permission-{name}" for name in ("view_channel", "send_messages", "embed_links")
            ),
            channel="stories",
        ),
        "I need View Channel, Send Messages and Embed Links in #stories. "
        "Please ask whoever manages this server.",
    ),
    (errors.NoRightThere(channel="vault"), "You may not write in #vault yourself."),
    (
        errors.NotPosted(channel="vault"),
        "I could not post that in #vault just now. Please try again.",
    ),
    (
        errors.WrongCode(),
        "That code is wrong, used or older than ten minutes. /link gives you a new one.",
    ),
    (errors.OwnCode(), "That is your own code. Type it on your other platform."),
    (
        errors.PlatformTaken(platform="discord"),
        "Both of you have an account on Discord already, and a person can link one on each "
        "platform. /unlink parts them.",
    ),
    (errors.NotLinked(), "This account is not linked with any other."),
    (
        errors.TooManyTries(minutes=60),
        "Those were too many wrong codes. Please try again in 60 minutes.",
    ),
    (
        errors.LineTooLong(length=301, limit=300),
        "That line has 301 characters; I can take 300. Please shorten it.",
    ),
    (
        errors.ModelsTurn(),
        "I am just writing the next line. Please wait for it, then go on.",
    ),
    (
        errors.OthersFirst(minutes=1),
        "You wrote the last line. Please let others go on; in a minute you may again.",
    ),
    (
        errors.TooManyRounds(limit=5),
        "5 stories in turns are open here already. Go on with one of them, or end it.",
    ),
    (
        errors.LinesUsed(limit=25, hours=24),
        "You have added 25 lines in the last 24 hours, which is as many as I may answer. "
        "Please come back later.",
    ),
    (errors.Stopping(), "I am just shutting down. Please try again in a minute."),
]


# -- what the locales say --------------------------------------------------------------------------
class _Variables(Visitor):
    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_VariableReference(self, node: ftl.VariableReference) -> None:
        self.names.add(node.id.name)


@cache
def entries(language: str) -> list[tuple[str, ftl.EntryType]]:
    """What the parser finds, with the file it is in."""
    return [
        (path.name, entry)
        for path in sorted((LOCALES / language).glob("*.ftl"))
        for entry in FluentParser(with_spans=False).parse(path.read_text(encoding="utf-8")).body
    ]


@cache
def variables(language: str) -> dict[str, set[str]]:
    """The values each sentence takes."""
    found: dict[str, set[str]] = {}
    for _, entry in entries(language):
        if isinstance(entry, ftl.Message):
            visitor = _Variables()
            visitor.visit(entry)
            found[entry.id.name] = visitor.names
    return found


@pytest.mark.parametrize("language", languages())
def test_locale_files_hold_sentences_and_comments_only(language: str) -> None:
    junk = [
        (file, entry.content) for file, entry in entries(language) if isinstance(entry, ftl.Junk)
    ]
    assert junk == []
    named = [entry.id.name for _, entry in entries(language) if isinstance(entry, ftl.Message)]
    assert sorted(named) == sorted(set(named)), "a key stands twice"
    assert set(named) == keys(language)


@pytest.mark.parametrize("language", languages())
def test_a_translation_takes_no_more_than_english_gives(language: str) -> None:
    for key, names in variables(language).items():
        assert names <= variables("en")[key], key


# -- what the code uses ----------------------------------------------------------------------------
@cache
def trees() -> list[tuple[str, ast.Module]]:
    return [
        (str(path.relative_to(BOT)), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(BOT.rglob("*.py"))
    ]


def nodes() -> Iterator[tuple[str, ast.AST]]:
    for file, tree in trees():
        for node in ast.walk(tree):
            yield file, node


def calls_of_say() -> Iterator[tuple[str, ast.Call]]:
    """Calls of `texts.say` with a key written out; other `say`s are methods."""
    for file, node in nodes():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
            yield file, node


def constants() -> set[str]:
    return {
        node.value
        for _, node in nodes()
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_key_written_in_a_call_exists_and_gets_its_values() -> None:
    seen = 0
    for file, call in calls_of_say():
        first = call.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            seen += 1
            given = {keyword.arg for keyword in call.keywords}
            assert first.value in keys("en"), f"{file}: {first.value}"
            assert given == variables("en")[first.value], f"{file}: {first.value}"
    assert seen > 30


def test_keys_chosen_or_passed_on_exist_too() -> None:
    """Constants that look like a key: two words or more, the first one of the keys' own."""
    families = {"error", "failure", "story", "vote", "queue", "about", "forget", "button"}
    platforms = {"console", "discord", "telegram"}
    looks_like_key = {
        text
        for text in constants()
        if text.replace("-", "").isalpha()
        and text.islower()
        and "-" in text.strip("-")
        and text.split("-")[0] in families | platforms
    }
    assert looks_like_key - {*BUILT_KEYS} - NOTES <= keys("en")


def test_keys_built_at_run_time_exist() -> None:
    assert keys("en") >= BUILT


def test_every_built_key_begins_as_declared() -> None:
    for file, call in calls_of_say():
        if isinstance(call.args[0], ast.JoinedStr):
            begin = call.args[0].values[0]
            assert isinstance(begin, ast.Constant)
            assert begin.value in BUILT_KEYS, f"{file}: declare {begin.value!r} in BUILT_KEYS"


def test_no_sentence_is_forgotten() -> None:
    assert keys("en") - constants() - BUILT == set(), "nothing in bot/ says these"


# -- errors ----------------------------------------------------------------------------------------
def leaves(cls: type[MemberError]) -> set[type[MemberError]]:
    below = cls.__subclasses__()
    return {cls} if not below else {leaf for one in below for leaf in leaves(one)}


@pytest.mark.parametrize(("error", "sentence"), ERRORS, ids=lambda one: type(one).__name__)
def test_an_error_has_its_sentence(error: MemberError, sentence: str) -> None:
    assert explain(error) == sentence


def test_no_error_is_without_a_sentence() -> None:
    assert leaves(MemberError) == {type(error) for error, _ in ERRORS}
    assert {error.key for error, _ in ERRORS} | {"error-unexpected"} == {
        key for key in keys("en") if key.startswith("error-")
    }


def test_an_errors_own_text_is_for_logs() -> None:
    assert str(errors.StoryNotFound(id=7)) == "error-story-not-found {'id': 7}"


@pytest.mark.parametrize("key", sorted(key for key in keys("en") if key.startswith("failure-")))
def test_every_failure_can_be_told_of_a_story(key: str) -> None:
    assert say(key, id=12345).endswith((".", "opening."))


# -- languages -------------------------------------------------------------------------------------
@pytest.mark.parametrize("locale", ["en", "en-GB", "en-US", "xx", "", "de-AT", "../../etc"])
def test_a_language_that_is_not_there_falls_back_to_english(locale: str) -> None:
    assert say("story-cancelled", locale) == "Cancelled."


def test_a_translation_is_used_where_it_has_the_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for language, sentence in (("en", "Cancelled."), ("de", "Abgebrochen.")):
        (tmp_path / language).mkdir()
        text = f"story-cancelled = {sentence}\n"
        if language == "en":
            text += "story-thinking = Thinking …\n"
        (tmp_path / language / "core.ftl").write_text(text, encoding="utf-8")
    monkeypatch.setattr(texts, "LOCALES", tmp_path)
    languages.cache_clear()
    texts._bundle.cache_clear()
    try:
        assert say("story-cancelled", "de-AT") == "Abgebrochen."
        assert say("story-thinking", "de") == "Thinking …"
    finally:
        languages.cache_clear()
        texts._bundle.cache_clear()


TRANSLATED = ("core.ftl", "discord.ftl")
"""What members of Discord read. The console speaks English."""


def sentences(language: str, file: str) -> set[str]:
    return {
        entry.id.name
        for name, entry in entries(language)
        if name == file and isinstance(entry, ftl.Message)
    }


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("file", TRANSLATED)
def test_no_language_lacks_a_sentence(language: str, file: str) -> None:
    assert sentences(language, file) == sentences("en", file)


@pytest.mark.parametrize("language", languages())
def test_every_sentence_can_be_filled_in(language: str) -> None:
    for key, names in variables("en").items():
        for n in (0, 1, 2, 1_000):
            assert say(key, language, **dict.fromkeys(names, n)).strip(), key


@pytest.mark.parametrize("language", languages())
def test_sentences_fit_where_discord_shows_them(language: str) -> None:
    """docs: application-commands (descriptions, menus), components/reference (buttons, forms)."""
    limits = {"help-": 100, "discord-option-": 100, "discord-menu-": 32, "button-": 80}
    limits |= {"setting-about-": 100, "report-title": 45, "report-reason": 45, "begin-title": 45}
    limits |= {"round-line": 45, "round-first-line": 45, "round-title": 45}
    limits |= {"setting-about-words": 45}
    for prefix, most in limits.items():
        for key in sentences("en", "core.ftl") | sentences("en", "discord.ftl"):
            if key.startswith(prefix):
                assert len(say(key, language)) <= most, key


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("why", ["young", "burst"])
def test_the_answer_to_a_vote_fits_where_telegram_shows_it(language: str, why: str) -> None:
    """core.telegram.org/bots/api#answercallbackquery: 200 characters."""
    vote = say("vote-counted-down", language, id=1_000_000, ups=10_000, downs=10_000)
    assert len(f"{vote} {say(f'vote-held-{why}', language)}") <= 200


def test_a_traditional_reader_gets_the_chinese_there_is() -> None:
    assert say("story-cancelled", "zh-TW") == say("story-cancelled", "zh-CN") == "已取消。"
    assert say("story-cancelled", "es-419") == "Cancelada."


def test_a_key_or_a_value_that_is_missing_is_our_mistake() -> None:
    with pytest.raises(KeyError, match="no-such-key"):
        say("no-such-key")
    with pytest.raises(KeyError, match="story-byline"):
        say("story-byline")


def test_values_are_put_in_as_they_are() -> None:
    line = say("story-byline", id=12345, genre="horror", author="{ $id } <b>@everyone</b>")
    assert line == "#12345 · horror by { $id } <b>@everyone</b>"
