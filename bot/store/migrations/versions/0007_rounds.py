"""Rounds: stories that members and the model write in turn."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "rounds",
        sa.Column(
            "story_id", ID, sa.ForeignKey("stories.id"), primary_key=True, autoincrement=False
        ),
        sa.Column("turn", sa.String(16), nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.CheckConstraint("turn IN ('members', 'model', 'over')", name="turn"),
    )
    op.create_index(
        "ix_rounds_open",
        "rounds",
        ["changed_at"],
        sqlite_where=sa.text("turn != 'over'"),
        postgresql_where=sa.text("turn != 'over'"),
    )
    op.create_table(
        "lines",
        sa.Column(
            "story_id", ID, sa.ForeignKey("stories.id"), primary_key=True, autoincrement=False
        ),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("is_models", sa.Boolean, nullable=False),
        sa.Column("member_id", ID, sa.ForeignKey("members.id")),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_lines_member", "lines", ["member_id", "created_at"])


def downgrade() -> None:
    """Rounds stay as stories; those still open are cancelled, as nothing would write them on."""
    op.execute(
        "UPDATE stories SET status = 'cancelled' WHERE status IN ('queued', 'writing')"
        " AND id IN (SELECT story_id FROM rounds)"
    )
    op.drop_table("lines")
    op.drop_table("rounds")
