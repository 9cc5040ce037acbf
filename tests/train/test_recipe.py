from __future__ import annotations

from pathlib import Path

import pytest

from train.errors import TrainError
from train.recipe import Lora, Recipe, built_in_recipes, load_recipe, write_recipe


def recipe_file(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def refused(name: str, **overrides: object) -> str:
    with pytest.raises(TrainError) as caught:
        load_recipe(name, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", built_in_recipes())
def test_every_built_in_recipe_is_whole(name: str) -> None:
    recipe = load_recipe(name, {})
    assert recipe.train_data_file and recipe.eval_data_file and recipe.output_dir


def test_the_default_adapter_is_built_in() -> None:
    recipe = load_recipe("default-adapter", {})
    assert recipe.model_name_or_path == "base"
    assert recipe.lora is not None


def test_overrides_win(tmp_path: Path) -> None:
    name = recipe_file(tmp_path, "learning_rate: 1e-3\nlora: {r: 4}\nseed: 1\n")
    recipe = load_recipe(name, {"seed": 2, "lora.alpha": 8, "trainer.adam_beta2": 0.98})
    assert recipe.learning_rate == 0.001
    assert recipe.seed == 2
    assert recipe.lora == Lora(r=4, alpha=8)
    assert recipe.trainer == {"adam_beta2": 0.98}
    assert load_recipe(name, {"lora": None}).lora is None


def test_what_is_written_reads_the_same(tmp_path: Path) -> None:
    recipe = load_recipe("default-adapter", {"genres": "a/genres.yaml", "max_steps": 7})
    write_recipe(recipe, tmp_path / "recipe.yaml")
    assert load_recipe(str(tmp_path / "recipe.yaml"), {}) == recipe


def test_the_seeds_knobs_have_their_names() -> None:
    theirs = (
        "model_name_or_path, train_data_file, eval_data_file, line_by_line, block_size, "
        "output_dir, logging_steps, per_device_train_batch_size, num_train_epochs, save_steps, "
        "save_total_limit, do_eval, seed"
    )
    assert set(theirs.split(", ")) <= Recipe.model_fields.keys()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("blocksize: 3", "has no knob blocksize; did you mean block_size?"),
        ("lora: {rank: 3, alfa: 2}", "has no knob lora.rank; it has r, alpha, "),
        ("lora: {alfa: 2}", "has no knob lora.alfa; did you mean alpha?"),
        ("block_size: wide", "block_size is 'wide'"),
        ("block_size: 4", "block_size is 4"),
        ("- 1", "must be a mapping"),
        ("a: [", "cannot be read as YAML"),
        ("model_name_or_path: null", "`config` must say what to build"),
        ("config: {model_type: gpt2}", "set model_name_or_path: null"),
        ("{model_name_or_path: null, config: {n_layer: 2}}", "needs a model_type"),
        ("{model_name_or_path: null, config: {model_type: gpt2}, lora: {}}", "set lora: null"),
        ("{save_steps: 100, eval_steps: 30}", "must be a multiple of eval_steps (30)"),
        ("{do_eval: false, early_stopping_patience: 2}", "needs do_eval: true"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    assert says in refused(recipe_file(tmp_path, text))


def test_an_unknown_recipe_names_the_known() -> None:
    text = refused("default-adaptor")
    assert "There is no recipe default-adaptor" in text
    assert "default-adapter" in text
    assert "has no knob blok_size; did you mean block_size?" in refused("gpt2-films", blok_size=1)
