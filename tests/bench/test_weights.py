from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from bench.errors import BenchError
from bench.writers.base import Plan
from bench.writers.weights import gguf_file, kept, making, prompt_ids, whole_model
from model.checkpoint import load
from model.registry import resolve

pytestmark = pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"  # asked for by peft
)
PROMPTS = [("horror", "A lonely lighthouse"), ("drama", "")]


def test_an_adapter_is_merged_once(run_folder: Path, cache: Path) -> None:
    folder, identity = whole_model(str(run_folder))
    assert folder == cache / f"merged-{identity}"
    served = load(resolve(str(run_folder)), device="cpu")
    merged = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    assert all((value == merged[name]).all() for name, value in served.model.state_dict().items())
    made = (folder / "config.json").stat().st_mtime_ns
    assert whole_model(str(run_folder)) == (folder, identity)
    assert (folder / "config.json").stat().st_mtime_ns == made


def test_a_model_without_adapter_is_taken_as_it_is(base_folder: Path, cache: Path) -> None:
    assert whole_model(str(base_folder))[0] == base_folder
    assert not cache.exists()


def test_peers_are_given_the_product_s_own_prompts(run_folder: Path) -> None:
    folder, _ = whole_model(str(run_folder))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = prompt_ids(folder, Plan(str(run_folder), PROMPTS, 8))
    assert [tokenizer.decode(prompt) for prompt in ids] == [
        "<BOS><horror>A lonely lighthouse",
        "<BOS><drama>",
    ]


def test_what_could_not_be_made_leaves_nothing(cache: Path) -> None:
    with pytest.raises(ValueError, match="full"), making(kept("thing")) as made:
        made.mkdir()
        (made / "half").write_text("half")
        raise ValueError("disk full")
    assert list(cache.iterdir()) == []
    for text in ("one", "two"):  # the second replaces the first
        with making(kept("thing")) as made:
            made.mkdir()
            (made / text).write_text(text)
    assert [path.name for path in (cache / "thing").iterdir()] == ["two"]


def test_a_gguf_must_be_named_for_a_model_that_has_none(base_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"there is no GGUF of .*: give one with --gguf"):
        gguf_file(Plan(str(base_folder), PROMPTS, 8))
    with pytest.raises(BenchError, match=r"There is no file absent\.gguf"):
        gguf_file(Plan("default", PROMPTS, 8, gguf="absent.gguf"))
