"""What every way of writing stories has in common: what it is asked, and what it answers.

Imports the standard library and `model.engine` only: what a writer needs beyond counts as its own
memory and its own time to load.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from model.engine import SamplingParams

Precision = Literal["auto", "float32", "float16", "bfloat16"]
"""Of our engine's weights, as `model.torch_engine.open_engine` takes it."""

Device = Literal["cpu", "cuda", "mps"]
"""Where whatever runs on torch runs; other libraries stay on the CPU."""

SAMPLING = SamplingParams()
"""How every writer samples, as far as its library can: the product's own defaults."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run of the benchmark is about. Plain values: it travels between processes as JSON."""

    model: str
    prompts: list[tuple[str, str]]
    """Genre and opening."""
    new_tokens: int
    precision: Precision = "auto"
    device: Device = "cpu"
    gguf: str | None = None
    """File that llama.cpp and OpenVINO read; None: the default model's."""
    openvino_model: str | None = None
    """Folder of an exported OpenVINO model; None: the GGUF, requantised."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What a writer's `prepare` has found or made on disk. Plain values, as in `Plan`."""

    path: str
    about: str
    """Weights, in a word or two for the table."""
    prompt_ids: list[list[int]] | None = None
    """Each prompt of the plan as token ids; None for a writer that takes text."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One story to write."""

    prompt: tuple[str, str]
    prompt_ids: list[int]
    seed: int


class Writer(Protocol):
    """One way of writing many stories at once."""

    title: str
    install: str
    """What to give to `pip install` where a library is missing."""
    distributions: tuple[str, ...]
    """What its speed depends on, for the record of versions."""
    one_by_one: bool
    """Writes no two stories at once, so that its total is the same at any concurrency."""
    notes: str
    """What is not like for like."""

    def prepare(self, plan: Plan) -> Ready:
        """Fetch or convert what `open` loads, unless it is there. In a process of its own."""
        ...

    def open(self, plan: Plan, ready: Ready, n_stories: int) -> None:
        """Load what `prepare` has made of `plan`, to write `n_stories` at once."""
        ...

    def write(
        self, stories: Sequence[Asked], new_tokens: int, shown: Callable[[int], None]
    ) -> list[int]:
        """Write `stories` together; how many new tokens each has got.

        Calls `shown` with a story's place as soon as its first text could be shown.
        """
        ...

    def close(self) -> None:
        """Let go of the model."""
        ...
