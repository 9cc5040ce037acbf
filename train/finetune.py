"""A fine-tuning run from recipe to servable folder: check everything, train, keep the best.

What can be wrong is looked for before the first step, so that no hours are lost to it.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from model.genres import DEFAULT_GENRES, GenreFileError, GenreTable, load_genres
from train import checkpoints
from train.base_model import BaseModel, open_base
from train.dataset import Collator, Rows, line_by_line, packed
from train.errors import TrainError
from train.recipe import Recipe, write_recipe
from train.report import write_report
from train.texts import read_stories

if TYPE_CHECKING:
    from transformers import TrainingArguments

    from train.trainer import RunCallback, StoryTrainer

_COMPILE_PAYS_FROM = 300
"""Optimizer steps; compiling costs about as much time as it saves in so many."""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended."""

    run: Path
    """Its folder; servable, unless it was stopped."""
    steps: int
    best_eval_loss: float | None
    stopped_by: signal.Signals | None
    """The signal that stopped it before its end, leaving a checkpoint."""


def finetune(recipe: Recipe, console: Console) -> RunEnd:
    """Train as `recipe` says, or go on with what its output_dir has. Raises TrainError."""
    if int(os.environ.get("RANK", "0")) > 0:  # one voice where accelerate runs several processes
        console = Console(quiet=True)
    run = _required(recipe, "output_dir")
    table = _genre_table(recipe)
    with _quiet_libraries():
        from transformers import set_seed

        arguments = _arguments(recipe, run)
        set_seed(recipe.seed)
        base = open_base(recipe, table, bfloat16=arguments.bf16)
        _check_fits(recipe, base)
        rows = _rows(recipe, "train_data_file", base)
        judged = _rows(recipe, "eval_data_file", base) if recipe.do_eval else None
        mine = checkpoints.fingerprint(
            recipe, base.revision, list(table.names), "bf16" if arguments.bf16 else "fp32"
        )
        with arguments.main_process_first(local=False):
            last = checkpoints.claim(run, mine, resume=recipe.resume)
        n_steps = _n_steps(recipe, rows, arguments)
        compiled = _compiles(recipe, n_steps, console)
        if compiled:
            base.model.compile(dynamic=False)
        _check_disk(recipe, base, run, n_steps)
        if arguments.should_save:
            _write_beside(recipe, run)
        _tell_start(console, recipe, base, rows, judged, n_steps)
        numbers = "bfloat16" if arguments.bf16 else "float32"
        console.print(
            f"In {numbers}{', compiled' if compiled else ''}"
            + (f", going on from {last.name}" if last else "")
        )
        return _train(recipe, base, rows, judged, arguments, last, console)


def _train(
    recipe: Recipe,
    base: BaseModel,
    rows: Rows,
    judged: Rows | None,
    arguments: TrainingArguments,
    last: Path | None,
    console: Console,
) -> RunEnd:
    from train.trainer import ProgressCallback, RunCallback

    run = Path(str(arguments.output_dir))
    keeper, progress = RunCallback(run), ProgressCallback(console)
    trainer = _trainer(recipe, base, rows, judged, arguments)
    trainer.add_callback(keeper)
    trainer.add_callback(progress)
    keeper.trainer = trainer
    try:
        with _heeding_signals(keeper):
            trainer.train(resume_from_checkpoint=str(last) if last else None)
    finally:
        progress.close()
    end = RunEnd(run, trainer.state.global_step, trainer.state.best_metric, keeper.stopped_by)
    if arguments.should_save and not end.stopped_by:
        _write_result(trainer.model, base, run)
        write_report(run)
    return end


def _trainer(
    recipe: Recipe,
    base: BaseModel,
    rows: Rows,
    judged: Rows | None,
    arguments: TrainingArguments,
) -> StoryTrainer:
    from transformers import EarlyStoppingCallback, PrinterCallback
    from transformers.integrations.integration_utils import TensorBoardCallback

    from train.trainer import StoryTrainer

    callbacks: list[Any] = []
    if arguments.should_save:
        from torch.utils.tensorboard import SummaryWriter

        logs = str(Path(str(arguments.output_dir)) / "logs")
        callbacks.append(TensorBoardCallback(SummaryWriter(logs)))  # type: ignore[no-untyped-call]
    if recipe.early_stopping_patience:
        callbacks.append(EarlyStoppingCallback(recipe.early_stopping_patience))
    collator = Collator(
        pad=int(base.tokenizer.pad_token_id or 0),
        batch_size=recipe.per_device_train_batch_size,
        block_size=None if recipe.line_by_line else recipe.block_size,
        document_masking=recipe.document_masking and not recipe.line_by_line,
        additive_mask=base.model.config._attn_implementation == "eager",
    )
    trainer = StoryTrainer(
        model=base.model,
        args=arguments,
        data_collator=collator,
        train_dataset=rows,
        eval_dataset=judged,
        processing_class=base.tokenizer,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)  # it prints what the progress bar shows
    return trainer


