"""The part of a model card that says how good the model is: every figure, and stories uncut."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.checkpoint import adapter_hash, weights_hash
from train.errors import TrainError
from train.report import read_json

if TYPE_CHECKING:
    from model.checkpoint import ModelSource

_PER_GENRE = 2
"""Samples of each genre: the first asked for, so one with the genre alone and one with a prompt."""


def evaluation_text(path: Path, source: ModelSource) -> str:
    """The evaluation whose evaluation.json is `path`, as it judged the model `source`.

    Its evaluation.md and stories.jsonl are read from the same folder. Raises TrainError where one
    is missing, or where that model was not among the evaluated.
    """
    column = _column(read_json(path), path, source)
    page = _without_places(_read(path.with_name("evaluation.md")))
    stories = [json.loads(line) for line in _read(path.with_name("stories.jsonl")).splitlines()]
    parts = [f"This model is the column `{Path(column).name}`.", _within_a_page(page)]
    if samples := _samples([story for story in stories if story["model"] == column]):
        parts += [
            "### Samples",
            f"The first {_PER_GENRE} stories of each genre that the evaluation asked for, as "
            "members would see them, neither chosen nor changed. A prompt is in bold.",
            samples,
        ]
    return "\n\n".join(parts)


def _column(record: Any, path: Path, source: ModelSource) -> str:
    """Name of the column that is about this very model, by the hash of its weights."""
    columns = record.get("columns") if isinstance(record, Mapping) else None
    if not isinstance(columns, list):
        raise TrainError(f"{path} is no evaluation: `train evaluate` writes them")
    judged = {column["name"]: column["model"] for column in columns if column["model"]}
    if source.adapter is not None:
        key, wanted = "adapter_hash", adapter_hash(source.adapter)
    else:
        key, wanted = "revision", weights_hash(source.folder)
    for name, info in judged.items():
        if info[key] == wanted:
            return str(name)
    raise TrainError(
        f"{path} is about {', '.join(judged) or 'no model'}, not about these weights; run "
        f"`train evaluate {source.name}` and give its evaluation.json"
    )


def _within_a_page(page: str) -> str:
    """A page without its title, picture and links to files, its headings one level down."""
    body = re.sub(r"\A# .*\n+", "", page)
    body = re.sub(r"^!\[.*\]\(.*\)\n+", "", body, flags=re.MULTILINE)
    body = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", body)
    return re.sub(r"^(#+ )", r"#\1", body, flags=re.MULTILINE).strip()


def _without_places(text: str) -> str:
    """Folders on this machine go by their last name."""
    return re.sub(r"(?<![\w.:/])~?/(?:[\w.+@-]+/)*([\w.+@-]+)", r"\1", text)


def _samples(stories: list[dict[str, Any]]) -> str:
    by_genre: dict[str, list[str]] = {}
    for story in stories:
        told = by_genre.setdefault(story["ask"]["genre"], [])
        if len(told) < _PER_GENRE:
            told.append(_quoted(story["ask"]["prompt"], story["text"]))
    return "\n\n".join(
        f"**{genre}**\n\n" + "\n\n---\n\n".join(told) for genre, told in by_genre.items()
    )


def _quoted(prompt: str, text: str) -> str:
    bold = f"**{prompt}**{text[len(prompt) :]}" if prompt else text
    lines = (bold or "(an empty story)").splitlines()
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise TrainError(f"{path}, which belongs to the evaluation, cannot be read") from error
