"""How well a model expects held-out stories: perplexity and bits per byte.

The head (BOS and genre token, or the plain lead-in) is given, not scored; of the text every token
is scored exactly once. Knows no files and no generation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from model.prompt import PromptFormat
from train.texts import Story

if TYPE_CHECKING:
    from model.checkpoint import LoadedModel

_LONGEST_WINDOW = 2048
"""Tokens a story is read in at most, whatever the model's context: bounds the memory."""
_LOGITS_AT_ONCE = 2**26
"""Numbers in the logits of one batch: 256 MiB in float32. One long story may have more."""


@dataclass(frozen=True, slots=True)
class StoryScore:
    """What one story cost the model."""

    genre: str
    nats: float
    """Negative log-likelihood of the text."""
    n_tokens: int
    """Text tokens, without head and end."""
    n_bytes: int
    """Of the text in UTF-8."""
    end_nats: float | None
    """Negative log-probability of ending where the story ends, over all tokens that end a story;
    None for a model that has none."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """What a set of stories cost the model."""

    n_stories: int
    n_tokens: int
    n_bytes: int
    perplexity: float
    """exp of the mean over all tokens: a long story counts for more. Depends on the tokenizer."""
    bits_per_byte: float
    """Bits of all tokens over UTF-8 bytes of all texts: comparable across tokenizers."""
    end_nats: float | None
    """Mean over the stories."""


def summarise(scores: Sequence[StoryScore]) -> Likelihood:
    """The figures of one or more stories together."""
    nats = math.fsum(score.nats for score in scores)
    n_tokens = sum(score.n_tokens for score in scores)
    n_bytes = sum(score.n_bytes for score in scores)
    ends = [score.end_nats for score in scores if score.end_nats is not None]
    return Likelihood(
        n_stories=len(scores),
        n_tokens=n_tokens,
        n_bytes=n_bytes,
        perplexity=math.exp(nats / n_tokens),
        bits_per_byte=nats / math.log(2) / n_bytes,
        end_nats=math.fsum(ends) / len(ends) if ends else None,
    )


def score_stories(
    loaded: LoadedModel,
    stories: Sequence[Story],
    *,
    window: int | None = None,
    advance: Callable[[int], object] = lambda n_stories: None,
) -> list[StoryScore]:
    """One score for each story, in their order.

    A story longer than `window` tokens (default: the model's context, at most 2048) is read in
    windows that overlap by half, each with the head in front, so that every token has the genre
    and at least half a window before it. `advance` hears of stories as they are done.
    """
    most = min(window or _LONGEST_WINDOW, loaded.info.context_length)
    coded = [_encode(loaded.format, story) for story in stories]
    windows: list[_Window] = []
    for index, (ids, n_head) in enumerate(coded):
        windows.extend(_cut(index, ids, n_head, most))
    nats, ends = [0.0] * len(stories), [0.0] * len(stories)
    for batch in _batches(windows, loaded.model.config.get_text_config().vocab_size):
        for piece, (text, end) in zip(batch, _forward(loaded, batch), strict=True):
            nats[piece.story] += text
            if piece.is_last:
                ends[piece.story] = end
                advance(1)
    return [
        StoryScore(
            story.genre,
            nats[index],
            len(coded[index][0]) - coded[index][1],
            len(story.text.strip().encode()),
            ends[index] if loaded.format.control_ids else None,
        )
        for index, story in enumerate(stories)
    ]


def _encode(text_format: PromptFormat, story: Story) -> tuple[list[int], int]:
    """Token ids of head and text, and how many of them are the head.

    A token that a tokenizer makes of the head's end and the text's beginning counts as text.
    """
    head = text_format.encode(story.genre, "")
    ids = text_format.encode(story.genre, story.text)
    same = takewhile(lambda pair: pair[0] == pair[1], zip(head, ids, strict=False))
    n_head = len(list(same))
    if n_head == 0:  # a lead-in of nothing: `head` is the token a text of nothing begins from
        return head + ids, len(head)
    return ids, n_head


@dataclass(frozen=True, slots=True)
class _Window:
    story: int
    ids: list[int]
    first: int
    """Index of the first token to score; those before it are context."""
    is_last: bool


def _cut(story: int, ids: list[int], n_head: int, most: int) -> Iterator[_Window]:
    head, start = ids[:n_head], n_head
    stride = max(1, (most - n_head) // 2)
    done = n_head  # tokens scored, or given
    while True:
        stop = min(start + most - n_head, len(ids))
        yield _Window(story, head + ids[start:stop], n_head + done - start, stop == len(ids))
        if stop == len(ids):
            return
        start, done = start + stride, stop


def _batches(windows: Iterable[_Window], n_vocab: int) -> Iterator[list[_Window]]:
    """Windows of like length together, the longest first: memory runs out at once or never."""
    batch: list[_Window] = []
    for window in sorted(windows, key=lambda window: -len(window.ids)):
        longest = len(batch[0].ids) if batch else 0
        if batch and (len(batch) + 1) * longest * n_vocab > _LOGITS_AT_ONCE:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def _forward(loaded: LoadedModel, batch: list[_Window]) -> list[tuple[float, float]]:
    """Nats of each window's scored tokens, and of an end after its last token."""
    import torch
    from torch.nn.functional import cross_entropy

    device = loaded.model.device
    longest = max(len(window.ids) for window in batch)
    # Padding stands on the right, where a causal model's tokens do not look.
    rows = [window.ids + [0] * (longest - len(window.ids)) for window in batch]
    tokens = torch.tensor(rows, device=device)  # (B, T)
    control = torch.tensor(sorted(loaded.format.control_ids), dtype=torch.int64, device=device)
    nats = []
    with torch.inference_mode():
        logits = loaded.model(input_ids=tokens, use_cache=False).logits  # (B, T, V)
        for row, window in enumerate(batch):
            stop = len(window.ids)
            scored = logits[row, window.first - 1 : stop - 1].float()  # (n, V)
            text = cross_entropy(scored, tokens[row, window.first : stop], reduction="sum")
            after = logits[row, stop - 1].float().log_softmax(-1)  # (V,)
            nats.append((float(text), -float(after[control].logsumexp(-1))))
    return nats
