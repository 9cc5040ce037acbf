from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from model.genres import DEFAULT_GENRES, Genre, GenreTable
from train.base_model import BaseModel, new_tokens, open_base
from train.errors import TrainError
from train.recipe import Lora, Recipe


def opened(folder: Path, table: GenreTable = DEFAULT_GENRES, **knobs: Any) -> BaseModel:
    return open_base(Recipe(model_name_or_path=str(folder), **knobs), table, bfloat16=False)


def refused(**knobs: Any) -> str:
    with pytest.raises(TrainError) as caught:
        open_base(Recipe(**knobs), DEFAULT_GENRES, bfloat16=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_new_rows_begin_as_what_they_are_like(untied_llama_folder: Path) -> None:
    base = opened(untied_llama_folder)
    ids: Any = base.tokenizer.convert_tokens_to_ids
    assert base.text.has_genre_tokens
    words = base.text.encode_text(" science fiction")
    matrices = [base.model.get_input_embeddings(), base.model.get_output_embeddings()]
    for matrix in (module.weight for module in matrices):
        assert len(matrix) == 400 + len(new_tokens(DEFAULT_GENRES))
        torch.testing.assert_close(matrix[ids("<sci_fi>")], matrix[words].mean(0))
        assert matrix[ids("<BOS>")].equal(matrix[1])
        assert matrix[ids("<EOS>")].equal(matrix[2])


def test_tokens_that_are_there_keep_their_rows(llama_folder: Path, tmp_path: Path) -> None:
    first = opened(llama_folder)
    with torch.no_grad():
        first.model.get_input_embeddings().weight.normal_()
    first.model.save_pretrained(tmp_path)
    first.tokenizer.save_pretrained(tmp_path)
    wider = GenreTable((*DEFAULT_GENRES, Genre("western", "western", "<western>")))
    second = opened(tmp_path, wider)
    old = first.model.get_input_embeddings().weight
    new = second.model.get_input_embeddings().weight
    assert new[: len(old)].equal(old)
    assert len(new) == len(old) + 1


@pytest.mark.parametrize("family", ["gpt2", "llama", "untied_llama"])
def test_an_adapter_trains_little(family: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(f"{family}_folder")
    base = opened(folder, lora=Lora(r=2))
    trained = {name for name, p in base.model.named_parameters() if p.requires_grad}
    assert trained
    assert all("lora_" in name or "trainable_tokens_delta" in name for name in trained)
    n_matrices = 2 if family == "untied_llama" else 1
    deltas = [p for n, p in base.model.named_parameters() if "tokens_delta" in n]
    assert [tuple(delta.shape) for delta in deltas] == [(9, 32)] * n_matrices
    config = base.model.peft_config["default"]
    assert config.base_model_name_or_path == str(folder)
    assert config.revision == base.revision


def test_frozen_weights_are_held_in_bfloat16_and_trained_ones_are_not(llama_folder: Path) -> None:
    recipe = Recipe(model_name_or_path=str(llama_folder), lora=Lora(r=2))
    model = open_base(recipe, DEFAULT_GENRES, bfloat16=True).model
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    assert {p.dtype for p in model.parameters() if not p.requires_grad} == {torch.bfloat16}
    whole = open_base(recipe.model_copy(update={"lora": None}), DEFAULT_GENRES, bfloat16=True)
    assert {p.dtype for p in whole.model.parameters()} == {torch.float32}


def test_from_scratch(llama_folder: Path) -> None:
    sizes = {"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 64}
    knobs: dict[str, Any] = {"model_name_or_path": None, "tokenizer_name": str(llama_folder)}
    base = open_base(Recipe(config=sizes, **knobs), DEFAULT_GENRES, bfloat16=False)
    assert base.context_length == 64
    assert base.model.config.vocab_size == len(base.tokenizer)
    again = open_base(Recipe(config=sizes, **knobs), DEFAULT_GENRES, bfloat16=False)
    assert again.model.lm_head.weight.equal(base.model.lm_head.weight)
    assert "No gpt3 can be built" in refused(config={"model_type": "gpt3"}, **knobs)
    assert "No gpt2 can be built" in refused(config=sizes | {"n_embd": "wide"}, **knobs)
    bloom = {"model_type": "bloom", "hidden_size": 32, "n_layer": 1, "n_head": 2}
    assert "its attention cannot use our cache" in refused(config=bloom, **knobs)


def test_what_no_run_can_start_from(llama_folder: Path, tmp_path: Path) -> None:
    assert "There is no folder ./nowhere" in refused(model_name_or_path="./nowhere")
    assert "is no model" in refused(model_name_or_path=str(tmp_path))
    text = refused(model_name_or_path=str(llama_folder), lora=Lora(target_modules=["q_projection"]))
    assert text.startswith("lora.target_modules: ")
    adapted = opened(llama_folder, lora=Lora(r=2))
    adapted.model.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    adapted.tokenizer.save_pretrained(tmp_path / "adapter")
    text = refused(model_name_or_path=str(tmp_path / "adapter"), lora=Lora(r=2))
    assert "is an adapter itself" in text
