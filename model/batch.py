"""Continuous batching: stories join and leave between any two steps, and none waits for another.

One step reads a bounded piece of newcomers' prompts, then writes one token of every story at once.
All in one thread, in tokens: knows no text, no asyncio and no request but as token ids.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from model.engine import FinishReason, ModelUnusable, SamplingParams
from model.sampling import BatchSampling, next_tokens
from model.slot_cache import SlotCache

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_READ_TOKENS = 256
"""Most prompt tokens read in one step, so that newcomers hold up the stories in writing by little:
on two CPU cores SmolLM2-135M reads these in about the time of five single tokens."""


@dataclass(eq=False)
class Sequence:
    """One story in tokens, from its prompt to its end."""

    prompt: list[int]
    sampling: SamplingParams
    n_most: int
    """Most tokens to write."""
    written: list[int] = field(default_factory=list)
    finish: FinishReason | None = None
    error: Exception | None = None
    n_read: int = 0
    """Prompt tokens read so far."""
    _dice: torch.Generator = field(default_factory=torch.Generator)

    def __post_init__(self) -> None:
        self._dice.manual_seed(self.sampling.seed)

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.written)

    def roll(self) -> float:
        """The next number in [0, 1) of this story's own random stream; greedy ones need none."""
        return float(torch.rand((), generator=self._dice)) if self.sampling.do_sample else 0.0

    def take(self, token: int, control_ids: frozenset[int]) -> None:
        """Write `token` down, or finish at a token that is not text."""
        if token in control_ids:
            self.finish = "stop"
            return
        self.written.append(token)
        if len(self.written) >= self.n_most:
            self.finish = "length"


class StoryBatch:
    """The stories that one model writes at the same time."""

    def __init__(self, model: PreTrainedModel, control_ids: frozenset[int]) -> None:
        self._model = model
        self._control_ids = control_ids
        self._control_columns = torch.tensor(sorted(control_ids), device=model.device)
        self._device = model.device
        self._cache = _cache_of(model)
        self._newcomers: deque[Sequence] = deque()
        self._rows: list[Sequence] = []
        self._settled = False
        """Whether the tensors below still fit the rows."""
        self._last = self._positions = self._tensor([])  # (B,): the tokens to feed, and where
        self._seen = self._tensor([])  # (B, L)
        self._sampling = self._settings([])

    def __len__(self) -> int:
        return len(self._newcomers) + len(self._rows)

    def add(self, sequence: Sequence) -> None:
        """Let a story join at the next step."""
        self._newcomers.append(sequence)

    @torch.inference_mode()  # as in step: the cache's tensors are of that mode
    def remove(self, sequence: Sequence) -> None:
        """Let a story leave now, wherever it is; one that has left already is no error."""
        if sequence in self._newcomers:
            self._newcomers.remove(sequence)
        elif sequence in self._rows:
            self._vacate(self._rows.index(sequence))
        if not self:
            self._cache.release()

    @torch.inference_mode()
    def step(self) -> list[Sequence]:
        """Go on by a token. Gives the stories that moved, ended or failed (`error` is set).

        An error while a prompt is read fails that story alone, one while writing fails all that
        are in writing; the batch goes on with the others.
        """
        moved = dict.fromkeys([*self._read(), *self._write()])
        if not self:
            self._cache.release()
        return list(moved)

    def _read(self) -> list[Sequence]:
        """Read newcomers' prompts, the oldest first; those read whole write their first token."""
        budget, moved = _READ_TOKENS, []
        while self._newcomers and budget > 0:
            sequence = self._newcomers[0]
            try:
                budget -= self._read_piece(sequence, budget)
            except Exception as error:  # whatever the model raises, the other stories go on
                sequence.error = error
            if sequence.error or sequence.written or sequence.finish:
                moved.append(self._newcomers.popleft())
        return moved

    def _read_piece(self, sequence: Sequence, budget: int) -> int:
        """Read at most `budget` tokens of a prompt; gives how many. At its end, begin to write."""
        start = sequence.n_read
        tokens = self._tensor([sequence.prompt[start : start + budget]])  # (1, T)
        stop = start + tokens.shape[1]
        self._cache.at_scratch(start, stop)
        positions = torch.arange(start, stop, device=self._device)[None]  # (1, T)
        logits = _forward(self._model, self._cache, tokens, positions, stop)  # (1, V)
        sequence.n_read = stop
        if stop == len(sequence.prompt):
            self._begin(sequence, logits)
        return stop - start

    def _begin(self, sequence: Sequence, logits: Tensor) -> None:
        self._keep_open(logits, [sequence])
        seen = self._tensor([sequence.prompt])  # (1, L)
        rolls, settings = self._rolls([sequence]), self._settings([sequence])
        token = int(next_tokens(logits, seen, rolls, settings))
        self._cache.keep_scratch(len(self._rows), len(sequence.prompt))
        sequence.take(token, self._control_ids)
        if sequence.finish is None:
            self._rows.append(sequence)
            self._settled = False

    def _write(self) -> list[Sequence]:
        """Write one token of every story whose prompt has been read."""
        rows = list(self._rows)
        if not rows:
            return []
        try:
            tokens = self._next_of_rows()
        except Exception as error:  # as above: newcomers go on
            self._give_up_rows(error)
            return rows
        for sequence, token in zip(rows, tokens, strict=True):
            sequence.take(token, self._control_ids)
        for row in reversed(range(len(rows))):
            if rows[row].finish is not None:
                self._vacate(row)
        return rows

    def _next_of_rows(self) -> list[int]:
        if not self._settled:
            self._settle()
        length = max(sequence.length for sequence in self._rows)
        self._cache.at_rows(self._positions, length)
        last, positions = self._last[:, None], self._positions[:, None]  # (B, 1)
        logits = _forward(self._model, self._cache, last, positions, length)  # (B, V)
        self._keep_open(logits, self._rows)
        tokens = next_tokens(logits, self._seen, self._rolls(self._rows), self._sampling)  # (B,)
        self._last, self._positions = tokens, self._positions + 1
        self._seen = torch.cat((self._seen, tokens[:, None]), 1)
        chosen: list[int] = tokens.tolist()
        return chosen

    def _keep_open(self, logits: Tensor, rows: list[Sequence]) -> None:
        """Take the end away from stories shorter than their min_new_tokens; logits (B, V)."""
        for row, sequence in enumerate(rows):
            if len(sequence.written) < sequence.sampling.min_new_tokens:
                logits[row, self._control_columns] = -torch.inf

    def _settle(self) -> None:
        """Make the tensors that follow the rows from step to step until one joins or leaves."""
        texts = [sequence.prompt + sequence.written for sequence in self._rows]
        longest = max(map(len, texts))
        # A row is padded by its own first token, which the penalty has seen anyway.
        self._seen = self._tensor([text + text[:1] * (longest - len(text)) for text in texts])
        self._last = self._tensor([text[-1] for text in texts])
        self._positions = self._tensor([len(text) - 1 for text in texts])
        self._sampling = self._settings(self._rows)
        self._settled = True

    def _vacate(self, row: int) -> None:
        """Empty `row` by moving the last row into it, so that the rows stay together."""
        last = self._rows.pop()
        if row < len(self._rows):
            self._cache.move_row(len(self._rows), row, last.length)
            self._rows[row] = last
        self._settled = False

    def _give_up_rows(self, error: Exception) -> None:
        for sequence in self._rows:
            sequence.error = error
        self._rows.clear()
        self._settled = False
        self._cache.release()
        for sequence in self._newcomers:
            sequence.n_read = 0  # what was read of it is gone

    def _settings(self, rows: list[Sequence]) -> BatchSampling:
        n_vocab = self._model.config.get_text_config().vocab_size
        return BatchSampling.of([row.sampling for row in rows], n_vocab, self._device)

    def _rolls(self, rows: list[Sequence]) -> Tensor:
        return torch.tensor([sequence.roll() for sequence in rows], device=self._device)  # (B,)

    def _tensor(self, ids: list[int] | list[list[int]]) -> Tensor:
        return torch.tensor(ids, dtype=torch.int64, device=self._device)


