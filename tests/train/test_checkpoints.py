from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from train.checkpoints import check_disk, claim, fingerprint
from train.errors import TrainError
from train.recipe import Recipe

MINE = {"learning_rate": 0.001, "base model": "abc"}


def checkpoint(run: Path, step: int, state: str = "{}") -> Path:
    folder = run / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"x" * 1000)
    (folder / "trainer_state.json").write_text(state)
    return folder


def refused(run: Path, mine: dict[str, Any], *, resume: bool = True) -> str:
    with pytest.raises(TrainError) as caught:
        claim(run, mine, resume=resume)
    return str(caught.value)


def test_a_new_run_begins(tmp_path: Path) -> None:
    assert claim(tmp_path / "a/run", MINE, resume=True) is None
    assert claim(tmp_path / "a/run", MINE | {"learning_rate": 1}, resume=False) is None


def test_a_run_goes_on_from_its_last_whole_checkpoint(tmp_path: Path) -> None:
    claim(tmp_path, MINE, resume=True)
    checkpoint(tmp_path, 90)
    tenth = checkpoint(tmp_path, 100)
    half = checkpoint(tmp_path, 110, '{"epoch": 1, "log_')
    (tmp_path / "checkpoint-best").mkdir()
    assert claim(tmp_path, MINE, resume=True) == tenth
    assert not half.exists()
    assert (tmp_path / "checkpoint-best").exists()


def test_another_runs_folder_is_refused(tmp_path: Path) -> None:
    claim(tmp_path, MINE, resume=True)
    kept = checkpoint(tmp_path, 10)
    text = refused(tmp_path, MINE | {"base model": "def"})
    assert "differs in base model (there abc, here def): set another output_dir" in text
    assert "resume is false" in refused(tmp_path, MINE, resume=False)
    (tmp_path / "fingerprint.json").unlink()
    assert "differs in learning_rate (there null, here 0.001)" in refused(tmp_path, MINE)
    assert kept.exists()


def test_a_finished_run_without_checkpoints_is_a_run(tmp_path: Path) -> None:
    claim(tmp_path, MINE, resume=True)
    (tmp_path / "adapter_config.json").touch()
    assert claim(tmp_path, MINE, resume=True) is None
    assert "differs in base model" in refused(tmp_path, MINE | {"base model": "def"})


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be written" in refused(tmp_path / "file/run", MINE)


def test_the_fingerprint_is_of_what_decides_the_weights(tmp_path: Path) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    for path in (first, second):
        path.write_text("<BOS> <drama> A cat. <EOS>\n")

    def of(**knobs: Any) -> dict[str, Any]:
        recipe = Recipe(train_data_file=first, eval_data_file=first).model_copy(update=knobs)
        return fingerprint(recipe, "abc", ["drama"], "float32")

    same = of(train_data_file=second, output_dir=Path("x"), logging_steps=3, torch_compile=True)
    assert same == of()
    assert of(seed=1) != of()
    second.write_text("<BOS> <drama> A dog. <EOS>\n")
    assert of(train_data_file=second) != of()


def test_a_disk_too_small_is_known_before(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"3 checkpoints of 1000000000\.00 GB and the result"):
        check_disk(tmp_path, 10**18, 3, 10**18)
    check_disk(tmp_path, 1000, 3, 1000)
