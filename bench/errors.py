"""What stops a measurement: the text says what is wrong and what to do."""

from __future__ import annotations


class BenchError(Exception):
    """Bad input, or a measurement that cannot be made; shown as one line, no traceback."""
