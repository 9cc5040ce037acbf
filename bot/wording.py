"""Sentences about stories, votes and the queue that every platform says alike.

Plain text: names, titles and prompts in it come from members, so a platform escapes the result
for its markup. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bot.community_settings import CommunitySettings
from bot.domain import (
    AuditEntry,
    HeldVotes,
    Member,
    Period,
    QueueView,
    Relation,
    Round,
    Stats,
    Status,
    Story,
    StoryUpdate,
    Turn,
    VoteValue,
)
from bot.texts import languages, say
from model.engine import EngineInfo
from model.genres import GenreTable, UnknownGenre

MEDALS = ("🥇", "🥈", "🥉")
COMMANDS = (
    "story", "continue", "retry", "cancel", "read", "random", "top", "mine", "vote",
    "queue", "genres", "about", "link", "unlink", "privacy", "export", "forget", "help",
)  # fmt: skip
"""Every command of the service, in the order of /help; each has the sentences
`help-<command>` and, for platforms that have only text, `usage-<command>`."""
MORE_COMMANDS = ("member", "stats", "together")
"""What else a platform may offer to everybody; each has `help-<command>`."""
MANAGER_COMMANDS = ("settings", "moderate")
"""What else a platform may offer to those who run a community; each has `help-<command>`."""


def setting_value(name: str, value: Any, genres: GenreTable, locale: str) -> str:
    """A community setting's value in words; kept values, which JSON made lists of, included."""
    if name == "genres" and value:
        return ", ".join(label_of(one, genres) for one in value)
    if name == "digest":
        return say(f"digest-{value}", locale)
    if name == "digest_hour":
        return say("setting-oclock", locale, hour=f"{value:02}")
    if name == "words" and value:
        return say("setting-entries", locale, n=len(value))
    if name in ("length", "longest"):
        return say(f"length-{value}", locale)
    if isinstance(value, bool):
        return say("setting-yes" if value else "setting-no", locale)
    if name == "language" and value:
        return say("language-name", value)
    if name == "min_account_age_days" and value:
        return say("setting-days", locale, n=value)
    if name == "cooldown_s" and value:
        return say("wait-seconds", locale, n=value)
    return str(value) if value else say(f"setting-default-{name}", locale)


YES, NO = "yes", "no"


def is_switch(name: str) -> bool:
    """Whether a community setting is either on or off."""
    return isinstance(getattr(CommunitySettings(), name), bool)


def setting_choices(name: str, locale: str) -> list[tuple[str, str]]:
    """Of a community setting that is one of a few words: each, and how members say it. Else none:
    what is typed, or is the platform's own."""
    if name == "language":
        spoken = [(language, say("language-name", language)) for language in languages()]
        return [("", say("setting-default-language", locale)), *spoken]
    if is_switch(name):
        return [(word, say(f"setting-{word}", locale)) for word in (NO, YES)]
    if name == "digest":
        return [(word, say(f"digest-{word}", locale)) for word in ("off", "day", "week")]
    if name in ("length", "longest"):
        return [(word, say(f"length-{word}", locale)) for word in ("short", "medium", "long")]
    return []


def audit(
    entry: AuditEntry,
    locale: str,
    value: Callable[[str, Any], str],
    *,
    name_of: Callable[[str], str] = str,
    member: Callable[[str], str] = str,
) -> str:
    """What was done in running a community, in the platform's markup: `value` says a setting's
    value, `name_of` whoever did it, `member` the id of whom it was done to."""
    somebody = say("story-author-forgotten", locale)
    actor = name_of(entry.actor or somebody)
    key, details = f"audit-{entry.action}", entry.details
    if "story" in details:
        return say(key, locale, actor=actor, id=details["story"])
    if "member" in details:
        whom = member(str(details["member"])) if details["member"] else somebody
        return say(key, locale, actor=actor, member=whom)
    name = details["name"]
    return say(
        "audit-setting",
        locale,
        actor=actor,
        setting=say(f"setting-{name}", locale),
        before=value(name, details["before"]),
        after=value(name, details["after"]),
    )


def wait(seconds: float, locale: str) -> str:
    """A rough duration: "20 seconds", "3 minutes"."""
    if seconds < 90:
        return say("wait-seconds", locale, n=max(1, round(seconds)))
    return say("wait-minutes", locale, n=round(seconds / 60))


def genre_label(story: Story, genres: GenreTable) -> str:
    """The genre as members say it."""
    return label_of(story.genre, genres)


def label_of(name: str, genres: GenreTable) -> str:
    """A genre's name as members say it, though it may have left the table."""
    try:
        return genres.get(name).label
    except UnknownGenre:
        return name


def author(story: Story, locale: str) -> str:
    """Whoever asked for a story; of a round, everybody who wrote a line."""
    first = story.author_name or say("story-author-forgotten", locale)
    return ", ".join((first, *story.co_authors))


def byline(story: Story, genre_label: str, locale: str) -> str:
    """`#12 · horror by Ada · continues #9`."""
    line = say("story-byline", locale, id=story.id, genre=genre_label, author=author(story, locale))
    if story.parent_id is not None:
        continues = story.relation is Relation.CONTINUATION
        key = "story-continues" if continues else "story-version-of"
        line += " · " + say(key, locale, id=story.parent_id)
    return line


