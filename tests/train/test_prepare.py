"""Raw files to a prepared folder, end to end."""

from __future__ import annotations

import json
import random
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from model.genres import load_genres
from train.commands.prepare import prepare as command
from train.errors import TrainError
from train.prepare import Options, prepare
from train.texts import read_stories

HERE = Path(__file__).parent / "data"
SHARED = Path("../shared/data")
HEADLINES = Options(min_words=4, eval_share=0.1)
NOUNS = ("lamp", "river", "clock", "harbour", "letter", "orchard", "tunnel", "mirror", "kettle")
VERBS = ("finds", "loses", "sells", "hides", "burns", "mends", "follows", "forgets", "paints")
RETOLD = (
    "a clerk who finds a lamp and must return it to the cold lake in the hills before the first "
    "snow of the year falls."
)
TOLD = f"The film follows {RETOLD}"
OTHER = (
    "It tells the story of a diver who hears a bell under the harbour each night and goes down to "
    "find out who is ringing it."
)
FILES = ("train.txt", "eval.txt", "manifest.json", "report.md")


def plot(number: int) -> str:
    """A text unlike those of other numbers."""
    draw = random.Random(number).choice
    steps = (f"she {draw(VERBS)} the {draw(NOUNS)} of a {draw(NOUNS)}" for _ in range(6))
    return f"In house {number} {', and '.join(steps)}."


