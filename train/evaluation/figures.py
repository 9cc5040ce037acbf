"""All figures of an evaluation: a column for the real plots, and one for each model.

Made of scores and stories that are there already; knows no files and runs no model.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.engine import EngineInfo
from model.genres import GenreTable
from train.evaluation.adherence import Adherence, Continued, WordSpace
from train.evaluation.control import Control, GenreJudge, NotMeasurable
from train.evaluation.likelihood import Likelihood, StoryScore, summarise
from train.evaluation.repetition import Repetition, measure_repetition, words_of
from train.evaluation.stories import PROMPT_WORDS, Written, cut_prompt
from train.texts import Story

REAL = "real plots"
_WORDS_PER_TOKEN = 0.75
"""Of English stories: real plots are cut to the words that max_new_tokens make."""
_JUDGED_SHARE = 0.8
"""Of those words, how many the judge reads: most generated stories have as many."""


def real_words(max_new_tokens: int) -> int:
    """To how many words real plots are cut beside stories of so many tokens."""
    return max(1, round(max_new_tokens * _WORDS_PER_TOKEN))


def judged_words(max_new_tokens: int) -> int:
    """How many words of a story the judge of genres reads."""
    return max(1, round(real_words(max_new_tokens) * _JUDGED_SHARE))


@dataclass(frozen=True, slots=True)
class ModelResult:
    """What one model was made to do."""

    name: str
    info: EngineInfo
    scores: list[StoryScore]
    stories: list[Written]
    seconds: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How stories end, and how long they are; shares are of 1."""

    ends: float
    """Share that ends by itself within max_new_tokens and is not empty; of real plots, those that
    are no longer than that, in the first model's tokens."""
    empty: float
    """Share with no word but the prompt's."""
    mean_tokens: float
    median_words: float
    """Of the story as members see it, prompt included."""
    stray_raw: int
    """Control tokens spelt out in all raw completions together."""
    stray_shown: int
    """Those left in what members see."""


@dataclass(frozen=True, slots=True)
class Column:
    """The figures of one model, or of the real plots."""

    name: str
    model: EngineInfo | None
    seconds: float | None
    likelihood: dict[str, Likelihood]
    """By genre, and "all"."""
    repetition: Repetition | None
    ending: Ending | None
    control: dict[str, Control]
    """"all", "genre_alone" and "prompted"; of the real plots "all", which is the ceiling, and
    "prompt_alone", which tells how far the prompts give the genre away."""
    control_floor: float | None
    adherence: Adherence | None