def written_by(story: Story, locale: str) -> str:
    """`written by SmolLM2-135M, seed 7`; "" while it has not been written."""
    if story.provenance is None:
        return ""
    return say(
        "story-written-by",
        locale,
        model=story.provenance.model,
        seed=str(story.sampling.seed),
    )


def status(update: StoryUpdate, locale: str) -> str:
    """What to say beside, or instead of, the text; "" for a finished story."""
    story = update.story
    if story.is_hidden:
        return say("story-hidden", locale)
    if update.round is not None:
        return _turn(update, update.round, locale)
    if story.status is Status.QUEUED:
        return _position(update, locale)
    if story.status is Status.WRITING:
        return "" if story.text else say("story-thinking", locale)
    if story.status is Status.FAILED:
        return say(story.failure or "failure-error", locale, id=story.id)
    if story.status is Status.CANCELLED:
        return say("story-cancelled", locale)
    if story.status is Status.DELETED:
        return say("story-deleted", locale)
    return ""


def _turn(update: StoryUpdate, round: Round, locale: str) -> str:
    """Whose turn it is in a round."""
    if update.story.turn is Turn.MODEL:
        in_line = update.position is not None and update.position > 1
        return _position(update, locale) if in_line else say("round-models-turn", locale)
    n, author = round.n_lines, round.last_author
    return say("round-members-turn", locale, n=n, most=round.most, author=author)


def _position(update: StoryUpdate, locale: str) -> str:
    if update.position is None:
        return say("story-waiting", locale)
    if not update.expected_wait_s:
        return say("story-queued", locale, position=update.position)
    return say(
        "story-queued-wait",
        locale,
        position=update.position,
        wait=wait(update.expected_wait_s, locale),
    )


def vote_counted(story: Story, value: VoteValue, locale: str) -> str:
    """The answer to a vote, with the new tally, and whether the vote is in it."""
    key = {1: "vote-counted-up", -1: "vote-counted-down", 0: "vote-cleared"}[value]
    answer = say(key, locale, id=story.id, ups=story.tally.ups, downs=story.tally.downs)
    held = story.tally.held
    return answer if held is None else f"{answer} {say(f'vote-held-{held}', locale)}"


def held_votes(held: HeldVotes, locale: str) -> str:
    """`12 votes not counted: 9 young accounts, 3 in a burst`."""
    return say("held-votes", locale, n=held.total, young=held.young, burst=held.burst)


def account(member: Member, locale: str) -> str:
    """`Ada on Telegram`."""
    return say("link-account", locale, name=member.name, platform=member.platform)


def linked(identities: Sequence[Member], locale: str) -> list[str]:
    """A line that names all of a person's accounts; none for a person with one."""
    if len(identities) < 2:
        return []
    accounts = ", ".join(account(one, locale) for one in identities)
    return [say("link-with", locale, accounts=accounts)]


def held_button(n_stories: int, locale: str) -> str:
    """The way to held votes, saying on how many stories there are some."""
    label = say("button-held", locale)
    return f"{label} ({n_stories})" if n_stories else label


def headline(story: Story, most: int = 80) -> str:
    """A story's name in a list: its title, else its first words."""
    text = story.title or story.text or story.prompt
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def top_title(genre: str, period: Period, genres: GenreTable, locale: str) -> str:
    """`The best horror stories · week`; `genre` may be "", else it is one of the table."""
    title = say("top-title", locale)
    if genre:
        title = say("top-title-genre", locale, genre=genres.get(genre).label)
    return title if period == "all" else f"{title} · {say(f'period-{period}', locale)}"


def stats_about(stats: Stats, locale: str) -> str:
    """What the picture of a community's figures adds up to."""
    return say(
        "stats-about",
        locale,
        stories=sum(one.stories for one in stats.genres),
        votes=sum(one.ups + one.downs for one in stats.genres),
    )


def queue_lines(view: QueueView, locale: str) -> list[str]:
    """The answer to /queue."""
    lines = [
        say("queue-line", locale, waiting=view.waiting, writing=view.writing),
    ]
    if view.expected_wait_s:
        lines.append(say("queue-wait", locale, wait=wait(view.expected_wait_s, locale)))
    for story_id, position in view.mine:
        if position is None:
            lines.append(say("queue-mine-writing", locale, id=story_id))
        else:
            lines.append(say("queue-mine-waiting", locale, id=story_id, position=position))
    return lines


def about_lines(info: EngineInfo | None, locale: str) -> list[str]:
    """The answer to /about."""
    if info is None:
        return [say("about-text", locale), say("about-no-model", locale)]
    lines = [
        say("about-text", locale),
        say(
            "about-model",
            locale,
            model=info.model,
            revision=info.revision[:12],
            parameters=round(info.n_parameters / 1e6),
            device=info.device,
            licence=info.licence,
        ),
    ]
    if info.adapter_hash is not None:
        lines.append(say("about-adapter", locale, hash=info.adapter_hash[:12]))
    return lines
