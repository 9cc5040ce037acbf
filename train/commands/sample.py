"""`cliffhanger train sample`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from model.engine import Engine, GenerationRequest
    from model.genres import GenreTable


def sample(
    model: Annotated[
        str, typer.Argument(metavar="RUN|MODEL", help="A run folder, or any model's name.")
    ],
    genre: Annotated[
        list[str] | None,
        typer.Option(help="May be given again.", show_default="every genre of the table"),
    ] = None,
    prompt: Annotated[str, typer.Option(help="First words of the story.")] = "",
    n: Annotated[int, typer.Option("-n", min=1, help="Stories of each genre.")] = 5,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the first story; the next has the next.")
    ] = 1,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of a story.")] = 220,
    temperature: Annotated[float, typer.Option(help="Higher is wilder.")] = 0.9,
) -> None:
    """Print a few stories, as members would read them."""
    from rich.console import Console

    from model.engine import EngineError, GenerationRequest, SamplingParams
    from model.genres import UnknownGenre
    from model.torch_engine import open_engine
    from train.errors import TrainError
    from train.export import genres_of

    table = genres_of(Path(model))
    try:
        names = [table.get(name).name for name in genre or table.names]
        requests = [
            GenerationRequest(
                name,
                prompt,
                SamplingParams(
                    temperature=temperature,
                    max_new_tokens=max_new_tokens,
                    min_new_tokens=min(12, max_new_tokens),
                    seed=seed + number,
                ),
            )
            for name in names
            for number in range(n)
        ]
        stories = asyncio.run(_write(open_engine(model, genres=table), requests, table))
    except (EngineError, UnknownGenre, ValueError) as error:
        raise TrainError(str(error)) from error
    console = Console(highlight=False)
    for request, story in zip(requests, stories, strict=True):
        console.rule(f"{request.genre}, seed {request.sampling.seed}", align="left")
        console.print(story, markup=False)


async def _write(engine: Engine, requests: list[GenerationRequest], table: GenreTable) -> list[str]:
    """The stories of all requests, written together."""
    from model.prompt import clean_story

    async def tell(request: GenerationRequest) -> str:
        text = "".join([chunk.text async for chunk in engine.generate(request)])
        return clean_story(request.prompt, text, final=True, table=table)

    async with engine:
        return await asyncio.gather(*map(tell, requests))
