"""Continuous batching: stories join and leave between any two steps, and none waits for another.

One step writes one token of every story and reads a bounded piece of newcomers' prompts, all in
one pass of the model. In one thread, in tokens: knows no text, no asyncio and no model's layers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import torch
from torch import Tensor

from model.decoder import Decoder, Piece
from model.engine import FinishReason, SamplingParams
from model.sampling import BatchSampling

_READ_TOKENS = 48
"""Most prompt tokens read in one step, so that newcomers hold up the stories in writing by little:
on two CPU cores a step of 16 stories with these takes two and a half times one without."""
_MOST_FOLD = 8
"""So many times more are read at most where newcomers are so many times those in writing."""


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
    _rolls: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.sampling.do_sample:
            dice = torch.Generator().manual_seed(self.sampling.seed)
            self._rolls = torch.rand(self.n_most, generator=dice).tolist()

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.written)

    @property
    def roll(self) -> float:
        """The number in [0, 1) of this story's own random stream that decides its next token."""
        return self._rolls[len(self.written)] if self._rolls else 0.0

    def take(self, token: int, control_ids: frozenset[int]) -> None:
        """Write `token` down, or finish at a token that is not text."""
        if token in control_ids:
            self.finish = "stop"
            return
        self.written.append(token)
        if len(self.written) >= self.n_most:
            self.finish = "length"