def _arguments(recipe: Recipe, run: Path) -> TrainingArguments:
    import torch
    from transformers import TrainingArguments

    accelerated = torch.cuda.is_available() or torch.backends.mps.is_available()
    judged = recipe.do_eval
    by_length = recipe.line_by_line and recipe.group_by_length
    ours: dict[str, Any] = {
        "output_dir": str(run),
        "per_device_train_batch_size": recipe.per_device_train_batch_size,
        "per_device_eval_batch_size": recipe.per_device_train_batch_size,
        "gradient_accumulation_steps": recipe.gradient_accumulation_steps,
        "gradient_checkpointing": recipe.gradient_checkpointing or None,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": recipe.lr_scheduler_type,
        "warmup_steps": recipe.warmup_ratio,  # below 1 it is a share of all steps
        "weight_decay": recipe.weight_decay,
        "num_train_epochs": recipe.num_train_epochs,
        "max_steps": recipe.max_steps or -1,
        "seed": recipe.seed,
        "logging_steps": recipe.logging_steps,
        "logging_nan_inf_filter": False,
        "eval_strategy": "steps" if judged else "no",
        "eval_steps": recipe.evaluates_every if judged else None,
        "save_strategy": "steps",
        "save_steps": recipe.save_steps,
        "save_total_limit": recipe.save_total_limit,
        "load_best_model_at_end": judged,
        "metric_for_best_model": "eval_loss" if judged else None,
        "greater_is_better": False if judged else None,
        "restore_callback_states_from_checkpoint": True,
        "train_sampling_strategy": "group_by_length" if by_length else "random",
        "remove_unused_columns": False,
        "use_cpu": not accelerated,
        "bf16": _takes_bfloat16(recipe.dtype),
        "report_to": [],
        "disable_tqdm": True,
        "log_level": "error",
        "dataloader_pin_memory": accelerated,
    }
    if taken := sorted(ours.keys() & recipe.trainer.keys()):
        raise TrainError(f"trainer.{taken[0]} is a knob of its own: set it outside `trainer`")
    try:
        return TrainingArguments(**ours | recipe.trainer)
    except (TypeError, ValueError) as error:
        raise TrainError(f"The recipe does not suit the Trainer: {error}") from error


def _takes_bfloat16(dtype: str) -> bool:
    """Whether to calculate in bfloat16; "auto": where the hardware multiplies in it."""
    import torch

    if dtype != "auto":
        return dtype == "bfloat16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:  # no Linux
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _compiles(recipe: Recipe, n_steps: int, console: Console) -> bool:
    import torch

    if recipe.torch_compile != "auto":
        return recipe.torch_compile
    one_shape = not recipe.line_by_line and not recipe.gradient_checkpointing
    if not one_shape or n_steps < _COMPILE_PAYS_FROM:
        return False
    if torch.cuda.is_available() or any(map(shutil.which, ("c++", "g++", "clang++"))):
        return True
    console.print("Without a C++ compiler (g++) the model is not compiled: about a third slower.")
    return False


def _required(recipe: Recipe, key: str) -> Path:
    path: Path | None = getattr(recipe, key)
    if path is None:
        option = key.replace("_", "-")
        raise TrainError(f"{key} is not set: put it into the recipe or give --{option}")
    return path.expanduser()


def _genre_table(recipe: Recipe) -> GenreTable:
    if recipe.genres is None:
        return DEFAULT_GENRES
    try:
        return load_genres(recipe.genres)
    except (GenreFileError, OSError) as error:
        raise TrainError(str(error)) from error


def _check_fits(recipe: Recipe, base: BaseModel) -> None:
    if recipe.block_size > base.context_length:
        raise TrainError(
            f"block_size is {recipe.block_size}, but {recipe.model_name_or_path or 'the model'} "
            f"has a context of {base.context_length} tokens: lower block_size"
        )


def _rows(recipe: Recipe, key: str, base: BaseModel) -> Rows:
    path = _required(recipe, key)
    stories = read_stories(path, base.text.table)
    if recipe.line_by_line:
        decode: Any = base.tokenizer.decode
        rows = line_by_line(stories, base.text, recipe.block_size, decode)
    else:
        rows = packed(stories, base.text, recipe.block_size)
    if len(rows) < recipe.per_device_train_batch_size:
        raise TrainError(
            f"{path} has {len(stories)} stories, which fill {len(rows)} rows of "
            f"{recipe.block_size} tokens: fewer than one batch of "
            f"{recipe.per_device_train_batch_size}. Give more stories, or lower "
            "per_device_train_batch_size or block_size"
        )
    return rows


