"""`cliffhanger bench serve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.commands.options import RESULTS, Device, Model, OutputDir, Precision, Prompts, numbers

if TYPE_CHECKING:
    from bench.serve import Results


def serve(
    model: Model = "default",
    peers: Annotated[
        str, typer.Option(help="Peers to measure, between commas; an empty text: none.")
    ] = "pipeline,generate,llama-cpp,openvino,ctranslate2",
    concurrency: Annotated[
        str, typer.Option(help="Stories written at once, between commas.")
    ] = "1,4,16,32",
    new_tokens: Annotated[int, typer.Option(min=1, help="Tokens of each story.")] = 128,
    rounds: Annotated[int, typer.Option(min=1, help="Times each figure is taken.")] = 3,
    prompts: Prompts = None,
    precision: Precision = "auto",
    device: Device = "cpu",
    gguf: Annotated[
        Path | None,
        typer.Option(
            help="File for llama.cpp and OpenVINO.", show_default="the default model's own"
        ),
    ] = None,
    openvino_model: Annotated[
        Path | None,
        typer.Option(
            help="Folder for OpenVINO, as `optimum-cli export openvino` writes it.",
            show_default="the GGUF, requantised to Q8_0",
        ),
    ] = None,
    output_dir: OutputDir = RESULTS,
) -> None:
    """Write many stories at once, with our engine and with its peers, and compare."""
    from rich.console import Console

    from bench.files import new_stem, write_json
    from bench.machine import is_busy
    from bench.prompts import built_in, read_prompts
    from bench.serve import Settings, run
    from bench.writers import writer
    from bench.writers.base import Plan

    chosen = tuple(dict.fromkeys(name.strip() for name in peers.split(",") if name.strip()))
    for name in chosen:
        writer(name)
    plan = Plan(
        model=model,
        prompts=read_prompts(prompts) if prompts else built_in(),
        new_tokens=new_tokens,
        precision=precision,
        device=device,
        gguf=str(gguf) if gguf else None,
        openvino_model=str(openvino_model) if openvino_model else None,
    )
    settings = Settings(plan, chosen, numbers(concurrency, "concurrency"), rounds)
    stem = new_stem(output_dir, "serve")
    aside = Console(stderr=True, highlight=False)
    if is_busy():
        aside.print("Other work is running on this machine: only the ratios will mean something.")

    def say(text: str) -> None:
        aside.print(text, markup=False, soft_wrap=True)

    results = run(
        settings, say, lambda results: write_json(stem.with_suffix(".json"), results.record())
    )
    _show(results, stem)


def _show(results: Results, stem: Path) -> None:
    from rich.console import Console

    from bench.errors import BenchError
    from bench.files import write
    from bench.report import chart, markdown

    text = markdown(results)
    write(stem.with_suffix(".md"), text)
    console = Console(highlight=False)
    console.print(text, markup=False, soft_wrap=True)
    try:
        chart(results, stem.with_suffix(".png"))
    except OSError as error:
        raise BenchError(f"The chart cannot be written: {error}") from error
    console.print(f"Written: {stem}.json, .md, .png", markup=False, soft_wrap=True)
