"""A model's way from disk to its decoder, and the shorter way of every later start.

The first start of a model on a CPU loads it as transformers does, merges its adapter, checks it,
and keeps the weights as our loop wants them: `CACHE_DIR/ready/<what it is made of>`. Later starts
read those layer by layer, in less time and half the memory. A copy that is not whole is made anew.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.architecture import (
    Architecture,
    Weights,
    architecture_of,
    layer_weights,
    outer_weights,
)
from model.checkpoint import (
    LoadedModel,
    ModelSource,
    adapter_hash,
    complaints_about,
    device_of,
    load,
    read_tokenizer,
)
from model.engine import EngineInfo, Precision
from model.files import weight_files
from model.general_decoder import GeneralDecoder
from model.genres import DEFAULT_GENRES, GenreTable
from model.prompt import PromptFormat
from model.registry import cache_folder
from model.runtime import Runtime, fast_decoder, precision_for, runtime_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

_VERSION = 2
"""Of the layout; another one is not read."""
_KEPT = 3
"""Models kept ready; the one not used for longest makes room."""
_MAKING_TAKES = 3600.0
"""Seconds after which what is half-made is nobody's any more."""
_OUTER, _TOKENIZER = "outer.safetensors", "tokenizer"
_CARD = "ready.json"
"""Written last: the architecture, the EngineInfo, and the size of each file."""


def open_runtime(
    source: ModelSource,
    *,
    device: str = "auto",
    precision: Precision | Literal["auto"] = "auto",
    genres: GenreTable = DEFAULT_GENRES,
    cache_dir: Path | None = None,
) -> Runtime:
    """`source` ready to write on `device`. Raises ModelUnusable."""
    place = device_of(device)
    kind = precision_for(place, precision)
    if place.type != "cpu" or kind == "float32":  # there the weights are wanted as they are
        return runtime_of(load(source, device=device, genres=genres), kind, cache_dir)
    folder = cache_folder(cache_dir) / "ready" / _identity(source)
    runtime = _read(folder, source, kind, genres, cache_dir)
    if runtime is None:
        runtime = _made(source, folder, kind, genres, cache_dir)
        # What was kept is rounded: a seed gives the same story at this start and at the next.
        runtime = _read(folder, source, kind, genres, cache_dir) or runtime
    return runtime


def _made(
    source: ModelSource,
    folder: Path,
    precision: Precision,
    genres: GenreTable,
    cache_dir: Path | None,
) -> Runtime:
    """`source` by way of transformers, kept in `folder` for the next time."""
    loaded = load(source, device="cpu", genres=genres)
    runtime = runtime_of(loaded, precision, cache_dir)
    if not isinstance(runtime.decoder, GeneralDecoder):
        _keep(loaded, folder)
    return runtime


