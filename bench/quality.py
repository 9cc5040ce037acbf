"""Whether faster weights still say what the model says, on real text.

Text is given to the model token by token, as if it had written it itself (teacher forcing), by the
loop that writes stories. What it expects next is held against the same model run by transformers
in float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.errors import BenchError
from model.checkpoint import LoadedModel
from model.decoder import Decoder, Piece
from model.engine import Precision
from model.runtime import runtime_of
from train.texts import Story

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """How near one way of running a model is to the model."""

    precision: str
    n_tokens: int
    """Places at which the two were compared."""
    nll: float
    """Mean negative log-likelihood of the text's own next token, in nats."""
    nll_change: float
    """Of the reference's, as a share: 0.01 is one per cent worse."""
    top1_agreement: float
    """Share of places at which both find the same token likeliest."""
    kl: float
    """Mean Kullback-Leibler divergence from the reference, in nats."""


@torch.inference_mode()
def faithfulness(
    loaded: LoadedModel,
    stories: Sequence[Story],
    precisions: Sequence[Precision],
    most_stories: int,
    n_tokens: int,
) -> list[Faithfulness]:
    """`precisions` against `loaded`, which is in float32.

    Compared on the first `n_tokens` of the first stories that have so many. Raises BenchError where
    there is none, ModelUnusable for a precision that this machine does not have.
    """
    texts = [loaded.format.encode_story(story.genre, story.text) for story in stories]
    texts = [text[:n_tokens] for text in texts if len(text) >= n_tokens][:most_stories]
    if not texts:
        raise BenchError(f"No story has {n_tokens} tokens; set --tokens lower")
    decoders = [runtime_of(loaded, precision).decoder for precision in precisions]
    sums = torch.zeros(len(decoders), 4, dtype=torch.float64)
    for start in range(0, len(texts), _AT_ONCE):
        batch = torch.tensor(texts[start : start + _AT_ONCE])  # (B, T)
        expected = loaded.model(input_ids=batch).logits[:, :-1].log_softmax(-1)  # (B, T - 1, V)
        for number, decoder in enumerate(decoders):
            sums[number] += _compare(expected, _forced(decoder, batch), batch[:, 1:])
    n_places = len(texts) * (n_tokens - 1)
    return [
        Faithfulness(precision, n_places, own, own / reference - 1, same, kl)
        for precision, (reference, own, same, kl) in zip(
            precisions, (sums / n_places).tolist(), strict=True
        )
    ]


def _forced(decoder: Decoder, batch: Tensor) -> Iterator[Tensor]:
    """Log-probabilities (B, V) after each token of `batch` (B, T) but the last."""
    n_texts, length = batch.shape
    none = batch[0, :0]
    first = [Piece(slot, 0, [int(token)]) for slot, token in enumerate(batch[:, 0])]
    yield decoder.forward(none, none, 0, first).float().log_softmax(-1)
    for position in range(1, length - 1):
        positions = torch.full((n_texts,), position)
        logits = decoder.forward(batch[:, position], positions, position + 1, [])
        yield logits.float().log_softmax(-1)
    decoder.release()


def _compare(expected: Tensor, said: Iterator[Tensor], targets: Tensor) -> Tensor:
    """Sums over all places of the two losses, the agreements and the divergence: (4,)."""
    sums = torch.zeros(4, dtype=torch.float64)
    for place, found in enumerate(said):
        wanted, target = expected[:, place], targets[:, place, None]
        sums += torch.stack(
            (
                -wanted.gather(1, target).sum(),
                -found.gather(1, target).sum(),
                (wanted.argmax(-1) == found.argmax(-1)).sum(),
                (wanted.exp() * (wanted - found)).sum(),
            )
        ).double()
    return sums