class StoryBatch:
    """The stories that one model writes at the same time.

    Those in writing have the decoder's slots 0..B-1; a newcomer whose prompt is read in part has
    slot B. Only the oldest newcomer can be so.
    """

    def __init__(self, decoder: Decoder, control_ids: frozenset[int]) -> None:
        self._decoder = decoder
        self._control_ids = control_ids
        self._device = decoder.device
        self._control_columns = torch.tensor(sorted(control_ids), device=self._device)
        self._newcomers: deque[Sequence] = deque()
        self._rows: list[Sequence] = []
        self._followed: list[Sequence] = []
        """The stories that the tensors below fit."""
        self._last = self._positions = self._tensor([])  # (B,): the tokens to feed, and where
        self._seen = self._tensor([])  # (B, L)
        self._sampling = self._settings([])

    def __len__(self) -> int:
        return len(self._newcomers) + len(self._rows)

    def add(self, sequence: Sequence) -> None:
        """Let a story join at the next step."""
        self._newcomers.append(sequence)

    @torch.inference_mode()  # as in step: the slots' tensors are of that mode
    def remove(self, sequence: Sequence) -> None:
        """Let a story leave now, wherever it is; one that has left already is no error."""
        if sequence in self._newcomers:
            self._newcomers.remove(sequence)
        elif sequence in self._rows:
            self._vacate(self._rows.index(sequence))
        if not self:
            self._decoder.release()

    @torch.inference_mode()
    def step(self) -> list[Sequence]:
        """Go on by a token. Gives the stories that moved, ended or failed (`error` is set).

        An error while a prompt is read fails that story alone, one while writing fails all that
        are in writing; the batch goes on with the others.
        """
        rows, readers = list(self._rows), self._readers()
        try:
            moved = self._go_on(rows, readers)
        except Exception:  # whatever the model raises: find out whose it is
            moved = self._go_on_apart(rows, readers)
        for row in reversed(range(len(self._rows))):
            if self._rows[row].finish is not None or self._rows[row].error is not None:
                self._vacate(row)
        if not self:
            self._decoder.release()
        return moved

    def _readers(self) -> list[tuple[Sequence, int]]:
        """Newcomers to read from in this step, the oldest first, and up to which token.

        The few may wait for the many: where more wait to begin than write, more is read. A prompt
        is cut at the same places whoever else is reading, so that its story is the same.
        """
        fold = len(self._newcomers) // (len(self._rows) + 1)
        budget, readers = _READ_TOKENS * min(max(1, fold), _MOST_FOLD), []
        for sequence in self._newcomers:
            stop = min(sequence.n_read + _READ_TOKENS, len(sequence.prompt))
            budget -= stop - sequence.n_read
            if budget < 0:
                break
            readers.append((sequence, stop))
            if stop < len(sequence.prompt):  # none but the last is read in part
                break
        return readers

    def _go_on(self, rows: list[Sequence], readers: list[tuple[Sequence, int]]) -> list[Sequence]:
        """Write a token of `rows` and read from `readers`; those read whole write their first.

        Nothing has changed where this raises.
        """
        if not rows and not readers:
            return []
        first_slot = len(self._rows)
        pieces = [
            Piece(first_slot + number, sequence.n_read, sequence.prompt[sequence.n_read : stop])
            for number, (sequence, stop) in enumerate(readers)
        ]
        beginners = [sequence for sequence, stop in readers if stop == len(sequence.prompt)]
        self._follow(rows)
        length = max((sequence.length for sequence in rows), default=0)
        logits = self._decoder.forward(self._last, self._positions, length, pieces)  # (B + P, V)
        writers = rows + beginners  # the one read in part is the last
        lost: list[bool] = logits[:, 0].isnan().tolist()
        if any(lost):
            logits = logits.nan_to_num()
        self._follow(writers)
        chosen = self._choose(logits[: len(writers)], writers)
        for sequence, stop in readers:
            sequence.n_read = stop
        for sequence in beginners:
            self._newcomers.remove(sequence)
        self._rows += beginners
        for sequence, token, is_lost in zip(writers, chosen, lost, strict=False):
            if is_lost:
                sequence.error = ArithmeticError("its numbers overflowed (NaN)")
            else:
                sequence.take(token, self._control_ids)
        return writers

    def _go_on_apart(
        self, rows: list[Sequence], readers: list[tuple[Sequence, int]]
    ) -> list[Sequence]:
        """As `_go_on`, one after the other, so that an error meets those whose it is."""
        moved = list(rows)
        try:
            self._go_on(rows, [])
        except Exception as error:
            self._give_up(rows, error)
            readers = []  # what was read of them is gone; they begin again
        for sequence, stop in readers:
            try:
                moved += self._go_on([], [(sequence, stop)])
            except Exception as error:
                sequence.error = error
                self._newcomers.remove(sequence)
                moved.append(sequence)
        return moved

    def _choose(self, logits: Tensor, writers: list[Sequence]) -> list[int]:
        """The next token of each of `writers`; logits (B, V)."""
        young = [  # none ends before its least length
            row
            for row, sequence in enumerate(writers)
            if len(sequence.written) < sequence.sampling.min_new_tokens
        ]
        if young:
            logits[self._tensor(young)[:, None], self._control_columns] = -torch.inf
        rolls = torch.tensor([sequence.roll for sequence in writers], device=self._device)
        tokens = self._decoder.next_tokens(logits, self._seen, rolls, self._sampling)  # (B,)
        self._last, self._positions = tokens, self._positions + 1
        self._seen = torch.cat((self._seen, tokens[:, None]), 1)
        chosen: list[int] = tokens.tolist()
        return chosen

    def _follow(self, stories: list[Sequence]) -> None:
        """Make the tensors that follow `stories` from step to step until one joins or leaves."""
        if stories == self._followed:
            return
        self._followed = list(stories)
        texts = [story.prompt + story.written for story in stories]
        longest = max(map(len, texts), default=0)
        # A row is padded by its own first token, which the penalty has seen anyway.
        self._seen = self._tensor([text + text[:1] * (longest - len(text)) for text in texts])
        self._last = self._tensor([text[-1] for text in texts])
        self._positions = self._tensor([len(text) - 1 for text in texts])
        self._sampling = self._settings(stories)

    def _vacate(self, row: int) -> None:
        """Empty `row` by moving the last row into it, so that the rows stay together."""
        if self._rows[row].error is not None:
            self._decoder.forget(row)
        last = self._rows.pop()
        n_rows = len(self._rows)
        if row < n_rows:
            self._decoder.move(n_rows, row, last.length)
            self._rows[row] = last
        if self._newcomers and (n_read := self._newcomers[0].n_read):
            self._decoder.move(n_rows + 1, n_rows, n_read)

    def _give_up(self, rows: list[Sequence], error: Exception) -> None:
        for sequence in rows:
            sequence.error = error
        self._rows.clear()
        self._followed = []
        self._decoder.release()
        for sequence in self._newcomers:
            sequence.n_read = 0  # what was read of it is gone

    def _settings(self, rows: list[Sequence]) -> BatchSampling:
        sampling = [row.sampling for row in rows]
        return BatchSampling.of(sampling, self._decoder.n_vocab, self._device)

    def _tensor(self, ids: list[int] | list[list[int]]) -> Tensor:
        return torch.tensor(ids, dtype=torch.int64, device=self._device)
