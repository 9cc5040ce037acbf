"""Alembic's entry: runs the migrations on the connection that bot.store.migrate hands over."""

from __future__ import annotations

from alembic import context

from bot.store.tables import metadata

given = context.config.attributes
context.configure(
    connection=given["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
    on_version_apply=given["on_version_apply"],
)
context.run_migrations()
