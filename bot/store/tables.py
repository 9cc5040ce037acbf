"""The tables, as SQLAlchemy Core sees them. The migrations make them; a test compares the two.

Knows names, types, keys and indexes. Asks no question of a database. Times are seconds since the
Unix epoch. Written for SQLite and PostgreSQL alike.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Computed,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)

from bot.domain import Relation, Status, Turn

metadata = MetaData(
    # Named constraints can be altered by a later migration, also on SQLite.
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

NO_ROW = -1
"""An id no row has: ids start at 1."""


class Id(TypeDecorator[int]):
    """A row's number. One too large for the database is a row that is not there, not a crash."""

    # SQLite numbers rows by itself only in a column declared exactly INTEGER.
    impl = BigInteger().with_variant(Integer, "sqlite")
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        return NO_ROW if value is not None and not -(2**63) <= value < 2**63 else value


class Words(TypeDecorator[str]):
    """Text from people and models, less what a database refuses.

    PostgreSQL takes no NUL, and neither takes half a surrogate pair; a story should not be lost
    over either.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _one_of(column: str, values: list[str]) -> str:
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


# AUTOINCREMENT, here and below: without it SQLite gives the number of a deleted row to a new one,
# and an old message's vote button would reach a stranger's story.
# A member is a person: with one identity, or with one on each of several platforms.
members = Table(
    "members",
    metadata,
    Column("id", Id, primary_key=True),
    Column("created_at", Double, nullable=False),
    sqlite_autoincrement=True,
)

identities = Table(
    "identities",
    metadata,
    Column("platform", String(32), primary_key=True),
    Column("platform_id", Words, primary_key=True),
    Column("name", Words, nullable=False),
    Column("member_id", Id, ForeignKey(members.c.id), nullable=False),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("member_id", "platform"),
    sqlite_with_rowid=False,
)

# At most one code a member; only its hash is kept, since whoever has the code has the account.
link_codes = Table(
    "link_codes",
    metadata,
    Column("member_id", Id, ForeignKey(members.c.id), primary_key=True, autoincrement=False),
    Column("platform", String(32), nullable=False),
    Column("code_hash", String(64), nullable=False),
    Column("expires_at", Double, nullable=False),
    UniqueConstraint("code_hash"),
)

link_tries = Table(
    "link_tries",
    metadata,
    Column("member_id", Id, ForeignKey(members.c.id), primary_key=True, autoincrement=False),
    Column("wrong", Integer, nullable=False),
    Column("since", Double, nullable=False),
)

communities = Table(
    "communities",
    metadata,
    Column("id", Id, primary_key=True),
    Column("platform", String(32), nullable=False),
    Column("platform_id", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("is_private", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("platform", "platform_id"),
    sqlite_autoincrement=True,
)

community_settings = Table(
    "community_settings",
    metadata,
    Column("community_id", Id, ForeignKey(communities.c.id), primary_key=True, autoincrement=False),
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Id, primary_key=True),
    Column("community_id", Id, ForeignKey(communities.c.id), nullable=False),
    Column("member_id", Id, ForeignKey(members.c.id)),
    Column("at", Double, nullable=False),
    Column("action", String(32), nullable=False),
    Column("details", JSON, nullable=False),
    Index("ix_audit_log_community", "community_id", "id"),
    Index("ix_audit_log_member", "member_id"),
)

stories = Table(
    "stories",
    metadata,
    Column("id", Id, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("community_id", Id, ForeignKey(communities.c.id), nullable=False),
    Column("author_id", Id, ForeignKey(members.c.id)),
    Column("genre", Words, nullable=False),
    Column("title", Words, nullable=False),
    Column("prompt", Words, nullable=False),
    Column("text", Words, nullable=False),
    Column("parent_id", Id, ForeignKey("stories.id")),
    Column("relation", String(16)),
    Column("sampling", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("finished_at", Double),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("failure", Words),
    # Provenance: all set when finished, all null before.
    Column("model", Words),
    Column("revision", Words),
    Column("adapter_hash", Words),
    Column("n_tokens", Integer),
    Column("seconds", Double),
    Column("finish_reason", String(16)),
    # The tally: what the votes table says, kept here so that "top" is one walk down an index.
    Column("ups", Integer, nullable=False, server_default="0"),
    Column("downs", Integer, nullable=False, server_default="0"),
    Column("rank", Double, nullable=False, server_default="0"),
    Column("score", Integer, Computed("ups - downs", persisted=True), nullable=False),
    Column("hidden", Boolean, nullable=False, server_default=false()),
    CheckConstraint(_one_of("status", list(Status)), name="status"),
    CheckConstraint(_one_of("relation", list(Relation)), name="relation"),
    CheckConstraint("ups >= 0 AND downs >= 0", name="tally"),
    sqlite_autoincrement=True,
)
BEST_FIRST: tuple[ColumnElement[Any], ...] = (
    stories.c.rank.desc(),
    stories.c.score.desc(),
    stories.c.finished_at.desc(),
    stories.c.id.desc(),
)
"""By rank, then score, then newest; the two "top" indexes lie in this order."""
_READABLE = (stories.c.community_id, stories.c.status, stories.c.hidden)
Index("ix_stories_top", *_READABLE, *BEST_FIRST)
Index(
    "ix_stories_top_of_genre",
    *_READABLE,
    stories.c.genre,
    *BEST_FIRST,
)
Index(
    "ix_stories_recent",
    *_READABLE,
    stories.c.finished_at,
)
Index("ix_stories_author", stories.c.author_id, stories.c.created_at, stories.c.id)
Index("ix_stories_status", stories.c.status, stories.c.id)
Index("ix_stories_parent", stories.c.parent_id)

votes = Table(
    "votes",
    metadata,
    Column("story_id", Id, ForeignKey(stories.c.id), primary_key=True, autoincrement=False),
    Column("member_id", Id, ForeignKey(members.c.id), primary_key=True, autoincrement=False),
    Column("value", SmallInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("held", String(8)),  # why it does not count; null: it does
    Column("released", Boolean, nullable=False, server_default=false()),
    CheckConstraint("value IN (-1, 1)", name="value"),
    Index("ix_votes_member", "member_id"),
    Index(
        "ix_votes_held",
        "story_id",
        sqlite_where=text("held IS NOT NULL"),
        postgresql_where=text("held IS NOT NULL"),
    ),
    sqlite_with_rowid=False,  # the primary key is the table: one tree to write instead of two
)

# A story that members and the model write in turn; its row in `stories` has all lines as its text.
rounds = Table(
    "rounds",
    metadata,
    Column("story_id", Id, ForeignKey(stories.c.id), primary_key=True, autoincrement=False),
    Column("turn", String(16), nullable=False),
    Column("changed_at", Double, nullable=False),
    CheckConstraint(_one_of("turn", list(Turn)), name="turn"),
    Index(
        "ix_rounds_open",
        "changed_at",
        sqlite_where=text("turn != 'over'"),
        postgresql_where=text("turn != 'over'"),
    ),
)

lines = Table(
    "lines",
    metadata,
    Column("story_id", Id, ForeignKey(stories.c.id), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("is_models", Boolean, nullable=False),
    Column("member_id", Id, ForeignKey(members.c.id)),
    Column("text", Words, nullable=False),
    Column("created_at", Double, nullable=False),
    Index("ix_lines_member", "member_id", "created_at"),
    sqlite_with_rowid=False,
)

posts = Table(
    "posts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("story_id", Id, ForeignKey(stories.c.id), nullable=False),
    Column("platform", String(32), nullable=False),
    Column("channel_id", Words, nullable=False),
    Column("message_id", Words, nullable=False),
    Column("locale", String(35), nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("first_message_id", Words, nullable=False, server_default=text("''")),
    UniqueConstraint("platform", "channel_id", "message_id"),
    Index("ix_posts_story", "story_id", "id"),
    Index(
        "ix_posts_open",
        "platform",
        sqlite_where=text("NOT ended"),
        postgresql_where=text("NOT ended"),
    ),
)

reports = Table(
    "reports",
    metadata,
    Column("story_id", Id, ForeignKey(stories.c.id), primary_key=True, autoincrement=False),
    Column("member_id", Id, ForeignKey(members.c.id), primary_key=True, autoincrement=False),
    Column("reason", Words, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("settled", Boolean, nullable=False),
    Index("ix_reports_member", "member_id"),
    Index(
        "ix_reports_open",
        "story_id",
        sqlite_where=text("settled = 0"),  # as SQLAlchemy asks, or the index is not used
        postgresql_where=text("NOT settled"),
    ),
)

# By the platform's own id, not a member's row: a block outlives /forget, or it would not hold.
blocks = Table(
    "blocks",
    metadata,
    Column("community_id", Id, ForeignKey(communities.c.id), primary_key=True, autoincrement=False),
    Column("platform_id", Words, primary_key=True),
    Column("at", Double, nullable=False),
)

hall_of_fame = Table(
    "hall_of_fame",
    metadata,
    Column("story_id", Id, ForeignKey(stories.c.id), primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
)

notes = Table(
    "notes",
    metadata,
    Column("key", Words, primary_key=True),
    Column("value", Words, nullable=False),
)
