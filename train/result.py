"""The end of a run: what was trained, as a folder that can be served."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.checkpoint import ADAPTER_WEIGHTS, save
from train.checkpoints import RESULTS
from train.errors import TrainError

if TYPE_CHECKING:
    import torch


def write_result(model: Any, tokenizer: Any, run: Path) -> None:
    """The servable files, into `run` itself; the one that names the kind of model comes last.

    Raises TrainError.
    """
    made = run / ".result"
    shutil.rmtree(made, ignore_errors=True)
    try:
        if hasattr(model, "peft_config"):
            _save_adapter(model, tokenizer, made)
        else:
            model.config.use_cache = True  # the Trainer turns it off
            save(model, tokenizer, made)
        mode = (run / "recipe.yaml").stat().st_mode  # safetensors lets nobody else read its files
        for file in sorted(made.iterdir(), key=lambda file: file.name in RESULTS):
            file.chmod(mode)
            file.replace(run / file.name)
        made.rmdir()
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        raise TrainError(
            f"The trained model cannot be written to {run}: {error}. Make room and give the same "
            "command: the training itself is done and kept in the last checkpoint"
        ) from error


def _save_adapter(model: Any, tokenizer: Any, folder: Path) -> None:
    """In float16, half the size: its rounding is far below that of the base's own weights."""
    import torch
    from safetensors import SafetensorError

    try:
        # peft would add the whole embedding, which has grown; the new rows are in the adapter.
        model.save_pretrained(folder, save_embedding_layers=False)
    except SafetensorError as error:
        raise OSError(str(error)) from error
    round_weights(folder / ADAPTER_WEIGHTS, folder / ADAPTER_WEIGHTS, torch.float16)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # an empty form; `train export` writes the card


def round_weights(source: Path, target: Path, dtype: torch.dtype) -> None:
    """Write the weights in the safetensors file `source` to `target` in `dtype`; the two may be one
    file. Raises OSError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    weights = {name: weight.to(dtype) for name, weight in load_file(source).items()}
    try:
        save_file(weights, target, metadata={"format": "pt"})
    except SafetensorError as error:  # its name for a full disk, among others
        raise OSError(str(error)) from error
