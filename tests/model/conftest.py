"""Small real models: random weights, but the real architectures, files and tokenizers."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.checkpoint import LoadedModel, ModelSource, load
from model.engine import ModelNotFound, SamplingParams
from model.genres import DEFAULT_GENRES
from model.prompt import BOS, EOS, PAD
from model.registry import pull_default

CORPUS = [opening for genre in DEFAULT_GENRES for opening in genre.openings] * 4


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny matrices gain nothing from a second thread, and wait for it on a busy machine."""
    import torch

    torch.set_num_threads(1)


def train_tokenizer(special: list[str], **roles: str) -> Any:
    """A byte-level BPE of a few hundred tokens, as GPT-2's and SmolLM2's are of 50,000."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roles)


def save_model(folder: Path, config: Any, tokenizer: Any) -> Path:
    """A model of `config` with random weights, wide enough that its favourites are clear."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(7)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def gpt2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 with genre tokens, like pranavpsv/gpt2-genre-story-generator."""
    from transformers import GPT2Config

    tokenizer = train_tokenizer(["<|endoftext|>"], eos_token="<|endoftext|>")
    tokenizer.add_special_tokens({"bos_token": BOS, "eos_token": EOS, "pad_token": PAD})
    tokenizer.add_tokens([genre.token for genre in DEFAULT_GENRES])
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=128, n_embd=48, n_layer=3, n_head=4,
        initializer_range=0.3, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return save_model(tmp_path_factory.mktemp("models") / "gpt2", config, tokenizer)


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare Llama with grouped queries and chat tokens, like the default model."""
    from transformers import LlamaConfig

    chat = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = train_tokenizer(chat, bos_token="<|im_start|>", eos_token="<|im_end|>")
    config = LlamaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=128, hidden_size=48,
        intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        initializer_range=0.3, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    return save_model(tmp_path_factory.mktemp("models") / "llama", config, tokenizer)


@pytest.fixture(scope="session")
def tied_llama_folder(llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `llama_folder`, but one matrix reads and writes tokens, as in the default model."""
    from transformers import AutoConfig, AutoTokenizer

    config = AutoConfig.from_pretrained(llama_folder, tie_word_embeddings=True)
    tokenizer = AutoTokenizer.from_pretrained(llama_folder)
    return save_model(tmp_path_factory.mktemp("models") / "tied", config, tokenizer)


@pytest.fixture(scope="session")
def opt_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that only the general decoder runs."""
    from transformers import OPTConfig

    tokenizer = train_tokenizer(["</s>"], bos_token="</s>", eos_token="</s>")
    config = OPTConfig(
        vocab_size=len(tokenizer), max_position_embeddings=128, hidden_size=48, ffn_dim=96,
        num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=48, init_std=0.3,
        bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    return save_model(tmp_path_factory.mktemp("models") / "opt", config, tokenizer)


@pytest.fixture(scope="session")
def gpt2(gpt2_folder: Path) -> LoadedModel:
    return load(ModelSource("tiny-gpt2", gpt2_folder), device="cpu")


@pytest.fixture(scope="session")
def llama(llama_folder: Path) -> LoadedModel:
    return load(ModelSource("tiny-llama", llama_folder), device="cpu")


@pytest.fixture(scope="session")
def default_folder() -> Path:
    """The real default model: from the user's cache, or fetched into it."""
    try:
        return pull_default()
    except ModelNotFound as error:
        pytest.skip(f"the default model cannot be had here: {error}")


@pytest.fixture(scope="session")
def default_model(default_folder: Path) -> LoadedModel:
    return load(ModelSource("default", default_folder, "pinned"), device="cpu")


@pytest.fixture(scope="session")
def generate_greedily() -> Callable[[LoadedModel, list[int], SamplingParams], list[int]]:
    """Transformers' own greedy continuation of a prompt, up to the first control token."""
    import torch

    def generate(loaded: LoadedModel, prompt: list[int], params: SamplingParams) -> list[int]:
        control = loaded.format.control_ids
        output: Any = loaded.model.generate(  # type: ignore[operator]
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
            do_sample=False,
            max_new_tokens=params.max_new_tokens,
            min_new_tokens=params.min_new_tokens,
            repetition_penalty=params.repetition_penalty,
            eos_token_id=sorted(control),
            pad_token_id=0,
        )
        tokens: list[int] = output[0, len(prompt) :].tolist()
        return tokens[:-1] if tokens[-1] in control else tokens

    return generate


@pytest.fixture(scope="session")
def make_wheel() -> Callable[..., Path]:
    """Writes the smallest wheel that pip accepts, thing-1.0, with `members` in it, to a folder."""

    def make(folder: Path, **members: bytes) -> Path:
        wheel = folder / "thing-1.0-py3-none-any.whl"
        info = {
            "METADATA": "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
            "WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
            "RECORD": "",
        }
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, text in info.items():
                archive.writestr(f"thing-1.0.dist-info/{name}", text)
            for name, data in members.items():
                archive.writestr(name, data)
        return wheel

    return make
