"""Training speed, in tokens that count a second, against the seed's way on the same stories.

    python bench/training.py ../shared/data/genre_plots.txt

A token counts if it is a target of the loss; padding is not. Every variant is the Hugging Face
Trainer in a process of its own, so that its memory peak is its own. Variants take turns over
several rounds, so that a busy minute does not fall on one of them alone. The first steps, in which
buffers are made and the model is compiled, are not timed; gathering the next batch is.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from transformers import TrainerCallback

from train.recipe import load_recipe

BLOCK, BATCH = 512, 4
WARM_UP = 2
RECIPE = "default-adapter"
LORA = {"r": 16, "alpha": 32}
SEEDS_WAY = "seed's way: line by line, padded, all weights, float32"
OURS: dict[str, dict[str, Any]] = {
    "packed, all weights, float32": {"dtype": "float32"},
    "packed, LoRA, float32": {"dtype": "float32", "lora": LORA},
    "packed, LoRA, bfloat16": {"dtype": "bfloat16", "lora": LORA},
    "packed, LoRA, bfloat16, compiled": {
        "dtype": "bfloat16",
        "lora": LORA,
        "torch_compile": True,
    },
}
"""What each differs in from `packed, all weights`."""
DEFAULT = f"{RECIPE}: the same in its own block and batch"
VARIANTS = [SEEDS_WAY, *OURS, DEFAULT]


class Clock(TrainerCallback):
    """Notes time and tokens after every optimizer step of this process."""

    marks: list[tuple[float, int]] = []  # noqa: RUF012 (the Trainer makes the instances)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """An optimizer step is done."""
        self.marks.append((time.perf_counter(), state.num_input_tokens_seen))


def measure(variant: str, data: Path, steps: int, seed: int) -> dict[str, float]:
    """Tokens, seconds and this process's memory peak in bytes.

    Times `steps` batches of 4 x 512 tokens, or as many tokens in shorter rows.
    """
    import transformers.trainer

    everywhere: list[Any] = transformers.trainer.DEFAULT_CALLBACKS
    everywhere.append(Clock)
    with tempfile.TemporaryDirectory() as folder:
        if variant == SEEDS_WAY:
            train_seeds_way(data, Path(folder), WARM_UP + steps, seed)
        else:
            train_our_way(variant, data, Path(folder), steps, seed)
    (began, before), (ended, after) = Clock.marks[WARM_UP - 1], Clock.marks[-1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"tokens": after - before, "seconds": ended - began, "peak": peak}


def train_our_way(variant: str, data: Path, run: Path, steps: int, seed: int) -> None:
    """`cliffhanger train finetune` itself, cut short."""
    from train.finetune import finetune

    knobs: dict[str, Any] = {"torch_compile": True}
    if variant != DEFAULT:
        plain = {"lora": None, "torch_compile": False, "gradient_accumulation_steps": 1}
        rows = {"block_size": BLOCK, "per_device_train_batch_size": BATCH}
        knobs = plain | rows | OURS[variant]
    recipe = load_recipe(RECIPE, knobs)
    step = (
        recipe.block_size * recipe.per_device_train_batch_size * recipe.gradient_accumulation_steps
    )
    knobs |= {
        "train_data_file": data,
        "output_dir": run,
        "do_eval": False,
        "max_steps": WARM_UP + steps * BLOCK * BATCH // step,
        "save_steps": 10**6,
        "seed": seed,
    }
    finetune(load_recipe(RECIPE, knobs), Console(quiet=True))


def train_seeds_way(data: Path, run: Path, steps: int, seed: int) -> None:
    """Each line cut off at the block, four random ones a batch, padded to the longest of them."""
    from transformers import DataCollatorForLanguageModeling, Trainer, TrainingArguments

    from model.genres import DEFAULT_GENRES
    from train.base_model import open_base

    class Counting(Trainer):
        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
            self.state.num_input_tokens_seen += int((inputs["labels"] != -100).sum())
            return super().training_step(model, inputs, num_items_in_batch)

    base = open_base(load_recipe(RECIPE, {"lora": None}), DEFAULT_GENRES, bfloat16=False)
    lines = data.read_text(encoding="utf-8").splitlines()
    random.Random(seed).shuffle(lines)
    chosen = [line for line in lines if line.strip()][: steps * BATCH]
    coded: Any = base.tokenizer(chosen, truncation=True, max_length=BLOCK)
    arguments = TrainingArguments(
        output_dir=str(run), max_steps=steps, per_device_train_batch_size=BATCH, use_cpu=True,
        save_strategy="no", report_to=[], disable_tqdm=True, seed=seed,
    )  # fmt: skip
    Counting(
        base.model,
        arguments,
        DataCollatorForLanguageModeling(base.tokenizer, mlm=False),
        [{"input_ids": ids} for ids in coded["input_ids"]],
    ).train()


def table(runs: dict[str, list[dict[str, float]]]) -> str:
    """Median over the rounds, and their range, as Markdown."""
    speeds = {name: [r["tokens"] / r["seconds"] for r in rounds] for name, rounds in runs.items()}
    seeds = statistics.median(speeds[SEEDS_WAY])
    lines = [
        "| way | tokens/s | range | against the seed's | memory peak |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, rounds in runs.items():
        speed = statistics.median(speeds[name])
        spread = f"{min(speeds[name]):.0f}–{max(speeds[name]):.0f}"
        peak = max(r["peak"] for r in rounds) / 1e9
        lines.append(f"| {name} | {speed:.0f} | {spread} | {speed / seeds:.2f}× | {peak:.2f} GB |")
    return "\n".join(lines)


def in_a_process(variant: str, data: Path, steps: int, seed: int) -> dict[str, float]:
    """`measure` in a fresh Python."""
    asked = [str(data), "--variant", variant, "--steps", str(steps), "--seed", str(seed)]
    done = subprocess.run(  # noqa: S603 (it is this very file)
        [sys.executable, __file__, *asked], stdout=subprocess.PIPE, check=True, text=True
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    """Run all variants in turn, tell each figure on standard error, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="stories in the seed's format, one a line")
    parser.add_argument("--steps", type=int, default=8, help="batches of 4 x 512 tokens to time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.variant:
        print(json.dumps(measure(asked.variant, asked.data, asked.steps, asked.seed)))
        return
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for number in range(asked.rounds):
        for name in VARIANTS:
            figures = in_a_process(name, asked.data, asked.steps, number)
            runs[name].append(figures)
            speed = figures["tokens"] / figures["seconds"]
            said = f"round {number + 1}, {name}: {speed:.0f} tokens/s"
            print(f"{said}, {figures['tokens']:.0f} in {figures['seconds']:.1f} s", file=sys.stderr)
    print(table(runs))


if __name__ == "__main__":
    main()
