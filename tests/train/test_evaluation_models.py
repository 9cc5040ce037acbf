"""What is measured by running a model: likelihood, and the stories it writes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model.checkpoint import LoadedModel, load
from model.engine import SamplingParams
from model.genres import DEFAULT_GENRES, Genre, GenreTable, Templates
from model.prompt import EOS, PromptFormat
from model.registry import resolve
from train.evaluation.likelihood import StoryScore, score_stories, summarise
from train.evaluation.stories import (
    PROMPT_WORDS,
    control_texts,
    count_control_texts,
    plan,
    write_stories,
)
from train.texts import Story

pytestmark = pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"  # asked for by peft
)
STORIES = [
    Story(
        "horror", "A lonely lighthouse keeper counts the steps, and tonight there is one more.", 1
    ),
    Story("drama", "Émile waits.", 2),
    Story("sci_fi", "The colony ship wakes its gardener too early. " * 2, 3),
    Story("horror", "No.", 4),
]


@pytest.fixture(scope="module", params=["base", "tuned"])
def loaded(request: pytest.FixtureRequest, folders: dict[str, Path]) -> LoadedModel:
    """A model with the plain lead-in, and one with genre tokens."""
    return load(resolve(str(folders[request.param])), device="cpu")


@pytest.fixture(scope="module")
def uniform(folders: dict[str, Path]) -> LoadedModel:
    """Every token is as likely as every other."""
    found = load(resolve(str(folders["tuned"])), device="cpu")
    with torch.no_grad():
        for parameter in found.model.parameters():
            parameter.zero_()
    return found


def n_vocab(loaded: LoadedModel) -> int:
    return int(loaded.model.config.get_text_config().vocab_size)


def log_probabilities(loaded: LoadedModel, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        logits: Any = loaded.model(input_ids=torch.tensor([ids])).logits
    found: torch.Tensor = logits[0].log_softmax(-1)
    return found  # (T, V)


def test_a_uniform_model_costs_the_same_for_every_token(uniform: LoadedModel) -> None:
    scores = score_stories(uniform, STORIES)
    for story, score in zip(STORIES, scores, strict=True):
        n_tokens = len(uniform.format.encode_text(story.text.strip()))
        assert score.genre == story.genre
        assert score.n_tokens == n_tokens
        assert score.n_bytes == len(story.text.strip().encode())
        assert score.nats == pytest.approx(n_tokens * math.log(n_vocab(uniform)))
        ends = len(uniform.format.control_ids)
        assert score.end_nats == pytest.approx(-math.log(ends / n_vocab(uniform)))
    assert scores[1].n_bytes == 13  # É is two
    all_of_them = summarise(scores)
    n_tokens = sum(score.n_tokens for score in scores)
    n_bytes = sum(score.n_bytes for score in scores)
    assert all_of_them.perplexity == pytest.approx(n_vocab(uniform))
    assert all_of_them.bits_per_byte == pytest.approx(
        math.log2(n_vocab(uniform)) * n_tokens / n_bytes
    )


def test_every_token_weighs_alike() -> None:
    found = summarise(
        [StoryScore("drama", 30.0, 10, 40, 2.0), StoryScore("horror", 10.0, 10, 10, None)]
    )
    assert (found.n_stories, found.n_tokens, found.n_bytes) == (2, 20, 50)
    assert found.perplexity == pytest.approx(math.exp(2))
    assert found.bits_per_byte == pytest.approx(40 / math.log(2) / 50)
    assert found.end_nats == 2
    assert summarise([StoryScore("drama", 1.0, 1, 1, None)]).end_nats is None


def test_a_batch_scores_as_each_story_alone(loaded: LoadedModel) -> None:
    """Padding changes nothing, the head is not scored, and the end is any control token."""
    advanced: list[int] = []
    scores = score_stories(loaded, STORIES, advance=advanced.append)
    assert sum(advanced) == len(STORIES)
    for story, score in zip(STORIES, scores, strict=True):
        ids = loaded.format.encode(story.genre, story.text)
        n_head = len(loaded.format.encode(story.genre, ""))
        table = log_probabilities(loaded, ids)
        nats = -sum(float(table[i - 1, ids[i]]) for i in range(n_head, len(ids)))
        end = -float(table[-1, sorted(loaded.format.control_ids)].logsumexp(-1))
        assert score.n_tokens == len(ids) - n_head
        assert score.nats == pytest.approx(nats, rel=1e-4)
        assert score.end_nats == pytest.approx(end, rel=1e-4)


def test_the_text_alone_is_scored_whatever_the_head(loaded: LoadedModel) -> None:
    """The scored tokens say the text and nothing else, with a lead-in and with genre tokens."""
    for story in STORIES:
        ids = loaded.format.encode(story.genre, story.text)
        n_tokens = score_stories(loaded, [story])[0].n_tokens
        assert loaded.tokenizer.decode(ids[-n_tokens:]).strip() == story.text.strip()


def test_a_long_story_is_read_in_windows_each_token_once(loaded: LoadedModel) -> None:
    story = replace(STORIES[0], text=" ".join(STORIES[0].text for _ in range(8)))
    ids = loaded.format.encode(story.genre, story.text)
    n_head = len(loaded.format.encode(story.genre, ""))
    assert len(ids) > loaded.info.context_length
    window = 48
    size = window - n_head
    nats, at = 0.0, n_head
    for start in range(n_head, len(ids), size // 2):  # the same by hand
        piece = ids[:n_head] + ids[start : start + size]
        table = log_probabilities(loaded, piece)
        for i in range(at - start + n_head, len(piece)):
            nats -= float(table[i - 1, piece[i]])
            at += 1
        if at == len(ids):
            break
    score = score_stories(loaded, [story], window=window)[0]
    assert score.n_tokens == len(ids) - n_head
    assert score.nats == pytest.approx(nats, rel=1e-4)
    # By itself the window is the context, which the story is too long for as well.
    whole = score_stories(loaded, [story])[0]
    assert whole.n_tokens == score.n_tokens
    assert whole.nats != pytest.approx(nats, rel=1e-4)


def test_a_lead_in_of_nothing_still_scores_the_first_token(folders: dict[str, Path]) -> None:
    silent = GenreTable(tuple(Genre(g.name, g.label, g.token) for g in DEFAULT_GENRES),
                        Templates(lead_in=""))  # fmt: skip
    found = load(resolve(str(folders["base"])), device="cpu", genres=silent)
    text = STORIES[0].text
    score = score_stories(found, STORIES[:1])[0]
    assert score.n_tokens == len(found.format.encode_text(text))


def test_a_token_over_the_boundary_counts_as_text(loaded: LoadedModel) -> None:
    """Where the tokenizer makes one token of the head's end and the text's beginning."""

    class Merging(PromptFormat):
        def encode(self, genre: str, prompt: str, max_tokens: int | None = None) -> list[int]:
            return [5, 6, 7] if not prompt else [5, 6, 9, 10]

    merging = Merging(loaded.tokenizer)
    score = score_stories(replace(loaded, format=merging), STORIES[:1])[0]
    table = log_probabilities(loaded, [5, 6, 9, 10])
    assert score.n_tokens == 2
    assert score.nats == pytest.approx(-float(table[1, 9] + table[2, 10]), rel=1e-4)


# --- Stories ---

HELD_OUT = [
    Story(genre, f"{genre} plot {number} " + " ".join(f"word{i}" for i in range(30)), 1)
    for genre in ("horror", "drama")
    for number in range(3)
]


def test_the_plan_asks_for_as_many_of_each_genre_half_of_them_with_prompts() -> None:
    asks = plan(HELD_OUT, DEFAULT_GENRES, 8, seed=1)
    assert [ask.genre for ask in asks] == [name for name in DEFAULT_GENRES.names for _ in range(8)]
    horror = [ask.prompt for ask in asks if ask.genre == "horror"]
    assert horror[::2] == [""] * 4
    prompts = horror[1::2]
    plots = [story.text for story in HELD_OUT if story.genre == "horror"]
    assert all(any(plot.startswith(prompt) for plot in plots) for prompt in prompts)
    assert all(len(prompt.split()) in PROMPT_WORDS for prompt in prompts)
    numbers = [prompt.split()[2] for prompt in prompts]
    assert sorted(numbers[:3]) == ["0", "1", "2"]
    assert numbers[3] == numbers[0]  # they come round again
    assert all(ask.prompt == "" for ask in asks if ask.genre == "thriller")  # which has no plots
    assert len({ask.seed for ask in asks}) == len(asks)


def test_the_plan_follows_its_seed_and_more_stories_add_to_fewer() -> None:
    asks = plan(HELD_OUT, DEFAULT_GENRES, 8, seed=1)
    assert plan(HELD_OUT, DEFAULT_GENRES, 8, seed=1) == asks
    assert plan(HELD_OUT, DEFAULT_GENRES, 8, seed=2) != asks
    assert plan(HELD_OUT, DEFAULT_GENRES, 4, seed=1)[:4] == asks[:4]
    assert plan(HELD_OUT, DEFAULT_GENRES, 0, seed=1) == []


def test_stories_are_the_engines_own_and_come_again(loaded: LoadedModel) -> None:
    asks = plan(HELD_OUT, DEFAULT_GENRES, 2, seed=1)
    sampling = SamplingParams(max_new_tokens=12)
    advanced: list[int] = []
    written = write_stories(loaded, asks, sampling, batch_size=4, advance=advanced.append)
    assert [story.ask for story in written] == asks
    assert sum(advanced) == 12 * len(asks)
    for story in written:
        assert 0 <= story.n_tokens <= 12
        assert story.finish_reason == ("length" if story.n_tokens == 12 else "stop")
        assert story.text.startswith(story.ask.prompt)
        assert story.stray_shown == 0
    assert len({story.raw for story in written}) > len(asks) / 2  # each has its own seed
    again = write_stories(loaded, asks, sampling, batch_size=4)
    assert [story.raw for story in again] == [story.raw for story in written]
    assert write_stories(loaded, [], sampling, batch_size=4) == []


@pytest.fixture
def biased(folders: dict[str, Path]) -> Callable[[str], LoadedModel]:
    """A model that, whatever came before, writes the one token."""

    def make(token: str) -> LoadedModel:
        found = load(resolve(str(folders["tuned"])), device="cpu")
        wanted = found.tokenizer.convert_tokens_to_ids(token)
        head: Any = found.model.get_output_embeddings()
        bias = torch.zeros(n_vocab(found))
        bias[wanted] = 1e4
        head.bias = torch.nn.Parameter(bias)
        return found

    return make


def test_a_model_that_ends_at_once_writes_empty_stories(
    biased: Callable[[str], LoadedModel],
) -> None:
    asks = plan(HELD_OUT, DEFAULT_GENRES, 2, seed=1)[:2]
    for story in write_stories(biased(EOS), asks, SamplingParams(), batch_size=2):
        assert (story.n_tokens, story.finish_reason, story.completion) == (0, "stop", "")


def test_a_story_that_never_ends_is_cut_at_the_limit(biased: Callable[[str], LoadedModel]) -> None:
    asks = plan(HELD_OUT, DEFAULT_GENRES, 2, seed=1)[:1]
    sampling = SamplingParams(max_new_tokens=5)
    (story,) = write_stories(biased("Ġthe"), asks, sampling, batch_size=2)
    assert (story.n_tokens, story.finish_reason, story.raw) == (5, "length", " the" * 5)


def test_control_tokens_are_known_as_they_are_spelt(loaded: LoadedModel) -> None:
    tokens = control_texts(loaded)
    assert {"<BOS>", "<EOS>", "<PAD>", "<horror>", "<|im_end|>"} <= tokens
    assert count_control_texts("the <horror> ends<EOS><EOS>", tokens) == 3
    assert count_control_texts("the horror < ends >", tokens) == 0
