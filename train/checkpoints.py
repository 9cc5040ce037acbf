"""What lies in a run's folder: whose checkpoints they are, which are whole, what they cost.

Knows no torch; the Trainer writes the checkpoints.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from train.errors import TrainError
from train.recipe import Recipe

FINGERPRINT = "fingerprint.json"
RESULTS = ("adapter_config.json", "config.json")
"""Files that make a folder a model that can be served; of a finished run, one of them."""
_STATE = "trainer_state.json"
_FREE = {
    "model_name_or_path", "tokenizer_name", "train_data_file", "eval_data_file", "genres",
    "output_dir", "logging_steps", "save_total_limit", "resume", "torch_compile",
}  # fmt: skip
"""Knobs that change no weight, and names of things that are compared by what is in them."""


def fingerprint(recipe: Recipe, revision: str, genres: list[str], dtype: str) -> dict[str, Any]:
    """All that decides a run's weights; two runs of one fingerprint are one run."""
    knobs = recipe.model_dump(mode="json", exclude=_FREE)
    files = {"train_data_file": recipe.train_data_file}
    if recipe.do_eval:
        files["eval_data_file"] = recipe.eval_data_file
    data = {key: _digest(path) for key, path in files.items() if path is not None}
    return knobs | data | {"base model": revision, "genres": genres, "dtype": dtype}


def claim(run: Path, mine: dict[str, Any], *, resume: bool) -> Path | None:
    """Make `run` this run's folder; the checkpoint to go on from, or None to begin.

    A checkpoint that was being written when its run was killed is removed. Raises TrainError
    where the folder cannot be written or holds another run.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        last = _last_whole(run)
        if last is not None or is_finished(run):
            _check_same(run, mine, resume=resume)
        _write(run / FINGERPRINT, mine)
    except OSError as error:
        raise TrainError(f"output_dir {run} cannot be written: {error}") from error
    return last


def is_finished(run: Path) -> bool:
    """Whether a run was trained to its end and can be served."""
    return any((run / name).is_file() for name in RESULTS)


def check_disk(run: Path, checkpoint_bytes: int, n_checkpoints: int, result_bytes: int) -> None:
    """Raise TrainError where what a run will write does not fit beside what is there."""
    written = sum(size(folder) for folder in checkpoint_folders(run))
    needed = checkpoint_bytes * n_checkpoints + result_bytes
    free = shutil.disk_usage(run).free + written
    if needed > free:
        raise TrainError(
            f"The disk of {run} has {_gigabytes(free)} free, and {n_checkpoints} checkpoints of "
            f"{_gigabytes(checkpoint_bytes)} and the result need {_gigabytes(needed)}: make room, "
            "lower save_total_limit, or set output_dir to another disk"
        )


def checkpoint_folders(run: Path) -> list[Path]:
    """Folders of checkpoints, whole or not, the oldest first."""
    found = [path for path in run.glob("checkpoint-*") if path.name[11:].isdigit()]
    return sorted(found, key=lambda path: int(path.name[11:]))


def is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint was written to its end: the Trainer writes its state last."""
    try:
        json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def write_history(run: Path, history: list[dict[str, Any]]) -> None:
    """Write the Trainer's log as history.json, whole or not at all. Raises OSError."""
    _write(run / "history.json", history)


def read_history(run: Path) -> list[dict[str, Any]]:
    """The Trainer's log of a run."""
    history: list[dict[str, Any]] = json.loads((run / "history.json").read_text(encoding="utf-8"))
    return history


def _last_whole(run: Path) -> Path | None:
    last = None
    for folder in checkpoint_folders(run):
        if is_whole(folder):
            last = folder
        else:
            shutil.rmtree(folder)
    return last


def _check_same(run: Path, mine: dict[str, Any], *, resume: bool) -> None:
    way_out = "set another output_dir, or delete that folder"
    if not resume:
        raise TrainError(f"{run} holds a run, and resume is false: {way_out}")
    try:
        theirs = json.loads((run / FINGERPRINT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        theirs = {}
    # As JSON: a tuple in one is a list in the other.
    if differing := [
        f"{key} (there {_short(theirs.get(key))}, here {_short(value)})"
        for key, value in json.loads(json.dumps(mine)).items()
        if theirs.get(key) != value
    ]:
        raise TrainError(
            f"{run} holds another run; it differs in {', '.join(differing)}: {way_out}"
        )


def _short(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.2f} GB"


def _write(path: Path, data: Any) -> None:
    partial = path.with_name(f".{path.name}")
    partial.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
