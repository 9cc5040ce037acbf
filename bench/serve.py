"""Our engine against its peers: many stories at once, in turns, each in a process of its own.

Every writer does the same stories at the same number at once before any does the next number, and
the order turns with the rounds, so that a busy minute does not fall on one of them alone. Knows no
library that writes; those are in `bench.writers`.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.machine import describe, versions
from bench.writers import ENGINE, writer
from bench.writers.base import SAMPLING, Plan

_TIMEOUT_S = 1800
"""A process that takes longer hangs; the slowest peer writes 32 x 128 tokens in five minutes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured."""

    plan: Plan
    peers: tuple[str, ...]
    concurrency: tuple[int, ...]
    """Stories at once."""
    rounds: int

    @property
    def writers(self) -> tuple[str, ...]:
        return (ENGINE, *self.peers)


@dataclass(slots=True)
class Results:
    """Everything that was measured; `record` is what the JSON holds."""

    settings: Settings
    about: dict[str, str] = field(default_factory=dict)
    """For each writer that can run: what it runs."""
    failed: dict[str, str] = field(default_factory=dict)
    """For each that cannot: why."""
    samples: list[dict[str, Any]] = field(default_factory=list)
    """Each with writer, n_stories and turn, and either figures or "failed"."""
    machine: dict[str, str | int | float] = field(default_factory=describe)

    def record(self) -> dict[str, Any]:
        used = [name for w in self.settings.writers for name in writer(w).distributions]
        settings = asdict(self.settings)
        settings["plan"]["prompts"] = len(self.settings.plan.prompts)
        return {
            "settings": settings,
            "sampling": asdict(SAMPLING),
            "machine": self.machine,
            "versions": versions(sorted(set(used))),
            "about": self.about,
            "failed": self.failed,
            "samples": self.samples,
        }


def run(settings: Settings, say: Callable[[str], None], keep: Callable[[Results], None]) -> Results:
    """Measure all of `settings`; `keep` is given the results each time there are more of them."""
    results = Results(settings)
    ready: dict[str, dict[str, Any]] = {}
    for name in settings.writers:
        say(f"making ready: {writer(name).title}")
        answer = in_a_process({"writer": name, "plan": asdict(settings.plan), "ready": None})
        if "failed" in answer:
            results.failed[name] = answer["failed"]
            say(f"  {answer['failed']}")
        else:
            ready[name], results.about[name] = answer, answer["about"]
    keep(results)
    for turn, n_stories, name in turns(settings, list(ready)):
        if _has_failed(results, name, n_stories):
            continue
        asked = {"writer": name, "n_stories": n_stories, "turn": turn}
        answer = in_a_process({**asked, "plan": asdict(settings.plan), "ready": ready[name]})
        results.samples.append(asked | answer)
        say(_line(settings, results.samples[-1]))
        keep(results)
    return results


def turns(settings: Settings, names: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """(round, stories at once, writer) in their order; each round begins with another writer.

    A writer that writes one by one is measured with one story alone.
    """
    single = [name for name in names if writer(name).one_by_one]
    levels = sorted({*settings.concurrency, 1} if single else set(settings.concurrency))
    for turn in range(settings.rounds):
        first = turn % len(names) if names else 0
        for n_stories in levels:
            for name in [*names[first:], *names[:first]]:
                if n_stories == 1 if name in single else n_stories in settings.concurrency:
                    yield turn, n_stories, name


def in_a_process(request: dict[str, Any]) -> dict[str, Any]:
    """The answer of `bench.measure`; or "failed" and why, whatever became of its process."""
    with tempfile.TemporaryDirectory(prefix="cliffhanger-bench-") as folder:
        asked, answer = Path(folder) / "request.json", Path(folder) / "result.json"
        asked.write_text(json.dumps(request), encoding="utf-8")
        command = [sys.executable, "-P", "-m", "bench.measure", str(asked), str(answer)]
        try:
            done = subprocess.run(  # noqa: S603 - our own module; nothing comes from outside
                command, capture_output=True, check=False, timeout=_TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"took longer than {_TIMEOUT_S // 60} minutes"}
        if not answer.is_file():
            return {"failed": _death(done)}
        told: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return told


def _death(done: subprocess.CompletedProcess[bytes]) -> str:
    code = done.returncode
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return f"its process {how}: {said[-1]}" if said else f"its process {how}"


def _has_failed(results: Results, name: str, n_stories: int) -> bool:
    return any(
        "failed" in sample
        for sample in results.samples
        if (sample["writer"], sample["n_stories"]) == (name, n_stories)
    )


def _line(settings: Settings, sample: dict[str, Any]) -> str:
    where = (
        f"round {sample['turn'] + 1} of {settings.rounds}, {sample['n_stories']:>2} at once, "
        f"{writer(sample['writer']).title}"
    )
    if "failed" in sample:
        return f"{where}: {sample['failed']}"
    return f"{where}: {sample['tokens'] / sample['seconds']:.0f} tokens/s"
