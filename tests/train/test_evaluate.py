"""The whole command on small real models."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from fakes.training_run import edit_json
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer
from typer.testing import CliRunner, Result

from model.checkpoint import adapter_hash
from model.genres import DEFAULT_GENRES
from model.prompt import training_text
from train.commands.evaluate import evaluate as command
from train.errors import TrainError

pytestmark = pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"  # asked for by peft
)
WORDS = ["night", "letter", "robot", "bridge", "hero", "knife", "Mara", "Tomas", "the", "of", "."]


def write_plots(path: Path, n: int, *, genres: tuple[str, ...] = DEFAULT_GENRES.names) -> Path:
    """`n` plots of each genre, in which it is said which it is."""
    dice = random.Random(path.name)
    lines = [
        training_text(genre, " ".join([f"A {genre}", *dice.choices([*WORDS, genre], k=20)]))
        for genre in genres
        for _ in range(n)
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_plots(folder / "train.txt", 12)
    return write_plots(folder / "eval.txt", 3)


def run(*arguments: object, ok: bool = True) -> Result:
    app = typer.Typer()
    app.command()(command)
    small = ["--stories", 2, "--max-new-tokens", 20]
    given = [str(argument) for argument in (*small, *arguments)]
    result = CliRunner().invoke(app, given, env={"COLUMNS": "200"})
    if ok:
        assert result.exit_code == 0, result.output
    return result


Evaluate = Callable[..., Result]


@pytest.fixture
def evaluate(tmp_path: Path, prepared: Path) -> Evaluate:
    def evaluate(*arguments: object, eval_data_file: Path = prepared, ok: bool = True) -> Result:
        options = ["--eval-data-file", eval_data_file, "--output-dir", tmp_path / "out"]
        return run(*options, *arguments, ok=ok)

    return evaluate


@pytest.fixture(scope="module")
def both(
    folders: dict[str, Path], prepared: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """Two models side by side: what was printed, and the folder."""
    out = tmp_path_factory.mktemp("both") / "out"
    models = (folders["base"], folders["tuned"])
    return run(*models, "--eval-data-file", prepared, "--output-dir", out).output, out


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return found


def refused(result: Result) -> str:
    assert isinstance(result.exception, TrainError)
    text = str(result.exception)
    assert "\n" not in text
    return text


def test_two_models_side_by_side(folders: dict[str, Path], both: tuple[str, Path]) -> None:
    printed, out = both
    assert sorted(path.name for path in out.iterdir()) == [
        "evaluation.json", "evaluation.md", "evaluation.png", "stories.jsonl",
    ]  # fmt: skip
    assert (out / "evaluation.png").read_bytes().startswith(b"\x89PNG")
    record = read(out)
    real, base, tuned = record["columns"]
    assert [real["name"], base["name"], tuned["name"]] == [
        "real plots", str(folders["base"]), str(folders["tuned"]),
    ]  # fmt: skip
    assert base["model"]["adapter_hash"] is None
    assert tuned["model"]["adapter_hash"] == adapter_hash(folders["tuned"])
    assert list(base["likelihood"]) == ["all", *DEFAULT_GENRES.names]
    assert base["likelihood"]["all"]["n_stories"] == 18
    assert base["likelihood"]["all"]["n_bytes"] == tuned["likelihood"]["all"]["n_bytes"]
    assert base["control"]["all"]["n_stories"] == 12
    assert base["control"]["prompted"]["n_stories"] == 6
    assert real["control"]["all"]["balanced_accuracy"] == 1
    assert base["ending"]["stray_shown"] == 0
    assert record["settings"]["sampling"]["max_new_tokens"] == 20
    assert record["sha256"].keys() == {"eval.txt", "train.txt"}
    figures = {row["figure"]: row["values"] for row in record["table"]}
    bits = [column["likelihood"]["all"]["bits_per_byte"] for column in (base, tuned)]
    assert figures["bits per byte"] == ["–", *(f"{value:.3f}" for value in bits)]
    assert figures["bits per byte against the first"] == [
        "–", "+0.0%", f"{bits[1] / bits[0] - 1:+.1%}",
    ]  # fmt: skip
    page = (out / "evaluation.md").read_text()
    for row in record["table"] + record["by_genre"]:
        assert " | ".join(row["values"]) in page
    for row in record["table"]:
        assert row["figure"] in printed
    assert "few held-out plots" in printed


def test_every_story_is_kept_whole_and_both_models_are_asked_the_same(
    folders: dict[str, Path], both: tuple[str, Path]
) -> None:
    lines = (both[1] / "stories.jsonl").read_text().splitlines()
    stories = [json.loads(line) for line in lines]
    asks = {
        name: [s["ask"] for s in stories if s["model"] == str(folders[name])] for name in folders
    }
    assert asks["base"] == asks["tuned"]
    assert [ask["genre"] for ask in asks["base"]] == [g for g in DEFAULT_GENRES.names for _ in "12"]
    assert {len(ask["prompt"]) > 0 for ask in asks["base"]} == {True, False}


def test_the_same_seed_gives_the_same_figures(
    evaluate: Evaluate, folders: dict[str, Path], tmp_path: Path
) -> None:
    def figures(seed: int) -> list[Any]:
        evaluate(folders["base"], "--seed", seed, "--overwrite")
        columns = read(tmp_path / "out")["columns"]
        return [column | {"seconds": None} for column in columns]

    first = figures(1)
    assert figures(1) == first
    assert figures(2) != first


def test_likelihood_alone_on_a_sample(
    evaluate: Evaluate, folders: dict[str, Path], tmp_path: Path
) -> None:
    evaluate(folders["base"], "--stories", 0, "--max-eval-samples", 5)
    record = read(tmp_path / "out")
    real, base = record["columns"]
    assert base["likelihood"]["all"]["n_stories"] == 5
    assert real["control"] == base["control"] == {}
    assert base["repetition"] is base["adherence"] is base["ending"] is None
    assert [row["figure"] for row in record["table"]] == [
        "bits per byte",
        "bits per byte against the first",
        "perplexity",
        "nats of the end token",
    ]
    assert (tmp_path / "out" / "stories.jsonl").read_text() == ""


def test_without_train_plots_control_is_left_out_and_it_is_said(
    evaluate: Evaluate, folders: dict[str, Path], tmp_path: Path
) -> None:
    lonely = write_plots(tmp_path / "data" / "eval.txt", 2)
    result = evaluate(folders["base"], eval_data_file=lonely)
    record = read(tmp_path / "out")
    assert all(column["control"] == {} for column in record["columns"])
    (note,) = record["notes"]
    assert note.startswith("genre control: the judge needs two genres with 10 train plots each")
    assert note in result.output.replace("\n", " ")


def test_own_genres_beside_the_data(
    evaluate: Evaluate, folders: dict[str, Path], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "genres.yaml").write_text("genres: [{name: sport}, {name: weather}]\n")
    for name, n in (("train.txt", 12), ("eval.txt", 3)):
        lines = [
            f"<BOS> <{g}> {g} {g} today {i} <EOS>" for g in ("sport", "weather") for i in range(n)
        ]
        (data / name).write_text("\n".join(lines))
    evaluate(folders["base"], eval_data_file=data / "eval.txt")
    assert list(read(tmp_path / "out")["columns"][1]["likelihood"]) == ["all", "sport", "weather"]


def test_held_out_stories_that_were_trained_on_are_told(
    evaluate: Evaluate, folders: dict[str, Path], prepared: Path, tmp_path: Path
) -> None:
    evaluate(folders["base"], "--train-data-file", prepared)
    notes = read(tmp_path / "out")["notes"]
    assert "18 of the 18 held-out stories are in the train file too." in notes


# --- What cannot be evaluated is said before anything is spent ---


def test_a_model_that_cannot_be_loaded_stops_the_others(
    evaluate: Evaluate, folders: dict[str, Path], tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(folders["base"], tmp_path / "broken"))
    weights = load_file(broken / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    text = refused(evaluate(folders["base"], broken, ok=False))
    assert text.startswith(f"The model {broken} cannot be used: 1 of its weights are missing")
    assert not (tmp_path / "out" / "evaluation.json").exists()
    text = refused(evaluate(folders["base"], tmp_path / "nowhere", ok=False))
    assert str(tmp_path / "nowhere") in text


def test_a_loss_that_is_no_number(
    evaluate: Evaluate, folders: dict[str, Path], prepared: Path, tmp_path: Path
) -> None:
    """One broken row, of a token that loading does not look at."""
    broken = Path(shutil.copytree(folders["base"], tmp_path / "broken"))
    tokenizer = AutoTokenizer.from_pretrained(broken)
    weights = load_file(broken / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    weights["model.embed_tokens.weight"][tokenizer.convert_tokens_to_ids("M")] = torch.nan
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    edit_json(broken / "config.json", tie_word_embeddings=False)
    stories = prepared.read_text().splitlines()
    line = next(number for number, story in enumerate(stories, 1) if "Mara" in story)
    text = refused(evaluate(folders["base"], broken, ok=False))
    assert text == (
        f"The model {broken}: its loss on the held-out story of line {line} is nan: weights are "
        "broken, or too large for float32"
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "has no story in it"),
        ("<BOS> <horror> A plot. <EOS>\nA plot.\n", "eval.txt:2 does not begin with <BOS>"),
        ("<BOS> <opera> A plot. <EOS>\n", "eval.txt:1 after <BOS> comes '<opera>'"),
    ],
)
def test_data_that_are_no_stories(
    evaluate: Evaluate, folders: dict[str, Path], tmp_path: Path, text: str, wanted: str
) -> None:
    path = tmp_path / "eval.txt"
    path.write_text(text)
    assert wanted in refused(evaluate(folders["base"], eval_data_file=path, ok=False))
    path.unlink()
    missing = refused(evaluate(folders["base"], eval_data_file=path, ok=False))
    assert missing.startswith(f"There is no file {path}")


def test_results_that_are_there_are_kept_until_there_are_new_ones(
    evaluate: Evaluate, folders: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in ("evaluation.json", "stories.jsonl"):
        (out / name).write_text("hours of work")
    text = refused(evaluate(folders["base"], ok=False))
    assert "--overwrite" in text
    refused(evaluate(folders["base"], tmp_path / "nowhere", "--overwrite", ok=False))
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        "evaluation.json": "hours of work",
        "stories.jsonl": "hours of work",
    }
    evaluate(folders["base"], "--overwrite", "--stories", 0)
    assert len(read(out)["columns"]) == 2


def test_results_that_cannot_be_kept_leave_no_half_file(
    evaluate: Evaluate, folders: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "out" / "evaluation.md").mkdir(parents=True)
    text = refused(evaluate(folders["base"], "--stories", 0, ok=False))
    assert text.startswith(f"The evaluation cannot be kept in {tmp_path / 'out'}: ")
    assert not list((tmp_path / "out").glob("*.tmp"))
    assert len(read(tmp_path / "out")["columns"]) == 2


def test_a_model_given_twice(evaluate: Evaluate, folders: dict[str, Path]) -> None:
    text = refused(evaluate(folders["base"], folders["base"], ok=False))
    assert text == f"{folders['base']} is given twice; each model once is enough"


def test_a_folder_that_cannot_be_written_and_settings_out_of_range(
    evaluate: Evaluate, folders: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    text = refused(evaluate(folders["base"], "--output-dir", tmp_path / "file" / "out", ok=False))
    assert "cannot be written to" in text
    text = refused(evaluate(folders["base"], "--top-p", 2, ok=False))
    assert text == "top_p is 2.0; it must be above 0, at most 1"
    (tmp_path / "genres.yaml").write_text("genres: 3")
    text = refused(evaluate(folders["base"], "--genres", tmp_path / "genres.yaml", ok=False))
    assert "needs a list `genres`" in text
