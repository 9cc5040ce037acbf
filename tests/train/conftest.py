"""Small real models to train: random weights, but the real architectures, files and tokenizers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.training_run import make_base, make_run

from model.genres import DEFAULT_GENRES

WORDS = [opening for genre in DEFAULT_GENRES for opening in genre.openings]
"""Text of which every genre has some, for tokenizers and stories."""


def train_tokenizer() -> Any:
    """A byte-level BPE with chat tokens, as the default model's, but of a few hundred tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    chat = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=chat,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(WORDS * 4, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=chat[1], eos_token=chat[2])


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a model of `model_type` with 2 layers of 32 to a folder: no control tokens yet."""

    def make(model_type: str, **sizes: Any) -> Path:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        torch.set_num_threads(1)
        tokenizer = train_tokenizer()
        config = AutoConfig.for_model(
            model_type, vocab_size=len(tokenizer), bos_token_id=1, eos_token_id=2, **sizes
        )
        folder = tmp_path_factory.mktemp("models") / model_type
        with torch.random.fork_rng():
            torch.manual_seed(7)
            AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def gpt2_folder(make_model: Callable[..., Path]) -> Path:
    """Learned positions, dropout 0.1, one matrix that reads and writes tokens."""
    return make_model("gpt2", n_embd=32, n_layer=2, n_head=2, n_positions=128)


@pytest.fixture(scope="session")
def llama_folder(make_model: Callable[..., Path]) -> Path:
    """Rotary positions and tied embeddings, as the default model."""
    return make_model("llama", **_LLAMA, tie_word_embeddings=True)


@pytest.fixture(scope="session")
def untied_llama_folder(make_model: Callable[..., Path]) -> Path:
    """As `llama_folder`, but reads and writes tokens by two matrices."""
    return make_model("llama", **_LLAMA, tie_word_embeddings=False)


_LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 128,
    "initializer_range": 0.1,
}


@pytest.fixture(scope="session")
def train_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stories of 10 to 200 tokens in the seed's format."""
    return _write_stories(tmp_path_factory.mktemp("data") / "train.txt", range(60))


@pytest.fixture(scope="session")
def eval_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `train_file`, other stories."""
    return _write_stories(tmp_path_factory.mktemp("data") / "eval.txt", range(100, 115))


def _write_stories(path: Path, numbers: range) -> Path:
    genres = list(DEFAULT_GENRES)
    lines = []
    for number in numbers:
        genre = genres[number % len(genres)]
        told = [WORDS[(number * 7 + i * 5) % len(WORDS)] for i in range(1 + number % 4)]
        lines.append(f"<BOS> {genre.token} {' '.join(told)} Number {number}. <EOS>\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A base model, and a finished run that tuned it: to read, not to change."""
    import torch

    torch.set_num_threads(1)
    models = tmp_path_factory.mktemp("models")
    base = make_base(models / "base")
    return {"base": base, "tuned": make_run(base, models / "tuned")}
