"""The memory of a decoder in pages: keys and values of every layer for some positions of a story.

A story has as many pages as it needs, wherever they are. Stories change slots by changing lists.
"""

from __future__ import annotations

import torch
from torch import Tensor

_PAGES_STEP = 8


class Pages:
    """For each slot a list of pages of `page_positions`, each of `page_bytes`."""

    def __init__(self, page_positions: int, page_bytes: int) -> None:
        self._page_positions, self._page_bytes = page_positions, page_bytes
        self._free: list[Tensor] = []
        self._slots: list[list[Tensor]] = []

    def make_room(self, lengths: list[int]) -> None:
        """Let slot n hold lengths[n] positions and no page more; other slots hold nothing."""
        while len(self._slots) < len(lengths):
            self._slots.append([])
        for pages, length in zip(self._slots, lengths, strict=False):
            while len(pages) > self._pages_for(length):
                self._free.append(pages.pop())
        for pages in self._slots[len(lengths) :]:
            self._free += pages
        del self._slots[len(lengths) :]
        for pages, length in zip(self._slots, lengths, strict=True):
            while len(pages) < self._pages_for(length):
                pages.append(self._page())

    def addresses(self) -> Tensor:
        """(slots, most pages of one): where each slot's pages are, 0 behind the last."""
        most = max(map(len, self._slots), default=0)
        return torch.tensor(
            [
                [page.data_ptr() for page in pages] + [0] * (most - len(pages))
                for pages in self._slots
            ],
            dtype=torch.int64,
        )

    def move(self, source: int, target: int) -> None:
        """Give slot `target` what `source` holds, which then holds nothing."""
        while len(self._slots) <= max(source, target):
            self._slots.append([])
        self._free += self._slots[target]
        self._slots[target] = self._slots[source]
        self._slots[source] = []

    def release(self) -> None:
        self._slots, self._free = [], []

    def _pages_for(self, length: int) -> int:
        return -(-length // self._page_positions)

    def _page(self) -> Tensor:
        if not self._free:
            many = torch.empty(_PAGES_STEP, self._page_bytes, dtype=torch.uint8)
            self._free += many.unbind()
        return self._free.pop()
