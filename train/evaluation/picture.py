"""An evaluation as one picture: a bar for each column, grouped by what is measured."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from train.evaluation.figures import Column

_REAL_COLOUR = "0.7"
_LONGEST_NAME = 40


def draw(columns: Sequence[Column]) -> bytes:
    """A PNG of bits per byte by genre and, where stories were written, of what they are like."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    panels = [
        ("bits per byte (lower is better)", "%.2f", [_bits(column) for column in columns]),
        ("genre control: % of stories the judge gives the genre asked for", "%.0f",
         [_found(column) for column in columns]),
        ("% of stories", "%.0f", [_shares(column) for column in columns]),
    ]  # fmt: skip
    shown = [panel for panel in panels if any(panel[2])]
    figure = Figure(figsize=(11, 0.6 + 3.4 * len(shown)), layout="constrained")
    for place, (title, form, groups) in zip(
        figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True
    ):
        _bars(place, columns, groups, form)
        place.set_title(title, loc="left", fontsize="medium")
    patches = [Patch(color=colour, label=name) for name, colour in _legend(columns)]
    figure.legend(handles=patches, loc="outside upper center", ncols=4)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def _bars(
    place: Any, columns: Sequence[Column], groups: Sequence[dict[str, float]], form: str
) -> None:
    labels = list(dict.fromkeys(label for values in groups for label in values))
    shown = [index for index, values in enumerate(groups) if values]
    width = 0.84 / len(shown)
    colours = [colour for _, colour in _legend(columns)]
    for order, index in enumerate(shown):
        values = groups[index]
        at = [labels.index(label) + (order - (len(shown) - 1) / 2) * width for label in values]
        bars = place.bar(
            at,
            list(values.values()),
            width * 0.94,
            color=colours[index],
        )
        place.bar_label(bars, fmt=form, fontsize="x-small", padding=1)
    place.set_xticks(range(len(labels)), labels)
    place.margins(y=0.12)
    place.spines[["top", "right"]].set_visible(False)


def _legend(columns: Sequence[Column]) -> list[tuple[str, str]]:
    """Name and colour of each column."""
    return [
        (column.name[-_LONGEST_NAME:], f"C{index - 1}" if column.model else _REAL_COLOUR)
        for index, column in enumerate(columns)
    ]


def _bits(column: Column) -> dict[str, float]:
    return {name: one.bits_per_byte for name, one in column.likelihood.items()}


def _found(column: Column) -> dict[str, float]:
    if "all" not in column.control:
        return {}
    control = column.control["all"]
    shares = {"all": control.balanced_accuracy, **control.by_genre}
    return {name: 100 * share for name, share in shares.items()}


def _shares(column: Column) -> dict[str, float]:
    shares: dict[str, float | None] = {}
    if column.ending:
        shares["ends by itself"] = column.ending.ends
    if column.repetition:
        shares["with a loop"] = column.repetition.loops
    if column.adherence:
        shares["own prompt nearer"] = column.adherence.own_prompt_nearer
        shares["names kept"] = column.adherence.names_kept
    return {name: 100 * share for name, share in shares.items() if share is not None}
