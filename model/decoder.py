"""What runs a model's layers for many stories at once: tokens in, logits out.

Each story has a slot, in which the decoder remembers what it has read of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from model.sampling import BatchSampling


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a prompt, to be read into a slot behind what is there."""

    slot: int
    start: int
    """Tokens of the slot read before; they are `start` many."""
    tokens: list[int]

    @property
    def stop(self) -> int:
        return self.start + len(self.tokens)


class Decoder(Protocol):
    """A model with its slots. Any method may raise what torch raises."""

    @property
    def device(self) -> torch.device: ...

    @property
    def n_vocab(self) -> int: ...

    def forward(
        self, last: Tensor, positions: Tensor, length: int, pieces: Sequence[Piece]
    ) -> Tensor:
        """Logits (B + P, V) for what follows B stories in writing and P pieces of prompts.

        The story in slot b < B goes on with token last[b], which stands at positions[b] (B,);
        `length` is one more than the largest of them. Pieces have slots from B on. Called again
        with the same input it gives the same, so that a failed call can be tried in parts.
        """
        ...

    def next_tokens(
        self, logits: Tensor, seen: Tensor, uniform: Tensor, rows: BatchSampling
    ) -> Tensor:
        """As `model.sampling.next_tokens`, in the way that is fastest here."""
        ...

    def move(self, source: int, target: int, length: int) -> None:
        """Let slot `target` have the first `length` positions of `source`, which loses them."""
        ...

    def forget(self, slot: int) -> None:
        """Wipe a slot that may hold NaN, which would reach whoever has it next."""
        ...

    def release(self) -> None:
        """Give the slots' memory back: nothing is remembered after it."""
        ...
