from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from train.commands.finetune import finetune
from train.errors import TrainError
from train.recipe import Recipe, load_recipe

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"  # asked for by peft
    ),
    pytest.mark.timeout(240),  # seconds when quiet; a busy machine imports torch for a minute
]

app = typer.Typer()
app.command()(finetune)


def command(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.fixture
def recipe(gpt2_folder: Path, train_file: Path, eval_file: Path, tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"model_name_or_path: {gpt2_folder}\ntrain_data_file: {train_file}\nblock_size: 64\n"
        f"eval_data_file: {eval_file}\nlora: {{r: 8}}\nlogging_steps: 2\n"
    )
    return path


def test_every_plain_knob_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    text = command("--help")
    for name in Recipe.model_fields.keys() - {"lora", "config", "trainer"}:
        assert f"--{name.replace('_', '-')} " in text
    assert "--no-line-by-line" in text
    assert "default-adapter, gpt2-films" in text


def test_a_run_by_command(recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = [recipe, "--output-dir", run, "--set", "lora.r=2", "--max-steps", "4", "--no-do-eval"]
    text = command(*words)
    assert text.startswith("Training an adapter of ")
    assert "0 left" in text and "step 4/4, epoch " in text
    assert f"Serve it: MODEL={run} cliffhanger run" in text
    resolved = load_recipe(str(run / "recipe.yaml"), {})
    assert resolved.lora is not None and resolved.lora.r == 2
    assert (resolved.do_eval, resolved.max_steps, resolved.block_size) == (False, 4, 64)
    assert f"{run} is finished already Done after 4 steps. Report: " in command(*words)


def test_a_stopped_run_says_how_to_go_on(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from train.trainer import RunCallback

    monkeypatch.setattr(
        RunCallback, "on_train_begin", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM)
    )
    words = [str(recipe), "--output-dir", str(tmp_path / "run"), "--max-steps", "4"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 128 + signal.SIGTERM
    assert "Stopped after step 1 with a checkpoint in" in result.output


def test_a_setting_without_a_value() -> None:
    with pytest.raises(TrainError, match=r"--set lora is no KEY=VALUE"):
        command("--set", "lora")
