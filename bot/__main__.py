"""The `cliffhanger` command line. Each command reads the settings, does one thing, and says in
one sentence what is wrong and what to do when it cannot.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

from bot.errors import OperatorError
from bot.settings import Settings, load_settings
from model.engine import EngineError, SamplingParams

if TYPE_CHECKING:
    pass

app = typer.Typer(
    name="cliffhanger",
    help="A community story bot for Discord, Telegram and the console.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
model_app = typer.Typer(help="The models at hand: list, fetch, look into.", no_args_is_help=True)
db_app = typer.Typer(help="The database: migrate it, copy it.", no_args_is_help=True)
app.add_typer(model_app, name="model")
app.add_typer(db_app, name="db")

stderr = Console(stderr=True, highlight=False)


def main() -> None:
    """Run the command line; an OperatorError becomes one message and exit code 1."""
    try:
        app()
    except (OperatorError, EngineError) as error:
        stderr.print(f"cliffhanger: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _settings() -> Settings:
    settings = load_settings()
    logging.basicConfig(
        level=settings.log_level,
        format="%(name)s: %(message)s",
        handlers=[RichHandler(console=stderr, show_path=False, markup=False)],
        force=True,
    )
    for noisy in ("alembic", "httpx", "discord.client", "discord.gateway", "filelock"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.root.level))
    return settings


# -- serving -----------------------------------------------------------------------------------
@app.command()
def run(
    platform: Annotated[
        list[str] | None,
        typer.Option(
            help="discord, telegram or console; may be given again. Default: each that "
            "has a token, else the console."
        ),
    ] = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Leave the writing to workers elsewhere.")
    ] = False,
) -> None:
    """Start the bot: its platforms, and a worker that writes the stories."""
    from bot.house import chosen_platforms, make_engine, needs_other_workers, run_house

    settings = _settings()
    platforms = chosen_platforms(settings, platform or [])
    if no_worker:
        needs_other_workers(settings)
    else:
        _fetch_model(settings)
    engine = None if no_worker else make_engine(settings)
    raise typer.Exit(asyncio.run(run_house(settings, platforms, engine)))


@app.command()
def console() -> None:
    """Start the console alone: the bot with no platform."""
    run(platform=["console"], no_worker=False)


@app.command()
def worker() -> None:
    """Write stories for front ends elsewhere. Needs a queue that both sides reach."""
    from bot.house import needs_other_workers

    needs_other_workers(_settings())


# -- one story ---------------------------------------------------------------------------------
@app.command()
def story(
    genre: Annotated[str, typer.Argument(help="Such as horror; see `cliffhanger model info`.")],
    prompt: Annotated[list[str] | None, typer.Argument(help="How the story begins.")] = None,
    title: Annotated[str, typer.Option(help="A title to begin from.")] = "",
    temperature: Annotated[float | None, typer.Option(help="Above 0; higher is wilder.")] = None,
    top_k: Annotated[int | None, typer.Option(help="0 takes all tokens.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Above 0, at most 1.")] = None,
    repetition_penalty: Annotated[float | None, typer.Option(help="1 is off.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="Most tokens to add.")] = None,
    max_length: Annotated[
        int | None, typer.Option(help="Most tokens of prompt and story together.")
    ] = None,
    do_sample: Annotated[
        bool, typer.Option("--sample/--greedy", help="Choose at random, or take the likeliest.")
    ] = True,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same story.")] = None,
) -> None:
    """Write one story to standard output."""
    from bot.house import genre_table, make_engine

    settings = _settings()
    asked = {
        "temperature": temperature, "top_k": top_k, "top_p": top_p,
        "repetition_penalty": repetition_penalty, "max_new_tokens": max_new_tokens,
        "max_length": max_length,
    }  # fmt: skip
    sampling = _sampling(settings, asked, do_sample, seed)
    genres = genre_table(settings)
    request = _request(settings, genres, genre, " ".join(prompt or []), title, sampling)
    _fetch_model(settings)
    asyncio.run(_write_one(make_engine(settings), request, genres))


def _sampling(
    settings: Settings, asked: dict[str, float | int | None], do_sample: bool, seed: int | None
) -> SamplingParams:
    from dataclasses import replace

    given = {name: value for name, value in asked.items() if value is not None}
    seed = random.getrandbits(31) if seed is None else seed
    try:
        return replace(settings.sampling(seed=seed), do_sample=do_sample, **given)  # type: ignore[arg-type]
    except ValueError as error:
        raise OperatorError(f"{error}.") from None
