"""Raw files to a folder that `finetune` and `evaluate` read. Knows no model and no tokenizer.

The steps: read, map genres, clean, keep one text a film, split by film, balance the train side,
write. The same files and options give the same bytes, whatever the order of the files.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.genres import GenreTable
from model.prompt import opening, training_text
from train.errors import TrainError
from train.manifest import Manifest, genre_counts, report_page, sha256
from train.readers import read_source
from train.selection import SourceCounts, Track, Warn, select
from train.split import Story, capped, chance, repeats, split
from train.texts import genre_table

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator may choose; shares go from 0 to 1."""

    eval_share: float = 0.05
    """Of the films, that evaluate."""
    max_share: float = 0.4
    """Of the train stories, before repeats, in the commonest genre."""
    max_repeats: int = 4
    """Times a story of a rare genre is shown; one from a lead paragraph is shown once."""
    titles: float = 0.2
    """Of the train stories whose title is known, that begin with it as a member's would."""
    min_words: int = 20
    seed: int = 42


def prepare(
    files: Sequence[Path],
    output_dir: Path,
    genres: Path | None = None,
    options: Options | None = None,
    *,
    track: Track = lambda rows, _: rows,
    warn: Warn = lambda _: None,
) -> Manifest:
    """Writes `output_dir` anew from `files` and gives its manifest.

    Raises TrainError where a file is no collection of stories, none gave a story, or the folder
    cannot be written; then `output_dir` is as it was.
    """
    options = options or Options()
    table = genre_table(genres)
    _check_target(output_dir)
    sources = sorted(
        (read_source(path, table) for path in files),
        key=lambda source: (source.format.rank, source.name, source.sha256),
    )
    selection = select(sources, table, options.min_words, track=track, warn=warn)
    stories = selection.stories
    if not stories:
        raise TrainError(f"No row gave a story: {_reasons(selection.counts)}")
    train, evaluate = split(stories, options.eval_share, options.seed)
    shown = capped(train, options.max_share, options.seed)
    times = repeats(shown, options.max_repeats)
    texts = {
        "train.txt": _train_text(shown, times, table, options),
        "eval.txt": _eval_text(evaluate, table, options.seed),
    }
    manifest = Manifest(
        options=options,
        selection=selection,
        genres={
            name: genre_counts(name, train, shown, evaluate, times.get(name, 0))
            for name in table.names
        },
        files={name: sha256(text.encode()) for name, text in texts.items()},
        genre_file=sha256(genres.read_bytes()) if genres else None,
    )
    texts |= {MANIFEST: manifest.to_json(), "report.md": report_page(manifest)}
    if genres:
        texts["genres.yaml"] = genres.read_text(encoding="utf-8")
    _write(output_dir, texts)
    return manifest


def _train_text(
    stories: Sequence[Story], times: Mapping[str, int], table: GenreTable, options: Options
) -> str:
    """The train stories in an order that mixes genres and copies, each as often as its genre is
    shown."""
    placed = [
        (chance(options.seed, "order", copy, story.text), _titled(story, copy, table, options))
        for story in stories
        for copy in range(1 if story.lead else times[story.genre])
    ]
    return "".join(f"{line}\n" for _, line in sorted(placed))


def _eval_text(stories: Sequence[Story], table: GenreTable, seed: int) -> str:
    placed = sorted((chance(seed, "order", story.text), story) for story in stories)
    return "".join(f"{training_text(s.genre, s.text, table=table)}\n" for _, s in placed)


def _titled(story: Story, copy: int, table: GenreTable, options: Options) -> str:
    """A story's line, beginning for the share `titles` of them as a story that was asked for by
    its title does."""
    text = story.text
    if story.title and chance(options.seed, "title", copy, story.text) < options.titles:
        if story.about:
            text = f"{opening(story.genre, story.title, None, table=table)} {story.about}"
        else:
            text = opening(story.genre, story.title, text, table=table)
    return training_text(story.genre, text, table=table)


def _reasons(counts: Sequence[SourceCounts]) -> str:
    return "; ".join(
        f"{count.source.name}: "
        + ", ".join(f"{number} x {reason}" for reason, number in count.dropped.most_common())
        for count in counts
    )


# --- The folder -----------------------------------------------------------------------------------


def _check_target(folder: Path) -> None:
    """Stops before the work where `folder` holds what is not ours to replace."""
    if folder.exists() and not folder.is_dir():
        raise TrainError(f"{folder} is a file; name a folder for the prepared stories")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise TrainError(
            f"{folder} holds other files and no {MANIFEST}; name a new folder, or an earlier result"
        )


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """The files of `folder`, all or none: written beside it, then put in its place."""
    temporary: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        new, old = temporary / "new", temporary / "old"
        new.mkdir()
        for name, text in texts.items():
            with (new / name).open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    except OSError as error:
        raise TrainError(
            f"{folder} cannot be written: {error.strerror or error}; nothing changed"
        ) from error
    finally:
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)