def _n_steps(recipe: Recipe, rows: Rows, arguments: TrainingArguments) -> int:
    if recipe.max_steps:
        return recipe.max_steps
    batches = -(-len(rows) // (recipe.per_device_train_batch_size * arguments.world_size))
    steps: int = -(-batches // recipe.gradient_accumulation_steps)
    return math.ceil(steps * recipe.num_train_epochs)


def _check_disk(recipe: Recipe, base: BaseModel, run: Path, n_steps: int) -> None:
    n_trained = sum(p.numel() for p in base.model.parameters() if p.requires_grad)
    n_saved = -(-n_steps // recipe.save_steps)
    # The newest is written before the oldest goes, and the best one stays beside them.
    n_kept = min(n_saved, recipe.save_total_limit + 2)
    weights = 4 * n_trained  # float32
    checkpoints.check_disk(run, 3 * weights, n_kept, weights)  # Adam has two moments a weight


def _write_beside(recipe: Recipe, run: Path) -> None:
    try:
        write_recipe(recipe, run / "recipe.yaml")
        if recipe.genres is not None:
            shutil.copyfile(recipe.genres, run / "genres.yaml")
    except OSError as error:
        raise TrainError(f"output_dir {run} cannot be written: {error}") from error


def _tell_start(
    console: Console,
    recipe: Recipe,
    base: BaseModel,
    rows: Rows,
    judged: Rows | None,
    n_steps: int,
) -> None:
    trained = sum(p.numel() for p in base.model.parameters() if p.requires_grad)
    how = "an adapter" if recipe.lora else "all weights"
    lost = f", {rows.n_cut_off:,} tokens beyond block_size left out" if rows.n_cut_off else ""
    waste = "" if recipe.line_by_line else f", {rows.padding_share:.2%} padding"
    console.print(
        f"Training {how} of {recipe.model_name_or_path or 'a new model'} ({trained:,} parameters)",
        f"{len(rows):,} rows of {recipe.block_size} tokens, {rows.n_targets:,} tokens to learn"
        f"{waste}{lost}; {n_steps:,} steps",
        sep="\n",
        soft_wrap=True,
        highlight=False,
    )
    if judged is not None:
        console.print(f"{len(judged):,} rows to evaluate every {recipe.evaluates_every} steps")


@contextlib.contextmanager
def _heeding_signals(keeper: RunCallback) -> Iterator[None]:
    """Until the block ends, Ctrl-C and SIGTERM save a checkpoint and stop."""
    heeded = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, keeper.stop) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write_result(model: Any, base: BaseModel, run: Path) -> None:
    """The servable files, into `run` itself; the one that names the kind of model comes last."""
    made = run / ".result"
    shutil.rmtree(made, ignore_errors=True)
    try:
        if hasattr(model, "peft_config"):
            _save_adapter(model, base, made)
        else:
            from model.checkpoint import save

            model.config.use_cache = True  # the Trainer turns it off
            save(model, base.tokenizer, made)
        mode = (run / "recipe.yaml").stat().st_mode  # safetensors lets nobody else read its files
        for file in sorted(made.iterdir(), key=lambda file: file.name.endswith("config.json")):
            file.chmod(mode)
            file.replace(run / file.name)
        made.rmdir()
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        raise TrainError(
            f"The trained model cannot be written to {run}: {error}. Make room and give the same "
            "command: the training itself is done and kept in the last checkpoint"
        ) from error


def _save_adapter(model: Any, base: BaseModel, folder: Path) -> None:
    """In float16, half the size: its rounding is far below that of the base's own weights."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    from model.checkpoint import ADAPTER_WEIGHTS

    try:
        # peft would add the whole embedding, which has grown; the new rows are in the adapter.
        model.save_pretrained(folder, save_embedding_layers=False)
        weights = load_file(folder / ADAPTER_WEIGHTS)
        halves = {name: weight.half() for name, weight in weights.items()}
        save_file(halves, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
        base.tokenizer.save_pretrained(folder)
    except SafetensorError as error:
        raise OSError(str(error)) from error
    (folder / "README.md").unlink(missing_ok=True)  # an empty form; `train export` writes the card


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
    with warnings.catch_warnings():
        # The old name works in every transformers of version 5; peft asks for the other one.
        warnings.filterwarnings("ignore", message=".(is_)?gradient_checkpointing. is deprecated")
        yield
