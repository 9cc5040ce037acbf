"""A member may have an identity on each of several platforms, linked by a code."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("platform", sa.String(32), primary_key=True),
        sa.Column("platform_id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("member_id", ID, sa.ForeignKey("members.id"), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.UniqueConstraint("member_id", "platform"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO identities (platform, platform_id, name, member_id, created_at)"
        " SELECT platform, platform_id, name, id, created_at FROM members"
    )
    highest = highest_id()
    with op.batch_alter_table("members", table_kwargs={"sqlite_autoincrement": True}) as members:
        members.drop_constraint("uq_members_platform_platform_id", type_="unique")
        for name in ("platform", "platform_id", "name"):
            members.drop_column(name)
    give_no_id_again(highest)
    create_linking()


def create_linking() -> None:
    op.create_table(
        "link_codes",
        sa.Column(
            "member_id", ID, sa.ForeignKey("members.id"), primary_key=True, autoincrement=False
        ),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.UniqueConstraint("code_hash"),
    )
    op.create_table(
        "link_tries",
        sa.Column(
            "member_id", ID, sa.ForeignKey("members.id"), primary_key=True, autoincrement=False
        ),
        sa.Column("wrong", sa.Integer, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
    )


def highest_id() -> int | None:
    """The highest id SQLite ever gave to a member; None on PostgreSQL, which keeps count."""
    if op.get_bind().dialect.name != "sqlite":
        return None
    given = sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'members'")
    highest: int | None = op.get_bind().scalar(given)
    return highest


def give_no_id_again(highest: int | None) -> None:
    """SQLite copies the table, and the copy counts on from the highest id still there."""
    if highest is None:
        return
    op.execute("DELETE FROM sqlite_sequence WHERE name = 'members'")
    counted = sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('members', :seq)")
    op.execute(counted.bindparams(seq=highest))


def downgrade() -> None:
    """A linked member keeps the first of their identities."""
    op.drop_table("link_tries")
    op.drop_table("link_codes")
    highest = highest_id()
    with op.batch_alter_table("members", table_kwargs={"sqlite_autoincrement": True}) as members:
        members.add_column(sa.Column("platform", sa.String(32)))
        for name in ("platform_id", "name"):
            members.add_column(sa.Column(name, sa.Text))
    for name in ("platform", "platform_id", "name"):
        op.execute(
            f"UPDATE members SET {name} = (SELECT {name} FROM identities"  # noqa: S608
            " WHERE member_id = members.id ORDER BY created_at, platform LIMIT 1)"
        )
    with op.batch_alter_table("members", table_kwargs={"sqlite_autoincrement": True}) as members:
        for name in ("platform", "platform_id", "name"):
            members.alter_column(name, nullable=False)
        members.create_unique_constraint(
            "uq_members_platform_platform_id", ["platform", "platform_id"]
        )
    give_no_id_again(highest)
    op.drop_table("identities")
