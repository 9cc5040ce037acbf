"""The decoder for any causal model that transformers runs with standard attention.

Slower than `model.fast_decoder`, and what that is checked against.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from model.decoder import Decoder, Piece
from model.engine import ModelUnusable
from model.sampling import next_tokens
from model.slot_cache import SlotCache

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class GeneralDecoder:
    """See `Decoder`. Reads each piece in a pass of its own."""

    next_tokens = staticmethod(next_tokens)

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._cache = SlotCache(model.config.get_text_config().num_hidden_layers)

    @property
    def device(self) -> torch.device:
        return self._model.device

    @property
    def n_vocab(self) -> int:
        return int(self._model.config.get_text_config().vocab_size)

    def forward(
        self, last: Tensor, positions: Tensor, length: int, pieces: Sequence[Piece]
    ) -> Tensor:
        """See `Decoder.forward`."""
        logits = []
        if len(last):
            self._cache.at_rows(positions, length)
            logits.append(self._pass(last[:, None], positions[:, None], length))
        for piece in pieces:
            self._cache.at_row(piece.slot, piece.start, piece.stop)
            tokens = torch.tensor([piece.tokens], device=self.device)  # (1, T)
            places = torch.arange(piece.start, piece.stop, device=self.device)[None]
            logits.append(self._pass(tokens, places, piece.stop))
        return torch.cat(logits)

    def move(self, source: int, target: int, length: int) -> None:
        self._cache.move(source, target, length)

    def forget(self, slot: int) -> None:
        self._cache.forget(slot)

    def release(self) -> None:
        self._cache.release()

    def _pass(self, tokens: Tensor, positions: Tensor, length: int) -> Tensor:
        """Logits (B, V) after the last of `tokens` (B, T), which stand at `positions` (B, T).

        Each sees the cache's positions up to its own; the window is `length` long.
        """
        model = self._model
        visible = torch.arange(length, device=positions.device) <= positions[..., None]  # (B, T, L)
        mask = torch.zeros(visible.shape, dtype=model.dtype, device=positions.device)
        mask.masked_fill_(~visible, torch.finfo(model.dtype).min)
        output = model(
            input_ids=tokens,
            position_ids=positions,
            attention_mask=mask[:, None],  # (B, 1, T, L)
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: Tensor = output.logits[:, -1]
        return logits


@torch.inference_mode()
def check_attention(model: PreTrainedModel) -> None:
    """Raise ModelUnusable unless `model` says the same with our cache as it does without one.

    State-space models, bidirectional ones, and attention that needs more than positions and a
    mask differ; they would write nonsense.
    """
    try:
        gap = decoder_gap(model, GeneralDecoder(model))
    except Exception as error:  # every architecture fails in its own way
        raise ModelUnusable(f"its attention cannot use our cache: {error}") from error
    # Relative to the largest logit; half precision keeps three digits, and sums lose one.
    if not gap < (1e-3 if model.dtype == torch.float32 else 5e-2):
        raise ModelUnusable(
            "it says something else with our cache than without one, so it is no causal model "
            f"with standard attention (difference {gap:.2g} of the largest logit)"
        )


@torch.inference_mode()
def decoder_gap(model: PreTrainedModel, decoder: Decoder) -> float:
    """How far `decoder` is from a plain pass of `model`, relative to the largest logit.

    Two stories of unequal length, one read in two pieces and moved between, then both written on.
    """
    n_vocab = decoder.n_vocab
    tokens = torch.linspace(0, n_vocab - 1, 6, device=model.device).long()  # (6,)
    plain = model(input_ids=tokens[None], use_cache=False).logits[0]  # (6, V)
    ids: list[int] = tokens.tolist()
    none = tokens[:0]
    first = decoder.forward(none, none, 0, [Piece(1, 0, ids[:3])])
    decoder.move(1, 0, 3)
    both = decoder.forward(none, none, 0, [Piece(0, 3, ids[3:5]), Piece(1, 0, ids[:3])])
    positions = torch.tensor([5, 3], device=model.device)
    on = decoder.forward(tokens[positions], positions, 6, [Piece(2, 0, ids[:2])])
    said = torch.cat((first, both, on)).float()
    decoder.release()
    return float((said - plain[[2, 4, 2, 5, 3, 1]]).abs().max() / plain.abs().max())