def _identity(source: ModelSource) -> str:
    """A name for what the weights are made of, without reading them all."""
    files = weight_files(source.folder)
    parts: list[object] = [_VERSION, source.folder.resolve(), source.revision]
    parts += [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    if source.adapter is not None:
        parts.append(adapter_hash(source.adapter))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _read(
    folder: Path,
    source: ModelSource,
    precision: Precision,
    genres: GenreTable,
    cache_dir: Path | None,
) -> Runtime | None:
    """What is kept in `folder`; None where that is nothing, or not whole."""
    try:
        card = json.loads((folder / _CARD).read_text("utf-8"))
        if any((folder / name).stat().st_size != size for name, size in card["files"].items()):
            return None
        architecture = Architecture(**card["architecture"])
        outer = load_file(folder / _OUTER)
        outer.setdefault("head.weight", outer["embedding"])  # tied weights are kept once
        with torch.inference_mode():
            decoder = fast_decoder(
                architecture,
                outer,
                _layers(folder, architecture.n_layers),
                precision,
                torch.device("cpu"),
                cache_dir,
            )
        info = EngineInfo(**card["info"])
    except FileNotFoundError:
        return None
    except Exception as error:  # a copy that cannot be read is made anew, whatever is wrong with it
        log.warning("the ready weights in %s cannot be read (%s); making them anew", folder, error)
        return None
    (folder / _CARD).touch()
    with complaints_about(source):
        tokenizer = _plain_tokenizer(folder / _TOKENIZER) or read_tokenizer(source)
        text_format = PromptFormat(tokenizer, genres)
    info = dataclasses.replace(
        info,
        model=source.name,
        dtype=decoder.precision,
        has_genre_tokens=text_format.has_genre_tokens,
    )
    return Runtime(decoder, tokenizer, text_format, info)


def _layers(folder: Path, n_layers: int) -> Iterator[Weights]:
    for number in range(n_layers):
        yield load_file(folder / f"layer-{number:03}.safetensors")


def _keep(loaded: LoadedModel, folder: Path) -> None:
    """Keep `loaded` in `folder`. No room for it is no error: the next start is as long as this."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-") as work:
            made = Path(work) / "model"
            made.mkdir()
            _write(loaded, made)
            if folder.exists():
                shutil.rmtree(folder)
            made.replace(folder)
        _make_room(folder.parent)
    except Exception as error:  # a full disk has as many names as there are libraries
        log.warning("the weights cannot be kept ready in %s: %s", folder, error)


@torch.inference_mode()
def _write(loaded: LoadedModel, folder: Path) -> None:
    model = loaded.model
    architecture = architecture_of(model)
    assert architecture is not None  # noqa: S101 (else no loop of ours would run it)
    outer = outer_weights(model)
    if outer["head.weight"].data_ptr() == outer["embedding"].data_ptr():
        del outer["head.weight"]
    _save(outer, folder / _OUTER)
    for number, weights in enumerate(layer_weights(model)):
        _save(weights, folder / f"layer-{number:03}.safetensors")
    _keep_tokenizer(loaded, folder / _TOKENIZER)
    card = {
        "architecture": dataclasses.asdict(architecture),
        "info": dataclasses.asdict(loaded.info),
        "files": {
            str(file.relative_to(folder)): file.stat().st_size
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        },
    }
    (folder / _CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def _keep_tokenizer(loaded: LoadedModel, folder: Path) -> None:
    """Keep the tokenizer for `_plain_tokenizer`, if that makes the same of it."""
    loaded.tokenizer.save_pretrained(folder)
    plain = _plain_tokenizer(folder)
    if plain is None:
        return
    table = loaded.format.table
    texts = [opening for genre in table for opening in (*genre.openings, genre.token, "«Ça» é 1.")]
    here, there = loaded.format, PromptFormat(plain, table)
    same = here.control_ids == there.control_ids and all(
        here.encode_story(genre.name, text) == there.encode_story(genre.name, text)
        for genre in table
        for text in texts
    )
    if not same:
        shutil.rmtree(folder)


def _plain_tokenizer(folder: Path) -> PreTrainedTokenizerBase | None:
    """The tokenizer kept in `folder`, if any, without the second that AutoTokenizer takes.

    AutoTokenizer looks up the model's own class, and imports half of transformers for it.
    """
    from transformers import PreTrainedTokenizerFast

    if not (folder / "tokenizer.json").is_file():
        return None
    tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(folder)
    return tokenizer


def _save(weights: Weights, file: Path) -> None:
    save_file({name: _rounded(weight) for name, weight in weights.items()}, file)


def _rounded(weight: Tensor) -> Tensor:
    """Matrices in float16, which is finer than bfloat16; what it cannot hold stays float32."""
    if weight.dim() < 2 or weight.abs().max() > torch.finfo(torch.float16).max:
        return weight.float().contiguous().clone()  # what shares memory here does not in a file
    return weight.half().contiguous().clone()


def _make_room(folder: Path) -> None:
    """Remove the models not used for longest, and what a killed process left half-made."""
    made = {card.parent: card.stat().st_mtime for card in folder.glob(f"*/{_CARD}")}
    old = sorted(made, key=made.__getitem__, reverse=True)[_KEPT:]
    long_ago = time.time() - _MAKING_TAKES
    old += [part for part in folder.glob("making-*") if part.stat().st_mtime < long_ago]
    for part in old:
        shutil.rmtree(part, ignore_errors=True)
