"""Settings of a community, one row each, and the trail of who changed them.

The first version's table of settings goes: nothing ever wrote to it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.drop_table("community_settings")
    op.create_table(
        "community_settings",
        sa.Column(
            "community_id",
            ID,
            sa.ForeignKey("communities.id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", ID, primary_key=True),
        sa.Column("community_id", ID, sa.ForeignKey("communities.id"), nullable=False),
        sa.Column("member_id", ID, sa.ForeignKey("members.id")),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
    )
    op.create_index("ix_audit_log_community", "audit_log", ["community_id", "id"])
    op.create_index("ix_audit_log_member", "audit_log", ["member_id"])


def downgrade() -> None:
    op.drop_table("audit_log")
    op.drop_table("community_settings")
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
