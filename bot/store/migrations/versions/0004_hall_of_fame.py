"""Stories that were posted once more because many liked them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "hall_of_fame",
        sa.Column(
            "story_id", ID, sa.ForeignKey("stories.id"), primary_key=True, autoincrement=False
        ),
        sa.Column("at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("hall_of_fame")
