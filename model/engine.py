"""The one interface behind which every model stands: a request in, a stream of text out.

Knows no member, no platform, no database, and imports the standard library only, so that a
front end can name requests and updates without installing torch.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self

FinishReason = Literal["stop", "length"]
Precision = Literal["float32", "float16", "bfloat16"]
"""What a model's weights are held in. Sums are float32 everywhere."""


class EngineError(Exception):
    """Generation or loading failed; the text is for the operator and says what to do.

    EngineError
    ├── ModelNotFound     no such folder, Hub id or cached model
    ├── ModelUnusable     found, but broken, of another architecture, or at odds with its adapter
    └── GenerationFailed  this request cannot be, or was not, generated
    """


class ModelNotFound(EngineError):
    """The model named by the operator is not there and could not be fetched."""


class ModelUnusable(EngineError):
    """The model is there but cannot be run: broken files, wrong architecture, foreign adapter."""


class GenerationFailed(EngineError):
    """One request failed; others in the batch go on."""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How to choose each next token; names and meanings as in transformers' `GenerationConfig`.

    Raises ValueError naming the field, its value and its range.
    """

    do_sample: bool = True
    temperature: float = 0.9
    """Divides the logits; > 0."""
    top_k: int = 50
    """Keep the k likeliest tokens; 0 keeps all."""
    top_p: float = 0.95
    """Keep the smallest set of tokens whose probability reaches top_p; 1.0 keeps all."""
    repetition_penalty: float = 1.1
    """Divides (positive) or multiplies (negative) the logits of tokens seen; 1.0 is off (CTRL)."""
    max_new_tokens: int = 200
    """Most tokens the model may add."""
    min_new_tokens: int = 0
    """No end token is chosen before so many tokens were added."""
    max_length: int | None = None
    """Most tokens of prompt and completion together; None: the model's context length."""
    seed: int = 0
    """Seeds this request's own random stream: the same request gives the same story."""

    def __post_init__(self) -> None:
        checks: list[tuple[str, float | None, bool, str]] = [
            ("temperature", self.temperature, 0 < self.temperature <= 10, "above 0, at most 10"),
            ("top_k", self.top_k, self.top_k >= 0, "0 (off) or more"),
            ("top_p", self.top_p, 0 < self.top_p <= 1, "above 0, at most 1"),
            (
                "repetition_penalty",
                self.repetition_penalty,
                0 < self.repetition_penalty <= 10,
                "above 0, at most 10",
            ),
            ("max_new_tokens", self.max_new_tokens, self.max_new_tokens >= 1, "1 or more"),
            ("min_new_tokens", self.min_new_tokens, self.min_new_tokens >= 0, "0 or more"),
            (
                "max_length",
                self.max_length,
                self.max_length is None or self.max_length >= 1,
                "1 or more",
            ),
            ("seed", self.seed, 0 <= self.seed < 2**63, "from 0 to 2**63 - 1"),
        ]
        for name, value, ok, wanted in checks:
            if not ok:
                raise ValueError(f"{name} is {value}; it must be {wanted}")


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One story to write. `prompt` is the opening the completion goes on from; it may be empty."""

    genre: str
    """Name of a row of the genre table, such as "horror"."""
    prompt: str = ""
    """Plain text typed by people: never read as a control token."""
    sampling: SamplingParams = field(default_factory=SamplingParams)


@dataclass(frozen=True, slots=True)
class TextChunk:
    """The next piece of a completion. Concatenated, the pieces are the raw completion."""

    text: str
    """Text added since the last chunk; whole characters, may be empty."""
    n_tokens: int
    """Tokens generated so far for this request."""
    finish_reason: FinishReason | None = None
    """Set on the last chunk only: "stop" at an end token, "length" at a limit."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What runs, for /about and for each story's provenance."""

    model: str
    """Name as the operator gave it, or the built-in default's."""
    revision: str
    """Hub commit, or a hash of the weights: tells two models of one name apart."""
    adapter_hash: str | None
    """sha256 of the genre adapter in use, None where there is none."""
    n_parameters: int
    context_length: int
    """Most tokens of prompt and completion together."""
    device: str
    dtype: str
    has_genre_tokens: bool
    """False: genres are given as a plain-text lead-in, since the model has no token for them."""
    licence: str = "unknown"


class Engine(Protocol):
    """Writes many stories at once. Open with `async with`; loading happens there."""

    @property
    def info(self) -> EngineInfo: ...

    @property
    def slots(self) -> int:
        """How many requests are written at the same time; more wait inside the engine."""
        ...

    def generate(self, request: GenerationRequest) -> AsyncGenerator[TextChunk, None]:
        """Stream the completion of `request`.

        Closing the generator (or cancelling the task that reads it) frees its slot at the next
        step. The last chunk carries `finish_reason`. Raises GenerationFailed for this request
        alone, and for a genre the table does not have.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...
