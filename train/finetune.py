"""A fine-tuning run from recipe to servable folder: check everything, train, keep the best.

What can be wrong is looked for before the first step, so that no hours are lost to it.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import signal
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from train import checkpoints
from train.arguments import compiles, training_arguments
from train.base_model import BaseModel, open_base
from train.dataset import Collator, Rows, line_by_line, packed
from train.errors import TrainError
from train.recipe import Recipe, write_recipe
from train.report import write_report
from train.result import write_result
from train.texts import genre_table, read_stories

if TYPE_CHECKING:
    from transformers import TrainingArguments

    from train.trainer import RunCallback, StoryTrainer


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
    run = _required(recipe, "output_dir")
    table = genre_table(recipe.genres)
    with _quiet_libraries():
        from transformers import set_seed

        arguments = training_arguments(recipe, run)
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
        if checkpoints.is_finished(run):
            return _end_of(run, console)
        n_steps = _n_steps(recipe, rows, arguments)
        _check_disk(recipe, base, run, n_steps)
        if arguments.should_save:
            _write_beside(recipe, run)
        compiled = compiles(recipe, n_steps, console)
        if compiled:
            base.model.compile(dynamic=False)
        numbers = "bfloat16" if arguments.bf16 else "float32"
        goes_on = f", going on from {last.name}" if last else ""
        how = f"{n_steps:,} steps in {numbers}{', compiled' if compiled else ''}{goes_on}"
        _tell_start(console, recipe, base, rows, judged, how)
        return _train(recipe, base, rows, judged, arguments, last, console)


def _end_of(run: Path, console: Console) -> RunEnd:
    """The end of a run that is finished already."""
    console.print(f"{run} is finished already", soft_wrap=True)
    write_report(run)
    history = checkpoints.read_history(run)
    losses = [row["eval_loss"] for row in history if "eval_loss" in row]
    return RunEnd(run, history[-1]["step"], min(losses, default=None), None)


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
        with _heeding_signals(keeper), _explained(run):
            trainer.train(resume_from_checkpoint=str(last) if last else None)
    finally:
        progress.close()
    end = RunEnd(run, trainer.state.global_step, trainer.state.best_metric, keeper.stopped_by)
    if arguments.should_save and not end.stopped_by:
        write_result(trainer.model, base.tokenizer, run)
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


def _required(recipe: Recipe, key: str) -> Path:
    path: Path | None = getattr(recipe, key)
    if path is None:
        option = key.replace("_", "-")
        raise TrainError(f"{key} is not set: put it into the recipe or give --{option}")
    return path.expanduser()


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
    how: str,
) -> None:
    trained = sum(p.numel() for p in base.model.parameters() if p.requires_grad)
    what = "an adapter" if recipe.lora else "all weights"
    lost = f", {rows.n_cut_off:,} tokens beyond block_size left out" if rows.n_cut_off else ""
    waste = "" if recipe.line_by_line else f", {rows.padding_share:.2%} padding"
    lines = [
        f"Training {what} of {recipe.model_name_or_path or 'a new model'}: {trained:,} parameters",
        f"{len(rows):,} rows of {recipe.block_size} tokens, {rows.n_targets:,} tokens to learn"
        f"{waste}{lost}",
        how,
    ]
    if judged is not None:
        lines.append(f"{len(judged):,} rows to evaluate every {recipe.evaluates_every} steps")
    console.print(*lines, sep="\n", soft_wrap=True, highlight=False)


@contextlib.contextmanager
def _explained(run: Path) -> Iterator[None]:
    """Say what to do where the machine is too small."""
    import torch

    try:
        yield
    except OSError as error:
        raise TrainError(
            f"{run} cannot be written: {error}. Make room there and give the same command"
        ) from error
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "allocate" not in str(error):
            raise
        raise TrainError(
            "Out of memory: lower per_device_train_batch_size (and raise "
            "gradient_accumulation_steps as much), or set gradient_checkpointing: true, or lower "
            "block_size"
        ) from error


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


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
    with warnings.catch_warnings():
        # The old name works in every transformers of version 5; peft asks for the other one.
        warnings.filterwarnings("ignore", message=".(is_)?gradient_checkpointing. is deprecated")
        yield
