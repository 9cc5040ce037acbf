"""Members, communities, stories, votes, posts and notes.

A migration is history: it repeats the types it was written with instead of importing today's.
Constraints get their names from the convention in bot.store.tables.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
BEST_FIRST = [sa.text(f"{column} DESC") for column in ("rank", "score", "finished_at", "id")]


def upgrade() -> None:
    create_people()
    create_stories()
    create_votes()
    create_posts_and_notes()


def create_people() -> None:
    op.create_table(
        "members",
        sa.Column("id", ID, primary_key=True),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("platform_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.UniqueConstraint("platform", "platform_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "communities",
        sa.Column("id", ID, primary_key=True),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("platform_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("is_private", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.UniqueConstraint("platform", "platform_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "community_settings",
        sa.Column(
            "community_id",
            ID,
            sa.ForeignKey("communities.id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("genres", sa.JSON),
        sa.Column("max_new_tokens", sa.Integer),
    )


def create_stories() -> None:
    op.create_table(
        "stories",
        sa.Column("id", ID, primary_key=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("community_id", ID, sa.ForeignKey("communities.id"), nullable=False),
        sa.Column("author_id", ID, sa.ForeignKey("members.id")),
        sa.Column("genre", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("parent_id", ID, sa.ForeignKey("stories.id")),
        sa.Column("relation", sa.String(16)),
        sa.Column("sampling", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("finished_at", sa.Double),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("failure", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("revision", sa.Text),
        sa.Column("adapter_hash", sa.Text),
        sa.Column("n_tokens", sa.Integer),
        sa.Column("seconds", sa.Double),
        sa.Column("finish_reason", sa.String(16)),
        sa.Column("ups", sa.Integer, nullable=False, server_default="0"),
        sa.Column("downs", sa.Integer, nullable=False, server_default="0"),
        sa.Column("rank", sa.Double, nullable=False, server_default="0"),
        sa.Column("score", sa.Integer, sa.Computed("ups - downs", persisted=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('queued', 'writing', 'finished', 'failed', 'cancelled', 'deleted')",
            name="status",
        ),
        sa.CheckConstraint("relation IN ('continuation', 'version')", name="relation"),
        sa.CheckConstraint("ups >= 0 AND downs >= 0", name="tally"),
        sqlite_autoincrement=True,
    )
    place = ["community_id", "status"]
    op.create_index("ix_stories_top", "stories", [*place, *BEST_FIRST])
    op.create_index("ix_stories_top_of_genre", "stories", [*place, "genre", *BEST_FIRST])
    op.create_index("ix_stories_recent", "stories", [*place, "finished_at"])
    op.create_index("ix_stories_author", "stories", ["author_id", "created_at", "id"])
    op.create_index("ix_stories_status", "stories", ["status", "id"])
    op.create_index("ix_stories_parent", "stories", ["parent_id"])


def create_votes() -> None:
    op.create_table(
        "votes",
        sa.Column(
            "story_id", ID, sa.ForeignKey("stories.id"), primary_key=True, autoincrement=False
        ),
        sa.Column(
            "member_id", ID, sa.ForeignKey("members.id"), primary_key=True, autoincrement=False
        ),
        sa.Column("value", sa.SmallInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.CheckConstraint("value IN (-1, 1)", name="value"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_votes_member", "votes", ["member_id"])


def create_posts_and_notes() -> None:
    op.create_table(
        "posts",
        sa.Column("id", ID, primary_key=True),
        sa.Column("story_id", ID, sa.ForeignKey("stories.id"), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("channel_id", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("locale", sa.String(35), nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.UniqueConstraint("platform", "channel_id", "message_id"),
    )
    op.create_index("ix_posts_story", "posts", ["story_id", "id"])
    op.create_index(
        "ix_posts_open",
        "posts",
        ["platform"],
        sqlite_where=sa.text("NOT ended"),
        postgresql_where=sa.text("NOT ended"),
    )
    op.create_table(
        "notes",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for table in (
        "notes",
        "posts",
        "votes",
        "stories",
        "community_settings",
        "communities",
        "members",
    ):
        op.drop_table(table)
