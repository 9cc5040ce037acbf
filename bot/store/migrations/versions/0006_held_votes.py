"""Votes that are kept but not counted, until a moderator releases them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("votes", sa.Column("held", sa.String(8)))
    op.add_column(
        "votes", sa.Column("released", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_index(
        "ix_votes_held",
        "votes",
        ["story_id"],
        sqlite_where=sa.text("held IS NOT NULL"),
        postgresql_where=sa.text("held IS NOT NULL"),
    )


def downgrade() -> None:
    """Votes that were not counted go: an older version would count them."""
    op.execute("DELETE FROM votes WHERE held IS NOT NULL")
    op.drop_index("ix_votes_held", "votes")
    op.drop_column("votes", "released")
    op.drop_column("votes", "held")
