"""The memory of a decoder in pages: keys and values of every layer for some positions of a story.

A story has as many pages as it needs, wherever they are. Stories change slots by changing lists.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_PAGES_STEP = 8


class Pages:
    """For each slot a list of pages of `page_positions`, each of `page_bytes`."""

    def __init__(self, page_positions: int, page_bytes: int) -> None:
        self._page_positions, self._page_bytes = page_positions, page_bytes
        self._free: list[Tensor] = []
        self._slots: dict[int, list[Tensor]] = {}
        self.table = np.zeros((1, 1), np.int64)
        """The addresses of each slot's pages; what is behind its last is anything."""

    def make_room(self, slot: int, length: int) -> None:
        """Let `slot` hold `length` positions and no page more."""
        pages = self._slots.setdefault(slot, [])
        n_pages = -(-length // self._page_positions)
        if n_pages == len(pages):
            return
        while len(pages) > n_pages:
            self._free.append(pages.pop())
        self._widen(slot + 1, n_pages)
        for number in range(len(pages), n_pages):
            pages.append(self._page())
            self.table[slot, number] = pages[-1].data_ptr()

    def move(self, source: int, target: int) -> None:
        """Give slot `target` what `source` holds, which then holds nothing."""
        self._free += self._slots.pop(target, [])
        self._slots[target] = self._slots.pop(source, [])
        self._widen(max(source, target) + 1, 0)
        self.table[target] = self.table[source]

    def release(self) -> None:
        self._slots, self._free = {}, []

    def _page(self) -> Tensor:
        if not self._free:
            many = torch.empty(_PAGES_STEP, self._page_bytes, dtype=torch.uint8)
            self._free += many.unbind()
        return self._free.pop()

    def _widen(self, n_slots: int, n_pages: int) -> None:
        """Let the table have at least so many rows and columns."""
        slots, pages = self.table.shape
        if n_slots > slots or n_pages > pages:
            shape = max(slots, 2 * n_slots), max(pages, 2 * n_pages)
            wider = np.zeros(shape, np.int64)
            wider[:slots, :pages] = self.table
            self.table = wider
