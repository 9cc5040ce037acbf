"""What a prepared folder says of itself: `manifest.json` for programs, `report.md` for people."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from train.selection import Selection
from train.split import Story

if TYPE_CHECKING:
    from train.prepare import Options

_LABELS_IN_REPORT = 40


@dataclass(frozen=True, slots=True)
class GenreCounts:
    """Stories and words of one genre on each side of the balance."""

    train_before: int
    train_after: int
    """Lines in train.txt."""
    times: int
    """How often each of its stories is shown that comes from no lead paragraph."""
    eval: int
    words_before: int
    words_after: int
    words_eval: int


def genre_counts(
    name: str, train: Iterable[Story], shown: Iterable[Story], evaluate: Iterable[Story], times: int
) -> GenreCounts:
    """Counts one genre: the `train` stories, those `shown` after the cap, and `evaluate`."""

    def words(stories: Iterable[Story]) -> list[int]:
        return [len(story.text.split()) for story in stories if story.genre == name]

    before, held_out = words(train), words(evaluate)
    after = words(story for story in shown for _ in range(1 if story.lead else times))
    return GenreCounts(
        train_before=len(before),
        train_after=len(after),
        times=times,
        eval=len(held_out),
        words_before=sum(before),
        words_after=sum(after),
        words_eval=sum(held_out),
    )


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is said of a prepared folder. No dates and no paths: it is the same each time."""

    options: Options
    selection: Selection
    genres: Mapping[str, GenreCounts]
    files: Mapping[str, str]
    """SHA-256 of the two texts, by name."""
    genre_file: str | None
    """SHA-256 of the operator's genre file."""

    def to_json(self) -> str:
        content = {
            "version": version("cliffhanger"),
            "options": dataclasses.asdict(self.options),
            "genre_file_sha256": self.genre_file,
            "sources": [
                {
                    "name": count.source.name,
                    "format": count.source.format.name,
                    "licence": count.source.format.licence,
                    "sha256": count.source.sha256,
                    "rows": count.rows,
                    "kept": count.kept,
                    "dropped": dict(sorted(count.dropped.items())),
                }
                for count in self.selection.counts
            ],
            "genres": {name: dataclasses.asdict(counts) for name, counts in self.genres.items()},
            "labels_without_genre": dict(self.labels()),
            "files": {name: {"sha256": digest} for name, digest in self.files.items()},
        }
        return json.dumps(content, ensure_ascii=False, indent=2) + "\n"

    def labels(self) -> list[tuple[str, int]]:
        """The labels that named no genre, the commonest first."""
        return sorted(self.selection.unknown_labels.items(), key=lambda pair: (-pair[1], pair[0]))

    def source_rows(self) -> list[Sequence[str]]:
        """A table of the sources, as text."""
        return [
            (
                count.source.name,
                count.source.format.name,
                str(count.rows),
                str(count.kept),
                ", ".join(f"{n} {why}" for why, n in sorted(count.dropped.items())) or "none",
            )
            for count in self.selection.counts
        ]

    def genre_rows(self) -> list[Sequence[str]]:
        """A table of the genres, as text, with the total last."""
        columns = zip(*map(dataclasses.astuple, self.genres.values()), strict=True)
        total = GenreCounts(*map(sum, columns))
        return [
            (
                name,
                f"{c.train_before} ({c.words_before} words)",
                "" if name == "all" else f"{c.times} x",
                f"{c.train_after} ({c.words_after} words)",
                f"{c.eval} ({c.words_eval} words)",
            )
            for name, c in (*self.genres.items(), ("all", total))
        ]


SOURCE_COLUMNS = ("file", "format", "rows", "kept", "dropped")
GENRE_COLUMNS = ("genre", "train before", "shown", "train after", "eval")


def report_page(manifest: Manifest) -> str:
    """The manifest as a Markdown page."""
    licences = {c.source.format.name: c.source.format.licence for c in manifest.selection.counts}
    labels = [f"{label} {count}" for label, count in manifest.labels()]
    more = len(labels) - _LABELS_IN_REPORT
    options = dataclasses.asdict(manifest.options)
    return "\n".join(
        (
            "# Prepared stories",
            "",
            *_markdown(GENRE_COLUMNS, manifest.genre_rows()),
            "",
            "Of several genres the rarer wins; a story is split, and kept once, by its film; the "
            "commonest genre is cut to its largest share, the others are repeated, except for what "
            "comes from lead paragraphs.",
            "",
            "## Sources",
            "",
            *_markdown(SOURCE_COLUMNS, manifest.source_rows()),
            "",
            *(f"- {name}: {licence}" for name, licence in licences.items()),
            "",
            "## Labels without a genre in the table",
            "",
            (", ".join(labels[:_LABELS_IN_REPORT]) or "none")
            + (f", and {more} more in manifest.json" if more > 0 else ""),
            "",
            "## Options",
            "",
            ", ".join(f"{name} {value}" for name, value in options.items()),
            "",
        )
    )


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
