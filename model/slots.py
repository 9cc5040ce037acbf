"""The memory of a decoder: keys and values of every layer, for each slot and position.

One tensor a layer, laid out so that the keys of slots 0..B-1 are a plain view for a batched
product, and so that one index writes the keys and values of any tokens. Grows when it must.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SLOTS_STEP = 4
_POSITIONS_STEP = 256
_WINDOW_STEP = 32


class Slots:
    """Keys and values of `n_layers` layers, each head a row of `head_dim` numbers a position."""

    def __init__(
        self,
        n_layers: int,
        n_kv_heads: int,
        head_dim: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._n_layers, self._n_kv_heads, self._head_dim = n_layers, n_kv_heads, head_dim
        self._dtype, self._device = dtype, device
        self._layers: list[Tensor] = []  # each (2, slots, KV, positions, head_dim)
        self.n_slots = self.n_positions = 0

    def make_room(self, n_slots: int, n_positions: int) -> None:
        """Hold at least so many slots of so many positions, keeping what is in them."""
        if n_slots <= self.n_slots and n_positions <= self.n_positions:
            return
        slots = max(self.n_slots, _up(n_slots, _SLOTS_STEP))
        positions = max(self.n_positions, _up(n_positions, _POSITIONS_STEP))
        shape = (2, slots, self._n_kv_heads, positions, self._head_dim)
        grown = []
        for number in range(self._n_layers):
            # Zeros, since what is masked is still multiplied: garbage may be NaN.
            states = torch.zeros(shape, dtype=self._dtype, device=self._device)
            if self._layers:
                old = self._layers[number]
                states[:, : self.n_slots, :, : self.n_positions] = old
            grown.append(states)
        self._layers, self.n_slots, self.n_positions = grown, slots, positions

    @staticmethod
    def window(length: int) -> int:
        """How many positions to look at where `length` are wanted; there are so many.

        A round number, as each new length of a product costs its setting up.
        """
        return _up(length, _WINDOW_STEP)

    def index(self, slots: Tensor, positions: Tensor) -> Tensor:
        """Where `write` puts the keys and values of tokens at slots (N,) and positions (N,).

        For each token its key heads, then its value heads: (N * 2 KV,).
        """
        heads = torch.arange(self._n_kv_heads, device=self._device)
        key_rows = (slots[:, None] * self._n_kv_heads + heads) * self.n_positions
        key_rows = key_rows + positions[:, None]  # (N, KV)
        value_rows = key_rows + self.n_slots * self._n_kv_heads * self.n_positions
        return torch.cat((key_rows, value_rows), 1).flatten()

    def write(self, layer: int, index: Tensor, heads: Tensor) -> None:
        """Remember keys and values `heads` (N * 2 KV, head_dim) at `index` (N * 2 KV,)."""
        self._layers[layer].view(-1, self._head_dim).index_copy_(0, index, heads)

    def keys_and_values(self, layer: int, first: int, stop: int, length: int) -> Tensor:
        """(2, stop - first, KV, length, head_dim): a view of the slots' first positions."""
        return self._layers[layer][:, first:stop, :, :length]

    def move(self, source: int, target: int, length: int) -> None:
        self.make_room(max(source, target) + 1, length)
        for states in self._layers:
            states[:, target, :, :length] = states[:, source, :, :length]

    def forget(self, slot: int) -> None:
        for states in self._layers:
            states[:, slot] = 0

    def release(self) -> None:
        self._layers = []
        self.n_slots = self.n_positions = 0


def _up(number: int, step: int) -> int:
    return -(-number // step) * step
