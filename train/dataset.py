"""From stories to rows of tokens: cut to the block, packed without waste, masked, labelled.

Every token of a story but the given ones (BOS and genre) is a target exactly once. Knows no
model; the tokens come from `model.prompt`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model.prompt import PromptFormat
from train.texts import Story

if TYPE_CHECKING:
    import torch

IGNORED = -100
"""Label of a token that is no target, as torch.nn.functional.cross_entropy has it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A story, or as much of one as fits a row."""

    ids: list[int]
    n_given: int
    """Tokens at its head that are context, not targets."""

    @property
    def n_targets(self) -> int:
        return len(self.ids) - self.n_given


Row = list[Piece]


class Rows(Sequence[dict[str, Any]]):
    """A data set for the Trainer; items are `{"row": Row, "input_ids": list[int]}`."""

    def __init__(self, rows: list[Row], block_size: int, n_bytes: int, n_cut_off: int = 0) -> None:
        self._rows = rows
        self.block_size = block_size
        self.n_bytes = n_bytes
        """UTF-8 bytes of the text that the targets spell."""
        self.n_cut_off = n_cut_off
        """Tokens beyond block_size that are in no row; 0 where rows are packed."""
        self.n_tokens = sum(len(piece.ids) for row in rows for piece in row)
        self.n_targets = sum(piece.n_targets for row in rows for piece in row)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        row = self._rows[index]
        return {"row": row, "input_ids": [token for piece in row for token in piece.ids]}

    @property
    def padding_share(self) -> float:
        """Of all tokens in rows of block_size, the share that is padding."""
        return 1 - self.n_tokens / (len(self) * self.block_size)


def packed(stories: Sequence[Story], text: PromptFormat, block_size: int) -> Rows:
    """Rows filled with whole stories by best fit; a story longer than a row is cut into several.

    The later parts of a long story go on without its head, since BOS in its middle would teach
    openings that are none. Each begins with the last token of the part before, as context, so
    that no token goes unpredicted.
    """
    pieces = [p for story in stories for p in cut(*_encoded(story, text), block_size)]
    n_bytes = sum(len(story.text.encode()) for story in stories)
    return Rows(best_fit(pieces, block_size), block_size, n_bytes)


def line_by_line(
    stories: Sequence[Story],
    text: PromptFormat,
    block_size: int,
    decode: Callable[[list[int]], str],
) -> Rows:
    """The seed's way: a story a row, and what goes beyond block_size is lost."""
    rows: list[Row] = []
    n_bytes = n_cut_off = 0
    for story in stories:
        ids, n_given = _encoded(story, text)
        rows.append([Piece(ids[:block_size], n_given)])
        n_cut_off += max(0, len(ids) - block_size)
        kept = story.text if len(ids) <= block_size else decode(ids[n_given:block_size])
        n_bytes += len(kept.encode())
    return Rows(rows, block_size, n_bytes, n_cut_off)


def cut(ids: list[int], n_given: int, block_size: int) -> list[Piece]:
    """A story in pieces of at most `block_size` tokens, each token a target in one of them."""
    later = range(block_size - 1, len(ids) - 1, block_size - 1)
    parts = [Piece(ids[start : start + block_size], 1) for start in later]
    return [Piece(ids[:block_size], n_given), *parts]


def best_fit(pieces: Sequence[Piece], block_size: int) -> list[Row]:
    """Best-fit decreasing bin packing: long pieces first, each into the fullest row that has room.

    On film plots under 0.3 % of the rows stays empty (blocks of 128 to 2,048).
    """
    rows: list[Row] = []
    with_room: list[list[int]] = [[] for _ in range(block_size + 1)]  # rows by their free tokens
    rooms = 0  # bit n is set where some row has n tokens free
    for piece in sorted(pieces, key=lambda piece: len(piece.ids), reverse=True):
        size = len(piece.ids)
        if enough := rooms >> size:
            room = size + (enough & -enough).bit_length() - 1  # the lowest bit: least room
            index = with_room[room].pop()
            if not with_room[room]:
                rooms &= ~(1 << room)
        else:
            room, index = block_size, len(rows)
            rows.append([])
        rows[index].append(piece)
        if left := room - size:
            with_room[left].append(index)
            rooms |= 1 << left
    return rows


@dataclass(frozen=True, slots=True)
class Collator:
    """Rows to tensors: `input_ids`, `labels`, and in packed rows `position_ids` and the mask."""

    pad: int
    batch_size: int
    block_size: int | None
    """Every batch is (batch_size, block_size), so that a compiled model meets one shape; None:
    as long as its longest row."""
    document_masking: bool
    additive_mask: bool = False
    """A float mask, to be added to the scores, as eager attention wants it; else a boolean one."""

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        import torch

        rows: list[Row] = [item["row"] for item in items]
        length = self.block_size or max(sum(len(p.ids) for p in row) for row in rows)
        if self.block_size:
            rows += [[] for _ in range(self.batch_size - len(rows))]
        shape = len(rows), length
        ids = torch.full(shape, self.pad)  # (B, T)
        labels = torch.full(shape, IGNORED)  # (B, T)
        places = torch.arange(length).repeat(len(rows), 1)  # (B, T), from 0 in each story
        story = torch.zeros(shape, dtype=torch.int64)  # (B, T), 0 on padding
        for row, pieces in enumerate(rows):
            start = 0
            for number, piece in enumerate(pieces, 1):
                end = start + len(piece.ids)
                ids[row, start:end] = torch.tensor(piece.ids)
                labels[row, start + piece.n_given : end] = ids[row, start + piece.n_given : end]
                places[row, start:] = torch.arange(length - start)
                story[row, start:end] = number
                start = end
        batch = {"input_ids": ids, "labels": labels}
        if self.document_masking:
            batch |= {"position_ids": places, "attention_mask": self._mask(story)}
        return batch

    def _mask(self, story: torch.Tensor) -> torch.Tensor:
        """(B, 1, T, T): a token sees itself and what came before it in its story."""
        import torch

        seen = (story[:, :, None] == story[:, None, :]).tril()[:, None]
        if not self.additive_mask:
            return seen
        return torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)


def _encoded(story: Story, text: PromptFormat) -> tuple[list[int], int]:
    """Token ids of a story, and how many of them are its given head."""
    return text.encode_story(story.genre, story.text), len(text.encode(story.genre, ""))
