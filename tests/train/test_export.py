from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from fakes.hub import READ_ONLY, TOKEN, FakeHub, running_hub
from fakes.training_run import copy_of, edit_json, make_base, make_run, write_record
from rich.console import Console
from safetensors.torch import load_file
from typer.testing import CliRunner

from model.checkpoint import LoadedModel, load
from model.engine import SamplingParams
from model.genres import DEFAULT_GENRES, GenreTable, load_genres
from model.registry import resolve
from train.commands.export import export as export_command
from train.errors import TrainError
from train.evaluation.run import evaluate
from train.evaluation.settings import Settings
from train.export import export
from train.finetune import finetune
from train.recipe import load_recipe

pytestmark = [
    pytest.mark.filterwarnings(text)
    for text in (
        "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning",  # asked for by peft
        "ignore:Use 'content=:DeprecationWarning",  # the Hub client's own upload
    )
]
OWN_GENRES = "genres: [{name: sport}, {name: weather, label: the weather}]\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return make_base(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def run(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(base, tmp_path_factory.mktemp("runs") / "lighthouse")


def opened(folder: Path, table: GenreTable | None = None) -> LoadedModel:
    genres = {"genres": table} if table else {}
    return load(resolve(str(folder)), device="cpu", **genres)


def greedy(loaded: LoadedModel, genre: str = "horror") -> list[int]:
    prompt = loaded.format.encode(genre, "A lonely lighthouse")
    ids = torch.tensor([prompt])
    model: Any = loaded.model
    with torch.no_grad():
        written = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24,
            eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
    tokens: list[int] = written[0, len(prompt) :].tolist()
    return tokens


def logits(loaded: LoadedModel) -> torch.Tensor:
    with torch.no_grad():
        ids = torch.tensor([loaded.format.encode("horror", "A lonely lighthouse")])
        found: torch.Tensor = loaded.model(ids).logits
    return found


def test_a_merged_model_writes_what_the_run_wrote(base: Path, run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "whole", merge=True, dtype="float32")
    before, after = opened(run), opened(tmp_path / "whole")
    assert after.info.has_genre_tokens
    assert after.info.adapter_hash is None
    assert greedy(before) == greedy(after)
    assert (logits(before) - logits(after)).abs().max() < 1e-4
    bare = opened(base)
    assert greedy(bare) != greedy(after)  # or this test would prove nothing


def test_a_merged_model_in_half_precision(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "half", merge=True)
    weights = load_file(tmp_path / "half" / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16}
    before, after = logits(opened(run)), logits(opened(tmp_path / "half"))
    assert 0 < (before - after).abs().max() < 0.05 * before.std()


def test_a_merged_model_ends_at_our_end_token_in_transformers_too(
    run: Path, tmp_path: Path
) -> None:
    export(run, tmp_path / "whole", merge=True)
    loaded = opened(tmp_path / "whole")
    ends = loaded.format.encode_story("horror", "The end.")[-1]
    assert loaded.tokenizer.convert_ids_to_tokens(ends) == "<EOS>"
    settings = json.loads((tmp_path / "whole" / "generation_config.json").read_text())
    assert settings["eos_token_id"] == ends
    assert loaded.tokenizer.convert_ids_to_tokens(settings["bos_token_id"]) == "<BOS>"
    # What the card tells people to type is what the engine types.
    typed = loaded.tokenizer("<BOS><horror>A lonely lighthouse", add_special_tokens=False)
    assert typed["input_ids"] == loaded.format.encode("horror", "A lonely lighthouse")


