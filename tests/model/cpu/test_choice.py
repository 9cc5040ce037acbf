"""The kernel that chooses tokens, where `tests/model/test_sampling.py` does not reach."""

from __future__ import annotations

import pytest
import torch

from model import cpu
from model.engine import SamplingParams
from model.sampling import BatchSampling, next_tokens, penalise

if not cpu.available():
    pytest.skip("no kernels can be compiled here", allow_module_level=True)

from model.cpu.choice import Chooser

CPU = torch.device("cpu")
N_ROWS = 64
SETTINGS = {
    "the default": SamplingParams(),
    "few": SamplingParams(top_k=5, temperature=2.0),
    "many": SamplingParams(top_k=500, temperature=2.0, repetition_penalty=0.8),
    "greedy": SamplingParams(do_sample=False),
    "a nucleus alone": SamplingParams(top_k=0, top_p=0.3),
    "a wide nucleus alone": SamplingParams(top_k=0, top_p=0.99, temperature=3.0),
    "all": SamplingParams(top_k=0, top_p=1.0),
}


@pytest.fixture(scope="module")
def chooser(tmp_path_factory: pytest.TempPathFactory) -> Chooser:
    return Chooser(tmp_path_factory.mktemp("kernels"))


@pytest.mark.parametrize("n_vocab", [20_000, 20_019])
@pytest.mark.parametrize("params", SETTINGS.values(), ids=SETTINGS)
def test_of_a_large_vocabulary_it_chooses_what_torch_chooses(
    chooser: Chooser, params: SamplingParams, n_vocab: int
) -> None:
    """The same rolls give the same tokens, also where rows lie apart in memory."""
    dice = torch.Generator().manual_seed(n_vocab)
    logits = torch.randn(N_ROWS, n_vocab + 13, generator=dice)[:, :n_vocab] * 4
    logits[1] = logits[1].round()  # of many tokens as likely as each other
    seen = torch.randint(n_vocab, (N_ROWS, 30), generator=dice)
    uniform = torch.rand(N_ROWS, generator=dice)
    rows = BatchSampling.of([params] * N_ROWS, n_vocab, CPU)
    wanted = next_tokens(logits.clone(), seen, uniform, rows)
    padded = torch.full((N_ROWS, n_vocab + 13), torch.inf)
    padded[:, :n_vocab] = logits
    said = chooser(padded[:, :n_vocab], seen, uniform, rows)
    penalise(logits, seen, rows.repetition_penalty)
    for row in (said != wanted).nonzero()[:, 0].tolist():
        if row == 1:  # torch has them in another order
            assert logits[row, said[row]] == logits[row, wanted[row]]
        else:  # at a border between two, which torch's float32 sums put a little elsewhere
            chances = (logits[row].double() / params.temperature).softmax(-1)
            said_before, wanted_before = (
                chances[chances > chances[token]].sum() for token in (said[row], wanted[row])
            )
            assert abs(said_before - wanted_before) < 1e-4
    assert int((said != wanted).sum()) <= 3


@pytest.mark.parametrize("params", SETTINGS.values(), ids=SETTINGS)
def test_numbers_that_are_none_choose_some_token(chooser: Chooser, params: SamplingParams) -> None:
    n_vocab = 700
    logits = torch.zeros(5, n_vocab)
    logits[1], logits[2], logits[3, 7], logits[4, 7] = torch.nan, -torch.inf, torch.inf, torch.nan
    rows = BatchSampling.of([params] * 5, n_vocab, CPU)
    seen = torch.zeros(5, 1, dtype=torch.int64)
    for roll in (0.0, 0.5, 0.999):
        tokens = chooser(logits.clone(), seen, torch.full((5,), roll), rows)
        assert ((tokens >= 0) & (tokens < n_vocab)).all()
