"""The Hugging Face Trainer, as stories need it: token-weighted evaluation, a stop at NaN, speed.

Imports torch and transformers; to be imported by `train.finetune` when a run begins.
"""

from __future__ import annotations

import math
import shutil
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from rich.console import Console
from safetensors import SafetensorError
from torch.nn.functional import cross_entropy
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from train.checkpoints import checkpoint_folders, write_history
from train.dataset import IGNORED
from train.errors import TrainError


class StoryTrainer(Trainer):
    """Trains on `Rows`. Raises TrainError where the loss is no number or the disk is full."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tokens_at_log = 0
        self._seconds = 0.0  # of training steps; evaluating and saving are not in it
        self._seconds_at_log = 0.0
        self._step_began = 0.0

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """One forward and backward pass; counts the tokens that were targets."""
        n_targets = (inputs["labels"] != IGNORED).sum()
        loss = super().training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):
            raise self._not_finite("loss", float(loss))
        if self.args.world_size > 1:
            n_targets = self.accelerator.reduce(n_targets.to(loss.device))
        self.state.num_input_tokens_seen += int(n_targets)
        return loss

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)  # type: ignore[no-untyped-call]
        # Before the optimizer's step: afterwards the weights would be lost.
        if not math.isfinite(value := float(norm)):
            raise self._not_finite("gradient", value)
        return norm

    def _not_finite(self, what: str, value: float) -> TrainError:
        whole = [folder.name for folder in checkpoint_folders(Path(str(self.args.output_dir)))]
        kept = f"; {whole[-1]} is as it was" if whole else ""
        return TrainError(
            f"The {what} is {value} at step {self.state.global_step + 1} (epoch "
            f"{self.state.epoch or 0:.2f}): lower learning_rate (it is {self.args.learning_rate}), "
            f"or set dtype to float32{kept}"
        )

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """Mean negative log-likelihood over all target tokens (nats), and bits per byte of text."""
        rows: Any = self.eval_dataset if eval_dataset is None else eval_dataset
        began = time.perf_counter()
        model: Any = self.model_wrapped  # compiled, where self.model is not
        was_training = model.training
        sums = torch.zeros(2, dtype=torch.float64)  # nats, targets
        model.eval()
        for batch in self.get_eval_dataloader(rows):
            per_row = self.accelerator.gather_for_metrics(self._nats(batch))  # (B, 2)
            sums += per_row.double().sum(0).cpu()
        model.train(was_training)
        nats, n_targets = sums.tolist()
        metrics = {
            f"{metric_key_prefix}_loss": nats / n_targets,
            f"{metric_key_prefix}_bits_per_byte": nats / math.log(2) / rows.n_bytes,
            f"{metric_key_prefix}_seconds": time.perf_counter() - began,
        }
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    @torch.no_grad()
    def _nats(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Sum of losses and count of targets of each row: (B, 2)."""
        inputs = self._prepare_inputs(batch)
        labels = inputs.pop("labels")[:, 1:]  # (B, T - 1)
        # Compiling a second graph, without gradients, would take longer than it saves.
        with torch.compiler.set_stance("force_eager"):
            logits = self.model_wrapped(**inputs).logits[:, :-1]  # (B, T - 1, V)
        losses = [
            cross_entropy(row.float(), label, ignore_index=IGNORED, reduction="sum")
            for row, label in zip(logits, labels, strict=True)
        ]
        return torch.stack([torch.stack(losses), (labels != IGNORED).sum(1).float()], dim=1)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, with the tokens that counted so far, the seconds, and the speed since last time."""
        if "loss" in logs:
            tokens, seconds = self.state.num_input_tokens_seen, self._seconds
            if seconds > self._seconds_at_log:
                logs["tokens_per_second"] = (tokens - self._tokens_at_log) / (
                    seconds - self._seconds_at_log
                )
            logs |= {"tokens": tokens, "seconds": seconds}
            self._tokens_at_log, self._seconds_at_log = tokens, seconds
        super().log(logs, start_time)

    def clock_starts(self) -> None:
        """Take over tokens and seconds of the run so far, as a checkpoint has them."""
        self._tokens_at_log = self.state.num_input_tokens_seen
        said = [row["seconds"] for row in self.state.log_history if "seconds" in row]
        self._seconds = self._seconds_at_log = said[-1] if said else 0.0

    def step_begins(self) -> None:
        """Start the clock of a step."""
        self._step_began = time.perf_counter()

    def step_ends(self) -> None:
        """Stop the clock of a step."""
        self._seconds += time.perf_counter() - self._step_began

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save; where that fails, leave the checkpoints before it as they are."""
        run = Path(str(self.args.output_dir))
        folder = run / f"checkpoint-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
            if self.args.should_save:
                write_history(run, self.state.log_history)
        except (OSError, SafetensorError, RuntimeError) as error:  # torch's and safetensors' names
            shutil.rmtree(folder, ignore_errors=True)
            left = [path.name for path in checkpoint_folders(run)]
            on_from = f"goes on from {left[-1]}" if left else "begins again"
            raise TrainError(
                f"{folder} cannot be written: {str(error).strip().splitlines()[0]}. Make room "
                f"there and give the same command: it {on_from}"
            ) from error

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        model: Any = self.model
        tokenizer: Any = self.processing_class
        if not hasattr(model, "peft_config"):
            super()._save(output_dir, state_dict)
        elif self.args.should_save:
            # By itself peft would add the whole embedding, since it has grown, to an adapter
            # that holds the new rows already.
            model.save_pretrained(output_dir, save_embedding_layers=False)
            tokenizer.save_pretrained(output_dir)


