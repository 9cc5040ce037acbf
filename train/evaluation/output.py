"""Keeps an evaluation in its folder: evaluation.json, evaluation.md, evaluation.png, stories.jsonl.

Each file is written beside its place and moved there whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from train.errors import TrainError
from train.evaluation.figures import Column, ModelResult, judged_words, real_words
from train.evaluation.picture import draw
from train.evaluation.settings import Settings
from train.evaluation.table import markdown_table, rows_by_genre, summary_rows

_JSON, _PAGE, _PICTURE, _STORIES = (
    "evaluation.json", "evaluation.md", "evaluation.png", "stories.jsonl",
)  # fmt: skip
_PACKAGES = ("cliffhanger", "torch", "transformers", "tokenizers", "peft", "scikit-learn")
_HOW_TO_READ = """\
- **Bits per byte**: all bits of the held-out stories' tokens over their UTF-8 bytes, comparable
  across tokenizers. **Perplexity** is of a token, and compares models of one tokenizer only. Both
  weigh every token alike; the genre before a story is given, and the end is counted apart: **nats
  of the end token** is what an end costs where the story ends.
- **Genre control**: a classifier (TF-IDF of letters in words, logistic regression) that has learnt
  from the train file's plots reads each story without its prompt, and no more than {n_judged}
  words of it. The mean over the genres of the share it gives the genre asked for, ± one standard
  error. On real plots that it has not learnt from, this is the ceiling. Half of the stories have a
  prompt, the beginning of a held-out plot of the genre, which tells some of the genre by itself.
- **Own prompt nearer**: chance that a story is nearer (cosine of TF-IDF) to its own prompt than to
  another of the genre; 50 % is no adherence. **Names kept**: share of the prompts with a name of
  which a name comes again.
- **Loop**: four words in a row at three places of a story, or eight at two. **Rep-n**: share of a
  story's n-grams that it has had before. **Distinct-n**: share of different n-grams in all stories
  of a column, over the same number of words in every column. Real plots are cut to {n_words}
  words.
- **Ends by itself**: within the limit of tokens, and not empty; of real plots, those
  that would fit.
"""


def check_room(settings: Settings) -> None:
    """Make the output folder. Raises TrainError where it cannot be had or is in use."""
    folder = settings.output_dir
    if (folder / _JSON).exists() and not settings.overwrite:
        raise TrainError(
            f"{folder} holds an evaluation already; give --overwrite, or another --output-dir"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f"{_JSON}.tmp"
        trial.write_bytes(b"")
        trial.unlink()
    except OSError as error:
        raise TrainError(f"{folder} cannot be written to: {error}") from error


def save(
    settings: Settings,
    columns: Sequence[Column],
    results: Sequence[ModelResult],
    notes: Sequence[str],
) -> None:
    """Write all four files anew. Raises TrainError where they cannot be written."""
    folder = settings.output_dir
    stories = [
        json.dumps({"model": result.name, **asdict(written)}, ensure_ascii=False) + "\n"
        for result in results
        for written in result.stories
    ]
    record = json.dumps(_record(settings, columns, notes), indent=2, allow_nan=False)
    try:
        _write(folder / _STORIES, "".join(stories).encode())
        _write(folder / _JSON, f"{record}\n".encode())
        _write(folder / _PAGE, _page(settings, columns, notes).encode())
        _write(folder / _PICTURE, draw(columns))
    except OSError as error:
        raise TrainError(f"The evaluation cannot be kept in {folder}: {error}") from error


def _write(path: Path, data: bytes) -> None:
    made = path.with_name(f"{path.name}.tmp")
    try:
        made.write_bytes(data)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)


def _record(settings: Settings, columns: Sequence[Column], notes: Sequence[str]) -> dict[str, Any]:
    asked = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(settings).items()
    }
    files = (settings.eval_data_file, settings.train_data_file)
    return {
        "settings": asked,
        "sha256": {path.name: _sha256(path) for path in files if path},
        "machine": machine(),
        "columns": [asdict(column) for column in columns],
        "table": [asdict(row) for row in summary_rows(columns)],
        "by_genre": [asdict(row) for row in rows_by_genre(columns)],
        "notes": list(notes),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def machine() -> dict[str, Any]:
    """What the figures were made on."""
    import torch

    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def _page(settings: Settings, columns: Sequence[Column], notes: Sequence[str]) -> str:
    names = [column.name for column in columns]
    most = settings.sampling.max_new_tokens
    how = _HOW_TO_READ.format(n_judged=judged_words(most), n_words=real_words(most))
    parts = [
        "# Evaluation",
        _what(settings, columns),
        markdown_table(names, summary_rows(columns)),
        f"![The figures as bars]({_PICTURE})",
        "## By genre",
        markdown_table(names, rows_by_genre(columns)),
        "## How to read it",
        how.strip(),
    ]
    if notes:
        parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


def _what(settings: Settings, columns: Sequence[Column]) -> str:
    scored = max(column.likelihood["all"].n_stories for column in columns if column.likelihood)
    given = settings.sampling
    written = (
        f"{settings.stories} stories of each genre (seed {settings.seed}, temperature "
        f"{given.temperature}, top_k {given.top_k}, top_p {given.top_p}, repetition_penalty "
        f"{given.repetition_penalty}, at most {given.max_new_tokens} new tokens), all of them in "
        f"[{_STORIES}]({_STORIES})."
    )
    models = [
        f"- {column.name}: {info.n_parameters / 1e6:.0f}M parameters, {info.dtype}, revision "
        f"{info.revision}, adapter {info.adapter_hash or 'none'}, "
        f"{'genre tokens' if info.has_genre_tokens else 'genre by lead-in'}"
        for column in columns
        if (info := column.model)
    ]
    text = f"{scored} held-out stories of {settings.eval_data_file.name} read"
    text += f", and {written}" if settings.stories else "; no stories written."
    return "\n".join([text, "", *models])
