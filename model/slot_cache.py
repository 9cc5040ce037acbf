"""Keys and values of many stories side by side, one row each, for any standard attention.

A row is taken, filled and given back at any step without touching the others: stories in writing
stay together in rows 0..B-1, so that a step attends over plain views; newcomers' prompts are read
into the rows behind. Knows no tokens and no sampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

_FIRST_LENGTH = 256
"""Positions a row has room for at first. Rows and positions double whenever they run out."""


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """Where one forward pass writes, and what it sees."""

    rows: slice
    length: int
    """Positions 0..length-1 are seen."""
    start: int = 0
    """First position written, where one row takes several tokens."""
    index: Tensor | None = None  # (B,)
    positions: Tensor | None = None  # (B,): where each of many rows takes one token


class SlotCache(Cache):
    """The cache of one model. Before each forward pass, say with `at_...` where it writes."""

    def __init__(self, n_layers: int) -> None:
        self._slot_layers = [_SlotLayer() for _ in range(n_layers)]
        super().__init__(layers=list(self._slot_layers))

    def at_rows(self, positions: Tensor, length: int) -> None:
        """The next pass writes one token into each row b < B, at positions[b] (B,).

        It sees the first `length` positions of those rows.
        """
        index = torch.arange(len(positions), device=positions.device)
        rows = slice(0, len(positions))
        self._set_window(_Window(rows, length, index=index, positions=positions))

    def at_row(self, row: int, start: int, stop: int) -> None:
        """The next pass writes positions start..stop-1 of `row`, and sees 0..stop-1."""
        self._set_window(_Window(slice(row, row + 1), stop, start=start))

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of row `source` to row `target`."""
        for layer in self._slot_layers:
            layer.copy(source, target, length)

    def forget(self, row: int) -> None:
        """Fill `row` with zeros."""
        for layer in self._slot_layers:
            for states in layer.states:
                states[row] = 0

    def release(self) -> None:
        """Give all memory back; every row is empty after it."""
        for layer in self._slot_layers:
            layer.states.clear()

    def _set_window(self, window: _Window) -> None:
        for layer in self._slot_layers:
            layer.window = window


class _SlotLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """Keys and values of one layer, each (rows, heads, positions, head_dim)."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.states: list[Tensor] = []
        self.window = _Window(slice(0, 0), 0)

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.states = [
            new.new_zeros(1, new.shape[1], _FIRST_LENGTH, new.shape[3])
            for new in (key_states, value_states)
        ]

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write (B, heads, T, head_dim) at the window; give all that its rows may attend to."""
        if not self.states:
            self.lazy_initialization(key_states, value_states)
        self._make_room(self.window.rows.stop, self.window.length)
        return self._write(self.states[0], key_states), self._write(self.states[1], value_states)

    def copy(self, source: int, target: int, length: int) -> None:
        self._make_room(max(source, target) + 1, length)
        for states in self.states:
            states[target, :, :length] = states[source, :, :length]

    def get_seq_length(self) -> int:
        return self.window.length

    def get_max_length(self) -> int:
        return -1  # it grows

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.window.length, 0

    def _write(self, states: Tensor, new: Tensor) -> Tensor:
        window = self.window
        if window.positions is None:
            states[window.rows, :, window.start : window.length] = new
        else:
            states[window.index, :, window.positions] = new[:, :, 0]
        return states[window.rows, :, : window.length]

    def _make_room(self, n_rows: int, length: int) -> None:
        rows, heads, room, _ = self.states[0].shape
        if rows >= n_rows and room >= length:
            return
        while rows < n_rows:
            rows *= 2
        while room < length:
            room *= 2
        for number, old in enumerate(self.states):
            # Zeros, since what is masked is still multiplied: garbage may be NaN.
            grown = old.new_zeros(rows, heads, room, old.shape[3])
            grown[: old.shape[0], :, : old.shape[2]] = old
            self.states[number] = grown
