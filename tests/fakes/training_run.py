"""Run folders as `cliffhanger train finetune` leaves them, of models small enough to make at once.

Real architectures, files and libraries; only the training itself is replaced by random weights.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from model.genres import DEFAULT_GENRES, GenreTable
from model.prompt import BOS, EOS, PAD

RECIPE = {
    "model_name_or_path": None,
    "train_data_file": "data/train.txt",
    "eval_data_file": "data/eval.txt",
    "block_size": 64,
    "lora": {"r": 4, "alpha": 8.0},
    "learning_rate": 0.0004,
    "seed": 42,
}


def make_base(folder: Path) -> Path:
    """A Llama with tied embeddings and random weights, as the default model is a trained one."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    tokenizer = _tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=128, hidden_size=48,
        intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        initializer_range=0.3, bos_token_id=1, eos_token_id=2, tie_word_embeddings=True,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(7)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_run(base: Path, folder: Path, table: GenreTable = DEFAULT_GENRES) -> Path:
    """A LoRA run on `base`: adapter with rows for new tokens, tokenizer, recipe and history."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    n_old = len(tokenizer)
    tokenizer.add_special_tokens({"bos_token": BOS, "eos_token": EOS, "pad_token": PAD})
    tokenizer.add_tokens([genre.token for genre in table], special_tokens=True)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    config = LoraConfig(
        r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM",
        trainable_token_indices={"embed_tokens": list(range(n_old, len(tokenizer)))},
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        tuned = get_peft_model(model, config)
        for name, parameter in tuned.named_parameters():
            if "trainable_tokens_delta" in name:
                torch.nn.init.normal_(parameter, std=0.5)
    tuned.save_pretrained(folder, save_embedding_layers=False)
    tokenizer.save_pretrained(folder)
    edit_json(folder / "adapter_config.json", base_model_name_or_path=str(base))
    (folder / "checkpoint-4").mkdir()
    (folder / "checkpoint-4" / "optimizer.pt").write_bytes(b"large")
    write_record(folder, RECIPE | {"model_name_or_path": str(base)})
    return folder


def write_record(folder: Path, recipe: dict[str, Any]) -> None:
    """What a run notes of itself: recipe and history."""
    folder.mkdir(exist_ok=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    (folder / "history.json").write_text(json.dumps(HISTORY))


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def copy_of(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


HISTORY: list[dict[str, Any]] = [
    {"step": 1, "epoch": 0.25, "loss": 4.0, "learning_rate": 4e-4, "tokens": 900, "seconds": 2.0},
    {"step": 2, "epoch": 0.5, "loss": 3.5, "learning_rate": 3e-4, "tokens": 2000, "seconds": 4.0},
    {"step": 2, "epoch": 0.5, "eval_loss": 3.25, "eval_bits_per_byte": 1.25},
    {"step": 4, "epoch": 1.0, "loss": 3.0, "learning_rate": 1e-4, "tokens": 4000, "seconds": 8.0},
    {"step": 4, "epoch": 1.0, "eval_loss": 3.375, "eval_bits_per_byte": 1.5},
]


MANIFEST: dict[str, Any] = {
    "options": {"eval_share": 0.05, "seed": 42},
    "sources": [
        {
            "name": "genre_plots.txt",
            "format": "seed text",
            "licence": "CC BY-SA",
            "sha256": "0123456789abcdef" * 4,
            "rows": 1200,
            "kept": 1100,
            "dropped": {"too short": 100},
        }
    ],
    "genres": {
        "horror": {"train_before": 40, "train_after": 160, "words_after": 48000, "eval": 10}
    },
    "labels_without_genre": {"comedy": 100},
}


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words = [opening for genre in DEFAULT_GENRES for opening in genre.openings] * 4
    tokenizer.train_from_iterator(words, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>"
    )
