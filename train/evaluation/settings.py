"""What an evaluation is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from model.engine import SamplingParams


@dataclass(frozen=True, slots=True)
class Settings:
    """Models, data and how stories are written; the same for every model."""

    models: tuple[str, ...]
    """Names as `model.registry.resolve` takes them."""
    eval_data_file: Path
    output_dir: Path
    train_data_file: Path | None = None
    """What the judge of genres learns from; None: genre control is left out."""
    genres: Path | None = None
    """Genre file; None: the built-in table."""
    stories: int = 40
    """Stories of each genre; 0 measures likelihood alone."""
    max_eval_samples: int | None = None
    """Held-out stories to score, chosen by the seed; None: all."""
    sampling: SamplingParams = field(default_factory=lambda: SamplingParams(max_new_tokens=220))
    """Its seed is not used: each story has its own."""
    batch_size: int = 16
    """Stories written at the same time."""
    seed: int = 1
    overwrite: bool = False
