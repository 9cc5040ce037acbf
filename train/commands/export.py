"""`cliffhanger train export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    run: Annotated[Path, typer.Argument(help="Output folder of `train finetune`.")],
    output_dir: Annotated[Path, typer.Option(help="Folder to write; new or empty.")],
    merge: Annotated[
        bool, typer.Option("--merge/--adapter", help="Whole weights, or the LoRA adapter alone.")
    ] = True,
    dtype: Annotated[
        Literal["float16", "bfloat16", "float32"], typer.Option(help="How weights are kept.")
    ] = "float16",
    name: Annotated[
        str | None,
        typer.Option(
            help="What the model card calls the model.", show_default="the folder's or repository's"
        ),
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(
            help="evaluation.json of `train evaluate`, for the model card.",
            show_default="RUN/evaluation/evaluation.json, where there is one",
        ),
    ] = None,
    card: Annotated[
        str, typer.Option(help="File name of the model card; the Hub shows README.md.")
    ] = "README.md",
    overwrite: Annotated[bool, typer.Option(help="Replace what is in the output folder.")] = False,
    push_to: Annotated[
        str | None,
        typer.Option(metavar="OWNER/NAME", help="Upload the result to the Hub, with HF_TOKEN."),
    ] = None,
    public: Annotated[
        bool, typer.Option(help="Let everyone see a repository that --push-to makes.")
    ] = False,
) -> None:
    """Write a run as a folder to serve, with its model card; push it to the Hub if asked."""
    from rich.console import Console
    from transformers.utils import logging as chatter

    from train.errors import TrainError
    from train.export import export, local_base
    from train.hub import check_push, push

    chatter.disable_progress_bar()  # type: ignore[no-untyped-call]
    console = Console(highlight=False)
    if push_to:
        if not merge and (local := local_base(run)):
            raise TrainError(
                f"The adapter in {run} needs the folder {local}, which only this machine has; "
                "push it merged, without --adapter"
            )
        check_push(push_to)
    export(
        run,
        output_dir,
        merge=merge,
        dtype=dtype,
        name=name or (push_to and push_to.partition("/")[2]),
        evaluation=evaluation,
        card=card,
        overwrite=overwrite,
    )
    console.print(f"Written: {output_dir}", markup=False, soft_wrap=True)
    if push_to:
        address = push(output_dir, push_to, public=public)
        console.print(f"Pushed: {address}", markup=False, soft_wrap=True)
