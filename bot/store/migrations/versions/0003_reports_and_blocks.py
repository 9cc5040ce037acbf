"""Reports, hidden stories, blocked members, and which messages are one showing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
BEST_FIRST = [sa.text(f"{column} DESC") for column in ("rank", "score", "finished_at", "id")]


def upgrade() -> None:
    op.add_column(
        "stories", sa.Column("hidden", sa.Boolean, nullable=False, server_default=sa.false())
    )
    index_stories(["community_id", "status", "hidden"])
    op.add_column(
        "posts",
        sa.Column("first_message_id", sa.Text, nullable=False, server_default=sa.text("''")),
    )
    # So far the messages of a story were those of one showing.
    op.execute(
        "UPDATE posts SET first_message_id = (SELECT message_id FROM posts AS page"
        " WHERE page.story_id = posts.story_id AND page.platform = posts.platform"
        " ORDER BY page.id LIMIT 1)"
    )
    op.execute("UPDATE posts SET first_message_id = '' WHERE first_message_id = message_id")
    create_reports()
    create_blocks()


def index_stories(place: list[str]) -> None:
    for name in ("top", "top_of_genre", "recent"):
        op.drop_index(f"ix_stories_{name}", "stories")
    op.create_index("ix_stories_top", "stories", [*place, *BEST_FIRST])
    op.create_index("ix_stories_top_of_genre", "stories", [*place, "genre", *BEST_FIRST])
    op.create_index("ix_stories_recent", "stories", [*place, "finished_at"])


def create_reports() -> None:
    op.create_table(
        "reports",
        sa.Column(
            "story_id", ID, sa.ForeignKey("stories.id"), primary_key=True, autoincrement=False
        ),
        sa.Column(
            "member_id", ID, sa.ForeignKey("members.id"), primary_key=True, autoincrement=False
        ),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("settled", sa.Boolean, nullable=False),
    )
    op.create_index("ix_reports_member", "reports", ["member_id"])
    op.create_index(
        "ix_reports_open",
        "reports",
        ["story_id"],
        sqlite_where=sa.text("settled = 0"),
        postgresql_where=sa.text("NOT settled"),
    )


def create_blocks() -> None:
    op.create_table(
        "blocks",
        sa.Column(
            "community_id",
            ID,
            sa.ForeignKey("communities.id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("platform_id", sa.Text, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("blocks")
    op.drop_table("reports")
    op.drop_column("posts", "first_message_id")
    index_stories(["community_id", "status"])
    op.drop_column("stories", "hidden")
