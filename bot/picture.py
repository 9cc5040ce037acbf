"""A community's figures as a picture: votes by genre, stories and votes by day.

Drawing takes most of a second: call it on a thread. The words on it are English, since the font
that comes with matplotlib has no others' letters.
"""

from __future__ import annotations

import io
import threading
import warnings
from typing import TYPE_CHECKING, Any

from bot.domain import Stats
from bot.texts import say

if TYPE_CHECKING:
    from collections.abc import Mapping

UP, DOWN, STORIES = "#0072b2", "#d55e00", "#009e73"
"""Told apart by the colour-blind too (Okabe and Ito, "Color Universal Design", 2008)."""
INCHES, DPI = (9.0, 4.0), 110
_one_at_a_time = threading.Lock()  # matplotlib is not made for threads


def draw_stats(stats: Stats, labels: Mapping[str, str]) -> bytes:
    """A PNG of 990 × 440 pixels. `labels`: what to call each genre."""
    from matplotlib.figure import Figure

    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a genre in letters that the font has not
        figure = Figure(figsize=INCHES, dpi=DPI, layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_genres(left, stats, labels)
        _draw_days(right, stats)
        picture = io.BytesIO()
        figure.savefig(picture, format="png")
    return picture.getvalue()


def _draw_genres(axes: Any, stats: Stats, labels: Mapping[str, str]) -> None:
    names = [labels.get(one.genre, one.genre)[:24] for one in stats.genres]
    ups, downs = [one.ups for one in stats.genres], [-one.downs for one in stats.genres]
    axes.barh(range(len(names)), ups, color=UP, label=say("stats-up"))
    axes.barh(range(len(names)), downs, color=DOWN, label=say("stats-down"))
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_title(say("stats-by-genre"))
    axes.legend()


def _draw_days(axes: Any, stats: Stats) -> None:
    import matplotlib.dates

    dates: Any = matplotlib.dates  # untyped
    days = [one.day for one in stats.days]
    axes.plot(days, [one.stories for one in stats.days], color=STORIES, label=say("stats-stories"))
    axes.plot(days, [one.votes for one in stats.days], color=UP, label=say("stats-votes"))
    locator = dates.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    axes.set_ylim(bottom=0)
    axes.set_title(say("stats-by-day"))
    axes.legend()
