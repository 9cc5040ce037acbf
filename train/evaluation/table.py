"""An evaluation as tables: rows of figures as text, the same on the console and on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from train.evaluation.adherence import Adherence
from train.evaluation.control import Control
from train.evaluation.figures import Column, Ending
from train.evaluation.likelihood import Likelihood
from train.evaluation.repetition import Repetition

NOTHING = "–"
_LOWER, _HIGHER, _AS_REAL = "lower", "higher", "as real"
_BETTER = {
    "bits per byte": _LOWER,
    "bits per byte against the first": _LOWER,
    "perplexity": _LOWER,
    "nats of the end token": _LOWER,
    "genre control": _HIGHER,
    "share of the ceiling": _HIGHER,
    "genre control, genre alone": _HIGHER,
    "genre control, with a prompt": _HIGHER,
    "genre control, shuffled": "",
    "genre told by prompts alone": "",
    "own prompt nearer": _HIGHER,
    "names kept": _HIGHER,
    "stories with a loop": _LOWER,
    "rep-1": _AS_REAL,
    "rep-2": _AS_REAL,
    "rep-3": _AS_REAL,
    "rep-4": _AS_REAL,
    "distinct-1": _AS_REAL,
    "distinct-2": _AS_REAL,
    "distinct-3": _AS_REAL,
    "distinct-4": _AS_REAL,
    "ends by itself": _HIGHER,
    "empty stories": _LOWER,
    "tokens, mean": "",
    "words, median": "",
    "control tokens shown": _LOWER,
    "control tokens before cleaning": _LOWER,
}
"""Every figure in the table's order, and which way it is better."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of all columns."""

    figure: str
    better: str
    """"lower", "higher", "as real", or "" for what only helps to read the others."""
    values: list[str]
    """One for each column, in their order."""


def summary_rows(columns: Sequence[Column]) -> list[Row]:
    """All figures over all genres; one that no column has is left out."""
    first = next((c.likelihood["all"] for c in columns if c.likelihood), None)
    ceiling = next((c.control["all"] for c in columns if not c.model and c.control), None)
    cells = [_cells(column, first, ceiling) for column in columns]
    return [
        Row(figure, better, [cell.get(figure, NOTHING) for cell in cells])
        for figure, better in _BETTER.items()
        if any(figure in cell for cell in cells)
    ]


def rows_by_genre(columns: Sequence[Column]) -> list[Row]:
    """Bits per byte and genre control of each genre."""
    rows = []
    genres = dict.fromkeys(g for c in columns for g in (*c.likelihood, *_recall(c)) if g != "all")
    for genre in genres:
        bits = [
            c.likelihood[genre].bits_per_byte if genre in c.likelihood else None for c in columns
        ]
        if any(value is not None for value in bits):
            values = [NOTHING if value is None else f"{value:.3f}" for value in bits]
            rows.append(Row(f"bits per byte, {genre}", _LOWER, values))
    for genre in genres:
        found = [_recall(column).get(genre) for column in columns]
        if any(value is not None for value in found):
            values = [NOTHING if value is None else f"{value:.0%}" for value in found]
            rows.append(Row(f"genre control, {genre}", _HIGHER, values))
    return rows


def markdown_table(names: Iterable[str], rows: Iterable[Row]) -> str:
    """Rows under the columns' names."""
    lines = [["", "better", *names], ["---", "---", *("---:" for _ in names)]]
    lines.extend([row.figure, row.better, *row.values] for row in rows)
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _recall(column: Column) -> dict[str, float]:
    return column.control["all"].by_genre if "all" in column.control else {}


def _cells(column: Column, first: Likelihood | None, ceiling: Control | None) -> dict[str, str]:
    cells: dict[str, str] = {}
    if column.likelihood and first:
        cells |= _likelihood(column.likelihood["all"], first)
    cells |= _control(column, ceiling)
    if column.adherence:
        cells |= _adherence(column.adherence)
    if column.repetition:
        cells |= _repetition(column.repetition)
    if column.ending:
        cells |= _ending(column.ending, of_model=column.model is not None)
    return cells


def _likelihood(likelihood: Likelihood, first: Likelihood) -> dict[str, str]:
    change = likelihood.bits_per_byte / first.bits_per_byte - 1
    cells = {
        "bits per byte": f"{likelihood.bits_per_byte:.3f}",
        "bits per byte against the first": f"{change:+.1%}",
        "perplexity": f"{likelihood.perplexity:.2f}",
    }
    if likelihood.end_nats is not None:
        cells["nats of the end token"] = f"{likelihood.end_nats:.2f}"
    return cells


def _control(column: Column, ceiling: Control | None) -> dict[str, str]:
    names = {
        "all": "genre control",
        "genre_alone": "genre control, genre alone",
        "prompted": "genre control, with a prompt",
        "prompt_alone": "genre told by prompts alone",
    }
    cells = {
        names[part]: f"{one.balanced_accuracy:.1%} ± {one.standard_error:.1%}"
        for part, one in column.control.items()
    }
    if column.control_floor is not None:
        cells["genre control, shuffled"] = f"{column.control_floor:.1%}"
    if ceiling and "all" in column.control:
        share = column.control["all"].balanced_accuracy / ceiling.balanced_accuracy
        cells["share of the ceiling"] = f"{share:.0%}"
    return cells


def _adherence(adherence: Adherence) -> dict[str, str]:
    figures = {
        "own prompt nearer": adherence.own_prompt_nearer,
        "names kept": adherence.names_kept,
    }
    return {name: f"{value:.1%}" for name, value in figures.items() if value is not None}


def _repetition(repetition: Repetition) -> dict[str, str]:
    return {
        "stories with a loop": f"{repetition.loops:.1%}",
        **{f"rep-{n}": f"{value:.1%}" for n, value in repetition.rep.items()},
        **{f"distinct-{n}": f"{value:.1%}" for n, value in repetition.distinct.items()},
    }


def _ending(ending: Ending, *, of_model: bool) -> dict[str, str]:
    cells = {
        "ends by itself": f"{ending.ends:.1%}",
        "tokens, mean": f"{ending.mean_tokens:.0f}",
        "words, median": f"{ending.median_words:.0f}",
    }
    if of_model:
        cells["empty stories"] = f"{ending.empty:.1%}"
        cells["control tokens shown"] = str(ending.stray_shown)
        cells["control tokens before cleaning"] = str(ending.stray_raw)
    return cells
