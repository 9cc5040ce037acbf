"""One measurement in a process of its own: `python -m bench.measure REQUEST RESULT`.

A process of its own has its own peak of memory, loads its libraries anew, and may crash: both
files are JSON, and where the second is missing, the process died.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.machine import peak_memory_bytes
from bench.writers import writer
from bench.writers.base import Asked, Plan, Ready, Writer
from model.engine import EngineError

WARM_UP_TOKENS = 8
"""Of each story, before the clock starts: buffers are made and kernels chosen."""


def prepare(name: str, plan: Plan) -> dict[str, Any]:
    """What the writer called `name` loads, made ready on disk: a `Ready` as JSON."""
    return asdict(writer(name).prepare(plan))


def measure(name: str, plan: Plan, ready: Ready, n_stories: int, turn: int) -> dict[str, Any]:
    """Let the writer called `name` write `n_stories` at once, and take its figures.

    `turn` chooses prompts and seeds. Raises BenchError for a story of another length than asked.
    """
    made = writer(name)
    began = time.perf_counter()
    made.open(plan, ready, n_stories)
    load_s = time.perf_counter() - began
    warm_up = min(WARM_UP_TOKENS, plan.new_tokens)
    made.write(list(asked(plan, ready, n_stories, -1 - turn)), warm_up, lambda _: None)
    figures = _timed(made, list(asked(plan, ready, n_stories, turn)), plan.new_tokens)
    figures |= {"load_s": load_s, "peak_bytes": peak_memory_bytes()}
    made.close()
    return figures


def _timed(made: Writer, stories: list[Asked], new_tokens: int) -> dict[str, Any]:
    first_text_s: dict[int, float] = {}

    def shown(place: int) -> None:
        first_text_s.setdefault(place, time.perf_counter() - began)

    began = time.perf_counter()
    lengths = made.write(stories, new_tokens, shown)
    seconds = time.perf_counter() - began
    if wrong := [length for length in lengths if length != new_tokens]:
        raise BenchError(f"{len(wrong)} stories have {wrong[0]} tokens instead of {new_tokens}")
    return {
        "seconds": seconds,
        "tokens": sum(lengths),
        "first_text_s": [first_text_s.get(place, seconds) for place in range(len(stories))],
    }


def asked(plan: Plan, ready: Ready, n_stories: int, turn: int) -> Iterator[Asked]:
    """The stories of a turn. Turns go on where the last one ended; -1, -2 ... begin at the end."""
    for number in range(n_stories):
        place = (turn * n_stories + number) % len(plan.prompts)
        ids = [] if ready.prompt_ids is None else ready.prompt_ids[place]
        yield Asked(plan.prompts[place], ids, seed=(turn % 10_000) * 1000 + number)


def main(request: Path, result: Path) -> None:
    """Do what `request` says; write figures, or "failed" and why, to `result`."""
    told = json.loads(request.read_text(encoding="utf-8"))
    name, plan = told["writer"], Plan(**told["plan"])
    try:
        if told["ready"] is None:
            answer = prepare(name, plan)
        else:
            ready = Ready(**told["ready"])
            answer = measure(name, plan, ready, told["n_stories"], told["turn"])
    except Exception as error:  # each library has its own; one line of it is for the table
        answer = {"failed": _reason(error, name)}
    result.write_text(json.dumps(answer), encoding="utf-8")


def _reason(error: Exception, name: str) -> str:
    if isinstance(error, BenchError | EngineError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed: pip install {writer(name).install}"
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
