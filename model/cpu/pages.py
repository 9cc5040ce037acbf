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
        self._slots: dict[int, list[Tensor]] = {}

    def make_room(self, slot: int, length: int) -> list[int]:
        """Let `slot` hold `length` positions and no page more; where its pages are."""
        pages = self._slots.setdefault(slot, [])
        n_pages = -(-length // self._page_positions)
        while len(pages) > n_pages:
            self._free.append(pages.pop())
        while len(pages) < n_pages:
            pages.append(self._page())
        return [page.data_ptr() for page in pages]

    def move(self, source: int, target: int) -> None:
        """Give slot `target` what `source` holds, which then holds nothing."""
        self._free += self._slots.pop(target, [])
        self._slots[target] = self._slots.pop(source, [])

    def release(self) -> None:
        self._slots, self._free = {}, []

    def _page(self) -> Tensor:
        if not self._free:
            many = torch.empty(_PAGES_STEP, self._page_bytes, dtype=torch.uint8)
            self._free += many.unbind()
        return self._free.pop()
