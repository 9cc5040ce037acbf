from __future__ import annotations

import io
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from model.checkpoint import load
from model.genres import DEFAULT_GENRES
from model.registry import resolve
from train.checkpoints import checkpoint_folders, is_whole
from train.dataset import Collator, packed
from train.errors import TrainError
from train.finetune import RunEnd, finetune
from train.recipe import Lora, Recipe, write_recipe
from train.texts import read_stories

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"  # asked for by peft
    ),
    pytest.mark.timeout(240),  # seconds when quiet; a busy machine imports torch for a minute
]
BLOCK = 64


@pytest.fixture
def knobs(train_file: Path, eval_file: Path, tmp_path: Path) -> dict[str, Any]:
    """A run of a second, in float32."""
    return {
        "train_data_file": train_file,
        "eval_data_file": eval_file,
        "output_dir": tmp_path / "run",
        "block_size": BLOCK,
        "learning_rate": 0.01,
        "max_steps": 8,
        "save_steps": 4,
        "logging_steps": 1,
        "dtype": "float32",
    }


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training calls nobody."""

    def connect(self: socket.socket, address: object) -> None:
        raise AssertionError(f"a connection to {address}")

    monkeypatch.setattr(socket.socket, "connect", connect)


def train(**knobs: Any) -> RunEnd:
    return finetune(Recipe(**knobs), Console(file=io.StringIO()))


def refused(**knobs: Any) -> str:
    with pytest.raises(TrainError) as caught:
        train(**knobs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def history(run: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((run / "history.json").read_text())
    return rows


def curve(run: Path, key: str = "loss") -> list[tuple[int, float]]:
    return [(row["step"], row[key]) for row in history(run) if key in row]


def eval_loss_as_served(run: Path, eval_file: Path) -> float:
    """What the served model loses on the eval file: nats a token, in rows of BLOCK."""
    loaded = load(resolve(str(run)), device="cpu")
    assert loaded.info.has_genre_tokens
    rows = packed(read_stories(eval_file, DEFAULT_GENRES), loaded.format, BLOCK)
    batch = Collator(0, len(rows), BLOCK, document_masking=True)(list(rows))
    model: Any = loaded.model
    with torch.no_grad():
        return float(model(**batch).loss)


# --- What comes out ---


@pytest.mark.parametrize("family", ["gpt2", "llama", "untied_llama"])
def test_an_adapter_serves_what_was_trained(
    family: str, knobs: dict[str, Any], eval_file: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(f"{family}_folder")
    request.getfixturevalue("no_network")
    end = train(model_name_or_path=str(folder), lora=Lora(r=4), **knobs)
    assert (end.steps, end.stopped_by) == (8, None)
    losses = dict(curve(end.run, "eval_loss"))
    assert losses[8] < losses[4] < 6.2
    assert end.best_eval_loss == losses[8]
    assert eval_loss_as_served(end.run, eval_file) == pytest.approx(losses[8], abs=0.01)
    weights = load_file(end.run / "adapter_model.safetensors")
    assert max(len(weight) for weight in weights.values()) < 400  # no whole embedding
    assert {weight.dtype for weight in weights.values()} == {torch.float16}


def test_all_weights(
    knobs: dict[str, Any], gpt2_folder: Path, eval_file: Path, no_network: None
) -> None:
    end = train(model_name_or_path=str(gpt2_folder), **knobs)
    assert eval_loss_as_served(end.run, eval_file) == pytest.approx(end.best_eval_loss, abs=1e-4)
    assert json.loads((end.run / "config.json").read_text())["use_cache"] is True
    names = {path.name for path in end.run.iterdir()}
    assert {"recipe.yaml", "history.json", "loss.png", "report.md", "logs"} <= names
    assert not any(name.startswith(".") for name in names)
    assert list((end.run / "logs").glob("events.out.tfevents.*"))
    [*_, last] = [row for row in history(end.run) if "loss" in row]
    assert last["tokens"] > 0 and last["tokens_per_second"] > 0


def test_from_scratch_line_by_line_in_bfloat16(knobs: dict[str, Any], llama_folder: Path) -> None:
    sizes = {"model_type": "gpt2", "n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64}
    end = train(
        **knobs | {"model_name_or_path": None, "config": sizes, "line_by_line": True,
        "tokenizer_name": str(llama_folder), "dtype": "bfloat16", "do_eval": False},
    )  # fmt: skip
    losses = dict(curve(end.run))
    assert losses[8] < losses[1]
    assert end.best_eval_loss is None
    assert load(resolve(str(end.run)), device="cpu").info.has_genre_tokens


def test_own_genres(knobs: dict[str, Any], gpt2_folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "mine.yaml"
    table.write_text(
        "genres:\n- {name: sport, label: sport, token: <sport>}\n"
        "- {name: health, label: health, token: <health>}\n"
    )
    lines = [f"<BOS> <{name}> Number {n} won. <EOS>\n" for n in range(40) for name in ("sport",)]
    (tmp_path / "headlines.txt").write_text("".join(lines))
    own = {"genres": table, "train_data_file": tmp_path / "headlines.txt", "do_eval": False}
    end = train(model_name_or_path=str(gpt2_folder), **knobs | own | {"max_steps": 2})
    assert (end.run / "genres.yaml").read_text() == table.read_text()
    tokens = load(resolve(str(end.run)), device="cpu").tokenizer.get_added_vocab()
    assert {"<sport>", "<health>"} <= tokens.keys()
    assert "<horror>" not in tokens


# --- How it trains ---


def test_accumulated_and_checkpointed_steps_give_the_same_curve(
    knobs: dict[str, Any], llama_folder: Path, tmp_path: Path
) -> None:
    whole = train(model_name_or_path=str(llama_folder), **knobs)
    saving = {
        "output_dir": tmp_path / "other",
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "gradient_checkpointing": True,
    }
    split = train(model_name_or_path=str(llama_folder), **knobs | saving)
    for key in ("loss", "eval_loss"):  # token-weighted, so that batches do not matter
        assert curve(split.run, key) == [
            (step, pytest.approx(loss, abs=1e-3)) for step, loss in curve(whole.run, key)
        ]


def test_early_stopping_keeps_the_best(knobs: dict[str, Any], gpt2_folder: Path) -> None:
    much = {"learning_rate": 0.5, "max_steps": 30, "save_steps": 2, "early_stopping_patience": 2}
    end = train(model_name_or_path=str(gpt2_folder), **knobs | much)
    losses = dict(curve(end.run, "eval_loss"))
    assert end.steps < 30
    assert end.best_eval_loss == min(losses.values()) < losses[end.steps]
    assert train(model_name_or_path=str(gpt2_folder), **knobs | much) == end  # and stays finished
    served = eval_loss_as_served(end.run, knobs["eval_data_file"])
    assert served == pytest.approx(end.best_eval_loss, rel=1e-4)


KILLED = """
import os, signal, sys
from rich.console import Console
from train import trainer
from train.finetune import finetune
from train.recipe import load_recipe
import torch

