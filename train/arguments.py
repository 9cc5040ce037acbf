"""A recipe in the words of transformers' TrainingArguments, suited to this machine.

Imports torch and transformers where it needs them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from train.errors import TrainError
from train.recipe import Recipe

if TYPE_CHECKING:
    from transformers import TrainingArguments

_COMPILE_PAYS_FROM = 300
"""Optimizer steps; compiling costs about as much time as it saves in so many."""


def training_arguments(recipe: Recipe, run: Path) -> TrainingArguments:
    """For the Trainer, in the folder `run`. Raises TrainError."""
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
        # The Trainer counts the best one in, and with a limit of 1 ends by deleting the newest.
        "save_total_limit": recipe.save_total_limit + judged,
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
        "log_level_replica": "error",
        "ddp_find_unused_parameters": False,
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


def compiles(recipe: Recipe, n_steps: int, console: Console) -> bool:
    """Whether a run of `n_steps` optimizer steps is to be compiled; says so where it cannot be."""
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
