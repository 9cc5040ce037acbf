"""From rows to the domain's words, and the conditions that several questions share.

Knows the tables' columns; opens no connection and changes nothing.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, exists, false, func, select

from bot.domain import Post, Provenance, Relation, Status, Story, Tally, Turn
from bot.store.tables import communities, identities, lines, rounds, stories
from model.engine import SamplingParams

OPEN = [status.value for status in Status if status.is_open]
_SAMPLING_FIELDS = {field.name for field in fields(SamplingParams)}


def select_stories() -> Select[Any]:
    """Whole stories with their authors' names, for `story_from`.

    A name is the one used on the platform where the story was asked for: whoever linked two
    identities did not tell the readers of one what they are called on the other.
    """
    return (
        select(
            stories,
            identities.c.name.label("author_name"),
            rounds.c.turn,
            _co_authors().label("co_authors"),
        )
        .outerjoin_from(stories, communities, communities.c.id == stories.c.community_id)
        .outerjoin(identities, is_identity_of(stories.c.author_id))
        .outerjoin(rounds, rounds.c.story_id == stories.c.id)
    )


def _co_authors() -> ColumnElement[str]:
    """The names of everybody but the author who wrote lines of a round, one a line and again for
    each of theirs; a name has no line breaks (bot.moderation)."""
    other = identities.alias("other")
    return (
        select(func.aggregate_strings(other.c.name, "\n"))
        .join_from(lines, other, other.c.member_id == lines.c.member_id)
        .where(
            lines.c.story_id == stories.c.id,
            lines.c.member_id.is_distinct_from(stories.c.author_id),
            other.c.platform == communities.c.platform,
        )
        .correlate(stories, communities)
        .scalar_subquery()
    )


def is_identity_of(member_id: ColumnElement[int] | int) -> ColumnElement[bool]:
    """The identity that a member has on the platform of `communities`."""
    return (identities.c.member_id == member_id) & (identities.c.platform == communities.c.platform)


def is_open(story_id: int) -> ColumnElement[bool]:
    """This story, if it is still to be written: the condition that lets it end only once."""
    return (stories.c.id == story_id) & stories.c.status.in_(OPEN)


def is_by(*member_ids: int) -> ColumnElement[bool]:
    """Asked for by one of these members or, of a round, with a line of theirs."""
    wrote_in = select(lines.c.story_id).where(lines.c.member_id.in_(member_ids))
    return stories.c.author_id.in_(member_ids) | stories.c.id.in_(wrote_in)


def is_in_hand() -> ColumnElement[bool]:
    """Still to be written by the model: what waits for a member's line is not."""
    other = rounds.alias()  # `select_stories` has the table itself
    waits = exists().where(other.c.story_id == stories.c.id, other.c.turn == Turn.MEMBERS)
    return stories.c.status.in_(OPEN) & ~waits


def is_readable(community_id: int, genre: str | None) -> ColumnElement[bool]:
    """The finished stories of a community, of one genre or of all, but for hidden ones."""
    condition = (
        (stories.c.community_id == community_id)
        & (stories.c.status == Status.FINISHED)
        & (stories.c.hidden == false())
    )
    return condition if genre is None else condition & (stories.c.genre == genre)


def story_from(row: Row[Any]) -> Story:
    """A row of `select_stories` as the domain has it."""
    return Story(
        id=row.id,
        status=Status(row.status),
        community_id=row.community_id,
        author_id=row.author_id,
        author_name=row.author_name or "",
        genre=row.genre,
        title=row.title,
        prompt=row.prompt,
        text=row.text,
        sampling=_sampling_from(row.sampling),
        created_at=row.created_at,
        finished_at=row.finished_at,
        attempts=row.attempts,
        failure=row.failure,
        parent_id=row.parent_id,
        relation=Relation(row.relation) if row.relation else None,
        provenance=_provenance_from(row),
        tally=Tally(ups=row.ups, downs=row.downs, rank=row.rank),
        is_hidden=row.hidden,
        turn=Turn(row.turn) if row.turn else None,
        co_authors=tuple(sorted(set((row.co_authors or "").split("\n")) - {""})),
    )


def _sampling_from(kept: dict[str, Any]) -> SamplingParams:
    # A setting that another version had or lacked does not make its stories unreadable.
    return SamplingParams(**{name: kept[name] for name in _SAMPLING_FIELDS & kept.keys()})


def _provenance_from(row: Row[Any]) -> Provenance | None:
    if row.model is None:
        return None
    return Provenance(
        model=row.model,
        revision=row.revision,
        adapter_hash=row.adapter_hash,
        n_tokens=row.n_tokens,
        seconds=row.seconds,
        finish_reason=row.finish_reason,
    )


def post_from(row: Row[Any]) -> Post:
    return Post(
        row.story_id,
        row.platform,
        row.channel_id,
        row.message_id,
        row.locale,
        row.first_message_id,
    )