class Figures:
    """Makes columns. Building it trains the judge.

    Raises nothing for a figure that cannot be had: `notes` says which, and why.
    """

    def __init__(
        self,
        train: Sequence[Story],
        held_out: Sequence[Story],
        table: GenreTable,
        *,
        max_new_tokens: int,
        seed: int,
    ) -> None:
        self.notes: list[str] = []
        self._held_out = list(held_out)
        self._genres = table.names
        self._max_new_tokens = max_new_tokens
        self._seed = seed
        self._n_words = real_words(max_new_tokens)
        self._space = WordSpace([story.text for story in [*train, *held_out]])
        self.judge: GenreJudge | None = None
        try:
            n_judged = judged_words(max_new_tokens)
            self.judge = GenreJudge(train, held_out, n_words=n_judged, seed=seed)
        except NotMeasurable as error:
            self.notes.append(f"{error}; left out.")
        if self.judge and (unknown := sorted({*self._genres} - {*self.judge.genres})):
            self.notes.append(f"genre control: too few train plots of {', '.join(unknown)}.")
        if self.judge and self.judge.cross_validated:
            self.notes.append("genre control: few held-out plots, so the ceiling is from 5 folds.")

    def columns(self, results: Sequence[ModelResult]) -> list[Column]:
        """The real plots' column, and one for each model in its order."""
        real = [words_of(story.text)[: self._n_words] for story in self._held_out]
        told = [[words_of(_whole(w)) for w in result.stories] for result in results]
        n_common = min(sum(map(len, texts)) for texts in (real, *filter(None, told)))
        written = [story for result in results for story in result.stories]
        columns = [Column(REAL, None, None, {}, None, None, {}, None, None)]
        if written:
            columns = [self._real(measure_repetition(real, n_common), results[0].scores, written)]
        for result, texts in zip(results, told, strict=True):
            repetition = measure_repetition(texts, n_common) if texts else None
            columns.append(self._model(result, repetition))
        return columns

    def _real(
        self, repetition: Repetition, scores: Sequence[StoryScore], written: Sequence[Written]
    ) -> Column:
        control: dict[str, Control | None] = {}
        if self.judge:
            prompts = sorted({(w.ask.genre, w.ask.prompt) for w in written if w.ask.prompt})
            control = {"all": self.judge.ceiling, "prompt_alone": self.judge.control(prompts)}
        ending = Ending(
            ends=statistics.fmean(score.n_tokens <= self._max_new_tokens for score in scores),
            empty=0.0,
            mean_tokens=statistics.fmean(score.n_tokens for score in scores),
            median_words=statistics.median(len(words_of(s.text)) for s in self._held_out),
            stray_raw=0,
            stray_shown=0,
        )
        continued = [self._continued(story) for story in self._held_out]
        return Column(
            name=REAL,
            model=None,
            seconds=None,
            likelihood={},
            repetition=repetition,
            ending=ending,
            control=_without_none(control),
            control_floor=None,
            adherence=self._space.adherence(continued),
        )

    def _model(self, result: ModelResult, repetition: Repetition | None) -> Column:
        likelihood = {"all": summarise(result.scores)}
        for genre in self._genres:
            if scores := [score for score in result.scores if score.genre == genre]:
                likelihood[genre] = summarise(scores)
        told = [(w.ask.genre, w.completion) for w in result.stories]
        prompted = [w for w in result.stories if w.ask.prompt]
        continued = [Continued(w.ask.genre, w.ask.prompt, w.completion) for w in prompted]
        return Column(
            name=result.name,
            model=result.info,
            seconds=result.seconds,
            likelihood=likelihood,
            repetition=repetition,
            ending=_ending(result.stories) if result.stories else None,
            control=self._control(result.stories),
            control_floor=self.judge.floor(told, self._seed) if self.judge else None,
            adherence=self._space.adherence(continued) if continued else None,
        )

    def _control(self, stories: Sequence[Written]) -> dict[str, Control]:
        if not self.judge:
            return {}
        parts = {
            "all": stories,
            "genre_alone": [w for w in stories if not w.ask.prompt],
            "prompted": [w for w in stories if w.ask.prompt],
        }
        return _without_none(
            {
                name: self.judge.control([(w.ask.genre, w.completion) for w in part])
                for name, part in parts.items()
            }
        )

    def _continued(self, story: Story) -> Continued:
        prompt, rest = cut_prompt(story.text, PROMPT_WORDS[len(PROMPT_WORDS) // 2])
        return Continued(story.genre, prompt, " ".join(rest.split()[: self._n_words]))


def _whole(written: Written) -> str:
    """Prompt and raw completion: what is cleaned away at the end may be part of a loop."""
    return f"{written.ask.prompt} {written.raw}"


def _ending(stories: Sequence[Written]) -> Ending:
    empty = [not words_of(w.completion) for w in stories]
    stopped = [w.finish_reason == "stop" for w in stories]
    return Ending(
        ends=statistics.fmean(stop and not none for stop, none in zip(stopped, empty, strict=True)),
        empty=statistics.fmean(empty),
        mean_tokens=statistics.fmean(w.n_tokens for w in stories),
        median_words=statistics.median(len(words_of(w.text)) for w in stories),
        stray_raw=sum(w.stray_raw for w in stories),
        stray_shown=sum(w.stray_shown for w in stories),
    )


def _without_none(control: Mapping[str, Control | None]) -> dict[str, Control]:
    return {name: one for name, one in control.items() if one is not None}
