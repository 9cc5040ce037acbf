"""Choosing the next token of every row of a batch, each row by its own settings.

The filters and their order are transformers': repetition penalty, temperature, top_k, top_p
(`transformers.generation.logits_process`). One number in [0, 1) a row, drawn from that row's own
seeded stream, decides the draw, so a row's choice does not depend on its neighbours. Knows no
model, no cache and no text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch

from model.engine import SamplingParams

if TYPE_CHECKING:
    from torch import Tensor

CANDIDATES = 256
"""Tokens looked at in a row that asks for a nucleus alone (top_k off). Where they do not hold
top_p of the probability, the row is sorted in full."""


@dataclass(frozen=True, slots=True, eq=False)
class BatchSampling:
    """The settings of a batch's rows as tensors; made anew when a row joins or leaves."""

    do_sample: Tensor  # (B,) bool
    unfiltered: Tensor  # (B,) bool: sampled from the whole vocabulary
    temperature: Tensor  # (B, 1)
    top_k: Tensor  # (B, 1), the vocabulary's size where off
    top_p: Tensor  # (B, 1)
    repetition_penalty: Tensor  # (B, 1)
    any_greedy: bool
    any_penalty: bool
    any_unfiltered: bool
    any_nucleus_alone: bool
    """A row that is filtered by top_p and not by top_k."""
    n_candidates: int
    """Likeliest tokens to look at first; 0 where no row is both sampled and filtered."""

    @classmethod
    def of(cls, rows: Sequence[SamplingParams], n_vocab: int, device: torch.device) -> Self:
        """Settings of `rows`, in their order, for logits of `n_vocab` columns on `device`."""

        def column(values: list[float], dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.tensor(values, dtype=dtype, device=device)[:, None]  # (B, 1)

        unfiltered = [row.do_sample and not row.top_k and row.top_p == 1 for row in rows]
        wanted = [
            row.top_k or CANDIDATES
            for row, free in zip(rows, unfiltered, strict=True)
            if row.do_sample and not free
        ]
        return cls(
            do_sample=torch.tensor([row.do_sample for row in rows], device=device),
            unfiltered=torch.tensor(unfiltered, device=device),
            temperature=column([row.temperature for row in rows]),
            top_k=column([min(row.top_k or n_vocab, n_vocab) for row in rows], torch.int64),
            top_p=column([row.top_p for row in rows]),
            repetition_penalty=column([row.repetition_penalty for row in rows]),
            any_greedy=not all(row.do_sample for row in rows),
            any_penalty=any(row.repetition_penalty != 1 for row in rows),
            any_unfiltered=any(unfiltered),
            any_nucleus_alone=any(
                row.do_sample and not row.top_k and row.top_p < 1 for row in rows
            ),
            # One more than the most wanted shows whether the last place is shared.
            n_candidates=min(n_vocab, max(wanted) + 1) if wanted else 0,
        )


def next_tokens(logits: Tensor, seen: Tensor, uniform: Tensor, rows: BatchSampling) -> Tensor:
    """The next token of each row.

    logits (B, V), which are lost; seen (B, L) as in `penalise`; uniform (B,) in [0, 1). Returns
    (B,) ids.
    """
    logits = logits.float()
    if rows.any_penalty:
        penalise(logits, seen, rows.repetition_penalty)
    tokens = torch.zeros_like(uniform, dtype=torch.int64)  # (B,)
    if rows.n_candidates:
        tokens = _draw(logits, uniform, rows)
    if rows.any_greedy:
        tokens = torch.where(rows.do_sample, tokens, logits.argmax(-1))
    if rows.any_unfiltered:  # in vocabulary order: nothing to sort
        free = _invert((logits / rows.temperature).softmax(-1), uniform)
        tokens = torch.where(rows.unfiltered, free, tokens)
    return tokens


def penalise(logits: Tensor, seen: Tensor, penalty: Tensor) -> None:
    """Make tokens seen before less likely, in place (CTRL, arXiv:1909.05858, section 4.1).

    logits (B, V); seen (B, L) ids of the rows' tokens, padded by any of the row's own; penalty
    (B, 1).
    """
    scores = logits.gather(1, seen)  # (B, L)
    logits.scatter_(1, seen, torch.where(scores < 0, scores * penalty, scores / penalty))


def _draw(logits: Tensor, uniform: Tensor, rows: BatchSampling) -> Tensor:
    """A token (B,) for each row that is sampled and filtered; what it says of others is void."""
    values, tokens = logits.topk(rows.n_candidates, dim=-1)  # (B, K), likeliest first
    values = values / rows.temperature
    if rows.any_nucleus_alone:
        total = (logits / rows.temperature).logsumexp(-1, keepdim=True)  # (B, 1)
    else:
        total = torch.full_like(values[:, :1], torch.inf)  # not asked for
    place = _place(values, total, uniform, rows.top_k, rows.top_p)
    drawn = tokens.gather(1, place)[:, 0]  # (B,)
    doubtful = rows.do_sample & ~rows.unfiltered & ~_suffice(values, total, rows)
    if doubtful.any():
        values, tokens = logits[doubtful].sort(dim=-1, descending=True)  # (D, V)
        values = values / rows.temperature[doubtful]
        place = _place(
            values, total[doubtful], uniform[doubtful], rows.top_k[doubtful], rows.top_p[doubtful]
        )
        drawn[doubtful] = tokens.gather(1, place)[:, 0]
    return drawn


def _suffice(values: Tensor, total: Tensor, rows: BatchSampling) -> Tensor:
    """Whether each row's kept tokens are surely among its K likeliest, `values` (B, K) -> (B,)."""
    n_candidates = values.shape[-1]
    # The token that just misses top_k must be less likely, or it is kept too.
    by_count = (rows.top_k < n_candidates) & (_kth(values, rows.top_k) > values[:, -1:])
    by_mass = (values.logsumexp(-1, keepdim=True) - total).exp() >= rows.top_p
    return (by_count | (by_mass & (rows.top_k > n_candidates)))[:, 0]


def _place(values: Tensor, total: Tensor, uniform: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """The place (B, 1) drawn among falling logits `values` (B, K) of rows that sum to `total`.

    As in transformers, tokens as likely as the k-th stay, and so does the token with which the
    sum reaches top_p; where top_k is on, top_p counts only what it has left.
    """
    values = values.masked_fill(values < _kth(values, top_k), -torch.inf)
    counted = values.logsumexp(-1, keepdim=True)
    total = torch.where(top_k > values.shape[-1], total, counted)
    chances = (values - total).exp()  # (B, K)
    likelier = chances.cumsum(-1) - chances
    return _invert(chances.masked_fill(likelier >= top_p, 0), uniform)[:, None]


def _kth(values: Tensor, top_k: Tensor) -> Tensor:
    """The k-th of falling `values` (B, K), or the last of them: (B, 1)."""
    return values.gather(1, (top_k - 1).clamp(max=values.shape[-1] - 1))


def _invert(chances: Tensor, uniform: Tensor) -> Tensor:
    """The column at which the running sum passes `uniform` of the total: (B, K) -> (B,)."""
    # A float32 sum of 50,000 terms drifts by 1e-4; Apple's GPUs have nothing finer.
    exact = torch.float32 if chances.device.type == "mps" else torch.float64
    running = chances.cumsum(-1, dtype=exact)
    total = running[:, -1:]
    # Never the total itself, which would pass over every token; rounding can reach it.
    below = torch.nextafter(total, torch.zeros_like(total))
    target = torch.minimum(uniform[:, None].to(running) * total, below)
    return torch.searchsorted(running, target, right=True)[:, 0]
