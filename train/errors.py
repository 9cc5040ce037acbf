"""What stops training: the text says what is wrong, where, and what to do."""

from __future__ import annotations


class TrainError(Exception):
    """Bad input or a run that cannot go on; shown to the operator as one line, no traceback."""
