"""Evaluates models one after the other, on the same held-out stories and the same asks.

What can be wrong is looked for before the first hour is spent, and results are kept after every
model.
"""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from model.checkpoint import LoadedModel, ModelSource, check, load
from model.engine import EngineError, ModelUnusable
from model.fetch import Progress
from model.genres import GenreTable
from model.registry import resolve
from train.errors import TrainError
from train.evaluation.figures import Column, Figures, ModelResult
from train.evaluation.likelihood import StoryScore, score_stories
from train.evaluation.output import check_room, save
from train.evaluation.settings import Settings
from train.evaluation.stories import Ask, plan, write_stories
from train.texts import Story, genre_table, read_stories

_PROBE_TOKENS = 8
"""Tokens of each story by which a model's speed is measured before the work begins."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What every model has to do."""

    table: GenreTable
    scored: list[Story]
    asks: list[Ask]
    settings: Settings


def evaluate(
    settings: Settings, *, progress: Progress, say: Callable[[str], object]
) -> tuple[list[Column], list[str]]:
    """The columns, real plots first, and notes on what was left out; kept in the output folder.

    `say` hears how long it may take, and of every model that is done. Raises TrainError.
    """
    if twice := sorted({name for name in settings.models if settings.models.count(name) > 1}):
        raise TrainError(f"{twice[0]} is given twice; each model once is enough")
    check_room(settings)
    table = genre_table(settings.genres)
    held_out = read_stories(settings.eval_data_file, table)
    train = read_stories(settings.train_data_file, table) if settings.train_data_file else []
    sources = [_find(name, progress) for name in settings.models]
    work = _Work(table, _sample(held_out, settings), _asks(held_out, table, settings), settings)
    say(_estimate([_probe(source, work) for source in sources], work))

    figures = Figures(
        train,
        held_out,
        table,
        max_new_tokens=settings.sampling.max_new_tokens,
        seed=settings.seed,
    )
    notes = [*figures.notes, *_overlap(train, held_out)]
    results: list[ModelResult] = []
    columns: list[Column] = []
    for source in sources:
        gc.collect()  # a model is full of cycles, and two may not fit
        results.append(_result(source, work, progress))
        columns = figures.columns(results)
        save(settings, columns, results, notes)
        say(_finished(columns[-1], results[-1]))
    return columns, notes


def _sample(held_out: list[Story], settings: Settings) -> list[Story]:
    most = settings.max_eval_samples
    if most is None or most >= len(held_out):
        return held_out
    chosen = random.Random(settings.seed).sample(range(len(held_out)), most)
    return [held_out[index] for index in sorted(chosen)]


def _asks(held_out: list[Story], table: GenreTable, settings: Settings) -> list[Ask]:
    return plan(held_out, table, settings.stories, settings.seed)


def _overlap(train: list[Story], held_out: list[Story]) -> Iterator[str]:
    learnt = {story.text for story in train}
    if seen := sum(story.text in learnt for story in held_out):
        yield f"{seen} of the {len(held_out)} held-out stories are in the train file too."


# --- One model ---


def _find(name: str, progress: Progress) -> ModelSource:
    with _named(name):
        source = resolve(name, progress=progress)
        check(source)
    return replace(source, name=name)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Whatever is wrong with one of several models is said with its name."""
    try:
        yield
    except EngineError as error:
        text = str(error)
        raise TrainError(text if name in text else f"The model {name}: {text}") from error


def _probe(source: ModelSource, work: _Work) -> float:
    """Seconds that the work will take, at most, with this model: measured on a little of it."""
    with _named(source.name):
        loaded = load(source, genres=work.table)
        began = time.perf_counter()
        (score,) = _scores(loaded, work.scored[:1])
        per_byte = (time.perf_counter() - began) / score.n_bytes
        first = work.asks[: work.settings.batch_size]
        began = time.perf_counter()
        written = write_stories(
            loaded,
            first,
            replace(work.settings.sampling, max_new_tokens=_PROBE_TOKENS),
            batch_size=len(first),
        )
        per_token = (time.perf_counter() - began) / max(1, sum(w.n_tokens for w in written))
    n_bytes = sum(len(story.text.encode()) for story in work.scored)
    n_tokens = len(work.asks) * work.settings.sampling.max_new_tokens
    return per_byte * n_bytes + per_token * n_tokens


def _estimate(seconds: Sequence[float], work: _Work) -> str:
    minutes = math.ceil(sum(seconds) / 60)
    return (
        f"{len(seconds)} model(s), each with {len(work.scored)} held-out stories to read and "
        f"{len(work.asks)} to write: about {minutes} min at most."
    )


def _finished(column: Column, result: ModelResult) -> str:
    bits = column.likelihood["all"].bits_per_byte
    return f"{result.name}: {bits:.3f} bits per byte; {result.seconds / 60:.0f} min"


def _result(source: ModelSource, work: _Work, progress: Progress) -> ModelResult:
    with _named(source.name):
        began = time.perf_counter()
        loaded = load(source, genres=work.table)
        count = _Count(f"{source.name}: reading stories", len(work.scored), progress)
        scores = _scores(loaded, work.scored, count.add)
        sampling = work.settings.sampling
        n_most = len(work.asks) * sampling.max_new_tokens
        count = _Count(f"{source.name}: writing tokens", n_most, progress)
        stories = write_stories(
            loaded,
            work.asks,
            sampling,
            batch_size=work.settings.batch_size,
            advance=count.add,
        )
    return ModelResult(source.name, loaded.info, scores, stories, time.perf_counter() - began)


def _scores(
    loaded: LoadedModel,
    stories: Sequence[Story],
    advance: Callable[[int], object] = lambda n_stories: None,
) -> list[StoryScore]:
    scores = score_stories(loaded, stories, advance=advance)
    for story, score in zip(stories, scores, strict=True):
        if not math.isfinite(score.nats):
            raise ModelUnusable(
                f"its loss on the held-out story of line {story.line} is {score.nats}: weights are "
                f"broken, or too large for {loaded.info.dtype}"
            )
    return scores


class _Count:
    """Adds up what is done, for a progress bar."""

    def __init__(self, what: str, total: int, progress: Progress) -> None:
        self._what, self._total, self._progress = what, total, progress
        self._done = 0

    def add(self, more: int) -> None:
        self._done += more
        self._progress(self._what, self._done, self._total)
