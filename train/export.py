"""From a run folder to a folder that others serve: one model, or its adapter, and a model card."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from model.checkpoint import ADAPTER_CONFIG, ADAPTER_WEIGHTS, check, load, read_adapter_config, save
from model.engine import EngineError
from model.genres import GenreTable
from model.prompt import EOS
from model.registry import resolve
from train.errors import TrainError
from train.model_card import model_card
from train.report import read_run
from train.result import round_weights
from train.texts import genre_table

if TYPE_CHECKING:
    from model.checkpoint import LoadedModel, ModelSource

Dtype = Literal["float16", "bfloat16", "float32"]

GENRES = "genres.yaml"
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
)
_OF_THIS_MACHINE = {"_name_or_path", "name_or_path", "is_local", "local_files_only"}


def export(
    run: Path,
    target: Path,
    *,
    merge: bool,
    dtype: Dtype = "float16",
    name: str | None = None,
    evaluation: Path | None = None,
    card: str = "README.md",
    overwrite: bool = False,
) -> None:
    """Write the model of `run` to the folder `target`, with its model card as the file `card`.

    `merge` writes whole weights that need nothing else; otherwise the run's LoRA adapter, which
    needs its base model. The card calls it `name`, or as the folder; `evaluation` is an
    evaluation.json whose figures the card tells. An existing folder is kept unless `overwrite`.
    Raises TrainError; `target` is whole or untouched.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())) and not overwrite:
        raise TrainError(f"{target} is not empty; name another folder, or give --overwrite")
    table = genres_of(run)
    with _plainly(run):
        source = resolve(str(run))
        if not merge and source.adapter is None:
            raise TrainError(f"{run} holds a full model, not an adapter; leave --adapter out")
        # First, since what it lacks should be known before the weights are loaded.
        page = model_card(
            read_run(run),
            source,
            table,
            name=name or target.resolve().name,
            merged=merge,
            evaluation=evaluation,
        )
        with _replacing(target) as folder:
            if merge:
                _write_merged(source, table, folder, dtype)
            else:
                _write_adapter(run, folder, dtype)
            if (run / GENRES).is_file():
                shutil.copyfile(run / GENRES, folder / GENRES)
            (folder / card).write_text(page, encoding="utf-8")
            _readable_alike(folder)
            check(resolve(str(folder)))


def genres_of(model: Path) -> GenreTable:
    """The genre table a folder brings along, or the built-in one. Raises TrainError."""
    path = model / GENRES
    return genre_table(path if path.is_file() else None)


def local_base(run: Path) -> Path | None:
    """The folder that a run's adapter needs beside it; None where its base has a name."""
    if not (run / ADAPTER_CONFIG).is_file():
        return None
    base = str(read_adapter_config(run)["base_model_name_or_path"])
    folders = (run / base, Path(base).expanduser())
    return next((folder.resolve() for folder in folders if folder.is_dir()), None)


def _write_merged(source: ModelSource, table: GenreTable, folder: Path, dtype: Dtype) -> None:
    import torch

    # The adapter is added at full precision, and the sum rounded once.
    loaded = load(source, device="cpu", dtype="float32", genres=table)
    model: Any = loaded.model
    model.to(getattr(torch, dtype))
    model.config.dtype = getattr(torch, dtype)
    _end_at_eos(loaded)
    save(model, loaded.tokenizer, folder)
    _forget_places(folder)


def _end_at_eos(loaded: LoadedModel) -> None:
    """Let transformers' own `generate` begin and stop where our engine does."""
    tokenizer = loaded.tokenizer
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.get_added_vocab().get(EOS, tokenizer.eos_token_id),
        "pad_token_id": tokenizer.pad_token_id,
    }
    model: Any = loaded.model
    model.config.update(ids)
    if model.generation_config is not None:
        model.generation_config.update(**ids)


def _write_adapter(run: Path, folder: Path, dtype: Dtype) -> None:
    import torch

    settings = read_adapter_config(run)
    if base := local_base(run):
        settings["base_model_name_or_path"] = str(base)  # the adapter moves away from it
    settings["inference_mode"] = True
    text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
    (folder / ADAPTER_CONFIG).write_text(text, encoding="utf-8")
    round_weights(run / ADAPTER_WEIGHTS, folder / ADAPTER_WEIGHTS, getattr(torch, dtype))
    for name in _TOKENIZER_FILES:
        if (run / name).is_file():
            shutil.copyfile(run / name, folder / name)
    _forget_places(folder)


def _forget_places(folder: Path) -> None:
    """Drop what libraries note of how a model was loaded: it is of this machine only."""
    for name in ("config.json", "tokenizer_config.json"):
        path = folder / name
        if not path.is_file():
            continue
        data = json.loads(path.read_text(encoding="utf-8"))
        kept = {key: data[key] for key in data if key not in _OF_THIS_MACHINE}
        path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _readable_alike(folder: Path) -> None:
    """Let whoever may read one file read all: safetensors writes for its owner alone."""
    files = list(folder.iterdir())
    mode = max(file.stat().st_mode for file in files)
    for file in files:
        file.chmod(mode)


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `target` once the block has gone well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as work:
        made, old = Path(work) / "made", Path(work) / "old"
        made.mkdir()
        yield made
        if target.exists():
            target.rename(old)
        made.rename(target)


@contextlib.contextmanager
def _plainly(run: Path) -> Iterator[None]:
    try:
        yield
    except EngineError as error:
        raise TrainError(str(error)) from error
    except OSError as error:
        raise TrainError(f"{run} could not be exported: {error}") from error