class RunCallback(TrainerCallback):
    """Keeps time and history, ends with an evaluated checkpoint, and heeds a request to stop."""

    def __init__(self, run: Path) -> None:
        self.trainer: StoryTrainer | None = None
        self.stopped_by: signal.Signals | None = None
        self._run = run

    def stop(self, number: int, frame: FrameType | None) -> None:
        """A signal's handler: save and stop after this step; the next signal is not held back."""
        self.stopped_by = signal.Signals(number)
        signal.signal(number, signal.default_int_handler if number == 2 else signal.SIG_DFL)

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """The Trainer has its state now, a checkpoint's where it goes on from one."""
        if self.trainer:
            self.trainer.clock_starts()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """An optimizer step begins."""
        if self.trainer:
            self.trainer.step_begins()

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_: Any,
    ) -> None:
        """An optimizer step is done."""
        if self.trainer:
            self.trainer.step_ends()
        if state.global_step >= state.max_steps:
            control.should_log = control.should_save = True
            control.should_evaluate = args.eval_strategy != "no"
        if self._is_stopped(args):
            control.should_log = control.should_save = control.should_training_stop = True

    def _is_stopped(self, args: TrainingArguments) -> bool:
        number = int(self.stopped_by or 0)
        if args.world_size > 1:  # all processes stop after the same step, or none would go on
            anyone = torch.tensor([number], device=args.device)
            torch.distributed.all_reduce(anyone, torch.distributed.ReduceOp.MAX)
            number = int(anyone)
        if number:  # a signal that came meanwhile is for the next step
            self.stopped_by = signal.Signals(number)
        return bool(number)

    def on_log(self, args: Any, state: TrainerState, *_: Any, **__: Any) -> None:
        """Something was logged."""
        if state.is_world_process_zero:
            write_history(self._run, state.log_history)


class ProgressCallback(TrainerCallback):
    """Shows how far the run is: a bar on a terminal, else a line for every logged step."""

    def __init__(self, console: Console) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._console = console
        self._bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: Any = None
        self._said = {"eval": "", "loss": "", "speed": ""}
        self._began = (0.0, 0)

    def on_train_begin(self, args: Any, state: TrainerState, *_: Any, **__: Any) -> None:
        """Show the bar."""
        if state.is_world_process_zero:
            self._began = time.monotonic(), state.global_step
            self._bar.start()
            self._task = self._bar.add_task("", total=state.max_steps, completed=state.global_step)

    def on_step_end(self, args: Any, state: TrainerState, *_: Any, **__: Any) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bar.update(self._task, completed=state.global_step)

    def on_log(self, args: Any, state: TrainerState, control: Any, **more: Any) -> None:
        """Show the newest figures."""
        logs: dict[str, float] = more["logs"]
        if self._task is None:
            return
        if "eval_loss" in logs:
            self._said["eval"] = f"eval {logs['eval_loss']:.4f}"
        elif "loss" in logs:
            self._said["loss"] = f"loss {logs['loss']:.4f}"
            self._said["speed"] = f"{logs.get('tokens_per_second', 0):,.0f} tokens/s"
        else:
            return
        words = ", ".join(filter(None, [f"epoch {state.epoch or 0:.2f}", *self._said.values()]))
        self._bar.update(self._task, description=words)
        if not self._console.is_terminal:
            step = f"step {state.global_step}/{state.max_steps}"
            self._console.print(f"{step}, {words}, {self._left(state)} left", soft_wrap=True)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Leave the bar as it is."""
        self.close()

    def close(self) -> None:
        """Give the terminal back; also where a run breaks off."""
        self._bar.stop()

    def _left(self, state: TrainerState) -> str:
        began, first = self._began
        done = max(1, state.global_step - first)
        seconds = (time.monotonic() - began) / done * (state.max_steps - state.global_step)
        return f"{seconds // 3600:.0f}:{seconds // 60 % 60:02.0f}:{seconds % 60:02.0f}"