def die(self, args, state, control, **_):
    if state.global_step == 6:
        os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(1)
trainer.RunCallback.on_step_begin = die
finetune(load_recipe(sys.argv[1], {}), Console())
"""


def test_a_killed_run_goes_on_with_the_same_curve(
    knobs: dict[str, Any], gpt2_folder: Path, tmp_path: Path
) -> None:
    more = {"model_name_or_path": str(gpt2_folder), "lora": Lora(r=4, dropout=0.1)}
    more |= {"max_steps": 12, "num_train_epochs": 1}
    straight = train(**knobs | more | {"output_dir": tmp_path / "straight"})
    write_recipe(Recipe(**knobs | more), tmp_path / "recipe.yaml")
    run = knobs["output_dir"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "recipe.yaml")], capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert [folder.name for folder in checkpoint_folders(run)] == ["checkpoint-4"]
    assert not (run / "adapter_config.json").exists()
    half = run / "checkpoint-6"  # as if it had been killed while saving
    half.mkdir()
    (half / "adapter_model.safetensors").write_bytes(b"half")
    end = train(**knobs | more)
    assert end.steps == 12
    for key in ("loss", "eval_loss", "learning_rate", "tokens"):
        assert curve(run, key) == [
            (step, pytest.approx(value, rel=1e-5)) for step, value in curve(straight.run, key)
        ]
    theirs = load_file(straight.run / "adapter_model.safetensors")
    for name, weight in load_file(run / "adapter_model.safetensors").items():
        torch.testing.assert_close(weight, theirs[name], atol=1e-3, rtol=1e-3)


# --- What goes wrong ---


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], None]:
    """Does something as a step begins."""
    from train.trainer import RunCallback

    begin = RunCallback.on_step_begin

    def plan(step: int, action: Callable[[], object]) -> None:
        def on_step_begin(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
            begin(self, args, state, control, **more)
            if state.global_step == step - 1:
                action()

        monkeypatch.setattr(RunCallback, "on_step_begin", on_step_begin)

    return plan


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on(
    number: signal.Signals, knobs: dict[str, Any], gpt2_folder: Path, at_step: Any
) -> None:
    knobs |= {"model_name_or_path": str(gpt2_folder), "save_steps": 20}
    before = signal.getsignal(number)
    at_step(3, lambda: os.kill(os.getpid(), number))
    end = train(**knobs)
    assert (end.steps, end.stopped_by) == (3, number)
    assert signal.getsignal(number) == before
    assert [folder.name for folder in checkpoint_folders(end.run)] == ["checkpoint-3"]
    assert not (end.run / "config.json").exists()
    at_step(99, lambda: None)
    end = train(**knobs)
    assert (end.steps, end.stopped_by) == (8, None)
    assert [step for step, _ in curve(end.run)] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_run_stopped_past_its_best_keeps_where_it_was(
    knobs: dict[str, Any], gpt2_folder: Path, at_step: Any
) -> None:
    much = {"learning_rate": 0.5, "max_steps": 30, "save_steps": 2, "save_total_limit": 1}
    at_step(7, lambda: os.kill(os.getpid(), signal.SIGTERM))
    end = train(model_name_or_path=str(gpt2_folder), **knobs | much)
    losses = dict(curve(end.run, "eval_loss"))
    assert end.best_eval_loss == min(losses.values()) < losses[6]
    best, last = checkpoint_folders(end.run)
    assert losses[int(best.name.removeprefix("checkpoint-"))] == end.best_eval_loss
    assert last.name == "checkpoint-7"


def test_a_full_disk_leaves_the_checkpoint_before(
    knobs: dict[str, Any], gpt2_folder: Path, at_step: Any
) -> None:
    """A limit on file sizes stands in for the disk: the kernel refuses the write either way."""
    knobs |= {"model_name_or_path": str(gpt2_folder)}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    at_step(6, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1])))
    try:
        text = refused(**knobs)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "checkpoint-8 cannot be written: " in text
    assert text.endswith("Make room there and give the same command: it goes on from checkpoint-4")
    [left] = checkpoint_folders(knobs["output_dir"])
    assert left.name == "checkpoint-4" and is_whole(left)
    at_step(99, lambda: None)
    assert train(**knobs).steps == 8


def test_a_loss_that_is_no_number_stops_the_run(knobs: dict[str, Any], gpt2_folder: Path) -> None:
    wild = {"learning_rate": 1e30, "warmup_ratio": 0.0, "save_steps": 1}
    text = refused(model_name_or_path=str(gpt2_folder), **knobs | wild)
    assert text.startswith("The loss is nan at step 2 (epoch ")
    assert "lower learning_rate (it is 1e+30)" in text
    assert text.endswith("; checkpoint-1 is as it was")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"train_data_file": "nowhere.txt"}, "There is no file nowhere.txt"),
        ({"train_data_file": None}, "train_data_file is not set: put it into the recipe or give"),
        ({"output_dir": None}, "output_dir is not set"),
        ({"block_size": 256}, "block_size is 256, but "),
        ({"per_device_train_batch_size": 64}, "fewer than one batch of 64"),
        ({"trainer": {"adam_beta9": 1}}, "does not suit the Trainer: "),
        ({"trainer": {"seed": 1}}, "trainer.seed is a knob of its own"),
        ({"lr_scheduler_type": "stairs"}, "does not suit the Trainer: "),
        ({"genres": "nowhere.yaml"}, "nowhere.yaml"),
    ],
)
def test_bad_input_is_refused_at_once(
    changed: dict[str, Any], says: str, knobs: dict[str, Any], gpt2_folder: Path
) -> None:
    assert says in refused(model_name_or_path=str(gpt2_folder), **knobs | changed)
    assert not (knobs["output_dir"] / "recipe.yaml").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no story in it"),
        ("<BOS> <horror> A cat. <EOS>\nA dog.\n", ":2 does not begin with <BOS>"),
        ("<BOS> <western> A cat. <EOS>\n", ":1 after <BOS> comes '<western>', no genre of the"),
        ("<BOS> <horror> A cat. <EOS>\n", "has 1 stories, which fill 1 rows"),
    ],
)
def test_bad_stories_are_refused_at_once(
    text: str, says: str, knobs: dict[str, Any], gpt2_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(text)
    for key in ("train_data_file", "eval_data_file"):
        assert says in refused(model_name_or_path=str(gpt2_folder), **knobs | {key: path})


def test_a_checkpoint_of_another_model_is_refused(
    knobs: dict[str, Any], gpt2_folder: Path, llama_folder: Path
) -> None:
    knobs |= {"max_steps": 1}
    train(model_name_or_path=str(gpt2_folder), **knobs)
    text = refused(model_name_or_path=str(llama_folder), **knobs)
    assert "holds another run; it differs in base model (there " in text
