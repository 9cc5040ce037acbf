from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from model.batch import Sequence, StoryBatch
from model.checkpoint import LoadedModel
from model.decoder import Decoder, Piece
from model.engine import ModelUnusable, Precision, SamplingParams
from model.fast_decoder import FastDecoder
from model.general_decoder import GeneralDecoder, check_attention
from model.linears import runnable
from model.runtime import runtime_of

CPU = torch.device("cpu")
PRECISIONS = [p for p in get_args(Precision) if runnable(p, CPU)]

PROMPTS = [
    "A lonely lighthouse keeper counts the steps each night",
    "x",
    "The robot had been told to look after the house until",
    "Nobody in the village will say",
]


Generate = Callable[[LoadedModel, list[int], SamplingParams], list[int]]


def decoder_of(loaded: LoadedModel, kind: str = "fast") -> Decoder:
    if kind == "general":
        return GeneralDecoder(loaded.model)
    decoder = runtime_of(loaded, "float32").decoder
    assert isinstance(decoder, FastDecoder)
    return decoder


def greedy(loaded: LoadedModel, number: int, dice: random.Random, longest: int) -> Sequence:
    prompt = loaded.format.encode("horror", PROMPTS[number % 4])
    n_most = dice.randint(1, longest)
    params = SamplingParams(
        do_sample=False,
        max_new_tokens=n_most,
        min_new_tokens=dice.choice([0, min(20, n_most)]),
        repetition_penalty=dice.choice([1.0, 1.2]),
    )
    return Sequence(prompt, params, params.max_new_tokens)


def run_with_joins_and_leaves(
    loaded: LoadedModel, kind: str, n: int, seed: int, longest: int = 40
) -> list[Sequence]:
    """Let `n` greedy stories join at random steps, with sampled ones beside that come and go."""
    dice = random.Random(seed)
    batch = StoryBatch(decoder_of(loaded, kind), loaded.format.control_ids)
    stories = [greedy(loaded, number, dice, longest) for number in range(n)]
    to_join, others = list(stories), []
    while to_join or len(batch):
        if to_join and dice.random() < 0.5:
            batch.add(to_join.pop())
        if to_join and dice.random() < 0.3:
            others.append(Sequence(stories[0].prompt, SamplingParams(seed=dice.randrange(99)), 60))
            batch.add(others[-1])
        if others and dice.random() < 0.2:
            batch.remove(others.pop(dice.randrange(len(others))))
        batch.step()
        if not to_join:
            while others:
                batch.remove(others.pop())
    return stories


