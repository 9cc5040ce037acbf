"""Results of `bench serve` as a person reads them: tables in Markdown, and a chart."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.serve import Results
from bench.writers import ENGINE, writer

_COLOURS = ("#b3401f", "#6a6a6a", "#9ab3d5", "#4f7d5c", "#c9a14a", "#7a5c99", "#d8d4cc")


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread | None:
        return cls(statistics.median(values), min(values), max(values)) if values else None


def speed(results: Results, name: str, n_stories: int) -> Spread | None:
    """Tokens a second of all stories together; None where nothing was measured."""
    samples = _samples(results, name, n_stories)
    return Spread.of([sample["tokens"] / sample["seconds"] for sample in samples])


def markdown(results: Results) -> str:
    """All tables, with what they were taken on."""
    plan, rounds = results.settings.plan, results.settings.rounds
    machine = results.machine
    parts = [
        f"`{plan.model}`, {plan.new_tokens} new tokens a story, medians of {rounds} interleaved "
        "rounds (lowest–highest). Tokens/s of all stories together:",
        _table(results, "stories at once", _speed_cell),
        "Ours against each, by the medians of this run:",
        _table(results, "cliffhanger ÷", _ratio_cell, without_engine=True),
        "Seconds until a story shows its first text: median / worst of all stories:",
        _table(results, "first text", _first_text_cell),
        "Peak resident memory of the process, in MB:",
        _table(results, "peak RSS", _memory_cell),
        _loading(results),
        _notes(results),
        f"{machine['cpu']}, threads: {machine['threads']}, {machine['memory_gib']} GiB; Python "
        f"{machine['python']}; load before: {machine['load_before']}; "
        + ", ".join(f"{name} {number}" for name, number in results.record()["versions"].items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def chart(results: Results, target: Path) -> None:
    """Draw tokens/s at each number of stories as bars with their range into a PNG.

    What writes one by one is a line: its total does not change.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    levels = sorted(results.settings.concurrency)
    single = [name for name in results.about if writer(name).one_by_one]
    together = [name for name in results.about if name not in single]
    width = 0.8 / max(1, len(together))
    for number, name in enumerate(together):
        bars = [(place, speed(results, name, n)) for place, n in enumerate(levels)]
        drawn = [(place, spread) for place, spread in bars if spread]
        places = [place + (number - (len(together) - 1) / 2) * width for place, _ in drawn]
        below = [spread.median - spread.low for _, spread in drawn]
        above = [spread.high - spread.median for _, spread in drawn]
        heights = [spread.median for _, spread in drawn]
        colour = _COLOURS[results.settings.writers.index(name) % len(_COLOURS)]
        panel.bar(
            places, heights, width * 0.92, yerr=(below, above), capsize=2, color=colour,
            label=_name(results, name),
        )  # fmt: skip
    for name in single:
        if spread := speed(results, name, 1):
            panel.axhline(spread.median, color="#222222", ls="--", lw=1, label=_name(results, name))
    panel.set_xticks(range(len(levels)), [str(level) for level in levels])
    panel.set_xlabel("stories at once")
    panel.set_ylabel("tokens/s in total")
    panel.legend(frameon=False, fontsize="small")
    panel.grid(axis="y", alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
    partial = target.with_name(f".{target.name}")
    figure.savefig(partial, dpi=130, format="png")
    partial.replace(target)


def _samples(results: Results, name: str, n_stories: int) -> list[dict[str, Any]]:
    asked = (name, n_stories)
    found = [s for s in results.samples if (s["writer"], s["n_stories"]) == asked]
    return [] if any("failed" in sample for sample in found) else found


def _name(results: Results, name: str) -> str:
    about = results.about.get(name)
    return f"{writer(name).title} ({about})" if about else writer(name).title


def _table(
    results: Results,
    heading: str,
    cell: Callable[[Results, str, int], str | None],
    *,
    without_engine: bool = False,
) -> str:
    levels = sorted({sample["n_stories"] for sample in results.samples})
    lines = [
        f"| {heading} | " + " | ".join(map(str, levels)) + " |",
        "|---|" + "--:|" * len(levels),
    ]
    for name in results.settings.writers:
        if name == ENGINE and without_engine:
            continue
        cells = [cell(results, name, level) or "" for level in levels]
        if any(cells):
            lines.append(f"| {_name(results, name)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _level(name: str, n_stories: int) -> int:
    """Where a writer was measured; one by one, any number of stories is one story again."""
    return 1 if writer(name).one_by_one else n_stories


def _speed_cell(results: Results, name: str, n_stories: int) -> str | None:
    spread = speed(results, name, n_stories)
    return f"{spread.median:.0f} ({spread.low:.0f}–{spread.high:.0f})" if spread else None


def _ratio_cell(results: Results, name: str, n_stories: int) -> str | None:
    ours = speed(results, ENGINE, n_stories)
    theirs = speed(results, name, _level(name, n_stories))
    return f"{ours.median / theirs.median:.2f}×" if ours and theirs else None


def _first_text_cell(results: Results, name: str, n_stories: int) -> str | None:
    waits = [wait for s in _samples(results, name, n_stories) for wait in s["first_text_s"]]
    return f"{statistics.median(waits):.2f} / {max(waits):.2f}" if waits else None


def _memory_cell(results: Results, name: str, n_stories: int) -> str | None:
    peaks = [sample["peak_bytes"] for sample in _samples(results, name, n_stories)]
    return f"{max(peaks) / 1e6:.0f}" if peaks else None


def _loading(results: Results) -> str:
    told = []
    for name in results.about:
        loads = [s["load_s"] for s in results.samples if s["writer"] == name and "load_s" in s]
        if spread := Spread.of(loads):
            told.append(f"{writer(name).title} {spread.median:.1f} s")
    return f"To load, imports included (median): {', '.join(told)}." if told else ""


def _notes(results: Results) -> str:
    lines = [
        f"- {writer(name).title}: {writer(name).notes}."
        for name in results.about
        if writer(name).notes
    ]
    lines += [f"- {writer(name).title}: {why}" for name, why in results.failed.items()]
    lines += [
        f"- {writer(sample['writer']).title}, {sample['n_stories']} at once: {sample['failed']}"
        for sample in results.samples
        if "failed" in sample
    ]
    return "\n".join(lines)
