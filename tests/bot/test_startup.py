"""What a command does not need, it does not import: the command line answers at once."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "torch", "transformers", "numba", "numpy", "matplotlib", "sqlalchemy", "alembic", "discord",
    "telegram", "aiohttp", "redis", "saq", "asyncpg",
)  # fmt: skip


def test_help_needs_no_heavy_library() -> None:
    program = f"""
import sys
sys.argv = ["cliffhanger", "--help"]
from bot.__main__ import main
try:
    main()
finally:
    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "console" in done.stdout
    assert done.stderr.splitlines()[-1] == "[]"
