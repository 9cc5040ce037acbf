"""The picture of a community's figures: a whole PNG that shows what there is."""

from __future__ import annotations

import io
import warnings
from datetime import date, timedelta

from matplotlib.image import imread

from bot.domain import DayStats, GenreStats, Stats
from bot.picture import DOWN, STORIES, UP, draw_stats

DAYS = tuple(DayStats(date(2026, 11, 1) + timedelta(n), n % 3, n) for n in range(30))
IDLE = tuple(DayStats(date(2026, 11, 1) + timedelta(n), 0, 0) for n in range(30))


def pixels(stats: Stats, colour: str) -> int:
    """How many pixels of the picture have this colour."""
    picture = draw_stats(stats, {"horror": "Horror"})
    assert picture.startswith(b"\x89PNG")
    image = imread(io.BytesIO(picture))
    assert image.shape[:2] == (440, 990)
    wanted = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    return int((abs(image[:, :, :3] - wanted) < 0.01).all(axis=2).sum())


def test_bars_are_as_long_as_there_are_votes() -> None:
    few = Stats((GenreStats("horror", 3, 9, 1),), IDLE)
    many = Stats((GenreStats("horror", 3, 9, 9),), IDLE)
    assert pixels(many, DOWN) > 3 * pixels(few, DOWN) > 0
    assert pixels(few, UP) > 3 * pixels(few, DOWN)


def test_without_votes_there_are_lines_only() -> None:
    quiet = Stats((GenreStats("horror", 3, 0, 0),), DAYS)
    assert 0 < pixels(quiet, DOWN) < 500  # in the legend
    assert pixels(quiet, STORIES) > 100


def test_letters_that_the_font_lacks_do_no_harm() -> None:
    genres = tuple(GenreStats(f"恐怖{n}", 1, 1, 1) for n in range(30))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pixels(Stats(genres, DAYS), UP) > 0