@torch.inference_mode()
def check_attention(model: PreTrainedModel) -> None:
    """Raise ModelUnusable unless `model` says the same with our cache as it does without one.

    State-space models, bidirectional ones, and attention that needs more than positions and a
    mask differ; they would write nonsense.
    """
    try:
        gap = _cache_gap(model)
    except Exception as error:  # every architecture fails in its own way
        raise ModelUnusable(f"its attention cannot use our cache: {error}") from error
    # Relative to the largest logit; half precision keeps three digits, and sums lose one.
    if not gap < (1e-3 if model.dtype == torch.float32 else 5e-2):
        raise ModelUnusable(
            "it says something else with our cache than without one, so it is no causal model "
            f"with standard attention (difference {gap:.2g} of the largest logit)"
        )


def _cache_gap(model: PreTrainedModel) -> float:
    """How far two rows of unequal length, one read in two pieces, are from a plain pass."""
    n_vocab = model.config.get_text_config().vocab_size
    tokens = torch.linspace(0, n_vocab - 1, 6, device=model.device).long()[None]  # (1, 6)
    plain = model(input_ids=tokens, use_cache=False).logits[0]  # (6, V)
    cache = _cache_of(model)

    def read(start: int, stop: int) -> Tensor:
        cache.at_scratch(start, stop)
        positions = torch.arange(start, stop, device=model.device)[None]
        return _forward(model, cache, tokens[:, start:stop], positions, stop)[0]  # (V,)

    gaps = [read(0, 3) - plain[2]]
    cache.keep_scratch(1, 3)
    gaps.append(read(3, 5) - plain[4])
    cache.keep_scratch(0, 5)
    positions = torch.tensor([5, 3], device=model.device)
    cache.at_rows(positions, 6)
    both = _forward(model, cache, tokens[0, positions][:, None], positions[:, None], 6)  # (2, V)
    gaps.extend(both - plain[positions])
    return float(torch.stack(gaps).abs().max() / plain.abs().max())


def _cache_of(model: PreTrainedModel) -> SlotCache:
    return SlotCache(model.config.get_text_config().num_hidden_layers)


def _forward(
    model: PreTrainedModel, cache: SlotCache, tokens: Tensor, positions: Tensor, length: int
) -> Tensor:
    """Logits (B, V) after the last of `tokens` (B, T), which stand at `positions` (B, T).

    Each sees the cache's positions up to its own; the window is `length` long.
    """
    visible = torch.arange(length, device=positions.device) <= positions[..., None]  # (B, T, L)
    mask = torch.zeros(visible.shape, dtype=model.dtype, device=positions.device)
    mask.masked_fill_(~visible, torch.finfo(model.dtype).min)
    output = model(
        input_ids=tokens,
        position_ids=positions,
        attention_mask=mask[:, None],  # (B, 1, T, L)
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: Tensor = output.logits[:, -1]
    return logits
