"""What the files in a model's folder say, read without loading a weight.

Every file here may have been cut short, edited by hand or made for something else, so that each
complaint is one sentence that names the file. Knows no torch.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from model.engine import ModelUnusable

_TOKENIZER = "tokenizer.json"
_OLDER_TOKENIZERS = ("vocab.*", "*.model")
"""BPE, WordPiece and SentencePiece as they were kept before tokenizer.json."""


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ModelUnusable."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnusable(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise ModelUnusable(f"{path} cannot be read: it holds no JSON object")
    return data


def weight_files(folder: Path) -> list[Path]:
    """The weight files that `folder` speaks of, there or not. Raises ModelUnusable."""
    for index in (*folder.glob("*.safetensors.index.json"), *folder.glob("*.bin.index.json")):
        shards = read_json(index).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise ModelUnusable(f"{index} cannot be read: it names no weight files")
        return sorted({folder / str(shard) for shard in shards.values()})
    whole = [folder / name for name in ("model.safetensors", "pytorch_model.bin")]
    return [path for path in whole if path.is_file()][:1]


def has_weights(folder: Path) -> bool:
    """Whether every weight file that `folder` speaks of is there. Raises ModelUnusable."""
    files = weight_files(folder)
    return bool(files) and all(path.is_file() for path in files)


def check_weights(path: Path) -> None:
    """Raise ModelUnusable where a weight file is empty, cut short or no weight file at all."""
    from safetensors import SafetensorError, safe_open

    try:
        if path.suffix != ".safetensors":
            if not zipfile.is_zipfile(path):  # what torch.save writes
                raise ModelUnusable(f"{path} is damaged or cut short")
            return
        with safe_open(path, "np"):  # compares what the header promises with the file's size
            return
    except (OSError, SafetensorError) as error:
        raise ModelUnusable(f"{path} is damaged or cut short: {error}") from error


def check_tokenizer(folder: Path) -> None:
    """Raise ModelUnusable where `folder` has no tokenizer, or a broken one."""
    from tokenizers import Tokenizer

    path = folder / _TOKENIZER
    if path.is_file():
        read_json(path)
        try:
            size = Tokenizer.from_file(str(path)).get_vocab_size()
        except Exception as error:  # tokenizers raises nothing narrower
            raise ModelUnusable(f"{path} is no tokenizer: {error}") from error
        if not size:
            raise ModelUnusable(f"{path} is no tokenizer: it has no tokens")
    elif not any(file for kind in _OLDER_TOKENIZERS for file in folder.glob(kind)):
        raise ModelUnusable(f"{folder} has no tokenizer: {path.name} is missing")


def added_tokens(folder: Path) -> set[str]:
    """Tokens that were added to a tokenizer, old style or new. Raises ModelUnusable."""
    new, old = folder / _TOKENIZER, folder / "added_tokens.json"
    tokens: set[str] = set()
    if new.is_file():
        tokens |= {str(token["content"]) for token in _rows(new)}
    if old.is_file():
        tokens |= set(read_json(old))
    return tokens


def _rows(tokenizer: Path) -> list[dict[str, Any]]:
    rows = read_json(tokenizer).get("added_tokens", [])
    if not isinstance(rows, list) or not all(isinstance(r, dict) and "content" in r for r in rows):
        raise ModelUnusable(f"{tokenizer} is no tokenizer: its added_tokens make no sense")
    return rows