def test_an_adapter_keeps_only_what_serving_needs(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "small", merge=False, dtype="float32")
    assert sorted(path.name for path in (tmp_path / "small").iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    modes = {path.stat().st_mode for path in (tmp_path / "small").iterdir()}
    assert modes == {(tmp_path / "small" / "README.md").stat().st_mode}
    assert greedy(opened(tmp_path / "small")) == greedy(opened(run))
    export(run, tmp_path / "smaller", merge=False)
    weights = load_file(tmp_path / "smaller" / "adapter_model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16}
    gap = (logits(opened(tmp_path / "smaller")) - logits(opened(run))).abs().max()
    assert 0 < gap < 0.05 * logits(opened(run)).std()


def test_an_adapter_finds_its_base_from_elsewhere(base: Path, tmp_path: Path) -> None:
    run = make_run(base, tmp_path / "run")
    edit_json(run / "adapter_config.json", base_model_name_or_path="../models/base")
    (tmp_path / "models").mkdir()
    copy_of(base, tmp_path / "models" / "base")
    export(run, tmp_path / "far" / "away", merge=False)
    opened(tmp_path / "far" / "away")


def test_a_full_run(base: Path, tmp_path: Path) -> None:
    run = copy_of(base, tmp_path / "run")
    write_record(run, {"model_name_or_path": None, "config": {"model_type": "llama"}})
    export(run, tmp_path / "out", merge=True, dtype="float32")
    assert greedy(opened(tmp_path / "out")) == greedy(opened(run))
    with pytest.raises(TrainError, match="holds a full model, not an adapter"):
        export(run, tmp_path / "adapter", merge=False)


def test_own_genres_go_with_the_model(base: Path, tmp_path: Path) -> None:
    (tmp_path / "genres.yaml").write_text(OWN_GENRES)
    table = load_genres(tmp_path / "genres.yaml")
    run = make_run(base, tmp_path / "run", table)
    (run / "genres.yaml").write_text(OWN_GENRES)
    export(run, tmp_path / "out", merge=True)
    assert (tmp_path / "out" / "genres.yaml").read_text() == OWN_GENRES
    loaded = opened(tmp_path / "out", table)
    assert loaded.info.has_genre_tokens
    assert len(greedy(loaded, "weather")) == 24
    assert "GENRES_FILE=" in (tmp_path / "out" / "README.md").read_text()


def test_no_place_on_this_machine_is_told(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "out", merge=True)
    texts = {
        path.name: path.read_text()
        for path in (tmp_path / "out").iterdir()
        if path.suffix != ".safetensors"
    }
    assert len(texts) >= 5
    here = str(run.parent.parent)  # where pytest keeps its folders
    assert {name for name, text in texts.items() if here in text} == set()


def test_what_is_there_is_kept(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    export(run, target, merge=False)  # empty: may be used
    (target / "notes.txt").write_text("mine")
    with pytest.raises(TrainError, match=r"out is not empty; .*--overwrite"):
        export(run, target, merge=False)
    assert (target / "notes.txt").is_file()
    export(run, target, merge=False, card="MODEL_CARD.md", overwrite=True)
    assert not (target / "notes.txt").exists()
    assert (target / "MODEL_CARD.md").is_file()


def test_a_folder_that_is_no_run(base: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="There is no folder"):
        export(tmp_path / "nowhere", tmp_path / "out", merge=True)
    with pytest.raises(TrainError, match=r"has no recipe\.yaml"):
        export(base, tmp_path / "out", merge=True)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_half_written(run: Path, tmp_path: Path) -> None:
    """A limit on file sizes stands in for the disk: the kernel refuses the write either way."""
    target = tmp_path / "out"
    export(run, target, merge=False)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for merge in (True, False):
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, limits[1]))
        try:
            with pytest.raises(TrainError, match=r"could not be exported: .*File too large"):
                export(run, target, merge=merge, overwrite=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert {path.name: path.read_bytes() for path in target.iterdir()} == before
        assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.timeout(240)  # of a machine that trains on the side
def test_the_whole_way_from_a_recipe_to_a_card(base: Path, tmp_path: Path) -> None:
    """What finetune and evaluate really leave is what report and export read."""
    lines = [
        f"<BOS> <{genre.name}> {opening} and so it ends. <EOS>\n"
        for genre in DEFAULT_GENRES
        for opening in genre.openings
    ]
    for name in ("train", "eval"):
        (tmp_path / f"{name}.txt").write_text("".join(lines))
    run = tmp_path / "run"
    knobs = {
        "model_name_or_path": str(base), "train_data_file": tmp_path / "train.txt",
        "eval_data_file": tmp_path / "eval.txt", "output_dir": run, "block_size": 64,
        "max_steps": 4, "eval_steps": 2, "save_steps": 2, "logging_steps": 1, "dtype": "float32",
    }  # fmt: skip
    finetune(load_recipe("default-adapter", knobs), Console(quiet=True))
    assert "| optimizer steps | 4 |" in (run / "report.md").read_text()
    settings = Settings(
        models=(str(run),), eval_data_file=tmp_path / "eval.txt", output_dir=run / "evaluation",
        stories=2, sampling=SamplingParams(max_new_tokens=8), max_eval_samples=4,
    )  # fmt: skip
    evaluate(settings, progress=lambda *_: None, say=lambda _: None)
    export(run, tmp_path / "out", merge=False)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| bits per byte | lower | – |" in card
    assert "**horror**\n\n> " in card
    assert "| tokens that counted |" in card
    assert greedy(opened(tmp_path / "out")) == greedy(opened(run))
    assert greedy(opened(run)) != greedy(opened(base))


# --- Pushing to the Hub ---


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    from huggingface_hub import constants

    with running_hub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # it has storage of its own
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nonexistent")
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


def command(*words: str | Path) -> str:
    """Output of the command; a TrainError is raised, as it is for the command line's edge."""
    app = typer.Typer()
    app.command()(export_command)
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_push(run: Path, tmp_path: Path, hub: FakeHub) -> None:
    target = tmp_path / "out"
    output = command(run, "--output-dir", target, "--push-to", "stories/lighthouse")
    assert f"Pushed: {hub.address}/stories/lighthouse" in output
    assert hub.private == {"stories/lighthouse": True}
    pushed = hub.repos["stories/lighthouse"]
    assert pushed == {path.name: path.read_bytes() for path in target.iterdir()}
    assert b"# lighthouse\n" in pushed["README.md"]
    # What came through is a model that serves.
    copy = tmp_path / "from_hub"
    copy.mkdir()
    for name, content in pushed.items():
        (copy / name).write_bytes(content)
    assert greedy(opened(copy)) == greedy(opened(target))


def test_a_second_push_and_a_public_one(run: Path, tmp_path: Path, hub: FakeHub) -> None:
    for number in (1, 2):
        command(
            run, "--output-dir", tmp_path / str(number), "--push-to", "stories/open", "--public"
        )
    assert hub.private == {"stories/open": False}


@pytest.mark.parametrize(
    ("token", "repo", "says"),
    [
        ("", "stories/lighthouse", "There is no Hub token: set HF_TOKEN"),
        ("hf_wrong", "stories/lighthouse", "The Hub does not know the token"),
        (TOKEN, "lighthouse", "--push-to takes OWNER/NAME, not 'lighthouse'"),
        (TOKEN, "stories/a b", "--push-to takes OWNER/NAME, not 'stories/a b'"),
    ],
)
def test_what_stops_a_push_before_anything_is_written(
    run: Path, tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch,
    token: str, repo: str, says: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(TrainError, match=says) as caught:
        command(run, "--output-dir", tmp_path / "out", "--push-to", repo)
    assert not token or token not in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert hub.repos == {}


@pytest.mark.parametrize(
    ("token", "repo"), [(READ_ONLY, "stories/lighthouse"), (TOKEN, "others/lighthouse")]
)
def test_a_push_without_the_right_to_write(
    run: Path, tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, token: str, repo: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(TrainError, match=f"The token may not write to {repo}"):
        command(run, "--output-dir", tmp_path / "out", "--push-to", repo)
    opened(tmp_path / "out")  # the export is whole all the same


def test_no_hub_at_the_other_end(
    run: Path, tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    hub.down = True
    with pytest.raises(TrainError, match=r"The Hub refused \(status 500\). Try again later"):
        command(run, "--output-dir", tmp_path / "out", "--push-to", "stories/lighthouse")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(TrainError, match=r"could not be pushed to the Hub: .*refused"):
        command(run, "--output-dir", tmp_path / "out", "--push-to", "stories/lighthouse")


def test_an_adapter_whose_base_only_this_machine_has_is_not_pushed(
    run: Path, tmp_path: Path, hub: FakeHub
) -> None:
    with pytest.raises(TrainError, match="which only this machine has; push it merged"):
        command(run, "--output-dir", tmp_path / "o", "--adapter", "--push-to", "stories/lighthouse")
    assert hub.repos == {}