@pytest.mark.parametrize("kind", ["fast", "general"])
@pytest.mark.parametrize("model", ["gpt2", "llama"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_greedy_is_transformers_generate_whatever_else_is_in_the_batch(
    request: pytest.FixtureRequest, generate_greedily: Generate, model: str, kind: str, seed: int
) -> None:
    loaded: LoadedModel = request.getfixturevalue(model)
    stories = run_with_joins_and_leaves(loaded, kind, 12, seed)
    expected = [generate_greedily(loaded, s.prompt, s.sampling) for s in stories]
    assert [s.written for s in stories] == expected
    assert [s.finish for s in stories] == [
        "length" if len(s.written) == s.n_most else "stop" for s in stories
    ]
    assert sum(map(len, expected)) > 60  # the models do not just stop


@pytest.mark.model
@pytest.mark.timeout(300)
def test_and_so_it_is_for_the_real_default_model(
    default_model: LoadedModel, generate_greedily: Generate
) -> None:
    stories = run_with_joins_and_leaves(default_model, "fast", 4, seed=5, longest=16)
    for story in stories:
        assert story.written == generate_greedily(default_model, story.prompt, story.sampling)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("model", ["gpt2", "llama"])
def test_a_sampled_story_is_the_same_alone_and_in_company(
    request: pytest.FixtureRequest, model: str, precision: Precision
) -> None:
    loaded: LoadedModel = request.getfixturevalue(model)
    params = [SamplingParams(seed=n, max_new_tokens=30, top_k=0, top_p=0.9) for n in range(8)]
    prompts = [loaded.format.encode("drama", PROMPTS[n % 4]) for n in range(8)]
    decoder = runtime_of(loaded, precision).decoder

    def write(index: list[int]) -> list[list[int]]:
        batch = StoryBatch(decoder, loaded.format.control_ids)
        stories = [Sequence(prompts[n], params[n], 30) for n in index]
        for story in stories:
            batch.add(story)
        while len(batch):
            batch.step()
        return [story.written for story in stories]

    together = write(list(range(8)))
    assert together == [write([n])[0] for n in range(8)]
    assert len({tuple(tokens) for tokens in together}) == 8


def test_a_long_prompt_is_read_in_pieces_while_others_write(gpt2: LoadedModel) -> None:
    import model.batch

    short = Sequence(gpt2.format.encode("horror", "x"), SamplingParams(do_sample=False), 20)
    text = "The piano teacher has only one pupil left " * 2
    long = Sequence(
        gpt2.format.encode("horror", text), SamplingParams(do_sample=False, max_new_tokens=5), 5
    )
    assert len(long.prompt) > 30
    batch = StoryBatch(decoder_of(gpt2), frozenset())
    batch.add(short)
    batch.step()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.batch, "_READ_TOKENS", 10)
        batch.add(long)
        read = []
        while not long.written:
            before = len(short.written)
            batch.step()
            assert len(short.written) == before + 1
            read.append(long.n_read)
    assert read[:3] == [10, 20, 30]
    while len(batch):
        batch.step()
    alone = Sequence(long.prompt, long.sampling, 5)
    batch.add(alone)
    while len(batch):
        batch.step()
    assert alone.written == long.written


def inner_states(decoder: Decoder) -> Tensor:
    """The first layer's keys by slot."""
    if isinstance(decoder, FastDecoder):
        return decoder._slots._layers[0][0]
    assert isinstance(decoder, GeneralDecoder)
    return decoder._cache._slot_layers[0].states[0]


def test_newcomers_are_read_together_and_each_prompt_cut_at_its_own_places(
    gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = decoder_of(gpt2)
    forward, passes = decoder.forward, []

    def counted(last: Tensor, positions: Tensor, length: int, pieces: list[Piece]) -> Tensor:
        passes.append([(piece.start, piece.stop) for piece in pieces])
        return forward(last, positions, length, pieces)

    monkeypatch.setattr(decoder, "forward", counted)
    monkeypatch.setattr("model.batch._READ_TOKENS", 20)
    batch = StoryBatch(decoder, frozenset())

    def read(prompts: list[int], n_most: int) -> list[list[tuple[int, int]]]:
        passes.clear()
        for n_prompt in prompts:
            batch.add(Sequence([5] * n_prompt, SamplingParams(do_sample=False), n_most))
        while any(not story.written for story in [*batch._newcomers, *batch._rows]):
            batch.step()
        return passes

    # While nobody writes, many are read at once, but none behind one that is read in part.
    assert read([8, 9, 18, 45, 3], 90) == [
        [(0, 8), (0, 9), (0, 18), (0, 20)], [(20, 40)], [(40, 45), (0, 3)],
    ]  # fmt: skip
    # Five write: as many newcomers are read within the bound; twelve within twice the bound.
    assert read([8, 9, 45, 3, 10], 90) == [
        [(0, 8), (0, 9)], [(0, 20)], [(20, 40)], [(40, 45), (0, 3), (0, 10)],
    ]  # fmt: skip
    assert read([9] * 22, 5)[0] == [(0, 9)] * 4


class Breaking:
    """A decoder that raises when told to."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.device, self.n_vocab = decoder.device, decoder.n_vocab
        self.move, self.forget, self.release = decoder.move, decoder.forget, decoder.release
        self.next_tokens = decoder.next_tokens
        self.breaks_rows = False
        self.breaks_on: list[int] | None = None

    def forward(
        self, last: Tensor, positions: Tensor, length: int, pieces: Iterable[Piece]
    ) -> Tensor:
        pieces = list(pieces)
        if any(piece.tokens == self.breaks_on for piece in pieces):
            raise RuntimeError("broken")
        if self.breaks_rows and len(last):
            raise RuntimeError("broken")
        return self._decoder.forward(last, positions, length, pieces)


def test_an_error_in_reading_fails_that_story_alone(gpt2: LoadedModel) -> None:
    broken = Breaking(decoder_of(gpt2))
    batch = StoryBatch(broken, frozenset())
    good, bad, later = (Sequence([5, 6, n], SamplingParams(do_sample=False), 4) for n in (7, 8, 9))
    broken.breaks_on = [5, 6, 8]
    for story in (good, bad, later):
        batch.add(story)
    while len(batch):
        batch.step()
    assert str(bad.error) == "broken"
    assert (good.error, later.error) == (None, None)
    assert (len(good.written), len(later.written), bad.written) == (4, 4, [])


def test_an_error_in_writing_fails_those_stories_and_the_next_goes_on(gpt2: LoadedModel) -> None:
    broken = Breaking(decoder_of(gpt2))
    batch = StoryBatch(broken, frozenset())
    first, second = (Sequence([5, 6], SamplingParams(do_sample=False), 4) for _ in range(2))
    batch.add(first)
    batch.step()
    broken.breaks_rows = True
    assert batch.step() == [first]
    assert str(first.error) == "broken"
    broken.breaks_rows = False
    batch.add(second)
    while len(batch):
        batch.step()
    assert len(second.written) == 4


@pytest.mark.parametrize("kind", ["fast", "general"])
def test_a_story_whose_numbers_overflow_fails_alone_and_leaves_nothing(
    gpt2: LoadedModel, kind: str
) -> None:
    inner = decoder_of(gpt2, kind)
    others = [Sequence([5, 6, n], SamplingParams(do_sample=False), 30) for n in range(3)]
    alone = StoryBatch(inner, frozenset())
    for story in others:
        alone.add(story)
    while len(alone):
        alone.step()

    class Overflowing(Breaking):
        def forward(
            self, last: Tensor, positions: Tensor, length: int, pieces: Iterable[Piece]
        ) -> Tensor:
            logits = super().forward(last, positions, length, pieces)
            if bad.written and not bad.error:
                row = batch._rows.index(bad)
                inner_states(inner)[row] = torch.nan
                logits[row] = torch.nan
            return logits

    batch = StoryBatch(Overflowing(inner), frozenset())
    bad = Sequence([9], SamplingParams(), 30)
    again = [Sequence(story.prompt, story.sampling, 30) for story in others]
    for story in (again[0], bad, again[1], again[2]):
        batch.add(story)
    while len(batch):
        batch.step()
    assert str(bad.error) == "its numbers overflowed (NaN)"
    assert [story.written for story in again] == [story.written for story in others]


def test_an_idle_batch_holds_no_memory(gpt2: LoadedModel) -> None:
    decoder = decoder_of(gpt2)
    assert isinstance(decoder, FastDecoder)
    batch = StoryBatch(decoder, frozenset())
    story = Sequence([5, 6], SamplingParams(), 50)
    batch.add(story)
    batch.step()
    assert decoder._slots._layers
    batch.remove(story)
    batch.remove(story)
    assert not decoder._slots._layers


def test_models_whose_attention_is_not_standard_are_refused() -> None:
    from transformers import (
        AutoModelForCausalLM,
        BertConfig,
        BertLMHeadModel,
        BloomConfig,
        MambaConfig,
    )

    mamba = MambaConfig(vocab_size=60, hidden_size=16, num_hidden_layers=2, state_size=4)
    bloom = BloomConfig(vocab_size=60, hidden_size=16, n_layer=2, n_head=2, initializer_range=0.5)
    bert = BertConfig(
        vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, initializer_range=0.5,
    )  # fmt: skip
    for model in (
        AutoModelForCausalLM.from_config(mamba),
        AutoModelForCausalLM.from_config(bloom),
        BertLMHeadModel(bert),
    ):
        with pytest.raises(ModelUnusable):
            check_attention(model.eval())


@pytest.mark.parametrize("kind", ["GPTNeoX", "OPT", "Qwen2", "Mistral", "Gemma2", "Phi", "GPTJ"])
def test_other_architectures_run(kind: str) -> None:
    import transformers

    shape: dict[str, Any] = {
        "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 48, "max_position_embeddings": 64, "initializer_range": 0.3,
    }  # fmt: skip
    if kind in ("Qwen2", "Mistral", "Gemma2"):
        shape |= {"num_key_value_heads": 1, "head_dim": 16}
    if kind == "OPT":
        shape |= {"ffn_dim": 48, "word_embed_proj_dim": 32}
    if kind == "GPTJ":
        shape |= {"rotary_dim": 8}
    config = getattr(transformers, f"{kind}Config")(**shape)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    check_attention(model)


def test_no_story_ends_before_its_least_length(gpt2: LoadedModel) -> None:
    """Wild sampling meets one of the 10 control tokens among 509 within 120 tokens, surely
    (a chance of 1 in 10 that one story does not; of 1e-24 that none of 24 does)."""
    batch = StoryBatch(decoder_of(gpt2), gpt2.format.control_ids)
    prompt = gpt2.format.encode("horror", "A ship")
    wild = {"temperature": 5.0, "top_k": 0, "top_p": 1.0}
    stories = [
        Sequence(prompt, SamplingParams(seed=n, min_new_tokens=20, **wild), 100)  # type: ignore[arg-type]
        for n in range(24)
    ]
    for story in stories:
        batch.add(story)
    while len(batch):
        batch.step()
    assert all(len(story.written) >= 20 for story in stories)
    assert "stop" in {story.finish for story in stories}
