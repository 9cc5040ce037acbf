"""`cliffhanger bench quality`: whether the fast ways of running a model still say what it says."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, get_args

import typer

from bench.commands.options import RESULTS, Model, OutputDir


def quality(
    data_file: Annotated[
        Path, typer.Argument(help="Real stories, one a line, as `train prepare` writes them.")
    ],
    model: Model = "default",
    stories: Annotated[int, typer.Option(min=1, help="Stories to read.")] = 32,
    tokens: Annotated[
        int, typer.Option(min=3, help="Tokens of each; shorter ones are left.")
    ] = 200,
    output_dir: OutputDir = RESULTS,
) -> None:
    """How near our engine is to the model in float32, in each precision of this machine."""
    import torch
    from rich.console import Console

    from bench.errors import BenchError
    from bench.files import new_stem, write_json
    from bench.machine import describe, versions
    from bench.quality import faithfulness
    from model.checkpoint import load
    from model.engine import Precision
    from model.genres import DEFAULT_GENRES
    from model.linears import best_precision, runnable
    from model.registry import resolve
    from train.errors import TrainError
    from train.texts import read_stories

    cpu = torch.device("cpu")
    try:
        read = read_stories(data_file, DEFAULT_GENRES)
    except TrainError as error:
        raise BenchError(str(error)) from error
    stem = new_stem(output_dir, "quality")
    loaded = load(resolve(model), device="cpu")
    precisions: list[Precision] = [p for p in get_args(Precision) if runnable(p, cpu)]
    rows = faithfulness(loaded, read, precisions, stories, tokens)
    out = Console(highlight=False)
    for row in rows:
        default = ", used by default here" if row.precision == best_precision(cpu) else ""
        out.print(
            f"{row.precision}: loss {row.nll:.4f} ({row.nll_change:+.3%}), same likeliest token "
            f"{row.top1_agreement:.2%}, divergence {row.kl:.5f} nats, over {row.n_tokens} tokens"
            + default
        )
    settings = {"model": model, "data_file": data_file.name, "stories": stories, "tokens": tokens}
    libraries = versions(["cliffhanger", "torch", "transformers"])
    path = stem.with_suffix(".json")
    record = {"settings": settings, "machine": describe(), "versions": libraries}
    write_json(path, {**record, "rows": [asdict(row) for row in rows]})
    out.print(f"Written: {path}", markup=False, soft_wrap=True)
