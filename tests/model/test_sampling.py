from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers.generation.logits_process import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from model import cpu
from model.batch import Sequence
from model.engine import SamplingParams
from model.sampling import BatchSampling, next_tokens, penalise

CPU = torch.device("cpu")
N_GRID = 1024

Way = Callable[[Tensor, Tensor, Tensor, BatchSampling], Tensor]


@pytest.fixture(scope="module", params=["by torch", "by a kernel"])
def choose(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Way:
    if request.param == "by torch":
        return next_tokens
    if not cpu.available():
        pytest.skip("no kernels can be compiled here")
    from model.cpu.choice import Chooser

    return Chooser(tmp_path_factory.mktemp("kernels"))


def theirs(logits: Tensor, seen: Tensor, params: SamplingParams) -> Tensor:
    """Transformers' probabilities (V,) of the next token after `seen` (L,), in its own order."""
    steps = LogitsProcessorList()
    if params.repetition_penalty != 1:
        steps.append(RepetitionPenaltyLogitsProcessor(params.repetition_penalty))
    steps.append(TemperatureLogitsWarper(params.temperature))
    if params.top_k:
        steps.append(TopKLogitsWarper(params.top_k))
    if params.top_p < 1:
        steps.append(TopPLogitsWarper(params.top_p))
    scores: Tensor = steps(seen[None], logits[None].clone())
    return scores[0].softmax(-1)


def ours(choose: Way, logits: Tensor, seen: Tensor, params: SamplingParams) -> Tensor:
    """Our probabilities (V,), measured by drawing with every number of an even grid.

    A token's share of the draws is its probability to within one step of the grid, so comparing
    the two has no chance in it.
    """
    n_vocab = len(logits)
    rows = BatchSampling.of([params] * N_GRID, n_vocab, CPU)
    grid = (torch.arange(N_GRID) + 0.5) / N_GRID
    drawn = choose(logits.repeat(N_GRID, 1), seen.expand(N_GRID, -1), grid, rows)
    return torch.bincount(drawn, minlength=n_vocab) / N_GRID


def assert_same(choose: Way, logits: Tensor, seen: Tensor, params: SamplingParams) -> None:
    expected, measured = theirs(logits, seen, params), ours(choose, logits, seen, params)
    assert (expected - measured).abs().max() <= 1.01 / N_GRID
    assert bool((expected[measured > 0] > 0).all())  # none that transformers drops
    assert bool((measured[expected > 1.01 / N_GRID] > 0).all())  # all that the grid cannot miss


@given(
    seed=st.integers(0, 2**32),
    spread=st.sampled_from([0.5, 3.0, 12.0]),
    temperature=st.floats(0.2, 3),
    top_k=st.sampled_from([0, 1, 2, 50, 399, 400, 1000]),
    top_p=st.sampled_from([0.05, 0.5, 0.9, 0.99, 1.0]),
    penalty=st.sampled_from([1.0, 0.7, 1.1, 2.0]),
)
@settings(deadline=None, max_examples=50)
def test_the_distribution_is_transformers_own(
    choose: Way,
    seed: int,
    spread: float,
    temperature: float,
    top_k: int,
    top_p: float,
    penalty: float,
) -> None:
    dice = torch.Generator().manual_seed(seed)
    logits = torch.randn(400, generator=dice) * spread
    seen = torch.randint(0, 400, (12,), generator=dice)
    params = SamplingParams(
        temperature=temperature, top_k=top_k, top_p=top_p, repetition_penalty=penalty
    )
    assert_same(choose, logits, seen, params)


@pytest.mark.parametrize("top_k", [1, 3, 4, 5])
def test_tokens_as_likely_as_the_kth_all_stay(choose: Way, top_k: int) -> None:
    logits = torch.zeros(300)
    logits[[5, 80, 290]] = 2.0  # three tie for the first places, 297 for the rest
    params = SamplingParams(top_k=top_k, top_p=1.0, temperature=1.0, repetition_penalty=1.0)
    assert_same(choose, logits, torch.tensor([0]), params)


def test_a_nucleus_wider_than_the_candidates_is_found_by_sorting_all(choose: Way) -> None:
    logits = torch.linspace(0, 0.1, 2000)  # nearly flat: half of the mass needs about 970 tokens
    params = SamplingParams(top_k=0, top_p=0.5, temperature=1.0, repetition_penalty=1.0)
    assert_same(choose, logits, torch.tensor([0]), params)
    assert int((theirs(logits, torch.tensor([0]), params) > 0).sum()) > 900


def test_greedy_takes_the_likeliest_after_the_penalty(choose: Way) -> None:
    logits = torch.tensor([[2.0, 1.9, -1.0], [-1.0, -1.1, -3.0]])
    seen = torch.tensor([[0, 0], [0, 2]])
    greedy = SamplingParams(do_sample=False, repetition_penalty=1.2)
    rows = BatchSampling.of([greedy, greedy], 3, CPU)
    assert choose(logits.clone(), seen, torch.zeros(2), rows).tolist() == [1, 1]
    penalise(logits, seen, torch.tensor([[1.0], [2.0]]))
    assert logits.tolist() == [
        [2.0, 1.8999999761581421, -1.0],
        [-2.0, -1.100000023841858, -6.0],
    ]


@given(seed=st.integers(0, 2**32), order=st.permutations(range(7)))
@settings(deadline=None, max_examples=50)
def test_a_rows_choice_does_not_depend_on_its_neighbours(
    choose: Way, seed: int, order: list[int]
) -> None:
    kinds = [
        SamplingParams(),
        SamplingParams(do_sample=False, repetition_penalty=1.3),
        SamplingParams(top_k=0, top_p=1.0, temperature=1.5),
        SamplingParams(top_k=0, top_p=0.7),
        SamplingParams(top_k=0, top_p=0.999, temperature=5),
        SamplingParams(top_k=290, top_p=0.9),
        SamplingParams(top_k=1, repetition_penalty=1),
    ]
    dice = torch.Generator().manual_seed(seed)
    logits = torch.randn(7, 600, generator=dice) * 4
    seen = torch.randint(0, 600, (7, 9), generator=dice)
    uniform = torch.rand(7, generator=dice)

    def chosen_of(index: list[int]) -> list[int]:
        rows = BatchSampling.of([kinds[i] for i in index], 600, CPU)
        chosen: list[int] = choose(logits[index], seen[index], uniform[index], rows).tolist()
        return chosen

    alone = [chosen_of([row])[0] for row in range(7)]
    assert chosen_of(order) == [alone[row] for row in order]


def test_seeded_draws_follow_the_distribution(choose: Way) -> None:
    """20,000 seeds draw one token each from (0.6, 0.3, 0.1).

    By Hoeffding a share strays 0.03 with a chance below 2 exp(-2 * 20,000 * 0.03**2) = 5e-16; and
    the seeds are fixed.
    """
    n = 20_000
    params = [
        SamplingParams(seed=seed, temperature=1, top_p=1, repetition_penalty=1) for seed in range(n)
    ]
    rolls = torch.tensor([Sequence([0], p, 1).roll for p in params])
    logits = torch.tensor([0.6, 0.3, 0.1]).log().repeat(n, 1)
    rows = BatchSampling.of(params, 3, CPU)
    drawn = choose(logits, torch.zeros(n, 1, dtype=torch.int64), rolls, rows)
    shares = (torch.bincount(drawn, minlength=3) / n).tolist()
    assert all(
        math.isclose(a, b, abs_tol=0.03) for a, b in zip(shares, (0.6, 0.3, 0.1), strict=True)
    )


def test_the_ends_of_the_unit_interval_choose_kept_tokens(choose: Way) -> None:
    logits = torch.tensor([[0.0, 5.0, 1.0, -2.0]]).repeat(2, 1)
    params = SamplingParams(top_k=2, top_p=1.0, temperature=1.0, repetition_penalty=1.0)
    rows = BatchSampling.of([params, params], 4, CPU)
    uniform = torch.tensor([0.0, 1.0])
    assert choose(logits, torch.zeros(2, 1, dtype=torch.int64), uniform, rows).tolist() == [
        1,
        2,
    ]
