"""What can go wrong on the way, on demand: refusals, lost connections, slow answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Params = dict[str, Any]


@dataclass
class Fault:
    """Something to happen to the next `times` calls of `method` that `when` picks."""

    method: str
    kind: Literal["error", "delay", "hold", "drop", "lose_answer"]
    error_code: int = 0
    description: str = ""
    parameters: dict[str, int] = field(default_factory=dict)
    delay_s: float = 0.0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when what is held may go on."""
    times: int = 1
    when: Callable[[Params], object] = lambda params: True


class Faults:
    """The faults still to happen."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def plan(self, fault: Fault) -> None:
        """Let `fault` happen."""
        self._planned.append(fault)

    def take(self, method: str, params: Params) -> list[Fault]:
        """The faults that befall this call; each is used up once."""
        hit = [f for f in self._planned if f.method == method and f.when(params)]
        for fault in hit:
            fault.times -= 1
        self._planned = [fault for fault in self._planned if fault.times > 0]
        return hit

    def __len__(self) -> int:
        return len(self._planned)
