"""The stories a model writes for its evaluation: which are asked for, and writing them.

The engine is the one members' stories come from. Knows no measure.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from model.engine import FinishReason, GenerationRequest, SamplingParams
from model.genres import GenreTable
from model.prompt import BOS, EOS, PAD, clean_story
from model.torch_engine import TorchEngine
from train.texts import Story

if TYPE_CHECKING:
    from model.checkpoint import LoadedModel

PROMPT_WORDS = range(8, 13)
"""A prompt is so many first words of a held-out plot: what a member types."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One story to ask every model for."""

    genre: str
    prompt: str
    """May be empty: the genre alone."""
    seed: int


@dataclass(frozen=True, slots=True)
class Written:
    """What a model made of an Ask."""

    ask: Ask
    raw: str
    """The completion as the engine gave it."""
    text: str
    """The story as members see it, prompt included."""
    n_tokens: int
    finish_reason: FinishReason
    stray_raw: int
    """Control tokens spelt out in `raw`."""
    stray_shown: int
    """Control tokens spelt out in `text`."""

    @property
    def completion(self) -> str:
        """`text` without the prompt."""
        return self.text[len(self.ask.prompt) :].strip()


def cut_prompt(text: str, n_words: int) -> tuple[str, str]:
    """The first words of a text, and the rest."""
    words = text.split()
    return " ".join(words[:n_words]), " ".join(words[n_words:])


def plan(held_out: Sequence[Story], table: GenreTable, per_genre: int, seed: int) -> list[Ask]:
    """The same `per_genre` stories of each genre for every model.

    Every second one has the genre alone; the others begin as held-out plots of the genre do, which
    come round again where there are few. A genre without held-out plots gets no prompts.
    """
    asks = []
    for genre in table.names:
        dice = random.Random(f"{seed} {genre}")
        plots = [story.text for story in held_out if story.genre == genre]
        dice.shuffle(plots)
        for number in range(per_genre):
            prompt = ""
            if number % 2 and plots:
                plot = plots[number // 2 % len(plots)]
                prompt, _ = cut_prompt(plot, dice.choice(PROMPT_WORDS))
            asks.append(Ask(genre, prompt, dice.getrandbits(31)))
    return asks


def write_stories(
    loaded: LoadedModel,
    asks: Sequence[Ask],
    sampling: SamplingParams,
    *,
    batch_size: int,
    advance: Callable[[int], object] = lambda n_tokens: None,
) -> list[Written]:
    """What `loaded` writes, in the order of `asks`; `batch_size` at the same time.

    The same asks give the same stories on the same machine, up to rounding: which stories share a
    batch is a matter of timing. `advance` hears of tokens as they come, and of a story that ends
    early as if it had been written to the limit. Raises GenerationFailed.
    """

    from model.runtime import runtime_of

    async def write_all() -> list[Written]:
        async with TorchEngine(lambda: runtime_of(loaded), slots=batch_size) as engine:
            return await asyncio.gather(
                *(_write(engine, loaded, ask, sampling, advance) for ask in asks)
            )

    return asyncio.run(write_all()) if asks else []


async def _write(
    engine: TorchEngine,
    loaded: LoadedModel,
    ask: Ask,
    sampling: SamplingParams,
    advance: Callable[[int], object],
) -> Written:
    request = GenerationRequest(ask.genre, ask.prompt, replace(sampling, seed=ask.seed))
    pieces, n_tokens = [], 0
    finish: FinishReason = "length"
    async for chunk in engine.generate(request):
        pieces.append(chunk.text)
        advance(chunk.n_tokens - n_tokens)
        n_tokens, finish = chunk.n_tokens, chunk.finish_reason or finish
    advance(sampling.max_new_tokens - n_tokens)
    raw = "".join(pieces)
    text = clean_story(ask.prompt, raw, final=True, table=loaded.format.table)
    tokens = control_texts(loaded)
    completion = text[len(ask.prompt) :]
    return Written(
        ask,
        raw,
        text,
        n_tokens,
        finish,
        count_control_texts(raw, tokens),
        count_control_texts(completion, tokens),
    )


def control_texts(loaded: LoadedModel) -> frozenset[str]:
    """How the tokens look that nobody may see."""
    named = loaded.tokenizer.convert_ids_to_tokens(sorted(loaded.format.control_ids))
    return frozenset({*named, BOS, EOS, PAD, *(genre.token for genre in loaded.format.table)})


def count_control_texts(text: str, tokens: frozenset[str]) -> int:
    """At how many places of a text one of `tokens` is spelt out."""
    return sum(text.count(token) for token in tokens)