def kaggle(folder: Path, genres: dict[str, int], name: str = "plots.csv") -> Path:
    rows = ["Release Year,Title,Origin/Ethnicity,Director,Cast,Genre,Wiki Page,Plot"]
    for genre, count in genres.items():
        for _ in range(count):
            number = len(rows)
            rows.append(f'19{number % 90 + 10},Film {number},x,x,,"{genre}",x,"{plot(number)}"')
    path = folder / name
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def lines(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text(encoding="utf-8").splitlines()


def test_an_own_task_end_to_end(tmp_path: Path) -> None:
    out = tmp_path / "out"
    genre_file = HERE / "headlines.yaml"
    warnings: list[str] = []
    manifest = prepare([HERE / "headlines.csv"], out, genre_file, HEADLINES, warn=warnings.append)
    table = load_genres(out / "genres.yaml")
    train = read_stories(out / "train.txt", table)
    held_out = read_stories(out / "eval.txt", table)
    assert Counter(s.genre for s in [*train, *held_out]) == {
        "weather": 20,
        "sport": 14,
        "town_hall": 17,
    }
    assert {s.genre for s in held_out} == {"weather", "sport", "town_hall"}
    assert {s.text for s in train}.isdisjoint(s.text for s in held_out)
    assert warnings == ["headlines.csv:56 has no text"]
    (counts,) = manifest.selection.counts
    assert counts.dropped == {
        "bad row: has no text": 1,
        "duplicate": 1,
        "no genre of the table": 1,
        "under 4 words": 1,
    }
    assert (out / "genres.yaml").read_bytes() == genre_file.read_bytes()


def test_the_manifest_and_the_report_say_what_is_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare([kaggle(tmp_path, {"drama": 60, "horror": 20, "western": 3})], out)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    (source,) = manifest["sources"]
    assert (source["rows"], source["kept"]) == (83, 80)
    assert source["dropped"] == {"no genre of the table": 3}
    assert source["licence"] == "CC BY-SA (Wikipedia)"
    assert manifest["labels_without_genre"] == {"western": 3}
    assert manifest["options"]["seed"] == 42
    genres = manifest["genres"]
    written = Counter(line.split()[1] for line in lines(out, "train.txt"))
    for name in ("drama", "horror"):
        assert written[f"<{name}>"] == genres[name]["train_after"]
    assert genres["horror"]["train_before"] + genres["horror"]["eval"] == 20
    assert sum(g["eval"] for g in genres.values()) == len(lines(out, "eval.txt"))
    assert str(tmp_path) not in (out / "manifest.json").read_text(encoding="utf-8")
    report = (out / "report.md").read_text(encoding="utf-8")
    assert "| plots.csv | Kaggle Wikipedia Movie Plots | 83 | 80 |" in report
    assert "western 3" in report


def test_the_same_input_gives_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    one = kaggle(tmp_path, {"drama": 40, "horror": 15}, "one.csv")
    two = HERE / "headlines.csv"
    seed = tmp_path / "seed.txt"
    seed.write_text(f"<BOS> <action> {plot(900)} <EOS>\n", encoding="utf-8")
    prepare([one, seed], tmp_path / "first")
    prepare([seed, one], tmp_path / "second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    prepare([one, seed], tmp_path / "third", options=Options(seed=7))
    assert contents(tmp_path / "third") != contents(tmp_path / "first")
    with pytest.raises(TrainError, match=r"No row gave a story: headlines\.csv"):
        prepare([two], tmp_path / "fourth")
    assert not (tmp_path / "fourth").exists()


def test_a_film_in_two_sources_is_one_story(tmp_path: Path) -> None:
    film = kaggle(tmp_path, {"drama": 30})
    lead = tmp_path / "leads.json"
    copies = [
        {"title": "film 1", "year": 1911, "cast": [], "genres": ["Drama"], "extract": TOLD},
        {"title": "Film 1", "year": 1999, "cast": [], "genres": ["Drama"], "extract": OTHER},
    ]
    lead.write_text(json.dumps(copies), encoding="utf-8")
    seed = tmp_path / "seed.txt"
    seed.write_text(f"<BOS> <thriller> {plot(2)} The end. <EOS>\n", encoding="utf-8")
    out = tmp_path / "out"
    manifest = prepare([film, lead, seed], out, options=Options(eval_share=0.3, titles=0))
    kept = {count.source.name: count.kept for count in manifest.selection.counts}
    assert kept == {"seed.txt": 1, "plots.csv": 29, "leads.json": 1}
    everything = lines(out, "train.txt") + lines(out, "eval.txt")
    assert len(set(everything)) == 31
    assert f"<BOS> <thriller> {plot(2)} The end. <EOS>" in everything


def test_rare_genres_are_repeated_and_the_flood_is_cut(tmp_path: Path) -> None:
    source = kaggle(tmp_path, {"drama": 200, "action": 60, "horror": 20})
    options = Options(eval_share=0, max_share=0.5, max_repeats=3, titles=0)
    prepare([source], tmp_path / "out", options=options)
    shown = Counter(lines(tmp_path / "out", "train.txt"))
    assert Counter(shown.values()) == {1: 140, 3: 20}
    assert lines(tmp_path / "out", "eval.txt") == []


def test_titled_stories_begin_as_a_members_would(tmp_path: Path) -> None:
    film = kaggle(tmp_path, {"horror": 5})
    lead = tmp_path / "leads.json"
    films = [{"title": "Salt", "year": 1960, "cast": [], "genres": ["Sci-fi"], "extract": TOLD}]
    lead.write_text(json.dumps(films), encoding="utf-8")
    prepare([film, lead], tmp_path / "out", options=Options(eval_share=0, titles=1, max_share=1))
    written = lines(tmp_path / "out", "train.txt")
    assert f'<BOS> <horror> "Film 1" is a horror film. {plot(1)} <EOS>' in written
    assert f'<BOS> <sci_fi> "Salt" is a science fiction film about {RETOLD} <EOS>' in written
    prepare([film, lead], tmp_path / "out", options=Options(titles=0))
    assert not any('"' in line for line in lines(tmp_path / "out", "train.txt"))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Writing more than `size` bytes to a file fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_earlier_result(tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare([kaggle(tmp_path, {"drama": 30}, "few.csv")], out)
    before = contents(out)
    many = kaggle(tmp_path, {"drama": 300}, "many.csv")
    with files_of_at_most(20_000), pytest.raises(TrainError, match="cannot be written"):
        prepare([many], out)
    assert contents(out) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few.csv", "many.csv", "out"]


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "novel.txt").write_text("mine")
    source = kaggle(tmp_path, {"drama": 5})
    with pytest.raises(TrainError, match="holds other files"):
        prepare([source], out)
    with pytest.raises(TrainError, match="is a file"):
        prepare([source], out / "novel.txt")
    assert contents(out) == {"novel.txt": b"mine"}


def test_a_wrong_genre_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"headlines\.csv"):
        prepare([HERE / "headlines.csv"], tmp_path / "out", HERE / "headlines.csv")


def test_the_command_shows_tables_and_the_first_bad_rows(tmp_path: Path) -> None:
    source = kaggle(tmp_path, {"drama": 30, "horror": 6})
    with source.open("a", encoding="utf-8") as file:
        file.write(",,,,,,,\n" * 25)
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, [str(source), "--output-dir", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "skipped plots.csv:38 the row is empty" in result.output
    assert "skipped 5 more rows" in result.output
    assert "horror" in result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")
def test_the_real_seed_text_keeps_its_stories(tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = Options(max_share=1, max_repeats=1)
    manifest = prepare([SHARED / "genre_plots.txt"], out, options=options)
    (counts,) = manifest.selection.counts
    assert counts.kept >= 825
    texts = lines(out, "train.txt") + lines(out, "eval.txt")
    assert len(texts) == counts.kept
    assert sum("[1]" in text or "�" in text for text in texts) == 0
